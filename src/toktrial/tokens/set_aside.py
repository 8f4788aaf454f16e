"""Token files of the training documents alone, parted once more: those to train on, and those set aside to judge by.

tokens -> tuning. The files are those of store.py, so that training and evaluation read them alike. Nothing is encoded again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.tokens.store import FILE_PREFIX, TokenSplit, TokenStore

DOCUMENTS_AT_ONCE = 10_000


def write_parted_tokens(folder: Path, store: TokenStore, fingerprint: str, is_set_aside: npt.NDArray[np.bool_]) -> None:
    """Writes the training documents of `store` into `folder`, as a store of its own whose validation split is set aside.

    `is_set_aside`: (documents,), for the documents of the training split. Does nothing where that is done. Raises TrialError
    where nothing is left to train on.
    """
    if artifact.is_finished(folder, fingerprint):
        return
    parts = {"train": np.flatnonzero(~is_set_aside), "validation": np.flatnonzero(is_set_aside)}
    if not len(parts["train"]):
        raise TrialError(
            f"tuning.documents sets all {len(is_set_aside)} training documents aside, and leaves none to train on: set it lower"
        )
    manifest: dict[str, Any] = {name: store.manifest[name] for name in ("tokenizer", "entries", "dtype")}
    with artifact.publish(folder, fingerprint, manifest) as partial:
        store.entry_bytes.astype("<u4").tofile(partial / "entry_bytes.bin")
        for name, documents in parts.items():
            manifest[name] = _write_part(partial, FILE_PREFIX[name], store.train, documents)


def _write_part(folder: Path, prefix: str, split: TokenSplit, documents: npt.NDArray[np.int64]) -> dict[str, int]:
    lengths = np.diff(split.offsets.astype(np.int64))[documents]
    byte_lengths = split.byte_lengths[documents]
    with (folder / f"{prefix}.bin").open("wb") as id_file:
        for ids in _ids_of(split, documents):
            ids.tofile(id_file)
    np.concatenate([[0], np.cumsum(lengths)]).astype("<u8").tofile(folder / f"{prefix}_offsets.bin")
    byte_lengths.astype("<u4").tofile(folder / f"{prefix}_bytes.bin")
    tokens = int(lengths.sum()) - len(documents)  # as store.py counts them: without the closing ids
    return {"documents": len(documents), "tokens": tokens, "bytes": int(byte_lengths.sum(dtype=np.int64))}


def _ids_of(split: TokenSplit, documents: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.integer[Any]]]:
    for first in range(0, len(documents), DOCUMENTS_AT_ONCE):
        yield np.concatenate([split.document(index) for index in documents[first : first + DOCUMENTS_AT_ONCE].tolist()])
