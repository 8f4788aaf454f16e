"""Primitive ids to BTM ids: the merges applied in order of rank, by numba. Called by btm.py alone.

A document is cut wherever two adjacent primitives are adjacent in no entry: no merge can join them. Within a piece, the
adjacent pair of lowest rank is merged, leftmost first, until no pair is a merge. That is the merges in order of rank,
because a pair that arises from a merge holds the new entry and so has a higher rank.
"""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.cores import usable_cores
from toktrial.tokenizer.merge_table import APART, NO_MERGE, Table, merge_table, merged
from toktrial.tokenizer.scopes import NO_TOKEN, WORDS, Token, WordFlags, check_scope, may_merge, word_flags

# Up to here the plain loop, quadratic in the piece, is faster than the heap.
LONGEST_PLAIN_PIECE = 48

IDS_PER_SHARE = 200_000  # what a thread takes at a time: far longer than handing it out, small enough to be shared evenly

_GONE = np.int64(-2)  # a token that was merged into the one before it


class MergeTables(NamedTuple):
    """The merges in the form that the kernels read."""

    table: Table
    """What two adjacent tokens merge into; the lower id is the lower rank."""
    flags: WordFlags | None
    """What the scope `words` must know of every entry. None in the scope `any`: numba compiles that case without it."""


def merge_tables(merges: npt.NDArray[np.int64], entries: Sequence[bytes], scope: str) -> MergeTables:
    """Builds the tables from merges (n, 4) of left, right, id, count and all entries, the merged ones last.

    Raises TrialError for an unknown scope, and for more entries than the table of merges can hold.
    """
    check_scope(scope)
    flags = word_flags(entries, len(entries), scope) if scope == WORDS else None
    return MergeTables(merge_table(merges, len(entries)), flags)


def encode_stream(
    ids: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64], tables: MergeTables
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Encodes documents of primitive ids: flat ids and offsets (documents + 1,) in, the same of BTM ids out.

    Large streams are encoded by as many threads as there are cores, in shares of whole documents.
    """
    shares = ids.size // IDS_PER_SHARE
    if shares <= 1:
        return _encode_share(ids, offsets, tables)
    cuts = np.searchsorted(offsets, np.linspace(offsets[0], offsets[-1], shares + 1).astype(np.int64))
    cuts[-1] = offsets.size - 1
    with ThreadPoolExecutor(min(usable_cores(), shares)) as pool:
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
def _encode_documents(
    ids: npt.NDArray[np.uint32],
    offsets: npt.NDArray[np.int64],
    tables: MergeTables,
    encoded: npt.NDArray[np.uint32],
    encoded_offsets: npt.NDArray[np.int64],
) -> int:
    # A piece at a time stands here; nothing is allocated for each, for that would take longer than its merges.
    tokens = np.empty(LONGEST_PLAIN_PIECE, dtype=np.int64)
    results = np.empty(LONGEST_PLAIN_PIECE, dtype=np.int64)  # what each token and the next merge into
    # Taken apart once: an array that is taken out of a tuple within a loop is counted in and out every time.
    table, flags = tables
    length = 0
    for document in range(offsets.size - 1):
        first, end = offsets[document], offsets[document + 1]
        start = first
        while start < end:
            left = np.int64(ids[start])
            tokens[0] = left
            stop, size = start + 1, 1
            while stop < end:
                right = np.int64(ids[stop])
                result = merged(table, left, right)
                if result == APART:
                    break
                if size < LONGEST_PLAIN_PIECE:
                    if flags is not None:
                        before, after = _id_at(ids, stop - 2, first, end), _id_at(ids, stop + 1, first, end)
                        result = _merged_between(table, flags, before, left, right, after)
                    tokens[size], results[size - 1] = right, result
                size += 1
                stop += 1
                left = right
            before, after = _id_at(ids, start - 1, first, end), _id_at(ids, stop, first, end)
            if size <= LONGEST_PLAIN_PIECE:
                size = _encode_piece(tokens, results, size, before, after, table, flags)
                for position in range(size):
                    encoded[length + position] = tokens[position]
                length += size
            else:
                length = _encode_long_piece(ids[start:stop], before, after, tables, encoded, length)
            start = stop
        encoded_offsets[document + 1] = length
    return length


@numba.njit(cache=True, nogil=True, inline="always")
def _id_at(ids: npt.NDArray[np.uint32], position: int, first: int, end: int) -> Any:
    """Returns the id at a position of the document from `first` to `end`, NO_TOKEN outside of it."""
    return np.int64(ids[position]) if first <= position < end else np.int64(NO_TOKEN)


@numba.njit(cache=True, nogil=True)
def _merged_between(table: Table, flags: WordFlags | None, before: Token, left: Token, right: Token, after: Token) -> Any:
    """Returns the entry that `left` and `right` merge into between `before` and `after`, else NO_MERGE or APART."""
    result = merged(table, left, right)
    if flags is None:
        return result
    if result < NO_MERGE and not may_merge(flags, before, left, right, after):
        return np.int64(NO_MERGE)
    return result


@numba.njit(cache=True, nogil=True, inline="always")
def _token_at(tokens: npt.NDArray[np.int64], position: int, size: int, before: Token, after: Token) -> Any:
    """Returns a token of a piece of so many, or what stands before or after the piece."""
    if position < 0:
        return np.int64(before)
    return tokens[position] if position < size else np.int64(after)


@numba.njit(cache=True, nogil=True, inline="always")
def _merged_at(
    table: Table,
    flags: WordFlags | None,
    tokens: npt.NDArray[np.int64],
    position: int,
    size: int,
    before: Token,
    after: Token,
) -> Any:
    """Returns what the token at `position` and the next merge into, else NO_MERGE or APART."""
    return _merged_between(
        table,
        flags,
        _token_at(tokens, position - 1, size, before, after),
        tokens[position],
        tokens[position + 1],
        _token_at(tokens, position + 2, size, before, after),
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _encode_piece(
    tokens: npt.NDArray[np.int64],
    results: npt.NDArray[np.int64],
    size: int,
    before: Token,
    after: Token,
    table: Table,
    flags: WordFlags | None,
) -> Any:
    """Merges a short piece, which stands between two tokens, in place; returns how many tokens are left."""
    while size > 1:
        best, result = 0, results[0]
        for position in range(1, size - 1):
            if results[position] < result:
                best, result = position, results[position]
        if result >= NO_MERGE:
            break
        tokens[best] = result
        size -= 1
        for position in range(best + 1, size):
            tokens[position] = tokens[position + 1]
            results[position - 1] = results[position]
        if best > 0:
            results[best - 1] = _merged_at(table, flags, tokens, best - 1, size, before, after)
        if best + 1 < size:
            results[best] = _merged_at(table, flags, tokens, best, size, before, after)
    return size


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
        if result < NO_MERGE:
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
            if joined < NO_MERGE:
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
    """Returns what the token in a place of the linked list and the next merge into, else NO_MERGE or APART."""
    right = following[place]
    if place == 0 or right == tokens.size - 1:  # the tokens around the piece
        return np.int64(NO_MERGE)
    return _merged_between(
        tables.table, tables.flags, tokens[previous[place]], tokens[place], tokens[right], tokens[following[right]]
    )


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
