"""What every track needs to reach a target: the baseline's final value, and one that was asked for."""

import json
from typing import Any

import pytest

from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial, report_fingerprint
from toktrial.report.page import write_report
from toktrial.report.sections.beside import reach_table, target_tables

TRACKS = {
    "bpe": {"final_bits_per_byte": [1.50, 1.51, 1.49]},
    "btm": {"final_bits_per_byte": [1.40, 1.52, 1.53], "bytes_per_token": 6.0, "seconds_per_step": 0.4},
}


def test_the_final_value_of_the_baseline_is_told_seed_by_seed(write_trial: Any) -> None:
    results = gather(read_trial(write_trial(TRACKS)))
    found = results.targets.baseline_final
    assert results.targets.asked_for is None
    assert found["bpe"]["step"].reached == 3
    assert (found["btm"]["step"].reached, found["btm"]["step"].seeds) == (1, 3)
    assert (found["btm"]["step"].median, found["btm"]["step"].more_than) == (None, 300.0)
    (table,) = target_tables(results)
    assert table.caption.startswith("What each track needs to reach the final value of bpe's curve of bits per byte.")
    assert table.caption.endswith("linearly between evaluations, on the curves' fixed subset of documents.")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["steps"][2:] == ["> 300", "1 of 3"]
    assert rows["training seconds"][2:] == ["> 120", "1 of 3"]
    assert rows["FLOPs"][2:] == ["> 3.99e+12", "1 of 3"]


def test_what_is_reached_in_one_seed_of_three_counts_as_never(write_trial: Any) -> None:
    (comparison,) = gather(read_trial(write_trial(TRACKS))).comparisons
    assert {tuple(row[1:3]) for row in reach_table(comparison).rows} == {("never", "1 of 3")}


def test_a_target_that_was_asked_for_is_found_on_the_curves(write_trial: Any) -> None:
    results = gather(read_trial(write_trial(TRACKS)), target=2.0)
    asked = results.targets.asked_for
    assert asked is not None
    assert asked.bits_per_byte == 2.0
    for track in ("bpe", "btm"):
        found = asked.tracks[track]
        steps = found["step"].median
        assert found["step"].reached == 3 and steps is not None
        assert 110 < steps < 140  # 4.2 (exp(-s/60) - exp(-5)) = 0.5: s = 125
        assert found["flops"].median == pytest.approx(steps * 16 * 128 * 6.5e6)
        if track == "btm":
            assert found["training_seconds"].median == pytest.approx(0.4 * steps)
    assert "reach 2 bits per byte, the target set when the report was made" in target_tables(results)[1].caption


def test_a_target_decides_nothing_and_belongs_to_the_report(write_trial: Any) -> None:
    trial = write_trial(TRACKS)
    results = write_report(trial, target=2.0)
    assert results.verdict == gather(read_trial(trial)).verdict
    assert json.loads((trial / "report/manifest.json").read_text())["fingerprint"] == report_fingerprint(trial, 2.0)
    assert len({report_fingerprint(trial, target) for target in (None, 2.0, 2.1)}) == 3
    for name in ("index.html", "report.md"):
        assert "2 bits per byte, the target set" in (trial / "report" / name).read_text(encoding="utf-8")
