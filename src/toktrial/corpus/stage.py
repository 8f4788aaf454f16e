"""Writes the corpus of a trial: documents on disk, split into training and validation by their content alone.

The flow's first stage. The tokenizers learn from the training documents; all later stages read both splits from here.
"""

import dataclasses
import math
import os
import time
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from xxhash import xxh3_64_intdigest

from toktrial.artifact import fingerprint, is_finished, publish, read_manifest
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.documents import Documents, DocumentWriter
from toktrial.corpus.files import file_bytes, ignored_files, local_files
from toktrial.corpus.reading import Reading, counted
from toktrial.corpus.source import read_documents, read_validation_documents, source_bytes
from toktrial.errors import TrialError
from toktrial.progress import print_line, progress

Split = Literal["train", "validation"]

HASH_BITS = 64
SET_ASIDE_SEED = 1  # not the split's seed, under which no training document has a low hash
BYTES_BETWEEN_UPDATES = 1_000_000  # of the progress shown; a call for each document would cost more than reading it


def corpus_fingerprint(config: CorpusConfig) -> str:
    """Returns what identifies the corpus of `config`: its settings, not the content of the files that they name."""
    settings = dataclasses.asdict(config)
    if config.split == "separator":  # the only way before there was a choice: fingerprints of that time stay valid
        del settings["split"]
    return fingerprint("corpus", settings)


def prepare_corpus(config: CorpusConfig, folder: Path) -> dict[str, Any]:
    """Reads the source once and publishes its documents, split, in `folder`; returns the manifest.

    Training documents keep the order of the source. Validation documents are in the order of their hash (of equal
    hashes, in that of the source), so that a fixed sample of them is simply the first n. Empty documents are dropped
    and counted. Prints what was read and found. Memory: a few batches of documents, 8 bytes for each document, and three
    times as many while repeats are counted at the end.

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


# --- which documents are for validation, and which are set aside ---


def document_hash(document: str) -> int:
    """Returns the xxh3_64 hash of a document's UTF-8 bytes under seed 0. Raises ValueError for a lone surrogate.

    >>> document_hash("")
    3244421341483603138
    """
    return xxh3_64_intdigest(document.encode(), seed=0)


def is_validation(document_hash: int, validation_share: float) -> bool:
    """Whether a document of that hash is for validation: `document_hash < validation_share * 2^64`, exactly.

    `validation_share` counts as the exact value of the float (0.01 as that of the double nearest to 1/100). Scaling a float
    by 2^64 only moves its exponent, so nothing is rounded before the two are compared as integers.
    """
    return document_hash < math.ceil(math.ldexp(validation_share, HASH_BITS))


def set_aside(documents: Iterable[str], count: int) -> npt.NDArray[np.bool_]:
    """Returns which documents are set aside for the tuning (documents,): the `count` with the lowest hashes under seed 1.

    Documents equal to one of these are set aside with it. All documents are, where there are `count` or fewer.
    """
    hashes = np.array([xxh3_64_intdigest(document.encode(), seed=SET_ASIDE_SEED) for document in documents], dtype=np.uint64)
    if len(hashes) <= count:
        return np.ones(len(hashes), dtype=bool)
    chosen: npt.NDArray[np.bool_] = hashes <= np.partition(hashes, count - 1)[count - 1]
    return chosen


# --- writing ---


def _write_corpus(config: CorpusConfig, folder: Path) -> dict[str, Any]:
    started = time.monotonic()
    source, validation_source = _describe_source(config.path), _describe_source(config.validation_path)
    unsorted = folder / "validation-in-source-order.arrow"
    with DocumentWriter(_split_path(folder, "train")) as train, DocumentWriter(unsorted) as validation:
        splitter = _Splitter(train, validation)
        reading, validation_reading = _read_sources(config, splitter)
    _print_files(reading)
    _print_files(validation_reading)
    _check_both_splits(config, splitter, reading)
    also_in_training = validation_reading.count_in(reading)
    _print_documents(config, splitter, reading, validation_reading, also_in_training)
    _write_in_hash_order(unsorted, splitter.validation_hashes, _split_path(folder, "validation"))
    unsorted.unlink()
    return {
        "source": source,
        "validation_source": validation_source,
        "train": {"documents": train.documents, "bytes": train.bytes},
        "validation": {"documents": validation.documents, "bytes": validation.bytes},
        "empty_documents_dropped": splitter.empty_documents,
        "validation_documents_also_in_training": also_in_training,
        "seconds": time.monotonic() - started,
    }


class _Splitter:
    """Sends each document to the writer of its split and counts."""

    def __init__(self, train: DocumentWriter, validation: DocumentWriter) -> None:
        self.train = train
        self.validation = validation
        self.empty_documents = 0
        self.validation_hashes = array("Q")

    @property
    def bytes(self) -> int:
        return self.train.bytes + self.validation.bytes

    def add_all(
        self, documents: Iterable[str], validation_share: float, reading: Reading, title: str, total: int | None
    ) -> None:
        """Adds the documents of a reading, of which that share is for validation; shows progress out of `total` bytes."""
        bytes_before = bytes_shown = self.bytes
        with progress(title, total, "B") as shown:
            for document in documents:
                self._add(document, validation_share, reading)
                if self.bytes - bytes_shown >= BYTES_BETWEEN_UPDATES:
                    bytes_shown = self.bytes
                    shown.update(bytes_shown - bytes_before)
            shown.update(self.bytes - bytes_before)

    def _add(self, document: str, validation_share: float, reading: Reading) -> None:
        if not document:
            self.empty_documents += 1
            return
        hash_ = document_hash(document)
        reading.hashes_here.append(hash_)
        if is_validation(hash_, validation_share):
            self.validation.add(document)
            self.validation_hashes.append(hash_)
        else:
            self.train.add(document)


def _read_sources(config: CorpusConfig, splitter: _Splitter) -> tuple[Reading, Reading]:
    """Reads both sources; the second reading stays empty where validation documents have no source of their own."""
    reading, validation = Reading(config.path), Reading(config.validation_path)
    validation_share, title = config.validation_share, "reading documents"
    if config.validation_path:
        splitter.add_all(read_validation_documents(config, validation), 1, validation, "reading validation documents", None)
        validation_share, title = 0, "reading training documents"
    splitter.add_all(read_documents(config, reading), validation_share, reading, title, source_bytes(config))
    return reading, validation


def _write_in_hash_order(unsorted: Path, hashes: "array[int]", path: Path) -> None:
    documents = Documents.open(unsorted)
    with DocumentWriter(path) as writer:
        for index in np.argsort(np.array(hashes, dtype=np.uint64), kind="stable").tolist():
            writer.add(documents[index])


def _check_both_splits(config: CorpusConfig, splitter: _Splitter, reading: Reading) -> None:
    n_train, n_validation = splitter.train.documents, splitter.validation.documents
    n_all = n_train + n_validation
    found = [(config.path, n_all)]
    if config.validation_path:
        found = [(config.validation_path, n_validation), (config.path, n_train)]
    for source, n_documents in found:
        if not n_documents:
            dropped = f" ({splitter.empty_documents} empty documents were dropped)" if splitter.empty_documents else ""
            raise TrialError(f"{source} is empty: no document with any text was found in it{dropped}")
    if n_train and n_validation:
        return
    undivided = reading.describe_division(config)
    if reading.distinct()[0] == 1:
        equal = ", all with the same text" if n_all > 1 else ""
        raise TrialError(
            f"{counted(n_all, 'document')} found in {config.path}{equal}, but training and validation need different ones: "
            + (undivided or "add documents, or name others for validation with --corpus.validation-path")
        )
    split, change = ("training", "smaller") if n_validation else ("validation", "larger")
    raise TrialError(
        f"none of the {n_all} documents of {config.path} fell to {split} at corpus.validation_share "
        f"{config.validation_share}: set a {change} --corpus.validation-share, or name validation documents with "
        f"--corpus.validation-path{undivided and f'. Note that {undivided}'}"
    )


# --- what a user should know of what was read ---


def _print_files(reading: Reading) -> None:
    folder = Path(reading.source)
    if reading.files and folder.is_dir():
        print_line(reading.describe_files(ignored_files(folder)))
    if reading.byte_order_marks:
        marked = counted(reading.byte_order_marks, "file")
        print_line(f"{reading.source}: dropped the UTF-8 byte order mark at the start of {marked}")


def _print_documents(
    config: CorpusConfig, splitter: _Splitter, reading: Reading, validation_reading: Reading, also_in_training: int
) -> None:
    n_train, n_validation = splitter.train.documents, splitter.validation.documents
    line = f"{counted(n_train + n_validation, 'document')} found: {n_train:,} for training, {n_validation:,} for validation"
    if splitter.empty_documents:
        line += f"; {counted(splitter.empty_documents, 'empty document')} dropped"
    print_line(line + ("; reading ended at corpus.max_megabytes" if reading.is_cut_short else ""))
    for each in (reading, validation_reading):
        if undivided := each.describe_division(config):
            print_line(f"{each.source}: {undivided}")
    if repeats := reading.describe_repeats():
        print_line(repeats)
    if also_in_training:
        print_line(
            f"WARNING: {also_in_training:,} of {counted(n_validation, 'validation document')} are training documents too: they "
            "measure memory, not only learning. Name others with --corpus.validation-path"
        )


# --- the source as the manifest describes it ---


def _describe_source(source: str) -> dict[str, Any]:
    files = local_files(source) if source else []
    return {"path": source, "files": [{"name": _file_name(file, Path(source)), "bytes": file_bytes(file)} for file in files]}


def _file_name(file: Path, source: Path) -> str:
    name = file.relative_to(source).as_posix() if source.is_dir() else file.name
    return os.fsencode(name).decode(errors="backslashreplace")  # a file name need not be UTF-8, but a manifest must be


def _check_same_source(described: dict[str, Any], folder: Path) -> None:
    try:
        now = _describe_source(described["path"])
    except TrialError:
        return  # the source is gone, or on another machine: the corpus made from it is as good as ever
    if now != described:
        raise TrialError(
            f"{described['path']} has changed since the corpus in {folder} was made from it: it was "
            f"{_summary(described)}, and is {_summary(now)}. Start a new trial folder, or delete this one to start over"
        )


def _summary(described: dict[str, Any]) -> str:
    return f"{sum(file['bytes'] for file in described['files']):,} bytes in {len(described['files'])} files"
