"""Every other track against the baseline: what the rule decides, at either choice of rates, what stands beside it, and targets.

Inputs -> comparisons -> result; the statistics are those of verdict.py, sequential.py and curves.py.

The rule begins with a gate: nothing is decided where a track's models have learned no more than counting its entries knows.
Longer tokens begin at fewer bits per byte, by the frequency of entries alone, and their models stand on a plateau at first. A
run that ends above what a count model of the same ids reaches compares floors, not learning.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from toktrial.report.accounts import CountModel
from toktrial.report.axes import COMPARED_AXES
from toktrial.report.curves import MEASURE, CurveQuestions, Needed, Pair, curve_questions, needed, steps_to_reach
from toktrial.report.evaluated import EvaluatedRun, RunPairs, TrialInputs, by_side
from toktrial.report.sequential import look, shared_confidence
from toktrial.report.verdict import (
    DocumentInterval,
    corrected_p_values,
    decide,
    document_interval,
    paired_interval,
    verdict_word,
)
from toktrial.training.rates import Policy, TunedRates

COUNTING = {"bigram": "counting pairs", "unigram": "counting entries"}  # what a model has learned no more than
NOT_MEASURED = "undecided: what counting alone reaches was not measured"


@dataclass(frozen=True)
class BesideTheVerdict:
    """What stands beside the verdict on one other track, and decides nothing."""

    validation_loss: CurveQuestions
    bits_per_byte: CurveQuestions
    documents: DocumentInterval


@dataclass(frozen=True)
class Learned:
    """How a track's runs stand against what counting alone reaches, where the verdict compares, in bits per byte.

    `floor`: the count model's, None in a trial of an earlier version. `highest`: the worst run's. `has_learned`: whether every
    run is below the floor; None without one. `steps_needed`: by the slope of the worst run's curve; None where it has learned,
    and where the slope cannot tell.
    """

    floor: float | None
    highest: float
    has_learned: bool | None
    steps_needed: int | None


@dataclass(frozen=True)
class LookTaken:
    """The look of a sequential design at which a comparison stands: the level that its two-sided p-value is held against, and
    whether another pair is to be trained.
    """

    level: float
    is_open: bool


@dataclass(frozen=True)
class Comparison:
    """One other track against the baseline, in bits per byte where the verdict compares them.

    `verdict`: the rule's word. `paired_seeds`: those that decide, with one of `differences` each; `difference` is their mean,
    `relative_difference` the same as a share of the baseline's. `low`, `high`: the paired t-interval, of `interval_confidence`.
    `look`: None where the protocol plans only one. `learned`: of the baseline and of the track. `budget`: where the verdict
    compares, `steps` or `bytes`. `p_value`: of the paired t-test, two-sided; `p_value_corrected`: after Holm's correction for
    the number of tracks. `interval_without_width`: whether all differences are equal up to rounding. `baseline_bits_per_byte`:
    mean of the baseline's paired runs.
    """

    track: str
    baseline: str
    verdict: str
    paired_seeds: list[int]
    difference: float
    relative_difference: float
    differences: list[float]
    interval_confidence: float
    look: LookTaken | None
    learned: dict[str, Learned]
    budget: str
    low: float | None
    high: float | None
    p_value: float | None
    p_value_corrected: float | None
    interval_without_width: bool
    baseline_bits_per_byte: float
    beside_the_verdict: BesideTheVerdict


@dataclass(frozen=True, kw_only=True)
class Tuning(TunedRates):
    """What the tuning of learning rates found.

    `decides`: whether the verdict's runs have each track's own best rate or the shared one. `seeds`: runs of each track at each
    rate. `verdicts`: one for each other track, at `own` and at `shared` rates, or at one of these where the other was not run.
    """

    decides: Policy
    seeds: int
    verdicts: dict[Policy, list[Comparison]]


@dataclass(frozen=True)
class AskedTarget:
    """What each track needs, by track and axis, to reach a target that was named."""

    bits_per_byte: float
    tracks: dict[str, dict[str, Needed]]


@dataclass(frozen=True)
class Targets:
    """What each track needs, by track and axis: to where the baseline's curve of the same seed ends, and to what was asked."""

    baseline_final: dict[str, dict[str, Needed]]
    asked_for: AskedTarget | None


def gather_comparisons(inputs: TrialInputs) -> list[Comparison]:
    """Returns what the protocol's rule says of every other track, and what stands beside it."""
    design, baseline, others = inputs.design, inputs.baseline, inputs.others
    confidence = design.verdict.confidence
    each_confidence = shared_confidence(confidence, len(others))
    paired = {other: inputs.pairs_of(other) for other in others}
    values = {other: by_side(runs, inputs.judged) for other, runs in paired.items()}
    if design.has_looks:
        looks = {other: look(*values[other], design.seeds, design.most_seeds, each_confidence) for other in others}
        intervals = {other: each.interval for other, each in looks.items()}
        words = {other: verdict_word(other, each.interval, baseline, each.has_found) for other, each in looks.items()}
    else:
        looks = {}
        intervals = {other: paired_interval(*values[other], each_confidence) for other in others}
        words = decide(intervals, baseline, confidence)
    all_learned, corrected = gate(inputs), corrected_p_values(intervals)
    found = []
    for other, interval in intervals.items():
        learned = {track: all_learned[track] for track in (baseline, other)}
        of_baseline, of_other = values[other]
        mean = statistics.fmean(of_baseline)
        taken = looks.get(other)
        comparison = Comparison(
            track=other,
            baseline=baseline,
            verdict=_undecided(learned, design.verdict.floor) or words[other],
            paired_seeds=[run.seed for _, run in paired[other]][: interval.seeds],
            difference=interval.mean,
            relative_difference=interval.mean / mean,
            differences=[two - one for one, two in zip(of_baseline, of_other, strict=True)][: interval.seeds],
            interval_confidence=1 - taken.level if taken else each_confidence,
            look=LookTaken(taken.level, taken.is_open) if taken else None,
            learned=learned,
            budget=design.verdict.budget,
            low=interval.low,
            high=interval.high,
            p_value=interval.p_value,
            p_value_corrected=corrected[other],
            interval_without_width=interval.without_width,
            baseline_bits_per_byte=mean,
            beside_the_verdict=_beside(inputs, paired[other]),
        )
        found.append(comparison)
    return found


def gate(inputs: TrialInputs) -> dict[str, Learned]:
    """Returns how each track stands."""
    found = {}
    for track, runs in inputs.runs.items():
        worst = max(runs, key=inputs.judged)
        highest, floors = inputs.judged(worst), inputs.floors.get(track)
        if not floors:
            found[track] = Learned(None, highest, None, None)
            continue
        counted: CountModel = getattr(floors, inputs.design.verdict.floor)
        has_learned = highest < counted.bits_per_byte
        found[track] = Learned(
            counted.bits_per_byte, highest, has_learned, None if has_learned else _steps_needed(worst, counted)
        )
    return found


def _steps_needed(run: EvaluatedRun, counted: CountModel) -> int | None:
    """Returns the steps by which a run's curve would reach its floor, both on the curve's documents; more than it has taken."""
    steps = steps_to_reach(run.curve, counted.curve_bits_per_byte)
    return None if steps is None else max(steps, run.final.step + 1)


def gather_tuning(inputs: TrialInputs, comparisons: Sequence[Comparison]) -> Tuning | None:
    """Returns what the tuning of learning rates found, and the verdict at the choice of rates that does not decide.

    None where rates were not tuned. `comparisons` are those at the rates that decide.
    """
    if not inputs.tuning:
        return None
    config = inputs.design.tuning
    verdicts = {config.decides: list(comparisons)}
    differ = [track for track in inputs.runs if inputs.tuning.own[track] != inputs.tuning.shared]
    if all(inputs.runs_at_other_rate.get(track) for track in differ):
        runs = inputs.runs | {track: inputs.runs_at_other_rate[track] for track in differ}
        verdicts["shared" if config.decides == "own" else "own"] = gather_comparisons(replace(inputs, runs=runs))
    return Tuning(**asdict(inputs.tuning), decides=config.decides, seeds=config.seeds, verdicts=verdicts)


def gather_targets(inputs: TrialInputs, asked: float | None) -> Targets:
    """Returns what each track needs to reach the baseline's final curve value, and to reach `asked` bits per byte.

    The first is found seed by seed, so it compares seeds that the baseline finished too. All by linear interpolation on the
    curves, along every axis.
    """
    finals = {run.seed: float(run.curve.columns[MEASURE][-1]) for run in inputs.runs[inputs.baseline]}

    def along_axes(runs: Sequence[EvaluatedRun], values: Sequence[float]) -> dict[str, Needed]:
        return {axis: needed([run.curve for run in runs], values, MEASURE, axis) for axis in COMPARED_AXES}

    compared = {track: [run for run in runs if run.seed in finals] for track, runs in inputs.runs.items()}
    to_final = {track: along_axes(runs, [finals[run.seed] for run in runs]) for track, runs in compared.items()}
    if asked is None:
        return Targets(to_final, None)
    return Targets(
        to_final, AskedTarget(asked, {track: along_axes(runs, [asked] * len(runs)) for track, runs in inputs.runs.items()})
    )


def _beside(inputs: TrialInputs, paired: RunPairs) -> BesideTheVerdict:
    pairs: list[Pair] = [(baseline.curve, other.curve) for baseline, other in paired]
    warmup_steps = inputs.design.training.warmup_steps
    nats = np.mean([other.document_nats - baseline.document_nats for baseline, other in paired], axis=0)
    return BesideTheVerdict(
        validation_loss=curve_questions(pairs, "validation_loss", warmup_steps),
        bits_per_byte=curve_questions(pairs, MEASURE, warmup_steps),
        documents=document_interval(nats, inputs.document_bytes, inputs.design.verdict.confidence),
    )


def _undecided(learned: Mapping[str, Learned], floor: str) -> str | None:
    """Returns the word where a track has not learned, so that nothing is decided; else None."""
    if any(each.has_learned is None for each in learned.values()):
        return NOT_MEASURED
    unlearned = [track for track, each in learned.items() if not each.has_learned]
    has = "has" if len(unlearned) == 1 else "have"
    return f"undecided: {' and '.join(unlearned)} {has} learned no more than {COUNTING[floor]}" if unlearned else None
