"""Trains in processes that tests may kill: reads requests, one JSON object a line, and forks children for each.

Answers every request with two lines of JSON: the children's process ids, and when all have ended their exit codes (those of
signals negative). Forking spares each child the seconds in which torch is imported.
"""

import itertools
import json
import os
import signal as signals
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch._inductor.compile_fx  # the optimizer and torch.compile would import it, in every child
from torch._inductor import config as inductor

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.tokens.store import TokenStore
from toktrial.training import loop
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.distributed import joined
from toktrial.training.metrics import METRICS_FILE, MetricsLog
from toktrial.training.run import Run
from toktrial.training.step import TrainingStep


def main() -> None:
    torch.set_num_threads(1)  # a pool of threads does not survive a fork
    for line in sys.stdin:
        request = json.loads(line)
        Path(request["log"]).write_text("")
        children = [_fork(request, rank) for rank in range(request["processes"])]
        _answer(children)
        _answer([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])


def _answer(numbers: list[int]) -> None:
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()


def _fork(request: dict[str, Any], rank: int) -> int:
    child = os.fork()
    if child == 0:
        os._exit(_exit_code_of(request, rank))
    return child


def _exit_code_of(request: dict[str, Any], rank: int) -> int:
    """Trains as the request says; what `train` raises becomes the code that a shell would see."""
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    warnings.filterwarnings("error", message=".*buffers")  # so torch says which arguments it will no longer take
    if rank == request["without_compiler"]:
        inductor.cpp.cxx = (None, "no-such-compiler")
        inductor.force_disable_caches = True
    try:
        if request["processes"] == 1:
            _train(request)
        else:
            _train_together(request, rank)
    except KeyboardInterrupt:
        return 130
    except SystemExit as stopped:
        return int(str(stopped.code))
    except TrialError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _train_together(request: dict[str, Any], rank: int) -> None:
    """Joins the processes as torchrun would have them join, and trains."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(request["port"])}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(request["processes"])}
    with joined():
        _train(request)


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
        "a step is done": (TrainingStep, "__call__", send),
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
