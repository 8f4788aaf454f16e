"""One step, compiled or eager: the same training; and what is done and said where there is no compiler."""

import shutil

import pytest
import torch

from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.device import determinism
from toktrial.training.distributed import Processes
from toktrial.training.model import GPT
from toktrial.training.step import TrainingStep

MODEL = ModelConfig(n_layer=1, n_head=2, width=16, context=160)  # longer than what attention does at once
VOCAB_SIZE, ENTRIES = 70, 66
CONFIG = TrainingConfig(batch_size=4, gradient_clip=0.5)
CPU = torch.device("cpu")


def made(precision: torch.dtype = torch.float32, config: TrainingConfig = CONFIG) -> tuple[GPT, TrainingStep]:
    model = GPT(MODEL, VOCAB_SIZE, ENTRIES)
    model.initialise(1)
    return model, TrainingStep(model, config, precision, Processes())


def ids_of(step: int) -> torch.Tensor:
    return torch.randint(ENTRIES, (4, MODEL.context + 1), generator=torch.Generator().manual_seed(step))


def losses_of(training: TrainingStep) -> list[float]:
    return [float(training(ids_of(step), 3e-3)[0]) for step in range(5)]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_step_trains_as_an_eager_one() -> None:
    weights, losses = [], []
    with determinism("on", CPU):
        for compiled in (False, True):
            model, training = made()
            start_up = training.start(ids_of(0), compiled)
            assert start_up.is_compiled == compiled
            assert (start_up.compile_seconds > 0) == compiled
            losses.append(losses_of(training))
            weights.append(model.state_dict())
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert losses[0][0] == pytest.approx(torch.log(torch.tensor(66.0)).item(), abs=0.1)
    for name, weight in weights[0].items():
        assert torch.allclose(weight, weights[1][name], atol=1e-4), name


def test_the_compiler_is_told_of_determinism(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    if not hasattr(config, "deterministic"):
        pytest.skip("an older torch's compiler has no such setting")
    monkeypatch.setattr(config, "deterministic", False)
    told = []

    def not_compiled(loss: torch.nn.Module, **_: object) -> torch.nn.Module:
        told.append(config.deterministic)
        return loss

    monkeypatch.setattr(torch, "compile", not_compiled)
    with determinism("on", CPU):
        made()[1].start(ids_of(0), compiled=True)
    assert told == [True]


def test_starting_up_leaves_no_trace() -> None:
    started, fresh = made()[1], made()[1]
    started.start(ids_of(7), compiled=False)
    assert losses_of(started) == losses_of(fresh)


def test_without_a_compiler_it_trains_uncompiled_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(config, "force_disable_caches", True)
    training = made()[1]
    start_up = training.start(ids_of(0), compiled=True)
    assert not start_up.is_compiled
    said = capsys.readouterr().err
    assert said.startswith("training uncompiled: torch.compile does not work here (")
    assert said.count("\n") == 1
    assert losses_of(training) == losses_of(made()[1])


@pytest.mark.parametrize("size", [1, 2])
def test_micro_batches_give_the_mean_over_the_batch(size: int) -> None:
    whole, cut = made()[1], made(config=TrainingConfig(batch_size=4, micro_batch_size=size, gradient_clip=0.5))[1]
    for step in range(5):
        (loss, norm), (cut_loss, cut_norm) = whole(ids_of(step), 3e-3), cut(ids_of(step), 3e-3)
        assert float(cut_loss) == pytest.approx(float(loss), rel=1e-5)
        assert float(cut_norm) == pytest.approx(float(norm), rel=1e-4)
