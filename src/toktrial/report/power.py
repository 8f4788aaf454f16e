"""How many seeds it takes to find an effect of a given size: the power of the verdict's paired t-test.

Pure functions over numbers, and the noise that a trial measured; `toktrial power` prints what they say.

Differences of n paired seeds, normal with mean d and standard deviation s, give a t-statistic that follows the noncentral t
distribution with n - 1 degrees of freedom and noncentrality sqrt(n) d / s (Johnson, Kotz & Balakrishnan 1995, Continuous
Univariate Distributions 2, chapter 31; Cohen 1988, Statistical Power Analysis, chapter 2). All of it is exact, nothing
simulated. An effect counts as found where the verdict names the right track: the other tail is an error, not a find.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from toktrial.report.comparisons import gather_control
from toktrial.report.evaluated import TrialInputs
from toktrial.report.verdict import Floats, paired_interval

FEWEST_SEEDS, MOST_SEEDS = 2, 1000  # the rule needs two; beyond a thousand nobody trains


@dataclass(frozen=True)
class Noise:
    """What a trial measured of chance: the standard deviation of a paired difference in final bits per byte."""

    track: str
    """The other track that was paired with the baseline; the baseline itself where a control was measured."""
    source: Literal["tracks", "control"]
    pairs: int
    """Pairs of runs that it is measured on."""
    degrees_of_freedom: int
    standard_deviation: float
    """In bits per byte."""
    low: float
    """Lower end of its confidence interval."""
    high: float
    """Upper end of its confidence interval."""
    baseline_bits_per_byte: float
    """Mean of the baseline's finished runs, which a relative effect is a share of."""


def power_of(seeds: int | NDArray[np.int64], effect: float, noise: float, confidence: float) -> Floats:
    """Returns the share of trials that find an effect: that name the right track, by the paired t-test at `confidence`.

    `effect` and `noise` (the standard deviation of a paired difference) in one unit, `noise` above 0; `seeds` from 2 on.
    """
    from scipy import stats

    freedom = np.asarray(seeds) - 1
    critical = stats.t.ppf((1 + confidence) / 2, freedom)
    power: Floats = np.asarray(stats.nct.sf(critical, freedom, np.sqrt(seeds) * effect / noise), dtype=np.float64)
    return power


def smallest_effect(seeds: int, noise: float, power: float, confidence: float) -> float:
    """Returns the effect, in the noise's unit, that `seeds` seeds find in a share `power` of trials."""
    from scipy import optimize

    highest = 1.0
    while power_of(seeds, highest, 1.0, confidence) < power:
        highest *= 2
    root = optimize.brentq(lambda effect: float(power_of(seeds, effect, 1.0, confidence)) - power, 0.0, highest)
    return float(root) * noise


def seeds_needed(effect: float, noise: float, power: float, confidence: float) -> int | None:
    """Returns the fewest seeds that find `effect` in a share `power` of trials; None where that takes over 1,000."""
    seeds = np.arange(FEWEST_SEEDS, MOST_SEEDS + 1)
    enough = np.flatnonzero(power_of(seeds, effect, noise, confidence) >= power)
    return int(seeds[enough[0]]) if len(enough) else None


def spread_interval(standard_deviation: float, degrees_of_freedom: int, confidence: float) -> tuple[float, float]:
    """Returns the interval of a normal standard deviation by the chi-square distribution: few seeds leave it wide.

    >>> [round(end, 2) for end in spread_interval(1.0, 2, 0.95)]
    [0.52, 6.28]
    """
    from scipy import stats

    ends = stats.chi2.ppf([(1 + confidence) / 2, (1 - confidence) / 2], degrees_of_freedom)
    low, high = standard_deviation * np.sqrt(degrees_of_freedom / ends)
    return float(low), float(high)


def measured_noise(inputs: TrialInputs) -> Noise | None:
    """Returns the noise that a trial measured; None where it has no two pairs that differ, and no control.

    Of several other tracks, that of the noisiest. Where every other track has one pair only, the control's spread stands in,
    which bounds the paired noise from above where the other track is no noisier than the baseline; its true mean is 0, so it
    has as many degrees of freedom as pairs.
    """
    measured = [noise for track in inputs.others if (noise := _noise_of_pairs(inputs, track))]
    if measured:
        return max(measured, key=lambda noise: noise.standard_deviation)
    return _noise_of_control(inputs)


def _noise_of_pairs(inputs: TrialInputs, track: str) -> Noise | None:
    pairs = inputs.pairs_of(track)
    baseline, other = ([pair[side].final.bits_per_byte for pair in pairs] for side in (0, 1))
    if len(pairs) < FEWEST_SEEDS or paired_interval(baseline, other, 0.5).without_width:
        return None
    return _noise(inputs, track, "tracks", float(np.std(np.subtract(other, baseline), ddof=1)), len(pairs) - 1)


def _noise_of_control(inputs: TrialInputs) -> Noise | None:
    control = gather_control(inputs, [])
    if not control or not control.root_mean_square:
        return None
    return _noise(inputs, inputs.baseline, "control", control.root_mean_square, len(control.pairs))


def _noise(
    inputs: TrialInputs, track: str, source: Literal["tracks", "control"], spread: float, degrees_of_freedom: int
) -> Noise:
    low, high = spread_interval(spread, degrees_of_freedom, inputs.design.verdict.confidence)
    pairs = degrees_of_freedom + (source == "tracks")
    baseline = float(np.mean([run.final.bits_per_byte for run in inputs.runs[inputs.baseline]]))
    return Noise(track, source, pairs, degrees_of_freedom, spread, low, high, baseline)
