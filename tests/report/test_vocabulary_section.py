"""What the report says of the tokenizers: of real ones, every number from results.json, and hostile text as text."""

import html.parser
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from toktrial.artifact import forget_files, read_json, write_json
from toktrial.evaluation.entries import CLASSES
from toktrial.evaluation.vocabulary import cuts_of_excerpt, describe_vocabularies
from toktrial.report.accounts import Cuts, CutToken, Entry, TrackCut
from toktrial.report.blocks import Block, CutText, Document, Section, Table, Trees, every
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.markdown import cut_lines, render_markdown, tree_lines
from toktrial.report.page import document_of, render_blocks, render_page
from toktrial.report.result import TrialResult
from toktrial.report.sections.tokenizers import (
    NO_MERGES_NOTE,
    entry_tables,
    overview_tables,
    tokenizer_table,
    tokenizers_section,
)
from toktrial.tokenizer.base import Tokenizer

HOSTILE = "Tom said <script>alert(1)</script> & saw | a ```dog```.\nThen he went to the \u202e park \U0001f44d."


class PageCuts(html.parser.HTMLParser):
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
    describe_vocabularies(folder, tokenizers, story_tokens, dict.fromkeys(story_tokens, 700))
    path = folder / "evaluation/vocabulary/vocabulary.json"
    account = read_json(path) | {"cuts": cuts_of_excerpt(story_tokenizers, [HOSTILE, "Two."])}
    forget_files(path.parent, [path.name])
    write_json(path, account)
    return folder


@pytest.fixture(scope="module")
def results(trial: Path) -> TrialResult:
    return gather(read_trial(trial))


@pytest.fixture(scope="module")
def page(results: TrialResult) -> str:
    """The whole page, with charts that are not drawn yet: what draws them takes seconds and is not asked about here."""
    return render_page(document_of(results), {})


def blocks_of(results: TrialResult) -> list[Block]:
    """Every block of the section."""
    return list(every(tokenizers_section(results).blocks))


def test_there_are_tables_of_all_tracks_and_of_each(results: TrialResult) -> None:
    vocabularies = [track.vocabulary for track in results.tracks.values()]
    of_each = [table for vocabulary in vocabularies if vocabulary for table in entry_tables("a", vocabulary)]
    assert len(of_each) == 2 * 3
    assert len([block for block in blocks_of(results) if isinstance(block, Table)]) == 4 + 2 * (1 + 3)
    assert all(table.rows for table in overview_tables(results))


def test_tables_say_what_there_is(results: TrialResult) -> None:
    tokenizers, classes, words, _ = overview_tables(results)
    rows = {row[0]: row[1:] for row in tokenizers.rows}
    efficiencies = [track.vocabulary.renyi_efficiency for track in results.tracks.values() if track.vocabulary]
    assert rows["R\u00e9nyi efficiency, order 2.5"] == [f"{value:.3f}" for value in efficiencies]
    assert rows["share of the validation text's bytes that they cover"][0] == "0.0%"
    assert [row[0] for row in classes.rows] == list(CLASSES)
    assert words.rows[-1][0] == "mean of the 50 most frequent"


def test_every_token_is_a_span_and_none_is_read_out(page: str, results: TrialResult) -> None:
    cuts, found = results.cuts, PageCuts()
    assert cuts
    found.feed(page)
    documents = [document for track in cuts.tracks.values() for document in track.documents]
    assert [len(cut) for cut in found.cuts] == [len(document) for document in documents]
    assert all(found.hidden_from_speech)
    shown = "".join(found.cuts[0])
    assert shown.startswith("Tom said <script>alert(1)</script> & saw | a ```dog```.\u21b5\nThen he went to the ")
    assert shown.endswith("\\xf0\\x9f\\x91\\x8d.")
    hidden = re.search(r'<p class="visually-hidden">(.*?)</p>', page, re.DOTALL)
    assert hidden and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; saw" in hidden[1]


def test_superwords_alone_are_underlined() -> None:
    tokens = [CutToken(" once", 1), CutToken(" upon a", 2), CutToken(" ti", 1), CutToken("me t", 2)]
    text = CutText("", Cuts(18, [" once upon a time t"], {"btm": TrackCut(4, 4.75, [tokens])}))
    page = render_blocks(Document("", (Section("a", "", (text,)),)), {})
    assert re.findall(r'<span class="spans">(.*?)</span>', page) == [" upon a", "me t"]
    assert re.findall(r"<span>(.*?)</span>", page) == [" once", " ti"]


def test_bars_and_backticks_of_the_text_cannot_end_a_cut(results: TrialResult) -> None:
    assert results.cuts
    cut = results.cuts.tracks["bpe"]
    bars = len(re.findall(r"(?<!\\)\|", cut_lines(cut)))
    assert bars == sum(map(len, cut.documents)) - 2, "two documents: one bar less than tokens in each"
    assert "\\|" in cut_lines(cut)


def test_a_tree_is_nested_details(page: str, results: TrialResult) -> None:
    found = PageCuts()
    found.feed(page)

    def merged(node: Entry) -> int:
        return bool(node.parts) + sum(map(merged, node.parts or []))

    vocabularies = [track.vocabulary for track in results.tracks.values() if track.vocabulary]
    trees = [tree for vocabulary in vocabularies for tree in vocabulary.trees or []]
    assert len(trees) == 2 * 6
    assert found.tags.count("details") >= sum(map(merged, trees)) + 1  # and what the classes mean


def test_a_tokenizer_without_merges_says_so(results: TrialResult) -> None:
    bpe = results.tracks["bpe"]
    assert bpe.vocabulary
    vocabulary = replace(bpe.vocabulary, entries_on_the_way=None, trees=[])
    without = replace(results, tracks={**results.tracks, "bpe": replace(bpe, vocabulary=vocabulary)})
    assert sum(isinstance(block, Trees) for block in blocks_of(without)) == 1
    assert render_markdown(document_of(without)).count(NO_MERGES_NOTE) == 1
    assert NO_MERGES_NOTE not in render_markdown(document_of(results))


def test_lines_of_a_tree() -> None:
    parts = [Entry(" ", 1200), Entry('"', 1200)]
    assert tree_lines(Entry(' "', 7, parts=parts)) == '\u2423"  7\n  \u2423  1,200\n  "  1,200'


def test_an_older_account_is_still_reported(reported_trial: Path) -> None:
    """The simulated trial's account has none of the later keys."""
    results = gather(read_trial(reported_trial))
    assert results.cuts is None
    blocks = blocks_of(results)
    assert not any(isinstance(block, CutText | Trees) for block in blocks)
    shown = [block.caption.split(".")[0] for block in blocks if isinstance(block, Table) and block.rows]
    assert shown[:2] == ["What each tokenizer learned", "Entries that two tokenizers share"]
    assert not any(caption.startswith("Most used entries of each class") for caption in shown)
    assert NO_MERGES_NOTE not in render_markdown(document_of(results))
    rows = {row[0]: row[1:] for row in tokenizer_table(results).rows}
    assert rows["share of the validation text's bytes that they cover"] == ["\u2013", "\u2013"]
    assert "The same text, tokenized by every track" not in (reported_trial / "report/index.html").read_text(encoding="utf-8")
