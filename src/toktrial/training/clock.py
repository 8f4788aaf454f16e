"""The clock of a run: what its steps took, and nothing else, whatever the device still has in its queue."""

import time

import torch

from toktrial.training.device import synchronise


class Clock:
    """Adds up the time of the training steps; evaluation and checkpoints stop it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds = 0.0
        self._started = 0.0

    def start(self) -> None:
        synchronise(self._device)
        self._started = time.perf_counter()

    def stop(self) -> None:
        synchronise(self._device)
        self.seconds += time.perf_counter() - self._started
