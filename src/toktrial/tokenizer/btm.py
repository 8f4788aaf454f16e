"""BTM (BPE-TKN-Merge), track B's tokenizer: a small BPE whose tokens are merged further, across word boundaries.

Encoding takes two steps, text to primitives and then the merges in order of rank, so that the training corpus's own
encoding is the stream that learning the merges left behind.
"""

import functools
import itertools
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer.base import Ids, Offsets, Tokenizer, write_vocabulary
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.encode_kernels import MergeTables, encode_stream, merge_tables
from toktrial.tokenizer.merge import MergeList, learn_merges_of_stream
from toktrial.tokenizer.merge_rules import ANY, FREQUENCY, check_scope
from toktrial.tokenizer.pairs import IntArray
from toktrial.tokenizer.sharded_merges import ThreadShards, cut_documents, learn_merges_of_shards
from toktrial.tokenizer.transformers_files import (
    HELD_OUT_DOCUMENTS,
    TOKENIZER_FILE,
    flat_tokenizer_json,
    write_transformers_files_of_btm,
)

MERGES_FILE = "merges.parquet"
PRIMITIVE_FOLDER = "primitive"
EXACT_MERGES_FILE = "btm_merges.json"  # the same merges for tokenization_btm.py, which reads no Parquet
SCOPE_KEY = b"scope"  # in the metadata of that file
MERGE_COLUMNS = ("left", "right", "id", "count")


class BTMTokenizer(Tokenizer):
    """Primitives and the merges of their ids. Entries: those of the primitive tokenizer, then one per merge."""

    recipe = "btm"

    def __init__(self, primitive: BPETokenizer, merges: npt.NDArray[np.int64], scope: str = ANY) -> None:
        """`merges`: (n, 4) int64 of left id, right id, id, count when chosen; ids continue from primitive.vocab_size.

        `scope`: which positions may merge, as when the merges were learned; see merge_rules.py. Raises TrialError for an
        unknown scope, or if the merges do not belong to the primitives.
        """
        check_scope(scope)
        merges = np.asarray(merges, dtype=np.int64).reshape(-1, 4)
        expected = primitive.vocab_size + np.arange(len(merges))
        parts = merges[:, :2]
        if not np.array_equal(merges[:, 2], expected) or (parts < 0).any() or (parts >= expected[:, None]).any():
            raise TrialError("the merges do not belong to this primitive tokenizer: their ids must continue its own")
        self.primitive = primitive
        self.merges = merges
        self.scope = scope
        entries = list(primitive.token_bytes)
        for left, right in parts.tolist():
            entries.append(entries[left] + entries[right])
        if len(set(entries)) < len(entries):
            raise TrialError("the merges do not belong to this primitive tokenizer: joined, they spell an entry twice")
        super().__init__(entries)

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        vocab_size: int,
        primitive_vocab_size: int = 4096,
        min_frequency: int = 2,
        primitive: BPETokenizer | None = None,
        score: str = FREQUENCY,
        scope: str = ANY,
        shards: int = 1,
    ) -> "BTMTokenizer":
        """Learns a primitive tokenizer (or takes a ready one) and merges its tokens to `vocab_size` entries.

        documents: any iterable of str; one that can be read only once is spooled to disk. Stops with fewer entries when no
        pair is left that occurs `min_frequency` times. `score` and `scope` say which pair is merged next, and where: see
        merge_rules.py. `shards`: parts of the corpus that threads merge side by side, which changes no merge. Raises
        ValueError for a lone surrogate, TrialError if the primitives alone are more than `vocab_size`.
        """
        documents = Documents.of(documents)
        if primitive is None:
            primitive = BPETokenizer.train(documents, primitive_vocab_size, min_frequency)
        ids, offsets = encode_documents(primitive, documents)
        how: Any = {"min_frequency": min_frequency, "score": score, "scope": scope}
        if shards == 1:
            learned: MergeList = learn_merges_of_stream(ids, offsets, primitive.token_bytes, vocab_size, **how)
        else:
            learned = learn_merges_of_shards(
                ThreadShards(cut_documents(ids, offsets, shards)), primitive.token_bytes, vocab_size, **how
            )
        return cls(primitive, learned.merges, scope)

    def encode(self, text: str) -> list[int]:
        primitives = np.array(self.primitive.encode(text), dtype=np.uint32)
        ids, _ = encode_stream(primitives, np.array([0, primitives.size]), self._tables)
        encoded: list[int] = ids.tolist()
        return encoded

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        return encode_stream(*self.primitive.encode_arrow(texts), self._tables)

    @property
    def parts(self) -> npt.NDArray[np.int64]:
        return np.concatenate([self.primitive.parts, self.merges[:, :2]])

    @functools.cached_property
    def _tables(self) -> MergeTables:
        return merge_tables(self.merges, self.token_bytes, self.scope)

    def manifest(self) -> dict[str, Any]:
        return super().manifest() | {"primitives": self.primitive.vocab_size, "merges": len(self.merges), "scope": self.scope}

    def write_files(self, folder: Path, held_out: Iterable[str] = ()) -> None:
        import pyarrow.parquet as pq

        held_out = list(itertools.islice(held_out, HELD_OUT_DOCUMENTS))
        primitive_folder = folder / PRIMITIVE_FOLDER
        primitive_folder.mkdir()
        self.primitive.write_files(primitive_folder, held_out)
        table = pa.table(dict(zip(MERGE_COLUMNS, self.merges.T, strict=True))).replace_schema_metadata({SCOPE_KEY: self.scope})
        pq.write_table(table, folder / MERGES_FILE, compression="zstd")
        write_vocabulary(self.token_bytes, folder)
        merges = self.merges[:, :2].tolist()
        (folder / EXACT_MERGES_FILE).write_text(json.dumps({"scope": self.scope, "merges": merges}), encoding="utf-8")
        flat = flat_tokenizer_json(self.primitive.tokenizer_json, self.primitive.token_bytes, merges)
        (folder / TOKENIZER_FILE).write_text(flat, encoding="utf-8")
        write_transformers_files_of_btm(self, self.scope, folder, held_out)

    @classmethod
    def read_files(cls, folder: Path) -> "BTMTokenizer":
        import pyarrow.parquet as pq

        table = pq.read_table(folder / MERGES_FILE)
        merges = np.stack([table.column(name).to_numpy() for name in MERGE_COLUMNS], axis=1)
        scope = (table.schema.metadata or {}).get(SCOPE_KEY, ANY.encode()).decode()
        return cls(BPETokenizer.read_files(folder / PRIMITIVE_FOLDER), merges, scope)


def encode_documents(tokenizer: Tokenizer, documents: Documents, spool_folder: Path | None = None) -> tuple[IntArray, Offsets]:
    """Encodes a whole corpus: flat ids (uint16 if the vocabulary fits, otherwise uint32) and offsets (documents + 1,).

    The ids are memory-mapped from an unnamed temporary file, in `spool_folder` if one is given; the offsets are in memory.
    """
    dtype = np.uint16 if tokenizer.vocab_size <= np.iinfo(np.uint16).max + 1 else np.uint32
    lengths = [np.zeros(1, dtype=np.int64)]
    with tempfile.TemporaryFile(dir=spool_folder) as file:
        for batch in documents.batches():
            ids, batch_offsets = tokenizer.encode_arrow(batch)
            file.write(ids.astype(dtype).data)
            lengths.append(np.diff(batch_offsets))
        file.flush()
        offsets = np.cumsum(np.concatenate(lengths))
        if not offsets[-1]:  # an empty file cannot be mapped
            return np.zeros(0, dtype=dtype), offsets
        return np.memmap(file, dtype=dtype, mode="r"), offsets
