"""Shows how far long work has come: a bar with its rate and time left at a terminal, plain lines elsewhere, or tells another
process.

It stands outside the flow. Where `rich` is not installed (a bare machine that only trains), it prints lines.
"""

import math
import os
import sys
import textwrap
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO
from typing import Protocol as Interface

if TYPE_CHECKING:
    from rich.table import Table

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_EVENTS = 0.5
# Unicode's classes of the marks that turn the direction of what follows, and so can make one text look like another.
DIRECTION_MARKS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
USUAL_COLUMNS = 80  # of a terminal, also of one that does not say
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


class _Told:
    """Reports to the teller, not for every step."""

    def __init__(self, title: str, total: float | None, unit: str, tell: Callable[[Event], None]) -> None:
        self._tell = tell
        self._shown = Snapshot(title, total, unit, 0.0, 0.0, "")
        self._told_at = -math.inf
        self._began: tuple[float, float] | None = None  # when, and how much was done then
        self._say()

    def update(self, done: float, note: str = "") -> None:
        when, before = self._began = self._began or (time.monotonic(), done)
        seconds = time.monotonic() - when
        per_second = (done - before) / seconds if seconds > 0 else 0.0
        self._shown = replace(self._shown, done=done, per_second=per_second, note=note or self._shown.note)
        if time.monotonic() - self._told_at >= SECONDS_BETWEEN_EVENTS:
            self._say()

    def close(self) -> None:
        self._say()

    def _say(self) -> None:
        self._told_at = time.monotonic()
        self._tell(asdict(self._shown))


class _Lines:
    def __init__(self, title: str, total: float | None, unit: str) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._started = self._last_line = time.monotonic()
        self._done, self._note = 0.0, ""
        print_line(f"{title} ...")

    def update(self, done: float, note: str = "") -> None:
        self._done, self._note = done, note or self._note
        if time.monotonic() - self._last_line < SECONDS_BETWEEN_LINES:
            return
        self._last_line = time.monotonic()
        seconds = self._last_line - self._started
        parts = [f"{seconds:.0f} s", _rate(done, seconds, self._unit), self._note]
        if self._total and done:
            parts.insert(0, f"{100 * done / self._total:.0f}%")
            parts.insert(2, f"{max(0.0, seconds * (self._total - done) / done):.0f} s to go")
        self._print(parts)

    def close(self) -> None:
        seconds = time.monotonic() - self._started
        self._print([f"{seconds:.1f} s", _rate(self._done, seconds, self._unit), self._note])

    def _print(self, parts: list[str]) -> None:
        print_line(f"{self._title}: " + ", ".join(filter(None, parts)))


class _Bar(_Lines):
    def __init__(self, title: str, total: float | None, unit: str) -> None:
        from rich import progress as rich
        from rich.console import Console

        self._unit, self._started = unit, time.monotonic()
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
        self._task = self._bar.add_task(title, total=total, rate="", note="")

    def update(self, done: float, note: str = "") -> None:
        rate = _rate(done, time.monotonic() - self._started, self._unit)
        self._bar.update(self._task, completed=done, rate=rate)
        if note:
            self._bar.update(self._task, note=note)

    def close(self) -> None:
        self._bar.stop()


@contextmanager
def progress(title: str, total: float | None = None, unit: str = "") -> Iterator[Progress]:
    """Yields what long work reports to. `total` is in `unit`s, and None where it is not known."""
    shown = _Told(title, total, unit, _teller) if _teller else (_Bar if can_draw() else _Lines)(title, total, unit)
    try:
        yield shown
    finally:
        shown.close()


class ProgressOfJobs:
    """What jobs that are done at the same time report to. A line now and then says how far they are."""

    def __init__(self, title: str, jobs: int) -> None:
        self._title, self._jobs, self._done = title, jobs, 0
        self._rows: dict[int, Snapshot] = {}  # by the job's number
        self._shares_before: dict[int, float] = {}  # of each job, how much was done when it began here
        self._started = self._last_line = time.monotonic()

    def update(self, job: int, snapshot: Snapshot) -> None:
        """Says how far a job is."""
        self._rows[job] = snapshot
        self._shares_before.setdefault(job, _share(snapshot))
        if time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._show()

    def finish(self, job: int) -> None:
        """Says that a job is done."""
        self._done += 1
        self._rows.pop(job, None)

    def close(self) -> None:
        print_line(f"{self._title}: {self._whole()}, {time.monotonic() - self._started:.1f} s")

    def _show(self) -> None:
        rows = (
            f"{row.title.partition(' ')[2]} {_place(row)} {_rate(row.per_second, 1.0, row.unit)}" for row in self._rows.values()
        )
        print_line(f"{self._title}: {self._whole()}{self._time_left()}; {'; '.join(rows)}")

    def _whole(self) -> str:
        return f"{self._done} of {self._jobs} done"

    def _time_left(self) -> str:
        """Says how long all of it will take, if it goes on as it went; nothing as long as nothing is done."""
        shares = self._done + sum(map(_share, self._rows.values()))
        gone = shares - sum(self._shares_before.values())
        seconds = (time.monotonic() - self._started) * (self._jobs - shares) / gone if gone > 0 else math.inf
        return f", {timedelta(seconds=round(seconds))} to go" if math.isfinite(seconds) else ""


class _TableOfJobs(ProgressOfJobs):
    """Draws a table: a row for each job that is being done, and one for all."""

    def __init__(self, title: str, jobs: int) -> None:
        from rich.console import Console
        from rich.live import Live

        super().__init__(title, jobs)
        self._last_line = math.inf  # no lines
        terminal = Console(stderr=True)
        self._columns = sum(terminal.width >= least for least in (0, 0, 0, USUAL_COLUMNS, COLUMNS_OF_A_BAR))
        self._live = Live(get_renderable=self._table, console=terminal, refresh_per_second=4, transient=True)
        self._live.start()

    def close(self) -> None:
        self._live.stop()
        super().close()

    def _table(self) -> "Table":
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for heading in (self._title.partition(",")[0], "done", "to go", "rate", "")[: self._columns]:
            table.add_column(heading, justify="right" if heading in ("done", "to go", "rate") else "left", no_wrap=True)
        for _, row in sorted(self._rows.items()):
            left = timedelta(seconds=round((row.total - row.done) / row.per_second)) if row.total and row.per_second else ""
            cells = (row.title.partition(" ")[2], _place(row), str(left), _rate(row.per_second, 1.0, row.unit), row.note)
            table.add_row(*cells[: self._columns])
        left_of_all = self._time_left().removeprefix(", ").removesuffix(" to go")
        table.add_row(*("all", f"{self._done} of {self._jobs}", left_of_all, "", "")[: self._columns])
        return table


def _share(snapshot: Snapshot) -> float:
    return snapshot.done / snapshot.total if snapshot.total else 0.0


def _place(snapshot: Snapshot) -> str:
    if snapshot.total and snapshot.unit:
        return f"{snapshot.done:,.0f} of {snapshot.total:,.0f}"
    return f"{_share(snapshot):.0%}" if snapshot.total else ""


@contextmanager
def progress_of_jobs(title: str, jobs: int) -> Iterator[ProgressOfJobs]:
    """Yields what jobs that are done at the same time report to; `jobs`: how many there are in all."""
    shown = (_TableOfJobs if can_draw() else ProgressOfJobs)(title, jobs)
    try:
        yield shown
    finally:
        shown.close()


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


def _rate(done: float, seconds: float, unit: str) -> str:
    if seconds <= 0 or not done or not unit:
        return ""
    rate = done / seconds
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rate >= size:
            return f"{rate / size:.1f} {prefix}{unit}/s"
    return f"{rate:.1f} {unit}/s"
