"""The document model: page and Markdown say the same, for both are rendered from the same blocks, and text stays text."""

import html
import html.parser
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import toktrial.report.sections
from toktrial.report.blocks import (
    Block,
    Branch,
    Bullets,
    Chart,
    Choice,
    CodeBlock,
    CodeSpan,
    Contents,
    CutText,
    Cutting,
    Definition,
    Definitions,
    Details,
    Document,
    Figure,
    Group,
    Heading,
    OnPage,
    Paragraph,
    Piece,
    Quotation,
    Quotations,
    Section,
    Switches,
    Table,
    Tree,
)
from toktrial.report.document import CONTENTS, SECTIONS, document_of
from toktrial.report.gather import gather
from toktrial.report.html_blocks import HtmlRenderer, element
from toktrial.report.inputs import read_trial
from toktrial.report.markdown import render_markdown

PAGE_ALONE = Switches | OnPage | Contents
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
    if isinstance(part, PAGE_ALONE) or (isinstance(part, Table) and not part.rows):
        return []
    if isinstance(part, str):
        return [part]
    if isinstance(part, list | tuple):
        return [text for each in part for text in said_by(each)]
    if isinstance(part, CutText):  # cut into pieces in either, with other marks between them
        return [part.lead, *(text for each in part.cuttings for text in (each.name, each.summary))]
    if isinstance(part, Chart):
        return said_by(part.pictures[0])
    if isinstance(part, Figure):
        return [part.description, part.caption, part.title]
    if is_dataclass(part):
        return [text for item in fields(part) if item.name not in SILENT for text in said_by(getattr(part, item.name))]
    return []


@pytest.fixture(scope="module", params=["reported_trial", "whole_trial"])
def document(request: pytest.FixtureRequest) -> Document:
    folder: Path = request.getfixturevalue(request.param)
    return document_of(gather(read_trial(folder), target=7.5))


def test_every_file_of_a_section_is_named_once() -> None:
    folder = Path(toktrial.report.sections.__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert sorted(files | {CONTENTS}) == sorted(SECTIONS)


def test_the_whole_trial_has_every_section_but_that_of_changes(whole_trial: Path) -> None:
    parts = document_of(gather(read_trial(whole_trial))).parts
    ids = ["verdict" if part.id == "" else part.id.replace("-", "_") for part in parts if isinstance(part, Section)]
    assert ids == [name for name in SECTIONS if name not in (CONTENTS, "amendments")]


def test_page_and_markdown_say_every_text_of_every_block(document: Document) -> None:
    page = PageText()
    page.feed(HtmlRenderer({}).document(document))
    told = {letters(text) for section in document.sections for text in said_by(section.blocks)}
    assert len(told) > 200
    in_page = letters(page.text)
    markdown = letters(re.sub(r"\\([\\`*_\[\]<>|&~#+=-])", r"\1", render_markdown(document)))
    assert [text for text in told if text not in in_page] == []
    assert [text for text in told if text.replace("|", "\\|") not in markdown and text not in markdown] == []


def every_kind(text: str) -> tuple[Block, ...]:
    """One block of each kind, each with the text."""
    figure = Figure("a_picture", {}, text, text, text)
    paragraph = Paragraph((text, CodeSpan(text)))
    return (
        Heading(text), paragraph, Bullets((text,)), Definitions((Definition(text, (text,), text),)),
        Table(text, (text, text), [[text, text]], ("text", "code")), figure, Chart(text, (figure,), {}, {}),
        Switches((Choice(text, text, {text: text}), Choice(text, text, {text: text}, is_switch=True))), CodeBlock(text),
        Quotations(text, text, (Quotation(text, text),)),
        CutText(text, text, (Cutting(text, text, ((Piece(text, True), Piece(text, False)),)),), text),
        Tree((Branch(text, text, (Branch(text, text),)),)), Details(text, (paragraph,)), Group("pair", (paragraph,)),
        OnPage((paragraph,), only_without_scripts=True),
    )  # fmt: skip


def test_every_kind_of_block_is_tried() -> None:
    assert {type(block) for block in every_kind("a")} == set(get_args(Block))


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).map(lambda text: text + HOSTILE))
def test_no_text_can_add_an_element_to_the_page(text: str) -> None:
    def tags(text: str) -> list[str]:
        page = PageText()
        page.feed(HtmlRenderer({}).document(Document("", (Section("a", text, every_kind(text)),))))
        return page.tags

    assert tags(text) == tags("a")


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).map(lambda text: text + HOSTILE))
def test_no_text_can_add_an_element_to_the_markdown(text: str) -> None:
    read = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render
    page = read(render_markdown(Document("", (Section("a", text, every_kind(text)),))))
    assert not re.search(r"<(script|img src=x)", page)
    assert page.count("<h2>") == page.count("<h3>") == page.count("<table>") == 1


def test_an_element_escapes_its_text_and_its_attributes() -> None:
    made = element("p", "a < b & 'c' ", element("b", "<"), aria_label='"<x>"', class_="small", hidden=True, open=False, id=None)
    assert made == '<p aria-label="&quot;&lt;x&gt;&quot;" class="small" hidden>a &lt; b &amp; \'c\' <b>&lt;</b></p>'
