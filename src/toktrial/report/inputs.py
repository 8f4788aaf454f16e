"""Reads what the stages before wrote into a trial folder, and checks that it fits together.

The report's only door to the disk: evaluation -> report. What is not finished is left out, never guessed.
"""

import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from toktrial.artifact import MANIFEST, file_sha256, fingerprint, read_json, read_manifest
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import DOCUMENT_NATS_FILE, EVALUATION_FILES, FINAL_FILE, SAMPLES_FILE, is_evaluated
from toktrial.evaluation.votes import VOTES_FILE, read_votes
from toktrial.report.amendments import AMENDMENTS_FILE, read_amendments
from toktrial.report.curves import Curve
from toktrial.report.design import Design, design_of
from toktrial.report.evaluated import (
    EvaluatedRun,
    FinalMeasures,
    FloorsAccount,
    JudgedPairs,
    KnownPairs,
    RunRecord,
    Sample,
    TokensManifest,
    TrialInputs,
    VocabularyAccount,
)
from toktrial.report.result import Corpus, Overlap
from toktrial.report.verdict import Floats
from toktrial.training.rates import OTHER_RATE_FOLDER, RATES_FILE, RATES_FOLDER, TUNING_FOLDER, read_tuned_rates

CURVE_COLUMNS = (
    "step", "training_loss", "validation_loss", "bits_per_byte", "learning_rate", "training_seconds",
    "evaluation_seconds", "tokens", "bytes_seen", "flops",
)  # fmt: skip
RUN_FILES = ("record.json", "metrics.jsonl", *EVALUATION_FILES)
SAMPLE_MEASURES_FILE = "evaluation/samples/measures.json"
FLOORS_FILE = "evaluation/floors/floors.json"
OVERLAP_FILE = "evaluation/overlap/overlap.json"
KNOWN_PAIRS_FILE = "evaluation/known_pairs/known_pairs.json"
INPUT_FILES = (
    "protocol.toml", "corpus/manifest.json", "tokenizers/*/manifest.json", "graphs/*/manifest.json",
    "tokens/*/manifest.json", "tokens/*/val_bytes.bin", "evaluation/*/manifest.json", "evaluation/vocabulary/vocabulary.json",
    SAMPLE_MEASURES_FILE, FLOORS_FILE, OVERLAP_FILE, KNOWN_PAIRS_FILE, AMENDMENTS_FILE, VOTES_FILE,
    "runs/*/seed-*/minimal_pairs.json",
    f"{RATES_FOLDER}/{RATES_FILE}",
    *(f"{folder}/*/seed-*/{name}" for folder in ("runs", OTHER_RATE_FOLDER) for name in RUN_FILES),
)  # fmt: skip
Kind = TypeVar("Kind")


def read_trial(trial_folder: Path) -> TrialInputs:
    """Reads a trial folder. The tracks stand in the protocol's order, the baseline first.

    Raises TrialError where a file is missing or damaged, or a track has no finished run, or no seed is finished both
    in it and in the baseline.
    """
    protocol = read_protocol(trial_folder)
    design = _design(protocol, trial_folder)
    tracks = list(design.tracks)
    finished = {track: _finished_seeds(trial_folder / "runs" / track) for track in tracks}
    wanted = {track: [seed for seed in seeds if 1 <= seed <= design.last_seed] for track, seeds in finished.items()}
    control = _control_seeds(design, finished[tracks[0]])
    _check_seeds(trial_folder, wanted)
    document_bytes = np.fromfile(_existing(trial_folder / "tokens" / tracks[0] / "val_bytes.bin"), dtype="<u4")
    corpus = _typed(read_manifest(trial_folder / "corpus"), Corpus, trial_folder / "corpus" / MANIFEST)
    manifests = {track: trial_folder / "tokens" / track / MANIFEST for track in tracks}
    tokens = {track: _typed(read_manifest(path.parent), TokensManifest, path) for track, path in manifests.items()}
    floors = _read_if_there(trial_folder / FLOORS_FILE, FloorsAccount)
    return TrialInputs(
        protocol=protocol,
        corpus=corpus,
        tokens=tokens,
        preparation_seconds={
            "corpus": corpus.seconds,
            **_stage_seconds(trial_folder / "tokenizers", "tokenizer "),
            **_stage_seconds(trial_folder / "graphs", "pair graph of "),
            **{f"tokens of {track}": manifest.seconds for track, manifest in tokens.items()},
            **_stage_seconds(trial_folder / TUNING_FOLDER, "tuning of "),
        },
        account_seconds=_stage_seconds(trial_folder / "evaluation"),
        runs={
            track: [_read_run(trial_folder / "runs" / track, seed, len(document_bytes)) for seed in seeds]
            for track, seeds in wanted.items()
        },
        control_runs=[_read_run(trial_folder / "runs" / tracks[0], seed, len(document_bytes)) for seed in control],
        tuning=read_tuned_rates(trial_folder) if design.tuning.rates else None,
        runs_at_other_rate=_runs_at_other_rate(trial_folder, wanted, len(document_bytes)),
        vocabulary=_read(trial_folder / "evaluation" / "vocabulary" / "vocabulary.json", VocabularyAccount),
        sample_measures=_read_if_there(trial_folder / SAMPLE_MEASURES_FILE, list[dict[str, Any]]) or [],
        votes=read_votes(trial_folder / VOTES_FILE),
        known_pairs=_read_if_there(trial_folder / KNOWN_PAIRS_FILE, KnownPairs),
        floors=floors.tracks if floors else {},
        overlap=_read_if_there(trial_folder / OVERLAP_FILE, Overlap),
        document_bytes=document_bytes,
        amendments=read_amendments(trial_folder),
        seeds_left_out={
            track: [seed for seed in seeds if seed not in (*wanted[track], *(control if track == tracks[0] else []))]
            for track, seeds in finished.items()
        },
    )


def read_final(path: Path) -> FinalMeasures:
    """Reads a run's final.json. Raises TrialError where it is damaged, or the training diverged."""
    plain = read_json(path)
    if not math.isfinite(plain["bits_per_byte"] or math.nan):
        raise TrialError(
            f"{path} has {plain['bits_per_byte']} bits per byte: the training diverged. Lower "
            "training.learning_rate in a new trial"
        )
    return _typed(plain, FinalMeasures, path)


def read_protocol(trial_folder: Path) -> dict[str, Any]:
    """Reads protocol.toml as plain tables. Raises TrialError where it is missing or no TOML."""
    path = _existing(trial_folder / "protocol.toml")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is no TOML ({error}): restore it, or begin the trial anew") from None


def input_checksums(trial_folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file that the report is made from, by its path within the trial."""
    paths = sorted(path for pattern in INPUT_FILES for path in trial_folder.glob(pattern))
    return {path.relative_to(trial_folder).as_posix(): file_sha256(path) for path in paths}


def report_fingerprint(trial_folder: Path, target: float | None = None) -> str:
    """Returns what identifies a report: the files that it is made from, and the target that was asked for."""
    asked = {} if target is None else {"target": target}
    return fingerprint("report", {**input_checksums(trial_folder), **asked})


def _design(protocol: dict[str, Any], trial_folder: Path) -> Design:
    try:
        return design_of(protocol)
    except ValueError as error:
        path = trial_folder / "protocol.toml"
        raise TrialError(f"{path} is no protocol ({error}): restore it, or begin the trial anew") from None


def _finished_seeds(folder: Path) -> list[int]:
    names = [re.fullmatch(r"seed-(\d+)", path.name) for path in folder.glob("seed-*")]
    seeds = sorted(int(name[1]) for name in names if name)
    return [seed for seed in seeds if is_evaluated(folder / f"seed-{seed}")]


def _runs_at_other_rate(trial_folder: Path, wanted: dict[str, list[int]], documents: int) -> dict[str, list[EvaluatedRun]]:
    """Returns them of every track that has them under all the seeds that its verdict pairs."""
    folders = {track: trial_folder / OTHER_RATE_FOLDER / track for track in wanted}
    return {
        track: [_read_run(folder, seed, documents) for seed in wanted[track]]
        for track, folder in folders.items()
        if set(wanted[track]) <= set(_finished_seeds(folder))
    }


def _control_seeds(design: Design, finished_by_baseline: list[int]) -> list[int]:
    """Returns the finished seeds of the A/A control."""
    last = design.last_seed
    return [seed for seed in finished_by_baseline if design.control and last < seed <= last + design.seeds]


def _check_seeds(trial_folder: Path, seeds: dict[str, list[int]]) -> None:
    remedy = f"`toktrial run {trial_folder / 'protocol.toml'}` does what is left"
    baseline = next(iter(seeds))
    for track, finished in seeds.items():
        if not finished:
            raise TrialError(f"track {track} has no finished run under {trial_folder / 'runs' / track}: {remedy}")
        if not set(finished) & set(seeds[baseline]):
            raise TrialError(
                f"track {track} and the baseline {baseline} have no finished seed in common "
                f"({track}: {finished}, {baseline}: {seeds[baseline]}), so no pair to compare: {remedy}"
            )


def _read_run(track_folder: Path, seed: int, documents: int) -> EvaluatedRun:
    folder = track_folder / f"seed-{seed}"
    final, record = read_final(folder / FINAL_FILE), _read(folder / "record.json", RunRecord)
    document_nats = np.load(folder / DOCUMENT_NATS_FILE).astype(np.float64)
    if document_nats.shape != (documents,):
        raise TrialError(
            f"{folder / DOCUMENT_NATS_FILE} must hold one number for each of the {documents} validation documents, "
            f"but its shape is {document_nats.shape}: delete {folder} and run again"
        )
    return EvaluatedRun(
        seed=seed,
        record=record,
        final=final,
        curve=Curve(_read_curve(folder / "metrics.jsonl"), record.shared_device),
        document_nats=document_nats,
        samples=_read(folder / SAMPLES_FILE, list[Sample]),
        minimal_pairs=_read_if_there(folder / "minimal_pairs.json", JudgedPairs),
    )


def _read_curve(path: Path) -> dict[str, Floats]:
    try:
        rows = [json.loads(line) for line in _existing(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is damaged ({error}): delete its folder and run again") from None
    if not rows:
        raise TrialError(f"{path} holds no evaluation: delete its folder and run again")
    by_step = {row["step"]: row for row in rows}  # a resumed run may have written a step twice: the later line holds
    ordered = [by_step[step] for step in sorted(by_step)]
    return {name: np.array([_number(row.get(name)) for row in ordered]) for name in CURVE_COLUMNS}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _stage_seconds(folder: Path, prefix: str = "") -> dict[str, float | None]:
    """Returns the seconds that each finished stage within a folder took, by its name."""
    return {
        prefix + path.parent.name: read_manifest(path.parent).get("seconds") for path in sorted(folder.glob(f"*/{MANIFEST}"))
    }


def _read(path: Path, kind: type[Kind]) -> Kind:
    return _typed(read_json(path), kind, path)


def _read_if_there(path: Path, kind: type[Kind]) -> Kind | None:
    return _read(path, kind) if path.is_file() else None


def _typed(plain: Any, kind: type[Kind], path: Path) -> Kind:
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise TrialError(f"{path} is damaged ({error}): delete {path.parent} and run again") from None


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise TrialError(f"{path} is missing: run the stage that writes it")
    return path
