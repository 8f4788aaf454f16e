"""Text for the terminal, as it is: rich must read no markup, emoji or numbers into it, and it must not steer the terminal.

Commands -> terminal; of a report, blocks -> terminal, as page_files/blocks.html and markdown.py render them elsewhere.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, assert_never

from toktrial.errors import TrialError
from toktrial.progress import printable

if TYPE_CHECKING:
    from rich.console import Console

    from toktrial.report.blocks import Block, Section, Table

Side = Literal["left", "right"]


def console() -> "Console":
    """Returns the console of standard output."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def print_lines(*lines: str) -> None:
    """Prints lines to standard output, and leaves the wrapping to the terminal."""
    for line in lines:
        console().print(printable(line), soft_wrap=True)


def print_table(title: str, columns: Iterable[tuple[str, Side]], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table to standard output; `columns` are headings, each with the side on which the cells under it stand.

    Where the terminal is too narrow for its longest words, each row is a list of headings and cells, so that no number is cut.
    """
    from rich.table import Table as RichTable

    headings, sides = zip(*columns, strict=True)
    cells = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = _column_widths(list(zip(*cells, strict=True)), console().width)
    if widths is None:
        print_lines(title)
        for row in cells[1:]:
            print_lines("", *(f"{heading}: {cell}" for heading, cell in zip(headings, row, strict=True)))
        return
    table = RichTable(title=printable(title), title_justify="left")
    for heading, side, width in zip(cells[0], sides, widths, strict=True):
        table.add_column(heading, justify=side, width=width)
    for row in cells[1:]:
        table.add_row(*row)
    console().print(table)


def _column_widths(columns: Sequence[Sequence[str]], terminal_width: int) -> list[int] | None:
    """Returns the widths at which a table's columns cut no word; None where the terminal has no room for that.

    rich's own choice cuts words: it takes most from the widest columns, however long the words of the others are.
    """
    from rich.cells import cell_len

    least = [max(map(cell_len, " ".join(column).split()), default=0) for column in columns]
    most = [max(map(cell_len, "\n".join(column).split("\n"))) for column in columns]
    spare = terminal_width - (3 * len(columns) + 1) - sum(least)  # but for the lines, each with a space on either side
    share = min(1.0, spare / max(1, sum(most) - sum(least)))
    return [int(low + share * (high - low)) for low, high in zip(least, most, strict=True)] if spare >= 0 else None


def print_json(found: Any) -> None:
    """Prints what a command found as JSON; a number that is not finite is null. ASCII alone, which steers no terminal."""
    import msgspec

    # a path that is not UTF-8 has surrogates, which msgspec refuses
    encoded = msgspec.json.encode(found, enc_hook=lambda path: os.fsencode(path).decode(errors="backslashreplace"))
    sys.stdout.write(json.dumps(msgspec.json.decode(encoded), indent=2) + "\n")


def print_section(section: "Section") -> None:
    """Prints a section of a report: its title, and each of its blocks."""
    if section.title:
        print_lines("")
        console().print(printable(section.title), style="bold", soft_wrap=True)
    for block in section.blocks:
        print_block(block)


def print_block(block: "Block") -> None:
    """Prints a block of a report to standard output. A picture is named and described."""
    from toktrial.report import blocks
    from toktrial.report.markdown import cut_lines, tree_lines
    from toktrial.report.wording import visible

    match block:
        case blocks.Heading():
            console().print(printable(block.text), style="bold", soft_wrap=True)
        case blocks.Paragraph():
            print_lines(" ".join([block.text, *map(visible, block.quoted)]))
        case blocks.Bullets():
            print_lines(*(f"- {item}" for item in block.items))
        case blocks.Definitions():
            print_lines(*(" ".join(filter(None, [f"- {item.term}", item.said, item.meaning])) for item in block.items))
        case blocks.Table():
            _print_table_block(block.as_shown())
        case blocks.Figure():
            print_lines(" ".join(filter(None, [f"{block.name}.png:", block.title, block.description, block.caption])))
        case blocks.Chart():
            for picture in block.pictures:
                print_block(picture)
        case blocks.ChartControls():
            return
        case blocks.CodeBlock():
            print_lines(block.text)
        case blocks.Quotations():
            print_lines("", block.lead, *(f"[{by}]{text}" for by, text in block.texts.items()))
        case blocks.CutText():
            print_lines("", f"{block.lead} A bar separates two tokens.")
            for name, summary in block.summaries().items():
                print_lines(f"{name}: {summary}", cut_lines(block.cuts.tracks[name]))
        case blocks.Trees():
            print_lines(*map(tree_lines, block.roots))
        case blocks.Details():
            print_lines("", block.summary)
            for inner in block.blocks:
                print_block(inner)
        case blocks.Group():
            for inner in block.blocks:
                print_block(inner)
        case _:
            assert_never(block)


def _print_table_block(table: "Table") -> None:
    from toktrial.report.wording import visible

    kinds = [table.kind(column) for column in range(len(table.headers))]
    sides: list[Side] = ["right" if kind == "number" else "left" for kind in kinds]
    rows = [[visible(cell) if kind == "code" else cell for cell, kind in zip(row, kinds, strict=True)] for row in table.rows]
    if rows:
        print_lines("")
        print_table(table.caption, zip(table.headers, sides, strict=True), rows)


def utf8_length(text: str, what: str) -> int:
    """Returns the UTF-8 bytes of a text. Raises TrialError, naming `what`, where UTF-8 cannot hold it."""
    from toktrial.corpus import documents

    try:
        return documents.utf8_length(text, what)
    except ValueError as error:
        raise TrialError(str(error)) from None
