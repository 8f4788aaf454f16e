"""The watch over losses: means and checks are those of all steps since the last line, however few losses it may keep."""

import math
from collections.abc import Sequence

import pytest
import torch

from toktrial.training import divergence
from toktrial.training.distributed import processes
from toktrial.training.divergence import FailedStepError, LossWatch

LOSSES = [2.0, 1.5, 1.0, 0.5, 0.75, 0.25, 1.25]
LOG_EVERY = 7


@pytest.fixture(params=[1, 2, 3, 7, 100])
def watch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> LossWatch:
    monkeypatch.setattr(divergence, "MOST_KEPT", request.param)
    return LossWatch(16, LOG_EVERY, processes(), torch.device("cpu"))


def note_all(watch: LossWatch, losses: Sequence[float], first: int = 1, norm: float = 1.0) -> None:
    for step, loss in enumerate(losses, first):
        watch.note(step, torch.tensor(loss), torch.tensor(norm))


def test_the_mean_is_of_all_steps_since_the_last_line(watch: LossWatch) -> None:
    note_all(watch, LOSSES)
    assert watch.mean(7) == pytest.approx(sum(LOSSES) / 7, rel=1e-6)
    note_all(watch, LOSSES[:3], first=8)
    assert watch.mean(10) == pytest.approx(1.5, rel=1e-6), "a last line may come sooner"


def test_a_watch_that_was_kept_in_a_checkpoint_goes_on_alike(watch: LossWatch) -> None:
    note_all(watch, LOSSES[:5])
    state = watch.state()
    again = LossWatch(16, LOG_EVERY, processes(), torch.device("cpu"))
    again.restore(state)
    for each in (watch, again):
        note_all(each, LOSSES[5:], first=6)
    assert again.mean(7) == watch.mean(7)


@pytest.mark.parametrize("step", range(1, 8))
def test_a_loss_that_is_no_number_is_found_at_its_step(watch: LossWatch, step: int) -> None:
    losses = [*LOSSES]
    losses[step - 1] = math.nan
    with pytest.raises(FailedStepError, match="the training loss is no longer finite") as found:
        note_all(watch, losses)
        watch.mean(7)
    assert found.value.step == step


def test_a_divergence_is_found_whatever_is_kept(watch: LossWatch) -> None:
    note_all(watch, LOSSES)
    watch.mean(7)
    note_all(watch, [20.0] * 7, first=8)
    with pytest.raises(FailedStepError, match=r"has diverged: 20\.00 nats per token, after 1\.04"):
        watch.mean(14)
