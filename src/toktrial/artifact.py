"""One finished stage on disk: a folder with a manifest, published by rename, so that it is there whole or not at all.

Every stage of the flow writes its result through `publish`, and `is_finished` says whether a stage is done. A training run
grows in place: its files are published one by one, and `seal` ends it. Whatever is published is on the disk by then, not only
in the system's memory, so that a power loss leaves it as whole as a kill does.
"""

import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from toktrial.errors import TrialError

MANIFEST = "manifest.json"
FORMAT = 1  # raised when a stage's files change their meaning, so that older ones are made again
CHECKSUM = "checksum"  # the field of a manifest that its other fields must agree with
FULL_BYTES = 1_000_000  # where a write failed and no more is free than this, the disk is full
PARTIAL_SUFFIX, OLD_SUFFIX = ".partial", ".old"
REMEDY = "`toktrial run` with this trial's folder puts it aside and makes it again"


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
    path = folder / MANIFEST
    if not path.is_file():
        raise TrialError(f"{folder} holds no finished stage (it has no {MANIFEST}): run the stage that writes it")
    manifest = read_json(path)
    if not isinstance(manifest, dict):
        raise TrialError(f"{path} is damaged (it holds no JSON object): {REMEDY}")
    checksum = manifest.pop(CHECKSUM, None)
    if checksum is None and not _ends_in_checksum(manifest):  # an earlier version, or another program, wrote it
        return manifest
    # The text is compared, because many texts have one meaning (1e-5 is 1E-5), and because names may be damaged too.
    if path.read_text(encoding="utf-8") != _json_text(manifest | {CHECKSUM: _checksum(manifest)}):
        raise TrialError(f"{path} is damaged (its checksum is wrong): {REMEDY}")
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
    with replacing(folder) as partial:
        yield partial
        names = [path.relative_to(partial).as_posix() for path in sorted(partial.rglob("*")) if path.is_file()]
        seal(partial, stage_fingerprint, names, manifest)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yields an empty folder; on leaving, renames it to `folder`, whatever that was before.

    Where the block raises, `folder` stays as it was and nothing is left over.
    """
    _remove_leftovers(folder)
    partial, old = _beside(folder, PARTIAL_SUFFIX), _beside(folder, OLD_SUFFIX)
    make_folder(folder.parent)
    partial.mkdir()
    try:
        with _naming_a_full_disk(partial):
            yield partial
        for path in [*partial.rglob("*"), partial]:
            sync(path)
        _put_in_place(partial, folder, old)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def seal(folder: Path, stage_fingerprint: str, names: Iterable[str], manifest: dict[str, Any]) -> None:
    """Writes the manifest that makes a folder a finished stage: `manifest`, the fingerprint and what the files must hold."""
    manifest["fingerprint"] = stage_fingerprint
    manifest["files"] = {name: describe_file(folder / name) for name in names}
    _write_manifest(folder, manifest)


def forget_files(folder: Path, names: Iterable[str]) -> None:
    """Takes files out of the manifest of a finished stage, where they are in it, because they will be written again."""
    manifest = read_manifest(folder)
    kept = {name: about for name, about in manifest.get("files", {}).items() if name not in set(names)}
    if len(kept) < len(manifest.get("files", {})):
        _write_manifest(folder, manifest | {"files": kept})


def add_files(folder: Path, names: Iterable[str]) -> None:
    """Puts files that were published later into the manifest of a finished stage, where they are not in it."""
    manifest = read_manifest(folder)
    recorded = manifest.get("files", {})
    added = {name: describe_file(folder / name) for name in names if name not in recorded}
    if added:
        _write_manifest(folder, manifest | {"files": recorded | added})


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    write_json(folder / MANIFEST, manifest | {CHECKSUM: _checksum(manifest)})


def damaged_files(folder: Path, names: Iterable[str] | None = None, thorough: bool = True) -> dict[str, str]:
    """Returns what is wrong with files of a finished stage, by name: with all of them, or with those that are named.

    Unless `thorough`, only their sizes are looked at. A file that the manifest does not list, as earlier versions listed
    none of a run, is not judged. Raises TrialError where the manifest is missing or damaged.
    """
    recorded = read_manifest(folder).get("files", {})
    wrong = {name: _what_is_wrong(folder / name, recorded[name], thorough) for name in names or recorded if name in recorded}
    return {name: what for name, what in wrong.items() if what}


def check_files(folder: Path, names: Iterable[str] | None = None) -> None:
    """Raises TrialError where a file of a finished stage is missing or differs from what the manifest says."""
    for name, what in damaged_files(folder, names).items():
        raise TrialError(f"{folder / name} {what}: {REMEDY}")


def check_file(path: Path) -> Path:
    """Returns the path. Raises TrialError where the manifest beside the file lists it, and it is not what that says."""
    if (path.parent / MANIFEST).is_file():
        check_files(path.parent, [path.name])
    return path


@contextmanager
def publish_file(path: Path) -> Iterator[Path]:
    """Yields where to write a file; on leaving, renames it to `path`, so that it is there whole or not at all."""
    partial = path.with_name(f".{path.name}{PARTIAL_SUFFIX}")
    partial.unlink(missing_ok=True)  # in somebody else's trial it may be a link to elsewhere
    try:
        with _naming_a_full_disk(path.parent):
            yield partial
        partial.chmod(0o666 & ~_umask())  # safetensors writes files that only their owner may read
        sync(partial)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextmanager
def _naming_a_full_disk(folder: Path) -> Iterator[None]:
    """Raises OSError (ENOSPC) in place of the errors of their own that torch, safetensors and numpy have for a full disk."""
    try:
        yield
    except Exception as error:
        if isinstance(error, TrialError) or shutil.disk_usage(folder).free > FULL_BYTES:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, where they are missing, so that they outlast a power loss."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def sync(path: Path) -> None:
    """Waits until a file's content, or a folder's entries, are on the disk."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Publishes a JSON file. Raises ValueError for NaN, which JSON lacks."""
    text = _json_text(value)
    with publish_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Reads a JSON file of a trial. Raises TrialError where it is missing or damaged."""
    if path.name != MANIFEST:
        check_file(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrialError(f"{path} is missing: run the stage that writes it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is damaged ({error}): {REMEDY}") from None


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _ends_in_checksum(manifest: Mapping[str, Any]) -> bool:
    """Whether the last field is the checksum of those before it, whatever its name has become."""
    *before, last = manifest or [""]
    return manifest.get(last) == _checksum({name: manifest[name] for name in before})


def describe_file(path: Path) -> dict[str, Any]:
    """Returns what a manifest says of a file: its size in bytes and its SHA-256."""
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


def _what_is_wrong(path: Path, recorded: Mapping[str, Any], thorough: bool) -> str:
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != recorded["bytes"]:
        return f"is damaged (it has {path.stat().st_size:,} bytes, not {recorded['bytes']:,})"
    return "" if not thorough or file_sha256(path) == recorded["sha256"] else "is damaged (its checksum is wrong)"


def _put_in_place(partial: Path, folder: Path, old: Path) -> None:
    """Renames `partial` to `folder`, and what is there to `old`, also where another process does the same meanwhile."""
    while True:
        with suppress(FileNotFoundError):
            folder.rename(old)
        try:
            partial.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            return sync(folder.parent)


def _beside(folder: Path, suffix: str) -> Path:
    """Returns a hidden name beside a folder that no other process uses."""
    return folder.with_name(f".{folder.name}.{os.getpid()}{suffix}")


def _remove_leftovers(folder: Path) -> None:
    """Removes what processes left beside a folder that were killed while they wrote it."""
    for suffix in (PARTIAL_SUFFIX, OLD_SUFFIX):
        for path in folder.parent.glob(f".{glob.escape(folder.name)}.*{suffix}"):
            process = path.name.removesuffix(suffix).rpartition(".")[2]
            if process.isdecimal() and (int(process) == os.getpid() or not _is_alive(int(process))):
                shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _umask() -> int:
    """The mode bits that this process gives to nobody. The system tells only by setting them."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _holds_something_else(folder: Path) -> bool:
    """Whether `folder` is something that no stage wrote: a file, or a folder of files without a stage's manifest."""
    if not folder.is_dir():
        return folder.exists()
    try:
        return "fingerprint" not in read_manifest(folder)  # other programs write a manifest.json too
    except TrialError:  # a missing or damaged manifest: a damaged stage may be made again
        return not (folder / MANIFEST).is_file() and any(folder.iterdir())
