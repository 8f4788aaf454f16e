"""Primitive ids to BTM ids: the merges applied in order of rank, by numba. Called by btm.py alone.

A document is cut wherever two adjacent primitives are adjacent in no entry: no merge can join them. Within a piece, the
adjacent pair of lowest rank is merged, leftmost first, until no pair is a merge. That is the merges in order of rank,
because a pair that arises from a merge holds the new entry and so has a higher rank.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.pair_table import EMPTY, capacity_for, empty_table, find_slot, pair_key

# Up to here the plain loop, quadratic in the piece, is faster than the heap.
LONGEST_PLAIN_PIECE = 48

_NO_MERGE = np.iinfo(np.int64).max


class MergeTables(NamedTuple):
    """The merges in the form that the kernels read."""

    keys: npt.NDArray[np.uint64]
    """Hash table of merges: (left, right) ..."""
    results: npt.NDArray[np.int64]
    """... -> (slots, 1) id of the merged entry; the lower id is the lower rank."""
    can_join: npt.NDArray[np.uint8]
    """(primitives, bytes of a row) bit matrix: whether two primitives are adjacent, left to right, within some entry."""


def merge_tables(merges: npt.NDArray[np.int64], primitives: int) -> MergeTables:
    """Builds the tables from merges (n, 4) of left, right, id, count over so many primitives."""
    keys, results = empty_table(capacity_for(2 * len(merges)), 1)
    can_join = np.zeros((primitives, (primitives + 7) // 8), dtype=np.uint8)
    _enter_merges(keys, results, can_join, merges, primitives)
    return MergeTables(keys, results, can_join)


def encode_stream(
    ids: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64], tables: MergeTables
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Encodes documents of primitive ids: flat ids and offsets (documents + 1,) in, the same of BTM ids out."""
    encoded = np.empty(int(offsets[-1] - offsets[0]), dtype=np.uint32)
    encoded_offsets = np.zeros(offsets.size, dtype=np.int64)
    length = _encode_documents(ids, offsets, tables, encoded, encoded_offsets)
    return encoded[:length], encoded_offsets


@numba.njit(cache=True, nogil=True)
def _enter_merges(
    keys: npt.NDArray[np.uint64],
    results: npt.NDArray[np.int64],
    can_join: npt.NDArray[np.uint8],
    merges: npt.NDArray[np.int64],
    primitives: int,
) -> None:
    # A merge makes one new adjacency: the last primitive of its left part beside the first of its right part.
    first = np.arange(primitives + merges.shape[0])
    last = first.copy()
    for merge in range(merges.shape[0]):
        left, right, new = merges[merge, 0], merges[merge, 1], merges[merge, 2]
        first[new], last[new] = first[left], last[right]
        can_join[last[left], first[right] >> 3] |= np.uint8(1 << (first[right] & 7))
        slot = find_slot(keys, pair_key(left, right))
        keys[slot] = pair_key(left, right)
        results[slot, 0] = new


@numba.njit(cache=True, nogil=True)
def _encode_documents(
    ids: npt.NDArray[np.uint32],
    offsets: npt.NDArray[np.int64],
    tables: MergeTables,
    encoded: npt.NDArray[np.uint32],
    encoded_offsets: npt.NDArray[np.int64],
) -> int:
    length = 0
    for document in range(offsets.size - 1):
        start, end = offsets[document], offsets[document + 1]
        while start < end:
            stop = start + 1
            while stop < end and _can_join(tables.can_join, ids[stop - 1], ids[stop]):
                stop += 1
            if stop == start + 1:
                encoded[length] = ids[start]
                length += 1
            elif stop - start <= LONGEST_PLAIN_PIECE:
                length = _encode_piece(ids[start:stop], tables, encoded, length)
            else:
                length = _encode_long_piece(ids[start:stop], tables, encoded, length)
            start = stop
        encoded_offsets[document + 1] = length
    return length


@numba.njit(cache=True, nogil=True, inline="always")
def _can_join(can_join: npt.NDArray[np.uint8], left: int, right: int) -> bool:
    return bool((can_join[left, right >> 3] >> np.uint8(right & 7)) & 1)


@numba.njit(cache=True, nogil=True, inline="always")
def _merged(tables: MergeTables, left: int, right: int) -> int:
    """Returns the entry that the pair merges into, or _NO_MERGE."""
    slot = find_slot(tables.keys, pair_key(left, right))
    return tables.results[slot, 0] if tables.keys[slot] != EMPTY else _NO_MERGE


@numba.njit(cache=True, nogil=True)
def _encode_piece(
    piece: npt.NDArray[np.uint32], tables: MergeTables, encoded: npt.NDArray[np.uint32], length: int
) -> int:
    """Encodes a short piece in place in `encoded`, from `length` on; returns the new length."""
    tokens = encoded[length : length + piece.size]
    tokens[:] = piece
    results = np.empty(piece.size, dtype=np.int64)  # what each token and the next merge into
    for position in range(piece.size - 1):
        results[position] = _merged(tables, tokens[position], tokens[position + 1])
    size = piece.size
    while size > 1:
        best = 0
        for position in range(1, size - 1):
            if results[position] < results[best]:
                best = position
        if results[best] == _NO_MERGE:
            break
        tokens[best] = results[best]
        size -= 1
        for position in range(best + 1, size):
            tokens[position] = tokens[position + 1]
            results[position - 1] = results[position]
        if best > 0:
            results[best - 1] = _merged(tables, tokens[best - 1], tokens[best])
        if best + 1 < size:
            results[best] = _merged(tables, tokens[best], tokens[best + 1])
    return length + size


@numba.njit(cache=True, nogil=True)
def _encode_long_piece(
    piece: npt.NDArray[np.uint32], tables: MergeTables, encoded: npt.NDArray[np.uint32], length: int
) -> int:
    """The same in n log n: tokens in a linked list, candidate merges in a heap ordered by rank, then position."""
    size = piece.size
    tokens = piece.astype(np.int64)
    following, previous = np.arange(1, size + 1), np.arange(-1, size - 1)
    # A merge pushes two candidates at most, and there are at most size - 1 merges.
    heap_results, heap_positions = np.empty(3 * size, dtype=np.int64), np.empty(3 * size, dtype=np.int64)
    heap_size = 0
    for position in range(size - 1):
        result = _merged(tables, tokens[position], tokens[position + 1])
        if result != _NO_MERGE:
            heap_size = _push(heap_results, heap_positions, heap_size, result, position)
    while heap_size > 0:
        result, position = heap_results[0], heap_positions[0]
        heap_size = _drop_first(heap_results, heap_positions, heap_size)
        after = following[position]
        # A candidate is stale where either token has been merged since.
        if tokens[position] < 0 or after >= size or _merged(tables, tokens[position], tokens[after]) != result:
            continue
        tokens[position], tokens[after] = result, -1
        following[position] = following[after]
        if following[position] < size:
            previous[following[position]] = position
            joined = _merged(tables, tokens[position], tokens[following[position]])
            if joined != _NO_MERGE:
                heap_size = _push(heap_results, heap_positions, heap_size, joined, position)
        before = previous[position]
        if before >= 0:
            joined = _merged(tables, tokens[before], tokens[position])
            if joined != _NO_MERGE:
                heap_size = _push(heap_results, heap_positions, heap_size, joined, before)
    position = 0
    while position < size:
        encoded[length] = tokens[position]
        length += 1
        position = following[position]
    return length


@numba.njit(cache=True, nogil=True)
def _push(
    results: npt.NDArray[np.int64], positions: npt.NDArray[np.int64], size: int, result: int, position: int
) -> int:
    child = size
    while child > 0:
        parent = (child - 1) // 2
        if not _comes_first(result, position, results[parent], positions[parent]):
            break
        results[child], positions[child] = results[parent], positions[parent]
        child = parent
    results[child], positions[child] = result, position
    return size + 1


@numba.njit(cache=True, nogil=True)
def _drop_first(results: npt.NDArray[np.int64], positions: npt.NDArray[np.int64], size: int) -> int:
    size -= 1
    result, position = results[size], positions[size]
    parent = 0
    while 2 * parent + 1 < size:
        child = 2 * parent + 1
        if child + 1 < size and _comes_first(
            results[child + 1], positions[child + 1], results[child], positions[child]
        ):
            child += 1
        if not _comes_first(results[child], positions[child], result, position):
            break
        results[parent], positions[parent] = results[child], positions[child]
        parent = child
    results[parent], positions[parent] = result, position
    return size


@numba.njit(cache=True, nogil=True, inline="always")
def _comes_first(result: int, position: int, other_result: int, other_position: int) -> bool:
    return result < other_result or (result == other_result and position < other_position)
