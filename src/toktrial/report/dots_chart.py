"""The picture beside the verdict: every run as a dot by track, and every paired difference with the interval that decides.

Result -> dots chart -> section: noise is seen sooner than read.
"""

from collections.abc import Sequence
from typing import Any

from toktrial.report.blocks import Figure
from toktrial.report.chart_specification import COLOURS, CONFIG, SCHEMA, SHAPES, scale_of
from toktrial.report.result import TrialResult
from toktrial.report.wording import decimal, joined, signed

NAME = "runs"  # of its files
HEIGHT, STEP_WIDTH = 210, 84  # pixels, and for each column of dots


def dots(result: TrialResult) -> Figure:
    """Returns the picture."""
    return Figure(
        name=NAME, specification=dots_specification(result), description=describe_dots(result), caption=dots_caption(result)
    )


def dots_specification(result: TrialResult) -> dict[str, Any]:
    """Returns Vega-Lite: the runs where the verdict compares them, and beside them what they differ by."""
    tracks = list(result.tracks)
    return {
        "$schema": SCHEMA,
        "config": {**CONFIG, "concat": {"spacing": 50}},
        "background": "white",
        "hconcat": [_runs(result, tracks), _differences(result, tracks)],
    }


def describe_dots(result: TrialResult) -> str:
    """Returns what the picture shows, for those who cannot see it."""
    runs = [f"{track} {joined([decimal(value, 4) for value in judged_values(result, track)])}" for track in result.tracks]
    pairs = [
        f"{each.track} minus {each.baseline} {joined([signed(value) for value in each.differences])}"
        for each in result.comparisons
    ]
    return f"Every run's bits per byte: {'; '.join(runs)}. What pairs of one seed differ by: {'; '.join(pairs)}."


def dots_caption(result: TrialResult) -> str:
    """Returns what must be known to read the picture."""
    return (
        f"Left: every run, the line is a track's mean. Right: what each run differs by from {result.baseline} under "
        "the same seed, the mean, and the interval that the verdict is about. Lower is better."
    )


def judged_values(result: TrialResult, track: str) -> list[float | None]:
    """Returns the bits per byte of a track's runs, where the verdict compares them."""
    at_equal_bytes = result.design.verdict.budget == "bytes"
    runs = result.tracks[track].runs
    return [run.equal_bytes.bits_per_byte if at_equal_bytes and run.equal_bytes else run.bits_per_byte for run in runs]


def _runs(result: TrialResult, tracks: Sequence[str]) -> dict[str, Any]:
    rows = [
        {"name": track, "value": value, "seed": run.seed}
        for track in tracks
        for run, value in zip(result.tracks[track].runs, judged_values(result, track), strict=True)
    ]
    encoding = {
        "x": _column(tracks),
        "y": {
            "field": "value", "type": "quantitative", "title": "bits per byte, every run",
            "scale": {"zero": False, "nice": False, "padding": 14}, "axis": {"tickCount": 5},
        },
        "color": _scaled(tracks, COLOURS),
    }  # fmt: skip
    mean = {
        "mark": {"type": "tick", "thickness": 1.5, "width": 34},
        "encoding": {"y": {"aggregate": "mean", "field": "value", "type": "quantitative"}},
    }
    dots = {"mark": _dot(), "encoding": {"shape": _scaled(tracks, SHAPES)}}
    return _panel(rows, len(tracks), encoding, [mean, dots])


def _differences(result: TrialResult, tracks: Sequence[str]) -> dict[str, Any]:
    comparisons = result.comparisons
    others = [each.track for each in comparisons]
    rows: list[dict[str, Any]] = [
        {"name": each.track, "value": value, "low": None, "high": None} for each in comparisons for value in each.differences
    ]
    rows += [
        {"name": each.track, "value": None, "low": each.low, "high": each.high, "mean": each.difference}
        for each in comparisons
        if each.low is not None
    ]
    encoding = {
        "x": _column(others),
        "y": {
            "field": "value", "type": "quantitative", "title": f"minus {result.baseline}, by seed",
            "scale": {"nice": False, "padding": 14}, "axis": {"tickCount": 5, "format": "+.3~f"},
        },
        "color": _scaled(tracks, COLOURS),
    }  # fmt: skip
    zero: dict[str, Any] = {
        "data": {"values": [{"value": 0}]},
        "mark": {"type": "rule", "strokeWidth": 1},
        "encoding": {"x": {"value": 0}, "x2": {"value": "width"}, "color": {"value": "#808690"}},
    }
    decided = [{"filter": "isValid(datum.low)"}]
    interval = {
        "transform": decided,
        "mark": {"type": "rule", "strokeWidth": 2.5, "xOffset": 18},
        "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
    }
    mean = {
        "transform": decided,
        "mark": {"type": "point", "shape": "diamond", "size": 110, "filled": True, "opacity": 1, "xOffset": 18},
        "encoding": {"y": {"field": "mean", "type": "quantitative"}},
    }
    dots = {"mark": _dot(), "encoding": {"shape": _scaled(tracks, SHAPES)}}
    return _panel(rows, len(others), encoding, [zero, interval, mean, dots])


def _panel(rows: list[dict[str, Any]], columns: int, encoding: dict[str, Any], layers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"width": STEP_WIDTH * columns, "height": HEIGHT, "data": {"values": rows}, "encoding": encoding, "layer": layers}


def _column(names: Sequence[str]) -> dict[str, Any]:
    axis = {"title": None, "labelAngle": 0, "grid": False, "labelLimit": STEP_WIDTH - 4}
    return {"field": "name", "type": "nominal", "sort": list(names), "axis": axis, "scale": {"domain": list(names)}}


def _scaled(names: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    return {"field": "name", "type": "nominal", "legend": None, "scale": scale_of(names, values)}


def _dot() -> dict[str, Any]:
    return {"type": "point", "size": 64, "filled": True, "opacity": 0.85, "stroke": "white", "strokeWidth": 1}
