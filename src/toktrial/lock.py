"""The lock of a trial's folder: one process at a time writes a trial, and readers never wait.

trial.py holds it while a stage works. The operating system keeps it, so a killed process leaves no lock behind.
"""

import json
import os
import shlex
import socket
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from toktrial import progress
from toktrial.artifact import make_folder, write_json
from toktrial.errors import TrialError

LOCK_FILE, HOLDER_FILE = ".lock", ".holder.json"
COMMAND_LETTERS = 80  # of the holder's command line
PATIENCE_SECONDS = 0.5  # `holder` takes the lock for an instant to see whether anybody has it
RANK = "RANK"  # the variable in which torchrun numbers its processes: the first one alone writes


class TrialBusyError(TrialError):
    """Another process is writing the trial."""


@dataclass(frozen=True)
class Holder:
    """The process that is writing a trial."""

    host: str
    process: int
    command: str
    since: float
    """Seconds since 1970."""

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"process {self.process} on {self.host}, `{self.command}`, since {since}"


@contextmanager
def writing(folder: Path, wait: bool = False) -> Iterator[None]:
    """Holds the lock of the trial in `folder` while the block runs. A process that holds it may take it again.

    With `wait`, waits for another process to finish; without, raises TrialBusyError, which says who holds the lock.
    """
    if os.environ.get(RANK, "0") != "0":  # under torchrun
        yield
        return
    import filelock

    make_folder(folder)
    lock = filelock.FileLock(folder / LOCK_FILE, thread_local=False, is_singleton=True, mode=0o644)
    is_outermost = not lock.is_locked
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except filelock.Timeout:
        busy = f"another process is writing {folder} ({_read_holder(folder) or 'it says nothing about itself'})"
        if not wait:
            raise TrialBusyError(
                f"{busy}: wait for it with --wait, or see how far it is with `toktrial status {folder}`"
            ) from None
        progress.print_line(f"{busy}: waiting for it to finish")
        lock.acquire()
    try:
        if is_outermost:
            _write_holder(folder)
        yield
    finally:
        if is_outermost:
            (folder / HOLDER_FILE).unlink(missing_ok=True)
        lock.release()


def holder(folder: Path) -> Holder | None:
    """Returns who is writing the trial in `folder`, None where nobody is."""
    if not (folder / LOCK_FILE).exists():
        return None
    import filelock

    lock = filelock.FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return _read_holder(folder)
    lock.release()
    return None


def _write_holder(folder: Path) -> None:
    command = textwrap.shorten(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]), COMMAND_LETTERS, placeholder=" ...")
    write_json(folder / HOLDER_FILE, asdict(Holder(socket.gethostname(), os.getpid(), command, time.time())))


def _read_holder(folder: Path) -> Holder | None:
    """Returns None in the instant before the holder has written down who it is."""
    try:
        return Holder(**json.loads((folder / HOLDER_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
