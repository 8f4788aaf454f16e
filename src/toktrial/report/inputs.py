"""The report's only door to the disk: what the stages before wrote into a trial folder, typed and checked to fit together.

Files -> inputs -> result. A run that is not finished is left out, never guessed.
"""

import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from toktrial.artifact import MANIFEST, REMEDY, check_file, file_sha256, fingerprint, read_json, read_manifest
from toktrial.errors import TrialError
from toktrial.evaluation.account import FLOORS_FILE, KNOWN_PAIRS_FILE, LOSS_PARTS_FILE, OVERLAP_FILE, VOCABULARY_FILE
from toktrial.evaluation.account import INTRINSIC_FILE as INTRINSIC_FILE
from toktrial.evaluation.account import SAMPLE_MEASURES_FILE as SAMPLE_MEASURES_FILE
from toktrial.evaluation.run_files import (
    DOCUMENT_NATS_FILE,
    EVALUATION_FILES,
    FINAL_FILE,
    MARGINAL_FILE,
    RUN_PAIRS_FILE,
    SAMPLES_FILE,
    is_evaluated,
)
from toktrial.evaluation.votes import VOTES_FILE, read_votes
from toktrial.report.accounts import (
    Corpus,
    FloorsAccount,
    IntrinsicAccount,
    KnownPairs,
    Overlap,
    TokensManifest,
    VocabularyAccount,
)
from toktrial.report.amendments import AMENDMENTS_FILE, read_amendments
from toktrial.report.axes import CURVE_COLUMNS
from toktrial.report.curves import Curve
from toktrial.report.design import Design, design_of
from toktrial.report.evaluated import (
    EvaluatedRun,
    FinalMeasures,
    JudgedPairs,
    MarginalNats,
    RunRecord,
    Sample,
    TrialInputs,
)
from toktrial.report.loss_parts import LossParts
from toktrial.report.verdict import Floats
from toktrial.training.calibration import CALIBRATION_FILE, CALIBRATION_FOLDER, Calibration, read_calibrations
from toktrial.training.metrics import METRICS_FILE, RECORD_FILE
from toktrial.training.rates import OTHER_RATE_FOLDER, RATES_FILE, RATES_FOLDER, TUNING_FOLDER, read_tuned_rates

RUN_FILES = (RECORD_FILE, METRICS_FILE, *EVALUATION_FILES)
INPUT_FILES = (
    "protocol.toml", "corpus/manifest.json", "tokenizers/*/manifest.json", "graphs/*/manifest.json",
    "tokens/*/manifest.json", "tokens/*/val_bytes.bin", "evaluation/*/manifest.json", VOCABULARY_FILE,
    SAMPLE_MEASURES_FILE, FLOORS_FILE, INTRINSIC_FILE, LOSS_PARTS_FILE, OVERLAP_FILE, KNOWN_PAIRS_FILE, AMENDMENTS_FILE,
    VOTES_FILE,
    f"runs/*/seed-*/{RUN_PAIRS_FILE}", f"runs/*/seed-*/{MARGINAL_FILE}",
    f"{RATES_FOLDER}/{RATES_FILE}", f"{CALIBRATION_FOLDER}/*/{CALIBRATION_FILE}",
    *(f"{folder}/*/seed-*/{name}" for folder in ("runs", OTHER_RATE_FOLDER) for name in RUN_FILES),
)  # fmt: skip
Kind = TypeVar("Kind")


def read_trial(trial_folder: Path) -> TrialInputs:
    """Reads a trial folder. The tracks stand in the protocol's order, the baseline first.

    Raises TrialError where a file is missing or damaged, where a track has no finished run, and where no seed is finished both
    in a track and in the baseline.
    """
    protocol, design = _read_protocol(trial_folder / "protocol.toml")
    baseline, last = next(iter(design.tracks)), design.last_seed
    other_rate = trial_folder / OTHER_RATE_FOLDER
    tokens = {track: _read(trial_folder / "tokens" / track / MANIFEST, TokensManifest) for track in design.tracks}
    steps = _wanted_steps(design, tokens)
    folders = {track: trial_folder / "runs" / track for track in design.tracks}
    finished = {track: _finished_seeds(folder, steps[track]) for track, folder in folders.items()}
    wanted = {track: [seed for seed in seeds if 1 <= seed <= last] for track, seeds in finished.items()}
    control = [seed for seed in finished[baseline] if design.control and last < seed <= last + design.seeds]
    _check_seeds(trial_folder, wanted)
    document_bytes = np.fromfile(check_file(_existing(trial_folder / "tokens" / baseline / "val_bytes.bin")), dtype="<u4")
    corpus = _read(trial_folder / "corpus" / MANIFEST, Corpus)
    calibrations = read_calibrations(trial_folder)

    def runs_in(folder: Path, seeds: list[int]) -> list[EvaluatedRun]:
        alone = calibrations.get(folder.name)
        return [_read_run(folder / f"seed-{seed}", seed, len(document_bytes), alone) for seed in seeds]

    return TrialInputs(
        protocol=protocol,
        design=design,
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
        runs={track: runs_in(folder, wanted[track]) for track, folder in folders.items()},
        control_runs=runs_in(folders[baseline], control),
        tuning=read_tuned_rates(trial_folder) if design.tuning.rates else None,
        runs_at_other_rate={
            track: runs_in(other_rate / track, seeds)
            for track, seeds in wanted.items()
            if set(seeds) <= set(_finished_seeds(other_rate / track, steps[track]))
        },
        vocabulary=_read(trial_folder / VOCABULARY_FILE, VocabularyAccount),
        sample_measures=_read_if_there(trial_folder / SAMPLE_MEASURES_FILE, list[dict[str, Any]]) or [],
        votes=read_votes(trial_folder / VOTES_FILE),
        known_pairs=_read_if_there(trial_folder / KNOWN_PAIRS_FILE, KnownPairs),
        floors=(_read_if_there(trial_folder / FLOORS_FILE, FloorsAccount) or FloorsAccount()).tracks,
        intrinsic=_read_if_there(trial_folder / INTRINSIC_FILE, IntrinsicAccount),
        loss_parts=_read_if_there(trial_folder / LOSS_PARTS_FILE, LossParts),
        overlap=_read_if_there(trial_folder / OVERLAP_FILE, Overlap),
        document_bytes=document_bytes,
        amendments=read_amendments(trial_folder),
        seeds_left_out={
            track: [seed for seed in seeds if seed not in (*wanted[track], *(control if track == baseline else []))]
            for track, seeds in finished.items()
        },
    )


def read_final(path: Path) -> FinalMeasures:
    """Reads a run's final.json. Raises TrialError where it is damaged, or the training diverged."""
    plain = read_json(path)
    if not math.isfinite(plain["bits_per_byte"] or math.nan):
        raise TrialError(
            f"{path} has {plain['bits_per_byte']} bits per byte: the training diverged. Lower training.learning_rate in a new "
            "trial"
        )
    return _typed(plain, FinalMeasures, path)


def input_checksums(trial_folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file that the report is made from, by its path within the trial."""
    paths = sorted(path for pattern in INPUT_FILES for path in trial_folder.glob(pattern))
    return {path.relative_to(trial_folder).as_posix(): file_sha256(path) for path in paths}


def report_fingerprint(trial_folder: Path, target: float | None = None) -> str:
    """Returns what identifies a report: the files that it is made from, and the target that was asked for."""
    asked = {} if target is None else {"target": target}
    return fingerprint("report", {**input_checksums(trial_folder), **asked})


def _read_protocol(path: Path) -> tuple[dict[str, Any], Design]:
    """Returns protocol.toml as plain tables, and typed."""
    try:
        protocol = tomllib.loads(_existing(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is not valid TOML ({error}): restore it, or start the trial anew") from None
    try:
        return protocol, design_of(protocol)
    except ValueError as error:
        raise TrialError(f"{path} is not a protocol ({error}): restore it, or start the trial anew") from None


def _wanted_steps(design: Design, tokens: dict[str, TokensManifest]) -> dict[str, int]:
    """Returns the steps that each track's runs take by the protocol, as amended since, maybe; 0 where passes decide."""
    sizes = {track: manifest.train for track, manifest in tokens.items()}
    bytes_per_token = {track: size.bytes / (size.tokens + size.documents) for track, size in sizes.items()}
    baseline, *others = design.tracks
    ratios = {other: bytes_per_token[other] / bytes_per_token[baseline] for other in others}
    return {track: design.wanted_steps(track, ratios.get(track)) for track in design.tracks}


def _finished_seeds(folder: Path, steps: int) -> list[int]:
    """Returns the seeds of the runs that were evaluated after at least so many steps.

    A run of fewer is of a protocol that asks for more by now. Its files agree with each other, and not with those of the rest.
    """
    names = [re.fullmatch(r"seed-(\d+)", path.name) for path in folder.glob("seed-*")]
    seeds = sorted(int(name[1]) for name in names if name)
    return [seed for seed in seeds if _is_finished(folder / f"seed-{seed}", steps)]


def _is_finished(run_folder: Path, steps: int) -> bool:
    if not is_evaluated(run_folder):
        return False
    step: float = read_json(run_folder / FINAL_FILE).get("step", math.inf)  # `read_final` says what is wrong without one
    return step >= steps


def _check_seeds(trial_folder: Path, seeds: dict[str, list[int]]) -> None:
    remedy = f"`toktrial run {trial_folder / 'protocol.toml'}` trains what is missing"
    baseline, of_baseline = next(iter(seeds.items()))
    for track, finished in seeds.items():
        if not finished:
            raise TrialError(f"track {track} has no finished run under {trial_folder / 'runs' / track}: {remedy}")
        if not set(finished) & set(of_baseline):
            raise TrialError(
                f"track {track} and the baseline {baseline} have no finished seed in common ({track}: {finished}, "
                f"{baseline}: {of_baseline}), so there is no pair to compare: {remedy}"
            )


def _read_run(folder: Path, seed: int, documents: int, alone: Calibration | None) -> EvaluatedRun:
    final, record = read_final(folder / FINAL_FILE), _read(folder / RECORD_FILE, RunRecord)
    try:
        document_nats = np.load(check_file(folder / DOCUMENT_NATS_FILE)).astype(np.float64)
    except (ValueError, EOFError) as error:  # cut short, or not an array; empty
        raise TrialError(f"{folder / DOCUMENT_NATS_FILE} is damaged ({error}): {REMEDY}") from None
    if document_nats.shape != (documents,):
        raise TrialError(
            f"{folder / DOCUMENT_NATS_FILE} must hold one number for each of the {documents} validation documents, "
            f"but its shape is {document_nats.shape}: delete {folder} and run again"
        )
    return EvaluatedRun(
        seed=seed,
        record=record,
        final=final,
        curve=_curve(_read_columns(folder / METRICS_FILE), record, alone),
        document_nats=document_nats,
        samples=_read(folder / SAMPLES_FILE, list[Sample]),
        minimal_pairs=_read_if_there(folder / RUN_PAIRS_FILE, JudgedPairs),
        marginal=_read_if_there(folder / MARGINAL_FILE, MarginalNats),
    )


def _curve(columns: dict[str, Floats], record: RunRecord, alone: Calibration | None) -> Curve:
    """Returns a run's curve, with the seconds that its track takes alone where the run had company and that is known."""
    if not record.shared_device or alone is None or not _is_comparable(record, alone):
        return Curve(columns, record.shared_device)
    seconds = columns["step"] * alone.step_seconds
    return Curve(columns | {"training_seconds": seconds}, shared_device=False, timed_step_seconds=alone.step_seconds)


def _is_comparable(record: RunRecord, alone: Calibration) -> bool:
    """Whether a run was trained in the way that its track was timed in."""
    alike = all(getattr(record, name) == getattr(alone, name) for name in ("device_name", "threads", "precision", "compiled"))
    return alike and record.processes == 1 and not alone.shared_device


def _read_columns(path: Path) -> dict[str, Floats]:
    try:
        rows = [
            json.loads(line) for line in check_file(_existing(path)).read_text(encoding="utf-8").splitlines() if line.strip()
        ]
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is damaged ({error}): delete its folder and run again") from None
    if not rows:
        raise TrialError(f"{path} holds no evaluation: delete its folder and run again")
    by_step = {row["step"]: row for row in rows}  # a resumed run may have written a step twice: the later line counts
    ordered = [by_step[step] for step in sorted(by_step)]
    return {name: np.array([row.get(name) for row in ordered], dtype=np.float64) for name in CURVE_COLUMNS}


def _stage_seconds(folder: Path, prefix: str = "") -> dict[str, float | None]:
    """Returns the seconds that each finished stage within a folder took, by its name."""
    stages = sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    return {prefix + stage.name: read_manifest(stage).get("seconds") for stage in stages}


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
