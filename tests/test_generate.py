"""`toktrial generate` as a user runs it, on runs that were really trained."""

import contextlib
import functools
import io
import itertools
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toktrial import cli
from toktrial.evaluation import healing
from toktrial.progress import printable
from toktrial.protocol import Protocol
from toktrial.tokenizer.load import load_tokenizer
from toktrial.trial import Trial

PROMPTS = ("Once upon a time", "One day, a", "The d")


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, tiny_protocol: Protocol) -> Trial:
    """A finished trial of one seed; the model has rows without an entry, and a text may pass the end of its context."""
    plan = replace(
        tiny_protocol,
        seeds=1,
        training=replace(tiny_protocol.training, device="cpu"),
        evaluation=replace(tiny_protocol.evaluation, prompts=PROMPTS, max_new_bytes=80),
    )
    trial = Trial(tmp_path_factory.mktemp("trials") / "tiny", plan)
    trial.evaluate()
    return trial


def run_folder(trial: Trial, track: str = "btm") -> Path:
    return Path(trial.run_of(track, 1).folder)


def generated(*arguments: str, expected_code: int = 0) -> tuple[str, str]:
    """Standard output and error of `toktrial generate` on the CPU, called within this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(["generate", *arguments, "--device", "cpu"])
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
    assert code == expected_code, err.getvalue()
    return out.getvalue(), err.getvalue()


def endless(trial: Trial) -> "subprocess.Popen[bytes]":
    """`toktrial generate` in a process of its own, with more to write than anybody will read."""
    command = [sys.executable, "-m", "toktrial", "generate", str(run_folder(trial)), "--max-new-bytes", "100000000"]
    command += ["--prompt", "One day"] * 500  # a model may end a document early, but not so many of them
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_it_says_what_the_trials_own_samples_say(trial: Trial, track: str) -> None:
    samples = json.loads((run_folder(trial, track) / "samples.json").read_text())
    assert [sample["prompt"] for sample in samples] == list(PROMPTS)
    expected = "\n".join(printable(sample["prompt"] + sample["continuation"]) + "\n" for sample in samples)
    out, err = generated(str(run_folder(trial, track)))
    assert out == expected
    assert err.count("cut after") == sum(not sample["ended"] for sample in samples)
    flags = [word for prompt in PROMPTS for word in ("--prompt", prompt)]
    assert generated(str(run_folder(trial, track)), *flags)[0] == expected


def test_settings_of_the_call_come_before_those_of_the_trial(trial: Trial) -> None:
    run = str(run_folder(trial))
    usual, _ = generated(run, "--prompt", "One day")
    assert generated(run, "--prompt", "One day", "--temperature", "0.8", "--top-k", "50", "--seed", "0")[0] == usual
    assert generated(run, "--prompt", "One day", "--seed", "1")[0] != usual
    greedy = generated(run, "--prompt", "One day", "--temperature", "0")[0]
    assert greedy != usual
    assert generated(run, "--prompt", "One day", "--top-p", "1e-9", "--top-k", "0", "--temperature", "3")[0] == greedy
    short, err = generated(run, "--prompt", "One day", "--max-new-bytes", "5")
    assert usual.startswith(short.rstrip("\n"))
    assert 5 <= len(short.encode()) - len("One day\n") < 20
    assert "--max-new-bytes" in err


def test_a_text_may_begin_from_nothing(trial: Trial) -> None:
    out, _ = generated(str(run_folder(trial)), "--prompt", "")
    assert len(out) > 10


def test_text_comes_token_by_token_and_whole_characters_alone(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[bytes] = []

    class Terminal(io.TextIOWrapper):
        def flush(self) -> None:
            super().flush()
            pieces.append(self.buffer.getvalue())  # type: ignore[attr-defined]  # the BytesIO below

    terminal = Terminal(io.BytesIO(), encoding="utf-8", write_through=True)
    monkeypatch.setattr(sys, "stdout", terminal)
    # So hot that most ids are single bytes, which seldom make whole characters.
    arguments = ["--prompt", "na\u00efve \u4f60", "--temperature", "50", "--top-k", "0", "--max-new-bytes", "400"]
    cli.main(["generate", str(run_folder(trial)), *arguments])
    monkeypatch.undo()
    assert len(pieces) > 50
    assert sum(later != earlier for earlier, later in itertools.pairwise(pieces)) > 50
    for piece in pieces:
        piece.decode()  # raises where a character is cut
    text = pieces[-1].decode()
    assert text.startswith("na\u00efve \u4f60")
    assert "\ufffd" in text, "bytes that are no character must have been among them"
    assert "\\x" in text, "and control characters"
    assert not [
        character for character in text if character not in "\n\t" and (character < " " or "\x7f" <= character < "\xa0")
    ]


@given(st.text())
def test_nothing_that_steers_a_terminal_is_printed(text: str) -> None:
    shown = printable(text)
    unsafe = {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0)), *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
    assert not set(shown) & (unsafe - {"\n", "\t"})
    if not set(text) & unsafe:
        assert shown == text


def test_a_cut_of_the_enumeration_is_said(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    run = str(run_folder(trial))
    assert "left out" not in generated(run, "--prompt", "One day")[1]
    few_paths = functools.partial(healing.enumerate_endings, most_paths=1, smallest_share=0.5)  # as if there were very many
    monkeypatch.setattr(healing, "enumerate_endings", few_paths)
    longest = max(load_tokenizer(trial.tokenizer_folder("btm")).token_bytes[1:], key=len).decode()
    _, err = generated(run, "--prompt", longest[:-1])
    assert "% of the probability, were left out" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "--temperature", "-1"], "evaluation.temperature must be at least 0, but is -1.0"),
        (["{run}", "--temperature", "nan"], "evaluation.temperature must be a finite number, but is nan"),
        (["{run}", "--temperature", "inf"], "evaluation.temperature must be a finite number, but is inf"),
        (["{run}", "--top-k", "-2"], "evaluation.top_k must be at least 0, but is -2"),
        (["{run}", "--top-p", "0"], "evaluation.top_p must be above 0 and at most 1, but is 0.0"),
        (["{run}", "--top-p", "1.5"], "evaluation.top_p must be above 0 and at most 1, but is 1.5"),
        (["{run}", "--seed", "1" + "0" * 30], "evaluation.sample_seed must be at most 1,000,000,000,000"),
        (["{run}", "--max-new-bytes", "0"], "evaluation.max_new_bytes must be at least 1, but is 0"),
        (["{run}", "--prompt", "a\udc80"], "prompt 1 holds the lone surrogate U+DC80"),
        (["{trial}", "--prompt", "a"], "is a whole trial: name one of its runs"),
        (["{trial}/runs/btm", "--prompt", "a"], "is not the folder of a run"),
        (["nowhere", "--prompt", "a"], "nowhere is not the folder of a run"),
        (["{trial}/runs/btm/seed-2", "--prompt", "a"], "has no seed 2"),
    ],
)
def test_mistakes_end_in_one_clear_message(trial: Trial, arguments: list[str], message: str) -> None:
    names = {"run": str(run_folder(trial)), "trial": str(trial.folder)}
    out, err = generated(*[argument.format(**names) for argument in arguments], expected_code=1)
    assert message in err
    assert out == ""


def test_a_device_that_is_not_there_is_an_error(trial: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    missing = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(SystemExit) as stopped:
        cli.main(["generate", str(run_folder(trial)), "--prompt", "a", "--device", missing])
    assert stopped.value.code == 1
    said = capsys.readouterr()
    assert f"--device is {missing}, which this machine does not have; it has: " in said.err
    assert said.out == ""


def test_a_run_that_is_not_finished_is_refused(trial: Trial, tmp_path: Path) -> None:
    (tmp_path / "runs" / "btm" / "seed-1").mkdir(parents=True)
    (tmp_path / "protocol.toml").write_bytes((trial.folder / "protocol.toml").read_bytes())
    _, err = generated(str(tmp_path / "runs" / "btm" / "seed-1"), "--prompt", "a", expected_code=1)
    assert "is not finished" in err


def test_in_a_process_of_its_own_whose_terminal_knows_only_ascii(trial: Trial) -> None:
    arguments = ["generate", str(run_folder(trial)), "--prompt", "One day \u4f60"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "toktrial", *arguments, "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == generated(*arguments[1:])[0].encode("ascii", errors="backslashreplace")


def test_where_nobody_reads_on_it_ends_without_a_word(trial: Trial) -> None:
    with endless(trial) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.read(len("One day")) == b"One day"
        child.stdout.close()  # as `| head` does
        assert child.stderr.read() == b""
    assert child.returncode == 128 + signal.SIGPIPE


def test_ctrl_c_ends_the_text_and_says_nothing_of_going_on(trial: Trial) -> None:
    with endless(trial) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.read(len("One day")) == b"One day"
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert out.endswith(b"\n")
    assert err == b""


def test_help_names_every_flag() -> None:
    out, _ = generated("--help")
    for flag in (
        "Folder of a finished run",
        "--prompt",
        "--temperature",
        "--top-k",
        "--top-p",
        "--seed",
        "--max-new-bytes",
        "--device",
    ):
        assert flag in out
