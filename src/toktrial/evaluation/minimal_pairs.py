"""Minimal pairs: two sentences that differ in one point of grammar, of which a model should find the right one likelier.

Read from a folder of jsonl files in the format of BLiMP (Warstadt et al. 2020, TACL 8) and copied into the trial before it
begins anything long: errors in the files are found then, and the trial no longer needs the files where they came from.
"""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from toktrial import artifact
from toktrial.errors import TrialError

MINIMAL_PAIRS_FOLDER = "evaluation/minimal_pairs"
PAIRS_FILE = "pairs.parquet"
FIELD_NAMES = {"syntax_semantics": "syntax/semantics"}  # BLiMP's files spell that field in both ways, its paper in the second
Text = Annotated[str, msgspec.Meta(min_length=1)]
Pair = tuple[str, str, str, str]  # paradigm, field, right sentence, wrong sentence


@dataclass(frozen=True)
class Paradigm:
    """The pairs of one phenomenon."""

    name: str
    """BLiMP's UID."""
    field: str
    """The part of grammar that it belongs to."""
    good: list[str]
    """(pairs,): the right sentence of each pair, as the file has it."""
    bad: list[str]
    """(pairs,): the wrong one."""


class _Line(msgspec.Struct):
    """The keys of a line that are read; it may have others."""

    paradigm: Text = msgspec.field(name="UID")
    field: Text
    good: Text = msgspec.field(name="sentence_good")
    bad: Text = msgspec.field(name="sentence_bad")


def prepare_minimal_pairs(source: str, trial_folder: Path) -> None:
    """Copies the pairs of the folder `source` into a trial, unless it holds a copy of these very files.

    Where `source` is gone, an earlier copy of it will do. Raises TrialError where there is neither, where the folder holds no
    jsonl file, and, naming file and line, where a line is not a pair.
    """
    folder = trial_folder / MINIMAL_PAIRS_FOLDER
    if not Path(source).is_dir() and _was_copied_from(source, folder):
        return
    files = _jsonl_files(source)
    checksums = {path.name: artifact.file_sha256(path) for path in files}
    fingerprint = artifact.fingerprint("minimal pairs", {"source": source, "files": checksums})
    if artifact.is_finished(folder, fingerprint):
        return
    paradigms = read_paradigms(files)
    manifest: dict[str, Any] = {
        "source": source,
        "source_files": checksums,
        "paradigms": len(paradigms),
        "pairs": sum(len(paradigm.good) for paradigm in paradigms),
    }
    with artifact.publish(folder, fingerprint, manifest) as partial:
        _write(paradigms, partial / PAIRS_FILE)


def load_minimal_pairs(trial_folder: Path) -> list[Paradigm]:
    """Reads a trial's copy of the pairs. Raises TrialError where it is missing or damaged."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_table

    path = trial_folder / MINIMAL_PAIRS_FOLDER / PAIRS_FILE
    try:
        rows = read_table(path).to_pylist()
    except (OSError, ArrowException) as error:
        raise TrialError(f"{path} is missing or damaged ({error}): delete {path.parent} and run again") from None
    return _grouped((row["paradigm"], row["field"], row["good"], row["bad"]) for row in rows)


def minimal_pairs_fingerprint(trial_folder: Path) -> str:
    """Returns what identifies a trial's copy of the pairs. Raises TrialError where there is none."""
    fingerprint: str = artifact.read_manifest(trial_folder / MINIMAL_PAIRS_FOLDER)["fingerprint"]
    return fingerprint


def read_paradigms(files: Sequence[Path]) -> list[Paradigm]:
    """Reads jsonl files, one pair a line, in BLiMP's format; the paradigms are in the order in which they first occur.

    Raises TrialError where a line is not JSON or lacks a key, where two lines disagree on a paradigm's field, and where there
    is no line.
    """
    paradigms = _grouped(_read_files(files))
    if not paradigms:
        raise TrialError(f"the jsonl files in {files[0].parent} are empty: evaluation.minimal_pairs must name minimal pairs")
    return paradigms


def _was_copied_from(source: str, folder: Path) -> bool:
    return (folder / artifact.MANIFEST).is_file() and artifact.read_manifest(folder).get("source") == source


def _jsonl_files(source: str) -> list[Path]:
    folder = Path(source)
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        found = "contains none" if folder.is_dir() else "is not a folder"
        raise TrialError(f"evaluation.minimal_pairs must name a folder of BLiMP's jsonl files, but {source} {found}")
    return files


def _read_files(files: Sequence[Path]) -> Iterator[Pair]:
    fields: dict[str, tuple[str, str]] = {}  # of each paradigm, and the line that names it first
    for place, line in _lines(files):
        pair = _read_line(line, place)
        field = FIELD_NAMES.get(pair.field, pair.field)
        first_field, first_place = fields.setdefault(pair.paradigm, (field, place))
        if field != first_field:
            raise TrialError(
                f"paradigm {pair.paradigm} has two fields, {first_field} and {field}: "
                f"give {first_place} and {place} the same field"
            )
        yield pair.paradigm, field, pair.good, pair.bad


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yields every line that is not empty, and how errors name its place."""
    for path in files:
        for number, line in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(), 1):
            if line.strip():
                yield f"line {number} of {path}", line


def _read_line(line: bytes, place: str) -> _Line:
    try:
        return msgspec.json.decode(line, type=_Line)
    except (ValueError, RecursionError) as error:
        keys = ", ".join(key.encode_name for key in msgspec.structs.fields(_Line))
        raise TrialError(
            f"{place} must be a JSON object with a text for each of {keys}, but is "
            f"{line[:80].decode(errors='replace')} ({error}): mend or remove it"
        ) from None


def _grouped(pairs: Iterable[Pair]) -> list[Paradigm]:
    paradigms: dict[str, Paradigm] = {}
    for name, field, good, bad in pairs:
        paradigm = paradigms.setdefault(name, Paradigm(name, field, [], []))
        paradigm.good.append(good)
        paradigm.bad.append(bad)
    return list(paradigms.values())


def _write(paradigms: Sequence[Paradigm], path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    rows = [
        {"paradigm": paradigm.name, "field": paradigm.field, "good": good, "bad": bad}
        for paradigm in paradigms
        for good, bad in zip(paradigm.good, paradigm.bad, strict=True)
    ]
    write_table(pa.Table.from_pylist(rows), path)
