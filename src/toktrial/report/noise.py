"""What chance looks like where it is not normal: runs of two kinds, and what a t-interval then promises too much.

Inputs and comparisons -> noise -> result; all but `gather_noise` are pure functions over final values.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from toktrial.report.evaluated import TrialInputs
from toktrial.report.result_comparisons import Comparison, NoiseResult
from toktrial.report.sequential import p_values

FEWEST_SURE_SEEDS = 5  # below so many, one late run is a third or a fourth of all that is known
LATE_SHARE = "one in three"  # of the simulated runs, as `false_verdict_rate` has it
LATE_PROBABILITY = 1 / 3
NOISE_OVER_GAP = 0.05  # the standard deviation within either kind of run, as a share of what a late run is behind
SIMULATED_TRIALS = 20_000
GROUPS_TRIALS = 20_000
FALSE_ALARMS = 0.05


def gather_noise(inputs: TrialInputs, comparisons: Sequence[Comparison]) -> NoiseResult:
    """Returns what the runs say of chance, where the verdict compares them.

    The rate of false verdicts is not told with so many seeds, and no runs in two groups, that it is not worth telling.
    """
    judged = {track: {run.seed: inputs.judged(run) for run in runs} for track, runs in inputs.runs.items()}
    correlations = {}
    for comparison in comparisons:
        baseline, other = judged[comparison.baseline], judged[comparison.track]
        seeds = comparison.paired_seeds
        correlations[comparison.track] = correlation([baseline[seed] for seed in seeds], [other[seed] for seed in seeds])
    split = [track for track, values in judged.items() if two_groups(list(values.values()))]
    fewest = min(len(comparison.paired_seeds) for comparison in comparisons)
    is_told = fewest > 1 and (fewest < FEWEST_SURE_SEEDS or bool(split))
    rate = false_verdict_rate(fewest, inputs.design.verdict.confidence) if is_told else None
    return NoiseResult(correlations, split, rate, fewest)


def correlation(baseline: Sequence[float], other: Sequence[float]) -> float | None:
    """Returns Pearson's correlation of paired values; None with fewer than three pairs, or where one side does not vary."""
    if len(baseline) < 3 or np.ptp(baseline) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(baseline, other)[0, 1])


def two_groups(values: Sequence[float]) -> bool:
    """Whether values fall into two groups: their largest gap is a larger share of their range than normal noise shows in 95%.

    Fewer than four values cannot tell: one of three always stands somewhere apart.
    """
    if len(values) < 4 or np.ptp(values) == 0:
        return False
    ordered = np.sort(values)
    return float(np.diff(ordered).max() / (ordered[-1] - ordered[0])) > _usual_gap(len(values))


@cache
def false_verdict_rate(seeds: int, confidence: float) -> float:
    """Returns how often a paired t-interval leaves out 0 where the difference's mean is 0 and its noise has two kinds of runs.

    In one pair of three the other track's run is late by a gap, and all its runs are ahead by a third of that gap; so the mean
    is 0. Within either kind, differences are normal with a twentieth of the gap. Simulated, with a fixed seed.
    """
    random = np.random.default_rng(0)
    late = random.random((SIMULATED_TRIALS, seeds)) < LATE_PROBABILITY
    differences = late - LATE_PROBABILITY + NOISE_OVER_GAP * random.standard_normal((SIMULATED_TRIALS, seeds))
    return float((p_values(differences.T)[-1] < 1 - confidence).mean())


@cache
def _usual_gap(values: int) -> float:
    """Returns what the largest gap over the range stays below in 95% of samples of normal noise."""
    ordered = np.sort(np.random.default_rng(0).standard_normal((GROUPS_TRIALS, values)), axis=1)
    gaps = np.diff(ordered, axis=1).max(axis=1) / (ordered[:, -1] - ordered[:, 0])
    return float(np.quantile(gaps, 1 - FALSE_ALARMS))
