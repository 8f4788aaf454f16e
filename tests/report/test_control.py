"""The A/A control by hand: its pairs, what no difference looks like, and what is left out of the verdict for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from toktrial.artifact import write_json
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.noise import Control
from toktrial.report.result import TrialResult
from toktrial.report.sections.control import control_sentences, control_table

BPE = {"final_bits_per_byte": [1.500, 1.510, 1.490], "control_bits_per_byte": [1.503, 1.506, 1.490]}
BTM = {"final_bits_per_byte": [1.450, 1.465, 1.435]}


def control_of(results: TrialResult) -> Control:
    assert results.control
    return results.control


def test_pairs_spread_and_multiples_by_hand(write_trial: Any) -> None:
    control = control_of(gather(read_trial(write_trial({"bpe": BPE, "btm": BTM}))))
    assert [(pair.seed, pair.other_seed) for pair in control.pairs] == [(1, 4), (2, 5), (3, 6)]
    assert [pair.difference for pair in control.pairs] == pytest.approx([0.003, -0.004, 0.0])
    assert control.mean == pytest.approx(-0.001 / 3)
    assert control.root_mean_square == pytest.approx((25e-6 / 3) ** 0.5)
    assert control.multiples == {"btm": pytest.approx(0.05 / (25e-6 / 3) ** 0.5)}
    assert control.low is not None and control.high is not None
    assert control.low < 0 < control.high and control.holds_zero


def test_the_control_changes_nothing_of_the_verdict(write_trial: Any, tmp_path: Path) -> None:
    with_control = gather(read_trial(write_trial({"bpe": BPE, "btm": BTM})))
    (tmp_path / "trial").rename(tmp_path / "with control")
    without = gather(read_trial(write_trial({"bpe": BPE | {"control_bits_per_byte": ()}, "btm": BTM})))
    assert without.control is None
    for part in ("verdict", "comparisons", "tracks"):
        assert getattr(with_control, part) == getattr(without, part)
    assert not any("does not name" in note for note in with_control.notes)


def test_it_is_told_in_words_and_beside_the_tracks(write_trial: Any) -> None:
    results = gather(read_trial(write_trial({"bpe": BPE, "btm": BTM})))
    said = " ".join(control_sentences(control_of(results), results))
    assert "The same tokenizer (bpe) trained twice differs by 0.0029 bits per byte (root mean square over 3 pairs" in said
    assert "btm differs from bpe by 17.3 times that." in said
    assert (
        "From seed to seed, btm minus bpe has a standard deviation of 0.0050: the noise that the verdict takes into account."
        in said
    )
    assert "The other track's own noise is not in this number, and may be larger" in said
    assert control_table(control_of(results), results).rows[0] == ["1 and 4", "+0.0030", "\N{MINUS SIGN}0.0500"]


def test_one_pair_has_a_spread_but_no_interval(write_trial: Any) -> None:
    one = {"bpe": {"final_bits_per_byte": [1.5], "control_bits_per_byte": [1.52]}, "btm": {"final_bits_per_byte": [1.4]}}
    results = gather(read_trial(write_trial(one, seeds=1)))
    assert control_of(results).root_mean_square == pytest.approx(0.02)
    assert control_of(results).low is None
    assert "over 1 pair of seeds" in control_sentences(control_of(results), results)[0]
    assert control_of(results).deviations == {"btm": None}
    assert not any("From seed to seed" in sentence for sentence in control_sentences(control_of(results), results))


def test_an_interrupted_control_is_provisional_and_one_without_pairs_absent(write_trial: Any) -> None:
    trial = write_trial({"bpe": BPE, "btm": BTM})
    (trial / "runs/bpe/seed-5/final.json").unlink()
    results = gather(read_trial(trial))
    assert [pair.seed for pair in control_of(results).pairs] == [1, 3]
    assert "over 2 of 3 pairs of seeds" in control_sentences(control_of(results), results)[0]
    for seed in (4, 6):
        (trial / f"runs/bpe/seed-{seed}/final.json").unlink()
    results = gather(read_trial(trial))
    assert results.control is None
    assert any("A/A control is not complete" in note for note in results.notes)


def test_what_the_control_ran_on_and_how_long_is_told(write_trial: Any) -> None:
    trial = write_trial({"bpe": BPE, "btm": BTM})
    record = gather(read_trial(trial)).environment
    path = trial / "runs/bpe/seed-4/record.json"
    write_json(path, json.loads(path.read_text()) | {"threads": 7})
    results = gather(read_trial(trial))
    assert (record["threads"], results.environment["threads"]) == (["2"], ["2", "7"])
    assert results.seconds_by_stage["training, A/A control"] == results.seconds_by_stage["training, bpe"]
