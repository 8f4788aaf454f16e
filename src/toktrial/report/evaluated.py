"""What the stages before wrote of a trial, typed: its runs, their measures, and the accounts of the whole.

Files -> inputs.read_trial -> evaluated trial -> result.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toktrial.errors import TrialError
from toktrial.evaluation.votes import Vote
from toktrial.report.amendments import Amendment
from toktrial.report.curves import Curve
from toktrial.report.design import Design, design_of
from toktrial.report.result import Corpus, Overlap
from toktrial.report.result_accounts import Cuts, SharedEntries, Vocabulary
from toktrial.report.result_tracks import CountFloors, EqualBytes, ModelFacts, TrackTokens
from toktrial.report.verdict import Floats
from toktrial.training.rates import TunedRates


@dataclass(frozen=True, kw_only=True)
class RunRecord(ModelFacts):
    """What a run was: record.json. What an older record does not say was as the defaults have it.

    `versions`: by package. `started`: seconds since 1970. `context` and `batch_size` are None where they are the protocol's.
    """

    device: str
    device_name: str
    precision: str
    threads: int
    warm_up_seconds: float
    shared_device: bool
    versions: dict[str, str]
    started: float
    context: int | None = None
    batch_size: int | None = None
    compiled: bool = False
    compile_seconds: float = 0.0
    processes: int = 1
    source_commit: str | None = "not recorded"


@dataclass(frozen=True, kw_only=True)
class FinalMeasures:
    """What a run's model does on every validation document, after its last step: final.json. `seconds`: of this evaluation."""

    step: int
    bits_per_byte: float
    validation_loss: float | None
    training_loss: float | None
    training_seconds: float
    seconds: float
    equal_bytes: EqualBytes | None = None
    sampling_seconds: float | None = None


@dataclass(frozen=True)
class Sample:
    """A prompt and what a model made of it. Untrusted text."""

    prompt: str
    continuation: str
    ended: bool


@dataclass(frozen=True)
class JudgedPairs:
    """Which sentence of every minimal pair a model finds likelier: minimal_pairs.json.

    `outcomes`, by paradigm, a letter a pair: 1 right, 0 wrong, = equally likely.
    """

    pairs_fingerprint: str
    seconds: float
    outcomes: dict[str, str]


@dataclass(frozen=True)
class KnownParadigm:
    """Which pairs of a paradigm hold known words alone: a letter a pair, 1 known, 0 not."""

    name: str
    field: str
    known: str


@dataclass(frozen=True)
class KnownPairs:
    """What of the minimal pairs the corpus knows: known_pairs.json."""

    pairs_fingerprint: str
    words: int
    known_words: int
    paradigms: list[KnownParadigm]


@dataclass(frozen=True, kw_only=True)
class TokensManifest(TrackTokens):
    """What a track's token files hold, and the name of the tokenizer that made them."""

    tokenizer: str
    entries: int
    seconds: float | None = None


@dataclass(frozen=True)
class VocabularyAccount:
    """What the evaluation says of the tokenizers: vocabulary.json."""

    tracks: dict[str, Vocabulary]
    shared_entries: dict[str, SharedEntries] = field(default_factory=dict)
    cuts: Cuts | None = None


@dataclass(frozen=True)
class FloorsAccount:
    """What counting alone reaches: floors.json."""

    tracks: dict[str, CountFloors]


@dataclass(frozen=True)
class EvaluatedRun:
    """One training that came to its end and was evaluated.

    `document_nats`: nats of each validation document (documents,) float64. `minimal_pairs` is None where it was not asked.
    """

    seed: int
    record: RunRecord
    final: FinalMeasures
    curve: Curve
    document_nats: Floats
    samples: list[Sample]
    minimal_pairs: JudgedPairs | None


@dataclass(frozen=True)
class TrialInputs:
    """All that the report is made from.

    `protocol` is what protocol.toml holds. Seconds are those of every stage before the runs, in the order of the flow, and of
    every account that the evaluation gives of the whole trial; None where an older version did not take them. `runs`: the
    finished ones of each track under the seeds that the verdict pairs, and `control_runs` those of the A/A control, by
    ascending seed. `tuning`: what the tuning of learning rates found, and `runs_at_other_rate` the runs at the tuned rate that
    does not decide, of tracks for which it is another one. `sample_measures`: counts of every measured sample and real
    document, as `text_measures.summarise` reads them. `document_bytes`: UTF-8 bytes of each validation document (documents,).
    `seeds_left_out`: finished seeds of each track that the protocol does not name. What an earlier version did not write is
    None or empty.
    """

    protocol: dict[str, Any]
    corpus: Corpus
    tokens: dict[str, TokensManifest]
    preparation_seconds: dict[str, float | None]
    account_seconds: dict[str, float | None]
    runs: dict[str, list[EvaluatedRun]]
    control_runs: list[EvaluatedRun]
    tuning: TunedRates | None
    runs_at_other_rate: dict[str, list[EvaluatedRun]]
    vocabulary: VocabularyAccount
    sample_measures: list[dict[str, Any]]
    votes: list[Vote]
    known_pairs: KnownPairs | None
    floors: dict[str, CountFloors]
    overlap: Overlap | None
    document_bytes: NDArray[np.uint32]
    amendments: list[Amendment]
    seeds_left_out: dict[str, list[int]]

    @cached_property
    def design(self) -> Design:
        """The protocol, typed."""
        return design_of(self.protocol)

    @property
    def baseline(self) -> str:
        return next(iter(self.runs))

    @property
    def others(self) -> list[str]:
        return list(self.runs)[1:]

    def judged(self, run: EvaluatedRun) -> float:
        """Returns a run's bits per byte where the verdict compares: see `judged_bits_per_byte`."""
        return judged_bits_per_byte(run.final, self.design.verdict.budget)

    def pairs_of(self, other: str) -> list[tuple[EvaluatedRun, EvaluatedRun]]:
        """Returns the runs of the baseline and of another track that have one seed."""
        baseline_runs = {run.seed: run for run in self.runs[self.baseline]}
        return [(baseline_runs[run.seed], run) for run in self.runs[other] if run.seed in baseline_runs]


def judged_bits_per_byte(final: FinalMeasures, budget: str) -> float:
    """Returns a run's bits per byte on all validation documents, where the verdict compares: at its end, or at equal bytes.

    Raises TrialError where the budget is in bytes and no weights were kept there.
    """
    if budget == "steps":
        return final.bits_per_byte
    if not final.equal_bytes:
        raise TrialError(
            'verdict.budget is "bytes", but a run has no measures at equal bytes: `toktrial run`, with the folder of the '
            "trial, makes them; where an earlier version trained it, it trains it anew"
        )
    return final.equal_bytes.bits_per_byte
