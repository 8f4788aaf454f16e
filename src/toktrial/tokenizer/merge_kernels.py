"""The merge engine's hot loops. merge.py, which calls them, says what the cells, positions and pairs are.

A pair's row in the table holds its count, the count that its score was computed from, and the slice of `positions` at
which it stands, ascending.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.pair_table import EMPTY, find_slot, pair_key
from toktrial.tokenizer.scopes import NO_TOKEN, Token, WordFlags, may_merge

COUNT, SCORED_COUNT, SLICE_START, SLICE_END = 0, 1, 2, 3
PAIR_COLUMNS = 4

Cells = npt.NDArray[np.integer[Any]]
Positions = npt.NDArray[np.integer[Any]]
Spans = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]
Longs = npt.NDArray[np.int64]


class Neighbours(NamedTuple):
    """Dense scratch arrays (vocab_size,) int64; the counts are all zero between two merges."""

    counts: Longs
    """How often each id stands beside the new token, on the side in question, where the two may merge."""
    cursors: Longs
    """Where in `positions` the next position of the pair with that neighbour goes; -1: the pair is not kept."""
    touched: Longs
    """The ids whose count is not zero, in the order in which they were met."""


@numba.njit(cache=True, nogil=True)
def lay_out(cells: Cells, ids: Cells, offsets: Longs, wall: int, token_counts: Longs) -> None:
    """Copies documents of ids into the cells, with a wall before, between and after them, and counts the ids."""
    cell = 0
    for document in range(offsets.size - 1):
        cells[cell] = wall
        cell += 1
        for position in range(offsets[document], offsets[document + 1]):
            cells[cell] = ids[position]
            token_counts[ids[position]] += 1
            cell += 1
    cells[cell] = wall


@numba.njit(cache=True, nogil=True)
def compact(cells: Cells, span: Spans, wall: int) -> int:
    """Moves every token into one cell, in order; returns how many cells are left. Spans are 1 afterwards."""
    target = 0
    cell = 0
    while cell < cells.size:
        token = cells[cell]
        cells[target] = token
        target += 1
        cell += 1 if token == wall else span[token]
    return target


@numba.njit(cache=True, nogil=True, inline="always")
def _token(cells: Cells, cell: Token, wall: int) -> np.int64:
    """Returns the token in a cell, NO_TOKEN for a wall."""
    token = np.int64(cells[cell])
    return np.int64(NO_TOKEN) if token == np.int64(wall) else token


@numba.njit(cache=True, nogil=True, inline="always")
def _may_merge_at(cells: Cells, flags: WordFlags, wall: int, cell: int) -> bool:
    """Whether the tokens in this cell and the next are a pair that may merge. Every token is one cell here."""
    left, right = _token(cells, cell, wall), _token(cells, cell + 1, wall)
    if left == NO_TOKEN or right == NO_TOKEN:
        return False
    if flags.starts.size == 0:
        return True
    return may_merge(flags, _token(cells, cell - 1, wall), left, right, _token(cells, cell + 2, wall))


@numba.njit(cache=True, nogil=True)
def count_pairs(cells: Cells, flags: WordFlags, wall: int, keys: Keys, counts: Longs, used: int, cell: int) -> tuple[int, int]:
    """Counts pairs from `cell` on, until the end or until the table is half full. Every token is one cell here.

    Returns the slots used and the cell to go on from, which is cells.size at the end.
    """
    limit = keys.size // 2
    while cell + 1 < cells.size:
        if _may_merge_at(cells, flags, wall, cell):
            key = pair_key(cells[cell], cells[cell + 1])
            slot = find_slot(keys, key)
            if keys[slot] == EMPTY:
                if used >= limit:
                    return used, cell
                keys[slot] = key
                used += 1
            counts[slot, 0] += 1
        cell += 1
    return used, cells.size


@numba.njit(cache=True, nogil=True)
def enter_pairs(keys: Keys, pairs: Longs, edges: Longs) -> None:
    """Enters edges (pairs, 3) of left, right, count into an empty table, each with a slice for its positions."""
    start = 0
    for edge in range(edges.shape[0]):
        key = pair_key(edges[edge, 0], edges[edge, 1])
        slot = find_slot(keys, key)
        keys[slot] = key
        pairs[slot, COUNT] = edges[edge, 2]
        pairs[slot, SLICE_START] = start
        pairs[slot, SLICE_END] = start
        start += edges[edge, 2]


@numba.njit(cache=True, nogil=True)
def write_positions(cells: Cells, flags: WordFlags, wall: int, keys: Keys, pairs: Longs, positions: Positions) -> None:
    """Writes every kept pair's positions into its slice. Every token is one cell here."""
    for cell in range(cells.size - 1):
        if not _may_merge_at(cells, flags, wall, cell):
            continue
        slot = find_slot(keys, pair_key(cells[cell], cells[cell + 1]))
        if keys[slot] != EMPTY:
            positions[pairs[slot, SLICE_END]] = cell
            pairs[slot, SLICE_END] += 1


@numba.njit(cache=True, nogil=True)
def merge_pair(
    cells: Cells,
    span: Spans,
    flags: WordFlags,
    wall: int,
    stale: int,
    keys: Keys,
    pairs: Longs,
    positions: Positions,
    neighbours: Neighbours,
    new_keys: Keys,
    left: int,
    right: int,
    new: int,
    threshold: int,
    used_positions: int,
) -> tuple[int, int, int]:
    """Merges a pair everywhere, leftmost first, and keeps the pairs that arise with `threshold` positions or more.

    Returns the number of merges made, the number of pairs kept, whose keys are in `new_keys`, and used_positions.
    """
    slot = find_slot(keys, pair_key(left, right))
    start, end = pairs[slot, SLICE_START], pairs[slot, SLICE_END]
    merged = _replace(cells, span, flags, wall, stale, keys, pairs, positions[start:end], left, right, new)
    pairs[slot, COUNT] = 0
    starts = positions[start : start + merged]
    kept = 0
    for on_the_left in (True, False):
        kept, used_positions = _keep_new_pairs(
            cells, span, flags, wall, keys, pairs, positions, neighbours, new_keys, starts, on_the_left, new, threshold,
            kept, used_positions,
        )  # fmt: skip
    return merged, kept, used_positions


@numba.njit(cache=True, nogil=True)
def _replace(
    cells: Cells,
    span: Spans,
    flags: WordFlags,
    wall: int,
    stale: int,
    keys: Keys,
    pairs: Longs,
    candidates: Positions,
    left: Token,
    right: Token,
    new: Token,
) -> int:
    """Replaces the pair at every candidate position that still holds it, and lowers the counts of the pairs broken.

    The starts of the new tokens overwrite the candidates, from the first on; returns how many there are.
    """
    left_span, new_span = span[left], span[new]
    merged = 0
    for candidate in range(candidates.size):
        cell = np.int64(candidates[candidate])
        middle, behind = cell + left_span, cell + new_span
        if cells[cell] != left or cells[middle] != right:
            continue
        before, after = _token(cells, cell - 1, wall), _token(cells, behind, wall)
        # A new token on the left has broken that pair already.
        if before != NO_TOKEN and before != new and _left_may_merge(cells, span, flags, wall, cell, before, left, right):
            _lower_count(keys, pairs, before, left)
        if after != NO_TOKEN and _right_may_merge(cells, span, flags, wall, behind, left, right, after):
            _lower_count(keys, pairs, right, after)
        cells[middle] = stale
        cells[cell] = new
        cells[behind - 1] = new
        candidates[merged] = cell
        merged += 1
    return merged


@numba.njit(cache=True, nogil=True, inline="always")
def _left_may_merge(
    cells: Cells, span: Spans, flags: WordFlags, wall: int, cell: Token, before: Token, left: Token, right: Token
) -> bool:
    """Whether `before` and `left`, which starts in `cell` with `right` behind it, may merge."""
    if flags.starts.size == 0:
        return True
    return may_merge(flags, _token(cells, cell - span[before] - 1, wall), before, left, right)


@numba.njit(cache=True, nogil=True, inline="always")
def _right_may_merge(
    cells: Cells, span: Spans, flags: WordFlags, wall: int, cell: Token, left: Token, right: Token, after: Token
) -> bool:
    """Whether `right`, with `left` before it, and `after`, which starts in `cell`, may merge."""
    if flags.starts.size == 0:
        return True
    return may_merge(flags, left, right, after, _token(cells, cell + span[after], wall))


@numba.njit(cache=True, nogil=True, inline="always")
def _lower_count(keys: Keys, pairs: Longs, left: Token, right: Token) -> None:
    slot = find_slot(keys, pair_key(left, right))
    if keys[slot] != EMPTY:
        pairs[slot, COUNT] -= 1


@numba.njit(cache=True, nogil=True)
def _keep_new_pairs(
    cells: Cells,
    span: Spans,
    flags: WordFlags,
    wall: int,
    keys: Keys,
    pairs: Longs,
    positions: Positions,
    neighbours: Neighbours,
    new_keys: Keys,
    starts: Positions,
    on_the_left: bool,
    new: Token,
    threshold: int,
    kept: int,
    used_positions: int,
) -> tuple[int, int]:
    """Counts the new token's neighbours on one side, and enters the pairs that are frequent enough."""
    touched = 0
    for k in range(starts.size):
        neighbour = _partner(cells, span, flags, wall, np.int64(starts[k]), new, on_the_left)
        if neighbour == NO_TOKEN:
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
        pairs[slot, COUNT] = count
        pairs[slot, SCORED_COUNT] = count
        pairs[slot, SLICE_START] = used_positions
        pairs[slot, SLICE_END] = used_positions + count
        neighbours.cursors[neighbour] = used_positions
        used_positions += count
        new_keys[kept] = key
        kept += 1
    for k in range(starts.size):
        start = np.int64(starts[k])
        neighbour = _partner(cells, span, flags, wall, start, new, on_the_left)
        if neighbour == NO_TOKEN or neighbours.cursors[neighbour] < 0:
            continue
        positions[neighbours.cursors[neighbour]] = start - (span[neighbour] if on_the_left else 0)
        neighbours.cursors[neighbour] += 1
    return kept, used_positions


@numba.njit(cache=True, nogil=True, inline="always")
def _partner(cells: Cells, span: Spans, flags: WordFlags, wall: int, start: Token, new: Token, on_the_left: bool) -> np.int64:
    """Returns the neighbour that the new token starting in `start` makes a pair with on that side; NO_TOKEN: none.

    Two new tokens side by side are one pair: it counts from its left token alone.
    """
    behind = start + span[new]
    before, after = _token(cells, start - 1, wall), _token(cells, behind, wall)
    if on_the_left:
        if before == NO_TOKEN or before == new or not _left_may_merge(cells, span, flags, wall, start, before, new, after):
            return np.int64(NO_TOKEN)
        return before
    if after == NO_TOKEN or not _right_may_merge(cells, span, flags, wall, behind, before, new, after):
        return np.int64(NO_TOKEN)
    return after


@numba.njit(cache=True, nogil=True)
def counts_of(keys: Keys, pairs: Longs, wanted: Keys) -> Longs:
    """Returns the counts (wanted,) of pairs by their keys."""
    counts = np.empty(wanted.size, dtype=np.int64)
    for k in range(wanted.size):
        counts[k] = pairs[find_slot(keys, wanted[k]), COUNT]
    return counts


def describe_pair(keys: Keys, pairs: Longs, slot: int) -> tuple[int, int, int, int]:
    """Returns left id, right id, count, and the count that the score was computed from."""
    left, right = divmod(int(keys[slot]), 1 << 32)
    return left, right, int(pairs[slot, COUNT]), int(pairs[slot, SCORED_COUNT])
