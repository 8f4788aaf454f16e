"""Reads documents from where a corpus comes from: the storybook, the hub, or local files.

It is the corpus stage's first step. Documents are kept byte for byte, empty ones too: `stage` drops and counts them.
"""

from collections.abc import Iterator
from pathlib import Path

from toktrial.corpus.config import HUB_PREFIX, STORYBOOK, CorpusConfig
from toktrial.corpus.documents import utf8_length
from toktrial.corpus.files import files_at, read_files, text_bytes
from toktrial.corpus.hub import read_hub
from toktrial.errors import TrialError


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
    known_bytes = None if _is_generated_or_remote(config.path) else text_bytes(files_at(config.path), config.text_field)
    return min((n for n in (known_bytes, limit_bytes) if n is not None), default=None)


def local_files(source: str) -> list[Path]:
    """Returns the files that `source` stands for, in reading order; none for the storybook and the hub.

    A folder stands for all files in it and below it with a known suffix, hidden ones left out, sorted by relative
    path. Raises TrialError where nothing is there, or nothing that can be read.
    """
    return [] if _is_generated_or_remote(source) else files_at(source)


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
        return read_hub(source.removeprefix(HUB_PREFIX), config)
    return read_files(files_at(source), config)


def _read_storybook(config: CorpusConfig) -> Iterator[str]:
    from toktrial.corpus.storybook import stories

    limit_bytes = _limit_bytes(config)
    assert limit_bytes is not None, "CorpusConfig refuses a storybook without max_megabytes"
    return stories(max_bytes=limit_bytes, seed=config.storybook_seed)
