"""What a run writes about itself: its metrics as JSON lines, the only source of charts and tables, and record.json.

The clock that times its steps is here too; it also tells whether other work shared the CPU.
"""

import json
import os
import platform
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toktrial import __version__, artifact
from toktrial.errors import TrialError

if TYPE_CHECKING:  # the report reads metrics, and needs no torch
    import torch

    from toktrial.training.model import GPT

METRICS_FILE = "metrics.jsonl"
RECORD_FILE = "record.json"
THREADS_OF_THIS_PROCESS = Path("/proc/self/task")
# Of the threads' time. On two cores an otherwise idle machine shows 0.004 to 0.02, one other busy process 0.35, two 0.50.
THEN = ", then "  # in a record, between what a run was trained with at first, and with later
LARGEST_WAITED_SHARE = 0.1


@dataclass(frozen=True)
class Metrics:
    """One line, written before the first step, every `log_every` steps and at the last one."""

    step: int
    training_loss: float | None
    """Nats per token, the mean over the steps since the line before; None at step 0."""
    validation_loss: float
    """Nats per token of the curve's validation documents."""
    bits_per_byte: float
    """Of the curve's validation documents."""
    learning_rate: float
    timestamp: float
    """Seconds since 1970."""
    training_seconds: float
    """Time of the training steps so far, without compilation, warm-up, evaluation and checkpoints."""
    evaluation_seconds: float
    """Time of the evaluations so far."""
    tokens: int
    """Targets trained on so far."""
    bytes_seen: int
    """UTF-8 bytes of those targets."""
    flops: int
    """Training FLOPs so far."""


class MetricsLog:
    """Appends lines to a run's metrics file."""

    def __init__(self, folder: Path, last_step: int) -> None:
        """Drops the lines after `last_step`, from which the run goes on."""
        self._path = folder / METRICS_FILE
        kept = [line for line in read_metrics(folder) if line.step <= last_step]
        with artifact.publish_file(self._path) as partial:
            partial.write_text("".join(map(_as_line, kept)), encoding="utf-8")

    def append(self, line: Metrics) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_as_line(line))
            file.flush()
            os.fsync(file.fileno())


def read_metrics(folder: Path) -> list[Metrics]:
    """Returns a run's metrics, none if it has written none. Leaves out a last line that was cut short.

    Raises TrialError if any other line is damaged.
    """
    path = folder / METRICS_FILE
    if not path.exists():
        return []
    metrics = []
    for number, line in enumerate(artifact.check_file(path).read_bytes().split(b"\n")[:-1], start=1):
        try:
            metrics.append(Metrics(**json.loads(line)))
        except (ValueError, TypeError) as error:  # not JSON or not UTF-8; not an object, or one with other fields
            raise TrialError(
                f"{path} is damaged at line {number} ({error}): delete {folder} and run the same command again, which trains "
                "that run from the start"
            ) from None
    return metrics


def _as_line(line: Metrics) -> str:
    return json.dumps(asdict(line), allow_nan=False) + "\n"


class Clock:
    """Adds up the time of the training steps, all of it and nothing else, whatever the device still has in its queue."""

    def __init__(self, device: "torch.device") -> None:
        import torch

        from toktrial.training.device import synchronise

        self._device, self._synchronise, self._threads = device, synchronise, torch.get_num_threads()
        self._lap_began: tuple[float, float] | None = None
        self.seconds = 0.0
        self.waited_seconds = 0.0
        """For which all threads together waited for a core of the CPU; 0 if the system does not tell."""

    def start(self) -> None:
        self._synchronise(self._device)
        self._waited_before = _waited_seconds() or 0.0
        self._started = time.perf_counter()

    def stop(self) -> None:
        self._synchronise(self._device)
        self.seconds += time.perf_counter() - self._started
        # A thread that has ended is no longer counted, so the sum may have fallen.
        self.waited_seconds += max(0.0, (_waited_seconds() or 0.0) - self._waited_before)

    def lap(self, least_seconds: float) -> float | None:
        """Returns for how many cores all threads together waited, on average over a lap, and begins another one.

        Called between start and stop. None until a lap has lasted `least_seconds`, and where `waited_share` is None.
        """
        began = self._lap_began or (self.seconds, self.waited_seconds)
        self._lap_began = began
        if self._device.type != "cpu" or self.seconds + time.perf_counter() - self._started - began[0] < least_seconds:
            return None
        self.stop()
        self.start()
        self._lap_began = self.seconds, self.waited_seconds
        if self.waited_share() is None:
            return None
        return (self.waited_seconds - began[1]) / (self.seconds - began[0])

    def waited_share(self) -> float | None:
        """Returns the share of their time for which the threads of a training on a CPU waited for a core.

        None on another device, of which this would say nothing, and if the system does not tell.
        """
        if self._device.type != "cpu" or _waited_seconds() is None:
            return None
        return self.waited_seconds / (self.seconds * self._threads) if self.seconds else 0.0

    @property
    def has_waited(self) -> bool:
        """Whether the threads waited for so long that other work must have been in the way."""
        return (self.waited_share() or 0.0) > LARGEST_WAITED_SHARE


def _waited_seconds() -> float | None:
    """Returns how long this process's threads together have waited for a core so far; None if nothing tells.

    Source: the second figure, in nanoseconds, of Linux's /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats).
    """
    if not THREADS_OF_THIS_PROCESS.is_dir():
        return None
    waited = []
    for thread in THREADS_OF_THIS_PROCESS.iterdir():
        with suppress(OSError):  # the thread has just ended, or this Linux keeps no such figures
            waited.append(int((thread / "schedstat").read_text().split()[1]))
    return sum(waited) / 1e9 if waited else None


def write_record(folder: Path, run: dict[str, Any], model: "GPT", device: "torch.device") -> None:
    """Writes what is known of a run, the size of its model and what it runs on, so that it can be judged and repeated."""
    import torch

    counts = model.parameter_counts()
    record = {
        **run,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "parameters": counts.total,
        "parameters_without_embeddings": counts.without_embeddings,
        "parameters_of_embeddings": counts.embeddings,
        "flops_per_token": model.flops_per_token(),
        "versions": {
            "toktrial": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "source_commit": source_commit(Path(__file__).parent),
        "started": time.time(),
    }
    artifact.write_json(folder / RECORD_FILE, record)


def finish_record(folder: Path, clock: Clock, was_alone: bool) -> None:
    """Adds to the record what only the end of a run tells; `was_alone`: whether no other run was trained beside it."""
    path = folder / RECORD_FILE
    facts = {"waited_share": clock.waited_share(), "shared_device": clock.has_waited or not was_alone}
    artifact.write_json(path, artifact.read_json(path) | facts)


def source_commit(folder: Path) -> str | None:
    """Returns the git commit of the code in `folder`, followed by `-dirty` if tracked files differ from it.

    None without git, outside a checkout, and inside a checkout of another project, which does not track an installed package.
    """
    git = ["git", "--no-optional-locks", "-C", str(folder)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", "__init__.py"], capture_output=True, check=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
