"""A run that goes on: from a checkpoint, a damaged one, or wherever it was killed, no interruption shows in its result."""

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from toktrial.errors import TrialError
from toktrial.evaluation.bits_per_byte import Score
from toktrial.training.loop import train
from toktrial.training.metrics import read_metrics
from toktrial.training.model import GPT

from .small_runs import (
    Evaluator,
    Trained,
    assert_equal_runs,
    checkpoints,
    cut,
    empty,
    flip_a_bit,
    interrupt,
    metrics_of,
    overwrite,
    run_in,
    weights_of,
)

if TYPE_CHECKING:
    from tests.training.conftest import Children


LATER = ("compiled", "waited_seconds", "precision", "device_name", "sum_before")  # what checkpoints have not always held

# Going on


def test_the_last_two_checkpoints_are_kept_while_it_trains(tmp_path: Path, tokens: Path) -> None:
    run = run_in(tmp_path / "run", tokens, checkpoint_every=3)
    interrupt(run, 4)
    assert [path.name for path in checkpoints(run.folder)] == ["checkpoint-000000015.pt", "checkpoint-000000018.pt"]


def test_a_failed_run_goes_on_from_its_checkpoint_and_ends_alike(
    tmp_path: Path, tokens: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_in(tmp_path / "run", tokens)
    interrupt(run, 5)
    assert [line["step"] for line in metrics_of(run.folder)] == [0, 7, 14, 21]
    evaluator = Evaluator(run)
    train(run, evaluator)
    assert "bpe, seed 1: going on from step 20" in capsys.readouterr().err
    assert len(evaluator.scores) == 3
    assert_equal_runs(run.folder, trained.run.folder)
    seconds = [line.training_seconds for line in read_metrics(run.folder)]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("damage", [flip_a_bit, cut, empty, overwrite])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, tokens: Path, trained: Trained, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None]
) -> None:
    run = run_in(tmp_path / "run", tokens)
    interrupt(run, 5)
    older, newest = checkpoints(run.folder)
    damage(newest)
    train(run, Evaluator(run))
    said = capsys.readouterr().err
    assert f"{newest} is damaged" in said
    assert str(older) not in said
    assert "going on from step 10" in said
    assert_equal_runs(run.folder, trained.run.folder)


def change_newest_checkpoint(folder: Path, **values: object) -> None:
    path = checkpoints(folder)[-1]
    torch.save(torch.load(path, weights_only=True) | values, path)


def test_what_may_change_the_last_bits_of_a_run_that_goes_on_is_said(
    tmp_path: Path, tokens: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_in(tmp_path / "run", tokens)
    interrupt(run, 4)
    change_newest_checkpoint(run.folder, threads=2, compiled=True)
    train(run, Evaluator(run))
    said = capsys.readouterr().err
    assert "bpe, seed 1: trained with threads = 2 before and 1 from now on: the last bits may differ" in said
    assert "bpe, seed 1: trained with compiled = True before and False from now on: the last bits may differ" in said


def test_a_run_that_goes_on_in_another_precision_says_so_in_its_record_and_has_no_seconds(
    tmp_path: Path, tokens: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_in(tmp_path / "run", tokens)
    interrupt(run, 4)
    change_newest_checkpoint(run.folder, precision="bfloat16")
    train(run, Evaluator(run))
    assert "trained with precision = bfloat16 before and float32 from now on" in capsys.readouterr().err
    record = json.loads((run.folder / "record.json").read_text())
    assert (record["precision"], record["shared_device"]) == ("bfloat16, then float32", True)
    assert ", then " not in record["device_name"]


def test_a_checkpoint_of_an_earlier_version_is_gone_on_from(tmp_path: Path, tokens: Path, trained: Trained) -> None:
    run = run_in(tmp_path / "run", tokens)
    interrupt(run, 4)
    path = checkpoints(run.folder)[-1]
    state = torch.load(path, weights_only=True)
    torch.save({name: value for name, value in state.items() if name not in LATER}, path)
    train(run, Evaluator(run))
    assert_equal_runs(run.folder, trained.run.folder)


@pytest.mark.parametrize("damaged", ["{", "[]", "{}", '{"step": 7}', "\udcff"])
def test_a_damaged_line_of_metrics_is_an_error_that_names_it(tmp_path: Path, tokens: Path, damaged: str) -> None:
    run = run_in(tmp_path / "run", tokens)
    interrupt(run, 5)
    path = run.folder / "metrics.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], damaged.encode(errors="surrogateescape"), *lines[2:]]))
    with pytest.raises(TrialError, match=rf"metrics\.jsonl is damaged at line 2 \(.*\): delete .*{run.folder.name} and run"):
        train(run, Evaluator(run))


def test_with_every_checkpoint_damaged_it_begins_anew(
    tmp_path: Path, tokens: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_in(tmp_path / "run", tokens)
    interrupt(run, 5)
    for path in checkpoints(run.folder):
        cut(path)
    train(run, Evaluator(run))
    said = capsys.readouterr().err
    assert said.count("is damaged") == 2
    assert "going on from step" not in said
    assert_equal_runs(run.folder, trained.run.folder)


def test_a_checkpoint_of_other_settings_is_not_gone_on_from(
    tmp_path: Path, tokens: Path, trained: Trained, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(run_in(tmp_path / "run", tokens, learning_rate=1e-3), 5)
    run = run_in(tmp_path / "run", tokens)
    train(run, Evaluator(run))
    assert "going on" not in capsys.readouterr().err
    assert_equal_runs(run.folder, trained.run.folder)


def test_a_finished_run_of_other_settings_is_trained_again(tmp_path: Path, tokens: Path, trained: Trained) -> None:
    shutil.copytree(trained.run.folder, tmp_path / "run")
    run = run_in(tmp_path / "run", tokens, steps=5)
    train(run, Evaluator(run))
    assert [line["step"] for line in metrics_of(run.folder)] == [0, 5]
    assert weights_of(run.folder) != weights_of(trained.run.folder)


# Being killed


MOMENTS = (
    "in an evaluation",
    "a line is half written",
    "a line is written",
    "a checkpoint is half written",
    "a checkpoint is written",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tokens: Path, children: "Children") -> Path:
    """The folder of a run that no signal disturbed, trained in such a process."""
    run = run_in(tmp_path_factory.mktemp("undisturbed") / "run", tokens)
    code, said = children.train(run)
    assert code == 0, said
    return run.folder


@pytest.mark.parametrize(
    ("moment", "count", "goes_on_from"),
    [
        ("in an evaluation", 1, 0),
        ("in an evaluation", 2, 0),
        ("in an evaluation", 4, 20),
        ("a line is half written", 1, 0),
        ("a line is half written", 5, 20),
        ("a line is written", 1, 0),
        ("a line is written", 3, 10),
        ("a line is written", 6, 20),
        ("a checkpoint is half written", 1, 0),
        ("a checkpoint is half written", 3, 20),
        ("a checkpoint is written", 1, 10),
        ("a checkpoint is written", 3, 30),
        ("the weights are half published", 1, 30),
    ],
)
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(
    tmp_path: Path, tokens: Path, children: "Children", undisturbed: Path, moment: str, count: int, goes_on_from: int
) -> None:
    run = run_in(tmp_path / "run", tokens)
    assert children.train(run, moment, count)[0] == -signal.SIGKILL
    assert not (run.folder / "manifest.json").exists()
    code, said = children.train(run)
    assert code == 0, said
    assert (f"going on from step {goes_on_from}\n" in said) if goes_on_from else ("going on from" not in said)
    assert_equal_runs(run.folder, undisturbed)


def test_killed_after_its_manifest_it_is_finished_and_leaves_nothing_over(
    tmp_path: Path, tokens: Path, children: "Children", undisturbed: Path
) -> None:
    run = run_in(tmp_path / "run", tokens)
    assert children.train(run, "the manifest is written", 3)[0] == -signal.SIGKILL  # before it the record, twice
    assert children.train(run, "in an evaluation", 1) == (0, ""), "a finished run is not trained again"
    assert_equal_runs(run.folder, undisturbed)


def test_killed_again_and_again_it_ends_alike(tmp_path: Path, tokens: Path, children: "Children", undisturbed: Path) -> None:
    run = run_in(tmp_path / "run", tokens)
    moments = [("a checkpoint is written", 1), ("a line is half written", 1), ("a line is written", 2), ("in an evaluation", 2)]
    for moment, count in moments:
        assert children.train(run, moment, count)[0] == -signal.SIGKILL
    assert children.train(run)[0] == 0
    assert_equal_runs(run.folder, undisturbed)


def test_killed_twenty_times_it_ends_alike(tmp_path: Path, tokens: Path, children: "Children") -> None:
    """Half of the kills fall on moments that are easily got wrong, half come from outside at any moment."""
    settings = {"steps": 200, "log_every": 4, "checkpoint_every": 3}
    undisturbed = run_in(tmp_path / "undisturbed", tokens, **settings)
    assert children.train(undisturbed)[0] == 0
    run = run_in(tmp_path / "run", tokens, **settings)
    dice = random.Random(4)
    for kill in range(20):
        if kill % 2:
            assert children.train(run, dice.choice(MOMENTS), dice.randint(1, 2))[0] == -signal.SIGKILL
        else:
            (child,) = children.start(run)
            time.sleep(dice.uniform(0.0, 0.15))
            os.kill(child, signal.SIGKILL)
            assert children.wait()[0] == [-signal.SIGKILL]
    assert children.train(run)[0] == 0
    assert_equal_runs(run.folder, undisturbed.folder)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_stop_it_writes_a_checkpoint_first(
    tmp_path: Path, tokens: Path, children: "Children", undisturbed: Path, number: int, exit_code: int
) -> None:
    run = run_in(tmp_path / "run", tokens)
    code, said = children.train(run, "in an evaluation", 3, number)
    assert code == exit_code
    assert "stopped after step 14" in said
    assert [path.name for path in checkpoints(run.folder)] == ["checkpoint-000000010.pt", "checkpoint-000000014.pt"]
    code, said = children.train(run)
    assert code == 0
    assert "going on from step 14" in said
    assert_equal_runs(run.folder, undisturbed)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_told_to_stop_during_the_last_step_it_finishes_and_stops(
    tmp_path: Path, tokens: Path, children: "Children", undisturbed: Path, number: int, exit_code: int
) -> None:
    run = run_in(tmp_path / "run", tokens)
    assert children.train(run, "in an evaluation", 6, number)[0] == exit_code
    assert_equal_runs(run.folder, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_from_outside_stops_it_and_it_goes_on(
    tmp_path: Path, tokens: Path, children: "Children", undisturbed: Path, number: int
) -> None:
    run = run_in(tmp_path / "run", tokens)
    (child,) = children.start(run, "never, but it waits in an evaluation", 4)
    deadline = time.monotonic() + 60
    while len(read_metrics(run.folder)) < 3 and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(child, number)
    codes, _ = children.wait()
    assert codes == [{signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGKILL: -9}[signal.Signals(number)]]
    assert not (run.folder / "weights.safetensors").exists()
    code, said = children.train(run)
    assert code == 0
    assert "going on from step" in said
    assert_equal_runs(run.folder, undisturbed)


def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path, tokens: Path) -> None:
    run = run_in(tmp_path / "run", tokens)
    reached: list[str] = []

    def evaluate(model: GPT) -> Score:
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the first")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("after the second")
        return Evaluator(run)(model)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(run, evaluate)
    assert reached == ["after the first"]
    assert signal.getsignal(signal.SIGINT) is before
