"""Writes the report folder: results.json, the charts, report.md and index.html, one file that opens without a network.

The last step of the flow: result -> sections -> document -> page and Markdown.
To add a section: a file in sections/ with a function that returns blocks, and that function in OPENING or BODY.
"""

import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toktrial.artifact import publish, write_json
from toktrial.report.blocks import Block, Chart, Document, Figure, Section
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial, report_fingerprint
from toktrial.report.markdown import render_markdown
from toktrial.report.result import TrialResult, plain, schema
from toktrial.report.sections import (
    beside,
    control,
    curves,
    intrinsic,
    loss_parts,
    marginal,
    minimal_pairs,
    opening,
    ratings,
    record,
    samples,
    tokenizers,
    tracks,
    tuning,
)
from toktrial.report.wording import count, first_sentence, visible

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE_FILES = Path(__file__).parent / "page_files"
PNG_SCALE = 2  # pixels of a PNG for each of its SVG

SectionOf = Callable[[TrialResult], Section | None]  # None where a trial has nothing to say
OPENING: tuple[SectionOf, ...] = (
    opening.verdict_section, curves.curves_section, opening.facts_section, opening.notes_section,
)  # fmt: skip
BODY: tuple[SectionOf, ...] = (
    tracks.tracks_section, beside.beside_section, tuning.tuning_section, control.control_section, tokenizers.tokenizers_section,
    loss_parts.loss_parts_section, intrinsic.intrinsic_section, marginal.marginal_section,
    samples.samples_section, ratings.ratings_section, minimal_pairs.minimal_pairs_section, curves.loss_section,
    record.amendments_section, record.protocol_section, record.environment_section, record.repeat_section,
)  # fmt: skip


def write_report(trial_folder: Path, target: float | None = None) -> TrialResult:
    """Makes TRIAL/report from the trial's files alone, in place of an earlier one, and returns the result.

    `target`: bits per byte; the report says what each track needs to reach it, and to reach the baseline's final value.

    Raises TrialError where the trial lacks what a report needs: see `inputs.read_trial`.
    """
    started = time.monotonic()
    result = gather(read_trial(trial_folder), target)
    manifest: dict[str, Any] = {"verdict": result.verdict.word}
    with publish(trial_folder / "report", report_fingerprint(trial_folder, target), manifest) as folder:
        write_json(folder / "results.json", plain(result))
        write_json(folder / "results.schema.json", schema())
        write_document(folder, document_of(result), "report.md")
        manifest["seconds"] = time.monotonic() - started
    return result


def write_document(folder: Path, document: Document, markdown_name: str) -> None:
    """Writes a document as index.html and as Markdown, and every figure of it as NAME.svg and NAME.png."""
    import vl_convert

    drawn = {figure.name: draw(figure) for figure in document.figures()}
    for name, svg in drawn.items():
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (folder / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))
    (folder / markdown_name).write_text(render_markdown(document), encoding="utf-8")
    (folder / "index.html").write_text(render_page(document, drawn), encoding="utf-8")


def document_of(result: TrialResult) -> Document:
    """Returns the report of a result."""
    before, after = (tuple(filter(None, (section(result) for section in sections))) for sections in (OPENING, BODY))
    said = result.verdict.outcome if result.has_many_tracks else result.verdict.word
    return Document(f"Trial {result.trial}: {said}", before, after)


def draw(figure: Figure) -> str:
    """Returns a figure as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(json.dumps({**figure.specification, "description": figure.description})))


def render_page(document: Document, drawn: Mapping[str, str]) -> str:
    """Returns the page as one HTML text: its data, its scripts and, where it has charts that change, the chart library.

    `drawn` holds figures as SVG, by name: what the page shows until its script draws, and where scripts do not run.
    """
    from markupsafe import Markup

    return _templates().get_template("page.html").render(
        document=document,
        style=Markup((PAGE_FILES / "style.css").read_text(encoding="utf-8")),
        report=Markup(render_blocks(document, drawn)),
        charts=(charts := _charts(document)),
        chart_library=Markup(_chart_library() if charts["measures"] else ""),
        scripts=[
            Markup((PAGE_FILES / name).read_text(encoding="utf-8"))
            for name in ("figures.js", *(["charts.js"] if charts["measures"] else []))
        ],
    )  # fmt: skip


@cache  # bundling takes more than a second
def _chart_library() -> str:
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle


def render_blocks(document: Document, drawn: Mapping[str, str]) -> str:
    """Returns what stands within the page's <main>, as markup; all texts are escaped."""

    def html(part: Document | Section | Block) -> str:
        rendered: str = getattr(macros, type(part).__name__)(part)
        return rendered

    macros = _templates().get_template("blocks.html").make_module({"html": html, "drawn": drawn})
    return str(html(document))  # else it would escape whatever is added to it


@cache
def _templates() -> "Environment":
    import jinja2

    loader = jinja2.FileSystemLoader(PAGE_FILES)
    templates = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.globals |= {"count": count, "visible": visible, "first_sentence": first_sentence}
    templates.policies["json.dumps_kwargs"] = {"allow_nan": False}  # and, unlike Jinja's default, keys stay in order
    return templates


def _charts(document: Document) -> dict[str, Any]:
    """Returns what the page's scripts need: the rows of every picture that stays as it is; of the charts that change, the rows
    and, for each, its Vega-Lite and what an axis changes.
    """
    charts = [block for block in document.blocks() if isinstance(block, Chart)]
    return {
        "figures": {block.name: block.rows() for block in document.blocks() if isinstance(block, Figure)},
        "measures": {chart.id: chart.interactive for chart in charts},
        "datasets": {name: rows for chart in charts for name, rows in chart.datasets.items()},
    }
