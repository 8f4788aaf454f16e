"""TknMiner, SyncStream and PairGraph: windows worked by hand, and counts as the reference counts them."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.errors import TrialError
from toktrial.tokenizer import reference, reference_tkn
from toktrial.tokenizer.pairs import IntArray
from toktrial.tokenizer.tkn import PairGraph, SyncStream, TknMiner

Documents = list[list[int]]


def flatten(documents: Documents, dtype: Any = np.int64) -> tuple[IntArray, IntArray]:
    offsets = np.cumsum([0, *map(len, documents)])
    return np.array([token for document in documents for token in document], dtype=dtype), offsets


def unflatten(ids: IntArray, offsets: IntArray) -> Documents:
    return [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]


def graph_of(documents: Documents, dtype: Any = np.int64) -> PairGraph:
    graph = PairGraph()
    graph.add(*flatten(documents, dtype))
    return graph


def expected_edges(documents: Documents) -> list[list[int]]:
    pairs = reference.count_pairs(documents)
    return [[*pair, pairs[pair]] for pair in sorted(pairs, key=lambda pair: (-pairs[pair], pair))]


# PairGraph

narrow = st.integers(0, 5)  # few ids: runs, ties
wide = st.sampled_from([0, 1, 255, 256, 4095, 65_534, 65_535])
documents = st.lists(st.lists(narrow | wide, max_size=30), max_size=8)


@settings(max_examples=150, deadline=None)
@given(documents=documents, dtype=st.sampled_from([np.uint16, np.uint32, np.int64]))
def test_counts_are_those_of_the_reference(documents: Documents, dtype: Any) -> None:
    graph = graph_of(documents, dtype)
    pairs = reference.count_pairs(documents)
    assert len(graph) == len(pairs)
    assert graph.edges().tolist() == expected_edges(documents)
    assert graph.edges().dtype == np.int64
    for (left, right), count in pairs.items():
        assert graph.count(left, right) == count
    assert graph.count(7, 7) == 0


@settings(max_examples=60, deadline=None)
@given(documents=documents, cuts=st.lists(st.integers(0, 8), max_size=4))
def test_chunks_give_the_same_as_the_whole(documents: Documents, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(documents)) for cut in cuts), len(documents)]
    graph = PairGraph()
    stream = SyncStream(graph)
    for start, end in itertools.pairwise(edges):
        stream.feed(*flatten(documents[start:end], np.uint32))
    assert graph.edges().tolist() == graph_of(documents).edges().tolist()
    assert stream.graph is graph
    assert stream.documents == len(documents)
    assert stream.tokens == sum(map(len, documents))


def test_ids_that_need_32_bits_are_kept_apart() -> None:
    graph = graph_of([[65_536, 1], [1, 65_536], [0, 1], [2**31, 2**32 - 2]], np.uint32)
    assert graph.edges().tolist() == [[0, 1, 1], [1, 65_536, 1], [65_536, 1, 1], [2**31, 2**32 - 2, 1]]


def test_documents_are_walls() -> None:
    graph = graph_of([[1, 2], [], [3], [2, 1]])
    assert graph.edges().tolist() == [[1, 2, 1], [2, 1, 1]]
    assert graph.count(2, 3) == graph.count(3, 2) == graph.count(2, 2) == 0


def test_part_of_a_stream_can_be_fed() -> None:
    """Offsets need not begin at 0: only the documents between the first and the last one are counted."""
    ids, offsets = flatten([[9, 9, 9], [1, 2, 1], [2, 1], [9, 9]])
    stream = SyncStream(PairGraph())
    stream.feed(ids, offsets[1:4])
    assert stream.graph.edges().tolist() == [[2, 1, 2], [1, 2, 1]]
    assert (stream.documents, stream.tokens) == (2, 5)


def test_an_empty_graph() -> None:
    graph = graph_of([[], [5], []])
    assert len(graph) == 0
    assert graph.count(5, 5) == 0
    assert graph.edges().shape == (0, 3)


@pytest.mark.parametrize("chunks", [1, 7])
def test_the_table_grows_in_the_middle_of_a_document(chunks: int) -> None:
    """More than 40,000 different pairs, 2,049 of which fill the first table, in one document a chunk."""
    rng = np.random.default_rng(11)
    documents = [part.tolist() for part in np.array_split(rng.integers(0, 400, size=50_000), chunks)]
    graph = PairGraph()
    for document in documents:
        graph.add(*flatten([document], np.uint16))
    pairs = reference.count_pairs(documents)
    assert len(graph) == len(pairs) > 40_000
    assert graph.edges().tolist() == expected_edges(documents)


def test_a_saved_graph_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    graph = graph_of([(rng.zipf(1.3, size=5000) % 400).tolist() for _ in range(4)])
    graph.save(tmp_path)
    table = pq.read_table(tmp_path / "graph.parquet")
    assert table.column_names == ["left", "right", "count"]
    assert np.stack([column.to_numpy() for column in table.columns], axis=1).tolist() == graph.edges().tolist()
    loaded = PairGraph.load(tmp_path)
    assert loaded.edges().tolist() == graph.edges().tolist()
    assert len(loaded) == len(graph) > 2000
    assert loaded.count(0, 0) == graph.count(0, 0)
    assert loaded.count(399, 400) == 0
    more = [list(range(3000))]  # what is loaded can be fed on
    loaded.add(*flatten(more))
    graph.add(*flatten(more))
    assert loaded.edges().tolist() == graph.edges().tolist()


def test_an_empty_graph_is_read_back(tmp_path: Path) -> None:
    PairGraph().save(tmp_path)
    assert len(PairGraph.load(tmp_path)) == 0


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"no pair graph at .*graph\.parquet"):
        PairGraph.load(tmp_path)


# TknMiner, worked by hand: ids 0, 1, 2, 3 are written a, b, c, d.

A, B, C, D = range(4)


def ids_of(letters: str) -> list[int]:
    return ["abcd".index(letter) for letter in letters]


def windows_of(miner: TknMiner, letters: str) -> str:
    return " ".join("".join("abcd"[token] for token in window) for window in miner.windows(ids_of(letters)))


def test_version_1_passes_every_primitive_through() -> None:
    miner = TknMiner(first_free_id=100)
    ids, offsets = flatten([ids_of("ababab"), [], ids_of("c")], np.uint16)
    tokens, token_offsets = miner.mine(ids, offsets)
    assert tokens.tolist() == ids.tolist()
    assert token_offsets.tolist() == [0, 6, 6, 7]
    assert miner.sequences == {}
    assert windows_of(TknMiner(first_free_id=100, max_window=1), "aabab") == "a a b a b"


def test_a_window_grows_while_it_is_known() -> None:
    # met         window   why it ends there                bank afterwards
    # a           a        ab is not known                  a ab
    # b           b        ba is not known                  a ab b ba
    # ab          ab       aba is not known (ab is)         a b ba ab aba
    # aba         aba      abac is not known (aba is)       a b ba ab aba abac
    # c           c        the document ends
    assert windows_of(TknMiner(first_free_id=4, max_window=4), "abababac") == "a b ab aba c"


def test_no_window_is_longer_than_max_window() -> None:
    assert windows_of(TknMiner(first_free_id=4, max_window=3), "a" * 12) == "a aa aaa aaa aaa"
    assert windows_of(TknMiner(first_free_id=4, max_window=2), "a" * 12) == "a aa aa aa aa aa a"
    assert windows_of(TknMiner(first_free_id=4, max_window=9), "a" * 12) == "a aa aaa aaaa aa"


def test_a_documents_end_flushes_the_window_but_not_the_bank() -> None:
    miner = TknMiner(first_free_id=4, max_window=4)
    assert windows_of(miner, "ab") == "a b"  # remembers a, ab
    assert windows_of(miner, "ab") == "ab"  # the end flushes what it had grown
    assert windows_of(miner, "b") == "b"  # and nothing of it is left: no abb, no bb
    assert windows_of(miner, "abb") == "ab b"  # remembers ab, abb
    assert windows_of(miner, "abb") == "abb"
    assert windows_of(miner, "") == ""


def test_the_flushed_window_is_not_remembered_with_what_follows() -> None:
    miner = TknMiner(first_free_id=4, max_window=4)
    assert windows_of(miner, "a") == "a"
    assert windows_of(miner, "b") == "b"
    assert windows_of(miner, "ab") == "a b"  # ab was never met within a document


def test_the_least_recently_met_sequence_is_forgotten() -> None:
    # bank_size 4; document                     bank, oldest first
    # ab: a | b       ab is not known           a ab
    # cd: c | d       cd is not known           a ab c cd
    # ba: b | a       ba is not known           c cd b ba       (a and ab are forgotten)
    # ab: a | b       ab is not known any more  b ba a ab       (c and cd are forgotten)
    # cd: c | d       cd is not known any more  a ab c cd
    small = TknMiner(first_free_id=4, max_window=2, bank_size=4)
    assert [windows_of(small, letters) for letters in ("ab", "cd", "ba", "ab", "cd")] == ["a b", "c d", "b a", "a b", "c d"]
    large = TknMiner(first_free_id=4, max_window=2, bank_size=6)
    assert [windows_of(large, letters) for letters in ("ab", "cd", "ba", "ab", "cd")] == ["a b", "c d", "b a", "ab", "cd"]


def test_a_hit_refreshes() -> None:
    # bank_size 4; document                     bank, oldest first
    # ab: a | b       ab is not known           a ab
    # cd: c | d       cd is not known           a ab c cd
    # ab: ab          a hit on ab               a c cd ab
    # ba: b | a       ba is not known           cd ab b ba      (a and c are forgotten; without the hit: a and ab)
    # ab: ab          still known
    miner = TknMiner(first_free_id=4, max_window=2, bank_size=4)
    assert [windows_of(miner, letters) for letters in ("ab", "cd", "ab", "ba", "ab")] == ["a b", "c d", "ab", "b a", "ab"]


def test_remembering_again_refreshes_too() -> None:
    # bank_size 3; document                     bank, oldest first
    # ab: a | b       ab is not known           a ab
    # ac: a | c       ac is not known           ab a ac         (a is remembered again)
    # ad: a | d       ad is not known           ac a ad         (ab is forgotten; had a stayed oldest, it would be)
    # ab: a | b       ab is not known any more  ad a ab
    # ad: ad          still known
    miner = TknMiner(first_free_id=4, max_window=2, bank_size=3)
    assert [windows_of(miner, letters) for letters in ("ab", "ac", "ad", "ab", "ad")] == ["a b", "a c", "a d", "a b", "ad"]


def test_a_bank_of_one_keeps_the_last_extension() -> None:
    # a a a a a a     window   bank afterwards
    # a               a        aa
    #   a a           aa       aaa       (so aa is forgotten)
    #       a         a        aa
    #         a a     aa       the document ends
    miner = TknMiner(first_free_id=4, max_window=3, bank_size=1)
    assert windows_of(miner, "aaaaaa") == "a aa a aa"
    assert windows_of(miner, "aa") == "aa"
    assert windows_of(miner, "ab") == "a b"  # now ab is all that it knows
    assert windows_of(miner, "aaa") == "a aa"


def test_longer_windows_get_ids_from_first_free_id_on() -> None:
    miner = TknMiner(first_free_id=100, max_window=4)
    ids, offsets = flatten([ids_of("abababac"), [], ids_of("abab")])
    tokens, token_offsets = miner.mine(ids, offsets)
    # a b ab aba c, then aba b: the document ends at b.
    assert unflatten(tokens, token_offsets) == [[A, B, 100, 101, C], [], [101, B]]
    assert miner.sequences == {100: (A, B), 101: (A, B, A)}
    again, again_offsets = miner.mine(*flatten([ids_of("abac")]))
    assert unflatten(again, again_offsets) == [[102]]
    assert miner.sequences[102] == (A, B, A, C)


@pytest.mark.parametrize("settings", [{"max_window": 0}, {"bank_size": 0}, {"max_window": -1}])
def test_a_window_or_bank_of_nothing_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(TrialError, match="must be at least 1"):
        TknMiner(first_free_id=4, **settings)


@settings(max_examples=200, deadline=None)
@given(
    documents=st.lists(st.lists(st.integers(0, 2), max_size=40), max_size=6),
    max_window=st.integers(2, 6),
    bank_size=st.integers(1, 12) | st.just(1000),
)
def test_any_documents_are_cut_as_the_design_says(documents: Documents, max_window: int, bank_size: int) -> None:
    miner = TknMiner(3, max_window, bank_size)
    found = [miner.windows(document) for document in documents]
    assert found == reference_tkn.mine(documents, max_window, bank_size)
    assert [[token for window in windows for token in window] for windows in found] == documents
    assert all(1 <= len(window) <= max_window for windows in found for window in windows)


@settings(max_examples=60, deadline=None)
@given(documents=st.lists(st.lists(st.integers(0, 2), max_size=40), max_size=6), max_window=st.integers(1, 6))
def test_sequences_explain_every_token(documents: Documents, max_window: int) -> None:
    miner = TknMiner(3, max_window)
    tokens = unflatten(*miner.mine(*flatten(documents)))
    explained = [[miner.sequences.get(token, (token,)) for token in document] for document in tokens]
    assert [[token for window in document for token in window] for document in explained] == documents
    assert sorted(miner.sequences) == list(range(3, 3 + len(miner.sequences)))
    assert len(set(miner.sequences.values())) == len(miner.sequences)
    assert all(len(window) > 1 for window in miner.sequences.values())
    met = [token for document in tokens for token in document if token >= 3]
    assert sorted(set(met), key=met.index) == sorted(miner.sequences)  # in the order in which they were first emitted


def test_mined_tokens_make_a_graph() -> None:
    """Version 1 and a miner of longer windows, through SyncStream to the graph."""
    documents = [ids_of("abababac"), ids_of("abab")]
    stream = SyncStream(PairGraph())
    stream.feed(*TknMiner(first_free_id=4).mine(*flatten(documents)))
    assert stream.graph.edges().tolist() == expected_edges(documents)
    stream = SyncStream(PairGraph())
    stream.feed(*TknMiner(first_free_id=4, max_window=4).mine(*flatten(documents)))
    # a b ab aba c; aba b
    assert stream.graph.edges().tolist() == [[A, B, 1], [B, 4, 1], [4, 5, 1], [5, B, 1], [5, C, 1]]
    assert (stream.documents, stream.tokens) == (2, 7)
