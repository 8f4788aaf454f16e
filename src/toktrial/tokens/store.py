"""Token ids on disk: written once per track, memory-mapped by training and evaluation. Reading needs only numpy.

Per split (train; val for validation): SPLIT.bin holds the ids, each document followed by id 0; SPLIT_offsets.bin where each
document begins in it (uint64, one more than documents); SPLIT_bytes.bin each document's UTF-8 length (uint32). entry_bytes.bin
holds the length of every entry in bytes (uint32). All little-endian. After this file nothing asks which track it is.
"""

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from toktrial import artifact, progress
from toktrial.errors import TrialError

if TYPE_CHECKING:
    import pyarrow as pa

    from toktrial.corpus.documents import Documents
    from toktrial.tokenizer.base import IdStream, Tokenizer

END_ID = 0  # closes a document; `<|endoftext|>`
FILE_PREFIX = {"train": "train", "validation": "val"}  # of each split's files
DOCUMENTS_AT_ONCE = 10_000  # that are copied from one store to another

Piece = tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.int64], npt.NDArray[np.integer[Any]]]
"""Documents of a split: flat ids with closing ids, in the dtype on disk; then each document's number of ids and of bytes."""


@dataclass(frozen=True)
class TokenSplit:
    """The ids of one split, memory-mapped if they come from disk."""

    ids: npt.NDArray[np.integer[Any]]
    """Flat ids, each document followed by id 0; uint16 or uint32."""
    offsets: npt.NDArray[np.uint64]
    """(documents + 1,): where each document begins in `ids`, its closing id 0 included."""
    byte_lengths: npt.NDArray[np.uint32]
    """(documents,): UTF-8 bytes of each document; id 0 has none."""

    @classmethod
    def of_texts(cls, texts: Sequence[str], tokenizer: "Tokenizer") -> "TokenSplit":
        """Encodes one or more texts as documents, each followed by id 0; the ids are uint32.

        Raises ValueError for a lone surrogate, which UTF-8 cannot hold.
        """
        documents = [np.append(ids, np.uint32(END_ID)) for ids in tokenizer.encode_batch(texts)]
        return cls(
            ids=np.concatenate(documents),
            offsets=np.cumsum([0, *map(len, documents)]).astype(np.uint64),
            byte_lengths=np.array([len(text.encode()) for text in texts], dtype=np.uint32),
        )

    @property
    def documents(self) -> int:
        return len(self.byte_lengths)

    def document(self, index: int) -> npt.NDArray[np.integer[Any]]:
        """Returns the ids of a document, its closing id 0 included."""
        return self.ids[int(self.offsets[index]) : int(self.offsets[index + 1])]

    def part(self, first: int, end: int) -> "TokenSplit":
        """Returns the documents from `first` to before `end`, as a split of their own; nothing is copied but its offsets."""
        offsets = self.offsets[first : end + 1]
        return TokenSplit(self.ids[int(offsets[0]) : int(offsets[-1])], offsets - offsets[0], self.byte_lengths[first:end])

    def documents_within(self, ids: int) -> int:
        """Returns how many of the first documents hold at most so many ids together."""
        return int(np.searchsorted(self.offsets, np.uint64(ids), side="right")) - 1


@dataclass(frozen=True)
class TokenStore:
    """A track's ids on disk: both splits and the length of every entry."""

    train: TokenSplit
    validation: TokenSplit
    entry_bytes: npt.NDArray[np.uint32]
    """(entries,): bytes of each entry, 0 for the closing id 0."""
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, check: bool = False) -> "TokenStore":
        """Memory-maps what `write_tokens` wrote; with `check`, compares every file with its checksum first.

        Raises TrialError if the stage is unfinished or a file is damaged.
        """
        if check:
            artifact.check_files(folder)
        manifest = artifact.read_manifest(folder)
        train, validation = (_open_split(folder, prefix, manifest["dtype"]) for prefix in FILE_PREFIX.values())
        return cls(train, validation, np.fromfile(folder / "entry_bytes.bin", dtype="<u4"), manifest)

    @property
    def entries(self) -> int:
        """Entries of the track's tokenizer."""
        return len(self.entry_bytes)


def entry_bytes_of(tokenizer: "Tokenizer") -> npt.NDArray[np.uint32]:
    """Returns the bytes of every entry of a tokenizer: (entries,) little-endian uint32, 0 for the closing id 0."""
    entry_bytes = np.array([len(entry) for entry in tokenizer.token_bytes], dtype="<u4")
    entry_bytes[END_ID] = 0
    return entry_bytes


def tokens_fingerprint(tokenizer_fingerprint: str) -> str:
    """Returns the fingerprint of a tokenizer's token files; the tokenizer's own fingerprint covers the corpus."""
    return artifact.fingerprint("tokens", {"tokenizer": tokenizer_fingerprint})


def write_tokens(
    folder: Path,
    tokenizer: "Tokenizer",
    tokenizer_fingerprint: str,
    splits: "dict[str, Documents]",
    name: str,
    train_ids: "IdStream | None" = None,
    map_in_order: Callable[[Callable[[Any], Piece], Iterable[Any]], Iterable[Piece]] = map,
) -> str:
    """Encodes the documents of every split into `folder`, unless that is done. Returns the stage's fingerprint.

    `folder` has the track's name, which progress shows; `name` is what the tokenizer is called; `train_ids`: the ids of the
    training documents, where they are known already. `map_in_order` works as `map` does, and may have
    batches encoded elsewhere. Asserts for every document that its entries' bytes add up to its length.
    """
    fingerprint = tokens_fingerprint(tokenizer_fingerprint)
    if artifact.is_finished(folder, fingerprint):
        return fingerprint
    started = time.monotonic()
    dtype = np.dtype("<u2" if tokenizer.vocab_size <= np.iinfo(np.uint16).max + 1 else "<u4")
    entry_bytes = entry_bytes_of(tokenizer)
    manifest: dict[str, Any] = {"tokenizer": name, "entries": tokenizer.vocab_size, "dtype": dtype.name}
    with artifact.publish(folder, fingerprint, manifest) as partial:
        entry_bytes.tofile(partial / "entry_bytes.bin")
        for split, documents in splits.items():
            title = f"encoding {split} documents for {folder.name}"
            with progress.progress(title, documents.bytes, "B") as shown:
                pieces: Iterable[Piece]
                if split == "train" and train_ids is not None:
                    pieces = map(
                        functools.partial(_close, dtype, entry_bytes), documents.batches(), _parts(*train_ids, documents)
                    )
                else:
                    encode = tokenizer.encode_training if split == "train" else tokenizer.encode_arrow
                    pieces = map_in_order(functools.partial(_encode, encode, dtype, entry_bytes), documents.batches())
                manifest[split] = _write_split(partial, split, pieces, shown)
        manifest["seconds"] = time.monotonic() - started
    return fingerprint


def write_parted_tokens(folder: Path, store: TokenStore, fingerprint: str, is_set_aside: npt.NDArray[np.bool_]) -> None:
    """Writes the training documents of `store` into `folder`, as a store whose validation split is what was set aside.

    `is_set_aside`: (documents,), for the documents of the training split. Nothing is encoded again. Does nothing if that is
    done. Raises TrialError if nothing is left to train on.
    """
    if artifact.is_finished(folder, fingerprint):
        return
    if is_set_aside.all():
        raise TrialError(
            f"tuning.documents sets all {len(is_set_aside)} training documents aside, which leaves none to train on: lower it"
        )
    manifest: dict[str, Any] = {name: store.manifest[name] for name in ("tokenizer", "entries", "dtype")}
    with artifact.publish(folder, fingerprint, manifest) as partial:
        store.entry_bytes.tofile(partial / "entry_bytes.bin")
        for split, is_chosen in (("train", ~is_set_aside), ("validation", is_set_aside)):
            manifest[split] = _write_split(partial, split, _copy(store.train, np.flatnonzero(is_chosen)))


def _write_split(folder: Path, split: str, pieces: Iterable[Piece], shown: progress.Progress | None = None) -> dict[str, int]:
    """Writes the three files of a split. Returns how much it holds: tokens without closing ids, bytes of UTF-8."""
    counts = {"documents": 0, "tokens": 0, "bytes": 0}
    prefix = FILE_PREFIX[split]
    with (
        (folder / f"{prefix}.bin").open("wb") as id_file,
        (folder / f"{prefix}_offsets.bin").open("wb") as offset_file,
        (folder / f"{prefix}_bytes.bin").open("wb") as byte_file,
    ):
        np.zeros(1, dtype="<u8").tofile(offset_file)
        for ids, lengths, byte_lengths in pieces:
            ids.tofile(id_file)
            ends = counts["tokens"] + counts["documents"] + np.cumsum(lengths)
            ends.astype("<u8").tofile(offset_file)
            byte_lengths.astype("<u4").tofile(byte_file)
            counts["documents"] += lengths.size
            counts["tokens"] += ids.size - lengths.size
            counts["bytes"] += int(byte_lengths.sum(dtype=np.int64))
            if shown:
                shown.update(counts["bytes"])
    return counts


def _encode(
    encode: "Callable[[pa.LargeStringArray], IdStream]",
    dtype: np.dtype[Any],
    entry_bytes: npt.NDArray[np.uint32],
    texts: "pa.LargeStringArray",
) -> Piece:
    return _close(dtype, entry_bytes, texts, encode(texts))


def _close(
    dtype: np.dtype[Any], entry_bytes: npt.NDArray[np.uint32], texts: "pa.LargeStringArray", encoded: "IdStream"
) -> Piece:
    """Returns a batch of documents with closing ids, once it is checked."""
    from toktrial.corpus.documents import flat_buffers

    ids, offsets = encoded
    byte_lengths = np.diff(flat_buffers(texts)[0])
    closed = np.insert(ids.astype(dtype), offsets[1:], END_ID)
    sums = np.add.reduceat(entry_bytes[closed], offsets[:-1] + np.arange(len(texts)))  # the closing id has no bytes
    wrong = np.flatnonzero(sums != byte_lengths)
    assert not wrong.size, f"entries of document {wrong[0]} of a batch do not add up to its bytes"
    return closed, np.diff(offsets) + 1, byte_lengths


def _parts(ids: npt.NDArray[np.integer[Any]], offsets: npt.NDArray[np.int64], documents: "Documents") -> "Iterator[IdStream]":
    """Yields the ids of all documents batch by batch."""
    first = 0
    for texts in documents.batches():
        walls = offsets[first : first + len(texts) + 1]
        yield ids[walls[0] : walls[-1]], walls - walls[0]
        first += len(texts)


def _copy(split: TokenSplit, documents: npt.NDArray[np.int64]) -> Iterator[Piece]:
    offsets = split.offsets.astype(np.int64)
    lengths = offsets[1:] - offsets[:-1]
    for first in range(0, len(documents), DOCUMENTS_AT_ONCE):
        chosen = documents[first : first + DOCUMENTS_AT_ONCE]
        yield np.concatenate([split.document(index) for index in chosen.tolist()]), lengths[chosen], split.byte_lengths[chosen]


def _open_split(folder: Path, prefix: str, dtype: str) -> TokenSplit:
    return TokenSplit(
        ids=_map(folder / f"{prefix}.bin", np.dtype(dtype).newbyteorder("<")),
        offsets=_map(folder / f"{prefix}_offsets.bin", np.dtype("<u8")),
        byte_lengths=_map(folder / f"{prefix}_bytes.bin", np.dtype("<u4")),
    )


def _map(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if not path.stat().st_size:  # an empty file cannot be mapped
        return np.zeros(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r")
