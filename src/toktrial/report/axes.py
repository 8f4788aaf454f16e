"""The axes that training is counted along: the one place that names them.

Each is a column of training/metrics.py; curves, results, charts and tables derive all they say of an axis from here.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

from toktrial.report import wording
from toktrial.training.metrics import Metrics


@dataclass(frozen=True)
class Axis:
    """One axis. Formats are those of d3 (d3js.org/d3-format), which the charts read."""

    column: str
    """Its column in metrics.jsonl, and its name in results.json and in the charts' file names."""
    title: str
    """What stands at the chart's axis, with the unit."""
    label: str
    """What it counts, as in a heading: "Bits per byte by steps"."""
    row: str
    """The same at the head of a table's row, where no heading helps."""
    ticks: str
    """Format of the numbers along the chart's axis."""
    pointed: str
    """Format of the number under the pointer."""
    written: Callable[[float | None], str]
    """How tables and sentences write a number of it."""
    is_compared: bool = True
    """Whether tracks are compared along it; otherwise it is drawn alone."""


AXES = {
    axis.column: axis
    for axis in (
        Axis("step", "training step", "steps", "steps", ",~r", ",.0f", wording.count),
        Axis("training_seconds", "training time (s)", "seconds", "training seconds", ",~r", ",.1f", wording.seconds),
        Axis("bytes_seen", "text read (bytes)", "bytes of text", "bytes of text", "~s", ",.0f", wording.count),
        Axis("flops", "training FLOPs", "FLOPs", "FLOPs", "~s", ".3s", wording.scientific),
        # A step reads the same number of tokens in every track, so a comparison along them would repeat the one along steps.
        Axis("tokens", "tokens read", "tokens", "tokens", "~s", ",.0f", wording.count, is_compared=False),
    )
}
COMPARED_AXES = [axis.column for axis in AXES.values() if axis.is_compared]
CURVE_COLUMNS = [item.name for item in fields(Metrics) if item.name != "timestamp"]  # of a run's curve; Metrics has their units
