"""Learns Boundless BPE: merges within words, deletions, and merges of whole words, in one order (Schmidt et al. 2025).

Two learners take turns. boundless_words.py merges within words, and so says which words are one token by now. BTM's merge
engine merges the words of the documents; a pair that is not whole yet waits until it is. The more frequent pair is next.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from toktrial.corpus.documents import Documents
from toktrial.progress import Progress
from toktrial.tokenizer.boundless_words import WordMerges
from toktrial.tokenizer.bpe import read_batches
from toktrial.tokenizer.bpe_trainer import FIRST_ENTRIES
from toktrial.tokenizer.merge_engine import MergeEngine
from toktrial.tokenizer.merge_rules import MergeRule
from toktrial.tokenizer.pairs import Longs
from toktrial.tokenizer.stream import cell_type, lay_out_documents
from toktrial.tokenizer.word_counts import number_words

MERGE, DELETION, SUPERMERGE = 0, 1, 2


class Event(NamedTuple):
    """One step of learning. Ids are given once and never again, also to an entry that was deleted and comes back."""

    kind: int
    left: int
    """The left part's id, or the deleted entry's."""
    right: int
    """The right part's id, -1 for a deletion."""
    entry: int
    """The id of what arises, -1 for a deletion."""
    occurrences: int
    """How often the pair occurred; how often the deleted entry was left."""


@dataclass(frozen=True)
class BoundlessRule:
    """How Boundless BPE is learned."""

    vocab_size: int
    min_frequency: int
    tau: float


def may_join(word: bytes) -> bool:
    """Whether a word may be part of a superword: letters, and spaces, underscores and apostrophes beside them.

    >>> may_join(b" the"), may_join(b"'s"), may_join(b" 7"), may_join(b"."), may_join(b" ")
    (True, True, False, False, False)
    """
    text = word.decode()
    others = (letter for letter in text if not letter.isalpha())
    return any(map(str.isalpha, text)) and all(
        letter in " _'\u2019" or unicodedata.category(letter).startswith("M") for letter in others
    )


def words_of(documents: Documents, on_progress: Progress | None = None) -> tuple[list[bytes], Longs, Longs]:
    """Returns the different words of all documents, as met, and the documents as numbers of these, with offsets."""
    number_of: dict[bytes, int] = {}
    numbers, lengths = [np.zeros(0, dtype=np.int64)], [np.zeros(1, dtype=np.int64)]
    for batch in read_batches(documents, on_progress):
        words, met, offsets = number_words(batch)
        numbers.append(np.array([number_of.setdefault(word, len(number_of)) for word in words], dtype=np.int64)[met])
        lengths.append(np.diff(offsets))
    return list(number_of), np.concatenate(numbers), np.cumsum(np.concatenate(lengths))


def learn_boundless(
    words: Sequence[bytes],
    numbers: Longs,
    offsets: Longs,
    rule: BoundlessRule,
    on_step: Callable[[int, int], None] | None = None,
) -> list[Event]:
    """Returns the events of learning. words, numbers, offsets: as `words_of` returns them.

    The most frequent pair is merged: two tokens within a word, or two whole words, or superwords, side by side. Of equals the
    superword goes first, then the smaller left and right id, where words are ordered as given. After a merge within words, an
    entry of more than a byte is deleted if the merge has taken `tau` or more of its uses; what is left of it becomes bytes.
    Where a pair within words spells an entry of words, it is merged into that one, as in BPE; any other pair that spells an
    entry is passed over. on_step is told entries and count.
    """
    return _Learner(words, numbers, offsets, rule).learn(on_step)


class _Learner:
    def __init__(self, words: Sequence[bytes], numbers: Longs, offsets: Longs, rule: BoundlessRule) -> None:
        self._rule = rule
        self._entries = list(FIRST_ENTRIES)  # by id, deleted ones too
        self._live = {entry: token for token, entry in enumerate(FIRST_ENTRIES)}
        self._superwords: set[int] = set()
        self._events: list[Event] = []
        self._words = WordMerges(words, np.bincount(numbers, minlength=len(words)))
        self._supers = _Supermerges(words, numbers, offsets, rule, self._words.token_of_word)

    def learn(self, on_step: Callable[[int, int], None] | None) -> list[Event]:
        left, right, count = self._words.best()
        while len(self._live) < self._rule.vocab_size:
            pair = self._supers.best(max(count, self._rule.min_frequency), self._rule.vocab_size - len(self._live))
            merged = pair[2] if pair else count
            if merged < self._rule.min_frequency:
                break
            if pair:
                self._merge_words(*pair)
            else:
                self._merge_within_words(left, right, count)
                left, right, count = self._words.best()
            if on_step:
                on_step(len(self._live), merged)
        return self._events

    def _merge_within_words(self, left: int, right: int, count: int) -> None:
        joined = self._entries[left] + self._entries[right]
        token = self._live.get(joined, len(self._entries))
        if token in self._superwords:
            return self._words.pass_over(left, right)
        if token == len(self._entries):
            self._entries.append(joined)
            self._live[joined] = token
        uses = {part: int(self._words.token_counts[part]) for part in (left, right)}
        merged, whole = self._words.merge(left, right, token)
        self._events.append(Event(MERGE, left, right, token, count))
        changed = whole
        for part, before in uses.items():
            if len(self._entries[part]) > 1 and merged >= self._rule.tau * before:
                changed = changed + self._delete(part)
        return self._supers.reconsider(changed)

    def _delete(self, token: int) -> list[int]:
        """Deletes an entry of words; returns the words that were that entry."""
        self._events.append(Event(DELETION, token, -1, -1, int(self._words.token_counts[token])))
        del self._live[self._entries[token]]
        return self._words.delete(token, self._entries[token])

    def _merge_words(self, left: int, right: int, count: int) -> None:
        """Merges two of the engine's ids, which are words and superwords."""
        tokens = [self._supers.token(part) for part in (left, right)]
        joined = self._entries[tokens[0]] + self._entries[tokens[1]]
        if joined in self._live:
            return self._supers.pass_over(left, right)
        token = len(self._entries)
        self._entries.append(joined)
        self._live[joined] = token
        self._superwords.add(token)
        self._events.append(Event(SUPERMERGE, tokens[0], tokens[1], token, count))
        return self._supers.merge(left, right, joined, count, token)


class _Supermerges:
    """The words of the documents, and which pairs of them, and of the superwords that they become, are frequent."""

    def __init__(
        self, words: Sequence[bytes], numbers: Longs, offsets: Longs, rule: BoundlessRule, token_of_word: Longs
    ) -> None:
        self._token_of_word = token_of_word  # kept up to date by WordMerges
        self._tokens: list[int] = []  # of superwords
        self._first_superword = len(words)
        self._waiting: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._next: tuple[int, int, int] | None = None
        self._passed_over: set[tuple[int, int]] = set()
        self._counts_made = 0
        joins = np.array([may_join(word) for word in words], dtype=np.bool_)
        stream = numbers[joins[numbers]] if numbers.size else numbers
        room = len(words) + rule.vocab_size
        cells = lay_out_documents(stream, _ends_of_runs(joins, numbers, offsets), len(words), cell_type(room))
        self._engine = MergeEngine(cells, words, room, 0, MergeRule(rule.min_frequency))

    def token(self, part: int) -> int:
        """Returns the id of the entry that a word, or a superword, is as a whole; -1 for a word of several."""
        if part < self._first_superword:
            return int(self._token_of_word[part])
        return self._tokens[part - self._first_superword]

    def best(self, at_least: int, merges_left: int) -> tuple[int, int, int] | None:
        """Takes the most frequent pair of whole words, unless it is rarer than `at_least`."""
        while self._next is None and (pair := self._engine.take_best(merges_left, at_least)) is not None:
            if self._engine.recounts != self._counts_made:  # so every pair may be taken again
                self._counts_made = self._engine.recounts
                self._waiting.clear()
            in_parts = [part for part in pair[:2] if self.token(part) < 0]
            if in_parts:
                self._waiting[in_parts[0]].append(pair[:2])
            elif pair[:2] not in self._passed_over:
                self._next = pair
        if self._next is None or self._next[2] < at_least:
            return None
        pair, self._next = self._next, None
        return pair

    def reconsider(self, words: Sequence[int]) -> None:
        """Takes pairs of these words into account, which are whole now, or are no longer."""
        if not words:
            return
        if self._next is not None:
            self._engine.put_back(*self._next[:2])
            self._next = None
        for word in words:
            for pair in self._waiting.pop(word, []):
                self._engine.put_back(*pair)

    def pass_over(self, left: int, right: int) -> None:
        """Leaves a pair alone from now on."""
        self._passed_over.add((left, right))

    def merge(self, left: int, right: int, joined: bytes, count: int, token: int) -> None:
        """Merges a pair that `best` has given."""
        new = self._first_superword + len(self._tokens)
        self._tokens.append(token)
        self._engine.merge(left, right, new, joined, count)

    def documents(self) -> tuple[Longs, Longs]:
        """Returns the runs of words that may join as the merges left them: flat, with offsets."""
        ids, offsets = self._engine.documents()
        return ids.astype(np.int64), offsets


def _ends_of_runs(joins: np.ndarray, numbers: Longs, offsets: Longs) -> Longs:
    """Returns where, among the words that may join, a run of them begins or ends: at documents' ends and at all other words."""
    kept_before = np.concatenate([[0], np.cumsum(joins[numbers])]) if numbers.size else np.zeros(1, dtype=np.int64)
    others = np.flatnonzero(~joins[numbers]) if numbers.size else np.zeros(0, dtype=np.int64)
    return np.unique(kept_before[np.concatenate([offsets, others])]).astype(np.int64)


def replay(events: Sequence[Event]) -> tuple[list[bytes], Iterator[int]]:
    """Returns the bytes of every id that events have given, and the ids of the entries that are left, in order."""
    entries = list(FIRST_ENTRIES)
    for event in events:
        if event.entry == len(entries):
            entries.append(entries[event.left] + entries[event.right])
    deleted = {event.left for event in events if event.kind == DELETION}
    return entries, (token for token in range(len(entries)) if token not in deleted)
