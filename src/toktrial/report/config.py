"""The success criterion, fixed in the protocol before anything runs."""

from dataclasses import dataclass
from typing import Literal

from toktrial.errors import TrialError


@dataclass(frozen=True)
class VerdictConfig:
    """The one rule that decides: the models have learned, and then a paired t-interval, over seeds, of bits per byte."""

    confidence: float = 0.95
    """Confidence of the two-sided interval. Where it holds 0 the verdict is 'no measurable difference'."""
    budget: Literal["steps", "bytes", "flops"] = "steps"
    """Where the tracks are compared: after equal `steps` (which cost equal FLOPs if all vocabularies have one size), where they
    have read equal `bytes` of text, or after equal `flops`: a track then takes as many steps as cost what the baseline's do."""
    floor: Literal["bigram", "unigram"] = "bigram"
    """The count model of a track's own ids below whose bits per byte each of its runs must end, or nothing is decided."""

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise TrialError(f"verdict.confidence must lie between 0 and 1, but is {self.confidence}")
