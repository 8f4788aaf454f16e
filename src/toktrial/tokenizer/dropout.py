"""Which merges BTM leaves out where it cuts training text, in the manner of BPE-dropout (Provilkov et al. 2020).

A hash of the document, of the place where a merge would begin and of its entry decides, so the same document is always cut in
the same way. BPE-dropout draws anew after every merge of a word. Here a document takes the word's place, and what is drawn so
often would hardly ever be left out. So each merge is drawn once for each place.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.pairs import Token

_WEYL, _MIX_1, _MIX_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class Dropout(NamedTuple):
    """A protocol's `dropout` and `dropout_seed`."""

    share: float
    """How likely a merge is left out, at least 0 and below 1."""
    seed: int
    """Another seed leaves others out."""

    @property
    def limit(self) -> np.uint64:
        """What hashes to less is left out."""
        return np.uint64(int(self.share * 2**64))

    @property
    def key(self) -> np.uint64:
        """The seed as the hash takes it."""
        return np.uint64(self.seed % 2**64)


class Draw(NamedTuple):
    """What decides for one document."""

    document: np.uint64
    """A hash of its primitives and the seed."""
    limit: np.uint64
    """What hashes to less is left out; 0: nothing is."""


@numba.njit(cache=True, nogil=True)
def hash_of(primitives: npt.NDArray[Any], key: np.uint64) -> np.uint64:
    """Returns a hash of a document."""
    value = _mixed(key)
    for token in primitives:
        value = _mixed(value + np.uint64(token))
    return value


@numba.njit(cache=True, nogil=True, inline="always")
def is_left_out(draw: Draw, place: int, merged: Token) -> bool:
    """Whether the merge into the entry `merged` that would begin at the primitive in `place` is left out."""
    return bool(draw.limit > 0 and _mixed(_mixed(draw.document + np.uint64(place)) + np.uint64(merged)) < draw.limit)


@numba.njit(cache=True, nogil=True, inline="always")
def _mixed(value: np.uint64) -> np.uint64:
    """Returns a number that looks like chance. Source: splitmix64 (Steele, Lea and Flood 2014)."""
    value = value + _WEYL
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))
