"""Gathers everything that the report says into one dict, which becomes results.json.

Inputs -> results -> charts, page, Markdown: these read nothing else, so every number of theirs is in results.json.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from toktrial.report.amendments import is_exploratory
from toktrial.report.control_section import gather_control
from toktrial.report.curves import AXES, Pair, crossings, lower, reach, swapped
from toktrial.report.differences import gather_differences
from toktrial.report.differences_section import headline_clauses
from toktrial.report.gate import gate, gated_words, judged_bits_per_byte
from toktrial.report.inputs import EvaluatedRun, TrialInputs
from toktrial.report.mean_curves import gather_mean_curves
from toktrial.report.minimal_pairs_section import gather_minimal_pairs
from toktrial.report.noise_section import gather_noise
from toktrial.report.notes import notes
from toktrial.report.over_seeds import mean_over_seeds, standard_deviation_over_seeds
from toktrial.report.ratings_section import gather_ratings
from toktrial.report.samples_section import gather_sample_measures, gather_samples
from toktrial.report.sequential import Look, decide_by_looks, look, shared_confidence
from toktrial.report.target_section import gather_targets
from toktrial.report.tuning_section import at_other_rate, gather_tuning
from toktrial.report.verdict import corrected_p_values, decide, document_interval, paired_interval
from toktrial.report.vocabulary_section import gather_cuts
from toktrial.report.wording import criterion, outcome, overall_word, verdict_detail, what_the_intervals_hold

RULE = (
    "The word is decided by one rule, fixed in the protocol. First, every run of both tracks must have learned more than a "
    "count model of the track's own ids knows. Then the two-sided paired t-interval decides, over seeds, of the difference in "
    "bits per byte on every validation document, at the protocol's budget. Nothing else on this page decides it. The interval "
    "covers what differs from seed to seed: initial weights and the order of the documents. It says nothing of another "
    "corpus, model or budget."
)


def gather(inputs: TrialInputs, target: float | None = None) -> dict[str, Any]:
    """Returns the results: plain dicts, lists, texts and numbers, None where a number is not known or not finite.

    `target`: bits per byte; where it is given, the results say what each track needs to reach it.
    """
    protocol = inputs.protocol
    confidence = protocol["verdict"]["confidence"]
    comparisons = _comparisons(inputs, confidence)
    other_rate = at_other_rate(inputs)
    at_other = _comparisons(other_rate, confidence) if other_rate else None
    paired = {other: _paired_runs(inputs, other) for other in inputs.others}
    results: dict[str, Any] = {
        "trial": protocol["name"],
        "baseline": inputs.baseline,
        "verdict": _verdict(inputs, comparisons, confidence),
        "notes": [],
        "tracks": _tracks(inputs),
        "comparisons": comparisons,
        "differences": gather_differences(inputs, paired),
        "noise": gather_noise(_judged_by_seed(inputs), comparisons, confidence),
        "tuning": gather_tuning(inputs, comparisons, at_other),
        "targets": gather_targets(inputs, target),
        "amendments": inputs.amendments,
        "overlap": inputs.overlap,
        "control": gather_control(inputs, comparisons),
        "mean_curves": gather_mean_curves(inputs),
        "shared_entries": inputs.vocabulary.get("shared_entries", {}),
        "cuts": gather_cuts(inputs),
        "samples": gather_samples(inputs),
        "sample_measures": gather_sample_measures(inputs),
        "ratings": gather_ratings(inputs),
        "minimal_pairs": gather_minimal_pairs(inputs),
        "corpus": {key: value for key, value in inputs.corpus.items() if key not in ("files", "fingerprint")},
        "protocol": protocol,
        "environment": _environment(inputs),
        "seconds_by_stage": _seconds_by_stage(inputs),
    }
    results["verdict"]["clauses"] = headline_clauses(results)
    results["notes"] = notes(results, inputs.seeds_left_out)
    strict: dict[str, Any] = _strict(results)
    return strict


def _verdict(inputs: TrialInputs, comparisons: Sequence[dict[str, Any]], confidence: float) -> dict[str, Any]:
    seeds = inputs.protocol["seeds"]
    exploratory = is_exploratory(inputs.amendments)
    came_out = outcome(comparisons, seeds, exploratory)
    details = [verdict_detail(item, len(comparisons)) for item in comparisons]
    details += what_the_intervals_hold(comparisons, confidence)
    return {
        "criterion": criterion(inputs.baseline, inputs.others, inputs.protocol),
        "outcome": came_out,
        "word": overall_word(comparisons),
        "details": details,
        "sentence": " ".join([came_out, *details]),
        "exploratory": exploratory,
        "confidence": confidence,
        "rule": RULE,
    }


def _comparisons(inputs: TrialInputs, confidence: float) -> list[dict[str, Any]]:
    paired = {other: _paired_runs(inputs, other) for other in inputs.others}
    budget, floor = inputs.protocol["verdict"].get("budget", "steps"), inputs.protocol["verdict"].get("floor", "bigram")
    judged = {
        other: [
            (judged_bits_per_byte(baseline.final, budget), judged_bits_per_byte(run.final, budget)) for baseline, run in runs
        ]
        for other, runs in paired.items()
    }
    looks = _looks(inputs, judged, confidence)
    each_confidence = shared_confidence(confidence, len(judged))
    intervals = {
        other: looks[other].interval
        if looks
        else paired_interval([one for one, _ in values], [two for _, two in values], each_confidence)
        for other, values in judged.items()
    }
    baseline_bits_per_byte = {other: statistics.fmean(one for one, _ in values) for other, values in judged.items()}
    learned = gate(inputs)
    decided = decide_by_looks(looks, inputs.baseline) if looks else decide(intervals, inputs.baseline, confidence)
    words = gated_words(decided, learned, inputs.baseline, floor)
    corrected = corrected_p_values(intervals)
    return [
        {
            "track": other,
            "baseline": inputs.baseline,
            "verdict": words[other],
            "paired_seeds": [run.seed for _, run in paired[other]][: interval.seeds],
            "difference": interval.mean,
            "relative_difference": interval.mean / baseline_bits_per_byte[other],
            "differences": [of_other - of_baseline for of_baseline, of_other in judged[other]][: interval.seeds],
            "interval_confidence": 1 - looks[other].level if looks else each_confidence,
            "look": {"level": looks[other].level, "is_open": looks[other].is_open} if looks else None,
            "learned": {track: asdict(learned[track]) for track in (inputs.baseline, other)},
            "budget": budget,
            "low": interval.low,
            "high": interval.high,
            "p_value": interval.p_value,
            "p_value_corrected": corrected[other],
            "interval_without_width": interval.without_width,
            "baseline_bits_per_byte": baseline_bits_per_byte[other],
            "beside_the_verdict": _beside(inputs, paired[other], confidence),
        }
        for other, interval in intervals.items()
    ]


def _judged_by_seed(inputs: TrialInputs) -> dict[str, dict[int, float]]:
    budget = inputs.protocol["verdict"].get("budget", "steps")
    return {track: {run.seed: judged_bits_per_byte(run.final, budget) for run in runs} for track, runs in inputs.runs.items()}


def _looks(inputs: TrialInputs, judged: Mapping[str, list[tuple[float, float]]], confidence: float) -> dict[str, Look]:
    """Returns where a sequential design stands on each other track; none where the protocol plans one look alone."""
    first, most = inputs.protocol["seeds"], inputs.protocol.get("most_seeds", 0)
    if most <= first:
        return {}
    each = shared_confidence(confidence, len(judged))
    return {
        other: look([one for one, _ in values], [two for _, two in values], first, most, each)
        for other, values in judged.items()
    }


def _paired_runs(inputs: TrialInputs, other: str) -> list[tuple[EvaluatedRun, EvaluatedRun]]:
    baseline_runs = {run.seed: run for run in inputs.runs[inputs.baseline]}
    return [(baseline_runs[run.seed], run) for run in inputs.runs[other] if run.seed in baseline_runs]


def _beside(inputs: TrialInputs, paired: Sequence[tuple[EvaluatedRun, EvaluatedRun]], confidence: float) -> dict[str, Any]:
    pairs: list[Pair] = [(baseline.curve, other.curve) for baseline, other in paired]
    warmup_steps = inputs.protocol["training"]["warmup_steps"]
    nats = np.mean([other.document_nats - baseline.document_nats for baseline, other in paired], axis=0)
    return {
        **{measure: _curve_questions(pairs, measure, warmup_steps) for measure in ("validation_loss", "bits_per_byte")},
        "documents": asdict(document_interval(nats, inputs.document_bytes, confidence)),
    }


def _curve_questions(pairs: Sequence[Pair], measure: str, warmup_steps: int) -> dict[str, Any]:
    return {
        "lower": asdict(lower(pairs, measure, warmup_steps)),
        "reach": {axis: asdict(reach(pairs, measure, axis)) for axis in AXES},
        "reach_by_baseline": {axis: asdict(reach(swapped(pairs), measure, axis)) for axis in AXES},
        "crossings_at_steps": crossings(pairs, measure, warmup_steps),
    }


def _tracks(inputs: TrialInputs) -> dict[str, dict[str, Any]]:
    tracks = {track: _track(inputs, track) for track in inputs.runs}
    read_by_baseline = tracks[inputs.baseline]["final"]["bytes_seen"]
    for track in tracks.values():
        read = track["final"]["bytes_seen"]
        track["text_read_over_baseline"] = read / read_by_baseline if read and read_by_baseline else None
    return tracks


def _track(inputs: TrialInputs, track: str) -> dict[str, Any]:
    runs, tokens, record = inputs.runs[track], inputs.tokens[track], inputs.runs[track][0].record
    described = [_run(run) for run in runs]
    timed = [run for run in described if not run["shared_device"]] or described
    by_seed = {name: [run[name] for run in described] for name in FINAL_MEASURES}
    by_seed["training_seconds"] = [run["training_seconds"] for run in timed]
    return {
        "tokenizer": tokens["tokenizer"],
        "entries": tokens["entries"],
        "entries_requested": inputs.protocol["vocab_size"],
        "tokens": {part: tokens[part] for part in ("train", "validation")},
        "bytes_per_token": {part: tokens[part]["bytes"] / tokens[part]["tokens"] for part in ("train", "validation")},
        "vocabulary": inputs.vocabulary["tracks"].get(track, {}),
        "floors": _floors(inputs, track),
        "parameters": record["parameters"],
        "parameters_without_embeddings": record["parameters_without_embeddings"],
        "parameters_of_embeddings": record["parameters_of_embeddings"],
        "flops_per_token": record["flops_per_token"],
        "tokens_per_step": record["tokens_per_step"],
        "context": record.get("context", inputs.protocol["model"]["context"]),
        "batch_size": record.get("batch_size", inputs.protocol["training"]["batch_size"]),
        "steps": record["steps"],
        "stream_tokens": record["stream_tokens"],
        "epochs": record["steps"] * record["tokens_per_step"] / record["stream_tokens"],
        "seeds_in_protocol": inputs.protocol["seeds"],
        "seeds_finished": [run.seed for run in runs],
        "final": {name: mean_over_seeds(values) for name, values in by_seed.items()},
        "standard_deviation": {name: standard_deviation_over_seeds(values) for name, values in by_seed.items()},
        "training_seconds_compare": any(not run["shared_device"] for run in described),
        "runs": described,
    }


def _floors(inputs: TrialInputs, track: str) -> dict[str, Any] | None:
    """Returns what counting reaches, the track's worst run at its end, and how far that is below the bigram floor."""
    if not inputs.floors:
        return None
    floors, worst = inputs.floors["tracks"][track], max(run.final["bits_per_byte"] for run in inputs.runs[track])
    return {**floors, "worst_run": worst, "below_bigram": 1 - worst / floors["bigram"]["bits_per_byte"]}


FINAL_MEASURES = (
    "bits_per_byte", "validation_loss", "training_loss", "training_seconds", "tokens_seen", "bytes_seen", "flops",
)  # fmt: skip


def _run(run: EvaluatedRun) -> dict[str, Any]:
    columns = run.curve.columns
    return {
        "seed": run.seed,
        "shared_device": run.curve.shared_device,
        **{name: run.final.get(name) for name in ("bits_per_byte", "validation_loss", "training_loss", "training_seconds")},
        "equal_bytes": run.final.get("equal_bytes"),
        "tokens_seen": float(columns["tokens"][-1]),
        "bytes_seen": float(columns["bytes_seen"][-1]),
        "flops": float(columns["flops"][-1]),
        "compile_seconds": run.record["compile_seconds"],
        "warm_up_seconds": run.record["warm_up_seconds"],
        "evaluation_seconds": float(columns["evaluation_seconds"][-1]),
        "final_evaluation_seconds": run.final["seconds"],
        "sampling_seconds": run.final.get("sampling_seconds"),
        "curve": {name: values.tolist() for name, values in columns.items()},
    }


def _environment(inputs: TrialInputs) -> dict[str, list[str]]:
    """Returns the distinct values, over all finished runs, of what they ran on; one value each is what is fair."""
    records = [run.record for runs in (*inputs.runs.values(), inputs.control_runs) for run in runs]
    seen = {name: _distinct(record[name] for record in records) for name in ("device", "device_name", "precision")}
    for name in ("threads", "processes"):
        seen[name] = _distinct(record[name] for record in records)
    seen["compiled"] = _distinct("yes" if record["compiled"] else "no" for record in records)
    for package in ("toktrial", "python", "torch", "numpy"):
        seen[package] = _distinct(record["versions"].get(package) for record in records)
    seen["git commit"] = _distinct(record["source_commit"] or "not run from a checkout" for record in records)
    first = min(float(record["started"]) for record in records)
    seen["first run started"] = [datetime.fromtimestamp(first, UTC).strftime("%Y-%m-%d %H:%M UTC")]
    return seen


def _distinct(values: Any) -> list[str]:
    return list(dict.fromkeys(str(value) for value in values))


# What the evaluation says of the whole trial: the folder of its file, and what a reader calls it.
ACCOUNTS = {
    "vocabulary": "account of the vocabularies",
    "floors": "floors",
    "overlap": "overlap",
    "samples": "measures of the samples",
    "known_pairs": "known words of the minimal pairs",
}


def _seconds_by_stage(inputs: TrialInputs) -> dict[str, float | None]:
    """Returns the seconds of every stage, in the order of the flow; None where an older version did not take them."""
    seconds: dict[str, float | None] = {"corpus": inputs.corpus.get("seconds")}
    for kind, manifests in (("tokenizer", inputs.tokenizers), ("pair graph of", inputs.graphs), ("tokens of", inputs.tokens)):
        seconds.update({f"{kind} {name}": manifest.get("seconds") for name, manifest in manifests.items()})
    control = {"A/A control": inputs.control_runs} if inputs.control_runs else {}
    for track, runs in (inputs.runs | control).items():
        seconds.update({f"{stage}, {track}": taken for stage, taken in _seconds_of_runs(runs).items()})
    seconds.update({name: inputs.accounts[each].get("seconds") for each, name in ACCOUNTS.items() if each in inputs.accounts})
    return seconds


def _seconds_of_runs(runs: Sequence[EvaluatedRun]) -> dict[str, float | None]:
    sampling: list[Any] = [run.final.get("sampling_seconds") for run in runs]
    judging = [run.minimal_pairs["seconds"] for run in runs if run.minimal_pairs]
    return {
        "compilation and warm-up": sum(run.record["compile_seconds"] + run.record["warm_up_seconds"] for run in runs),
        "training": sum(run.final["training_seconds"] for run in runs),
        "evaluation during training": sum(float(run.curve.columns["evaluation_seconds"][-1]) for run in runs),
        "final evaluation": sum(run.final["seconds"] for run in runs),
        "samples": None if None in sampling else sum(sampling),
        **({"minimal pairs": sum(judging)} if judging else {}),
    }


def _strict(value: Any) -> Any:
    """Returns the same with None for every number that is not finite: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
