"""Classes of entries and trees of merges: by hand on small texts, and on what real tokenizers learned from real stories."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.evaluation.entries import (
    CLASSES,
    LONGEST_TREE_BYTES,
    Vocabulary,
    classify_entries,
    entries_on_the_way,
    entry_class,
    telling_trees,
)
from toktrial.evaluation.vocabulary import count_uses
from toktrial.evaluation.words import WORD, mark_first_documents, token_edges, words_in
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.file import FileTokenizer
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


# Trees

# 1 a, 2 b, 3 c, 4 ab, 5 abc, 6 aba: `ab` is a part of two others.
ENTRIES = [b"<|endoftext|>", b"a", b"b", b"c", b"ab", b"abc", b"aba"]
PARTS = [[-1, -1], [-1, -1], [-1, -1], [-1, -1], [1, 2], [4, 3], [4, 1]]


def built(counts: list[int]) -> Vocabulary:
    return Vocabulary(ENTRIES, np.array(PARTS), np.array(counts))


def nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tree
    for part in tree["parts"]:
        yield from nodes(part)


def test_a_tree_by_hand() -> None:
    leaf = {"bytes": 1, "parts": []}
    a, b, c = ({"id": token, "text": text, "count": token * 10} | leaf for token, text in ((1, "a"), (2, "b"), (3, "c")))
    ab = {"id": 4, "text": "ab", "bytes": 2, "count": 40, "parts": [a, b]}
    vocabulary = built([0, 10, 20, 30, 40, 50, 60])
    assert vocabulary.tree(5) == {"id": 5, "text": "abc", "bytes": 3, "count": 50, "parts": [ab, c]}
    assert vocabulary.tree(6)["parts"] == [ab, a]
    assert vocabulary.tree(1) == a


def test_uses_within_larger_entries_are_counted_once_for_each_place() -> None:
    vocabulary = built([0, 1, 0, 0, 2, 10, 100])
    assert vocabulary.uses_with_larger_entries().tolist() == [0, 1 + 112 + 100, 112, 10, 112, 10, 100]
    assert vocabulary.counts.tolist() == [0, 1, 0, 0, 2, 10, 100], "left as they were"


@pytest.mark.parametrize(("own", "never", "nearly"), [(0, 1, 1), (1, 0, 1), (2, 0, 0), (500, 0, 0)])
def test_entries_on_the_way_by_hand(own: int, never: int, nearly: int) -> None:
    """`ab` is used `own` times and 150 times within others; single bytes are not learned and not counted."""
    found = entries_on_the_way(built([0, 0, 0, 0, own, 50, 100]))
    assert found is not None
    assert (found["never_used"], found["nearly_never_used"]) == (never, nearly)
    shown = [{"id": 4, "text": "ab", "count": own, "count_within_larger": 150}]
    assert found["examples"] == (shown if nearly else [])


def test_without_merges_there_is_nothing_on_the_way_and_no_tree() -> None:
    vocabulary = Vocabulary(ENTRIES, np.full((7, 2), -1), np.ones(7, dtype=np.int64))
    assert entries_on_the_way(vocabulary) is None
    assert telling_trees(vocabulary, np.ones(7, dtype=np.int64)) == []


@pytest.mark.parametrize("track", ["bpe", "btm", "file"])
def test_parts_spell_every_learned_entry(story_tokenizers: dict[str, Tokenizer], tmp_path: Path, track: str) -> None:
    if track == "file":
        story_tokenizers["bpe"].save(tmp_path / "saved")
        tokenizer: Tokenizer = FileTokenizer.from_file(tmp_path / "saved" / "tokenizer.json")
        assert np.array_equal(tokenizer.parts, story_tokenizers["bpe"].parts)
    else:
        tokenizer = story_tokenizers[track]
    entries = tokenizer.token_bytes
    assert tokenizer.parts.shape == (600, 2)
    for token, (left, right) in enumerate(tokenizer.parts.tolist()):
        if token == 0 or len(entries[token]) == 1:
            assert (left, right) == (-1, -1)
        else:
            assert entries[left] + entries[right] == entries[token]


def test_the_last_parts_of_btm_are_its_merges(story_tokenizers: dict[str, Tokenizer]) -> None:
    btm = story_tokenizers["btm"]
    assert isinstance(btm, BTMTokenizer)
    assert np.array_equal(btm.parts[btm.primitive.vocab_size :], btm.merges[:, :2])
    assert np.array_equal(btm.parts[: btm.primitive.vocab_size], btm.primitive.parts)


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_telling_trees_of_real_tokenizers(
    story_tokens: dict[str, Path], story_tokenizers: dict[str, Tokenizer], track: str
) -> None:
    store, tokenizer = TokenStore.open(story_tokens[track]), story_tokenizers[track]
    entries = tokenizer.token_bytes
    words = np.array([0, *(words_in(entry) for entry in entries[1:])])
    vocabulary = Vocabulary(entries, tokenizer.parts, count_uses(store.train, store.entries))
    trees = telling_trees(vocabulary, words)
    used = [token for token in range(1, 600) if vocabulary.counts[token] and len(entries[token]) <= LONGEST_TREE_BYTES]
    longest = sorted(used, key=lambda token: (-len(entries[token]), -vocabulary.counts[token]))
    spanning = sorted((token for token in used if words[token] >= 2), key=lambda token: -vocabulary.counts[token])
    expected = [*spanning[:5], longest[0]] if track == "btm" else longest[:6]
    assert [tree["id"] for tree in trees] == expected
    for tree in trees:
        leaves = [node["text"] for node in nodes(tree) if not node["parts"]]
        assert "".join(leaves) == tree["text"]
        assert all(node["count"] == vocabulary.counts[node["id"]] for node in nodes(tree))


def test_a_tree_may_be_deeper_than_pythons_stack() -> None:
    entries = [b"<|endoftext|>", b"a", *(b"a" * size for size in range(2, 3000))]
    parts = np.array([[-1, -1], [-1, -1], *([size - 1, 1] for size in range(2, 3000))])
    tree = Vocabulary(entries, parts, np.zeros(len(entries), dtype=np.int64)).tree(len(entries) - 1)
    depth = 0
    while tree["parts"]:
        tree, depth = tree["parts"][0], depth + 1
    assert depth == 2998
