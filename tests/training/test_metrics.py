"""What a run writes about itself: the clock's time, which runs only between start and stop, and the commit of its code."""

import subprocess
import time
from pathlib import Path

import pytest
import torch

from toktrial.training import metrics
from toktrial.training.metrics import Clock, source_commit


def test_the_clock_adds_up_what_lies_between_start_and_stop() -> None:
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


def test_a_lap_ends_after_its_seconds_and_counts_its_own_waits_alone() -> None:
    measured = Clock(torch.device("cpu"))
    measured.waited_seconds, measured.seconds = 1000.0, 1000.0  # of a run that goes on
    measured.start()
    assert measured.lap(0.05) is None
    time.sleep(0.06)
    cores = measured.lap(0.05)
    assert cores is None or 0 <= cores < torch.get_num_threads(), "None where the system does not tell"
    assert measured.lap(0.05) is None, "the next lap has only just begun"


def test_the_clock_does_not_guess(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Clock(torch.device("meta")).waited_share() is None, "on another device the CPU's queue says nothing"
    monkeypatch.setattr(metrics, "THREADS_OF_THIS_PROCESS", tmp_path / "missing")
    measured = Clock(torch.device("cpu"))
    measured.start()
    measured.stop()
    assert measured.waited_share() is None
    assert measured.seconds > 0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    try:
        for command in (["init", "-q"], ["add", "package"], ["commit", "-q", "-m", "First"]):
            subprocess.run([*git, *command], check=True)
    except OSError:
        pytest.skip("there is no git here")
    return folder


def test_it_is_the_commit_of_the_checkout(checkout: Path) -> None:
    head = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert source_commit(checkout) == head.stdout.strip()


def test_changed_files_are_said(checkout: Path) -> None:
    (checkout / "__init__.py").write_text("changed = True")
    commit = source_commit(checkout)
    assert commit is not None
    assert commit.endswith("-dirty")


def test_a_package_within_another_project_has_no_commit(checkout: Path) -> None:
    installed = checkout / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert source_commit(installed) is None


def test_outside_a_checkout_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    assert source_commit(tmp_path) is None
