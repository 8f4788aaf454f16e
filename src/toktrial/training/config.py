"""The model's shape, how it is trained and how its learning rate is tuned, and what follows from them by arithmetic.

Every track is trained with the same settings. Imports nothing heavy.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from toktrial.errors import LARGEST_NUMBER, MOST_SEEDS, TrialError, check_numbers


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
        larger = "no GPT-2 is trained so large"
        most = {"n_layer": (1000, larger), "width": (1 << 16, larger), "context": (1 << 20, larger)}
        check_numbers("model", self, {"n_layer": 1, "n_head": 1, "width": 1, "context": 1}, most)
        if self.width % self.n_head:
            raise TrialError(f"model.width {self.width} is not a multiple of model.n_head {self.n_head}")
        if self.context % 2:
            raise TrialError(f"model.context must be even (evaluation halves it), but is {self.context}")


@dataclass(frozen=True)
class TrainingConfig:
    """How every run is trained, with AdamW."""

    batch_size: int = 32
    """Rows of a batch, each of `model.context` tokens. Under torchrun the processes share them."""
    micro_batch_size: int = 0
    """Rows that a device computes at once; gradients are summed until the batch is complete. 0: all of its rows."""
    match: Literal["tokens", "bytes"] = "tokens"
    """What a step holds equally much of in every track. `bytes`: the context and batch of every other track are chosen to hold
    as many bytes of text as the baseline's do, so its steps cost fewer FLOPs if its tokens are longer."""
    steps: int = 50_000
    """Training steps of every run, unless `epochs` is set."""
    epochs: float = 0.0
    """If above 0, the budget is this many passes over the training text instead of `steps`: every track reads equal text, and
    the track with fewer tokens takes fewer steps."""
    learning_rate: float = 3e-4
    """Peak learning rate."""
    warmup_steps: int = 1000
    """Steps over which the learning rate rises linearly from 0."""
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    """What the learning rate does after the warm-up."""
    final_learning_rate_share: float = 0.1
    """Share of the peak at which a cosine or linear schedule ends."""
    weight_decay: float = 0.1
    """AdamW's weight decay, for matrices only."""
    beta1: float = 0.9
    """AdamW's first beta."""
    beta2: float = 0.95
    """AdamW's second beta."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient; 0: no limit."""
    log_every: int = 100
    """Steps between two lines of metrics; each line needs an evaluation."""
    checkpoint_every: int = 1000
    """Steps between two checkpoints."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train. `auto`: CUDA if there is one, else MPS, else the CPU."""
    threads: int = 0
    """CPU threads that train a run and evaluate it. 0: as many as torch chooses, one a core; `--parallel` then chooses so many
    that its runs share the cores. Fewer are faster where other work uses the cores; they change only the last bits of a
    result."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the training step. `auto`: bfloat16 if the device has it, else float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether torch.compile compiles the step. `auto`: if the run is long enough to pay for it and there is a compiler."""
    deterministic: Literal["auto", "on", "off"] = "auto"
    """Whether two runs on one device give bitwise equal weights. `auto`: on a CPU, where this costs next to nothing."""

    def __post_init__(self) -> None:
        least = dict.fromkeys(("batch_size", "steps", "log_every", "checkpoint_every"), 1)
        least |= dict.fromkeys(("micro_batch_size", "epochs", "learning_rate", "warmup_steps"), 0)
        least |= dict.fromkeys(("weight_decay", "gradient_clip", "threads"), 0)
        most = {
            "batch_size": (1 << 20, "no step needs so many rows"),
            "epochs": (1_000_000, "nobody reads a text so often"),
            "threads": (1024, "more cores than machines have"),
        }
        check_numbers("training", self, least, most)
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

    @property
    def can_grow(self) -> bool:
        """Whether more steps may follow the last one without changing any of those before."""
        return self.schedule == "constant" and not self.epochs


@dataclass(frozen=True)
class TuningConfig:
    """Whether and how learning rates are tuned before the trial's runs are trained. Validation documents play no part in it."""

    rates: tuple[float, ...] = ()
    """Peak learning rates to try, the same for every track. None: no tuning, and training.learning_rate applies."""
    decides: Literal["own", "shared"] = "own"
    """The rate at which the verdict's runs are trained: each track's own best, or the best for the mean of the tracks."""
    both_verdicts: bool = True
    """Whether to train the runs at the other of the two rates as well, so that the report has both verdicts."""
    seeds: int = 1
    """Runs of each track at each rate, with seeds that no other run has."""
    steps: int = 0
    """Steps of a tuning run, on which the best rate depends. 0: as many as the runs for which it chooses the rate."""
    documents: int = 500
    """Training documents that are set aside to judge the rates: those with the lowest hashes under a separate seed."""

    def __post_init__(self) -> None:
        if any(not 0 < rate <= LARGEST_NUMBER for rate in self.rates):
            raise TrialError(f"tuning.rates must be numbers above 0, at most {LARGEST_NUMBER:,}, but are {list(self.rates)}")
        if self.rates and len(set(self.rates)) < max(2, len(self.rates)):
            raise TrialError(f"tuning.rates must be two or more different rates, or none at all, but are {list(self.rates)}")
        check_numbers("tuning", self, {"seeds": 1, "steps": 0, "documents": 1}, {"seeds": MOST_SEEDS})


def steps_of(config: TrainingConfig, epoch_tokens: int, context: int) -> int:
    """Returns the steps of a run: `steps`, or as many as `epochs` passes over the training text take."""
    if not config.epochs:
        return config.steps
    return max(1, round(config.epochs * epoch_tokens / (config.batch_size * context)))


def parameter_count(model: ModelConfig, vocab_size: int) -> int:
    """Returns the parameters of a model with `vocab_size` rows in its embedding, which is also its head."""
    of_a_block = 12 * model.width**2 + 13 * model.width  # four matrices with biases, two norms
    return (vocab_size + model.context) * model.width + model.n_layer * of_a_block + 2 * model.width


def flops_per_token(model: ModelConfig, vocab_size: int) -> int:
    """Returns the training FLOPs of one token: 6 N + 12 L W T, forward and backward.

    N: parameters without position embeddings, head included; 12 L W T: attention's products of queries, keys and values.
    Source: Chowdhery et al. 2022 (PaLM), appendix B.
    """
    attention = 12 * model.n_layer * model.width * model.context
    return 6 * (parameter_count(model, vocab_size) - model.context * model.width) + attention


def flops_per_step(model: ModelConfig, training: TrainingConfig, vocab_size: int) -> int:
    """Returns the training FLOPs of one step."""
    return training.batch_size * model.context * flops_per_token(model, vocab_size)


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """Returns the learning rate of step `step` of `steps`, counted from 1; step 0 is where the warm-up begins.

    Rises linearly to the peak at step `warmup_steps`. Then it is constant, or falls by a half cosine or a line to
    `final_learning_rate_share` of the peak at the last step.
    """
    if step < config.warmup_steps:
        return config.learning_rate * step / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    gone = (step - config.warmup_steps) / max(1, steps - config.warmup_steps)
    left = 0.5 * (1 + math.cos(math.pi * gone)) if config.schedule == "cosine" else 1 - gone
    share = config.final_learning_rate_share
    return config.learning_rate * (share + (1 - share) * left)


def track_shape(
    model: ModelConfig, training: TrainingConfig, token_ratio: float | None, rows: int, equal_flops_rows: int
) -> tuple[ModelConfig, TrainingConfig]:
    """Returns the configs that a track is trained with, of `rows` rows in its model's embedding.

    token_ratio: how much longer its tokens are than the baseline's, by the bytes of text that they hold; None for the baseline
    itself. It matters only where `training.match` is bytes.
    equal_flops_rows: the rows of the baseline's model, where all tracks take as many steps as cost its FLOPs; else 0.
    """
    shape, settings = model, training
    if training.match == "bytes" and token_ratio is not None:
        shape, settings = matched_shape(model, training, token_ratio)
    if equal_flops_rows:
        flops = training.steps * flops_per_step(model, training, equal_flops_rows)
        settings = replace(settings, steps=max(1, round(flops / flops_per_step(shape, settings, rows))))
    return shape, settings


def matched_shape(model: ModelConfig, training: TrainingConfig, ratio: float) -> tuple[ModelConfig, TrainingConfig]:
    """Returns the configs with which a track whose tokens are `ratio` times as long as the baseline's reads equal bytes a step.

    Its context holds as many bytes as the baseline's, to the nearest even number of tokens (evaluation halves it). Its batch
    has the number of rows that brings the bytes of a step nearest to the baseline's. Its micro-batch is the largest that
    divides the rows and is no larger than the one asked for.

    >>> model, training = matched_shape(ModelConfig(context=128), TrainingConfig(batch_size=16), 1.45)
    >>> model.context, training.batch_size
    (88, 16)
    """
    context = max(2, 2 * round(model.context / ratio / 2))
    rows = max(1, round(training.batch_size * model.context / (ratio * context)))
    micro = max((size for size in range(1, training.micro_batch_size + 1) if rows % size == 0), default=0)
    return replace(model, context=context), replace(training, batch_size=rows, micro_batch_size=micro)
