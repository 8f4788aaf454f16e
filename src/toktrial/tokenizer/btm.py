"""BTM (BPE-TKN-Merge), track B's tokenizer: a small BPE whose tokens are merged further, across word boundaries.

Encoding takes two steps, text to primitives and then the merges in order of rank, so that the training corpus's own
encoding is the stream that learning the merges left behind.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from toktrial import progress
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer.base import Ids, Offsets, Tokenizer, write_vocabulary
from toktrial.tokenizer.bpe import TOKENIZER_FILE, BPETokenizer
from toktrial.tokenizer.encode_kernels import MergeTables, encode_stream, merge_tables
from toktrial.tokenizer.merge import LearnedMerges, learn_merges_of_stream

MERGES_FILE = "merges.parquet"
MERGE_COLUMNS = ("left", "right", "id", "count")


class BTMTokenizer(Tokenizer):
    """Primitives and the merges of their ids. Entries: those of the primitive tokenizer, then one per merge."""

    recipe = "btm"

    def __init__(self, primitive: BPETokenizer, merges: npt.NDArray[np.int64]) -> None:
        """`merges`: (n, 4) int64 of left id, right id, id, count when chosen; ids run on from primitive.vocab_size."""
        merges = np.asarray(merges, dtype=np.int64).reshape(-1, 4)
        expected = primitive.vocab_size + np.arange(len(merges))
        if not np.array_equal(merges[:, 2], expected) or (merges[:, :2] >= expected[:, None]).any():
            raise TrialError("the merges do not belong to this primitive tokenizer: their ids must run on from its own")
        self.primitive = primitive
        self.merges = merges
        entries = list(primitive.token_bytes)
        for left, right in merges[:, :2].tolist():
            entries.append(entries[left] + entries[right])
        super().__init__(entries)

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        vocab_size: int,
        primitive_vocab_size: int = 4096,
        min_frequency: int = 2,
        primitive: BPETokenizer | None = None,
    ) -> "BTMTokenizer":
        """Learns a primitive tokenizer (or takes a ready one) and merges its tokens to `vocab_size` entries.

        documents: any iterable of str; a one-shot one is spooled to disk. Ends with fewer entries where no pair is left
        that occurs `min_frequency` times. Raises ValueError for a lone surrogate.
        """
        documents = Documents.of(documents)
        if primitive is None:
            primitive = BPETokenizer.train(documents, primitive_vocab_size, min_frequency)
        ids, offsets = encode_documents(primitive, documents)
        return cls(primitive, learn_btm_merges(primitive, ids, offsets, vocab_size, min_frequency).merges)

    def encode(self, text: str) -> list[int]:
        primitives = np.array(self.primitive.encode(text), dtype=np.uint32)
        ids, _ = encode_stream(primitives, np.array([0, primitives.size]), self._tables)
        return [int(token) for token in ids]

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        return encode_stream(*self.primitive.encode_arrow(texts), self._tables)

    @functools.cached_property
    def _tables(self) -> MergeTables:
        return merge_tables(self.merges, self.primitive.vocab_size)

    def manifest(self) -> dict[str, Any]:
        return super().manifest() | {"primitives": self.primitive.vocab_size, "merges": len(self.merges)}

    def write_files(self, folder: Path) -> None:
        import pyarrow.parquet as pq

        primitive_folder = folder / "primitive"
        primitive_folder.mkdir()
        self.primitive.write_files(primitive_folder)
        columns = {name: self.merges[:, column] for column, name in enumerate(MERGE_COLUMNS)}
        pq.write_table(pa.table(columns), folder / MERGES_FILE, compression="zstd")
        write_vocabulary(self.token_bytes, folder)

    @classmethod
    def read_files(cls, folder: Path) -> "BTMTokenizer":
        """Reads what `write_files` wrote."""
        import pyarrow.parquet as pq

        table = pq.read_table(folder / MERGES_FILE)
        merges = np.stack([table.column(name).to_numpy() for name in MERGE_COLUMNS], axis=1)
        return cls(BPETokenizer((folder / "primitive" / TOKENIZER_FILE).read_text(encoding="utf-8")), merges)


def encode_documents(tokenizer: Tokenizer, documents: Documents) -> tuple[npt.NDArray[np.integer[Any]], Offsets]:
    """Encodes a whole corpus into memory: flat ids (uint16 where the vocabulary fits) and offsets (documents + 1,)."""
    dtype: Any = np.uint16 if tokenizer.vocab_size <= np.iinfo(np.uint16).max + 1 else np.uint32
    parts, lengths = [np.zeros(0, dtype=dtype)], [np.zeros(1, dtype=np.int64)]
    for batch in documents.batches():
        ids, offsets = tokenizer.encode_arrow(batch)
        parts.append(ids.astype(dtype))
        lengths.append(np.diff(offsets))
    return np.concatenate(parts), np.cumsum(np.concatenate(lengths))


def learn_btm_merges(
    primitive: BPETokenizer,
    ids: npt.NDArray[np.integer[Any]],
    offsets: Offsets,
    vocab_size: int,
    min_frequency: int,
) -> LearnedMerges:
    """Learns the merges of a stream of primitive ids, with progress; logs the pairs that were passed over."""
    if vocab_size < primitive.vocab_size:
        raise TrialError(f"vocab_size is {vocab_size}, but there are {primitive.vocab_size} primitives already")
    first = primitive.vocab_size
    with progress.progress("merging tokens", vocab_size - first, "merge") as shown:
        learned = learn_merges_of_stream(
            ids,
            offsets,
            primitive.token_bytes,
            vocab_size,
            min_frequency,
            on_merge=lambda entries, count: shown.update(entries - first, f"count {count:,}"),
        )
    if learned.passed_over:
        progress.print_line(f"{len(learned.passed_over)} pairs passed over: joined, they spell an entry that exists")
    return learned
