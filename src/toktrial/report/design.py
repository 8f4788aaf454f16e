"""What of a trial's protocol the report reads, typed: the numbers that were fixed before anything ran.

protocol.toml -> design -> everything of the report that asks what was planned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from toktrial.corpus.config import CorpusConfig
from toktrial.evaluation.config import EvaluationConfig
from toktrial.report.config import VerdictConfig
from toktrial.training.config import ModelConfig, TrainingConfig, TuningConfig


@dataclass(frozen=True)
class TrackRecipe:
    """How a track's tokenizer is made."""

    recipe: str = ""
    """Name of the recipe: `bpe`, `btm`, `file` and so on."""


@dataclass(frozen=True)
class Design:
    """A trial's protocol. What an older protocol does not say has the value that it then had for all."""

    name: str
    """Name of the trial."""
    seeds: int
    """Trainings of every track that the verdict needs."""
    vocab_size: int
    """Entries of every track's tokenizer."""
    tracks: dict[str, TrackRecipe]
    """By name, the baseline first."""
    corpus: CorpusConfig
    model: ModelConfig
    training: TrainingConfig
    evaluation: EvaluationConfig
    verdict: VerdictConfig
    tuning: TuningConfig = field(default_factory=TuningConfig)
    most_seeds: int = 0
    """A sequential design looks after every seed from `seeds` on, up to so many; 0: one look."""
    control: bool = False
    """Whether the baseline is trained again under as many other seeds."""

    @property
    def last_seed(self) -> int:
        """The highest seed that the verdict may pair: beyond it stand those of the A/A control."""
        return max(self.seeds, self.most_seeds)

    @property
    def has_looks(self) -> bool:
        """Whether it is a sequential design."""
        return self.most_seeds > self.seeds


def design_of(protocol: Mapping[str, Any]) -> Design:
    """Returns the design of what protocol.toml holds, as plain tables. Raises ValueError where a field is missing or wrong."""
    return msgspec.convert(dict(protocol), Design)
