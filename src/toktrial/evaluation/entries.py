"""What the entries of a vocabulary are: what kind of thing each is to a reader, and the tree of merges that built it.

An entry's own bytes cannot say whether its first and last word are whole: ` a l` might end with a word `l`. So the text
decides, by where the edges of its uses fall. Trees come from `Tokenizer.parts`; a tokenizer that knows no merges has none.
Marked text and tokenizers -> entries -> vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.evaluation.words import WORD, MarkedText, TokenEdges

Counts = npt.NDArray[np.int64]
# Each class with what belongs to it. Every entry but id 0 is in exactly one.
CLASSES = {
    "whole words joined": "two or more words and white space, nothing else; most uses begin and end outside a word",
    "words and punctuation": "one or more words and something other than white space; most uses begin and end outside a word",
    "across a boundary": "most uses begin or end inside a word, and reach from it to another word or to punctuation",
    "one whole word": "one word, with or without white space; most uses begin and end outside a word",
    "inside one word": "one word, with or without white space; most uses begin or end inside it",
    "no word": "text without a letter or digit: punctuation, symbols, white space",
    "not text": "bytes that are not whole characters",
    "not used": "holds a letter or digit, but the text looked at never uses it, so nothing tells its class",
}
APOSTROPHES = "'\u2019"  # may stand inside a word, so in a part of a word they are not punctuation
TREES_SPANNING_WORDS = 5
LONGEST_TREE_BYTES = 100  # nobody would read the tree of a longer entry
NEARLY_NEVER = 0.01
SHOWN_ON_THE_WAY = 10


def classify_entries(token_bytes: Sequence[bytes], text: MarkedText, edges: TokenEdges) -> list[str]:
    """Returns the class of every entry but id 0, in the order of the ids: `classes[id - 1]`, a key of CLASSES."""
    entries = len(token_bytes)
    uses = np.bincount(edges.ids, minlength=entries)
    in_a_word = text.inside[edges.starts] | text.inside[edges.ends]
    uses_in_a_word = np.bincount(edges.ids[in_a_word], minlength=entries)
    cuts_a_word = 2 * uses_in_a_word > uses
    return [entry_class(token_bytes[token], bool(uses[token]), bool(cuts_a_word[token])) for token in range(1, entries)]


def entry_class(entry: bytes, used: bool, cuts_a_word: bool) -> str:
    """Returns an entry's class. `cuts_a_word`: more than half of its uses begin or end inside a word.

    >>> [entry_class(b" of the", True, False), entry_class(b" said.", True, False), entry_class(b" a l", True, True)]
    ['whole words joined', 'words and punctuation', 'across a boundary']
    """
    try:
        text = entry.decode()
    except UnicodeDecodeError:
        return "not text"
    words = len(WORD.findall(text))
    between = "".join(WORD.sub("", text).split())
    if not words:
        return "no word"
    if not used:
        return "not used"
    if cuts_a_word:
        return "across a boundary" if words > 1 or between.strip(APOSTROPHES) else "inside one word"
    if between:
        return "words and punctuation"
    return "whole words joined" if words > 1 else "one whole word"


@dataclass(frozen=True)
class Vocabulary:
    """A track's entries, the two that each was merged from, and how often the training text uses each."""

    token_bytes: Sequence[bytes]
    parts: Counts
    """(entries, 2): the left and right entry of the merge that made each; -1 where there was none."""
    counts: Counts
    """(entries,): uses of the entry itself, not those within larger entries. Id 0 closes documents and is not counted."""

    def text(self, token: int) -> str:
        """Returns an entry's text, with escapes for the bytes of a cut character."""
        return self.token_bytes[token].decode(errors="backslashreplace")

    def uses_with_larger_entries(self) -> Counts:
        """Returns how often each entry is used, both itself and within the larger entries that were built from it."""
        uses = self.counts.copy()
        merged = np.flatnonzero(self.parts[:, 0] >= 0)
        lengths = np.array([len(entry) for entry in self.token_bytes])
        for token in merged[np.argsort(-lengths[merged], kind="stable")].tolist():  # a part is shorter than what it is part of
            left, right = self.parts[token].tolist()
            uses[left] += uses[token]
            uses[right] += uses[token]
        return uses

    def tree(self, token: int) -> dict[str, Any]:
        """Returns an entry as a node: id, text, bytes, its own uses (`count`), and `parts`, the nodes it was made from."""
        below, reached = [token], {token}
        while below:
            for part in self.parts[below.pop()].tolist():
                if part >= 0 and part not in reached:
                    reached.add(part)
                    below.append(part)
        nodes: dict[int, dict[str, Any]] = {}
        for each in sorted(reached, key=lambda one: len(self.token_bytes[one])):
            parts = [nodes[part] for part in self.parts[each].tolist() if part >= 0]
            n_bytes, count = len(self.token_bytes[each]), int(self.counts[each])
            nodes[each] = {"id": each, "text": self.text(each), "bytes": n_bytes, "count": count, "parts": parts}
        return nodes[token]


def entries_on_the_way(vocabulary: Vocabulary) -> dict[str, Any] | None:
    """Returns, ready for JSON, the learned entries that are parts of others but hardly used themselves; None without merges.

    Single bytes are not learned. `never_used`: parts of other entries that the training text never uses themselves.
    `nearly_never_used`: these, and the parts whose own uses are less than 1% of all their uses, within larger entries too.
    """
    learned = vocabulary.parts[:, 0] >= 0
    if not learned.any():
        return None
    is_part = np.zeros(len(vocabulary.token_bytes), dtype=np.bool_)
    is_part[vocabulary.parts[learned]] = True
    is_part &= learned
    uses = vocabulary.uses_with_larger_entries()
    never = is_part & (vocabulary.counts == 0)
    found = np.flatnonzero(never | (is_part & (vocabulary.counts < NEARLY_NEVER * uses)))
    shown = found[np.argsort(-uses[found], kind="stable")][:SHOWN_ON_THE_WAY].tolist()
    return {
        "never_used": int(never.sum()),
        "nearly_never_used": len(found),
        "examples": [
            {
                "id": token,
                "text": vocabulary.text(token),
                "count": int(vocabulary.counts[token]),
                "count_within_larger": int(uses[token] - vocabulary.counts[token]),
            }
            for token in shown
        ],
    }


def telling_trees(vocabulary: Vocabulary, words: Counts) -> list[dict[str, Any]]:
    """Returns the trees of the five most used entries that touch two or more words, and of the longest entry.

    Where no entry touches two words: the trees of the six longest, the most used first among equally long ones. Entries that
    are not used, or are longer than 100 bytes, are left out. words: (entries,) how many words each entry touches.
    """
    lengths = np.array([len(entry) for entry in vocabulary.token_bytes])
    shown = (vocabulary.parts[:, 0] >= 0) & (vocabulary.counts > 0) & (lengths <= LONGEST_TREE_BYTES)
    by_length = np.lexsort((-vocabulary.counts, -lengths))
    longest = by_length[shown[by_length]].tolist()
    by_use = np.argsort(-vocabulary.counts, kind="stable")
    spanning = by_use[(shown & (words >= 2))[by_use]].tolist()
    chosen = [*spanning[:TREES_SPANNING_WORDS], *longest[:1]] if spanning else longest[: TREES_SPANNING_WORDS + 1]
    return [vocabulary.tree(token) for token in dict.fromkeys(chosen)]
