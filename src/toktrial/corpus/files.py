"""Finds and reads local files of documents: Parquet, and text and JSON lines, which may be gzipped.

`source` calls it for local files, and hands it the text columns of the hub's data sets too.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from toktrial.corpus.config import HUB_PREFIX, STORYBOOK, CorpusConfig
from toktrial.corpus.documents import utf8_length
from toktrial.errors import TrialError, nearest_name

JSON_LINES_SUFFIXES = (".jsonl", ".jsonl.gz")
PARQUET_SUFFIX = ".parquet"
SUFFIXES = (".txt", ".txt.gz", *JSON_LINES_SUFFIXES, PARQUET_SUFFIX)

BUFFER_BYTES = 1_000_000
ROWS_PER_BATCH = 1_000  # few enough that a batch of long documents still fits any memory
FILES_NAMED_IN_ERRORS = 5
UTF8_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def local_files(source: str) -> list[Path]:
    """Returns the files that `source` stands for, in reading order; none for the storybook and the hub.

    A folder stands for all files in it and below it with a known suffix, hidden ones left out, sorted by relative
    path. Raises TrialError where there is nothing, or nothing that can be read.
    """
    if source == STORYBOOK or source.startswith(HUB_PREFIX):
        return []
    path = Path(source)
    with _file_errors(path):
        if path.is_dir():
            return _files_in_folder(path)
        if not path.exists():
            raise TrialError(
                f"there is no file or folder {source} (looked in {Path.cwd()}): name a file, a folder, "
                f"{HUB_PREFIX}OWNER/NAME or {STORYBOOK}"
            )
    if not _has_suffix(path, SUFFIXES):
        raise TrialError(f"the file {source} cannot be read as documents: the known suffixes are {', '.join(SUFFIXES)}")
    return [path]


def file_bytes(path: Path) -> int:
    """Returns the bytes of a file on disk. Raises TrialError where it cannot be looked at."""
    with _file_errors(path):
        return path.stat().st_size


def text_bytes(paths: Iterable[Path], field: str) -> int | None:
    """Returns how many bytes of text the files hold, as far as is known without reading them, or None."""
    total = 0
    for path in paths:
        if _is_compressed(path):
            return None
        total += _parquet_column_bytes(path, field) if _has_suffix(path, PARQUET_SUFFIX) else file_bytes(path)
    return total


def read_files(paths: Iterable[Path], config: CorpusConfig) -> Iterator[str]:
    """Yields the documents of the files, one file after the other. Raises TrialError where one cannot be read."""
    for path in paths:
        with _file_errors(path):
            if _has_suffix(path, PARQUET_SUFFIX):
                yield from _read_parquet(path, config.text_field)
            elif _has_suffix(path, JSON_LINES_SUFFIXES):
                yield from _read_json_lines(path, config.text_field)
            else:
                yield from _read_text(path, config.separator)


# --- finding ---


def _files_in_folder(folder: Path) -> list[Path]:
    files = sorted(_visible_files(folder), key=lambda path: path.relative_to(folder).as_posix())
    known = [path for path in files if _has_suffix(path, SUFFIXES)]
    if not known:
        found = ", ".join(path.relative_to(folder).as_posix() for path in files[:FILES_NAMED_IN_ERRORS])
        more = f" and {len(files) - FILES_NAMED_IN_ERRORS} more" if len(files) > FILES_NAMED_IN_ERRORS else ""
        raise TrialError(
            f"the folder {folder} holds no file that can be read as documents: the known suffixes are {', '.join(SUFFIXES)}; "
            f"found {found or 'no files'}{more}"
        )
    return known


def _visible_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif not path.is_symlink():  # following links could lead round in a circle
            yield from _visible_files(path)


def _has_suffix(path: Path, suffixes: str | tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


def _is_compressed(path: Path) -> bool:
    return _has_suffix(path, ".gz")


# --- text ---


def _read_text(path: Path, separator: str) -> Iterator[str]:
    with _open_bytes(path) as lines:
        for start, document in split_at_separators(lines, separator.encode()):
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
            line_end = separator_line_ends[line]
            yield start, text.removesuffix(line_end if text.endswith(line_end) else b"\n")
            start += len(text) + len(line)
            document = []
        else:
            document.append(line)
    if document:
        yield start, b"".join(document)


# --- JSON lines ---


def _read_json_lines(path: Path, field: str) -> Iterator[str]:
    start = 0
    with _open_bytes(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.isspace():
                text = _decode(line.removeprefix(UTF8_BYTE_ORDER_MARK) if number == 1 else line, start, path)
                yield _field_of_json(text, field, f"{path}, line {number}")
            start += len(line)


def _field_of_json(line: str, field: str, where: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        raise TrialError(f"{where} is not JSON ({error}): a .jsonl file holds one JSON object per line") from None
    if not isinstance(record, dict):
        raise TrialError(f"{where} is {_json_kind(record)}, not a JSON object: each line must be an object")
    if field not in record:
        hint = nearest_name(field, record) if record else "the object is empty"
        raise TrialError(f"{where} has no field '{field}' (set by --corpus.text-field): {hint}")
    text = record[field]
    if not isinstance(text, str):
        raise TrialError(f"{where}: the field '{field}' holds {_json_kind(text)}, not a string")
    try:
        utf8_length(text, where)  # JSON can spell a lone surrogate, which UTF-8 cannot hold
    except ValueError as error:
        raise TrialError(str(error)) from None
    return text


def _json_kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


# --- Parquet, and the columns of any Arrow table ---


def _read_parquet(path: Path, field: str) -> Iterator[str]:
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        check_text_column(file.schema_arrow, field, str(path))
        yield from column_texts(file.iter_batches(batch_size=ROWS_PER_BATCH, columns=[field]), field, str(path))


def _parquet_column_bytes(path: Path, field: str) -> int:
    from pyarrow.parquet import ParquetFile

    with _file_errors(path), ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        columns = [group.column(j) for group in groups for j in range(group.num_columns)]
        return sum(column.total_uncompressed_size for column in columns if column.path_in_schema == field)


def check_text_column(schema: pa.Schema, field: str, where: str) -> None:
    """Raises TrialError, naming `where`, unless a column named `field` holds text."""
    if field not in schema.names:
        hint = nearest_name(field, schema.names)
        raise TrialError(f"{where} has no column '{field}' (set by --corpus.text-field): {hint}")
    held = schema.field(schema.names.index(field)).type
    kind = held.value_type if pa.types.is_dictionary(held) else held
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise TrialError(f"{where}: the column '{field}' holds {held}, not text: name another with --corpus.text-field")


def column_texts(tables: Iterable[pa.RecordBatch | pa.Table], field: str, where: str) -> Iterator[str]:
    """Yields the texts of one column, row by row. Raises TrialError, naming `where` and the row, unless all are UTF-8 texts."""
    row = 0
    for table in tables:
        column = table.column(table.schema.names.index(field))
        for text in column.cast(pa.large_binary()).to_pylist():  # Arrow has not checked that the bytes are UTF-8
            if text is None:
                raise TrialError(f"{where}: row {row} (from 0) has no text: the column '{field}' is null there")
            try:
                yield text.decode()
            except UnicodeDecodeError:
                raise TrialError(f"{where}: row {row} (from 0) of the column '{field}' is not UTF-8") from None
            row += 1


# --- opening and decoding ---


def _open_bytes(path: Path) -> gzip.GzipFile | BinaryIO:
    return gzip.open(path) if _is_compressed(path) else path.open("rb", buffering=BUFFER_BYTES)


def _decode(text: bytes, start: int, path: Path) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        where = "in its decompressed text" if _is_compressed(path) else "in it"
        raise TrialError(
            f"{path} is not UTF-8: there is the byte 0x{text[error.start]:02X} at byte offset {start + error.start} {where} "
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
        raise TrialError(f"{path} is damaged or not a gzip file ({error}): fetch it again, or rename it") from None
    except pa.ArrowException as error:
        raise TrialError(f"{path} is damaged or not a Parquet file ({error}): fetch it again, or rename it") from None
    except OSError as error:
        raise TrialError(f"{path} cannot be read ({error.strerror or error}): check the file and its permissions") from None
