"""What is said of noise that is not normal: how often two groups are seen, and what a t-interval then gets wrong."""

import numpy as np
import pytest

from toktrial.report.noise import correlation, false_verdict_rate, two_groups


@pytest.mark.parametrize("runs", [4, 5, 8, 12])
def test_normal_noise_looks_like_two_groups_in_5_of_100_tracks(runs: int) -> None:
    samples = np.random.default_rng(1).standard_normal((4000, runs))
    assert np.mean([two_groups(sample.tolist()) for sample in samples]) == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize("runs", [5, 8])
def test_late_runs_are_seen_as_a_group_of_their_own(runs: int) -> None:
    random = np.random.default_rng(2)
    samples = [0.05 * random.standard_normal(runs) + (np.arange(runs) < 2) for _ in range(500)]
    assert np.mean([two_groups(sample.tolist()) for sample in samples]) > 0.9


def test_few_or_equal_values_are_no_groups() -> None:
    assert not two_groups([1.0, 1.0, 9.0])
    assert not two_groups([1.0, 1.0, 1.0, 1.0, 1.0])


def test_two_kinds_of_runs_mislead_few_seeds_most() -> None:
    rates = [false_verdict_rate(seeds, 0.95) for seeds in (3, 4, 5, 6)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(0.33, abs=0.02)  # (1 / 3)^3 + (2 / 3)^3: all of three runs are of one kind
    assert rates[2] == pytest.approx(0.14, abs=0.02)


def test_correlation_is_pearsons_or_nothing() -> None:
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert correlation([1, 2], [1, 2]) is None
    assert correlation([1, 1, 1], [1, 2, 3]) is None
