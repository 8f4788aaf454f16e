"""Merges left out where training text is cut: as the slow twin leaves them out, as often as asked, and nowhere else."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.tokenizer import reference
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.tokenizer.dropout import Dropout
from toktrial.tokenizer.encode_kernels import encode_stream, merge_tables
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.merge import learn_merges
from toktrial.tokenizer.merge_rules import SCOPES
from toktrial.tokenizer.stage import prepare_tokenizers
from toktrial.tokens.store import TokenStore, write_tokens
from toktrial.trial import Trial

ENTRIES = [b"a", b" a", b" th", b"ing", b".", b" "]
documents_strategy = st.lists(
    st.lists(st.tuples(st.lists(st.integers(0, len(ENTRIES) - 1), min_size=1, max_size=4), st.integers(1, 5)), max_size=8).map(
        lambda parts: [token for piece, times in parts for token in piece * times]
    ),
    max_size=6,
)


def flat(documents: list[list[int]]) -> tuple[Any, Any]:
    offsets = np.cumsum([0, *map(len, documents)])
    return np.array([token for document in documents for token in document], dtype=np.uint32), offsets


def lists(ids: Any, offsets: Any) -> list[list[int]]:
    return [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]


@settings(max_examples=80, deadline=None)
@given(documents_strategy, st.floats(0, 1, exclude_max=True), st.integers(-3, 2**40), st.sampled_from(SCOPES))
def test_what_is_left_out_is_what_the_twin_leaves_out(documents: list[list[int]], share: float, seed: int, scope: str) -> None:
    learned = learn_merges(documents, ENTRIES, 30, 1, scope=scope)
    entries = [*ENTRIES]
    for left, right in learned.merges[:, :2].tolist():
        entries.append(entries[left] + entries[right])
    reference_scope = reference.ReferenceScope(scope, entries)
    merges = learned.merges.tolist()
    expected = [reference.encode_with_dropout(document, merges, share, seed, reference_scope) for document in documents]
    tables = merge_tables(learned.merges, entries, scope)
    assert lists(*encode_stream(*flat(documents), tables, Dropout(share, seed))) == expected
    if share == 0:
        assert expected == lists(learned.ids, learned.offsets)


def with_dropout(tokenizer: BTMTokenizer, share: float, seed: int = 0) -> BTMTokenizer:
    return BTMTokenizer(tokenizer.primitive, tokenizer.merges, tokenizer.scope, tokenizer.pruned, Dropout(share, seed))


def training_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return lists(*tokenizer.encode_training(pa.array(texts, type=pa.large_string())))


def test_a_merge_is_left_out_as_often_as_asked() -> None:
    document = [0, 1] * 20_000
    tables = merge_tables(np.array([[0, 1, 2, 9]]), [b"a", b"b", b"ab"], "any")
    for share in (0.1, 0.5, 0.9):
        ids, _ = encode_stream(*flat([document]), tables, Dropout(share, 7))
        assert (ids == 2).mean() * ids.size == pytest.approx((1 - share) * 20_000, rel=0.05)


def test_only_training_text_is_cut_so(btm: BTMTokenizer, corpus: list[str]) -> None:
    texts = corpus[:200]
    dropping = with_dropout(btm, 0.1)
    training = training_ids(dropping, texts)
    assert [ids.tolist() for ids in dropping.encode_batch(texts)] == [ids.tolist() for ids in btm.encode_batch(texts)]
    assert training_ids(btm, texts) == [ids.tolist() for ids in btm.encode_batch(texts)]
    assert [dropping.decode(ids) for ids in training] == texts
    tokens, full = sum(map(len, training)), sum(map(len, btm.encode_batch(texts)))
    assert 1.05 * full < tokens < 1.5 * full


def test_the_cut_is_a_matter_of_document_and_seed_alone(btm: BTMTokenizer, corpus: list[str]) -> None:
    texts = corpus[:40]
    dropping = with_dropout(btm, 0.1)
    training = training_ids(dropping, texts)
    assert training_ids(dropping, texts[::-1]) == training[::-1]
    assert training_ids(dropping, texts[7:8]) == training[7:8]
    assert training_ids(with_dropout(btm, 0.1, seed=1), texts) != training


def test_the_track_trains_on_other_cuts_than_it_is_evaluated_on(tmp_path: Path, storybook: list[str]) -> None:
    splits = {"train": Documents.of(storybook[:80]), "validation": Documents.of(storybook[:80])}
    recipe = BTMRecipe(300, dropout=0.2, dropout_seed=3, prune=5)
    fingerprints = prepare_tokenizers({"bpe": BPERecipe(), "btm": recipe}, 500, splits["train"], "corpus", tmp_path)
    tokenizer = load_tokenizer(tmp_path / "tokenizers" / "btm_experimental_tokenizer")
    assert isinstance(tokenizer, BTMTokenizer)
    assert tokenizer.dropout == Dropout(0.2, 3)
    write_tokens(tmp_path / "tokens", tokenizer, fingerprints["btm"], splits, "btm")
    store = TokenStore.open(tmp_path / "tokens")
    assert store.train.ids.size > 1.05 * store.validation.ids.size
    assert store.validation.document(5)[:-1].tolist() == tokenizer.encode(storybook[5])
    assert store.train.document(5)[:-1].tolist() == training_ids(tokenizer, storybook[5:6])[0]
    with pytest.raises(TrialError, match="dropout must be at least 0 and below 1"):
        BTMRecipe(dropout=1.0)


def test_a_whole_trial_writes_training_tokens_with_dropout_and_pruned_entries_cut(
    tiny_protocol: Protocol, tmp_path: Path
) -> None:
    """Not the stream that learning the merges has left behind, which holds all merges and all entries."""
    recipes = {"btm": BTMRecipe(400, prune=5), "left_out": BTMRecipe(400, dropout=0.2)}
    trial = Trial(tmp_path / "trial", replace(tiny_protocol, tracks={"bpe": BPERecipe(), **recipes}))
    trial.make_tokens()
    documents = trial._documents("train")
    for track in recipes:
        tokenizer = load_tokenizer(trial.tokenizer_folders[track])
        ids = TokenStore.open(trial.tokens_folder(track)).train.ids
        expected = [token for batch in documents.batches() for token in tokenizer.encode_training(batch)[0].tolist()]
        assert ids[ids != 0].tolist() == expected
