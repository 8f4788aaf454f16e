"""Reads documents from where a corpus comes from: the storybook, the hub, or text, JSON lines and Parquet files.

It is the corpus stage's first step. Documents are kept byte for byte, empty ones too: `stage` drops and counts them.
"""

import errno
import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from toktrial.corpus.config import HUB_PREFIX, STORYBOOK, CorpusConfig
from toktrial.corpus.documents import utf8_length
from toktrial.errors import TrialError, nearest_name

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder

TEXT_SUFFIXES = (".txt", ".txt.gz")
JSON_LINES_SUFFIXES = (".jsonl", ".jsonl.gz")
PARQUET_SUFFIXES = (".parquet",)
KNOWN_SUFFIXES = TEXT_SUFFIXES + JSON_LINES_SUFFIXES + PARQUET_SUFFIXES

BUFFER_BYTES = 1_000_000
ROWS_PER_BATCH = 1_000  # few enough that a batch of long documents still fits any memory
FILES_NAMED_IN_ERRORS = 5
HUB_ANSWERS_WITHIN_SECONDS = 10.0
UTF8_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

LOCAL_FILES_INSTEAD = (
    "To do without the hub, download the text elsewhere and name it with --corpus.path FILE: "
    "a .txt, .jsonl or .parquet file, or a folder of these"
)


def read_documents(config: CorpusConfig) -> Iterator[str]:
    """Opens `config.path`, downloading it where it is on the hub, and returns its documents, to be read one by one.

    Ends after the document with which `config.max_megabytes` (of 10^6 UTF-8 bytes) are reached, where that is set.
    Raises TrialError, here or while being read, where the source cannot be read or is not what its name says.
    """
    documents = _documents_at(config.path, config)
    limit_bytes = _limit_bytes(config)
    return documents if limit_bytes is None else _up_to(documents, limit_bytes)


def read_validation_documents(config: CorpusConfig) -> Iterator[str]:
    """Returns all documents of `config.validation_path`, as `read_documents` does for `config.path`."""
    if config.validation_path == STORYBOOK:
        raise TrialError(
            "corpus.validation_path cannot be storybook, which has no end: leave it empty, and validation documents "
            "are split off corpus.path"
        )
    return _documents_at(config.validation_path, config)


def source_bytes(config: CorpusConfig) -> int | None:
    """Returns how many bytes of text `config.path` holds, as well as is known without reading it; None where it is not.

    For text files it is their size; for JSON lines too, field names and all; for Parquet the size of the text column
    before compression. It is at most `config.max_megabytes`, and just that where nothing else is known. Raises
    TrialError where a local source does not exist.
    """
    limit_bytes = _limit_bytes(config)
    known_bytes = None if _is_generated_or_remote(config.path) else _files_text_bytes(config)
    return min((n for n in (known_bytes, limit_bytes) if n is not None), default=None)


def local_files(source: str) -> list[Path]:
    """Returns the files that `source` stands for, in reading order; none for the storybook and the hub.

    A folder stands for all files in it and below it with a known suffix, hidden ones left out, sorted by relative
    path. Raises TrialError where nothing is there, or nothing that can be read.
    """
    if _is_generated_or_remote(source):
        return []
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


def _is_generated_or_remote(source: str) -> bool:
    return source == STORYBOOK or source.startswith(HUB_PREFIX)


def _limit_bytes(config: CorpusConfig) -> int | None:
    return max(1, round(config.max_megabytes * 1e6)) if config.max_megabytes else None


def _up_to(documents: Iterator[str], limit_bytes: int) -> Iterator[str]:
    n_bytes = 0
    for document in documents:
        yield document
        n_bytes += utf8_length(document, "a document")
        if n_bytes >= limit_bytes:
            return


def _documents_at(source: str, config: CorpusConfig) -> Iterator[str]:
    if source == STORYBOOK:
        return _read_storybook(config)
    if source.startswith(HUB_PREFIX):
        return _read_hub(source.removeprefix(HUB_PREFIX), config)
    return _read_files(local_files(source), config)


def _read_storybook(config: CorpusConfig) -> Iterator[str]:
    from toktrial.corpus.storybook import stories

    limit_bytes = _limit_bytes(config)
    assert limit_bytes is not None, "CorpusConfig refuses a storybook without max_megabytes"
    return stories(max_bytes=limit_bytes, seed=config.storybook_seed)


# --- local files ---


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


def _known_suffixes() -> str:
    return ", ".join(KNOWN_SUFFIXES)


def _files_text_bytes(config: CorpusConfig) -> int | None:
    sizes = [_file_text_bytes(path, config.text_field) for path in local_files(config.path)]
    known = [n_bytes for n_bytes in sizes if n_bytes is not None]
    return sum(known) if len(known) == len(sizes) else None


def _file_text_bytes(path: Path, field: str) -> int | None:
    if _has_suffix(path, PARQUET_SUFFIXES):
        return _parquet_column_bytes(path, field)
    return None if _is_compressed(path) else file_bytes(path)


def _read_files(paths: Iterable[Path], config: CorpusConfig) -> Iterator[str]:
    for path in paths:
        if _has_suffix(path, PARQUET_SUFFIXES):
            yield from _read_parquet(path, config.text_field)
        elif _has_suffix(path, JSON_LINES_SUFFIXES):
            yield from _read_json_lines(path, config.text_field)
        else:
            yield from _read_text(path, config.separator)


def _read_text(path: Path, separator: str) -> Iterator[str]:
    with _file_errors(path), _open_bytes(path) as file:
        for start, document in split_at_separators(file, separator.encode()):
            yield _decode(document, start, path)


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


def _decode(text: bytes, start: int, path: Path) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        where = "in its decompressed text" if _is_compressed(path) else "in it"
        raise TrialError(
            f"{path} is no UTF-8: the byte 0x{text[error.start]:02X} at byte offset {start + error.start} {where} "
            f"({error.reason}): convert the file to UTF-8"
        ) from None


def _is_compressed(path: Path) -> bool:
    return _has_suffix(path, (".gz",))


@contextmanager
def _open_bytes(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb", buffering=BUFFER_BYTES) as file:
        if _is_compressed(path):
            with gzip.open(file) as decompressed:
                yield decompressed  # type: ignore[misc]  # an IO[bytes] in all but name
        else:
            yield file


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


# --- Arrow: Parquet files and the hub ---


def _read_parquet(path: Path, field: str) -> Iterator[str]:
    from pyarrow.parquet import ParquetFile

    with _file_errors(path), ParquetFile(path) as file:
        _check_text_column(file.schema_arrow, field, str(path))
        batches = file.iter_batches(batch_size=ROWS_PER_BATCH, columns=[field])
        yield from _column_texts(batches, field, str(path))


def _parquet_column_bytes(path: Path, field: str) -> int:
    from pyarrow.parquet import ParquetFile

    with _file_errors(path), ParquetFile(path) as file:
        groups = [file.metadata.row_group(i) for i in range(file.num_row_groups)]
        columns = [group.column(j) for group in groups for j in range(group.num_columns)]
        return sum(column.total_uncompressed_size for column in columns if column.path_in_schema == field)


def _check_text_column(schema: pa.Schema, field: str, where: str) -> None:
    if field not in schema.names:
        hint = nearest_name(field, schema.names)
        raise TrialError(f"{where} has no column '{field}' (set by --corpus.text-field): {hint}")
    kind = schema.field(schema.names.index(field)).type
    if not _is_text(kind):
        raise TrialError(f"{where}: the column '{field}' holds {kind}, no text: set another with --corpus.text-field")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _column_texts(tables: Iterable[pa.RecordBatch | pa.Table], field: str, where: str) -> Iterator[str]:
    rows_before = 0
    for table in tables:
        column = table.column(table.schema.names.index(field))
        if column.null_count:
            row = rows_before + column.is_null().index(True).as_py()
            raise TrialError(f"{where}: row {row} (from 0) has no text: the column '{field}' is null there")
        try:
            texts = column.to_pylist()
        except UnicodeDecodeError:
            row = rows_before + _first_undecodable(column)
            raise TrialError(f"{where}: row {row} (from 0) of the column '{field}' is no UTF-8") from None
        yield from texts
        rows_before += len(texts)


def _first_undecodable(column: Iterable[pa.Scalar]) -> int:
    for row, scalar in enumerate(column):
        try:
            scalar.as_py()
        except UnicodeDecodeError:
            return row
    raise AssertionError("every row could be decoded")


# --- the hub ---


def _read_hub(name: str, config: CorpusConfig) -> Iterator[str]:
    where = f"the hub's data set {name}"
    dataset = _load_from_hub(name, config)
    _check_text_column(dataset.features.arrow_schema, config.text_field, where)
    tables = dataset.select_columns([config.text_field]).with_format("arrow").iter(batch_size=ROWS_PER_BATCH)
    return _column_texts(tables, config.text_field, where)


def _load_from_hub(name: str, config: CorpusConfig) -> "Dataset":
    """Downloads what is not in the local cache yet, showing progress, and memory-maps it.

    These are the two steps of `datasets.load_dataset`; between them a misspelt split or column is found before
    gigabytes are downloaded.
    """
    _check_hub_name(name)
    import datasets

    hub_answers = _hub_answers(name)
    with _hub_errors(name, hub_answers), _offline_unless(hub_answers):
        builder = datasets.load_dataset_builder(name, config.hub_config or None)
        _check_hub_split(builder, config.hub_split, name)
        if builder.info.features is not None:
            _check_text_column(builder.info.features.arrow_schema, config.text_field, f"the hub's data set {name}")
        builder.download_and_prepare()
        return builder.as_dataset(split=config.hub_split)


def _check_hub_name(name: str) -> None:
    if name.count("/") != 1 or not all(name.split("/")):
        raise TrialError(f"{HUB_PREFIX}{name} names no data set of the hub: it must read {HUB_PREFIX}OWNER/NAME")
    if Path(name).is_dir():  # which `datasets` would silently read instead
        raise TrialError(
            f"{HUB_PREFIX}{name} is ambiguous, for there is a folder {name} here: to read it use --corpus.path {name}, "
            "to read the hub run from another folder"
        )


def _hub_answers(name: str) -> bool:
    """Whether the hub can be reached: one question, where `datasets` itself would ask for up to 90 seconds."""
    import datasets
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi(endpoint=datasets.config.HF_ENDPOINT).dataset_info(name, timeout=HUB_ANSWERS_WITHIN_SECONDS)
    except (HfHubHTTPError, ValueError):  # it refuses, or the name is malformed: `datasets` says so better
        return True
    except Exception:  # no connection, or offline mode; the class depends on the HTTP library of the hub's version
        return False
    return True


def _check_hub_split(builder: "DatasetBuilder", split: str, name: str) -> None:
    known: Sequence[str] = list(builder.config.data_files or builder.info.splits or ())
    for part in split.split("+"):  # such as train[:10%]+test
        wanted = part.partition("[")[0].strip()
        if known and wanted not in known:
            hint = nearest_name(wanted, known)
            raise TrialError(f"the hub's data set {name} has no split '{wanted}' (set by --corpus.hub-split): {hint}")


@contextmanager
def _offline_unless(hub_answers: bool) -> Iterator[None]:
    """Lets `datasets` read its local cache at once where the hub does not answer."""
    import datasets

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = before or not hub_answers
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


@contextmanager
def _hub_errors(name: str, hub_answers: bool) -> Iterator[None]:
    """Turns what the hub's libraries raise, from many families of exceptions, into a TrialError."""
    try:
        yield
    except TrialError:
        raise
    except Exception as error:
        full_disk = _full_disk_behind(error)
        if full_disk is not None:
            raise full_disk from None
        failure = "cannot be loaded" if hub_answers else "is not cached here, and the hub cannot be reached"
        raise TrialError(f"the hub's data set {name} {failure} ({error}). {LOCAL_FILES_INSTEAD}") from error


def _full_disk_behind(error: BaseException | None) -> OSError | None:
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return error
        error = error.__cause__ or error.__context__
    return None
