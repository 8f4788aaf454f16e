"""Writes the report folder: results.json, the charts, report.md and index.html, one file that opens without a network.

The last step of the flow: results and charts -> page.
"""

import json
import time
from pathlib import Path
from typing import Any

from toktrial.artifact import fingerprint, publish, write_json
from toktrial.report.charts import HOW_TO_READ, Datasets, LearningCurve, chart_data, learning_curves, save
from toktrial.report.inputs import input_checksums, read_trial
from toktrial.report.markdown import render_markdown
from toktrial.report.results import gather
from toktrial.report.tables import (
    answers,
    corpus_table,
    entry_tables,
    environment_table,
    main_table,
    protocol_table,
    reach_table,
    seconds_table,
    shared_entries_table,
    tokenizer_table,
)
from toktrial.report.wording import visible

SECTIONS_FOLDER = "sections"
TEMPLATE = "page.html.jinja"


def write_report(trial_folder: Path) -> dict[str, Any]:
    """Makes TRIAL/report from the trial's files alone, in place of an earlier one, and returns the results.

    Raises TrialError where the trial lacks what a report needs: see `inputs.read_trial`.
    """
    started = time.monotonic()
    results = gather(read_trial(trial_folder))
    datasets = chart_data(results)
    charts = learning_curves(results, datasets)
    manifest: dict[str, Any] = {"verdict": results["verdict"]["word"]}
    with publish(trial_folder / "report", fingerprint("report", input_checksums(trial_folder)), manifest) as folder:
        write_json(folder / "results.json", results)
        for chart in charts:
            save(chart, datasets, folder)
        (folder / "report.md").write_text(render_markdown(results, charts), encoding="utf-8")
        (folder / "index.html").write_text(render_page(results, charts, datasets), encoding="utf-8")
        manifest["seconds"] = time.monotonic() - started
    return results


def render_page(results: dict[str, Any], charts: list[LearningCurve], datasets: Datasets) -> str:
    """Returns the page as one HTML text, with the chart library inside it. All texts are escaped."""
    import jinja2
    import vl_convert

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / SECTIONS_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    return environment.get_template(TEMPLATE).render(
        results=results,
        main_table=main_table(results),
        charts=charts,
        how_to_read=HOW_TO_READ,
        beside=_beside(results),
        tokenizer_table=tokenizer_table(results),
        shared_entries_table=shared_entries_table(results),
        vocabularies={name: _vocabulary(name, track["vocabulary"]) for name, track in results["tracks"].items()},
        corpus_table=corpus_table(results),
        protocol_table=protocol_table(results["protocol"]),
        environment_table=environment_table(results),
        seconds_table=seconds_table(results),
        specifications=script_json({chart.name: chart.interactive for chart in charts}),
        datasets=script_json(datasets),
        chart_library=vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
    )


def script_json(value: Any) -> str:
    """Returns JSON that may stand in a <script>: no `<` is left that could end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _beside(results: dict[str, Any]) -> list[dict[str, Any]]:
    confidence = results["verdict"]["confidence"]
    return [
        {"comparison": item, "answers": answers(item, confidence), "reach": reach_table(item)}
        for item in results["comparisons"]
    ]


def _vocabulary(name: str, vocabulary: dict[str, Any]) -> dict[str, Any]:
    if not vocabulary:
        return {"tables": [], "never_used": []}
    return {"tables": entry_tables(name, vocabulary), "never_used": vocabulary["never_used"]}
