"""Finds the step at which a training went wrong, and tells which stories it had read.

Losses stay on the device between two lines of metrics; they are looked at, one by one, when a line or a checkpoint is due.
"""

import math
from collections.abc import Callable, Sequence

from toktrial.errors import TrialError
from toktrial.tokens.batches import Batches

# A run has diverged when its mean loss since the last line of metrics lies so far, in nats per token, above the lowest such
# mean before it; the first of these is that of a model to which all entries are alike.
DIVERGED_NATS = 2.0
SHOWN_STORIES = 20
SHOWN_CHARACTERS = 60

DocumentText = Callable[[int], str]
"""Returns the text of a training document by its index."""


def check_losses(losses: Sequence[float], norms: Sequence[float], first_step: int) -> None:
    """Raises FailedStepError with the first step, counted from `first_step`, whose loss or gradient is not finite."""
    for index, (loss, norm) in enumerate(zip(losses, norms, strict=True)):
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "the training loss" if not math.isfinite(loss) else "the gradient"
            raise FailedStepError(first_step + index, f"{what} is no longer finite")


def check_divergence(losses: Sequence[float], lowest: float, first_step: int) -> None:
    """Raises FailedStepError where the mean of the losses lies DIVERGED_NATS above `lowest`; names where it rose over that."""
    mean = math.fsum(losses) / len(losses)
    if mean > lowest + DIVERGED_NATS:
        step = first_step + next(index for index, loss in enumerate(losses) if loss > lowest + DIVERGED_NATS)
        raise FailedStepError(step, f"the training loss has diverged: {mean:.2f} nats per token, after {lowest:.2f}")


class DivergedError(TrialError):
    """What a person reads of a training that went wrong; at another learning rate it may go well."""


class FailedStepError(Exception):
    """What went wrong, and at which step; the loop makes a TrialError of it."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(what)
        self.step = step


def describe_failure(
    failure: FailedStepError, run_name: str, kept: str, batches: Batches, text_of: DocumentText | None
) -> DivergedError:
    """Returns the error that a person reads: what, at which step, what is kept, what to do, and what had been read."""
    documents = batches.documents_of(failure.step - 1).tolist()
    advice = "a lower training.learning_rate, a longer training.warmup_steps, or training.precision float32, in a new trial"
    lines = [
        f"{run_name}: {failure} at step {failure.step}. {kept} Try {advice}.",
        f"That step read {len(documents)} training documents:",
    ]
    for document in documents[:SHOWN_STORIES]:
        text = "" if text_of is None else ": " + repr(text_of(document)[:SHOWN_CHARACTERS])
        lines.append(f"  {document}{text}")
    if len(documents) > SHOWN_STORIES:
        lines.append("  and " + ", ".join(map(str, documents[SHOWN_STORIES:])))
    return DivergedError("\n".join(lines))
