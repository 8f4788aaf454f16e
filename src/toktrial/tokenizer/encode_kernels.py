"""Primitive ids to BTM ids: the merges applied in order of rank, by numba. Called by btm.py alone.

A document is cut wherever two adjacent primitives are adjacent in no entry: no merge can join them. Within a piece, the
adjacent pair of lowest rank is merged, leftmost first, until no pair is a merge. That is the merges in order of rank,
because a pair that arises from a merge holds the new entry and so has a higher rank.

Encoding asks of every two neighbours what they merge into, and waits for memory when it does. So the merges are a hash table
whose slots are single numbers of 64 bits: left id, right id and answer, in 21, 21 and 22 bits. The answer also tells whether
two primitives that do not merge may still come to stand side by side within one entry.
"""

import heapq
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError
from toktrial.tokenizer.dropout import Draw, Dropout, hash_of, is_left_out
from toktrial.tokenizer.merge_rules import NO_TOKEN, WordFlags, may_merge, word_flags
from toktrial.tokenizer.pairs import EMPTY, GOLDEN, HALF, Longs, Token
from toktrial.tokenizer.stream import USABLE_CORES

_RIGHT_BITS, _ANSWER_BITS = np.uint64(21), np.uint64(22)
_ANSWER_MASK = np.uint64((1 << 22) - 1)
LARGEST_VOCABULARY = 1 << 21

# Answers beyond every id: of several answers the smallest is the merge of lowest rank.
APART = (1 << 22) - 1  # the two merge into nothing; if they are primitives, they are adjacent in no entry
NO_MERGE = APART - 1  # the two merge into nothing, but stand side by side within some entry

# Up to here the plain loop, quadratic in the piece, is faster than the heap.
LONGEST_PLAIN_PIECE = 48

IDS_PER_SHARE = 200_000  # what a thread takes at a time: far longer than handing it out, small enough to be shared evenly

_GONE = np.int64(-2)  # a token that was merged into the one before it
_PLACE_BITS = 40  # of a candidate in the heap; its merge is in the bits above
_PLACE_MASK = (1 << _PLACE_BITS) - 1

Ids = npt.NDArray[np.uint32]
Table = npt.NDArray[np.uint64]


class MergeTables(NamedTuple):
    """The merges in the form that the kernels read."""

    table: Table
    """What two adjacent tokens merge into; the lower id is the lower rank."""
    flags: WordFlags | None
    """What the scope `words` must know of every entry. None in the scope `any`: numba compiles that case without it."""


def merge_tables(merges: Longs, entries: Sequence[bytes], scope: str) -> MergeTables:
    """Builds the tables from merges (n, 4) of left, right, id, count and all entries, the merged ones last.

    Raises TrialError for an unknown scope, and for more entries than the table of merges can hold.
    """
    flags = word_flags(entries, len(entries), scope)
    return MergeTables(merge_table(merges, len(entries)), flags if flags.size else None)


def merge_table(merges: Longs, vocab_size: int) -> Table:
    """Returns the table (slots,) uint64 of merges (n, 4): left, right, id, count, the ids being the last of the vocabulary.

    Raises TrialError for a vocabulary of more than LARGEST_VOCABULARY entries.
    """
    if vocab_size > LARGEST_VOCABULARY:
        raise TrialError(f"BTM encodes with at most {LARGEST_VOCABULARY:,} entries, but there are {vocab_size:,}")
    # At most two pairs a merge, so half to three quarters of the slots are empty: nearly every search ends at its first slot.
    table = np.full(1 << (4 * len(merges)).bit_length(), EMPTY)
    _enter_merges(table, merges, vocab_size)
    return table


@numba.njit(cache=True, nogil=True)
def _enter_merges(table: Table, merges: Longs, vocab_size: int) -> None:
    first = np.arange(vocab_size)
    last = first.copy()
    for merge in range(merges.shape[0]):
        left, right, new = merges[merge, 0], merges[merge, 1], merges[merge, 2]
        first[new], last[new] = first[left], last[right]
        _enter(table, left, right, new)
        # A merge makes one new adjacency: the last primitive of its left part beside the first of its right part.
        _enter(table, last[left], first[right], NO_MERGE)


@numba.njit(cache=True, nogil=True)
def _enter(table: Table, left: int, right: int, answer: int) -> None:
    """Enters the answer for a pair, unless there is a lower one."""
    pair = _pair(left, right)
    slot = _slot(table, pair)
    if table[slot] == EMPTY or (table[slot] & _ANSWER_MASK) > np.uint64(answer):
        table[slot] = (pair << _ANSWER_BITS) | np.uint64(answer)


@numba.njit(cache=True, nogil=True, inline="always")
def merged(table: Table, left: Any, right: Any) -> Any:
    """Returns the id that two adjacent tokens merge into, or NO_MERGE or APART."""
    entry = table[_slot(table, _pair(left, right))]
    # An empty slot is all ones, and its answer APART; no pair's slot is, for APART is never stored.
    return np.int64(entry & _ANSWER_MASK)


@numba.njit(cache=True, nogil=True, inline="always")
def _pair(left: Any, right: Any) -> Any:
    return (np.uint64(left) << _RIGHT_BITS) | np.uint64(right)


@numba.njit(cache=True, nogil=True, inline="always")
def _slot(table: Table, pair: Any) -> Any:
    """Returns the slot that holds a pair, or the empty one where it belongs; hashed as in pairs.py."""
    mask = np.uint64(table.size - 1)
    slot = ((pair * GOLDEN) >> HALF) & mask
    while (table[slot] >> _ANSWER_BITS) != pair and table[slot] != EMPTY:
        slot = (slot + np.uint64(1)) & mask
    return slot


def encode_stream(ids: Ids, offsets: Longs, tables: MergeTables, dropout: Dropout | None = None) -> tuple[Ids, Longs]:
    """Encodes documents of primitive ids: flat ids and offsets (documents + 1,) in, the same of BTM ids out.

    Large streams are encoded by as many threads as there are cores, in shares of whole documents.
    """
    shares = ids.size // IDS_PER_SHARE
    if shares <= 1:
        return _encode_share(ids, offsets, tables, dropout)
    cuts = np.searchsorted(offsets, np.linspace(offsets[0], offsets[-1], shares + 1).astype(np.int64))
    cuts[-1] = offsets.size - 1
    with ThreadPoolExecutor(min(USABLE_CORES, shares)) as pool:
        shares_of = (offsets[first : end + 1] for first, end in itertools.pairwise(cuts))
        parts = list(pool.map(lambda share: _encode_share(ids, share, tables, dropout), shares_of))
    begins = np.cumsum([0, *(part.size for part, _ in parts)])
    ends = [part_offsets[1:] + begin for (_, part_offsets), begin in zip(parts, begins, strict=False)]
    return np.concatenate([part for part, _ in parts]), np.concatenate([np.zeros(1, dtype=np.int64), *ends])


def _encode_share(ids: Ids, offsets: Longs, tables: MergeTables, dropout: Dropout | None) -> tuple[Ids, Longs]:
    encoded = np.empty(int(offsets[-1] - offsets[0]), dtype=np.uint32)
    encoded_offsets = np.zeros(offsets.size, dtype=np.int64)
    if dropout is None:
        length = _encode_documents(ids, offsets, tables, encoded, encoded_offsets)
    else:
        length = _encode_documents_with_dropout(ids, offsets, tables, dropout.limit, dropout.key, encoded, encoded_offsets)
    return encoded[:length], encoded_offsets


@numba.njit(cache=True, nogil=True)
def _encode_documents_with_dropout(
    ids: Ids,
    offsets: Longs,
    tables: MergeTables,
    limit: np.uint64,
    seed: np.uint64,
    encoded: Ids,
    encoded_offsets: Longs,
) -> int:
    length = 0
    for document in range(offsets.size - 1):
        piece = ids[offsets[document] : offsets[document + 1]]
        draw = Draw(hash_of(piece, seed), limit)
        length = _encode_long_piece(piece, np.int64(NO_TOKEN), np.int64(NO_TOKEN), tables, draw, encoded, length)
        encoded_offsets[document + 1] = length
    return length


@numba.njit(cache=True, nogil=True)
def _encode_documents(ids: Ids, offsets: Longs, tables: MergeTables, encoded: Ids, encoded_offsets: Longs) -> int:
    # One piece at a time stands here, from place 1 on, between its neighbours; allocating memory for each piece would take
    # longer than its merges.
    tokens = np.empty(LONGEST_PLAIN_PIECE + 2, dtype=np.int64)
    results = np.empty(LONGEST_PLAIN_PIECE + 2, dtype=np.int64)  # what each token and the next merge into
    # Taken apart once: an array that is taken out of a tuple within a loop is counted in and out every time.
    table, flags = tables
    nothing = Draw(np.uint64(0), np.uint64(0))  # is left out
    length = 0
    for document in range(offsets.size - 1):
        first, end = offsets[document], offsets[document + 1]
        start = first
        while start < end:
            left = np.int64(ids[start])
            tokens[0], tokens[1] = _id_at(ids, start - 1, first, end), left
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
                    tokens[size + 1], results[size] = right, result
                size += 1
                stop += 1
                left = right
            after = _id_at(ids, stop, first, end)
            if size <= LONGEST_PLAIN_PIECE:
                tokens[size + 1] = after
                size = _encode_piece(tokens, results, size, table, flags)
                for place in range(size):
                    encoded[length + place] = tokens[place + 1]
                length += size
            else:
                length = _encode_long_piece(ids[start:stop], tokens[0], after, tables, nothing, encoded, length)
            start = stop
        encoded_offsets[document + 1] = length
    return length


@numba.njit(cache=True, nogil=True, inline="always")
def _id_at(ids: Ids, position: int, first: int, end: int) -> Any:
    """Returns the id at a position of the document from `first` to `end`, NO_TOKEN outside of it."""
    return np.int64(ids[position]) if first <= position < end else np.int64(NO_TOKEN)


@numba.njit(cache=True, nogil=True)
def _merged_between(table: Table, flags: WordFlags | None, before: Token, left: Token, right: Token, after: Token) -> Any:
    """Returns the entry that `left` and `right` merge into between `before` and `after`, or NO_MERGE or APART."""
    result = merged(table, left, right)
    if flags is None:
        return result
    if result < NO_MERGE and not may_merge(flags, before, left, right, after):
        return np.int64(NO_MERGE)
    return result


@numba.njit(cache=True, nogil=True, inline="always")
def _encode_piece(tokens: Longs, results: Longs, size: int, table: Table, flags: WordFlags | None) -> Any:
    """Merges a short piece, which stands between two tokens from place 1 on, in place; returns how many tokens are left."""
    while size > 1:
        best, result = 1, results[1]
        for place in range(2, size):
            if results[place] < result:
                best, result = place, results[place]
        if result >= NO_MERGE:
            break
        tokens[best] = result
        size -= 1
        for place in range(best + 1, size + 2):
            tokens[place] = tokens[place + 1]
            results[place - 1] = results[place]
        for left in (best - 1, best):
            if 0 < left < size:
                results[left] = _merged_between(
                    table, flags, tokens[left - 1], tokens[left], tokens[left + 1], tokens[left + 2]
                )
    return size


@numba.njit(cache=True, nogil=True)
def _encode_long_piece(
    piece: Ids, before: Token, after: Token, tables: MergeTables, draw: Draw, encoded: Ids, length: int
) -> int:
    """The same in n log n: tokens in a linked list, candidate merges in a heap ordered by rank, then place."""
    size = piece.size
    # Place 0 and the last are the tokens around the piece; they take no part in merges.
    tokens = np.empty(size + 2, dtype=np.int64)
    tokens[0], tokens[1 : size + 1], tokens[size + 1] = before, piece, after
    following, previous = np.arange(1, size + 3), np.arange(-1, size + 1)
    candidates = [np.int64(0) for _ in range(0)]  # numba learns from this what the empty list will hold
    for place in range(1, size):
        result = _merged_in_list(tables, draw, tokens, previous, following, place)
        if result < NO_MERGE:
            candidates.append((result << _PLACE_BITS) | place)
    heapq.heapify(candidates)
    while candidates:
        candidate = heapq.heappop(candidates)
        result, place = candidate >> _PLACE_BITS, int(candidate & _PLACE_MASK)
        # A candidate is stale if either token has been merged since.
        if tokens[place] == _GONE or _merged_in_list(tables, draw, tokens, previous, following, place) != result:
            continue
        right = following[place]
        tokens[place], tokens[right] = result, _GONE
        following[place] = following[right]
        previous[following[place]] = place
        for left in (previous[place], place):
            joined = _merged_in_list(tables, draw, tokens, previous, following, left)
            if joined < NO_MERGE:
                heapq.heappush(candidates, (joined << _PLACE_BITS) | left)
    place = following[0]
    while place <= size:
        encoded[length] = tokens[place]
        length += 1
        place = following[place]
    return length


@numba.njit(cache=True, nogil=True)
def _merged_in_list(tables: MergeTables, draw: Draw, tokens: Longs, previous: Longs, following: Longs, place: int) -> Any:
    """Returns what the token in a place of the linked list and the next merge into, or NO_MERGE or APART."""
    right = following[place]
    if place == 0 or right == tokens.size - 1:  # the tokens around the piece
        return np.int64(NO_MERGE)
    result = _merged_between(
        tables.table, tables.flags, tokens[previous[place]], tokens[place], tokens[right], tokens[following[right]]
    )
    if result < NO_MERGE and is_left_out(draw, place - 1, result):
        return np.int64(NO_MERGE)
    return result
