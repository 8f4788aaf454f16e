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

from toktrial.artifact import MANIFEST, file_sha256, read_json, read_manifest
from toktrial.errors import TrialError
from toktrial.report.curves import Curve
from toktrial.report.verdict import Floats

CURVE_COLUMNS = (
    "step", "training_loss", "validation_loss", "bits_per_byte", "learning_rate", "training_seconds",
    "evaluation_seconds", "tokens", "bytes_seen", "flops",
)  # fmt: skip
RUN_FILES = ("record.json", "metrics.jsonl", "final.json", "document_nats.npy")
# What a record that does not say so was: every step was eager then, and every run one process.
UNRECORDED = {"compiled": False, "compile_seconds": 0.0, "processes": 1}
INPUT_FILES = (
    "protocol.toml", "corpus/manifest.json", "tokenizers/*/manifest.json", "graphs/*/manifest.json",
    "tokens/*/manifest.json", "tokens/*/val_bytes.bin", "evaluation/vocabulary/vocabulary.json", "runs/*/seed-*/samples.json",
    *(f"runs/*/seed-*/{name}" for name in RUN_FILES),
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
    runs: dict[str, list[EvaluatedRun]]
    """The finished runs of each track, by ascending seed."""
    vocabulary: dict[str, Any]
    document_bytes: NDArray[np.uint32]
    """UTF-8 bytes of each validation document (documents,)."""
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
    wanted = {track: [seed for seed in seeds if 1 <= seed <= protocol["seeds"]] for track, seeds in finished.items()}
    _check_seeds(trial_folder, wanted)
    document_bytes = np.fromfile(_existing(trial_folder / "tokens" / tracks[0] / "val_bytes.bin"), dtype="<u4")
    return TrialInputs(
        protocol=protocol,
        corpus=read_manifest(trial_folder / "corpus"),
        tokenizers=_manifests(trial_folder / "tokenizers"),
        graphs=_manifests(trial_folder / "graphs"),
        tokens={track: read_manifest(trial_folder / "tokens" / track) for track in tracks},
        runs={
            track: [_read_run(trial_folder / "runs" / track, seed, len(document_bytes)) for seed in seeds]
            for track, seeds in wanted.items()
        },
        vocabulary=read_json(trial_folder / "evaluation" / "vocabulary" / "vocabulary.json"),
        document_bytes=document_bytes,
        seeds_left_out={track: [seed for seed in finished[track] if seed not in wanted[track]] for track in tracks},
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


def _finished_seeds(folder: Path) -> list[int]:
    names = [re.fullmatch(r"seed-(\d+)", path.name) for path in folder.glob("seed-*")]
    seeds = sorted(int(name[1]) for name in names if name)
    return [seed for seed in seeds if all((folder / f"seed-{seed}" / name).is_file() for name in RUN_FILES)]


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
    samples = folder / "samples.json"
    return EvaluatedRun(
        seed=seed,
        record=record,
        final=final,
        curve=Curve(_read_curve(folder / "metrics.jsonl"), bool(record["shared_device"])),
        document_nats=document_nats,
        samples=read_json(samples) if samples.is_file() else [],
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


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise TrialError(f"{path} is missing: run the stage that writes it")
    return path
