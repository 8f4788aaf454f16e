"""The gate: nothing is decided about models that have learned no more than counting, and the report says what to do."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toktrial.errors import TrialError
from toktrial.report.accounts import CountModel
from toktrial.report.comparisons import gate
from toktrial.report.curves import Curve, steps_to_reach
from toktrial.report.evaluated import EqualBytes, FinalMeasures, judged_bits_per_byte
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.page import write_report

AHEAD = {"final_bits_per_byte": [1.400, 1.412, 1.391]}
BEHIND = {"final_bits_per_byte": [1.500, 1.510, 1.490]}


def curve_of(steps: list[float], bits: list[float]) -> Curve:
    return Curve({"step": np.array(steps), "bits_per_byte": np.array(bits)}, shared_device=False)


def word_of(trial: Path) -> str:
    return gather(read_trial(trial)).verdict.word


@pytest.mark.parametrize(
    ("bpe_floor", "btm_floor", "word"),
    [
        (2.0, 2.0, "btm learned faster"),
        (2.0, 1.411, "undecided: btm has learned no more than counting pairs"),
        (2.0, 1.4121, "btm learned faster"),
        (1.505, 2.0, "undecided: bpe has learned no more than counting pairs"),
        (1.2, 1.2, "undecided: bpe and btm have learned no more than counting pairs"),
    ],
)
def test_every_run_of_both_tracks_must_end_below_its_own_floor(
    write_trial: Any, bpe_floor: float, btm_floor: float, word: str
) -> None:
    tracks = {"bpe": {**BEHIND, "bigram_floor": bpe_floor}, "btm": {**AHEAD, "bigram_floor": btm_floor}}
    assert word_of(write_trial(tracks)) == word


def test_a_track_that_has_not_learned_stops_its_own_comparison_alone(write_trial: Any) -> None:
    tracks = {"bpe": BEHIND, "btm": AHEAD, "words": {**AHEAD, "bigram_floor": 1.0}}
    words = [item.verdict for item in gather(read_trial(write_trial(tracks))).comparisons]
    assert words == ["btm learned faster", "undecided: words has learned no more than counting pairs"]


def test_a_trial_without_measured_floors_decides_nothing(write_trial: Any) -> None:
    trial = write_trial({"bpe": BEHIND, "btm": AHEAD})
    (trial / "evaluation/floors/floors.json").unlink()
    assert word_of(trial) == "undecided: what counting alone reaches was not measured"
    write_report(trial)
    assert "toktrial evaluate" in (trial / "report/report.md").read_text()


def test_the_page_says_by_how_much_and_what_to_do(write_trial: Any) -> None:
    trial = write_trial({"bpe": BEHIND, "btm": {**AHEAD, "bigram_floor": 1.39}})
    write_report(trial)
    for name in ("index.html", "report.md"):
        text = (trial / "report" / name).read_text()
        assert "Undecided: btm has learned no more than counting pairs." in text
        assert "worst run is at 1.4120 bits per byte, above the 1.3900 that counting reaches with the same ids" in text
        assert "training.steps" in text


def test_steps_are_those_to_the_floor_of_the_curves_documents_and_more_than_were_taken(write_trial: Any) -> None:
    """A curve may already lie below the floor of all documents, where its own documents are the easier ones."""
    btm = {"final_bits_per_byte": [1.4, 1.4, 1.4], "bigram_floor": 1.4, "decay_steps": 200.0}
    inputs = read_trial(write_trial({"bpe": BEHIND, "btm": btm}))
    for run in inputs.runs["btm"]:
        run.curve.columns["bits_per_byte"] -= 0.5  # as if the curve's documents were far easier, for the model and for counting

    def needed(curve_floor: float) -> int | None:
        floors = {**inputs.floors, "btm": replace(inputs.floors["btm"], bigram=CountModel(1.4, curve_floor))}
        return gate(replace(inputs, floors=floors))["btm"].steps_needed

    to_floor = needed(0.85)
    assert to_floor is not None and to_floor > 300
    assert to_floor == steps_to_reach(inputs.runs["btm"][0].curve, 0.85)
    assert needed(1.4) == 301, "the curve is below that floor already, and still more steps are needed"


def test_steps_are_told_by_the_slope_of_the_last_half() -> None:
    steps = [0.0, *range(100, 1001, 100)]
    curve = curve_of(steps, [9.0, *(5 - 0.5 * math.log(step) for step in steps[1:])])
    assert steps_to_reach(curve, 5 - 0.5 * math.log(3000)) == pytest.approx(3000, abs=1)
    assert steps_to_reach(curve, 5 - 0.5 * math.log(30_000)) is None, "too far to carry a slope on"
    assert steps_to_reach(curve_of([0, 100, 200, 300], [6.0, 6.0, 6.0, 6.0]), 5.0) is None
    assert steps_to_reach(curve_of([0, 100, 200, 300], [6.0, 6.0, 6.1, 6.2]), 5.0) is None


def test_the_floor_may_be_that_of_single_entries(write_trial: Any) -> None:
    trial = write_trial({"bpe": BEHIND, "btm": {**AHEAD, "bigram_floor": 1.2}})
    path = trial / "protocol.toml"
    path.write_text(path.read_text().replace('floor = "bigram"', 'floor = "unigram"'))
    assert word_of(trial) == "btm learned faster"
    assert gate(read_trial(trial))["btm"].floor == pytest.approx(2.1)


def test_at_equal_bytes_other_values_are_judged_and_must_be_there() -> None:
    without = FinalMeasures(
        bits_per_byte=1.5, step=300, seconds=0.8, training_seconds=60.0, validation_loss=4.0, training_loss=4.0
    )
    final = replace(without, equal_bytes=EqualBytes(bits_per_byte=1.75))
    assert judged_bits_per_byte(final, "steps") == 1.5
    assert judged_bits_per_byte(final, "bytes") == 1.75
    with pytest.raises(TrialError, match="no measures at equal bytes"):
        judged_bits_per_byte(without, "bytes")
