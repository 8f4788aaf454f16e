"""BTM (BPE-TKN-Merge), track B's tokenizer: a small BPE whose tokens are merged further, across word boundaries.

Encoding takes two steps, text to primitives and then the merges in order of rank, so that the training corpus's own
encoding is the stream that learning the merges left behind.
"""

import functools
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.progress import Progress
from toktrial.tokenizer.base import Ids, IdStream, Offsets, Tokenizer
from toktrial.tokenizer.bpe import PRIMITIVE_FOLDER, BPETokenizer, OverBPETokenizer, read_batches
from toktrial.tokenizer.config import SuperBPERecipe
from toktrial.tokenizer.dropout import Dropout
from toktrial.tokenizer.encode_kernels import MergeTables, encode_stream, merge_tables
from toktrial.tokenizer.merge import learn_merges_of_stream
from toktrial.tokenizer.merge_rules import ANY, FREQUENCY, SUPERBPE, MergeRule, check_scope, joined_entries
from toktrial.tokenizer.pairs import IntArray
from toktrial.tokenizer.pruning import Cuts, cut_pruned, cuts_of, new_ids
from toktrial.tokenizer.sharded_merges import ThreadShards, cut_documents, learn_merges_of_shards
from toktrial.tokenizer.transformers_files import TOKENIZER_FILE, flat_tokenizer_json, write_transformers_files_of_btm

MERGES_FILE = "merges.parquet"
EXACT_MERGES_FILE = "btm_merges.json"  # the same merges for tokenization_btm.py, which reads no Parquet
SCOPE_KEY, PRUNED_KEY, DROPOUT_KEY = b"scope", b"pruned", b"dropout"  # in the metadata of that file
MERGE_COLUMNS = ("left", "right", "id", "count")


class BTMTokenizer(OverBPETokenizer):
    """Primitives and the merges of their ids. Entries: those of the primitive tokenizer, then one per merge.

    Entries may have been given back (`pruned`): they arise on the way to longer ones, but what is left of them in the end is
    cut into the two parts that made them. The ids of the others then move up.
    """

    recipe = "btm"

    def __init__(
        self,
        primitive: BPETokenizer,
        merges: npt.NDArray[np.int64],
        scope: str = ANY,
        pruned: Sequence[int] | IntArray = (),
        dropout: Dropout | None = None,
    ) -> None:
        """`merges`: (n, 4) int64 of left id, right id, id, count when chosen; ids continue from primitive.vocab_size.

        `scope`: which positions may merge, as when the merges were learned; see merge_rules.py. `pruned`: those of these ids
        that were given back; `dropout`: which merges `encode_training` leaves out. Raises TrialError for an unknown scope, or
        if the merges do not belong to the primitives.
        """
        check_scope(scope)
        merges = np.asarray(merges, dtype=np.int64).reshape(-1, 4)
        expected = primitive.vocab_size + np.arange(len(merges))
        parts = merges[:, :2]
        if not np.array_equal(merges[:, 2], expected) or (parts < 0).any() or (parts >= expected[:, None]).any():
            raise TrialError("the merges do not belong to this primitive tokenizer: their ids must continue its own")
        self.merges = merges
        self.scope = scope
        entries = joined_entries(primitive.token_bytes, parts)
        if len(set(entries)) < len(entries):
            raise TrialError("the merges do not belong to this primitive tokenizer: joined, they spell an entry twice")
        self._merged_entries = entries
        self.pruned = np.array(pruned, dtype=np.int64)
        self.dropout = dropout
        kept = np.flatnonzero(new_ids(self.pruned, len(entries)) >= 0)
        super().__init__(primitive, [entries[token] for token in kept.tolist()])

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
        max_words: int = 0,
        prune: int = 0,
        shards: int = 1,
    ) -> Self:
        """Learns a primitive tokenizer (or takes a ready one) and merges its tokens to `vocab_size` entries.

        documents: any iterable of str; one that can be read only once is spooled to disk. Stops with fewer entries when no
        pair is left that occurs `min_frequency` times. `score` and `scope` say which pair is merged next, and where,
        `max_words` how many words an entry may span: see merge_rules.py. Entries of more than a byte that stand alone fewer
        than `prune` times in the end are given back, and their places spent on further merges. `shards`: parts of the corpus
        that threads merge side by side, which changes no merge. Raises ValueError for a lone surrogate, TrialError if the
        primitives alone are more than `vocab_size`, and for `prune` together with several shards.
        """
        documents = Documents.of(documents)
        if primitive is None:
            primitive = BPETokenizer.train(documents, primitive_vocab_size, min_frequency)
        ids, offsets = encode_documents(primitive, documents)
        rule = MergeRule(min_frequency, score, scope, max_words, prune)
        if shards != 1:
            in_shards = ThreadShards(cut_documents(ids, offsets, shards))
            return cls(primitive, learn_merges_of_shards(in_shards, primitive.token_bytes, vocab_size, rule).merges, scope)
        prunable = primitive.parts[:, 0] >= 0
        learned = learn_merges_of_stream(ids, offsets, primitive.token_bytes, vocab_size, rule, prunable=prunable)
        return cls(primitive, learned.merges, scope, learned.pruned)

    def encode_training(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        return self._encode_primitives(*self.primitive.encode_arrow(texts), self.dropout)

    def _encode_primitives(self, primitives: Ids, offsets: Offsets, dropout: Dropout | None = None) -> tuple[Ids, Offsets]:
        ids, offsets = encode_stream(primitives, offsets, self._tables, dropout)
        return cut_pruned(ids, offsets, self._cuts) if self.pruned.size else (ids, offsets)

    @property
    def parts(self) -> npt.NDArray[np.int64]:
        parts = self._merged_parts
        if self.pruned.size:
            ids = new_ids(self.pruned, len(parts))
            parts = np.where(parts >= 0, ids[parts], -1)[ids >= 0]
            parts[(parts < 0).any(axis=1)] = -1  # made of what was given back
        return parts

    @property
    def _merged_parts(self) -> npt.NDArray[np.int64]:
        """(merged entries, 2): what made each, in the ids of the merges."""
        return np.concatenate([self.primitive.parts, self.merges[:, :2]])

    @functools.cached_property
    def _cuts(self) -> Cuts:
        return cuts_of(self.pruned, self._merged_parts)

    @functools.cached_property
    def _tables(self) -> MergeTables:
        return merge_tables(self.merges, self._merged_entries, self.scope)

    def manifest(self) -> dict[str, Any]:
        about: dict[str, Any] = {"merges": len(self.merges), "scope": self.scope}
        about |= {"pruned": len(self.pruned)} if self.pruned.size else {}
        return super().manifest() | about | ({"dropout": self.dropout.share} if self.dropout else {})

    def write_files(self, folder: Path, held_out: Sequence[str] = ()) -> None:
        import pyarrow.parquet as pq

        super().write_files(folder, held_out)
        about = {SCOPE_KEY: self.scope} | ({PRUNED_KEY: json.dumps(self.pruned.tolist())} if self.pruned.size else {})
        about |= {DROPOUT_KEY: json.dumps(self.dropout)} if self.dropout else {}
        table = pa.table(dict(zip(MERGE_COLUMNS, self.merges.T, strict=True))).replace_schema_metadata(about)
        pq.write_table(table, folder / MERGES_FILE, compression="zstd")
        merges = self.merges[:, :2].tolist()
        exact: dict[str, Any] = {"scope": self.scope, "merges": merges}
        if self.pruned.size:
            exact["pruned"] = [[token, *self._merged_parts[token].tolist()] for token in self.pruned.tolist()]
        else:
            flat = flat_tokenizer_json(self.primitive.tokenizer_json, self.primitive.token_bytes, merges)
            (folder / TOKENIZER_FILE).write_text(flat, encoding="utf-8")
        (folder / EXACT_MERGES_FILE).write_text(json.dumps(exact), encoding="utf-8")
        write_transformers_files_of_btm(self, self.scope, folder, held_out)

    @classmethod
    def read_files(cls, folder: Path) -> Self:
        import pyarrow.parquet as pq

        table = pq.read_table(folder / MERGES_FILE)
        merges = np.stack([table.column(name).to_numpy() for name in MERGE_COLUMNS], axis=1)
        about = table.schema.metadata or {}
        scope, pruned = about.get(SCOPE_KEY, ANY.encode()).decode(), json.loads(about.get(PRUNED_KEY, b"[]"))
        dropout = Dropout(*json.loads(about[DROPOUT_KEY])) if DROPOUT_KEY in about else None
        return cls(BPETokenizer.read_files(folder / PRIMITIVE_FOLDER), merges, scope, pruned, dropout)


class SuperBPETokenizer(BTMTokenizer):
    """BTM under the limits of SuperBPE's authors: subwords up to a transition, superwords behind it (Liu et al. 2025)."""

    recipe = "superbpe"

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        vocab_size: int,
        primitive_vocab_size: int = SuperBPERecipe.transition,
        min_frequency: int = SuperBPERecipe.min_frequency,
        primitive: BPETokenizer | None = None,
        score: str = FREQUENCY,
        scope: str = SUPERBPE,
        max_words: int = SuperBPERecipe.max_words,
        prune: int = 0,
        shards: int = 1,
    ) -> Self:
        """Learns as `BTMTokenizer.train` does, with the recipe's own defaults. `primitive_vocab_size` is the transition."""
        rule: dict[str, Any] = {"score": score, "scope": scope, "max_words": max_words, "prune": prune, "shards": shards}
        return super().train(documents, vocab_size, primitive_vocab_size, min_frequency, primitive, **rule)


def encode_documents(
    tokenizer: Tokenizer, documents: Documents, spool_folder: Path | None = None, on_progress: Progress | None = None
) -> IdStream:
    """Encodes a whole corpus: flat ids (uint16 if the vocabulary fits, otherwise uint32) and offsets (documents + 1,).

    The ids are memory-mapped from an unnamed temporary file, in `spool_folder` if one is given; the offsets are in memory.
    `on_progress` is told the bytes read.
    """
    dtype = np.uint16 if tokenizer.vocab_size <= np.iinfo(np.uint16).max + 1 else np.uint32
    lengths = [np.zeros(1, dtype=np.int64)]

    def encode() -> Iterator[IntArray]:
        for batch in read_batches(documents, on_progress):
            ids, offsets = tokenizer.encode_arrow(batch)
            lengths.append(np.diff(offsets))
            yield ids.astype(dtype)

    ids = spool(encode(), dtype, spool_folder)
    return ids, np.cumsum(np.concatenate(lengths))


def spool(parts: Iterable[IntArray], dtype: Any, folder: Path | None = None) -> IntArray:
    """Writes arrays of that type, joined, to a file without a name, and returns it memory-mapped.

    The file is gone when the array is, or the process, however that ends.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        for part in parts:
            file.write(part.data)
        if not file.tell():  # an empty file cannot be mapped
            return np.zeros(0, dtype=dtype)
        file.flush()
        return np.memmap(file, dtype=dtype, mode="r")
