"""The metrics of a run: JSON lines, the only source that charts and tables read."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from toktrial.errors import TrialError

METRICS_FILE = "metrics.jsonl"


@dataclass(frozen=True)
class Metrics:
    """One line, written before the first step, every `log_every` steps and at the last one."""

    step: int
    training_loss: float | None
    """Nats per token, mean over the steps since the line before; None at step 0, before any."""
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
        partial = self._path.with_name(f".{METRICS_FILE}.partial")
        partial.write_text("".join(_as_line(line) for line in kept), encoding="utf-8")
        partial.replace(self._path)

    def append(self, line: Metrics) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_as_line(line))
            file.flush()
            os.fsync(file.fileno())


def read_metrics(folder: Path) -> list[Metrics]:
    """Returns a run's metrics; none where it has written none. A last line that was cut short is left out.

    Raises TrialError where any other line is not one of metrics.
    """
    path = folder / METRICS_FILE
    if not path.exists():
        return []
    whole_lines = path.read_bytes().split(b"\n")[:-1]
    return [_from_line(line, path, number) for number, line in enumerate(whole_lines, start=1)]


def _from_line(line: bytes, path: Path, number: int) -> Metrics:
    try:
        return Metrics(**json.loads(line))
    except (ValueError, TypeError) as error:  # no JSON or no UTF-8; no object, or one with other fields
        raise TrialError(
            f"{path} is damaged at line {number} ({error}): delete {path.parent} and run the same command again, which trains "
            "that run anew"
        ) from None


def _as_line(line: Metrics) -> str:
    return json.dumps(asdict(line), allow_nan=False) + "\n"
