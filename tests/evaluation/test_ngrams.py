"""The n-gram model: a slow twin by plain dicts, distributions that sum to 1, and what documents are to it."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.evaluation import ngrams
from toktrial.evaluation.count_models import CountModel, document_nats
from toktrial.evaluation.ngrams import FALLBACK, NgramModel
from toktrial.tokens.store import TokenSplit, TokenStore

Documents = list[list[int]]
Gram = tuple[int, ...]
ENTRIES, ORDER = 5, 4
DOCUMENTS = st.lists(st.lists(st.integers(1, ENTRIES - 1), min_size=1, max_size=14), min_size=1, max_size=10)


def split_of(documents: Documents) -> TokenSplit:
    closed = [[*document, 0] for document in documents]
    return TokenSplit(
        ids=np.array([i for document in closed for i in document], dtype=np.uint16),
        offsets=np.cumsum([0, *map(len, closed)]).astype(np.uint64),
        byte_lengths=np.array([2 * len(document) for document in documents], dtype=np.uint32),
    )


class SlowModel:
    """Interpolated modified Kneser-Ney by the book, one gram after the other: how often each counts, then the recursion."""

    def __init__(self, documents: Documents, order: int) -> None:
        raw: Counter[Gram] = Counter()
        before: defaultdict[Gram, set[int]] = defaultdict(set)
        for document in documents:
            ids = [0, *document, 0]
            for end in range(2, len(ids) + 1):  # the id 0 that opens a document is no target
                for start in range(max(0, end - order), end):
                    raw[tuple(ids[start:end])] += 1
                    if start > max(0, end - order):
                        before[tuple(ids[start:end])].add(ids[start - 1])
        self.order = order
        self.uses = {
            gram: uses if len(gram) == order or (len(gram) > 1 and gram[0] == 0) else len(before[gram])
            for gram, uses in raw.items()
        }
        self.discounts = [self._discounts([n for g, n in self.uses.items() if len(g) == size]) for size in range(1, order + 1)]
        self.probability = cache(self._probability)

    @staticmethod
    def _discounts(uses: Sequence[int]) -> Sequence[float]:
        n = [0, *(uses.count(times) for times in range(1, 5))]
        if not n[1] or not n[2] or not n[3]:
            return (0.0, *FALLBACK)
        share = n[1] / (n[1] + 2 * n[2])
        found = [times - (times + 1) * share * n[times + 1] / n[times] for times in (1, 2, 3)]
        return (0.0, *(found if all(0 <= d <= most for most, d in enumerate(found, 1)) else FALLBACK))

    def _probability(self, gram: Gram) -> float:
        below = self.probability(gram[1:]) if len(gram) > 1 else 1 / ENTRIES
        after = [self.uses.get((*gram[:-1], last), 0) for last in range(ENTRIES)]
        if not sum(after):
            return below
        discounts = self.discounts[len(gram) - 1]
        uses = after[gram[-1]]
        left_over = sum(discounts[min(each, 3)] for each in after)
        return (uses - discounts[min(uses, 3)] + left_over * below) / sum(after)

    def document_nats(self, document: list[int]) -> float:
        ids = [0, *document, 0]
        grams = [tuple(ids[max(0, end - self.order) : end]) for end in range(2, len(ids) + 1)]
        return -math.fsum(math.log(self.probability(gram)) for gram in grams)


@settings(deadline=None)
@given(DOCUMENTS, DOCUMENTS, st.integers(1, ORDER))
def test_every_document_has_the_nats_of_the_slow_twin(train: Documents, scored: Documents, order: int) -> None:
    fast = NgramModel.of(split_of(train), ENTRIES, order).document_nats(split_of(scored))
    slow = SlowModel(train, order)
    assert fast.tolist() == pytest.approx([slow.document_nats(document) for document in scored], rel=1e-9)


@settings(deadline=None)
@given(DOCUMENTS, st.lists(st.integers(1, ENTRIES - 1), max_size=6))
def test_what_may_follow_a_history_sums_to_one(train: Documents, history: list[int]) -> None:
    model = NgramModel.of(split_of(train), ENTRIES, ORDER)
    nats = [model.id_nats(split_of([[*history, last] if last else history]))[len(history)] for last in range(ENTRIES)]
    assert np.exp(np.negative(nats)).sum() == pytest.approx(1, rel=1e-12)
    assert np.isfinite(nats).all()


@settings(deadline=None)
@given(DOCUMENTS, DOCUMENTS, st.integers(1, 9))
def test_chunks_change_nothing(train: Documents, scored: Documents, chunk: int) -> None:
    model, split = NgramModel.of(split_of(train), ENTRIES), split_of(scored)
    whole = model.document_nats(split)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "CHUNK_IDS", chunk)
        assert model.document_nats(split).tolist() == whole.tolist()


def test_documents_are_walls() -> None:
    apart = NgramModel.of(split_of([[1], [2], [1], [2]] * 5), ENTRIES)
    together = NgramModel.of(split_of([[1, 2, 1, 2]] * 5), ENTRIES)
    scored = split_of([[1, 2]])
    assert together.document_nats(scored)[0] < apart.document_nats(scored)[0]


def test_longer_histories_help_with_stories_until_they_are_rare(story_tokens: dict[str, Path]) -> None:
    store = TokenStore.open(story_tokens["bpe"])
    nats = [NgramModel.of(store.train, store.entries, order).document_nats(store.validation).sum() for order in (1, 2, 3)]
    assert nats == sorted(nats, reverse=True)
    # The bigram floor, with one discount in place of three, is almost the same model.
    bigram = document_nats(CountModel.of(store.train, store.entries), store.validation)["bigram"].sum()
    assert nats[1] == pytest.approx(bigram, rel=0.02)
