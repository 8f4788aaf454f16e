"""Every score and scope of the merge engine against its slow twin, in learning and in encoding."""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.errors import TrialError
from toktrial.tokenizer import reference
from toktrial.tokenizer.encode_kernels import LONGEST_PLAIN_PIECE, encode_stream, merge_tables
from toktrial.tokenizer.merge import LearnedMerges, learn_merges, learn_merges_of_stream
from toktrial.tokenizer.merge_rules import NO_TOKEN, SCOPES, SCORES, MergeRule, may_merge, resolve_score, word_flags
from toktrial.tokenizer.pairs import IntArray

# Parts of words, words with and without a space before them, punctuation, space, a letter beyond ASCII, a digit.
ENTRIES = [b"a", b" a", b" th", b"ing", b".", b" ", b", ", b"\xc3", b"7", b'."']

documents_strategy = st.lists(
    st.lists(st.tuples(st.lists(st.integers(0, len(ENTRIES) - 1), min_size=1, max_size=4), st.integers(1, 5)), max_size=8).map(
        lambda parts: [token for piece, times in parts for token in piece * times]
    ),
    max_size=6,
)


def flatten(documents: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    offsets = np.cumsum([0, *map(len, documents)])
    return np.array([token for document in documents for token in document], dtype=np.uint32), offsets


def unflatten(ids: IntArray, offsets: npt.NDArray[np.int64]) -> list[list[int]]:
    return [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]


def assert_twins_agree(
    documents: Sequence[Sequence[int]], vocab_size: int, min_frequency: int, score: str, scope: str, refresh_every: int
) -> LearnedMerges:
    expected = reference.learn_merges(documents, ENTRIES, vocab_size, min_frequency, SCORES[score], scope, refresh_every)
    rule = MergeRule(min_frequency, score, scope, refresh_every=refresh_every)
    learned = learn_merges_of_stream(*flatten(documents), ENTRIES, vocab_size, rule)
    assert learned.merges.tolist() == [list(merge) for merge in expected.merges]
    assert set(learned.passed_over) == set(expected.passed_over)
    assert unflatten(learned.ids, learned.offsets) == expected.documents
    return learned


@settings(max_examples=250, deadline=None)
@given(
    documents_strategy,
    st.integers(10, 40),
    st.integers(1, 3),
    st.sampled_from(sorted(SCORES)),
    st.sampled_from(SCOPES),
    st.sampled_from([1, 2, 5, 1000]),
)
def test_learning_equals_the_twin(
    documents: list[list[int]], vocab_size: int, min_frequency: int, score: str, scope: str, refresh_every: int
) -> None:
    assert_twins_agree(documents, vocab_size, min_frequency, score, scope, refresh_every)


@settings(max_examples=150, deadline=None)
@given(documents_strategy, documents_strategy, st.sampled_from(SCOPES))
def test_encoding_equals_the_twin(learned_from: list[list[int]], encoded: list[list[int]], scope: str) -> None:
    learned = learn_merges(learned_from, ENTRIES, 40, 1, scope=scope)
    entries = [*ENTRIES]
    for left, right in learned.merges[:, :2].tolist():
        entries.append(entries[left] + entries[right])
    tables = merge_tables(learned.merges, entries, scope)
    reference_scope = reference.ReferenceScope(scope, entries)
    for documents in (encoded, learned_from):
        expected = [reference.encode(document, learned.merges.tolist(), reference_scope) for document in documents]
        assert unflatten(*encode_stream(*flatten(documents), tables)) == expected
    assert unflatten(learned.ids, learned.offsets) == expected


@pytest.mark.parametrize("scope", SCOPES)
def test_long_pieces_equal_the_twin_too(scope: str) -> None:
    rng = np.random.default_rng(11)
    documents = [rng.choice([0, 3, 0, 3, 1, 4], size=6 * LONGEST_PLAIN_PIECE).tolist() for _ in range(6)]
    documents += [[0] * 5 * LONGEST_PLAIN_PIECE, [1, 4] * 3 * LONGEST_PLAIN_PIECE]
    learned = learn_merges(documents, ENTRIES, 60, 2, scope=scope)
    entries = [*ENTRIES]
    for left, right in learned.merges[:, :2].tolist():
        entries.append(entries[left] + entries[right])
    encoded = unflatten(*encode_stream(*flatten(documents), merge_tables(learned.merges, entries, scope)))
    assert encoded == unflatten(learned.ids, learned.offsets)
    scoped = reference.ReferenceScope(scope, entries)
    assert encoded == [reference.encode(document, learned.merges.tolist(), scoped) for document in documents]


@settings(deadline=None)
@given(st.lists(st.integers(0, len(ENTRIES) - 1), min_size=2, max_size=4), st.booleans(), st.booleans())
def test_the_words_scope_asks_what_the_twin_asks(tokens: list[int], at_start: bool, at_end: bool) -> None:
    flags = word_flags(ENTRIES, len(ENTRIES), "words")
    position = 0 if at_start or len(tokens) < 3 else 1
    document = tokens[: position + 2] if at_end else tokens
    before = document[position - 1] if position else NO_TOKEN
    after = document[position + 2] if position + 2 < len(document) else NO_TOKEN
    scope = reference.ReferenceScope("words", ENTRIES)
    fast = may_merge(flags, before, document[position], document[position + 1], after)
    assert fast == scope.may_merge(document, position)


def test_the_words_scope_makes_words_and_superwords_of_whole_words() -> None:
    a, space_a, th, ing, stop = 0, 1, 2, 3, 4
    inside = learn_merges([[th, ing]] * 3, ENTRIES, 11, scope="words")
    assert inside.merges.tolist() == [[th, ing, 10, 3]]
    whole = learn_merges([[space_a, space_a, stop]] * 3, ENTRIES, 11, scope="words")
    assert whole.merges[0].tolist() == [space_a, space_a, 10, 3]
    # ` th` goes on as `ing`: a superword of ` a` and ` th` alone would not end at a word's end.
    cut = learn_merges([[space_a, th, ing]] * 3, ENTRIES, 11, scope="words")
    assert cut.merges.tolist() == [[th, ing, 10, 3]]
    assert learn_merges([[space_a, th, ing]] * 3, ENTRIES, 11).merges.tolist() == [[space_a, th, 10, 3]]
    # A token that spans words already is no part of a word: `. a` may not swallow the rest of a longer word.
    assert not may_merge(word_flags([b". a", b"b"], 2, "words"), NO_TOKEN, 0, 1, NO_TOKEN)
    assert learn_merges([[a, a]] * 2, ENTRIES, 11, scope="words").merges.tolist() == [[a, a, 10, 2]]


def test_pmi_prefers_what_belongs_together_to_what_is_frequent() -> None:
    documents = [[0, 0, 1, 0, 0, 2, 3, 0, 0, 1, 0, 1, 0, 0], [2, 3, 0, 1, 0, 0, 0]]
    by_frequency = learn_merges(documents, ENTRIES, 11).merges[0]
    by_pmi = learn_merges(documents, ENTRIES, 11, score="pmi").merges[0]
    assert by_frequency[:2].tolist() == [0, 0]
    assert by_pmi[:2].tolist() == [2, 3]


@pytest.mark.parametrize("name", sorted(SCORES))
def test_scores_of_pairs_are_those_of_each_pair(name: str) -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 50, size=(3, 200))
    counts[1:] += counts[0]
    pair, left, right = counts
    score = resolve_score(name)
    found = score.of_pairs(pair, left, right, 10_000)
    assert found.tolist() == [score.of_pair(int(pair[k]), int(left[k]), int(right[k]), 10_000) for k in range(200)]


def test_scores_by_hand() -> None:
    assert SCORES["frequency"](3, 4, 6, 24) == 3.0
    assert SCORES["pmi"](3, 4, 6, 24) == pytest.approx(np.log(3))
    assert SCORES["npmi"](3, 4, 6, 24) == pytest.approx(np.log(3) / np.log(8))
    assert SCORES["npmi"](5, 5, 5, 5) == 1.0
    assert SCORES["likelihood"](3, 4, 6, 24) == 0.125
    assert SCORES["significance"](3, 4, 6, 24) == pytest.approx(3 * (3 - 1) / np.sqrt(1 - 1 / 24))
    assert SCORES["significance"](5, 5, 5, 5) == 0.0


def test_a_users_own_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_scores.py").write_text(
        "import math\n"
        "def weighted(pair_count, left_count, right_count, tokens):\n"
        "    return pair_count * math.log(pair_count * tokens / (left_count * right_count))\n"
        "def broken(pair_count):\n"
        "    return pair_count\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    documents = [[0, 0, 1, 0, 0, 2, 3, 0, 0, 1, 0, 1, 0, 0], [2, 3, 0, 1, 0, 0, 0]]
    own = resolve_score("own_scores:weighted")
    learned = learn_merges(documents, ENTRIES, 14, score="own_scores:weighted")
    expected = reference.learn_merges(documents, ENTRIES, 14, 2, own.of_pair, "any", refresh_every=256)
    assert learned.merges.tolist() == [list(merge) for merge in expected.merges]
    assert isinstance(own.of_pair, numba.core.dispatcher.Dispatcher)
    for name, complaint in {
        "pmj": "did you mean 'pmi'",
        "own_scores:nothing": "cannot be imported",
        "no_such_module:score": "cannot be imported",
        "own_scores:broken": "gives no number",
        "os:system": "is not a Python function that numba could compile, but a builtin",
        ":score": "cannot be imported",
    }.items():
        with pytest.raises(TrialError, match=complaint):
            resolve_score(name)
    sys.modules.pop("own_scores")


def test_an_unknown_scope_is_refused() -> None:
    with pytest.raises(TrialError, match="did you mean 'words'"):
        learn_merges([[0, 1]], ENTRIES, 12, scope="word")
