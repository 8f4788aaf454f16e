"""What learning curves say beside the verdict: their means, which is lower, who reaches a value sooner, whether they cross.

Pure functions over the evaluations of finished runs: evaluation -> report. Nothing here decides the verdict.
"""

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toktrial.report.axes import AXES, COMPARED_AXES
from toktrial.report.verdict import Floats

MEASURE = "bits_per_byte"  # the one that compares tracks
MEASURES = (MEASURE, "validation_loss", "training_loss")
FITTED_SHARE = 0.5  # of a curve, its last part, whose slope against the logarithm of the step is carried on
MOST_TIMES = 20.0  # a slope carried on further than this says nothing


@dataclass(frozen=True)
class Curve:
    """The evaluations of one run.

    `columns`: name -> (evaluations,) float64, of axes.CURVE_COLUMNS. `shared_device`: whether the run shared its device, so
    that its seconds compare with nothing. `timed_step_seconds`: where the seconds are not the run's own, those of a step that
    was timed alone, from which they follow.
    """

    columns: dict[str, Floats]
    shared_device: bool
    timed_step_seconds: float | None = None

    def compares_along(self, axis: str) -> bool:
        return axis != "training_seconds" or not self.shared_device


Pair = tuple[Curve, Curve]  # (baseline, other) of one seed


@dataclass(frozen=True)
class Reach:
    """How much one track needs, along one axis, to reach the final curve value of another, as a ratio to that other.

    `ratios`: one a paired seed; below 1 is sooner, None where the value was not reached. `reached`: how many reached it, of the
    `seeds` that compare along the axis. `median`: of the ratios, with a seed without one counted as infinitely late; None where
    that leaves no number. `at_most`: whether the median is only an upper bound, because a seed in its middle was there at its
    first evaluation and maybe before.
    """

    ratios: list[float | None]
    reached: int
    seeds: int
    median: float | None
    at_most: bool = False


@dataclass(frozen=True)
class Needed:
    """How much the runs of one track need, along one axis and in its unit, to reach a target.

    `values`: one a run, None where it was not reached. `reached`: how many reached it, of the `seeds` whose runs compare along
    the axis. `median`: a run without a value counts as never; None where that leaves no number, and then the median exceeds
    `more_than`, for which every run that did not reach the target counts with its end.
    """

    values: list[float | None]
    reached: int
    seeds: int
    median: float | None
    more_than: float | None


@dataclass(frozen=True)
class Lower:
    """At which evaluations after the warm-up, of those that all paired runs have, a track's curve is below the baseline's.

    `lower_at`: how many, for the mean over the seeds. `seeds_at_every`: seeds that are lower at every evaluation.
    """

    evaluations: int
    lower_at: int
    at_every: bool
    seeds: int
    seeds_at_every: int


@dataclass(frozen=True)
class CurveQuestions:
    """What the curves of one measure say of two tracks.

    `reach`: by axis, what the other track needs to reach the value at which the baseline's curve ends; `reach_by_baseline`: the
    other way round. `crossings_at_steps`: where the mean curves cross after the warm-up.
    """

    lower: Lower
    reach: dict[str, Reach]
    reach_by_baseline: dict[str, Reach]
    crossings_at_steps: list[float]


def curve_questions(pairs: Sequence[Pair], measure: str, warmup_steps: int) -> CurveQuestions:
    """Returns what the curves of a measure say of the baseline and another track."""
    swapped = [(other, baseline) for baseline, other in pairs]
    return CurveQuestions(
        lower=lower(pairs, measure, warmup_steps),
        reach={axis: reach(pairs, measure, axis) for axis in COMPARED_AXES},
        reach_by_baseline={axis: reach(swapped, measure, axis) for axis in COMPARED_AXES},
        crossings_at_steps=crossings(pairs, measure, warmup_steps),
    )


def comparable(pairs: Sequence[Pair], axis: str) -> list[Pair]:
    """Returns the pairs that compare along an axis: along seconds, those whose runs both had their device to themselves."""
    return [pair for pair in pairs if all(curve.compares_along(axis) for curve in pair)]


def first_reached(positions: Floats, values: Floats, target: float) -> float | None:
    """Returns where a falling curve first reaches `target`, linearly between evaluations; None where it does not.

    A curve that starts at or below the target reached it, as far as is known, at its first evaluation.

    >>> first_reached(np.array([10.0, 20.0]), np.array([3.0, 1.0]), 1.5)
    17.5
    """
    below = np.flatnonzero(values <= target)
    if not len(below):
        return None
    after = int(below[0])
    if after == 0 or not np.isfinite(values[after - 1]):
        return float(positions[after])
    share = (values[after - 1] - target) / (values[after - 1] - values[after])
    return float(positions[after - 1] + share * (positions[after] - positions[after - 1]))


def reach(pairs: Sequence[Pair], measure: str, axis: str) -> Reach:
    """Returns how much each pair's second run needs to reach the first one's final value of `measure`.

    The ratio is to where the first run itself first reached that value, which is its end unless its curve wavers: the end of a
    wavering curve would flatter whoever is compared with it.
    """
    compared = comparable(pairs, axis)
    ratios = [_reach_ratio(leader, follower, measure, axis) for leader, follower in compared]
    reached, median = sum(ratio is not None for ratio in ratios), _median_with_never(ratios)
    there_at_once = [follower.columns[measure][0] <= leader.columns[measure][-1] for leader, follower in compared]
    bounds = [ratio for ratio, at_once in zip(ratios, there_at_once, strict=True) if at_once and ratio is not None]
    # A bound below the median leaves it where it is, but for one that is itself in the middle.
    at_most = median is not None and any(ratio in _middle(ratios) for ratio in bounds)
    return Reach(ratios, reached, len(ratios), median, at_most)


def needed(curves: Sequence[Curve], targets: Sequence[float], measure: str, axis: str) -> Needed:
    """Returns how much each run needs, along `axis`, until its `measure` first falls to its own target."""
    looked_at = [(curve, target) for curve, target in zip(curves, targets, strict=True) if curve.compares_along(axis)]
    values = [first_reached(curve.columns[axis], curve.columns[measure], target) for curve, target in looked_at]
    median = _median_with_never(values)
    ends = [float(curve.columns[axis][-1]) for curve, _ in looked_at]
    at_least = [end if value is None else value for end, value in zip(ends, values, strict=True)]
    more_than = float(np.median(at_least)) if at_least and median is None else None
    return Needed(values, sum(value is not None for value in values), len(values), median, more_than)


def lower(pairs: Sequence[Pair], measure: str, warmup_steps: int) -> Lower:
    """Returns at which evaluations after `warmup_steps` the others' `measure` is below the baseline's."""
    steps, differences = _seed_differences(pairs, measure)
    after = steps > warmup_steps
    counted = int(after.sum())
    below_by_seed, below_on_average = differences[:, after] < 0, differences.mean(axis=0)[after] < 0
    return Lower(
        evaluations=counted,
        lower_at=int(below_on_average.sum()),
        at_every=bool(counted and below_on_average.all()),
        seeds=len(pairs),
        seeds_at_every=int(below_by_seed.all(axis=1).sum()) if counted else 0,
    )


def crossings(pairs: Sequence[Pair], measure: str, warmup_steps: int) -> list[float]:
    """Returns the steps after the warm-up at which the mean curves cross, linearly between evaluations."""
    steps, differences = _seed_differences(pairs, measure)
    usable = (steps > warmup_steps) & (differences.mean(axis=0) != 0)
    positions, gaps = steps[usable], differences.mean(axis=0)[usable]
    return zeros_after(positions, gaps, np.flatnonzero(gaps[:-1] * gaps[1:] < 0))


def zeros_after(positions: Floats, gaps: Floats, before: NDArray[np.intp]) -> list[float]:
    """Returns where a line through each of some places `before` a change of sign, and through the next place, is 0."""
    shares = gaps[before] / (gaps[before] - gaps[before + 1])
    zeros: list[float] = (positions[before] + shares * (positions[before + 1] - positions[before])).tolist()
    return zeros


def _seed_differences(pairs: Sequence[Pair], measure: str) -> tuple[Floats, Floats]:
    """Returns the steps (evaluations,) that all runs evaluated, and other minus baseline (seeds, evaluations)."""
    steps = common_steps([curve for pair in pairs for curve in pair])
    rows = [_values_at(other, measure, steps) - _values_at(baseline, measure, steps) for baseline, other in pairs]
    return steps, np.stack(rows)


def common_steps(curves: Sequence[Curve]) -> Floats:
    """Returns the steps (evaluations,) float64, ascending, at which every one of the runs was evaluated."""
    return functools.reduce(np.intersect1d, [curve.columns["step"] for curve in curves])


def steps_to_reach(curve: Curve, target: float) -> int | None:
    """Returns the step at which a curve would reach `target`, on a line through its last half by the logarithm of the step.

    None where that line does not fall, or would have to be carried on beyond 20 times the curve's length. Learning curves
    are near enough to straight there to tell twice the budget from ten times (Hestness et al. 2017, arXiv:1712.00409, find
    power laws, of which this is the tangent).
    """
    steps, bits = curve.columns["step"], curve.columns[MEASURE]
    late = (steps > 0) & (steps >= FITTED_SHARE * steps[-1]) & np.isfinite(bits)
    if late.sum() < 2:
        return None
    slope, start = np.polyfit(np.log(steps[late]), bits[late], 1)
    if slope >= 0 or (target - start) / slope > math.log(MOST_TIMES * steps[-1]):
        return None
    return math.ceil(math.exp((target - start) / slope))


def mean_columns(curves: Sequence[Curve]) -> dict[str, list[float | None]]:
    """Returns the mean of each axis and measure over the runs, at the steps that all have, and each measure's extremes.

    The extremes are named `<measure>_lowest` and `<measure>_highest`. NaN where a run has no finite value.
    """
    steps = common_steps(curves)
    columns: dict[str, list[float | None]] = {}
    for name in (*AXES, *MEASURES):
        values = np.stack([_values_at(curve, name, steps) for curve in curves])
        columns[name] = values.mean(axis=0).tolist()
        if name in MEASURES:
            columns[f"{name}_lowest"] = values.min(axis=0).tolist()
            columns[f"{name}_highest"] = values.max(axis=0).tolist()
    return columns


def mean_over_seeds(values: Sequence[float | None]) -> float | None:
    """Returns the mean of the finite values; None where there are none."""
    known = _finite(values)
    return statistics.fmean(known) if known else None


def standard_deviation_over_seeds(values: Sequence[float | None]) -> float | None:
    """Returns the sample standard deviation of the finite values; None where there are fewer than two.

    >>> standard_deviation_over_seeds([1.0, None, 2.0, 3.0])
    1.0
    """
    known = _finite(values)
    return statistics.stdev(known) if len(known) > 1 else None


def _reach_ratio(leader: Curve, follower: Curve, measure: str, axis: str) -> float | None:
    target = float(leader.columns[measure][-1])
    by_leader, by_follower = (first_reached(run.columns[axis], run.columns[measure], target) for run in (leader, follower))
    return by_follower / by_leader if by_follower is not None and by_leader else None


def _values_at(curve: Curve, column: str, steps: Floats) -> Floats:
    values: Floats = curve.columns[column][np.searchsorted(curve.columns["step"], steps)]
    return values


def _middle(values: Sequence[float | None]) -> list[float]:
    """Returns the one or two values that the median is made of."""
    ordered = sorted(np.inf if value is None else value for value in values)
    return ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]


def _median_with_never(values: Sequence[float | None]) -> float | None:
    median = statistics.fmean(_middle(values)) if values else math.inf
    return median if math.isfinite(median) else None


def _finite(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
