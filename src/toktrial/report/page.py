"""Writes the report folder: results.json, the charts, report.md and index.html, one file that opens without a network.

The last step of the flow: result -> document -> page.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from toktrial.artifact import publish, write_json
from toktrial.report.blocks import Chart, Document, Figure
from toktrial.report.document import document_of
from toktrial.report.gather import gather
from toktrial.report.html_blocks import HtmlRenderer, element
from toktrial.report.inputs import read_trial, report_fingerprint
from toktrial.report.markdown import render_markdown
from toktrial.report.result import TrialResult, plain, schema

PAGE_FILES = Path(__file__).parent / "page_files"
PNG_SCALE = 2


def write_report(trial_folder: Path, target: float | None = None) -> TrialResult:
    """Makes TRIAL/report from the trial's files alone, in place of an earlier one, and returns the result.

    `target`: bits per byte whose cost is told for each track, beside that of the baseline's final value.

    Raises TrialError where the trial lacks what a report needs: see `inputs.read_trial`.
    """
    started = time.monotonic()
    result = gather(read_trial(trial_folder), target)
    document = document_of(result)
    drawn = {figure.name: draw(figure) for figure in document.figures()}
    manifest: dict[str, Any] = {"verdict": result.verdict.word}
    with publish(trial_folder / "report", report_fingerprint(trial_folder, target), manifest) as folder:
        write_json(folder / "results.json", plain(result))
        write_json(folder / "results.schema.json", schema())
        for name, svg in drawn.items():
            _save(name, svg, folder)
        (folder / "report.md").write_text(render_markdown(document), encoding="utf-8")
        (folder / "index.html").write_text(render_page(document, drawn), encoding="utf-8")
        manifest["seconds"] = time.monotonic() - started
    return result


def draw(figure: Figure) -> str:
    """Returns a figure as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(json.dumps({**figure.specification, "description": figure.description})))


def render_page(document: Document, drawn: Mapping[str, str]) -> str:
    """Returns the page as one HTML text, with the chart library inside it. All texts are escaped.

    `drawn` are figures as SVG, by name: what stands on the page until its script draws, and where no script runs.
    """
    import vl_convert

    skeleton = Template((PAGE_FILES / "page.html").read_text(encoding="utf-8"))
    return skeleton.substitute(
        title=element("title", document.title),
        style=(PAGE_FILES / "style.css").read_text(encoding="utf-8"),
        report=HtmlRenderer(drawn).document(document),
        charts=script_json(_interactive_charts(document)),
        chart_library=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
        script=(PAGE_FILES / "charts.js").read_text(encoding="utf-8"),
    )


def script_json(value: Any) -> str:
    """Returns JSON that may stand in a <script>: no `<` is left that could end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _interactive_charts(document: Document) -> dict[str, Any]:
    """Returns what page_files/charts.js draws from: the rows, and for each chart its Vega-Lite and what an axis changes."""
    charts = [block for block in document.blocks() if isinstance(block, Chart)]
    datasets = {name: rows for chart in charts for name, rows in chart.datasets.items()}
    return {"measures": {chart.id: chart.interactive for chart in charts}, "datasets": datasets}


def _save(name: str, svg: str, folder: Path) -> None:
    """Writes a drawn figure: NAME.svg, and NAME.png at twice its pixels on white, into `folder`."""
    import vl_convert

    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))
