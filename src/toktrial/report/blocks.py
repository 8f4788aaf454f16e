"""What a report is made of: sections of blocks, plain text and numbers that do not say how they look.

Result -> sections -> blocks -> page, Markdown, terminal. The renderers (page_files/blocks.html, markdown.py,
commands/terminal.py) know every kind of block and no section, so all say the same. They escape all text: what a model or
a corpus wrote may stand anywhere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from toktrial.report.accounts import Cuts, Entry
from toktrial.report.wording import decimal, plural

# How a column of a table is set: `code` is quoted letter by letter, `link` is an address relative to the page.
Kind = Literal["text", "number", "code", "link"]
MOST_COLUMNS = 12  # of a table on a page; one that has more is turned if that makes it narrower
Tone = Literal["plain", "small", "trial", "numbers", "criterion", "rule"]  # how a paragraph is set


@dataclass(frozen=True)
class Heading:
    """A heading within a section; level 1 is that of the whole report."""

    text: str
    level: Literal[1, 3, 4] = 3


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more; `quoted` texts follow it, letter by letter."""

    text: str
    tone: Tone = "plain"
    quoted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bullets:
    """An unordered list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """A term or a question, what is said of it, and what that means."""

    term: str
    said: str
    meaning: str = ""


@dataclass(frozen=True)
class Definitions:
    """A list of terms or questions."""

    items: tuple[Definition, ...]


@dataclass(frozen=True)
class Table:
    """A caption, a header for each column, and rows of text; the first cell of a row names it.

    A table without rows is not shown. `kinds` are those of the columns; if empty, all but the first are numbers.
    """

    caption: str
    headers: tuple[str, ...]
    rows: list[list[str]]
    kinds: tuple[Kind, ...] = ()

    def kind(self, column: int) -> Kind:
        """Returns how a column is set."""
        if self.kinds:
            return self.kinds[column]
        return "number" if column else "text"

    def as_shown(self) -> "Table":
        """Returns the table; one that is wider than a page, and wider than it is long, with rows for its columns."""
        is_wide = len(self.headers) > max(MOST_COLUMNS, 1 + len(self.rows))
        if not is_wide or self.kinds or not self.rows:
            return self
        headers, *rows = [list(cells) for cells in zip(self.headers, *self.rows, strict=True)]
        return Table(self.caption, tuple(headers), rows)


@dataclass(frozen=True)
class Figure:
    """A picture: NAME.svg and NAME.png beside the report, drawn from Vega-Lite with its data.

    `description`: what it shows, for readers who cannot see it.
    """

    name: str
    specification: dict[str, Any]
    description: str
    caption: str
    title: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """Returns the data that stand in it, panel by panel."""
        drawn = self.specification
        panels = drawn.get("hconcat") or drawn.get("concat") or [drawn]
        return [row for panel in panels for row in panel.get("data", {}).get("values", [])]


@dataclass(frozen=True)
class Chart:
    """A figure that the page's script redraws as a reader chooses; elsewhere it is its `pictures`.

    The page shows the first picture until its script draws. `interactive` is what page_files/charts.js needs for this chart:
    its `specifications`, and what each axis changes. `datasets`: the rows that it draws, by name.
    """

    id: str
    pictures: tuple[Figure, ...]
    interactive: dict[str, Any]
    datasets: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class ChartControls:
    """The form that sets all charts of the page, and stands nowhere else: `axes`, value -> label, of which the first is chosen;
    the scales; and, where `control` labels it, a switch that shows the A/A control.
    """

    axes: dict[str, str]
    control: str = ""


@dataclass(frozen=True)
class CodeBlock:
    """Lines that are quoted letter by letter."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Quotations:
    """Continuations of one text, the `lead`, side by side: who wrote it -> what. `label` names them for screen readers."""

    label: str
    lead: str
    texts: dict[str, str]


@dataclass(frozen=True)
class CutText:
    """A text, and the tokens of every track, side by side. On the page, tokens that touch several words are marked."""

    lead: str
    cuts: Cuts

    def summaries(self) -> dict[str, str]:
        """Returns how many tokens each track needs, in words."""
        return {
            name: f"{plural(track.tokens, 'token')}, {decimal(track.bytes_per_token, 2)} bytes per token"
            for name, track in self.cuts.tracks.items()
        }


@dataclass(frozen=True)
class Trees:
    """Entries, each with the parts that it was merged from, down to single bytes."""

    roots: tuple[Entry, ...]


@dataclass(frozen=True)
class Details:
    """Blocks that are shown when a reader asks for them."""

    summary: str
    blocks: "Blocks"


@dataclass(frozen=True)
class Group:
    """Blocks that belong together: charts, or what stands side by side where there is room."""

    kind: Literal["figures", "pair"]
    blocks: "Blocks"


Block = (
    Heading | Paragraph | Bullets | Definitions | Table | Figure | Chart | ChartControls | CodeBlock | Quotations | CutText
    | Trees | Details | Group
)  # fmt: skip
Blocks = tuple[Block, ...]


@dataclass(frozen=True)
class Section:
    """A part of the report. The one that opens it has no title: its heading is among its blocks.

    `id` is its anchor; `short_title` is its name in the list of contents, where that differs. An aside is set apart, and is not
    in that list.
    """

    id: str
    title: str
    blocks: Blocks
    short_title: str = ""
    is_aside: bool = False


@dataclass(frozen=True)
class Document:
    """A whole report. On the page its list of contents stands between `opening` and `body`."""

    title: str
    opening: tuple[Section, ...]
    body: tuple[Section, ...] = ()

    @property
    def sections(self) -> tuple[Section, ...]:
        return self.opening + self.body

    def blocks(self) -> Iterator[Block]:
        """Yields every block, nested ones too."""
        for section in self.sections:
            yield from every(section.blocks)

    def figures(self) -> Iterator[Figure]:
        """Yields every picture, those of charts among them, in the order in which they are shown."""
        for block in self.blocks():
            yield from block.pictures if isinstance(block, Chart) else [block] if isinstance(block, Figure) else []


def every(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yields blocks, each followed by those within it."""
    for block in blocks:
        yield block
        if isinstance(block, Details | Group):
            yield from every(block.blocks)


def folded(if_folded: bool, summary: str, blocks: Iterable[Block]) -> Blocks:
    """Returns blocks as they are, or as details."""
    return (Details(summary, tuple(blocks)),) if if_folded else tuple(blocks)


def paragraphs(sentences: Iterable[str], tone: Tone = "plain") -> tuple[Paragraph, ...]:
    """Returns a paragraph for each sentence."""
    return tuple(Paragraph(sentence, tone) for sentence in sentences)
