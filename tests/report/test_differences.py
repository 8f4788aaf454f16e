"""The difference along the training: on every axis, at every budget, and whether its sign or its size may still change."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from toktrial.report.axes import COMPARED_AXES
from toktrial.report.curves import Curve
from toktrial.report.differences import DifferenceCurve, difference_curve, movement, sign_change
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.sections.tracks import budgets_table
from toktrial.report.verdict import paired_interval

from .conftest import BPE, BTM


def curve_of(bits: list[float], axis_step: float = 10.0, shared: bool = False) -> Curve:
    places = np.arange(len(bits), dtype=np.float64)
    columns = dict.fromkeys(COMPARED_AXES, places * axis_step)
    return Curve({**columns, "step": places * 10, "bits_per_byte": np.array(bits, dtype=np.float64)}, shared)


def test_along_steps_it_is_what_the_runs_of_a_pair_differ_by() -> None:
    pairs = [(curve_of([3, 2, 1]), curve_of([2.5, 2.2, 0.9])), (curve_of([3, 2, 1.1]), curve_of([2.6, 2.2, 0.8]))]
    curve = difference_curve(pairs, "step", 0.95)
    assert curve is not None
    assert curve.at == [0, 10, 20]
    assert curve.mean == pytest.approx([-0.45, 0.2, -0.2])
    last = paired_interval([1, 1.1], [0.9, 0.8], 0.95)
    assert (curve.low[-1], curve.high[-1]) == pytest.approx((last.low, last.high))


def test_along_bytes_the_slower_reader_sets_the_end() -> None:
    fast, slow = curve_of([4, 3, 2, 1, 0], axis_step=20), curve_of([4, 2, 0, 0, 0], axis_step=10)
    curve = difference_curve([(slow, fast)], "bytes_seen", 0.95)
    assert curve is not None
    assert (curve.at[0], curve.at[-1]) == (0, 40)
    places = np.array(curve.at, dtype=float)
    assert curve.mean == pytest.approx(4 - places / 20 - np.interp(places, [0, 10, 20, 40], [4, 2, 0, 0]))
    assert curve.low == [None] * 5


def test_seconds_leave_out_pairs_that_shared_a_device() -> None:
    alone, shared = (curve_of([3, 2]), curve_of([3, 1.5])), (curve_of([3, 2]), curve_of([3, 9], shared=True))
    curve = difference_curve([alone, shared], "training_seconds", 0.95)
    assert curve is not None
    assert curve.mean == pytest.approx([0, -0.5])
    assert difference_curve([shared], "training_seconds", 0.95) is None


NOTHING = [None] * 4


def means(values: list[float]) -> DifferenceCurve:
    return DifferenceCurve(at=[0, 100, 200, 300, 400], mean=[*values], low=[*NOTHING, None], high=[*NOTHING, None])


def test_a_sign_changes_where_the_difference_first_and_last_came_to_that_of_its_end() -> None:
    once = sign_change(means([-1, 0.5, 0.5, -0.5, -0.7]), 50)
    assert once is not None
    assert (once.first, once.last) == pytest.approx((250, 250))
    twice = sign_change(means([9, 0.5, -0.5, 0.1, -0.7]), 50)
    assert twice is not None
    assert (twice.first, twice.last) == pytest.approx((150, 312.5))
    assert sign_change(means([9, -0.5, -0.5, -0.5, -0.7]), 50) is None, "before the warm-up is over"
    assert sign_change(means([0, 0.5, 0.4, 0.3, 0.2]), 50) is None


def test_a_difference_moves_still_where_its_last_quarter_exceeds_half_its_interval() -> None:
    moving = replace(means([0, 0.5, 0.4, 0.3, 0.1]), low=[*NOTHING, 0.0], high=[*NOTHING, 0.2])
    unsure = replace(moving, low=[*NOTHING, None], high=[*NOTHING, None])
    found, wider, unknown = movement(moving), movement(replace(moving, high=[*NOTHING, 0.6])), movement(unsure)
    assert found and wider and unknown
    assert [found.moved, found.half_width] == pytest.approx([-0.2, 0.1])
    assert [found.moves_still, wider.moves_still, unknown.moves_still] == [True, False, False]


def test_the_budgets_of_a_trial(write_trial: Any) -> None:
    results = gather(read_trial(write_trial({"bpe": BPE, "btm": BTM})))
    steps, text, seconds = results.differences["btm"].budgets
    comparison = results.comparisons[0]
    for name in ("difference", "low", "high"):
        assert getattr(steps, name) == getattr(comparison, name)
    assert (steps.decides, text.decides, seconds.decides) == (True, False, False)
    # btm reads 1.5 times as fast, so at equal text it is where it was after two thirds of its steps.
    assert text.at == pytest.approx(300 * 2048 * 4)
    assert text.difference > steps.difference
    assert text.documents == "the curve's documents"
    assert len(budgets_table(results).rows) == 3


def test_the_headline_says_that_the_sign_changed(write_trial: Any) -> None:
    tracks = {"bpe": {"final_bits_per_byte": [1.5, 1.5]}, "btm": {"final_bits_per_byte": [1.45, 1.46], "decay_steps": 75.0}}
    said, advice = gather(read_trial(write_trial(tracks, seeds=2))).verdict.clauses
    assert "changed its sign on the way: btm " in said
    assert advice == "Another budget may say another thing."


def test_nothing_is_said_of_a_difference_that_has_settled(write_trial: Any) -> None:
    assert gather(read_trial(write_trial({"bpe": BPE, "btm": {**BTM, "decay_steps": 60.0}}))).verdict.clauses == []
