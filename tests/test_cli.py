"""The command line, run as a user runs it."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from toktrial.commands import COMMANDS
from toktrial.corpus.storybook import stories
from toktrial.trial import STAGES


def toktrial(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toktrial", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_help_explains_the_way_on_one_screen() -> None:
    done = toktrial("--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) <= 40
    for word in ("demo", "laptop", "tinystories", "--help", *(command.name for command in COMMANDS)):
        assert word in done.stdout


def test_every_stage_of_a_trial_is_a_command() -> None:
    assert tuple(command.name for command in COMMANDS if command.place == "stages.Stage") == STAGES


@pytest.mark.parametrize("arguments", [["--help"], ["run", "demo", "--help"]])
def test_where_nobody_reads_on_it_ends_without_a_word(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "toktrial", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_every_field_of_the_protocol_is_a_flag_with_help() -> None:
    done = toktrial("run", "demo", "--help")
    assert done.returncode == 0
    for flag in (
        "--corpus.path",
        "--model.n-layer",
        "--tracks.btm.primitive-vocab-size",
        "--seeds",
        "--control",
        "--trial",
        "--yes",
        "--target",
    ):
        assert flag in done.stdout
    assert "where the documents come from" in done.stdout.lower()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu", "demo"], "did you mean 'run'?"),
        (["run", "labtop"], "did you mean 'laptop'?"),
        (["run", "demo", "--model.n-layers", "3"], "--model.n-layer"),
        (["run"], "a preset (demo, laptop, tinystories)"),
        (["run", "demo", "--seeds", "0"], "seeds must be at least 1"),
        (["run", "demo", "--model.width", "130"], "model.width 130 is not a multiple of model.n_head 4"),
        (["run", "nowhere.toml"], "there is no protocol at nowhere.toml"),
        (["train", "demo", "--target", "1.2"], "--target is an option of `report` and `run`, not of `train`"),
        (["report", "demo", "--target", "0"], "--target must be bits per byte, a number above 0, but is 0.0"),
        (["corpus", "demo", "--evaluation.minimal-pairs", "bl\udce9"], "evaluation.minimal_pairs must be text that UTF-8"),
        (["run", "demo", "--evaluation.minimal-pairs", "nowhere"], "nowhere"),
        (["run", "demo", "--model.width", str(2**32)], "out of memory: begin a new trial"),
        (["corpus", "demo", "--corpus.path", "nowhere.txt"], "nowhere.txt"),
        (["corpus", "demo", "--corpus.path", "empty.txt"], "empty.txt"),
        (["corpus", "demo", "--corpus.path", "latin.txt"], "byte offset 5"),
        (["corpus", "demo", "--corpus.path", "lines.jsonl"], "line 2"),
    ],
)
def test_mistakes_end_in_one_clear_message(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "latin.txt").write_bytes("caffè\n".encode("latin-1").replace(b"\xe8", b"e\xe8"))
    (tmp_path / "lines.jsonl").write_text('{"text": "a"}\n{"txt": "b"}\n')
    done = toktrial(*arguments, folder=tmp_path)
    assert done.returncode != 0
    said = " ".join((done.stderr + done.stdout).replace("│", " ").split())  # a box wraps long messages
    assert message in said


def test_something_long_wants_yes_where_nobody_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n<|endoftext|>\n".join(stories(300_000)), encoding="utf-8")
    done = toktrial("run", "tinystories", "--corpus.path", "texts.txt", "--model.n-layer", "2", folder=tmp_path)
    assert done.returncode == 1
    assert "This will take long" in done.stderr
    assert "--yes" in done.stderr
    assert not (tmp_path / "trials" / "tinystories" / "corpus").exists()
    for fact in ("documents", "tokens", "epochs", "parameters", "time", "disk"):
        assert fact in done.stderr


def test_run_prints_plan_table_and_report(tmp_path: Path) -> None:
    smaller = (
        "--corpus.max-megabytes 0.3 --vocab-size 400 --tracks.btm.primitive-vocab-size 300 --model.n-layer 1 --model.width 32 "
        "--model.context 32 --training.batch-size 4 --training.steps 10 --training.log-every 5 --seeds 1 "
        "--corpus.validation-share 0.05"
    )
    done = toktrial("run", "demo", *shlex.split(smaller), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epochs" in done.stderr
    for word in ("entries", "bits per", "loss per", "seconds", "bpe", "btm", "Undecided: bpe and btm have learned no more"):
        assert word in done.stdout
    report = tmp_path / "trials" / "demo" / "report"
    assert str(Path("trials") / "demo" / "report" / "index.html") in done.stdout
    word = json.loads((report / "results.json").read_text())["verdict"]["word"]
    assert word == "undecided: bpe and btm have learned no more than counting pairs"
    again = toktrial("run", "trials/demo", folder=tmp_path)
    assert again.returncode == 0
    assert "everything is done already" in again.stderr
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]
