"""The finished runs of a trial, typed, and all that the report is made from.

Files -> inputs.read_trial -> evaluated trial -> result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toktrial.errors import TrialError
from toktrial.evaluation.votes import Vote
from toktrial.report.accounts import (
    Corpus,
    CountFloors,
    IntrinsicAccount,
    KnownPairs,
    Overlap,
    TokensManifest,
    VocabularyAccount,
)
from toktrial.report.amendments import Amendment
from toktrial.report.curves import Curve
from toktrial.report.design import Design
from toktrial.report.loss_parts import LossParts
from toktrial.report.verdict import Floats
from toktrial.training.rates import TunedRates


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a run trains, and on how much.

    `parameters` include embeddings. `flops_per_token` are of training. `stream_tokens`: one pass over the training text, with
    the closing ids of documents.
    """

    steps: int
    parameters: int
    parameters_without_embeddings: int
    parameters_of_embeddings: int
    flops_per_token: float
    tokens_per_step: int
    stream_tokens: int


@dataclass(frozen=True, kw_only=True)
class RunRecord(ModelFacts):
    """What a run was: record.json. The defaults are what was true of all runs before a field was recorded.

    `versions`: by package. `started`: seconds since 1970. `context` and `batch_size`: None where they are the protocol's.
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


@dataclass(frozen=True)
class EqualBytes:
    """A run's measures at the step by which it has read as much text as every other track, on so many validation documents."""

    bits_per_byte: float
    bytes_seen: int = 0
    step: int = 0
    documents: int = 0


@dataclass(frozen=True, kw_only=True)
class FinalMeasures:
    """What a run reached on all validation documents after its last step: final.json. `seconds`: of this evaluation."""

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
    """A prompt and its continuation by a model. Untrusted text."""

    prompt: str
    continuation: str
    ended: bool


@dataclass(frozen=True)
class JudgedPairs:
    """Which sentence of every minimal pair a model finds likelier: minimal_pairs.json.

    `outcomes`: by paradigm, one letter a pair: 1 right, 0 wrong, = equally likely.
    """

    pairs_fingerprint: str
    seconds: float
    outcomes: dict[str, str]


@dataclass(frozen=True)
class MarginalNats:
    """The first validation documents by the tokenizer's own cut (`own_nats`) and over all cuts (`nats`): marginal.json.

    `errors`: standard errors of `nats`, of the sampling. `exact`: documents all of whose cuts were scored.
    """

    documents_asked_for: int
    own_nats: list[float]
    nats: list[float]
    errors: list[float]
    exact: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class EvaluatedRun:
    """One finished and evaluated training. `document_nats`: of each validation document (documents,) float64."""

    seed: int
    record: RunRecord
    final: FinalMeasures
    curve: Curve
    document_nats: Floats
    samples: list[Sample]
    minimal_pairs: JudgedPairs | None
    marginal: MarginalNats | None


RunPairs = Sequence[tuple[EvaluatedRun, EvaluatedRun]]  # (baseline, other) of one seed each


@dataclass(frozen=True)
class TrialInputs:
    """All that the report is made from. What an earlier version did not write is None or empty.

    `protocol`: as protocol.toml holds it; `design`: the same, typed. Seconds: of every stage before the runs, in the order of
    the flow, and of every account that the evaluation gives of the whole trial. `runs`: each track's finished runs under the
    seeds that the verdict pairs, by ascending seed, the baseline first; `control_runs`: those of the A/A control.
    `runs_at_other_rate`: the runs at the tuned rate that does not decide, for tracks where it is a different one.
    `sample_measures`: counts of every measured sample and real document, as `text_measures.summarise` reads them.
    `document_bytes`: UTF-8 bytes of each validation document (documents,). `seeds_left_out`: each track's finished seeds that
    the protocol does not name.
    """

    protocol: dict[str, Any]
    design: Design
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
    intrinsic: IntrinsicAccount | None
    loss_parts: LossParts | None
    overlap: Overlap | None
    document_bytes: NDArray[np.uint32]
    amendments: list[Amendment]
    seeds_left_out: dict[str, list[int]]

    @property
    def baseline(self) -> str:
        return next(iter(self.runs))

    @property
    def others(self) -> list[str]:
        return list(self.runs)[1:]

    def judged(self, run: EvaluatedRun) -> float:
        """Returns a run's bits per byte where the verdict compares: see `judged_bits_per_byte`."""
        return judged_bits_per_byte(run.final, self.design.verdict.budget)

    def pairs_of(self, other: str) -> RunPairs:
        """Returns the runs of the baseline and of another track under each seed that both finished."""
        baseline_runs = {run.seed: run for run in self.runs[self.baseline]}
        return [(baseline_runs[run.seed], run) for run in self.runs[other] if run.seed in baseline_runs]


def by_side(pairs: RunPairs, value: Callable[[EvaluatedRun], float]) -> tuple[list[float], list[float]]:
    """Returns a value of every baseline run, and of every other run, in the order of the pairs."""
    return [value(baseline) for baseline, _ in pairs], [value(other) for _, other in pairs]


def judged_bits_per_byte(final: FinalMeasures, budget: str) -> float:
    """Returns a run's bits per byte on all validation documents where the verdict compares: at its end, or at equal bytes.

    Raises TrialError where the budget is in bytes and the run kept no weights there.
    """
    if budget != "bytes":
        return final.bits_per_byte
    if not final.equal_bytes:
        raise TrialError(
            'verdict.budget is "bytes", but a run has no measures at equal bytes: run `toktrial run` with the trial\'s folder, '
            "which makes them; a run that an earlier version trained is trained again"
        )
    return final.equal_bytes.bits_per_byte
