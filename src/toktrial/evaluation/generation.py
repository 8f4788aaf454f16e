"""Continues prompts with a trained model, the same way for every track: the prompt's end is healed, then ids are drawn.

All prompts grow in one batch. Each draws from a generator of its own, so that its text depends on its own seed and place alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from toktrial.evaluation.config import EvaluationConfig
from toktrial.evaluation.decoding import Decoder
from toktrial.evaluation.entry_table import EntryTable
from toktrial.evaluation.healing import heal_prompt
from toktrial.tokenizer.base import END_OF_TEXT_ID, Tokenizer
from toktrial.training.model import GPT

LARGEST_BATCH = 64  # bounds the memory of keys and values


@dataclass(frozen=True)
class Sample:
    """A prompt and how a model continued it."""

    prompt: str
    continuation: str
    ended: bool
    """Whether the model ended the document itself, before the limit of bytes."""
    healing_cut_share: float = 0.0
    """Share of the probability that was left out when the prompt's end was healed; 0 where all of it was enumerated."""


@dataclass
class Continuation:
    """A healed prompt while it grows."""

    ids: list[int]
    """From id 0 on, those of the prompt among them."""
    said: bytes
    """What follows the prompt; begins and may end within a character only where the model said so."""
    healing_cut_share: float
    generator: torch.Generator = field(repr=False)
    ended: bool = False
    """Whether the model ended the document."""

    def is_done(self, max_new_bytes: int) -> bool:
        return self.ended or len(self.said) >= max_new_bytes


def sample_continuations(model: GPT, tokenizer: Tokenizer, prompts: Sequence[str], config: EvaluationConfig) -> list[Sample]:
    """Continues every prompt until the model ends the document, or with the token that reaches `max_new_bytes`.

    The prompt's end is healed first, at temperature 1; temperature, top-k and top-p hold from there on. At the end of the
    context the model goes on from the last half of it. A prompt's continuation depends on `sample_seed`, on its place
    among the prompts and on itself, not on the others. Bytes that are no UTF-8 (a cut character) become U+FFFD.
    Raises ValueError for a prompt that UTF-8 cannot hold.
    """
    entries = EntryTable(tokenizer.token_bytes)
    samples: list[Sample] = []
    for start in range(0, len(prompts), LARGEST_BATCH):
        batch = prompts[start : start + LARGEST_BATCH]
        grown = [
            begin_continuation(model, tokenizer, entries, prompt, config.sample_seed, place)
            for place, prompt in enumerate(batch, start)
        ]
        for _ in grow(model, tokenizer, grown, config):
            pass
        samples += [
            Sample(prompt, each.said.decode(errors="replace"), each.ended, each.healing_cut_share)
            for prompt, each in zip(batch, grown, strict=True)
        ]
    return samples


def begin_continuation(
    model: GPT, tokenizer: Tokenizer, entries: EntryTable, prompt: str, seed: int, place: int
) -> Continuation:
    """Returns a healed prompt; `seed` and `place` (its number among the prompts) decide all that is drawn for it."""
    (state,) = np.random.SeedSequence([seed % 2**64, place]).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state))
    healed = heal_prompt(model, entries, tokenizer.encode(prompt), generator)
    return Continuation(healed.ids, healed.past_end, healed.cut_share, generator)


def grow(model: GPT, tokenizer: Tokenizer, continuations: Sequence[Continuation], config: EvaluationConfig) -> Iterator[None]:
    """Grows the continuations in place, together, until all are done; yields after every step."""
    growing = [each for each in continuations if not each.is_done(config.max_new_bytes)]
    if not growing:
        return
    decoder = Decoder(model, [each.ids for each in growing])
    while growing:
        ids, probabilities = candidates(decoder.next_logits(), config.temperature, config.top_k, config.top_p)
        drawn = [_draw(row, each.generator) for row, each in zip(probabilities, growing, strict=True)]
        tokens = [int(row[place]) for row, place in zip(ids, drawn, strict=True)]
        for token, each in zip(tokens, growing, strict=True):
            each.ended = token == END_OF_TEXT_ID
            if not each.ended:
                each.ids.append(token)
                each.said += tokenizer.token_bytes[token]
        decoder.append(tokens)
        rows = [row for row, each in enumerate(growing) if not each.is_done(config.max_new_bytes)]
        if len(rows) < len(growing):
            decoder.keep(rows)
            growing = [growing[row] for row in rows]
        yield


def candidates(
    logits_BV: torch.Tensor,  # noqa: N803
    temperature: float,
    top_k: int,
    top_p: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the ids (B, K) int64 that may follow each row of logits (B, V), and their probabilities (B, K) float64.

    Probabilities are those at a temperature (0: the likeliest id has all), of the `top_k` likeliest ids (0: all), and of
    these of the fewest likeliest that hold `top_p` of the probability (nucleus sampling: Holtzman et al. 2020, section 3.1).
    """
    if temperature == 0:
        temperature, top_k = 1.0, 1
    count = logits_BV.shape[1]
    if 0 < top_k < count or top_p < 1:
        logits_BK, ids_BK = logits_BV.topk(min(top_k or count, count))  # noqa: N806  # the likeliest first
    else:
        logits_BK, ids_BK = logits_BV, torch.arange(count).expand_as(logits_BV)  # noqa: N806
    # With the largest taken off, a temperature near 0 makes none of them infinite.
    relative_BK = logits_BK.double() - logits_BK.amax(dim=1, keepdim=True)  # noqa: N806
    probabilities_BK = (relative_BK / temperature).softmax(dim=1)  # noqa: N806
    if top_p < 1:
        likelier_BK = probabilities_BK.cumsum(dim=1) - probabilities_BK  # noqa: N806
        probabilities_BK = probabilities_BK.masked_fill(likelier_BK >= top_p, 0.0)  # noqa: N806
        probabilities_BK = probabilities_BK / probabilities_BK.sum(dim=1, keepdim=True)  # noqa: N806
    return ids_BK, probabilities_BK


def _draw(probabilities: torch.Tensor, generator: torch.Generator) -> int:
    return int(torch.multinomial(probabilities, 1, generator=generator))
