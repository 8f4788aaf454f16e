"""Every other track against the baseline: what the rule decides, what stands beside it, the A/A control, and targets.

Inputs -> comparisons -> result; the statistics are those of verdict.py, sequential.py, gate.py and curves.py.
"""

import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from toktrial.report.axes import COMPARED_AXES
from toktrial.report.curves import Curve, Pair, crossings, lower, needed, reach, standard_deviation_over_seeds, swapped
from toktrial.report.evaluated import EvaluatedRun, TrialInputs
from toktrial.report.gate import gate, gated_words
from toktrial.report.result_comparisons import (
    AskedTarget,
    BesideTheVerdict,
    Comparison,
    Control,
    ControlPair,
    CurveQuestions,
    LookTaken,
    Needed,
    Targets,
)
from toktrial.report.sequential import Look, decide_by_looks, look, shared_confidence
from toktrial.report.verdict import corrected_p_values, decide, document_interval, paired_interval

MEASURE = "bits_per_byte"
Judged = Mapping[str, list[tuple[float, float]]]  # other track -> (baseline, other) of each paired seed, in bits per byte


def gather_comparisons(inputs: TrialInputs) -> list[Comparison]:
    """Returns what the protocol's rule says of every other track, and what stands beside it."""
    verdict = inputs.design.verdict
    paired = {other: inputs.pairs_of(other) for other in inputs.others}
    judged = {other: [(inputs.judged(one), inputs.judged(two)) for one, two in runs] for other, runs in paired.items()}
    looks = _looks(inputs, judged)
    each_confidence = shared_confidence(verdict.confidence, len(judged))
    intervals = {
        other: looks[other].interval if looks else paired_interval(*_sides(values), each_confidence)
        for other, values in judged.items()
    }
    learned = gate(inputs)
    decided = decide_by_looks(looks, inputs.baseline) if looks else decide(intervals, inputs.baseline, verdict.confidence)
    words = gated_words(decided, learned, inputs.baseline, verdict.floor)
    corrected = corrected_p_values(intervals)
    found = []
    for other, interval in intervals.items():
        of_baseline = statistics.fmean(one for one, _ in judged[other])
        comparison = Comparison(
            track=other,
            baseline=inputs.baseline,
            verdict=words[other],
            paired_seeds=[run.seed for _, run in paired[other]][: interval.seeds],
            difference=interval.mean,
            relative_difference=interval.mean / of_baseline,
            differences=[two - one for one, two in judged[other]][: interval.seeds],
            interval_confidence=1 - looks[other].level if looks else each_confidence,
            look=LookTaken(looks[other].level, looks[other].is_open) if looks else None,
            learned={track: learned[track] for track in (inputs.baseline, other)},
            budget=verdict.budget,
            low=interval.low,
            high=interval.high,
            p_value=interval.p_value,
            p_value_corrected=corrected[other],
            interval_without_width=interval.without_width,
            baseline_bits_per_byte=of_baseline,
            beside_the_verdict=_beside(inputs, paired[other]),
        )
        found.append(comparison)
    return found


def gather_control(inputs: TrialInputs, comparisons: Sequence[Comparison]) -> Control | None:
    """Returns what the A/A control found; None without finished pairs of it.

    Seed n of the baseline is paired with its seed `last_seed` + n.
    """
    design = inputs.design
    again = {run.seed: run.final.bits_per_byte for run in inputs.control_runs}
    first = {run.seed: run.final.bits_per_byte for run in inputs.runs[inputs.baseline]}
    seeds = [(seed, seed + design.last_seed) for seed in first if seed + design.last_seed in again]
    if not seeds:
        return None
    pairs = [ControlPair(one, two, first[one], again[two], again[two] - first[one]) for one, two in seeds]
    interval = paired_interval(
        [pair.bits_per_byte for pair in pairs], [pair.other_bits_per_byte for pair in pairs], design.verdict.confidence
    )
    root_mean_square = float(np.sqrt(np.mean(np.square([pair.difference for pair in pairs]))))
    return Control(
        track=inputs.baseline,
        pairs_in_protocol=design.seeds,
        pairs=pairs,
        mean=interval.mean,
        low=interval.low,
        high=interval.high,
        holds_zero=None if interval.low is None or interval.high is None else interval.low <= 0 <= interval.high,
        root_mean_square=root_mean_square,
        multiples={item.track: abs(item.difference) / root_mean_square if root_mean_square else None for item in comparisons},
        deviations={item.track: standard_deviation_over_seeds(item.differences) for item in comparisons},
    )


def gather_targets(inputs: TrialInputs, asked: float | None) -> Targets:
    """Returns what each track needs to the baseline's final curve value, and to `asked` bits per byte.

    The first is told seed by seed, so it compares seeds that the baseline finished too. All by linear interpolation on the
    curves, along every axis.
    """
    finals = {run.seed: float(run.curve.columns[MEASURE][-1]) for run in inputs.runs[inputs.baseline]}
    to_final = {}
    for track, runs in inputs.runs.items():
        compared = [run for run in runs if run.seed in finals]
        to_final[track] = _needed_along_axes([run.curve for run in compared], [finals[run.seed] for run in compared])
    if asked is None:
        return Targets(to_final, None)
    to_asked = {
        track: _needed_along_axes([run.curve for run in runs], [asked] * len(runs)) for track, runs in inputs.runs.items()
    }
    return Targets(to_final, AskedTarget(asked, to_asked))


def _sides(values: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [one for one, _ in values], [two for _, two in values]


def _looks(inputs: TrialInputs, judged: Judged) -> dict[str, Look]:
    """Returns where a sequential design stands on each other track; none where the protocol plans one look alone."""
    design = inputs.design
    if not design.has_looks:
        return {}
    each = shared_confidence(design.verdict.confidence, len(judged))
    return {other: look(*_sides(values), design.seeds, design.most_seeds, each) for other, values in judged.items()}


def _beside(inputs: TrialInputs, paired: Sequence[tuple[EvaluatedRun, EvaluatedRun]]) -> BesideTheVerdict:
    pairs: list[Pair] = [(baseline.curve, other.curve) for baseline, other in paired]
    warmup_steps = inputs.design.training.warmup_steps
    nats = np.mean([other.document_nats - baseline.document_nats for baseline, other in paired], axis=0)
    return BesideTheVerdict(
        validation_loss=_curve_questions(pairs, "validation_loss", warmup_steps),
        bits_per_byte=_curve_questions(pairs, MEASURE, warmup_steps),
        documents=document_interval(nats, inputs.document_bytes, inputs.design.verdict.confidence),
    )


def _curve_questions(pairs: Sequence[Pair], measure: str, warmup_steps: int) -> CurveQuestions:
    return CurveQuestions(
        lower=lower(pairs, measure, warmup_steps),
        reach={axis: reach(pairs, measure, axis) for axis in COMPARED_AXES},
        reach_by_baseline={axis: reach(swapped(pairs), measure, axis) for axis in COMPARED_AXES},
        crossings_at_steps=crossings(pairs, measure, warmup_steps),
    )


def _needed_along_axes(curves: Sequence[Curve], values: Sequence[float]) -> dict[str, Needed]:
    return {axis: needed(curves, values, MEASURE, axis) for axis in COMPARED_AXES}
