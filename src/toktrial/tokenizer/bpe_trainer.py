"""Learns BPE's merges from words and how often each occurs: those of HF `tokenizers`, in its order. Called by bpe.py.

The pair that occurs most often in all words is merged next; of equals, the one with the smaller left id, then the smaller
right id. It stops at the vocabulary's size, or where no pair occurs `min_frequency` times.

It works as the merge engine does (merge_engine.py): the words stand in one array of cells with walls between them, a token
grows in place, with its id in its first and its last cell, and the places of a pair are written once, when it arises. But
here each word stands once, and each of its places counts as often as the word occurs.

No two merges give the same entry. Whatever stands between two borders that no merge has crossed was merged as it would be
alone, so a string becomes an entry everywhere at once. HF looks for the entry first, but never finds it.
"""

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.base import END_OF_TEXT
from toktrial.tokenizer.best_pairs import BestPairs
from toktrial.tokenizer.merge_rules import MergeRule
from toktrial.tokenizer.pairs import (
    COUNT,
    EMPTY,
    HALF,
    SCORED_COUNT,
    SLICE_END,
    SLICE_START,
    IntArray,
    Keys,
    Longs,
    find_slot,
    pair_key,
)
from toktrial.tokenizer.transformers_files import BYTE_OF_CHARACTER

# HF orders the alphabet by the characters that stand for the bytes.
FIRST_ENTRIES = (END_OF_TEXT.encode(), *(bytes([BYTE_OF_CHARACTER[character]]) for character in sorted(BYTE_OF_CHARACTER)))
WIDTH = len(FIRST_ENTRIES)
WALL, STALE = -1, -2  # in cells: between words; where the right part of a merged pair began

# Rows of the work of one merge. Each of its columns stands for a pair: that of a token before the merged one, or of one after.
RAISED, LOWERED, PLACES, TOUCHED, TOUCHED_LOWERED = range(5)

Ints = npt.NDArray[np.int32]


class Words(NamedTuple):
    """The words, cut into tokens."""

    cells: Ints
    """(bytes + words + 1,) int32: the tokens, with a wall before, between and after words."""
    word_of: Ints
    """(bytes + words + 1,) int32: the word that each cell belongs to."""
    counts: Longs
    """(words,) int64: how often each word occurs."""
    spans: Ints
    """(vocab_size,) int32: the cells that a token covers."""


def learn_bpe(
    letters: npt.NDArray[np.uint8],
    offsets: Longs,
    counts: Longs,
    vocab_size: int,
    min_frequency: int,
) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Returns the entries, FIRST_ENTRIES first, and the merges (left id, right id) that make the others, in order.

    letters, offsets, counts: words as `count_words` returns them. Memory: some 25 bytes for each letter of the different words.
    """
    learner = _Learner(_lay_out_words(letters, offsets, counts, vocab_size), vocab_size, max(min_frequency, 1))
    entries, merges = list(FIRST_ENTRIES), []
    while len(entries) < vocab_size and (best := learner.take_best()) is not None:
        left, right = best
        learner.merge(left, right, len(entries))
        entries.append(entries[left] + entries[right])
        merges.append(best)
    return entries, merges


def _lay_out_words(letters: npt.NDArray[np.uint8], offsets: Longs, counts: Longs, vocab_size: int) -> Words:
    id_of_byte = np.zeros(256, dtype=np.int32)
    for token, entry in enumerate(FIRST_ENTRIES[1:], start=1):
        id_of_byte[entry[0]] = token
    sizes = np.diff(offsets)
    cells = np.insert(id_of_byte[letters], np.append(offsets[:-1], letters.size), WALL)
    word_of = np.append(np.repeat(np.arange(sizes.size, dtype=np.int32), sizes + 1), np.int32(0))
    return Words(cells, word_of, counts, np.ones(max(vocab_size, WIDTH), dtype=np.int32))


class _Learner:
    """The words, and where their pairs are; BestPairs knows the counts and the best one."""

    def __init__(self, words: Words, vocab_size: int, min_frequency: int) -> None:
        self._words, self._vocab_size = words, vocab_size
        place_type = np.int32 if words.cells.size <= np.iinfo(np.int32).max else np.int64
        totals, places = np.zeros(WIDTH**2, dtype=np.int64), np.zeros(WIDTH**2, dtype=np.int64)
        _count_pairs(*words[:3], totals, places)
        ends = np.cumsum(places)
        self._places: IntArray = np.empty(int(ends[-1]), dtype=place_type)
        _write_places(words.cells, ends - places, self._places)
        self._used_places = self._places.size
        kept = np.flatnonzero(totals >= min_frequency)
        keys, counts = (kept // WIDTH).astype(np.uint64) << HALF | (kept % WIDTH).astype(np.uint64), totals[kept]
        self._best = BestPairs(np.zeros(0, dtype=np.int64), 0, MergeRule(min_frequency))
        self._best.threshold = min_frequency
        self._best.fill(keys, np.stack([counts, counts, ends[kept] - places[kept], ends[kept]], axis=1))
        self._work = np.zeros((TOUCHED_LOWERED + 1, 2 * vocab_size), dtype=np.int64)
        # A merge makes two pairs for each token that it removes at most. Pages that are never written take no memory.
        self._events: IntArray = np.empty((2, 2 * words.cells.size), dtype=place_type)

    def take_best(self) -> tuple[int, int] | None:
        """Takes the best pair: left id, right id. None if no pair of `min_frequency` is left."""
        best = self._best.take()
        return best and best[:2]

    def merge(self, left: int, right: int, new: int) -> None:
        """Replaces the pair by the new id everywhere, and keeps the pairs that arise and are frequent enough."""
        best = self._best
        self._words.spans[new] = self._words.spans[left] + self._words.spans[right]
        slot = find_slot(best.table.keys, pair_key(left, right))
        places = self._places[best.table.values[slot, SLICE_START] : best.table.values[slot, SLICE_END]]
        events, touched, lowered = _replace(*self._words, places, left, right, new, self._vocab_size, self._work, self._events)
        best.make_room(touched)
        self._make_room(events)
        new_keys = np.empty(touched, dtype=np.uint64)
        kept, self._used_places = _keep_pairs(
            best.table.keys, best.table.values, self._places, self._used_places, self._work, self._events[:, :events],
            touched, lowered, left, right, new, self._vocab_size, best.threshold, new_keys,
        )  # fmt: skip
        best.add(new_keys[:kept])

    def _make_room(self, events: int) -> None:
        if self._used_places + events > self._places.size:
            places = np.empty(2 * (self._used_places + events), dtype=self._places.dtype)
            places[: self._used_places] = self._places[: self._used_places]
            self._places = places


@numba.njit(cache=True, nogil=True)
def _count_pairs(cells: Ints, word_of: Ints, counts: Longs, totals: Longs, places: Longs) -> None:
    """Adds up how often each pair of first entries occurs in all words, and at how many places."""
    for cell in range(cells.size - 1):
        if cells[cell] >= 0 and cells[cell + 1] >= 0:
            pair = cells[cell] * WIDTH + cells[cell + 1]
            totals[pair] += counts[word_of[cell]]
            places[pair] += 1


@numba.njit(cache=True, nogil=True)
def _write_places(cells: Ints, cursors: Longs, places: IntArray) -> None:
    """Writes where each pair of first entries stands, ascending, from its cursor on."""
    for cell in range(cells.size - 1):
        if cells[cell] >= 0 and cells[cell + 1] >= 0:
            pair = cells[cell] * WIDTH + cells[cell + 1]
            places[cursors[pair]] = cell
            cursors[pair] += 1


@numba.njit(cache=True, nogil=True)
def _replace(
    cells: Ints,
    word_of: Ints,
    counts: Longs,
    spans: Ints,
    places: IntArray,
    left: int,
    right: int,
    new: int,
    vocab_size: int,
    work: Longs,
    events: IntArray,
) -> tuple[int, int, int]:
    """Replaces a pair at every place that still holds it, leftmost first, and notes in `work` which counts rise and fall.

    events (2, room): notes which pair arises, as a column of `work`, and where. Returns how many events there are, and how
    many columns are noted in the rows TOUCHED and TOUCHED_LOWERED.
    """
    n_events, touched, touched_lowered = 0, 0, 0
    for k in range(places.size):
        place = np.int64(places[k])
        middle, behind = place + spans[left], place + spans[new]
        if cells[place] != left or cells[middle] != right:
            continue
        count = counts[word_of[place]]
        for side in range(2):
            neighbour = np.int64(cells[place - 1] if side == 0 else cells[behind])
            if neighbour == WALL:
                continue
            column = neighbour + side * vocab_size
            if work[LOWERED, column] == 0:
                work[TOUCHED_LOWERED, touched_lowered] = column
                touched_lowered += 1
            work[LOWERED, column] += count
            if work[PLACES, column] == 0:
                work[TOUCHED, touched] = column
                touched += 1
            work[RAISED, column] += count
            work[PLACES, column] += 1
            events[0, n_events], events[1, n_events] = column, place - spans[neighbour] if side == 0 else place
            n_events += 1
        cells[middle] = STALE
        cells[place] = new
        cells[behind - 1] = new
    return n_events, touched, touched_lowered


@numba.njit(cache=True, nogil=True)
def _keep_pairs(
    keys: Keys,
    table: Longs,
    places: IntArray,
    used_places: int,
    work: Longs,
    events: IntArray,
    touched: int,
    lowered: int,
    left: int,
    right: int,
    new: int,
    vocab_size: int,
    min_frequency: int,
    new_keys: Keys,
) -> tuple[int, int]:
    """Changes the counts as noted in `work`, which it clears, and enters the pairs that are frequent enough, with their places.

    Returns how many pairs it has entered, whose keys are in new_keys, and how many places are used.
    """
    kept = 0
    for k in range(touched):
        column = work[TOUCHED, k]
        if work[RAISED, column] >= min_frequency:
            key = pair_key(column, new) if column < vocab_size else pair_key(new, column - vocab_size)
            slot = find_slot(keys, key)
            keys[slot], new_keys[kept] = key, key
            table[slot, COUNT] = work[RAISED, column]
            table[slot, SLICE_START] = used_places
            used_places += work[PLACES, column]
            table[slot, SLICE_END] = used_places
            work[PLACES, column] = table[slot, SLICE_START]  # from here on, where its next place goes
            kept += 1
        else:
            work[PLACES, column] = -1
        work[RAISED, column] = 0
    for k in range(events.shape[1]):
        if work[PLACES, events[0, k]] >= 0:
            places[work[PLACES, events[0, k]]] = events[1, k]
            work[PLACES, events[0, k]] += 1
    for k in range(touched):
        work[PLACES, work[TOUCHED, k]] = 0
    for k in range(lowered):
        column = work[TOUCHED_LOWERED, k]
        slot = find_slot(keys, pair_key(column, left) if column < vocab_size else pair_key(right, column - vocab_size))
        if keys[slot] != EMPTY:
            table[slot, COUNT] -= work[LOWERED, column]
        work[LOWERED, column] = 0
    for k in range(kept):  # their counts may have been lowered at once: of `aaaa`, (aa, a) lasts until the second merge
        slot = find_slot(keys, new_keys[k])
        table[slot, SCORED_COUNT] = table[slot, COUNT]
    return kept, used_places
