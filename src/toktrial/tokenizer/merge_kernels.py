"""One merge within the merge engine's stream: replaces a pair, lowers the counts of what it broke, keeps what arises.

merge_engine.py calls `merge_pair`; stream.py says what the stream is, pairs.py what is known of a pair.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from toktrial.tokenizer.merge_rules import may_merge
from toktrial.tokenizer.pairs import (
    COUNT,
    EMPTY,
    SCORED_COUNT,
    SLICE_END,
    SLICE_START,
    Keys,
    Longs,
    Token,
    find_slot,
    pair_key,
)
from toktrial.tokenizer.stream import Cells, Positions, Stream, token_at

FETCHED_AT_ONCE = 256
# Where new positions go: the slice of a pair that was merged, while it lasts; then the part of the array not used so far.
REUSED, REUSED_END, UNUSED = 0, 1, 2


class Scratch(NamedTuple):
    """Working memory of one merge; nothing here outlives it. The counts are all zero between two merges."""

    before: Cells
    """(merges at once,): the token before each new one if the two make a pair, otherwise a wall."""
    after: Cells
    """The same after it. Two new tokens side by side are one pair, that of the left one with what follows it."""
    fetched: Cells
    """(FETCHED_AT_ONCE,): the first cells of the candidates looked at next."""
    broken_before: Longs
    """(vocab_size,) int64: how many pairs of each token with the left part are broken."""
    broken_after: Longs
    """The same for pairs of the right part with each token."""
    counts: Longs
    """(vocab_size,) int64: how often each token is a neighbour on the side in question."""
    cursors: Longs
    """(vocab_size,) int64: where the next position of the pair with that neighbour goes; -1: the pair is not kept."""
    touched: Longs
    """(vocab_size,) int64: the tokens whose count, or broken_before, is not zero."""
    touched_after: Longs
    """(vocab_size,) int64: the tokens whose broken_after is not zero."""
    new_keys: Keys
    """(2 * vocab_size,) uint64: the pairs that arose and are kept."""


def new_scratch(merges_at_once: int, vocab_size: int, cells_dtype: Any) -> Scratch:
    cells = [np.empty(size, dtype=cells_dtype) for size in (merges_at_once, merges_at_once, FETCHED_AT_ONCE)]
    counts = np.zeros((6, vocab_size), dtype=np.int64)
    return Scratch._make([*cells, *counts, np.zeros(2 * vocab_size, dtype=np.uint64)])


@numba.njit(cache=True, nogil=True)
def merge_pair(
    stream: Stream,
    keys: Keys,
    pairs: Longs,
    positions: Positions,
    scratch: Scratch,
    left: int,
    right: int,
    new: int,
    threshold: int,
    room: Longs,
) -> tuple[int, int]:
    """Merges a pair everywhere, leftmost first, and keeps the pairs that arise with `threshold` positions or more.

    `room` (3,) says where new positions go. Returns the number of merges made and the number of pairs kept, whose keys are in
    scratch.new_keys.
    """
    slot = find_slot(keys, pair_key(left, right))
    start, end = pairs[slot, SLICE_START], pairs[slot, SLICE_END]
    merged, touched_before, touched_after = replace(stream, scratch, positions[start:end], left, right, new)
    _lower_counts(keys, pairs, scratch.broken_before, scratch.touched[:touched_before], left, True)
    _lower_counts(keys, pairs, scratch.broken_after, scratch.touched_after[:touched_after], right, False)
    starts = positions[start : start + merged]
    kept = 0
    for neighbours, are_before in ((scratch.before[:merged], True), (scratch.after[:merged], False)):
        kept = keep_new_pairs(
            stream, keys, pairs, positions, scratch, starts, neighbours, are_before, new, threshold, kept, room
        )
    reuse(room, start, end)
    return merged, kept


@numba.njit(cache=True, nogil=True)
def reuse(room: Longs, start: int, end: int) -> None:
    """Lets new positions be written over those of a pair that was merged, if nothing larger is left to write over."""
    if end - start > room[REUSED_END] - room[REUSED]:
        room[REUSED], room[REUSED_END] = start, end


@numba.njit(cache=True, nogil=True)
def _fetch(cells: Cells, candidates: Positions, fetched: Cells) -> None:
    """Reads the candidates' cells in a loop that does nothing else, so that the processor waits for all of them at once."""
    for candidate in range(candidates.size):
        fetched[candidate] = cells[candidates[candidate]]


@numba.njit(cache=True, nogil=True)
def replace(
    stream: Stream, scratch: Scratch, candidates: Positions, left: Token, right: Token, new: Token
) -> tuple[int, int, int]:
    """Replaces the pair at every candidate position that still holds it, and notes its neighbours and what it breaks.

    The starts of the new tokens overwrite the candidates, from the first on. Returns how many there are, and how many
    tokens are in scratch.touched and scratch.touched_after.
    """
    cells, wall = stream.cells, stream.wall
    left_span, new_span = stream.span[left], stream.span[new]
    any_may_merge = stream.flags.size == 0
    merged, touched_before, touched_after = 0, 0, 0
    for candidate in range(candidates.size):
        if candidate % FETCHED_AT_ONCE == 0:
            _fetch(cells, candidates[candidate : candidate + FETCHED_AT_ONCE], scratch.fetched)
        cell = np.int64(candidates[candidate])
        middle, behind = cell + left_span, cell + new_span
        if scratch.fetched[candidate % FETCHED_AT_ONCE] != left or cells[cell] != left or cells[middle] != right:
            continue
        before, after = cells[cell - 1], cells[behind]
        scratch.before[merged], scratch.after[merged] = wall, wall
        if before == new:  # made just now: it broke the pair before this one, and its own pair is with this token
            may_follow = any_may_merge or _before_may_merge(stream, cell, before, new, token_at(stream, behind))
            scratch.after[merged - 1] = new if may_follow else wall
        elif before != wall:
            if any_may_merge or _before_may_merge(stream, cell, before, left, right):
                if scratch.broken_before[before] == 0:
                    scratch.touched[touched_before] = before
                    touched_before += 1
                scratch.broken_before[before] += 1
            if any_may_merge or _before_may_merge(stream, cell, before, new, token_at(stream, behind)):
                scratch.before[merged] = before
        if after != wall:
            if any_may_merge or _after_may_merge(stream, behind, left, right, after):
                if scratch.broken_after[after] == 0:
                    scratch.touched_after[touched_after] = after
                    touched_after += 1
                scratch.broken_after[after] += 1
            if any_may_merge or _after_may_merge(stream, behind, token_at(stream, cell - 1), new, after):
                scratch.after[merged] = after
        cells[middle] = stream.stale
        cells[cell] = new
        cells[behind - 1] = new
        candidates[merged] = cell
        merged += 1
    return merged, touched_before, touched_after


@numba.njit(cache=True, nogil=True, inline="always")
def _before_may_merge(stream: Stream, cell: Token, before: Token, token: Token, after: Token) -> bool:
    """Whether `before` and `token`, which starts in `cell` and has `after` behind it, may merge."""
    return may_merge(stream.flags, token_at(stream, cell - stream.span[before] - 1), before, token, after)


@numba.njit(cache=True, nogil=True, inline="always")
def _after_may_merge(stream: Stream, cell: Token, before: Token, token: Token, after: Token) -> bool:
    """Whether `token`, with `before` before it, and `after`, which starts in `cell`, may merge."""
    return may_merge(stream.flags, before, token, after, token_at(stream, cell + stream.span[after]))


@numba.njit(cache=True, nogil=True)
def _lower_counts(keys: Keys, pairs: Longs, broken: Longs, touched: Longs, part: Token, are_before: bool) -> None:
    """Lowers the counts of a part's pairs with the `touched` tokens beside it by `broken`, and sets `broken` to zero."""
    for k in range(touched.size):
        token = touched[k]
        slot = find_slot(keys, pair_key(token, part) if are_before else pair_key(part, token))
        if keys[slot] != EMPTY:
            pairs[slot, COUNT] -= broken[token]
        broken[token] = 0


@numba.njit(cache=True, nogil=True)
def count_neighbours(stream: Stream, scratch: Scratch, neighbours: Cells) -> int:
    """Counts neighbours, apart from walls, in scratch.counts; returns how many tokens are in scratch.touched."""
    touched = 0
    for k in range(neighbours.size):
        neighbour = neighbours[k]
        if neighbour == stream.wall:
            continue
        if scratch.counts[neighbour] == 0:
            scratch.touched[touched] = neighbour
            touched += 1
        scratch.counts[neighbour] += 1
    return touched


@numba.njit(cache=True, nogil=True)
def keep_new_pairs(
    stream: Stream,
    keys: Keys,
    pairs: Longs,
    positions: Positions,
    scratch: Scratch,
    starts: Positions,
    neighbours: Cells,
    are_before: bool,
    new: Token,
    threshold: int,
    kept: int,
    room: Longs,
) -> int:
    """Counts the new token's neighbours on one side, and enters the pairs that are frequent enough; returns `kept`.

    A threshold of 0 keeps just those pairs that the table holds already.
    """
    any_kept = False
    for k in range(count_neighbours(stream, scratch, neighbours)):
        neighbour = scratch.touched[k]
        count = scratch.counts[neighbour]
        scratch.counts[neighbour] = 0
        scratch.cursors[neighbour] = -1
        if count < threshold:
            continue
        key = pair_key(neighbour, new) if are_before else pair_key(new, neighbour)
        slot = find_slot(keys, key)
        if threshold == 0 and keys[slot] == EMPTY:
            continue
        any_kept = True
        keys[slot] = key
        pairs[slot, COUNT] = count
        pairs[slot, SCORED_COUNT] = count
        place = REUSED if count <= room[REUSED_END] - room[REUSED] else UNUSED
        start = np.int64(room[place])
        room[place] += count
        pairs[slot, SLICE_START] = start
        pairs[slot, SLICE_END] = start + count
        scratch.cursors[neighbour] = start
        scratch.new_keys[kept] = key
        kept += 1
    if not any_kept:
        return kept
    for k in range(starts.size):
        neighbour = neighbours[k]
        if neighbour == stream.wall or scratch.cursors[neighbour] < 0:
            continue
        positions[scratch.cursors[neighbour]] = starts[k] - (stream.span[neighbour] if are_before else 0)
        scratch.cursors[neighbour] += 1
    return kept
