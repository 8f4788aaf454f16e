"""What kind of thing each entry is to a reader: whole words joined, part of a word across a boundary, and so on.

Whether an entry's first and last word are whole, its own bytes cannot say: ` a l` might end with a word `l`. So the text
decides, by where the edges of its uses fall. Marked text and tokens -> classes -> vocabulary.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from toktrial.evaluation.marked_text import MarkedText, TokenEdges
from toktrial.evaluation.words import WORD

# Each class with what belongs to it. Every entry but id 0 is in exactly one.
CLASSES = {
    "whole words joined": "two or more words and white space, nothing else; most uses begin and end outside a word",
    "words and punctuation": "one or more words and something else than white space; most uses begin and end outside a word",
    "across a boundary": "most uses begin or end inside a word, and reach from it to another word or to punctuation",
    "one whole word": "one word, with or without white space; most uses begin and end outside a word",
    "inside one word": "one word, with or without white space; most uses begin or end inside it",
    "no word": "text without a letter or digit: punctuation, symbols, white space",
    "not text": "bytes that are no whole characters",
    "not used": "holds a letter or digit, but the text looked at never uses it, so nothing tells its class",
}
APOSTROPHES = "'\u2019"  # may stand inside a word, so that in a part of one they are no punctuation


def classify_entries(token_bytes: Sequence[bytes], text: MarkedText, edges: TokenEdges) -> list[str]:
    """Returns the class of every entry but id 0, in the order of the ids: `classes[id - 1]`, a key of CLASSES."""
    entries = len(token_bytes)
    uses = np.bincount(edges.ids, minlength=entries)
    in_a_word = text.inside[edges.starts] | text.inside[edges.ends]
    uses_in_a_word = np.bincount(edges.ids[in_a_word], minlength=entries)
    most_in_a_word: npt.NDArray[np.bool_] = 2 * uses_in_a_word > uses
    return [
        entry_class(token_bytes[token], used, cuts)
        for token, (used, cuts) in enumerate(zip((uses > 0).tolist(), most_in_a_word.tolist(), strict=True))
        if token
    ]


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
