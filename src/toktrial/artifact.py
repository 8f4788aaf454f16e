"""One finished stage on disk: a folder with a manifest, published by rename, whole or not at all.

Every stage of the flow writes its result through `publish` and is known to be done by `is_finished`.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toktrial.errors import TrialError

MANIFEST = "manifest.json"
FORMAT = 1  # raised when a stage's files change their meaning: older ones are then made anew
PARTIAL_SUFFIX = ".partial"


def fingerprint(stage: str, inputs: Mapping[str, Any]) -> str:
    """Returns what identifies a stage's result: the SHA-256 of its name, its settings and its inputs' fingerprints."""
    text = json.dumps({"format": FORMAT, "stage": stage, "inputs": inputs}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def is_finished(folder: Path, stage_fingerprint: str) -> bool:
    """Whether `folder` holds the finished stage of that fingerprint."""
    try:
        manifest = read_manifest(folder)
    except TrialError:
        return False
    return bool(manifest.get("fingerprint") == stage_fingerprint)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Returns the manifest of a finished stage. Raises TrialError where there is none, or it is damaged."""
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrialError(f"{folder} holds no finished stage (no {MANIFEST}): run the stage before it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is damaged ({error}): delete {folder} and run again") from None
    if not isinstance(manifest, dict):
        raise TrialError(f"{path} is damaged (it holds no JSON object): delete {folder} and run again")
    return manifest


@contextmanager
def publish(folder: Path, stage_fingerprint: str, manifest: dict[str, Any]) -> Iterator[Path]:
    """Yields an empty folder to write a stage into; on leaving, adds the manifest and renames it to `folder`.

    `manifest` may be filled by the caller inside the block; the fingerprint and every file's size and SHA-256 are added
    to it. An earlier `folder` is replaced. Where the block raises, `folder` stays as it was and nothing is left over.
    Raises TrialError where `folder` holds something that no stage wrote.
    """
    if _holds_something_else(folder):
        raise TrialError(f"{folder} exists and was not written by toktrial: name another folder, or empty it")
    partial = folder.with_name(f".{folder.name}{PARTIAL_SUFFIX}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        manifest["fingerprint"] = stage_fingerprint
        manifest["files"] = _describe_files(partial)
        write_json(partial / MANIFEST, manifest)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def check_files(folder: Path) -> None:
    """Raises TrialError where a file of a finished stage is missing or is not what the manifest says."""
    for name, recorded in read_manifest(folder)["files"].items():
        path = folder / name
        if not path.is_file():
            raise TrialError(f"{path} is missing: delete {folder} and run again")
        if path.stat().st_size != recorded["bytes"] or file_sha256(path) != recorded["sha256"]:
            raise TrialError(f"{path} is damaged (its checksum is not the manifest's): delete {folder} and run again")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON by rename: the file is there whole or not at all. Refuses NaN, which is no JSON."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    partial = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_json(path: Path) -> Any:
    """Reads a JSON file of a trial. Raises TrialError where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrialError(f"{path} is missing: run the stage that writes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is damaged ({error}): delete it and run again") from None


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _holds_something_else(folder: Path) -> bool:
    """Whether something that no stage wrote is there: a file, or a folder of files without a stage's manifest."""
    if not folder.is_dir():
        return folder.exists()
    try:
        return "fingerprint" not in read_manifest(folder)  # other programs write a manifest.json too
    except TrialError:  # there is none, or it is damaged: that stage may be made again
        return not (folder / MANIFEST).is_file() and any(folder.iterdir())


def _describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)} for path in files}
