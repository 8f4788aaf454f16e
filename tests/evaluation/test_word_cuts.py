"""Ways in which a word is cut: by hand, and against a slow reading of the story corpus."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toktrial.evaluation.marked_text import MarkedText, mark_first_documents, token_edges
from toktrial.evaluation.word_cuts import frequent_words, word_cuts
from toktrial.evaluation.words import WORD
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenSplit, TokenStore


def ways_of(documents: list[list[str]]) -> dict[str, tuple[int, int, float]]:
    """Cuts, entry sequences and share of the commonest cut of every word, of documents given token by token."""
    entries = ["<|endoftext|>", *sorted({token for document in documents for token in document})]
    ids = [place for document in documents for place in (*map(entries.index, document), 0)]
    offsets = np.cumsum([0, *(len(document) + 1 for document in documents)]).astype(np.uint64)
    lengths = np.array([len("".join(document).encode()) for document in documents], dtype=np.uint32)
    split = TokenSplit(np.array(ids, dtype=np.uint16), offsets, lengths)
    encoded = [entry.encode() for entry in entries]
    text = mark_first_documents(split, encoded, 10**6)
    edges = token_edges(split, np.array([len(entry) for entry in encoded], dtype=np.uint32), len(documents))
    found = word_cuts(text, edges, frequent_words(text, 100))
    return {word["word"]: (word["cuts"], word["entry_sequences"], word["share_of_commonest_cut"]) for word in found}


def test_ways_by_hand() -> None:
    found = ways_of([["the", " dog", " of the", " house"], [" the", " d", "og", " of the", " dog."], [" th", "e"]])
    # `the`: alone; within ` of the` twice and ` the` (begins before it); ` th|e`.
    assert found["the"] == (3, 4, 3 / 5)
    assert found["dog"] == (3, 3, 1 / 3)  # ` dog`, ` d|og`, ` dog.`, which goes on after it
    assert found["of"] == (1, 1, 1.0)
    assert found["house"] == (1, 1, 1.0)


def test_characters_of_several_bytes() -> None:
    found = ways_of([["\u00e9t\u00e9"], ["\u00e9", "t\u00e9"], ["\u00e9t", "\u00e9"]])
    assert found["\u00e9t\u00e9"] == (3, 3, 1 / 3)


def test_the_most_frequent_words_come_first_and_the_first_of_equals() -> None:
    words = ["b", "a", "a", "c", "b", "d"]
    places = np.arange(6) * 2
    text = MarkedText(1, 11, words, places, places + 1, np.zeros(13, dtype=np.bool_))
    found = frequent_words(text, 3)
    assert {word: where.tolist() for word, where in found.items()} == {"b": [0, 4], "a": [1, 2], "c": [3]}
    assert list(found) == ["b", "a", "c"]


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_ways_are_those_of_a_slow_reading(
    story_tokens: dict[str, Path], story_tokenizers: dict[str, Tokenizer], story_documents: dict[str, Any], track: str
) -> None:
    tokenizer, store = story_tokenizers[track], TokenStore.open(story_tokens[track])
    text = mark_first_documents(store.train, tokenizer.token_bytes, 10**6)
    edges = token_edges(store.train, store.entry_bytes, text.documents)
    cuts, sequences = defaultdict[str, Counter[Any]](Counter), defaultdict[str, set[Any]](set)
    for story in story_documents["train"]:
        assert story.isascii()
        spans, start = [], 0
        for token in tokenizer.encode(story):
            spans.append((start, start + len(tokenizer.token_bytes[token]), token))
            start = spans[-1][1]
        for match in WORD.finditer(story):
            begin, end = match.span()
            holding = [span for span in spans if span[0] < end and span[1] > begin]
            inner = tuple(last - begin for _, last, _ in holding[:-1])
            cuts[match.group()][holding[0][0] < begin, holding[-1][1] > end, inner] += 1
            sequences[match.group()].add(tuple(token for _, _, token in holding))
    for word in word_cuts(text, edges, frequent_words(text, 60)):
        expected = cuts[word["word"]]
        assert word["uses"] == expected.total()
        assert word["cuts"] == len(expected)
        assert word["entry_sequences"] == len(sequences[word["word"]])
        assert word["share_of_commonest_cut"] == pytest.approx(max(expected.values()) / expected.total())
