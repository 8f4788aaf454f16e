"""Primitive ids to BTM ids: the merges applied in order of rank, by numba. Called by btm.py alone.

A document is cut wherever two adjacent primitives are adjacent in no entry: no merge can join them. Within a piece, the
adjacent pair of lowest rank is merged, leftmost first, until no pair is a merge. That is the merges in order of rank,
because a pair that arises from a merge holds the new entry and so has a higher rank.
"""

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.pair_table import EMPTY, capacity_for, empty_table, find_slot, pair_key
from toktrial.tokenizer.scopes import NO_TOKEN, Token, WordFlags, may_merge, word_flags

# Up to here the plain loop, quadratic in the piece, is faster than the heap.
LONGEST_PLAIN_PIECE = 48

IDS_PER_THREAD = 100_000  # fewer are done before a second thread has started

_NO_MERGE = np.iinfo(np.int64).max
_GONE = np.int64(-2)  # a token that was merged into the one before it


class MergeTables(NamedTuple):
    """The merges in the form that the kernels read."""

    keys: npt.NDArray[np.uint64]
    """Hash table of merges: (left, right) ..."""
    results: npt.NDArray[np.int64]
    """... -> (slots, 1) id of the merged entry; the lower id is the lower rank."""
    flags: WordFlags
    """What the scope must know of every entry."""
    can_join: npt.NDArray[np.uint8]
    """(primitives, bytes of a row) bit matrix: whether two primitives are adjacent, left to right, within some entry."""


def merge_tables(merges: npt.NDArray[np.int64], entries: Sequence[bytes], scope: str) -> MergeTables:
    """Builds the tables from merges (n, 4) of left, right, id, count and all entries, the merged ones last."""
    primitives = len(entries) - len(merges)
    keys, results = empty_table(capacity_for(2 * len(merges)), 1)
    can_join = np.zeros((primitives, (primitives + 7) // 8), dtype=np.uint8)
    _enter_merges(keys, results, can_join, merges, primitives)
    return MergeTables(keys, results, word_flags(entries, len(entries), scope), can_join)


def encode_stream(
    ids: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64], tables: MergeTables
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Encodes documents of primitive ids: flat ids and offsets (documents + 1,) in, the same of BTM ids out.

    Large streams are encoded by as many threads as there are cores, each with its share of the documents.
    """
    shares = min(os.cpu_count() or 1, ids.size // IDS_PER_THREAD)
    if shares <= 1:
        return _encode_share(ids, offsets, tables)
    cuts = np.searchsorted(offsets, np.linspace(offsets[0], offsets[-1], shares + 1).astype(np.int64))
    cuts[-1] = offsets.size - 1
    with ThreadPoolExecutor(shares) as pool:
        parts = list(pool.map(lambda cut: _encode_share(ids, offsets[cut[0] : cut[1] + 1], tables), itertools.pairwise(cuts)))
    begins = np.cumsum([0, *(part.size for part, _ in parts)])
    ends = [part_offsets[1:] + begin for (_, part_offsets), begin in zip(parts, begins, strict=False)]
    return np.concatenate([part for part, _ in parts]), np.concatenate([np.zeros(1, dtype=np.int64), *ends])


def _encode_share(
    ids: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64], tables: MergeTables
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
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
            before = np.int64(ids[start - 1]) if start > offsets[document] else np.int64(NO_TOKEN)
            after = np.int64(ids[stop]) if stop < end else np.int64(NO_TOKEN)
            if stop == start + 1:
                encoded[length] = ids[start]
                length += 1
            elif stop - start <= LONGEST_PLAIN_PIECE:
                length = _encode_piece(ids[start:stop], before, after, tables, encoded, length)
            else:
                length = _encode_long_piece(ids[start:stop], before, after, tables, encoded, length)
            start = stop
        encoded_offsets[document + 1] = length
    return length


@numba.njit(cache=True, nogil=True, inline="always")
def _can_join(can_join: npt.NDArray[np.uint8], left: int, right: int) -> bool:
    return bool((can_join[left, right >> 3] >> np.uint8(right & 7)) & 1)


@numba.njit(cache=True, nogil=True, inline="always")
def _merged(tables: MergeTables, before: Token, left: Token, right: Token, after: Token) -> Any:
    """Returns the entry that `left` and `right` merge into between `before` and `after`, or _NO_MERGE."""
    slot = find_slot(tables.keys, pair_key(left, right))
    if tables.keys[slot] == EMPTY or not may_merge(tables.flags, before, left, right, after):
        return np.int64(_NO_MERGE)
    return tables.results[slot, 0]


@numba.njit(cache=True, nogil=True, inline="always")
def _token_at(tokens: npt.NDArray[np.uint32], position: int, size: int, before: Token, after: Token) -> Any:
    """Returns a token of a piece of so many, or what stands before or after the piece."""
    if position < 0:
        return before
    return np.int64(tokens[position]) if position < size else after


@numba.njit(cache=True, nogil=True)
def _merged_at(
    tables: MergeTables, tokens: npt.NDArray[np.uint32], position: int, size: int, before: Token, after: Token
) -> Any:
    """Returns what the token at `position` and the next merge into, or _NO_MERGE."""
    return _merged(
        tables,
        _token_at(tokens, position - 1, size, before, after),
        np.int64(tokens[position]),
        np.int64(tokens[position + 1]),
        _token_at(tokens, position + 2, size, before, after),
    )


@numba.njit(cache=True, nogil=True)
def _encode_piece(
    piece: npt.NDArray[np.uint32],
    before: Token,
    after: Token,
    tables: MergeTables,
    encoded: npt.NDArray[np.uint32],
    length: int,
) -> int:
    """Encodes a short piece, which stands between two tokens, into `encoded`, from `length` on; returns the new length."""
    tokens = encoded[length : length + piece.size]
    tokens[:] = piece
    results = np.empty(piece.size, dtype=np.int64)  # what each token and the next merge into
    size = piece.size
    for position in range(size - 1):
        results[position] = _merged_at(tables, tokens, position, size, before, after)
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
            results[best - 1] = _merged_at(tables, tokens, best - 1, size, before, after)
        if best + 1 < size:
            results[best] = _merged_at(tables, tokens, best, size, before, after)
    return length + size


@numba.njit(cache=True, nogil=True)
def _encode_long_piece(
    piece: npt.NDArray[np.uint32],
    before: Token,
    after: Token,
    tables: MergeTables,
    encoded: npt.NDArray[np.uint32],
    length: int,
) -> int:
    """The same in n log n: tokens in a linked list, candidate merges in a heap ordered by rank, then position."""
    size = piece.size
    # Place 0 and the last are the tokens around the piece; they take no part in merges.
    tokens = np.empty(size + 2, dtype=np.int64)
    tokens[0], tokens[1 : size + 1], tokens[size + 1] = before, piece, after
    following, previous = np.arange(1, size + 3), np.arange(-1, size + 1)
    # A merge pushes two candidates at most, and there are at most size - 1 merges.
    heap_results, heap_places = np.empty(3 * size, dtype=np.int64), np.empty(3 * size, dtype=np.int64)
    heap_size = 0
    for place in range(1, size):
        result = _merged_in_list(tables, tokens, previous, following, place)
        if result != _NO_MERGE:
            heap_size = _push(heap_results, heap_places, heap_size, result, place)
    while heap_size > 0:
        result, place = heap_results[0], heap_places[0]
        heap_size = _drop_first(heap_results, heap_places, heap_size)
        # A candidate is stale where either token has been merged since.
        if tokens[place] == _GONE or _merged_in_list(tables, tokens, previous, following, place) != result:
            continue
        right = following[place]
        tokens[place], tokens[right] = result, _GONE
        following[place] = following[right]
        previous[following[place]] = place
        for left in (previous[place], place):
            joined = _merged_in_list(tables, tokens, previous, following, left)
            if joined != _NO_MERGE:
                heap_size = _push(heap_results, heap_places, heap_size, joined, left)
    place = following[0]
    while place <= size:
        encoded[length] = tokens[place]
        length += 1
        place = following[place]
    return length


@numba.njit(cache=True, nogil=True)
def _merged_in_list(
    tables: MergeTables,
    tokens: npt.NDArray[np.int64],
    previous: npt.NDArray[np.int64],
    following: npt.NDArray[np.int64],
    place: int,
) -> Any:
    """Returns what the token in a place of the linked list and the next merge into, or _NO_MERGE."""
    right = following[place]
    if place == 0 or right == tokens.size - 1:  # the tokens around the piece
        return _NO_MERGE
    return _merged(tables, tokens[previous[place]], tokens[place], tokens[right], tokens[following[right]])


@numba.njit(cache=True, nogil=True)
def _push(results: npt.NDArray[np.int64], positions: npt.NDArray[np.int64], size: int, result: int, position: int) -> int:
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
        if child + 1 < size and _comes_first(results[child + 1], positions[child + 1], results[child], positions[child]):
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
