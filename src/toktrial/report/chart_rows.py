"""The rows that the charts draw: mean curves and differences, thinned and rounded to what a chart shows.

Result -> rows -> charts. It keeps the page small; results.json has every evaluation and every digit.
"""

from typing import Any

from toktrial.report.chart_specification import AXIS_TITLES
from toktrial.report.differences import Differences
from toktrial.report.result import TrialResult
from toktrial.report.tracks import MeanCurve

MARKERS = 10  # markers along a line, enough to tell lines apart in grey
POINTS_DRAWN = 400  # at most so many points a line, which is more than a chart shows
AXIS_OF_BUDGET = {"steps": ("step", "flops"), "bytes": ("bytes_seen",), "seconds": ("training_seconds",)}
Rows = list[dict[str, Any]]
Datasets = dict[str, Rows]


def chart_data(result: TrialResult) -> Datasets:
    """Returns the rows, one an evaluation: those of `all_runs`, of `timed_runs` where these are fewer, and of differences."""
    curves = {"all_runs": result.mean_curves.all_runs, "timed_runs": result.mean_curves.timed_runs}
    means = {
        # The control first: what is drawn first lies beneath.
        name: [row for curve in sorted(of_name, key=lambda curve: not curve.control) for row in _rows(curve)]
        for name, of_name in curves.items()
        if of_name is not None
    }
    return means | {f"difference_by_{axis}": difference_rows(result, axis) for axis in AXIS_TITLES}


def difference_rows(result: TrialResult, axis: str) -> Rows:
    """Returns the rows of the chart of differences along one axis; tokens are told by steps, which are their multiple.

    A row of each track's is the point that decides: measured on all validation documents, and so a little beside the curve.
    """
    rows: Rows = []
    source, unit = ("step", result.tracks[result.baseline].tokens_per_step) if axis == "tokens" else (axis, 1)
    for comparison in result.comparisons:
        found = result.differences[comparison.track]
        curve = found.curves[source]
        if curve is None:
            continue
        common = {"name": comparison.track, "control": False, "runs": len(comparison.paired_seeds)}
        drawn = drawn_places(len(curve.at))
        for place, index in enumerate(drawn):
            point = _point(curve.mean[index], curve.low[index], curve.high[index])
            marks = {"verdict": False, "marked": _is_marked(place, len(drawn))}
            rows.append({**common, **marks, **_at(source, axis, curve.at[index], unit), **point})
        where = _place_of_verdict(found, source)
        if where is not None:
            point = _point(comparison.difference, comparison.low, comparison.high)
            rows.append({**common, "verdict": True, "marked": False, **_at(source, axis, where, unit), **point})
    return rows


def drawn_places(evaluations: int) -> list[int]:
    """Returns which of a line's evaluations are drawn, the last one among them."""
    return [*range(0, evaluations - 1, stride(evaluations)), evaluations - 1] if evaluations else []


def stride(evaluations: int) -> int:
    """Returns how many evaluations of a line there are for each one drawn."""
    return -(-evaluations // POINTS_DRAWN)


def _rows(curve: MeanCurve) -> Rows:
    drawn = drawn_places(len(curve.columns["step"]))
    name = f"{curve.track}, other seeds (A/A control)" if curve.control else curve.track
    common = {"name": name, "control": curve.control, "runs": len(curve.seeds)}
    return [
        {
            **common,
            "marked": _is_marked(place, len(drawn)),
            **{column: _rounded(values[index]) for column, values in curve.columns.items()},
        }
        for place, index in enumerate(drawn)
    ]


def _is_marked(place: int, drawn: int) -> bool:
    every = max(1, round(drawn / MARKERS))
    return place % every == every // 2


def _at(source: str, axis: str, place: float, unit: int) -> dict[str, Any]:
    return {source: _rounded(place), axis: _rounded(place * unit)}


def _point(mean: float | None, low: float | None, high: float | None) -> dict[str, Any]:
    return {
        "difference": _rounded(mean),
        "difference_lowest": _rounded(low),
        "difference_highest": _rounded(high),
    }


def _place_of_verdict(found: Differences, axis: str) -> float | None:
    """Returns where on an axis the deciding budget's point stands; None on an axis of another budget."""
    budget = next(each for each in found.budgets if each.decides)
    if axis not in AXIS_OF_BUDGET[budget.budget]:
        return None
    flops = found.curves["flops"]
    return flops.at[-1] if axis == "flops" and flops else budget.at


def _rounded(value: float | None) -> float | None:
    """Returns six significant digits, which is all that a chart shows."""
    return None if value is None else float(f"{value:.6g}")
