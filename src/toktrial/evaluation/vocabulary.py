"""The account of the tracks' vocabularies: what their entries are, how they were built and how the corpus uses them.

Reads token files and tokenizers, trains nothing. Tokens -> vocabulary -> report.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from toktrial import progress
from toktrial.evaluation.account import VOCABULARY_FILE, write_account
from toktrial.evaluation.entries import CLASSES, Counts, Vocabulary, classify_entries, entries_on_the_way, telling_trees
from toktrial.evaluation.words import (
    MarkedText,
    frequent_words,
    mark_first_documents,
    token_edges,
    word_cuts,
    words_in,
)
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import OverBPETokenizer
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import END_ID, TokenSplit, TokenStore

VOCABULARY_FORMAT = 3  # raised when the account says more, or something else: an older one is then made anew
SHOWN_ENTRIES = 20
SHOWN_OF_A_CLASS = 8
FREQUENT_WORDS = 50
CHUNK_TOKENS = 1 << 24
MARKED_BYTES = 1 << 24  # of the training text: classes and cuts of words are judged by this much of it
EXCERPT_BYTES = 600
RENYI_ORDER = 2.5


def describe_vocabularies(
    trial_folder: Path, tokenizer_folders: Mapping[str, Path], tokens_folders: Mapping[str, Path], requested: Mapping[str, int]
) -> None:
    """Writes evaluation/vocabulary/vocabulary.json, unless that is done. `requested`: entries that each track asks for."""
    stores = {track: TokenStore.open(path) for track, path in tokens_folders.items()}
    tokens = {track: store.manifest["fingerprint"] for track, store in stores.items()}

    def account() -> dict[str, Any]:
        tokenizers = {track: load_tokenizer(tokenizer_folders[track]) for track in stores}
        first = next(iter(stores))
        text = mark_first_documents(stores[first].train, tokenizers[first].token_bytes, MARKED_BYTES)
        validation = stores[first].validation
        documents = (validation.document(index)[:-1].tolist() for index in range(validation.documents))
        return {
            "tracks": {
                track: describe_vocabulary(tokenizer, stores[track], text, requested[track])
                for track, tokenizer in progress.over(tokenizers.items(), "describing vocabularies", "track")
            },
            "shared_entries": shared_entries({track: each.token_bytes for track, each in tokenizers.items()}),
            "cuts": cuts_of_excerpt(tokenizers, excerpt(map(tokenizers[first].decode, documents))),
        }

    write_account(trial_folder / VOCABULARY_FILE, "vocabulary", {"tokens": tokens, "format": VOCABULARY_FORMAT}, account)


def describe_vocabulary(tokenizer: Tokenizer, store: TokenStore, text: MarkedText, requested: int) -> dict[str, Any]:
    """Returns the account of one track's vocabulary and of how it cuts the corpus, ready for JSON.

    text: the first training documents; entries are classed and cuts of words are counted by them.
    """
    entries, counts = tokenizer.token_bytes, count_uses(store.train, store.entries)
    vocabulary = Vocabulary(entries, tokenizer.parts, counts)
    words = np.array([0] + [words_in(entry) for entry in entries[1:]])
    validation_bytes = count_uses(store.validation, store.entries) * np.array([len(entry) for entry in entries])
    total = max(1, int(counts.sum()))
    unused = np.flatnonzero(counts == 0)[1:]  # id 0 only closes documents
    by_length = sorted(range(1, len(entries)), key=lambda token: (-len(entries[token]), token))
    by_use = np.argsort(-counts, kind="stable")
    sizes = {"train": store.manifest["train"], "validation": store.manifest["validation"]}
    return {
        "entries": len(entries),
        "entries_requested": requested,
        "primitives": tokenizer.primitive.vocab_size if isinstance(tokenizer, OverBPETokenizer) else None,
        "tokens_per_document": {name: size["tokens"] / size["documents"] for name, size in sizes.items()},
        "bytes_per_token": {name: size["bytes"] / size["tokens"] for name, size in sizes.items()},
        "renyi_order": RENYI_ORDER,
        "renyi_efficiency": renyi_efficiency(counts[1:]),
        "entries_spanning_words": int((words >= 2).sum()),
        "share_of_use_spanning_words": float(counts[words >= 2].sum() / total),
        "share_of_validation_bytes_spanning_words": float(validation_bytes[words >= 2].sum() / max(1, validation_bytes.sum())),
        "words_per_entry": {str(n): times for n, times in sorted(Counter(words[1:].tolist()).items())},
        **_by_marked_text(vocabulary, store, text),
        "entries_on_the_way": entries_on_the_way(vocabulary),
        "trees": telling_trees(vocabulary, words),
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
    entry that text can become, unused ones too; |V| is their number. Between 0 and 1; 0 where nothing is used or there is only
    one entry. At order 2.5 it was found to correlate with how well models translate. Source: Zouhar et al., Tokenization and
    the Noiseless Channel, ACL 2023.

    >>> round(renyi_efficiency(np.array([2, 1, 1, 0]), order=2), 4)  # log(8 / 3) / log 4
    0.7075
    """
    if counts.size < 2 or not counts.any():
        return 0.0
    shares = counts[counts > 0] / counts.sum()
    entropy = -(shares * np.log(shares)).sum() if order == 1 else np.log((shares**order).sum()) / (1 - order)
    return float(entropy / np.log(counts.size))


def shared_entries(vocabularies: Mapping[str, Sequence[bytes]]) -> dict[str, dict[str, Any]]:
    """Returns, for each pair of tracks `a|b`, how many entries both have and what share of each that is."""
    shared: dict[str, dict[str, Any]] = {}
    for (a, entries_a), (b, entries_b) in combinations(vocabularies.items(), 2):
        count = len(set(entries_a) & set(entries_b))
        shared[f"{a}|{b}"] = {"count": count, "share_of_a": count / len(entries_a), "share_of_b": count / len(entries_b)}
    return shared


def excerpt(documents: Iterable[str], max_bytes: int = EXCERPT_BYTES) -> list[str]:
    """Returns the first documents, up to `max_bytes` of UTF-8; the last one ends at white space, or else between characters.

    >>> excerpt(["One day.", "Tom had a ball."], 16)
    ['One day.', 'Tom had']
    """
    texts, left = [], max_bytes
    for document in documents:
        encoded = document.encode()
        if len(encoded) <= left:
            texts.append(document)
            left -= len(encoded)
            continue
        beginning = encoded[:left].decode(errors="ignore")
        whole_words = re.match(r".*\S(?=\s)", document[: len(beginning) + 1], re.DOTALL)
        texts.append(whole_words[0] if whole_words else beginning)
        break
    return [text for text in texts if text]


def cuts_of_excerpt(tokenizers: Mapping[str, Tokenizer], documents: Sequence[str]) -> dict[str, Any]:
    """Returns, ready for JSON, the documents and how every track cuts each of them, encoded as a text of its own.

    A token has its text, with escapes for the bytes of a cut character, and the number of words that it touches.
    """
    n_bytes = sum(len(text.encode()) for text in documents)
    tracks = {}
    for track, tokenizer in tokenizers.items():
        entries = [[tokenizer.token_bytes[token] for token in tokenizer.encode(text)] for text in documents]
        cut = [[{"text": e.decode(errors="backslashreplace"), "words": words_in(e)} for e in document] for document in entries]
        tokens = sum(map(len, cut))
        tracks[track] = {"tokens": tokens, "bytes_per_token": n_bytes / max(1, tokens), "documents": cut}
    return {"bytes": n_bytes, "documents": list(documents), "tracks": tracks}


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
    """Counts and shares of every class, empty ones too. The shares of use are of the whole training text."""
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
            "examples": [vocabulary.text(token) for token in most_used.tolist()],
        }
    return described


def _text(entry: bytes) -> str:
    return entry.decode(errors="replace")
