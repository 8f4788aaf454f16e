"""Several processes that train one run: the same training as in one, written once, and stopped together."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toktrial.cli import STARTED_BY_TORCHRUN
from toktrial.errors import TrialError
from toktrial.training.config import TrainingConfig
from toktrial.training.distributed import Processes
from toktrial.training.metrics import Metrics, read_metrics

TRIAL = (
    *("--seeds", "1", "--vocab-size", "500", "--tracks.btm.primitive-vocab-size", "400", "--corpus.max-megabytes", "0.3"),
    *("--model.n-layer", "1", "--model.n-head", "2", "--model.width", "32", "--model.context", "32"),
    *("--training.steps", "50", "--training.log-every", "1", "--training.checkpoint-every", "20", "--training.batch-size", "8"),
    *("--training.device", "cpu", "--training.precision", "float32", "--evaluation.eval-documents", "3"),
)
MICRO_BATCHES = ("--training.micro-batch-size", "2")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def start(folder: Path, *more: str, together: bool) -> "subprocess.Popen[str]":
    call = (*(TORCHRUN if together else (sys.executable,)), "-m", "toktrial", "train", "demo", *TRIAL, *more)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*call, "--trial", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def train(folder: Path, *more: str, together: bool) -> str:
    process = start(folder, *more, together=together)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    return said


def without_times(lines: list[Metrics]) -> list[tuple[float, ...]]:
    return [(line.step, line.training_loss, line.bits_per_byte, line.bytes_seen) for line in lines]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "trial"
    train(folder, together=False)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of every eight rows each process has four, in two micro-batches: gradients are exchanged after the second alone."""
    folder = tmp_path_factory.mktemp("together") / "trial"
    said = train(folder, *MICRO_BATCHES, together=True)
    assert said.count("training bpe, seed 1 ...") == 1, "only the first process speaks"
    return folder


def test_two_processes_train_as_one(together: Path, alone: Path) -> None:
    for track in ("bpe", "btm"):
        ours, theirs = (read_metrics(folder / "runs" / track / "seed-1") for folder in (together, alone))
        assert [line.step for line in ours] == [line.step for line in theirs] == list(range(1, 51))
        assert [line.bytes_seen for line in ours] == [line.bytes_seen for line in theirs]
        for our, their in zip(ours, theirs, strict=True):
            assert our.training_loss == pytest.approx(their.training_loss, abs=1e-3)
            assert our.validation_loss == pytest.approx(their.validation_loss, abs=1e-3)
        assert theirs[-1].training_loss < theirs[0].training_loss - 0.3, "or agreeing would say little"
    run = together / "runs" / "btm" / "seed-1"
    assert json.loads((run / "record.json").read_text())["processes"] == 2
    assert {path.name for path in run.iterdir()} == {"manifest.json", "metrics.jsonl", "record.json", "weights.safetensors"}


def test_stopped_together_they_go_on_together(tmp_path: Path, together: Path) -> None:
    """SIGTERM to torchrun, which passes it on: each may get it in another step, and all must stop after the same one."""
    stopped = tmp_path / "stopped"
    shutil.copytree(together, stopped, ignore=shutil.ignore_patterns("runs"))
    process = start(stopped, *MICRO_BATCHES, together=True)
    run = stopped / "runs" / "bpe" / "seed-1"
    deadline = time.monotonic() + 120
    while len(read_metrics(run)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[0]
    assert process.returncode != 0
    assert said.count("the same command goes on from there") == 1, said
    assert "going on from step" in train(stopped, *MICRO_BATCHES, together=True)
    for track in ("bpe", "btm"):
        ours, theirs = (folder / "runs" / track / "seed-1" for folder in (stopped, together))
        assert without_times(read_metrics(ours)) == without_times(read_metrics(theirs))
        assert (ours / "weights.safetensors").read_bytes() == (theirs / "weights.safetensors").read_bytes()


def test_an_error_ends_all_of_them(tmp_path: Path) -> None:
    process = start(tmp_path / "trial", "--training.batch-size", "7", together=True)
    said = process.communicate()[0]
    assert process.returncode != 0
    assert "training.batch_size 7 cannot be shared out evenly among 2 processes" in said


def test_other_commands_refuse_torchrun(tmp_path: Path) -> None:
    call = [sys.executable, "-m", "toktrial", "run", "demo", "--trial", str(tmp_path / "trial")]
    as_torchrun_starts_it = os.environ | {STARTED_BY_TORCHRUN: "some id"}
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=as_torchrun_starts_it)
    assert done.returncode == 2
    assert "torchrun is for training alone" in done.stderr
    assert not (tmp_path / "trial").exists()


@pytest.mark.parametrize(
    ("batch_size", "count", "micro_batch_size"), [(32, 1, 0), (32, 4, 0), (32, 4, 8), (12, 3, 2), (5, 5, 1)]
)
def test_rows_are_shared_out_without_gap_or_overlap(batch_size: int, count: int, micro_batch_size: int) -> None:
    config = TrainingConfig(batch_size=batch_size, micro_batch_size=micro_batch_size)
    rows = [row for rank in range(count) for row in Processes(rank, count).rows(config)]
    assert rows == list(range(batch_size))


@pytest.mark.parametrize(("batch_size", "count", "micro_batch_size"), [(7, 2, 0), (8, 2, 3), (2, 3, 0), (8, 1, 16)])
def test_rows_that_do_not_share_out_are_an_error(batch_size: int, count: int, micro_batch_size: int) -> None:
    config = TrainingConfig(batch_size=batch_size, micro_batch_size=micro_batch_size)
    with pytest.raises(TrialError, match=rf"training\.batch_size {batch_size} cannot be shared out evenly"):
        Processes(0, count).rows(config)
