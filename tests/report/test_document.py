"""The document model: page, Markdown and terminal say the same, rendered from the same blocks, and text stays text."""

import html
import html.parser
import pkgutil
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from toktrial.commands.terminal import print_section
from toktrial.progress import printable
from toktrial.report import sections
from toktrial.report.accounts import Cuts, CutToken, Entry, TrackCut
from toktrial.report.blocks import (
    Block,
    Bullets,
    Chart,
    ChartControls,
    CodeBlock,
    CutText,
    Definition,
    Definitions,
    Details,
    Document,
    Figure,
    Group,
    Heading,
    Paragraph,
    Quotations,
    Section,
    Table,
    Trees,
)
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.markdown import render_markdown
from toktrial.report.page import BODY, OPENING, document_of, render_blocks
from toktrial.report.wording import visible

SILENT = ("specification", "interactive", "datasets", "id", "kind", "kinds", "tone", "language", "label")
HOSTILE = "</script><script>alert(1)</script> <img src=x onerror=alert(2)> `| the *end* |`"


class PageText(html.parser.HTMLParser):
    """Collects the text of a page, and what stands in attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += " ".join(value or "" for _, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def letters(text: str) -> str:
    """The text without white space, and without what only shows it: what a line or a box is set with."""
    return re.sub(r"[\s\u21b5]", "", text)


def said_by(part: Any) -> list[str]:
    """Every text of a block that a reader is told, wherever it is told."""
    if isinstance(part, ChartControls) or (isinstance(part, Table) and not part.rows):
        return []
    if isinstance(part, str):
        return [part]
    if isinstance(part, dict):
        return said_by([*part.items()])
    if isinstance(part, list | tuple):
        return [text for each in part for text in said_by(each)]
    if isinstance(part, CutText):  # cut into pieces in either, with other marks between them
        return [part.lead, *part.summaries(), *part.summaries().values()]
    if isinstance(part, Trees):
        return [visible(text) for root in part.roots for text in texts_of(root)]
    if isinstance(part, Chart):
        return said_by(part.pictures[0])
    if isinstance(part, Figure):
        return [part.description, part.caption, part.title]
    if is_dataclass(part):
        return [text for item in fields(part) if item.name not in SILENT for text in said_by(getattr(part, item.name))]
    return []


def texts_of(entry: Entry) -> list[str]:
    """The texts of an entry and of all its parts."""
    return [entry.text, *(text for part in entry.parts or () for text in texts_of(part))]


@pytest.fixture(scope="module", params=["reported_trial", "whole_trial"])
def document(request: pytest.FixtureRequest) -> Document:
    folder: Path = request.getfixturevalue(request.param)
    return document_of(gather(read_trial(folder), target=7.5))


def test_every_section_is_named_once() -> None:
    modules = [import_module(f"{sections.__name__}.{found.name}") for found in pkgutil.iter_modules(sections.__path__)]
    made = [value for module in modules for name, value in vars(module).items() if name.endswith("_section")]
    assert len(made) > 10 and sorted(made, key=id) == sorted((*OPENING, *BODY), key=id)


def test_the_whole_trial_has_every_section_but_that_of_changes(whole_trial: Path) -> None:
    document = document_of(gather(read_trial(whole_trial)))
    ids = [section.id.replace("-", "_") or "verdict" for section in document.sections]
    assert [f"{name}_section" for name in ids] == [
        section.__name__ for section in (*OPENING, *BODY) if section.__name__ != "amendments_section"
    ]


def printed(document: Document, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What the terminal shows of a document, where it is wide enough to fold nothing."""
    monkeypatch.setenv("COLUMNS", "10000")
    for section in document.sections:
        print_section(section)
    return capsys.readouterr().out


def test_the_terminal_says_every_text_of_every_block(
    document: Document, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {text for section in document.sections for text in said_by(section.blocks)}
    shown = letters(printed(document, capsys, monkeypatch))
    assert [text for text in told if letters(printable(text)) not in shown and letters(visible(text)) not in shown] == []


def test_no_text_steers_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[bold]:smiley:\x1b]52;c;ZXZpbA==\x07 \u202e"
    shown = printed(Document("", (Section("a", text, every_kind(text)),)), capsys, monkeypatch)
    assert shown.count("[bold]:smiley:") > len(get_args(Block))
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_page_and_markdown_say_every_text_of_every_block(document: Document) -> None:
    page = PageText()
    page.feed(render_blocks(document, {}))
    told = {letters(text) for section in document.sections for text in said_by(section.blocks)}
    assert len(told) > 200
    in_page = letters(page.text)
    markdown = letters(re.sub(r"\\([\\`*_\[\]<>|&~#+=-])", r"\1", render_markdown(document)))
    assert [text for text in told if text not in in_page] == []
    assert [text for text in told if text.replace("|", "\\|") not in markdown and text not in markdown] == []


def every_kind(text: str) -> tuple[Block, ...]:
    """One block of each kind, each with the text."""
    figure = Figure("a_picture", {}, text, text, text)
    paragraph = Paragraph(text, quoted=(text,))
    return (
        Heading(text), paragraph, Bullets((text,)), Definitions((Definition(text, text, text),)),
        Table(text, (text, text), [[text, text]], ("text", "code")), figure, Chart(text, (figure,), {}, {}),
        ChartControls({text: text}, text), CodeBlock(text), Quotations(text, text, {text: text}),
        CutText(text, Cuts(9, [text], {text: TrackCut(2, 4.5, [[CutToken(text, 1), CutToken(text, 2)]])})),
        Trees((Entry(text, 7, parts=[Entry(text, 8)]),)), Details(text, (paragraph,)), Group("pair", (paragraph,)),
    )  # fmt: skip


def test_every_kind_of_block_is_tried() -> None:
    assert {type(block) for block in every_kind("a")} == set(get_args(Block))


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).map(lambda text: text + HOSTILE))
def test_no_text_can_add_an_element_to_the_page(text: str) -> None:
    def tags(text: str) -> list[str]:
        page = PageText()
        page.feed(render_blocks(Document("", (Section("a", text, every_kind(text)),)), {}))
        return page.tags

    assert tags(text) == tags("a")


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).map(lambda text: text + HOSTILE))
def test_no_text_can_add_an_element_to_the_markdown(text: str) -> None:
    read = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render
    page = read(render_markdown(Document("", (Section("a", text, every_kind(text)),))))
    assert not re.search(r"<(script|img src=x)", page)
    assert page.count("<h2>") == page.count("<h3>") == page.count("<table>") == 1


def test_attributes_that_say_nothing_are_left_out() -> None:
    chart = Chart("a", (Figure("a", {}, '"<x>"', ""),), {}, {})
    page = render_blocks(Document("", (Section("s", "", (Paragraph("a < b & c"), chart, Figure("b", {}, "", ""))),)), {})
    assert "<p>a &lt; b &amp; c</p>" in page
    assert '<div class="chart" id="a" role="img" aria-label="&#34;&lt;x&gt;&#34;">' in page
    assert '<div class="chart" role="img" aria-label="">' in page
