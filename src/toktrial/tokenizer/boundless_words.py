"""The words of Boundless BPE's learning: BPE within words, whose entries may be deleted again. boundless.py drives it.

Every different word is kept once, with how often it occurs. A merge, or a deletion, is one pass over all of them: the words are
few compared with the text. Their pairs are counted in the hash table of pairs.py.
"""

from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.bpe_trainer import FIRST_ENTRIES
from toktrial.tokenizer.pairs import COUNT, EMPTY, HALF, RIGHT_MASK, Keys, Longs, PairTable, Token, find_slot, pair_key

WALL = -1  # before, between and after words
ID_OF_BYTE = np.zeros(256, dtype=np.int32)
ID_OF_BYTE[[entry[0] for entry in FIRST_ENTRIES[1:]]] = np.arange(1, 257)
NEVER = -(1 << 62)  # the count of a pair that is passed over, whatever is added to it

Ints = npt.NDArray[np.int32]


class WordMerges:
    """Different words, cut into tokens, and how often these and their pairs occur."""

    def __init__(self, words: Sequence[bytes], counts: Longs) -> None:
        """Cuts every word (one byte or more) into its bytes. counts: (words,), how often each occurs."""
        self._weights = np.ascontiguousarray(counts, dtype=np.int64)
        letters = ID_OF_BYTE[np.frombuffer(b"".join(words), dtype=np.uint8)]
        ends = np.cumsum([0, *map(len, words)])
        self._cells: Ints = np.insert(letters, ends, WALL).astype(np.int32)
        self._spare = np.empty_like(self._cells)
        self._used = self._cells.size
        self.token_counts = np.zeros(len(FIRST_ENTRIES), dtype=np.int64)
        self._table = PairTable()
        self._table.make_room(1 << 16)
        _count(self._cells, self._weights, self._table.keys, self._table.values, self.token_counts)
        self.token_of_word = np.full(len(words), -1, dtype=np.int64)
        """(words,): the token that a word is as a whole, -1 for a word of several."""
        is_whole = np.diff(ends) == 1
        self.token_of_word[is_whole] = letters[ends[:-1][is_whole]]

    def best(self) -> tuple[int, int, int]:
        """Returns the most frequent pair, of equals the one with the smallest ids: left, right, count; count 0 for none."""
        key, count = _best(self._table.keys, self._table.values)
        return int(key >> HALF), int(key & RIGHT_MASK), int(count)

    def pass_over(self, left: int, right: int) -> None:
        """Leaves a pair alone from now on."""
        self._table.values[find_slot(self._table.keys, pair_key(left, right)), COUNT] = NEVER

    def merge(self, left: int, right: int, new: int) -> tuple[int, list[int]]:
        """Merges a pair everywhere, leftmost first, into a token whose id is new or has been given already.

        Returns how often it was merged, and the words that are one token now.
        """
        new_ids = max(new + 1 - self.token_counts.size, 0)  # superwords have ids too
        self.token_counts = np.append(self.token_counts, np.zeros(new_ids, dtype=np.int64))
        merged, changed = self._rewrite(left, right, np.array([new], dtype=np.int32))
        self.token_counts[[left, right]] -= merged if left != right else 2 * merged
        self.token_counts[new] += merged
        self.token_of_word[changed] = new
        return merged, changed.tolist()

    def delete(self, token: int, entry: bytes) -> list[int]:
        """Cuts all uses of a token into bytes; returns the words that were that token as a whole."""
        letters = ID_OF_BYTE[np.frombuffer(entry, dtype=np.uint8)]
        was_whole = np.flatnonzero(self.token_of_word == token)
        uses, _ = self._rewrite(token, WALL, letters)
        self.token_counts[token] = 0
        np.add.at(self.token_counts, letters, uses)
        self.token_of_word[was_whole] = -1
        return was_whole.tolist()

    def _rewrite(self, left: int, right: int, parts: Ints) -> tuple[int, Longs]:
        """Replaces a pair, or a token if `right` is WALL; returns how often, and the words that became one token."""
        new_pairs = 2 * self.token_counts.size + parts.size
        self._table.used = int(np.count_nonzero(self._table.keys != EMPTY))
        self._table.make_room(new_pairs)
        became_whole = np.empty(self._weights.size, dtype=np.int64)
        replaced, whole, length = _rewrite_words(
            self._cells[: self._used],
            self._spare,
            self._weights,
            left,
            right,
            parts,
            self._table.keys,
            self._table.values,
            became_whole,
        )
        self._cells, self._spare, self._used = self._spare, self._cells, length
        return replaced, became_whole[:whole]


@numba.njit(cache=True, nogil=True)
def _count(cells: Ints, weights: Longs, keys: Keys, counts: Longs, token_counts: Longs) -> None:
    """Counts tokens, and their pairs in a table that has room for all."""
    word = -1
    for cell in range(cells.size):
        if cells[cell] == WALL:
            word += 1
            continue
        token_counts[cells[cell]] += weights[word]
        if cells[cell + 1] != WALL:
            _add(keys, counts, cells[cell], cells[cell + 1], weights[word])


@numba.njit(cache=True, nogil=True, inline="always")
def _add(keys: Keys, counts: Longs, left: Token, right: Token, weight: int) -> None:
    key = pair_key(left, right)
    slot = find_slot(keys, key)
    keys[slot] = key
    counts[slot, COUNT] += weight


@numba.njit(cache=True, nogil=True)
def _best(keys: Keys, counts: Longs) -> tuple[np.uint64, int]:
    best, most = EMPTY, 0
    for slot in range(keys.size):
        if counts[slot, COUNT] > most or (counts[slot, COUNT] == most and most > 0 and keys[slot] < best):
            best, most = keys[slot], counts[slot, COUNT]
    return best, most


@numba.njit(cache=True, nogil=True)
def _rewrite_words(
    cells: Ints,
    rewritten: Ints,
    weights: Longs,
    left: int,
    right: int,
    parts: Ints,
    keys: Keys,
    counts: Longs,
    became_whole: Longs,
) -> tuple[int, int, int]:
    """Writes all words with `parts` for every pair of left and right (for every left, if right is WALL), and counts anew.

    Returns how often that was done (in all occurrences of the words), how many words became one token, and the cells written.
    """
    replaced, whole, length = 0, 0, 1
    rewritten[0] = WALL
    start = 1
    for word in range(weights.size):
        weight, begin = weights[word], length
        end = start
        is_changed = False
        while cells[end] != WALL:
            is_changed |= cells[end] == left and (right == WALL or cells[end + 1] == right)
            end += 1
        cell = start
        while cell < end:
            if is_changed and cell + 1 < end:
                _add(keys, counts, cells[cell], cells[cell + 1], -weight)
            if cells[cell] == left and (right == WALL or cells[cell + 1] == right):
                if right != WALL:  # two cells at once
                    cell += 1
                    if cell + 1 < end:
                        _add(keys, counts, cells[cell], cells[cell + 1], -weight)
                for part in parts:
                    rewritten[length] = part
                    length += 1
                replaced += weight
            else:
                rewritten[length] = cells[cell]
                length += 1
            cell += 1
        if is_changed:
            for place in range(begin, length - 1):
                _add(keys, counts, rewritten[place], rewritten[place + 1], weight)
            if length - begin == 1:
                became_whole[whole] = word
                whole += 1
        rewritten[length] = WALL
        length += 1
        start = end + 1
    return replaced, whole, length
