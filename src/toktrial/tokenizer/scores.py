"""How good a pair is: the merge engine merges the pair with the highest score. Version 1 of BTM knows frequency alone.

A score is a jitted function of (pair count, count of the left token, count of the right token, tokens in all) that gives
a float64. Your own is named by its import path, `package.module:function`, and is compiled anew in every process; those
here are compiled once and kept.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError, nearest_name

FREQUENCY = "frequency"

PairScore = Callable[[int, int, int, int], float]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Score:
    """A score, one pair at a time and for many."""

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

    Source: Schuster and Nakajima 2012, in the form that BERT's tokenizer is described with.
    """
    return pair_count / (float(left_count) * right_count)


@numba.njit(cache=True, nogil=True)
def _frequencies(pair_counts: Longs, left_counts: Longs, right_counts: Longs, tokens: int) -> Floats:  # noqa: ARG001
    return pair_counts.astype(np.float64)


@numba.njit(cache=True, nogil=True)
def _pmis(pair_counts: Longs, left_counts: Longs, right_counts: Longs, tokens: int) -> Floats:
    scores = np.empty(pair_counts.size, dtype=np.float64)
    for pair in range(pair_counts.size):
        scores[pair] = pmi(pair_counts[pair], left_counts[pair], right_counts[pair], tokens)
    return scores


@numba.njit(cache=True, nogil=True)
def _npmis(pair_counts: Longs, left_counts: Longs, right_counts: Longs, tokens: int) -> Floats:
    scores = np.empty(pair_counts.size, dtype=np.float64)
    for pair in range(pair_counts.size):
        scores[pair] = npmi(pair_counts[pair], left_counts[pair], right_counts[pair], tokens)
    return scores


@numba.njit(cache=True, nogil=True)
def _likelihoods(pair_counts: Longs, left_counts: Longs, right_counts: Longs, tokens: int) -> Floats:
    scores = np.empty(pair_counts.size, dtype=np.float64)
    for pair in range(pair_counts.size):
        scores[pair] = likelihood(pair_counts[pair], left_counts[pair], right_counts[pair], tokens)
    return scores


# Spelled out, because numba keeps on disk no function that was handed another function.
SCORES: dict[str, Score] = {
    score.name: score
    for score in (
        Score(FREQUENCY, frequency, _frequencies),
        Score("pmi", pmi, _pmis),
        Score("npmi", npmi, _npmis),
        Score("likelihood", likelihood, _likelihoods),
    )
}


def resolve_score(name: str) -> Score:
    """Returns the score of that name, or a user's own by its import path `package.module:function`.

    Raises TrialError where there is none, or it does not give a number for four counts.
    """
    if name in SCORES:
        return SCORES[name]
    if ":" not in name:
        raise TrialError(f"there is no score {name!r}: {nearest_name(name, SCORES)} Your own is named package.module:function")
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise TrialError(f"the score {name!r} cannot be imported ({error}): is its module on PYTHONPATH?") from None
    return _own_score(name, function)


def _own_score(name: str, function: Any) -> Score:
    jitted = function if isinstance(function, numba.core.dispatcher.Dispatcher) else numba.njit(nogil=True)(function)

    @numba.njit(nogil=True)
    def of_pairs(pair_counts: Longs, left_counts: Longs, right_counts: Longs, tokens: int) -> Floats:
        scores = np.empty(pair_counts.size, dtype=np.float64)
        for pair in range(pair_counts.size):
            scores[pair] = jitted(pair_counts[pair], left_counts[pair], right_counts[pair], tokens)
        return scores

    try:
        float(jitted(2, 3, 4, 10))
        of_pairs(np.array([2]), np.array([3]), np.array([4]), 10)
    except (TypeError, ZeroDivisionError, numba.core.errors.NumbaError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrialError(
            f"the score {name!r} gives no number for (pair count 2, left count 3, right count 4, tokens 10): {reason}"
        ) from None
    return Score(name, jitted, of_pairs)
