"""Writes the corpus of a trial: documents on disk, split into training and validation.

The flow's first stage. The tokenizers learn from the training documents; all later stages read both splits from here.
"""

import dataclasses
import os
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from toktrial.artifact import fingerprint, is_finished, publish, read_manifest
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.documents import Documents, DocumentWriter
from toktrial.corpus.files import file_bytes
from toktrial.corpus.source import local_files, read_documents, read_validation_documents, source_bytes
from toktrial.corpus.split import document_hash, is_validation
from toktrial.errors import TrialError
from toktrial.progress import progress

Split = Literal["train", "validation"]

BYTES_BETWEEN_UPDATES = 1_000_000  # of what is shown; a call a document would cost more than reading it


def corpus_fingerprint(config: CorpusConfig) -> str:
    """Returns what identifies the corpus of `config`: its settings, not the content of the files that they name."""
    return fingerprint("corpus", dataclasses.asdict(config))


def prepare_corpus(config: CorpusConfig, folder: Path) -> dict[str, Any]:
    """Reads the source once and publishes its documents, split, in `folder`; returns the manifest.

    Training documents keep the order of the source. Validation documents are in the order of their hash (of equal
    hashes, in that of the source), so that a fixed sample of them is simply the first n. Empty documents are dropped
    and counted. Memory: a few batches of documents, and about 100 bytes for each validation document.

    Does nothing where `folder` is finished already. Raises TrialError where the source cannot be read, has changed
    since, or leaves a split without documents; OSError where the disk is full. `folder` is then left as it was.
    """
    stage_fingerprint = corpus_fingerprint(config)
    if is_finished(folder, stage_fingerprint):
        manifest = read_manifest(folder)
        _check_same_source(manifest["source"], folder)
        _check_same_source(manifest["validation_source"], folder)
        return manifest
    manifest = {}
    with publish(folder, stage_fingerprint, manifest) as partial:
        manifest.update(_write_corpus(config, partial))
    return manifest


def open_documents(folder: Path, split: Split) -> Documents:
    """Memory-maps a split of the finished corpus in `folder`. Raises TrialError where it is not there, or damaged."""
    read_manifest(folder)
    path = _split_path(folder, split)
    try:
        return Documents.open(path)
    except (OSError, pa.ArrowException) as error:
        raise TrialError(f"{path} is missing or damaged ({error}): delete {folder} and run again") from None


def _split_path(folder: Path, split: Split) -> Path:
    return folder / f"{split}.arrow"


def _write_corpus(config: CorpusConfig, folder: Path) -> dict[str, Any]:
    started = time.monotonic()
    source, validation_source = _describe_source(config.path), _describe_source(config.validation_path)
    unsorted = folder / "validation-in-source-order.arrow"
    with DocumentWriter(_split_path(folder, "train")) as train, DocumentWriter(unsorted) as validation:
        splitter = _Splitter(train, validation)
        _read_sources(config, splitter)
    _check_both_splits(config, splitter)
    _write_in_hash_order(unsorted, splitter.validation_hashes, _split_path(folder, "validation"))
    unsorted.unlink()
    return {
        "source": source,
        "validation_source": validation_source,
        "train": {"documents": train.documents, "bytes": train.bytes},
        "validation": {"documents": validation.documents, "bytes": validation.bytes},
        "empty_documents_dropped": splitter.empty_documents,
        "validation_documents_also_in_training": splitter.validation_documents_also_in_training(),
        "seconds": time.monotonic() - started,
    }


def _read_sources(config: CorpusConfig, splitter: "_Splitter") -> None:
    if not config.validation_path:
        share = config.validation_share
        splitter.add_all(
            read_documents(config), lambda hash_: is_validation(hash_, share), "reading documents", source_bytes(config)
        )
        return
    # validation first, so that each training document can be looked up among them as it passes
    splitter.add_all(read_validation_documents(config), lambda _: True, "reading validation documents", None)
    splitter.add_all(read_documents(config), lambda _: False, "reading training documents", source_bytes(config))


class _Splitter:
    """Sends each document to the writer of its split and counts."""

    def __init__(self, train: DocumentWriter, validation: DocumentWriter) -> None:
        self.train = train
        self.validation = validation
        self.empty_documents = 0
        self.validation_hashes = array("Q")
        self._hashes_in_validation_alone: set[int] = set()

    def add_all(
        self,
        documents: Iterator[str],
        is_for_validation: Callable[[int], bool],
        title: str,
        total_bytes: int | None,
    ) -> None:
        """Adds documents, showing progress; `is_for_validation` says from a document's hash where it belongs."""
        bytes_before = self.train.bytes + self.validation.bytes
        bytes_shown = 0
        with progress(title, total_bytes, "B") as shown:
            for document in documents:
                self._add(document, is_for_validation)
                bytes_done = self.train.bytes + self.validation.bytes - bytes_before
                if bytes_done - bytes_shown >= BYTES_BETWEEN_UPDATES:
                    shown.update(bytes_done)
                    bytes_shown = bytes_done
            shown.update(self.train.bytes + self.validation.bytes - bytes_before)

    def _add(self, document: str, is_for_validation: Callable[[int], bool]) -> None:
        if not document:
            self.empty_documents += 1
            return
        hash_ = document_hash(document)
        if is_for_validation(hash_):
            self.validation.add(document)
            self.validation_hashes.append(hash_)
            self._hashes_in_validation_alone.add(hash_)
        else:
            self.train.add(document)
            self._hashes_in_validation_alone.discard(hash_)

    def validation_documents_also_in_training(self) -> int:
        """How many validation documents have the hash of a training document, where validation was read first.

        A split by hash puts equal hashes on one side, so there it is 0 in whatever order they were read.
        """
        return sum(hash_ not in self._hashes_in_validation_alone for hash_ in self.validation_hashes)


def _write_in_hash_order(unsorted: Path, hashes: "array[int]", path: Path) -> None:
    documents = Documents.open(unsorted)
    order = np.argsort(np.array(hashes, dtype=np.uint64), kind="stable")
    with DocumentWriter(path) as writer:
        for index in order:
            writer.add(documents[int(index)])


def _check_both_splits(config: CorpusConfig, splitter: _Splitter) -> None:
    n_train, n_validation = splitter.train.documents, splitter.validation.documents
    if config.validation_path:
        _check_not_empty(config.validation_path, n_validation, splitter)
        _check_not_empty(config.path, n_train, splitter)
        return
    _check_not_empty(config.path, n_train + n_validation, splitter)
    at_share = f"at corpus.validation_share {config.validation_share}"
    if not n_validation:
        raise TrialError(
            f"none of the {n_train} documents of {config.path} fell to validation {at_share}: set a larger "
            "--corpus.validation-share, or name validation documents with --corpus.validation-path"
        )
    if not n_train:
        raise TrialError(
            f"all {n_validation} documents of {config.path} fell to validation {at_share}, none to training: set a "
            "smaller --corpus.validation-share, or name validation documents with --corpus.validation-path"
        )


def _check_not_empty(source: str, n_documents: int, splitter: _Splitter) -> None:
    if not n_documents:
        dropped = f" ({splitter.empty_documents} empty documents were dropped)" if splitter.empty_documents else ""
        raise TrialError(f"{source} is empty: no document with any text was found in it{dropped}")


def _describe_source(source: str) -> dict[str, Any]:
    path = Path(source)
    files = local_files(source) if source else []
    return {
        "path": source,
        "files": [{"name": _file_name(file, path), "bytes": file_bytes(file)} for file in files],
    }


def _file_name(file: Path, source: Path) -> str:
    name = file.relative_to(source).as_posix() if source.is_dir() else file.name
    return os.fsencode(name).decode(errors="backslashreplace")  # a file name need not be UTF-8, a manifest must


def _check_same_source(described: dict[str, Any], folder: Path) -> None:
    try:
        now = _describe_source(described["path"])
    except TrialError:
        return  # the source has gone, or is on another machine: the corpus made from it stays as good as it was
    if now != described:
        raise TrialError(
            f"{described['path']} has changed since the corpus in {folder} was made from it: it was "
            f"{_summary(described)}, and is {_summary(now)}. Start a new trial folder, or delete this one to begin anew"
        )


def _summary(described: dict[str, Any]) -> str:
    return f"{sum(file['bytes'] for file in described['files']):,} bytes in {len(described['files'])} files"
