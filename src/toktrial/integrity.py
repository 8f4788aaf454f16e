"""Whether a trial's files are what its stages wrote: `verify` shows it, `run` mends it.

Above the stages, beside trial.py. Every finished stage has a manifest with the checksums of its files; what is damaged is put
aside, never overwritten, so that its stage is not finished any more and the trial makes it again.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toktrial import artifact, progress, protocol
from toktrial.artifact import MANIFEST
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import (
    DOCUMENT_NATS_FILE,
    EVALUATION_FILES,
    FINAL_FILE,
    ID_NATS_FILE,
    MARGINAL_FILE,
    RUN_PAIRS_FILE,
)
from toktrial.protocol import Protocol
from toktrial.report.amendments import AMENDMENTS_FILE
from toktrial.training.calibration import CALIBRATION_FOLDER
from toktrial.training.rates import OTHER_RATE_FOLDER, RATES_FOLDER, TUNING_FOLDER
from toktrial.training.run import CHECKPOINTS, WEIGHTS_FILE, checkpoint_step
from toktrial.trial_folder import PROTOCOL_FILE

ASIDE = "damaged"  # the folder of a trial that holds what was put aside
STAGES = (
    "corpus", "tokenizers/*", "graphs/*", "tokens/*", f"{TUNING_FOLDER}/tokens/*", RATES_FOLDER, f"{CALIBRATION_FOLDER}/*",
    "evaluation/*", "report",
)  # fmt: skip
RUNS = ("runs/*/seed-*", f"{TUNING_FOLDER}/runs/*/*/seed-*", f"{OTHER_RATE_FOLDER}/*/seed-*")
# What a run's model is evaluated to, and what only a longer training needs: neither asks for a new training when damaged.
AFTER_TRAINING = (*EVALUATION_FILES, ID_NATS_FILE, RUN_PAIRS_FILE, MARGINAL_FILE)
LARGE_BYTES = 1e9  # what takes a second or more to read
NATS_TOLERANCE = 1e-9  # relative: sums of float64 in another order


@dataclass(frozen=True)
class Damage:
    """A file of a finished stage that is not what the stage wrote."""

    folder: Path
    name: str
    what: str
    """Follows the file's path in a sentence: "is missing", for example."""

    @property
    def path(self) -> Path:
        return self.folder / self.name

    def __str__(self) -> str:
        return f"{self.path} {self.what}"


def seal_protocol(trial_folder: Path, plan: Protocol) -> None:
    """Notes in the trial's own manifest what protocol.toml holds, and its amendments if there are any."""
    names = [name for name in (PROTOCOL_FILE, AMENDMENTS_FILE) if (trial_folder / name).is_file()]
    plain = protocol.to_dict(plan)
    artifact.seal(trial_folder, artifact.fingerprint("protocol", plain), names, {"protocol": plain})


def is_sealed(trial_folder: Path) -> bool:
    """Whether the trial's own manifest vouches for protocol.toml."""
    path = trial_folder / MANIFEST
    return path.is_file() and PROTOCOL_FILE in artifact.read_manifest(trial_folder)["files"]


def unseal_protocol(trial_folder: Path) -> None:
    """Lets protocol.toml and its amendments be written, one after the other; interrupted between them, nothing is damaged."""
    if is_sealed(trial_folder):
        artifact.forget_files(trial_folder, [PROTOCOL_FILE, AMENDMENTS_FILE])


def check_protocol(trial_folder: Path) -> None:
    """Raises TrialError where the protocol or its amendments are no longer what the trial wrote: it is unclear what to make."""
    if (trial_folder / MANIFEST).is_file():
        for damage in _damage_in(trial_folder, trial_folder, thorough=True):
            raise TrialError(
                f"{damage}, since the trial began: `toktrial verify {trial_folder} --repair` restores it. A change that you "
                "want goes on the command line, as a flag, so that the report can list it"
            )


def find_damage(trial_folder: Path, thorough: bool = True) -> list[Damage]:
    """Returns what is damaged in a trial, by the checksums of every file and by what must follow from each other.

    Unless `thorough`, files are judged by their sizes, which takes no time. A whole folder that is missing is not damage: that
    stage is not done. Files of a run that an earlier version finished have no checksums: only what must follow is checked.
    """
    folders = [trial_folder, *_folders(trial_folder, STAGES), *_folders(trial_folder, RUNS)]
    size = sum(path.stat().st_size for folder in folders[1:] for path in folder.rglob("*"))
    if thorough and size > LARGE_BYTES:
        progress.print_line(f"checking {size / 1e9:.1f} GB of finished files ...")
    return [damage for folder in folders for damage in _damage_in(folder, trial_folder, thorough)]


def set_aside(damage: Sequence[Damage], trial_folder: Path) -> None:
    """Moves what is damaged into the trial's folder `damaged`, and says so; the trial then makes it again.

    Of a run whose training is whole only the damaged files are moved, and nothing of one that can go on from its checkpoint;
    else the run as a whole, as any other stage. A damaged protocol is restored from the trial's manifest. Raises TrialError
    where nothing can restore what is damaged.
    """
    for folder in dict.fromkeys(each.folder for each in damage):
        here = [each for each in damage if each.folder == folder]
        for each in here:
            progress.print_line(f"{each}")
        names = [each.name for each in here]
        if folder == trial_folder:
            _restore_protocol(trial_folder, here)
            continue
        is_of_tuning = folder in _folders(trial_folder, RUNS[1:2])
        if is_of_tuning and not all(Path(name).match(CHECKPOINTS) for name in names):  # the rates were chosen by it
            _move(trial_folder / RATES_FOLDER, trial_folder)
        if folder not in _folders(trial_folder, RUNS) or not all(_is_after_training(folder, name) for name in names):
            _move(folder, trial_folder)
        elif (folder / MANIFEST).is_file():
            for name in names:
                _move(folder / name, trial_folder)
            artifact.forget_files(folder, names)
        else:  # without its evaluation, the trial trains it to the end again, from its checkpoint
            _move(folder / FINAL_FILE, trial_folder)


def is_mended(trial_folder: Path) -> bool:
    """Whether every stage that was put aside has been made again; but for timings, which only further trainings need."""
    needed = [pattern for pattern in (*STAGES, *RUNS) if not pattern.startswith(CALIBRATION_FOLDER)]
    aside = [path.relative_to(each) for each in (trial_folder / ASIDE).glob("*") for path in _folders(each, needed)]
    return all((trial_folder / path).is_dir() for path in aside)


def unrecorded_runs(trial_folder: Path) -> list[Path]:
    """Returns the finished runs without checksums, which earlier versions trained."""
    runs = _folders(trial_folder, RUNS)
    return [run for run in runs if artifact.is_finished(run) and "files" not in artifact.read_manifest(run)]


def _folders(trial_folder: Path, patterns: Sequence[str]) -> list[Path]:
    paths = (path for pattern in patterns for path in sorted(trial_folder.glob(pattern)))
    return [path for path in paths if path.is_dir() and not path.name.startswith(".")]


def _damage_in(folder: Path, trial_folder: Path, thorough: bool) -> list[Damage]:
    if not (folder / MANIFEST).is_file():
        return [Damage(folder, MANIFEST, "is missing")] if _should_be_finished(folder, trial_folder) else []
    try:
        wrong = [Damage(folder, name, what) for name, what in artifact.damaged_files(folder, thorough=thorough).items()]
        return wrong or list(_contradictions(folder)) if thorough else wrong
    except TrialError as error:
        return [Damage(folder, MANIFEST, str(error).removeprefix(f"{folder / MANIFEST} ").partition(": `")[0])]


def _should_be_finished(folder: Path, trial_folder: Path) -> bool:
    """Whether a folder without a manifest once had one: a stage's always, a run's if more than its training is done."""
    if folder == trial_folder:  # earlier versions wrote none, nor checksums into other manifests
        manifests = [of_stage / MANIFEST for of_stage in _folders(trial_folder, STAGES)]
        return any(f'"{artifact.CHECKSUM}":' in path.read_text(errors="replace") for path in manifests if path.is_file())
    if folder not in _folders(trial_folder, RUNS):
        return any(folder.iterdir())
    checkpoints = sorted(folder.glob(CHECKPOINTS))
    if not checkpoints or not (folder / WEIGHTS_FILE).is_file():
        return (folder / WEIGHTS_FILE).is_file()
    if folder in _folders(trial_folder, RUNS[1:2]):
        return (trial_folder / RATES_FOLDER / MANIFEST).is_file()
    with suppress(TrialError, LookupError, ValueError):  # a run that is being trained for longer has a newer checkpoint
        step: int = artifact.read_json(folder / FINAL_FILE)["step"]
        return step >= checkpoint_step(checkpoints[-1])
    return False


def _contradictions(run_folder: Path) -> Iterator[Damage]:
    """Holds a run's measures against the numbers of every document that they are computed from."""
    paths = [run_folder / name for name in (FINAL_FILE, DOCUMENT_NATS_FILE)]
    if not all(path.is_file() for path in paths):
        return
    import numpy as np

    try:
        final = json.loads(paths[0].read_text(encoding="utf-8"))
        nats = float(np.load(paths[1]).sum())
        by_bytes, by_tokens = final["bits_per_byte"] * math.log(2) * final["bytes"], final["validation_loss"] * final["tokens"]
    except (ValueError, TypeError, LookupError, EOFError) as error:
        yield Damage(run_folder, FINAL_FILE, f"or {DOCUMENT_NATS_FILE} beside it cannot be read ({error})")
        return
    if not all(math.isclose(nats, each, rel_tol=NATS_TOLERANCE) for each in (final["nats"], by_bytes, by_tokens)):
        yield Damage(run_folder, FINAL_FILE, f"does not follow from {DOCUMENT_NATS_FILE}, which adds up to {nats:.6g} nats")


def _is_after_training(run_folder: Path, name: str) -> bool:
    """Whether a run needs no new training where this file of it is damaged."""
    if name == MANIFEST:
        return not (run_folder / MANIFEST).is_file() and any(run_folder.glob(CHECKPOINTS))
    return name in AFTER_TRAINING or Path(name).match(CHECKPOINTS)


def _move(path: Path, trial_folder: Path) -> None:
    if not path.exists():
        return
    number = 1
    while (place := trial_folder / ASIDE / f"{number}" / path.relative_to(trial_folder)).exists():
        number += 1
    artifact.make_folder(place.parent)
    path.rename(place)
    for folder in (place.parent, path.parent):
        artifact.sync(folder)
    is_spare = path.match(CHECKPOINTS) or path.parent.name == CALIBRATION_FOLDER
    then = "only a further training would need it" if is_spare else "it will be made again"
    progress.print_line(f"moved {path} to {place}; {then}")


def _restore_protocol(trial_folder: Path, damage: Sequence[Damage]) -> None:
    """Writes protocol.toml as it was, or the manifest that vouches for it. Raises TrialError for damaged amendments."""
    path = trial_folder / PROTOCOL_FILE
    if [each.name for each in damage] == [MANIFEST]:
        seal_protocol(trial_folder, protocol.load(path))
        return progress.print_line(
            f"made {trial_folder / MANIFEST} again from {path}: see whether that is the protocol you know"
        )
    other = [each for each in damage if each.name != PROTOCOL_FILE]
    if other:
        raise TrialError(f"{other[0]}: no command can make it again; restore it from a copy, or begin another trial")
    plain: dict[str, Any] = artifact.read_manifest(trial_folder)["protocol"]
    protocol.save(protocol.from_dict(plain), path)
    return progress.print_line(f"restored {path}; a change that you want goes on the command line as a flag")
