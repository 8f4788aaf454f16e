"""The clock of a run: what its steps took, and nothing else, whatever the device still has in its queue.

It also knows how long the steps stood in a queue for the CPU, which tells whether other work shared it.
"""

import time
from contextlib import suppress
from pathlib import Path

import torch

from toktrial.training.device import synchronise

THREADS_OF_THIS_PROCESS = Path("/proc/self/task")
# Of the threads' time. On two cores an otherwise idle machine shows 0.004 to 0.02, one other busy process 0.35, two 0.50.
LARGEST_WAITED_SHARE = 0.1


class Clock:
    """Adds up the time of the training steps; evaluation and checkpoints stop it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds = 0.0
        self.waited_seconds = 0.0
        """Of all threads together, for a core of the CPU; 0 where the system does not tell."""
        self._started = 0.0
        self._waited_before = 0.0

    def start(self) -> None:
        synchronise(self._device)
        self._waited_before = _waited_seconds() or 0.0
        self._started = time.perf_counter()

    def stop(self) -> None:
        synchronise(self._device)
        self.seconds += time.perf_counter() - self._started
        self.waited_seconds += max(0.0, (_waited_seconds() or 0.0) - self._waited_before)  # less where a thread has ended

    def waited_share(self) -> float | None:
        """Returns the share of the threads' time that they waited for a core: of what training on a CPU took.

        None where that says nothing of a shared device: on another device, and where the system does not tell.
        """
        if self._device.type != "cpu" or _waited_seconds() is None:
            return None
        return self.waited_seconds / (self.seconds * torch.get_num_threads()) if self.seconds else 0.0


def _waited_seconds() -> float | None:
    """Returns how long this process's threads have waited for a core so far, all together; None where nothing tells.

    Source: Linux's /proc/PID/task/TID/schedstat, whose second figure are nanoseconds (Documentation/scheduler/sched-stats).
    """
    if not THREADS_OF_THIS_PROCESS.is_dir():
        return None
    waited = []
    for thread in THREADS_OF_THIS_PROCESS.iterdir():
        with suppress(OSError):  # the thread has just ended, or this Linux keeps no such figures
            waited.append(int((thread / "schedstat").read_text().split()[1]))
    return sum(waited) / 1e9 if waited else None
