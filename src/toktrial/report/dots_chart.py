"""Pictures of dots: every run beside the verdict, the learning rates that were tried, measures of tokenizers by the outcome.

Result -> dots charts -> sections: noise is seen sooner than it is read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from toktrial.report.blocks import Figure
from toktrial.report.chart_specification import FRAME, HEIGHT, WIDTH, ZERO_LINE, Specification, by_track
from toktrial.report.comparisons import Tuning
from toktrial.report.intrinsic import Intrinsic
from toktrial.report.result import TrialResult
from toktrial.report.wording import decimal, joined, signed

PANEL_HEIGHT, COLUMN_WIDTH = 210, 84  # pixels
SMALL_PANEL = {"width": 176, "height": 150}
SMALL_PANELS_IN_A_ROW = 4
DOT = {"type": "point", "size": 64, "filled": True, "opacity": 0.85, "stroke": "white", "strokeWidth": 1}
DIAMOND = {"type": "point", "shape": "diamond", "opacity": 1}
BESIDE = {"xOffset": 18}  # pixels to the right of the dots
FITTED = {"nice": False, "padding": 14}  # a scale that ends in pixels beyond its data, not at a round number
MEAN_OF_DOTS = {"y": {"aggregate": "mean", "field": "value", "type": "quantitative"}}


def runs_figure(result: TrialResult) -> Figure:
    """Returns every run as a dot by track, and every paired difference beside the interval that decides."""
    values = {track: _judged_values(result, track) for track in result.tracks}
    runs = [f"{track} {joined([decimal(value, 4) for value in of_track])}" for track, of_track in values.items()]
    pairs = [
        f"{each.track} minus {each.baseline} {joined([signed(value) for value in each.differences])}"
        for each in result.comparisons
    ]
    return Figure(
        name="runs",
        specification={**FRAME, "hconcat": [_runs_panel(values), _differences_panel(result)]},
        description=f"Every run's bits per byte: {'; '.join(runs)}. Differences between runs of one seed: {'; '.join(pairs)}.",
        caption=(
            f"Left: every run; the line is a track's mean. Right: each run minus {result.baseline}'s run of the same seed, "
            "their mean, and the interval that the verdict rests on. Lower is better."
        ),
    )


def rates_figure(tuning: Tuning) -> Figure:
    """Returns bits per byte by learning rate: every run as a dot, the means joined, each track's best rate marked."""
    rows: list[dict[str, Any]] = [
        {"name": track, "rate": float(rate), "value": value, "best": float(rate) == tuning.own[track]}
        for track, of_track in tuning.bits_per_byte.items()
        for rate, values in of_track.items()
        for value in values
        if value is not None
    ]
    x = {
        "field": "rate", "type": "quantitative", "title": "learning rate",
        "scale": {"type": "log", "nice": False, "padding": 24},
        "axis": {"values": sorted({row["rate"] for row in rows}), "format": "~g", "grid": False},
    }  # fmt: skip
    y = {"title": "bits per byte of the documents set aside", "scale": {"zero": False, **FITTED}}
    means = {"mark": {"type": "line", "strokeWidth": 2.2}, "encoding": MEAN_OF_DOTS}
    best = {
        "transform": [{"filter": "datum.best"}],
        "mark": {**DIAMOND, "size": 260, "filled": False, "strokeWidth": 2},
        "encoding": MEAN_OF_DOTS,
    }
    panel = _panel(rows, list(tuning.bits_per_byte), (x, y), beneath=[means], above=[best])
    own = joined([f"{track} {rate:g}" for track, rate in tuning.own.items()])
    return Figure(
        name="learning_rates",
        specification={**FRAME, **panel, "width": WIDTH, "height": HEIGHT},
        description=f"Line chart: bits per byte of the documents set aside against the learning rate. The best rates: {own}.",
        caption="Each dot is a run, a line joins a track's means, and a diamond marks its own best rate. Lower is better.",
        title="Bits per byte by learning rate",
    )


def measures_figure(found: Intrinsic, names: Mapping[str, str], verdicts: Mapping[str, str]) -> Figure:
    """Returns a panel for each measure: every track's value against its final bits per byte.

    names: of the measures, for readers; verdicts: what each panel says above itself.
    """
    tracks = list(found.tracks)
    panels: list[Specification] = []
    for measure in found.foretelling:
        rows: list[dict[str, Any]] = [
            {"name": track, "measure": values[measure], "value": found.outcome[track]} for track, values in found.tracks.items()
        ]
        x = {
            "field": "measure", "type": "quantitative", "title": names[measure],
            "scale": {"zero": False, **FITTED}, "axis": {"tickCount": 4, "grid": False},
        }  # fmt: skip
        y = {"title": "bits per byte" if len(panels) % SMALL_PANELS_IN_A_ROW == 0 else None, "scale": {"zero": False, **FITTED}}
        title = {"text": verdicts[measure], "fontSize": 12, "fontWeight": "normal", "anchor": "start"}
        panels.append({**_panel(rows, tracks, (x, y), beneath=[]), **SMALL_PANEL, "title": title})
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
        ),
        title="Measures of the tokenizers against final bits per byte",
    )  # fmt: skip


def _judged_values(result: TrialResult, track: str) -> list[float | None]:
    """Returns the bits per byte of a track's runs, where the verdict compares them."""
    at_equal_bytes = result.design.verdict.budget == "bytes"
    runs = result.tracks[track].runs
    return [run.equal_bytes.bits_per_byte if at_equal_bytes and run.equal_bytes else run.bits_per_byte for run in runs]


def _runs_panel(values: dict[str, list[float | None]]) -> Specification:
    rows = [{"name": track, "value": value} for track, of_track in values.items() for value in of_track]
    y = {"title": "bits per byte, every run", "scale": {"zero": False, **FITTED}, "axis": {"tickCount": 5}}
    means = {"mark": {"type": "tick", "thickness": 1.5, "width": 34}, "encoding": MEAN_OF_DOTS}
    panel = _panel(rows, list(values), (_column(list(values)), y), beneath=[means], legend=None)
    return {**panel, "width": COLUMN_WIDTH * len(values), "height": PANEL_HEIGHT}


def _differences_panel(result: TrialResult) -> Specification:
    comparisons = result.comparisons
    others = [each.track for each in comparisons]
    rows: list[dict[str, Any]] = [{"name": each.track, "value": value} for each in comparisons for value in each.differences]
    rows += [
        {"name": each.track, "low": each.low, "high": each.high, "mean": each.difference}
        for each in comparisons
        if each.low is not None
    ]
    y = {"title": f"difference from {result.baseline}, by seed", "scale": FITTED, "axis": {"tickCount": 5, "format": "+.3~f"}}
    decided = [{"filter": "isValid(datum.low)"}]
    interval = {
        "transform": decided,
        "mark": {"type": "rule", "strokeWidth": 2.5, **BESIDE},
        "encoding": {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}},
    }
    mean = {
        "transform": decided,
        "mark": {**DIAMOND, "size": 110, "filled": True, **BESIDE},
        "encoding": {"y": {"field": "mean", "type": "quantitative"}},
    }
    panel = _panel(rows, list(result.tracks), (_column(others), y), beneath=[ZERO_LINE, interval, mean], legend=None)
    return {**panel, "width": COLUMN_WIDTH * len(others), "height": PANEL_HEIGHT}


def _panel(
    rows: list[dict[str, Any]],
    tracks: list[str],
    axes: tuple[Specification, Specification],
    beneath: list[Specification],
    above: Sequence[Specification] = (),
    **legend: None,
) -> Specification:
    """Returns the `value` of each row as a dot in its track's style, between other layers. `axes` are x and y."""
    x, y = axes
    dots = {"mark": DOT, "encoding": {"shape": {**by_track("shape", tracks), **legend}}}
    return {
        "data": {"values": rows},
        "encoding": {
            "x": x,
            "y": {"field": "value", "type": "quantitative", **y},
            "color": {**by_track("color", tracks), **legend},
        },
        "layer": [*beneath, dots, *above],
    }


def _column(names: list[str]) -> Specification:
    """Returns the x axis of a panel with one column of dots for each name."""
    axis = {"title": None, "labelAngle": 0, "grid": False, "labelLimit": COLUMN_WIDTH - 4}
    return {"field": "name", "type": "nominal", "sort": names, "axis": axis, "scale": {"domain": names}}
