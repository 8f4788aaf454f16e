"""A run whose steps are compiled: it repeats bitwise, whatever interrupts it; and processes compile all or none."""

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.metrics import read_metrics
from toktrial.training.run import Run

from .small_runs import assert_equal_runs

if TYPE_CHECKING:
    from tests.training.conftest import Children

MODEL = ModelConfig(n_layer=1, n_head=2, width=32, context=32)
TRAINING = TrainingConfig(
    batch_size=4,
    steps=12,
    learning_rate=3e-3,
    warmup_steps=2,
    log_every=3,
    checkpoint_every=4,
    device="cpu",
    precision="float32",
    compile="on",
)


pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")


def test_a_compiled_run_repeats_bitwise_however_often_it_is_killed(
    tmp_path: Path, story_tokens: dict[str, Path], children: "Children"
) -> None:
    """Three processes: one trains undisturbed, one is killed when its second checkpoint is written, one goes on from that."""
    undisturbed, killed = (Run("bpe", 1, 616, MODEL, TRAINING, story_tokens["bpe"], tmp_path / name) for name in ("1", "2"))
    code, said = children.train(undisturbed)
    assert code == 0, said
    assert json.loads((undisturbed.folder / "record.json").read_text())["compiled"] is True, said
    assert children.train(killed, "a checkpoint is written", 2)[0] == -signal.SIGKILL
    code, said = children.train(killed)
    assert code == 0, said
    assert "going on from step 8\n" in said
    assert_equal_runs(killed.folder, undisturbed.folder)
    assert [line.step for line in read_metrics(killed.folder)] == [0, 3, 6, 9, 12]


def test_where_one_process_cannot_compile_none_does(
    tmp_path: Path, story_tokens: dict[str, Path], children: "Children"
) -> None:
    """Each has as many rows as the run above, whose kernels the first one finds in torch's cache."""
    together = replace(TRAINING, batch_size=8)
    runs = {
        compiled: Run("bpe", 1, 616, MODEL, replace(together, compile=compiled), story_tokens["bpe"], tmp_path / compiled)
        for compiled in ("on", "off")
    }
    code, said = children.train(runs["on"], processes=2, without_compiler=1)
    assert code == 0, said
    assert said.count("training uncompiled: torch.compile does not work here (") == 1
    assert json.loads((runs["on"].folder / "record.json").read_text())["compiled"] is False
    assert children.train(runs["off"], processes=2)[0] == 0
    weights = [(run.folder / "weights.safetensors").read_bytes() for run in runs.values()]
    assert weights[0] == weights[1]
