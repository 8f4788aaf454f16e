"""The protocol of a trial as its report reads it: protocol.toml, of this version or an earlier one, typed.

Files -> inputs -> result.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from toktrial.corpus.config import CorpusConfig
from toktrial.evaluation.config import EvaluationConfig
from toktrial.report.config import VerdictConfig
from toktrial.training.config import ModelConfig, TrainingConfig, TuningConfig, track_shape


@dataclass(frozen=True)
class TrackRecipe:
    """How a track's tokenizer is made: by the recipe of that name, such as `bpe`, `btm` or `file`.

    `vocab_size`: its entries; 0: as many as the protocol says. `primitive_vocab_size` or, of SuperBPE, `transition`: those of
    the BPE that it builds on; 0: it builds on none.
    """

    recipe: str = ""
    vocab_size: int = 0
    primitive_vocab_size: int = 0
    transition: int = 0

    @property
    def primitives(self) -> int:
        """The entries that it asks for of the BPE that it builds on."""
        return self.primitive_vocab_size or self.transition


@dataclass(frozen=True)
class Design:
    """A trial's protocol, the baseline first among its tracks. What an older one does not say has the value of its time.

    `seeds`: trainings of every track that the verdict needs. `vocab_size`: entries of a track's tokenizer. `most_seeds`: up
    to how many a sequential design goes on; 0: one look. `control`: whether the baseline is trained again under other seeds.
    """

    name: str
    seeds: int
    vocab_size: int
    tracks: dict[str, TrackRecipe]
    corpus: CorpusConfig
    model: ModelConfig
    training: TrainingConfig
    evaluation: EvaluationConfig
    verdict: VerdictConfig
    tuning: TuningConfig = field(default_factory=TuningConfig)
    most_seeds: int = 0
    control: bool = False

    def vocab_size_of(self, track: str) -> int:
        """Returns the entries that a track asks for, and rows of its model's embedding."""
        return self.tracks[track].vocab_size or self.vocab_size

    @property
    def has_equal_sizes(self) -> bool:
        """Whether all tracks have the same number of rows, and so equally large models."""
        return len(set(map(self.vocab_size_of, self.tracks))) == 1

    @property
    def has_equal_steps(self) -> bool:
        """Whether all tracks take as many steps, of equal FLOPs, so that equal steps are equal FLOPs."""
        return self.has_equal_sizes and self.training.match == "tokens" and not self.training.epochs

    def wanted_steps(self, track: str, token_ratio: float | None) -> int:
        """Returns the steps that a track's runs take; 0 where passes over the text decide, of which a trial never takes more.

        token_ratio: see `track_shape`.
        """
        if self.training.epochs:
            return 0
        baseline_rows = self.vocab_size_of(next(iter(self.tracks))) if self.verdict.budget == "flops" else 0
        return track_shape(self.model, self.training, token_ratio, self.vocab_size_of(track), baseline_rows)[1].steps

    def deciding_axis(self, track: str) -> str:
        """Returns the axis of a run's curve along which the verdict compares a track with the baseline.

        It is `step`, `bytes_seen` or `flops`; equal FLOPs are equal steps where a step costs both the same.
        """
        if self.verdict.budget == "bytes" or self.training.epochs:
            return "bytes_seen"
        sizes = self.vocab_size_of(track), self.vocab_size_of(next(iter(self.tracks)))
        is_equal_step = self.training.match == "tokens" and sizes[0] == sizes[1]
        return "step" if self.verdict.budget != "flops" or is_equal_step else "flops"

    @property
    def last_seed(self) -> int:
        """The highest seed that the verdict may pair; those of the A/A control follow it."""
        return max(self.seeds, self.most_seeds)

    @property
    def has_looks(self) -> bool:
        """Whether it is a sequential design, which looks after every seed from `seeds` to `most_seeds`."""
        return self.most_seeds > self.seeds


def design_of(protocol: Mapping[str, Any]) -> Design:
    """Returns the design that the plain tables of protocol.toml hold. Raises ValueError where a field is missing or wrong."""
    return msgspec.convert(dict(protocol), Design)
