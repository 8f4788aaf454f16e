"""Attempts at a job: what one that only seems dead still writes damages nothing, and no accepted result is lost."""

import errno
import os
from pathlib import Path

import pytest

from toktrial import artifact
from toktrial.execution import attempts

RUN = "runs/bpe/seed-1"
JOB = f"train/{RUN}"


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """A folder with a protocol, a finished stage and a finished run."""
    folder = tmp_path / "trial"
    for stage in ("tokens/bpe", "runs/bpe/seed-2"):
        with artifact.publish(folder / stage, stage, {}) as partial:
            (partial / "file").write_text(stage)
    (folder / "protocol.toml").write_text("seeds = 2\n")
    (folder / ".lock").touch()
    return folder


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        with artifact.publish_file(folder / name.replace("__", ".").replace("_", "-")) as partial:
            partial.write_text(text)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_an_attempt_sees_the_trial_and_writes_beside_it(trial: Path) -> None:
    own = attempts.begin(trial, JOB, "one", RUN)
    assert (own / "protocol.toml").read_text() == "seeds = 2\n"
    assert (own / "tokens" / "bpe" / "file").read_text() == "tokens/bpe"
    assert (own / RUN).parent.is_dir() and not (own / RUN).exists()
    assert not (own / "runs" / "bpe" / "seed-2").exists(), "no run reads another"
    assert not (own / ".lock").exists(), "each has a lock of its own"
    write(own / RUN, weights="trained")
    assert not (trial / RUN).exists()


def test_a_tuning_run_sees_what_is_beside_the_tuning_runs(trial: Path) -> None:
    write(trial / "tuning" / "tokens" / "bpe", file="parted")
    place = "tuning/runs/bpe/rate-0.001/seed-1000001"
    own = attempts.begin(trial, f"tune/{place}", "one", place)
    assert (own / "tuning" / "tokens" / "bpe" / "file").read_text() == "parted"
    assert (own / place).parent.is_dir() and (own / "runs" / "bpe" / "seed-2" / "file").exists()


def test_it_begins_with_what_the_furthest_attempt_has_left(trial: Path) -> None:
    for attempt, step in (("one", 200), ("two", 1000), ("three", 300)):
        own = attempts.begin(trial, JOB, attempt, RUN, goes_on=False)
        write(own / RUN, **{f"checkpoint_{step:09d}__pt": attempt, "metrics__jsonl": attempt})
    own = attempts.begin(trial, JOB, "four", RUN)
    assert texts(own / RUN) == {"checkpoint-000001000.pt": "two", "metrics.jsonl": "two"}
    write(attempts.view(trial, JOB, "one") / RUN, manifest__json="it is finished")
    own = attempts.begin(trial, JOB, "five", RUN)
    assert texts(own / RUN)["metrics.jsonl"] == "one"
    own = attempts.begin(trial, f"evaluate/{RUN}", "six", RUN)
    assert not (own / RUN).exists(), "attempts at another job say nothing"


def test_what_a_cut_off_node_writes_later_is_nobodys(trial: Path) -> None:
    lost = attempts.begin(trial, JOB, "lost", RUN)
    write(lost / RUN, checkpoint_000000100__pt="of the lost one", metrics__jsonl="100\n")
    other = attempts.begin(trial, JOB, "other", RUN)
    write(lost / RUN, checkpoint_000000100__pt="written again", checkpoint_000000200__pt="of the lost one")
    write(other / RUN, checkpoint_000000200__pt="of the other", metrics__jsonl="100\n200\n")
    assert (other / RUN / "checkpoint-000000100.pt").read_text() == "of the lost one"
    attempts.accept(trial, JOB, "other", RUN)
    accepted = texts(trial / RUN)
    assert accepted["checkpoint-000000200.pt"] == "of the other"
    write(lost / RUN, weights="too late", checkpoint_000000200__pt="too late")
    assert texts(trial / RUN) == accepted


def test_a_kill_while_a_result_is_accepted_loses_nothing(trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with artifact.publish(trial / RUN, "a shorter run", {}) as partial:
        (partial / "weights").write_text("of a shorter run")
    own = attempts.begin(trial, JOB, "one", RUN)
    write(own / RUN, weights="of a longer run")
    with monkeypatch.context() as patched:
        patched.setattr(artifact, "sync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            attempts.accept(trial, JOB, "one", RUN)
    assert texts(trial / RUN)["weights"] == "of a shorter run"
    attempts.accept(trial, JOB, "one", RUN)
    assert texts(trial / RUN)["weights"] == "of a longer run"
    attempts.clear(trial)
    assert not list(trial.glob(".attempts*"))


def test_it_works_where_no_file_can_have_two_names(trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    own = attempts.begin(trial, f"evaluate/{RUN}", "one", "runs/bpe/seed-2", goes_on=False)
    assert texts(own / "runs/bpe/seed-2") == texts(trial / "runs/bpe/seed-2")
