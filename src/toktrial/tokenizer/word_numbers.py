"""Documents as numbers of words, for the recipe `boundlessbpe`. word_counts.py says what a word is, and finds them."""

import itertools

import numba
import numpy as np
import pyarrow as pa

from toktrial.corpus.documents import flat_buffers
from toktrial.tokenizer.pairs import HALF, Longs
from toktrial.tokenizer.word_counts import Bytes, WordCounter, WordTable, end_of_word


def number_words(texts: pa.LargeStringArray) -> tuple[list[bytes], Longs, Longs]:
    """Returns the different words of documents in the order in which they are met, and the documents as numbers of these.

    The numbers are flat, int64, with offsets (documents + 1,) into them.
    """
    counter = WordCounter()
    counter.add_texts(texts)
    walls, data = flat_buffers(texts)
    letters, starts, counts = counter.table.words()
    numbers, offsets = np.empty(int(counts.sum()), dtype=np.int64), np.zeros(walls.size, dtype=np.int64)
    _number(counter.table, counter.kinds, data, walls, numbers, offsets)
    joined = letters.tobytes()
    return [joined[start:end] for start, end in itertools.pairwise(starts)], numbers, offsets


@numba.njit(cache=True, nogil=True)
def _number(table: WordTable, kinds: Bytes, data: Bytes, walls: Longs, numbers: Longs, offsets: Longs) -> None:
    """Writes the number of every word; the table holds all of them."""
    slots, hashes, letters, starts = table.slots, table.hashes, table.letters, table.offsets
    mask = np.uint64(slots.size - 1)
    met = 0
    for document in range(walls.size - 1):
        place, end = walls[document], walls[document + 1]
        while place < end:
            word_end = end_of_word(kinds, data, place, end)
            code = np.uint64(0xCBF29CE484222325)  # FNV-1a, as the table has it
            for k in range(place, word_end):
                code = (code ^ np.uint64(data[k])) * np.uint64(0x100000001B3)
            slot = (code >> HALF) & mask
            while True:
                word = slots[slot]
                begin, size = starts[word], starts[word + 1] - starts[word]
                if hashes[word] == code and size == word_end - place:
                    same = 0
                    while same < size and letters[begin + same] == data[place + same]:
                        same += 1
                    if same == size:
                        break
                slot = (slot + np.uint64(1)) & mask
            numbers[met] = word
            met += 1
            place = word_end
        offsets[document + 1] = met
