"""What is said of jobs that are done at the same time, and of a run that goes on from a checkpoint."""

import pytest

from toktrial.execution.progress_of_jobs import ProgressOfJobs
from toktrial.progress import SECONDS_BETWEEN_LINES, Snapshot


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the clock shows, to be set."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def snapshot(done: float, per_second: float = 1.0) -> Snapshot:
    return Snapshot("training btm, seed 1", 100, "step", done, per_second, "")


def test_what_is_heard_of_a_finished_job_brings_it_not_back(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = ProgressOfJobs("training, 2 at once", 3)
    shown.update(0, snapshot(0))
    shown.update(1, snapshot(0))
    shown.finish(0)
    shown.update(0, snapshot(100))  # from another machine, told before its result and heard after it
    clock[0] += SECONDS_BETWEEN_LINES
    shown.update(1, snapshot(50))
    line = capsys.readouterr().err
    assert line == "training, 2 at once: 1 of 3 done, 0:00:10 to go; btm, seed 1 50 of 100 1.0 step/s\n"


def test_a_job_that_goes_on_is_not_taken_to_have_done_it_all_just_now(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = ProgressOfJobs("training", 1)
    shown.update(0, snapshot(80))
    clock[0] += SECONDS_BETWEEN_LINES
    shown.update(0, snapshot(90))
    assert "0 of 1 done, 0:00:10 to go" in capsys.readouterr().err
