"""Continues prompts with a trained model: temperature, top-k and a seed for each prompt, the same for every track."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from toktrial.evaluation.config import EvaluationConfig
from toktrial.tokenizer.base import END_OF_TEXT_ID, Tokenizer
from toktrial.training.model import GPT, KeyValueCache


@dataclass(frozen=True)
class Sample:
    """A prompt and how a model continued it."""

    prompt: str
    continuation: str
    ended: bool
    """Whether the model ended the document itself, before the limit of bytes."""


def sample_continuations(model: GPT, tokenizer: Tokenizer, prompts: Sequence[str], config: EvaluationConfig) -> list[Sample]:
    """Continues every prompt, each with a seed of its own that depends on `sample_seed` and its place alone."""
    samples: list[Sample] = []
    for index, prompt in enumerate(prompts):
        generator = torch.Generator().manual_seed(config.sample_seed * len(prompts) + index)
        ids, ended = _continue(model, tokenizer, prompt, config, generator)
        samples.append(Sample(prompt, tokenizer.decode(ids), ended))
    return samples


def _continue(
    model: GPT, tokenizer: Tokenizer, prompt: str, config: EvaluationConfig, generator: torch.Generator
) -> tuple[list[int], bool]:
    """Returns the new ids and whether the model ended the document; ends at the token that reaches the limit of bytes."""
    context = model.config.context
    device = model.wte.weight.device
    ids = [END_OF_TEXT_ID, *tokenizer.encode(prompt)]
    prompt_length, new_bytes = len(ids), 0
    pending = ids[-context:]
    cache = KeyValueCache(model.config, 1, device)
    with torch.inference_mode():
        while new_bytes < config.max_new_bytes:
            if cache.positions + len(pending) > context:  # full: go on from the last half of what was said
                cache, pending = KeyValueCache(model.config, 1, device), ids[-context // 2 :]
            logits = model(torch.tensor([pending], device=device), cache)[0, -1].float().cpu()
            token = sample_token(logits, config.temperature, config.top_k, generator)
            if token == END_OF_TEXT_ID:
                return ids[prompt_length:], True
            ids.append(token)
            pending = [token]
            new_bytes += len(tokenizer.token_bytes[token])
    return ids[prompt_length:], False


def sample_token(logits: torch.Tensor, temperature: float, top_k: int, generator: torch.Generator) -> int:
    """Draws an id from logits (V,): among the `top_k` likeliest (0: all), at a temperature (0: the likeliest)."""
    if temperature == 0:
        return int(logits.argmax())
    if 0 < top_k < logits.numel():
        likeliest = logits.topk(top_k)  # by index: of equal logits no more than top_k stay
        logits = torch.full_like(logits, -math.inf).scatter(0, likeliest.indices, likeliest.values)
    probabilities = torch.softmax(logits.double() / temperature, dim=0)
    return int(torch.multinomial(probabilities, 1, generator=generator))
