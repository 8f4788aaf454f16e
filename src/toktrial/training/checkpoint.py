"""Checkpoints of a run: written by rename, the last two kept, read without running code from them, and which to go on from."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from toktrial import artifact, progress
from toktrial.training.metrics import METRICS_FILE, RECORD_FILE
from toktrial.training.run import CHECKPOINTS, WEIGHTS_FILE, Run, checkpoint_step, kept_weights_file

KEPT = 2
UNRECORDED = {
    "compiled": False,
    "waited_seconds": 0.0,
    "sum_before": 0.0,
    "shared_device": False,
}  # what checkpoints of earlier versions do not hold


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Any]) -> None:
    """Writes the state of a run after `step`: weights, optimizer and counters. Removes all but the last two."""
    path = folder / CHECKPOINTS.replace("*", f"{step:09d}")
    with artifact.publish_file(path) as partial:
        torch.save(dict(state), partial)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()


def state_to_go_on_from(run: Run, identity: Mapping[str, str], steps: int) -> dict[str, Any] | None:
    """Returns the newest checkpoint of this run, or of a shorter one that it continues; removes those of other settings.

    `identity` holds the run's fingerprint and lineage. A run in this folder that is finished no longer is.
    """
    artifact.make_folder(run.folder)
    state = _load_newest(run.folder)
    if state is not None and not _is_of(state, run, identity, steps):
        remove_checkpoints(run.folder)
        state = None
    if (run.folder / artifact.MANIFEST).is_file():
        then = "going on where it ended" if state else "it cannot be gone on from; training it again from the start"
        progress.print_line(f"{run.name}: {then}")
        (run.folder / artifact.MANIFEST).unlink()
        artifact.sync(run.folder)
    return None if state is None else UNRECORDED | state


def remove_checkpoints(folder: Path, from_step: int = 0) -> int | None:
    """Removes the checkpoints of `from_step` and later; returns the step of the newest that is left, if any."""
    for path in _newest_first(folder):
        step = checkpoint_step(path)
        if step < from_step:
            return step
        path.unlink()
    return None


def lasting_files(run: Run) -> list[str]:
    """Returns the names of the files that training leaves in a finished run's folder."""
    kept = kept_weights_file(run.keep_weights_at)
    names = [METRICS_FILE, RECORD_FILE, WEIGHTS_FILE, *([kept] if (run.folder / kept).is_file() else [])]
    return names + [path.name for path in _newest_first(run.folder)[: int(run.training.can_grow)]]


def tidy(run: Run) -> None:
    """Removes the checkpoints that a finished run no longer needs."""
    for path in _newest_first(run.folder)[int(run.training.can_grow) :]:
        path.unlink()
    artifact.sync(run.folder)  # or a power loss would bring them back


def _is_of(state: Mapping[str, Any], run: Run, identity: Mapping[str, str], steps: int) -> bool:
    """Whether a checkpoint is of this run, or of a shorter one that this run may continue."""
    if run.lacks_kept_weights(state["step"]):
        return False
    if state["fingerprint"] == identity["fingerprint"]:
        return True
    return bool(state.get("lineage") == identity["lineage"] and state["step"] <= steps)


def _load_newest(folder: Path) -> dict[str, Any] | None:
    """Returns the newest state that can be read, on the CPU. Says which damaged ones it passed over."""
    for path in _newest_first(folder):
        try:
            _check_checksums(path)
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            progress.print_line(f"{path} is damaged ({reason}): passing it over")
            continue
        return state
    return None


def _check_checksums(path: Path) -> None:
    """Raises BadZipFile if the file is cut short or a bit of it has changed: torch writes checksums, but does not read them."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob(CHECKPOINTS), reverse=True)
