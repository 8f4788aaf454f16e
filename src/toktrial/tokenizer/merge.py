"""BTM's third step, the merge engine: merges the most frequent adjacent pair again and again, exactly, in linear time.

reference.py says in a few obvious lines what this computes; tests hold the two equal. How it gets there:

- The stream stays in place in one array of cells, with a wall before, between and after the documents. A token of k
  primitives covers k cells and its id stands in the first and the last of them, so that both neighbours of a token are one
  read away and no links are needed.
- A pair that holds a new token can only arise in the merge that makes that token. So every pair's positions are written
  once, as one slice, when the pair arises; from then on its count only falls, and a lazy max-heap gives the exact best pair.
- A merge overwrites the first cells of both its parts, so that a position that has gone stale is recognised by its cell.
- Pairs below a threshold keep neither positions nor count. When the best count falls below the threshold, the stream is
  compacted, its pairs are counted again, and the work goes on with a lower threshold.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError
from toktrial.tokenizer import merge_kernels as kernels
from toktrial.tokenizer.pair_table import capacity_for, empty_table, rehash
from toktrial.tokenizer.tkn import IntArray, PairGraph

# Pairs that keep positions, for each merge still to be made: enough that the best count rarely falls below the threshold.
PAIRS_KEPT_PER_MERGE = 4

OnMerge = Callable[[int, int], None]


@dataclass(frozen=True)
class LearnedMerges:
    """What `learn_merges` returns."""

    merges: npt.NDArray[np.int64]
    """(n, 4) int64: left id, right id, new id, count when chosen; in the order of choice."""
    passed_over: list[tuple[int, int]]
    """Pairs that were the best one, but whose joined bytes already named an entry."""
    ids: npt.NDArray[np.uint32]
    """The stream that the merges left behind, flat."""
    offsets: npt.NDArray[np.int64]
    """(documents + 1,) int64: where each document begins and ends in `ids`."""
    recounts: int = field(compare=False, default=0)
    """How often the pairs were counted again under a lower threshold."""


def learn_merges(
    documents: Iterable[Sequence[int] | IntArray],
    token_bytes: Sequence[bytes],
    vocab_size: int,
    min_frequency: int = 2,
    on_merge: OnMerge | None = None,
) -> LearnedMerges:
    """Learns BTM's merges from documents of primitive ids.

    The pair with the highest count is merged: the number of its adjacent positions in the current stream, within
    documents. Of equals, the one with the smallest left id, then the smallest right id. A pair whose bytes joined already
    name an entry is passed over. Ends at `vocab_size` entries, or when the best count is under `min_frequency`.

    documents: each a list or an integer array of ids below len(token_bytes); token_bytes: bytes of each primitive;
    on_merge: called after each merge with the number of entries and the count of the merged pair.

    >>> learn_merges([[0, 1, 0, 1, 0]], [b"a", b"b"], vocab_size=3).merges.tolist()
    [[0, 1, 2, 2]]
    """
    arrays = [np.asarray(document, dtype=np.int64) for document in documents]
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([array.size for array in arrays], out=offsets[1:])
    ids = np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)
    return learn_merges_of_stream(ids, offsets, token_bytes, vocab_size, min_frequency, on_merge)


def learn_merges_of_stream(
    ids: IntArray,
    offsets: IntArray,
    token_bytes: Sequence[bytes],
    vocab_size: int,
    min_frequency: int = 2,
    on_merge: OnMerge | None = None,
    pairs_kept_per_merge: float = PAIRS_KEPT_PER_MERGE,
) -> LearnedMerges:
    """The same as `learn_merges`, from flat ids (any integer dtype) and offsets (documents + 1,) into them.

    Raises TrialError for an id that is no primitive, and for a min_frequency below 1.
    """
    if min_frequency < 1:
        raise TrialError(f"min_frequency must be at least 1, but is {min_frequency}")
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < len(token_bytes):
        raise TrialError(f"the stream holds ids from {ids.min()} to {ids.max()}, but there are {len(token_bytes)} entries")
    engine = _Engine(ids, offsets, max(vocab_size, len(token_bytes)))
    entries = list(token_bytes)
    known = set(entries)
    merges: list[tuple[int, int, int, int]] = []
    passed_over: dict[tuple[int, int], None] = {}
    recounts = -1  # the first count is none
    while len(entries) < vocab_size:
        count, left, right = engine.pop_best()
        if count < engine.threshold:
            if engine.threshold <= min_frequency:
                break
            recounts += 1
            engine.recount(min_frequency, pairs_wanted=int(pairs_kept_per_merge * (vocab_size - len(entries))))
            continue
        joined = entries[left] + entries[right]
        if joined in known:
            passed_over[left, right] = None
            continue
        new = len(entries)
        entries.append(joined)
        known.add(joined)
        merges.append((left, right, new, count))
        engine.merge(left, right, new, count)
        if on_merge:
            on_merge(len(entries), count)
    final_ids, final_offsets = engine.stream()
    table = np.array(merges, dtype=np.int64).reshape(-1, 4)
    return LearnedMerges(table, list(passed_over), final_ids, final_offsets, max(recounts, 0))


class _Engine:
    """The stream, the counts and positions of its pairs, and the heap; kernels do the work on them."""

    def __init__(self, ids: IntArray, offsets: IntArray, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        dtype: Any = np.uint16 if vocab_size <= np.iinfo(np.uint16).max - 1 else np.uint32
        self._wall = dtype(np.iinfo(dtype).max)
        self._stale = dtype(np.iinfo(dtype).max - 1)
        self._cells = np.empty(int(offsets[-1] - offsets[0]) + offsets.size, dtype=dtype)
        kernels.lay_out(self._cells, ids, offsets.astype(np.int64), self._wall)
        self._span = np.ones(vocab_size, dtype=np.int32)
        self._neighbours = kernels.Neighbours(*np.zeros((3, vocab_size), dtype=np.int64))
        self.threshold = np.iinfo(np.int64).max  # nothing is counted yet: the first pop asks for a count
        self._keys, self._pairs = empty_table(capacity_for(0), kernels.PAIR_COLUMNS)
        self._used_slots = 0
        self._heap_counts, self._heap_keys = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
        self._heap_size = 0
        self._positions: npt.NDArray[np.integer[Any]] = np.zeros(0, dtype=np.uint32)
        self._used_positions = 0

    def pop_best(self) -> tuple[int, int, int]:
        """Takes the best pair from the heap; returns its count, left id and right id. Count 0: no pair is left."""
        count, left, right, self._heap_size = kernels.pop_best(
            self._heap_counts, self._heap_keys, self._heap_size, self._keys, self._pairs
        )
        return count, int(left), int(right)

    def recount(self, min_frequency: int, pairs_wanted: int) -> None:
        """Compacts the stream and counts its pairs again, under a lower threshold."""
        self._cells = self._cells[: kernels.compact(self._cells, self._span, self._wall)]
        self._span[:] = 1
        graph = PairGraph()
        walls = np.flatnonzero(self._cells == self._wall)
        graph.add_spans(self._cells, walls[:-1] + 1, walls[1:])
        edges = graph.edges()
        self.threshold = self._lower_threshold(edges[:, 2], min_frequency, pairs_wanted)
        kept = edges[: np.searchsorted(-edges[:, 2], -self.threshold, side="right")]
        self._keep_positions(kept)

    def _lower_threshold(self, counts: npt.NDArray[np.int64], min_frequency: int, pairs_wanted: int) -> int:
        """Returns the count of the last pair wanted, at most half the threshold before; counts fall."""
        wanted = int(counts[pairs_wanted]) if pairs_wanted < counts.size else min_frequency
        return max(min_frequency, min(wanted, self.threshold // 2))

    def _keep_positions(self, edges: npt.NDArray[np.int64]) -> None:
        kept_positions = int(edges[:, 2].sum())
        # A merge removes one cell and makes two positions at most. Pages that are never written take no memory.
        capacity = kept_positions + 2 * self._cells.size
        dtype: Any = np.uint32 if self._cells.size < np.iinfo(np.uint32).max else np.int64
        if self._positions.size < capacity:
            self._positions = np.empty(capacity, dtype=dtype)
        self._keys, self._pairs = empty_table(capacity_for(len(edges)), kernels.PAIR_COLUMNS)
        self._heap_counts, self._heap_keys = edges[:, 2].copy(), np.empty(len(edges), dtype=np.uint64)
        kernels.enter_pairs(self._keys, self._pairs, self._heap_keys, edges)
        self._heap_size = len(edges)  # edges fall in count, ties by key: that is a heap already
        self._used_slots = len(edges)
        kernels.write_positions(self._cells, self._keys, self._pairs, self._positions, self._wall)
        self._used_positions = kept_positions

    def merge(self, left: int, right: int, new: int, count: int) -> None:
        """Replaces the pair by the new id everywhere and counts the pairs that arise."""
        self._make_room(2 * min(count, self._vocab_size))
        self._span[new] = self._span[left] + self._span[right]
        merged, self._used_slots, self._used_positions, self._heap_size = kernels.merge_pair(
            self._cells, self._span, self._keys, self._pairs, self._positions, self._heap_counts, self._heap_keys,
            self._neighbours, left, right, new, self._wall, self._stale, self.threshold,
            self._used_slots, self._used_positions, self._heap_size,
        )  # fmt: skip
        assert merged == count or (left == right and merged < count), f"{merged} of {count} positions merged"

    def _make_room(self, new_pairs: int) -> None:
        if 2 * (self._used_slots + new_pairs) > self._keys.size:
            keys, pairs = empty_table(capacity_for(self._used_slots + new_pairs), kernels.PAIR_COLUMNS)
            rehash(self._keys, self._pairs, keys, pairs)
            self._keys, self._pairs = keys, pairs
        needed = self._heap_size + new_pairs
        if needed > self._heap_counts.size:
            self._heap_counts = np.resize(self._heap_counts, 2 * needed)
            self._heap_keys = np.resize(self._heap_keys, 2 * needed)

    def stream(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Returns the stream as the merges left it: flat ids and offsets (documents + 1,)."""
        self._positions = self._positions[:0].copy()  # frees what the merges no longer need
        cells = self._cells[: kernels.compact(self._cells, self._span, self._wall)]
        self._cells, self._span[:] = cells, 1
        walls = np.flatnonzero(cells == self._wall)
        ids = cells[cells != self._wall].astype(np.uint32)
        return ids, walls - np.arange(walls.size)
