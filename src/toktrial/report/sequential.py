"""A planned sequential design: looks after every pair of seeds, at levels that keep the error rate over all of them.

Pure functions over differences, like verdict.py: evaluation -> report; trial_folder.py asks here whether to train another seed.

Every look is the paired t-test at a nominal level of its own, which rises as the cube of the number of pairs: strict at first,
like O'Brien & Fleming (1979, Biometrics 35), and in the form of Kim & DeMets' family (1987, Biometrika 74), but for levels. The
usual tables are for normal values, which a few pairs are far from, so the levels are simulated for t instead: in a share
`confidence` of the trials in which there is nothing to find, the smallest p-value of all looks, each divided by its shape,
stays above the scale. The t-statistics of successive looks depend on no unknown, so the levels hold for all normal noise.

Chosen by simulation (benchmarks/sequential_designs.py, figures in LOG.md): it finds an effect of one standard deviation in 62%
of trials of 3 to 8 pairs, for a fifth of a pair more than a constant level (Pocock 1977), which finds it in 50%; an
anytime-valid test finds it in 23%. A strict first look also protects best where the noise is not normal.

The interval at a look's level is a repeated confidence interval (Jennison & Turnbull 1989, J. R. Statist. Soc. B 51): those of
all looks hold together with the stated confidence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from toktrial.report.verdict import Floats, PairedInterval, paired_interval

LEVEL_POWER = 3  # levels rise as this power of the number of pairs
SIMULATED_TRIALS = 200_000  # the levels then keep the error rate that was asked for within 0.15 points
SIMULATION_SEED = 0


@dataclass(frozen=True)
class Look:
    """Where a sequential design stands: the first look that found a difference, or the latest one.

    `interval`: of the pairs up to that look, at the confidence of one look. `level`: what its two-sided p-value is held
    against; `has_found`: whether it lies below. `is_last`: whether no further pair is planned.
    """

    interval: PairedInterval
    level: float
    has_found: bool
    is_last: bool

    @property
    def is_open(self) -> bool:
        """Whether another pair is to be trained."""
        return not self.has_found and not self.is_last


def look(baseline: Sequence[float], other: Sequence[float], first: int, most: int, confidence: float) -> Look:
    """Returns where a design stands that looks after `first` pairs, and after every further one up to `most`.

    `baseline` and `other` hold one final value (bits per byte) a seed, in the same order of seeds; at least one. What an
    earlier look found stays found. Nothing can be found before the first look.
    """
    levels = look_levels(first, most, confidence)
    level = levels[0]
    for pairs, level in zip(range(first, min(len(other), most) + 1), levels, strict=False):
        interval = paired_interval(baseline[:pairs], other[:pairs], 1 - level)
        if interval.p_value is not None and interval.p_value < level:
            return Look(interval, level, True, pairs == most)
    return Look(paired_interval(baseline[:most], other[:most], 1 - level), level, False, len(other) >= most)


def is_open(finals: Sequence[Sequence[float]], first: int, most: int, confidence: float) -> bool:
    """Whether another seed is to be trained: `finals` are the baseline's values by seed, then those of every other track.

    Several tracks share the error rate evenly (Bonferroni), and all are trained while any of them is open.
    """
    baseline, *others = finals
    each = shared_confidence(confidence, len(others))
    return any(look(baseline, other, first, most, each).is_open for other in others)


def shared_confidence(confidence: float, comparisons: int) -> float:
    """Returns the confidence of each of several comparisons that together have `confidence`, by Bonferroni's inequality.

    It is also what Holm's correction asks of the smallest p-value, the strictest that it asks of any.

    >>> shared_confidence(0.95, 5)
    0.99
    """
    return 1 - (1 - confidence) / comparisons


@cache
def look_levels(first: int, most: int, confidence: float) -> list[float]:
    """Returns the nominal two-sided level of each look, after `first` to `most` pairs; with one look alone 1 - confidence."""
    assert 2 <= first <= most, "a look needs two pairs"
    if first == most:
        return [1 - confidence]
    shape = (np.arange(first, most + 1) / most) ** LEVEL_POWER
    smallest = (simulated_p_values(first, most, 0.0, SIMULATED_TRIALS, SIMULATION_SEED) / shape[:, None]).min(axis=0)
    levels: list[float] = (shape * np.quantile(smallest, 1 - confidence)).tolist()
    return levels


def simulated_p_values(first: int, most: int, effect: float, trials: int, seed: int) -> Floats:
    """Returns two-sided p-values (looks, trials) of paired t-tests after `first` to `most` pairs.

    The differences are normal; `effect` is their mean, in standard deviations.
    """
    differences = np.random.default_rng(seed).standard_normal((most, trials)) + effect
    return p_values(differences)[first - 2 :]


def p_values(differences: Floats) -> Floats:
    """Returns two-sided p-values (pairs - 1, trials) of differences (pairs, trials), after two pairs and each one more."""
    from scipy import stats

    pairs = np.arange(1, len(differences) + 1)[:, None]
    means = differences.cumsum(axis=0) / pairs
    squares = np.maximum((differences**2).cumsum(axis=0) - pairs * means**2, np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore"):
        statistics = np.abs(means) / np.sqrt(squares / np.maximum(pairs - 1, 1) / pairs)
    found: Floats = 2 * stats.t.sf(statistics[1:], pairs[1:] - 1)
    return found
