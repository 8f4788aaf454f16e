"""Measures a few training steps, for an estimate of how long a run will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.device import device_name, keep_freed_memory, resolve_device, resolve_precision, synchronise
from toktrial.training.model import GPT

CPU_TOKENS = 2048  # of a measured micro-batch: enough to be typical, few enough to wait for
MEASURED_STEPS = 2


@dataclass(frozen=True)
class Speed:
    """What the device does with the model."""

    device: str
    parameters: int
    step_seconds: float
    """Of one training step of the full batch."""
    forward_seconds_per_token: float
    """Of what an evaluation does, in float32."""


def measure_speed(model_config: ModelConfig, training: TrainingConfig, vocab_size: int) -> Speed:
    """Times forward and backward of random ids, uncompiled, on fewer rows than a batch may have, and scales up."""
    device = resolve_device(training.device)
    precision = resolve_precision(training.precision, device)
    model = GPT(model_config, vocab_size, vocab_size).to(device)
    context = model_config.context
    rows = training.micro_batch_size or training.batch_size
    if device.type == "cpu":
        rows = min(rows, max(1, CPU_TOKENS // context))
    ids = torch.randint(vocab_size, (rows, context), device=device)
    keep_freed_memory(device)  # as training does

    def train_step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == torch.bfloat16):
            loss = model.loss(ids, ids)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        model.zero_grad(set_to_none=True)

    def evaluate() -> None:
        with torch.inference_mode():
            model(ids)

    return Speed(
        device=device_name(device),
        parameters=model.parameter_counts().total,
        step_seconds=_seconds(train_step, device) * training.batch_size / rows,
        forward_seconds_per_token=_seconds(evaluate, device) / (rows * context),
    )


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    """Returns the mean seconds of one call, after one that is not counted."""
    work()
    synchronise(device)
    started = time.perf_counter()
    for _ in range(MEASURED_STEPS):
        work()
    synchronise(device)
    return (time.perf_counter() - started) / MEASURED_STEPS
