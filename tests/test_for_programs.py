"""`--json` and `--quiet`: what a program reads of a command, and what a person is spared."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toktrial import cli, commands, progress
from toktrial.errors import TrialError
from toktrial.execution.progress_of_jobs import progress_of_jobs
from toktrial.trial import Trial

Asks = Callable[..., Any]


@pytest.fixture
def found(capsys: pytest.CaptureFixture[str]) -> Asks:
    """Returns what a command line prints as JSON."""

    def ask(*arguments: object) -> Any:
        commands.execute([*map(str, arguments), "--json"])
        return json.loads(capsys.readouterr().out)

    return ask


def test_status(finished: Trial, found: Asks, monkeypatch: pytest.MonkeyPatch) -> None:
    state = found("status", finished.folder)
    assert [(run["track"], run["seed"], run["state"], run["step"]) for run in state["runs"]] == [
        (track, seed, "evaluated", 20) for track, seed in finished.run_order()
    ]
    assert (state["seconds_left"], state["written_by"], state["damage"]) == (0, None, [])
    assert Path(state["page"]).is_file()
    (finished.folder.parent / "trials").symlink_to(finished.folder.parent)
    monkeypatch.chdir(finished.folder.parent)
    (listed,) = found("status")
    (finished.folder.parent / "trials").unlink()
    assert (listed["trial"], listed["runs"], listed["trained"], listed["has_report"]) == ("trials/tiny", 4, 4, True)


def test_a_verdict_is_that_of_the_results(finished: Trial, found: Asks) -> None:
    for command in ("run", "report"):
        outcome = found(command, finished.folder)
        results = json.loads((finished.folder / "report" / "results.json").read_text())
        for part in ("verdict", "comparisons", "notes"):
            assert outcome[part] == results[part]
        assert Path(outcome["page"]).is_file()


def test_a_plan_in_figures(finished: Trial, found: Asks, tmp_path: Path) -> None:
    plan = found("run", finished.folder / "protocol.toml", "--dry-run", "--trial", tmp_path / "new")
    assert plan["runs_left"] == 4
    assert plan["tracks"]["btm"]["steps"] == 20
    assert 0 < plan["seconds"]["least"] <= plan["seconds"]["most"]
    assert not (tmp_path / "new").exists()


def test_damage_is_printed_and_fails(finished: Trial, found: Asks, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found("verify", finished.folder)["damage"] == []
    shutil.copytree(finished.folder, tmp_path / "damaged")
    (tmp_path / "damaged" / "report" / "index.html").write_text("nothing")
    with pytest.raises(TrialError, match="1 damaged or missing file"):
        commands.execute(["verify", str(tmp_path / "damaged"), "--json"])
    (damage,) = json.loads(capsys.readouterr().out)["damage"]
    assert damage["name"] == "index.html"


def test_inspection(finished: Trial, found: Asks) -> None:
    graph = found("inspect", "graph", finished.folder, "--rows", 2)
    first, second = graph["strongest"]
    assert first["count"] >= second["count"] > 0
    cuts = found("inspect", "tokens", finished.folder, "a d\u00e9j\u00e0 \x1b[2J")
    assert {track: "".join(cut["texts"]).isascii() for track, cut in cuts.items()} == {"bpe": True, "btm": True}
    assert all(len(cut["ids"]) == len(cut["texts"]) for cut in cuts.values())
    trees = found("inspect", "entry", finished.folder, " the")
    assert "".join(part["text"] for part in trees["bpe"]["entry"]["parts"]) == " the"
    unknown = found("inspect", "entry", finished.folder, "xylophone")
    assert unknown["bpe"]["entry"] is None and "".join(unknown["bpe"]["cut"]["texts"]) == "xylophone"


def test_power(finished: Trial, found: Asks) -> None:
    given = found("power", "--noise", 0.4, "--effect", 1)
    assert (given["seeds_needed"], given["seeds_needed_interval"]) == (4, None)
    assert [each["power"] for each in given["with_seeds"]] == sorted(each["power"] for each in given["with_seeds"])
    low, high = found("power", finished.folder)["noise_interval"]
    assert 0 < low < high


def test_a_comparison(finished: Trial, found: Asks, tmp_path: Path) -> None:
    compared = found("compare", finished.folder, finished.folder, "--output", tmp_path / "both")
    assert {(run["track"], run["seed"]) for run in compared["runs"]} == set(finished.run_order())


def test_text_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from toktrial.commands.terminal import print_json

    print_json({"text": "\x1b[2J\x9b2J\u202e", "path": Path(os.fsdecode(b"a\xff")), "number": float("nan")})
    shown = capsys.readouterr().out
    assert shown.isascii() and shown.replace("\n", "").isprintable()
    assert json.loads(shown) == {"text": "\x1b[2J\x9b2J\u202e", "path": "a\\xff", "number": None}


def test_only_what_has_a_result_has_it_as_json(finished: Trial) -> None:
    with pytest.raises(commands.CallError, match="--json is an option of `report` and `run`, not of `corpus`"):
        commands.execute(["corpus", str(finished.folder), "--json"])


def test_quiet_leaves_the_result_and_errors(finished: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    commands.execute(["run", str(finished.folder)])
    said = capsys.readouterr()
    assert "everything is done already" in said.err
    commands.execute(["run", str(finished.folder), "--quiet"])
    assert capsys.readouterr() == (said.out, "")
    with pytest.raises(SystemExit):
        cli.main(["verify", "nowhere", "--quiet"])
    assert capsys.readouterr() == ("", "toktrial: there is no trial in nowhere\n")


def test_silence_ends_with_its_block(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.silence(), progress.progress("training", 10) as shown, progress_of_jobs("runs", 1) as jobs:
        shown.update(5, "loss 3")
        jobs.finish(0)
        progress.print_line("a word")
    assert capsys.readouterr().err == ""
    progress.print_line("a word")
    assert capsys.readouterr().err == "a word\n"
