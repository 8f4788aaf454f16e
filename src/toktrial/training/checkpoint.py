"""Checkpoints of a run: written by rename, the last two kept, read without running code from them."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from toktrial import progress

KEPT = 2
_PREFIX, _SUFFIX = "checkpoint-", ".pt"


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Any]) -> None:
    """Writes the state of a run after `step`: weights, optimizer and counters. Removes all but the last two."""
    path = folder / f"{_PREFIX}{step:09d}{_SUFFIX}"
    partial = path.with_name(f".{path.name}.partial")
    torch.save(dict(state), partial)
    partial.replace(path)
    for old in _checkpoints(folder)[:-KEPT]:
        old.unlink()


def load_newest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Returns the newest state that can be read, on the CPU, else None. Says which damaged ones it passed over."""
    for path in reversed(_checkpoints(folder)):
        try:
            _check_checksums(path)
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            progress.print_line(f"{path} is damaged ({reason}): passing it over")
            continue
        return state
    return None


def remove_all_but_newest(folder: Path) -> None:
    """Leaves the checkpoint that a longer training goes on from."""
    for old in _checkpoints(folder)[:-1]:
        old.unlink()


def remove_checkpoints(folder: Path, from_step: int = 0) -> int | None:
    """Removes the checkpoints of `from_step` and later; returns the step of the newest that is left, if any."""
    left = None
    for path in _checkpoints(folder):
        step = int(path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX))
        if step >= from_step:
            path.unlink()
        else:
            left = step
    return left


def _check_checksums(path: Path) -> None:
    """Raises BadZipFile where the file is cut short or a bit of it has changed: torch writes checksums, but reads past them."""
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"))
