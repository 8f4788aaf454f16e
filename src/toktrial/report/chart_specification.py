"""One learning curve as Vega-Lite: the same definition for the SVG and PNG files and for the page, whose script changes it.

Charts -> specification. Plain dicts of Vega-Lite 6 (vega.github.io/vega-lite/docs); page_files/charts.js knows their places.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from toktrial.report.axes import AXES

# Okabe & Ito's palette, which colour-blind readers tell apart (2008, jfly.uni-koeln.de/color), its darker colours first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 2], [1, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
LABEL_HEIGHT = 0.06  # of a chart
CONTROL_COLOUR, CONTROL_DASH, CONTROL_SHAPE = "#808690", [4, 2], "triangle-right"
WIDTH, HEIGHT = 640, 340  # pixels of the SVG; the PNG has twice as many
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
AXIS_TITLES = {name: axis.title for name, axis in AXES.items()}
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
CONFIG = {
    "font": FONT,
    "padding": 10,
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal", "labelColor": "#444444",
        "titleColor": "#222222", "gridColor": "#e4e4e4", "domainColor": "#888888", "tickColor": "#888888",
        "titlePadding": 10, "tickCount": 6,
    },
    "legend": {
        "orient": "top", "direction": "horizontal", "labelFontSize": 13, "labelColor": "#222222", "labelLimit": 400,
        "symbolSize": 90, "symbolOpacity": 1, "symbolStrokeWidth": 0, "columnPadding": 24,
    },
}  # fmt: skip


def specification(
    measure: str,
    axis: str,
    titles: tuple[str, str],
    domain: Sequence[float],
    names: Sequence[str],
    control: str | None,
    first_style: int = 0,
) -> dict[str, Any]:
    """Returns Vega-Lite without its data, which is named `rows`: bands from lowest to highest run, mean lines, markers.

    Only the lines are clipped, for what is clipped makes the PNG slow; the rest is kept below `top` by itself.

    The rows have the columns of a MeanCurve and a `name`, one of `names` or the control's. `titles` are those of
    x and y, `domain` the ends of y. `first_style` is the place of the first name's colour, dash and marker: a track keeps
    its own from chart to chart.
    """
    styles = [
        _scale(names, values[first_style:], control, of_control)
        for values, of_control in ((COLOURS, CONTROL_COLOUR), (DASHES, CONTROL_DASH), (SHAPES, CONTROL_SHAPE))
    ]
    ends = {end: f"datum.{measure}_{end}" for end in ("lowest", "highest")}
    return {
        "$schema": SCHEMA,
        "config": CONFIG,
        "background": "white",
        "width": WIDTH,
        "height": HEIGHT,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"name": "rows"},
        "params": [{"name": "top", "value": domain[1]}, {"name": "bottom", "value": domain[0]}],
        "transform": [
            {"calculate": f"datum.{axis}", "as": "x"},
            {"calculate": f"datum.{measure}", "as": "y"},
            *(
                {"calculate": f"{value} === null ? null : max(min({value}, top), bottom)", "as": end}
                for end, value in ends.items()
            ),
        ],
        "encoding": {
            "x": {
                "field": "x", "type": "quantitative", "title": titles[0],
                "scale": {"type": "linear", "nice": False, "zero": True},
                "axis": {"grid": False, "format": AXES[axis].ticks},
            },
            "y": {
                "field": "y", "type": "quantitative", "title": titles[1],
                "scale": {"type": "linear", "nice": False, "domain": list(domain)},
            },
            "color": {"field": "name", "title": None, "scale": styles[0]},
        },
        "layer": [_band(), _line(styles[1]), _markers(styles[2])],
    }  # fmt: skip


def with_floors(chart: dict[str, Any], floors: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """Returns the chart with a quiet line across it for each (track, bits per byte) that counting pairs reaches."""
    values = _labelled(floors, chart["params"])
    drawn = [{"filter": "datum.y <= top && datum.y >= bottom"}]
    lines: dict[str, Any] = {
        "data": {"values": values},
        "transform": drawn,
        "mark": {"type": "rule", "strokeDash": [1, 4], "strokeWidth": 1.2, "opacity": 0.9},
        "encoding": {"x": {"value": 0}, "x2": {"value": "width"}},
    }
    labels: dict[str, Any] = {
        "data": {"values": values},
        "transform": drawn,
        "mark": {"type": "text", "align": "right", "baseline": "bottom", "dy": -2, "fontSize": 11},
        "encoding": {"x": {"value": "width"}, "text": {"field": "label"}},
    }
    return {**chart, "layer": [lines, labels, *chart["layer"]]}


def _labelled(floors: Sequence[tuple[str, float]], ends: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows of the floors; those that stand too close for a label each have one together, at the highest."""
    height = abs(ends[0]["value"] - ends[1]["value"])
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    for name, floor in sorted(floors, key=lambda each: each[1]):
        is_close = bool(rows) and floor - rows[-1]["y"] < LABEL_HEIGHT * height
        if is_close:
            rows[-1]["label"] = ""
        names = [*names, name] if is_close else [name]
        rows.append({"name": name, "y": floor, "label": f"counting pairs: {', '.join(names)}"})
    return rows


def with_verdict(chart: dict[str, Any]) -> dict[str, Any]:
    """Returns the chart of differences with its line at 0, and the rows that decide as large marks with their intervals."""
    curves = [{**layer, "transform": [{"filter": "!datum.verdict"}, *layer.get("transform", [])]} for layer in chart["layer"]]
    zero: dict[str, Any] = {
        "data": {"values": [{"y": 0}]},
        "mark": {"type": "rule", "color": "#808690", "strokeWidth": 1},
        "encoding": {"x": {"value": 0}, "x2": {"value": "width"}, "color": {"value": "#808690"}},
    }
    # Hidden, not filtered out: a layer without rows has no extent, and Vega complains. What is hidden must stay within the
    # axis, because a picture is made large enough for all marks, seen or not.
    shown = {"condition": {"test": "datum.verdict", "value": 1}, "value": 0}
    interval = {
        "mark": {"type": "rule", "strokeWidth": 2.5},
        "encoding": {"y": {"field": "lowest"}, "y2": {"field": "highest"}, "opacity": shown},
    }
    point = {
        "transform": [{"calculate": "max(min(datum.y, top), bottom)", "as": "y"}],
        "mark": {"type": "point", "shape": "diamond", "size": 150, "filled": True, "stroke": "white"},
        "encoding": {"opacity": shown},
    }
    return {**chart, "layer": [zero, *curves, interval, point]}


def with_values_under_the_pointer(chart: dict[str, Any], measure: str, height: int) -> dict[str, Any]:
    """Returns the page's variant: as wide as its container, without a background, and with a tooltip at every point.

    The tooltip says what the rows hold: `lowest` and `highest`, which bands are drawn from, end at `top`.
    """
    values = [
        {"field": "name", "title": "track"},
        {"field": "y", "title": chart["encoding"]["y"]["title"], "format": ".4f"},
        {"field": f"{measure}_lowest", "title": "lowest run", "format": ".4f"},
        {"field": f"{measure}_highest", "title": "highest run", "format": ".4f"},
        {"field": "runs", "title": "runs"},
        *({"field": axis.column, "title": axis.title, "format": axis.pointed} for axis in AXES.values()),
    ]
    # Not `nearest`: Vega-Lite 6.4 then shows text fields of a tooltip as undefined.
    pointed_at = {"type": "point", "on": "pointerover", "clear": "pointerout"}
    points = {
        "transform": [{"filter": "isValid(datum.y) && datum.y <= top && datum.y >= bottom"}],
        "mark": {"type": "point", "size": 260, "strokeWidth": 2, "fill": "transparent"},
        "params": [{"name": "pointed_at", "select": pointed_at}],
        "encoding": {
            "opacity": {"condition": {"param": "pointed_at", "empty": False, "value": 1}, "value": 0},
            "tooltip": values,
        },
    }
    return {**chart, "width": "container", "height": height, "background": "transparent", "layer": [*chart["layer"], points]}


def scale_of(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    """Returns the scale that gives each track its colour, dash or marker; these begin anew where there are more tracks."""
    return {"domain": list(names), "range": [values[place % len(values)] for place in range(len(names))]}


def _band() -> dict[str, Any]:
    return {"mark": {"type": "area", "fillOpacity": 0.25}, "encoding": {"y": {"field": "lowest"}, "y2": {"field": "highest"}}}


def _line(dashes: dict[str, Any]) -> dict[str, Any]:
    dash = {"field": "name", "title": None, "scale": dashes}
    return {"mark": {"type": "line", "strokeWidth": 2.2, "clip": True}, "encoding": {"strokeDash": dash}}


def _markers(shapes: dict[str, Any]) -> dict[str, Any]:
    """Returns a few markers along each line, which tell lines apart in grey."""
    shape = {"field": "name", "title": None, "scale": shapes}
    mark = {"type": "point", "size": 64, "filled": True, "opacity": 1, "stroke": "white", "strokeWidth": 1}
    return {
        "mark": mark,
        "transform": [{"filter": "datum.marked && datum.y <= top && datum.y >= bottom"}],
        "encoding": {"shape": shape},
    }


def _scale(names: Sequence[str], values: Sequence[Any], control: str | None, of_control: Any) -> dict[str, Any]:
    tracks = scale_of(names, values)
    if control is None:
        return tracks
    return {"domain": [*tracks["domain"], control], "range": [*tracks["range"], of_control]}
