"""A slice of the fault campaign, run as the command that it is, and that it finds what differs."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


WRITES_WITH_AND_WITHOUT_SYNC = """
import os, sys
from pathlib import Path
from faults.losing_disk import LosingDisk
from toktrial.artifact import sync
disk = Path(sys.argv[1])
LosingDisk(disk, Path(sys.argv[2]), 6)
(disk / "synced").write_text("whole")
sync(disk / "synced")
(disk / "empty").write_text("never synced")
(disk / "folder").mkdir()
(disk / "folder" / "entry").write_text("in a folder that is never synced")
sync(disk / "folder" / "entry")
(disk / "old").write_text("before")
sync(disk / "old")
sync(disk)
(disk / "old").rename(disk / "new")
(disk / "never").write_text("its folder was synced before")
sync(disk / "never")
"""
SLICES = {  # of each part: its options, and how its tally begins
    "kills --kills 2": "2 kills",
    "damage --mend final.json": r"(\d+) of \1 faults in \d+ kinds of files noticed; 1 mended",
    "full-disk --fills 1": "(1 fills|skipped)",
    "processes --processes 2": "2 processes at once",
    "power-loss --losses 1 --moments 550": "1 losses of power",
    "documents --documents 500": "500 documents",
    "streams --streams 500": "500 streams",
}


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, "subprocess.Popen[str]"]]:
    """All slices, side by side, so that every core has work. Those of trials share the one that is left alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        from faults.tiny_trial import TinyTrial
    undisturbed = TinyTrial(tmp_path_factory.mktemp("campaign") / "undisturbed")
    undisturbed.finish()
    started = {}
    for part in SLICES:
        command = [sys.executable, str(BENCHMARKS / "fault_campaign.py"), *part.split(), "--seed", "5"]
        if not part.startswith(("documents", "streams")):
            command += ["--undisturbed", str(undisturbed.folder)]
        started[part] = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    yield started
    for process in started.values():
        if process.poll() is None:  # a test before it was interrupted
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("part", SLICES)
def test_nothing_differs(part: str, slices: "dict[str, subprocess.Popen[str]]") -> None:
    said, errors = slices[part].communicate()
    assert slices[part].returncode == 0, errors
    assert re.search(f"{part.split()[0]}, seed 5: {SLICES[part]}", said), said


def test_what_was_not_synced_is_lost(tmp_path: Path) -> None:
    """The disk that loses power keeps what is synced, and only that: it would find a publishing without a sync."""
    script = tmp_path / "script.py"
    script.write_text(WRITES_WITH_AND_WITHOUT_SYNC)
    disk, survived = tmp_path / "disk", tmp_path / "survived"
    disk.mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, str(script), str(disk), str(survived)], env=environment, check=False)
    assert done.returncode == 77
    assert {path.relative_to(survived).as_posix(): path.is_file() and path.read_text() for path in survived.rglob("*")} == {
        "synced": "whole",
        "empty": "",
        "folder": False,
        "old": "before",
    }


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
