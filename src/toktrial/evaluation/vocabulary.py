"""What kinds of entries a tokenizer has, and how the corpus uses them. Reads token files, trains nothing."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.tokens.store import END_ID, TokenSplit, TokenStore

SHOWN_ENTRIES = 20
CHUNK_TOKENS = 1 << 24

# Letters and digits, with an apostrophe inside: "don't" is one word.
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


@dataclass(frozen=True)
class Vocabulary:
    """A track's entries and how often each is used in the training text."""

    token_bytes: Sequence[bytes]
    requested: int
    counts: npt.NDArray[np.int64]
    """(entries,): uses in the training documents; id 0 closes documents and is not counted."""


def words_in(entry: bytes) -> int:
    """Returns how many words an entry touches: runs of letters and digits, an apostrophe inside counting as a letter.

    >>> words_in(b" of the"), words_in(b"n't stop. She"), words_in(b"...")
    (2, 3, 0)
    """
    return len(_WORD.findall(entry.decode(errors="replace")))


def count_uses(split: TokenSplit, entries: int) -> npt.NDArray[np.int64]:
    """Returns how often each entry is used in a split: (entries,) int64; the closing id 0 is not counted."""
    counts = np.zeros(entries, dtype=np.int64)
    for start in range(0, len(split.ids), CHUNK_TOKENS):
        counts += np.bincount(split.ids[start : start + CHUNK_TOKENS], minlength=entries)
    counts[END_ID] = 0
    return counts


def describe_vocabulary(vocabulary: Vocabulary, store: TokenStore) -> dict[str, Any]:
    """Returns the account of one track's vocabulary and of how it cuts the corpus, ready for JSON."""
    counts, entries = vocabulary.counts, vocabulary.token_bytes
    words = np.array([0] + [words_in(entry) for entry in entries[1:]])
    total = max(1, int(counts.sum()))
    unused = np.flatnonzero(counts == 0)[1:]  # id 0 only closes documents
    by_length = sorted(range(1, len(entries)), key=lambda token: (-len(entries[token]), token))
    by_use = np.argsort(-counts, kind="stable")
    sizes = {"train": store.manifest["train"], "validation": store.manifest["validation"]}
    return {
        "entries": len(entries),
        "entries_requested": vocabulary.requested,
        "tokens_per_document": {name: size["tokens"] / size["documents"] for name, size in sizes.items()},
        "bytes_per_token": {name: size["bytes"] / size["tokens"] for name, size in sizes.items()},
        "entries_spanning_words": int((words >= 2).sum()),
        "share_of_use_spanning_words": float(counts[words >= 2].sum() / total),
        "words_per_entry": {str(n): times for n, times in sorted(Counter(words[1:].tolist()).items())},
        "entries_never_used": len(unused),
        "never_used": [_text(entries[token]) for token in unused[:SHOWN_ENTRIES].tolist()],
        "longest": [
            {"id": token, "text": _text(entries[token]), "bytes": len(entries[token]), "count": int(counts[token])}
            for token in by_length[:SHOWN_ENTRIES]
        ],
        "most_used": [
            {"id": token, "text": _text(entries[token]), "count": int(counts[token]), "share": float(counts[token] / total)}
            for token in by_use[:SHOWN_ENTRIES].tolist()
        ],
    }


def shared_entries(vocabularies: Mapping[str, Sequence[bytes]]) -> dict[str, dict[str, Any]]:
    """Returns, for each pair of tracks `a|b`, how many entries both have and what share of each that is."""
    shared: dict[str, dict[str, Any]] = {}
    for (a, entries_a), (b, entries_b) in combinations(vocabularies.items(), 2):
        count = len(set(entries_a) & set(entries_b))
        shared[f"{a}|{b}"] = {"count": count, "share_of_a": count / len(entries_a), "share_of_b": count / len(entries_b)}
    return shared


def _text(entry: bytes) -> str:
    return entry.decode(errors="replace")
