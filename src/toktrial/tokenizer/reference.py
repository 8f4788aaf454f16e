"""BTM's merges, slow and obvious: the judge of the fast code in merge.py and btm.py, and the place to read what they do.

Used by tests alone; nothing here is clever.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
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


def count_pairs(documents: Iterable[Sequence[int]]) -> Counter[tuple[int, int]]:
    """Counts adjacent positions; a document is a wall.

    >>> count_pairs([[1, 1, 1], [1, 2]])
    Counter({(1, 1): 2, (1, 2): 1})
    """
    pairs: Counter[tuple[int, int]] = Counter()
    for document in documents:
        pairs.update(itertools.pairwise(document))
    return pairs


def best_pair(pairs: Counter[tuple[int, int]]) -> tuple[int, int]:
    """Returns the most frequent pair; of equals the smallest left id, then the smallest right id."""
    return min(pairs, key=lambda pair: (-pairs[pair], pair))


def replace_pair(document: Sequence[int], left: int, right: int, new: int) -> list[int]:
    """Replaces the pair by the new id, leftmost first.

    >>> replace_pair([1, 1, 1, 2], 1, 1, 9)
    [9, 1, 2]
    """
    replaced: list[int] = []
    position = 0
    while position < len(document):
        if tuple(document[position : position + 2]) == (left, right):
            replaced.append(new)
            position += 2
        else:
            replaced.append(document[position])
            position += 1
    return replaced


def learn_merges(
    documents: Iterable[Sequence[int]], token_bytes: Sequence[bytes], vocab_size: int, min_frequency: int = 2
) -> ReferenceMerges:
    """Merges the most frequent adjacent pair until there are `vocab_size` entries or no pair is frequent enough."""
    current = [list(document) for document in documents]
    entries = list(token_bytes)
    merges: list[tuple[int, int, int, int]] = []
    passed_over: list[tuple[int, int]] = []
    while len(entries) < vocab_size:
        pairs = count_pairs(current)
        for pair in passed_over:
            del pairs[pair]
        if not pairs:
            break
        left, right = best_pair(pairs)
        if pairs[left, right] < min_frequency:
            break
        joined = entries[left] + entries[right]
        if joined in entries:
            passed_over.append((left, right))
            continue
        new = len(entries)
        entries.append(joined)
        merges.append((left, right, new, pairs[left, right]))
        current = [replace_pair(document, left, right, new) for document in current]
    return ReferenceMerges(merges, passed_over, current)


def encode(document: Sequence[int], merges: Iterable[Sequence[int]]) -> list[int]:
    """Applies the merges to a document of primitive ids, in the order of their rank, each leftmost first."""
    ids = list(document)
    for left, right, new, *_ in merges:
        ids = replace_pair(ids, left, right, new)
    return ids
