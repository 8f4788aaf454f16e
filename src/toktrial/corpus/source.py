"""Reads documents from where a corpus comes from: the storybook, the Hugging Face hub, or local files.

It is the corpus stage's first step. Documents are kept byte for byte, empty ones too: `stage` drops and counts them.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from toktrial.corpus.config import HUB_PREFIX, CorpusConfig
from toktrial.corpus.documents import utf8_length
from toktrial.corpus.files import ROWS_PER_BATCH, check_text_column, column_texts, local_files, read_files, text_bytes
from toktrial.corpus.reading import Reading
from toktrial.errors import TrialError, nearest_name

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder

HUB_ANSWERS_WITHIN_SECONDS = 10.0

LOCAL_FILES_INSTEAD = (
    "To do without the hub, download the text in some other way and name it with --corpus.path FILE: "
    "a .txt, .jsonl, .csv or .parquet file, or a folder of these"
)


def read_documents(config: CorpusConfig, reading: Reading | None = None) -> Iterator[str]:
    """Opens `config.path`, downloading it where it is on the hub, and returns its documents, to be read one by one.

    Ends after the document with which `config.max_megabytes` (of 10^6 UTF-8 bytes) are reached, where that is set. Notes
    in `reading` what the readers come across.
    Raises TrialError, here or while being read, where the source cannot be read or is not what its name says.
    """
    limit_bytes = _limit_bytes(config)
    if config.is_storybook:
        from toktrial.corpus.storybook import stories

        assert limit_bytes is not None, "CorpusConfig refuses a storybook without max_megabytes"
        return stories(max_bytes=limit_bytes, seed=config.storybook_seed)
    documents = _documents_at(config.path, config, reading)
    return documents if limit_bytes is None else _up_to(documents, limit_bytes, reading or Reading())


def read_validation_documents(config: CorpusConfig, reading: Reading | None = None) -> Iterator[str]:
    """Returns all documents of `config.validation_path`, as `read_documents` does for `config.path`."""
    return _documents_at(config.validation_path, config, reading)


def source_bytes(config: CorpusConfig) -> int | None:
    """Returns how many bytes of text `config.path` holds, as far as that is known without reading it, or None.

    For text, JSON lines and CSV it is the size of the files, for Parquet that of the text column before compression. It is at
    most `config.max_megabytes`, and exactly that where nothing else is known. Raises TrialError where a local source does
    not exist.
    """
    files = local_files(config.path)
    sizes = [_limit_bytes(config), text_bytes(files, config.text_field) if files else None]
    return min((n_bytes for n_bytes in sizes if n_bytes is not None), default=None)


def _limit_bytes(config: CorpusConfig) -> int | None:
    return max(1, round(config.max_megabytes * 1e6)) if config.max_megabytes else None


def _up_to(documents: Iterator[str], limit_bytes: int, reading: Reading) -> Iterator[str]:
    n_bytes = 0
    for document in documents:
        yield document
        n_bytes += utf8_length(document, "a document")
        if n_bytes >= limit_bytes:
            reading.is_cut_short = True
            return


def _documents_at(source: str, config: CorpusConfig, reading: Reading | None) -> Iterator[str]:
    if source.startswith(HUB_PREFIX):
        return _read_hub(source.removeprefix(HUB_PREFIX), config)
    return read_files(local_files(source), config, reading or Reading())


# --- the hub ---


def _read_hub(name: str, config: CorpusConfig) -> Iterator[str]:
    where = f"the hub's data set {name}"
    dataset = _load_from_hub(name, config)
    check_text_column(dataset.features.arrow_schema, config.text_field, where)
    tables = dataset.select_columns([config.text_field]).with_format("arrow").iter(batch_size=ROWS_PER_BATCH)
    return column_texts(tables, config.text_field, where)


def _load_from_hub(name: str, config: CorpusConfig) -> "Dataset":
    """Downloads what is not in the local cache yet, showing progress, and memory-maps it.

    These are the two steps of `datasets.load_dataset`; between them a misspelt split or column is found before
    gigabytes are downloaded.
    """
    _check_hub_name(name)
    import datasets

    hub_answers = _hub_answers(name)
    with hub_errors(name, hub_answers), _offline_unless(hub_answers):
        builder = datasets.load_dataset_builder(name, config.hub_config or None)
        _check_hub_split(builder, config.hub_split, name)
        if builder.info.features is not None:
            check_text_column(builder.info.features.arrow_schema, config.text_field, f"the hub's data set {name}")
        builder.download_and_prepare()
        return builder.as_dataset(split=config.hub_split)


def _check_hub_name(name: str) -> None:
    if name.count("/") != 1 or not all(name.split("/")):
        raise TrialError(f"{HUB_PREFIX}{name} does not name a data set of the hub: it must read {HUB_PREFIX}OWNER/NAME")
    if Path(name).is_dir():  # which `datasets` would silently read instead
        raise TrialError(
            f"{HUB_PREFIX}{name} is ambiguous, because there is a folder {name} here: to read the folder use "
            f"--corpus.path {name}, to read the hub run from another folder"
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
def hub_errors(name: str, hub_answers: bool) -> Iterator[None]:
    """Turns what the hub's libraries raise, from many families of exceptions, into a TrialError.

    Only a full disk, however deep it is wrapped, stays an OSError.
    """
    try:
        yield
    except TrialError:
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        failure = "cannot be loaded" if hub_answers else "is not cached here, and the hub cannot be reached"
        raise TrialError(f"the hub's data set {name} {failure} ({error}). {LOCAL_FILES_INSTEAD}") from error
