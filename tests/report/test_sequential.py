"""The sequential design: its error rate under noise and the effects that it finds, by simulation; and what one look decides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.report.sequential import is_open, look, look_levels, p_values, shared_confidence, simulated_p_values
from toktrial.report.verdict import paired_interval

SPANS = [(2, 6), (3, 8), (4, 12), (5, 20)]
TRIALS = 40_000  # a rate of 5% is then known within 0.33 points, three standard errors


def share_found(first: int, most: int, effect: float) -> float:
    tested = simulated_p_values(first, most, effect, TRIALS, seed=123)
    return float((tested < np.array(look_levels(first, most, 0.95))[:, None]).any(axis=0).mean())


@pytest.mark.parametrize(("first", "most"), SPANS)
def test_nothing_is_found_in_nothing_in_95_of_100_trials(first: int, most: int) -> None:
    assert share_found(first, most, 0.0) == pytest.approx(0.05, abs=0.0045)  # of these trials 0.0033, of the levels' 0.0015


@pytest.mark.parametrize(("first", "most"), SPANS)
def test_a_larger_effect_is_found_more_often_and_more_often_than_by_the_first_look_alone(first: int, most: int) -> None:
    found = [share_found(first, most, effect) for effect in (0.5, 1.0, 2.0)]
    at_first = [float((simulated_p_values(first, most, effect, TRIALS, 5)[0] < 0.05).mean()) for effect in (0.5, 1.0, 2.0)]
    assert found == sorted(found)
    assert all(several > one for several, one in zip(found, at_first, strict=True))


def test_uncorrected_looks_would_find_what_is_not_there() -> None:
    tested = simulated_p_values(3, 8, 0.0, TRIALS, seed=9)
    assert (tested < 0.05).any(axis=0).mean() > 0.14


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=9))
def test_p_values_of_all_looks_are_those_of_the_t_test(differences: list[float]) -> None:
    values = np.array(differences)
    if np.ptp(values[:2]) < 1e-3:  # two equal differences have no interval
        return
    found = p_values(values[:, None])[:, 0]
    for pairs, p_value in enumerate(found, start=2):
        expected = paired_interval([2.0] * pairs, [2.0 + value for value in differences[:pairs]], 0.95).p_value
        assert p_value == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_levels_rise_to_the_last_look_and_one_look_has_the_whole_level() -> None:
    levels = look_levels(4, 12, 0.95)
    assert len(levels) == 9
    assert levels == sorted(levels)
    assert 0 < levels[0] < levels[-1] < 0.05
    assert look_levels(5, 5, 0.95) == [pytest.approx(0.05)]


def test_a_look_that_found_something_stays_whatever_comes_after() -> None:
    baseline, other = [1.0] * 6, [0.900, 0.901, 0.899, 0.900, 1.3, 0.2]
    stands = look(baseline, other, 3, 6, 0.95)
    assert (stands.has_found, stands.is_open, stands.interval.seeds) == (True, False, 3)
    assert stands.interval.high is not None
    assert stands.interval.high < 0


def test_an_open_design_goes_on_to_its_last_pair_and_no_further() -> None:
    noise = [0.1, -0.1, 0.12, -0.13, 0.09, -0.08]
    stands = [look([1.0] * pairs, [1 + value for value in noise[:pairs]], 2, 5, 0.95) for pairs in range(1, 7)]
    assert [each.is_open for each in stands] == [True, True, True, True, False, False]
    assert not any(each.has_found for each in stands)
    assert stands[-1].interval.seeds == 5


def test_several_tracks_share_the_error_rate_and_all_go_on_while_one_is_open() -> None:
    baseline, clear, unclear = [1.0] * 3, [0.5, 0.5003, 0.4998], [1.1, 0.9, 1.0]
    assert not is_open([baseline, clear], 3, 5, 0.95)
    assert is_open([baseline, clear, unclear], 3, 5, 0.95)
    assert shared_confidence(0.95, 2) == pytest.approx(0.975)
    assert look(baseline, clear, 3, 5, 0.975).level < look(baseline, clear, 3, 5, 0.95).level
