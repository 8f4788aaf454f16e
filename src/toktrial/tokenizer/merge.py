"""BTM's third step, the merge engine: merges the best adjacent pair again and again, exactly, in linear time.

reference.py says in a few obvious lines what this computes; tests hold the two equal. How it gets there:

- The stream stays in place in one array of cells, with a wall before, between and after the documents. A token of k
  primitives covers k cells and its id stands in the first and the last of them, so that both neighbours of a token are
  one read away and no links are needed.
- A pair that holds a new token can only arise in the merge that makes that token. So every pair's positions are written
  once, as one slice, when the pair arises; from then on its count only falls, and a lazy max-heap gives the exact best.
- A merge overwrites the first cells of both its parts, so that a position that has gone stale is recognised by its cell.
- Under the score `frequency`, pairs below a threshold keep neither positions nor count. When the best count falls below
  the threshold, the stream is compacted, its pairs are counted again, and the work goes on with a lower threshold.
- Under any other score, every pair of `min_frequency` keeps its positions. Its score is computed when it arises, when it is
  about to be chosen and its count has fallen since, and with all others after every REFRESH_EVERY merges.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError
from toktrial.tokenizer import merge_kernels as kernels
from toktrial.tokenizer import pair_heap
from toktrial.tokenizer.pair_table import HALF, RIGHT_MASK, capacity_for, edges_of, empty_table, rehash
from toktrial.tokenizer.scopes import ANY, set_word_flags, word_flags
from toktrial.tokenizer.scores import FREQUENCY, Score, resolve_score
from toktrial.tokenizer.tkn import IntArray

# Pairs that keep positions, for each merge still to be made: enough that the best count rarely falls below the threshold.
PAIRS_KEPT_PER_MERGE = 4
REFRESH_EVERY = 256

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
    score: str = FREQUENCY,
    scope: str = ANY,
) -> LearnedMerges:
    """Learns BTM's merges from documents of primitive ids.

    The pair with the highest score is merged, by default the one with the highest count: the number of its adjacent
    positions in the current stream, within documents. Of equals, the one with the smallest left id, then the smallest
    right id. A pair whose bytes joined already name an entry is passed over. Ends at `vocab_size` entries, or when no
    pair with a count of `min_frequency` is left.

    documents: each a list or an integer array of ids below len(token_bytes); token_bytes: bytes of each primitive;
    on_merge: called after each merge with the number of entries and the count of the merged pair; score, scope: which pair
    is merged next, and where (scores.py, scopes.py).

    Raises TrialError for an id without an entry, an unknown score or scope, and a min_frequency below 1.

    >>> learn_merges([[0, 1, 0, 1, 0]], [b"a", b"b"], vocab_size=3).merges.tolist()
    [[0, 1, 2, 2]]
    """
    arrays = [np.asarray(document, dtype=np.int64) for document in documents]
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([array.size for array in arrays], out=offsets[1:])
    ids = np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)
    return learn_merges_of_stream(ids, offsets, token_bytes, vocab_size, min_frequency, on_merge, score, scope)


def learn_merges_of_stream(
    ids: IntArray,
    offsets: IntArray,
    token_bytes: Sequence[bytes],
    vocab_size: int,
    min_frequency: int = 2,
    on_merge: OnMerge | None = None,
    score: str = FREQUENCY,
    scope: str = ANY,
    refresh_every: int = REFRESH_EVERY,
    pairs_kept_per_merge: float = PAIRS_KEPT_PER_MERGE,
) -> LearnedMerges:
    """The same as `learn_merges`, from flat ids (any integer dtype) and offsets (documents + 1,) into them.

    on_merge: called after each merge with the number of entries and the count of the merged pair; refresh_every: merges
    after which all scores but `frequency` are computed anew; pairs_kept_per_merge costs time or memory, but changes no
    merge.
    """
    if min_frequency < 1:
        raise TrialError(f"min_frequency must be at least 1, but is {min_frequency}")
    rule = _MergeRule(min_frequency, resolve_score(score), scope, refresh_every, pairs_kept_per_merge)
    if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < len(token_bytes):
        raise TrialError(f"the stream holds ids from {ids.min()} to {ids.max()}, but there are {len(token_bytes)} entries")
    engine = _Engine(ids, offsets, token_bytes, max(vocab_size, len(token_bytes)), rule)
    entries = list(token_bytes)
    known = set(entries)
    merges: list[tuple[int, int, int, int]] = []
    passed_over: dict[tuple[int, int], None] = {}
    while len(entries) < vocab_size:
        best = engine.take_best(vocab_size - len(entries))
        if best is None:
            break
        left, right, count = best
        joined = entries[left] + entries[right]
        if joined in known:
            passed_over[left, right] = None
            continue
        new = len(entries)
        entries.append(joined)
        known.add(joined)
        merges.append((left, right, new, count))
        engine.merge(left, right, new, joined, count)
        if on_merge:
            on_merge(len(entries), count)
    recounts = engine.recounts
    final_ids, final_offsets = engine.stream()
    table = np.array(merges, dtype=np.int64).reshape(-1, 4)
    return LearnedMerges(table, list(passed_over), final_ids, final_offsets, recounts)


@dataclass(frozen=True)
class _MergeRule:
    """What is merged, in what order, and at what cost: see `learn_merges_of_stream`."""

    min_frequency: int
    score: Score
    scope: str
    refresh_every: int
    pairs_kept_per_merge: float


class _Engine:
    """The stream, the counts and positions of its pairs, and the heap; kernels do the work on them."""

    def __init__(
        self, ids: IntArray, offsets: IntArray, token_bytes: Sequence[bytes], vocab_size: int, rule: _MergeRule
    ) -> None:
        self._vocab_size, self._rule = vocab_size, rule
        self._score = rule.score
        self._by_frequency = rule.score.name == FREQUENCY
        self._flags = word_flags(token_bytes, vocab_size, rule.scope)
        dtype: Any = np.uint16 if vocab_size <= np.iinfo(np.uint16).max - 1 else np.uint32
        self._wall = dtype(np.iinfo(dtype).max)
        self._stale = dtype(np.iinfo(dtype).max - 1)
        self._cells = np.empty(int(offsets[-1] - offsets[0]) + offsets.size, dtype=dtype)
        self._span = np.ones(vocab_size, dtype=np.int32)
        self._token_counts = np.zeros(vocab_size, dtype=np.int64)
        kernels.lay_out(self._cells, ids, offsets.astype(np.int64), self._wall, self._token_counts)
        self._tokens = int(ids.size)
        self._neighbours = kernels.Neighbours(*np.zeros((3, vocab_size), dtype=np.int64))
        self._new_keys = np.empty(2 * vocab_size, dtype=np.uint64)
        self._keys, self._pairs = empty_table(capacity_for(0), kernels.PAIR_COLUMNS)
        self._used_slots = 0
        self._heap = pair_heap.Heap(np.zeros(0, dtype=np.float64), np.zeros(0, dtype=np.uint64))
        self._heap_size = 0
        self._positions: npt.NDArray[np.integer[Any]] = np.zeros(0, dtype=np.uint32)
        self._used_positions = 0
        self._merges = 0
        self._threshold = 0  # 0: nothing is counted yet
        self.recounts = -1  # the first count is none

    def take_best(self, merges_left: int) -> tuple[int, int, int] | None:
        """Takes the best pair: left id, right id, count. None where no pair of `min_frequency` is left."""
        while True:
            if self._threshold:
                best = self._take_from_heap()
                if best is not None:
                    return best
                if self._threshold <= self._rule.min_frequency:
                    return None
            self._recount(int(self._rule.pairs_kept_per_merge * merges_left))

    def _take_from_heap(self) -> tuple[int, int, int] | None:
        while True:
            found, self._heap_size = pair_heap.find_best(
                self._heap, self._heap_size, self._keys, self._pairs, self._threshold, self._by_frequency
            )
            slot = int(found)
            if slot < 0:
                return None
            left, right, count, scored_count = kernels.describe_pair(self._keys, self._pairs, slot)
            if count == scored_count:
                self._heap_size = pair_heap.drop_first(self._heap, self._heap_size)
                return left, right, count
            counts = self._token_counts
            score = self._score.of_pair(count, int(counts[left]), int(counts[right]), self._tokens)
            pair_heap.rescore_first(self._heap, self._heap_size, self._pairs, slot, score)

    def _recount(self, pairs_wanted: int) -> None:
        """Compacts the stream and counts its pairs anew, under a lower threshold."""
        self.recounts += 1
        self._cells = self._cells[: kernels.compact(self._cells, self._span, self._wall)]
        self._span[:] = 1
        edges = self._count_pairs()
        self._threshold = self._next_threshold(edges[:, 2], pairs_wanted)
        kept = edges[: np.searchsorted(-edges[:, 2], -self._threshold, side="right")]
        self._keep_positions(kept)
        self._fill_heap()

    def _count_pairs(self) -> npt.NDArray[np.int64]:
        """Returns the stream's pairs as (pairs, 3): left, right, count; most frequent first."""
        keys, counts = empty_table(capacity_for(0), 1)
        used, cell = 0, 0
        while True:
            used, cell = kernels.count_pairs(self._cells, self._flags, self._wall, keys, counts, used, cell)
            if cell >= self._cells.size:
                return edges_of(keys, counts)
            larger_keys, larger_counts = empty_table(2 * keys.size, 1)
            rehash(keys, counts, larger_keys, larger_counts)
            keys, counts = larger_keys, larger_counts

    def _next_threshold(self, counts: npt.NDArray[np.int64], pairs_wanted: int) -> int:
        """Returns the count of the last pair wanted, at most half the threshold before; counts fall."""
        if not self._by_frequency or pairs_wanted >= counts.size:
            return self._rule.min_frequency
        wanted = int(counts[pairs_wanted])
        return max(self._rule.min_frequency, min(wanted, self._threshold // 2) if self._threshold else wanted)

    def _keep_positions(self, edges: npt.NDArray[np.int64]) -> None:
        kept_positions = int(edges[:, 2].sum())
        # A merge removes one cell and makes two positions at most. Pages that are never written take no memory.
        capacity = kept_positions + 2 * self._cells.size
        dtype: Any = np.uint32 if self._cells.size < np.iinfo(np.uint32).max else np.int64
        if self._positions.size < capacity:
            self._positions = np.empty(capacity, dtype=dtype)
        self._keys, self._pairs = empty_table(capacity_for(len(edges)), kernels.PAIR_COLUMNS)
        kernels.enter_pairs(self._keys, self._pairs, edges)
        self._used_slots = len(edges)
        kernels.write_positions(self._cells, self._flags, self._wall, self._keys, self._pairs, self._positions)
        self._used_positions = kept_positions

    def _fill_heap(self) -> None:
        """Scores every pair that may still be chosen, and makes the heap of them alone."""
        slots = np.flatnonzero(self._pairs[:, kernels.COUNT] >= self._threshold)
        keys = self._keys[slots]
        scores = self._scores(keys, self._pairs[slots, kernels.COUNT])
        self._pairs[slots, kernels.SCORED_COUNT] = self._pairs[slots, kernels.COUNT]
        best_first = np.lexsort((keys, -scores))  # sorted, it is a heap
        self._heap = pair_heap.Heap(scores[best_first], keys[best_first])
        self._heap_size = slots.size

    def _scores(self, keys: npt.NDArray[np.uint64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        left, right = (keys >> HALF).astype(np.int64), (keys & RIGHT_MASK).astype(np.int64)
        scores = self._score.of_pairs(counts, self._token_counts[left], self._token_counts[right], self._tokens)
        if np.isnan(scores).any():
            raise TrialError(f"the score {self._score.name!r} gives no number for some pair: it must be defined for all counts")
        return scores

    def merge(self, left: int, right: int, new: int, entry: bytes, count: int) -> None:
        """Replaces the pair by the new id everywhere, and counts and scores the pairs that arise."""
        self._make_room(2 * min(count, self._vocab_size))
        self._span[new] = self._span[left] + self._span[right]
        if self._flags.starts.size:
            set_word_flags(self._flags, new, entry)
        merged, new_pairs, self._used_positions = kernels.merge_pair(
            self._cells, self._span, self._flags, self._wall, self._stale, self._keys, self._pairs, self._positions,
            self._neighbours, self._new_keys, left, right, new, self._threshold, self._used_positions,
        )  # fmt: skip
        assert merged == count or (left == right and merged < count), f"{merged} of {count} positions merged"
        self._token_counts[left] -= merged
        self._token_counts[right] -= merged
        self._token_counts[new] = merged
        self._tokens -= merged
        self._used_slots += new_pairs
        self._merges += 1
        if not self._by_frequency and self._merges % self._rule.refresh_every == 0:
            self._fill_heap()
            return
        keys = self._new_keys[:new_pairs]
        counts = kernels.counts_of(self._keys, self._pairs, keys)
        self._heap_size = pair_heap.push_all(self._heap, self._heap_size, self._scores(keys, counts), keys)

    def _make_room(self, new_pairs: int) -> None:
        if 2 * (self._used_slots + new_pairs) > self._keys.size:
            keys, pairs = empty_table(capacity_for(self._used_slots + new_pairs), kernels.PAIR_COLUMNS)
            rehash(self._keys, self._pairs, keys, pairs)
            self._keys, self._pairs = keys, pairs
        needed = self._heap_size + new_pairs
        if needed > self._heap.scores.size:
            heap = self._heap
            self._heap = pair_heap.Heap(np.resize(heap.scores, 2 * needed), np.resize(heap.keys, 2 * needed))

    def stream(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Returns the stream as the merges left it: flat ids and offsets (documents + 1,)."""
        self._positions = self._positions[:0].copy()  # frees what the merges no longer need
        cells = self._cells[: kernels.compact(self._cells, self._span, self._wall)]
        self._cells, self._span[:] = cells, 1
        walls = np.flatnonzero(cells == self._wall)
        ids = cells[cells != self._wall].astype(np.uint32)
        return ids, walls - np.arange(walls.size)
