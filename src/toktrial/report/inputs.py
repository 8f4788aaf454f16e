"""Reads what the stages before wrote into a trial folder, and checks that it fits together.

The report's only door to the disk: evaluation -> report. What is not finished is left out, never guessed.
"""

import json
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toktrial.artifact import MANIFEST, file_sha256, fingerprint, read_json, read_manifest
from toktrial.errors import TrialError
from toktrial.evaluation.votes import VOTES_FILE, Vote, read_votes
from toktrial.report.amendments import AMENDMENTS_FILE, read_amendments
from toktrial.report.curves import Curve
from toktrial.report.verdict import Floats
from toktrial.training.rates import OTHER_RATE_FOLDER, RATES_FILE, RATES_FOLDER, TunedRates, read_tuned_rates

CURVE_COLUMNS = (
    "step", "training_loss", "validation_loss", "bits_per_byte", "learning_rate", "training_seconds",
    "evaluation_seconds", "tokens", "bytes_seen", "flops",
)  # fmt: skip
RUN_FILES = ("record.json", "metrics.jsonl", "final.json", "document_nats.npy")
# What a record that does not say so was: every step was eager then, and every run one process.
UNRECORDED = {"compiled": False, "compile_seconds": 0.0, "processes": 1, "source_commit": "not recorded"}
SAMPLE_MEASURES_FILE = "evaluation/samples/measures.json"
FLOORS_FILE = "evaluation/floors/floors.json"
OVERLAP_FILE = "evaluation/overlap/overlap.json"
KNOWN_PAIRS_FILE = "evaluation/known_pairs/known_pairs.json"
INPUT_FILES = (
    "protocol.toml", "corpus/manifest.json", "tokenizers/*/manifest.json", "graphs/*/manifest.json",
    "tokens/*/manifest.json", "tokens/*/val_bytes.bin", "evaluation/*/manifest.json", "evaluation/vocabulary/vocabulary.json",
    SAMPLE_MEASURES_FILE, FLOORS_FILE, OVERLAP_FILE, KNOWN_PAIRS_FILE, AMENDMENTS_FILE, VOTES_FILE,
    "runs/*/seed-*/samples.json", "runs/*/seed-*/minimal_pairs.json",
    f"{RATES_FOLDER}/{RATES_FILE}",
    *(f"{folder}/*/seed-*/{name}" for folder in ("runs", OTHER_RATE_FOLDER) for name in RUN_FILES),
)  # fmt: skip


@dataclass(frozen=True)
class EvaluatedRun:
    """One training that came to its end and was evaluated."""

    seed: int
    record: dict[str, Any]
    """What the run was: device, precision, parameters, versions."""
    final: dict[str, Any]
    """The measures on every validation document."""
    curve: Curve
    """The measures along the way."""
    document_nats: Floats
    """Nats of each validation document (documents,) float64."""
    samples: list[dict[str, Any]]
    """Prompts and what the model made of them. Untrusted text."""
    minimal_pairs: dict[str, Any] | None
    """Which sentence of every minimal pair the model finds likelier; None where it was not asked."""


@dataclass(frozen=True)
class TrialInputs:
    """All that the report is made from."""

    protocol: dict[str, Any]
    corpus: dict[str, Any]
    tokenizers: dict[str, dict[str, Any]]
    """Manifest of each tokenizer."""
    graphs: dict[str, dict[str, Any]]
    """Manifest of each pair graph."""
    tokens: dict[str, dict[str, Any]]
    """Manifest of each track's token files."""
    accounts: dict[str, dict[str, Any]]
    """Manifest of each account that the evaluation gives of the whole trial: `vocabulary`, `samples`, `known_pairs`."""
    runs: dict[str, list[EvaluatedRun]]
    """The finished runs of each track under the seeds that the verdict pairs, by ascending seed."""
    control_runs: list[EvaluatedRun]
    """The finished runs of the A/A control: the baseline under other seeds, by ascending seed."""
    tuning: TunedRates | None
    """What the tuning of learning rates found; None where the protocol asks for none."""
    runs_at_other_rate: dict[str, list[EvaluatedRun]]
    """The finished runs at the tuned rate that does not decide, of tracks for which it is another one."""
    vocabulary: dict[str, Any]
    sample_measures: list[dict[str, Any]]
    """Counts of every measured sample and real document; none where they were not measured."""
    votes: list[Vote]
    """What people said of the samples."""
    known_pairs: dict[str, Any] | None
    """Which minimal pairs hold known words alone; None where none were judged."""
    floors: dict[str, Any] | None
    """What counting alone reaches, by track; None in a trial of an earlier version."""
    overlap: dict[str, Any] | None
    """Near-duplicates, and documents that share rows; None in a trial of an earlier version."""
    document_bytes: NDArray[np.uint32]
    """UTF-8 bytes of each validation document (documents,)."""
    amendments: list[dict[str, Any]]
    """What the protocol changed after the trial had begun: fields of `amendments.Amendment`."""
    seeds_left_out: dict[str, list[int]]
    """Finished seeds of each track that the protocol does not name."""

    @property
    def baseline(self) -> str:
        return next(iter(self.runs))

    @property
    def others(self) -> list[str]:
        return list(self.runs)[1:]


def read_trial(trial_folder: Path) -> TrialInputs:
    """Reads a trial folder. The tracks stand in the protocol's order, the baseline first.

    Raises TrialError where a file is missing or damaged, or a track has no finished run, or no seed is finished both
    in it and in the baseline.
    """
    protocol = read_protocol(trial_folder)
    tracks = list(protocol["tracks"])
    finished = {track: _finished_seeds(trial_folder / "runs" / track) for track in tracks}
    wanted = {track: [seed for seed in seeds if 1 <= seed <= last_seed(protocol)] for track, seeds in finished.items()}
    control = _control_seeds(protocol, finished[tracks[0]])
    _check_seeds(trial_folder, wanted)
    document_bytes = np.fromfile(_existing(trial_folder / "tokens" / tracks[0] / "val_bytes.bin"), dtype="<u4")
    return TrialInputs(
        protocol=protocol,
        corpus=read_manifest(trial_folder / "corpus"),
        tokenizers=_manifests(trial_folder / "tokenizers"),
        graphs=_manifests(trial_folder / "graphs"),
        tokens={track: read_manifest(trial_folder / "tokens" / track) for track in tracks},
        accounts=_manifests(trial_folder / "evaluation"),
        runs={
            track: [_read_run(trial_folder / "runs" / track, seed, len(document_bytes)) for seed in seeds]
            for track, seeds in wanted.items()
        },
        control_runs=[_read_run(trial_folder / "runs" / tracks[0], seed, len(document_bytes)) for seed in control],
        tuning=read_tuned_rates(trial_folder) if protocol.get("tuning", {}).get("rates") else None,
        runs_at_other_rate=_runs_at_other_rate(trial_folder, wanted, len(document_bytes)),
        vocabulary=read_json(trial_folder / "evaluation" / "vocabulary" / "vocabulary.json"),
        sample_measures=_read_if_there(trial_folder / SAMPLE_MEASURES_FILE),
        votes=read_votes(trial_folder / VOTES_FILE),
        known_pairs=_object_if_there(trial_folder / KNOWN_PAIRS_FILE),
        floors=_object_if_there(trial_folder / FLOORS_FILE),
        overlap=_object_if_there(trial_folder / OVERLAP_FILE),
        document_bytes=document_bytes,
        amendments=read_amendments(trial_folder),
        seeds_left_out={
            track: [seed for seed in seeds if seed not in (*wanted[track], *(control if track == tracks[0] else []))]
            for track, seeds in finished.items()
        },
    )


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


def _finished_seeds(folder: Path) -> list[int]:
    names = [re.fullmatch(r"seed-(\d+)", path.name) for path in folder.glob("seed-*")]
    seeds = sorted(int(name[1]) for name in names if name)
    return [seed for seed in seeds if all((folder / f"seed-{seed}" / name).is_file() for name in RUN_FILES)]


def _runs_at_other_rate(trial_folder: Path, wanted: dict[str, list[int]], documents: int) -> dict[str, list[EvaluatedRun]]:
    """Returns them of every track that has them under all the seeds that its verdict pairs."""
    folders = {track: trial_folder / OTHER_RATE_FOLDER / track for track in wanted}
    return {
        track: [_read_run(folder, seed, documents) for seed in wanted[track]]
        for track, folder in folders.items()
        if set(wanted[track]) <= set(_finished_seeds(folder))
    }


def _control_seeds(protocol: dict[str, Any], finished_by_baseline: list[int]) -> list[int]:
    """Returns the finished seeds of the A/A control, which a protocol older than the control does not have."""
    if not protocol.get("control", False):
        return []
    last = last_seed(protocol)
    return [seed for seed in finished_by_baseline if last < seed <= last + protocol["seeds"]]


def last_seed(protocol: dict[str, Any]) -> int:
    """Returns the highest seed that the verdict may pair: beyond it stand those of the A/A control."""
    return int(max(protocol["seeds"], protocol.get("most_seeds", 0)))


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
    record, final = UNRECORDED | read_json(folder / "record.json"), read_json(folder / "final.json")
    document_nats = np.load(folder / "document_nats.npy").astype(np.float64)
    if document_nats.shape != (documents,):
        raise TrialError(
            f"{folder / 'document_nats.npy'} must hold one number for each of the {documents} validation documents, "
            f"but its shape is {document_nats.shape}: delete {folder} and run again"
        )
    if not math.isfinite(final["bits_per_byte"] or math.nan):
        raise TrialError(
            f"{folder / 'final.json'} has {final['bits_per_byte']} bits per byte: the training diverged. Lower "
            "training.learning_rate in a new trial"
        )
    return EvaluatedRun(
        seed=seed,
        record=record,
        final=final,
        curve=Curve(_read_curve(folder / "metrics.jsonl"), bool(record["shared_device"])),
        document_nats=document_nats,
        samples=_read_if_there(folder / "samples.json"),
        minimal_pairs=_object_if_there(folder / "minimal_pairs.json"),
    )


def _read_curve(path: Path) -> dict[str, Floats]:
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is damaged ({error}): delete its folder and run again") from None
    if not rows:
        raise TrialError(f"{path} holds no evaluation: delete its folder and run again")
    by_step = {row["step"]: row for row in rows}  # a resumed run may have written a step twice: the later line holds
    ordered = [by_step[step] for step in sorted(by_step)]
    return {name: np.array([_number(row.get(name)) for row in ordered]) for name in CURVE_COLUMNS}


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _manifests(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.parent.name: read_manifest(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))}


def _read_if_there(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = read_json(path) if path.is_file() else []
    return rows


def _object_if_there(path: Path) -> dict[str, Any] | None:
    found: dict[str, Any] | None = read_json(path) if path.is_file() else None
    return found


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise TrialError(f"{path} is missing: run the stage that writes it")
    return path
