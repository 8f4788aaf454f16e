"""The result of a trial: all that the report says, typed. results.json is its written form, key by key.

Inputs -> result -> sections of the report, notes, terminal. Its parts are typed in result_tracks.py,
result_comparisons.py and result_accounts.py. Wherever nothing else is said: differences are other track minus baseline; bytes
are UTF-8 bytes of text, and bits per byte are of these; losses are nats per token; `low` and `high` are the ends of an
interval, None where there is no second seed; None is what is not known or not finite. The docstrings of the classes stand
in results.schema.json too.
"""

from dataclasses import dataclass, field
from typing import Any

from toktrial.report.amendments import Amendment
from toktrial.report.design import Design, design_of
from toktrial.report.result_accounts import Cuts, MinimalPairs, Ratings, SampleMeasures, Samples, SharedEntries, TextSize
from toktrial.report.result_comparisons import Comparison, Control, Differences, NoiseResult, Targets, Tuning
from toktrial.report.result_tracks import MeanCurves, Track

VERSION = 1  # of results.json; raised when a key changes its meaning


@dataclass(frozen=True)
class Verdict:
    """What the protocol's one rule decided, and how it is told.

    `criterion` is what the protocol fixed, `outcome` how it came out, `word` the same in a word (of several other tracks, each
    with its name). `details` are the numbers that decided, one text for each other track, and `sentence` is outcome and
    details. `exploratory`: whether what the rule reads was changed after a result may have been seen. `confidence` is the
    protocol's, `rule` explains the rule. `clauses` must be heard with the outcome: whose difference changed its sign on the
    way, and whose moves still.
    """

    criterion: str
    outcome: str
    word: str
    details: list[str]
    sentence: str
    exploratory: bool
    confidence: float
    rule: str
    clauses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class NearDuplicates:
    """Validation documents that share a run of so many words with the training text."""

    words: int
    documents: int


@dataclass(frozen=True)
class Overlap:
    """What is seen twice. `sees_another_document`: by track, the share of targets with an earlier document in their row."""

    near_duplicates: NearDuplicates
    sees_another_document: dict[str, float]


@dataclass(frozen=True)
class Corpus:
    """The text that the trial learns from and measures on. `source`: what was read, as the corpus stage describes it."""

    train: TextSize
    validation: TextSize
    source: dict[str, Any] = field(default_factory=dict)
    validation_source: dict[str, Any] | None = None
    empty_documents_dropped: int = 0
    validation_documents_also_in_training: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class TrialResult:
    """All that a report says of one trial.

    `trial` is its name, `baseline` the track with which every other is compared, the first of `tracks`. `notes`: what must be
    known before the verdict, the gravest first. `differences`: by other track. `shared_entries`: by two tracks, as `bpe|btm`.
    `protocol` is protocol.toml as it stands. `environment`: what the runs ran on, the distinct values over all of them.
    `seconds_by_stage`: in the order of the flow, the runs of a track together. What a trial does not have is None, and so is
    what an earlier version did not measure.
    """

    trial: str
    baseline: str
    verdict: Verdict
    notes: list[str]
    tracks: dict[str, Track]
    comparisons: list[Comparison]
    differences: dict[str, Differences]
    noise: NoiseResult
    targets: Targets
    amendments: list[Amendment]
    overlap: Overlap | None
    control: Control | None
    mean_curves: MeanCurves
    shared_entries: dict[str, SharedEntries]
    cuts: Cuts | None
    samples: Samples
    sample_measures: SampleMeasures | None
    ratings: Ratings | None
    minimal_pairs: MinimalPairs | None
    corpus: Corpus
    protocol: dict[str, Any]
    environment: dict[str, list[str]]
    seconds_by_stage: dict[str, float | None]
    tuning: Tuning | None = None
    version: int = VERSION

    @property
    def design(self) -> Design:
        """The protocol, typed."""
        return design_of(self.protocol)
