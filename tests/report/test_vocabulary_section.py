"""What the report says of the tokenizers: of real ones, every number from results.json, and hostile text as text."""

import html
import html.parser
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from toktrial.artifact import read_json, write_json
from toktrial.evaluation.entry_classes import CLASSES
from toktrial.evaluation.excerpt import cuts_of_excerpt
from toktrial.evaluation.stage import describe_vocabularies
from toktrial.report.charts import chart_data, learning_curves
from toktrial.report.inputs import read_trial
from toktrial.report.markdown import render_markdown
from toktrial.report.page import render_page
from toktrial.report.results import gather
from toktrial.report.vocabulary_section import (
    NO_MERGES_NOTE,
    class_table,
    cut_lines,
    entry_tables,
    frequent_words_table,
    overview_tables,
    tokenizer_table,
    tree_lines,
    vocabulary_content,
)
from toktrial.tokenizer.base import Tokenizer

from .shown_numbers import NUMBER, renderings, unknown_numbers

HOSTILE = "Tom said <script>alert(1)</script> & saw | a ```dog```.\nThen he went to the \u202e park \U0001f44d."


class Cuts(html.parser.HTMLParser):
    """Collects the spans within paragraphs of class `cut`, and counts details elements within the tree."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts: list[list[str]] = []
        self.hidden_from_speech: list[bool] = []
        self.tags: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "p":
            self._inside = ("class", "cut") in attrs
            if self._inside:
                self.cuts.append([])
                self.hidden_from_speech.append(("aria-hidden", "true") in attrs)
        if tag == "span" and self._inside:
            self.cuts[-1].append("")

    def handle_data(self, data: str) -> None:
        if self._inside and self.cuts[-1]:
            self.cuts[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "p"


@pytest.fixture(scope="module")
def trial(
    reported_trial: Path,
    tmp_path_factory: pytest.TempPathFactory,
    story_tokens: dict[str, Path],
    story_tokenizers: dict[str, Tokenizer],
) -> Path:
    """The simulated trial with the account of two real tokenizers, which cut a hostile text."""
    folder = tmp_path_factory.mktemp("vocabulary") / "trial"
    shutil.copytree(reported_trial, folder)
    shutil.rmtree(folder / "evaluation")
    tokenizers = {track: folder / "story_tokenizers" / track for track in story_tokenizers}
    for track, path in tokenizers.items():
        story_tokenizers[track].save(path)
    describe_vocabularies(folder, tokenizers, story_tokens, 700)
    path = folder / "evaluation/vocabulary/vocabulary.json"
    write_json(path, read_json(path) | {"cuts": cuts_of_excerpt(story_tokenizers, [HOSTILE, "Two."])})
    return folder


@pytest.fixture(scope="module")
def results(trial: Path) -> dict[str, Any]:
    gathered: dict[str, Any] = json.loads(json.dumps(gather(read_trial(trial)), allow_nan=False))
    return gathered


@pytest.fixture(scope="module")
def page(results: dict[str, Any]) -> str:
    """The whole page, with charts that are not drawn yet: what draws them takes seconds and is not asked about here."""
    datasets = chart_data(results)
    charts = learning_curves(results, datasets)
    return render_page(results, charts, datasets, {chart.name: "" for chart in charts})


def test_every_number_is_in_the_results(results: dict[str, Any]) -> None:
    written = renderings([results["tracks"], results["shared_entries"], results["cuts"]])
    vocabularies = {name: track["vocabulary"] for name, track in results["tracks"].items()}
    tables = [*overview_tables(results), *(table for name, v in vocabularies.items() for table in entry_tables(name, v))]
    assert len(tables) == 4 + 2 * 3
    cells = [
        cell for table in tables for row in table.rows for cell, kind in zip(row, table.kinds, strict=True) if kind == "number"
    ]
    assert len(NUMBER.findall("\n".join(cells))) > 300
    assert unknown_numbers("\n".join(cells), written) == []


def test_page_and_markdown_have_the_same_tables(page: str, results: dict[str, Any]) -> None:
    markdown = render_markdown(results, [])
    page = html.unescape(page)
    for table in overview_tables(results):
        assert table.caption in page and table.caption in markdown
        assert all(cell in page and cell in markdown for row in table.rows for cell in row)
    for track in results["tracks"].values():
        assert all(tree_lines(tree) in markdown for tree in track["vocabulary"]["trees"])
    assert all(cut_lines(track) in markdown for track in results["cuts"]["tracks"].values())


def test_tables_say_what_there_is(results: dict[str, Any]) -> None:
    rows = {row[0]: row[1:] for row in tokenizer_table(results).rows}
    assert rows["R\u00e9nyi efficiency, order 2.5"] == [
        f"{results['tracks'][track]['vocabulary']['renyi_efficiency']:.3f}" for track in ("bpe", "btm")
    ]
    assert rows["share of the validation text's bytes that they cover"][0] == "0.0%"
    assert [row[0] for row in class_table(results).rows] == list(CLASSES)
    last = frequent_words_table(results).rows[-1]
    assert last[0] == "mean of the 50 most frequent"


def test_every_token_is_a_span_and_none_is_read_out(page: str, results: dict[str, Any]) -> None:
    found = Cuts()
    found.feed(page)
    documents = [document for track in results["cuts"]["tracks"].values() for document in track["documents"]]
    assert [len(cut) for cut in found.cuts] == [len(document) for document in documents]
    assert all(found.hidden_from_speech)
    shown = "".join(found.cuts[0])
    assert shown.startswith("Tom said <script>alert(1)</script> & saw | a ```dog```.\u21b5\nThen he went to the ")
    assert shown.endswith("\\xf0\\x9f\\x91\\x8d.")
    hidden = re.search(r'<p class="visually-hidden">(.*?)</p>', page, re.DOTALL)
    assert hidden and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; saw" in hidden[1]


def test_superwords_alone_are_underlined(results: dict[str, Any]) -> None:
    tracks = vocabulary_content(results)["cuts"]["tracks"]
    spanning = {name: [t["text"] for d in track["documents"] for t in d if t["spans_words"]] for name, track in tracks.items()}
    assert spanning["bpe"] == []
    assert all(len(text.split()) > 1 for text in spanning["btm"])


def test_bars_and_backticks_of_the_text_cannot_end_a_cut(results: dict[str, Any]) -> None:
    lines = cut_lines(results["cuts"]["tracks"]["bpe"])
    tokens = [token for document in results["cuts"]["tracks"]["bpe"]["documents"] for token in document]
    bars = len(re.findall(r"(?<!\\)\|", lines))
    assert bars == len(tokens) - 2, "two documents: one bar less than tokens in each"
    assert "\\|" in lines


def test_a_tree_is_nested_details(page: str, results: dict[str, Any]) -> None:
    found = Cuts()
    found.feed(page)

    def merged(node: dict[str, Any]) -> int:
        return bool(node["parts"]) + sum(map(merged, node["parts"]))

    trees = [tree for track in results["tracks"].values() for tree in track["vocabulary"]["trees"]]
    assert len(trees) == 2 * 6
    assert found.tags.count("details") >= sum(map(merged, trees)) + 1  # and what the classes mean


def test_a_tokenizer_without_merges_says_so(results: dict[str, Any]) -> None:
    vocabulary = results["tracks"]["bpe"]["vocabulary"] | {"entries_on_the_way": None, "trees": []}
    without = results | {"tracks": {**results["tracks"], "bpe": results["tracks"]["bpe"] | {"vocabulary": vocabulary}}}
    content = vocabulary_content(without)["tracks"]
    assert (content["bpe"]["without_merges"], content["btm"]["without_merges"]) == (True, False)
    assert render_markdown(without, []).count(NO_MERGES_NOTE) == 1
    assert NO_MERGES_NOTE not in render_markdown(results, [])


def test_lines_of_a_tree() -> None:
    parts: list[dict[str, Any]] = [{"text": text, "count": 1200, "parts": []} for text in (" ", '"')]
    assert tree_lines({"text": ' "', "count": 7, "parts": parts}) == '" \\""  7\n  " "  1,200\n  "\\""  1,200'


def test_an_older_account_is_still_reported(reported_trial: Path) -> None:
    """The simulated trial's account has none of the later keys."""
    results = gather(read_trial(reported_trial))
    assert results["cuts"] is None
    content = vocabulary_content(results)
    assert content["cuts"] is None
    assert [table.caption.split(".")[0] for table in content["tables"]] == [
        "What each tokenizer learned", "Entries that two tokenizers share",
    ]  # fmt: skip
    assert all(track["trees"] == [] and track["examples"] is None for track in content["tracks"].values())
    rows = {row[0]: row[1:] for row in content["tables"][0].rows}
    assert rows["share of the validation text's bytes that they cover"] == ["\u2013", "\u2013"]
    assert "The same text, cut by every track" not in (reported_trial / "report/index.html").read_text(encoding="utf-8")
