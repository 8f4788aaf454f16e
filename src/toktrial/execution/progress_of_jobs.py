"""Shows how far jobs are that are done at the same time: a table at a terminal, else a line now and then.

The executors tell it what they hear from the processes and machines that do the jobs.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from toktrial.progress import (
    COLUMNS_OF_A_BAR,
    SECONDS_BETWEEN_LINES,
    USUAL_COLUMNS,
    Snapshot,
    can_draw,
    print_line,
    rate,
)

if TYPE_CHECKING:
    from rich.table import Table


class ProgressOfJobs:
    """What jobs that are done at the same time report to. A line now and then says how far they are."""

    def __init__(self, title: str, jobs: int) -> None:
        self._title, self._jobs = title, jobs
        self._rows: dict[int, Snapshot] = {}  # by the job's number
        self._shares_before: dict[int, float] = {}  # of each job, how much was done when it began here
        self._finished: set[int] = set()
        self._started = self._last_line = time.monotonic()

    def update(self, job: int, snapshot: Snapshot) -> None:
        """Says how far a job is. Of one that is done nothing more is heard: another machine's word of it may come late."""
        if job in self._finished:
            return
        self._rows[job] = snapshot
        self._shares_before.setdefault(job, snapshot.share)
        if time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._show()

    def finish(self, job: int) -> None:
        """Says that a job is done."""
        self._finished.add(job)
        self._rows.pop(job, None)

    def close(self) -> None:
        print_line(f"{self._title}: {self._whole()}, {time.monotonic() - self._started:.1f} s")

    def _show(self) -> None:
        rows = (f"{row.title.partition(' ')[2]} {_place(row)} {rate(row.per_second, row.unit)}" for row in self._rows.values())
        print_line(f"{self._title}: {self._whole()}{self._time_left()}; {'; '.join(rows)}")

    def _whole(self) -> str:
        return f"{len(self._finished)} of {self._jobs} done"

    def _time_left(self) -> str:
        """Says how long all of it will take, if it goes on as it went; nothing as long as nothing is done."""
        rows, before = list(self._rows.values()), list(self._shares_before.values())  # a table is drawn by a thread of its own
        shares = len(self._finished) + sum(row.share for row in rows)
        gone = shares - sum(before)
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
            cells = (row.title.partition(" ")[2], _place(row), str(left), rate(row.per_second, row.unit), row.note)
            table.add_row(*cells[: self._columns])
        left_of_all = self._time_left().removeprefix(", ").removesuffix(" to go")
        table.add_row(*("all", f"{len(self._finished)} of {self._jobs}", left_of_all, "", "")[: self._columns])
        return table


def _place(snapshot: Snapshot) -> str:
    if snapshot.total and snapshot.unit:
        return f"{snapshot.done:,.0f} of {snapshot.total:,.0f}"
    return f"{snapshot.share:.0%}" if snapshot.total else ""


@contextmanager
def progress_of_jobs(title: str, jobs: int) -> Iterator[ProgressOfJobs]:
    """Yields what jobs that are done at the same time report to; `jobs`: how many there are in all."""
    shown = (_TableOfJobs if can_draw() else ProgressOfJobs)(title, jobs)
    try:
        yield shown
    finally:
        shown.close()
