"""Runs small enough for a test, the evaluator that they are handed, and what they left."""

import os
import socket
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from toktrial.evaluation.bits_per_byte import DocumentScorer, Score
from toktrial.tokens.store import TokenStore
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.loop import train
from toktrial.training.metrics import read_metrics
from toktrial.training.model import GPT
from toktrial.training.run import Run

VOCAB_SIZE = 616  # the tokenizers have 600 entries: some rows have none
MODEL = ModelConfig(n_layer=2, n_head=2, width=32, context=32)
TRAINING = TrainingConfig(
    batch_size=4,
    steps=30,
    learning_rate=3e-3,
    warmup_steps=5,
    schedule="cosine",
    log_every=7,
    checkpoint_every=10,
    device="cpu",
    precision="float32",
)
FILES_AT_THE_END = {"manifest.json", "metrics.jsonl", "record.json", "weights.safetensors"}
TIMES = ("timestamp", "training_seconds", "evaluation_seconds")


class Evaluator:
    """Scores four documents, as `trial.py` has it done, and remembers what it saw of the model. May fail, and be slow."""

    def __init__(self, run: Run, fails_at: int = 0, seconds: float = 0.0) -> None:
        store = TokenStore.open(run.tokens_folder)
        self._scorer = DocumentScorer(store.validation, store.entry_bytes, run.model.context, run.vocab_size, 4)
        self._ids = torch.from_numpy(store.validation.ids[:20].astype("int64"))[None]
        self._fails_at, self._seconds = fails_at, seconds
        self.scores: list[Score] = []
        self.logits = torch.zeros(0)

    def __call__(self, model: GPT) -> Score:
        if len(self.scores) + 1 == self._fails_at:
            raise RuntimeError("the evaluator fails")
        time.sleep(self._seconds)
        self.logits = self.logits_of(model)
        self.scores.append(self._scorer.score(model))
        return self.scores[-1]

    def logits_of(self, model: GPT) -> torch.Tensor:
        with torch.inference_mode():
            return model(self._ids).clone()  # type: ignore[no-any-return]


@dataclass
class Trained:
    """A finished run, and what its evaluator saw."""

    run: Run
    evaluator: Evaluator
    wall_seconds: float


def run_in(folder: Path, tokens_folder: Path, seed: int = 1, **training: Any) -> Run:
    return Run("bpe", seed, VOCAB_SIZE, MODEL, replace(TRAINING, **training), tokens_folder, folder)


def interrupt(run: Run, evaluation: int) -> None:
    """Trains until the `evaluation`-th evaluation, which fails."""
    with pytest.raises(RuntimeError, match="the evaluator fails"):
        train(run, Evaluator(run, fails_at=evaluation))


def metrics_of(folder: Path) -> list[dict[str, Any]]:
    """A run's metrics without times."""
    lines = [asdict(line) for line in read_metrics(folder)]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


def weights_of(folder: Path) -> bytes:
    return (folder / "weights.safetensors").read_bytes()


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*"))


def assert_equal_runs(folder: Path, expected: Path) -> None:
    """Two finished runs' folders hold the same files, weights and metrics, times aside."""
    assert metrics_of(folder) == metrics_of(expected)
    assert weights_of(folder) == weights_of(expected)
    assert {path.name for path in folder.iterdir()} == {path.name for path in expected.iterdir()}
    assert files_but_the_last_checkpoint(folder) == FILES_AT_THE_END


def files_but_the_last_checkpoint(folder: Path) -> set[str]:
    """A longer training goes on from the last checkpoint, which therefore stays where the schedule is constant."""
    return {path.name for path in folder.iterdir()} - {path.name for path in checkpoints(folder)[-1:]}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def overwrite(path: Path) -> None:
    path.write_bytes(b"Once upon a time, this was a file. " * 100)
