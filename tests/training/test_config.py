"""What follows from the settings: each step's learning rate, budgets in steps, and the shape of tracks that read alike."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.finished_run import open_finished_run
from toktrial.protocol import Protocol
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.training.config import ModelConfig, TrainingConfig, learning_rate, matched_shape, steps_of
from toktrial.training.run import Run
from toktrial.trial import Trial

Schedule = Literal["constant", "cosine", "linear"]
SCHEDULES: tuple[Schedule, ...] = ("constant", "cosine", "linear")


def config_of(schedule: Schedule, warmup_steps: int = 10, peak: float = 2.0, share: float = 0.1) -> TrainingConfig:
    return TrainingConfig(learning_rate=peak, warmup_steps=warmup_steps, schedule=schedule, final_learning_rate_share=share)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_rises_from_zero_to_the_peak(schedule: Schedule) -> None:
    config = config_of(schedule)
    assert [learning_rate(step, 110, config) for step in (1, 2, 5, 10)] == pytest.approx([0.2, 0.4, 1.0, 2.0])


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [2.0, 2.0, 2.0, 2.0, 2.0]),
        ("linear", [2.0 - 1.8 / 100, 1.55, 1.1, 0.65, 0.2]),
        ("cosine", [1.1 + 0.9 * c for c in (math.cos(math.pi / 100), math.sqrt(0.5), 0, -math.sqrt(0.5), -1)]),
    ],
)
def test_after_the_warm_up(schedule: Schedule, expected: list[float]) -> None:
    config = config_of(schedule)
    assert [learning_rate(step, 110, config) for step in (11, 35, 60, 85, 110)] == pytest.approx(expected)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_warm_up_the_first_step_is_past_it(schedule: Schedule) -> None:
    assert learning_rate(1, 1000, config_of(schedule, warmup_steps=0)) == pytest.approx(2.0, rel=1e-2)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_run_shorter_than_its_warm_up_never_reaches_the_peak(schedule: Schedule) -> None:
    assert learning_rate(5, 5, config_of(schedule)) == pytest.approx(1.0)


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(data=st.data())
def test_rises_then_never_rises_again_and_is_never_negative(schedule: Schedule, data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, 300))
    warmup_steps = data.draw(st.integers(0, 320))
    peak = data.draw(st.floats(0, 10))
    share = data.draw(st.floats(0, 1))
    config = config_of(schedule, warmup_steps, peak, share)
    rates = [learning_rate(step, steps, config) for step in range(1, steps + 1)]
    rising, falling = rates[:warmup_steps], rates[max(0, warmup_steps - 1) :]
    slack = 1e-12 * peak
    assert all(0 <= rate <= peak + slack for rate in rates)
    assert all(a <= b for a, b in itertools.pairwise(rising))
    assert all(a >= b - slack for a, b in itertools.pairwise(falling))
    if schedule != "constant" and steps > warmup_steps:
        assert rates[-1] == pytest.approx(share * peak, abs=slack)


@pytest.mark.parametrize(
    ("epochs", "epoch_tokens", "expected"),
    [(0.0, 1000, 30), (1.0, 1280, 10), (2.5, 1280, 25), (1.0, 1343, 10), (1.0, 1345, 11), (0.001, 1280, 1)],
)
def test_steps_of_a_budget(epochs: float, epoch_tokens: int, expected: int) -> None:
    assert steps_of(TrainingConfig(batch_size=4, steps=30, epochs=epochs), epoch_tokens, 32) == expected


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
