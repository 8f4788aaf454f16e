"""One finished stage on disk: a folder with a manifest, published by rename, so that it is there whole or not at all.

Every stage of the flow writes its result through `publish`, and `is_finished` says whether a stage is done.
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
FORMAT = 1  # raised when a stage's files change their meaning, so that older ones are made again
PARTIAL_SUFFIX = ".partial"


def fingerprint(stage: str, inputs: Mapping[str, Any]) -> str:
    """Returns what identifies a stage's result: the SHA-256 of its name, its settings and its inputs' fingerprints."""
    text = json.dumps({"format": FORMAT, "stage": stage, "inputs": inputs}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def is_finished(folder: Path, stage_fingerprint: str | None = None) -> bool:
    """Whether `folder` holds a finished stage: the one with that fingerprint, or by default any."""
    try:
        found = read_manifest(folder).get("fingerprint")
    except TrialError:
        return False
    return stage_fingerprint in (None, found)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Returns the manifest of a finished stage. Raises TrialError where it is missing or damaged."""
    if not (folder / MANIFEST).is_file():
        raise TrialError(f"{folder} holds no finished stage (it has no {MANIFEST}): run the stage that writes it")
    manifest = read_json(folder / MANIFEST, to_delete=folder)
    if not isinstance(manifest, dict):
        raise TrialError(f"{folder / MANIFEST} is damaged (it holds no JSON object): delete {folder} and run again")
    return manifest


@contextmanager
def publish(folder: Path, stage_fingerprint: str, manifest: dict[str, Any]) -> Iterator[Path]:
    """Yields an empty folder to write a stage into; on leaving, adds the manifest and renames it to `folder`.

    The caller may fill `manifest` inside the block; the fingerprint and every file's size and SHA-256 are added to it. An
    earlier `folder` is replaced. Where the block raises, `folder` stays as it was and nothing is left over.

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
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        manifest["files"] = {path.relative_to(partial).as_posix(): _describe_file(path) for path in files}
        write_json(partial / MANIFEST, manifest)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def check_files(folder: Path) -> None:
    """Raises TrialError where a file of a finished stage is missing or differs from what the manifest says."""
    for name, recorded in read_manifest(folder)["files"].items():
        path = folder / name
        if not path.is_file():
            raise TrialError(f"{path} is missing: delete {folder} and run again")
        if path.stat().st_size != recorded["bytes"] or _describe_file(path) != recorded:
            raise TrialError(f"{path} is damaged (its checksum is not the manifest's): delete {folder} and run again")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON by rename, so that the file is there whole or not at all. Raises ValueError for NaN, which JSON lacks."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    partial = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
    with partial.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_json(path: Path, to_delete: Path | str = "it") -> Any:
    """Reads a JSON file of a trial. Raises TrialError where it is missing, or damaged: it then says what to delete."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrialError(f"{path} is missing: run the stage that writes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is damaged ({error}): delete {to_delete} and run again") from None


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _describe_file(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _holds_something_else(folder: Path) -> bool:
    """Whether `folder` is something that no stage wrote: a file, or a folder of files without a stage's manifest."""
    if not folder.is_dir():
        return folder.exists()
    try:
        return "fingerprint" not in read_manifest(folder)  # other programs write a manifest.json too
    except TrialError:  # a missing or damaged manifest: a damaged stage may be made again
        return not (folder / MANIFEST).is_file() and any(folder.iterdir())
