"""The words of a corpus. How often each occurs is what bpe_trainer.py learns from; texts as numbers of words, Boundless BPE.

GPT-2's pre-tokenizer says what a word is.

The pre-tokenizer is its regular expression, written out as a loop over bytes:
`'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`. Which characters beyond ASCII are letters,
numbers or white space depends on the version of Unicode. So HF's own pre-tokenizer is asked, once for each that occurs.
"""

import functools
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from toktrial.corpus.documents import flat_buffers
from toktrial.tokenizer.pairs import HALF, Longs, Token
from toktrial.tokenizer.stream import USABLE_CORES

if TYPE_CHECKING:
    import tokenizers

MOST_THREADS = 8  # each has a table of its own, and merging tables is work of one thread
FEWEST_WORDS, FEWEST_LETTERS = 1 << 14, 1 << 18  # that a table has room for

# What a character is to the pre-tokenizer. UNSEEN: not asked yet; ASKED: about to be.
UNSEEN, LETTER, NUMBER, OTHER, SPACE, ASKED = 0, 1, 2, 3, 4, 5
EXAMPLES = {LETTER: "a", NUMBER: "1", OTHER: "!"}

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
NOTHING: Longs = np.zeros(0, dtype=np.int64)


class WordTable(NamedTuple):
    """Different words, in the order in which they were first met, in a hash table with open addressing."""

    slots: Longs
    """(a power of two, at least twice the room,) int64: the word in each slot, -1 where there is none."""
    hashes: Hashes
    """(room,) uint64."""
    counts: Longs
    """(room,) int64: how often each word occurs."""
    offsets: Longs
    """(room + 1,) int64: where each word begins in `letters`; the next one's beginning is its end."""
    letters: Bytes
    """(room for letters,) uint8: the words' UTF-8 bytes, joined."""
    used: Longs
    """(1,) int64: how many words there are."""

    def words(self) -> tuple[Bytes, Longs, Longs]:
        """Returns the words' bytes, joined; the offsets (words + 1,) into them; and the counts (words,)."""
        words = int(self.used[0])
        return self.letters[: self.offsets[words]], self.offsets[: words + 1], self.counts[:words]


def count_words(batches: Iterator[pa.LargeStringArray]) -> tuple[Bytes, Longs, Longs]:
    """Counts the words of documents: bytes joined (uint8), offsets (words + 1,) into them, counts (words,) int64.

    The order of the words depends on the number of cores; nothing else does. Memory: some 60 bytes and itself for a word.
    """
    counters = [WordCounter() for _ in range(min(USABLE_CORES, MOST_THREADS))]
    with ThreadPoolExecutor(len(counters)) as pool:
        while group := list(itertools.islice(batches, len(counters))):
            list(pool.map(WordCounter.add_texts, counters, group))
    first, *others = counters
    for other in others:
        first.add(*other.table.words())
    return first.table.words()


def number_words(texts: pa.LargeStringArray) -> tuple[list[bytes], Longs, Longs]:
    """Returns the different words of documents in the order in which they are met, and the documents as numbers of these.

    The numbers are flat, int64, with offsets (documents + 1,) into them.
    """
    counter, (walls, data) = WordCounter(), flat_buffers(texts)
    # A word has one byte or more. Pages that are never written take no memory.
    numbers, offsets = np.empty(int(walls[-1] - walls[0]), dtype=np.int64), np.zeros(walls.size, dtype=np.int64)
    counter.add(data, walls, numbers=numbers, ends=offsets)
    letters, starts, _ = counter.table.words()
    joined = letters.tobytes()
    return [joined[start:end] for start, end in itertools.pairwise(starts)], numbers[: offsets[-1]], offsets


class WordCounter:
    """A table of words, and what is known of characters. One thread uses it."""

    def __init__(self) -> None:
        self.kinds = np.zeros(0x200000, dtype=np.uint8)  # for any four bytes
        self.kinds[:128] = _ascii_kinds()
        self.table = _empty_table(FEWEST_WORDS, FEWEST_LETTERS)

    def add_texts(self, texts: pa.LargeStringArray) -> None:
        """Counts the words of documents."""
        offsets, data = flat_buffers(texts)
        self.add(data, offsets)

    def add(self, data: Bytes, walls: Longs, weights: Longs = NOTHING, numbers: Longs = NOTHING, ends: Longs = NOTHING) -> None:
        """Counts words, in the arrays that `_count_words` takes."""
        document, place, wanted = 0, int(walls[0]), -1
        while wanted:
            document, place, wanted = _count_words(
                *self.table, self.kinds, data, walls, weights, numbers, ends, document, place
            )
            if wanted > 0:
                self._make_room(wanted)
            elif wanted < 0:
                _mark_unseen(self.kinds, data[walls[0] : walls[-1]])
                for point in np.flatnonzero(self.kinds == ASKED).tolist():
                    self.kinds[point] = _kind_of(chr(point))

    def _make_room(self, letters: int) -> None:
        """Makes room for a word of so many bytes, and for as many words and letters as there are."""
        used, old = int(self.table.used[0]), self.table
        n_letters = int(old.offsets[used])
        table = _empty_table(max(FEWEST_WORDS, 2 * used), max(FEWEST_LETTERS, 2 * (n_letters + letters)))
        table.letters[:n_letters] = old.letters[:n_letters]
        for new, before, size in zip(table[1:4], old[1:4], (used, used, used + 1), strict=True):
            new[:size] = before[:size]
        table.used[0] = used
        _fill_slots(table)
        self.table = table


@functools.cache
def _ascii_kinds() -> list[int]:
    return [_kind_of(chr(point)) for point in range(128)]


def _kind_of(character: str) -> int:
    """Asks HF's pre-tokenizer: an example of the character's own kind stays joined with it."""
    alike = (kind for kind, example in EXAMPLES.items() if len(_byte_level().pre_tokenize_str(example + character)) == 1)
    return next(alike, SPACE)


@functools.cache
def _byte_level() -> "tokenizers.pre_tokenizers.PreTokenizer":
    from tokenizers import pre_tokenizers

    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _empty_table(words: int, letters: int) -> WordTable:
    return WordTable(
        slots=np.full(1 << (2 * words - 1).bit_length(), -1, dtype=np.int64),
        hashes=np.zeros(words, dtype=np.uint64),
        counts=np.zeros(words, dtype=np.int64),
        offsets=np.zeros(words + 1, dtype=np.int64),
        letters=np.zeros(letters, dtype=np.uint8),
        used=np.zeros(1, dtype=np.int64),
    )


@numba.njit(cache=True, nogil=True)
def _fill_slots(table: WordTable) -> None:
    mask = np.uint64(table.slots.size - 1)
    for word in range(table.used[0]):
        slot = (table.hashes[word] >> HALF) & mask
        while table.slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table.slots[slot] = word


@numba.njit(cache=True, nogil=True)
def _count_words(
    slots: Longs,
    hashes: Hashes,
    counts: Longs,
    offsets: Longs,
    letters: Bytes,
    used: Longs,
    kinds: Bytes,
    data: Bytes,
    walls: Longs,
    weights: Longs,
    numbers: Longs,
    ends: Longs,
    document: int,
    place: int,
) -> tuple[int, int, int]:
    """Counts the words of documents, from a place in one of them on, in a WordTable, whose parts come first.

    walls: where documents begin and end in data; weights: (0,), or (documents,) where each document is a word and stands for
    so many of it; numbers, ends: (0,), or room for a number a word, and zeros (documents + 1,): take each word's number in the
    table, and where each document ends among them. Returns where it stopped and why: 0 at the end; -1 at a character that is
    not known yet; otherwise there is no room for a word of so many bytes.

    All in one loop, with the parts of the table one by one: numba counts references to arrays that it hands to a function,
    also to an inlined one and in a tuple, and that halves the speed.
    """
    mask = np.uint64(slots.size - 1)
    while document < walls.size - 1:
        end = walls[document + 1]
        if numbers.size and place == walls[document]:
            ends[document + 1] = ends[document]
        while place < end:
            word_end = end if weights.size else end_of_word(kinds, data, place, end)
            if word_end < 0:
                return document, place, -1
            code = np.uint64(0xCBF29CE484222325)  # FNV-1a
            for k in range(place, word_end):
                code = (code ^ np.uint64(data[k])) * np.uint64(0x100000001B3)
            slot = (code >> HALF) & mask
            while slots[slot] >= 0:
                word = slots[slot]
                begin = offsets[word]
                is_same = hashes[word] == code and offsets[word + 1] - begin == word_end - place
                if is_same:
                    for k in range(word_end - place):
                        if letters[begin + k] != data[place + k]:
                            is_same = False
                            break
                if is_same:
                    break
                slot = (slot + np.uint64(1)) & mask
            word = slots[slot]
            if word < 0:
                word = _new_word(counts, offsets, letters, used, data, place, word_end)
                if word < 0:
                    return document, place, word_end - place
                slots[slot], hashes[word] = word, code
            counts[word] += weights[document] if weights.size else 1
            if numbers.size:
                numbers[ends[document + 1]] = word
                ends[document + 1] += 1
            place = word_end
        document += 1
    return document, place, 0


@numba.njit(cache=True, nogil=True)
def _new_word(counts: Longs, offsets: Longs, letters: Bytes, used: Longs, data: Bytes, start: int, end: int) -> int:
    """Writes a new word into the table, and returns its number; -1 if there is no room for it."""
    word = used[0]
    begin = offsets[word]
    if word == counts.size or begin + end - start > letters.size:
        return -1
    letters[begin : begin + end - start] = data[start:end]
    offsets[word + 1] = begin + end - start
    used[0] = word + 1
    return int(word)


@numba.njit(cache=True, nogil=True, inline="always")
def end_of_word(kinds: Bytes, data: Bytes, start: int, end: int) -> int:
    """Returns where the word that begins at `start` ends, -1 if that depends on a character that is not known yet."""
    if data[start] == ord("'"):
        length = _contraction(data, start, end)
        if length:
            return start + length
    place = start
    if data[start] == ord(" ") and start + 1 < end:
        place += 1
    point, width = _character(data, place)
    kind = kinds[point]
    if kind == SPACE:  # so a space before it does not belong to it
        return _end_of_space(kinds, data, start, end)
    while place < end:
        point, width = _character(data, place)
        if kinds[point] != kind or kind == UNSEEN:
            return place if kinds[point] != UNSEEN else -1
        place += width
    return place


@numba.njit(cache=True, nogil=True)
def _end_of_space(kinds: Bytes, data: Bytes, start: int, end: int) -> int:
    """Returns the same for a run of white space: before anything else it leaves its last character to that, or alone."""
    last = place = start
    while place < end:
        point, width = _character(data, place)
        if kinds[point] != SPACE:
            break
        last, place = place, place + width
    if place < end and kinds[point] == UNSEEN:
        return -1
    return last if place < end and last > start else place


@numba.njit(cache=True, nogil=True, inline="always")
def _contraction(data: Bytes, start: int, end: int) -> int:
    """Returns the length of the contraction that an apostrophe begins, 0 for none."""
    first = data[start + 1] if start + 1 < end else 0
    second = data[start + 2] if start + 2 < end else 0
    if first == ord("s") or first == ord("t") or first == ord("m") or first == ord("d"):
        return 2
    if (first == ord("l") and second == ord("l")) or (second == ord("e") and (first == ord("r") or first == ord("v"))):
        return 3
    return 0


@numba.njit(cache=True, nogil=True, inline="always")
def _character(data: Bytes, place: int) -> tuple[Token, int]:
    """Returns the code point of the UTF-8 character at a place, and its length in bytes."""
    first = np.int64(data[place])
    if first < 0x80:
        return first, 1
    second = np.int64(data[place + 1]) & 0x3F
    if first < 0xE0:
        return (first & 0x1F) << 6 | second, 2
    third = np.int64(data[place + 2]) & 0x3F
    if first < 0xF0:
        return (first & 0x0F) << 12 | second << 6 | third, 3
    return (first & 0x07) << 18 | second << 12 | third << 6 | np.int64(data[place + 3]) & 0x3F, 4


@numba.njit(cache=True, nogil=True)
def _mark_unseen(kinds: Bytes, data: Bytes) -> None:
    """Marks every character of a text that is not known yet."""
    place = 0
    while place < data.size:
        point, width = _character(data, place)
        if kinds[point] == UNSEEN:
            kinds[point] = ASKED
        place += width
