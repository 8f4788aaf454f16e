"""The merge engine's heap of pairs, best first. It is lazy: a score may be of a higher count than the pair has by now.

A binary heap in arrays, for numba; merge_engine.py drives it.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.pair_table import COUNT, HALF, RIGHT_MASK, SCORED_COUNT, Keys, Longs, find_slot
from toktrial.tokenizer.scopes import Token

Floats = npt.NDArray[np.float64]


class Heap(NamedTuple):
    """Scores (room,) float64 and keys (room,) uint64; the best pair is at 0."""

    scores: Floats
    keys: Keys


@numba.njit(cache=True, nogil=True)
def take_best(
    heap: Heap, heap_size: int, keys: Keys, pairs: Longs, threshold: int, by_frequency: bool
) -> tuple[Token, Token, Token, bool, int]:
    """Takes the pair at the top of the heap: left, right, count, whether its score is of that count, and heap_size.

    Pairs below the threshold are dropped; where none is left, left is -1. By frequency, a score of a count that has fallen
    is mended here and the search goes on; else the pair stays on top, for the caller to compute its score anew.
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
    """Gives the pair at the top of the heap a new score, of its count now."""
    slot = find_slot(keys, heap.keys[0])
    pairs[slot, SCORED_COUNT] = pairs[slot, COUNT]
    heap.scores[0] = score  # where it rises, the pair stays at the top
    _sift_down(heap, heap_size)


@numba.njit(cache=True, nogil=True)
def push(heap: Heap, heap_size: int, score: float, key: np.uint64) -> int:
    """Adds a pair to a heap that has room for it; returns the new heap_size."""
    child = heap_size
    while child > 0:
        parent = (child - 1) // 2
        if not _is_better(score, key, heap.scores[parent], heap.keys[parent]):
            break
        heap.scores[child], heap.keys[child] = heap.scores[parent], heap.keys[parent]
        child = parent
    heap.scores[child], heap.keys[child] = score, key
    return heap_size + 1


@numba.njit(cache=True, nogil=True)
def push_all(heap: Heap, heap_size: int, scores: Floats, keys: Keys) -> int:
    """Adds pairs to a heap that has room for them; returns the new heap_size."""
    for k in range(keys.size):
        heap_size = push(heap, heap_size, scores[k], keys[k])
    return heap_size


@numba.njit(cache=True, nogil=True)
def counts_of(keys: Keys, pairs: Longs, wanted: Keys) -> Longs:
    """Returns the counts (wanted,) of pairs by their keys."""
    counts = np.empty(wanted.size, dtype=np.int64)
    for k in range(wanted.size):
        counts[k] = pairs[find_slot(keys, wanted[k]), COUNT]
    return counts


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
    """A higher score is better; of equals the smaller key, that is the smaller left id, then the smaller right id."""
    return score > other_score or (score == other_score and key < other_key)
