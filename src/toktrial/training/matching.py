"""The shape in which a track is trained where steps are to read equal bytes: its own context and batch. A pure function.

trial.py asks for it per track; with `match = "tokens"`, the default, every track has the protocol's own shape.
"""

from dataclasses import replace

from toktrial.training.config import ModelConfig, TrainingConfig


def matched_shape(model: ModelConfig, training: TrainingConfig, ratio: float) -> tuple[ModelConfig, TrainingConfig]:
    """Returns the configs of a track whose tokens are `ratio` times as long as the baseline's, in bytes.

    Its context holds as many bytes as the baseline's, to the nearest even number of tokens (evaluation halves it), and its
    batch as many rows as bring the bytes of a step nearest to the baseline's. A micro-batch becomes the largest one, no
    larger than asked for, that divides the rows.

    >>> model, training = matched_shape(ModelConfig(context=128), TrainingConfig(batch_size=16), 1.45)
    >>> model.context, training.batch_size
    (88, 16)
    """
    context = max(2, 2 * round(model.context / ratio / 2))
    rows = max(1, round(training.batch_size * model.context / (ratio * context)))
    micro = max((size for size in range(1, training.micro_batch_size + 1) if rows % size == 0), default=0)
    return replace(model, context=context), replace(training, batch_size=rows, micro_batch_size=micro)
