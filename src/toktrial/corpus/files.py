"""Finds and reads local files of documents: Parquet, and text, JSON lines and CSV, which may be compressed.

`source` calls it for local files, and hands it the text columns of the hub's data sets too.
"""

import csv
import gzip
import io
import json
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from toktrial.corpus.config import HUB_PREFIX, STORYBOOK, CorpusConfig
from toktrial.corpus.documents import utf8_length
from toktrial.corpus.reading import CSV, JSON_LINES, PARQUET, TEXT, Reading, some
from toktrial.corpus.split_text import split_text
from toktrial.errors import TrialError, nearest_name

COMPRESSIONS = (".gz", ".zst")
KINDS = {".txt": TEXT, ".jsonl": JSON_LINES, ".csv": CSV}
KINDS = {suffix + packed: kind for suffix, kind in KINDS.items() for packed in ("", *COMPRESSIONS)} | {".parquet": PARQUET}
UNUSUAL_FILES = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}

BUFFER_BYTES = 1_000_000
ROWS_PER_BATCH = 1_000  # few enough that a batch of long documents still fits any memory
UTF8_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LONGEST_CSV_FIELD = 2**31 - 1  # the most that the csv module takes on every system


def local_files(source: str) -> list[Path]:
    """Returns the files that `source` stands for, in reading order; none for the storybook and the hub.

    A folder stands for all files in it and below it with a known suffix, hidden ones left out, sorted by relative
    path. Raises TrialError where there is nothing, nothing that can be read, or a pipe, socket or device, which could
    keep its reader waiting for ever.
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
    _check_regular(path)
    if not _kind(path):
        raise TrialError(
            f"the file {source} cannot be read as documents: the known suffixes are {', '.join(KINDS)}. If it is plain text, "
            "rename it to .txt"
        )
    return [path]


def ignored_files(folder: Path) -> list[Path]:
    """Returns what else there is in a folder and below it that is not hidden, links to folders included, sorted."""
    return [path for path in _visible_files(folder) if not _kind(path)]


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
        total += _parquet_column_bytes(path, field) if _kind(path) == PARQUET else file_bytes(path)
    return total


def read_files(paths: Iterable[Path], config: CorpusConfig, reading: Reading) -> Iterator[str]:
    """Yields the documents of the files, one file after the other. Raises TrialError where one cannot be read."""
    readers = {TEXT: _read_text, JSON_LINES: _read_json_lines, CSV: _read_csv, PARQUET: _read_parquet}
    for path in paths:
        kind = _kind(path)
        reading.open_file(kind)
        with _file_errors(path):
            yield from readers[kind](path, config, reading)


# --- finding ---


def _files_in_folder(folder: Path) -> list[Path]:
    files = _visible_files(folder)
    known = [path for path in files if _kind(path)]
    if not known:
        raise TrialError(
            f"the folder {folder} holds no file that can be read as documents: the known suffixes are {', '.join(KINDS)}; "
            f"found {some(files, folder) or 'no files'}"
        )
    for path in known:
        _check_regular(path)
    return known


def _visible_files(folder: Path) -> list[Path]:
    return sorted(_walk(folder), key=lambda path: path.relative_to(folder).as_posix())


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():  # following links could lead round in a circle
            yield from _walk(path)
        else:
            yield path


def _check_regular(path: Path) -> None:
    with _file_errors(path):
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        found = UNUSUAL_FILES.get(stat.S_IFMT(mode), "a link to a folder")
        raise TrialError(f"{path} is {found}, not a file: save the text to a file, which can be read more than once")


def _kind(path: Path) -> str:
    """Kind of the file, as its name says; empty where it is not known."""
    return next((kind for suffix, kind in KINDS.items() if path.name.lower().endswith(suffix)), "")


def _is_compressed(path: Path) -> bool:
    return path.name.lower().endswith(COMPRESSIONS)


# --- text ---


def _read_text(path: Path, config: CorpusConfig, reading: Reading) -> Iterator[str]:
    with _open_lines(path, reading) as (lines, first):
        for start, document in split_text(lines, config, reading):
            yield _decode(document, first + start, path)


# --- JSON lines ---


def _read_json_lines(path: Path, config: CorpusConfig, reading: Reading) -> Iterator[str]:
    with _open_lines(path, reading) as (lines, start):
        for number, line in enumerate(lines, 1):
            if not line.isspace():
                yield _field_of_json(_decode(line, start, path), config.text_field, f"{path}, line {number}")
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


# --- CSV ---


def _read_csv(path: Path, config: CorpusConfig, reading: Reading) -> Iterator[str]:
    """Reads the column of CSV as RFC 4180 has it, with a first row of names.

    By the standard library's reader, since Arrow's needs every row to fit a block of a size that is set beforehand.
    """
    csv.field_size_limit(LONGEST_CSV_FIELD)
    rows = csv.reader(_decoded_lines(path, reading), strict=True)
    try:
        names = next(filter(None, rows), None)  # a blank line is an empty row
        if names is None:
            return
        check_text_column(pa.schema([(name, pa.string()) for name in names]), config.text_field, str(path))
        column = names.index(config.text_field)
        for row in filter(None, rows):
            if len(row) != len(names):
                raise TrialError(
                    f"{path}: the row that ends in line {rows.line_num} has {len(row)} fields, but the first row names "
                    f"{len(names)}: quote every text that holds a comma"
                )
            yield row[column]
    except csv.Error as error:
        raise TrialError(
            f"{path}, line {rows.line_num} is not CSV ({error}): quote every text that holds a comma, a quote or a line end"
        ) from None


def _decoded_lines(path: Path, reading: Reading) -> Iterator[str]:
    with _open_lines(path, reading) as (lines, start):
        for line in lines:
            yield _decode(line, start, path)
            start += len(line)


# --- Parquet, and the columns of any Arrow table ---


def _read_parquet(path: Path, config: CorpusConfig, _: Reading) -> Iterator[str]:
    from pyarrow.parquet import ParquetFile

    field = config.text_field
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


@contextmanager
def _open_lines(path: Path, reading: Reading) -> Iterator[tuple[Iterable[bytes], int]]:
    """Yields the lines of a file after a byte order mark, and the byte offset of the first."""
    with _open_bytes(path) as lines:
        start = 0
        if lines.peek(len(UTF8_BYTE_ORDER_MARK)).startswith(UTF8_BYTE_ORDER_MARK):
            start = len(lines.read(len(UTF8_BYTE_ORDER_MARK)))
            reading.byte_order_marks += 1
        yield lines, start


def _open_bytes(path: Path) -> io.BufferedReader:
    name = path.name.lower()
    raw: Any
    if name.endswith(".gz"):
        raw = gzip.GzipFile(path)
    elif name.endswith(".zst"):
        raw = pa.input_stream(str(path), compression="zstd")
    else:
        raw = path.open("rb", buffering=0)
    return io.BufferedReader(raw, BUFFER_BYTES)


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
        if error.errno is None and path.name.lower().endswith(".zst"):  # the error is Arrow's own
            raise TrialError(f"{path} is cut off, damaged or not a zstd file ({error}): fetch it again, or rename it") from None
        raise TrialError(f"{path} cannot be read ({error.strerror or error}): check the file and its permissions") from None
