"""The locks of a trial's folder and of each run's: one process at a time writes there, and readers never wait.

trial.py holds the trial's while a stage works, a worker a run's. The operating system keeps them, so a killed process leaves
no lock behind.
"""

import json
import os
import shlex
import socket
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from toktrial import progress
from toktrial.artifact import make_folder, write_json
from toktrial.errors import TrialError

LOCK_FILE, HOLDER_FILE = ".lock", ".holder.json"
COMMAND_LETTERS = 80  # of the holder's command line
PATIENCE_SECONDS = 0.5  # `is_held` takes the lock for an instant to see whether anybody has it
STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"  # the environment variable that says so; RANK, other launchers set too


def is_follower() -> bool:
    """Whether torchrun started this process, and not as the first one, which alone writes and speaks."""
    return STARTED_BY_TORCHRUN in os.environ and os.environ.get("RANK", "0") != "0"


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

    def describe() -> str:
        return f"another process is writing {folder} ({_read_holder(folder) or 'it says nothing about itself'})"

    with _locked(folder, wait, describe) as is_outermost:
        try:
            if is_outermost:
                _write_holder(folder)
            yield
        finally:
            if is_outermost:
                (folder / HOLDER_FILE).unlink(missing_ok=True)


@contextmanager
def writing_run(folder: Path) -> Iterator[None]:
    """Holds the lock of a run's folder while the block runs, and waits where another process holds it.

    Whoever does a job of a trial holds this one, and the trial's is held by the process that hands the jobs out. Where that was
    killed, the others notice only moments later; meanwhile the next command can already have the trial's lock.
    """
    with _locked(folder, wait=True, describe=lambda: f"another process is still writing {folder}"):
        yield


@contextmanager
def _locked(folder: Path, wait: bool, describe: Callable[[], str]) -> Iterator[bool]:
    """Yields whether this is the first that this process holds the lock, false also where torchrun's first process does."""
    if is_follower():
        yield False
        return
    import filelock

    make_folder(folder)
    lock = filelock.FileLock(folder / LOCK_FILE, thread_local=False, is_singleton=True, mode=0o644)
    is_outermost = not lock.is_locked
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except filelock.Timeout:
        if not wait:
            raise TrialBusyError(
                f"{describe()}: wait for it with --wait, or see how far it is with `toktrial status {folder}`"
            ) from None
        progress.print_line(f"{describe()}: waiting for it to finish")
        lock.acquire()
    try:
        yield is_outermost
    finally:
        lock.release()


def holder(folder: Path) -> Holder | None:
    """Returns who is writing the trial in `folder`, None where nobody is."""
    return _read_holder(folder) if is_held(folder) else None


def is_held(folder: Path) -> bool:
    """Whether a process is writing the trial or the run in `folder`."""
    import fcntl

    try:
        lock = os.open(folder / LOCK_FILE, os.O_RDONLY)  # not by filelock, which writes, as who only reads a trial may not
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)  # and so lets go of it
    return False


def _write_holder(folder: Path) -> None:
    command = textwrap.shorten(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]), COMMAND_LETTERS, placeholder=" ...")
    write_json(folder / HOLDER_FILE, asdict(Holder(socket.gethostname(), os.getpid(), command, time.time())))


def _read_holder(folder: Path) -> Holder | None:
    """Returns None in the instant before the holder has written down who it is."""
    try:
        return Holder(**json.loads((folder / HOLDER_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
