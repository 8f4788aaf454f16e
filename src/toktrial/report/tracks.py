"""What every track came to: its tokenizer, its runs and their means, its mean curves, what it ran on and for how long.

Inputs -> tracks -> result; `gather.gather` calls each function once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from toktrial.report.accounts import CountFloors, PerSplit, TrackTokens, Vocabulary
from toktrial.report.curves import mean_columns, mean_over_seeds, standard_deviation_over_seeds
from toktrial.report.evaluated import EqualBytes, EvaluatedRun, ModelFacts, TrialInputs

# The evaluation's accounts of the whole trial: the folder of each, and what a reader calls it.
ACCOUNTS = {
    "vocabulary": "account of the vocabularies",
    "floors": "floors",
    "intrinsic": "intrinsic measures",
    "overlap": "overlap",
    "loss_parts": "where the bits go",
    "samples": "measures of the samples",
    "known_pairs": "known words of the minimal pairs",
}


@dataclass(frozen=True, kw_only=True)
class Floors(CountFloors):
    """What counting alone reaches, with the highest final bits per byte of the track's runs, and how far these are below the
    bigram floor, as a share of the floor; negative above it.
    """

    worst_run: float
    below_bigram: float


@dataclass(frozen=True)
class Measures:
    """What runs came to: one run's values, or means or standard deviations over runs.

    Bits per byte and `validation_loss` are on every validation document. Seconds are of runs that had their device to
    themselves, or whose track was timed so, if there are any. `tokens_seen`, `bytes_seen` and `flops` are of the training.
    """

    bits_per_byte: float | None
    validation_loss: float | None
    training_loss: float | None
    training_seconds: float | None
    tokens_seen: float | None
    bytes_seen: float | None
    flops: float | None


@dataclass(frozen=True, kw_only=True)
class RunResult(Measures):
    """One finished run.

    `shared_device`: whether other work ran on its device, so that its seconds compare with nothing. `equal_bytes`: None where
    no weights were kept there; `sampling_seconds`: None where an earlier version did not take them. `evaluation_seconds`: of
    the evaluations during training. `curve`: a column of `axes.CURVE_COLUMNS` -> one number an evaluation.
    `timed_step_seconds`: where other runs were trained beside it, what a step of its track takes alone, from which its
    `training_seconds` follow; None where they are its own.
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
    timed_step_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Track(ModelFacts):
    """One track: its tokenizer, its model (that of its first run) and what its runs came to.

    `tokenizer`: the name of its folder. `vocabulary`: None where the evaluation gave no account of it; `floors`: None in a
    trial of an earlier version. `context`: positions that the model sees at once; `batch_size`: rows. `epochs`: how often the
    training text was read. `final`: means over `runs`, which ascend by seed; `standard_deviation`: None for fewer than two.
    `training_seconds_compare`: whether any run had its device to itself. `text_read_over_baseline`: bytes of text read, as a
    multiple of the baseline's.
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
    """The mean of a track's curves over its runs, or over the A/A `control`'s, at the steps that all of them have.

    `columns`: name -> one number an evaluation: the axes, the measures, and each measure's `_lowest` and `_highest` run.
    """

    track: str
    control: bool
    seeds: list[int]
    columns: dict[str, list[float | None]]


@dataclass(frozen=True)
class MeanCurves:
    """What the charts draw. `timed_runs`: of runs that had their device to themselves; None where these are all of them, or
    where a track has none.
    """

    all_runs: list[MeanCurve]
    timed_runs: list[MeanCurve] | None


def gather_tracks(inputs: TrialInputs) -> dict[str, Track]:
    """Returns every track, the baseline first."""
    read_by_baseline = mean_over_seeds([_last(run, "bytes_seen") for run in inputs.runs[inputs.baseline]])
    return {track: _track(inputs, track, read_by_baseline) for track in inputs.runs}


def gather_mean_curves(inputs: TrialInputs) -> MeanCurves:
    """Returns the mean curves of every track and of the A/A control."""
    groups = [(track, False, runs) for track, runs in inputs.runs.items()]
    groups += [(inputs.baseline, True, inputs.control_runs)] if inputs.control_runs else []
    timed = [(track, control, [run for run in runs if not run.curve.shared_device]) for track, control, runs in groups]
    some_shared = any(run.curve.shared_device for _, _, runs in groups for run in runs)
    all_compare = all(runs for _, control, runs in timed if not control)
    return MeanCurves(
        all_runs=[_mean_curve(*group) for group in groups],
        timed_runs=[_mean_curve(*group) for group in timed if group[2]] if some_shared and all_compare else None,
    )


def environment(inputs: TrialInputs) -> dict[str, list[str]]:
    """Returns the distinct values, over all finished runs, of what they ran on."""
    records = [run.record for runs in (*inputs.runs.values(), inputs.control_runs) for run in runs]
    names = ("device", "device_name", "precision", "threads", "processes")
    seen = {name: _distinct(getattr(record, name) for record in records) for name in names}
    seen["compiled"] = _distinct("yes" if record.compiled else "no" for record in records)
    for package in ("toktrial", "python", "torch", "numpy"):
        seen[package] = _distinct(record.versions.get(package) for record in records)
    seen["git commit"] = _distinct(record.source_commit or "not run from a checkout" for record in records)
    first = min(record.started for record in records)
    seen["first run started"] = [datetime.fromtimestamp(first, UTC).strftime("%Y-%m-%d %H:%M UTC")]
    return seen


def seconds_by_stage(inputs: TrialInputs) -> dict[str, float | None]:
    """Returns the seconds of every stage, in the order of the flow; None where an older version did not take them."""
    control = {"A/A control": inputs.control_runs} if inputs.control_runs else {}
    of_runs = {
        f"{stage}, {track}": taken
        for track, runs in (inputs.runs | control).items()
        for stage, taken in _seconds_of_runs(runs).items()
    }
    accounts = {name: inputs.account_seconds[each] for each, name in ACCOUNTS.items() if each in inputs.account_seconds}
    return {**inputs.preparation_seconds, **of_runs, **accounts}


def _track(inputs: TrialInputs, track: str, read_by_baseline: float | None) -> Track:
    tokens, record = inputs.tokens[track], inputs.runs[track][0].record
    runs = [_run(run) for run in inputs.runs[track]]
    timed = [run for run in runs if not run.shared_device]
    by_seed = {item.name: [getattr(run, item.name) for run in runs] for item in fields(Measures)}
    by_seed["training_seconds"] = [run.training_seconds for run in timed or runs]
    final = Measures(**{name: mean_over_seeds(values) for name, values in by_seed.items()})
    return Track(
        **{item.name: getattr(record, item.name) for item in fields(ModelFacts)},
        tokenizer=tokens.tokenizer,
        entries=tokens.entries,
        entries_requested=inputs.design.vocab_size_of(track),
        tokens=TrackTokens(tokens.train, tokens.validation),
        bytes_per_token=PerSplit(
            train=tokens.train.bytes / tokens.train.tokens, validation=tokens.validation.bytes / tokens.validation.tokens
        ),
        vocabulary=inputs.vocabulary.tracks.get(track),
        floors=_floors(inputs, track),
        context=record.context or inputs.design.model.context,
        batch_size=record.batch_size or inputs.design.training.batch_size,
        epochs=record.steps * record.tokens_per_step / record.stream_tokens,
        seeds_in_protocol=inputs.design.seeds,
        seeds_finished=[run.seed for run in runs],
        final=final,
        standard_deviation=Measures(**{name: standard_deviation_over_seeds(values) for name, values in by_seed.items()}),
        training_seconds_compare=bool(timed),
        runs=runs,
        text_read_over_baseline=final.bytes_seen / read_by_baseline if final.bytes_seen and read_by_baseline else None,
    )


def _floors(inputs: TrialInputs, track: str) -> Floors | None:
    if track not in inputs.floors:
        return None
    found, worst = inputs.floors[track], max(run.final.bits_per_byte for run in inputs.runs[track])
    return Floors(**vars(found), worst_run=worst, below_bigram=1 - worst / found.bigram.bits_per_byte)


def _run(run: EvaluatedRun) -> RunResult:
    return RunResult(
        seed=run.seed,
        shared_device=run.curve.shared_device,
        bits_per_byte=run.final.bits_per_byte,
        validation_loss=run.final.validation_loss,
        training_loss=run.final.training_loss,
        training_seconds=_last(run, "training_seconds"),
        equal_bytes=run.final.equal_bytes,
        tokens_seen=_last(run, "tokens"),
        bytes_seen=_last(run, "bytes_seen"),
        flops=_last(run, "flops"),
        compile_seconds=run.record.compile_seconds,
        warm_up_seconds=run.record.warm_up_seconds,
        evaluation_seconds=_last(run, "evaluation_seconds"),
        final_evaluation_seconds=run.final.seconds,
        sampling_seconds=run.final.sampling_seconds,
        curve={name: values.tolist() for name, values in run.curve.columns.items()},
        timed_step_seconds=run.curve.timed_step_seconds,
    )


def _last(run: EvaluatedRun, column: str) -> float:
    return float(run.curve.columns[column][-1])


def _mean_curve(track: str, control: bool, runs: Sequence[EvaluatedRun]) -> MeanCurve:
    return MeanCurve(track, control, [run.seed for run in runs], mean_columns([run.curve for run in runs]))


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(map(str, values)))


def _seconds_of_runs(runs: Sequence[EvaluatedRun]) -> dict[str, float | None]:
    sampling = [run.final.sampling_seconds for run in runs]
    known = [taken for taken in sampling if taken is not None]
    judging = [run.minimal_pairs.seconds for run in runs if run.minimal_pairs]
    summing = [run.marginal.seconds for run in runs if run.marginal]
    return {
        "compilation and warm-up": sum(run.record.compile_seconds + run.record.warm_up_seconds for run in runs),
        "training": sum(run.final.training_seconds for run in runs),
        "evaluation during training": sum(_last(run, "evaluation_seconds") for run in runs),
        "final evaluation": sum(run.final.seconds for run in runs),
        "samples": sum(known) if len(known) == len(sampling) else None,
        **({"minimal pairs": sum(judging)} if judging else {}),
        **({"sums over cuts": sum(summing)} if summing else {}),
    }
