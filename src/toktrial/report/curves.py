"""What learning curves say beside the verdict: their means, which is lower, who reaches a value sooner, whether they cross.

Pure functions over the evaluations of finished runs: evaluation -> report. Nothing here decides the verdict.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toktrial.report.axes import AXES
from toktrial.report.result_comparisons import Lower, Needed, Reach
from toktrial.report.verdict import Floats

MEASURES = ("bits_per_byte", "validation_loss", "training_loss")


@dataclass(frozen=True)
class Curve:
    """The evaluations of one run."""

    columns: dict[str, Floats]
    """Name -> (evaluations,) float64: `step`, `training_seconds` (s), `bytes_seen`, `flops`, `validation_loss` (nats
    per token), `bits_per_byte` and more."""
    shared_device: bool
    """Whether the run shared its device: its seconds then compare with nothing."""


Pair = tuple[Curve, Curve]  # (baseline, other) of one seed


def comparable(pairs: Sequence[Pair], axis: str) -> list[Pair]:
    """Returns the pairs that compare along an axis: along seconds, those whose runs both had their device to themselves."""
    return [pair for pair in pairs if axis != "training_seconds" or not (pair[0].shared_device or pair[1].shared_device)]


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

    The ratio is to where the first run itself first reached that value, which is its end unless its curve wavers: a
    wavering curve's end would flatter whoever is compared with it. Along seconds, pairs of which a run shared its
    device are left out.
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
    looked_at = [
        (curve, target)
        for curve, target in zip(curves, targets, strict=True)
        if axis != "training_seconds" or not curve.shared_device
    ]
    values = [first_reached(curve.columns[axis], curve.columns[measure], target) for curve, target in looked_at]
    median = _median_with_never(values)
    ends = [float(curve.columns[axis][-1]) for curve, _ in looked_at]
    at_least = [end if value is None else value for end, value in zip(ends, values, strict=True)]
    more_than = float(np.median(at_least)) if at_least and median is None else None
    return Needed(values, sum(value is not None for value in values), len(values), median, more_than)


def swapped(pairs: Sequence[Pair]) -> list[Pair]:
    """Returns the pairs the other way round."""
    return [(other, baseline) for baseline, other in pairs]


def lower(pairs: Sequence[Pair], measure: str, warmup_steps: int) -> Lower:
    """Returns at which evaluations after `warmup_steps` the others' `measure` is below the baseline's."""
    steps, differences = seed_differences(pairs, measure)
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
    steps, differences = seed_differences(pairs, measure)
    usable = (steps > warmup_steps) & (differences.mean(axis=0) != 0)
    positions, gaps = steps[usable], differences.mean(axis=0)[usable]
    before = np.flatnonzero(gaps[:-1] * gaps[1:] < 0)
    shares = gaps[before] / (gaps[before] - gaps[before + 1])
    return [float(step) for step in positions[before] + shares * (positions[before + 1] - positions[before])]


def seed_differences(pairs: Sequence[Pair], measure: str) -> tuple[Floats, Floats]:
    """Returns the steps (evaluations,) that all runs evaluated, and other minus baseline (seeds, evaluations)."""
    steps = common_steps([curve for pair in pairs for curve in pair])
    rows = [values_at(other, measure, steps) - values_at(baseline, measure, steps) for baseline, other in pairs]
    return steps, np.stack(rows)


def common_steps(curves: Sequence[Curve]) -> Floats:
    """Returns the steps (evaluations,) float64, ascending, at which every one of the runs was evaluated."""
    steps = curves[0].columns["step"]
    for curve in curves[1:]:
        steps = np.intersect1d(steps, curve.columns["step"])
    return steps


def values_at(curve: Curve, measure: str, steps: Floats) -> Floats:
    """Returns a column's values (steps,) at steps that the run evaluated."""
    values: Floats = curve.columns[measure][np.searchsorted(curve.columns["step"], steps)]
    return values


def mean_columns(curves: Sequence[Curve]) -> dict[str, list[float | None]]:
    """Returns the mean of each axis and measure over the runs, at the steps that all have, and each measure's extremes.

    The extremes are named `<measure>_lowest` and `<measure>_highest`. NaN where a run has no finite value.
    """
    steps = common_steps(curves)
    columns: dict[str, list[float | None]] = {}
    for name in (*AXES, *MEASURES):
        values = np.stack([values_at(curve, name, steps) for curve in curves])
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
    needed_by_leader = first_reached(leader.columns[axis], leader.columns[measure], target)
    needed = first_reached(follower.columns[axis], follower.columns[measure], target)
    if needed is None or not needed_by_leader:
        return None
    return needed / needed_by_leader


def _middle(values: Sequence[float | None]) -> list[float]:
    """Returns the one or two values that the median is made of."""
    ordered = sorted(np.inf if value is None else value for value in values)
    return ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]


def _median_with_never(values: Sequence[float | None]) -> float | None:
    if not values:
        return None
    with np.errstate(invalid="ignore"):
        median = float(np.median([np.inf if value is None else value for value in values]))
    return median if np.isfinite(median) else None


def _finite(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
