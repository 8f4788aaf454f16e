"""What every track came to: its tokenizer, its runs and their means, its mean curves, what it ran on and for how long.

Inputs -> tracks -> result; `gather.gather` calls each function once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from toktrial.report.curves import mean_columns, mean_over_seeds, standard_deviation_over_seeds
from toktrial.report.evaluated import EvaluatedRun, TrialInputs
from toktrial.report.result_accounts import PerSplit
from toktrial.report.result_tracks import Floors, MeanCurve, MeanCurves, Measures, ModelFacts, RunResult, Track, TrackTokens

MEASURES = ("bits_per_byte", "validation_loss", "training_loss", "training_seconds", "tokens_seen", "bytes_seen", "flops")
# What the evaluation says of the whole trial: the folder of its file, and what a reader calls it.
ACCOUNTS = {
    "vocabulary": "account of the vocabularies",
    "floors": "floors",
    "overlap": "overlap",
    "samples": "measures of the samples",
    "known_pairs": "known words of the minimal pairs",
}


def gather_tracks(inputs: TrialInputs) -> dict[str, Track]:
    """Returns every track, the baseline first."""
    read = {track: mean_over_seeds([_last(run, "bytes_seen") for run in runs]) for track, runs in inputs.runs.items()}
    of_baseline = read[inputs.baseline]
    ratios = {track: value / of_baseline if value and of_baseline else None for track, value in read.items()}
    return {track: _track(inputs, track, ratios[track]) for track in inputs.runs}


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


def _track(inputs: TrialInputs, track: str, text_read_over_baseline: float | None) -> Track:
    runs, tokens, record = inputs.runs[track], inputs.tokens[track], inputs.runs[track][0].record
    described = [_run(run) for run in runs]
    timed = [run for run in described if not run.shared_device] or described
    by_seed = {name: [getattr(run, name) for run in described] for name in MEASURES}
    by_seed["training_seconds"] = [run.training_seconds for run in timed]
    return Track(
        **{item.name: getattr(record, item.name) for item in fields(ModelFacts)},
        tokenizer=tokens.tokenizer,
        entries=tokens.entries,
        entries_requested=inputs.design.vocab_size,
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
        final=Measures(**{name: mean_over_seeds(values) for name, values in by_seed.items()}),
        standard_deviation=Measures(**{name: standard_deviation_over_seeds(values) for name, values in by_seed.items()}),
        training_seconds_compare=any(not run.shared_device for run in described),
        runs=described,
        text_read_over_baseline=text_read_over_baseline,
    )


def _floors(inputs: TrialInputs, track: str) -> Floors | None:
    if track not in inputs.floors:
        return None
    found, worst = inputs.floors[track], max(run.final.bits_per_byte for run in inputs.runs[track])
    below_bigram = 1 - worst / found.bigram.bits_per_byte
    return Floors(**vars(found), worst_run=worst, below_bigram=below_bigram)


def _run(run: EvaluatedRun) -> RunResult:
    return RunResult(
        seed=run.seed,
        shared_device=run.curve.shared_device,
        bits_per_byte=run.final.bits_per_byte,
        validation_loss=run.final.validation_loss,
        training_loss=run.final.training_loss,
        training_seconds=run.final.training_seconds,
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
    )


def _last(run: EvaluatedRun, column: str) -> float:
    return float(run.curve.columns[column][-1])


def _mean_curve(track: str, control: bool, runs: Sequence[EvaluatedRun]) -> MeanCurve:
    columns = mean_columns([run.curve for run in runs])
    return MeanCurve(track=track, control=control, seeds=[run.seed for run in runs], columns=columns)


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))


def _seconds_of_runs(runs: Sequence[EvaluatedRun]) -> dict[str, float | None]:
    sampling = [run.final.sampling_seconds for run in runs]
    known = [taken for taken in sampling if taken is not None]
    judging = [run.minimal_pairs.seconds for run in runs if run.minimal_pairs]
    return {
        "compilation and warm-up": sum(run.record.compile_seconds + run.record.warm_up_seconds for run in runs),
        "training": sum(run.final.training_seconds for run in runs),
        "evaluation during training": sum(_last(run, "evaluation_seconds") for run in runs),
        "final evaluation": sum(run.final.seconds for run in runs),
        "samples": sum(known) if len(known) == len(sampling) else None,
        **({"minimal pairs": sum(judging)} if judging else {}),
    }
