"""Finds and reads local files of documents: text, JSON lines and Parquet, the first two gzipped too.

One of the kinds of source that `source` chooses from. Whatever is wrong with a file becomes a TrialError that names it.
"""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from toktrial.corpus.config import HUB_PREFIX, STORYBOOK, CorpusConfig
from toktrial.corpus.documents import utf8_length
from toktrial.corpus.text_columns import ROWS_PER_BATCH, check_text_column, column_texts
from toktrial.errors import TrialError, nearest_name

TEXT_SUFFIXES = (".txt", ".txt.gz")
JSON_LINES_SUFFIXES = (".jsonl", ".jsonl.gz")
PARQUET_SUFFIXES = (".parquet",)
KNOWN_SUFFIXES = TEXT_SUFFIXES + JSON_LINES_SUFFIXES + PARQUET_SUFFIXES

BUFFER_BYTES = 1_000_000
FILES_NAMED_IN_ERRORS = 5
UTF8_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def files_at(source: str) -> list[Path]:
    """Returns the file, or all readable files of the folder, that `source` names, sorted by relative path.

    Raises TrialError where nothing is there, or nothing that can be read.
    """
    path = Path(source)
    with _file_errors(path):
        is_folder, exists = path.is_dir(), path.exists()
    if is_folder:
        return _files_in_folder(path)
    if not exists:
        raise TrialError(
            f"there is no file or folder {source} (looked in {Path.cwd()}): name a file, a folder, "
            f"{HUB_PREFIX}OWNER/NAME or {STORYBOOK}"
        )
    if not _has_suffix(path, KNOWN_SUFFIXES):
        raise TrialError(f"{source} is no file that can be read as documents: known suffixes are {_known_suffixes()}")
    return [path]


def file_bytes(path: Path) -> int:
    """Returns the bytes of a file on disk. Raises TrialError where it cannot be looked at."""
    with _file_errors(path):
        return path.stat().st_size


def text_bytes(paths: Iterable[Path], field: str) -> int | None:
    """Returns how many bytes of text the files hold, as far as is known without reading them; None where it is not."""
    sizes = [_file_text_bytes(path, field) for path in paths]
    known = [n_bytes for n_bytes in sizes if n_bytes is not None]
    return sum(known) if len(known) == len(sizes) else None


def _file_text_bytes(path: Path, field: str) -> int | None:
    if _has_suffix(path, PARQUET_SUFFIXES):
        return _parquet_column_bytes(path, field)
    return None if _is_compressed(path) else file_bytes(path)


def read_files(paths: Iterable[Path], config: CorpusConfig) -> Iterator[str]:
    """Yields the documents of the files, one file after the other. Raises TrialError where one cannot be read."""
    for path in paths:
        if _has_suffix(path, PARQUET_SUFFIXES):
            yield from _read_parquet(path, config.text_field)
        elif _has_suffix(path, JSON_LINES_SUFFIXES):
            yield from _read_json_lines(path, config.text_field)
        else:
            yield from _read_text(path, config.separator)


# --- finding ---


def _files_in_folder(folder: Path) -> list[Path]:
    files = _visible_files(folder)
    known = [path for path in files if _has_suffix(path, KNOWN_SUFFIXES)]
    if not known:
        found = ", ".join(path.relative_to(folder).as_posix() for path in files[:FILES_NAMED_IN_ERRORS])
        more = f" and {len(files) - FILES_NAMED_IN_ERRORS} more" if len(files) > FILES_NAMED_IN_ERRORS else ""
        raise TrialError(
            f"the folder {folder} holds no file that can be read as documents: known suffixes are {_known_suffixes()}; "
            f"found {found or 'no files'}{more}"
        )
    return known


def _visible_files(folder: Path) -> list[Path]:
    files: list[Path] = []
    with _file_errors(folder):
        for parent, folder_names, file_names in os.walk(folder, onerror=_raise):
            folder_names[:] = [name for name in folder_names if not name.startswith(".")]
            files += [Path(parent, name) for name in file_names if not name.startswith(".")]
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def _raise(error: OSError) -> None:
    raise error


def _has_suffix(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


def _is_compressed(path: Path) -> bool:
    return _has_suffix(path, (".gz",))


def _known_suffixes() -> str:
    return ", ".join(KNOWN_SUFFIXES)


# --- text ---


def _read_text(path: Path, separator: str) -> Iterator[str]:
    with _file_errors(path), _open_bytes(path) as file:
        for start, document in split_at_separators(file, separator.encode()):
            yield _decode(document, start, path)


def split_at_separators(lines: Iterable[bytes], separator: bytes) -> Iterator[tuple[int, bytes]]:
    r"""Yields the documents between separator lines, each with its byte offset, from lines that keep their line ends.

    A line end before a separator line belongs to the separator: `\r\n` only where the separator line ends in it too,
    else `\n`. What follows the last separator line is a document only where there is something.

    >>> list(split_at_separators([b"a\n", b"\n", b"--\n", b"b\n"], b"--"))
    [(0, b'a\n'), (6, b'b\n')]
    """
    separator_line_ends = {separator: b"\n", separator + b"\n": b"\n", separator + b"\r\n": b"\r\n"}
    start = 0
    document: list[bytes] = []
    for line in lines:
        # startswith is far cheaper than the dictionary, and false for nearly every line
        if line.startswith(separator) and line in separator_line_ends:
            text = b"".join(document)
            yield start, _without_line_end(text, separator_line_ends[line])
            start += len(text) + len(line)
            document = []
        else:
            document.append(line)
    if document:
        yield start, b"".join(document)


def _without_line_end(text: bytes, line_end: bytes) -> bytes:
    return text.removesuffix(line_end) if text.endswith(line_end) else text.removesuffix(b"\n")


# --- JSON lines ---


def _read_json_lines(path: Path, field: str) -> Iterator[str]:
    start = 0
    with _file_errors(path), _open_bytes(path) as file:
        for number, line in enumerate(file, 1):
            if not line.isspace():
                text = _decode(line.removeprefix(UTF8_BYTE_ORDER_MARK) if number == 1 else line, start, path)
                yield _field_of_json(text, field, f"{path}, line {number}")
            start += len(line)


def _field_of_json(line: str, field: str, where: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:  # a ValueError of its own for a number of thousands of digits
        raise TrialError(f"{where} is no JSON ({error}): a .jsonl file holds one JSON object a line") from None
    if not isinstance(record, dict):
        raise TrialError(f"{where} is no JSON object but {_json_kind(record)}: each line must be an object")
    if field not in record:
        hint = nearest_name(field, record) if record else "the object is empty"
        raise TrialError(f"{where} has no field '{field}' (set by --corpus.text-field): {hint}")
    text = record[field]
    if not isinstance(text, str):
        raise TrialError(f"{where}: the field '{field}' is no string but {_json_kind(text)}")
    try:
        utf8_length(text, where)  # JSON can spell a lone surrogate, which UTF-8 cannot hold
    except ValueError as error:
        raise TrialError(str(error)) from None
    return text


def _json_kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


# --- Parquet ---


def _read_parquet(path: Path, field: str) -> Iterator[str]:
    from pyarrow.parquet import ParquetFile

    with _file_errors(path), ParquetFile(path) as file:
        check_text_column(file.schema_arrow, field, str(path))
        batches = file.iter_batches(batch_size=ROWS_PER_BATCH, columns=[field])
        yield from column_texts(batches, field, str(path))


def _parquet_column_bytes(path: Path, field: str) -> int:
    from pyarrow.parquet import ParquetFile

    with _file_errors(path), ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        columns = [group.column(j) for group in groups for j in range(group.num_columns)]
        return sum(column.total_uncompressed_size for column in columns if column.path_in_schema == field)


# --- opening and decoding ---


@contextmanager
def _open_bytes(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb", buffering=BUFFER_BYTES) as file:
        if _is_compressed(path):
            with gzip.open(file) as decompressed:
                yield decompressed  # type: ignore[misc]  # an IO[bytes] in all but name
        else:
            yield file


def _decode(text: bytes, start: int, path: Path) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        where = "in its decompressed text" if _is_compressed(path) else "in it"
        raise TrialError(
            f"{path} is no UTF-8: the byte 0x{text[error.start]:02X} at byte offset {start + error.start} {where} "
            f"({error.reason}): convert the file to UTF-8"
        ) from None


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turns what goes wrong in reading a file into a TrialError that names it."""
    try:
        yield
    except EOFError:
        raise TrialError(f"{path} is cut off: its compressed data end too early. Fetch the file again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise TrialError(f"{path} is no gzip file, or damaged ({error}): fetch it again, or rename it") from None
    except pa.ArrowException as error:
        raise TrialError(f"{path} is no Parquet file, or damaged ({error}): fetch it again, or rename it") from None
    except OSError as error:
        raise TrialError(f"{path} cannot be read ({error.strerror or error}): check the file and its rights") from None
