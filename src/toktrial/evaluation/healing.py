"""Heals the end of a prompt, which may cut what the tokenizer would have kept in one entry.

A prompt that ends inside a word or a superword ends in tokens that training text almost never has there. So the last tokens
are dropped, and the prompt goes on with a sequence of entries that begins with the bytes they spelled, drawn with the
probability that the model gives it. This is conditioning on the text, exact given the tokens that were kept; to
mask all entries that do not fit, token by token, is not: it never weighs what the rest of the text costs after each choice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from toktrial.evaluation.entry_table import EntryIds, EntryTable
from toktrial.tokenizer.base import END_OF_TEXT_ID
from toktrial.training.model import GPT

MOST_PATHS = 32  # followed from one byte
SMALLEST_SHARE = 1e-9  # of the probability at a byte: far below what the rounding of float32 logits changes

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Endings:
    """The ways to spell the dropped bytes: sequences of entries of which only the last reaches their end, or past it."""

    stems: Sequence[tuple[int, ...]]
    """Ids of all entries but the last; many endings share one."""
    stem_of: EntryIds
    """(endings,): place of each ending's stem in `stems`."""
    last_ids: EntryIds
    """(endings,): id of each ending's last entry."""
    log_probabilities: Probabilities
    """(endings,): natural logarithm of the probability of all its ids, under the model, given the ids that were kept."""
    cut_share: float
    """Share of the probability that was not followed to the end, as it stood at the bytes where it was left."""

    def ids(self, ending: int) -> list[int]:
        return [*self.stems[self.stem_of[ending]], int(self.last_ids[ending])]

    @property
    def probabilities(self) -> Probabilities:
        """(endings,): the probability of each ending, given that the text begins with the dropped bytes."""
        weights = np.exp(self.log_probabilities - self.log_probabilities.max())
        shares: Probabilities = weights / weights.sum()
        return shares


@dataclass(frozen=True)
class HealedPrompt:
    """A prompt as the ids from which sampling goes on."""

    ids: list[int]
    """Id 0, the ids that were kept, and the ending that was drawn."""
    past_end: bytes
    """What the last entry spells beyond the prompt."""
    cut_share: float
    """The same of `Endings`; 0 where nothing was cut."""


def heal_prompt(model: GPT, entries: EntryTable, prompt_ids: Sequence[int], generator: torch.Generator) -> HealedPrompt:
    """Drops the last ids of a prompt and draws what takes their place, at temperature 1."""
    kept_count = count_kept(entries, prompt_ids)
    kept, dropped = [END_OF_TEXT_ID, *prompt_ids[:kept_count]], prompt_ids[kept_count:]
    if not dropped:
        return HealedPrompt(kept, b"", 0.0)
    endings = enumerate_endings(model, entries, kept, dropped)
    ending = endings.ids(int(torch.multinomial(torch.from_numpy(endings.probabilities), 1, generator=generator)))
    dropped_bytes = sum(len(entries.token_bytes[token]) for token in dropped)
    spelled = b"".join(entries.token_bytes[token] for token in ending)
    return HealedPrompt(kept + ending, spelled[dropped_bytes:], endings.cut_share)


def count_kept(entries: EntryTable, prompt_ids: Sequence[int]) -> int:
    """Returns how many of a prompt's ids stay: up to where no entry that begins earlier could cross the prompt's end."""
    pieces = [entries.token_bytes[token] for token in prompt_ids]
    crossing = entries.first_crossing(b"".join(pieces))
    ends = np.cumsum([len(piece) for piece in pieces])
    return int(np.searchsorted(ends, crossing, side="right"))


def enumerate_endings(
    model: GPT,
    entries: EntryTable,
    kept: Sequence[int],
    dropped: Sequence[int],
    most_paths: int = MOST_PATHS,
    smallest_share: float = SMALLEST_SHARE,
) -> Endings:
    """Returns the sequences of entries that begin with what `dropped` (at least one id) spells, with their probabilities.

    The walk goes from byte to byte. Together, all sequences that have reached a byte or passed it hold the probability of
    the text so far; of those that end right there, the likeliest `most_paths` that hold at least `smallest_share` of that are
    followed further. Where all ids do not fit into the context, the walk sees the last of `kept`, never less than half
    a context of them; a sequence that leaves the context is cut.
    """
    walk = _Walk(model, entries, kept, dropped)
    for place in range(len(walk.text)):
        walk.follow(place, most_paths, smallest_share)
    return walk.endings()


@dataclass(frozen=True)
class _Path:
    """Entries that spell the first of the dropped bytes."""

    ids: tuple[int, ...]
    log_probability: float


class _Walk:
    """The state of an enumeration while it goes from byte to byte."""

    def __init__(self, model: GPT, entries: EntryTable, kept: Sequence[int], dropped: Sequence[int]) -> None:
        self.text = b"".join(entries.token_bytes[token] for token in dropped)
        self._model, self._entries, self._dropped = model, entries, tuple(dropped)
        context = model.config.context
        seen = kept[-max(context // 2, context - len(self.text)) :]
        self._most_ids = min(context - len(seen), len(self.text))
        self._device = model.wte.weight.device
        with torch.inference_mode():
            self._cache = model.new_cache(1, len(seen) + self._most_ids)
            self._first_logits = model.next_logits(torch.tensor([seen], device=self._device), [len(seen)], self._cache)
        self._waiting = {0: [_Path((), 0.0)]}  # by the byte at which they end
        self._stems: list[tuple[int, ...]] = []
        self._found: list[tuple[EntryIds, Probabilities]] = []  # for each stem: last entries and log-probabilities
        self._found_log_probability = -math.inf
        self._cut_share = 0.0

    def follow(self, place: int, most_paths: int, smallest_share: float) -> None:
        """Continues the paths that end at byte `place` by every entry that fits the text from there."""
        paths = self._select(place, most_paths, smallest_share)
        if not paths:
            return
        rest = self.text[place:]
        shorter, last = self._entries.shorter_beginnings(rest), self._entries.beginning_with(rest)
        logits = self._logits(paths)
        for path, log_probabilities in zip(paths, _log_probabilities(paths, logits), strict=True):
            for token in shorter:
                end = place + len(self._entries.token_bytes[token])
                longer = _Path((*path.ids, token), float(log_probabilities[token]))
                self._waiting.setdefault(end, []).append(longer)
            self._stems.append(path.ids)
            self._found.append((last, log_probabilities[last]))
            total = np.logaddexp.reduce(log_probabilities[last], initial=-math.inf)
            self._found_log_probability = float(np.logaddexp(self._found_log_probability, total))

    def endings(self) -> Endings:
        """Returns what was found; the prompt's own ids where the context held no other."""
        if self._found_log_probability == -math.inf:
            *stem, token = self._dropped
            return Endings([tuple(stem)], np.zeros(1, np.int64), np.array([token]), np.zeros(1), 1.0)
        sizes = [len(last_ids) for last_ids, _ in self._found]
        last_ids, log_probabilities = (np.concatenate(parts) for parts in zip(*self._found, strict=True))
        return Endings(self._stems, np.repeat(np.arange(len(sizes)), sizes), last_ids, log_probabilities, self._cut_share)

    def _select(self, place: int, most_paths: int, smallest_share: float) -> list[_Path]:
        """Takes the paths that end at a byte; returns those worth following, of equals the one with the smaller ids first."""
        waiting = [path.log_probability for paths in self._waiting.values() for path in paths]
        total = np.logaddexp.reduce([self._found_log_probability, *waiting])
        arrived = sorted(self._waiting.pop(place, []), key=lambda path: (-path.log_probability, path.ids))
        followed: list[_Path] = []
        for path in arrived:
            share = math.exp(path.log_probability - total)
            if len(followed) < most_paths and share >= smallest_share and len(path.ids) <= self._most_ids:
                followed.append(path)
            else:
                self._cut_share = min(1.0, self._cut_share + share)
        return followed

    def _logits(self, paths: Sequence[_Path]) -> torch.Tensor:
        """Returns the logits (paths, V) of what follows each path; all are fed at once, behind one copy of the cache each."""
        counts = [len(path.ids) for path in paths]
        if counts == [0]:
            return self._first_logits
        padded = torch.zeros((len(paths), max(counts)), dtype=torch.int64)
        for row, path in enumerate(paths):
            padded[row, : len(path.ids)] = torch.tensor(path.ids)
        with torch.inference_mode():
            return self._model.next_logits(padded.to(self._device), counts, self._cache.select([0] * len(paths)))


def _log_probabilities(paths: Sequence[_Path], logits: torch.Tensor) -> Probabilities:
    """Returns the log-probability (paths, V) of each path with each id behind it."""
    of_paths = torch.tensor([path.log_probability for path in paths], dtype=torch.float64)
    log_probabilities: Probabilities = (of_paths[:, None] + logits.cpu().double().log_softmax(dim=1)).numpy()
    return log_probabilities
