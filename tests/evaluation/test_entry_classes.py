"""Classes of entries: by hand on a text of a few words, and on what real tokenizers learned from real stories."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.evaluation.entry_classes import CLASSES, classify_entries, entry_class
from toktrial.evaluation.marked_text import mark_first_documents, token_edges
from toktrial.evaluation.words import WORD
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokens.store import TokenSplit, TokenStore, write_tokens

STORY_BYTES = 300_000


def classes_of(documents: list[list[str]], unused: tuple[bytes, ...] = ()) -> dict[bytes, str]:
    """Classifies the tokens of documents that are given token by token, and entries that they do not use."""
    tokens = [[token.encode("utf-8", "surrogateescape") for token in document] for document in documents]
    entries = [b"<|endoftext|>", *sorted({token for document in tokens for token in document}), *unused]
    ids = [place for document in tokens for place in (*map(entries.index, document), 0)]
    offsets = np.cumsum([0, *(len(document) + 1 for document in tokens)]).astype(np.uint64)
    lengths = np.array([sum(map(len, document)) for document in tokens], dtype=np.uint32)
    split = TokenSplit(np.array(ids, dtype=np.uint16), offsets, lengths)
    text = mark_first_documents(split, entries, 10**6)
    edges = token_edges(split, np.array([len(entry) for entry in entries], dtype=np.uint32), len(documents))
    return dict(zip(entries[1:], classify_entries(entries, text, edges), strict=True))


def test_every_class_by_hand() -> None:
    found = classes_of(
        [
            ["The", " dog", " of the", " house", ", and", " a l", "ittle", " c", "at", " said.", "\n", " She", "."],
            ["A man", " came", "n the", "\udcc3", "\udca9", "te", " don", "'t", " stop", "p", "ing, "],
        ],
        unused=(b" zebra", b"!!", b"\xff"),
    )
    assert found == {
        b"The": "one whole word", b" dog": "one whole word", b" of the": "whole words joined", b" house": "one whole word",
        b", and": "words and punctuation", b" a l": "across a boundary", b"ittle": "inside one word",
        b" c": "inside one word", b"at": "inside one word", b" said.": "words and punctuation", b"\n": "no word",
        b" She": "one whole word", b".": "no word", b"A man": "whole words joined", b" came": "inside one word",
        b"n the": "across a boundary", b"\xc3": "not text", b"\xa9": "not text", b"te": "inside one word",
        b" don": "inside one word", b"'t": "inside one word", b" stop": "inside one word", b"p": "inside one word",
        b"ing, ": "across a boundary", b" zebra": "not used", b"!!": "no word", b"\xff": "not text",
    }  # fmt: skip


def test_most_uses_decide() -> None:
    uses = [[" a", " dog"], [" a", " cat"], [" a", "nt"]]
    assert classes_of(uses)[b" a"] == "one whole word"  # one use of three ends inside a word
    assert classes_of([*uses, [" a", "nd"], [" a", "ny"]])[b" a"] == "inside one word"
    assert classes_of([[" a", " dog"], [" a", "nt"]])[b" a"] == "one whole word"  # half is not most


def test_a_document_ends_a_word() -> None:
    assert classes_of([["one"], ["two"]])[b"one"] == "one whole word"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=8) | st.text(max_size=8).map(str.encode), st.booleans(), st.booleans())
def test_every_entry_has_the_class_whose_sentence_fits(entry: bytes, used: bool, cuts: bool) -> None:
    found = entry_class(entry, used, cuts)
    assert found in CLASSES
    text = entry.decode(errors="replace")
    words = len(WORD.findall(text))
    assert (found == "not text") == (text.encode() != entry)
    if found != "not text":
        assert (found == "no word") == (not any(letter.isalnum() for letter in text))
        assert (found == "not used") == (words > 0 and not used)
    if found in ("whole words joined", "one whole word"):
        assert not cuts and all(letter.isalnum() or letter.isspace() or letter in "'\u2019" for letter in text)
        assert (words > 1) == (found == "whole words joined")
    if found in ("across a boundary", "inside one word"):
        assert cuts
    if found == "inside one word":
        assert words == 1


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_real_entries_are_classed_as_a_slow_reading_does(shared_data: Path, tmp_path: Path, track: str) -> None:
    text = (shared_data / "tinystories" / "train.txt").read_text(encoding="utf-8")[:STORY_BYTES]
    stories = Documents.of([story.strip("\n") for story in text.split("<|endoftext|>")][:-1])
    bpe = BPETokenizer.train(stories, 800)
    tokenizer = bpe if track == "bpe" else BTMTokenizer.train(stories, 800, primitive=bpe.cut(500))
    write_tokens(tmp_path / "tokens", tokenizer, "stories", {"train": stories, "validation": stories}, track)
    store = TokenStore.open(tmp_path / "tokens")
    marked = mark_first_documents(store.train, tokenizer.token_bytes, 10**6)
    classes = classify_entries(tokenizer.token_bytes, marked, token_edges(store.train, store.entry_bytes, marked.documents))

    uses, cutting = Counter[int](), Counter[int]()
    for story in stories:
        inside, encoded = set[int](), story.encode()
        for match in WORD.finditer(story):
            begins, ends = len(story[: match.start()].encode()), len(story[: match.end()].encode())
            inside.update(range(begins + 1, ends))
        start = 0
        for token in tokenizer.encode(story):
            end = start + len(tokenizer.token_bytes[token])
            uses[token] += 1
            cutting[token] += start in inside or end in inside
            start = end
        assert start == len(encoded)
    expected = [
        entry_class(tokenizer.token_bytes[token], uses[token] > 0, 2 * cutting[token] > uses[token])
        for token in range(1, tokenizer.vocab_size)
    ]
    assert classes == expected
    by_text = dict(zip(tokenizer.token_bytes[1:], classes, strict=True))
    assert by_text[b" the"] == "one whole word"
    assert by_text[b"."] == "no word"
    if track == "btm":
        assert by_text[b" in the"] == "whole words joined"
        assert by_text[b", and"] == "words and punctuation"
