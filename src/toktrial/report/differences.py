"""The paired difference along the whole training and at every budget, and whether one may trust the point that decides.

Inputs -> differences -> result. Short trainings have said the opposite of long ones: the
verdict is one point of these curves, and a reader must see the others.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from toktrial.report.axes import COMPARED_AXES
from toktrial.report.curves import Curve, Pair, common_steps, comparable
from toktrial.report.evaluated import EvaluatedRun, TrialInputs
from toktrial.report.result import TrialResult
from toktrial.report.result_comparisons import Budget, DifferenceCurve, Differences, Movement, SignChange
from toktrial.report.sequential import shared_confidence
from toktrial.report.verdict import Floats, paired_interval
from toktrial.report.wording import count, joined, signed

MEASURE = "bits_per_byte"
Runs = Sequence[tuple[EvaluatedRun, EvaluatedRun]]
LAST_SHARE = 0.25  # of the training, over which a difference that has settled should stay where it is
CURVE_DOCUMENTS = "the curve's documents"
ALL_DOCUMENTS = "all validation documents"


def gather_differences(inputs: TrialInputs) -> dict[str, Differences]:
    """Returns, for each other track, its curves along every axis, its budgets, and what moves still.

    Intervals are pointwise and have the confidence of the verdict's, corrected for the number of tracks.
    """
    confidence = shared_confidence(inputs.design.verdict.confidence, len(inputs.others))
    found = {}
    for track in inputs.others:
        runs = inputs.pairs_of(track)
        pairs: list[Pair] = [(baseline.curve, other.curve) for baseline, other in runs]
        curves = {axis: difference_curve(pairs, axis, confidence) for axis in COMPARED_AXES}
        steps = curves["step"]
        found[track] = Differences(
            curves=curves,
            budgets=_budgets(runs, pairs, inputs, confidence),
            sign_change=sign_change(steps, inputs.design.training.warmup_steps) if steps else None,
            movement=movement(steps) if steps else None,
        )
    return found


def headline_clauses(result: TrialResult) -> list[str]:
    """Returns what a reader must hear with the verdict: whose difference changed its sign, and whose moves still."""
    baseline, steps = result.baseline, 0.0
    changed, moving = [], []
    for track, found in result.differences.items():
        along_steps = found.curves["step"]
        assert along_steps, "only seconds leave pairs out"
        steps = along_steps.at[-1]
        if found.sign_change is not None:
            changed.append(f"{track} {_when(found.sign_change)}")
        moved = found.movement
        if moved and moved.moves_still:
            moving.append(f"{track} by {signed(moved.moved)}")
    clauses = []
    if changed:
        clauses.append(f"The difference from {baseline} changed its sign on the way: {joined(changed)} of {count(steps)}.")
    if moving:
        clauses.append(f"The difference from {baseline} still moved in the last quarter of the training: {joined(moving)}.")
    return [*clauses, "Another budget may say another thing."] if clauses else []


def difference_curve(pairs: Sequence[Pair], axis: str, confidence: float) -> DifferenceCurve | None:
    """Returns mean, low and high of other minus baseline at places of an axis that all runs came to; None without a run.

    Along steps these are the evaluations that all runs have; elsewhere as many places as the shortest run has evaluations, and
    the runs are interpolated linearly. Along seconds, pairs of which a run shared its device are left out.
    """
    compared = comparable(pairs, axis)
    if not compared:
        return None
    places = _places(compared, axis)
    baseline, other = (
        np.stack([np.interp(places, pair[side].columns[axis], pair[side].columns[MEASURE]) for pair in compared])
        for side in (0, 1)
    )
    intervals = [paired_interval(one, two, confidence) for one, two in zip(baseline.T.tolist(), other.T.tolist(), strict=True)]
    return DifferenceCurve(
        at=places.tolist(),
        mean=[interval.mean for interval in intervals],
        low=[interval.low for interval in intervals],
        high=[interval.high for interval in intervals],
    )


def sign_change(curve: DifferenceCurve, warmup_steps: int) -> SignChange | None:
    """Returns at which steps after the warm-up the mean difference came to the sign of its end, for the first and last time.

    None where it had that sign at every evaluation after the warm-up. `first` and `last` differ where noise, or more than that,
    took it back over 0 in between.
    """
    steps, means = np.array(curve.at, dtype=float), np.array(curve.mean, dtype=float)
    after = steps > warmup_steps
    steps, is_opposite, means = steps[after], (means * means[-1] < 0)[after], means[after]
    changes = np.flatnonzero(is_opposite[:-1] & ~is_opposite[1:])
    if not len(changes):
        return None
    shares = means[changes] / (means[changes] - means[changes + 1])
    crossings = steps[changes] + shares * (steps[changes + 1] - steps[changes])
    return SignChange(first=float(crossings[0]), last=float(crossings[-1]))


def movement(curve: DifferenceCurve) -> Movement:
    """Returns how far the mean difference moved in the last quarter of the training, and whether it moves still.

    It does where it moved by more than half the width of its interval at the end; without an interval that is not known.
    """
    steps, means = np.array(curve.at, dtype=float), np.array(curve.mean, dtype=float)
    moved = float(means[-1] - np.interp((1 - LAST_SHARE) * steps[-1], steps, means))
    low, high = curve.low[-1], curve.high[-1]
    half_width = None if low is None or high is None else (high - low) / 2
    return Movement(moved, half_width, moves_still=half_width is not None and abs(moved) > half_width)


def _places(pairs: Sequence[Pair], axis: str) -> Floats:
    curves = [curve for pair in pairs for curve in pair]
    if axis == "step":
        return common_steps(curves)
    ends = min(float(curve.columns[axis][-1]) for curve in curves)
    starts = max(float(curve.columns[axis][0]) for curve in curves)
    places: Floats = np.linspace(starts, ends, min(len(curve.columns[axis]) for curve in curves))
    return places


def _when(change: SignChange) -> str:
    first, last = count(change.first), count(change.last)
    return f"at step {first}" if first == last else f"between steps {first} and {last}"


def _budgets(runs: Runs, pairs: Sequence[Pair], inputs: TrialInputs, confidence: float) -> list[Budget]:
    """Returns the difference at equal steps and FLOPs, equal bytes of text and equal seconds; the protocol's budget decides."""
    at_end = [(baseline.final.bits_per_byte, other.final.bits_per_byte) for baseline, other in runs]
    steps = min(run.final.step for pair in runs for run in pair)
    found = [_budget("steps", steps, at_end, confidence, ALL_DOCUMENTS)]
    found.append(_at_equal_bytes(runs, pairs, confidence))
    seconds = _from_curves("seconds", "training_seconds", pairs, confidence)
    found += [seconds] if seconds else []
    return [replace(budget, decides=budget.budget == inputs.design.verdict.budget) for budget in found]


def _at_equal_bytes(runs: Runs, pairs: Sequence[Pair], confidence: float) -> Budget:
    measured = [(one.final.equal_bytes, two.final.equal_bytes) for one, two in runs]
    both = [(one, two) for one, two in measured if one and two]
    if len(both) < len(measured):
        curve = _from_curves("bytes", "bytes_seen", pairs, confidence)
        assert curve, "only seconds leave pairs out"
        return curve
    read = min(each.bytes_seen for pair in both for each in pair)
    values = [(one.bits_per_byte, two.bits_per_byte) for one, two in both]
    return _budget("bytes", read, values, confidence, ALL_DOCUMENTS)


def _from_curves(budget: str, axis: str, pairs: Sequence[Pair], confidence: float) -> Budget | None:
    compared = comparable(pairs, axis)
    if not compared:
        return None
    place = float(_places(compared, axis)[-1])

    def at_place(curve: Curve) -> float:
        return float(np.interp(place, curve.columns[axis], curve.columns[MEASURE]))

    values = [(at_place(baseline), at_place(other)) for baseline, other in compared]
    return _budget(budget, place, values, confidence, CURVE_DOCUMENTS)


def _budget(budget: str, place: float, values: Sequence[tuple[float, float]], confidence: float, documents: str) -> Budget:
    baseline, other = [one for one, _ in values], [two for _, two in values]
    interval = paired_interval(baseline, other, confidence)
    return Budget(
        budget=budget,
        at=place,
        documents=documents,
        difference=interval.mean,
        relative_difference=interval.mean / float(np.mean(baseline)),
        low=interval.low,
        high=interval.high,
        seeds=interval.seeds,
        decides=False,
    )
