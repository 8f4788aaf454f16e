"""Minimal pairs: two sentences that differ in one point of grammar, of which a model should find the right one likelier.

Read from a folder of jsonl files in the format of BLiMP (Warstadt et al. 2020, TACL 8) and copied into the trial before it
begins anything long: what is wrong with them is found then, and the trial needs them no more where they came from.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toktrial import artifact
from toktrial.errors import TrialError

MINIMAL_PAIRS_FOLDER = "evaluation/minimal_pairs"
PAIRS_FILE = "pairs.parquet"
FIELD_NAMES = {"syntax_semantics": "syntax/semantics"}  # BLiMP's files spell that field in both ways, its paper in the second
KEYS = ("UID", "field", "sentence_good", "sentence_bad")  # of a line; others are not read


@dataclass(frozen=True)
class Paradigm:
    """The pairs of one phenomenon."""

    name: str
    """BLiMP's UID."""
    field: str
    """The part of grammar that it belongs to."""
    good: Sequence[str]
    """(pairs,): the right sentence of each pair, as the file has it."""
    bad: Sequence[str]
    """(pairs,): the wrong one."""


def prepare_minimal_pairs(source: str, trial_folder: Path) -> None:
    """Copies the pairs of the folder `source` into a trial, unless these very files were.

    Where `source` has gone since, the copy is as good as it was. Raises TrialError where there is neither, the folder
    holds no jsonl file, or a line is no pair, naming file and line.
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

    Raises TrialError where a line is no JSON or lacks a key, two lines disagree on a paradigm's field, or there is no line.
    """
    paradigms = _grouped(_read_files(files))
    if not paradigms:
        raise TrialError(f"the jsonl files in {files[0].parent} are empty: evaluation.minimal_pairs must name minimal pairs")
    return paradigms


def _was_copied_from(source: str, folder: Path) -> bool:
    return (folder / artifact.MANIFEST).is_file() and artifact.read_manifest(folder).get("source") == source


def _jsonl_files(source: str) -> list[Path]:
    folder = Path(source)
    if not folder.is_dir():
        raise TrialError(f"evaluation.minimal_pairs must name a folder of BLiMP's jsonl files, but {source} is no folder")
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise TrialError(f"evaluation.minimal_pairs must name a folder of BLiMP's jsonl files, but {source} holds none")
    return files


def _read_files(files: Sequence[Path]) -> Iterator[tuple[str, str, str, str]]:
    """Yields paradigm, field, right sentence and wrong sentence of every line."""
    fields: dict[str, tuple[str, str]] = {}  # of each paradigm, and which line says so first
    for place, line in _lines(files):
        name, written_field, good, bad = _read_line(line, place)
        field = FIELD_NAMES.get(written_field, written_field)
        first_field, first_place = fields.setdefault(name, (field, place))
        if field != first_field:
            raise TrialError(
                f"paradigm {name} stands under two fields, {first_field} and {field}: "
                f"{first_place} and {place} must have the same as field"
            )
        yield name, field, good, bad


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yields every line that is not empty, and how errors name its place."""
    for path in files:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if line.strip():
                yield f"line {number} of {path}", line


def _read_line(line: bytes, place: str) -> list[str]:
    try:
        pair = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TrialError(f"{place} is no JSON ({error}): mend or remove it") from None
    if not isinstance(pair, dict):
        raise TrialError(f"{place} must be a JSON object with {', '.join(KEYS)}, but is {line[:80].decode(errors='replace')}")
    return [_read_text(pair, key, place) for key in KEYS]


def _read_text(pair: dict[str, Any], key: str, place: str) -> str:
    text = pair.get(key)
    if not isinstance(text, str) or not text:
        found = f"has {text!r} there" if key in pair else f"has only {', '.join(pair) or 'nothing'}"
        raise TrialError(f"{place} must have a text as {key}, but {found}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TrialError(f"{key} in {place} holds a lone surrogate, which UTF-8 cannot hold ({error}): mend it") from None
    return text


def _grouped(pairs: Iterator[tuple[str, str, str, str]]) -> list[Paradigm]:
    paradigms: dict[str, tuple[str, list[str], list[str]]] = {}
    for name, field, good, bad in pairs:
        _, all_good, all_bad = paradigms.setdefault(name, (field, [], []))
        all_good.append(good)
        all_bad.append(bad)
    return [Paradigm(name, field, good, bad) for name, (field, good, bad) in paradigms.items()]


def _write(paradigms: Sequence[Paradigm], path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    columns = {
        "paradigm": [paradigm.name for paradigm in paradigms for _ in paradigm.good],
        "field": [paradigm.field for paradigm in paradigms for _ in paradigm.good],
        "good": [sentence for paradigm in paradigms for sentence in paradigm.good],
        "bad": [sentence for paradigm in paradigms for sentence in paradigm.bad],
    }
    write_table(pa.table({name: pa.array(values, type=pa.string()) for name, values in columns.items()}), path)
