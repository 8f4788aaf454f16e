"""Does the merge engine make the merges of its slow twin, reference.py, of every random stream of ids?

Entries that spell each other, few symbols, runs and repeated pieces make ties, overlaps and passed-over pairs everywhere.
Compared are the merges with their counts, the pairs passed over, and every document as the merges left it.
"""

import argparse
import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass

import numpy as np

from faults.difference import Difference
from toktrial import progress
from toktrial.tokenizer import reference
from toktrial.tokenizer.merge import learn_merges_of_stream
from toktrial.tokenizer.merge_rules import MergeRule

# Parts of words, words with and without a space before them, punctuation, parts of a character, what others spell joined.
ENTRIES = (b"a", b"b", b"ab", b"aa", b"ba", b" a", b" th", b"ing", b".", b" ", b", ", b"\xc3", b"\xa4", b"7", b'."', b"a.")
MANY_ENTRIES = 5000  # the engine counts the pairs of so many in a hash table
WIDE_VOCABULARY = 70_000  # the engine keeps ids beyond 65,534 in 32 bits


def _frequency(pair: int, left: int, right: int, tokens: int) -> float:  # noqa: ARG001  # as every score
    return float(pair)


def _pmi(pair: int, left: int, right: int, tokens: int) -> float:
    return math.log(pair * tokens / (left * right))


def _npmi(pair: int, left: int, right: int, tokens: int) -> float:
    return 1.0 if pair >= tokens else _pmi(pair, left, right, tokens) / -math.log(pair / tokens)


def _likelihood(pair: int, left: int, right: int, tokens: int) -> float:  # noqa: ARG001  # as every score
    return pair / (left * right)


SCORES = {"frequency": _frequency, "pmi": _pmi, "npmi": _npmi, "likelihood": _likelihood}


@dataclass(frozen=True)
class Case:
    """What merges are learned from, and how."""

    documents: list[list[int]]
    entries: tuple[bytes, ...]
    vocab_size: int
    min_frequency: int
    score: str
    scope: str
    refresh_every: int
    pairs_kept_per_merge: float


def case(dice: random.Random) -> Case:
    entries = tuple(dice.sample(ENTRIES, dice.randint(1, 6)))
    documents = [_document(dice, len(entries)) for _ in range(dice.choice((0, 1, 2, 3, 5, 8)))]
    vocab_size = len(entries) + dice.randint(0, 40)
    if dice.random() < 0.02:
        entries += tuple(b"x%d" % number for number in range(len(entries), MANY_ENTRIES))
        vocab_size += MANY_ENTRIES
    min_frequency = dice.randint(1, 4)
    if dice.random() < 0.01:
        vocab_size, min_frequency = WIDE_VOCABULARY, max(3, min_frequency)  # ends when no frequent pair is left
    return Case(
        documents,
        entries,
        vocab_size,
        min_frequency,
        score=dice.choice(("frequency", *SCORES)),
        scope=dice.choice(("any", "words")),
        refresh_every=dice.choice((1, 2, 5, 256)),
        pairs_kept_per_merge=dice.choice((0.0, 0.1, 1.0, 4.0)),
    )


def _document(dice: random.Random, entries: int) -> list[int]:
    """A document of pieces, each repeated; once in a while a long one."""
    document: list[int] = []
    for _ in range(dice.choice((0, 1, 2, 4, 8, 16)) if dice.random() < 0.998 else 200):
        piece = dice.choices(range(entries), k=dice.randint(1, 5))
        document += piece * dice.choice((1, 1, 2, 3, 7))
    return document


def check(case: Case) -> int:
    """Returns how many merges were made. Raises Difference where the engine's result is not its twin's."""
    expected = reference.learn_merges(
        case.documents,
        case.entries,
        case.vocab_size,
        case.min_frequency,
        SCORES[case.score],
        case.scope,
        case.refresh_every,
    )
    ids = np.array(list(itertools.chain.from_iterable(case.documents)), dtype=np.int64)
    offsets = np.cumsum([0, *map(len, case.documents)])
    learned = learn_merges_of_stream(
        ids,
        offsets,
        case.entries,
        case.vocab_size,
        MergeRule(
            case.min_frequency,
            case.score,
            case.scope,
            refresh_every=case.refresh_every,
            pairs_kept_per_merge=case.pairs_kept_per_merge,
        ),
    )
    left = [learned.ids[start:end].tolist() for start, end in itertools.pairwise(learned.offsets.tolist())]
    for what, found, right in (
        ("merges", [tuple(merge) for merge in learned.merges.tolist()], expected.merges),
        ("pairs passed over", sorted(learned.passed_over), sorted(expected.passed_over)),
        ("documents", left, expected.documents),
    ):
        if found != right:
            raise Difference(f"The {what} differ: {found} where the twin has {right}\n{case}")
    return len(expected.merges)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--streams", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first stream")


def run(options: argparse.Namespace) -> str:
    """Compares so many streams; returns the tally. Raises Difference."""
    seen, merges = Counter[str](), 0
    with progress.progress("merging streams", options.streams, "stream") as shown:
        for number in range(options.first, options.first + options.streams):
            one = case(random.Random(f"{options.seed} {number}"))
            try:
                merges += check(one)
            except Difference as difference:
                raise Difference(f"Repeat it with the same seed and --first {number} --streams 1\n{difference}") from None
            seen.update((one.score, f"scope {one.scope}"))
            shown.update(number + 1 - options.first)
    return (
        f"{options.streams:,} streams ({', '.join(f'{name} {count:,}' for name, count in sorted(seen.items()))}), "
        f"{merges:,} merges; merges, counts and documents all equal the twin's"
    )
