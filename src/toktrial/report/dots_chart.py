"""Pictures of dots: every run beside the verdict, the learning rates that were tried, measures of tokenizers by the outcome.

Result -> dots charts -> sections: noise is seen sooner than it is read.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toktrial.report.blocks import Figure
from toktrial.report.chart_specification import FRAME, HEIGHT, WIDTH, Specification, quantitative
from toktrial.report.comparisons import Comparison, Tuning
from toktrial.report.intrinsic import Intrinsic
from toktrial.report.result import TrialResult
from toktrial.report.styles import Styles, styles_of
from toktrial.report.verdict import Floats
from toktrial.report.wording import FEW, decimal, general, joined, of_each, signed

ROW_HEIGHT, PANEL_WIDTH = 26, 250  # pixels
SMALL_PANEL = {"width": 176, "height": 150}
SMALL_PANELS_IN_A_ROW = 4
DOT = {"type": "point", "size": 56, "filled": True, "opacity": 0.85, "stroke": "white", "strokeWidth": 1}
DIAMOND = {"type": "point", "shape": "diamond", "opacity": 1}
ABOVE, BELOW = {"yOffset": -4}, {"yOffset": 5}  # pixels from the middle of a row
FITTED = {"nice": False, "padding": 14}  # a scale that ends in pixels beyond its data, not at a round number
FROM_ZERO: Specification = {
    "data": {"values": [{"zero": 0}]},
    "mark": {"type": "rule"},
    "encoding": {"x": quantitative("zero"), "y": {"value": 0}, "y2": {"value": "height"}, "color": {"value": "#808690"}},
}
Rows = list[dict[str, Any]]


def runs_figure(result: TrialResult) -> Figure:
    """Returns every run as a dot by track, and every paired difference beside the interval that decides; the best first."""
    values = {track: result.judged(track) for track in result.ranked}
    runs = [f"{track} {joined([decimal(value, 4) for value in of_track])}" for track, of_track in values.items()]
    pairs = [
        f"{each.track} minus {each.baseline} {joined([signed(value) for value in each.differences])}"
        for each in result.comparisons
    ]
    dots: Rows = [{"row": track, "name": track, "value": value} for track, of_track in values.items() for value in of_track]
    differences: Rows = [
        {"row": each.track, "name": each.track, "value": value} for each in result.comparisons for value in each.differences
    ]
    differences += [
        {"row": each.track, "name": each.track, "low": each.low, "high": each.high, "mean": each.difference}
        for each in result.comparisons
        if each.low is not None
    ]
    title, styles = f"difference from {result.baseline}, by seed", styles_of(result)
    panels = [
        runs_panel(dots, list(values), styles),
        {**differences_panel(differences, list(values), styles, title), "width": PANEL_WIDTH},
    ]
    panels[1]["encoding"]["y"]["axis"] = None  # the rows are those of the panel beside it
    known = {track: [value for value in of_track if value is not None] for track, of_track in values.items()}
    is_crowded = len(values) > FEW and all(known.values())
    beyond = _end_where_most_tracks_do(panels, known, result.baseline, result.comparisons) if is_crowded else []
    return Figure(
        name="runs",
        specification={**FRAME, "hconcat": panels, "spacing": 24},
        description=f"Every run's bits per byte: {'; '.join(runs)}. Differences between runs of one seed: {'; '.join(pairs)}.",
        caption=(
            f"Left: every run; the line is a track's mean. Right: each run minus {result.baseline}'s run of the same seed, "
            f"their mean, and the interval that the verdict rests on. Lower is better.{_beyond(beyond)}"
        ),
    )


def _beyond(tracks: Iterable[str]) -> str:
    names = [*tracks]
    return f" What stands at an edge lies beyond it: see {joined(names)} in the table." if names else ""


def _end_where_most_tracks_do(
    panels: Sequence[Specification], values: Mapping[str, Sequence[float]], baseline: str, comparisons: Sequence[Comparison]
) -> list[str]:
    """Ends the scales of the runs and the differences where far tracks and wide intervals would leave the others no room.

    A track is far if its mean lies more than three interquartile ranges outside the quartiles of all runs (Tukey's far out).
    The baseline, beside which all are seen, never is. An interval is wide if it is more than three times as wide as the median
    one. Marks beyond stand at the edge. Returns the tracks of which something lies beyond.
    """
    first, last = _fences(np.concatenate([*values.values()]))
    near = {track for track in values if track == baseline or first <= np.mean(values[track]) <= last}
    runs = [value for track in near for value in values[track]]
    differences = [0.0, *(value for each in comparisons if each.track in near for value in each.differences)]
    intervals = {each.track: (each.low, each.high) for each in comparisons if each.low is not None and each.high is not None}
    widths = {track: end - start for track, (start, end) in intervals.items()}
    wide = [track for track, width in widths.items() if width > 3 * np.median([*widths.values()])]
    beyond = [track for track in values if track not in near or track in wide]
    if beyond:
        kept = [end for track, ends in intervals.items() if track in near and track not in wide for end in ends]
        ends = [*differences, *kept]
        _end_scale(panels[0], min(runs), max(runs))
        _end_scale(panels[1], min(ends), max(ends))
    return beyond


def _fences(values: Floats) -> tuple[float, float]:
    """Returns what lies three interquartile ranges outside the quartiles: values beyond are far out (Tukey)."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(low - 3 * (high - low)), float(high + 3 * (high - low))


def _end_scale(panel: Specification, first: float, last: float, axis: str = "x") -> None:
    along = panel["encoding"][axis]
    along["scale"] = {**along["scale"], "domain": [first, last], "clamp": True}


def _end_where_most_values_do(panel: Specification, rows: Rows, baseline: str, axis: str) -> set[str]:
    """Ends an axis of a panel's rows where values far out would leave the others no room. Returns the tracks at its edge."""
    field = panel["encoding"][axis]["field"]
    known = [row for row in rows if row[field] is not None]
    first, last = _fences(np.array([row[field] for row in known]))
    near = [row[field] for row in known if row["name"] == baseline or first <= row[field] <= last]
    if len(known) <= FEW or len(set(near)) < 2:
        return set()
    beyond = {row["name"] for row in known if row["name"] != baseline and not first <= row[field] <= last}
    if beyond:
        _end_scale(panel, min(near), max(near), axis)
    return beyond


def runs_panel(rows: Rows, order: Sequence[str], styles: Styles) -> Specification:
    """Returns the `value` of each row as a dot in the `row` that it names, of the track `name`, and a line at their mean."""
    mean = {"x": {"aggregate": "mean", **quantitative("value")}}
    x = {**quantitative("value", "bits per byte, every run"), "scale": {"zero": False, **FITTED}, "axis": {"tickCount": 5}}
    means = {"mark": {"type": "tick", "thickness": 1.5, "size": 18}, "encoding": mean}
    return {**_rows_panel(rows, order, x, styles, [means, _dots(rows, styles, {})]), "width": PANEL_WIDTH}


def differences_panel(rows: Rows, order: Sequence[str], styles: Styles, title: str) -> Specification:
    """Returns `mean` and the interval from `low` to `high` of each `row`, and any `value` as a dot above them."""
    x = {**quantitative("value", title), "scale": FITTED, "axis": {"tickCount": 5, "format": "+.3~f"}}
    has_interval = [{"filter": "isValid(datum.low)"}]
    interval = {
        "transform": has_interval,
        "mark": {"type": "rule", "strokeWidth": 2.5, **BELOW},
        "encoding": {"x": quantitative("low"), "x2": {"field": "high"}},
    }
    mean = {
        "transform": [{"filter": "isValid(datum.mean)"}],
        "mark": {**DIAMOND, "size": 100, "filled": True, **BELOW},
        "encoding": {"x": quantitative("mean")},
    }
    return _rows_panel(rows, order, x, styles, [FROM_ZERO, interval, mean, _dots(rows, styles, ABOVE)])


def rates_figure(result: TrialResult, tuning: Tuning) -> Figure:
    """Returns bits per byte by learning rate: every run as a dot, the means joined, each track's best rate marked."""
    rows: Rows = [
        {"name": track, "rate": float(rate), "value": value, "best": float(rate) == tuning.own[track]}
        for track, of_track in tuning.bits_per_byte.items()
        for rate, values in of_track.items()
        for value in values
        if value is not None
    ]
    x = {
        **quantitative("rate", "learning rate"), "scale": {"type": "log", "nice": False, "padding": 24},
        "axis": {"values": sorted({row["rate"] for row in rows}), "format": "~g", "grid": False},
    }  # fmt: skip
    y = {**quantitative("value", "bits per byte of the documents set aside"), "scale": {"zero": False, **FITTED}}
    mean = {"y": {"aggregate": "mean", **quantitative("value")}}
    styles, tracks = styles_of(result), list(tuning.bits_per_byte)
    means = {"mark": {"type": "line", "strokeWidth": 1.5 if styles.are_crowded(tracks) else 2.2}, "encoding": mean}
    best = {
        "transform": [{"filter": "datum.best"}],
        "mark": {**DIAMOND, "size": 260, "filled": False, "strokeWidth": 2},
        "encoding": mean,
    }
    panel = _panel(rows, tracks, styles, {"x": x, "y": y}, [means, _dots(rows, styles, {}), best])
    return Figure(
        name="learning_rates",
        specification={**FRAME, **panel, "width": WIDTH, "height": HEIGHT},
        description=(
            "Line chart: bits per byte of the documents set aside against the learning rate. The best rates: "
            f"{of_each(tuning.own, general)}."
        ),
        caption="Each dot is a run, a line joins a track's means, and a diamond marks its own best rate. Lower is better.",
        title="Bits per byte by learning rate",
    )


def measures_figure(result: TrialResult, found: Intrinsic, names: Mapping[str, str], verdicts: Mapping[str, str]) -> Figure:
    """Returns a panel for each measure: every track's value against its final bits per byte.

    names: of the measures, for readers; verdicts: what each panel says above itself.
    """
    tracks, styles = list(found.tracks), styles_of(result)
    panels: list[Specification] = []
    beyond: set[str] = set()
    for measure in found.foretelling:
        rows: Rows = [
            {"name": track, "measured": names[measure], "measure": values[measure], "value": found.outcome[track]}
            for track, values in found.tracks.items()
        ]
        scale, is_first = {"zero": False, **FITTED}, len(panels) % SMALL_PANELS_IN_A_ROW == 0
        x = {**quantitative("measure", names[measure]), "scale": scale, "axis": {"tickCount": 4, "grid": False}}
        y = {**quantitative("value", "bits per byte" if is_first else None), "scale": scale}
        title = {"text": verdicts[measure], "fontSize": 12, "fontWeight": "normal", "anchor": "start"}
        panel = _panel(rows, tracks, styles, {"x": x, "y": y}, [_dots(rows, styles, {})])
        for axis in ("x", "y"):
            beyond |= _end_where_most_values_do(panel, rows, result.baseline, axis)
        panels.append({**panel, **SMALL_PANEL, "title": title})
    shared = {"color": "shared", "shape": "shared"}
    spoken = [f"{names[measure]}: {verdicts[measure]}" for measure in found.foretelling]
    return Figure(
        name="measures",
        specification={
            **FRAME, "concat": panels, "columns": SMALL_PANELS_IN_A_ROW, "spacing": {"row": 26, "column": 26},
            "resolve": {"scale": shared, "legend": shared},
        },
        description=f"Final bits per byte of every track against each measure of its tokenizer. {'; '.join(spoken)}.",
        caption=(
            "Each dot is a track: a measure of its tokenizer, and the mean final bits per byte of its runs. Each panel says "
            "Spearman's rank correlation and how many pairs of tracks the measure orders rightly."
            f"{_beyond(track for track in tracks if track in beyond)}"
        ),
        title="Measures of the tokenizers against final bits per byte",
    )  # fmt: skip


def _dots(rows: Rows, styles: Styles, offset: Mapping[str, int]) -> Specification:
    """Returns the layer of the `value` of each row as a dot in its track's style."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    return {
        "transform": [{"filter": "isValid(datum.value)"}],
        "mark": {**DOT, **offset},
        "encoding": {"shape": styles.encoding("shape", names)},
    }


def _panel(
    rows: Rows, tracks: Sequence[str], styles: Styles, axes: Specification, layers: Sequence[Specification]
) -> Specification:
    return {
        "data": {"values": rows},
        "encoding": {**axes, "color": styles.encoding("color", tracks)},
        "layer": list(layers),
    }


def _rows_panel(
    rows: Rows, order: Sequence[str], x: Specification, styles: Styles, layers: Sequence[Specification]
) -> Specification:
    """Returns a panel with a row for each name of `order`, which says what is drawn in it."""
    axis = {"grid": False, "ticks": False, "domain": False, "labelLimit": 300, "labelPadding": 8}
    y = {"field": "row", "type": "nominal", "title": None, "sort": list(order), "scale": {"domain": list(order)}, "axis": axis}
    panel = _panel(rows, list(dict.fromkeys(row["name"] for row in rows)), styles, {"x": x, "y": y}, layers)
    without_legend = {**panel["encoding"]["color"], "legend": None}
    for layer in panel["layer"]:
        if "shape" in layer["encoding"]:
            layer["encoding"]["shape"] = {**layer["encoding"]["shape"], "legend": None}
    return {**panel, "encoding": {**panel["encoding"], "color": without_legend}, "height": {"step": ROW_HEIGHT}}
