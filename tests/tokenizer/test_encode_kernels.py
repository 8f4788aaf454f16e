"""The packed table of merges answers as a dict of them does."""

import itertools
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.errors import TrialError
from toktrial.tokenizer.encode_kernels import APART, LARGEST_VOCABULARY, NO_MERGE, Table, merge_table, merged

PRIMITIVES = 6


def answer(table: Table, left: int, right: int) -> int:
    return int(_merged(table, left, right))


@numba.njit
def _merged(table: Table, left: Any, right: Any) -> Any:
    return merged(table, left, right)


@st.composite
def lists_of_merges(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    pairs: dict[tuple[int, int], None] = {}
    for size in range(PRIMITIVES, PRIMITIVES + draw(st.integers(0, 25))):
        part = st.integers(0, size - 1)
        pairs[draw(st.tuples(part, part).filter(lambda pair: pair not in pairs))] = None
    return [(left, right, PRIMITIVES + rank, 2) for rank, (left, right) in enumerate(pairs)]


@settings(max_examples=100, deadline=None)
@given(merges=lists_of_merges())
def test_every_pair_is_answered(merges: list[tuple[int, int, int, int]]) -> None:
    spelled: list[tuple[int, ...]] = [(token,) for token in range(PRIMITIVES)]
    for left, right, *_ in merges:
        spelled.append(spelled[left] + spelled[right])
    adjacent = {pair for entry in spelled for pair in itertools.pairwise(entry)}
    results = {(left, right): new for left, right, new, _ in merges}
    table = merge_table(np.array(merges, dtype=np.int64).reshape(-1, 4), len(spelled))
    for left, right in itertools.product(range(len(spelled)), repeat=2):
        otherwise = NO_MERGE if (left, right) in adjacent else APART
        assert answer(table, left, right) == results.get((left, right), otherwise)


def test_the_largest_ids_fit() -> None:
    last = LARGEST_VOCABULARY - 1
    table = merge_table(np.array([[last - 1, last - 2, last, 2]]), LARGEST_VOCABULARY)
    assert answer(table, last - 1, last - 2) == last
    assert answer(table, last, last) == APART
    with pytest.raises(TrialError, match="at most 2,097,152 entries, but there are 2,097,153"):
        merge_table(np.zeros((0, 4), dtype=np.int64), LARGEST_VOCABULARY + 1)
