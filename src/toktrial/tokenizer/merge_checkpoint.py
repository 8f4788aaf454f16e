"""Where learning merges goes on after an interruption: the compacted stream and what was merged so far, in one file.

Only a corpus that takes longer than `every_seconds` ever writes it; merge.py does so right after a recount, for which the
stream is compacted anyway.
"""

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from toktrial import progress
from toktrial.tokenizer.cells import Cells

CHECKPOINT_SECONDS = 600.0


@dataclass(frozen=True)
class MergeState:
    """What a recount leaves behind, and all that it takes to go on."""

    cells: Cells
    """The compacted stream."""
    merges: npt.NDArray[np.int64]
    """(n, 4) int64: as in LearnedMerges."""
    passed_over: npt.NDArray[np.int64]
    """(m, 2) int64: pairs that were passed over."""


class MergeCheckpoint:
    """One file, written by rename; it belongs to the inputs whose fingerprint it holds."""

    def __init__(self, path: Path, fingerprint: str, every_seconds: float = CHECKPOINT_SECONDS) -> None:
        self._path, self._fingerprint, self._every_seconds = path, fingerprint, every_seconds
        self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last one, or the beginning, is long enough ago."""
        return time.monotonic() - self._saved_at >= self._every_seconds

    def save(self, state: MergeState) -> None:
        """Replaces the file."""
        partial = self._path.with_name(f".{self._path.name}.partial")
        with partial.open("wb") as file:
            np.savez(
                file,
                fingerprint=np.array(self._fingerprint),
                cells=state.cells,
                merges=state.merges,
                passed_over=state.passed_over,
            )
        partial.replace(self._path)
        self._saved_at = time.monotonic()

    def load(self) -> MergeState | None:
        """Returns what was saved; None where there is nothing, or nothing for these inputs. Says so where it is damaged."""
        if not self._path.is_file():
            return None
        try:
            with np.load(self._path) as saved:
                if str(saved["fingerprint"]) != self._fingerprint:
                    return None
                return MergeState(saved["cells"], saved["merges"], saved["passed_over"])
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
            progress.print_line(f"{self._path} is damaged ({error}): learning the merges from the start")
            return None

    def remove(self) -> None:
        """Removes the file, when all is done."""
        self._path.unlink(missing_ok=True)
