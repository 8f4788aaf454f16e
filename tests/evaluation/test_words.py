"""Words, which of them a corpus knows, where they lie in a text, and how tokens cut them: against slow readings."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.evaluation.words import (
    WORD,
    MarkedText,
    frequent_words,
    known_words,
    mark_first_documents,
    token_edges,
    word_cuts,
    words_in,
    words_of,
)
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenSplit, TokenStore


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Don't stop, Lily-Ann!", ["don't", "stop", "lily", "ann"]),
        ("DON\u2019T the dogs' 'quoted'", ["don't", "the", "dogs", "quoted"]),
        ("snake_case 3.14 \u00c9t\u00e9", ["snake", "case", "3", "14", "\u00e9t\u00e9"]),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_known_words_of_real_text(shared_data: Path) -> None:
    documents = (shared_data / "tinystories" / "valid.txt").read_text(encoding="utf-8").split("\n<|endoftext|>\n")
    expected = {word for document in documents for word in words_of(document)}
    assert known_words(Documents.of(documents), expected | {"zzyzx", "a b", ""}) == expected


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=6), st.sets(st.text(st.characters(codec="utf-8"))))
def test_known_words_of_any_text(documents: list[str], others: set[str]) -> None:
    in_corpus = {word for document in documents for word in words_of(document)}
    asked = in_corpus | others
    assert known_words(Documents.of([*documents, "the end"]), asked) == asked & (in_corpus | {"the", "end"})


# Marked text

BYTES = [b"<|endoftext|>", *(bytes([value]) for value in range(256))]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("", 0),
        (" ", 0),
        ("...", 0),
        ("\n\n", 0),
        (" the", 1),
        ("ing", 1),
        (" of the", 2),
        ("n't stop. She", 3),
        ("don't", 1),
        ("don\u2019t", 1),
        ("'t", 1),
        ("dogs' bone", 2),
        ("it's Tom's", 2),
        ("3.14", 2),
        ("snake_case", 2),
        ("well-known", 2),
        ("\u00e9t\u00e9 na\u00efve", 2),
        ("\u4f60\u597d", 1),
        (" a b c d ", 4),
    ],
)
def test_words_of_an_entry(entry: str, words: int) -> None:
    assert words_in(entry.encode()) == words


def test_half_a_character_is_no_word() -> None:
    assert words_in("\u00e9".encode()[:1]) == 0
    assert words_in(b"\xff\xfe") == 0
    assert words_in(b"a\xffb") == 2


def split_of_bytes(documents: Sequence[str]) -> TokenSplit:
    """The documents with every byte as a token: byte b has id b + 1."""
    encoded = [document.encode() for document in documents]
    ids = [token for document in encoded for token in (*(byte + 1 for byte in document), 0)]
    offsets = np.cumsum([0, *(len(document) + 1 for document in encoded)])
    lengths = np.array([len(document) for document in encoded])
    return TokenSplit(np.array(ids, dtype=np.uint16), offsets.astype(np.uint64), lengths.astype(np.uint32))


TEXTS = st.lists(st.text(st.sampled_from("ab'\u2019 .\n\u00e9\u4f60_7\U0001f44d"), max_size=12), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_words_are_where_the_text_has_them(documents: list[str]) -> None:
    marked = mark_first_documents(split_of_bytes(documents), BYTES, 1000)
    text = "".join(document + "\n" for document in documents)
    encoded = text.encode()
    expected = [match for document in documents for match in WORD.findall(document)]
    assert marked.words == expected
    assert [encoded[start:end].decode() for start, end in zip(marked.starts, marked.ends, strict=True)] == expected
    inside = {place for start, end in zip(marked.starts, marked.ends, strict=True) for place in range(start + 1, end)}
    assert set(np.flatnonzero(marked.inside).tolist()) == inside
    assert (marked.documents, marked.bytes) == (len(documents), len(encoded) - len(documents))


def test_only_so_many_documents_are_marked() -> None:
    split = split_of_bytes(["one two", "three", "four"])
    marked = [mark_first_documents(split, BYTES, size).documents for size in (0, 7, 11, 12, 15, 16, 99)]
    assert marked == [1, 1, 1, 2, 2, 3, 3]
    assert mark_first_documents(split, BYTES, 12).words == ["one", "two", "three"]


def test_token_edges_lie_where_the_bytes_are() -> None:
    split = split_of_bytes(["ab", "c"])
    lengths = np.array([0, *[1] * 256], dtype=np.uint32)
    edges = token_edges(split, lengths, 2)
    assert edges.starts.tolist() == [0, 1, 2, 3, 4]  # the newlines that close the documents are at 2 and 4
    assert edges.ends.tolist() == [1, 2, 3, 4, 5]


# Ways in which a word is cut


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
    no, end = np.zeros(13, dtype=np.bool_), np.array([11])
    text = MarkedText(1, 11, words, places, places + 1, no[:6], no, end)
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
