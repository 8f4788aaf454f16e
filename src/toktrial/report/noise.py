"""What chance looks like: the A/A control, runs of two kinds, the noise of a pair, and how many seeds find an effect in it.

Inputs and comparisons -> noise -> result; `toktrial power` prints what the power of the verdict's paired t-test says.

Differences of n paired seeds, normal with mean d and standard deviation s, give a t-statistic that follows the noncentral t
distribution with n - 1 degrees of freedom and noncentrality sqrt(n) d / s (Johnson, Kotz & Balakrishnan 1995, Continuous
Univariate Distributions 2, chapter 31; Cohen 1988, Statistical Power Analysis, chapter 2). The power is exact, not simulated.
An effect counts as found where the verdict names the right track: the other tail is an error, not a find.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from toktrial.report.comparisons import Comparison
from toktrial.report.curves import standard_deviation_over_seeds
from toktrial.report.design import Design
from toktrial.report.evaluated import TrialInputs, by_side
from toktrial.report.sequential import look_levels, p_values, shared_confidence
from toktrial.report.verdict import Floats, paired_interval

FEWEST_SURE_SEEDS = 5  # with fewer, one late run is a third or a fourth of all that is known
LATE_SHARE = "one in three"  # of the simulated runs, for `false_verdict_rate`
LATE_PROBABILITY = 1 / 3
NOISE_OVER_GAP = 0.05  # the standard deviation within either kind of run, as a share of what a late run is behind
SIMULATED_TRIALS = 20_000
FALSE_ALARMS = 0.05
FEWEST_SEEDS, MOST_SEEDS = 2, 1000  # the rule needs two; nobody trains more than a thousand


@dataclass(frozen=True)
class NoiseResult:
    """What the runs say of chance.

    `correlations`: Pearson's, within the pairs of each other track; None below three pairs. `two_groups`: tracks whose runs
    fall into two groups. `false_verdict_rate`: how large a share of simulated trials finds a difference where there is none but
    two kinds of runs; None where it need not be told. `seeds`: fewest paired seeds of any comparison.
    """

    correlations: dict[str, float | None]
    two_groups: list[str]
    false_verdict_rate: float | None
    seeds: int


@dataclass(frozen=True)
class ControlPair:
    """Two trainings of the baseline, in bits per byte where the verdict compares; `difference` is the other minus the first."""

    seed: int
    other_seed: int
    bits_per_byte: float
    other_bits_per_byte: float
    difference: float


@dataclass(frozen=True)
class Control:
    """The A/A control: how much two trainings with the same tokenizer differ, in bits per byte.

    `pairs`: the finished ones, `mean` that of their differences, with its interval. `root_mean_square`: their standard
    deviation around 0, so how much two trainings of one tokenizer differ on average. By other track, `multiples` are its
    difference as a multiple of that, `deviations` the standard deviation of its differences over seeds.
    """

    track: str
    pairs_in_protocol: int
    pairs: list[ControlPair]
    mean: float
    low: float | None
    high: float | None
    holds_zero: bool | None
    root_mean_square: float
    multiples: dict[str, float | None]
    deviations: dict[str, float | None]


@dataclass(frozen=True)
class Noise:
    """The noise that a trial measured: the standard deviation of a paired difference in bits per byte.

    Differences are those where the verdict compares. `track`: the other track that was paired with the baseline; the baseline
    itself where a control was measured. `low`, `high`: the standard deviation's confidence interval. `baseline_bits_per_byte`:
    the mean of the baseline's finished runs there, of which a relative effect is a share.
    """

    track: str
    source: Literal["tracks", "control"]
    pairs: int
    degrees_of_freedom: int
    standard_deviation: float
    low: float
    high: float
    baseline_bits_per_byte: float


def gather_noise(inputs: TrialInputs, comparisons: Sequence[Comparison]) -> NoiseResult:
    """Returns what the runs say of chance, where the verdict compares them.

    The rate of false verdicts is told where there are few seeds, or the runs fall into two groups.
    """
    judged = {track: {run.seed: inputs.judged(run) for run in runs} for track, runs in inputs.runs.items()}
    design, correlations = inputs.design, {}
    for item in comparisons:
        baseline, other = ([judged[name][seed] for seed in item.paired_seeds] for name in (item.baseline, item.track))
        correlations[item.track] = correlation(baseline, other)
    split = [track for track, values in judged.items() if two_groups(list(values.values()))]
    fewest = min(len(comparison.paired_seeds) for comparison in comparisons)
    is_told = fewest >= max(2, design.seeds if design.has_looks else 0) and (fewest < FEWEST_SURE_SEEDS or bool(split))
    rate = false_verdict_rate(_levels(design, fewest, len(comparisons))) if is_told else None
    return NoiseResult(correlations, split, rate, fewest)


def gather_control(inputs: TrialInputs, comparisons: Sequence[Comparison]) -> Control | None:
    """Returns what the A/A control found; None without finished pairs of it.

    Seed n of the baseline is paired with its seed `last_seed` + n.
    """
    design = inputs.design
    again = {run.seed - design.last_seed: run for run in inputs.control_runs}
    runs = [(run, again[run.seed]) for run in inputs.runs[inputs.baseline] if run.seed in again]
    if not runs:
        return None
    firsts, others = by_side(runs, inputs.judged)
    pairs = [
        ControlPair(one.seed, two.seed, first, other, other - first)
        for (one, two), first, other in zip(runs, firsts, others, strict=True)
    ]
    interval = paired_interval(firsts, others, design.verdict.confidence)
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


def measured_noise(inputs: TrialInputs) -> Noise | None:
    """Returns the noise that a trial measured; None where it has neither two pairs that differ nor a control.

    Of several other tracks, that of the noisiest. Where every other track has only one pair, the control's spread stands in. It
    bounds the paired noise from above where the other track is no noisier than the baseline. Its true
    mean is 0, so it has as many degrees of freedom as pairs.
    """
    measured = []
    for track in inputs.others:
        baseline, other = by_side(inputs.pairs_of(track), inputs.judged)
        if len(other) >= FEWEST_SEEDS and not paired_interval(baseline, other, 0.5).without_width:
            spread = float(np.std(np.subtract(other, baseline), ddof=1))
            measured.append(_noise(inputs, track, "tracks", len(other), len(other) - 1, spread))
    if measured:
        return max(measured, key=lambda noise: noise.standard_deviation)
    control = gather_control(inputs, [])
    if not control or not control.root_mean_square:
        return None
    pairs = len(control.pairs)
    return _noise(inputs, inputs.baseline, "control", pairs, pairs, control.root_mean_square)


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
    return float(_largest_gap(np.array(values))) > _usual_gap(len(values))


def _levels(design: Design, seeds: int, comparisons: int) -> tuple[float, ...]:
    """Returns the two-sided level of each look at two pairs, three, and so on up to `seeds`; 0 where there is no look."""
    if not design.has_looks:
        return (*[0.0] * (seeds - 2), 1 - design.verdict.confidence)
    levels = look_levels(design.seeds, design.most_seeds, shared_confidence(design.verdict.confidence, comparisons))
    return (*[0.0] * (design.seeds - 2), *levels)[: seeds - 1]


@cache
def false_verdict_rate(levels: tuple[float, ...]) -> float:
    """Returns how often paired t-tests find a difference where its mean is 0 and its noise has two kinds of runs.

    `levels`: what the two-sided p-value is held against after two pairs, three, and so on; 0 where nobody looks. In one pair of
    three the other track's run is late by a gap, and all its runs are ahead by a third of that gap, so the mean is 0. Within
    either kind, differences are normal with a twentieth of the gap. Simulated, with a fixed seed.
    """
    random, seeds = np.random.default_rng(0), len(levels) + 1
    late = random.random((SIMULATED_TRIALS, seeds)) < LATE_PROBABILITY
    differences = late - LATE_PROBABILITY + NOISE_OVER_GAP * random.standard_normal((SIMULATED_TRIALS, seeds))
    return float((p_values(differences.T) < np.array(levels)[:, None]).any(axis=0).mean())


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


def _noise(
    inputs: TrialInputs, track: str, source: Literal["tracks", "control"], pairs: int, degrees_of_freedom: int, spread: float
) -> Noise:
    low, high = spread_interval(spread, degrees_of_freedom, inputs.design.verdict.confidence)
    baseline = float(np.mean([inputs.judged(run) for run in inputs.runs[inputs.baseline]]))
    return Noise(track, source, pairs, degrees_of_freedom, spread, low, high, baseline)


def _largest_gap(values: Floats) -> Floats:
    """Returns the largest gap between neighbours along the last axis, as a share of the range."""
    gaps: Floats = np.diff(np.sort(values), axis=-1).max(axis=-1) / np.ptp(values, axis=-1)
    return gaps


@cache
def _usual_gap(values: int) -> float:
    """Returns what the largest gap over the range stays below in 95% of samples of normal noise."""
    samples = np.random.default_rng(0).standard_normal((SIMULATED_TRIALS, values))
    return float(np.quantile(_largest_gap(samples), 1 - FALSE_ALARMS))
