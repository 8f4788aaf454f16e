"""BTM's merges as one hash table for numba: what do two adjacent tokens merge into? Read by encode_kernels.py alone.

Encoding asks this of every two neighbours, and waits for memory when it does. So a slot is a single number of 64 bits, and
the answer tells apart what a plain table of merges would not: whether two primitives may come to stand within one entry,
though they do not merge themselves.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError

# A slot holds left id, right id and answer, in 21, 21 and 22 bits.
_RIGHT_BITS, _ANSWER_BITS = np.uint64(21), np.uint64(22)
_ANSWER_MASK = np.uint64((1 << 22) - 1)
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)  # no pair's slot, for APART is never stored
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hashing, TAOCP 6.4
_HALF = np.uint64(32)
LARGEST_VOCABULARY = 1 << 21

# Answers beyond every id: of several answers the smallest is the merge of lowest rank.
APART = (1 << 22) - 1  # the two merge into nothing; if they are primitives, they are adjacent in no entry
NO_MERGE = APART - 1  # the two merge into nothing, but stand side by side within some entry

Table = npt.NDArray[np.uint64]


def merge_table(merges: npt.NDArray[np.int64], vocab_size: int) -> Table:
    """Returns the table (slots,) uint64 of merges (n, 4): left, right, id, count, the ids being the last of the vocabulary.

    Raises TrialError for a vocabulary of more than LARGEST_VOCABULARY entries.
    """
    if vocab_size > LARGEST_VOCABULARY:
        raise TrialError(f"BTM encodes with at most {LARGEST_VOCABULARY:,} entries, but there are {vocab_size:,}")
    # Two pairs a merge at most, and half to three quarters of the slots empty: a search ends at its first slot, nearly always.
    table = np.full(1 << (4 * len(merges)).bit_length(), _EMPTY)
    _enter_merges(table, merges, vocab_size)
    return table


@numba.njit(cache=True, nogil=True)
def _enter_merges(table: Table, merges: npt.NDArray[np.int64], vocab_size: int) -> None:
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
    if table[slot] == _EMPTY or (table[slot] & _ANSWER_MASK) > np.uint64(answer):
        table[slot] = (pair << _ANSWER_BITS) | np.uint64(answer)


@numba.njit(cache=True, nogil=True, inline="always")
def merged(table: Table, left: Any, right: Any) -> Any:
    """Returns the id that two adjacent tokens merge into, else NO_MERGE or APART."""
    entry = table[_slot(table, _pair(left, right))]
    # An empty slot is all ones, and its answer APART.
    return np.int64(entry & _ANSWER_MASK)


@numba.njit(cache=True, nogil=True, inline="always")
def _pair(left: Any, right: Any) -> Any:
    return (np.uint64(left) << _RIGHT_BITS) | np.uint64(right)


@numba.njit(cache=True, nogil=True, inline="always")
def _slot(table: Table, pair: Any) -> Any:
    """Returns the slot that holds a pair, or the empty one where it belongs."""
    mask = np.uint64(table.size - 1)
    slot = ((pair * _GOLDEN) >> _HALF) & mask  # the product's upper half is its well mixed one
    while (table[slot] >> _ANSWER_BITS) != pair and table[slot] != _EMPTY:
        slot = (slot + np.uint64(1)) & mask
    return slot
