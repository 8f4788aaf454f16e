"""`toktrial init` and `base`: what is written is read again as what was asked for, and `--dry-run` begins nothing."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from toktrial import presets
from toktrial.commands import execute
from toktrial.errors import TrialError
from toktrial.protocol import load
from toktrial.tokenizer.config import FileRecipe


def test_without_answers_it_is_the_demo(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    execute(["init", str(path)])
    assert load(path, based_on=presets.preset) == replace(presets.demo(), name="mine", seeds=3)


@pytest.mark.parametrize("size", list(presets.PRESETS))
def test_flags_reach_the_protocol(size: str, tmp_path: Path) -> None:
    text, path = tmp_path / 'a "text".txt', tmp_path / "mine.toml"
    text.write_text("Once upon a time\n")
    execute(["init", str(path), "--corpus", str(text), "--size", size, "--seeds", "5", "--against", str(text)])
    found = load(path, based_on=presets.preset)
    assert found.corpus == replace(presets.preset(size).corpus, path=str(text))
    assert (found.seeds, found.model, list(found.tracks)) == (5, presets.preset(size).model, ["bpe", "theirs"])
    assert found.tracks["theirs"] == FileRecipe(path=str(text))


def test_at_a_terminal_it_asks_four_things(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    os.write(ours, b"storybook\n\nlaptop\n7\n")
    command = [sys.executable, "-m", "toktrial", "init", "asked.toml"]
    done = subprocess.run(command, cwd=tmp_path, stdin=theirs, capture_output=True, text=True, check=False, timeout=60)
    assert [line[-1] for line in done.stderr.splitlines()[:4]] == ["]"] * 4, done.stderr
    assert load(tmp_path / "asked.toml", based_on=presets.preset).seeds == 7


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["there.toml"], "exists already"),
        (["mine.txt"], r"must end with \.toml"),
        (["mine.toml", "--corpus", "nothing.txt"], "no file or folder nothing.txt"),
        (["mine.toml", "--size", "lapto"], "did you mean 'laptop'"),
        (["mine.toml", "--against", "nothing.json"], "no file nothing.json"),
        (["mine.toml", "--seeds", "0"], "seeds must be at least 1"),
        (["my trial.toml"], "use only letters"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.toml").write_text("")
    with pytest.raises(TrialError, match=words):
        execute(["init", *arguments])
    assert [path.name for path in tmp_path.iterdir()] == ["there.toml"]


def test_a_base_gives_what_the_file_does_not_say(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "demo"\n[training]\nsteps = 40\n[tracks.one]\nrecipe = "bpe"\n[tracks.two]\nrecipe = "bpe"\n')
    found, demo = load(path, based_on=presets.preset), presets.demo()
    assert (found.name, found.model, found.corpus) == ("mine", demo.model, demo.corpus)
    assert found.training == replace(demo.training, steps=40)
    assert list(found.tracks) == ["one", "two"], "in place of the base's tracks, for the first is the baseline"
    path.write_text('base = "dmo"\n')
    with pytest.raises(TrialError, match=r"mine\.toml: there is no preset 'dmo': did you mean 'demo'"):
        load(path, based_on=presets.preset)


def test_a_file_that_takes_the_plans_budget_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("seeds = 2\n")
    load(path, based_on=presets.preset)
    assert "takes the research plan's 50,000 steps" in capsys.readouterr().err
    path.write_text("[training]\nsteps = 40\n")
    load(path, based_on=presets.preset)
    assert capsys.readouterr().err == ""


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = [
        "--model.n-layer",
        "1",
        "--model.width",
        "32",
        "--corpus.max-megabytes",
        "0.2",
        "--vocab-size",
        "600",
        "--tracks.btm.primitive-vocab-size",
        "300",
    ]
    execute(["run", "demo", "--dry-run", "--trial", str(tmp_path / "trial"), *small])
    assert "6 of 6 runs left" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
