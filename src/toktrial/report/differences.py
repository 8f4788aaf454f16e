"""The paired difference along the whole training and at every budget, and whether one may trust the point that decides.

Inputs -> results["differences"] -> charts, tables and the headline. Short trainings have said the opposite of long ones: the
verdict is one point of these curves, and a reader must see the others.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toktrial.report.curves import AXES, Pair, common_steps
from toktrial.report.inputs import EvaluatedRun, TrialInputs
from toktrial.report.sequential import shared_confidence
from toktrial.report.verdict import Floats, paired_interval

MEASURE = "bits_per_byte"
LAST_SHARE = 0.25  # of the training, over which a difference that has settled should stay where it is
CURVE_DOCUMENTS = "the curve's documents"
ALL_DOCUMENTS = "all validation documents"


def gather_differences(
    inputs: TrialInputs, paired: Mapping[str, Sequence[tuple[EvaluatedRun, EvaluatedRun]]]
) -> dict[str, Any]:
    """Returns results["differences"]: for each other track its curves along every axis, its budgets, and what moves still.

    `paired`: runs of the baseline and of each other track by seed. A curve is a dict of columns, one number an evaluation: the
    axis, and mean, low and high of other minus baseline in bits per byte, on the curve's documents. Intervals are pointwise and
    have the confidence of the verdict's, corrected for the number of tracks; without two seeds they are None.
    """
    confidence = shared_confidence(inputs.protocol["verdict"]["confidence"], len(paired))
    found = {}
    for track, runs in paired.items():
        pairs: list[Pair] = [(baseline.curve, other.curve) for baseline, other in runs]
        curves = {axis: difference_curve(pairs, axis, confidence) for axis in AXES}
        steps = curves["step"]
        found[track] = {
            "curves": curves,
            "budgets": _budgets(runs, pairs, inputs, confidence),
            "sign_change": sign_change(steps, inputs.protocol["training"]["warmup_steps"]) if steps else None,
            "movement": movement(steps) if steps else None,
        }
    return found


def difference_curve(pairs: Sequence[Pair], axis: str, confidence: float) -> dict[str, list[float | None]] | None:
    """Returns mean, low and high of other minus baseline at places of an axis that all runs came to; None without a run.

    Along steps these are the evaluations that all runs have; elsewhere as many places as the shortest run has evaluations, and
    the runs are interpolated linearly. Along seconds, pairs of which a run shared its device are left out.
    """
    compared = [pair for pair in pairs if axis != "training_seconds" or not (pair[0].shared_device or pair[1].shared_device)]
    if not compared:
        return None
    places = _places(compared, axis)
    baseline, other = (
        np.stack([np.interp(places, pair[side].columns[axis], pair[side].columns[MEASURE]) for pair in compared])
        for side in (0, 1)
    )
    intervals = [paired_interval(one, two, confidence) for one, two in zip(baseline.T.tolist(), other.T.tolist(), strict=True)]
    return {
        "at": places.tolist(),
        "mean": [interval.mean for interval in intervals],
        "low": [interval.low for interval in intervals],
        "high": [interval.high for interval in intervals],
    }


def sign_change(curve: Mapping[str, Sequence[Any]], warmup_steps: int) -> dict[str, float] | None:
    """Returns at which steps after the warm-up the mean difference came to the sign of its end, for the first and last time.

    None where it had that sign at every evaluation after the warm-up. `first` and `last` differ where noise, or more than that,
    took it back over 0 in between.
    """
    steps, means = np.array(curve["at"], dtype=float), np.array(curve["mean"], dtype=float)
    after = steps > warmup_steps
    steps, is_opposite, means = steps[after], (means * means[-1] < 0)[after], means[after]
    changes = np.flatnonzero(is_opposite[:-1] & ~is_opposite[1:])
    if not len(changes):
        return None
    shares = means[changes] / (means[changes] - means[changes + 1])
    crossings = steps[changes] + shares * (steps[changes + 1] - steps[changes])
    return {"first": float(crossings[0]), "last": float(crossings[-1])}


def movement(curve: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Returns how far the mean difference moved in the last quarter of the training, and whether it moves still.

    It does where it moved by more than half the width of its interval at the end; without an interval that is not known.
    """
    steps, means = np.array(curve["at"], dtype=float), np.array(curve["mean"], dtype=float)
    moved = float(means[-1] - np.interp((1 - LAST_SHARE) * steps[-1], steps, means))
    low, high = curve["low"][-1], curve["high"][-1]
    half_width = None if low is None or high is None else (high - low) / 2
    return {"moved": moved, "half_width": half_width, "moves_still": half_width is not None and abs(moved) > half_width}


def _places(pairs: Sequence[Pair], axis: str) -> Floats:
    curves = [curve for pair in pairs for curve in pair]
    if axis == "step":
        return common_steps(curves)
    ends = min(float(curve.columns[axis][-1]) for curve in curves)
    starts = max(float(curve.columns[axis][0]) for curve in curves)
    places: Floats = np.linspace(starts, ends, min(len(curve.columns[axis]) for curve in curves))
    return places


def _budgets(
    runs: Sequence[tuple[EvaluatedRun, EvaluatedRun]], pairs: Sequence[Pair], inputs: TrialInputs, confidence: float
) -> list[dict[str, Any]]:
    """Returns the difference at equal steps and FLOPs, equal bytes of text and equal seconds; the protocol's budget decides."""
    decides = inputs.protocol["verdict"].get("budget", "steps")
    at_end = [(baseline.final[MEASURE], other.final[MEASURE]) for baseline, other in runs]
    steps = min(int(run.final["step"]) for pair in runs for run in pair)
    found = [_budget("steps", steps, at_end, confidence, ALL_DOCUMENTS)]
    found.append(_at_equal_bytes(runs, pairs, confidence))
    seconds = _from_curves("seconds", "training_seconds", pairs, confidence)
    found += [seconds] if seconds else []
    return [{**budget, "decides": budget["budget"] == decides} for budget in found]


def _at_equal_bytes(
    runs: Sequence[tuple[EvaluatedRun, EvaluatedRun]], pairs: Sequence[Pair], confidence: float
) -> dict[str, Any]:
    measured = [[run.final.get("equal_bytes") for run in pair] for pair in runs]
    if not all(each for pair in measured for each in pair):
        curve = _from_curves("bytes", "bytes_seen", pairs, confidence)
        assert curve, "only seconds leave pairs out"
        return curve
    read = min(each["bytes_seen"] for pair in measured for each in pair if each)
    values = [(one[MEASURE], two[MEASURE]) for one, two in measured if one and two]
    return _budget("bytes", read, values, confidence, ALL_DOCUMENTS)


def _from_curves(budget: str, axis: str, pairs: Sequence[Pair], confidence: float) -> dict[str, Any] | None:
    compared = [pair for pair in pairs if axis != "training_seconds" or not (pair[0].shared_device or pair[1].shared_device)]
    if not compared:
        return None
    place = float(_places(compared, axis)[-1])
    values = [
        (
            float(np.interp(place, baseline.columns[axis], baseline.columns[MEASURE])),
            float(np.interp(place, other.columns[axis], other.columns[MEASURE])),
        )
        for baseline, other in compared
    ]
    return _budget(budget, place, values, confidence, CURVE_DOCUMENTS)


def _budget(
    budget: str, place: float, values: Sequence[tuple[float, float]], confidence: float, documents: str
) -> dict[str, Any]:
    baseline, other = [one for one, _ in values], [two for _, two in values]
    interval = paired_interval(baseline, other, confidence)
    return {
        "budget": budget,
        "at": place,
        "documents": documents,
        "difference": interval.mean,
        "relative_difference": interval.mean / float(np.mean(baseline)),
        "low": interval.low,
        "high": interval.high,
        "seeds": interval.seeds,
    }
