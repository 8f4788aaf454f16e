"""The command line, run as a user runs it."""

import contextlib
import fcntl
import json
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import pytest

from toktrial import progress
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
        (["run"], "a preset (demo, laptop, study, tinystories)"),
        (["run", "demo", "--seeds", "0"], "seeds must be at least 1"),
        (["run", "demo", "--model.width", "130"], "model.width 130 is not a multiple of model.n_head 4"),
        (["run", "nowhere.toml"], "there is no protocol at nowhere.toml"),
        (["train", "demo", "--target", "1.2"], "--target is an option of `report` and `run`, not of `train`"),
        (["report", "demo", "--target", "0"], "--target must be bits per byte, a number above 0, but is 0.0"),
        (["corpus", "demo", "--evaluation.minimal-pairs", "bl\udce9"], "evaluation.minimal_pairs must be text that UTF-8"),
        (["run", "demo", "--evaluation.minimal-pairs", "nowhere"], "nowhere"),
        (["run", "demo", "--model.width", str(2**32)], "model.width must be at most 65,536"),
        (["run", "demo", "--model.width", "65536", "--model.n-layer", "100"], "GB of memory or more, but this machine has"),
        (["run", "demo", "--training.steps", "1" + "0" * 12, "--training.log-every", "1"], "GB of disk, but"),
        (["run", "demo", "--vocab-size", "100000000"], "vocab_size must be at most 1,048,576"),
        (["run", "demo", "--name", "../../ESCAPED"], "a trial's name is also a folder's"),
        (["corpus", "demo", "--parallel", "2"], "--parallel is an option of tune, train, evaluate and `run`, not of `corpus`"),
        (["run", "demo", "--parallel", "0"], "--parallel must be auto or a number from 1 to 1024, but is 0"),
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
        "--corpus.validation-share 0.05 --evaluation.max-new-bytes 30"
    )
    done = toktrial("run", "demo", *shlex.split(smaller), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "epochs" in done.stderr
    for of_plan in ("trial      demo", "device     ", "WARNING    "):
        assert done.stderr.count(of_plan) == 1, "the plan is shown once, and then what counting the text has changed"
    assert done.stderr.count("track      bpe, btm: ") == 2
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


def test_sigterm_outside_training_is_said() -> None:
    command = [sys.executable, "-m", "toktrial", "corpus", "demo", "--corpus.max-megabytes", "900"]
    with tempfile.TemporaryDirectory() as folder:
        child = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        assert child.stderr
        assert "reading documents" in child.stderr.readline()
        child.terminate()
        said = child.communicate(timeout=60)[1]
        assert not list(Path(folder).rglob("*.partial"))
    assert child.returncode == 143
    assert said.splitlines()[-1] == "stopped by SIGTERM; the same command will continue from what is finished"


def test_what_long_work_shows_can_be_told_to_another_process(capsys: pytest.CaptureFixture[str]) -> None:
    events: list[progress.Event] = []
    with progress.telling(events.append), progress.progress("training btm, seed 1", 100, "step", begun=49) as shown:
        for step in range(50, 101):  # it goes on from step 49
            shown.update(step, "loss 3" if step == 60 else "")
        progress.print_line("a word")
    first, *_, word, last = events
    assert len(events) < 10, "not one a step"
    assert progress.Snapshot(**first) == progress.Snapshot("training btm, seed 1", 100, "step", 49, 0.0, "")
    assert word == {"line": "a word"}
    assert (last["done"], last["note"]) == (100, "loss 3") and last["per_second"] > 0
    progress.print_line("to a person again")
    assert capsys.readouterr().err == "to a person again\n"


def shown_at(columns: int, *command: str) -> list[str]:
    """The lines that a command shows at a terminal of so many columns, without styles."""
    reader, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal, env=environment, check=True)
    assert done.returncode == 0
    os.close(terminal)
    shown = b""
    with contextlib.suppress(OSError):  # what Linux raises when all has been read
        while read := os.read(reader, 1 << 16):
            shown += read
    os.close(reader)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode()).replace("\r", "\n").splitlines()


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_what_is_shown_fits_the_terminal_and_nothing_of_it_is_cut(columns: int) -> None:
    shows_all = """
from toktrial.commands.terminal import print_table
from toktrial.execution.progress_of_jobs import progress_of_jobs
from toktrial.progress import Snapshot, print_line, progress
headings = ["track", "bytes per token", "bits per byte", "training seconds", "loss"]
print_table("tracks", [(heading, "right") for heading in headings], [["superwords", "4.0123", "0.9559", "1234.5", "2.641"]])
print_line("WARNING    " + "too small " * 12 + "END\\ndisk       1 GB", hanging=11)
with progress("training btm, seed 1", 100, "step") as shown:
    shown.update(50, "loss 3.456, 1.234 bits per byte")
with progress_of_jobs("training, 2 at once", 6) as jobs:
    jobs.update(0, Snapshot("training words, seed 3", 50_000, "step", 25_000, 12.5, "loss 3.456, 1.234 bits per byte"))
    jobs.finish(1)
"""
    lines = shown_at(columns, sys.executable, "-c", shows_all)
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert "…" not in text
    for whole in ("superwords", "4.0123", "0.9559", "1234.5", "2.641", "END", "training btm, seed 1", "50%"):
        assert whole in text
    assert any(line.split()[:7] == ["words,", "seed", "3", "25,000", "of", "50,000", "0:33:20"] for line in lines)
    assert any(line.split()[:4] == ["all", "1", "of", "6"] for line in lines)
    assert ("12.5 step/s" in text) is (columns >= 80)
    assert "training, 2 at once: 1 of 6 done, 0.0 s" in text
