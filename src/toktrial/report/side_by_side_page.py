"""The blocks of pages about several trials: `toktrial compare` and `toktrial leaderboard` show their tracks and effects alike.

Side by side -> blocks -> page, Markdown and terminal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from toktrial.report.blocks import Block, Document, Figure, Heading, Kind, Paragraph, Section, Table
from toktrial.report.chart_specification import FRAME, HEIGHT, WIDTH, ZERO_LINE, Specification, quantitative
from toktrial.report.comparisons import Comparison
from toktrial.report.dots_chart import differences_panel
from toktrial.report.result import TrialResult
from toktrial.report.sections.record import field_text
from toktrial.report.side_by_side import ReportedTrial, Series, differing_fields, series_of
from toktrial.report.styles import Styles
from toktrial.report.wording import (
    NOT_MEASURED,
    count,
    decimal,
    interval,
    joined,
    plural,
    scientific,
    signed,
    signed_percent,
    with_spread,
)

LINES_IN_LEGEND = {"symbolType": "stroke", "symbolStrokeWidth": 2.5}
Results = Mapping[str, TrialResult]  # of several trials, each under the name that tells it from the others


def compared_document(trials: Sequence[ReportedTrial]) -> Document:
    """Returns the page of several trials."""
    results = {trial.name: trial.result for trial in trials}
    validation = trials[0].result.corpus.validation
    opening = Section(
        id="",
        title="",
        blocks=(
            Heading(f"{len(trials)} trials side by side", level=1),
            Paragraph(
                f"All were validated on the same {plural(validation.documents, 'document')} ({count(validation.bytes)} bytes). "
                "Each trial's own verdict stands by its own protocol; this page decides nothing. Where seeds still to come may "
                'change a verdict, "so far" stands with it.'
            ),
            *_effect_figure(results),
        ),
    )
    series = series_of(trials)
    sections = (
        Section("effects", "Differences from the baseline", (effects_table(results), _curves_figure(results))),
        *([Section("series", f"By {series.title}", (_series_figure(results, series),))] if series else []),
        Section("tracks", "Every track", (tracks_table(results),)),
        Section("protocols", "What the protocols differ in", _protocol_blocks(trials)),
    )
    return Document(f"{len(trials)} trials", (opening,), sections)


def tracks_table(results: Results) -> Table:
    """Returns the tracks of all trials, the best first; those without a final value come last."""
    tracks = [(f"{name}: {track}", of) for name, result in results.items() for track, of in result.tracks.items()]
    rows = [
        [
            name,
            with_spread(track.final.bits_per_byte, track.standard_deviation.bits_per_byte, 4),
            _of_planned(len(track.runs), track.seeds_in_protocol),
            count(track.entries),
            decimal(track.bytes_per_token.validation, 2),
            count(track.parameters),
            count(track.steps),
            count(track.final.tokens_seen),
            count(track.final.bytes_seen),
            scientific(track.final.flops),
            NOT_MEASURED if track.floors is None else "yes" if track.floors.below_bigram > 0 else "no",
        ]
        for name, track in sorted(tracks, key=lambda each: each[1].final.bits_per_byte or float("inf"))
    ]
    headers = (
        "trial and track", "bits per byte", "runs", "entries", "bytes per token", "parameters", "steps", "tokens read",
        "bytes read", "training FLOPs", "below its bigram floor",
    )  # fmt: skip
    caption = "Tracks, the best first: means over runs and, where there are several, their standard deviation"
    return Table(caption, headers, rows)


def effects_table(results: Results, reports: Mapping[str, str] | None = None) -> Table:
    """Returns what each trial found. `reports`: where each trial's report lies, relative to the page, by its name."""
    rows = [
        [
            name,
            f"{found.track} minus {found.baseline}",
            f"so far: {found.verdict}" if _is_provisional(result, found) else found.verdict,
            signed(found.difference),
            interval(found.low, found.high),
            signed_percent(found.relative_difference),
            _seeds(result, found),
            f"equal {found.budget}",
            "yes" if result.amendments else "no",
            result.environment["first run started"][0][: len("2026-01-31")],
            *([quote(reports[name])] if reports else []),
        ]
        for name, result in results.items()
        for found in result.comparisons
    ]
    headers = (
        "trial",
        "compared",
        "verdict",
        "difference",
        "interval",
        "relative",
        "seeds",
        "budget",
        "changed later",
        "begun",
    )
    kinds: tuple[Kind, ...] = ("text", "text", "text", "number", "number", "number", "number", "text", "text", "text")
    caption = "What each trial found, in final bits per byte at its protocol's budget; below 0 the other track is ahead"
    if reports:
        return Table(caption, (*headers, "report"), rows, (*kinds, "link"))
    return Table(caption, headers, rows, kinds)


def _is_provisional(result: TrialResult, found: Comparison) -> bool:
    """Whether seeds still to come may change a verdict.

    A sequential design shares its error rate out beforehand, so each of its verdicts stands alone. Otherwise Holm's correction
    looks at all tracks, so that a seed that one of them misses may change the verdict on another.
    """
    if found.look:
        return found.look.is_open
    return any(len(each.paired_seeds) < result.design.seeds for each in result.comparisons)


def _seeds(result: TrialResult, found: Comparison) -> str:
    """Returns how many seeds are paired, and of how many planned ones where more are to come: '3 of 20', '5 of up to 12'."""
    paired, design = len(found.paired_seeds), result.design
    if found.look and found.look.is_open and paired >= design.seeds:
        return f"{paired} of up to {design.most_seeds}"
    return _of_planned(paired, design.seeds)


def _of_planned(finished: int, planned: int) -> str:
    """Returns a number of seeds, and of how many where some are missing.

    >>> _of_planned(3, 20), _of_planned(20, 20)
    ('3 of 20', '20')
    """
    return f"{finished} of {planned}" if finished < planned else str(finished)


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


def _effects(results: Results) -> Iterator[dict[str, Any]]:
    """Yields every comparison with the row of its trial (`row`, by `place` among the trials) and the `name` of its track."""
    for place, (name, result) in enumerate(results.items()):
        for each in result.comparisons:
            row = f"{name}: {each.track}{', so far' if _is_provisional(result, each) else ''}"
            yield {**asdict(each), "place": place, "row": row, "name": each.track, "mean": each.difference}


def _styles(effects: Sequence[Mapping[str, Any]], field: str) -> tuple[list[str], Styles]:
    """Returns the distinct names in a field, in order, and their styles."""
    names = list(dict.fromkeys(str(effect[field]) for effect in effects))
    return names, Styles(names or [""])


def _effect_figure(results: Results) -> list[Figure]:
    effects = [{key: of[key] for key in ("row", "name", "mean", "low", "high")} for of in _effects(results)]
    if not effects:
        return []
    title, rows = "difference from the baseline (bits per byte)", [str(effect["row"]) for effect in effects]
    panel = differences_panel(effects, rows, _styles(effects, "name")[1], title)
    said = "; ".join(f"{effect['row']} {signed(effect['mean'])}" for effect in effects)
    return [Figure(
        name="effects",
        specification={**FRAME, **panel, "width": WIDTH},
        description=f"Differences from the baseline in final bits per byte: {said}.",
        caption="Other track minus baseline, with the interval of each trial's verdict. Left of 0 the other track is ahead.",
    )]  # fmt: skip


def _series_figure(results: Results, series: Series) -> Figure:
    rows = [
        {"name": effect["name"], "x": series.values[effect["place"]], "y": effect["mean"], "low": effect["low"],
         "high": effect["high"]}
        for effect in _effects(results)
    ]  # fmt: skip
    said = "; ".join(f"{row['name']} at {count(row['x'])}: {signed(row['y'])}" for row in rows)
    marks: list[Specification] = [
        {"mark": {"type": "line", "strokeWidth": 2.2}},
        {"mark": {"type": "point", "filled": True, "size": 80, "opacity": 1}},
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 1.5},
            "encoding": {"y": quantitative("low"), "y2": {"field": "high"}},
        },
    ]
    x = {**quantitative("x", series.title), "scale": {"type": "log", "nice": False, "padding": 24},
         "axis": {"values": sorted(set(series.values)), "format": "~s", "grid": False}}  # fmt: skip
    caption = (
        f"The difference from the baseline in final bits per byte by {series.title}, and the interval of each trial's verdict."
    )
    return _figure("series", rows, x, marks, f"Differences by {series.title}: {said}.", caption)


def _curves_figure(results: Results) -> Figure:
    rows: list[dict[str, Any]] = [
        {"name": f"{name}: {track}", "x": at, "y": mean}
        for name, result in results.items()
        for track, found in result.differences.items()
        for curve in filter(None, [found.curves["flops"]])
        for at, mean in zip(curve.at, curve.mean, strict=True)
        if at > 0
    ]
    names, styles = _styles(rows, "name")
    marks: list[Specification] = [
        {
            "mark": {"type": "line", "strokeWidth": 2.2, "clip": True},
            "encoding": {"strokeDash": styles.encoding("strokeDash", names)},
        }
    ]
    x = {
        **quantitative("x", "training FLOPs"),
        "scale": {"type": "log", "nice": False},
        "axis": {"format": "~s", "grid": False},
    }
    said = f"Differences from the baseline along the training: {joined(names)}."
    caption = "The mean difference from the baseline in bits per byte along the training, on the curves' documents."
    return _figure("curves", rows, x, marks, said, caption)


def _figure(
    name: str, rows: list[dict[str, Any]], x: Specification, marks: list[Specification], said: str, caption: str
) -> Figure:
    y = quantitative("y", "difference from the baseline (bits per byte)")
    names, styles = _styles(rows, "name")
    color = styles.encoding("color", names)
    return Figure(
        name=name,
        specification={
            **FRAME, "width": WIDTH, "height": HEIGHT, "data": {"values": rows},
            "encoding": {"x": x, "y": y, "color": {**color, "legend": {**color.get("legend", {}), **LINES_IN_LEGEND}}},
            "layer": [ZERO_LINE, *marks],
        },
        description=said,
        caption=caption,
    )  # fmt: skip
