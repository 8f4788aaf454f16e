"""Lets a run stop at the end of a step when Ctrl-C or SIGTERM asks it to, so that no step is left half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RunStopped(KeyboardInterrupt):
    """Ctrl-C stopped a run, which has written its checkpoint and said how to go on."""


class Interruption:
    """Whether somebody asked the run to stop, and how."""

    signal_number = 0
    """Of the signal that asked; 0 if none has."""

    def leave(self) -> NoReturn:
        """Ends the program as the signal would have: raises RunStopped for Ctrl-C, else SystemExit(128 + signal)."""
        if self.signal_number == signal.SIGINT:
            raise RunStopped
        raise SystemExit(128 + self.signal_number)


@contextmanager
def interruption(repeats_count: bool = True) -> Iterator[Interruption]:
    """Yields what notes a signal. A second one within the block takes effect at once, unless repeats do not count: torchrun
    repeats to its processes a signal that the terminal may have sent them already."""
    asked = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may set handlers; the caller's own stay in place
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _frame: FrameType | None) -> None:
        asked.signal_number = number
        if repeats_count:
            restore()

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield asked
    finally:
        restore()
