"""Boundless BPE, slow and obvious: the judge of boundless_learning.py and boundless.py, and the place to read what they do.

Only tests use it; nothing here is clever. A document is a list of units. A unit is a word, as a list of tokens; or a superword,
a list of one.
"""

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from toktrial.tokenizer.transformers_files import CHARACTER_OF_BYTE

Unit = list[int]
_BYTES = [bytes([byte]) for byte in sorted(CHARACTER_OF_BYTE, key=CHARACTER_OF_BYTE.__getitem__)]  # as BPE numbers them
Event = tuple[str, int, int, int]
"""merge, left, right, new; supermerge, left, right, new; deletion, token, -1, -1."""


@dataclass
class ReferenceBoundless:
    """What learning starts from, and what it leaves."""

    documents: list[list[Unit]]
    entries: list[bytes] = field(default_factory=lambda: [b"<|endoftext|>", *_BYTES])
    """By id; deleted entries keep theirs."""
    deleted: set[int] = field(default_factory=set)
    superwords: set[int] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)

    def live(self) -> dict[bytes, int]:
        """Returns the ids of the entries that are left."""
        return {entry: token for token, entry in enumerate(self.entries) if token not in self.deleted}


def as_documents(documents: Sequence[Sequence[bytes]]) -> list[list[Unit]]:
    """Returns documents, given as words, as units of single bytes."""
    return [[_letters(word) for word in document] for document in documents]


def _letters(word: bytes) -> Unit:
    return [1 + _BYTES.index(bytes([byte])) for byte in word]


def learn(documents: Sequence[Sequence[bytes]], vocab_size: int, min_frequency: int, tau: float) -> ReferenceBoundless:
    """Learns from documents, given as words.

    Merges within words are chosen and counted as if no words had been merged, as the authors' implementations do. So `words`
    keeps all words apart, beside the documents.
    """
    words = [unit for document in as_documents(documents) for unit in document]
    state = ReferenceBoundless(as_documents(documents))
    order = {word: number for number, word in enumerate(dict.fromkeys(word for document in documents for word in document))}
    passed_over: set[tuple[str, int, int]] = set()
    passed_words: set[tuple[object, object]] = set()

    def rank_of(token: int) -> tuple[int, int]:  # words in the order in which they are met, then superwords by age
        return (1, token) if token in state.superwords else (0, order[state.entries[token]])

    def identity(token: int) -> object:  # a word that is another token by now is the same word
        return token if token in state.superwords else state.entries[token]

    while len(state.live()) < vocab_size:
        within = Counter(pair for unit in words for pair in itertools.pairwise(unit))
        across = Counter(pair for document in state.documents for pair in _whole_pairs(document, state))
        within = Counter({pair: n for pair, n in within.items() if ("within", *pair) not in passed_over})
        across = Counter({p: n for p, n in across.items() if (identity(p[0]), identity(p[1])) not in passed_words})
        word_pair = min(within, key=lambda pair: (-within[pair], pair), default=(0, 0))
        whole_pair = min(across, key=lambda pair: (-across[pair], rank_of(pair[0]), rank_of(pair[1])), default=(0, 0))
        if max(within[word_pair], across[whole_pair]) < min_frequency:
            break
        is_super = across[whole_pair] >= max(within[word_pair], min_frequency)
        left, right = whole_pair if is_super else word_pair
        joined = state.entries[left] + state.entries[right]
        token = state.live().get(joined, len(state.entries))
        if is_super and token < len(state.entries):
            passed_words.add((identity(left), identity(right)))
            continue
        if token in state.superwords:
            passed_over.add(("within", left, right))
            continue
        if token == len(state.entries):
            state.entries.append(joined)
        if is_super:
            state.superwords.add(token)
            state.events.append(("supermerge", left, right, token))
            apply(state.documents, state.events[-1], state.entries)
            continue
        uses = Counter(token for unit in words for token in unit)
        _do(state, words, ("merge", left, right, token))
        merged = Counter(token for unit in words for token in unit)[token] - uses[token]
        for part in dict.fromkeys((left, right)):
            if len(state.entries[part]) > 1 and merged >= tau * uses[part]:
                state.deleted.add(part)
                _do(state, words, ("deletion", part, -1, -1))
    return state


def _do(state: ReferenceBoundless, words: list[Unit], event: Event) -> None:
    state.events.append(event)
    apply(state.documents, event, state.entries)
    apply([words], event, state.entries)


def apply(documents: list[list[Unit]], event: Event, entries: Sequence[bytes]) -> None:
    """Does in documents what an event says."""
    kind, left, right, new = event
    for document in documents:
        if kind == "supermerge":
            place = 0
            while place < len(document) - 1:
                if document[place : place + 2] == [[left], [right]]:
                    document[place : place + 2] = [[new]]
                place += 1
            continue
        for unit in document:
            place = 0
            while place < len(unit):
                if kind == "deletion" and unit[place] == left:
                    unit[place : place + 1] = _letters(entries[left])
                elif kind == "merge" and unit[place : place + 2] == [left, right]:
                    unit[place : place + 2] = [new]
                place += 1


def _whole_pairs(document: list[Unit], state: ReferenceBoundless) -> Iterator[tuple[int, int]]:
    for left, right in itertools.pairwise(document):
        if len(left) == len(right) == 1 and all(may_join(state.entries[unit[0]]) for unit in (left, right)):
            yield left[0], right[0]


def may_join(entry: bytes) -> bool:
    """Whether an entry may be part of a superword: letters, and beside them only marks, spaces, _ and apostrophes."""
    letters = "".join(character for character in entry.decode(errors="replace") if character.isalpha())
    rest = [character for character in entry.decode(errors="replace") if not character.isalpha()]
    return letters != "" and all(c in "_ '\u2019" or unicodedata.category(c)[0] == "M" for c in rest)
