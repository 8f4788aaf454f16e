"""What a word is, and which words a corpus knows: one definition for entries, samples and minimal pairs."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from toktrial import progress

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents

WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
"""Letters and digits, with an apostrophe inside: "don't" is one word."""


def words_of(text: str) -> list[str]:
    """Returns the words of a text in order, in lower case and with straight apostrophes.

    >>> words_of("Don\u2019t stop, Lily-Ann!")
    ["don't", 'stop', 'lily', 'ann']
    """
    return WORD.findall(text.lower().replace("\u2019", "'"))


def known_words(documents: "Documents", asked: Iterable[str]) -> frozenset[str]:
    """Returns those of the `asked` words (as `words_of` gives them) that occur in the documents, in whatever case.

    Reads the documents batch by batch, no further than to where all are found, and keeps nothing but the asked words.
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
