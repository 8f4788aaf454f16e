"""The changes that docs/how_to_add.md shows: each is applied to a copy of the source and used, in a process of its own."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

PAGE = "docs/how_to_add.md"
REPOSITORY = Path(__file__).resolve().parents[2]
CHANGES: dict[str, str] = dict(
    re.findall(
        r"^## (.+?)\n.*?^```diff\n(.*?)^```",
        (REPOSITORY / PAGE).read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
)
REPORT = "from pathlib import Path; from toktrial.report.page import write_report; write_report(Path('trial'))"

pytestmark = pytest.mark.skipif(shutil.which("patch") is None, reason="the page shows patches, and there is no `patch` here")
Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python_with(tmp_path: Path) -> Callable[[str], Python]:
    """`python_with(heading)("-m", "toktrial")` runs Python with the change that the page shows below that heading."""

    def with_change(heading: str) -> Python:
        shutil.copytree(REPOSITORY / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
        patch = ["patch", "-p1", "-F0", "--batch"]
        done = subprocess.run(patch, cwd=tmp_path, input=CHANGES[heading], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (
            f"the patch below {heading!r} in {PAGE} no longer applies to the source: mend it on that page\n"
            f"{done.stdout}{done.stderr}"
        )
        return python

    def python(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return with_change


def test_every_change_is_tried_here_and_touches_two_files_at_most() -> None:
    assert list(CHANGES) == [
        "A number of every run",
        "A section of the report",
        "An axis of the charts",
        "A command",
        "A tracker",
    ]
    for heading, change in CHANGES.items():
        assert len(re.findall(r"^\+\+\+ b/src/", change, re.MULTILINE)) <= 2, heading


def test_a_number_of_every_run_is_in_the_results_and_their_schema(
    python_with: Callable[[str], Python], write_trial: Callable[..., Path]
) -> None:
    folder = write_trial()
    done = python_with("A number of every run")("-c", REPORT)
    assert done.returncode == 0, done.stderr
    results = json.loads((folder / "report/results.json").read_text(encoding="utf-8"))
    runs = [run for track in results["tracks"].values() for run in track["runs"]]
    assert len(runs) == 6
    assert all(run["hardest_document_nats"] > 0 for run in runs)
    schema: dict[str, Any] = json.loads((folder / "report/results.schema.json").read_text(encoding="utf-8"))
    assert "hardest_document_nats" in schema["$defs"]["RunResult"]["properties"]
    jsonschema.validate(results, schema)


def test_an_axis_is_drawn_and_tracks_are_compared_along_it(
    python_with: Callable[[str], Python], write_trial: Callable[..., Path]
) -> None:
    folder = write_trial()
    done = python_with("An axis of the charts")("-c", REPORT)
    assert done.returncode == 0, done.stderr
    assert "evaluation time (s)" in (folder / "report/bits_per_byte_by_evaluation_seconds.svg").read_text(encoding="utf-8")
    for name in ("report.md", "index.html"):
        assert "seconds of evaluation" in (folder / "report" / name).read_text(encoding="utf-8"), name


def test_a_section_of_the_report_is_on_the_page_and_in_the_markdown(
    python_with: Callable[[str], Python], write_trial: Callable[..., Path]
) -> None:
    folder = write_trial()
    done = python_with("A section of the report")("-c", REPORT)
    assert done.returncode == 0, done.stderr
    markdown = (folder / "report/report.md").read_text(encoding="utf-8")
    assert re.search(r"^## Corpus$.*^\| training \| 7,000 \| 3,900,000 \|$", markdown, re.MULTILINE | re.DOTALL)
    page = (folder / "report/index.html").read_text(encoding="utf-8")
    assert '<a href="#corpus">Corpus</a>' in page
    assert "Documents and UTF-8 bytes of text" in page


def test_a_command_runs_and_is_listed_and_explained(
    python_with: Callable[[str], Python], write_trial: Callable[..., Path]
) -> None:
    folder = write_trial()
    python = python_with("A command")
    done = python("-m", "toktrial", "disk", "trial")
    assert done.returncode == 0, done.stderr
    sizes = {name: int(size.replace(",", "")) for size, name in map(str.split, done.stdout.splitlines())}
    assert set(sizes) == {path.name for path in folder.iterdir() if path.is_dir()}
    assert sizes["corpus"] == (folder / "corpus/manifest.json").stat().st_size
    assert "toktrial disk trials/demo" in python("-m", "toktrial", "--help").stdout
    assert "Folder of the trial." in python("-m", "toktrial", "disk", "--help").stdout
    refused = python("-m", "toktrial", "disk", "nowhere")
    assert refused.returncode == 1
    assert "nowhere is not a trial" in refused.stderr


def test_a_tracker_gets_every_line_of_a_trial(python_with: Callable[[str], Python], write_trial: Callable[..., Path]) -> None:
    folder = write_trial()
    done = python_with("A tracker")("-m", "toktrial", "send", "trial", "--to", "csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "sent to csv; to see it: open the tables in trial/trackers/csv\n"
    for metrics in folder.glob("runs/*/*/metrics.jsonl"):
        lines = map(json.loads, metrics.read_text(encoding="utf-8").splitlines())
        table = folder / "trackers/csv" / metrics.parent.relative_to(folder / "runs").with_suffix(".csv")
        with table.open(encoding="utf-8", newline="") as file:
            rows = [(int(row["step"]), float(row["value"])) for row in csv.DictReader(file) if row["name"] == "bits_per_byte"]
        assert rows == [(line["step"], line["bits_per_byte"]) for line in lines]
    assert not (folder / "trackers/csv/report.csv").exists(), "the trial has no report yet"
