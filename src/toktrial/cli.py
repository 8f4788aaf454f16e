"""The command line: does what was typed, by way of commands/, and turns what went wrong into a message and an exit status."""

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from toktrial import commands, progress
from toktrial.errors import describe_error
from toktrial.lock import TrialBusyError, is_follower
from toktrial.training.interrupt import RunStopped

STATUSES = {commands.CallError: 2, TrialBusyError: 3}  # of the errors that a program may want to tell from others


class _Terminated(SystemExit):
    """SIGTERM ends the program."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command. Exits with 1 for an error that the user can mend, 2 for a wrong call, 3 where another process writes
    the trial, 130 for Ctrl-C and 143 for SIGTERM.

    Exits silently with 141 where the reader of a pipe wants no more output (`| head`), like programs that SIGPIPE ends.
    """
    with _sigterm_is_said():
        _main(arguments)


def _main(arguments: Sequence[str] | None) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that is not UTF-8 gets an escape for what it cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            commands.execute(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()  # so that a failure to write shows here, not when Python ends
    except BrokenPipeError:
        _discard_output()
        raise SystemExit(128 + signal.SIGPIPE) from None
    except Exception as error:
        message = describe_error(error)
        if message is None:
            raise
        _fail(message, next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 1))
    except RunStopped:
        raise SystemExit(130) from None
    except KeyboardInterrupt:
        _say_how_to_go_on("interrupted")
        raise SystemExit(130) from None
    except _Terminated:
        _say_how_to_go_on("stopped by SIGTERM")
        raise


@contextmanager
def _sigterm_is_said() -> Iterator[None]:
    """Makes SIGTERM end the block as Ctrl-C would: with a word, and with what clears up. A second one ends it at once."""

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise _Terminated(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_how_to_go_on(what_happened: str) -> None:
    if not is_follower():
        progress.print_line(f"{what_happened}; the same command will continue from what is finished")


def _discard_output() -> None:
    """Lets Python, when it ends, flush what is left of output that nobody reads to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _fail(message: str, code: int = 1) -> NoReturn:
    progress.print_line(f"toktrial: {message}")
    raise SystemExit(code)
