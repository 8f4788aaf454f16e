"""What evaluation makes once: a JSON file that names what it was made from, so that it is made anew when that changes.

An account of the whole trial has a folder of its own; a run's stands among the run's files. Imports nothing heavy.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toktrial import artifact

FLOORS_FILE = "evaluation/floors/floors.json"
INTRINSIC_FILE = "evaluation/intrinsic/intrinsic.json"
KNOWN_PAIRS_FILE = "evaluation/known_pairs/known_pairs.json"
LOSS_PARTS_FILE = "evaluation/loss_parts/loss_parts.json"
OVERLAP_FILE = "evaluation/overlap/overlap.json"
SAMPLE_MEASURES_FILE = "evaluation/samples/measures.json"
VOCABULARY_FILE = "evaluation/vocabulary/vocabulary.json"


def write_account(path: Path, stage: str, inputs: Mapping[str, Any], make: Callable[[], Any]) -> None:
    """Writes what `make` returns to `path`, in a folder of its own, unless the account of this stage and inputs is there.

    The folder's manifest says how many seconds `make` took.
    """
    fingerprint = artifact.fingerprint(stage, inputs)
    if artifact.is_finished(path.parent, fingerprint):
        return
    started = time.monotonic()
    manifest: dict[str, Any] = {}
    with artifact.publish(path.parent, fingerprint, manifest) as partial:
        artifact.write_json(partial / path.name, make())
        manifest["seconds"] = time.monotonic() - started


def write_run_account(path: Path, fingerprint: str, make: Callable[[], Mapping[str, Any]]) -> None:
    """Writes what `make` returns to `path`, a file of a finished run, unless the one with this fingerprint is there."""
    if not is_made(path, fingerprint):
        artifact.forget_files(path.parent, [path.name])
        artifact.write_json(path, {"fingerprint": fingerprint, **make()})
    artifact.add_files(path.parent, [path.name])  # also where it was killed between the two


def is_made(path: Path, fingerprint: str) -> bool:
    """Whether a JSON file is there and holds this `fingerprint`."""
    return path.is_file() and artifact.read_json(path).get("fingerprint") == fingerprint
