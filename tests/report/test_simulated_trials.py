"""The verdict on a thousand trials whose answer is known: how often it is wrong, how often it finds what is there.

A simulated trial is a set of learning curves. A seed has its own luck, which all tracks of the trial share (the order of the
stories), a run its own on top, which wanders along the curve. All random seeds are fixed.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from toktrial.report.curves import Curve, Pair, crossings, lower
from toktrial.report.noise import power_of, smallest_effect
from toktrial.report.sequential import shared_confidence
from toktrial.report.verdict import NO_DIFFERENCE, Floats, decide, paired_interval

TRIALS = 1000
STEPS = np.arange(50.0, 1001.0, 50.0)
SEED_SPREAD, RUN_SPREAD = 0.02, 0.006  # bits per byte, of the size that small trials on real stories show
MEMORY = 0.9
PAIRED_NOISE = RUN_SPREAD * 2**0.5  # standard deviation of a paired difference: the seed's luck cancels


def _wandering() -> Floats:
    """Returns what turns fresh noise (seeds, evaluations) into the autoregressive noise of order one, of equal deviation."""
    distance = np.arange(len(STEPS))[None, :] - np.arange(len(STEPS))[:, None]
    weights: Floats = np.where(distance >= 0, MEMORY ** np.abs(distance), 0.0)
    weights[1:] *= (1 - MEMORY**2) ** 0.5
    return weights


_WANDERING = _wandering()


@dataclass
class SimulatedTrials:
    """Draws trials of `others` other tracks, each `effect` bits per byte below the baseline at its end."""

    random: np.random.Generator
    seeds: int = 3
    others: int = 1
    effect: float = 0.0

    def draw(self) -> list[Floats]:
        """Returns the curves of one trial, the baseline first: bits per byte (seeds, evaluations) of each track."""
        seed_luck = self.random.normal(0, SEED_SPREAD, (self.seeds, 1))
        learnt = 1.1 + 4 * STEPS**-0.45 + seed_luck
        return [learnt + self._run_luck() - (self.effect if track else 0.0) for track in range(1 + self.others)]

    def _run_luck(self) -> Floats:
        """Noise that has deviation RUN_SPREAD at every evaluation, and of which MEMORY stays until the next."""
        luck: Floats = self.random.normal(0, RUN_SPREAD, (self.seeds, len(STEPS))) @ _WANDERING
        return luck

    def words(self) -> list[dict[str, str]]:
        """Returns the verdict's words of a thousand trials."""
        return [_words(self.draw()) for _ in range(TRIALS)]


def _words(curves: list[Floats], confidence: float = 0.95) -> dict[str, str]:
    baseline, *others = [curve[:, -1].tolist() for curve in curves]
    intervals = {f"other{place}": paired_interval(baseline, other, confidence) for place, other in enumerate(others)}
    return decide(intervals, "baseline", confidence)


def within_chance(share: float, expected: float) -> bool:
    """Whether a share of a thousand is within 3.3 standard errors of what is expected: 99.9% of the time, if that is true."""
    return bool(abs(share - expected) <= 3.3 * (expected * (1 - expected) / TRIALS) ** 0.5)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_of_a_thousand_null_trials_about_950_find_nothing(seeds: int) -> None:
    words = [word for trial in SimulatedTrials(np.random.default_rng(seeds), seeds=seeds).words() for word in trial.values()]
    assert 0.927 <= words.count(NO_DIFFERENCE) / TRIALS <= 0.973
    wrong = [word for word in words if word != NO_DIFFERENCE]
    assert 0.2 < wrong.count("baseline learned faster") / len(wrong) < 0.8, "wrong either way alike"


def test_with_two_other_tracks_a_false_word_anywhere_stays_as_rare() -> None:
    trials = SimulatedTrials(np.random.default_rng(11), others=2).words()
    wrong = sum(any(word != NO_DIFFERENCE for word in trial.values()) for trial in trials)
    assert 0.027 <= wrong / TRIALS <= 0.073


@pytest.mark.parametrize("seeds", [2, 3, 6])
@pytest.mark.parametrize("power", [0.3, 0.6, 0.9])
def test_a_planted_gain_is_found_as_often_as_the_power_calculation_says(seeds: int, power: float) -> None:
    effect = smallest_effect(seeds, PAIRED_NOISE, power, 0.95)
    trials = SimulatedTrials(np.random.default_rng([seeds, round(10 * power)]), seeds=seeds, effect=effect).words()
    found = sum(trial["other0"] == "other0 learned faster" for trial in trials) / TRIALS
    assert within_chance(found, power)


def test_a_gain_of_one_track_of_two_is_found_at_least_as_often_as_the_corrected_power_says() -> None:
    """Holm asks the corrected confidence of the smallest p-value alone, so the calculation is what is sure."""
    effect = 4 * PAIRED_NOISE
    random = np.random.default_rng(12)
    found = 0
    for _ in range(TRIALS):
        baseline, gains, nothing = SimulatedTrials(random, others=2).draw()
        found += _words([baseline, gains - effect, nothing])["other0"] == "other0 learned faster"
    expected = float(power_of(3, effect, PAIRED_NOISE, shared_confidence(0.95, 2)))
    assert found / TRIALS > expected - 3.3 * (expected * (1 - expected) / TRIALS) ** 0.5


def pairs_of(baseline: Floats, other: Floats) -> list[Pair]:
    return [
        (Curve({"step": STEPS, "bits_per_byte": one}, False), Curve({"step": STEPS, "bits_per_byte": two}, False))
        for one, two in zip(baseline, other, strict=True)
    ]


def test_curves_that_cross_are_called_crossing_where_they_cross() -> None:
    """The other track falls faster at first: its gap shrinks along a line through 0 at a step drawn at random."""
    random = np.random.default_rng(13)
    for _ in range(TRIALS):
        step = random.uniform(150, 950)
        luck = random.normal(0, SEED_SPREAD, (3, 1))
        baseline = 1.1 + 4 * STEPS**-0.45 + luck
        gap = random.choice([-1, 1]) * random.uniform(0.1, 1.0) * (STEPS - step) / 1000
        found = crossings(pairs_of(baseline, baseline + gap), "bits_per_byte", 100)
        assert found == [pytest.approx(step)]
        assert not lower(pairs_of(baseline, baseline + gap), "bits_per_byte", 100).at_every


def test_curves_that_do_not_cross_are_not_called_crossing() -> None:
    random = np.random.default_rng(14)
    for _ in range(TRIALS):
        baseline, other = SimulatedTrials(random, effect=0.06).draw()  # seven times the noise of a pair
        assert crossings(pairs_of(baseline, other), "bits_per_byte", 100) == []
        assert lower(pairs_of(baseline, other), "bits_per_byte", 100).at_every
