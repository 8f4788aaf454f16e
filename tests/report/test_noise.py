"""Chance: the power of the paired t-test against tables and simulation, the noise that a trial measured, and noise that is not
normal, which falls into two groups and misleads a t-interval.
"""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from toktrial import commands
from toktrial.errors import TrialError
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.noise import (
    correlation,
    false_verdict_rate,
    measured_noise,
    power_of,
    seeds_needed,
    smallest_effect,
    spread_interval,
    two_groups,
)
from toktrial.report.sequential import look_levels, shared_confidence

THREE_TRACKS = {
    "bpe": {"final_bits_per_byte": [1.50, 1.51, 1.49]},
    "btm": {"final_bits_per_byte": [1.40, 1.42, 1.39]},
    "words": {"final_bits_per_byte": [1.60, 1.57, 1.62]},
}
DIFFERENCES_OF_WORDS = [0.10, 0.06, 0.13]


@pytest.mark.parametrize(("effect", "needed"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_seeds_needed_are_those_of_published_tables(effect: float, needed: int) -> None:
    """Pairs for 80% power at 5%, two-sided: Cohen's small, medium and large effect, as G*Power 3 gives them."""
    assert seeds_needed(effect, 1.0, 0.8, 0.95) == needed


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_power_is_that_of_simulated_t_tests(seeds: int, confidence: float) -> None:
    random = np.random.default_rng([seeds, round(100 * confidence)])
    draws = random.normal(1.5, 1.0, (40_000, seeds))
    tests = stats.ttest_1samp(draws, 0.0, axis=1)
    found = np.mean((tests.pvalue < 1 - confidence) & (tests.statistic > 0))
    expected = float(power_of(seeds, 1.5, 1.0, confidence))
    assert found == pytest.approx(expected, abs=3.5 * (expected * (1 - expected) / 40_000) ** 0.5)


@pytest.mark.parametrize("seeds", [2, 3, 10, 100])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.99])
def test_the_smallest_effect_is_found_exactly_so_often(seeds: int, power: float) -> None:
    effect = smallest_effect(seeds, 0.004, power, 0.95)
    assert float(power_of(seeds, effect, 0.004, 0.95)) == pytest.approx(power)


def test_no_effect_is_found_as_often_as_chance_alone_does() -> None:
    assert power_of(np.arange(2, 20), 0.0, 1.0, 0.95) == pytest.approx(np.full(18, 0.025))


def test_an_effect_far_below_the_noise_takes_too_many_seeds() -> None:
    assert seeds_needed(0.001, 1.0, 0.8, 0.95) is None
    assert seeds_needed(1000.0, 1.0, 0.8, 0.95) == 2


def test_the_interval_of_a_spread_holds_it_as_often_as_it_says() -> None:
    random = np.random.default_rng(21)
    spreads = random.normal(0, 2.0, (20_000, 3)).std(axis=1, ddof=1)
    low, high = spread_interval(1.0, 2, 0.95)
    assert np.mean((spreads * low <= 2.0) & (spreads * high >= 2.0)) == pytest.approx(0.95, abs=0.006)


def test_holm_asks_more_confidence_of_more_tracks() -> None:
    assert [shared_confidence(0.95, tracks) for tracks in (1, 2, 5)] == pytest.approx([0.95, 0.975, 0.99])


def test_noise_is_the_deviation_of_paired_differences(write_trial: Any) -> None:
    noise = measured_noise(read_trial(write_trial(THREE_TRACKS)))
    assert noise is not None
    assert (noise.track, noise.source, noise.pairs, noise.degrees_of_freedom) == ("words", "tracks", 3, 2)
    assert noise.standard_deviation == pytest.approx(np.std(DIFFERENCES_OF_WORDS, ddof=1))
    assert (noise.low, noise.high) == pytest.approx(spread_interval(noise.standard_deviation, 2, 0.95))
    assert noise.baseline_bits_per_byte == pytest.approx(1.5)


def test_noise_is_that_of_the_values_that_the_verdict_compares(write_trial: Any) -> None:
    folder = write_trial(THREE_TRACKS)
    at_equal_bytes = {"bpe": [1.5, 1.5, 1.5], "btm": [1.4, 1.41, 1.42], "words": [1.3, 1.7, 1.5]}
    for track, values in at_equal_bytes.items():
        for path, value in zip(sorted(folder.glob(f"runs/{track}/*/final.json")), values, strict=True):
            final = json.loads(path.read_text())
            path.write_text(json.dumps(final | {"equal_bytes": {"bits_per_byte": value}}))
    inputs = read_trial(folder)
    by_bytes = replace(inputs.design, verdict=replace(inputs.design.verdict, budget="bytes"))
    noise = measured_noise(replace(inputs, design=by_bytes))
    assert noise is not None
    assert noise.track == "words"
    assert noise.standard_deviation == pytest.approx(0.2)


def test_one_seed_falls_back_on_the_control_and_without_it_knows_nothing(write_trial: Any, tmp_path: Any) -> None:
    bpe, btm = {"final_bits_per_byte": [1.5], "control_bits_per_byte": [1.52]}, {"final_bits_per_byte": [1.4]}
    noise = measured_noise(read_trial(write_trial({"bpe": bpe, "btm": btm}, seeds=1)))
    assert noise is not None
    assert (noise.source, noise.pairs) == ("control", 1)
    assert noise.standard_deviation == pytest.approx(0.02)
    (tmp_path / "trial").rename(tmp_path / "with control")
    assert measured_noise(read_trial(write_trial({"bpe": {"final_bits_per_byte": [1.5]}, "btm": btm}, seeds=1))) is None


def test_a_trial_is_asked_for_its_noisiest_track_and_by_the_strictest_test(write_trial: Any, capsys: Any) -> None:
    commands.execute(["power", str(write_trial(THREE_TRACKS)), "--effect", "5"])
    said = capsys.readouterr().out
    seeds = seeds_needed(0.05, float(np.std(DIFFERENCES_OF_WORDS, ddof=1)) / 1.5, 0.8, 0.975)
    assert f"To find a difference of 5% in 80% of trials, at 97.5% confidence, takes {seeds} seeds." in said
    assert "Noise: the differences of words and bpe deviate by 0.0351 bits per byte (2.34% of bpe's 1.5000)" in said


def test_a_trial_of_one_seed_without_a_control_is_refused(write_trial: Any) -> None:
    trial = write_trial({"bpe": {"final_bits_per_byte": [1.5]}, "btm": {"final_bits_per_byte": [1.4]}}, seeds=1)
    with pytest.raises(TrialError, match="says nothing about chance"):
        commands.execute(["power", str(trial)])


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
    rates = [false_verdict_rate((*[0.0] * (seeds - 2), 0.05)) for seeds in (3, 4, 5, 6)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(0.33, abs=0.02)  # (1 / 3)^3 + (2 / 3)^3: all of three runs are of one kind
    assert rates[2] == pytest.approx(0.14, abs=0.02)


def test_looks_mislead_by_all_that_they_find_on_the_way() -> None:
    """Each of them at its own level, so that few strict looks mislead less than one at 95%, and many more."""
    levels = look_levels(3, 8, 0.95)
    rates = [false_verdict_rate((0.0, *levels[:looks])) for looks in (1, 3, 6)]
    assert rates == sorted(rates)
    assert rates == pytest.approx([0.08, 0.24, 0.25], abs=0.02)
    assert rates[0] < false_verdict_rate((0.0, 0.05)) and rates[2] > false_verdict_rate((*[0.0] * 6, 0.05))


def test_a_sequential_trial_is_told_the_rate_of_its_own_looks(write_trial: Any) -> None:
    tracks = {"bpe": {"final_bits_per_byte": [1.5, 1.51, 1.49]}, "btm": {"final_bits_per_byte": [1.4, 1.42, 1.44]}}
    inputs = read_trial(write_trial(tracks))
    looks = gather(replace(inputs, design=replace(inputs.design, most_seeds=8)))
    assert looks.noise.false_verdict_rate == false_verdict_rate((0.0, look_levels(3, 8, 0.95)[0]))
    assert gather(inputs).noise.false_verdict_rate == false_verdict_rate((0.0, 1 - 0.95))


def test_correlation_is_pearsons_or_nothing() -> None:
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert correlation([1, 2], [1, 2]) is None
    assert correlation([1, 1, 1], [1, 2, 3]) is None
