"""One learning curve as Vega-Lite: the same definition for the SVG and PNG files and for the page, whose script changes it.

Charts -> specification. Plain dicts of Vega-Lite 6 (vega.github.io/vega-lite/docs); page_files/charts.js knows their places.
"""

from collections.abc import Sequence
from typing import Any

from toktrial.report.axes import AXES
from toktrial.report.styles import Styles

Specification = dict[str, Any]

AXIS_TITLES = {name: axis.title for name, axis in AXES.items()}

WIDTH, HEIGHT = 640, 340  # pixels of the SVG; the PNG has twice as many
LABEL_HEIGHT = 0.06  # of a chart: how far apart the labels of floors are
NAME_WIDTH, NAME_HEIGHT = 108, 13  # pixels of a track's name at the end of its line
FRAME: Specification = {
    "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
    "config": {
        "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif",
        "padding": 10,
        "view": {"stroke": None},
        "axis": {
            "labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal", "labelColor": "#444444",
            "titleColor": "#222222", "gridColor": "#e4e4e4", "domainColor": "#888888", "tickColor": "#888888",
            "titlePadding": 10, "tickCount": 6,
        },
        "legend": {
            "orient": "top", "direction": "horizontal", "labelFontSize": 13, "labelColor": "#222222", "labelLimit": 400,
            "symbolSize": 90, "symbolOpacity": 1, "symbolStrokeWidth": 0, "columnPadding": 24, "columns": 6,
        },
        "concat": {"spacing": 50},
    },
    "background": "white",
}  # fmt: skip

WITHIN = {"filter": "datum.y <= top && datum.y >= bottom"}
CURVE = {"filter": "!datum.verdict"}
NAMES = "labels"  # the dataset of the names at the ends of lines
FROM_EDGE_TO_EDGE = {"x": {"value": 0}, "x2": {"value": "width"}}
FROM_LOWEST_TO_HIGHEST = {"y": {"field": "lowest"}, "y2": {"field": "highest"}}
ZERO_LINE: Specification = {
    "data": {"values": [{"y": 0, "value": 0}]},  # by whichever name the chart's y axis has
    "mark": {"type": "rule", "strokeWidth": 1},
    "encoding": {**FROM_EDGE_TO_EDGE, "color": {"value": "#808690"}},
}
# The rows that decide, as large marks with their intervals. Elsewhere the marks are hidden, not filtered out: a layer without
# rows has no extent, and Vega complains. What is hidden must stay within the axis, because a picture is made large enough for
# all marks, seen or not.
ON_VERDICT = {"opacity": {"condition": {"test": "datum.verdict", "value": 1}, "value": 0}}


def line_chart(
    measure: str,
    axis: str,
    title: str,
    domain: Sequence[float],
    names: Sequence[str],
    control: str | None,
    styles: Styles,
    floors: Sequence[tuple[str, float]] = (),
) -> Specification:
    """Returns Vega-Lite without its data, which is named `rows`: bands from lowest to highest run, mean lines, a few markers.

    The rows have the columns of a MeanCurve and a `name`, one of `names` or the control's. `title` is that of y, `domain` its
    ends. `floors`: (track, bits per byte), for each a quiet line across the chart. Differences have a line at 0, and their rows
    that decide have large marks. Where tracks are too many for a legend, there are no bands, only those told apart have marks,
    and each line ends in its name, from the dataset NAMES.

    Only the lines are clipped, because clipping makes the PNG slow; all else is kept within the domain by its own transforms.
    """
    is_difference, is_crowded = measure == "difference", styles.are_crowded(names)
    legend = {"legend": None} if is_crowded else {}
    told_apart = [{"filter": {"field": "name", "oneOf": [*styles.told_apart, *filter(None, [control])]}}] if is_crowded else []
    band = {
        "transform": [CURVE],
        "mark": {"type": "area", "fillOpacity": 0.25},
        "encoding": FROM_LOWEST_TO_HIGHEST,
    }
    lines = {
        "transform": [CURVE],
        "mark": {"type": "line", "strokeWidth": 1.5 if is_crowded else 2.2, "clip": True},
        "encoding": {"strokeDash": {**styles.encoding("strokeDash", names, control), **legend}},
    }
    markers = {  # they tell lines apart in grey
        "transform": [{"filter": "datum.marked && !datum.verdict"}, *told_apart, WITHIN],
        "mark": {"type": "point", "size": 64, "filled": True, "opacity": 1, "stroke": "white", "strokeWidth": 1},
        "encoding": {"shape": {**styles.encoding("shape", names, control), **legend}},
    }
    curves = [lines, markers, *_names_at_the_ends(styles, names, control)] if is_crowded else [band, lines, markers]
    room = {"range": [0, {"expr": f"width - {NAME_WIDTH}"}]} if is_crowded else {}
    return {
        **FRAME,
        "width": WIDTH,
        "height": HEIGHT,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"name": "rows"},
        "params": [{"name": "top", "value": domain[1]}, {"name": "bottom", "value": domain[0]}],
        "transform": [
            {"calculate": f"datum.{axis}", "as": "x"},
            {"calculate": f"datum.{measure}", "as": "y"},
            *(_kept_within(f"datum.{measure}_{end}", end) for end in ("lowest", "highest")),
        ],
        "encoding": {
            "x": {
                **quantitative("x", AXIS_TITLES[axis]),
                "scale": {"type": "linear", "nice": False, "zero": True, **room},
                "axis": {"grid": False, "format": AXES[axis].ticks},
            },
            "y": {**quantitative("y", title), "scale": {"type": "linear", "nice": False, "domain": list(domain)}},
            "color": {**styles.encoding("color", names, control), **legend},
        },
        "layer": [ZERO_LINE, *curves, *_verdict(told_apart)] if is_difference else [*_floor_lines(floors, domain), *curves],
    }


def quantitative(field: str, title: str | None = "") -> Specification:
    """Returns the encoding of a number. Without a title, a layer has that of its chart; None: there is none."""
    return {"field": field, "type": "quantitative", **({} if title == "" else {"title": title})}


def with_values_under_the_pointer(chart: Specification, measure: str, height: int) -> Specification:
    """Returns the page's variant: as wide as its container, without a background, and with a tooltip at every point.

    The tooltip shows what the rows hold; the bands, drawn from `lowest` and `highest`, are kept within the chart.
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
        "transform": [{"filter": "isValid(datum.y)"}, WITHIN],
        "mark": {"type": "point", "size": 260, "strokeWidth": 2, "fill": "transparent"},
        "params": [{"name": "pointed_at", "select": pointed_at}],
        "encoding": {
            "opacity": {"condition": {"param": "pointed_at", "empty": False, "value": 1}, "value": 0},
            "tooltip": values,
        },
    }
    return {**chart, "width": "container", "height": height, "background": "transparent", "layer": [*chart["layer"], points]}


def _kept_within(value: str, name: str) -> Specification:
    return {"calculate": f"{value} === null ? null : max(min({value}, top), bottom)", "as": name}


def _verdict(told_apart: Sequence[Specification]) -> list[Specification]:
    """Returns the layers of the rows that decide."""
    return [
        {
            "transform": list(told_apart),
            "mark": {"type": "rule", "strokeWidth": 2.5},
            "encoding": {**FROM_LOWEST_TO_HIGHEST, **ON_VERDICT},
        },
        {
            "transform": [*told_apart, {"calculate": "max(min(datum.y, top), bottom)", "as": "y"}],
            "mark": {"type": "point", "shape": "diamond", "size": 150, "filled": True, "stroke": "white"},
            "encoding": ON_VERDICT,
        },
    ]


def _names_at_the_ends(styles: Styles, names: Sequence[str], control: str | None) -> list[Specification]:
    """Returns the layers of the names, each behind its track's mark."""
    dot = {"type": "point", "size": 56, "filled": True, "opacity": 1, "xOffset": 8 - NAME_WIDTH}
    text = {
        "type": "text",
        "align": "left",
        "baseline": "middle",
        "dx": 16 - NAME_WIDTH,
        "fontSize": 12,
        "limit": NAME_WIDTH - 16,
    }
    shape = {**styles.encoding("shape", names, control), "legend": None}
    named = {"text": {"field": "label"}, "color": {"value": "#222222"}}
    return [
        {"data": {"name": NAMES}, "mark": mark, "encoding": {"x": {"value": "width"}, **channels}}
        for mark, channels in ((dot, {"shape": shape}), (text, named))
    ]


def _floor_lines(floors: Sequence[tuple[str, float]], domain: Sequence[float]) -> list[Specification]:
    """Returns the layers of the floors' lines and labels; those too close for a label each share one, at the highest."""
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    for name, floor in sorted(floors, key=lambda each: each[1]):
        is_close = bool(rows) and floor - rows[-1]["y"] < LABEL_HEIGHT * (domain[1] - domain[0])
        if is_close:
            rows[-1]["label"] = ""
        names = [*names, name] if is_close else [name]
        rows.append({"name": name, "y": floor, "label": f"counting pairs: {', '.join(names)}"})
    lines = {
        "mark": {"type": "rule", "strokeDash": [1, 4], "strokeWidth": 1.2, "opacity": 0.9},
        "encoding": FROM_EDGE_TO_EDGE,
    }
    labels = {
        "mark": {"type": "text", "align": "right", "baseline": "bottom", "dy": -2, "fontSize": 11},
        "encoding": {"x": {"value": "width"}, "text": {"field": "label"}},
    }
    return [{"data": {"values": rows}, "transform": [WITHIN], **layer} for layer in (lines, labels)] if rows else []
