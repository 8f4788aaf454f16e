"""Reads documents from a data set of the Hugging Face hub, or from its local cache where the hub does not answer.

One of the kinds of source that `source` chooses from. Whatever the hub's libraries raise becomes a TrialError that
names the data set; only a full disk stays an OSError.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from toktrial.corpus.config import HUB_PREFIX, CorpusConfig
from toktrial.corpus.text_columns import ROWS_PER_BATCH, check_text_column, column_texts
from toktrial.errors import TrialError, nearest_name

if TYPE_CHECKING:
    from datasets import Dataset, DatasetBuilder

HUB_ANSWERS_WITHIN_SECONDS = 10.0

LOCAL_FILES_INSTEAD = (
    "To do without the hub, download the text elsewhere and name it with --corpus.path FILE: "
    "a .txt, .jsonl or .parquet file, or a folder of these"
)


def read_hub(name: str, config: CorpusConfig) -> Iterator[str]:
    """Returns the documents of the data set `name` (OWNER/NAME), downloaded and checked at once, read one by one.

    Raises TrialError where it cannot be loaded or has no such text.
    """
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
def hub_errors(name: str, hub_answers: bool) -> Iterator[None]:
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
