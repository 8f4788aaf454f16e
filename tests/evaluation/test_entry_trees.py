"""Trees of merges: those of the real tokenizers spell their entries, and what is only on the way is counted by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toktrial.evaluation.entry_trees import LONGEST_TREE_BYTES, BuiltVocabulary, entries_on_the_way, telling_trees
from toktrial.evaluation.marked_text import words_in
from toktrial.evaluation.vocabulary import count_uses
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.file import FileTokenizer
from toktrial.tokens.store import TokenStore

# 1 a, 2 b, 3 c, 4 ab, 5 abc, 6 aba: `ab` is a part of two others.
ENTRIES = [b"<|endoftext|>", b"a", b"b", b"c", b"ab", b"abc", b"aba"]
PARTS = [[-1, -1], [-1, -1], [-1, -1], [-1, -1], [1, 2], [4, 3], [4, 1]]


def built(counts: list[int]) -> BuiltVocabulary:
    return BuiltVocabulary(ENTRIES, np.array(PARTS), np.array(counts))


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
    vocabulary = BuiltVocabulary(ENTRIES, np.full((7, 2), -1), np.ones(7, dtype=np.int64))
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
    vocabulary = BuiltVocabulary(entries, tokenizer.parts, count_uses(store.train, store.entries))
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
    tree = BuiltVocabulary(entries, parts, np.zeros(len(entries), dtype=np.int64)).tree(len(entries) - 1)
    depth = 0
    while tree["parts"]:
        tree, depth = tree["parts"][0], depth + 1
    assert depth == 2998
