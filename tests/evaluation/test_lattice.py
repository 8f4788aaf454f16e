"""The lattice of a text: its cuts are all that plain recursion finds, and draws follow the weights."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.evaluation.healing import EntryTable
from toktrial.evaluation.lattice import Cut, Lattice

ENTRIES = EntryTable([b"<|endoftext|>", b"a", b"b", b"ab", b"ba", b"bb", b"aab", b"abab", b"c"])
TEXTS = st.text("ab", max_size=9).map(str.encode)


def slow_cuts(text: bytes) -> Iterator[tuple[int, ...]]:
    """Every sequence of ids that spells the text, with the closing id 0."""
    if not text:
        yield (0,)
    for token, entry in enumerate(ENTRIES.token_bytes[1:], 1):
        if text.startswith(entry):
            yield from ((token, *rest) for rest in slow_cuts(text[len(entry) :]))


def test_a_long_text_of_one_cut_is_cut() -> None:
    """A track of bytes has one cut of every text, with as many edges as bytes: more than Python's recursion goes deep."""
    text = b"abc" * 1000
    lattice = Lattice(text, EntryTable([b"<|endoftext|>", b"a", b"b", b"c"]))
    assert [ids_of(lattice, cut) for cut in lattice.all_cuts()] == [(*[1, 2, 3] * 1000, 0)]


def ids_of(lattice: Lattice, cut: Cut) -> tuple[int, ...]:
    return tuple(lattice.ids[list(cut)].tolist())


def weights_of(
    left: np.ndarray[tuple[int], np.dtype[np.int64]], right: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.sin(7.0 * left + 3.0 * right)


def weight(ids: tuple[int, ...]) -> float:
    return float(weights_of(np.array([0, *ids[:-1]]), np.array(ids)).sum())


@settings(deadline=None)
@given(TEXTS)
def test_its_cuts_are_all_there_are_each_once(text: bytes) -> None:
    lattice, expected = Lattice(text, ENTRIES), sorted(slow_cuts(text))
    assert sorted(ids_of(lattice, cut) for cut in lattice.all_cuts()) == expected
    assert lattice.count_cuts() == len(expected)
    assert sorted(ids_of(lattice, lattice.cut_of(ids)) for ids in expected) == expected


@settings(deadline=None)
@given(TEXTS, st.integers(0, 9))
def test_a_drawn_cut_has_the_probability_that_its_weights_give_it(text: bytes, seed: int) -> None:
    lattice = Lattice(text, ENTRIES)
    lattice.weigh(weights_of)
    weights = {ids: np.exp(weight(ids)) for ids in slow_cuts(text)}
    cuts, log_probabilities = lattice.draw(5, np.random.default_rng(seed))
    expected = [weights[ids_of(lattice, cut)] / sum(weights.values()) for cut in cuts]
    assert np.exp(log_probabilities) == pytest.approx(expected)


def test_draws_are_as_frequent_as_they_say() -> None:
    text, draws = b"abab", 4000
    lattice = Lattice(text, ENTRIES)
    lattice.weigh(weights_of)
    cuts, log_probabilities = lattice.draw(draws, np.random.default_rng(1))
    said = dict(zip(cuts, np.exp(log_probabilities), strict=True))
    assert len(said) == lattice.count_cuts()
    assert sum(said.values()) == pytest.approx(1)
    for cut, times in Counter(cuts).items():
        deviation = np.sqrt(draws * said[cut] * (1 - said[cut]))
        assert abs(times - draws * said[cut]) < 4 * deviation


def test_steps_after_one_edge_get_weights_of_their_own() -> None:
    lattice = Lattice(b"ab", ENTRIES)
    first = lattice.cut_of((1, 2, 0))[0]
    lattice.weigh_after(first, np.array([-np.inf]))
    cuts, _ = lattice.draw(50, np.random.default_rng(1))
    assert {ids_of(lattice, cut) for cut in cuts} == {(3, 0)}


def test_a_text_that_begins_and_ends_with_what_no_entry_holds_alone_has_no_dead_ends() -> None:
    entries = EntryTable([b"<|endoftext|>", b"ab", b"a", b"bc", b"c"])
    lattice = Lattice(b"abc", entries)
    lattice.weigh(lambda left, _: np.zeros(len(left)))
    cuts, _ = lattice.draw(50, np.random.default_rng(1))
    assert {ids_of(lattice, cut) for cut in cuts} == {(1, 4, 0), (2, 3, 0)} == {ids_of(lattice, c) for c in lattice.all_cuts()}


def test_more_cuts_than_a_float_holds_are_infinitely_many() -> None:
    assert Lattice(b"ab" * 1200, ENTRIES).count_cuts() == np.inf
