"""The chart under the verdict: other minus baseline along the training, with its interval, and the point that decides.

results["differences"] -> rows -> charts. Drawn as the learning curves are: a line, and a band, which here is the interval.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toktrial.report.wording import signed

DRAWN_FROM = 0.1  # of the axis: what comes before may leave the chart, for its differences are several times the later ones
AXIS_OF_BUDGET = {"steps": ("step", "flops"), "bytes": ("bytes_seen",), "seconds": ("training_seconds",)}
Rows = list[dict[str, Any]]


def rows_of_difference(track: str, curve: Mapping[str, Sequence[Any]], axis: str, places: Sequence[int]) -> Rows:
    """Returns what the chart draws of one track, one row a place of its curve."""
    return [
        {
            "name": track,
            "control": False,
            "verdict": False,
            axis: curve["at"][place],
            "difference": curve["mean"][place],
            "difference_lowest": curve["low"][place],
            "difference_highest": curve["high"][place],
        }
        for place in places
    ]


def verdict_row(track: str, comparison: Mapping[str, Any], place: float, axis: str) -> dict[str, Any]:
    """Returns the point that decides: measured on all validation documents, and so a little beside the curve."""
    return {
        "name": track,
        "control": False,
        "verdict": True,
        axis: place,
        "difference": comparison["difference"],
        "difference_lowest": comparison["low"],
        "difference_highest": comparison["high"],
    }


def place_of_verdict(found: Mapping[str, Any], axis: str) -> float | None:
    """Returns where on an axis the deciding budget's point stands; None on an axis of another budget."""
    budget = next(each for each in found["budgets"] if each["decides"])
    if axis not in AXIS_OF_BUDGET[budget["budget"]]:
        return None
    if axis == "flops":
        return float(found["curves"]["flops"]["at"][-1])
    return float(budget["at"])


def fitted_domain(rows: Rows, axis: str) -> tuple[list[float], bool]:
    """Returns the ends of the y axis, 0 between them, and whether something early lies beyond them."""
    ends = ("difference_lowest", "difference", "difference_highest")
    end = max((row[axis] for row in rows), default=0.0)
    late = [row for row in rows if row[axis] >= DRAWN_FROM * end]
    values = [row[name] for row in late for name in ends if row[name] is not None]
    if not values:
        return [-1.0, 1.0], False
    # Where two runs differ much, their interval is many times the difference itself: the mean lines then rule the axis.
    means = [row["difference"] for row in late]
    span = max(abs(float(np.max(means))), abs(float(np.min(means))))
    low, high = max(min(*values, 0.0), -1.5 * span), min(max(*values, 0.0), 1.5 * span)
    margin = 0.06 * (high - low) or 0.01
    domain = [low - margin, high + margin]
    is_cut = any(not domain[0] <= row[name] <= domain[1] for row in rows for name in ends if row[name] is not None)
    return domain, is_cut


def description(results: Mapping[str, Any], axis_title: str) -> str:
    """Returns what the chart shows, for those who cannot see it."""
    ends = [f"{each['track']} {signed(each['difference'])}" for each in results["comparisons"]]
    what = f"Line chart: bits per byte of each other track minus {results['baseline']} against {axis_title}."
    return f"{what} Where the verdict compares: {'; '.join(ends)}."
