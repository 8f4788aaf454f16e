"""BTM's merges, slow and obvious: the judge of the fast code in merge.py and btm.py, and the place to read what they do.

Only tests use it; nothing here is clever.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ReferenceMerges:
    """What `learn_merges` returns."""

    merges: list[tuple[int, int, int, int]]
    """(left id, right id, new id, count when chosen), in the order of choice."""
    passed_over: list[tuple[int, int]]
    """Pairs that were the best one, but whose joined bytes already named an entry."""
    documents: list[list[int]]
    """Every document as the merges left it."""
    pruned: list[int]
    """Ids of the entries that were given back; the documents still hold what is left of them."""


PairScore = Callable[[int, int, int, int], float]


def _frequency(pair_count: int, left_count: int, right_count: int, tokens: int) -> float:  # noqa: ARG001  # as every score
    return pair_count


@dataclass(frozen=True)
class ReferenceScope:
    """Which positions may merge; the slow twin of `may_merge` in merge_rules.py, from the bytes themselves."""

    name: str
    entries: Sequence[bytes]

    def may_merge(self, document: Sequence[int], position: int) -> bool:
        """Whether the token at `position` and the one after it may merge."""
        if self.name != "words":
            return True
        if self._is_inside_word(document, position):
            return all(self._lies_within_word(document[place]) for place in (position, position + 1))
        return not self._is_inside_word(document, position - 1) and not self._is_inside_word(document, position + 1)

    def _is_inside_word(self, document: Sequence[int], position: int) -> bool:
        """Whether the junction after the token at `position` is inside a word; a document's ends are not."""
        if not 0 <= position < len(document) - 1:
            return False
        last, first = self.entries[document[position]][-1], self.entries[document[position + 1]][0]
        return _is_word_byte(last) and _is_word_byte(first)

    def _lies_within_word(self, token: int) -> bool:
        letters = self.entries[token].removeprefix(b" ")
        return bool(letters) and all(_is_word_byte(byte) for byte in letters)


ANY_SCOPE = ReferenceScope("any", ())


def may_arise(entry: bytes, scope: str, max_words: int) -> bool:
    """Whether merges may make this entry; the slow twin of `may_arise` in merge_rules.py.

    >>> may_arise(b"1", "superbpe", 0), may_arise(b" a a", "any", 1), may_arise(b" a ", "any", 1)
    (False, False, True)
    """
    pairs = list(itertools.pairwise(entry))
    words = sum(before == ord(" ") != byte for before, byte in itertools.pairwise(b" " + entry))
    if max_words and words > max_words:
        return False
    refused = any(byte in b"0123456789" for byte in entry) or any(left == ord("\n") for left, _ in pairs)
    return scope != "superbpe" or not (refused or (ord(":"), ord(" ")) in pairs)


def count_pairs(documents: Iterable[Sequence[int]], scope: ReferenceScope = ANY_SCOPE) -> Counter[tuple[int, int]]:
    """Counts the adjacent positions that may merge, within documents.

    >>> count_pairs([[1, 1, 1], [1, 2]])
    Counter({(1, 1): 2, (1, 2): 1})
    """
    pairs: Counter[tuple[int, int]] = Counter()
    for document in documents:
        adjacent = enumerate(itertools.pairwise(document))
        pairs.update(pair for position, pair in adjacent if scope.may_merge(document, position))
    return pairs


def replace_pair(document: Sequence[int], left: int, right: int, new: int, scope: ReferenceScope = ANY_SCOPE) -> list[int]:
    """Replaces the pair by the new id wherever it may merge, leftmost first.

    >>> replace_pair([1, 1, 1, 2], 1, 1, 9)
    [9, 1, 2]
    """
    replaced: list[int] = []
    position = 0
    while position < len(document):
        if tuple(document[position : position + 2]) == (left, right) and scope.may_merge(document, position):
            replaced.append(new)
            position += 2
        else:
            replaced.append(document[position])
            position += 1
    return replaced


@dataclass
class _StoredScore:
    """A pair's score as it was last computed, and the count that it was computed from."""

    score: float
    count: int


def learn_merges(
    documents: Iterable[Sequence[int]],
    token_bytes: Sequence[bytes],
    vocab_size: int,
    min_frequency: int = 2,
    score: PairScore = _frequency,
    scope: str = "any",
    refresh_every: int = 1,
    max_words: int = 0,
    prune: int = 0,
    prunable: Sequence[bool] = (),
) -> ReferenceMerges:
    """Merges the best adjacent pair until there are `vocab_size` entries or no pair is frequent enough.

    A pair's score is computed when the pair arises; when it is about to be chosen and its count has fallen since; and, with
    all others, after every `refresh_every` merges. Of equal scores the pair with the smallest left id, then the smallest
    right id, is the best.

    When learning ends, the merged entries (and the primitives that are `prunable`) that stand alone fewer than `prune` times
    are given back, and as many more pairs are merged; and so on, until there are `vocab_size` entries besides them.
    """
    current = [list(document) for document in documents]
    entries = list(token_bytes)
    reference_scope = ReferenceScope(scope, entries)
    merges: list[tuple[int, int, int, int]] = []
    passed_over: list[tuple[int, int]] = []
    stored: dict[tuple[int, int], _StoredScore] = {}
    wanted = vocab_size

    def rarely_used() -> list[int]:
        uses = Counter(itertools.chain.from_iterable(current))
        is_prunable = [*(prunable or [False] * len(token_bytes)), *[True] * len(merges)]
        return [token for token in range(len(entries)) if is_prunable[token] and uses[token] < prune]

    while True:
        if len(entries) == wanted:
            wanted, stored = vocab_size + len(rarely_used()), {}
            if len(entries) == wanted:
                break
        pairs = count_pairs(current, reference_scope)
        tokens = Counter(itertools.chain.from_iterable(current))

        def fresh(
            pair: tuple[int, int], pairs: Counter[tuple[int, int]] = pairs, tokens: Counter[int] = tokens
        ) -> _StoredScore:
            left, right = pair
            return _StoredScore(score(pairs[pair], tokens[left], tokens[right], tokens.total()), pairs[pair])

        if len(merges) % refresh_every == 0:
            stored = {}
        eligible = [
            (left, right)
            for left, right in pairs
            if pairs[left, right] >= max(min_frequency, prune)
            and (left, right) not in passed_over
            and may_arise(entries[left] + entries[right], scope, max_words)
        ]
        stored = {pair: stored.get(pair) or fresh(pair) for pair in eligible}
        if not stored:
            break
        best = _best(stored)
        while stored[best].count != pairs[best]:
            stored[best] = fresh(best)
            best = _best(stored)
        left, right = best
        joined = entries[left] + entries[right]
        if joined in entries:
            passed_over.append(best)
            continue
        new = len(entries)
        entries.append(joined)
        merges.append((left, right, new, pairs[best]))
        current = [replace_pair(document, left, right, new, reference_scope) for document in current]
    return ReferenceMerges(merges, passed_over, current, rarely_used())


def encode(document: Sequence[int], merges: Iterable[Sequence[int]], scope: ReferenceScope = ANY_SCOPE) -> list[int]:
    """Applies the merges to a document of primitive ids, in the order of their rank, each leftmost first.

    A scope must know the bytes of every entry, merged ones included.
    """
    ids = list(document)
    for left, right, new, *_ in merges:
        ids = replace_pair(ids, left, right, new, scope)
    return ids


def cut_pruned(document: Sequence[int], pruned: Collection[int], parts: Sequence[Sequence[int]]) -> list[int]:
    """Cuts what is left of the entries that were given back into the two parts that made them, until only others remain.

    >>> cut_pruned([5, 0, 4], {4, 5}, [(), (), (), (), (0, 1), (4, 2)])
    [0, 1, 2, 0, 0, 1]
    """
    whole = [[token] if token not in pruned else cut_pruned(parts[token], pruned, parts) for token in document]
    return list(itertools.chain.from_iterable(whole))


def encode_with_dropout(
    document: Sequence[int], merges: Iterable[Sequence[int]], share: float, seed: int, scope: ReferenceScope = ANY_SCOPE
) -> list[int]:
    """Does the same, but leaves each merge out with probability `share` in each place where it would begin.

    >>> encode_with_dropout([1, 2] * 4, [(1, 2, 3)], 0.5, 0)
    [1, 2, 3, 3, 3]
    """
    ids, places = list(document), list(range(len(document)))  # of each token, the primitive that it begins with
    whole = _mixed(seed)
    for token in document:
        whole = _mixed(whole + token)
    for left, right, new, *_ in merges:
        position = 0
        while position < len(ids) - 1:
            drawn = _mixed(_mixed(whole + places[position]) + new)
            if ids[position : position + 2] == [left, right] and drawn >= share * 2**64 and scope.may_merge(ids, position):
                ids[position : position + 2] = [new]
                del places[position + 1]
            position += 1
    return ids


def _mixed(value: int) -> int:
    """Returns a number below 2^64 that looks like chance. Source: splitmix64 (Steele, Lea and Flood 2014)."""
    value = (value + 0x9E3779B97F4A7C15) % 2**64
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    value = (value ^ value >> 27) * 0x94D049BB133111EB % 2**64
    return value ^ value >> 31


def _best(stored: dict[tuple[int, int], _StoredScore]) -> tuple[int, int]:
    return min(stored, key=lambda pair: (-stored[pair].score, pair))


def _is_word_byte(byte: int) -> bool:
    return byte >= 128 or chr(byte).isalnum()
