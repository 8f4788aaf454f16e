"""Settings of the training tests, and the processes in which they train what may be killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from toktrial.training.loop import train
from toktrial.training.run import Run

from .small_runs import Evaluator, Trained, free_port, run_in

# torch.compile then compiles in its own process, here and in children. Else it starts others that import torch for that.
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"


class Children:
    """Trains in processes of their own (child_runs.py), which signals may end at a chosen moment."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process, self._log = process, log

    def start(
        self,
        run: Run,
        moment: str | None = None,
        count: int = 1,
        number: int = signal.SIGKILL,
        processes: int = 1,
        without_compiler: int | None = None,
    ) -> list[int]:
        """Begins to train and returns the process ids; a process sends itself the signal when the moment comes to it.

        Several `processes` train the run together. `without_compiler` is the rank of one that finds none.
        """
        request: dict[str, Any] = asdict(run) | {"tokens_folder": str(run.tokens_folder), "folder": str(run.folder)}
        request |= {"moment": moment, "count": count, "signal": int(number), "log": str(self._log)}
        request |= {"processes": processes, "port": free_port(), "without_compiler": without_compiler}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def wait(self) -> tuple[list[int], str]:
        """Returns the exit codes and what was said."""
        return self._answer(), self._log.read_text()

    def train(self, run: Run, *arguments: Any, **more: Any) -> tuple[int, str]:
        """Starts and waits; returns the exit code, which must be that of every process, and what was said."""
        self.start(run, *arguments, **more)
        codes, said = self.wait()
        assert len(set(codes)) == 1, f"{codes}\n{said}"
        return codes[0], said

    def _answer(self) -> list[int]:
        assert self._process.stdout is not None
        numbers: list[int] = json.loads(self._process.stdout.readline())
        return numbers


@pytest.fixture(scope="session")
def children(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Children]:
    script = Path(__file__).with_name("child_runs.py")
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Children(process, tmp_path_factory.mktemp("children") / "log")


@pytest.fixture(scope="session")
def tokens(story_tokens: dict[str, Path]) -> Path:
    return story_tokens["bpe"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tokens: Path) -> Trained:
    run = run_in(tmp_path_factory.mktemp("run") / "bpe" / "seed-1", tokens)
    evaluator = Evaluator(run, seconds=0.1)
    started = time.perf_counter()
    train(run, evaluator)
    return Trained(run, evaluator, time.perf_counter() - started)
