"""Steps of equal bytes: the shape of a track by arithmetic, and a real trial whose tracks read alike."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.finished_run import open_finished_run
from toktrial.protocol import Protocol
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.matching import matched_shape
from toktrial.training.run import Run
from toktrial.trial import Trial


@given(st.integers(4, 512).map(lambda half: 2 * half), st.integers(1, 64), st.floats(0.3, 4), st.integers(0, 4))
def test_bytes_of_a_step_are_as_near_as_rows_allow(context: int, rows: int, ratio: float, micro: int) -> None:
    micro = micro if micro and rows % micro == 0 else 0
    model, training = matched_shape(
        ModelConfig(context=context), TrainingConfig(batch_size=rows, micro_batch_size=micro), ratio
    )
    asked, got = rows * context, training.batch_size * model.context * ratio
    assert abs(got - asked) <= model.context * ratio / 2 + 1e-6 or training.batch_size == 1
    assert abs(model.context * ratio - context) <= ratio + 1e-6 or model.context == 2
    assert model.context % 2 == 0
    assert not micro or training.batch_size % training.micro_batch_size == 0


def test_tokens_of_equal_length_change_nothing() -> None:
    model, training = ModelConfig(context=64), TrainingConfig(batch_size=12, micro_batch_size=4)
    assert matched_shape(model, training, 1.0) == (model, training)


def test_a_run_in_equal_tokens_keeps_the_fingerprint_that_it_always_had() -> None:
    run = Run("bpe", 1, 500, ModelConfig(), TrainingConfig(), Path("tokens"), Path("run"))
    assert run.fingerprint("tokens") == "f68e82264163fe5979e93196fa5f62d9a3a5aa76dab0f4ee84fe46a0cd19a86f"
    assert replace(run, training=TrainingConfig(match="bytes")).fingerprint("tokens") == run.fingerprint("tokens")


def test_a_trial_of_equal_bytes(tmp_path: Path, tiny_protocol: Protocol) -> None:
    plan = replace(
        tiny_protocol,
        seeds=1,
        vocab_size=1500,
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=400)},
        training=replace(tiny_protocol.training, match="bytes", batch_size=8),
    )
    trial = Trial(tmp_path / "tiny", plan)
    results = trial.report()
    bpe, btm = (results.tracks[track] for track in ("bpe", "btm"))
    assert btm.context < bpe.context == plan.model.context
    assert btm.final.bytes_seen == pytest.approx(bpe.final.bytes_seen, rel=0.08)
    assert btm.final.flops and bpe.final.flops and btm.final.flops < bpe.final.flops
    assert any("matched in bytes of text" in note for note in results.notes)
    assert "after equal steps and so equal bytes of text, but for rounding" in results.verdict.criterion
    opened = open_finished_run(trial.folder / "runs/btm/seed-1")
    assert opened.model.wpe.weight.shape[0] == btm.context
    assert json.loads((opened.run.folder / "record.json").read_text())["context"] == btm.context
