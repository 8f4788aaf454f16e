"""The rule that decides, on planted differences, on none, on one seed and on several tracks; the interval over documents."""

import numpy as np
import pytest
from scipy import stats

from toktrial.report.verdict import (
    NO_DIFFERENCE,
    ONE_SEED,
    PairedInterval,
    corrected_p_values,
    decide,
    document_interval,
    holm,
    paired_interval,
)


def decided(baseline: list[float], other: list[float]) -> str:
    return decide({"b": paired_interval(baseline, other, 0.95)}, "a", 0.95)["b"]


@pytest.mark.parametrize(
    ("baseline", "other", "word"),
    [
        ([1.10, 1.12, 1.11], [1.00, 1.03, 1.01], "b learned faster"),
        ([1.00, 1.03, 1.01], [1.10, 1.12, 1.11], "a learned faster"),
        ([1.10, 1.12, 1.11], [1.12, 1.10, 1.11], NO_DIFFERENCE),
        ([1.10], [1.00], ONE_SEED),
        ([1.10, 1.12], [1.10, 1.12], NO_DIFFERENCE),
    ],
)
def test_word_for_planted_differences(baseline: list[float], other: list[float], word: str) -> None:
    assert decided(baseline, other) == word


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_interval_is_that_of_scipy(confidence: float) -> None:
    random = np.random.default_rng(1)
    baseline, other = random.normal(1.1, 0.02, (2, 5)).tolist()
    ours = paired_interval(baseline, other, confidence)
    theirs = stats.ttest_rel(other, baseline)
    expected = theirs.confidence_interval(confidence)
    assert (ours.low, ours.high, ours.p_value) == pytest.approx((expected.low, expected.high, theirs.pvalue), rel=1e-9)


def test_with_one_other_track_the_p_value_and_the_interval_decide_alike() -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        baseline, noise = random.normal(1.1, 0.02, (2, 3))
        interval = paired_interval(baseline.tolist(), (baseline + 0.5 * noise - 0.54).tolist(), 0.95)
        assert interval.low is not None and interval.high is not None
        word = decide({"b": interval}, "a", 0.95)["b"]
        assert (word == NO_DIFFERENCE) == (interval.low <= 0 <= interval.high)


def test_equal_differences_give_an_interval_without_width() -> None:
    interval = paired_interval([1.10, 1.12, 1.11], [1.00, 1.02, 1.01], 0.95)
    assert interval.without_width
    assert interval.low == interval.high == pytest.approx(-0.1)
    assert paired_interval([1.1, 1.2], [1.1, 1.2], 0.95).low == 0.0


def test_holm_by_hand() -> None:
    assert holm([0.03, 0.04]) == [0.06, 0.06]
    assert holm([0.04, 0.02]) == [0.04, 0.04]
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.7, 0.9]) == [1.0, 1.0]


def test_holm_takes_the_word_from_a_track_that_would_win_alone() -> None:
    barely = PairedInterval(-0.1, 3, -0.19, -0.01, 0.03, False)
    weak = PairedInterval(-0.1, 3, -0.21, 0.01, 0.06, False)
    assert decide({"b": barely}, "a", 0.95) == {"b": "b learned faster"}
    assert decide({"b": barely, "c": weak}, "a", 0.95) == {"b": NO_DIFFERENCE, "c": NO_DIFFERENCE}
    assert corrected_p_values({"b": barely, "c": weak}) == {"b": 0.06, "c": 0.06}


def test_a_track_with_one_seed_still_counts_in_the_correction() -> None:
    barely = PairedInterval(-0.1, 3, -0.19, -0.01, 0.03, False)
    single = PairedInterval(-0.1, 1, None, None, None, False)
    assert decide({"b": barely, "c": single}, "a", 0.95) == {"b": NO_DIFFERENCE, "c": ONE_SEED}


def test_document_interval_matches_the_normal_approximation_and_repeats() -> None:
    random = np.random.default_rng(4)
    lengths = np.full(400, 500, dtype=np.uint32)
    bits = random.normal(5.0, 20.0, 400)
    found = document_interval(bits * np.log(2), lengths, 0.95)
    half_width = 1.96 * bits.std() / 400**0.5 / 500
    assert found.mean == pytest.approx(bits.mean() / 500)
    assert (found.low, found.high) == pytest.approx((found.mean - half_width, found.mean + half_width), abs=0.05 * half_width)
    assert found == document_interval(bits * np.log(2), lengths, 0.95)


def test_document_interval_is_no_wider_where_documents_are_dealt_into_groups() -> None:
    random = np.random.default_rng(5)
    bits = random.normal(5.0, 20.0, 30_000)
    found = document_interval(bits * np.log(2), np.full(30_000, 500, dtype=np.uint32), 0.95)
    half_width = 1.96 * bits.std() / 30_000**0.5 / 500
    assert found.high - found.low == pytest.approx(2 * half_width, rel=0.06)
