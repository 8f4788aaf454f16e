"""The rules of BTM's merges: how good a pair is (its score), and in which positions a pair may merge at all (the scope).

A score is a function of four counts (pair, left token, right token, all tokens) that numba can compile and that returns a
number; the pair with the highest score is merged next. Version 1 of BTM knows `frequency` alone. Users name scores of their
own by import path, `package.module:function`.

In the scope `any`, version 1 of BTM, every two adjacent tokens may merge. The scope `words` makes parts of words and whole
words. There, the junction of two tokens is inside a word if the last byte of the left and the first byte of the right are both
word bytes: letters, digits, or bytes of 128 and above. A merge inside a word needs each token to lie within one word: after
removing one leading space, all its bytes are word bytes. A merge across a word boundary needs no junction inside a word on
either of its outer sides, so that superwords consist of whole words. The junctions of a position never change while it stands,
so counts stay exact and local.

The scope `superbpe` and a limit of words decide by the joined entry alone, wherever its parts stand: see `may_arise`.
"""

import functools
import importlib
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError, nearest_name
from toktrial.tokenizer.pairs import Floats, Longs, Token

FREQUENCY = "frequency"
ANY, WORDS, SUPERBPE = "any", "words", "superbpe"
SCOPES = (ANY, WORDS, SUPERBPE)
NO_TOKEN = -1  # beside a document's first or last token

PairScore = Callable[[int, int, int, int], float]
WordFlags = npt.NDArray[np.uint8]
"""(vocab_size,) uint8: what the scope `words` must know of every entry; (0,) in the other scopes."""
STARTS, ENDS, WITHIN = 1, 2, 4  # its first byte is a word byte; its last byte is one; it lies within one word


@dataclass(frozen=True)
class Score:
    """A score, for one pair and for many."""

    name: str
    of_pair: PairScore
    """(pair count, left count, right count, tokens) -> score."""
    of_pairs: Callable[[Longs, Longs, Longs, int], Floats]
    """The same for arrays (pairs,) int64 of the first three: (pairs,) float64."""


@numba.njit(cache=True, nogil=True)
def frequency(pair_count: int, left_count: int, right_count: int, tokens: int) -> float:  # noqa: ARG001  # as every score
    """How often the pair occurs: version 1 of BTM."""
    return float(pair_count)


@numba.njit(cache=True, nogil=True)
def pmi(pair_count: int, left_count: int, right_count: int, tokens: int) -> float:
    """Pointwise mutual information, in nats: log of how much more often the pair occurs than by chance.

    Source: Church and Hanks 1990, equation 1, with counts for probabilities.
    """
    return math.log(float(pair_count) * tokens / (float(left_count) * right_count))


@numba.njit(cache=True, nogil=True)
def npmi(pair_count: int, left_count: int, right_count: int, tokens: int) -> float:
    """Pointwise mutual information over its largest value, -log p(pair): at most 1. Source: Bouma 2009, equation 6."""
    if pair_count >= tokens:
        return 1.0
    return math.log(float(pair_count) * tokens / (float(left_count) * right_count)) / -math.log(pair_count / tokens)


@numba.njit(cache=True, nogil=True)
def likelihood(pair_count: int, left_count: int, right_count: int, tokens: int) -> float:  # noqa: ARG001  # as every score
    """The gain in likelihood of a unigram model, as WordPiece ranks pairs: count / (left count * right count).

    Source: Schuster and Nakajima 2012, in the form in which BERT's tokenizer is described.
    """
    return pair_count / (float(left_count) * right_count)


@numba.njit(cache=True, nogil=True)
def significance(pair_count: int, left_count: int, right_count: int, tokens: int) -> float:
    """The pair's z-statistic times the tokens that its merge saves.

    z = (pair - E) / sqrt(E (1 - E / tokens)), where E = left * right / tokens is what chance alone would give. Source of the
    two terms: Nouri 2026, Significance-Gain Pair Encoding, abstract (arXiv 2603.19261); that they are multiplied is ours.
    """
    expected = float(left_count) * right_count / tokens
    variance = expected * (1 - expected / tokens)
    return pair_count * (pair_count - expected) / math.sqrt(variance) if variance > 0 else 0.0


SCORES: dict[str, PairScore] = {
    FREQUENCY: frequency,
    "pmi": pmi,
    "npmi": npmi,
    "likelihood": likelihood,
    "significance": significance,
}


@functools.cache
def resolve_score(name: str) -> Score:
    """Returns the score of that name, or a user's own by its import path `package.module:function`.

    Imports that module: where the name comes from a file, `check_code` of config.py comes first. Raises TrialError if there is
    no such score, or it does not return a number for four counts.
    """
    if name in SCORES:
        return Score(name, SCORES[name], _for_many(SCORES[name]))
    if ":" not in name:
        raise TrialError(
            f"there is no score {name!r}: {nearest_name(name, SCORES)} (or name your own as package.module:function)"
        )
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a module may raise anything while it is imported
        raise TrialError(f"the score {name!r} cannot be imported ({error}): is its module on PYTHONPATH?") from None
    if not isinstance(function, FunctionType | numba.core.dispatcher.Dispatcher):
        raise TrialError(
            f"the score {name!r} is not a Python function that numba could compile, but a {type(function).__name__}"
        )
    try:
        of_pair = function if isinstance(function, numba.core.dispatcher.Dispatcher) else numba.njit(nogil=True)(function)
        float(of_pair(2, 3, 4, 10))
        of_pairs = _for_many(of_pair)
        of_pairs(np.array([2]), np.array([3]), np.array([4]), 10)
    except (TypeError, ZeroDivisionError, numba.core.errors.NumbaError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrialError(
            f"the score {name!r} gives no number for (pair count 2, left count 3, right count 4, tokens 10): {reason}"
        ) from None
    return Score(name, of_pair, of_pairs)


def _for_many(of_pair: Any) -> Callable[[Longs, Longs, Longs, int], Floats]:
    """The score for arrays of counts. Every process compiles it anew, because numba keeps no closure on disk."""

    @numba.njit(nogil=True)
    def of_pairs(pair_counts: Longs, left_counts: Longs, right_counts: Longs, tokens: int) -> Floats:
        scores = np.empty(pair_counts.size, dtype=np.float64)
        for pair in range(pair_counts.size):
            scores[pair] = of_pair(pair_counts[pair], left_counts[pair], right_counts[pair], tokens)
        return scores

    compiled: Callable[[Longs, Longs, Longs, int], Floats] = of_pairs
    return compiled


@dataclass(frozen=True)
class MergeRule:
    """Which pairs are merged, in what order, and at what cost.

    Raises TrialError for an unknown scope and a min_frequency below 1.
    """

    min_frequency: int = 2
    """Pairs rarer than this are not merged."""
    score: str = FREQUENCY
    """The pair of the highest score is merged next: one of SCORES, or a user's own by its import path."""
    scope: str = ANY
    """In which positions a pair may merge: one of SCOPES."""
    max_words: int = 0
    """Words that an entry may span; 0: any number."""
    prune: int = 0
    """A merged entry that stands alone fewer times than this in the end is given back, and its place spent on one more merge.
    No pair rarer than that is merged."""
    refresh_every: int = 256
    """Merges after which all scores but `frequency` are computed anew."""
    pairs_kept_per_merge: float = 4
    """Pairs that keep positions, for each merge still to be made: enough that the best count rarely falls below the threshold.
    Costs time or memory, but changes no merge."""

    def __post_init__(self) -> None:
        if self.min_frequency < 1:
            raise TrialError(f"min_frequency must be at least 1, but is {self.min_frequency}")
        check_scope(self.scope)

    @property
    def by_frequency(self) -> bool:
        """Whether a pair's score is its count, which other pairs' merges can only lower."""
        return self.score == FREQUENCY


def check_scope(scope: str) -> None:
    """Raises TrialError for an unknown scope."""
    if scope not in SCOPES:
        raise TrialError(f"there is no scope {scope!r}: {nearest_name(scope, SCOPES)}")


def check_size(vocab_size: int, primitives: int) -> None:
    """Raises TrialError for a vocabulary that has no room for so many primitives."""
    if vocab_size < primitives:
        raise TrialError(
            f"vocab_size is {vocab_size}, but there are {primitives} primitives already: "
            "raise vocab_size, or take fewer primitives"
        )


def joined_entries(primitives: Sequence[bytes], merges: Longs) -> list[bytes]:
    """Returns the bytes of the primitives and of one entry more for each merge (n, 2 or more columns): left id, right id.

    >>> joined_entries([b"a", b"b"], np.array([[0, 1], [2, 0]]))
    [b'a', b'b', b'ab', b'aba']
    """
    entries = list(primitives)
    for left, right in merges[:, :2].tolist():
        entries.append(entries[left] + entries[right])
    return entries


# Source: the trainer and pre-tokenizers of SuperBPE's authors (alisawuffles/tokenizers-superbpe, PythonNut/superbpe). They read
# a text line by line, keep digits apart from everything else, and let no token hold a colon with a space behind it.
_NEVER_IN_SUPERWORD = re.compile(rb": |\n.|[0-9]", re.DOTALL)


def may_arise(entry: bytes, scope: str, max_words: int) -> bool:
    """Whether merges may make this entry: it has at most `max_words` words (0: any number), and the scope allows it.

    The scope `superbpe` allows no entry with a digit, a colon before a space, or anything behind a newline.

    >>> may_arise(b" of the", "any", 1), may_arise(b" of the", "superbpe", 4), may_arise(b": the", "superbpe", 4)
    (False, True, False)
    """
    if max_words and words_of(entry) > max_words:
        return False
    return scope != SUPERBPE or not _NEVER_IN_SUPERWORD.search(entry)


def words_of(entry: bytes) -> int:
    """Returns how many words an entry spans, whole or in part: what stands between its spaces, as SuperBPE's authors count."""
    return len([part for part in entry.split(b" ") if part])


def word_flags(entries: Iterable[bytes], vocab_size: int, scope: str) -> WordFlags:
    """Returns the flags of the entries, with room for `vocab_size` of them. Raises TrialError for an unknown scope."""
    check_scope(scope)
    flags = np.zeros(vocab_size if scope == WORDS else 0, dtype=np.uint8)
    if scope == WORDS:
        for token, entry in enumerate(entries):
            flags[token] = flags_of(entry)
    return flags


def flags_of(entry: bytes) -> int:
    """Returns the flags of one entry: STARTS, ENDS and WITHIN, added up.

    >>> flags_of(b" th") == ENDS + WITHIN, flags_of(b"ing") == STARTS + ENDS + WITHIN, flags_of(b" of the") == ENDS
    (True, True, True)
    """
    starts, ends, within = entry[:1], entry[-1:], entry.removeprefix(b" ")
    return STARTS * _is_of_word(starts) + ENDS * _is_of_word(ends) + WITHIN * _is_of_word(within)


def _is_of_word(part: bytes) -> bool:
    """Whether all bytes, and there are some, are ASCII letters, ASCII digits or parts of characters beyond ASCII."""
    return bool(part) and all(byte >= 128 or chr(byte).isalnum() for byte in part)


@numba.njit(cache=True, nogil=True, inline="always")
def may_merge(flags: WordFlags, before: Token, left: Token, right: Token, after: Token) -> bool:
    """Whether the scope lets `left` and `right` merge between `before` and `after`; either may be NO_TOKEN."""
    if flags.size == 0:
        return True
    if flags[left] & ENDS and flags[right] & STARTS:
        return bool(flags[left] & flags[right] & WITHIN)
    if before != NO_TOKEN and flags[before] & ENDS and flags[left] & STARTS:
        return False
    return not (after != NO_TOKEN and flags[right] & ENDS and flags[after] & STARTS)
