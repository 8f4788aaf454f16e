"""Continues prompts with a trained model, the same way for every track: the prompt's end is healed, then ids are drawn.

All prompts grow in one batch. Each draws from its own generator, so its text depends only on its seed, its place and itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from toktrial.evaluation.config import EvaluationConfig
from toktrial.evaluation.healing import EntryTable, heal_prompt
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
    """What follows the prompt; it begins or ends within a character only where the model said so."""
    healing_cut_share: float
    generator: torch.Generator = field(repr=False)
    ended: bool = False
    """Whether the model ended the document."""

    def is_done(self, max_new_bytes: int) -> bool:
        return self.ended or len(self.said) >= max_new_bytes


def sample_continuations(model: GPT, tokenizer: Tokenizer, prompts: Sequence[str], config: EvaluationConfig) -> list[Sample]:
    """Continues every prompt until the model ends the document, or up to the token that reaches `max_new_bytes`.

    The prompt's end is healed first, at temperature 1; temperature, top-k and top-p apply after it. At the end of the
    context the model goes on from the last half of it. A prompt's continuation depends on `sample_seed`, on its place
    among the prompts and on itself, not on the others. Bytes that are not UTF-8 (a cut character) become U+FFFD.
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
    ids, cut_share = heal_prompt(model, entries, tokenizer.encode(prompt), generator)
    said = entries.spell(ids[1:])[len(prompt.encode()) :]
    return Continuation(ids, said, cut_share, generator)


def grow(model: GPT, tokenizer: Tokenizer, continuations: Sequence[Continuation], config: EvaluationConfig) -> Iterator[None]:
    """Grows the continuations in place, together, until all are done; yields after every step."""
    growing = [each for each in continuations if not each.is_done(config.max_new_bytes)]
    if not growing:
        return
    decoder = Decoder(model, [each.ids for each in growing])
    while growing:
        ids, probabilities = candidates(decoder.next_logits(), config.temperature, config.top_k, config.top_p)
        tokens = []
        for row, each in enumerate(growing):
            drawn = int(torch.multinomial(probabilities[row], 1, generator=each.generator))
            token = int(ids[row, drawn])
            tokens.append(token)
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


class Decoder:
    """Grows several texts in one batch, id by id, and computes each position once. How an id is chosen is not its concern.

    At the end of the context a text's window moves: the model goes on from the last half context of its ids, as if they
    were a document's start. A text never waits for another, and never sees it.
    """

    def __init__(self, model: GPT, texts: Sequence[Sequence[int]]) -> None:
        """Begins with the ids of each text, at least one; of a text longer than the context the model sees the end."""
        self._model, self._device = model, model.wte.weight.device
        self._context = model.config.context
        self._windows = [list(ids[-self._context :]) for ids in texts]  # the ids that the model sees
        with torch.inference_mode():
            self._cache = model.new_cache(len(texts))

    def next_logits(self) -> torch.Tensor:
        """Returns the logits (texts, V) float32, on the CPU, of what follows each text. Call `append` before the next call."""
        with torch.inference_mode():
            self._fill([row for row, length in enumerate(self._cache.lengths) if not length and len(self._windows[row]) > 1])
            last_ids = torch.tensor([[window[-1]] for window in self._windows], device=self._device)
            return self._model.next_logits(last_ids, [1] * len(self._windows), self._cache).float().cpu()

    def append(self, ids: Sequence[int]) -> None:
        """Adds an id to each text."""
        for row, token in enumerate(ids):
            self._windows[row].append(token)
            if len(self._windows[row]) > self._context:
                self._windows[row] = self._windows[row][-self._context // 2 :]
                self._cache.lengths[row] = 0

    def keep(self, rows: Sequence[int]) -> None:
        """Drops all texts but these; those that stay keep their order."""
        self._windows = [self._windows[row] for row in rows]
        with torch.inference_mode():
            self._cache = self._cache.select(rows)

    def _fill(self, rows: Sequence[int]) -> None:
        """Enters all ids of these texts but the last, which `next_logits` enters for all texts alike."""
        if not rows:
            return
        texts = [torch.tensor(self._windows[row][:-1]) for row in rows]
        counts = [len(text) for text in texts]
        filled = self._model.new_cache(len(rows), max(counts))
        self._model.next_logits(pad_sequence(texts, batch_first=True).to(self._device), counts, filled)
        self._cache.replace(rows, filled)
