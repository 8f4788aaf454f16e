"""What a report is made of: sections of blocks, plain text and numbers that say nothing of how they look.

Result -> sections -> blocks -> page and Markdown. A renderer knows every kind of block and no section, so both say the same.
All text is shown as it stands: renderers escape it, and what a model or a corpus wrote may stand anywhere.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "number", "code"]  # how a column of a table is set: `code` is quoted letter by letter
Tone = Literal["plain", "small", "trial", "numbers", "criterion", "rule"]  # how a paragraph is set


@dataclass(frozen=True)
class CodeSpan:
    """Text within a paragraph that is quoted letter by letter."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A heading within a section; of level 1 that of the whole report. One that says several things is set smaller."""

    text: str
    level: Literal[1, 3, 4] = 3
    is_long: bool = False


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more."""

    text: str | tuple[str | CodeSpan, ...]
    tone: Tone = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list without an order."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """A term or a question, what is said of it, and what that means."""

    term: str
    said: tuple[str, ...]
    meaning: str = ""


@dataclass(frozen=True)
class Definitions:
    """A list of terms or questions."""

    items: tuple[Definition, ...]


@dataclass(frozen=True)
class Table:
    """A caption, a header for each column, and rows of text; the first cell of a row names it. Without rows it is not shown.

    `kinds` are those of the columns; empty: numbers, but for the first.
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


@dataclass(frozen=True)
class Figure:
    """A picture: NAME.svg and NAME.png beside the report, drawn from Vega-Lite with its data.

    `description`: what it shows, for those who cannot see it.
    """

    name: str
    specification: dict[str, Any]
    description: str
    caption: str
    title: str = ""


@dataclass(frozen=True)
class Chart:
    """A figure that the page's script draws anew as a reader chooses; elsewhere it is its pictures.

    The page shows the first of these until its script draws. `interactive` is what page_files/charts.js needs of this chart:
    its `specifications`, and what an axis changes. `datasets`: rows that it draws, by name.
    """

    id: str
    pictures: tuple[Figure, ...]
    interactive: dict[str, Any]
    datasets: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Choice:
    """What a reader may choose for all charts: one of the `options`, value -> label, of which the first is chosen.

    A switch has one option, which is on or off, and off at first.
    """

    name: str
    legend: str
    options: dict[str, str]
    is_switch: bool = False


@dataclass(frozen=True)
class Switches:
    """The controls of the page's charts; there are none elsewhere."""

    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class CodeBlock:
    """Lines that are quoted letter by letter."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Quotation:
    """What somebody wrote."""

    by: str
    text: str


@dataclass(frozen=True)
class Quotations:
    """Continuations of one text, the `lead`, side by side. `label` names them for those who cannot see that."""

    label: str
    lead: str
    texts: tuple[Quotation, ...]


@dataclass(frozen=True)
class Piece:
    """One piece of a cut text."""

    text: str
    is_marked: bool


@dataclass(frozen=True)
class Cutting:
    """One way of cutting the documents of a text into pieces."""

    name: str
    summary: str
    documents: tuple[tuple[Piece, ...], ...]


@dataclass(frozen=True)
class CutText:
    """A text, and the ways in which it is cut, side by side. `marks` says what is marked, after "what is underlined is"."""

    lead: str
    text: str
    cuttings: tuple[Cutting, ...]
    marks: str


@dataclass(frozen=True)
class Branch:
    """A node of a tree, with what it is made of."""

    text: str
    note: str
    parts: "tuple[Branch, ...]" = ()


@dataclass(frozen=True)
class Tree:
    """One or more trees."""

    roots: tuple[Branch, ...]


@dataclass(frozen=True)
class Details:
    """What is shown when a reader asks for it."""

    summary: str
    blocks: "Blocks"


@dataclass(frozen=True)
class Group:
    """Blocks that belong together: charts, or what stands side by side where there is room."""

    kind: Literal["figures", "pair"]
    blocks: "Blocks"


@dataclass(frozen=True)
class OnPage:
    """What is about the page, and so stands nowhere else; there always, or only where no script runs."""

    blocks: "Blocks"
    only_without_scripts: bool = False


Block = (
    Heading | Paragraph | Bullets | Definitions | Table | Figure | Chart | Switches | CodeBlock | Quotations | CutText | Tree
    | Details | Group | OnPage
)  # fmt: skip
Blocks = tuple[Block, ...]


@dataclass(frozen=True)
class Section:
    """A part of the report. What opens it has no title: its heading is among its blocks.

    `id` is its anchor; `short_title` is what the list of contents calls it, where that is not its title. An aside is set apart,
    and not in that list.
    """

    id: str
    title: str
    blocks: Blocks
    short_title: str = ""
    is_aside: bool = False


@dataclass(frozen=True)
class Contents:
    """The page's list of the sections; there is none elsewhere."""


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    parts: tuple[Section | Contents, ...]

    @property
    def sections(self) -> list[Section]:
        return [part for part in self.parts if isinstance(part, Section)]

    def blocks(self) -> Iterator[Block]:
        """Yields every block, those within others too."""
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
        if isinstance(block, Details | Group | OnPage):
            yield from every(block.blocks)


def paragraphs(sentences: Iterable[str], tone: Tone = "plain") -> tuple[Paragraph, ...]:
    """Returns a paragraph for each sentence."""
    return tuple(Paragraph(sentence, tone) for sentence in sentences)
