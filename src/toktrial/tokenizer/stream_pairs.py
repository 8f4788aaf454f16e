"""Counts all pairs of the merge engine's stream and writes down where each of them stands: two passes over all cells.

Where the vocabulary is small enough, a dense table of (left, right) is counted in, by several threads, each in a table of
its own; else a hash table, by one thread. Every token is one cell here: the stream is new, or compacted.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.cells import Longs, Stream, may_merge_at
from toktrial.tokenizer.cores import usable_cores
from toktrial.tokenizer.pair_table import (
    COUNT,
    EMPTY,
    HALF,
    RIGHT_MASK,
    SLICE_END,
    SLICE_START,
    Keys,
    capacity_for,
    empty_table,
    find_slot,
    pair_key,
    rehash,
)

# 64 MiB of 32-bit counts: 4,096 primitives. Below so many cells, zeroing such a table takes longer than hashing.
DENSE_SLOTS = 1 << 24
CELLS_PER_DENSE_SLOT = 1 / 16
# Each thread has a table of its own, and so wants cells enough to pay for it.
MOST_THREADS = 4
CELLS_PER_THREAD = 4_000_000

Positions = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class StreamPairs:
    """All pairs of a stream with their counts, and the table that finds them."""

    keys: Keys
    """(pairs,) uint64: the pairs."""
    counts: Longs
    """(pairs,) int64: how often each stands in the stream where it may merge."""
    _slots: Longs
    """(pairs,) int64: where in `_tables` each pair is."""
    _tables: npt.NDArray[np.integer[Any]]
    """(threads, slots): how often each thread met each pair."""
    _table_keys: Keys
    """(slots,) uint64 of a hash table; (0,) of a dense one."""
    _width: int
    """Tokens: a dense table is (tokens, tokens)."""

    def write_positions(self, stream: Stream, kept: npt.NDArray[np.bool_], positions: Positions) -> Longs:
        """Writes the positions of the `kept` pairs (pairs,) into `positions`, ascending, a slice for each pair.

        Returns where their slices begin (kept pairs,); they end where their counts say. The tables are used up by this.
        """
        starts = np.cumsum(self.counts[kept]) - self.counts[kept]
        slots = self._slots[kept]
        cursor = starts.astype(self._tables.dtype)
        none = np.iinfo(self._tables.dtype).max
        for table in self._tables:
            met = table[slots]
            table[:] = none
            table[slots] = cursor
            cursor += met
        _in_threads(
            stream,
            len(self._tables),
            lambda thread, start, end: _write_positions(
                stream, self._table_keys, self._width, self._tables[thread], positions, start, end
            ),
        )
        return starts


def count_stream_pairs(stream: Stream, tokens: int, position_dtype: Any) -> StreamPairs:
    """Counts the pairs of a stream whose ids are below `tokens`. Counts and positions fit into `position_dtype`."""
    cells = stream.cells.size
    if tokens**2 > DENSE_SLOTS or cells < CELLS_PER_DENSE_SLOT * tokens**2:
        return _count_hashed(stream, position_dtype)
    threads = max(1, min(usable_cores(), MOST_THREADS, cells // CELLS_PER_THREAD))
    tables = np.zeros((threads, tokens**2), dtype=position_dtype)
    _in_threads(stream, threads, lambda thread, start, end: _count_dense(stream, tokens, tables[thread], start, end))
    total = tables.sum(axis=0, dtype=position_dtype) if threads > 1 else tables[0]
    slots = np.flatnonzero(total)
    keys = (slots // tokens).astype(np.uint64) << HALF | (slots % tokens).astype(np.uint64)
    return StreamPairs(keys, total[slots].astype(np.int64), slots, tables, np.zeros(0, dtype=np.uint64), tokens)


def _count_hashed(stream: Stream, position_dtype: Any) -> StreamPairs:
    keys, counts = empty_table(capacity_for(0), 1)
    used, cell = 0, 0
    while True:
        used, cell = _count_until_half_full(stream, keys, counts, used, cell)
        if cell >= stream.cells.size:
            break
        larger_keys, larger_counts = empty_table(2 * keys.size, 1)
        rehash(keys, counts, larger_keys, larger_counts)
        keys, counts = larger_keys, larger_counts
    slots = np.flatnonzero(keys != EMPTY)
    return StreamPairs(keys[slots], counts[slots, 0], slots, counts.T.astype(position_dtype), keys, 0)


def _in_threads(stream: Stream, threads: int, work: Callable[[int, int, int], None]) -> None:
    """Calls work(thread, first cell, end) for as many shares of the stream as there are threads."""
    bounds = [int(bound) for bound in np.linspace(0, stream.cells.size - 1, threads + 1)]
    shares = list(zip(range(threads), bounds[:-1], bounds[1:], strict=True))
    if threads == 1:
        work(*shares[0])
        return
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, *share) for share in shares]:
            done.result()


@numba.njit(cache=True, nogil=True)
def _count_dense(stream: Stream, width: int, counts: Positions, start: int, end: int) -> None:
    for cell in range(start, end):
        if may_merge_at(stream, cell):
            counts[np.int64(stream.cells[cell]) * width + np.int64(stream.cells[cell + 1])] += 1


@numba.njit(cache=True, nogil=True)
def _count_until_half_full(stream: Stream, keys: Keys, counts: Longs, used: int, cell: int) -> tuple[int, int]:
    """Counts pairs from `cell` on, until the end or until the table is half full.

    Returns the slots used and the cell to go on from, which is the number of cells at the end.
    """
    limit = keys.size // 2
    while cell + 1 < stream.cells.size:
        if may_merge_at(stream, cell):
            key = pair_key(stream.cells[cell], stream.cells[cell + 1])
            slot = find_slot(keys, key)
            if keys[slot] == EMPTY:
                if used >= limit:
                    return used, cell
                keys[slot] = key
                used += 1
            counts[slot, 0] += 1
        cell += 1
    return used, stream.cells.size


@numba.njit(cache=True, nogil=True)
def _write_positions(
    stream: Stream, keys: Keys, width: int, cursors: Positions, positions: Positions, start: int, end: int
) -> None:
    """Writes each pair's positions from its cursor on; a cursor at its type's largest number belongs to no kept pair."""
    none = np.iinfo(cursors.dtype).max
    for cell in range(start, end):
        if not may_merge_at(stream, cell):
            continue
        left, right = np.int64(stream.cells[cell]), np.int64(stream.cells[cell + 1])
        slot = find_slot(keys, pair_key(left, right)) if keys.size else left * width + right
        if cursors[slot] != none:
            positions[cursors[slot]] = cell
            cursors[slot] += 1


@numba.njit(cache=True, nogil=True)
def enter_pairs(keys: Keys, pairs: Longs, new_keys: Keys, counts: Longs, starts: Longs) -> None:
    """Enters pairs, none of which is there yet, into the engine's table, with their counts and slices of positions."""
    for pair in range(new_keys.size):
        slot = find_slot(keys, new_keys[pair])
        keys[slot] = new_keys[pair]
        pairs[slot, COUNT] = counts[pair]
        pairs[slot, SLICE_START] = starts[pair]
        pairs[slot, SLICE_END] = starts[pair] + counts[pair]


def parts_of(keys: Keys) -> tuple[Longs, Longs]:
    """Returns the left and the right ids of pairs, each (pairs,) int64."""
    return (keys >> HALF).astype(np.int64), (keys & RIGHT_MASK).astype(np.int64)
