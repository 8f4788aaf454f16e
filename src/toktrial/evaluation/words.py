"""What a word is, which words a corpus knows, where words lie in a text, and how a tokenizer's tokens lie on them.

One definition of a word serves vocabularies, samples and minimal pairs. Token files -> marked text -> vocabulary.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from toktrial import progress
from toktrial.tokens.store import END_ID, TokenSplit

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents

LONGEST_WORD_BYTES = 63  # whose cuts are counted: the edges in a word, both ends among them, are the bits of one number
WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
"""Letters and digits, with an apostrophe inside: "don't" is one word."""
DOCUMENT_END = b"\n"  # stands for the closing id 0, so that no word reaches from one document into the next
Places = npt.NDArray[np.int64]


def words_of(text: str) -> list[str]:
    """Returns the words of a text in order, in lower case and with straight apostrophes.

    >>> words_of("Don\u2019t stop, Lily-Ann!")
    ["don't", 'stop', 'lily', 'ann']
    """
    return WORD.findall(text.lower().replace("\u2019", "'"))


def words_in(entry: bytes) -> int:
    """Returns how many words an entry touches.

    >>> words_in(b" of the"), words_in(b"n't stop. She"), words_in(b"...")
    (2, 3, 0)
    """
    return len(WORD.findall(entry.decode(errors="replace")))


def known_words(documents: "Documents", asked: Iterable[str]) -> frozenset[str]:
    """Returns those of the `asked` words (as `words_of` gives them) that occur in the documents, in whatever case.

    Reads the documents batch by batch until all words are found, and keeps nothing but the asked words.
    """
    import pyarrow.compute as pc

    unseen = set(asked)
    known: set[str] = set()
    done = 0
    with progress.progress("words that the corpus knows", documents.bytes, "B") as shown:
        for batch in documents.batches():
            if not unseen:
                break
            # A word holds no white space, so the distinct pieces between white space hold all words of the text.
            pieces = pc.list_flatten(pc.utf8_split_whitespace(batch)).unique().to_pylist()
            found = unseen & set(words_of("\n".join(pieces)))
            known |= found
            unseen -= found
            done += batch.nbytes
            shown.update(done)
    return frozenset(known)


@dataclass(frozen=True)
class MarkedText:
    """The first documents of a split and their words. The documents follow each other, each closed by a newline.

    It is the same for all tracks.
    """

    documents: int
    bytes: int
    """UTF-8 bytes of the documents, without the newlines that close them."""
    words: list[str]
    """Every word, in the order of the text."""
    starts: Places
    """(words,): the byte at which each word begins."""
    ends: Places
    """(words,): the byte after each word."""
    after_space: npt.NDArray[np.bool_]
    """(words,): whether a space stands before each word."""
    inside: npt.NDArray[np.bool_]
    """(bytes with newlines + 1,): whether the place before each byte has the same word on both sides."""
    closings: Places
    """(documents,): the newline that closes each document."""


@dataclass(frozen=True)
class TokenEdges:
    """Where the tokens of one track lie on a marked text."""

    ids: npt.NDArray[np.integer[Any]]
    """(tokens,): id 0 where a document is closed."""
    starts: Places
    """(tokens,): the byte of the text at which each token begins."""
    ends: Places
    """(tokens,): the byte after each token."""


def mark_first_documents(split: TokenSplit, token_bytes: Sequence[bytes], max_bytes: int) -> MarkedText:
    """Marks the words of as many of a split's first documents as fit into `max_bytes`: at least one, if there is one."""
    fit = int(np.searchsorted(np.cumsum(split.byte_lengths, dtype=np.int64), max_bytes, side="right"))
    documents = min(max(1, fit), split.documents)
    entries = [DOCUMENT_END, *token_bytes[1:]]
    text = b"".join([entries[token] for token in split.ids[: int(split.offsets[documents])].tolist()]).decode()
    encoded = np.frombuffer(text.encode(), dtype=np.uint8)
    words, starts, ends = _words_with_places(text, encoded)
    closings = np.cumsum(split.byte_lengths[:documents].astype(np.int64) + len(DOCUMENT_END)) - len(DOCUMENT_END)
    return MarkedText(
        documents=documents,
        bytes=len(encoded) - documents * len(DOCUMENT_END),
        words=words,
        starts=starts,
        ends=ends,
        after_space=(starts > 0) & (encoded[starts - 1] == ord(" ")),
        inside=_inside(starts, ends, len(encoded)),
        closings=closings,
    )


def token_edges(split: TokenSplit, entry_bytes: npt.NDArray[np.uint32], documents: int) -> TokenEdges:
    """Returns where a track's tokens lie on the marked text of its first `documents`."""
    ids = split.ids[: int(split.offsets[documents])]
    lengths = entry_bytes.astype(np.int64)
    lengths[END_ID] = len(DOCUMENT_END)
    ends = np.cumsum(lengths[ids])
    return TokenEdges(ids, ends - lengths[ids], ends)


def frequent_words(text: MarkedText, n_words: int) -> dict[str, Places]:
    """Returns the most frequent words, the first of equals first, each with its places in `text.words`."""
    rank = {word: place for place, (word, _) in enumerate(Counter(text.words).most_common(n_words))}
    ranks = np.fromiter((rank.get(word, -1) for word in text.words), dtype=np.int64, count=len(text.words))
    return {word: np.flatnonzero(ranks == place) for word, place in rank.items()}


def word_cuts(text: MarkedText, edges: TokenEdges, occurrences: Mapping[str, Places]) -> list[dict[str, Any]]:
    """Returns, ready for JSON, in how many ways each word is cut: each way is one more thing that a model has to learn of it.

    A way of cutting (`cuts`) is where token edges lie in the word, and whether its first token begins before it and its last
    one ends after it: `the` alone, ` the`, ` of the` (begins before it too) and ` th|e` are three ways. `entry_sequences`
    are the different sequences of entries that hold the word: there, ` the` and ` of the` are two.
    """
    return [{"word": word, "uses": len(places)} | _ways(text, edges, places) for word, places in occurrences.items()]


def number_words(text: MarkedText) -> Places:
    """Returns a number for each word of the text (words,), the same for equal words."""
    numbers = {word: number for number, word in enumerate(dict.fromkeys(text.words))}
    return np.fromiter((numbers[word] for word in text.words), dtype=np.int64, count=len(text.words))


def cuts_per_word(text: MarkedText, edges: TokenEdges, numbers: Places) -> float | None:
    """Returns in how many ways (`cuts`, as `word_cuts` has them) a word is cut: the mean over all words in running text.

    So a word counts as often as it is used. `numbers`: those of `number_words`. Words of more than 63 bytes are left out. None
    where there is no word.
    """
    short = text.ends - text.starts <= LONGEST_WORD_BYTES
    starts, lengths, numbers = text.starts[short], (text.ends - text.starts)[short], numbers[short]
    if not len(numbers):
        return None
    is_edge = np.zeros(len(text.inside), dtype=np.uint64)
    is_edge[edges.starts] = is_edge[edges.ends] = 1
    cuts = np.zeros(len(starts), dtype=np.uint64)
    for place in range(int(lengths.max()) + 1):
        reached = np.flatnonzero(lengths >= place)
        cuts[reached] |= is_edge[starts[reached] + place] << np.uint64(place)
    order = np.lexsort((cuts, numbers))
    cuts, numbers = cuts[order], numbers[order]
    is_new = np.append(True, (numbers[1:] != numbers[:-1]) | (cuts[1:] != cuts[:-1]))
    return float((np.bincount(numbers) * np.bincount(numbers[is_new])).sum() / len(numbers))


def _ways(text: MarkedText, edges: TokenEdges, places: Places) -> dict[str, Any]:
    starts, ends = text.starts[places], text.ends[places]
    first = np.searchsorted(edges.starts, starts, side="right") - 1
    last = np.searchsorted(edges.ends, ends, side="left")
    token = first[:, None] + np.arange(int((last - first).max()) + 1)  # (uses, tokens): the tokens that hold the word
    beyond = token > last[:, None]
    token = np.minimum(token, last[:, None])
    # One byte before and after the word stands for all bytes there.
    cuts = np.clip(edges.ends[token] - starts[:, None], None, (ends - starts + 1)[:, None])
    begins_before = edges.starts[first] < starts
    uses_of_cuts = _uses_of_rows(np.column_stack([begins_before, np.where(beyond, -1, cuts)]))
    uses_of_entries = _uses_of_rows(np.where(beyond, -1, edges.ids[token].astype(np.int64)))
    return {
        "cuts": len(uses_of_cuts),
        "entry_sequences": len(uses_of_entries),
        "share_of_commonest_cut": float(uses_of_cuts.max() / len(places)),
    }


def _uses_of_rows(rows: Places) -> Places:
    """How often each distinct row occurs. Sorts them as strings of bytes, which is faster than column by column."""
    packed = np.ascontiguousarray(rows, dtype=np.int64).view(f"V{8 * rows.shape[1]}").ravel()
    counts: Places = np.unique(packed, return_counts=True)[1]
    return counts


def _words_with_places(text: str, encoded: npt.NDArray[np.uint8]) -> tuple[list[str], Places, Places]:
    """The words of a text, given also in UTF-8, and the bytes at which they begin and end."""
    words, spans = [], array("q")  # of a list of spans, each would be three objects
    for match in WORD.finditer(text):
        words.append(match.group())
        spans.extend(match.span())
    byte_of_character = np.append(np.flatnonzero((encoded & 0xC0) != 0x80), encoded.size)  # continuation bytes: 10xxxxxx
    starts, ends = byte_of_character[np.frombuffer(spans, dtype=np.int64).reshape(-1, 2)].T
    return words, starts, ends


def _inside(starts: Places, ends: Places, n_bytes: int) -> npt.NDArray[np.bool_]:
    change = np.zeros(n_bytes + 1, dtype=np.int8)
    change[starts], change[ends] = 1, -1  # all differ: between two words lies at least one byte
    in_word = np.cumsum(change, dtype=np.int8).astype(np.bool_)
    inside = np.zeros(n_bytes + 1, dtype=np.bool_)
    inside[1:] = in_word[1:] & in_word[:-1]
    return inside
