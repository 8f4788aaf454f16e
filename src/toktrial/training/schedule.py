"""The learning rate of every step: a pure function of the step."""

import math

from toktrial.training.config import TrainingConfig


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """Returns the learning rate of step `step`, counted from 1, of `steps`; that of step 0 is where the warm-up begins.

    Rises linearly to the peak at step `warmup_steps`, then is constant, or falls by a half cosine or a line to
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
