"""The gap of one cut: exact sums against every cut scored one by one, estimates against exact sums, and the file of a run."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from toktrial.evaluation import marginal
from toktrial.evaluation.healing import EntryTable
from toktrial.evaluation.lattice import Lattice
from toktrial.evaluation.marginal import CutScorer, Marginal, document_marginal, marginals
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenStore, entry_bytes_of
from toktrial.training.config import ModelConfig
from toktrial.training.model import GPT

TOKEN_BYTES = [b"<|endoftext|>", b"a", b"b", b"ab", b"ba", b"bb", b"aab", b"abab"]
ENTRIES = EntryTable(TOKEN_BYTES)
ENTRY_BYTES = np.array([0, *map(len, TOKEN_BYTES[1:])], dtype=np.uint32)
TEXT, OWN = b"ababaab", (7, 6, 0)


def random_model(entries: int, context: int = 4) -> GPT:
    """A model of few positions, so that a text needs several windows."""
    model = GPT(ModelConfig(n_layer=1, n_head=2, width=16, context=context), entries + 2, entries)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, 0.4, generator=generator))
    return model


def slow_cuts(text: bytes) -> Iterator[list[int]]:
    if not text:
        yield [0]
    for token, entry in enumerate(TOKEN_BYTES[1:], 1):
        if text.startswith(entry):
            yield from ([token, *rest] for rest in slow_cuts(text[len(entry) :]))


def slow_nats(model: GPT, targets: list[int]) -> float:
    """One forward for each id; what it may look back to is that of bits_per_byte.py."""
    ids, context = [0, *targets], model.config.context
    nats = 0.0
    for place, target in enumerate(targets):
        start = 0 if place < context else (place // (context // 2) - 1) * (context // 2)
        with torch.inference_mode():
            logits = model(torch.tensor([ids[start : place + 1]]))[0, -1]
        nats -= float(logits.double().log_softmax(0)[target])
    return nats


def marginal_of(model: GPT, seed: int = 0) -> Marginal:
    scorer = CutScorer(model, Lattice(TEXT, ENTRIES), ENTRY_BYTES)
    own = scorer.lattice.cut_of(OWN)
    return document_marginal(scorer, own, lambda left, _: np.full(len(left), -1.0), np.random.default_rng(seed))


def test_a_short_text_has_the_sum_over_every_single_cut() -> None:
    model = random_model(len(TOKEN_BYTES))
    by_cut = [slow_nats(model, cut) for cut in slow_cuts(TEXT)]
    found = marginal_of(model)
    assert 20 < len(by_cut) <= marginal.MOST_SUMMED
    assert found.is_exact
    assert found.error == 0
    assert found.nats == pytest.approx(-math.log(math.fsum(math.exp(-nats) for nats in by_cut)), rel=1e-6)
    assert found.own_nats == pytest.approx(slow_nats(model, list(OWN)), rel=1e-6)


def test_an_estimate_is_right_on_average_and_says_how_far_it_may_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(len(TOKEN_BYTES))
    exact = marginal_of(model)
    monkeypatch.setattr(marginal, "MOST_SUMMED", 0)
    monkeypatch.setattr(marginal, "PILOTS", (2, 2))
    monkeypatch.setattr(marginal, "SAMPLES", 24)
    found = [marginal_of(model, seed) for seed in range(150)]
    shares = np.exp(exact.nats - np.array([each.nats for each in found]))  # of the exact probability
    assert not any(each.is_exact for each in found)
    assert abs(shares.mean() - 1) < 4 * shares.std() / math.sqrt(len(shares))
    assert shares.std() == pytest.approx(np.sqrt(np.mean([each.error**2 for each in found])), rel=0.3)
    assert all(each.nats <= each.own_nats for each in found)


def test_cuts_that_are_all_summed_leave_nothing_to_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(len(TOKEN_BYTES))
    exact = marginal_of(model)
    monkeypatch.setattr(marginal, "MOST_SUMMED", 0)
    monkeypatch.setattr(marginal, "PILOTS", (2000,))
    found = marginal_of(model)
    assert found.nats == pytest.approx(exact.nats, rel=1e-9)
    assert found.error == 0


def test_what_the_model_says_on_a_cut_becomes_the_weights_of_the_lattice() -> None:
    model = random_model(len(TOKEN_BYTES), context=16)
    scorer = CutScorer(model, Lattice(TEXT, ENTRIES), ENTRY_BYTES)
    scorer.score([scorer.lattice.cut_of(OWN)])
    after_abab = -slow_nats(model, [7, 6]) + slow_nats(model, [7])
    place = len(b"abab")
    row = np.flatnonzero(scorer.lattice.ids[scorer.lattice.ending[place]] == 7)[0]
    column = np.flatnonzero(scorer.lattice.ids[scorer.lattice.beginning[place]] == 6)[0]
    assert scorer.lattice.weights[place][row, column] == pytest.approx(after_abab, rel=1e-5)


def test_a_document_has_the_same_marginal_among_however_many(
    story_tokens: dict[str, Path], story_tokenizers: dict[str, Tokenizer]
) -> None:
    tokenizer, store = story_tokenizers["btm"], TokenStore.open(story_tokens["btm"])
    model, entries = random_model(tokenizer.vocab_size, context=64), EntryTable(tokenizer.token_bytes)
    assert (entry_bytes_of(tokenizer) == store.entry_bytes).all()
    one, _ = marginals(model, store, entries, 1)
    two, tokens = marginals(model, store, entries, 2)
    assert two[0].nats == pytest.approx(one[0].nats, rel=1e-9)
    assert [each.nats < each.own_nats for each in two] == [True, True]
    assert tokens > 2 * sum(len(store.validation.document(document)) for document in range(2))
