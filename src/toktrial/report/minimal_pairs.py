"""Minimal pairs: how often the models find the right sentence likelier, by field of grammar and by paradigm.

Inputs -> minimal pairs -> result.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toktrial.report.curves import standard_deviation_over_seeds
from toktrial.report.evaluated import EvaluatedRun, JudgedPairs, TrialInputs
from toktrial.report.verdict import Floats, paired_interval

# With so many pairs the 95% interval of an accuracy reaches less than 10 points to either side. With fewer, the accuracy of a
# paradigm is mostly chance, and it would weigh as much as any other in the mean.
LEAST_KNOWN_PAIRS = 100
POINTS = {"1": 1.0, "0": 0.0, "=": 0.5}
ALL_FIELDS = "all"
BySeed = dict[int, dict[str, float]]  # seed -> paradigm -> share of its known pairs
Accuracies = dict[str, BySeed]  # by track


@dataclass(frozen=True)
class Accuracy:
    """The share of pairs whose right sentence was found likelier, with its deviation over seeds; None without pairs."""

    accuracy: float | None
    low: float | None
    high: float | None
    standard_deviation: float | None


@dataclass(frozen=True)
class AccuracyDifference:
    """Other minus baseline, paired by paradigm and by the seeds that both have."""

    seeds: list[int]
    difference: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class GrammarField:
    """The accuracies in one field of grammar: means over its paradigms that count. `differences`: by other track."""

    field: str
    paradigms: int
    known_pairs: int
    tracks: dict[str, Accuracy]
    differences: dict[str, AccuracyDifference]


@dataclass(frozen=True)
class GrammarParadigm:
    """The accuracies in one paradigm, over its known pairs; `counted`: whether there are enough of these."""

    name: str
    field: str
    pairs: int
    known_pairs: int
    counted: bool
    tracks: dict[str, Accuracy]


@dataclass(frozen=True)
class AllPairs:
    """A track's answers to every pair, also to those with unknown words: mean over paradigms and seeds. `ties`: pairs whose
    sentences are equally likely.
    """

    seeds: list[int]
    accuracy_of_all_pairs: float
    ties: int
    seconds: float


@dataclass(frozen=True)
class MinimalPairs:
    """How often the models find the right sentence likelier.

    `source`: where the pairs came from. `words`: distinct words of the pairs, `known_words`: those that occur in the training
    text, `known_pairs`: pairs that hold only such words. A paradigm is `counted` if it has `least_known_pairs` or more.
    `fields`: by name, with `all` as the last.
    """

    source: str
    confidence: float
    words: int
    known_words: int
    pairs: int
    known_pairs: int
    share_of_known_pairs: float
    least_known_pairs: int
    counted: list[str]
    not_counted: list[str]
    tracks: dict[str, AllPairs]
    fields: list[GrammarField]
    paradigms: list[GrammarParadigm]


def gather_minimal_pairs(inputs: TrialInputs) -> MinimalPairs | None:
    """Returns how often the models find the right sentence likelier; None where a track judged no pairs of the account.

    Intervals are at the protocol's confidence. Paradigms count with their known pairs only.
    """
    source, account, confidence = inputs.design.evaluation.minimal_pairs, inputs.known_pairs, inputs.design.verdict.confidence
    if not source or not account:
        return None
    judged = {track: _judged(runs, account.pairs_fingerprint) for track, runs in inputs.runs.items()}
    if not all(judged.values()):
        return None
    known = {paradigm.name: _points(paradigm.known) == 1 for paradigm in account.paradigms}
    sizes = {name: int(of_paradigm.sum()) for name, of_paradigm in known.items()}
    pairs, known_pairs = sum(map(len, known.values())), sum(sizes.values())
    accuracies: Accuracies = {
        track: {seed: {name: _accuracy(answers, name, known[name]) for name in known} for seed, answers in of_track.items()}
        for track, of_track in judged.items()
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
        tracks={track: _of_all_pairs(of_track, list(known)) for track, of_track in judged.items()},
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
                    track: _of_paradigm([seed[paradigm.name] for seed in by_seed.values()], sizes[paradigm.name], confidence)
                    for track, by_seed in accuracies.items()
                },
            )
            for paradigm in account.paradigms
        ],
    )


def wilson_interval(accuracy: float, pairs: int, confidence: float) -> tuple[float, float]:
    """Returns Wilson's score interval (Wilson 1927, JASA 22) of a share of `pairs`.

    `scipy.stats.binomtest(...).proportion_ci(method="wilson")` has it too, but only of whole counts: here ties count one half,
    and means over seeds are not whole either.
    """
    from scipy import stats

    z = float(stats.norm.ppf((1 + confidence) / 2))
    centre = accuracy + z**2 / (2 * pairs)
    half_width = z * math.sqrt(accuracy * (1 - accuracy) / pairs + z**2 / (4 * pairs**2))
    scale = 1 + z**2 / pairs
    return (centre - half_width) / scale, (centre + half_width) / scale


def mean_interval(values: Sequence[float], confidence: float) -> tuple[float | None, float | None]:
    """Returns the ends of Student's t-interval of a mean; None for a single value."""
    interval = paired_interval([0.0] * len(values), values, confidence)
    return interval.low, interval.high


def _judged(runs: Sequence[EvaluatedRun], pairs_fingerprint: str) -> dict[int, JudgedPairs]:
    """Returns, by seed, the answers of the runs that judged the very pairs of the account."""
    answers = {run.seed: run.minimal_pairs for run in runs}
    return {seed: found for seed, found in answers.items() if found and found.pairs_fingerprint == pairs_fingerprint}


def _points(letters: str) -> Floats:
    return np.array([POINTS[letter] for letter in letters])


def _accuracy(answers: JudgedPairs, paradigm: str, known: NDArray[np.bool_]) -> float:
    """The share of a paradigm's known pairs; NaN where there are none."""
    points = _points(answers.outcomes[paradigm])[known]
    return float(points.mean()) if len(points) else math.nan


def _of_all_pairs(answers: dict[int, JudgedPairs], paradigms: Sequence[str]) -> AllPairs:
    outcomes = [of_seed.outcomes for of_seed in answers.values()]
    means = [statistics.fmean(float(_points(of_run[name]).mean()) for name in paradigms) for of_run in outcomes]
    return AllPairs(
        seeds=list(answers),
        accuracy_of_all_pairs=statistics.fmean(means),
        ties=sum(letters.count("=") for of_run in outcomes for letters in of_run.values()),
        seconds=sum(of_seed.seconds for of_seed in answers.values()),
    )


def _of_paradigm(by_seed: Sequence[float], pairs: int, confidence: float) -> Accuracy:
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
    low, high = mean_interval(of_paradigms, confidence)
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
    return AccuracyDifference(seeds, statistics.fmean(of_paradigms), *mean_interval(of_paradigms, confidence))
