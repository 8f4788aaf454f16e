"""Finds the step at which a training went wrong and tells which stories it had read.

Losses stay on the device between two lines of metrics; they are looked at, one by one, when a line or a checkpoint is due, and
every MOST_KEPT steps.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from toktrial.errors import TrialError
from toktrial.tokens.batches import Batches
from toktrial.training.distributed import Processes

# A run has diverged when its mean loss since the last line of metrics is this far, in nats per token, above the lowest such
# mean before it. The first value to compare with is the loss of a model to which all entries are alike.
DIVERGED_NATS = 2.0
MOST_KEPT = 10_000  # losses on the device, and in a checkpoint, however far apart the lines are
SHOWN_STORIES = 20
SHOWN_CHARACTERS = 60

DocumentText = Callable[[int], str]
"""Returns the text of a training document by its index."""


class DivergedError(TrialError):
    """What a person reads of a training that went wrong; at another learning rate it may go well."""


class FailedStepError(Exception):
    """What went wrong, and at which step; the loop makes a DivergedError of it."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(what)
        self.step = step


class LossWatch:
    """Keeps the losses of the steps since the last line of metrics, in nats per token, with the norms of their gradients.

    Each process keeps the means over its own rows; what the methods return and raise is of the whole batch.
    """

    def __init__(self, entries: int, log_every: int, together: Processes, device: torch.device) -> None:
        self._together, self._log_every = together, log_every
        self._losses, self._norms = torch.zeros(2, min(log_every, MOST_KEPT), device=device)
        self._lowest = math.log(entries)  # of the mean losses of all lines so far
        self._sum_before = 0.0  # of the losses since the last line that are kept no longer

    def note(self, step: int, loss: Tensor, norm: Tensor) -> None:
        """Keeps the loss and the norm of a step, counted from 1.

        Waits for the device only where no place is left: then raises FailedStepError as `check`.
        """
        place = self._place(step)
        if place == 0 and (step - 1) % self._log_every:
            self._sum_before += math.fsum(self.check(step - 1))
        self._losses[place], self._norms[place] = loss, norm

    def _place(self, step: int) -> int:
        return (step - 1) % self._log_every % len(self._losses)

    def check(self, step: int) -> list[float]:
        """Returns the losses up to `step` that are kept. Raises FailedStepError if one, or its norm, is not finite."""
        count = self._place(step) + 1
        both = torch.stack([self._losses[:count], self._norms[:count]])
        losses, norms = (self._together.sum(both).double() / self._together.count).tolist()
        for place, (loss, norm) in enumerate(zip(losses, norms, strict=True), start=step - count + 1):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                what = "the training loss" if not math.isfinite(loss) else "the gradient"
                raise FailedStepError(place, f"{what} is no longer finite")
        return list(losses)

    def mean(self, step: int) -> float:
        """Returns the mean loss since the last line. Raises FailedStepError as `check`, and if the training has diverged."""
        losses, steps = self.check(step), (step - 1) % self._log_every + 1
        mean, limit = (self._sum_before + math.fsum(losses)) / steps, self._lowest + DIVERGED_NATS
        self._sum_before = 0.0
        if mean > limit:
            first = step - len(losses) + 1 + next((index for index, loss in enumerate(losses) if loss > limit), 0)
            raise FailedStepError(first, f"the training loss has diverged: {mean:.2f} nats per token, after {self._lowest:.2f}")
        self._lowest = min(self._lowest, mean)
        return mean

    def state(self) -> dict[str, Any]:
        """Returns what a checkpoint keeps: means over the processes, with which the first one goes on as well as any."""
        losses, norms = (self._together.sum(values) / self._together.count for values in (self._losses, self._norms))
        return {"losses": losses, "norms": norms, "lowest_loss": self._lowest, "sum_before": self._sum_before}

    def restore(self, state: dict[str, Any]) -> None:
        self._losses.copy_(state["losses"])
        self._norms.copy_(state["norms"])
        self._lowest, self._sum_before = state["lowest_loss"], state["sum_before"]


def describe_failure(
    failure: FailedStepError, run_name: str, kept_step: int | None, batches: Batches, text_of: DocumentText | None
) -> DivergedError:
    """Returns the error that a person reads: what happened, at which step, what is kept, what to do, what had been read."""
    kept = "There is no checkpoint before it." if kept_step is None else f"The checkpoint of step {kept_step} is kept."
    advice = "a lower training.learning_rate, a longer training.warmup_steps, or training.precision float32, in a new trial"
    documents = batches.documents_of(failure.step - 1).tolist()
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
