"""The model's shape, how it is trained, and how its learning rate is tuned: one setting for all tracks.

Imports nothing heavy.
"""

import math
from dataclasses import dataclass
from typing import Literal

from toktrial.errors import TrialError


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the GPT-2-style decoder, the same for every track."""

    n_layer: int = 10
    """Transformer blocks."""
    n_head: int = 8
    """Attention heads of a block."""
    width: int = 512
    """Width of the residual stream (GPT-2's n_embd)."""
    context: int = 512
    """Positions that the model sees at once (GPT-2's n_positions)."""

    def __post_init__(self) -> None:
        for name in ("n_layer", "n_head", "width", "context"):
            if getattr(self, name) < 1:
                raise TrialError(f"model.{name} must be at least 1, but is {getattr(self, name)}")
        if self.width % self.n_head:
            raise TrialError(f"model.width {self.width} is no multiple of model.n_head {self.n_head}")
        if self.context % 2:
            raise TrialError(f"model.context must be even (evaluation halves it), but is {self.context}")


@dataclass(frozen=True)
class TrainingConfig:
    """How every run is trained. AdamW; weight decay on matrices alone."""

    batch_size: int = 32
    """Rows of a batch; each holds `model.context` tokens. Under torchrun the processes share them out."""
    micro_batch_size: int = 0
    """Rows that a device computes at once, their gradients summed until the batch is whole; 0: all of its rows."""
    match: Literal["tokens", "bytes"] = "tokens"
    """What a step is to hold as much of in every track. `bytes`: each other track's context and batch are chosen so that they
    hold the bytes of text that the baseline's do; its steps then cost fewer FLOPs where its tokens are longer."""
    steps: int = 50_000
    """Training steps of every run, unless `epochs` is set."""
    epochs: float = 0.0
    """If above 0, the budget is so many passes over the training text in place of `steps`: equal text for every track,
    and fewer steps for the track with fewer tokens."""
    learning_rate: float = 3e-4
    """Peak learning rate."""
    warmup_steps: int = 1000
    """Steps over which the learning rate rises linearly from 0."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """What the learning rate does after the warm-up."""
    final_learning_rate_share: float = 0.1
    """Share of the peak that a cosine or linear schedule ends at."""
    weight_decay: float = 0.1
    """AdamW's weight decay, on matrices alone."""
    beta1: float = 0.9
    """AdamW's first beta."""
    beta2: float = 0.95
    """AdamW's second beta."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient."""
    log_every: int = 100
    """Steps between two lines of metrics, each with an evaluation."""
    checkpoint_every: int = 1000
    """Steps between two checkpoints."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train. `auto`: CUDA, else MPS, else CPU."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the training step. `auto`: bfloat16 where the device has it, else float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether torch.compile makes the step. `auto`: where the run is long enough to pay for it, and there is a compiler."""
    deterministic: Literal["auto", "on", "off"] = "auto"
    """Whether two runs on one device give bitwise equal weights. `auto`: on a CPU, where it costs next to nothing."""

    def __post_init__(self) -> None:
        at_least_one = ("batch_size", "steps", "log_every", "checkpoint_every")
        for name in at_least_one:
            if getattr(self, name) < 1:
                raise TrialError(f"training.{name} must be at least 1, but is {getattr(self, name)}")
        not_negative = ("micro_batch_size", "epochs", "learning_rate", "warmup_steps", "weight_decay", "gradient_clip")
        for name in not_negative:
            if getattr(self, name) < 0:
                raise TrialError(f"training.{name} must not be negative, but is {getattr(self, name)}")
        if not 0 <= self.final_learning_rate_share <= 1:
            raise TrialError(
                f"training.final_learning_rate_share must lie between 0 and 1, but is {self.final_learning_rate_share}"
            )
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise TrialError(f"training.{name} must be at least 0 and below 1, but is {getattr(self, name)}")
        if self.micro_batch_size and self.batch_size % self.micro_batch_size:
            raise TrialError(
                f"training.micro_batch_size must divide training.batch_size {self.batch_size}, but is {self.micro_batch_size}"
            )


@dataclass(frozen=True)
class TuningConfig:
    """Whether and how learning rates are tuned before the trial's runs are trained. Validation documents take no part in it."""

    rates: tuple[float, ...] = ()
    """Peak learning rates to try, the same for every track; none: no tuning, and training.learning_rate holds."""
    decides: Literal["own", "shared"] = "own"
    """Which rate the verdict's runs are trained at: each track's own best one, or the one that is best for the tracks' mean."""
    both_verdicts: bool = True
    """Whether the runs are trained at the other of the two rates as well, so that the report has both verdicts."""
    seeds: int = 1
    """Runs of each track at each rate, under seeds that no other run has."""
    steps: int = 0
    """Steps of a tuning run; 0: as many as the runs that it chooses the rate for. The best rate depends on it."""
    documents: int = 500
    """Training documents that are set aside to judge by: those with the lowest hashes under a seed of their own."""

    def __post_init__(self) -> None:
        if any(not 0 < rate < math.inf for rate in self.rates):
            raise TrialError(f"tuning.rates must be finite numbers above 0, but are {list(self.rates)}")
        if self.rates and len(set(self.rates)) < max(2, len(self.rates)):
            raise TrialError(f"tuning.rates must be two or more different rates, or none at all, but are {list(self.rates)}")
        for name, least in (("seeds", 1), ("steps", 0), ("documents", 1)):
            if getattr(self, name) < least:
                raise TrialError(f"tuning.{name} must be at least {least}, but is {getattr(self, name)}")
