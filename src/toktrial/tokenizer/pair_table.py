"""A hash table from pairs of token ids to numbers, for numba: what the pair graph and the merge engine count with.

Open addressing with linear probing over arrays whose length is a power of two. A key holds a pair: left id in the upper
32 bits, right id in the lower. Keys ordered as numbers are pairs ordered by left id, then right id.
"""

import numba
import numpy as np
import numpy.typing as npt

EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: Knuth's multiplicative hashing, TAOCP 6.4
HALF = np.uint64(32)
RIGHT_MASK = np.uint64(0xFFFFFFFF)
SMALLEST_CAPACITY = 1 << 12

# What the merge engine knows of a pair: how often it stands in the stream, the count that its score was computed from, and the
# slice of positions, ascending, in which it stands.
COUNT, SCORED_COUNT, SLICE_START, SLICE_END = 0, 1, 2, 3
PAIR_COLUMNS = 4

Keys = npt.NDArray[np.uint64]
Longs = npt.NDArray[np.int64]


@numba.njit(cache=True, nogil=True, inline="always")
def pair_key(left: int | np.int64, right: int | np.int64) -> np.uint64:
    """Returns the key of a pair."""
    return (np.uint64(left) << HALF) | np.uint64(right)


@numba.njit(cache=True, nogil=True)
def find_slot(keys: Keys, key: np.uint64) -> np.int64:
    """Returns the slot that holds `key`, or the empty one where it belongs."""
    mask = np.uint64(keys.size - 1)
    # The product's upper half is its well mixed one.
    slot = ((key * _GOLDEN) >> HALF) & mask
    while keys[slot] != key and keys[slot] != EMPTY:
        slot = (slot + np.uint64(1)) & mask
    return np.int64(slot)


@numba.njit(cache=True, nogil=True)
def rehash(
    keys: Keys,
    values: Longs,
    new_keys: Keys,
    new_values: Longs,
) -> None:
    """Moves every used slot of a table (slots,) with values (slots, columns) into an empty, larger one."""
    for slot in range(keys.size):
        if keys[slot] != EMPTY:
            target = find_slot(new_keys, keys[slot])
            new_keys[target] = keys[slot]
            for column in range(values.shape[1]):
                new_values[target, column] = values[slot, column]


def capacity_for(pairs: int) -> int:
    """Returns the slots of a table that holds so many pairs at most half full."""
    return max(SMALLEST_CAPACITY, 1 << (2 * pairs).bit_length())


def empty_table(capacity: int, columns: int) -> tuple[Keys, Longs]:
    """Returns an empty table: keys (capacity,) uint64 and values (capacity, columns) int64."""
    return np.full(capacity, EMPTY, dtype=np.uint64), np.zeros((capacity, columns), dtype=np.int64)


def edges_of(keys: Keys, counts: Longs) -> Longs:
    """Returns a table's pairs as (pairs, 3) int64: left, right, count; most frequent first, ties by left, then right."""
    used = keys != EMPTY
    keys, counts = keys[used], counts[used, 0]
    order = np.lexsort((keys, -counts))
    left, right = keys[order] >> HALF, keys[order] & RIGHT_MASK
    return np.stack([left.astype(np.int64), right.astype(np.int64), counts[order]], axis=1)
