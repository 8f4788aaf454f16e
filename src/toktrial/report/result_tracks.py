"""What a trial's result says of each track, typed: its tokens, floors, model, runs and mean curves.

A part of result.TrialResult, whose units hold here.
"""

from dataclasses import dataclass

from toktrial.report.result_accounts import PerSplit, TextSize, Vocabulary


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
