"""Minimal pairs: how often the models find the right sentence likelier, by field of grammar and by paradigm.

Inputs -> minimal pairs -> result.
"""

import math
import statistics
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from toktrial.report.curves import standard_deviation_over_seeds
from toktrial.report.evaluated import EvaluatedRun, KnownPairs, TrialInputs
from toktrial.report.result_accounts import (
    Accuracy,
    AccuracyDifference,
    AllPairs,
    GrammarField,
    GrammarParadigm,
    MinimalPairs,
)
from toktrial.report.verdict import Floats, paired_interval

# With so many pairs the 95% interval of an accuracy reaches less than 10 points to either side. With fewer, the accuracy of a
# paradigm is mostly chance, and it would weigh as much as any other in the mean.
LEAST_KNOWN_PAIRS = 100
POINTS = {"1": 1.0, "0": 0.0, "=": 0.5}
ALL_FIELDS = "all"
BySeed = dict[int, dict[str, float]]  # seed -> paradigm -> share of its known pairs
Accuracies = dict[str, BySeed]  # by track


def gather_minimal_pairs(inputs: TrialInputs) -> MinimalPairs | None:
    """Returns how often the models find the right sentence likelier; None where no pairs were judged, or not by every track.

    Intervals are at the protocol's confidence. Paradigms count with their known pairs alone.
    """
    source, account = inputs.design.evaluation.minimal_pairs, inputs.known_pairs
    runs = {track: _judged(of_track, account) for track, of_track in inputs.runs.items()}
    if not source or not account or not all(runs.values()):
        return None
    confidence = inputs.design.verdict.confidence
    known = {paradigm.name: _points(paradigm.known) == 1 for paradigm in account.paradigms}
    sizes = {name: int(of_paradigm.sum()) for name, of_paradigm in known.items()}
    pairs, known_pairs = sum(map(len, known.values())), sum(sizes.values())
    accuracies: Accuracies = {
        track: {run.seed: {name: _accuracy(run, name, known[name]) for name in known} for run in of_track}
        for track, of_track in runs.items()
    }
    counted = [name for name, size in sizes.items() if size >= LEAST_KNOWN_PAIRS]
    fields: dict[str, list[str]] = {}
    for paradigm in account.paradigms:
        if paradigm.name in counted:
            fields.setdefault(paradigm.field, []).append(paradigm.name)
    return MinimalPairs(
        source=source,
        confidence=confidence,
        words=account.words,
        known_words=account.known_words,
        pairs=pairs,
        known_pairs=known_pairs,
        share_of_known_pairs=known_pairs / pairs,
        least_known_pairs=LEAST_KNOWN_PAIRS,
        counted=counted,
        not_counted=[name for name in known if name not in counted],
        tracks={track: _of_all_pairs(of_track, list(known)) for track, of_track in runs.items()},
        fields=[
            _field(field, names, sum(sizes[name] for name in names), accuracies, confidence)
            for field, names in [*sorted(fields.items()), *([(ALL_FIELDS, counted)] if counted else [])]
        ],
        paradigms=[
            GrammarParadigm(
                name=paradigm.name,
                field=paradigm.field,
                pairs=len(paradigm.known),
                known_pairs=sizes[paradigm.name],
                counted=paradigm.name in counted,
                tracks={
                    track: _paradigm(
                        [of_seed[paradigm.name] for of_seed in of_track.values()], sizes[paradigm.name], confidence
                    )
                    for track, of_track in accuracies.items()
                },
            )
            for paradigm in account.paradigms
        ],
    )


def wilson_interval(accuracy: float, pairs: int, confidence: float) -> tuple[float, float]:
    """Returns Wilson's score interval (Wilson 1927, JASA 22) of a share of `pairs`.

    As `scipy.stats.binomtest(...).proportion_ci(method="wilson")` has it, which takes whole counts alone: ties count one half
    here, and means over seeds are no whole counts either.
    """
    from scipy import stats

    z = float(stats.norm.ppf((1 + confidence) / 2))
    centre = accuracy + z**2 / (2 * pairs)
    half_width = z * math.sqrt(accuracy * (1 - accuracy) / pairs + z**2 / (4 * pairs**2))
    scale = 1 + z**2 / pairs
    return (centre - half_width) / scale, (centre + half_width) / scale


def mean_interval(values: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Returns Student's t-interval of a mean; None of fewer than two values."""
    interval = paired_interval([0.0] * len(values), values, confidence)
    return None if interval.low is None or interval.high is None else (interval.low, interval.high)


def _judged(runs: Sequence[EvaluatedRun], account: KnownPairs | None) -> list[EvaluatedRun]:
    """Returns the runs that judged the very pairs of the account."""
    if not account:
        return []
    return [run for run in runs if run.minimal_pairs and run.minimal_pairs.pairs_fingerprint == account.pairs_fingerprint]


def _points(letters: str) -> Floats:
    return np.array([POINTS[letter] for letter in letters])


def _accuracy(run: EvaluatedRun, paradigm: str, known: NDArray[np.bool_]) -> float:
    """The share of a paradigm's known pairs; NaN where there are none."""
    assert run.minimal_pairs is not None
    points = _points(run.minimal_pairs.outcomes[paradigm])[known]
    return float(points.mean()) if len(points) else math.nan


def _of_all_pairs(runs: Sequence[EvaluatedRun], paradigms: Sequence[str]) -> AllPairs:
    outcomes = [run.minimal_pairs.outcomes for run in runs if run.minimal_pairs]
    means = [statistics.fmean(float(_points(of_run[name]).mean()) for name in paradigms) for of_run in outcomes]
    return AllPairs(
        seeds=[run.seed for run in runs],
        accuracy_of_all_pairs=statistics.fmean(means),
        ties=sum(letters.count("=") for of_run in outcomes for letters in of_run.values()),
        seconds=sum(run.minimal_pairs.seconds for run in runs if run.minimal_pairs),
    )


def _paradigm(by_seed: Sequence[float], pairs: int, confidence: float) -> Accuracy:
    if not pairs:
        return Accuracy(None, None, None, None)
    accuracy = statistics.fmean(by_seed)
    return Accuracy(accuracy, *wilson_interval(accuracy, pairs, confidence), standard_deviation_over_seeds(by_seed))


def _field(field: str, names: Sequence[str], known_pairs: int, accuracies: Accuracies, confidence: float) -> GrammarField:
    baseline, *others = accuracies
    return GrammarField(
        field=field,
        paradigms=len(names),
        known_pairs=known_pairs,
        tracks={track: _mean_over(names, of_track, confidence) for track, of_track in accuracies.items()},
        differences={other: _mean_difference(names, accuracies[baseline], accuracies[other], confidence) for other in others},
    )


def _mean_over(names: Sequence[str], by_seed: BySeed, confidence: float) -> Accuracy:
    of_paradigms = [statistics.fmean(of_seed[name] for of_seed in by_seed.values()) for name in names]
    of_seeds = [statistics.fmean(of_seed[name] for name in names) for of_seed in by_seed.values()]
    low, high = mean_interval(of_paradigms, confidence) or (None, None)
    return Accuracy(
        accuracy=statistics.fmean(of_paradigms),
        low=None if low is None else max(0.0, low),
        high=None if high is None else min(1.0, high),
        standard_deviation=standard_deviation_over_seeds(of_seeds),
    )


def _mean_difference(names: Sequence[str], baseline: BySeed, other: BySeed, confidence: float) -> AccuracyDifference:
    """Other minus baseline, over the seeds that both have, paired by seed and paradigm."""
    seeds = sorted(baseline.keys() & other.keys())
    if not seeds:
        return AccuracyDifference([], None, None, None)
    of_paradigms = [statistics.fmean(other[seed][name] - baseline[seed][name] for seed in seeds) for name in names]
    low, high = mean_interval(of_paradigms, confidence) or (None, None)
    return AccuracyDifference(seeds, statistics.fmean(of_paradigms), low, high)
