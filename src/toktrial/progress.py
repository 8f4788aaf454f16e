"""Shows how far long work has come: a bar with its rate and time left at a terminal, plain lines elsewhere, or tells another
process.

It stands outside the flow. Where `rich` is not installed (a bare machine that only trains), it prints lines.
"""

import os
import sys
import textwrap
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from typing import Any, TextIO, TypeVar
from typing import Protocol as Interface

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_EVENTS = 0.5
# Unicode's classes of the marks that turn the direction of what follows, and so can make one text look like another.
DIRECTION_MARKS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
USUAL_COLUMNS = 80  # of a terminal, also of one that does not say
ItemT = TypeVar("ItemT")
COLUMNS_OF_A_BAR = 120  # of a terminal that has room for the bar beside what it shows


class Progress(Interface):
    """What long work reports to."""

    def update(self, done: float, note: str = "") -> None:
        """Says how much is done, in the unit of the total, and what is worth showing beside it."""


Event = dict[str, Any]
"""What JSON can hold of what a person would see: `{"line": text}`, or the fields of a Snapshot."""


@dataclass(frozen=True)
class Snapshot:
    """How far long work is. The next one of the same process replaces it."""

    title: str
    total: float | None
    """In `unit`s; None where it is not known."""
    unit: str
    done: float
    per_second: float
    """Units, since this process began; 0 as long as nothing is done."""
    note: str

    @property
    def share(self) -> float:
        """How much of the whole is done; 0 where that is not known."""
        return self.done / self.total if self.total else 0.0


_teller: Callable[[Event], None] | None = None
_is_silent = False


@contextmanager
def telling(tell: Callable[[Event], None]) -> Iterator[None]:
    """Has what this process would show a person told to `tell` in the block, so that another process can show it."""
    global _teller
    before, _teller = _teller, tell
    try:
        yield
    finally:
        _teller = before


@contextmanager
def silence() -> Iterator[None]:
    """Shows nobody anything of what happens in the block, but for what `ask` asks."""
    global _is_silent
    before, _is_silent = _is_silent, True
    try:
        yield
    finally:
        _is_silent = before


class _Shown:
    """What is known of long work while it is shown."""

    def __init__(self, title: str, total: float | None, unit: str, begun: float) -> None:
        self._started, self._begun = time.monotonic(), begun
        self._now = Snapshot(title, total, unit, begun, 0.0, "")

    def update(self, done: float, note: str = "") -> None:
        self._now = replace(self._now, done=done, note=note or self._now.note)

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def _per_second(self) -> float:
        return (self._now.done - self._begun) / max(self._seconds, 1e-9)

    @property
    def _rate(self) -> str:
        return rate(self._per_second, self._now.unit)


class _Told(_Shown):
    """Reports to the teller, not for every step."""

    def __init__(self, title: str, total: float | None, unit: str, begun: float, tell: Callable[[Event], None]) -> None:
        super().__init__(title, total, unit, begun)
        self._tell = tell
        self._say()

    def update(self, done: float, note: str = "") -> None:
        super().update(done, note)
        if time.monotonic() - self._told_at >= SECONDS_BETWEEN_EVENTS:
            self._say()

    def close(self) -> None:
        self._say()

    def _say(self) -> None:
        self._told_at = time.monotonic()
        self._tell(asdict(replace(self._now, per_second=self._per_second)))


class _Lines(_Shown):
    def __init__(self, title: str, total: float | None, unit: str, begun: float) -> None:
        super().__init__(title, total, unit, begun)
        self._last_line = self._started
        print_line(f"{title} ...")

    def update(self, done: float, note: str = "") -> None:
        super().update(done, note)
        if time.monotonic() - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = time.monotonic()
        parts = [f"{self._seconds:.0f} s", self._rate, self._now.note]
        if self._now.total and self._per_second > 0:
            parts.insert(0, f"{100 * done / self._now.total:.0f}%")
            parts.insert(2, f"{max(0.0, (self._now.total - done) / self._per_second):.0f} s to go")
        self._print(parts)

    def close(self) -> None:
        self._print([f"{self._seconds:.1f} s", self._rate, self._now.note])

    def _print(self, parts: list[str]) -> None:
        print_line(f"{self._now.title}: " + ", ".join(filter(None, parts)))


class _Bar(_Shown):
    def __init__(self, title: str, total: float | None, unit: str, begun: float) -> None:
        from rich import progress as rich
        from rich.console import Console

        super().__init__(title, total, unit, begun)
        terminal = Console(stderr=True)
        is_wide = terminal.width >= COLUMNS_OF_A_BAR
        from_columns = (  # of the terminal, from which on each is shown, so that rich cuts none
            (0, rich.TextColumn("{task.description:<34}" if is_wide else "{task.description}")),
            (COLUMNS_OF_A_BAR, rich.BarColumn(bar_width=28)),
            (0, rich.TextColumn("{task.percentage:>3.0f}%" if total else "")),
            (USUAL_COLUMNS, rich.TextColumn("{task.fields[rate]:>16}" if is_wide else "{task.fields[rate]}")),
            (COLUMNS_OF_A_BAR, rich.TimeElapsedColumn()),
            (0, rich.TimeRemainingColumn() if total else rich.TextColumn("")),
            (USUAL_COLUMNS, rich.TextColumn("{task.fields[note]}")),
        )
        self._bar = rich.Progress(*(column for least, column in from_columns if terminal.width >= least), console=terminal)
        self._bar.start()
        self._task = self._bar.add_task(title, total=total, completed=round(begun), rate="", note="")

    def update(self, done: float, note: str = "") -> None:
        super().update(done, note)
        self._bar.update(self._task, completed=done, rate=self._rate, note=self._now.note)

    def close(self) -> None:
        self._bar.stop()


@contextmanager
def progress(title: str, total: float | None = None, unit: str = "", begun: float = 0.0) -> Iterator[Progress]:
    """Yields what long work reports to.

    total: in `unit`s; None where it is not known. begun: how much an earlier process has done, which says nothing of the rate.
    """
    work = (title, total, unit, begun)
    shown = _Told(*work, _teller) if _teller else (_Bar if can_draw() else _Lines)(*work)
    try:
        yield shown
    finally:
        shown.close()


def over(items: Collection[ItemT], title: str, unit: str) -> Iterator[ItemT]:
    """Yields items, and shows how many of them are done; `unit` is what one of them is called."""
    with progress(title, len(items), unit) as shown:
        for done, item in enumerate(items, start=1):
            yield item
            shown.update(done)


def print_line(text: str, hanging: int | None = None) -> None:
    """Prints a line for the person who waits. Results go to standard output instead.

    hanging: at a terminal, lines are cut between words to fit it, and what follows a cut is indented by so many columns.
    """
    text = printable(text)
    if _teller:
        _teller({"line": text})
    elif not _is_silent:
        _write_line(text, hanging)


def ask(question: str) -> str:
    """Returns what a person at the terminal answers; "" where nobody is there, who is not asked either."""
    if not sys.stdin.isatty():
        return ""
    _write_line(printable(question))
    return sys.stdin.readline().strip()


def _write_line(text: str, hanging: int | None = None) -> None:
    sys.stderr.write(wrapped(text, hanging, sys.stderr) + "\n")
    sys.stderr.flush()


def wrapped(text: str, hanging: int | None, stream: TextIO) -> str:
    """Returns text with its lines cut as `print_line` says, where `stream` is a terminal."""
    if hanging is None or not stream.isatty():
        return text
    columns = os.get_terminal_size(stream.fileno()).columns or USUAL_COLUMNS
    return "\n".join(
        textwrap.fill(line, max(columns, 2 * hanging), subsequent_indent=" " * hanging, break_on_hyphens=False)
        for line in text.splitlines()
    )


def can_draw() -> bool:
    """Whether there is a terminal, what draws on it, and somebody who wants to see it."""
    return not _is_silent and sys.stderr.isatty() and find_spec("rich") is not None


def printable(text: str) -> str:
    r"""Returns the text with control characters (but for newline and tab) and marks of direction as escapes.

    >>> printable("a\x1b[2J\tb\u202e\n")
    'a\\x1b[2J\tb\\u202e\n'
    """
    return "".join(each.encode("unicode_escape").decode() if _is_unsafe(each) else each for each in text)


def _is_unsafe(character: str) -> bool:
    if unicodedata.category(character) == "Cc":
        return character not in "\n\t"
    return unicodedata.bidirectional(character) in DIRECTION_MARKS


def rate(per_second: float, unit: str) -> str:
    """Returns a rate as a person reads it; nothing where there is none.

    >>> rate(1234.5, "step"), rate(0.0, "step"), rate(3.0, "")
    ('1.2 kstep/s', '', '')
    """
    if per_second <= 0 or not unit:
        return ""
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if per_second >= size:
            return f"{per_second / size:.1f} {prefix}{unit}/s"
    return f"{per_second:.1f} {unit}/s"
