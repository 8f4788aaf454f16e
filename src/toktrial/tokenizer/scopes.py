"""Which positions may merge, and therefore count: any (version 1 of BTM), or those that make parts of words or whole words.

In the scope `words`, the junction of two adjacent tokens is inside a word when the last byte of the left and the first
byte of the right are both word bytes: letters, digits, or bytes of 128 and above. A merge inside a word needs each token
to lie within one word: after removing one leading space, all its bytes are word bytes. A merge across a word boundary needs
no junction inside a word on either of its outer sides, so that superwords are made of whole words.

The junctions of a position never change while it stands, so counts stay exact and local.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError, nearest_name

ANY, WORDS = "any", "words"
SCOPES = (ANY, WORDS)
NO_TOKEN = -1  # beside a document's first or last token

Token = int | np.int64
Flags = npt.NDArray[np.bool_]


class WordFlags(NamedTuple):
    """What the scope must know of every entry; arrays (vocab_size,) bool, empty in the scope `any`."""

    starts: Flags
    """Whether its first byte is a word byte."""
    ends: Flags
    """Whether its last byte is a word byte."""
    within: Flags
    """Whether it lies within one word."""


def is_word_byte(byte: int) -> bool:
    """Whether a byte is part of a word: an ASCII letter or digit, or part of any character beyond ASCII."""
    return byte >= 128 or chr(byte).isalnum()


def lies_within_word(entry: bytes) -> bool:
    """Whether an entry lies within one word, a leading space aside.

    >>> lies_within_word(b" th"), lies_within_word(b"ing"), lies_within_word(b" of the"), lies_within_word(b" ")
    (True, True, False, False)
    """
    letters = entry.removeprefix(b" ")
    return bool(letters) and all(map(is_word_byte, letters))


def check_scope(scope: str) -> None:
    """Raises TrialError for a scope that there is not."""
    if scope not in SCOPES:
        raise TrialError(f"there is no scope {scope!r}: {nearest_name(scope, SCOPES)}")


def word_flags(entries: Sequence[bytes], vocab_size: int, scope: str) -> WordFlags:
    """Returns the flags of the entries, with room for `vocab_size` of them."""
    check_scope(scope)
    flags = WordFlags(*np.zeros((3, vocab_size if scope == WORDS else 0), dtype=np.bool_))
    if scope == WORDS:
        for token, entry in enumerate(entries):
            set_word_flags(flags, token, entry)
    return flags


def set_word_flags(flags: WordFlags, token: int, entry: bytes) -> None:
    """Enters one more entry."""
    flags.starts[token] = bool(entry) and is_word_byte(entry[0])
    flags.ends[token] = bool(entry) and is_word_byte(entry[-1])
    flags.within[token] = lies_within_word(entry)


@numba.njit(cache=True, nogil=True, inline="always")
def may_merge(flags: WordFlags, before: Token, left: Token, right: Token, after: Token) -> bool:
    """Whether the scope lets `left` and `right` merge between `before` and `after`; either may be NO_TOKEN."""
    if flags.starts.size == 0:
        return True
    if flags.ends[left] and flags.starts[right]:
        return bool(flags.within[left] and flags.within[right])
    if before != NO_TOKEN and flags.ends[before] and flags.starts[left]:
        return False
    return not (after != NO_TOKEN and flags.ends[right] and flags.starts[after])
