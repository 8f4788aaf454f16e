"""The report folder: what it holds, that it opens offline, that hostile text stays text, that page and Markdown agree."""

import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pytest

from toktrial.artifact import check_files
from toktrial.report.blocks import Chart, Document, Figure, Section
from toktrial.report.charts import MEASURES
from toktrial.report.page import render_page

CHARTS = [f"{measure}_by_{axis}" for measure, of in MEASURES.items() for axis in of.pictured_along]
LOADING = ("src", "href", "data", "action", "poster", "srcset")


class Tags(html.parser.HTMLParser):
    """Collects every tag with its attributes, and the text outside scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data


@pytest.fixture(scope="module")
def report(reported_trial: Path) -> Path:
    return reported_trial / "report"


@pytest.fixture(scope="module")
def results(report: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((report / "results.json").read_text(), parse_constant=_refuse)
    return loaded


@pytest.fixture(scope="module")
def page(report: Path) -> Tags:
    tags = Tags()
    tags.feed((report / "index.html").read_text(encoding="utf-8"))
    return tags


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def test_results_hold_what_is_promised(results: dict[str, Any]) -> None:
    for track in results["tracks"].values():
        assert {"bits_per_byte", "validation_loss", "training_loss", "training_seconds"} <= set(track["final"])
        assert all(isinstance(value, float) for value in track["final"].values())
        assert [run["seed"] for run in track["runs"]] == track["seeds_finished"]
        assert {"entries", "parameters", "tokens_per_step", "epochs", "bytes_per_token", "vocabulary"} <= set(track)
    assert {"word", "sentence"} <= set(results["verdict"])
    expected = {"comparisons", "notes", "protocol", "environment", "seconds_by_stage", "samples", "shared_entries"}
    assert expected <= set(results)
    assert results["protocol"]["vocab_size"] == 2048


def test_the_folder_is_a_finished_stage_with_one_results_file(report: Path) -> None:
    check_files(report)
    assert [path.name for path in report.parent.rglob("results.json")] == ["results.json"]


def test_no_tag_loads_anything(page: Tags, report: Path) -> None:
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "img", "base")
        loading = [name for name in attributes if name in LOADING]
        assert not loading or (tag == "a" and (attributes["href"] or "").startswith("#")), (tag, attributes)
    styles = re.findall(r"<style>(.*?)</style>", (report / "index.html").read_text(encoding="utf-8"), re.DOTALL)
    assert styles
    assert not [style for style in styles if "url(" in style or "@import" in style]


def test_a_hostile_sample_is_plain_text(page: Tags) -> None:
    assert "</script><script>alert(1)</script> <img src=x onerror=alert(2)>" in page.text
    assert sum(tag == "script" for tag, _ in page.tags) == 3  # the data, the chart library, the drawing
    assert not [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)]


def test_the_page_is_small_enough_and_reads_in_order(report: Path, page: Tags) -> None:
    assert (report / "index.html").stat().st_size < 5e6
    headings = [attributes["id"] for tag, attributes in page.tags if tag == "h2"]
    assert headings == [
        "curves", "facts", "notes", "tracks", "beside", "control", "tokenizers", "samples", "loss", "protocol", "environment",
        "repeat",
    ]  # fmt: skip
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    assert sum(tag == "caption" for tag, _ in page.tags) == sum(tag == "table" for tag, _ in page.tags)


def test_missing_runs_are_said_in_both(report: Path, page: Tags) -> None:
    sentence = "only 2 of 3 runs of btm finished"
    assert sentence in page.text
    assert sentence in (report / "report.md").read_text(encoding="utf-8")


def test_page_and_markdown_say_the_same(report: Path, page: Tags, results: dict[str, Any]) -> None:
    markdown = (report / "report.md").read_text(encoding="utf-8")
    for cell in _main_table_cells(markdown):
        assert cell in page.text
    for note in results["notes"]:
        assert note in page.text and note in markdown.replace("\\", "")
    assert all(f"({name}.png)" in markdown for name in CHARTS)


def test_json_in_a_script_cannot_end_it() -> None:
    hostile = [{"text": "</script><!--<script>\u2028"}]
    chart = Chart("a", (Figure("a", {}, "", ""),), {}, {"rows": hostile})
    page = render_page(Document("", (Section("a", "a", (chart,)),)), {})
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.DOTALL)
    assert found and "<" not in found[1]
    assert json.loads(found[1])["datasets"] == {"rows": hostile}


def _main_table_cells(markdown: str) -> list[str]:
    rows = [line for line in markdown.splitlines() if line.startswith(("| bpe | ", "| btm | "))][:2]
    return [cell.strip() for row in rows for cell in row.strip("|").split("|")]
