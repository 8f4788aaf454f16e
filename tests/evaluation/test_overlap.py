"""Near-duplicates and shared rows against slow recounts; on real stories."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.documents import Documents
from toktrial.corpus.source import read_documents
from toktrial.evaluation.overlap import count_near_duplicates, share_of_targets_that_see_another_document
from toktrial.tokens.batches import document_order
from toktrial.tokens.store import TokenSplit

WORDS = st.lists(st.sampled_from(["a", "b", "ab", "\u00e9"]), min_size=1, max_size=9)
TEXTS = st.lists(WORDS.map(" ".join), min_size=1, max_size=5)


def slow_count(train: list[str], validation: list[str], words: int) -> int:
    def runs(text: str) -> set[tuple[str, ...]]:
        parts = text.split()
        return {tuple(parts[i : i + words]) for i in range(len(parts) - words + 1)}

    known = set().union(*map(runs, train))
    return sum(bool(runs(text) & known) for text in validation)


@settings(deadline=None)
@given(TEXTS, TEXTS, st.integers(1, 4))
def test_shared_runs_are_those_of_a_slow_count(train: list[str], validation: list[str], words: int) -> None:
    assert count_near_duplicates(Documents.of(train), Documents.of(validation), words) == slow_count(train, validation, words)


def test_documents_are_walls_and_white_space_counts() -> None:
    train = Documents.of(["a b", "c d", "e  f g"])
    assert count_near_duplicates(train, Documents.of(["a b c d"]), 3) == 0
    assert count_near_duplicates(train, Documents.of(["b c", "bc d"]), 2) == 0
    assert count_near_duplicates(train, Documents.of(["x e  f g", "e f g"]), 3) == 1


def test_real_stories(shared_data: Path) -> None:
    """Every tenth training story, and the validation stories."""
    train, validation = (
        list(read_documents(CorpusConfig(path=str(shared_data / "tinystories" / f"{name}.txt")))) for name in ("train", "valid")
    )
    found = count_near_duplicates(Documents.of(train[::10]), Documents.of(validation))
    assert found == slow_count(train[::10], validation, 20)
    assert count_near_duplicates(Documents.of(validation[:7]), Documents.of(validation)) >= 7


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(1, 4).map(lambda half: 2 * half))
def test_targets_that_see_another_document_are_those_of_a_slow_count(lengths: list[int], context: int) -> None:
    ids = np.concatenate([[*[1 + index] * length, 0] for index, length in enumerate(lengths)]).astype(np.uint16)
    offsets = np.cumsum([0, *(length + 1 for length in lengths)]).astype(np.uint64)
    split = TokenSplit(ids, offsets, np.array(lengths, dtype=np.uint32))
    order = document_order(len(lengths), 1, 0)
    owners = [0, *(1 + index for index in order.tolist() for _ in range(lengths[index] + 1))]  # of each id of the stream
    sees, targets = 0, len(ids)
    for target in range(1, targets + 1):
        row_start = (target - 1) // context * context
        first = min(place for place in range(1, targets + 1) if owners[place] == owners[target])
        sees += row_start < first - 1  # what opens the document, the id 0 right before it, is of no document
    assert share_of_targets_that_see_another_document(split, context) == pytest.approx(sees / targets)
