"""The learning rate by hand at chosen steps, and what holds at every step."""

import itertools
import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.training.config import TrainingConfig
from toktrial.training.schedule import learning_rate

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
