"""What is said of long work that goes on from where an earlier process left it."""

import pytest

from toktrial.progress import SECONDS_BETWEEN_LINES, Event, progress, telling


def test_the_rate_is_that_of_this_process_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    events: list[Event] = []
    with progress("training btm, seed 1", 10_000, "step", begun=9_000) as shown:
        now[0] += SECONDS_BETWEEN_LINES
        shown.update(9_100)
    with telling(events.append), progress("training btm, seed 1", 10_000, "step", begun=9_000) as shown:
        now[0] += SECONDS_BETWEEN_LINES
        shown.update(9_100)
    assert "91%, 10 s, 90 s to go, 10.0 step/s" in capsys.readouterr().err
    assert events[0]["done"] == 9_000, "so that the table of all jobs counts no step of an earlier process"
    assert events[-1]["per_second"] == pytest.approx(10)
