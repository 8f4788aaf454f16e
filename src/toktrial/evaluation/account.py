"""What evaluation makes once: a JSON file that names what it was made from, so that it is made anew when that changes."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toktrial import artifact


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


def is_made(path: Path, fingerprint: str) -> bool:
    """Whether a JSON file is there and holds this `fingerprint`."""
    return path.is_file() and artifact.read_json(path).get("fingerprint") == fingerprint
