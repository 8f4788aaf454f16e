"""Renders blocks as Markdown, with charts as pictures, for reading on a code host. Every text is escaped or fenced.

Blocks -> report.md.
"""

import re
from collections.abc import Iterable, Iterator
from typing import assert_never
from urllib.parse import quote

from toktrial.report import blocks
from toktrial.report.accounts import Entry, TrackCut
from toktrial.report.wording import SPACES_SHOWN, count, visible


def render_markdown(document: blocks.Document) -> str:
    """Returns the report as Markdown."""
    parts = []
    for section in document.sections:
        parts += [f"## {escaped(section.title)}"] if section.title else []
        parts += _blocks(section.blocks)
    return "\n\n".join(filter(None, parts)) + "\n"


def code_block(text: str, language: str = "") -> str:
    """Returns a fenced code block whose fence is longer than every run of backticks inside it."""
    fence = "`" * max(3, _longest_run_of_backticks(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def code_span(text: str) -> str:
    """Returns text between backticks that none inside it can end, on one line."""
    fence = "`" * (_longest_run_of_backticks(text) + 1)
    space = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{space}{_on_one_line(text)}{space}{fence}"


def escaped(text: str) -> str:
    """Returns text that Markdown shows as it stands, on one line."""
    return _on_one_line(re.sub(r"([\\`*_\[\]<>|&~#])", r"\\\1", text))


def _blocks(several: Iterable[blocks.Block]) -> Iterator[str]:
    for block in several:
        yield from _block(block)


def _block(block: blocks.Block) -> Iterator[str]:
    match block:
        case blocks.Heading():
            yield f"{'#' * block.level} {escaped(block.text)}"
        case blocks.Paragraph():
            yield " ".join([_sentence(block.text), *map(code_span, block.quoted)])
        case blocks.Bullets():
            yield "\n".join(f"- {_sentence(item)}" for item in block.items)
        case blocks.Definitions():
            yield "\n".join(map(_definition, block.items))
        case blocks.Table():
            yield _table(block.as_shown()) if block.rows else ""
        case blocks.Figure():
            yield _figure(block)
        case blocks.Chart():
            yield from map(_figure, block.pictures)
        case blocks.ChartControls():
            return
        case blocks.CodeBlock():
            yield code_block(block.text, block.language)
        case blocks.Quotations():
            yield code_block("\n\n".join([block.lead, *(f"[{by}]{text}" for by, text in block.texts.items())]))
        case blocks.CutText():
            yield f"{escaped(block.lead)} A bar separates two tokens."
            for name, summary in block.summaries().items():
                yield f"{escaped(name)}: {escaped(summary)}"
                yield code_block(cut_lines(block.cuts.tracks[name]))
        case blocks.Trees():
            yield from (code_block(tree_lines(root)) for root in block.roots)
        case blocks.Details():
            yield f"**{escaped(block.summary)}**"
            yield from _blocks(block.blocks)
        case blocks.Group():
            yield from _blocks(block.blocks)
        case _:
            assert_never(block)


def _sentence(text: str) -> str:
    """Returns escaped text whose beginning no parser takes for a list or a line under a heading."""
    return re.sub(r"^(?:([+=-])|(\d+)([.)]))", r"\2\\\1\3", escaped(text))


def _definition(item: blocks.Definition) -> str:
    colon = "" if item.term.endswith("?") else ":"
    meaning = [f"*{escaped(item.meaning)}*"] if item.meaning else []
    return " ".join([f"- **{escaped(item.term)}**{colon}", escaped(item.said), *meaning])


def _figure(figure: blocks.Figure) -> str:
    title = f"{figure.title}. " if figure.title else ""
    return f"![{escaped(figure.description)}]({figure.name}.png)\n\n*{escaped(f'{title}{figure.caption}'.strip())}*"


def _table(table: blocks.Table) -> str:
    rulers = ["---:" if table.kind(column) == "number" else ":---" for column in range(len(table.headers))]
    rows = [[_cell(cell, table.kind(column)) for column, cell in enumerate(row)] for row in table.rows]
    written = "\n".join(f"| {' | '.join(cells)} |" for cells in [list(map(escaped, table.headers)), rulers, *rows])
    return f"{written}\n\n*{escaped(table.caption)}*"


def _cell(text: str, kind: blocks.Kind) -> str:
    if kind == "link":
        return f"[{escaped(text)}](<./{quote(text, safe='/%')}>)"
    return code_span(text).replace("|", "\\|") if kind == "code" and text else escaped(text)


def cut_lines(cut: TrackCut) -> str:
    """Returns the text with a bar between tokens. A bar in the text is written with a backslash, the end of a line as \\n."""
    shown = {**SPACES_SHOWN, "\n": "\\n\n", "|": "\\|"}
    return "\n".join("|".join(visible(token.text, shown) for token in document) for document in cut.documents)


def tree_lines(entry: Entry, depth: int = 0) -> str:
    """Returns a tree as lines; each part is indented two spaces deeper than its whole."""
    line = f"{'  ' * depth}{visible(entry.text)}  {count(entry.count)}"
    return "\n".join([line, *(tree_lines(part, depth + 1) for part in entry.parts or ())])


def _longest_run_of_backticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _on_one_line(text: str) -> str:
    return re.sub(r"\s*[\r\n]\s*", " ", text)
