"""The merge engine's stream, one array of cells in which tokens grow in place, and the counting of its pairs.

Documents of ids are laid out with a wall before, between and after them. A token of k primitives covers k cells, and its id
stands in the first and the last of them. So both neighbours of a token are one read away, and no links are needed.

Pairs are counted where every token is one cell: the stream is new, or compacted. If the vocabulary is small enough, several
threads count in dense tables of (left, right), one table each; otherwise one thread counts in a hash table.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError
from toktrial.tokenizer.merge_rules import NO_TOKEN, WordFlags, may_merge
from toktrial.tokenizer.pairs import EMPTY, HALF, IntArray, Keys, Longs, Token, empty_table, find_slot, grown, pair_key

# 64 MiB of 32-bit counts: 4,096 primitives. In a stream of fewer cells, zeroing such a table takes longer than hashing.
DENSE_SLOTS = 1 << 24
CELLS_PER_DENSE_SLOT = 1 / 16
USABLE_CORES: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # those that this process may run on
# Each thread has a table of its own, and so needs enough cells to pay for it.
MOST_THREADS = 4
CELLS_PER_THREAD = 4_000_000

Positions = npt.NDArray[np.integer[Any]]
Cells = npt.NDArray[np.integer[Any]]
Spans = npt.NDArray[np.int32]


class Stream(NamedTuple):
    """The cells and what it takes to read them."""

    cells: Cells
    """(cells,) uint16, or uint32 for a vocabulary beyond that."""
    span: Spans
    """(vocab_size,) int32: the cells that a token covers."""
    flags: WordFlags
    """What the scope must know of every entry."""
    wall: Any
    """Stands before, between and after documents; of the cells' type, as `stale` is."""
    stale: Any
    """Stands where a right part began that has been merged."""


def stream_of(cells: Cells, flags: WordFlags, vocab_size: int) -> Stream:
    """Returns the stream of cells that are new, or compacted, with room for `vocab_size` entries."""
    wall = cells.dtype.type(np.iinfo(cells.dtype).max)
    return Stream(cells, np.ones(vocab_size, dtype=np.int32), flags, wall, wall - wall.dtype.type(1))


def cell_type(vocab_size: int) -> Any:
    """Returns uint16 if the vocabulary, the wall and the stale mark fit, otherwise uint32."""
    return np.uint16 if vocab_size <= np.iinfo(np.uint16).max - 1 else np.uint32


def lay_out_documents(ids: IntArray, offsets: IntArray, entries: int, dtype: Any) -> Cells:
    """Returns the cells, of that type, of documents: ids flat; offsets (documents + 1,) into them.

    Raises TrialError for an id that is none of the entries.
    """
    cells: Cells = np.empty(int(offsets[-1] - offsets[0]) + offsets.size, dtype=dtype)
    lost = _lay_out(cells, ids, np.ascontiguousarray(offsets, dtype=np.int64), dtype(np.iinfo(dtype).max), entries)
    if lost >= 0:
        raise TrialError(f"the stream holds id {ids[lost]} at position {lost}, but there are {entries} entries")
    return cells


@numba.njit(cache=True, nogil=True)
def _lay_out(cells: Cells, ids: Cells, offsets: Longs, wall: int, entries: int) -> int:
    """Copies documents into the cells; returns the first position whose id is none of the entries, or -1."""
    cell = 0
    for document in range(offsets.size - 1):
        cells[cell] = wall
        cell += 1
        for position in range(offsets[document], offsets[document + 1]):
            if not 0 <= np.int64(ids[position]) < entries:
                return position
            cells[cell] = ids[position]
            cell += 1
    cells[cell] = wall
    return -1


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
    span[:] = 1
    return target


@numba.njit(cache=True, nogil=True)
def strip_walls(cells: Cells, wall: Any) -> int:
    """Moves every token of a stream in which each is one cell to the front, in order; returns how many there are."""
    target = 0
    for cell in range(cells.size):
        if cells[cell] != wall:
            cells[target] = cells[cell]
            target += 1
    return target


@numba.njit(cache=True, nogil=True)
def count_tokens(cells: Cells, wall: Any, counts: Longs) -> None:
    """Counts every token of a stream in which each is one cell."""
    for cell in range(cells.size):
        if cells[cell] != wall:
            counts[cells[cell]] += 1


@numba.njit(cache=True, nogil=True, inline="always")
def token_at(stream: Stream, cell: Token) -> np.int64:
    """Returns the token that begins or ends in a cell, NO_TOKEN for a wall."""
    token = stream.cells[cell]
    return np.int64(NO_TOKEN) if token == stream.wall else np.int64(token)


@numba.njit(cache=True, nogil=True, inline="always")
def _may_merge_at(stream: Stream, cell: int) -> bool:
    """Whether the tokens in this cell and the next are a pair that may merge, where every token is one cell."""
    if stream.cells[cell] == stream.wall or stream.cells[cell + 1] == stream.wall:
        return False
    if stream.flags.size == 0:
        return True
    left, right = token_at(stream, cell), token_at(stream, cell + 1)
    return may_merge(stream.flags, token_at(stream, cell - 1), left, right, token_at(stream, cell + 2))


@dataclass(frozen=True)
class StreamPairs:
    """All pairs of a stream with their counts, and the tables that they were counted in."""

    keys: Keys
    """(pairs,) uint64: the pairs."""
    counts: Longs
    """(pairs,) int64: how often each stands in the stream where it may merge."""
    _slots: Longs
    """(pairs,) int64: where in `_tables` each pair is."""
    _tables: IntArray
    """(threads, slots): how often each thread met each pair."""
    _table_keys: Keys
    """(slots,) uint64 of a hash table; (0,) of a dense one."""
    _width: int
    """Tokens: a dense table is (tokens, tokens)."""

    def write_positions(self, stream: Stream, kept: npt.NDArray[np.bool_], positions: Positions) -> Longs:
        """Writes the positions of the `kept` pairs (pairs,) into `positions`, ascending, a slice for each pair.

        Returns where their slices begin (kept pairs,); they end where their counts say. Overwrites the tables.
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


def count_stream_pairs(stream: Stream, tokens: int, position_dtype: Any, most_threads: int = MOST_THREADS) -> StreamPairs:
    """Counts the pairs of a stream whose ids are below `tokens`. Counts and positions fit into `position_dtype`."""
    cells = stream.cells.size
    if tokens**2 > DENSE_SLOTS or cells < CELLS_PER_DENSE_SLOT * tokens**2:
        return _count_hashed(stream, position_dtype)
    threads = max(1, min(USABLE_CORES, most_threads, cells // CELLS_PER_THREAD))
    tables = np.zeros((threads, tokens**2), dtype=position_dtype)
    _in_threads(stream, threads, lambda thread, start, end: _count_dense(stream, tokens, tables[thread], start, end))
    total = tables.sum(axis=0, dtype=position_dtype) if threads > 1 else tables[0]
    slots = np.flatnonzero(total)
    keys = (slots // tokens).astype(np.uint64) << HALF | (slots % tokens).astype(np.uint64)
    return StreamPairs(keys, total[slots].astype(np.int64), slots, tables, np.zeros(0, dtype=np.uint64), tokens)


def _count_hashed(stream: Stream, position_dtype: Any) -> StreamPairs:
    keys, counts = empty_table(0, 1)
    used, cell = _count_until_half_full(stream, keys, counts, 0, 0)
    while cell < stream.cells.size:
        keys, counts = grown(keys, counts, used)
        used, cell = _count_until_half_full(stream, keys, counts, used, cell)
    slots = np.flatnonzero(keys != EMPTY)
    return StreamPairs(keys[slots], counts[slots, 0], slots, counts.T.astype(position_dtype), keys, 0)


def _in_threads(stream: Stream, threads: int, work: Callable[[int, int, int], None]) -> None:
    """Calls work(thread, first cell, end) for as many shares of the stream as there are threads."""
    bounds = np.linspace(0, stream.cells.size - 1, threads + 1).astype(int).tolist()
    if threads == 1:
        work(0, *bounds)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads), bounds[:-1], bounds[1:]))


@numba.njit(cache=True, nogil=True)
def _count_dense(stream: Stream, width: int, counts: Positions, start: int, end: int) -> None:
    for cell in range(start, end):
        if _may_merge_at(stream, cell):
            counts[np.int64(stream.cells[cell]) * width + np.int64(stream.cells[cell + 1])] += 1


@numba.njit(cache=True, nogil=True)
def _count_until_half_full(stream: Stream, keys: Keys, counts: Longs, used: int, cell: int) -> tuple[int, int]:
    """Counts pairs from `cell` on, until the end or until the table is half full.

    Returns the slots used and the cell to go on from, which is the number of cells at the end.
    """
    limit = keys.size // 2
    while cell + 1 < stream.cells.size:
        if _may_merge_at(stream, cell):
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
        if not _may_merge_at(stream, cell):
            continue
        left, right = np.int64(stream.cells[cell]), np.int64(stream.cells[cell + 1])
        slot = find_slot(keys, pair_key(left, right)) if keys.size else left * width + right
        if cursors[slot] != none:
            positions[cursors[slot]] = cell
            cursors[slot] += 1
