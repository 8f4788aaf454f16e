"""The merge engine's hot loops. merge.py, which calls them, says what the cells, positions and pairs are.

A pair's row in the table holds its count and the slice of `positions` at which it stands, ascending.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.pair_table import EMPTY, find_slot, key_left, key_right, pair_key

COUNT, SLICE_START, SLICE_END = 0, 1, 2
PAIR_COLUMNS = 3

Cells = npt.NDArray[np.integer[Any]]
Positions = npt.NDArray[np.integer[Any]]
Keys = npt.NDArray[np.uint64]
Longs = npt.NDArray[np.int64]


class Neighbours(NamedTuple):
    """Dense scratch arrays (vocab_size,) int64; the counts are all zero between two merges."""

    counts: Longs
    """How often each id stands beside the new token, on the side in question."""
    cursors: Longs
    """Where in `positions` the next position of the pair with that neighbour goes; -1: the pair is not kept."""
    touched: Longs
    """The ids whose count is not zero, in the order in which they were met."""


@numba.njit(cache=True, nogil=True)
def lay_out(cells: Cells, ids: Cells, offsets: Longs, wall: int) -> None:
    """Copies documents of ids into the cells, with a wall before, between and after them."""
    cell = 0
    for document in range(offsets.size - 1):
        cells[cell] = wall
        cell += 1
        for position in range(offsets[document], offsets[document + 1]):
            cells[cell] = ids[position]
            cell += 1
    cells[cell] = wall


@numba.njit(cache=True, nogil=True)
def compact(cells: Cells, span: npt.NDArray[np.int32], wall: int) -> int:
    """Moves every token into one cell, in order; returns how many cells are left. Spans are 1 afterwards."""
    target = 0
    cell = 0
    while cell < cells.size:
        token = cells[cell]
        cells[target] = token
        target += 1
        cell += 1 if token == wall else span[token]
    return target


@numba.njit(cache=True, nogil=True)
def enter_pairs(keys: Keys, pairs: Longs, heap_keys: Keys, edges: Longs) -> None:
    """Enters edges (pairs, 3) of left, right, count into an empty table, each with a slice for its positions."""
    start = 0
    for edge in range(edges.shape[0]):
        key = pair_key(edges[edge, 0], edges[edge, 1])
        heap_keys[edge] = key
        slot = find_slot(keys, key)
        keys[slot] = key
        pairs[slot, COUNT] = edges[edge, 2]
        pairs[slot, SLICE_START] = start
        pairs[slot, SLICE_END] = start
        start += edges[edge, 2]


@numba.njit(cache=True, nogil=True)
def write_positions(cells: Cells, keys: Keys, pairs: Longs, positions: Positions, wall: int) -> None:
    """Writes every kept pair's positions into its slice. Every token is one cell here."""
    for cell in range(cells.size - 1):
        left, right = cells[cell], cells[cell + 1]
        if left == wall or right == wall:
            continue
        slot = find_slot(keys, pair_key(left, right))
        if keys[slot] != EMPTY:
            positions[pairs[slot, SLICE_END]] = cell
            pairs[slot, SLICE_END] += 1


@numba.njit(cache=True, nogil=True)
def merge_pair(
    cells: Cells,
    span: npt.NDArray[np.int32],
    keys: Keys,
    pairs: Longs,
    positions: Positions,
    heap_counts: Longs,
    heap_keys: Keys,
    neighbours: Neighbours,
    left: int,
    right: int,
    new: int,
    wall: int,
    stale: int,
    threshold: int,
    used_slots: int,
    used_positions: int,
    heap_size: int,
) -> tuple[int, int, int, int]:
    """Merges a pair everywhere, leftmost first, and keeps the pairs that arise with `threshold` positions or more.

    Returns the number of merges made and the new used_slots, used_positions and heap_size.
    """
    slot = find_slot(keys, pair_key(left, right))
    start, end = pairs[slot, SLICE_START], pairs[slot, SLICE_END]
    merged = _replace(cells, span, keys, pairs, positions[start:end], left, right, new, wall, stale)
    pairs[slot, COUNT] = 0
    starts = positions[start : start + merged]
    for on_the_left in (True, False):
        used_slots, used_positions, heap_size = _keep_new_pairs(
            cells, span, keys, pairs, positions, heap_counts, heap_keys, neighbours,
            starts, on_the_left, new, wall, threshold, used_slots, used_positions, heap_size,
        )  # fmt: skip
    return merged, used_slots, used_positions, heap_size


@numba.njit(cache=True, nogil=True)
def _replace(
    cells: Cells,
    span: npt.NDArray[np.int32],
    keys: Keys,
    pairs: Longs,
    candidates: Positions,
    left: int,
    right: int,
    new: int,
    wall: int,
    stale: int,
) -> int:
    """Replaces the pair at every candidate position that still holds it, and lowers the counts of the pairs broken.

    The starts of the new tokens overwrite the candidates, from the first on; returns how many there are.
    """
    left_span, new_span = span[left], span[new]
    merged = 0
    for candidate in range(candidates.size):
        cell = np.int64(candidates[candidate])
        middle = cell + left_span
        if cells[cell] != left or cells[middle] != right:
            continue
        before, after = cells[cell - 1], cells[cell + new_span]
        # A new token on the left has broken that pair already.
        if before != wall and before != new:
            _lower_count(keys, pairs, before, left)
        if after != wall:
            _lower_count(keys, pairs, right, after)
        cells[middle] = stale
        cells[cell] = new
        cells[cell + new_span - 1] = new
        candidates[merged] = cell
        merged += 1
    return merged


@numba.njit(cache=True, nogil=True, inline="always")
def _lower_count(keys: Keys, pairs: Longs, left: int, right: int) -> None:
    slot = find_slot(keys, pair_key(left, right))
    if keys[slot] != EMPTY:
        pairs[slot, COUNT] -= 1


@numba.njit(cache=True, nogil=True)
def _keep_new_pairs(
    cells: Cells,
    span: npt.NDArray[np.int32],
    keys: Keys,
    pairs: Longs,
    positions: Positions,
    heap_counts: Longs,
    heap_keys: Keys,
    neighbours: Neighbours,
    starts: Positions,
    on_the_left: bool,
    new: int,
    wall: int,
    threshold: int,
    used_slots: int,
    used_positions: int,
    heap_size: int,
) -> tuple[int, int, int]:
    """Counts the new token's neighbours on one side and enters the pairs that are frequent enough."""
    # Two new tokens side by side are one pair: it is counted from its left token alone.
    skipped = new if on_the_left else wall
    touched = 0
    for k in range(starts.size):
        neighbour = _neighbour(cells, starts[k], span[new], on_the_left)
        if neighbour == wall or neighbour == skipped:
            continue
        if neighbours.counts[neighbour] == 0:
            neighbours.touched[touched] = neighbour
            touched += 1
        neighbours.counts[neighbour] += 1
    for k in range(touched):
        neighbour = neighbours.touched[k]
        count = neighbours.counts[neighbour]
        neighbours.counts[neighbour] = 0
        neighbours.cursors[neighbour] = -1
        if count < threshold:
            continue
        key = pair_key(neighbour, new) if on_the_left else pair_key(new, neighbour)
        slot = find_slot(keys, key)
        keys[slot] = key
        used_slots += 1
        pairs[slot, COUNT] = count
        pairs[slot, SLICE_START] = used_positions
        pairs[slot, SLICE_END] = used_positions + count
        neighbours.cursors[neighbour] = used_positions
        used_positions += count
        heap_size = _push(heap_counts, heap_keys, heap_size, count, key)
    for k in range(starts.size):
        neighbour = _neighbour(cells, starts[k], span[new], on_the_left)
        if neighbour == wall or neighbour == skipped or neighbours.cursors[neighbour] < 0:
            continue
        positions[neighbours.cursors[neighbour]] = starts[k] - (span[neighbour] if on_the_left else 0)
        neighbours.cursors[neighbour] += 1
    return used_slots, used_positions, heap_size


@numba.njit(cache=True, nogil=True, inline="always")
def _neighbour(cells: Cells, start: int, new_span: int, on_the_left: bool) -> Any:
    return cells[np.int64(start) - 1] if on_the_left else cells[np.int64(start) + new_span]


@numba.njit(cache=True, nogil=True)
def pop_best(
    heap_counts: Longs, heap_keys: Keys, heap_size: int, keys: Keys, pairs: Longs
) -> tuple[int, np.int64, np.int64, int]:
    """Takes the best pair from the heap; returns its count, left id and right id, and the new heap_size.

    Count 0: the heap is empty.

    The heap is lazy: a count in it may be too high by now, and is then lowered and sifted down.
    """
    while heap_size > 0:
        key = heap_keys[0]
        count = pairs[find_slot(keys, key), COUNT]
        is_current = count == heap_counts[0]
        if is_current or count == 0:
            heap_size -= 1
            heap_counts[0], heap_keys[0] = heap_counts[heap_size], heap_keys[heap_size]
        else:
            heap_counts[0] = count
        _sift_down(heap_counts, heap_keys, heap_size)
        if is_current and count > 0:
            return count, key_left(key), key_right(key), heap_size
    return 0, np.int64(0), np.int64(0), 0


@numba.njit(cache=True, nogil=True)
def _push(heap_counts: Longs, heap_keys: Keys, heap_size: int, count: int, key: np.uint64) -> int:
    child = heap_size
    while child > 0:
        parent = (child - 1) // 2
        if not _is_better(count, key, heap_counts[parent], heap_keys[parent]):
            break
        heap_counts[child], heap_keys[child] = heap_counts[parent], heap_keys[parent]
        child = parent
    heap_counts[child], heap_keys[child] = count, key
    return heap_size + 1


@numba.njit(cache=True, nogil=True)
def _sift_down(heap_counts: Longs, heap_keys: Keys, heap_size: int) -> None:
    if heap_size == 0:
        return
    count, key = heap_counts[0], heap_keys[0]
    parent = 0
    while True:
        child = 2 * parent + 1
        if child >= heap_size:
            break
        if child + 1 < heap_size and _is_better(
            heap_counts[child + 1], heap_keys[child + 1], heap_counts[child], heap_keys[child]
        ):
            child += 1
        if not _is_better(heap_counts[child], heap_keys[child], count, key):
            break
        heap_counts[parent], heap_keys[parent] = heap_counts[child], heap_keys[child]
        parent = child
    heap_counts[parent], heap_keys[parent] = count, key


@numba.njit(cache=True, nogil=True, inline="always")
def _is_better(count: int, key: np.uint64, other_count: int, other_key: np.uint64) -> bool | np.bool_:
    """A higher count is better; of equals the smaller key, that is the smaller left id, then the smaller right id."""
    return count > other_count or (count == other_count and key < other_key)
