"""The success criterion, fixed in the protocol before anything runs."""

from dataclasses import dataclass

from toktrial.errors import TrialError


@dataclass(frozen=True)
class VerdictConfig:
    """The one rule that decides: a paired t-interval, over seeds, of the difference in final bits per byte."""

    confidence: float = 0.95
    """Confidence of the two-sided interval. Where it holds 0 the verdict is 'no measurable difference'."""

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise TrialError(f"verdict.confidence must lie between 0 and 1, but is {self.confidence}")
