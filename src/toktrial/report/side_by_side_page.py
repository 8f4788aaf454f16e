"""The page of several trials: their effects, how these change along a series, every track, and what the protocols differ in.

Side by side -> document -> page and Markdown.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from toktrial.report.blocks import Block, Document, Figure, Heading, Kind, Paragraph, Section, Table
from toktrial.report.chart_specification import FRAME, HEIGHT, WIDTH, ZERO_LINE, Specification, by_track
from toktrial.report.sections.record import field_text
from toktrial.report.side_by_side import ReportedTrial, Series, differing_fields, series_of
from toktrial.report.wording import count, decimal, interval, joined, plural, scientific, signed, with_spread

QUANTITATIVE = {"type": "quantitative"}
LINES_IN_LEGEND = {"symbolType": "stroke", "symbolStrokeWidth": 2.5}


def compared_document(trials: Sequence[ReportedTrial]) -> Document:
    """Returns the page of several trials."""
    validation = trials[0].result.corpus.validation
    opening = Section(
        id="",
        title="",
        blocks=(
            Heading(f"{len(trials)} trials side by side", level=1),
            Paragraph(
                f"All were validated on the same {plural(validation.documents, 'document')} ({count(validation.bytes)} bytes). "
                "Each trial's own verdict stands by its own protocol; this page decides nothing."
            ),
            *_effect_figure(trials),
        ),
    )
    series = series_of(trials)
    sections = (
        Section("effects", "Differences from the baseline", (_effects_table(trials), _curves_figure(trials))),
        *([Section("series", f"By {series.title}", (_series_figure(trials, series),))] if series else []),
        Section("tracks", "Every track", (_tracks_table(trials),)),
        Section("protocols", "What the protocols differ in", _protocol_blocks(trials)),
    )
    return Document(f"{len(trials)} trials", (opening,), sections)


def _effects(trials: Sequence[ReportedTrial]) -> Iterator[dict[str, Any]]:
    for place, trial in enumerate(trials):
        for each in trial.result.comparisons:
            yield {
                "trial": trial.name,
                "place": place,
                "name": each.track,
                "label": f"{trial.name}: {each.track}",
                **asdict(each),
            }


def _effects_table(trials: Sequence[ReportedTrial]) -> Table:
    rows = [
        [
            effect["trial"],
            f"{effect['track']} minus {effect['baseline']}",
            signed(effect["difference"]),
            interval(effect["low"], effect["high"]) if effect["low"] is not None else "one seed",
            f"{signed(100 * effect['relative_difference'], 1)}%",
            str(len(effect["paired_seeds"])),
            effect["verdict"],
        ]
        for effect in _effects(trials)
    ]
    caption = "The paired difference in final bits per byte, at each protocol's budget. Below 0 the other track is ahead."
    headers = ("trial", "tracks", "difference", "interval", "relative", "seeds", "verdict")
    return Table(caption, headers, rows, ("text", "text", "number", "number", "number", "number", "text"))


def _tracks_table(trials: Sequence[ReportedTrial]) -> Table:
    rows = [
        [
            f"{trial.name}: {name}",
            count(track.entries),
            count(track.parameters),
            count(track.steps),
            scientific(track.final.flops),
            decimal(track.bytes_per_token.validation, 2),
            with_spread(track.final.bits_per_byte, track.standard_deviation.bits_per_byte, 4),
            str(len(track.runs)),
        ]
        for trial in trials
        for name, track in trial.result.tracks.items()
    ]
    headers = ("track", "entries", "parameters", "steps", "FLOPs", "bytes per token", "final bits per byte", "runs")
    return Table("Every track, as means over its runs, with their standard deviation", headers, rows)


def _protocol_blocks(trials: Sequence[ReportedTrial]) -> tuple[Block, ...]:
    rows = [
        [name, *("not there" if value is None else field_text(value) for value in values)]
        for name, values in differing_fields(trials).items()
    ]
    if not rows:
        return (Paragraph("Nothing: their protocols are equal."),)
    headers = ("field", *(trial.name for trial in trials))
    kinds: list[Kind] = ["text" for _ in headers]
    return (Table("Every field of protocol.toml that is not equal in all trials", headers, rows, tuple(kinds)),)


def _names(trials: Sequence[ReportedTrial]) -> list[str]:
    """Returns the tracks that any trial compares with its baseline."""
    return list(dict.fromkeys(effect["name"] for effect in _effects(trials)))


def _effect_figure(trials: Sequence[ReportedTrial]) -> list[Figure]:
    rows = [{key: effect[key] for key in ("label", "name", "difference", "low", "high")} for effect in _effects(trials)]
    if not rows:
        return []
    x = {"field": "difference", "type": "quantitative", "title": "difference from the baseline (bits per byte)"}
    y = {
        "field": "label",
        "type": "nominal",
        "title": None,
        "sort": [row["label"] for row in rows],
        "axis": {"labelLimit": 300},
    }
    zero = {"data": {"values": [{"x": 0}]}, "mark": {"type": "rule"}, "encoding": {"x": {"field": "x", "type": "quantitative"}}}
    spans = {
        "mark": {"type": "rule", "strokeWidth": 2.5},
        "encoding": {"x": {"field": "low", **QUANTITATIVE}, "x2": {"field": "high"}, "y": y},
    }
    dots = {"mark": {"type": "point", "filled": True, "size": 90, "opacity": 1}, "encoding": {"x": x, "y": y}}
    color = {**by_track("color", _names(trials), first=1), "legend": None}
    layers = [zero, *({**layer, "encoding": {**layer["encoding"], "color": color}} for layer in (spans, dots))]
    said = "; ".join(f"{row['label']} {signed(row['difference'])}" for row in rows)
    return [Figure(
        name="effects",
        specification={**FRAME, "width": WIDTH, "height": 28 * len(rows), "data": {"values": rows}, "layer": layers},
        description=f"Differences from the baseline in final bits per byte: {said}.",
        caption="Other track minus baseline, with the interval of each trial's verdict. Left of 0 the other track is ahead.",
    )]  # fmt: skip


def _series_figure(trials: Sequence[ReportedTrial], series: Series) -> Figure:
    rows = [
        {"name": effect["name"], "x": series.values[effect["place"]], "y": effect["difference"], "low": effect["low"],
         "high": effect["high"]}
        for effect in _effects(trials)
    ]  # fmt: skip
    said = "; ".join(f"{row['name']} at {count(row['x'])}: {signed(row['y'])}" for row in rows)
    marks: list[Specification] = [
        {"mark": {"type": "line", "strokeWidth": 2.2}},
        {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 1}},
        {
            "mark": {"type": "rule", "strokeWidth": 1.5},
            "encoding": {"y": {**QUANTITATIVE, "field": "low"}, "y2": {"field": "high"}},
        },
    ]
    x = {**QUANTITATIVE, "field": "x", "title": series.title, "scale": {"type": "log", "nice": False, "padding": 24},
         "axis": {"values": sorted(set(series.values)), "format": "~s", "grid": False}}  # fmt: skip
    return _figure("series", rows, _names(trials), x, marks, f"Differences by {series.title}: {said}.", (
        f"The difference from the baseline in final bits per byte by {series.title}, and the interval of each trial's verdict."
    ))  # fmt: skip


def _curves_figure(trials: Sequence[ReportedTrial]) -> Figure:
    rows: list[dict[str, Any]] = [
        {"name": f"{trial.name}: {track}", "x": at, "y": mean}
        for trial in trials
        for track, found in trial.result.differences.items()
        for curve in filter(None, [found.curves["flops"]])
        for at, mean in zip(curve.at, curve.mean, strict=True)
        if at > 0
    ]
    names = list(dict.fromkeys(row["name"] for row in rows))
    marks = [
        {
            "mark": {"type": "line", "strokeWidth": 2.2, "clip": True},
            "encoding": {"strokeDash": by_track("strokeDash", names, first=1)},
        }
    ]
    x = {**QUANTITATIVE, "field": "x", "title": "training FLOPs", "scale": {"type": "log", "nice": False},
         "axis": {"format": "~s", "grid": False}}  # fmt: skip
    return _figure("curves", rows, names, x, marks, f"Differences from the baseline along the training: {joined(names)}.", (
        "The mean difference from the baseline in bits per byte along the training, on the curves' documents."
    ))  # fmt: skip


def _figure(
    name: str,
    rows: list[dict[str, Any]],
    names: list[str],
    x: Specification,
    marks: list[Specification],
    said: str,
    caption: str,
) -> Figure:
    y = {**QUANTITATIVE, "field": "y", "title": "difference from the baseline (bits per byte)"}
    return Figure(
        name=name,
        specification={
            **FRAME, "width": WIDTH, "height": HEIGHT, "data": {"values": rows},
            "encoding": {"x": x, "y": y, "color": {**by_track("color", names, first=1), "legend": LINES_IN_LEGEND}},
            "layer": [ZERO_LINE, *marks],
        },
        description=said,
        caption=caption,
    )  # fmt: skip
