"""Bits per byte against a slow computation, token by token, and what must not change it."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it

from toktrial.corpus.documents import Documents
from toktrial.evaluation import bits_per_byte
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokens.store import TokenSplit, TokenStore, write_tokens
from toktrial.training.config import ModelConfig
from toktrial.training.model import GPT

ENTRIES, VOCAB_SIZE = 60, 64
CONTEXT = 8
CONFIG = ModelConfig(n_layer=2, n_head=2, width=16, context=CONTEXT)
# Ids of a document without its closing id 0, around every edge of the rule: T is the context.
LENGTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 40, 41, 43, 1, 7]
ENTRY_BYTES = np.array([0, *np.random.default_rng(1).integers(1, 9, ENTRIES - 1)], dtype=np.uint32)


def split_of(lengths: list[int], seed: int = 2) -> TokenSplit:
    """Documents of random ids, each with its closing id 0."""
    random = np.random.default_rng(seed)
    documents = [np.array([*random.integers(1, ENTRIES, length), 0]) for length in lengths]
    return TokenSplit(
        ids=np.concatenate(documents).astype(np.uint16),
        offsets=np.cumsum([0, *map(len, documents)]).astype(np.uint64),
        byte_lengths=np.array([ENTRY_BYTES[document].sum() for document in documents], dtype=np.uint32),
    )


def random_model(config: ModelConfig = CONFIG, vocab_size: int = VOCAB_SIZE, entries: int = ENTRIES) -> GPT:
    model = GPT(config, vocab_size, entries)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, 0.4, generator=generator))
    return model


def uniform_model(config: ModelConfig, vocab_size: int, entries: int) -> GPT:
    model = GPT(config, vocab_size, entries)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    return model


def unigram_model() -> GPT:
    """A model whose every position says the same, so that a document's nats say how often each id was scored."""
    model = random_model()
    with torch.no_grad():
        model.ln_f.weight.zero_()
    return model


def nats_one_by_one(model: GPT, document: list[int], context: int) -> float:
    """The rule as the design has it, one forward for each token: what it may look back to, and nothing else.

    A target within the first window sees all that precedes it. Any later one is scored in the window, of those that start
    at multiples of T/2, in whose second half it stands.
    """
    ids, half = [0, *document], context // 2
    nats = 0.0
    for place in range(len(document)):  # the target ids[place + 1] is predicted at position `place`
        start = 0 if place < context else (place // half - 1) * half
        assert start <= place < start + context
        with torch.inference_mode():
            logits = model(torch.tensor([ids[start : place + 1]]))[0, -1]
        nats -= float(logits.double().log_softmax(0)[ids[place + 1]])
    return nats


def scorer_of(split: TokenSplit, documents: int = 0, context: int = CONTEXT) -> DocumentScorer:
    return DocumentScorer(split, ENTRY_BYTES, context, VOCAB_SIZE, documents)


@pytest.mark.parametrize("length", sorted(set(LENGTHS)))
def test_a_document_of_any_length_has_the_nats_of_the_slow_computation(length: int) -> None:
    split = split_of([length])
    model = random_model()
    expected = nats_one_by_one(model, split.document(0).tolist(), CONTEXT)
    assert scorer_of(split).score(model).document_nats == pytest.approx([expected], rel=1e-5)


def test_many_documents_have_the_nats_of_the_slow_computation() -> None:
    split = split_of(LENGTHS)
    model = random_model()
    score = scorer_of(split).score(model)
    expected = [nats_one_by_one(model, split.document(d).tolist(), CONTEXT) for d in range(len(LENGTHS))]
    assert score.document_nats == pytest.approx(expected, rel=1e-5)
    assert score.tokens == sum(LENGTHS) + len(LENGTHS)
    assert score.bytes == int(split.byte_lengths.sum())
    assert score.nats == pytest.approx(sum(expected), rel=1e-5)
    assert score.bits_per_byte == pytest.approx(sum(expected) / math.log(2) / int(split.byte_lengths.sum()), rel=1e-5)
    assert score.validation_loss == pytest.approx(sum(expected) / (sum(LENGTHS) + len(LENGTHS)), rel=1e-5)


def test_the_slow_computation_can_tell_contexts_apart() -> None:
    """Otherwise agreeing with it would show little: what a token may look back to must matter for its nats."""
    model = random_model()
    document = split_of([41]).document(0).tolist()
    whole = nats_one_by_one(model, document[:CONTEXT], CONTEXT)
    alone = sum(nats_one_by_one(model, [token], CONTEXT) for token in document[:CONTEXT])
    assert abs(whole - alone) > 0.1


def test_every_token_is_scored_exactly_once() -> None:
    split = split_of(LENGTHS)
    model = unigram_model()
    with torch.inference_mode():
        nats_of = -model(torch.tensor([[0]]))[0, 0].double().log_softmax(0).numpy()
    assert len(np.unique(nats_of[:ENTRIES].round(4))) > ENTRIES - 5, "ids must be told apart by their nats"
    expected = [float(nats_of[split.document(d)].sum()) for d in range(len(LENGTHS))]
    assert scorer_of(split).score(model).document_nats == pytest.approx(expected, rel=1e-5)


def test_a_uniform_model_needs_the_logarithm_of_the_entries_for_every_token() -> None:
    split = split_of(LENGTHS)
    score = scorer_of(split).score(uniform_model(CONFIG, VOCAB_SIZE, ENTRIES))
    tokens = sum(LENGTHS) + len(LENGTHS)
    assert score.bits_per_byte == pytest.approx(math.log2(ENTRIES) * tokens / score.bytes, rel=1e-6)
    assert score.validation_loss == pytest.approx(math.log(ENTRIES), rel=1e-6)


@pytest.mark.parametrize("most_tokens", [1, CONTEXT, 3 * CONTEXT + 1, 10_000])
@pytest.mark.parametrize("limit", ["LARGEST_CPU_BATCH_TOKENS", "LARGEST_BATCH_LOGITS"])
def test_the_score_does_not_depend_on_the_limits_of_a_batch(
    monkeypatch: pytest.MonkeyPatch, limit: str, most_tokens: int
) -> None:
    split, model = split_of(LENGTHS), random_model()
    expected = scorer_of(split).score(model)
    monkeypatch.setattr(bits_per_byte, limit, most_tokens * VOCAB_SIZE if limit == "LARGEST_BATCH_LOGITS" else most_tokens)
    scorer = scorer_of(split)
    score = scorer.score(model)
    assert max(batch.inputs.numel() for batch in scorer._batches["cpu"]) <= max(most_tokens, CONTEXT)
    assert score.document_nats == pytest.approx(expected.document_nats.tolist(), rel=1e-5)
    assert (score.tokens, score.bytes) == (expected.tokens, expected.bytes)


def test_the_score_does_not_depend_on_the_order_of_the_documents() -> None:
    split, model = split_of(LENGTHS), random_model()
    order = np.random.default_rng(5).permutation(split.documents)
    shuffled = TokenSplit(
        ids=np.concatenate([split.document(d) for d in order]),
        offsets=np.cumsum([0, *(len(split.document(d)) for d in order)]).astype(np.uint64),
        byte_lengths=split.byte_lengths[order],
    )
    expected, found = scorer_of(split).score(model), scorer_of(shuffled).score(model)
    assert found.document_nats == pytest.approx(expected.document_nats[order].tolist(), rel=1e-5)
    assert found.bits_per_byte == pytest.approx(expected.bits_per_byte, rel=1e-6)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_the_score_does_not_depend_on_the_device(device: str) -> None:
    if not getattr(torch, device).is_available():
        pytest.skip(f"no {device} device here")
    split, model = split_of(LENGTHS), random_model()
    expected = scorer_of(split).score(model)
    found = scorer_of(split).score(model.to(device))
    assert found.document_nats == pytest.approx(expected.document_nats.tolist(), rel=1e-4)


def test_a_gpu_gets_larger_batches_of_the_same_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bits_per_byte, "LARGEST_CPU_BATCH_TOKENS", 2 * CONTEXT)
    scorer = scorer_of(split_of(LENGTHS))
    cpu, cuda = scorer._make_batches("cpu"), scorer._make_batches("cuda")
    assert len(cuda) < len(cpu)
    for batches in (cpu, cuda):
        ids = np.concatenate([batch.ids for batch in batches])
        assert np.array_equal(np.sort(ids), np.arange(sum(LENGTHS) + len(LENGTHS)))


def test_the_subset_is_the_first_documents() -> None:
    split, model = split_of(LENGTHS), random_model()
    whole, subset = scorer_of(split).score(model), scorer_of(split, 9).score(model)
    assert scorer_of(split, 9).documents == len(subset.document_nats) == 9
    assert subset.document_nats == pytest.approx(whole.document_nats[:9].tolist(), rel=1e-5)
    assert subset.bytes == int(split.byte_lengths[:9].sum())
    assert subset.tokens == sum(LENGTHS[:9]) + 9
    assert scorer_of(split, 1000).documents == scorer_of(split, 0).documents == len(LENGTHS)


def test_scoring_twice_gives_the_same_and_leaves_the_model_alone() -> None:
    scorer, model = scorer_of(split_of(LENGTHS)), random_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = scorer.score(model), scorer.score(model)
    assert np.array_equal(first.document_nats, second.document_nats)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_document_whose_entries_spell_other_bytes_is_refused() -> None:
    split = split_of(LENGTHS)
    lengths = split.byte_lengths.copy()
    lengths[10] += 1
    wrong = replace(split, byte_lengths=lengths)
    with pytest.raises(AssertionError, match=f"validation document 10 spell {lengths[10] - 1} bytes, not {lengths[10]}"):
        scorer_of(wrong)
    assert scorer_of(wrong, 10).documents == 10, "only what is scored is looked at"


# Real tokenizers


def test_all_tokenizers_are_measured_over_the_same_bytes(
    tmp_path: Path,
    story_tokens: dict[str, Path],
    story_tokenizers: dict[str, Tokenizer],
    story_documents: dict[str, Documents],
) -> None:
    """A byte-level one among them, whose tokens are the very bytes."""
    config = ModelConfig(n_layer=1, n_head=2, width=16, context=32)
    bpe = story_tokenizers["bpe"]
    assert isinstance(bpe, BPETokenizer)
    write_tokens(tmp_path / "bytes", bpe.cut(257), "fingerprint of bytes", story_documents, "bytes")
    stores = {track: TokenStore.open(folder) for track, folder in {**story_tokens, "bytes": tmp_path / "bytes"}.items()}
    for documents in (0, 7):
        scores = {
            track: DocumentScorer(store.validation, store.entry_bytes, 32, 640, documents).score(
                uniform_model(config, 640, store.entries)
            )
            for track, store in stores.items()
        }
        assert scores["bpe"].bytes == scores["btm"].bytes == scores["bytes"].bytes > 0
        assert scores["bpe"].tokens != scores["btm"].tokens, "or the test would say little"
        assert scores["bytes"].tokens == scores["bytes"].bytes + len(scores["bytes"].document_nats), "and the closing ids"
        for track, score in scores.items():
            expected = math.log2(stores[track].entries) * score.tokens / score.bytes
            assert score.bits_per_byte == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_real_documents_score_as_windows_taken_one_at_a_time(story_tokens: dict[str, Path], track: str) -> None:
    store = TokenStore.open(story_tokens[track])
    context, half = 64, 32
    config = ModelConfig(n_layer=2, n_head=2, width=16, context=context)
    model = random_model(config, 620, store.entries)
    score = DocumentScorer(store.validation, store.entry_bytes, context, 620).score(model)
    expected = []
    for document in range(store.validation.documents):
        ids = torch.tensor([0, *store.validation.document(document).tolist()])
        assert len(ids) > context, "stories longer than the context are what this test is about"
        scored, nats = 0, 0.0
        for start in range(0, len(ids), half):
            window = ids[start : start + context + 1]
            if start + len(window) - 1 <= scored:
                break
            with torch.inference_mode():
                losses = F.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="none")
            nats += float(losses[scored - start :].double().sum())
            scored = start + len(window) - 1
        assert scored == len(ids) - 1
        expected.append(nats)
    assert score.document_nats == pytest.approx(expected, rel=1e-5)
