"""Writes the report folder: results.json, the charts, report.md and index.html, one file that opens without a network.

The last step of the flow: results and charts -> page.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toktrial.artifact import publish, write_json
from toktrial.report.amendments import describe_amendment
from toktrial.report.charts import (
    AXIS_LABELS,
    COMPARING,
    HOW_TO_READ,
    Datasets,
    LearningCurve,
    chart_data,
    draw,
    interactive_charts,
    learning_curves,
    pictures,
    save,
)
from toktrial.report.control_section import control_sentences, control_table
from toktrial.report.differences_section import budgets_table
from toktrial.report.dots_chart import NAME, describe_dots, dots_caption, draw_dots
from toktrial.report.inputs import read_trial, report_fingerprint
from toktrial.report.markdown import render_markdown
from toktrial.report.minimal_pairs_section import counted_sentences, fields_table, minimal_pairs_sentences, paradigms_table
from toktrial.report.noise_section import noise_sentences
from toktrial.report.ratings_section import ratings_sentences, ratings_tables
from toktrial.report.results import gather
from toktrial.report.samples_section import CAVEAT, meanings, measures_table
from toktrial.report.tables import (
    LOSS_PER_TOKEN,
    REPEAT,
    answers,
    corpus_table,
    end_tables,
    environment_table,
    facts_table,
    protocol_table,
    reach_table,
    repeat_commands,
    seconds_table,
)
from toktrial.report.target_section import target_tables
from toktrial.report.tuning_section import NAME as RATES_NAME
from toktrial.report.tuning_section import describe_rates, draw_rates, rates_table, tuned_verdicts_table, tuning_sentences
from toktrial.report.vocabulary_section import vocabulary_content
from toktrial.report.wording import visible

SECTIONS_FOLDER = "sections"
TEMPLATE = "page.html.jinja"


def write_report(trial_folder: Path, target: float | None = None) -> dict[str, Any]:
    """Makes TRIAL/report from the trial's files alone, in place of an earlier one, and returns the results.

    `target`: bits per byte whose cost is told for each track, beside that of the baseline's final value.

    Raises TrialError where the trial lacks what a report needs: see `inputs.read_trial`.
    """
    started = time.monotonic()
    results = gather(read_trial(trial_folder), target)
    datasets = chart_data(results)
    charts = learning_curves(results, datasets)
    rates = {RATES_NAME: draw_rates(results)} if results["tuning"] else {}
    drawn = {NAME: draw_dots(results)} | rates | {chart.name: draw(chart, datasets) for chart in pictures(charts)}
    manifest: dict[str, Any] = {"verdict": results["verdict"]["word"]}
    with publish(trial_folder / "report", report_fingerprint(trial_folder, target), manifest) as folder:
        write_json(folder / "results.json", results)
        for name, svg in drawn.items():
            save(name, svg, folder)
        (folder / "report.md").write_text(render_markdown(results, pictures(charts)), encoding="utf-8")
        (folder / "index.html").write_text(render_page(results, charts, datasets, drawn), encoding="utf-8")
        manifest["seconds"] = time.monotonic() - started
    return results


def render_page(results: dict[str, Any], charts: list[LearningCurve], datasets: Datasets, drawn: Mapping[str, str]) -> str:
    """Returns the page as one HTML text, with the chart library inside it. All texts are escaped.

    `drawn` are charts as SVG, by name: what stands on the page until its script draws, and where no script runs.
    """
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
        end_tables=end_tables(results),
        figures=[chart for chart in charts if chart.axis == "step" and chart.measure in COMPARING],
        loss_figures=[chart for chart in charts if chart.axis == "step" and chart.measure not in COMPARING],
        loss_per_token=LOSS_PER_TOKEN,
        drawn=drawn,
        dots=draw_dots(results),
        dots_caption=dots_caption(results),
        dots_description=describe_dots(results),
        noise=noise_sentences(results),
        facts_table=facts_table(results),
        budgets_table=budgets_table(results),
        amendments=[describe_amendment(each) for each in results["amendments"]],
        axis_labels=AXIS_LABELS,
        how_to_read=HOW_TO_READ,
        beside=_beside(results),
        target_tables=target_tables(results),
        tuning=_tuning(results, drawn),
        control_table=control_table(results) if results["control"] else None,
        control_sentences=control_sentences(results) if results["control"] else [],
        vocabulary=vocabulary_content(results),
        sample_measures=_sample_measures(results),
        ratings=_ratings(results),
        minimal_pairs=_minimal_pairs(results),
        corpus_table=corpus_table(results),
        protocol_table=protocol_table(results["protocol"]),
        environment_table=environment_table(results),
        seconds_table=seconds_table(results),
        repeat=REPEAT,
        repeat_commands=repeat_commands(results),
        charts=script_json(interactive_charts(charts, datasets)),
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


def _tuning(results: dict[str, Any], drawn: Mapping[str, str]) -> dict[str, Any] | None:
    if not results["tuning"]:
        return None
    return {
        "sentences": tuning_sentences(results),
        "description": describe_rates(results),
        "drawn": drawn[RATES_NAME],
        "rates": rates_table(results),
        "verdicts": tuned_verdicts_table(results),
    }


def _sample_measures(results: dict[str, Any]) -> dict[str, Any] | None:
    if not results["sample_measures"]:
        return None
    return {"table": measures_table(results), "caveat": CAVEAT, "meanings": meanings(results)}


def _minimal_pairs(results: dict[str, Any]) -> dict[str, Any] | None:
    if not results["minimal_pairs"]:
        return None
    return {
        "fields": fields_table(results),
        "paradigms": paradigms_table(results),
        "sentences": minimal_pairs_sentences(results),
        "counted": counted_sentences(results),
    }


def _ratings(results: dict[str, Any]) -> dict[str, Any] | None:
    if not results["ratings"]:
        return None
    return {"tables": ratings_tables(results), "sentences": ratings_sentences(results)}
