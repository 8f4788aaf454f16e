"""A slice of the fault campaign, run as the command that it is, and that it finds what differs."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.parametrize(("part", "size"), [("kills", 2), ("documents", 500), ("streams", 500)])
def test_nothing_differs(part: str, size: int) -> None:
    command = [sys.executable, str(BENCHMARKS / "fault_campaign.py"), part, f"--{part}", str(size), "--seed", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{part}, seed 5: {size} {part}" in done.stdout


def test_a_twin_that_chooses_other_pairs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from faults import streams
    from faults.difference import Difference

    cases = [streams.case(random.Random(number)) for number in range(30)]
    assert sum(map(streams.check, cases)) > 100
    monkeypatch.setitem(streams.SCORES, "frequency", lambda pair, left, right, tokens: -pair)  # noqa: ARG005  # as every score
    with pytest.raises(Difference, match=r"The merges differ: .*\nCase\(documents="):
        [streams.check(case) for case in cases]


def test_every_file_that_is_not_the_same_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from faults.tiny_trial import TinyTrial

    trials = [TinyTrial(tmp_path / name) for name in ("one", "other")]
    for number, trial in enumerate(trials):
        run = trial.folder / "runs" / "bpe" / "seed-1"
        run.mkdir(parents=True)
        (run / "final.json").write_text(json.dumps({"bits_per_byte": 1.0, "training_seconds": number}))
        budgets = [{"budget": "steps", "at": 20}, {"budget": "seconds", "at": 0.1}]
        (run / "record.json").write_text(json.dumps({"budgets": budgets[: 2 - number], "source_commit": str(number)}))
        (run / "metrics.jsonl").write_text(json.dumps({"step": 5, "loss": number}))
        (run / "weights.safetensors").write_bytes(bytes([8, number]))
        (run / f".leftover-{number}.partial").touch()
    names = ["leftover-0.partial", "leftover-1.partial", "metrics.jsonl", "weights.safetensors"]
    found = trials[0].differing_files(trials[1])
    assert [name.removeprefix("runs/bpe/seed-1/").removeprefix(".") for name in found] == names
