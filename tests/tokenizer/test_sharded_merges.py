"""Merges learned from shards: those of the merge engine and of its judge, whatever the stream and however it is cut."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.errors import TrialError
from toktrial.tokenizer import reference
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.merge import LearnedMerges, MergeCheckpoint, MergeList, learn_merges_of_stream
from toktrial.tokenizer.merge_rules import SCOPES, SCORES, MergeRule
from toktrial.tokenizer.merge_shard import MergeShard
from toktrial.tokenizer.pairs import IntArray
from toktrial.tokenizer.sharded_merges import ThreadShards, cut_documents, learn_merges_of_shards

# Parts of words, words with and without a space before them, punctuation, space; and two that spell what others join to.
ENTRIES = [b"a", b" a", b" th", b"ing", b".", b" ", b"aa", b". a"]
Stream = tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]


class PlainShards:
    """Shards one after another in this thread; notes the rounds."""

    def __init__(self, documents: Sequence[tuple[IntArray, IntArray]]) -> None:
        self.documents = documents
        self.rounds: list[int] = []

    def __len__(self) -> int:
        return len(self.documents)

    def start(self, *arguments: Any) -> None:
        self.shards = [MergeShard(*part, *arguments) for part in self.documents]

    def call(self, method: str, *arguments: Any) -> Iterable[Any]:
        if method == "merge":
            self.rounds.append(len(arguments[1]))
        return [getattr(shard, method)(*arguments) for shard in self.shards]

    def all_documents(self) -> list[list[int]]:
        return [document for ids, offsets in self.call("documents") for document in unflatten(ids, offsets)]


def flatten(documents: Sequence[Sequence[int]]) -> Stream:
    offsets = np.cumsum([0, *map(len, documents)])
    return np.array([token for document in documents for token in document], dtype=np.uint32), offsets


def unflatten(ids: IntArray, offsets: IntArray) -> list[list[int]]:
    return [ids[a:b].tolist() for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)]


def assert_equal(learned: MergeList, expected: LearnedMerges | reference.ReferenceMerges) -> None:
    assert learned.merges.tolist() == [list(merge) for merge in np.asarray(expected.merges).tolist()]
    assert set(learned.passed_over) == set(expected.passed_over)


def random_documents(seed: int, count: int = 30, entries: int = len(ENTRIES)) -> list[list[int]]:
    """Documents of a skewed random walk: some pairs are far more frequent than others."""
    rng = np.random.default_rng(seed)
    return [(rng.zipf(1.3, size=300).clip(max=entries) - 1).tolist() for _ in range(count)]


# Few symbols and repeated pieces make long runs, overlaps and ties everywhere.
documents_strategy = st.lists(
    st.lists(st.tuples(st.lists(st.integers(0, len(ENTRIES) - 1), min_size=1, max_size=4), st.integers(1, 5)), max_size=8).map(
        lambda parts: [token for piece, times in parts for token in piece * times]
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(
    documents_strategy,
    st.integers(1, 4),
    st.integers(8, 40),
    st.integers(1, 3),
    st.sampled_from(sorted(SCORES) + ["frequency"] * 3),
    st.sampled_from(SCOPES),
    st.sampled_from([0, 0, 2, 4]),
    st.sampled_from([0.0, 0.1, 1.0, 4.0]),
)
def test_equal_to_the_reference(
    documents: list[list[int]],
    n_shards: int,
    vocab_size: int,
    min_frequency: int,
    score: str,
    scope: str,
    max_words: int,
    pairs_kept_per_merge: float,
) -> None:
    expected = reference.learn_merges(documents, ENTRIES, vocab_size, min_frequency, SCORES[score], scope, 5, max_words)
    shards = PlainShards(list(cut_documents(*flatten(documents), n_shards)))
    learned = learn_merges_of_shards(
        shards, ENTRIES, vocab_size, MergeRule(min_frequency, score, scope, max_words, 0, 5, pairs_kept_per_merge)
    )
    assert_equal(learned, expected)
    assert shards.all_documents() == expected.documents


@pytest.mark.parametrize("n_shards", [1, 2, 3, 8])
def test_golden_cases(golden_merges: list[dict[str, Any]], n_shards: int) -> None:
    for case in golden_merges:
        primitives = [bytes.fromhex(text) for text in case["primitives"]]
        shards = PlainShards(list(cut_documents(*flatten(case["documents"]), n_shards)))
        learned = learn_merges_of_shards(shards, primitives, case["vocab_size"], MergeRule(case["min_frequency"]))
        assert learned.merges.tolist() == case["merges"], case["name"]
        assert [list(pair) for pair in learned.passed_over] == case["passed_over"], case["name"]
        assert shards.all_documents() == case["encoded"], case["name"]


def test_real_stories_in_few_rounds(train_stories: list[str]) -> None:
    """With recounts, in threads, and in an order that the single engine's documents do not have."""
    primitive = BPETokenizer.train(train_stories, 512)
    stream = flatten([primitive.encode(story) for story in train_stories])
    for scope in SCOPES:
        expected = learn_merges_of_stream(*stream, primitive.token_bytes, 2500, MergeRule(scope=scope))
        parts = list(cut_documents(*stream, 3))
        shards = PlainShards([parts[2], parts[0], parts[1]])
        rule = MergeRule(scope=scope, pairs_kept_per_merge=0.1)
        learned = learn_merges_of_shards(shards, primitive.token_bytes, 2500, rule)
        assert_equal(learned, expected)
        assert learned.recounts > 0
        assert sum(shards.rounds) == len(learned.merges)
        assert scope == "words" or len(shards.rounds) < len(learned.merges) / 3
        in_threads = learn_merges_of_shards(ThreadShards(cut_documents(*stream, 3)), primitive.token_bytes, 2500, rule)
        assert_equal(in_threads, expected)


def test_what_ends_a_round() -> None:
    def rounds(documents: list[list[int]], entries: list[bytes], scope: str = "any") -> list[int]:
        shards = PlainShards([flatten(documents)])
        learned = learn_merges_of_shards(shards, entries, len(entries) + 2, MergeRule(1, scope=scope))
        assert_equal(learned, reference.learn_merges(documents, entries, len(entries) + 2, 1, scope=scope))
        return shards.rounds

    letters = [b"a", b"b", b"c", b"d", b"e"]
    apart = [[0, 1]] * 5 + [[2, 3]] * 4
    assert rounds(apart, letters) == [2]
    assert rounds([[0, 1]] * 5 + [[1, 2]] * 4, letters) == [1, 1], "they share a token"
    assert rounds([[0, 0, 0]] * 5 + [[2, 3]] * 4, letters) == [1, 1], "a token with itself: (a a, a) goes before (c, d)"
    assert rounds(apart, letters, "words") == [1, 1], "a merge inside a word"
    assert rounds(apart, [b" a", b" b", b" c", b" d", b" e"], "words") == [2], "merges across words"
    # (e, a) spells an entry and is passed over: e + (a b) would be as frequent as (a, b), and goes before (c, d).
    passed_over = [[4, 0, 1]] * 5 + [[2, 3]] * 4
    assert rounds(passed_over, [*letters, b"ea"]) == [1, 1]
    # (1, a) may not arise, so nothing that holds it may.
    assert rounds(passed_over, [*letters[:4], b"1"], "superbpe") == [2]


def test_shards_may_be_empty_or_know_only_some_of_the_pairs() -> None:
    documents = [[0, 3, 0, 3], [], [1, 2], [4, 5] * 3]
    expected = reference.learn_merges(documents, ENTRIES, 20, 1)
    for parts in ([flatten([])] * 2 + [flatten(documents)], [flatten([document]) for document in documents]):
        shards = PlainShards(parts)
        assert_equal(learn_merges_of_shards(shards, ENTRIES, 20, MergeRule(1)), expected)
        assert shards.all_documents() == expected.documents
    assert len(learn_merges_of_shards(PlainShards([flatten([])]), ENTRIES, 20).merges) == 0


@given(documents_strategy, st.integers(1, 12))
def test_cutting_loses_no_document(documents: list[list[int]], n_shards: int) -> None:
    parts = list(cut_documents(*flatten(documents), n_shards))
    assert len(parts) == n_shards
    assert [document for part in parts for document in unflatten(*part)] == documents


class StoppedError(Exception):
    """Raised in the middle of learning."""


@pytest.mark.parametrize(("score", "scope"), [("frequency", "any"), ("frequency", "words"), ("npmi", "any")])
def test_interrupted_again_and_again_it_goes_on_from_its_checkpoint(tmp_path: Path, score: str, scope: str) -> None:
    stream = flatten(random_documents(13))
    rule = MergeRule(score=score, scope=scope, refresh_every=4)
    whole = learn_merges_of_stream(*stream, ENTRIES, 56, rule)
    heard: list[int] = []

    def stop_now_and_then(entries: int, count: int) -> None:  # noqa: ARG001
        heard.append(entries)
        if len(heard) % 9 == 0:
            raise StoppedError

    def go_on(on_merge: Callable[[int, int], None]) -> MergeList:
        checkpoint = MergeCheckpoint(tmp_path / "merges.npz", "these inputs", every_seconds=0)
        return learn_merges_of_shards(
            ThreadShards(cut_documents(*stream, 2)), ENTRIES, 56, rule, on_merge=on_merge, checkpoint=checkpoint
        )

    learned = None
    while learned is None and len(heard) < 2 * len(whole.merges):
        try:
            learned = go_on(stop_now_and_then)
        except StoppedError:
            continue
    assert learned is not None, "it began anew"
    assert len(heard) > len(whole.merges)
    assert_equal(learned, whole)


def test_a_tokenizer_learned_from_shards_is_the_same(storybook: list[str]) -> None:
    primitive = BPETokenizer.train(storybook, 400)
    whole = BTMTokenizer.train(storybook, 900, primitive=primitive)
    from_shards = BTMTokenizer.train(storybook, 900, primitive=primitive, shards=3)
    assert from_shards.merges.tolist() == whole.merges.tolist()


def test_ids_and_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(TrialError, match="id 9 at position 1, but there are 8 entries"):
        learn_merges_of_shards(ThreadShards(cut_documents(*flatten([[0, 9]]), 1)), ENTRIES, 12)
    with pytest.raises(TrialError, match="min_frequency"):
        MergeRule(min_frequency=0)
    with pytest.raises(TrialError, match="did you mean 'words'"):
        MergeRule(scope="word")
    with pytest.raises(TrialError, match="vocab_size is 7, but there are 8 primitives"):
        learn_merges_of_shards(ThreadShards(cut_documents(*flatten([[0, 1]]), 1)), ENTRIES, 7)
    with pytest.raises(TrialError, match="take it with one shard"):
        learn_merges_of_shards(ThreadShards(cut_documents(*flatten([[0, 1]]), 1)), ENTRIES, 12, MergeRule(prune=2))
    with pytest.raises(TrialError, match="shards must be at least 1, but is 0"):
        ThreadShards(cut_documents(*flatten([[0, 1]]), 0))
