"""The tables of the tracks at their end: every run by its seed stands beside the means."""

from typing import Any

from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.sections.tracks import end_tables
from toktrial.report.wording import MINUS, NOT_MEASURED


def test_every_run_stands_by_its_seed_with_the_differences_that_decide(write_trial: Any) -> None:
    tracks = {
        "bpe": {"final_bits_per_byte": [1.500, 1.510, 1.490]},
        "btm": {"final_bits_per_byte": [1.450, 1.525]},
        "words": {"final_bits_per_byte": [1.505, 1.500, 1.497]},
    }
    results = gather(read_trial(write_trial(tracks)))
    means, seeds, floors = end_tables(results)
    assert [row[0] for row in floors.rows] == list(tracks)
    assert [row[0] for row in means.rows] == list(tracks)
    assert seeds.headers == ("seed", "bpe", "btm", "words", "btm minus bpe", "words minus bpe")
    assert seeds.rows == [
        ["1", "1.5000", "1.4500", "1.5050", f"{MINUS}0.0500", "+0.0050"],
        ["2", "1.5100", "1.5250", "1.5000", "+0.0150", f"{MINUS}0.0100"],
        ["3", "1.4900", NOT_MEASURED, "1.4970", NOT_MEASURED, "+0.0070"],
    ]


def test_one_seed_needs_no_table_of_seeds(write_trial: Any) -> None:
    tracks = {"bpe": {"final_bits_per_byte": [1.5]}, "btm": {"final_bits_per_byte": [1.4]}}
    assert [len(table.headers) for table in end_tables(gather(read_trial(write_trial(tracks, seeds=1))))] == [9, 5]
