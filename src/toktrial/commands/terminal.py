"""Text for the terminal, as it is: rich must read no markup, emoji or numbers into it, and it must not steer the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from toktrial.errors import TrialError
from toktrial.progress import printable

if TYPE_CHECKING:
    from rich.console import Console

WIDER_THAN_ANY = 10_000  # columns


def console() -> "Console":
    """Returns the console of standard output."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False)


def print_lines(*lines: str) -> None:
    """Prints lines to standard output, and leaves the wrapping to the terminal."""
    for line in lines:
        console().print(printable(line), soft_wrap=True)


def print_table(title: str, columns: Mapping[str, Literal["left", "right"]], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table to standard output; `columns` says on which side the cells under each heading stand.

    Where the terminal is too narrow for its longest words, each row is a list of headings and cells, so that no number is cut.
    """
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(title=printable(title), title_justify="left")
    for heading, side in columns.items():
        table.add_column(heading, justify=side)
    rows = list(rows)
    for row in rows:
        table.add_row(*map(printable, row))
    terminal = console()
    if Measurement.get(terminal, terminal.options.update(max_width=WIDER_THAN_ANY), table).minimum <= terminal.width:
        terminal.print(table)
    else:
        print_lines(title)
        for row in rows:
            print_lines("", *(f"{heading}: {cell}" for heading, cell in zip(columns, row, strict=True)))


def utf8_length(text: str, what: str) -> int:
    """Returns the UTF-8 bytes of a text. Raises TrialError, naming `what`, where UTF-8 cannot hold it."""
    from toktrial.corpus import documents

    try:
        return documents.utf8_length(text, what)
    except ValueError as error:
        raise TrialError(str(error)) from None
