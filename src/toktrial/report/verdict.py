"""The verdict: one rule over final bits per byte decides; the interval over documents stands beside it.

Pure functions over numbers, the last stage's arithmetic: evaluation -> report.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NO_DIFFERENCE = "no measurable difference"
ONE_SEED = "undecided: one seed"
RESAMPLES = 10_000
BOOTSTRAP_SEED = 0
MOST_GROUPS = 4096  # bounds the bootstrap's work: 10,000 resamples of 4,096 groups take about half a second
ROUNDING = 1e-12  # differences whose spread is below this share of the values differ by rounding alone


@dataclass(frozen=True)
class PairedInterval:
    """The paired t-interval of a difference (other minus baseline) in final bits per byte, over `seeds` paired seeds.

    With one seed `low`, `high` and `p_value` (two-sided, of the paired t-test) are None. `without_width`: whether all
    differences are equal up to rounding, which independent trainings never give.
    """

    mean: float
    seeds: int
    low: float | None
    high: float | None
    p_value: float | None
    without_width: bool


@dataclass(frozen=True)
class DocumentInterval:
    """The bootstrap interval, over so many validation documents and by so many draws, of the difference in bits per byte."""

    mean: float
    low: float
    high: float
    documents: int
    resamples: int


def paired_interval(baseline: Sequence[float], other: Sequence[float], confidence: float) -> PairedInterval:
    """Returns Student's paired t-interval of other minus baseline, as `scipy.stats.ttest_rel` has it.

    `baseline` and `other` hold one final value (bits per byte) a seed, in the same order of seeds; at least one.
    Differences that are all equal give an interval without width and a p-value of 1 (at 0) or 0 (elsewhere).
    """
    from scipy import stats

    assert len(baseline) == len(other) > 0, "the values must be paired by seed"
    differences = np.asarray(other, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    seeds, mean = len(differences), float(differences.mean())
    if seeds == 1:
        return PairedInterval(mean, seeds, None, None, None, False)
    tolerance = ROUNDING * float(np.abs([*baseline, *other]).max())
    if float(np.ptp(differences)) <= tolerance:
        mean = 0.0 if abs(mean) <= tolerance else mean
        return PairedInterval(mean, seeds, mean, mean, float(mean == 0.0), True)
    standard_error = float(differences.std(ddof=1)) / seeds**0.5
    half_width = float(stats.t.ppf((1 + confidence) / 2, seeds - 1)) * standard_error
    p_value = 2 * float(stats.t.sf(abs(mean) / standard_error, seeds - 1))
    return PairedInterval(mean, seeds, mean - half_width, mean + half_width, p_value, False)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns the p-values corrected for their number by Holm's step-down method (Holm 1979, Scand. J. Statist. 6).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def corrected_p_values(intervals: Mapping[str, PairedInterval]) -> dict[str, float | None]:
    """Returns each other track's p-value after Holm's correction over all other tracks of the protocol.

    A track with one paired seed has none. It still counts among the tracks, with a p-value of 1: a trial that was
    interrupted is never judged more leniently than the finished one.
    """
    corrected = holm([1.0 if interval.p_value is None else interval.p_value for interval in intervals.values()])
    return {
        track: None if interval.p_value is None else value
        for (track, interval), value in zip(intervals.items(), corrected, strict=True)
    }


def decide(intervals: Mapping[str, PairedInterval], baseline: str, confidence: float) -> dict[str, str]:
    """Returns the verdict's word for each other track: the protocol's one rule, and nothing else, decides.

    With one other track, a p-value below 1 - confidence is the same as an interval without 0.
    """
    corrected = corrected_p_values(intervals)
    has_found = {other: value is not None and value < 1 - confidence for other, value in corrected.items()}
    return {other: verdict_word(other, interval, baseline, has_found[other]) for other, interval in intervals.items()}


def verdict_word(other: str, interval: PairedInterval, baseline: str, has_found: bool) -> str:
    """Returns what is said of another track: nothing with one seed, else who learned faster where that was found."""
    if interval.p_value is None:
        return ONE_SEED
    if not has_found:
        return NO_DIFFERENCE
    return f"{other if interval.mean < 0 else baseline} learned faster"


def document_interval(nats_differences: Floats, document_bytes: NDArray[np.uint32], confidence: float) -> DocumentInterval:
    """Returns the percentile bootstrap interval over documents (Efron & Tibshirani 1993, chapter 13).

    `nats_differences` (documents,) float64: nats of other minus baseline, averaged over the paired seeds.
    `document_bytes` (documents,): UTF-8 bytes of each document. Every resample draws as many documents as there are and
    divides the sum of differences by the sum of bytes. Beyond 4,096 documents, documents are dealt at random into 4,096
    groups and the groups are resampled: the same interval in expectation, at a bounded cost. Repeatable: fixed seed.
    """
    random = np.random.default_rng(BOOTSTRAP_SEED)
    bits = nats_differences / np.log(2)
    lengths = document_bytes.astype(np.float64)
    group_of = random.permutation(len(bits)) % MOST_GROUPS
    numerators, denominators = (np.bincount(group_of, weights=values).astype(np.float64) for values in (bits, lengths))
    resampled = _resampled_ratios(numerators, denominators, random)
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return DocumentInterval(float(bits.sum() / lengths.sum()), float(low), float(high), len(bits), RESAMPLES)


def _resampled_ratios(numerators: Floats, denominators: Floats, random: np.random.Generator) -> Floats:
    groups = len(numerators)
    resamples_at_once = max(1, 2_000_000 // groups)  # keeps the table of drawn indices at 16 MB
    ratios = np.empty(RESAMPLES)
    for start in range(0, RESAMPLES, resamples_at_once):
        stop = min(start + resamples_at_once, RESAMPLES)
        drawn = random.integers(0, groups, size=(stop - start, groups))
        ratios[start:stop] = numerators[drawn].sum(axis=1) / denominators[drawn].sum(axis=1)
    return ratios
