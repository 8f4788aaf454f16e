"""Trains in processes that tests may kill: reads requests, one JSON object a line, and forks a child for each.

Answers every request with two lines: the child's process id, and when it has ended its exit code (that of a signal
negative). Forking spares each child the seconds in which torch is imported.
"""

import itertools
import json
import os
import signal as signals
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch._dynamo  # the optimizer would import it, in every child

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.tokens.store import TokenStore
from toktrial.training import loop
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.metrics import METRICS_FILE, MetricsLog
from toktrial.training.run import Run


def main() -> None:
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_exit_code_of(request))
        _answer(child)
        _answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _answer(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _exit_code_of(request: dict[str, Any]) -> int:
    """Trains as the request says; what `train` raises becomes the code that a shell would see."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        _train(request)
    except KeyboardInterrupt:
        return 130
    except SystemExit as stopped:
        return int(str(stopped.code))
    except TrialError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _train(request: dict[str, Any]) -> None:
    run = Run(
        track=request["track"],
        seed=request["seed"],
        vocab_size=request["vocab_size"],
        model=ModelConfig(**request["model"]),
        training=TrainingConfig(**request["training"]),
        tokens_folder=Path(request["tokens_folder"]),
        folder=Path(request["folder"]),
    )
    store = TokenStore.open(run.tokens_folder)
    scorer = DocumentScorer(store.validation, store.entry_bytes, run.model.context, run.vocab_size, 4)
    evaluate = scorer.score
    moment = request["moment"]
    if moment is not None:
        evaluate = _arm(moment, request["count"], request["signal"], evaluate)
    loop.train(run, evaluate)


def _arm(moment: str, count: int, signal: int, evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """Makes this process send itself the signal when the moment comes for the `count`-th time. Returns the evaluator."""

    def send(*_: Any) -> None:
        os.kill(os.getpid(), signal)

    def cut_checkpoint(_state: Any, path: Path) -> None:
        os.truncate(path, path.stat().st_size // 2)
        send()

    def cut_line(log: MetricsLog, _line: Any) -> None:
        path = log._path
        assert path.name == METRICS_FILE
        os.truncate(path, path.stat().st_size - 30)
        send()

    def wait(*_: Any) -> None:
        while signals.getsignal(signals.SIGTERM) is not signals.SIG_DFL:  # a run that was told to stop puts it back
            time.sleep(0.01)

    if moment == "in an evaluation":
        return _followed(evaluate, count, send)
    if moment == "never, but it waits in an evaluation":
        return _followed(evaluate, count, wait)
    places: dict[str, tuple[Any, str, Callable[..., None]]] = {
        "a line is half written": (MetricsLog, "append", cut_line),
        "a line is written": (MetricsLog, "append", send),
        "a checkpoint is half written": (torch, "save", cut_checkpoint),
        "a checkpoint is written": (loop, "save_checkpoint", send),
        "the weights are half published": (safetensors.torch, "save_file", send),
        "the manifest is written": (artifact, "write_json", send),
    }
    owner, name, act = places[moment]
    setattr(owner, name, _followed(getattr(owner, name), count, act))
    return evaluate


def _followed(function: Callable[..., Any], count: int, act: Callable[..., None]) -> Callable[..., Any]:
    """Returns the function with `act`, on the same arguments, behind its `count`-th call."""
    calls = itertools.count(1)

    def followed(*arguments: Any) -> Any:
        result = function(*arguments)
        if next(calls) == count:
            act(*arguments)
        return result

    return followed


if __name__ == "__main__":
    main()
