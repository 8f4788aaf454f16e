"""The account of a track's vocabulary: what its entries are, how they were built and how the corpus uses them.

Reads token files and tokenizers, trains nothing. tokens -> vocabulary -> report.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.evaluation.entry_classes import CLASSES, classify_entries
from toktrial.evaluation.entry_trees import BuiltVocabulary, entries_on_the_way, telling_trees
from toktrial.evaluation.marked_text import MarkedText, token_edges, words_in
from toktrial.evaluation.word_cuts import frequent_words, word_cuts
from toktrial.tokens.store import END_ID, TokenSplit, TokenStore

SHOWN_ENTRIES = 20
SHOWN_OF_A_CLASS = 8
FREQUENT_WORDS = 50
CHUNK_TOKENS = 1 << 24
MARKED_BYTES = 1 << 24  # of the training text: classes and cuts of words are judged by so much of it
RENYI_ORDER = 2.5

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Vocabulary:
    """A track's entries, what each was merged of, and how often each is used."""

    token_bytes: Sequence[bytes]
    parts: Counts
    """(entries, 2): the left and right entry of the merge that made each; -1 where there was none."""
    requested: int
    counts: Counts
    """(entries,): uses in the training documents; id 0 closes documents and is not counted."""
    validation_counts: Counts
    """(entries,): the same in the validation documents."""


def count_uses(split: TokenSplit, entries: int) -> Counts:
    """Returns how often each entry is used in a split: (entries,) int64; the closing id 0 is not counted."""
    counts = np.zeros(entries, dtype=np.int64)
    for start in range(0, len(split.ids), CHUNK_TOKENS):
        counts += np.bincount(split.ids[start : start + CHUNK_TOKENS], minlength=entries)
    counts[END_ID] = 0
    return counts


def renyi_efficiency(counts: Counts, order: float = RENYI_ORDER) -> float:
    """Returns the Renyi efficiency of a tokenizer: the Renyi entropy of its entries' uses over that of even use.

    H_a(p) / log |V| with H_a(p) = log(sum of p^a) / (1 - a), Shannon's entropy for a = 1. counts: (entries,) uses of every
    entry that text can become, unused ones too; |V| is their number. Between 0 and 1; at order 2.5 it was found to go with
    how well models translate. 0 where nothing is used, or there is one entry only. Source: Zouhar et al., Tokenization and
    the Noiseless Channel, ACL 2023.

    >>> round(renyi_efficiency(np.array([2, 1, 1, 0]), order=2), 4)  # log(8 / 3) / log 4
    0.7075
    """
    if counts.size < 2 or not counts.any():
        return 0.0
    shares = counts[counts > 0] / counts.sum()
    entropy = -(shares * np.log(shares)).sum() if order == 1 else np.log((shares**order).sum()) / (1 - order)
    return float(entropy / np.log(counts.size))


def describe_vocabulary(vocabulary: Vocabulary, store: TokenStore, text: MarkedText) -> dict[str, Any]:
    """Returns the account of one track's vocabulary and of how it cuts the corpus, ready for JSON.

    text: the first training documents, by which entries are classed and cuts of words are counted.
    """
    counts, entries = vocabulary.counts, vocabulary.token_bytes
    words = np.array([0] + [words_in(entry) for entry in entries[1:]])
    total = max(1, int(counts.sum()))
    unused = np.flatnonzero(counts == 0)[1:]  # id 0 only closes documents
    by_length = sorted(range(1, len(entries)), key=lambda token: (-len(entries[token]), token))
    by_use = np.argsort(-counts, kind="stable")
    sizes = {"train": store.manifest["train"], "validation": store.manifest["validation"]}
    built = BuiltVocabulary(entries, vocabulary.parts, counts)
    return {
        "entries": len(entries),
        "entries_requested": vocabulary.requested,
        "tokens_per_document": {name: size["tokens"] / size["documents"] for name, size in sizes.items()},
        "bytes_per_token": {name: size["bytes"] / size["tokens"] for name, size in sizes.items()},
        "renyi_order": RENYI_ORDER,
        "renyi_efficiency": renyi_efficiency(counts[1:]),
        "entries_spanning_words": int((words >= 2).sum()),
        "share_of_use_spanning_words": float(counts[words >= 2].sum() / total),
        "share_of_validation_bytes_spanning_words": _share_of_validation_bytes(vocabulary, words >= 2),
        "words_per_entry": {str(n): times for n, times in sorted(Counter(words[1:].tolist()).items())},
        **_by_marked_text(vocabulary, store, text),
        "entries_on_the_way": entries_on_the_way(built),
        "trees": telling_trees(built, words),
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


def _by_marked_text(vocabulary: Vocabulary, store: TokenStore, text: MarkedText) -> dict[str, Any]:
    """What the words of the text tell: the classes of entries, and the ways in which frequent words are cut."""
    edges = token_edges(store.train, store.entry_bytes, text.documents)
    cuts = word_cuts(text, edges, frequent_words(text, FREQUENT_WORDS))
    return {
        "marked_text": {"documents": text.documents, "bytes": text.bytes},
        "classes": _describe_classes(vocabulary, classify_entries(vocabulary.token_bytes, text, edges)),
        "frequent_words": cuts,
        "frequent_words_mean": {
            name: float(np.mean([word[name] for word in cuts])) if cuts else None for name in ("cuts", "entry_sequences")
        },
    }


def _describe_classes(vocabulary: Vocabulary, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Counts and shares of every class, those without an entry too. The shares of use are of the whole training text."""
    counts, of_entry = vocabulary.counts[1:], np.array(classes)
    total = max(1, int(counts.sum()))
    described = {}
    for name in CLASSES:
        members = np.flatnonzero(of_entry == name)
        most_used = members[np.argsort(-counts[members], kind="stable")][:SHOWN_OF_A_CLASS] + 1
        described[name] = {
            "entries": len(members),
            "share_of_entries": len(members) / max(1, len(classes)),
            "share_of_use": float(counts[members].sum() / total),
            "examples": [vocabulary.token_bytes[token].decode(errors="backslashreplace") for token in most_used.tolist()],
        }
    return described


def _share_of_validation_bytes(vocabulary: Vocabulary, chosen: npt.NDArray[np.bool_]) -> float:
    covered = vocabulary.validation_counts * np.array([len(entry) for entry in vocabulary.token_bytes])
    return float(covered[chosen].sum() / max(1, covered.sum()))


def _text(entry: bytes) -> str:
    return entry.decode(errors="replace")
