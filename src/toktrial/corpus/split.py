"""Says which documents are for validation, and which are set aside: by content alone, so that equal documents stay together.

The corpus stage asks it of each document that it reads; later stages take the split from disk. Tuning sets some of the
training documents aside.
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

HASH_BITS = 64
SET_ASIDE_SEED = 1  # another than that of the split, whose lowest hashes training documents cannot have


def document_hash(document: str) -> int:
    """Returns the xxh3_64 hash of a document's UTF-8 bytes under seed 0. Raises ValueError for a lone surrogate.

    >>> document_hash("")
    3244421341483603138
    """
    return xxh3_64_intdigest(document.encode(), seed=0)


def is_validation(document_hash: int, validation_share: float) -> bool:
    """Whether a document of that hash is for validation: `document_hash < validation_share * 2^64`, exactly.

    `validation_share` is the float as it is (0.01 is the double next to 1/100). Scaling a float by 2^64 only moves its
    exponent, so nothing is rounded before the two are compared as integers.
    """
    return document_hash < math.ceil(math.ldexp(validation_share, HASH_BITS))


def set_aside(documents: Iterable[str], count: int) -> npt.NDArray[np.bool_]:
    """Returns which documents are set aside (documents,): the `count` with the lowest xxh3_64 hashes under seed 1.

    Documents equal to one of these are set aside with it. All are where there are no more than `count`.
    """
    hashes = np.array([xxh3_64_intdigest(document.encode(), seed=SET_ASIDE_SEED) for document in documents], dtype=np.uint64)
    if len(hashes) <= count:
        return np.ones(len(hashes), dtype=bool)
    chosen: npt.NDArray[np.bool_] = hashes <= np.partition(hashes, count - 1)[count - 1]
    return chosen
