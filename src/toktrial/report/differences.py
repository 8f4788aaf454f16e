"""The paired difference along the whole training and at every budget, and whether one may trust the point that decides.

Inputs -> differences -> result. Short trainings have said the opposite of long ones: the verdict is one point of these curves,
and a reader must see the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from toktrial.report.axes import COMPARED_AXES
from toktrial.report.comparisons import Comparison
from toktrial.report.curves import MEASURE, Pair, common_steps, comparable, zeros_after
from toktrial.report.design import Design
from toktrial.report.evaluated import RunPairs, TrialInputs, by_side, judged_bits_per_byte
from toktrial.report.sequential import shared_confidence
from toktrial.report.verdict import Floats, paired_interval

LAST_SHARE = 0.25  # of the training, over which a difference that has settled should stay where it is
CURVE_DOCUMENTS = "the curve's documents"
ALL_DOCUMENTS = "all validation documents"
Place = tuple[float, list[float], list[float], str]  # where on its axis, values of baseline and other, the documents


@dataclass(frozen=True)
class DifferenceCurve:
    """The paired difference along one axis, in bits per byte on the curves' documents, at places in the axis's unit.

    The interval is pointwise.
    """

    at: list[float]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class Budget:
    """The paired difference in bits per byte at one budget: so many `steps`, `flops`, `bytes` or `seconds`.

    `documents`: those that it is measured on, in words. `relative_difference`: as a share of the baseline's bits per byte.
    `decides`: whether it is the protocol's budget.
    """

    budget: str
    at: float
    documents: str
    difference: float
    relative_difference: float
    low: float | None
    high: float | None
    seeds: int
    decides: bool


@dataclass(frozen=True)
class SignChange:
    """Where, after the warm-up, the mean difference took the sign of its end, for the first and the last time."""

    first: float
    last: float


@dataclass(frozen=True)
class Movement:
    """How far the mean difference `moved` in the last quarter of the way, in bits per byte.

    `half_width`: of its interval at the end. `moves_still`: whether it moved by more than that.
    """

    moved: float
    half_width: float | None
    moves_still: bool


@dataclass(frozen=True)
class Differences:
    """One other track's difference from the baseline along the training.

    `curves`: by axis; None along seconds where every pair has a run that shared its device. `along`: the axis on which the
    verdict compares, on which `sign_change` and `movement` are told up to there.
    """

    curves: dict[str, DifferenceCurve | None]
    budgets: list[Budget]
    sign_change: SignChange | None
    movement: Movement | None
    along: str = "step"


def gather_differences(inputs: TrialInputs, comparisons: Sequence[Comparison]) -> dict[str, Differences]:
    """Returns, for each other track, its curves along every axis, its budgets, and what still moves.

    Intervals are pointwise and have the confidence of the verdict's, corrected for the number of tracks; at the budget that
    decides, it is the verdict's own interval.
    """
    confidence = shared_confidence(inputs.design.verdict.confidence, len(inputs.others))
    warmup_steps = inputs.design.training.warmup_steps
    found = {}
    for comparison in comparisons:
        track, runs = comparison.track, inputs.pairs_of(comparison.track)
        pairs: list[Pair] = [(baseline.curve, other.curve) for baseline, other in runs]
        curves = {axis: difference_curve(pairs, axis, confidence) for axis in COMPARED_AXES}
        along = inputs.design.deciding_axis(track)
        decisive = curves[along]
        found[track] = Differences(
            curves=curves,
            budgets=[_as_decided(each, comparison) for each in _budgets(runs, pairs, confidence, inputs.design)],
            sign_change=sign_change(decisive, _warmup_end(pairs, along, warmup_steps)) if decisive else None,
            movement=movement(decisive) if decisive else None,
            along=along,
        )
    return found


def difference_curve(pairs: Sequence[Pair], axis: str, confidence: float) -> DifferenceCurve | None:
    """Returns mean, low and high of other minus baseline at places of an axis that all runs reached; None without a run.

    Along steps these are the evaluations that all runs have. Elsewhere there are as many places as the shortest run has
    evaluations, and the runs are interpolated linearly. Along seconds, pairs of which a run shared its device are left out.
    """
    compared = comparable(pairs, axis)
    if not compared:
        return None
    places = _places(compared, axis)
    values = _values_at(places, compared, axis)
    intervals = [paired_interval(one, two, confidence) for one, two in values.tolist()]
    return DifferenceCurve(
        at=places.tolist(),
        mean=[interval.mean for interval in intervals],
        low=[interval.low for interval in intervals],
        high=[interval.high for interval in intervals],
    )


def sign_change(curve: DifferenceCurve, warmup_end: float) -> SignChange | None:
    """Returns where after the warm-up the mean difference took the sign of its end, for the first and the last time.

    `warmup_end`: on the curve's axis. None where the difference had that sign everywhere after it. `first` and `last` differ
    where noise, or more than that, took it back over 0 in between.
    """
    places, means = np.array(curve.at, dtype=float), np.array(curve.mean, dtype=float)
    after = places > warmup_end
    places, is_opposite, means = places[after], (means * means[-1] < 0)[after], means[after]
    crossings = zeros_after(places, means, np.flatnonzero(is_opposite[:-1] & ~is_opposite[1:]))
    return SignChange(first=crossings[0], last=crossings[-1]) if crossings else None


def movement(curve: DifferenceCurve) -> Movement | None:
    """Returns how far the mean difference moved in the last quarter of a curve's axis, and whether it still moves.

    It does where it moved by more than half the width of its interval at the end; without an interval nobody knows. Evaluations
    without a number are left out; None where there is no other.
    """
    places, means = np.array(curve.at, dtype=float), np.array(curve.mean, dtype=float)
    known = np.isfinite(means)
    if not known.any():
        return None
    places, means = places[known], means[known]
    moved = float(means[-1] - np.interp((1 - LAST_SHARE) * places[-1], places, means))
    low, high = curve.low[-1], curve.high[-1]
    half_width = None if low is None or high is None else (high - low) / 2
    return Movement(moved, half_width, moves_still=half_width is not None and abs(moved) > half_width)


def _warmup_end(pairs: Sequence[Pair], axis: str, warmup_steps: int) -> float:
    """Returns where on an axis the warm-up of the last run ends."""
    columns = [curve.columns for pair in pairs for curve in pair]
    return max(float(np.interp(warmup_steps, of["step"], of[axis])) for of in columns)


def _as_decided(budget: Budget, comparison: Comparison) -> Budget:
    """Returns the budget that decides with the verdict's own numbers: a look of a sequential design has fewer pairs, maybe."""
    if not budget.decides:
        return budget
    return replace(
        budget,
        difference=comparison.difference,
        relative_difference=comparison.relative_difference,
        low=comparison.low,
        high=comparison.high,
        seeds=len(comparison.paired_seeds),
    )


def _places(pairs: Sequence[Pair], axis: str) -> Floats:
    curves = [curve for pair in pairs for curve in pair]
    if axis == "step":
        return common_steps(curves)
    columns = [curve.columns[axis] for curve in curves]
    start, end = max(float(column[0]) for column in columns), min(float(column[-1]) for column in columns)
    places: Floats = np.linspace(start, end, min(map(len, columns)))
    return places


def _values_at(places: Floats, pairs: Sequence[Pair], axis: str) -> Floats:
    """Returns the bits per byte (places, 2 of baseline and other, pairs)."""
    values = [[np.interp(places, curve.columns[axis], curve.columns[MEASURE]) for curve in pair] for pair in pairs]
    return np.array(values).transpose(2, 1, 0)


def _budgets(runs: RunPairs, pairs: Sequence[Pair], confidence: float, design: Design) -> list[Budget]:
    """Returns the difference at equal steps, FLOPs, bytes of text and seconds, where runs compare.

    Runs end at equal steps, or at equal FLOPs where the protocol says so; the other of the two is read off the curves, and left
    out where it is the same.
    """
    deciding, ends = design.verdict.budget, by_side(runs, lambda run: run.final.bits_per_byte)
    found: dict[str, Place | None] = {
        "steps": (min(run.final.step for pair in runs for run in pair), *ends, ALL_DOCUMENTS),
        "flops": (min(float(curve.columns["flops"][-1]) for pair in pairs for curve in pair), *ends, ALL_DOCUMENTS),
        "bytes": _at_equal_bytes(runs) or _from_curves("bytes_seen", pairs),
        "seconds": _from_curves("training_seconds", pairs),
    }
    beside, axis = ("steps", "step") if deciding == "flops" else ("flops", "flops")
    found[beside] = None if design.has_equal_steps else _from_curves(axis, pairs)
    return [_budget(name, each, confidence, name == deciding) for name, each in found.items() if each]


def _at_equal_bytes(runs: RunPairs) -> Place | None:
    """Returns what was measured there; None where a run kept no weights there."""
    measured = [run.final.equal_bytes for pair in runs for run in pair]
    if not all(measured):
        return None
    read = min(each.bytes_seen for each in measured if each)
    return read, *by_side(runs, lambda run: judged_bits_per_byte(run.final, "bytes")), ALL_DOCUMENTS


def _from_curves(axis: str, pairs: Sequence[Pair]) -> Place | None:
    """Returns the last place that all runs reached; None where no pair compares."""
    compared = comparable(pairs, axis)
    if not compared:
        return None
    last = _places(compared, axis)[-1:]
    baseline, other = _values_at(last, compared, axis)[0].tolist()
    return float(last[0]), baseline, other, CURVE_DOCUMENTS


def _budget(budget: str, place: Place, confidence: float, decides: bool) -> Budget:
    at, baseline, other, documents = place
    interval = paired_interval(baseline, other, confidence)
    return Budget(
        budget=budget,
        at=at,
        documents=documents,
        difference=interval.mean,
        relative_difference=interval.mean / float(np.mean(baseline)),
        low=interval.low,
        high=interval.high,
        seeds=interval.seeds,
        decides=decides,
    )
