"""Several trials side by side: what compares and what does not, the series they form, the tidy tables, the notebook."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from toktrial import Trial, artifact
from toktrial.commands import execute
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.report.blocks import Table
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.result import TrialResult
from toktrial.report.side_by_side import ReportedTrial, curves_table, differing_fields, open_trials, runs_table, series_of
from toktrial.report.side_by_side_page import compared_document, effects_table, tracks_table
from toktrial.trial_folder import TrialFolder

from .conftest import SimulatedTrack, protocol_with, write_trial_folder

NOTEBOOK = Path(__file__).parents[2] / "docs" / "a_trial_in_a_notebook.ipynb"


@pytest.fixture(scope="module")
def finished_trial(finished: Trial) -> Path:
    return finished.folder


@pytest.fixture(scope="module")
def longer_trial(finished_trial: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished trial, gone on for more steps: a real second trial of a series."""
    folder = tmp_path_factory.mktemp("longer") / "longer"
    shutil.copytree(finished_trial, folder)
    plan = TrialFolder.open(folder).protocol
    Trial(folder, replace(plan, training=replace(plan.training, steps=2 * plan.training.steps))).run()
    return folder


def test_a_series_along_steps(
    finished_trial: Path, longer_trial: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trials = open_trials([finished_trial, longer_trial])
    series = series_of(trials)
    assert list(differing_fields(trials)) == ["training.steps"]
    assert series is not None and series.title == "training steps" and series.values[1] == 2 * series.values[0]
    output = tmp_path / "comparison"
    execute(["compare", str(finished_trial), str(longer_trial), "--output", str(output)])
    artifact.check_files(output)
    shown = capsys.readouterr().out
    for each in trials:
        for comparison in each.result.comparisons:
            assert f"{comparison.difference:+.4f}".replace("-", "\N{MINUS SIGN}") in shown
    assert {"effects.png", "series.png", "curves.png", "comparison.md", "index.html"} <= {
        path.name for path in output.iterdir()
    }
    assert len((output / "index.html").read_text(encoding="utf-8")) < 300_000, "nothing on it needs the chart library"


def test_the_tables_hold_every_run_and_evaluation(finished_trial: Path, longer_trial: Path, tmp_path: Path) -> None:
    trials = open_trials([finished_trial, longer_trial])
    execute(["compare", str(finished_trial), str(longer_trial), "--output", str(tmp_path / "comparison")])
    runs = pl.read_parquet(tmp_path / "comparison" / "runs.parquet")
    assert runs.equals(runs_table(trials))
    finals = [
        artifact.read_json(folder / "runs" / track / f"seed-{seed}" / "final.json")["bits_per_byte"]
        for folder in (finished_trial, longer_trial)
        for track in TrialFolder.open(folder).protocol.tracks
        for seed in TrialFolder.open(folder).protocol.seed_numbers
    ]
    assert runs["bits_per_byte"].to_list() == finals
    lines = [
        json.loads(line)
        for folder in (finished_trial, longer_trial)
        for path in folder.glob("runs/*/seed-*/metrics.jsonl")
        for line in path.read_text().splitlines()
    ]
    curves = pl.read_csv(tmp_path / "comparison" / "curves.csv")
    assert len(curves) == len(lines) == len(curves_table(trials))
    assert sorted(curves["bits_per_byte"]) == pytest.approx(sorted(line["bits_per_byte"] for line in lines))


# Beside a baseline at 1.5: differences that even a strict first look finds, and some that show nothing.
CLEAR, UNCLEAR = [1.800, 1.801, 1.799], [1.6, 1.4, 1.6]


def simulated(folder: Path, planned: tuple[int, int], **tracks: Sequence[float]) -> TrialResult:
    """Returns the result of a trial whose other tracks ended at these values, one for each seed that is finished.

    planned: seeds and most_seeds of the protocol.
    """
    finals = {"bpe": [1.5] * max(map(len, tracks.values())), **tracks}
    plan = replace(protocol_with(list(finals), planned[0]), most_seeds=planned[1])
    return gather(read_trial(write_trial_folder(folder, {name: SimulatedTrack(of) for name, of in finals.items()}, plan)))


def shown_of(table: Table, *headers: str) -> list[tuple[str, ...]]:
    """Returns the cells below some of a table's headers, row by row."""
    return [tuple(row[table.headers.index(header)] for header in headers) for row in table.rows]


@pytest.mark.parametrize(
    ("planned", "finals", "expected"),
    [
        ((3, 0), CLEAR, ("bpe learned faster", "3")),
        ((20, 0), CLEAR, ("so far: bpe learned faster", "3 of 20")),
        ((20, 0), CLEAR[:1], ("so far: undecided: one seed", "1 of 20")),
        ((3, 12), CLEAR, ("bpe learned faster", "3")),
        ((2, 12), UNCLEAR, ("so far: no measurable difference", "3 of up to 12")),
        ((4, 12), CLEAR, ("so far: no measurable difference", "3 of 4")),
        ((2, 3), UNCLEAR, ("no measurable difference", "3")),
    ],
    ids=["all", "some", "one", "found at a look", "open", "before the first look", "after the last look"],
)  # fmt: skip
def test_a_verdict_that_seeds_to_come_may_change_is_marked(
    tmp_path: Path, planned: tuple[int, int], finals: Sequence[float], expected: tuple[str, str]
) -> None:
    result = simulated(tmp_path / "trial", planned, btm=finals)
    assert shown_of(effects_table({"mine": result}), "verdict", "seeds") == [expected]
    assert result.verdict.outcome.startswith("So far") == expected[0].startswith("so far"), "as the report's own headline"
    document = compared_document([ReportedTrial("mine", tmp_path / "trial", result)] * 2)
    rows = {"mine: btm, so far"} if expected[0].startswith("so far") else {"mine: btm"}
    [effects] = [figure for figure in document.figures() if figure.name == "effects"]
    assert {row["row"] for row in effects.specification["data"]["values"]} == rows


def test_a_seed_that_one_track_misses_leaves_the_verdicts_on_all_open(tmp_path: Path) -> None:
    """By Holm's correction every verdict depends on all; in a sequential design each stands alone."""
    result = simulated(tmp_path / "at_once", (3, 0), btm=CLEAR, tkn=CLEAR[:2])
    assert shown_of(effects_table({"mine": result}), "verdict", "seeds") == [
        ("so far: bpe learned faster", "3"),
        ("so far: bpe learned faster", "2 of 3"),
    ]
    assert set(shown_of(tracks_table({"mine": result}), "trial and track", "runs")) == {
        ("mine: bpe", "3"),
        ("mine: btm", "3"),
        ("mine: tkn", "2 of 3"),
    }
    looked_at = simulated(tmp_path / "sequential", (3, 12), btm=CLEAR, tkn=UNCLEAR)
    assert shown_of(effects_table({"mine": looked_at}), "verdict", "seeds") == [
        ("bpe learned faster", "3"),
        ("so far: no measurable difference", "3 of up to 12"),
    ]


def test_what_does_not_compare_is_refused(finished_trial: Path, tiny_protocol: Protocol, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Trial(other, replace(tiny_protocol, seeds=1, corpus=replace(tiny_protocol.corpus, validation_share=0.1))).run()
    with pytest.raises(TrialError, match="two trials or more"):
        open_trials([finished_trial])
    with pytest.raises(TrialError, match="validated on different texts"):
        open_trials([finished_trial, other])
    twice = [str(finished_trial)] * 2
    with pytest.raises(TrialError, match="something other than a comparison"):
        execute(["compare", *twice, "--output", str(finished_trial / "report")])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(TrialError, match="was not written by toktrial"):
        execute(["compare", *twice, "--output", str(tmp_path / "mine")])


def test_the_notebook_runs_and_shows_the_verdict(
    finished_trial: Path,
    longer_trial: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "demo").symlink_to(finished_trial)
    (tmp_path / "trials" / "longer").symlink_to(longer_trial)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    outcome = names["results"].verdict.outcome
    assert outcome in names["trial"]._repr_html_()
    assert names["results"].verdict.sentence in capsys.readouterr().out
    assert set(names["curves"]["track"]) == set(names["trial"].protocol.tracks)


def test_a_trial_without_runs_says_so_in_a_notebook(tmp_path: Path) -> None:
    from toktrial import presets

    assert "run" in Trial(tmp_path / "new", presets.demo())._repr_html_()
