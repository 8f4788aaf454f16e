"""Samples: greedy as in `transformers`, random ones with the right odds, a batch as one by one, and where they end."""

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

from toktrial.evaluation import generation
from toktrial.evaluation.config import EvaluationConfig
from toktrial.evaluation.generation import Continuation, Sample, begin_continuation, candidates, grow, sample_continuations
from toktrial.evaluation.healing import EntryTable
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


def begun(model: GPT, tokenizer: Tokenizer, prompts: Sequence[str] = PROMPTS, seed: int = 0) -> list[Continuation]:
    entries = EntryTable(tokenizer.token_bytes)
    return [begin_continuation(model, tokenizer, entries, prompt, seed, place) for place, prompt in enumerate(prompts)]


def grown(model: GPT, tokenizer: Tokenizer, continuations: list[Continuation], config: EvaluationConfig) -> list[list[int]]:
    """The ids of continuations grown together to their end, those they began with aside."""
    counts = [len(each.ids) for each in continuations]
    for _ in grow(model, tokenizer, continuations, config):
        pass
    return [each.ids[count:] for each, count in zip(continuations, counts, strict=True)]


def spelled(tokenizer: Tokenizer, ids: Sequence[int]) -> int:
    return sum(len(tokenizer.token_bytes[token]) for token in ids)


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
    continuations = begun(model, tokenizer)
    starts = [torch.tensor([each.ids]) for each in continuations]
    new = grown(model, tokenizer, continuations, GREEDY)
    for ids, said in zip(starts, new, strict=True):
        generated = theirs.generate(  # type: ignore[misc]  # the annotation of its own self is wrong
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, pad_token_id=0, eos_token_id=0
        )
        expected = generated[0, ids.shape[1] :].tolist()
        assert 0 not in expected and len(set(expected)) > 2
        assert said[:12] == expected


def test_behind_the_healed_end_greedy_does_not_depend_on_the_seed(tokenizer: Tokenizer) -> None:
    model = random_model()
    first = begun(model, tokenizer, seed=0)
    second = [replace(each, ids=list(each.ids), generator=torch.Generator().manual_seed(7)) for each in first]
    assert grown(model, tokenizer, first, GREEDY) == grown(model, tokenizer, second, GREEDY)


def test_of_one_candidate_the_likeliest_is_taken(tokenizer: Tokenizer) -> None:
    model = random_model()
    one = sample_continuations(model, tokenizer, PROMPTS, replace(CONFIG, top_k=1, temperature=5.0))
    assert one == sample_continuations(model, tokenizer, PROMPTS, GREEDY)
    assert one == sample_continuations(model, tokenizer, PROMPTS, replace(CONFIG, top_p=1e-9, top_k=0))


@pytest.mark.parametrize("start_ids", [3, 7, 8, 9, 15, 40])
def test_it_goes_on_past_the_context_from_the_last_half(tokenizer: Tokenizer, start_ids: int) -> None:
    model = random_model(context=8)
    story = tokenizer.encode("Once upon a time, there was a little dog who liked to play. " * 8)
    ids = [0, *story[: start_ids - 1]]
    expected = greedy_ids(model, ids, 30, kept=4)
    assert 0 not in expected
    assert expected not in [greedy_ids(model, ids, 30, kept) for kept in (3, 5, 7)], "what is kept must matter"
    config = replace(GREEDY, max_new_bytes=spelled(tokenizer, expected))
    beside = Continuation([0, 5], b"", 0.0, torch.Generator())  # one of another length, which is full at another time
    start = Continuation(ids, b"", 0.0, torch.Generator())
    assert grown(model, tokenizer, [beside, start], config)[1] == expected


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


def test_a_prompt_draws_the_same_whatever_stands_behind_it(tokenizer: Tokenizer) -> None:
    model = random_model()
    alone = sample_continuations(model, tokenizer, PROMPTS[:1], CONFIG)
    assert sample_continuations(model, tokenizer, PROMPTS, CONFIG)[:1] == alone


@pytest.mark.parametrize(("context", "factor"), [(16, 2.0), (128, -2.0)])  # a factor with which some texts end early
def test_a_batch_says_what_each_prompt_says_alone(tokenizer: Tokenizer, context: int, factor: float) -> None:
    """Prompts of many lengths, some ended early, some past the end of the context: the ids are equal one by one."""
    model = random_model(context=context)
    with torch.no_grad():
        model.wte.weight[0] *= factor
    text = "Once upon a time, there was a little dog who liked to play in the park with a red ball. " * 2
    prompts = [text[: 1 + 11 * place] for place in range(12)]
    config = replace(CONFIG, max_new_bytes=120)
    together = begun(model, tokenizer, prompts)
    grown(model, tokenizer, together, config)
    alone = begun(model, tokenizer, prompts)
    for each in alone:
        grown(model, tokenizer, [each], config)
    assert [each.ids for each in together] == [each.ids for each in alone]
    assert [each.ended for each in together] == [each.ended for each in alone]
    assert {each.ended for each in together} == {True, False}


def test_more_prompts_than_a_batch_holds_are_all_continued(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model()
    whole = sample_continuations(model, tokenizer, PROMPTS * 2, CONFIG)
    monkeypatch.setattr(generation, "LARGEST_BATCH", 4)
    assert sample_continuations(model, tokenizer, PROMPTS * 2, CONFIG) == whole
    assert [sample.prompt for sample in whole] == [*PROMPTS, *PROMPTS]


def kept_by_hand(logits: torch.Tensor, temperature: float, top_k: int, top_p: float) -> dict[int, float]:
    """The probabilities that are left of logits (V,), one by one."""
    weights = {token: math.exp(float(logit) / temperature) for token, logit in enumerate(logits) if logit > -math.inf}
    likeliest = sorted(weights, key=lambda token: -weights[token])[: top_k or None]
    total, reached, kept = sum(weights[token] for token in likeliest), 0.0, {}
    for token in likeliest:
        if reached >= top_p * total:
            break
        kept[token] = weights[token]
        reached += weights[token]
    return {token: weight / sum(kept.values()) for token, weight in kept.items()}


def candidates_of(logits: torch.Tensor, temperature: float, top_k: int, top_p: float) -> dict[int, float]:
    (ids,), (probabilities,) = candidates(logits[None], temperature, top_k, top_p)
    pairs = zip(ids.tolist(), probabilities.tolist(), strict=True)
    return {token: probability for token, probability in pairs if probability > 0}


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [
        (1.0, 0, 1.0),
        (0.5, 0, 1.0),
        (2.0, 0, 1.0),
        (1.0, 4, 1.0),
        (0.7, 3, 1.0),
        (1.0, 1000, 1.0),
        (1.0, 0, 0.9),
        (2.0, 0, 0.5),
        (0.7, 4, 0.8),
        (1.0, 3, 1e-6),
    ],
)
def test_candidates_are_those_found_by_hand(temperature: float, top_k: int, top_p: float) -> None:
    logits = torch.tensor([1.0, -0.5, 2.0, 0.3, -math.inf, 1.5, -2.0, 0.0])
    found = candidates_of(logits, temperature, top_k, top_p)
    assert found == pytest.approx(kept_by_hand(logits, temperature, top_k, top_p), rel=1e-6)


@given(
    # Far enough apart that rounding makes no two of them equally likely.
    logits=st.lists(st.integers(-9000, 9000).map(lambda thousandths: thousandths / 1000), min_size=2, max_size=12, unique=True),
    temperature=st.floats(0.2, 5),
    top_k=st.integers(0, 14),
    top_p=st.floats(0.01, 1),
)
def test_candidates_are_those_found_by_hand_for_any_logits(
    logits: list[float], temperature: float, top_k: int, top_p: float
) -> None:
    found = candidates_of(torch.tensor(logits), temperature, top_k, top_p)
    expected = kept_by_hand(torch.tensor(logits), temperature, top_k, top_p)
    if set(found) != set(expected):  # only where rounding decides whether the share is reached
        wider = kept_by_hand(torch.tensor(logits), temperature, top_k, min(1.0, top_p * (1 + 1e-6)))
        narrower = kept_by_hand(torch.tensor(logits), temperature, top_k, top_p * (1 - 1e-6))
        assert set(found) in (set(wider), set(narrower))
    else:
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1e-300, 1e-5, 1e5, 1e300])
def test_any_temperature_gives_probabilities(temperature: float) -> None:
    logits = torch.tensor([[80.0, -500.0, -math.inf, 79.0]])
    _, probabilities = candidates(logits, temperature, 0, 1.0)
    assert probabilities.isfinite().all()
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[0, 2] == 0


@given(
    logits=st.lists(st.sampled_from([-math.inf, -1.0, 0.0, 0.5, 2.0]), min_size=2, max_size=12).filter(lambda x: max(x) > -9),
    top_k=st.integers(1, 14),
)
def test_no_more_than_top_k_are_drawn_also_of_equals(logits: list[float], top_k: int) -> None:
    found = candidates_of(torch.tensor(logits), 1.0, top_k, 1.0)
    assert len(found) <= top_k
    least = sorted(logits, reverse=True)[:top_k][-1]
    assert all(logits[token] >= least and logits[token] > -math.inf for token in found)


def test_ids_are_drawn_as_often_as_their_probability_says(tokenizer: Tokenizer) -> None:
    model = random_model()
    draws = 600
    start = [0, *tokenizer.encode("One day")]
    config = replace(CONFIG, top_k=6, top_p=0.95, temperature=1.3, max_new_bytes=1)
    many = [Continuation(list(start), b"", 0.0, torch.Generator().manual_seed(seed)) for seed in range(draws)]
    drawn = Counter(tuple(ids) or (0,) for ids in grown(model, tokenizer, many, config))
    with torch.inference_mode():
        expected = kept_by_hand(model(torch.tensor([start]))[0, -1], 1.3, 6, 0.95)
    assert set(drawn) <= {(token,) for token in expected}
    assert chisquare([drawn[token,] for token in expected], [draws * share for share in expected.values()]).pvalue > 1e-4


def test_ids_without_an_entry_are_never_drawn(story_tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = story_tokenizers["bpe"]
    model = random_model(context=16, vocab_size=5000, entries=600)
    config = replace(CONFIG, temperature=100.0, top_k=0, max_new_bytes=500)  # all but uniform over the entries
    samples = sample_continuations(model, tokenizer, PROMPTS, config)  # an id without an entry could not be decoded
    assert all(sample.ended or len(sample.continuation.encode()) >= 400 for sample in samples)
    with torch.inference_mode():
        found = candidates_of(model(torch.tensor([[0]]))[0, -1], 100.0, 0, 1.0)
    assert max(found) < 600
    assert len(found) > 500


# The healed end


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_what_is_said_begins_right_behind_the_prompt(story_tokenizers: dict[str, Tokenizer], track: str) -> None:
    tokenizer = story_tokenizers[track]
    model = random_model(seed=3)
    text = "Once upon a time, there was a little dog who said na\u00efvely: \U0001f415!"
    prompts = [text[:size] for size in range(1, len(text) + 1)]
    continuations = begun(model, tokenizer, prompts)
    assert any(each.said for each in continuations), "some last entry must run past the prompt"
    kept = [len(tokenizer.encode(prompt)) for prompt in prompts]
    assert any(len(each.ids) - 1 != count for each, count in zip(continuations, kept, strict=True))
    for prompt, each in zip(prompts, continuations, strict=True):
        assert tokenizer.decode_bytes(each.ids[1:]) == prompt.encode() + each.said
        assert each.healing_cut_share < 1
    grown(model, tokenizer, continuations, CONFIG)
    for prompt, each in zip(prompts, continuations, strict=True):
        assert each.ids[0] == 0 and 0 not in each.ids[1:]
        assert tokenizer.decode_bytes(each.ids[1:]) == prompt.encode() + each.said
    samples = sample_continuations(model, tokenizer, prompts, CONFIG)
    expected = [
        Sample(p, e.said.decode(errors="replace"), e.ended, e.healing_cut_share)
        for p, e in zip(prompts, continuations, strict=True)
    ]
    assert samples == expected


def test_a_prompt_inside_a_word_goes_on_as_the_whole_word_would(tokenizer: Tokenizer) -> None:
    """A model that says one entry alone behind id 0 goes on to it from any of its beginnings."""
    token = max(range(1, 600), key=lambda token: len(tokenizer.token_bytes[token]))
    entry = tokenizer.token_bytes[token].decode()
    assert len(entry) >= 8
    model = scripted_model([token, 0])
    with torch.no_grad():
        model.ln_f.weight.fill_(100.0)  # all but certain
    for size in range(1, len(entry)):
        sample = continuation(model, tokenizer, entry[:size], CONFIG)
        assert replace(sample, healing_cut_share=0.0) == Sample(entry[:size], entry[size:], ended=True)
        assert sample.healing_cut_share < 1e-6


def test_no_prompt_at_all_begins_a_document(tokenizer: Tokenizer) -> None:
    model = random_model()
    (each,) = begun(model, tokenizer, [""])
    assert (each.ids, each.said) == ([0], b"")
    assert continuation(model, tokenizer, "", CONFIG).continuation


def test_a_lone_surrogate_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        sample_continuations(random_model(), tokenizer, ["a\udc80"], CONFIG)


# Where it ends


def script_for(tokenizer: Tokenizer, text: str, end: bool) -> list[int]:
    """What a model must say behind id 0 to say `text`, then id 0 or, for ever, the last id."""
    ids = tokenizer.encode(text)
    return ids + ([0] if end else [ids[-1]] * 5)


def said(model: GPT, tokenizer: Tokenizer, config: EvaluationConfig) -> tuple[str, bool]:
    """What a model says from a document's start, and whether it ended."""
    sample = continuation(model, tokenizer, "", config)
    return sample.continuation, sample.ended


def test_it_ends_where_the_model_ends_the_document(tokenizer: Tokenizer) -> None:
    text = "One day a little dog. They were happy."
    model = scripted_model(script_for(tokenizer, text, end=True))
    for config in (GREEDY, CONFIG):
        assert said(model, tokenizer, replace(config, max_new_bytes=len(text) + 1, top_k=1)) == (text, True)


def test_a_model_that_ends_at_once_says_nothing(tokenizer: Tokenizer) -> None:
    model = scripted_model([0] * 8 + [5])
    assert said(model, tokenizer, GREEDY) == ("", True)


def test_it_ends_at_the_token_that_reaches_the_limit_of_bytes(tokenizer: Tokenizer) -> None:
    text = "One day a little dog. They were happy."
    ids = tokenizer.encode(text)
    model = scripted_model(script_for(tokenizer, text, end=False))
    sizes = [len(tokenizer.token_bytes[token]) for token in ids]
    assert max(sizes) > 1, "a token that passes the limit in its middle is what this test is about"
    for limit in range(1, len(text)):
        tokens = next(n for n in range(1, len(ids) + 1) if sum(sizes[:n]) >= limit)
        assert said(model, tokenizer, replace(GREEDY, max_new_bytes=limit)) == (tokenizer.decode(ids[:tokens]), False)


def test_an_ending_that_runs_past_the_limit_is_all_that_is_said(tokenizer: Tokenizer) -> None:
    token = max(range(1, 600), key=lambda token: len(tokenizer.token_bytes[token]))
    entry = tokenizer.token_bytes[token].decode()
    model = scripted_model([token, 5])
    with torch.no_grad():
        model.ln_f.weight.fill_(100.0)
    sample = continuation(model, tokenizer, entry[:2], replace(CONFIG, max_new_bytes=3))
    assert (sample.continuation, sample.ended) == (entry[2:], False)


def test_the_end_of_the_document_that_comes_after_the_limit_is_not_reached(tokenizer: Tokenizer) -> None:
    text = "One day a little dog."
    model = scripted_model(script_for(tokenizer, text, end=True))
    assert said(model, tokenizer, replace(GREEDY, max_new_bytes=len(text))) == (text, False)
