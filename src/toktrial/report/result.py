"""The result of a trial: all that the report says, typed. results.json is its written form, key by key.

Inputs -> result -> sections of the report, notes, terminal. What the evaluation says of vocabularies, samples, votes and
minimal pairs is typed in result_accounts.py. None stands where a number is not known or not finite. Bits per byte are bits
per UTF-8 byte of text; loss is in nats per token.
"""

from dataclasses import dataclass, field
from typing import Any

from toktrial.report.amendments import Amendment
from toktrial.report.design import Design, design_of
from toktrial.report.result_accounts import Cuts, MinimalPairs, Ratings, SampleMeasures, Samples, SharedEntries, Vocabulary

VERSION = 1  # of results.json; raised when a key changes its meaning


@dataclass(frozen=True)
class Verdict:
    """What the protocol's one rule decided, and how it is told."""

    criterion: str
    """The success criterion, as the protocol fixed it."""
    outcome: str
    """How it came out, in a sentence."""
    word: str
    """The same in a word; of several other tracks, each with its name."""
    details: list[str]
    """The numbers that decided, a sentence or two for each other track."""
    sentence: str
    """`outcome` and `details` together."""
    exploratory: bool
    """Whether what the rule reads was changed after a result may have been seen."""
    confidence: float
    """Confidence of the protocol's interval."""
    rule: str
    """The rule that decides, explained."""
    clauses: list[str] = field(default_factory=list)
    """What must be heard with the outcome: whose difference changed its sign on the way, and whose moves still."""


@dataclass(frozen=True)
class SplitSize:
    """How much text a split holds, in one track's tokens."""

    documents: int
    tokens: int
    bytes: int
    """UTF-8 bytes."""


@dataclass(frozen=True)
class Sizes:
    """A number for each split."""

    train: float
    validation: float


@dataclass(frozen=True)
class TrackTokens:
    """Sizes of a track's token files."""

    train: SplitSize
    validation: SplitSize


@dataclass(frozen=True)
class CountModel:
    """What a model reaches that only counts a track's own ids."""

    bits_per_byte: float
    """On every validation document."""
    curve_bits_per_byte: float
    """On the curves' subset of them."""
    loss_per_token: float | None = None
    """In nats, on every validation document."""


@dataclass(frozen=True, kw_only=True)
class CountFloors:
    """What counting alone reaches for a track."""

    unigram: CountModel
    """By the frequencies of the entries."""
    bigram: CountModel
    """By which entry follows which (interpolated Kneser-Ney)."""
    pairs: int | None = None
    """Distinct pairs of neighbouring ids in the training text."""


@dataclass(frozen=True, kw_only=True)
class Floors(CountFloors):
    """The same, with how the track's runs stand to it."""

    worst_run: float
    """Highest final bits per byte of the track's runs."""
    below_bigram: float
    """How far that is below the bigram floor, as a share of the floor; negative above it."""


@dataclass(frozen=True)
class Measures:
    """What runs of a track came to: one run's values, their means or their standard deviations over seeds."""

    bits_per_byte: float | None
    """On every validation document."""
    validation_loss: float | None
    """Nats per token, on every validation document."""
    training_loss: float | None
    """Nats per token."""
    training_seconds: float | None
    """Of runs that had their device to themselves, where there are any."""
    tokens_seen: float | None
    """Tokens that were read in training."""
    bytes_seen: float | None
    """UTF-8 bytes of text that were read in training."""
    flops: float | None
    """Floating-point operations of the training."""


@dataclass(frozen=True)
class EqualBytes:
    """A run's measures at the step by which it has read as much text as every other track's run of its seed."""

    bits_per_byte: float
    """On every validation document."""
    bytes_seen: int = 0
    """UTF-8 bytes of text read by then."""
    step: int = 0
    documents: int = 0
    """Validation documents measured."""


@dataclass(frozen=True, kw_only=True)
class RunResult(Measures):
    """One finished run."""

    seed: int
    shared_device: bool
    """Whether other work ran on its device: its seconds then compare with nothing."""
    equal_bytes: EqualBytes | None
    """None where no weights were kept there."""
    compile_seconds: float
    warm_up_seconds: float
    evaluation_seconds: float | None
    """Of the evaluations during training."""
    final_evaluation_seconds: float
    sampling_seconds: float | None
    """None where an earlier version did not take them."""
    curve: dict[str, list[float | None]]
    """Its evaluations: name -> one number an evaluation; the columns are those of `curves.Curve`."""


@dataclass(frozen=True)
class Track:
    """One track: its tokenizer, its model and what its runs came to."""

    tokenizer: str
    """Name of its folder."""
    entries: int
    """Entries that the tokenizer has."""
    entries_requested: int
    """Entries that the protocol asked for."""
    tokens: TrackTokens
    bytes_per_token: Sizes
    vocabulary: Vocabulary | None
    """None where the evaluation gave no account of it."""
    floors: Floors | None
    """None in a trial of an earlier version, which did not measure them."""
    parameters: int
    """Of the model, embeddings included."""
    parameters_without_embeddings: int
    parameters_of_embeddings: int
    flops_per_token: float
    """Of training."""
    tokens_per_step: int
    context: int
    """Positions that the model sees at once."""
    batch_size: int
    """Rows of a batch."""
    steps: int
    """Of the first run."""
    stream_tokens: int
    """Tokens of one pass over the training text, the documents' closing ids included."""
    epochs: float
    """Times that the training text was read."""
    seeds_in_protocol: int
    seeds_finished: list[int]
    final: Measures
    """Means over the runs."""
    standard_deviation: Measures
    """Over the runs; None where there are fewer than two."""
    training_seconds_compare: bool
    """Whether any run had its device to itself."""
    runs: list[RunResult]
    """By ascending seed."""
    text_read_over_baseline: float | None
    """Bytes of text read, as a multiple of the baseline's."""


@dataclass(frozen=True)
class Reach:
    """How much one track needs, along one axis, to reach the final curve value of another, as a ratio to that other."""

    ratios: list[float | None]
    """One a paired seed: below 1 is sooner; None where the value was not reached."""
    reached: int
    """Paired seeds in which the value was reached."""
    seeds: int
    """Paired seeds that were compared; along seconds, those whose runs had their devices to themselves."""
    median: float | None
    """Median of the ratios, a seed without one counted as infinitely late; None where that leaves no number."""
    at_most: bool = False
    """Whether the median is an upper bound: it rests on a seed that was there at its first evaluation, and maybe before."""


@dataclass(frozen=True)
class Needed:
    """How much the runs of one track need, along one axis, to reach a target."""

    values: list[float | None]
    """One a run, in the axis's unit; None where the target was not reached."""
    reached: int
    """Runs in which it was reached."""
    seeds: int
    """Runs that were looked at; along seconds, those that had their devices to themselves."""
    median: float | None
    """Median of the values, a run without one counted as never; None where that leaves no number."""
    more_than: float | None
    """Where the median is never: what it exceeds, with the end of a run standing for what that run did not reach."""


@dataclass(frozen=True)
class Lower:
    """At which evaluations after the warm-up the other track's curve is below the baseline's."""

    evaluations: int
    """Evaluations after the warm-up that all paired runs have."""
    lower_at: int
    """Evaluations at which the other's mean over the seeds is lower."""
    at_every: bool
    """Whether that is all of them."""
    seeds: int
    """Paired seeds."""
    seeds_at_every: int
    """Seeds in which the other is lower at every one."""


@dataclass(frozen=True)
class CurveQuestions:
    """What the curves of one measure say of two tracks."""

    lower: Lower
    reach: dict[str, Reach]
    """By axis: what the other track needs to the value at which the baseline's curve ends."""
    reach_by_baseline: dict[str, Reach]
    """By axis: the other way round."""
    crossings_at_steps: list[float]
    """Steps after the warm-up at which the mean curves cross."""


@dataclass(frozen=True)
class DocumentInterval:
    """The bootstrap interval, over validation documents, of the difference in bits per byte."""

    mean: float
    """Difference (other minus baseline) over all documents, in bits per byte."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    documents: int
    """Validation documents."""
    resamples: int
    """Draws of as many documents that it is made from."""


@dataclass(frozen=True)
class BesideTheVerdict:
    """What decides nothing, of one other track."""

    validation_loss: CurveQuestions
    bits_per_byte: CurveQuestions
    documents: DocumentInterval


@dataclass(frozen=True)
class Learned:
    """How a track's runs stand against what counting alone reaches."""

    floor: float | None
    """Bits per byte of the count model; None in a trial of an earlier version, which did not measure it."""
    highest: float
    """Bits per byte of the worst run, where the verdict compares."""
    has_learned: bool | None
    """Whether every run is below the floor; None without one."""
    steps_needed: int | None
    """By the slope of the worst run's curve, the steps that it would take; None where it has learned, or no slope tells."""


@dataclass(frozen=True)
class LookTaken:
    """The look of a sequential design that a comparison stands at."""

    level: float
    """What its two-sided p-value is held against."""
    is_open: bool
    """Whether another pair is to be trained."""


@dataclass(frozen=True)
class Comparison:
    """One other track against the baseline, where the verdict compares them. Differences are other minus baseline."""

    track: str
    baseline: str
    verdict: str
    """The word that the rule gives."""
    paired_seeds: list[int]
    """Those that decide."""
    difference: float
    """Mean over the pairs, in bits per byte."""
    relative_difference: float
    """The same as a share of the baseline's bits per byte."""
    differences: list[float]
    """One a paired seed, in bits per byte."""
    interval_confidence: float
    """Confidence of `low` to `high`."""
    look: LookTaken | None
    """None where the protocol plans one look alone."""
    learned: dict[str, Learned]
    """Of the baseline and the other track."""
    budget: str
    """Where the verdict compares: `steps` or `bytes`."""
    low: float | None
    """Lower end of the paired t-interval, in bits per byte; None with one seed."""
    high: float | None
    p_value: float | None
    """Two-sided, of the paired t-test; None with one seed."""
    p_value_corrected: float | None
    """After Holm's correction for the number of tracks."""
    interval_without_width: bool
    """Whether all differences are equal up to rounding."""
    baseline_bits_per_byte: float
    """Mean of the baseline's paired runs."""
    beside_the_verdict: BesideTheVerdict


@dataclass(frozen=True)
class DifferenceCurve:
    """The paired difference along one axis, in bits per byte on the curves' documents: one number a place."""

    at: list[float]
    """Places, in the axis's unit."""
    mean: list[float | None]
    low: list[float | None]
    """Lower end of the pointwise interval; None without two seeds."""
    high: list[float | None]


@dataclass(frozen=True)
class Budget:
    """The paired difference at one budget."""

    budget: str
    """`steps`, `bytes` or `seconds`."""
    at: float
    """How many of them."""
    documents: str
    """What it is measured on, in words."""
    difference: float
    """Other minus baseline, in bits per byte."""
    relative_difference: float
    """As a share of the baseline's bits per byte."""
    low: float | None
    """Lower end of the interval; None with one seed."""
    high: float | None
    seeds: int
    """Paired seeds."""
    decides: bool
    """Whether it is the protocol's."""


@dataclass(frozen=True)
class SignChange:
    """At which steps after the warm-up the mean difference came to the sign of its end."""

    first: float
    last: float
    """Beyond `first` where it went back over 0 in between."""


@dataclass(frozen=True)
class Movement:
    """How far the mean difference moved in the last quarter of the training."""

    moved: float
    """In bits per byte."""
    half_width: float | None
    """Half the width of the interval at the end."""
    moves_still: bool
    """Whether it moved by more than that."""


@dataclass(frozen=True)
class Differences:
    """One other track's difference from the baseline along the training."""

    curves: dict[str, DifferenceCurve | None]
    """By axis; None along seconds where every pair has a run that shared its device."""
    budgets: list[Budget]
    sign_change: SignChange | None
    movement: Movement | None


@dataclass(frozen=True)
class NoiseResult:
    """What the runs say of chance."""

    correlations: dict[str, float | None]
    """Pearson's, within the pairs of each other track; None below three pairs."""
    two_groups: list[str]
    """Tracks whose runs fall into two groups."""
    false_verdict_rate: float | None
    """Share of simulated trials without a difference that find one, with two kinds of runs; None where it need not be told."""
    seeds: int
    """Fewest paired seeds of any comparison."""


@dataclass(frozen=True)
class AskedTarget:
    """What each track needs to a target that was named."""

    bits_per_byte: float
    tracks: dict[str, dict[str, Needed]]
    """By track and axis."""


@dataclass(frozen=True)
class Targets:
    """What each track needs to reach a target."""

    baseline_final: dict[str, dict[str, Needed]]
    """By track and axis, to where the baseline's curve of the same seed ends."""
    asked_for: AskedTarget | None
    """None where no target was named."""


@dataclass(frozen=True)
class NearDuplicates:
    """Validation documents that share a run of words with the training text."""

    words: int
    """Length of the run."""
    documents: int


@dataclass(frozen=True)
class Overlap:
    """What of the texts is seen more than once."""

    near_duplicates: NearDuplicates
    sees_another_document: dict[str, float]
    """By track: share of the targets that have an earlier document in their row."""


@dataclass(frozen=True)
class ControlPair:
    """Two trainings of the baseline, in final bits per byte."""

    seed: int
    other_seed: int
    bits_per_byte: float
    other_bits_per_byte: float
    difference: float
    """Other minus first."""


@dataclass(frozen=True)
class Control:
    """The A/A control: what the same tokenizer, trained twice, differs by, in bits per byte."""

    track: str
    pairs_in_protocol: int
    pairs: list[ControlPair]
    """Those that are finished."""
    mean: float
    """Of the differences."""
    low: float | None
    """Lower end of the mean's interval; None with one pair."""
    high: float | None
    holds_zero: bool | None
    root_mean_square: float
    """Standard deviation around 0: what two trainings of one tokenizer differ by on average."""
    multiples: dict[str, float | None]
    """By other track: its difference from the baseline as a multiple of that."""
    deviations: dict[str, float | None]
    """By other track: standard deviation of its differences over seeds."""


@dataclass(frozen=True)
class MeanCurve:
    """The mean of a track's curves over its runs, at the steps that all of them have."""

    track: str
    control: bool
    """Whether it is the A/A control's."""
    seeds: list[int]
    columns: dict[str, list[float | None]]
    """Name -> one number an evaluation: the axes, the measures, and each measure's `_lowest` and `_highest` over the runs."""


@dataclass(frozen=True)
class MeanCurves:
    """What the charts draw."""

    all_runs: list[MeanCurve]
    timed_runs: list[MeanCurve] | None
    """Of runs that had their device to themselves; None where these are all, or where a track has none."""


@dataclass(frozen=True)
class CorpusSize:
    """How much text a split holds."""

    documents: int
    bytes: int
    """UTF-8 bytes."""


@dataclass(frozen=True)
class Corpus:
    """The text that the trial learns from and measures on."""

    train: CorpusSize
    validation: CorpusSize
    source: dict[str, Any] = field(default_factory=dict)
    """What was read, as the corpus stage describes it."""
    validation_source: dict[str, Any] | None = None
    empty_documents_dropped: int = 0
    validation_documents_also_in_training: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class TrialResult:
    """All that a report says of one trial."""

    trial: str
    """Its name."""
    baseline: str
    """The track with which every other is compared."""
    verdict: Verdict
    notes: list[str]
    """What a reader must know before the verdict, the gravest first."""
    tracks: dict[str, Track]
    """The baseline first."""
    comparisons: list[Comparison]
    """One for each other track."""
    differences: dict[str, Differences]
    """By other track."""
    noise: NoiseResult
    targets: Targets
    amendments: list[Amendment]
    """What the protocol changed after the trial had begun."""
    overlap: Overlap | None
    """None in a trial of an earlier version."""
    control: Control | None
    """None without finished pairs of a control."""
    mean_curves: MeanCurves
    shared_entries: dict[str, SharedEntries]
    """By the names of two tracks, as `bpe|btm`."""
    cuts: Cuts | None
    """None where an older version evaluated the trial."""
    samples: Samples
    sample_measures: SampleMeasures | None
    """None where they were not measured."""
    ratings: Ratings | None
    """None where nobody voted."""
    minimal_pairs: MinimalPairs | None
    """None where no pairs were judged, or not by every track."""
    corpus: Corpus
    protocol: dict[str, Any]
    """What protocol.toml holds, as it stands."""
    environment: dict[str, list[str]]
    """What the runs ran on: the distinct values over all of them; one value each is what is fair."""
    seconds_by_stage: dict[str, float | None]
    """In the order of the flow, the runs of a track together; None where an older version did not take them."""
    version: int = VERSION

    @property
    def design(self) -> Design:
        """The protocol, typed."""
        return design_of(self.protocol)

    @property
    def others(self) -> list[str]:
        """The tracks that are compared with the baseline."""
        return list(self.tracks)[1:]
