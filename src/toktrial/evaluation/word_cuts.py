"""In how many ways a tokenizer cuts the same word: each is one more thing that a model has to learn of it.

Marked text and tokens -> ways -> vocabulary.
"""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.evaluation.marked_text import MarkedText, TokenEdges

Rows = npt.NDArray[np.int64]


def frequent_words(text: MarkedText, n_words: int) -> dict[str, npt.NDArray[np.int64]]:
    """Returns the most frequent words, the first of equals first, each with where it stands in `text.words`."""
    rank = {word: place for place, (word, _) in enumerate(Counter(text.words).most_common(n_words))}
    ranks = np.fromiter((rank.get(word, -1) for word in text.words), dtype=np.int64, count=len(text.words))
    return {word: np.flatnonzero(ranks == place) for word, place in rank.items()}


def word_cuts(text: MarkedText, edges: TokenEdges, occurrences: dict[str, npt.NDArray[np.int64]]) -> list[dict[str, Any]]:
    """Returns for every word in how many ways it is cut, ready for JSON.

    A way of cutting (`cuts`) is where token edges lie in the word, and whether its first token begins before it and its last
    one ends after it: `the` alone, ` the`, ` of the` (begins before it too) and ` th|e` are three ways. `entry_sequences`
    are the different sequences of entries that hold the word: there, ` the` and ` of the` are two.
    """
    return [{"word": word, "uses": len(places)} | _ways(text, edges, places) for word, places in occurrences.items()]


def _ways(text: MarkedText, edges: TokenEdges, places: npt.NDArray[np.int64]) -> dict[str, Any]:
    starts, ends = text.starts[places], text.ends[places]
    first = np.searchsorted(edges.starts, starts, side="right") - 1
    last = np.searchsorted(edges.ends, ends, side="left")
    token = first[:, None] + np.arange(int((last - first).max()) + 1)  # (uses, tokens): what holds the word
    beyond = token > last[:, None]
    token = np.minimum(token, last[:, None])
    # One byte before and after the word stands for all bytes there.
    cuts = np.clip(edges.ends[token] - starts[:, None], None, (ends - starts + 1)[:, None])
    begins_before = edges.starts[first] < starts
    uses_of_cuts = _uses_of_rows(np.column_stack([begins_before, np.where(beyond, -1, cuts)]))
    uses_of_entries = _uses_of_rows(np.where(beyond, -1, edges.ids[token]))
    return {
        "cuts": len(uses_of_cuts),
        "entry_sequences": len(uses_of_entries),
        "share_of_commonest_cut": float(uses_of_cuts.max() / len(places)),
    }


def _uses_of_rows(rows: Rows) -> npt.NDArray[np.int64]:
    """How often each distinct row occurs. Sorts them as strings of bytes, which is faster than column by column."""
    packed = np.ascontiguousarray(rows, dtype=np.int64).view(f"V{8 * rows.shape[1]}").ravel()
    counts: npt.NDArray[np.int64] = np.unique(packed, return_counts=True)[1]
    return counts
