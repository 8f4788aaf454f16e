"""Count models: hand-made numbers, a slow twin by plain dicts, distributions that sum to 1, and the floors of real text."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial import artifact
from toktrial.evaluation import count_models
from toktrial.evaluation.account import FLOORS_FILE
from toktrial.evaluation.count_models import CountModel, document_nats, measure_floors
from toktrial.tokens.store import TokenSplit, TokenStore

Documents = list[list[int]]
ENTRIES = 6
DOCUMENTS = st.lists(st.lists(st.integers(1, ENTRIES - 1), min_size=1, max_size=12), min_size=1, max_size=8)


def split_of(documents: Documents) -> TokenSplit:
    closed = [[*document, 0] for document in documents]
    return TokenSplit(
        ids=np.array([i for document in closed for i in document], dtype=np.uint16),
        offsets=np.cumsum([0, *map(len, closed)]).astype(np.uint64),
        byte_lengths=np.array([2 * len(document) for document in documents], dtype=np.uint32),
    )


def slow_bigram(train: Documents, entries: int) -> dict[tuple[int, int], float]:
    """Every probability of interpolated Kneser-Ney, by the book: one pair after the other, in exact fractions."""
    pairs = Counter(pair for document in train for pair in zip([0, *document], [*document, 0], strict=True))
    left_uses: Counter[int] = Counter()
    for (left, _), uses in pairs.items():
        left_uses[left] += uses
    followers, follows = Counter(left for left, _ in pairs), Counter(right for _, right in pairs)
    discount, below_discount = slow_discount(list(pairs.values())), slow_discount(list(follows.values()))
    found = {}
    for right in range(entries):
        below = max(follows[right] - below_discount, Fraction(0)) / len(pairs)
        below += below_discount * len(follows) / len(pairs) / entries
        for left in range(entries):
            if not left_uses[left]:
                found[left, right] = float(below)
                continue
            kept = max(pairs[left, right] - discount, Fraction(0)) / left_uses[left]
            found[left, right] = float(kept + discount * followers[left] / left_uses[left] * below)
    return found


def slow_discount(counts: Sequence[int]) -> Fraction:
    once, twice = counts.count(1), counts.count(2)
    return Fraction(once, once + 2 * twice) if once and twice else Fraction(1, 2)


def all_bigrams(model: CountModel) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    left, right = np.divmod(np.arange(model.entries**2), model.entries)
    return model.bigram_probabilities(left, right).reshape(model.entries, model.entries)


@given(DOCUMENTS)
def test_every_bigram_is_that_of_the_slow_twin(documents: Documents) -> None:
    fast, slow = all_bigrams(CountModel.of(split_of(documents), ENTRIES)), slow_bigram(documents, ENTRIES)
    assert all(fast[pair] == pytest.approx(probability, rel=1e-12) for pair, probability in slow.items())


@given(DOCUMENTS)
def test_what_may_follow_an_entry_sums_to_one(documents: Documents) -> None:
    model = CountModel.of(split_of(documents), ENTRIES)
    assert all_bigrams(model).sum(axis=1) == pytest.approx(np.ones(ENTRIES), rel=1e-12)
    assert model.unigram_probabilities().sum() == pytest.approx(1, rel=1e-12)
    assert all_bigrams(model).min() > 0


@given(DOCUMENTS, st.integers(1, 7))
def test_chunks_change_nothing(documents: Documents, chunk: int) -> None:
    split = split_of(documents)
    whole, whole_nats = CountModel.of(split, ENTRIES), document_nats(CountModel.of(split, ENTRIES), split)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(count_models, "CHUNK_IDS", chunk)
        cut = CountModel.of(split, ENTRIES)
        cut_nats = document_nats(cut, split)
    assert (cut.uses == whole.uses).all()
    assert (cut.pairs == whole.pairs).all()
    assert (cut.pair_uses == whole.pair_uses).all()
    assert all((cut_nats[name] == whole_nats[name]).all() for name in whole_nats)


def test_numbers_made_by_hand() -> None:
    # Pairs: 0-1 twice, 1-2 twice, 2-0 once, 2-3 once, 3-0 once. Discount: 3 / (3 + 2 * 2) = 3/7.
    model = CountModel.of(split_of([[1, 2], [1, 2, 3]]), 4)
    assert model.uses.tolist() == [2, 2, 2, 1]
    # 0 follows two entries, 1, 2 and 3 one each: discount 3 / (3 + 2) = 3/5; left over 3/5 * 4 / 5 = 12/25, a quarter each.
    of_0, of_1 = (2 - 3 / 5) / 5 + 3 / 25, (1 - 3 / 5) / 5 + 3 / 25
    assert all_bigrams(model)[0] == pytest.approx(
        [3 / 14 * of_0, (2 - 3 / 7) / 2 + 3 / 14 * of_1, 3 / 14 * of_1, 3 / 14 * of_1]
    )
    assert model.unigram_probabilities() == pytest.approx([3 / 11, 3 / 11, 3 / 11, 2 / 11])


def test_documents_are_walls() -> None:
    apart, together = (
        all_bigrams(CountModel.of(split_of(documents), 4)) for documents in ([[1], [2], [1], [2]], [[1, 2, 1, 2]])
    )
    assert together[1, 2] > together[1, 0]
    assert apart[1, 2] < apart[1, 0]


def test_what_training_never_saw_still_has_a_probability() -> None:
    nats = document_nats(CountModel.of(split_of([[1, 1, 2]]), 5), split_of([[3, 4]]))
    assert all(np.isfinite(of).all() for of in nats.values())


def test_a_document_is_scored_as_the_models_are_scored() -> None:
    model, scored = CountModel.of(split_of([[1, 2], [1, 2, 3]]), 4), split_of([[1, 3], [2]])
    bigrams, unigrams = all_bigrams(model), model.unigram_probabilities()
    nats = document_nats(model, scored)
    assert nats["bigram"] == pytest.approx(
        [-math.log(bigrams[0, 1] * bigrams[1, 3] * bigrams[3, 0]), -math.log(bigrams[0, 2] * bigrams[2, 0])]
    )
    assert nats["unigram"] == pytest.approx(
        [-math.log(unigrams[1] * unigrams[3] * unigrams[0]), -math.log(unigrams[2] * unigrams[0])]
    )


def test_floors_of_stories(tmp_path: Path, story_tokens: dict[str, Path]) -> None:
    measure_floors(tmp_path, story_tokens, eval_documents=5)
    floors = json.loads((tmp_path / FLOORS_FILE).read_text())["tracks"]
    for track, folder in story_tokens.items():
        store = TokenStore.open(folder)
        model = CountModel.of(store.train, store.entries)
        assert floors[track]["bigram"]["bits_per_byte"] < floors[track]["unigram"]["bits_per_byte"]
        nats = document_nats(model, store.validation)["bigram"]
        assert floors[track]["bigram"]["bits_per_byte"] == pytest.approx(
            nats.sum() / math.log(2) / store.validation.byte_lengths.sum()
        )
        curve = nats[:5].sum() / math.log(2) / store.validation.byte_lengths[:5].sum()
        assert floors[track]["bigram"]["curve_bits_per_byte"] == pytest.approx(curve)
    assert floors["btm"]["unigram"]["bits_per_byte"] < floors["bpe"]["unigram"]["bits_per_byte"], "longer tokens begin lower"


def test_floors_are_measured_once_and_anew_for_another_subset(tmp_path: Path, story_tokens: dict[str, Path]) -> None:
    measure_floors(tmp_path, story_tokens, eval_documents=5)
    first = artifact.read_manifest((tmp_path / FLOORS_FILE).parent)
    measure_floors(tmp_path, story_tokens, eval_documents=5)
    assert artifact.read_manifest((tmp_path / FLOORS_FILE).parent) == first
    measure_floors(tmp_path, story_tokens, eval_documents=6)
    assert artifact.read_manifest((tmp_path / FLOORS_FILE).parent) != first
