"""Says which documents are for validation: by their content alone, so that equal documents never fall on both sides.

The corpus stage asks it of each document that it reads; later stages take the split from disk.
"""

import math

from xxhash import xxh3_64_intdigest

HASH_BITS = 64


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
