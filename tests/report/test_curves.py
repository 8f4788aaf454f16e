"""Interpolation, ratios and crossings by hand; means and standard deviations over seeds against numpy's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.report.axes import AXES, CURVE_COLUMNS
from toktrial.report.curves import (
    Curve,
    crossings,
    first_reached,
    lower,
    mean_over_seeds,
    needed,
    reach,
    standard_deviation_over_seeds,
)


def curve(bits: list[float], seconds_per_step: float = 1.0, shared_device: bool = False) -> Curve:
    steps = 10.0 * np.arange(1, len(bits) + 1)
    values = np.array(bits)
    columns = {
        "step": steps, "training_seconds": seconds_per_step * steps, "bytes_seen": 4 * steps, "flops": 9 * steps,
        "bits_per_byte": values, "validation_loss": 3 * values,
    }  # fmt: skip
    return Curve(columns, shared_device)


def test_first_reached_is_linear_between_evaluations() -> None:
    positions, values = np.array([10.0, 20.0, 30.0]), np.array([3.0, 2.0, 1.0])
    assert first_reached(positions, values, 1.25) == pytest.approx(27.5)
    assert first_reached(positions, values, 2.0) == 20.0
    assert first_reached(positions, values, 3.5) == 10.0
    assert first_reached(positions, values, 0.5) is None


def test_reach_by_hand() -> None:
    baseline, other = curve([4, 3, 2, 1]), curve([3.5, 1.5, 0.5, 0.4], seconds_per_step=2.0)
    steps = reach([(baseline, other)], "bits_per_byte", "step")
    assert steps.ratios == [pytest.approx(25 / 40)]
    assert reach([(baseline, other)], "bits_per_byte", "training_seconds").median == pytest.approx(50 / 40)
    assert reach([(other, baseline)], "bits_per_byte", "step").ratios == [None]


def test_reach_measures_from_where_the_leader_first_had_the_value() -> None:
    wavering = curve([4, 2, 3, 2])
    assert reach([(wavering, curve([4, 2, 2, 2]))], "bits_per_byte", "step").median == 1.0


def test_a_seed_that_never_reaches_counts_as_infinitely_late() -> None:
    sooner, never = (curve([4, 3, 2, 1]), curve([2, 1, 1, 1])), (curve([4, 3, 2, 1]), curve([4, 4, 4, 4]))
    mostly = reach([sooner, sooner, never], "bits_per_byte", "step")
    assert (mostly.reached, mostly.seeds, mostly.median) == (2, 3, 0.5)
    rarely = reach([sooner, never, never], "bits_per_byte", "step")
    assert (rarely.reached, rarely.median) == (1, None)


def test_runs_that_shared_a_device_are_left_out_of_seconds_alone() -> None:
    pairs = [(curve([4, 1]), curve([4, 1], shared_device=True)), (curve([4, 1]), curve([4, 1]))]
    assert reach(pairs, "bits_per_byte", "training_seconds").seeds == 1
    assert reach(pairs, "bits_per_byte", "step").seeds == 2
    assert reach(pairs[:1], "bits_per_byte", "training_seconds").median is None


def test_crossing_is_found_where_it_is() -> None:
    pairs = [(curve([4, 3, 2, 1]), curve([3, 2.5, 2.5, 2]))]
    assert crossings(pairs, "bits_per_byte", 0) == [pytest.approx(25.0)]
    assert crossings(pairs, "bits_per_byte", 30) == []


def test_lower_counts_evaluations_after_the_warm_up() -> None:
    found = lower([(curve([4, 3, 2, 1]), curve([5, 2, 1.5, 0.5]))], "bits_per_byte", 10)
    assert (found.evaluations, found.lower_at, found.at_every, found.seeds_at_every) == (3, 3, True, 1)
    assert not lower([(curve([4, 3, 2, 1]), curve([5, 2, 1.5, 0.5]))], "bits_per_byte", 5).at_every


def test_runs_of_unequal_length_are_compared_where_both_were_evaluated() -> None:
    assert lower([(curve([4, 3, 2, 1]), curve([3, 2]))], "bits_per_byte", 0).evaluations == 2


def test_needed_is_the_median_of_what_each_run_needs_to_its_own_target() -> None:
    curves = [curve([4, 3, 2, 1]), curve([4, 2, 1, 1]), curve([3, 1, 1, 1])]
    found = needed(curves, [1.5, 2.0, 2.0], "bits_per_byte", "step")
    assert found.values == [pytest.approx(35.0), pytest.approx(20.0), pytest.approx(15.0)]
    assert (found.reached, found.seeds, found.more_than) == (3, 3, None)
    assert found.median == pytest.approx(20.0)


def test_needed_has_an_open_end_where_too_few_reach_the_target() -> None:
    reaches, never = curve([3, 1, 1, 1]), curve([4, 4, 4, 4])
    mostly = needed([reaches, reaches, never], [2.0] * 3, "bits_per_byte", "step")
    assert (mostly.median, mostly.more_than) == (15.0, None)
    rarely = needed([reaches, never, never], [2.0] * 3, "bits_per_byte", "step")
    assert (rarely.reached, rarely.median, rarely.more_than) == (1, None, 40.0)
    halfway = needed([reaches, never], [2.0] * 2, "bits_per_byte", "step")
    assert (halfway.median, halfway.more_than) == (None, 27.5)  # between 15 and what is beyond 40


def test_needed_seconds_leave_out_runs_that_shared_their_device() -> None:
    curves = [curve([3, 1], shared_device=True), curve([3, 1], seconds_per_step=2.0)]
    assert needed(curves, [2.0, 2.0], "bits_per_byte", "training_seconds").values == [pytest.approx(30.0)]
    assert needed(curves[:1], [2.0], "bits_per_byte", "training_seconds").more_than is None
    assert needed(curves, [2.0, 2.0], "bits_per_byte", "step").seeds == 2


def test_who_is_there_at_the_first_evaluation_has_a_bound_and_no_ratio() -> None:
    leader, soon, late = curve([3, 2, 1.5, 1]), curve([0.9, 0.8, 0.7, 0.6]), curve([3, 2, 1, 0.5])
    found = reach([(leader, soon)], "bits_per_byte", "step")
    assert (found.median, found.at_most) == (0.25, True)
    assert not reach([(leader, late)], "bits_per_byte", "step").at_most
    assert not reach([(leader, soon), (leader, late), (leader, late)], "bits_per_byte", "step").at_most, "the median is exact"


VALUES = st.lists(st.none() | st.just(math.nan) | st.just(math.inf) | st.floats(-1e6, 1e6), max_size=8)


@given(VALUES)
def test_both_are_numpys_over_the_finite_values(values: list[float | None]) -> None:
    finite = [value for value in values if value is not None and np.isfinite(value)]
    mean, deviation = mean_over_seeds(values), standard_deviation_over_seeds(values)
    assert (mean is None, deviation is None) == (len(finite) == 0, len(finite) < 2)
    assert mean is None or mean == pytest.approx(np.mean(finite), abs=1e-6)
    assert deviation is None or deviation == pytest.approx(np.std(finite, ddof=1), abs=1e-6)


def test_every_axis_is_a_column_of_the_metrics() -> None:
    assert set(AXES) <= set(CURVE_COLUMNS)
