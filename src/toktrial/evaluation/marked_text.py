"""Where the words of a text lie, and which places in it are inside a word: what the account of a vocabulary judges entries by.

Token files -> marked text -> entry_classes, word_cuts.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.evaluation.words import WORD
from toktrial.tokens.store import END_ID, TokenSplit

DOCUMENT_END = b"\n"  # stands for the closing id 0, so that no word reaches from one document into the next


@dataclass(frozen=True)
class MarkedText:
    """The first documents of a split, one after the other, each closed by a newline, with its words; of all tracks the same."""

    documents: int
    bytes: int
    """UTF-8 bytes of the documents, without the newlines that close them."""
    words: list[str]
    """Every word, in the order of the text."""
    starts: npt.NDArray[np.int64]
    """(words,): the byte at which each word begins."""
    ends: npt.NDArray[np.int64]
    """(words,): the byte after each word."""
    inside: npt.NDArray[np.bool_]
    """(bytes with newlines + 1,): whether the place before each byte has the same word on both sides."""


@dataclass(frozen=True)
class TokenEdges:
    """The tokens of one track on a marked text."""

    ids: npt.NDArray[np.integer[Any]]
    """(tokens,): id 0 where a document is closed."""
    starts: npt.NDArray[np.int64]
    """(tokens,): the byte of the text at which each token begins."""
    ends: npt.NDArray[np.int64]
    """(tokens,): the byte after each token."""


def words_in(entry: bytes) -> int:
    """Returns how many words an entry touches: runs of letters and digits, an apostrophe inside counting as a letter.

    >>> words_in(b" of the"), words_in(b"n't stop. She"), words_in(b"...")
    (2, 3, 0)
    """
    return len(WORD.findall(entry.decode(errors="replace")))


def mark_first_documents(split: TokenSplit, token_bytes: Sequence[bytes], max_bytes: int) -> MarkedText:
    """Marks the words of the first documents of a split: as many as `max_bytes` hold, one at least where there is one."""
    documents = first_documents(split, max_bytes)
    entries = [DOCUMENT_END, *token_bytes[1:]]
    ids = split.ids[: int(split.offsets[documents])].tolist()
    text = b"".join([entries[token] for token in ids]).decode()
    words, starts, ends = _words_of(text)
    n_bytes = int(split.byte_lengths[:documents].sum(dtype=np.int64))
    return MarkedText(documents, n_bytes, words, starts, ends, _inside(starts, ends, n_bytes + documents * len(DOCUMENT_END)))


def first_documents(split: TokenSplit, max_bytes: int) -> int:
    """Returns how many documents from the first on hold at most `max_bytes`; one at least where there is one."""
    fit = int(np.searchsorted(np.cumsum(split.byte_lengths, dtype=np.int64), max_bytes, side="right"))
    return min(max(1, fit), split.documents)


def token_edges(split: TokenSplit, entry_bytes: npt.NDArray[np.uint32], documents: int) -> TokenEdges:
    """Returns where a track's tokens lie in the marked text of its first `documents`."""
    ids = split.ids[: int(split.offsets[documents])]
    lengths = entry_bytes.astype(np.int64)
    lengths[END_ID] = len(DOCUMENT_END)
    ends = np.cumsum(lengths[ids])
    return TokenEdges(ids, ends - lengths[ids], ends)


def _words_of(text: str) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The words of a text, and the bytes at which they begin and end."""
    words, spans = [], array("q")  # of a list of spans, each would be three objects
    for match in WORD.finditer(text):
        words.append(match.group())
        spans.extend(match.span())
    encoded = np.frombuffer(text.encode(), dtype=np.uint8)
    byte_of_character = np.append(np.flatnonzero((encoded & 0xC0) != 0x80), encoded.size)  # continuation bytes: 10xxxxxx
    starts, ends = byte_of_character[np.frombuffer(spans, dtype=np.int64).reshape(-1, 2)].T
    return words, starts, ends


def _inside(starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], n_bytes: int) -> npt.NDArray[np.bool_]:
    change = np.zeros(n_bytes + 1, dtype=np.int8)
    change[starts], change[ends] = 1, -1  # all differ: between two words lies at least one byte
    in_word = np.cumsum(change, dtype=np.int8).astype(np.bool_)
    inside = np.zeros(n_bytes + 1, dtype=np.bool_)
    inside[1:] = in_word[1:] & in_word[:-1]
    return inside
