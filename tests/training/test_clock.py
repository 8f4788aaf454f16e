"""The clock: it runs between start and stop alone, and says nothing of other work where it cannot know."""

import time
from pathlib import Path

import pytest
import torch

from toktrial.training import clock
from toktrial.training.clock import Clock


def test_it_adds_up_what_lies_between_start_and_stop() -> None:
    measured = Clock(torch.device("cpu"))
    started = time.perf_counter()
    for _ in range(3):
        measured.start()
        time.sleep(0.02)
        measured.stop()
        time.sleep(0.05)
    assert 0.06 <= measured.seconds < time.perf_counter() - started - 0.15 + 0.01


def test_sleeping_is_not_waiting_for_a_core() -> None:
    measured = Clock(torch.device("cpu"))
    measured.start()
    time.sleep(0.3)
    measured.stop()
    assert measured.waited_seconds < 0.3 * torch.get_num_threads()
    assert measured.seconds >= 0.3


def test_it_does_not_guess(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Clock(torch.device("meta")).waited_share() is None, "on another device the CPU's queue says nothing"
    monkeypatch.setattr(clock, "THREADS_OF_THIS_PROCESS", tmp_path / "missing")
    measured = Clock(torch.device("cpu"))
    measured.start()
    measured.stop()
    assert measured.waited_share() is None
    assert measured.seconds > 0
