"""Pictures of single runs as dots: the one beside the verdict, and the one of the learning rates that were tried.

Result -> dots charts -> sections: noise is seen sooner than it is read.
"""

from collections.abc import Sequence
from typing import Any

from toktrial.report.blocks import Figure
from toktrial.report.chart_specification import FRAME, HEIGHT, WIDTH, ZERO_LINE, Specification, by_track
from toktrial.report.result import TrialResult
from toktrial.report.result_comparisons import Tuning
from toktrial.report.wording import decimal, joined, signed

PANEL_HEIGHT, COLUMN_WIDTH = 210, 84  # pixels
DOT = {"type": "point", "size": 64, "filled": True, "opacity": 0.85, "stroke": "white", "strokeWidth": 1}
DIAMOND = {"type": "point", "shape": "diamond", "opacity": 1}
BESIDE = {"xOffset": 18}  # pixels to the right of the dots
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
    tracks = list(tuning.bits_per_byte)
    rows = [
        {"name": track, "rate": float(rate), "value": value, "best": float(rate) == tuning.own[track]}
        for track, of_track in tuning.bits_per_byte.items()
        for rate, values in of_track.items()
        for value in values
        if value is not None
    ]
    encoding = {
        "x": {
            "field": "rate", "type": "quantitative", "title": "learning rate",
            "scale": {"type": "log", "nice": False, "padding": 24},
            "axis": {"values": sorted({row["rate"] for row in rows}), "format": "~g", "grid": False},
        },
        "y": {
            "field": "value", "type": "quantitative", "title": "bits per byte of the documents set aside",
            "scale": {"zero": False, "nice": False, "padding": 14},
        },
        "color": by_track("color", tracks),
    }  # fmt: skip
    means = {"mark": {"type": "line", "strokeWidth": 2.2}, "encoding": MEAN_OF_DOTS}
    dots = {"mark": DOT, "encoding": {"shape": by_track("shape", tracks)}}
    best = {
        "transform": [{"filter": "datum.best"}],
        "mark": {**DIAMOND, "size": 260, "filled": False, "strokeWidth": 2},
        "encoding": MEAN_OF_DOTS,
    }
    own = joined([f"{track} {rate:g}" for track, rate in tuning.own.items()])
    return Figure(
        name="learning_rates",
        specification={**FRAME, **_panel(rows, (WIDTH, HEIGHT), encoding, [means, dots, best])},
        description=f"Line chart: bits per byte of the documents set aside against the learning rate. The best rates: {own}.",
        caption="Each dot is a run, a line joins a track's means, and a diamond marks its own best rate. Lower is better.",
        title="Bits per byte by learning rate",
    )


def _judged_values(result: TrialResult, track: str) -> list[float | None]:
    """Returns the bits per byte of a track's runs, where the verdict compares them."""
    at_equal_bytes = result.design.verdict.budget == "bytes"
    runs = result.tracks[track].runs
    return [run.equal_bytes.bits_per_byte if at_equal_bytes and run.equal_bytes else run.bits_per_byte for run in runs]


def _runs_panel(values: dict[str, list[float | None]]) -> Specification:
    tracks = list(values)
    encoding = {
        "x": _columns(tracks),
        "y": {
            "field": "value", "type": "quantitative", "title": "bits per byte, every run",
            "scale": {"zero": False, "nice": False, "padding": 14}, "axis": {"tickCount": 5},
        },
        "color": _without_legend("color", tracks),
    }  # fmt: skip
    rows = [{"name": track, "value": value} for track in tracks for value in values[track]]
    means = {"mark": {"type": "tick", "thickness": 1.5, "width": 34}, "encoding": MEAN_OF_DOTS}
    dots = {"mark": DOT, "encoding": {"shape": _without_legend("shape", tracks)}}
    return _panel(rows, (COLUMN_WIDTH * len(tracks), PANEL_HEIGHT), encoding, [means, dots])


def _differences_panel(result: TrialResult) -> Specification:
    comparisons, tracks = result.comparisons, list(result.tracks)
    others = [each.track for each in comparisons]
    rows: list[dict[str, Any]] = [{"name": each.track, "value": value} for each in comparisons for value in each.differences]
    rows += [
        {"name": each.track, "low": each.low, "high": each.high, "mean": each.difference}
        for each in comparisons
        if each.low is not None
    ]
    encoding = {
        "x": _columns(others),
        "y": {
            "field": "value", "type": "quantitative", "title": f"minus {result.baseline}, by seed",
            "scale": {"nice": False, "padding": 14}, "axis": {"tickCount": 5, "format": "+.3~f"},
        },
        "color": _without_legend("color", tracks),
    }  # fmt: skip
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
    dots = {"mark": DOT, "encoding": {"shape": _without_legend("shape", tracks)}}
    return _panel(rows, (COLUMN_WIDTH * len(others), PANEL_HEIGHT), encoding, [ZERO_LINE, interval, mean, dots])


def _panel(
    rows: list[dict[str, Any]], size: tuple[int, int], encoding: Specification, layers: Sequence[Specification]
) -> Specification:
    return {"width": size[0], "height": size[1], "data": {"values": rows}, "encoding": encoding, "layer": list(layers)}


def _columns(names: Sequence[str]) -> Specification:
    axis = {"title": None, "labelAngle": 0, "grid": False, "labelLimit": COLUMN_WIDTH - 4}
    return {"field": "name", "type": "nominal", "sort": list(names), "axis": axis, "scale": {"domain": list(names)}}


def _without_legend(channel: str, names: Sequence[str]) -> Specification:
    return {**by_track(channel, names), "legend": None}
