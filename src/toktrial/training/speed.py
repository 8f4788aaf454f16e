"""How fast a device trains and evaluates a model, from a few steps of random ids: the plan asks before there is a corpus."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.device import device_name, limited_threads, resolve_device, resolve_precision, synchronise
from toktrial.training.distributed import Processes
from toktrial.training.model import GPT
from toktrial.training.step import TrainingStep

MEASURED_TOKENS = 2048  # on a CPU, of a measured micro-batch: enough to be typical, few enough to wait for
MEASURED_LOGITS = 1 << 27  # fewer tokens where the vocabulary is that large
MEASURED_STEPS = 2
SLOW_SECONDS = 2.0  # a call that takes longer is not repeated to time it


@dataclass(frozen=True)
class Speed:
    """How fast the device works with the model."""

    device: str
    parameters: int
    step_seconds: float
    """Of one training step of the full batch."""
    forward_seconds_per_token: float
    """Of what an evaluation does, in float32."""


def measure_speed(model_config: ModelConfig, training: TrainingConfig, vocab_size: int) -> Speed:
    """Times forward and backward of random ids, uncompiled, on a few typical rows, and scales up to a full batch.

    Raises TrialError if the machine lacks the device.
    """
    with limited_threads(training.threads):
        return _measure_speed(model_config, training, vocab_size)


def _measure_speed(model_config: ModelConfig, training: TrainingConfig, vocab_size: int) -> Speed:
    device = resolve_device(training.device)
    model = GPT(model_config, vocab_size, vocab_size).to(device)
    context = model_config.context
    rows = training.micro_batch_size or training.batch_size
    if device.type == "cpu":
        rows = min(rows, max(1, min(MEASURED_TOKENS, MEASURED_LOGITS // vocab_size) // context))
    config = replace(training, batch_size=rows, micro_batch_size=0)
    step = TrainingStep(model, config, resolve_precision(training.precision, device), Processes())
    ids = torch.randint(vocab_size, (rows, context + 1), device=device)

    def evaluate() -> None:
        with torch.inference_mode():
            model(ids[:, :-1])

    return Speed(
        device=device_name(device),
        parameters=model.parameter_counts().total,
        step_seconds=_seconds(lambda: step.start(ids, compiled=False), device) * training.batch_size / rows,
        forward_seconds_per_token=_seconds(evaluate, device) / (rows * context),
    )


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Returns the mean seconds of one call, after one that is not counted unless it was so slow that it will do."""

    def seconds_of(calls: int) -> float:
        started = time.perf_counter()
        for _ in range(calls):
            work()
        synchronise(device)
        return (time.perf_counter() - started) / calls

    first = seconds_of(1)
    return first if first > SLOW_SECONDS else seconds_of(MEASURED_STEPS)
