"""The split: stable, exact at its threshold, and of the share that was asked for."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.corpus.split import document_hash, is_validation

SHARES = st.floats(min_value=0, max_value=1, exclude_min=True, exclude_max=True)
HASHES = st.integers(min_value=0, max_value=2**64 - 1)


def xxh3_64_of_1_to_3_bytes(data: bytes) -> int:
    """The published algorithm for such short input, written out: XXH3_len_1to3_64b with seed 0."""
    mask = 2**64 - 1
    combined = data[0] << 16 | data[len(data) // 2] << 24 | data[-1] | len(data) << 8
    # the first eight bytes of XXH3's default secret
    value = combined ^ 0x396CFEB8 ^ 0xBE4BA423
    value = (value ^ value >> 33) * 0xC2B2AE3D27D4EB4F & mask  # XXH64's avalanche, its primes 2 and 3
    value = (value ^ value >> 29) * 0x165667B19E3779F9 & mask
    return value ^ value >> 32


def test_the_empty_document_has_the_hash_of_xxhashs_own_test_vectors() -> None:
    assert document_hash("") == 0x2D06800538D394C2


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3).filter(lambda t: len(t.encode()) <= 3))
def test_short_hashes_follow_the_published_algorithm(text: str) -> None:
    assert document_hash(text) == xxh3_64_of_1_to_3_bytes(text.encode())


def test_hashes_of_longer_documents_stay_what_they_were() -> None:
    """Were they to change, every split would too. They come from another copy: the C code, 0.8.3, that Arrow ships."""
    assert document_hash("One day, a fox met an owl.") == 0x49A4EA4B0DC00673
    assert document_hash("Füchse \U0001f98a\n" * 100) == 0xCB0A0A7335CFBB05


@given(HASHES, SHARES)
def test_the_comparison_is_exact(hash_: int, share: float) -> None:
    assert is_validation(hash_, share) == (Fraction(hash_) < Fraction(share) * 2**64)


@given(SHARES)
def test_the_threshold_itself_is_not_validation(share: float) -> None:
    threshold = Fraction(share) * 2**64
    first_outside = -(-threshold.numerator // threshold.denominator)
    assert not is_validation(first_outside, share)
    assert is_validation(first_outside - 1, share)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_what_was_asked_for(share: float) -> None:
    n_documents = 20_000
    n_validation = sum(is_validation(document_hash(f"document {i}"), share) for i in range(n_documents))
    standard_deviation = (n_documents * share * (1 - share)) ** 0.5
    assert abs(n_validation - n_documents * share) < 4 * standard_deviation


def test_a_larger_share_keeps_the_documents_of_a_smaller_one() -> None:
    hashes = [document_hash(f"document {i}") for i in range(5_000)]
    small = {hash_ for hash_ in hashes if is_validation(hash_, 0.02)}
    large = {hash_ for hash_ in hashes if is_validation(hash_, 0.05)}
    assert small < large


def test_a_lone_surrogate_has_no_hash() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        document_hash("\ud800")
