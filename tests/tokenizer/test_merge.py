"""The merge engine against its judge: golden cases, the slow reference, and what must hold for every stream."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.errors import TrialError
from toktrial.tokenizer import merge_engine, reference, stream
from toktrial.tokenizer.merge import LearnedMerges, MergeCheckpoint, MergeState, learn_merges, learn_merges_of_stream
from toktrial.tokenizer.merge_rules import SCOPES, MergeRule, word_flags
from toktrial.tokenizer.pairs import parts_of
from toktrial.tokenizer.stream import count_stream_pairs, lay_out_documents, stream_of

LETTERS = [bytes([97 + i]) for i in range(6)]


def flatten(documents: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    offsets = np.cumsum([0, *map(len, documents)])
    return np.array([token for document in documents for token in document], dtype=np.int64), offsets


def unflatten(learned: LearnedMerges) -> list[list[int]]:
    return [learned.ids[a:b].tolist() for a, b in zip(learned.offsets[:-1], learned.offsets[1:], strict=True)]


def assert_equal_to_reference(
    documents: list[list[int]], token_bytes: list[bytes], vocab_size: int, min_frequency: int, **options: Any
) -> LearnedMerges:
    expected = reference.learn_merges(documents, token_bytes, vocab_size, min_frequency)
    learned = learn_merges_of_stream(*flatten(documents), token_bytes, vocab_size, MergeRule(min_frequency, **options))
    assert learned.merges.tolist() == [list(merge) for merge in expected.merges]
    assert learned.passed_over == expected.passed_over
    assert unflatten(learned) == expected.documents
    return learned


def test_golden_cases(golden_merges: list[dict[str, Any]]) -> None:
    for case in golden_merges:
        primitives = [bytes.fromhex(text) for text in case["primitives"]]
        learned = learn_merges(case["documents"], primitives, case["vocab_size"], case["min_frequency"])
        assert learned.merges.tolist() == case["merges"], case["name"]
        assert [list(pair) for pair in learned.passed_over] == case["passed_over"], case["name"]
        assert unflatten(learned) == case["encoded"], case["name"]


def test_the_reference_passes_the_golden_cases_too(golden_merges: list[dict[str, Any]]) -> None:
    for case in golden_merges[:-1]:  # the last one, of real stories, would take the reference minutes
        primitives = [bytes.fromhex(text) for text in case["primitives"]]
        learned = reference.learn_merges(case["documents"], primitives, case["vocab_size"], case["min_frequency"])
        assert [list(merge) for merge in learned.merges] == case["merges"], case["name"]
        assert learned.documents == case["encoded"], case["name"]


# Few symbols and repeated pieces make long runs, overlaps and ties everywhere.
pieces = st.lists(st.integers(0, 3), min_size=1, max_size=5)
documents = st.lists(
    st.lists(st.tuples(pieces, st.integers(1, 6)), max_size=8).map(
        lambda parts: [token for piece, times in parts for token in piece * times]
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(documents, st.integers(1, 4), st.integers(4, 40), st.sampled_from([0.0, 0.1, 1.0, 4.0]))
def test_equal_to_the_reference(
    documents: list[list[int]], min_frequency: int, vocab_size: int, pairs_kept_per_merge: float
) -> None:
    assert_equal_to_reference(documents, LETTERS[:4], vocab_size, min_frequency, pairs_kept_per_merge=pairs_kept_per_merge)


@settings(max_examples=60, deadline=None)
@given(documents, st.integers(1, 3))
def test_equal_to_the_reference_where_entries_already_exist(documents: list[list[int]], min_frequency: int) -> None:
    """Primitives `ab`, `ba` and `aa` beside `a` and `b`: many best pairs spell an entry that is there."""
    assert_equal_to_reference(documents, [b"a", b"b", b"ab", b"aa"], 30, min_frequency)


@settings(max_examples=200, deadline=None)
@given(documents, st.integers(1, 3), st.sampled_from([0.1, 4.0]))
def test_a_long_stream_is_learned_from_in_parts(
    documents: list[list[int]], min_frequency: int, pairs_kept_per_merge: float
) -> None:
    """Half the positions at a time, with entries that are passed over, and so come back after a recount."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge_engine, "LARGE_STREAM", 0)
        entries = [b"a", b"b", b"ab", b"aa"]
        assert_equal_to_reference(documents, entries, 30, min_frequency, pairs_kept_per_merge=pairs_kept_per_merge)


def test_a_long_stream_is_counted_again_where_it_has_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    documents: list[list[int]] = [(rng.zipf(1.4, size=300).clip(max=6) - 1).tolist() for _ in range(20)]
    assert assert_equal_to_reference(documents, LETTERS, 90, 2, pairs_kept_per_merge=50.0).recounts == 0
    monkeypatch.setattr(merge_engine, "LARGE_STREAM", 0)
    assert assert_equal_to_reference(documents, LETTERS, 90, 2, pairs_kept_per_merge=50.0).recounts > 1


def test_keeping_few_pairs_makes_it_count_again() -> None:
    rng = np.random.default_rng(7)
    documents: list[list[int]] = [(rng.zipf(1.4, size=300).clip(max=6) - 1).tolist() for _ in range(20)]
    assert assert_equal_to_reference(documents, LETTERS, 90, 2, pairs_kept_per_merge=0.0).recounts > 2
    assert assert_equal_to_reference(documents, LETTERS, 90, 2, pairs_kept_per_merge=50.0).recounts == 0


def test_wide_ids_give_the_same_merges_as_narrow_ones() -> None:
    """Above 65,534 entries the stream is kept in 32 bits; an unreachable vocabulary size asks for that."""
    rng = np.random.default_rng(3)
    documents = [rng.integers(0, 6, size=200).tolist() for _ in range(5)]
    wide = learn_merges(documents, LETTERS, 70_000, min_frequency=8)
    narrow = learn_merges(documents, LETTERS, 1_000, min_frequency=8)
    assert 0 < len(wide.merges) < 990
    assert wide.merges.tolist() == narrow.merges.tolist()
    assert unflatten(wide) == unflatten(narrow)


@settings(max_examples=60, deadline=None)
@given(documents, st.sampled_from([6, 5000]), st.sampled_from(SCOPES))
def test_the_counts_that_it_starts_from_are_the_references(documents: list[list[int]], entries: int, scope: str) -> None:
    """In a dense table, and in the hash table that many entries ask for."""
    token_bytes = [b"a", b" b", b" ", b"c."]
    cells = lay_out_documents(*flatten(documents), entries, np.uint16)
    counted = count_stream_pairs(stream_of(cells, word_flags(token_bytes, entries, scope), entries), entries, np.uint32)
    left, right = parts_of(counted.keys)
    assert reference.count_pairs(documents, reference.ReferenceScope(scope, token_bytes)) == dict(
        zip(zip(left.tolist(), right.tolist(), strict=True), counted.counts.tolist(), strict=True)
    )


def test_threads_find_what_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(11)
    documents: list[list[int]] = [(rng.zipf(1.3, size=400).clip(max=6) - 1).tolist() for _ in range(30)]
    assert_equal_to_reference(documents, LETTERS, 60, 2)
    monkeypatch.setattr(stream, "CELLS_PER_THREAD", 1000)
    monkeypatch.setattr(stream, "USABLE_CORES", 3)
    assert_equal_to_reference(documents, LETTERS, 60, 2)


class StoppedError(Exception):
    """Raised in the middle of learning."""


@pytest.mark.parametrize(("score", "scope"), [("frequency", "any"), ("frequency", "words"), ("pmi", "any"), ("npmi", "words")])
def test_interrupted_again_and_again_it_goes_on_from_its_last_recount(tmp_path: Path, score: str, scope: str) -> None:
    rng = np.random.default_rng(13)
    documents: list[list[int]] = [(rng.zipf(1.3, size=400).clip(max=6) - 1).tolist() for _ in range(20)]
    entries = [b"a", b" b", b" ", b"c", b".", b"aa"]  # the last is what `a` and `a` would spell
    rule = MergeRule(score=score, scope=scope, refresh_every=4)
    whole = learn_merges_of_stream(*flatten(documents), entries, 46, rule)
    path = tmp_path / "merges.npz"
    heard: list[int] = []

    def stop_now_and_then(entries: int, count: int) -> None:  # noqa: ARG001
        heard.append(entries)
        if len(heard) % 9 == 0:
            raise StoppedError

    for _ in range(40):
        try:
            checkpoint = MergeCheckpoint(path, "these inputs", every_seconds=0)
            learned = learn_merges_of_stream(
                *flatten(documents), entries, 46, rule, on_merge=stop_now_and_then, checkpoint=checkpoint
            )
            break
        except StoppedError:
            continue
    assert len(set(heard)) == len(whole.merges)
    assert len(heard) < 2 * len(whole.merges), "it began anew"
    assert learned.merges.tolist() == whole.merges.tolist()
    assert learned.passed_over == whole.passed_over
    assert unflatten(learned) == unflatten(whole)


def test_every_flipped_bit_of_a_checkpoint_is_noticed_and_none_stops_the_learning(tmp_path: Path) -> None:
    checkpoint, rows = MergeCheckpoint(tmp_path / "merges.npz", "these inputs"), np.zeros((1, 4), dtype=np.int64)
    checkpoint.save(MergeState(np.arange(30, dtype=np.uint16), 300, rows, rows[:, :2]))
    whole = (tmp_path / "merges.npz").read_bytes()
    for place, bit in itertools.product(range(len(whole)), (1, 32, 128)):
        (tmp_path / "merges.npz").write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
        saved = checkpoint.load()
        assert saved is None or (saved.entries_wanted == 300 and saved.cells.tolist() == list(range(30)))


def test_a_checkpoint_of_another_version_is_named_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.zeros((0, 4), dtype=np.int64)
    older: dict[str, Any] = {"fingerprint": "some", "cells": rows[:, 0], "merges": rows, "passed_over": rows[:, :2]}
    for saved in (older, older | {"entries_wanted": 9, "of_the_future": 1}):
        np.savez(tmp_path / "merges.npz", **saved)
        assert MergeCheckpoint(tmp_path / "merges.npz", "others").load() is None
        assert not capsys.readouterr().err
        assert MergeCheckpoint(tmp_path / "merges.npz", "some").load() is None
        said = capsys.readouterr().err
        assert "merges.npz was written by another version of toktrial: learning the merges from the start" in said
        assert "damaged" not in said


def test_a_checkpoint_of_other_inputs_or_a_damaged_one_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = [[0, 1, 0, 1, 2], [0, 1, 2]]
    path = tmp_path / "merges.npz"
    learn_merges_of_stream(*flatten(documents), LETTERS, 7, checkpoint=MergeCheckpoint(path, "some", every_seconds=0))
    assert MergeCheckpoint(path, "others").load() is None
    saved = MergeCheckpoint(path, "some").load()
    assert saved is not None
    assert saved.merges.tolist() == [[0, 1, 6, 3]]
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    path.write_bytes(damaged)
    expected = learn_merges(documents, LETTERS, 8)
    again = learn_merges_of_stream(*flatten(documents), LETTERS, 8, checkpoint=MergeCheckpoint(path, "some"))
    assert again.merges.tolist() == expected.merges.tolist()
    path.write_bytes(damaged[:100])
    assert MergeCheckpoint(path, "some").load() is None
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int32, np.int64])
def test_documents_may_be_lists_or_arrays_of_any_integer_dtype(dtype: Any) -> None:
    documents = [[0, 1, 0, 1], [], [0, 1]]
    expected = learn_merges(documents, LETTERS, 8).merges.tolist()
    assert learn_merges([np.array(d, dtype=dtype) for d in documents], LETTERS, 8).merges.tolist() == expected
    assert expected == [[0, 1, 6, 3]]


def test_no_documents_no_merges() -> None:
    learned = learn_merges([], LETTERS, 10)
    assert learned.merges.shape == (0, 4)
    assert unflatten(learned) == []


def test_on_merge_hears_of_every_merge() -> None:
    heard: list[tuple[int, int]] = []
    learn_merges([[0, 1, 0, 1, 2], [0, 1, 2]], LETTERS, 8, on_merge=lambda entries, count: heard.append((entries, count)))
    assert heard == [(7, 3), (8, 2)]


def test_ids_and_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(TrialError, match="id 6 at position 1, but there are 6 entries"):
        learn_merges([[0, 6]], LETTERS, 10)
    with pytest.raises(TrialError, match="min_frequency"):
        learn_merges([[0, 1]], LETTERS, 10, min_frequency=0)
    with pytest.raises(TrialError, match="vocab_size is 5, but there are 6 primitives"):
        learn_merges([[0, 1]], LETTERS, 5)
