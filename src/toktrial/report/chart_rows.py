"""The rows that the charts draw, and the ends of the y axes that fit them.

Result -> rows -> charts. The rows are thinned and rounded to what a chart shows, which keeps the page small; results.json has
every evaluation and every digit.
"""

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from toktrial.report.chart_specification import AXIS_TITLES, HEIGHT, NAME_HEIGHT
from toktrial.report.differences import Differences
from toktrial.report.result import TrialResult
from toktrial.report.styles import styles_of
from toktrial.report.tracks import MeanCurve

SETTLED_SHARE = 0.1  # of the axis: the y axis fits what comes after, because what comes before can be several times as large
CUT_FROM = 1.8  # cut the top off where the full range is more than this many times what comes after that share
MARKERS = 10  # markers along a line, enough to tell lines apart in grey
POINTS_DRAWN = 400  # at most this many points a line, which is more than a chart shows
AXIS_OF_BUDGET = {"steps": "step", "flops": "flops", "bytes": "bytes_seen", "seconds": "training_seconds"}
CONTROL = "A/A control"
Rows = list[dict[str, Any]]
Datasets = dict[str, Rows]
Domain = list[float]  # the lower and the upper end of a y axis
Numbers = npt.NDArray[np.float64]


def chart_data(result: TrialResult) -> Datasets:
    """Returns the rows, one an evaluation: those of `all_runs`, of `timed_runs` where these are fewer, and of differences."""
    curves = {"all_runs": result.mean_curves.all_runs, "timed_runs": result.mean_curves.timed_runs}
    told_apart = styles_of(result).told_apart

    def from_beneath(curves: list[MeanCurve]) -> list[MeanCurve]:
        return sorted(curves, key=lambda curve: (not curve.control, curve.track in told_apart))

    means = {
        name: [row for curve in from_beneath(of_name) for row in _mean_rows(curve)]
        for name, of_name in curves.items()
        if of_name is not None
    }
    return means | {f"difference_by_{axis}": _difference_rows(result, axis) for axis in AXIS_TITLES}


def _mean_rows(curve: MeanCurve) -> Rows:
    drawn = _drawn_places(len(curve.columns["step"]))
    name = f"{curve.track}, other seeds ({CONTROL})" if curve.control else curve.track
    return [
        {
            "name": name,
            "control": curve.control,
            "runs": len(curve.seeds),
            "marked": _is_marked(place, len(drawn)),
            **{column: _rounded(values[index]) for column, values in curve.columns.items()},
        }
        for place, index in enumerate(drawn)
    ]


def _difference_rows(result: TrialResult, axis: str) -> Rows:
    """Returns the rows of the chart of differences along one axis. Tokens are a multiple of the steps, or nothing is drawn.

    The `verdict` row of each track is the point that decides: it is measured on all validation documents, and so stands a
    little beside the curve.
    """
    rows: Rows = []
    source, unit = ("step", result.tracks[result.baseline].tokens_per_step) if axis == "tokens" else (axis, 1)
    if axis == "tokens" and len({track.tokens_per_step for track in result.tracks.values()}) > 1:
        return rows
    told_apart = styles_of(result).told_apart
    for comparison in sorted(result.comparisons, key=lambda each: each.track in told_apart):
        found = result.differences[comparison.track]
        curve = found.curves[source]
        if curve is None:
            continue
        drawn = _drawn_places(len(curve.at))
        points = [(curve.at[index], curve.mean[index], curve.low[index], curve.high[index]) for index in drawn]
        where = _place_of_verdict(found, source)
        deciding = [] if where is None else [(where, comparison.difference, comparison.low, comparison.high)]
        for place, (at, mean, low, high) in enumerate([*points, *deciding]):
            is_verdict = place == len(drawn)
            rows.append({
                "name": comparison.track, "control": False, "runs": len(comparison.paired_seeds), "verdict": is_verdict,
                "marked": not is_verdict and _is_marked(place, len(drawn)), source: _rounded(at), axis: _rounded(at * unit),
                "difference": _rounded(mean), "difference_lowest": _rounded(low), "difference_highest": _rounded(high),
            })  # fmt: skip
    return rows


def _place_of_verdict(found: Differences, axis: str) -> float | None:
    """Returns where on an axis the deciding budget's point stands; None on an axis of another budget."""
    budget = next(each for each in found.budgets if each.decides)
    if axis == AXIS_OF_BUDGET[budget.budget]:
        return budget.at
    named, curve = {each.budget for each in found.budgets}, found.curves[axis]
    is_the_same = {AXIS_OF_BUDGET[budget.budget], axis} == {"step", "flops"} and not {"steps", "flops"} <= named
    return curve.at[-1] if is_the_same and curve else None


def _drawn_places(evaluations: int) -> list[int]:
    """Returns which of a line's evaluations are drawn, the last one among them."""
    return [*range(0, evaluations - 1, stride(evaluations)), evaluations - 1] if evaluations else []


def stride(evaluations: int) -> int:
    """Returns how many evaluations of a line there are for each one drawn."""
    return -(-evaluations // POINTS_DRAWN)


def _is_marked(place: int, drawn: int) -> bool:
    every = max(1, round(drawn / MARKERS))
    return place % every == every // 2


def _rounded(value: float | None) -> float | None:
    """Returns six significant digits, which is all that a chart shows."""
    return None if value is None else float(f"{value:.6g}")


def names_at_ends(rows: Rows, measure: str, domain: Domain, scale: Literal["linear", "log"], shown: Collection[str]) -> Rows:
    """Returns where on the y axis each line's name stands: at its last value, but with room between the names.

    Where there is no room for all, those of `shown` remain.
    """
    on_lines = [row for row in rows if not row.get("verdict") and row[measure] is not None]
    ends = {row["name"]: row[measure] for row in on_lines}  # the last value of each
    controls = {row["name"] for row in rows if row["control"]}
    room = NAME_HEIGHT / HEIGHT
    if len(ends) * room > 1:
        ends = {name: end for name, end in ends.items() if name in {*shown, *controls}}
    names = sorted(ends, key=ends.__getitem__)
    axis = np.array([*domain, *(max(ends[name], domain[0]) for name in names)], np.float64)
    axis = np.log(axis) if scale == "log" else axis
    low, high, *_ = axis
    moved = low + apart((axis[2:] - low) / (high - low), room) * (high - low)
    values = np.exp(moved) if scale == "log" else moved
    return [
        {"name": name, "label": CONTROL if name in controls else name, "control": name in controls, "y": _rounded(value)}
        for name, value in zip(names, values.tolist(), strict=True)
    ]


def apart(places: Numbers, gap: float) -> Numbers:
    """Returns ascending places between 0 and 1 (n,), moved as little as makes neighbours stand a gap apart.

    >>> apart(np.array([0.2, 0.2, 0.9]), 0.1).round(2).tolist()
    [0.15, 0.25, 0.9]
    """
    from scipy.optimize import isotonic_regression

    if not len(places):
        return places
    shifts = gap * np.arange(len(places))
    moved: Numbers = np.clip(isotonic_regression(places - shifts).x, 0, 1 - shifts[-1]) + shifts
    return moved


def y_domains(rows: Rows, measure: str, axis: str) -> tuple[dict[str, Domain], bool]:
    """Returns the ends of a `linear` and of a `log` y axis, and whether something early lies beyond the linear one."""
    known = [row for row in rows if row[measure] is not None]
    at = np.array([row[axis] for row in known], np.float64)
    columns = (measure, f"{measure}_lowest", f"{measure}_highest")
    values = np.array([[row[name] for name in columns] for row in known], np.float64).reshape(-1, len(columns))
    settled = values[at >= SETTLED_SHARE * max(at, default=0.0)]
    if measure == "difference":
        domain, is_cut = _difference_domain(values, settled)
        return {"linear": domain, "log": domain}, is_cut  # no logarithm has a sign: charts.js keeps this axis linear
    domain, is_cut = _fitted_domain(values, settled)
    return {"linear": domain, "log": _whole_domain(values)}, is_cut


def _difference_domain(values: Numbers, settled: Numbers) -> tuple[Domain, bool]:
    """Returns ends with 0 between them. `values` are mean, lowest and highest (rows, 3), NaN where there is no interval."""
    if not len(settled):
        return [-1.0, 1.0], False
    # Where two runs differ much, their interval is many times the difference itself: then the mean lines set the axis.
    span = float(np.abs(settled[:, 0]).max())
    low, high = max(min(float(np.nanmin(settled)), 0.0), -1.5 * span), min(max(float(np.nanmax(settled)), 0.0), 1.5 * span)
    margin = 0.06 * (high - low) or 0.01
    domain = [low - margin, high + margin]
    return domain, bool(np.nanmin(values) < domain[0] or np.nanmax(values) > domain[1])


def _fitted_domain(values: Numbers, settled: Numbers) -> tuple[Domain, bool]:
    """Returns ends that leave out the first losses where these are several times the last ones.

    Drawn in full, they would flatten all that matters into a line.
    """
    if not len(values):
        return [0.0, 1.0], False
    lowest, highest, late = float(values.min()), float(values.max()), float(settled.max())
    is_cut = highest - lowest > CUT_FROM * (late - lowest)
    top = late if is_cut else highest
    margin = 0.04 * (top - lowest) or 0.01 * abs(top) or 1.0
    return [lowest - margin, top + margin], is_cut


def _whole_domain(values: Numbers) -> Domain:
    """Returns ends that hold all, with a margin that a logarithmic scale shows as even."""
    positive = values[values > 0]
    if not len(positive):
        return [0.1, 1.0]
    margin = (positive.max() / positive.min()) ** 0.03
    return [float(positive.min() / margin), float(positive.max() * margin)]
