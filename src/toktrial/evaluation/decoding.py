"""Grows several texts together, id by id, and computes each position once; says nothing of how an id is chosen.

At the end of the context a text's window moves: the model goes on from the last half context of its ids, as if they
were a document's start. A text never waits for another, and never sees it.
"""

from collections.abc import Sequence

import torch

from toktrial.training.model import GPT


class Decoder:
    """Texts in one batch, with the keys and values of their ids."""

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
        counts = [len(self._windows[row]) - 1 for row in rows]
        padded = torch.zeros((len(rows), max(counts)), dtype=torch.int64)
        for place, row in enumerate(rows):
            padded[place, : counts[place]] = torch.tensor(self._windows[row][:-1])
        filled = self._model.new_cache(len(rows), max(counts))
        self._model.next_logits(padded.to(self._device), counts, filled)
        self._cache.replace(rows, filled)
