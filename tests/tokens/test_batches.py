"""Batches against the obvious way: write the whole stream down, then slice it."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokens.batches import Batches, document_order
from toktrial.tokens.store import TokenSplit, TokenStore, write_tokens

Corpus = list[list[int]]


def split_of(documents: Corpus) -> TokenSplit:
    """Documents of ids from 1 on, as TokenSplit has them: each with its closing 0."""
    with_ends = [[*document, 0] for document in documents]
    return TokenSplit(
        ids=np.array(list(itertools.chain(*with_ends)), dtype=np.uint16),
        offsets=np.cumsum([0, *map(len, with_ends)]).astype(np.uint64),
        byte_lengths=np.array([len(document) for document in documents], dtype=np.uint32),
    )


def stream_of(documents: Corpus, seed: int, epochs: int) -> tuple[list[int], list[int]]:
    """The whole stream, and beside each id the document that it is of; -1 for the leading id 0."""
    ids, owners = [0], [-1]
    for epoch in range(epochs):
        for index in document_order(len(documents), seed, epoch).tolist():
            ids += [*documents[index], 0]
            owners += [index] * (len(documents[index]) + 1)
    return ids, owners


def slow_batch(stream: list[int], step: int, batch_size: int, context: int) -> list[list[int]]:
    starts = [(step * batch_size + row) * context for row in range(batch_size)]
    return [stream[start : start + context + 1] for start in starts]


corpora = st.lists(st.lists(st.integers(1, 9), max_size=7), min_size=1, max_size=7)
seeds = st.sampled_from([0, 1, 7, 2**32, 2**63])


@settings(max_examples=250, deadline=None)
@given(documents=corpora, seed=seeds, batch_size=st.integers(1, 4), context=st.integers(1, 9), data=st.data())
def test_batches_are_slices_of_the_stream(
    documents: Corpus, seed: int, batch_size: int, context: int, data: st.DataObject
) -> None:
    """Over three epochs and more, steps asked for in any order."""
    epoch_tokens = sum(map(len, documents)) + len(documents)
    size = batch_size * context
    n_steps = -(-3 * epoch_tokens // size)
    stream, owners = stream_of(documents, seed, epochs=3 + -(-size // epoch_tokens))
    batches = Batches(split_of(documents), seed, batch_size, context)
    assert batches.epoch_tokens == epoch_tokens
    assert batches.tokens_per_step == size
    for step in data.draw(st.permutations(range(n_steps))):
        batch = batches.batch(step)
        assert batch.dtype == np.int64
        assert batch.shape == (batch_size, context + 1)
        assert batch.tolist() == slow_batch(stream, step, batch_size, context)
        touched = itertools.groupby(targets_of(stream, owners, step, size))
        assert batches.documents_of(step).tolist() == [document for (_, document), _ in touched]


def targets_of(stream: list[int], owners: list[int], step: int, size: int) -> list[tuple[int, int]]:
    """For each target of a step: how many documents ended before it in the stream, and the document that it is of."""
    ended = [0, *itertools.accumulate(int(token == 0) for token in stream)]
    targets = range(step * size + 1, (step + 1) * size + 1)
    return [(ended[place], owners[place]) for place in targets]


def test_worked_by_hand() -> None:
    documents = [[1, 2, 3], [4], []]
    batches = Batches(split_of(documents), seed=4, batch_size=2, context=3)
    first, second = document_order(3, 4, 0).tolist(), document_order(3, 4, 1).tolist()
    assert (first, second) == ([0, 1, 2], [2, 1, 0])
    # stream: 0 | 1 2 3 0 | 4 0 | 0 || 0 | 4 0 | 1 2 3 0 || ...
    assert batches.batch(0).tolist() == [[0, 1, 2, 3], [3, 0, 4, 0]]
    assert batches.batch(1).tolist() == [[0, 0, 0, 4], [4, 0, 1, 2]]
    assert batches.documents_of(0).tolist() == [0, 1]
    assert batches.documents_of(1).tolist() == [2, 2, 1, 0]


def test_the_stream_begins_with_id_0(story_tokens: dict[str, Path]) -> None:
    split = TokenStore.open(story_tokens["bpe"]).train
    ids = Batches(split, seed=3, batch_size=1, context=40).batch(0)[0]
    first = split.document(int(document_order(split.documents, 3, 0)[0]))
    assert ids.tolist() == [0, *first[:40].tolist()]


def test_rows_and_steps_overlap_by_one_id(story_tokens: dict[str, Path]) -> None:
    batches = Batches(TokenStore.open(story_tokens["btm"]).train, seed=1, batch_size=4, context=32)
    n_steps = 3 * batches.epoch_tokens // batches.tokens_per_step + 2
    assert n_steps > 50
    rows = np.concatenate([batches.batch(step) for step in range(n_steps)])
    assert np.array_equal(rows[:-1, -1], rows[1:, 0])
    # Inputs one after the other are the stream itself, without a gap where an epoch ends.
    split = TokenStore.open(story_tokens["btm"]).train
    orders = [document_order(split.documents, 1, epoch) for epoch in range(4)]
    stream = np.concatenate([[0], *(split.document(int(index)) for order in orders for index in order)])
    assert np.array_equal(rows[:, :-1].ravel(), stream[: n_steps * batches.tokens_per_step])


def test_a_batch_depends_on_seed_and_step_alone(story_tokens: dict[str, Path]) -> None:
    split = TokenStore.open(story_tokens["bpe"]).train
    batches = Batches(split, seed=9, batch_size=3, context=64)
    epoch_steps = batches.epoch_tokens // batches.tokens_per_step
    asked = [0, 5 * epoch_steps, 1, epoch_steps, epoch_steps + 1, 0, 2 * epoch_steps, epoch_steps]
    for step in asked:
        fresh = Batches(split, seed=9, batch_size=3, context=64)
        assert np.array_equal(batches.batch(step), fresh.batch(step))
        assert np.array_equal(batches.documents_of(step), fresh.documents_of(step))
        assert np.array_equal(batches.batch(step), batches.batch(step))


def test_batches_do_not_share_memory_with_the_store(story_tokens: dict[str, Path]) -> None:
    batches = Batches(TokenStore.open(story_tokens["bpe"]).train, seed=2, batch_size=2, context=16)
    expected = batches.batch(0).copy()
    batches.batch(0)[:] = -1
    assert np.array_equal(batches.batch(0), expected)


def test_another_seed_is_another_order(story_tokens: dict[str, Path]) -> None:
    split = TokenStore.open(story_tokens["bpe"]).train
    batches = [Batches(split, seed, batch_size=2, context=64).batch(0).tolist() for seed in range(4)]
    assert len({str(batch) for batch in batches}) == 4


def documents_read(batches: Batches, tokens: int) -> list[int]:
    """The documents that the stream enters in its first `tokens` ids, in order."""
    entered: list[int] = []
    for step in range(-(-tokens // batches.tokens_per_step)):
        touched = batches.documents_of(step).tolist()
        # The step before may have ended within a document, which this one goes on with.
        goes_on = step > 0 and batches.batch(step)[0, 0] != 0
        entered += touched[1:] if goes_on else touched
    return entered


def test_all_tracks_read_the_same_documents_in_the_same_order(
    tmp_path: Path,
    story_tokens: dict[str, Path],
    story_tokenizers: dict[str, Tokenizer],
    story_documents: dict[str, Documents],
) -> None:
    """BTM of 400 entries beside BPE of so few that it needs far more tokens for a document."""
    tokenizers = {"bpe": BPETokenizer.train(story_documents["train"], 265), "btm": story_tokenizers["btm"]}
    write_tokens(tmp_path / "bpe", tokenizers["bpe"], "fingerprint", story_documents, "bpe")
    folders = {"bpe": tmp_path / "bpe", "btm": story_tokens["btm"]}
    stores = {track: TokenStore.open(folder).train for track, folder in folders.items()}
    batches = {track: Batches(split, seed=4, batch_size=2, context=50) for track, split in stores.items()}
    assert batches["bpe"].epoch_tokens > 1.4 * batches["btm"].epoch_tokens
    read = {track: documents_read(batch, 3 * batch.epoch_tokens) for track, batch in batches.items()}
    n_documents = stores["bpe"].documents
    both = min(map(len, read.values()))
    assert both >= 3 * n_documents
    assert read["bpe"][:both] == read["btm"][:both]
    for epoch in range(3):
        ranks = read["bpe"][epoch * n_documents : (epoch + 1) * n_documents]
        assert ranks == document_order(n_documents, 4, epoch).tolist()
    # And it is the same text: the targets of an epoch's first steps, decoded.
    texts = []
    for track, batch in batches.items():
        ids = np.concatenate([batch.batch(step)[:, 1:].ravel() for step in range(5)])
        texts.append(tokenizers[track].decode(ids.tolist()))
    shorter = min(map(len, texts)) - 1
    assert shorter > 500
    assert texts[0][:shorter] == texts[1][:shorter]


def test_every_document_is_read_once_an_epoch(story_tokens: dict[str, Path]) -> None:
    split = TokenStore.open(story_tokens["btm"]).train
    batches = Batches(split, seed=6, batch_size=2, context=50)
    entered = documents_read(batches, 2 * batches.epoch_tokens)[: 2 * split.documents]
    for epoch in range(2):
        assert Counter(entered[epoch * split.documents : (epoch + 1) * split.documents]) == Counter(range(split.documents))
    assert entered[: split.documents] != entered[split.documents :]


@settings(deadline=None)
@given(documents=st.integers(1, 300), seed=seeds, epoch=st.integers(0, 5))
def test_the_order_is_a_permutation(documents: int, seed: int, epoch: int) -> None:
    order = document_order(documents, seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(documents))
    assert np.array_equal(order, document_order(documents, seed, epoch))


def test_orders_differ_and_stay_the_same_from_version_to_version() -> None:
    orders = {(seed, epoch): tuple(document_order(50, seed, epoch).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(set(orders.values())) == 25
    assert document_order(8, 0, 0).tolist() == [0, 2, 1, 5, 4, 3, 6, 7]


def test_the_order_is_about_even() -> None:
    """Of 4,000 epochs of 4 documents each document comes first in about a quarter."""
    firsts: npt.NDArray[np.int64] = np.array([document_order(4, 1, epoch)[0] for epoch in range(4000)])
    assert np.bincount(firsts, minlength=4).min() > 900


@pytest.mark.parametrize("step", [0, 10**6, 10**12])
def test_steps_far_away_are_as_good(step: int) -> None:
    documents = [[1, 2, 3], [4], [5, 6]]
    batches = Batches(split_of(documents), seed=0, batch_size=2, context=3)
    place, epoch_tokens = step * 6, 9
    epoch, within = divmod(place - 1, epoch_tokens) if place else (0, -1)
    ids: list[int] = [0] if within < 0 else []
    for later in range(2):
        for index in document_order(3, 0, epoch + later).tolist():
            ids += [*documents[index], 0]
    ids = ids[max(within, 0) :][:7]
    assert batches.batch(step).tolist() == [ids[:4], ids[3:]]
