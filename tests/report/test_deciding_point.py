"""What stands beside the verdict is of the point at which it compares: at equal text, in passes, at a look."""

import json
from pathlib import Path
from typing import Any

import pytest

from toktrial.artifact import write_json
from toktrial.report.blocks import Definitions, Table
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.page import document_of
from toktrial.report.result import TrialResult

# btm reads 1.5 times as much text a step. It ends below bpe; after two thirds of its steps it is above where bpe ends.
BPE = {"final_bits_per_byte": [1.500, 1.510, 1.490], "control_bits_per_byte": [1.503, 1.506, 1.491]}
BTM = {"final_bits_per_byte": [1.450, 1.465, 1.435], "bytes_per_token": 6.0}
AT_EQUAL_BYTES = {"bpe": [1.500, 1.510, 1.490, 1.503, 1.506, 1.491], "btm": [1.601, 1.612, 1.59]}


def amend(folder: Path, *changes: tuple[str, str]) -> None:
    """Replaces text in the protocol of a trial folder."""
    text = (folder / "protocol.toml").read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (folder / "protocol.toml").write_text(text)


@pytest.fixture
def at_equal_bytes(write_trial: Any) -> Path:
    """A trial whose verdict compares at equal bytes of text, where bpe is ahead, and at whose end btm is."""
    folder: Path = write_trial({"bpe": BPE, "btm": BTM})
    amend(folder, ('budget = "steps"', 'budget = "bytes"'))
    for track, values in AT_EQUAL_BYTES.items():
        for seed, value in enumerate(values, 1):
            at = {"bits_per_byte": value, "bytes_seen": 2_457_600, "step": 200, "documents": 120}
            change_final(folder / f"runs/{track}/seed-{seed}/final.json", equal_bytes=at)
    return folder


def change_final(path: Path, **changes: Any) -> None:
    write_json(path, json.loads(path.read_text()) | changes)


def table_of(result: TrialResult, caption: str) -> Table:
    return next(block for block in document_of(result).blocks() if isinstance(block, Table) and caption in block.caption)


def test_at_equal_bytes_the_numbers_are_said_to_be_there(at_equal_bytes: Path) -> None:
    result = gather(read_trial(at_equal_bytes))
    assert result.verdict.word == "bpe learned faster"
    assert "btm was, at equal bytes of text, 0.1010 bits per byte (6.7%) above bpe" in result.verdict.sentence
    seeds = table_of(result, "Bits per byte of every run at equal bytes of text")
    assert [row[:3] for row in seeds.rows] == [["1", "1.5000", "1.6010"], ["2", "1.5100", "1.6120"], ["3", "1.4900", "1.5900"]]
    questions = [item for block in document_of(result).blocks() if isinstance(block, Definitions) for item in block.items]
    assert any(item.term.startswith("How much would the difference after the last step change") for item in questions)


def test_at_equal_bytes_the_sign_is_followed_along_the_text(at_equal_bytes: Path) -> None:
    """Along steps btm is behind nowhere at the end; along the text, up to where the verdict compares, bpe is ahead."""
    found = gather(read_trial(at_equal_bytes)).differences["btm"]
    along_text, along_steps = found.curves["bytes_seen"], found.curves["step"]
    assert found.along == "bytes_seen" and along_text and along_steps
    last, at_last_step = along_text.mean[-1], along_steps.mean[-1]
    assert last is not None and at_last_step is not None and last > 0 > at_last_step
    assert along_text.at[-1] == pytest.approx(300 * 2048 * 4)


def test_a_change_of_sign_along_the_text_is_told_in_bytes(write_trial: Any) -> None:
    tracks = {"bpe": {"final_bits_per_byte": [1.5, 1.5]}, "btm": {"final_bits_per_byte": [1.45, 1.46], "decay_steps": 75.0}}
    folder = write_trial(tracks, seeds=2)
    by_steps = gather(read_trial(folder)).verdict.clauses[0]
    amend(folder, ("epochs = 0.0", "epochs = 2.0"))
    by_passes = gather(read_trial(folder)).verdict.clauses[0]
    assert "changed its sign on the way: btm at step " in by_steps and by_steps.endswith(" of 300.")
    assert "changed its sign on the way: btm after " in by_passes and by_passes.endswith(" of 2,457,600 bytes of text.")


def test_passes_are_told_as_passes_and_as_what_is_equal(write_trial: Any) -> None:
    folder = write_trial(epochs=2.0)
    amend(folder, ('recipe = "btm"\nvocab_size = 0', 'recipe = "btm"\nvocab_size = 1024'))
    result = gather(read_trial(folder))
    budgets = table_of(result, "The difference in bits per byte at equal")
    assert [row[2] for row in budgets.rows if row[1] == "equal passes over the text, which decides"] == ["2.00 passes"]
    said = next(note for note in result.notes if note.startswith("The vocabularies differ in size"))
    assert "Passes over the text are equal." in said and "Steps are equal" not in said


def test_the_control_is_compared_at_equal_bytes_too(at_equal_bytes: Path) -> None:
    for seed in (4, 5, 6):
        change_final(at_equal_bytes / f"runs/bpe/seed-{seed}/final.json", bits_per_byte=9.0)
    control = gather(read_trial(at_equal_bytes)).control
    assert control and [pair.difference for pair in control.pairs] == pytest.approx([0.003, -0.004, 0.001])


def test_the_row_that_decides_has_the_interval_of_its_look(write_trial: Any) -> None:
    finals = {"bpe": [1.500, 1.510, 1.490, 1.505], "btm": [1.4900, 1.5020, 1.4815, 1.4999]}
    folder = write_trial({name: {"final_bits_per_byte": of} for name, of in finals.items()}, seeds=4)
    amend(folder, ("seeds = 4\nmost_seeds = 0", "seeds = 3\nmost_seeds = 8"))
    result = gather(read_trial(folder))
    comparison, budget = result.comparisons[0], next(of for of in result.differences["btm"].budgets if of.decides)
    assert comparison.look and comparison.low is not None
    assert (budget.low, budget.high, budget.seeds) == (comparison.low, comparison.high, len(comparison.paired_seeds))
    assert "but for the one that decides" in table_of(result, "The difference in bits per byte at equal").caption
