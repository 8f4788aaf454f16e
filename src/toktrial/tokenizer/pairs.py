"""What is known of pairs of token ids, for numba: a hash table from pairs to numbers, and a heap of pairs, best first.

The pair graph counts with the table; the merge engine keeps counts and positions in it, and takes the best pair from the heap.

The table uses open addressing with linear probing over arrays whose length is a power of two. A key holds a pair: left id in
the upper 32 bits, right id in the lower. So keys ordered as numbers are pairs ordered by left id, then right id.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hashing, TAOCP 6.4
HALF = np.uint64(32)
RIGHT_MASK = np.uint64(0xFFFFFFFF)
SMALLEST_CAPACITY = 1 << 12

# Columns of a table's values. A graph has the first alone. The merge engine also needs the count that a pair's score was
# computed from, and the slice of positions, ascending, where the pair stands in the stream.
COUNT, SCORED_COUNT, SLICE_START, SLICE_END = 0, 1, 2, 3
PAIR_COLUMNS = 4

IntArray = npt.NDArray[np.integer[Any]]
Keys = npt.NDArray[np.uint64]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Token = int | np.int64


@numba.njit(cache=True, nogil=True, inline="always")
def pair_key(left: Token, right: Token) -> np.uint64:
    return (np.uint64(left) << HALF) | np.uint64(right)


def parts_of(keys: Keys) -> tuple[Longs, Longs]:
    """Returns the left and the right ids of pairs, each (pairs,) int64."""
    return (keys >> HALF).astype(np.int64), (keys & RIGHT_MASK).astype(np.int64)


@numba.njit(cache=True, nogil=True)
def find_slot(keys: Keys, key: np.uint64) -> np.int64:
    """Returns the slot that holds `key`, or the empty one where it belongs."""
    mask = np.uint64(keys.size - 1)
    # The product's upper half is its well mixed one.
    slot = ((key * GOLDEN) >> HALF) & mask
    while keys[slot] != key and keys[slot] != EMPTY:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


def empty_table(pairs: int, columns: int) -> tuple[Keys, Longs]:
    """Returns a table with room for so many pairs at most half full: keys (slots,) uint64, values (slots, columns) int64."""
    slots = max(SMALLEST_CAPACITY, 1 << (2 * pairs).bit_length())
    return np.full(slots, EMPTY, dtype=np.uint64), np.zeros((slots, columns), dtype=np.int64)


def grown(keys: Keys, values: Longs, pairs: int) -> tuple[Keys, Longs]:
    """Returns the same table with room for so many pairs."""
    larger_keys, larger_values = empty_table(pairs, values.shape[1])
    used = keys != EMPTY
    enter_pairs(larger_keys, larger_values, keys[used], values[used])
    return larger_keys, larger_values


@numba.njit(cache=True, nogil=True)
def enter_pairs(keys: Keys, values: Longs, new_keys: Keys, new_values: Longs) -> None:
    """Enters pairs (n,) with their values (n, columns) into a table that has room for them and holds none of them."""
    for pair in range(new_keys.size):
        slot = find_slot(keys, new_keys[pair])
        keys[slot] = new_keys[pair]
        for column in range(values.shape[1]):
            values[slot, column] = new_values[pair, column]


@numba.njit(cache=True, nogil=True)
def add_counts(keys: Keys, values: Longs, changed: Keys, changes: Longs) -> int:
    """Adds changes (n,) to the counts of pairs (n,), in a table that has room; returns how many it did not hold yet."""
    entered = 0
    for k in range(changed.size):
        slot = find_slot(keys, changed[k])
        if keys[slot] == EMPTY:
            keys[slot] = changed[k]
            entered += 1
        values[slot, COUNT] += changes[k]
    return entered


@numba.njit(cache=True, nogil=True)
def counts_of(keys: Keys, values: Longs, wanted: Keys) -> Longs:
    """Returns the counts (wanted,) of pairs by their keys; 0 for a pair that the table does not hold."""
    counts = np.empty(wanted.size, dtype=np.int64)
    for k in range(wanted.size):
        counts[k] = values[find_slot(keys, wanted[k]), COUNT]
    return counts


class PairTable:
    """A table that grows: `keys` and `values` may be other arrays then. Who enters pairs into them counts those in `used`."""

    def __init__(self, columns: int = 1) -> None:
        self.keys, self.values = empty_table(0, columns)
        self.used = 0

    def make_room(self, new_pairs: int) -> None:
        """Makes room for so many more pairs."""
        if 2 * (self.used + new_pairs) > self.keys.size:
            self.keys, self.values = grown(self.keys, self.values, self.used + new_pairs)

    def enter(self, keys: Keys, values: Longs) -> None:
        """Enters pairs (n,) that are new here with their values (n, columns)."""
        self.make_room(keys.size)
        enter_pairs(self.keys, self.values, np.array(keys), values)
        self.used += keys.size

    def add(self, keys: Keys, counts: Longs) -> None:
        """Adds counts (n,) of pairs (n,), among which one may stand several times."""
        self.make_room(keys.size)
        self.used += add_counts(self.keys, self.values, np.array(keys), np.array(counts))

    def all(self) -> tuple[Keys, Longs]:
        """Returns every pair once, and its count."""
        slots = np.flatnonzero(self.keys != EMPTY)
        return self.keys[slots], self.values[slots, COUNT]

    def of(self, keys: Keys) -> Longs:
        """Returns the counts of these pairs; 0 for one that is not here."""
        return counts_of(self.keys, self.values, np.array(keys))


def added_up(parts: Iterable[tuple[Keys, Longs]]) -> PairTable:
    """Adds up the counts of pairs from several places, each keys (n,) and counts (n,)."""
    counts = PairTable()
    for part in parts:
        counts.add(*part)
    return counts


class Heap(NamedTuple):
    """A binary heap: scores (room,) float64 and keys (room,) uint64, with the best pair at 0.

    It is lazy: a score may have been computed from a higher count than the pair has by now.
    """

    scores: Floats
    keys: Keys


@numba.njit(cache=True, nogil=True)
def take_best(
    heap: Heap, heap_size: int, keys: Keys, pairs: Longs, threshold: int, by_frequency: bool
) -> tuple[Token, Token, Token, bool, int]:
    """Takes the pair at the top of the heap: left, right, count, whether its score is of that count, and heap_size.

    Drops pairs below the threshold; left is -1 when none remains. By frequency, it corrects a score whose count has fallen
    and searches on; otherwise such a pair stays on top, so that the caller can compute its score anew.
    """
    while heap_size > 0:
        if by_frequency and heap.scores[0] < threshold:
            break
        slot = find_slot(keys, heap.keys[0])
        count = pairs[slot, COUNT]
        if count < threshold:
            heap_size = _drop_first(heap, heap_size)
            continue
        is_fresh = count == pairs[slot, SCORED_COUNT]
        if by_frequency and not is_fresh:
            rescore_first(heap, heap_size, keys, pairs, np.float64(count))
            continue
        left, right = np.int64(keys[slot] >> HALF), np.int64(keys[slot] & RIGHT_MASK)
        if is_fresh:
            heap_size = _drop_first(heap, heap_size)
        return left, right, count, is_fresh, heap_size
    return -1, -1, 0, False, 0


@numba.njit(cache=True, nogil=True)
def _drop_first(heap: Heap, heap_size: int) -> int:
    """Removes the top of the heap; returns the new heap_size."""
    heap_size -= 1
    heap.scores[0], heap.keys[0] = heap.scores[heap_size], heap.keys[heap_size]
    _sift_down(heap, heap_size)
    return heap_size


@numba.njit(cache=True, nogil=True)
def rescore_first(heap: Heap, heap_size: int, keys: Keys, pairs: Longs, score: float) -> None:
    """Gives the pair at the top of the heap a new score, computed from its present count."""
    slot = find_slot(keys, heap.keys[0])
    pairs[slot, SCORED_COUNT] = pairs[slot, COUNT]
    heap.scores[0] = score  # if it rises, the pair stays at the top
    _sift_down(heap, heap_size)


@numba.njit(cache=True, nogil=True)
def push_all(heap: Heap, heap_size: int, scores: Floats, keys: Keys) -> int:
    """Adds pairs to a heap that has room for them; returns the new heap_size."""
    for k in range(keys.size):
        child = heap_size
        while child > 0:
            parent = (child - 1) // 2
            if not _is_better(scores[k], keys[k], heap.scores[parent], heap.keys[parent]):
                break
            heap.scores[child], heap.keys[child] = heap.scores[parent], heap.keys[parent]
            child = parent
        heap.scores[child], heap.keys[child] = scores[k], keys[k]
        heap_size += 1
    return heap_size


@numba.njit(cache=True, nogil=True)
def _sift_down(heap: Heap, heap_size: int) -> None:
    if heap_size == 0:
        return
    score, key = heap.scores[0], heap.keys[0]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= heap_size:
            break
        if child + 1 < heap_size and _is_better(
            heap.scores[child + 1], heap.keys[child + 1], heap.scores[child], heap.keys[child]
        ):
            child += 1
        if not _is_better(heap.scores[child], heap.keys[child], score, key):
            break
        heap.scores[parent], heap.keys[parent] = heap.scores[child], heap.keys[child]
        parent = child
    heap.scores[parent], heap.keys[parent] = score, key


@numba.njit(cache=True, nogil=True, inline="always")
def _is_better(score: float, key: np.uint64, other_score: float, other_key: np.uint64) -> bool | np.bool_:
    """A higher score is better; of equals, the smaller key: the smaller left id, then the smaller right id."""
    return score > other_score or (score == other_score and key < other_key)
