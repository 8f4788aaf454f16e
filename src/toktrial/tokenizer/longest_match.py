"""The recipe `tkn`: TknMiner's most frequent sequences of primitives as entries, each used wherever it is the longest.

Encoding takes two steps, text to primitives, and then from left to right the longest sequence of them that is an entry. That is
not how the miner cut the text, for its bank forgets; but it depends on nothing but the text and the vocabulary.
"""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numba
import numpy as np
import pyarrow as pa

from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.progress import Progress
from toktrial.tokenizer.base import Ids, IdStream, Offsets, Show, hidden
from toktrial.tokenizer.bpe import PRIMITIVE_FOLDER, BPETokenizer, OverBPETokenizer
from toktrial.tokenizer.btm import encode_documents
from toktrial.tokenizer.merge_rules import check_size
from toktrial.tokenizer.pairs import EMPTY, IntArray, Keys, Longs, empty_table, find_slot, pair_key
from toktrial.tokenizer.tkn import TknMiner, Window

SEQUENCES_FILE = "sequences.parquet"


class TKNTokenizer(OverBPETokenizer):
    """Primitives and sequences of them. Entries: those of the primitive tokenizer, then one for each sequence."""

    recipe = "tkn"

    def __init__(self, primitive: BPETokenizer, sequences: Sequence[Window]) -> None:
        """`sequences`: two primitive ids or more each, most frequent first.

        Raises TrialError if a sequence is shorter or holds another id, or two entries spell the same bytes.
        """
        self.sequences = [tuple(sequence) for sequence in sequences]
        entries = list(primitive.token_bytes)
        for sequence in self.sequences:
            if len(sequence) < 2 or not all(0 < token < primitive.vocab_size for token in sequence):
                raise TrialError(f"the sequence {sequence} is not one of two or more entries of this primitive tokenizer")
            entries.append(b"".join([entries[token] for token in sequence]))
        if len(set(entries)) < len(entries):
            raise TrialError("the sequences do not belong to this primitive tokenizer: they spell an entry twice")
        super().__init__(primitive, entries)

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        vocab_size: int,
        primitive_vocab_size: int = 4096,
        min_frequency: int = 2,
        primitive: BPETokenizer | None = None,
        max_window: int = 8,
        bank_size: int = 65_536,
        ids: IdStream | None = None,
        show: Show = hidden,
    ) -> Self:
        """Learns a primitive tokenizer (or takes a ready one), and the sequences of its tokens: see `mine_sequences`.

        documents: any iterable of str; one that can be read only once is spooled to disk. ids: the documents as the ready
        primitives, where they are known. Raises ValueError for a lone surrogate, TrialError if the primitives alone are more
        than `vocab_size`.
        """
        documents = Documents.of(documents)
        if primitive is None:
            primitive = BPETokenizer.train(documents, primitive_vocab_size, min_frequency)
        stream, offsets = ids or encode_documents(primitive, documents)
        rule = MiningRule(vocab_size, min_frequency, max_window, bank_size)
        with show("mining sequences", stream.size, "token") as shown:
            return cls(primitive, mine_sequences(stream, offsets, primitive.token_bytes, rule, shown))

    def _encode_primitives(self, primitives: Ids, offsets: Offsets) -> tuple[Ids, Offsets]:
        ids, ids_offsets = np.empty(primitives.size, dtype=np.uint32), np.zeros_like(offsets)
        return ids[: _cut_documents(primitives, offsets, self._tree, ids, ids_offsets)], ids_offsets

    @functools.cached_property
    def _tree(self) -> "_Tree":
        return _tree_of(self.sequences, self.primitive.vocab_size)

    @property
    def parts(self) -> Longs:
        parts = super().parts
        parts[: self.primitive.vocab_size] = self.primitive.parts
        return parts

    def manifest(self) -> dict[str, Any]:
        return super().manifest() | {"sequences": len(self.sequences)}

    def write_files(self, folder: Path, held_out: Sequence[str] = ()) -> None:
        import pyarrow.parquet as pq

        super().write_files(folder, held_out)
        column = pa.array([list(sequence) for sequence in self.sequences], type=pa.list_(pa.uint32()))
        pq.write_table(pa.table({"primitives": column}), folder / SEQUENCES_FILE, compression="zstd")

    @classmethod
    def read_files(cls, folder: Path) -> Self:
        import pyarrow.parquet as pq

        sequences = pq.read_table(folder / SEQUENCES_FILE).column("primitives").to_pylist()
        return cls(BPETokenizer.read_files(folder / PRIMITIVE_FOLDER), sequences)


class MiningRule(NamedTuple):
    """Which sequences become entries."""

    vocab_size: int
    min_frequency: int
    max_window: int
    bank_size: int


def mine_sequences(
    ids: IntArray, offsets: Longs, primitives: Sequence[bytes], rule: MiningRule, on_progress: Progress | None = None
) -> list[Window]:
    """Returns the windows that TknMiner emits most often, so many that there are `vocab_size` entries with the primitives.

    Of windows emitted equally often, the one emitted first goes first. One whose bytes are an entry already is passed over.
    There are fewer where no other window was emitted `min_frequency` times. ids, offsets: documents of primitives; primitives:
    their bytes; on_progress is told the primitives read. Raises TrialError for a vocab_size below the number of primitives.
    """
    check_size(rule.vocab_size, len(primitives))
    miner = TknMiner(len(primitives), rule.max_window, rule.bank_size)
    counts = np.zeros(len(primitives), dtype=np.int64)
    for tokens, _ in miner.mine_in_parts(ids, offsets, on_progress):
        met = np.bincount(tokens, minlength=counts.size)
        met[: counts.size] += counts
        counts = met
    counts[: len(primitives)] = 0
    known = set(primitives)
    chosen: list[Window] = []
    for token in np.argsort(-counts, kind="stable").tolist():
        if counts[token] < rule.min_frequency or len(known) == rule.vocab_size:
            break
        sequence = miner.sequence(token)
        entry = b"".join([primitives[primitive] for primitive in sequence])
        if entry not in known:
            known.add(entry)
            chosen.append(sequence)
    return chosen


class _Tree(NamedTuple):
    """The beginnings of all sequences. The first nodes are the primitives."""

    keys: Keys
    """(slots,) uint64: node in the upper half, next primitive in the lower."""
    longer: Longs
    """(slots, 1) int64: the node of the longer beginning."""
    entry: Longs
    """(nodes,) int64: the entry that ends at a node, -1 for none."""


def _tree_of(sequences: Sequence[Window], primitives: int) -> _Tree:
    node_of: dict[Window, int] = {}
    for sequence in sequences:
        for end in range(2, len(sequence) + 1):
            node_of.setdefault(sequence[:end], primitives + len(node_of))
    keys, longer = empty_table(len(node_of), 1)
    entry = np.concatenate([np.arange(primitives), np.full(len(node_of), -1)])
    for beginning, node in node_of.items():
        key = pair_key(node_of.get(beginning[:-1], beginning[0]), beginning[-1])
        slot = find_slot(keys, key)
        keys[slot], longer[slot, 0] = key, node
    entry[[node_of[sequence] for sequence in sequences]] = primitives + np.arange(len(sequences))
    return _Tree(keys, longer, entry)


@numba.njit(cache=True, nogil=True)
def _cut_documents(ids: Ids, offsets: Longs, tree: _Tree, cut: Ids, cut_offsets: Longs) -> int:
    """Writes the longest entries of documents of primitives into `cut`; returns how many there are."""
    keys, longer, entry_of = tree
    length = 0
    for document in range(offsets.size - 1):
        position, end = offsets[document], offsets[document + 1]
        while position < end:
            node = np.int64(ids[position])
            entry, behind, place = node, position + 1, position + 1
            while place < end:
                slot = find_slot(keys, pair_key(node, ids[place]))
                if keys[slot] == EMPTY:
                    break
                node = longer[slot, 0]
                place += 1
                if entry_of[node] >= 0:
                    entry, behind = entry_of[node], place
            cut[length] = entry
            length += 1
            position = behind
        cut_offsets[document + 1] = length
    return length
