"""Heals the end of a prompt, which may cut what the tokenizer would have kept in one entry.

A prompt that ends inside a word or a superword ends in tokens that training text almost never has there. So the last tokens
are dropped, and the prompt goes on with a sequence of entries that begins with the bytes they spelled, drawn with the
probability that the model gives it. This conditions on the text, and is exact given the tokens that were kept. Masking all
entries that do not fit, token by token, is not: it never weighs what the rest of the text costs after each choice.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils.rnn import pad_sequence

from toktrial.tokenizer.base import END_OF_TEXT_ID
from toktrial.training.model import GPT

MOST_PATHS = 32  # followed from one byte
SMALLEST_SHARE = 1e-9  # of the probability at a byte: far below what the rounding of float32 logits changes

EntryIds = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]


class EntryTable:
    """A vocabulary's entries, looked up by their bytes. `<|endoftext|>` is left out: it never spells text."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self.token_bytes = token_bytes
        self._id_of = {entry: token for token, entry in enumerate(token_bytes) if token != END_OF_TEXT_ID}
        self._sorted = sorted(self._id_of)
        self._sorted_ids = np.array([self._id_of[entry] for entry in self._sorted], dtype=np.int64)
        self._longest_bytes = max(map(len, self._sorted))

    def spell(self, ids: Sequence[int]) -> bytes:
        return b"".join([self.token_bytes[token] for token in ids])

    def beginning_with(self, text: bytes) -> EntryIds:
        """Returns the ids of the entries that begin with `text`, itself among them, in the order of their bytes."""
        first, end = self._range(text)
        return self._sorted_ids[first:end]

    def shorter_beginnings(self, text: bytes) -> list[int]:
        """Returns the ids of the entries that `text` begins with and that are shorter than it, the shortest first."""
        beginnings = (text[:size] for size in range(1, min(len(text), self._longest_bytes + 1)))
        return [self._id_of[beginning] for beginning in beginnings if beginning in self._id_of]

    def first_crossing(self, text: bytes) -> int:
        """Returns the first byte of `text` from which some entry reaches past the end of `text`; its length if there is none.

        >>> EntryTable([b"<|endoftext|>", b" ", b"a", b"b", b" a", b"a bc"]).first_crossing(b"b a b")
        2
        """
        for start in range(max(0, len(text) - self._longest_bytes + 1), len(text)):
            first, end = self._range(text[start:])
            if end - first > (text[start:] in self._id_of):
                return start
        return len(text)

    def _range(self, text: bytes) -> tuple[int, int]:
        """Where the entries that begin with `text` stand in the sorted list."""
        first = bisect.bisect_left(self._sorted, text)
        return first, bisect.bisect_left(self._sorted, text + b"\xff" * (self._longest_bytes + 1), first)


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


def heal_prompt(
    model: GPT, entries: EntryTable, prompt_ids: Sequence[int], generator: torch.Generator
) -> tuple[list[int], float]:
    """Drops the last ids of a prompt and draws what takes their place, at temperature 1.

    Returns the ids from which sampling goes on: id 0, the ids that were kept, and the ending that was drawn, which may spell
    more than the prompt. Returns with them the endings' `cut_share`, 0 where nothing had to be dropped.
    """
    kept_count = count_kept(entries, prompt_ids)
    kept, dropped = [END_OF_TEXT_ID, *prompt_ids[:kept_count]], prompt_ids[kept_count:]
    if not dropped:
        return kept, 0.0
    endings = enumerate_endings(model, entries, kept, dropped)
    drawn = int(torch.multinomial(torch.from_numpy(endings.probabilities), 1, generator=generator))
    return kept + endings.ids(drawn), endings.cut_share


def count_kept(entries: EntryTable, prompt_ids: Sequence[int]) -> int:
    """Returns how many of a prompt's ids stay: up to where no entry that begins earlier could cross the prompt's end."""
    crossing = entries.first_crossing(entries.spell(prompt_ids))
    ends = np.cumsum([len(entries.token_bytes[token]) for token in prompt_ids])
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
    the text so far. Of those that end right there, the likeliest `most_paths` that hold at least `smallest_share` of that are
    followed further. Where the ids do not all fit into the context, the walk sees the last of `kept`, never less than half
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
        self.text = entries.spell(dropped)
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
        for path, log_probabilities in zip(paths, self._log_probabilities(paths), strict=True):
            for token in shorter:
                end = place + len(self._entries.token_bytes[token])
                longer = _Path((*path.ids, token), float(log_probabilities[token]))
                self._waiting.setdefault(end, []).append(longer)
            self._stems.append(path.ids)
            self._found.append((last, log_probabilities[last]))
            total = np.logaddexp.reduce(log_probabilities[last], initial=-math.inf)
            self._found_log_probability = float(np.logaddexp(self._found_log_probability, total))

    def endings(self) -> Endings:
        """Returns what was found; the prompt's own ids where the context could hold nothing else."""
        if self._found_log_probability == -math.inf:
            *stem, token = self._dropped
            return Endings([tuple(stem)], np.zeros(1, np.int64), np.array([token]), np.zeros(1), 1.0)
        sizes = [len(last_ids) for last_ids, _ in self._found]
        last_ids, log_probabilities = (np.concatenate(parts) for parts in zip(*self._found, strict=True))
        return Endings(self._stems, np.repeat(np.arange(len(sizes)), sizes), last_ids, log_probabilities, self._cut_share)

    def _select(self, place: int, most_paths: int, smallest_share: float) -> list[_Path]:
        """Takes the paths that end at a byte and returns those worth following; of equals, smaller ids come first."""
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

    def _log_probabilities(self, paths: Sequence[_Path]) -> Probabilities:
        """Returns the log-probability (paths, V) of each path with each id behind it.

        All paths are fed at once, behind one copy of the cache each.
        """
        counts = [len(path.ids) for path in paths]
        logits = self._first_logits
        if counts != [0]:
            padded = pad_sequence([torch.tensor(path.ids) for path in paths], batch_first=True).to(self._device)
            with torch.inference_mode():
                logits = self._model.next_logits(padded, counts, self._cache.select([0] * len(paths)))
        of_paths = np.array([[path.log_probability] for path in paths])
        log_probabilities: Probabilities = of_paths + logits.cpu().double().log_softmax(dim=1).numpy()
        return log_probabilities
