"""The result of a trial: all that the report says, typed. results.json is its written form, key by key.

Inputs -> result -> sections of the report, notes, terminal. What the evaluation says of vocabularies, samples, votes and
minimal pairs is typed in result_accounts.py. Wherever nothing else is said: differences are other track minus baseline; bytes
are UTF-8 bytes of text, and bits per byte are of these; losses are nats per token; `low` and `high` are the ends of an
interval, None where there is no second seed; None is what is not known or not finite. The docstrings of the classes stand
in results.schema.json too.
"""

from dataclasses import dataclass, field
from typing import Any

from toktrial.report.amendments import Amendment
from toktrial.report.design import Design, design_of
from toktrial.report.result_accounts import (
    Cuts,
    MinimalPairs,
    PerSplit,
    Ratings,
    SampleMeasures,
    Samples,
    SharedEntries,
    TextSize,
    Vocabulary,
)

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
class SplitSize(TextSize):
    """The same, with one track's tokens of it."""

    tokens: int


@dataclass(frozen=True)
class TrackTokens:
    """Sizes of a track's token files."""

    train: SplitSize
    validation: SplitSize


@dataclass(frozen=True)
class CountModel:
    """What a model reaches that only counts a track's ids: on every validation document, and on the curves' subset of them."""

    bits_per_byte: float
    curve_bits_per_byte: float
    loss_per_token: float | None = None


@dataclass(frozen=True, kw_only=True)
class CountFloors:
    """What counting alone reaches for a track: by the frequencies of the entries (`unigram`), and by which entry follows which
    (`bigram`, interpolated Kneser-Ney). `pairs`: distinct pairs of neighbours in the training text.
    """

    unigram: CountModel
    bigram: CountModel
    pairs: int | None = None


@dataclass(frozen=True, kw_only=True)
class Floors(CountFloors):
    """The same, with the highest final bits per byte of the track's runs, and how far these are below the bigram floor, as a
    share of the floor; negative above it.
    """

    worst_run: float
    below_bigram: float


@dataclass(frozen=True)
class Measures:
    """What runs came to: one run's values, or means or standard deviations over runs.

    Bits per byte and `validation_loss` are on every validation document. Seconds are of runs that had their device to
    themselves, where there are any. `tokens_seen`, `bytes_seen` and `flops` are those of the training.
    """

    bits_per_byte: float | None
    validation_loss: float | None
    training_loss: float | None
    training_seconds: float | None
    tokens_seen: float | None
    bytes_seen: float | None
    flops: float | None


@dataclass(frozen=True)
class EqualBytes:
    """A run's measures, on so many validation documents, at the step by which it has read as much text as every other track."""

    bits_per_byte: float
    bytes_seen: int = 0
    step: int = 0
    documents: int = 0


@dataclass(frozen=True, kw_only=True)
class RunResult(Measures):
    """One finished run.

    `shared_device`: whether other work ran on its device, so that its seconds compare with nothing. `equal_bytes` is None
    where no weights were kept there, `sampling_seconds` where an earlier version did not take them. `evaluation_seconds` are
    of the evaluations during training. `curve`: name -> one number an evaluation, the columns of `curves.Curve`.
    """

    seed: int
    shared_device: bool
    equal_bytes: EqualBytes | None
    compile_seconds: float
    warm_up_seconds: float
    evaluation_seconds: float | None
    final_evaluation_seconds: float
    sampling_seconds: float | None
    curve: dict[str, list[float | None]]


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a track's runs trained, and on how much.

    `parameters` include embeddings; FLOPs are of training; `stream_tokens` are those of one pass over the training text, with
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
class Track(ModelFacts):
    """One track: its tokenizer, its model (that of its first run) and what its runs came to.

    `tokenizer` is the name of its folder. `entries_requested` is what the protocol asked for. `vocabulary` is None where the
    evaluation gave no account of it, `floors` in a trial of an earlier version. `context`: positions that the model sees at
    once; `batch_size`: rows. `epochs`: times that the training text was read. `final` are means over the runs, by ascending
    seed in `runs`; `standard_deviation` is None for fewer than two. `training_seconds_compare`: whether any run had its device
    to itself. `text_read_over_baseline`: bytes of text read, as a multiple of the baseline's.
    """

    tokenizer: str
    entries: int
    entries_requested: int
    tokens: TrackTokens
    bytes_per_token: PerSplit
    vocabulary: Vocabulary | None
    floors: Floors | None
    context: int
    batch_size: int
    epochs: float
    seeds_in_protocol: int
    seeds_finished: list[int]
    final: Measures
    standard_deviation: Measures
    training_seconds_compare: bool
    runs: list[RunResult]
    text_read_over_baseline: float | None


@dataclass(frozen=True)
class Reach:
    """How much one track needs, along one axis, to reach the final curve value of another, as a ratio to that other.

    `ratios`: one a paired seed, below 1 is sooner, None where the value was not `reached`. `seeds`: pairs that were compared;
    along seconds, those whose runs had their devices to themselves. `median` is that of the ratios, a seed without one counted
    as infinitely late; None where that leaves no number. `at_most`: whether the median is an upper bound, for it rests on a
    seed that was there at its first evaluation, and maybe before.
    """

    ratios: list[float | None]
    reached: int
    seeds: int
    median: float | None
    at_most: bool = False


@dataclass(frozen=True)
class Needed:
    """How much the runs of one track need, along one axis and in its unit, to reach a target.

    `values`: one a run, None where the target was not `reached`. `seeds`: runs that were looked at; along seconds, those that
    had their devices to themselves. `median`: a run without a value counts as never; None where that leaves no number, and
    then `more_than` is what it exceeds, with the end of a run standing for what that run did not reach.
    """

    values: list[float | None]
    reached: int
    seeds: int
    median: float | None
    more_than: float | None


@dataclass(frozen=True)
class Lower:
    """At which evaluations after the warm-up, of those that all paired runs have, a track's curve is below the baseline's.

    `lower_at`: at how many its mean over the seeds is; `at_every`: whether that is all of them;
    `seeds_at_every`: in how many of the paired `seeds` it is lower at every one.
    """

    evaluations: int
    lower_at: int
    at_every: bool
    seeds: int
    seeds_at_every: int


@dataclass(frozen=True)
class CurveQuestions:
    """What the curves of one measure say of two tracks.

    `reach`, by axis: what the other track needs to the value at which the baseline's curve ends; `reach_by_baseline`: the
    other way round. `crossings_at_steps`: where the mean curves cross after the warm-up.
    """

    lower: Lower
    reach: dict[str, Reach]
    reach_by_baseline: dict[str, Reach]
    crossings_at_steps: list[float]


@dataclass(frozen=True)
class DocumentInterval:
    """The bootstrap interval, over so many validation documents and by so many draws, of the difference in bits per byte."""

    mean: float
    low: float
    high: float
    documents: int
    resamples: int


@dataclass(frozen=True)
class BesideTheVerdict:
    """What decides nothing, of one other track."""

    validation_loss: CurveQuestions
    bits_per_byte: CurveQuestions
    documents: DocumentInterval


@dataclass(frozen=True)
class Learned:
    """How a track's runs stand against what counting alone reaches, where the verdict compares, in bits per byte.

    `floor` is the count model's, None in a trial of an earlier version; `highest` is the worst run's. `has_learned`: whether
    every run is below the floor; None without one. `steps_needed`: by the slope of the worst run's curve; None where it has
    learned, or no slope tells.
    """

    floor: float | None
    highest: float
    has_learned: bool | None
    steps_needed: int | None


@dataclass(frozen=True)
class LookTaken:
    """The look of a sequential design that a comparison stands at: what its two-sided p-value is held against, and whether
    another pair is to be trained.
    """

    level: float
    is_open: bool


@dataclass(frozen=True)
class Comparison:
    """One other track against the baseline, in bits per byte where the verdict compares them.

    `verdict` is the word that the rule gives. `paired_seeds` are those that decide, `differences` one for each, `difference`
    their mean and `relative_difference` the same as a share of the baseline's. `low` to `high` is the paired t-interval, of
    `interval_confidence`; `look` is None where the protocol plans one look alone. `learned`: of the baseline and the track.
    `budget`: where the verdict compares, `steps` or `bytes`. `p_value` is that of the paired t-test, two-sided, and
    `p_value_corrected` that after Holm's correction for the number of tracks. `interval_without_width`: whether all differences
    are equal up to rounding. `baseline_bits_per_byte` is the mean of the baseline's paired runs.
    """

    track: str
    baseline: str
    verdict: str
    paired_seeds: list[int]
    difference: float
    relative_difference: float
    differences: list[float]
    interval_confidence: float
    look: LookTaken | None
    learned: dict[str, Learned]
    budget: str
    low: float | None
    high: float | None
    p_value: float | None
    p_value_corrected: float | None
    interval_without_width: bool
    baseline_bits_per_byte: float
    beside_the_verdict: BesideTheVerdict


@dataclass(frozen=True)
class DifferenceCurve:
    """The paired difference along one axis, in bits per byte on the curves' documents, at places in the axis's unit.

    The interval is pointwise.
    """

    at: list[float]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class Budget:
    """The paired difference in bits per byte at one budget: so many `steps`, `bytes` or `seconds`.

    `documents`: what it is measured on, in words. `relative_difference` is a share of the baseline's bits per byte. `decides`:
    whether it is the protocol's.
    """

    budget: str
    at: float
    documents: str
    difference: float
    relative_difference: float
    low: float | None
    high: float | None
    seeds: int
    decides: bool


@dataclass(frozen=True)
class SignChange:
    """At which steps after the warm-up the mean difference came to the sign of its end: the first time, and the last."""

    first: float
    last: float


@dataclass(frozen=True)
class Movement:
    """How far the mean difference `moved` in the last quarter of the training, in bits per byte.

    `half_width`: half the width of its interval at the end. `moves_still`: whether it moved by more than that.
    """

    moved: float
    half_width: float | None
    moves_still: bool


@dataclass(frozen=True)
class Differences:
    """One other track's difference from the baseline along the training.

    `curves`, by axis; None along seconds where every pair has a run that shared its device.
    """

    curves: dict[str, DifferenceCurve | None]
    budgets: list[Budget]
    sign_change: SignChange | None
    movement: Movement | None


@dataclass(frozen=True)
class NoiseResult:
    """What the runs say of chance.

    `correlations`: Pearson's, within the pairs of each other track; None below three pairs. `two_groups`: tracks whose runs
    fall into two. `false_verdict_rate`: share of simulated trials without a difference that find one, with two kinds of runs;
    None where it need not be told. `seeds`: fewest paired seeds of any comparison.
    """

    correlations: dict[str, float | None]
    two_groups: list[str]
    false_verdict_rate: float | None
    seeds: int


@dataclass(frozen=True)
class AskedTarget:
    """What each track needs, by track and axis, to a target that was named."""

    bits_per_byte: float
    tracks: dict[str, dict[str, Needed]]


@dataclass(frozen=True)
class Targets:
    """What each track needs, by track and axis: to where the baseline's curve of the same seed ends, and to what was asked."""

    baseline_final: dict[str, dict[str, Needed]]
    asked_for: AskedTarget | None


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
class ControlPair:
    """Two trainings of the baseline, in final bits per byte; `difference` is other minus first."""

    seed: int
    other_seed: int
    bits_per_byte: float
    other_bits_per_byte: float
    difference: float


@dataclass(frozen=True)
class Control:
    """The A/A control: what the same tokenizer, trained twice, differs by, in bits per byte.

    `pairs` are those that are finished, `mean` that of their differences, with its interval. `root_mean_square` is their
    standard deviation around 0: what two trainings of one tokenizer differ by on average. By other track: `multiples` are its
    difference as a multiple of that, `deviations` the standard deviation of its differences over seeds.
    """

    track: str
    pairs_in_protocol: int
    pairs: list[ControlPair]
    mean: float
    low: float | None
    high: float | None
    holds_zero: bool | None
    root_mean_square: float
    multiples: dict[str, float | None]
    deviations: dict[str, float | None]


@dataclass(frozen=True)
class MeanCurve:
    """The mean of a track's curves over its runs, or of the A/A `control`'s, at the steps that all of them have.

    `columns`: name -> one number an evaluation: the axes, the measures, and each measure's `_lowest` and `_highest` run.
    """

    track: str
    control: bool
    seeds: list[int]
    columns: dict[str, list[float | None]]


@dataclass(frozen=True)
class MeanCurves:
    """What the charts draw. `timed_runs`: of runs that had their device to themselves; None where these are all, or where a
    track has none.
    """

    all_runs: list[MeanCurve]
    timed_runs: list[MeanCurve] | None


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
    version: int = VERSION

    @property
    def design(self) -> Design:
        """The protocol, typed."""
        return design_of(self.protocol)
