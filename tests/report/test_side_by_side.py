"""Several trials side by side: what compares and what does not, the series they form, the tidy tables, the notebook."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from toktrial import Trial, artifact
from toktrial.commands import execute
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.report.side_by_side import curves_table, differing_fields, open_trials, runs_table, series_of
from toktrial.trial_folder import TrialFolder

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
