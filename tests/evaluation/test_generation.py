"""Samples: greedy as in `transformers`, random ones with the right odds, and where they end."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from transformers import GPT2Config, GPT2LMHeadModel

from toktrial.evaluation.config import EvaluationConfig
from toktrial.evaluation.generation import Sample, sample_continuations, sample_token
from toktrial.tokenizer.base import Tokenizer
from toktrial.training.config import ModelConfig
from toktrial.training.model import GPT

CONFIG = EvaluationConfig(max_new_bytes=60, temperature=0.8, top_k=50)
GREEDY = replace(CONFIG, temperature=0.0)
PROMPTS = ("Once upon a time, there was", 'The dog said "', "One day")


@pytest.fixture(scope="module")
def tokenizer(story_tokenizers: dict[str, Tokenizer]) -> Tokenizer:
    return story_tokenizers["btm"]


def random_model(context: int = 128, vocab_size: int = 600, entries: int = 600, seed: int = 0) -> GPT:
    model = GPT(ModelConfig(n_layer=2, n_head=2, width=32, context=context), vocab_size, entries)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, 0.3, generator=generator))
        model.ln_f.bias.zero_()  # with this, and with weaker positions, it would say one word for ever
        model.wpe.weight.mul_(3)
    return model


def scripted_model(script: Sequence[int], entries: int = 600) -> GPT:
    """A real GPT whose likeliest next id at position p is script[p], whatever the ids before."""
    width = 2 * len(set(script))
    model = GPT(ModelConfig(n_layer=1, n_head=1, width=width, context=2 * len(script)), entries, entries)
    direction = {token: place for place, token in enumerate(sorted(set(script)))}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name == "ln_f.weight" else 0.0)  # blocks that add nothing, a norm that scales nothing
        for token, place in direction.items():
            model.wte.weight[token, place] = 1.0
        for position, token in enumerate(script):
            model.wpe.weight[position, direction[token]] = 1000.0  # drowns the embedding of the id itself
    return model


def continuation(model: GPT, tokenizer: Tokenizer, prompt: str, config: EvaluationConfig) -> Sample:
    (sample,) = sample_continuations(model, tokenizer, [prompt], config)
    return sample


def greedy_ids(model: GPT, ids: list[int], count: int, kept: int) -> list[int]:
    """The likeliest ids one by one, without a cache; where the context is full, it goes on from the last `kept` ids."""
    ids, context = list(ids), model.config.context
    start = max(0, len(ids) - context)
    new = []
    for _ in range(count):
        if len(ids) - start > context:
            start = len(ids) - kept
        with torch.inference_mode():
            token = int(model(torch.tensor([ids[start:]]))[0, -1].argmax())
        ids.append(token)
        new.append(token)
    return new


# Greedy


def test_greedy_continuations_are_those_of_transformers(tokenizer: Tokenizer) -> None:
    model = random_model()
    theirs = GPT2LMHeadModel(
        GPT2Config(vocab_size=600, n_positions=128, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    )
    linear = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    state = {f"transformer.{name}": v.T if name.endswith(linear) else v for name, v in model.state_dict().items()}
    theirs.load_state_dict(state | {"lm_head.weight": model.wte.weight})
    theirs.train(False)
    for prompt in PROMPTS:
        ids = torch.tensor([[0, *tokenizer.encode(prompt)]])
        generated = theirs.generate(  # type: ignore[misc]  # the annotation of its own self is wrong
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, pad_token_id=0, eos_token_id=0
        )
        expected = generated[0, ids.shape[1] :].tolist()
        assert 0 not in expected and len(set(expected)) > 2
        new_bytes = sum(len(tokenizer.token_bytes[token]) for token in expected)
        sample = continuation(model, tokenizer, prompt, replace(GREEDY, max_new_bytes=new_bytes))
        assert sample == Sample(prompt, tokenizer.decode(expected), ended=False)


def test_greedy_does_not_depend_on_the_seed(tokenizer: Tokenizer) -> None:
    model = random_model()
    samples = [sample_continuations(model, tokenizer, PROMPTS, replace(GREEDY, sample_seed=seed)) for seed in (0, 1)]
    assert samples[0] == samples[1]


def test_of_one_candidate_the_likeliest_is_taken(tokenizer: Tokenizer) -> None:
    model = random_model()
    one = sample_continuations(model, tokenizer, PROMPTS, replace(CONFIG, top_k=1, temperature=5.0))
    assert one == sample_continuations(model, tokenizer, PROMPTS, GREEDY)


@pytest.mark.parametrize("prompt_ids", [3, 7, 8, 9, 15, 40])
def test_it_goes_on_past_the_context_from_the_last_half(tokenizer: Tokenizer, prompt_ids: int) -> None:
    model = random_model(context=8)
    story = tokenizer.encode("Once upon a time, there was a little dog who liked to play. " * 8)
    prompt = tokenizer.decode(story[: prompt_ids - 1])
    ids = [0, *tokenizer.encode(prompt)]
    assert len(ids) == prompt_ids
    expected = greedy_ids(model, ids, 30, kept=4)
    assert 0 not in expected
    assert expected not in [greedy_ids(model, ids, 30, kept) for kept in (3, 5, 7)], "what is kept must matter"
    new_bytes = sum(len(tokenizer.token_bytes[token]) for token in expected)
    sample = continuation(model, tokenizer, prompt, replace(GREEDY, max_new_bytes=new_bytes))
    assert sample.continuation == tokenizer.decode(expected)


# Random


def test_the_same_seed_gives_the_same_text_and_another_gives_another(tokenizer: Tokenizer) -> None:
    model = random_model()
    first, again, other = (
        sample_continuations(model, tokenizer, PROMPTS, replace(CONFIG, sample_seed=seed)) for seed in (3, 3, 4)
    )
    assert first == again
    assert all(a.continuation != b.continuation for a, b in zip(first, other, strict=True))


def test_each_prompt_has_a_seed_of_its_own(tokenizer: Tokenizer) -> None:
    model = random_model()
    same = sample_continuations(model, tokenizer, ["One day"] * 4, CONFIG)
    assert len({sample.continuation for sample in same}) == 4
    changed = sample_continuations(model, tokenizer, ["Another prompt", *["One day"] * 3], CONFIG)
    assert changed[1:] == same[1:], "a prompt's continuation must not depend on what the others drew"


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.5, 0), (2.0, 0), (1.0, 4), (0.7, 3), (1.0, 1000)])
def test_frequencies_are_those_of_softmax(temperature: float, top_k: int) -> None:
    logits = torch.tensor([1.0, -0.5, 2.0, 0.3, -math.inf, 1.5, -2.0, 0.0])
    kept = set(logits.topk(top_k).indices.tolist()) if 0 < top_k < 8 else {0, 1, 2, 3, 5, 6, 7}
    weights = {token: math.exp(float(logits[token]) / temperature) for token in sorted(kept)}
    generator = torch.Generator().manual_seed(5)
    draws = 4000
    drawn = Counter(sample_token(logits, temperature, top_k, generator) for _ in range(draws))
    assert set(drawn) <= kept
    expected = [draws * weight / sum(weights.values()) for weight in weights.values()]
    assert chisquare([drawn[token] for token in weights], expected).pvalue > 1e-4


@given(
    logits=st.lists(st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0]), min_size=2, max_size=12).filter(lambda x: max(x) > -9),
    top_k=st.integers(1, 14),
)
def test_no_more_than_top_k_are_drawn_also_of_equals(logits: list[float], top_k: int) -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = {sample_token(torch.tensor(logits), 1.0, top_k, generator) for _ in range(60)}
    assert len(drawn) <= top_k
    least = sorted(logits, reverse=True)[:top_k][-1]
    assert all(logits[token] >= least and logits[token] > -math.inf for token in drawn)


def test_ids_without_an_entry_are_never_drawn(story_tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = story_tokenizers["bpe"]
    model = random_model(context=16, vocab_size=5000, entries=600)
    config = replace(CONFIG, temperature=100.0, top_k=0, max_new_bytes=500)  # all but uniform over the entries
    samples = sample_continuations(model, tokenizer, PROMPTS, config)  # an id without an entry could not be decoded
    assert all(sample.ended or len(sample.continuation.encode()) >= 400 for sample in samples)
    with torch.inference_mode():
        logits = model(torch.tensor([[0]]))[0, -1]
    generator = torch.Generator().manual_seed(1)
    drawn = [sample_token(logits, 100.0, 0, generator) for _ in range(2000)]
    assert max(drawn) < 600
    assert len(set(drawn)) > 500


# Where it ends


def script_for(tokenizer: Tokenizer, prompt: str, text: str, end: bool) -> list[int]:
    """What a model must say at each position to continue `prompt` with `text`, then id 0 or, for ever, the last id."""
    ids = tokenizer.encode(text)
    return [ids[0]] * len(tokenizer.encode(prompt)) + ids + ([0] if end else [ids[-1]] * 5)


def test_it_ends_where_the_model_ends_the_document(tokenizer: Tokenizer) -> None:
    text = " a little dog. They were happy."
    model = scripted_model(script_for(tokenizer, "One day", text, end=True))
    for config in (GREEDY, CONFIG):
        sample = continuation(model, tokenizer, "One day", replace(config, max_new_bytes=len(text) + 1, top_k=1))
        assert sample == Sample("One day", text, ended=True)


def test_a_model_that_ends_at_once_says_nothing(tokenizer: Tokenizer) -> None:
    model = scripted_model([0] * 8 + [5])
    assert continuation(model, tokenizer, "a", GREEDY) == Sample("a", "", ended=True)


def test_it_ends_at_the_token_that_reaches_the_limit_of_bytes(tokenizer: Tokenizer) -> None:
    text = " a little dog. They were happy."
    ids = tokenizer.encode(text)
    model = scripted_model(script_for(tokenizer, "One day", text, end=False))
    sizes = [len(tokenizer.token_bytes[token]) for token in ids]
    assert max(sizes) > 1, "a token that passes the limit in its middle is what this test is about"
    for limit in range(1, len(text)):
        said = continuation(model, tokenizer, "One day", replace(GREEDY, max_new_bytes=limit))
        tokens = next(n for n in range(1, len(ids) + 1) if sum(sizes[:n]) >= limit)
        assert said == Sample("One day", tokenizer.decode(ids[:tokens]), ended=False)


def test_the_end_of_the_document_that_comes_after_the_limit_is_not_reached(tokenizer: Tokenizer) -> None:
    text = " a little dog."
    model = scripted_model(script_for(tokenizer, "One day", text, end=True))
    sample = continuation(model, tokenizer, "One day", replace(GREEDY, max_new_bytes=len(text)))
    assert sample == Sample("One day", text, ended=False)
