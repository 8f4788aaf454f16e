"""The charts along the training: pictures for a paper, and what the page's script draws anew as a reader chooses.

Result -> rows -> charts -> sections. Every chart shows all tracks: the mean over the runs, and a band that spans them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toktrial.report.axes import AXES
from toktrial.report.blocks import Chart, Figure
from toktrial.report.chart_rows import Datasets, Rows, chart_data, stride
from toktrial.report.chart_specification import (
    AXIS_TITLES,
    specification,
    with_floors,
    with_values_under_the_pointer,
    with_verdict,
)
from toktrial.report.result import TrialResult
from toktrial.report.tracks import MeanCurve
from toktrial.report.wording import decimal, plural, signed

SETTLED_SHARE = 0.1  # where a chart is cut, it shows everything after this share of the axis
CUT_FROM = 1.8  # cut the top off where the full range is more than so many times what comes after that share

MEASURES = {
    "difference": ("Difference in bits per byte", "minus the baseline (bits per byte)"),
    "bits_per_byte": ("Bits per byte", "bits per byte of text"),
    "validation_loss": ("Validation loss per token", "validation loss (nats per token)"),
    "training_loss": ("Training loss per token", "training loss (nats per token)"),
}
DRAWN_FROM = 0.1  # of the axis: what comes before may leave the chart of differences, for it is several times the later
COMPARING = ("difference", "bits_per_byte")  # the measures that compare tokenizers; loss per token does not
AXIS_LABELS = {name: axis.label for name, axis in AXES.items()}
# The charts that become files. Tokens and steps give one picture: a step reads the same number of tokens in every track.
PICTURES = {
    "difference": ("step", "training_seconds", "bytes_seen", "flops"),
    "bits_per_byte": ("step", "training_seconds", "bytes_seen", "flops"),
    "validation_loss": ("step", "training_seconds"),
    "training_loss": ("step", "training_seconds"),
}
DIFFERENCE_CAPTION = (
    "Other track minus baseline, mean over paired seeds; below 0 the other track is ahead. The band is the interval over "
    "seeds, point by point. The large mark with its interval is what decides, on all validation documents."
)
CUT_EARLY = "What lies outside the chart comes early, or is an interval too wide for it."
CUT = "The first evaluations lie above the chart."
PAGE_HEIGHTS = {"difference": 340, "bits_per_byte": 400, "validation_loss": 280, "training_loss": 280}  # pixels
HOW_TO_READ = (
    "A line is the mean over a track's runs; the band around it goes from its lowest run to its highest. Lower is better. "
    "Only bits per byte compares tracks; loss per token does not. Validation curves are measured on one fixed subset of the "
    "validation documents, the same for every track. The y axes do not start at 0."
)


@dataclass(frozen=True)
class LearningCurve:
    """One measure along one axis, ready to be drawn."""

    measure: str
    """One of MEASURES."""
    axis: str
    """Column along the x axis: one of AXIS_TITLES."""
    description: str
    """What it shows, for those who cannot see it: axes, tracks and last values."""
    caption: str
    """What must be known to read this one, beside HOW_TO_READ; may be empty."""
    caption_without_cut: str
    """The same where the y axis holds every evaluation, as a logarithmic one does."""
    domain: list[float]
    """The ends of a linear y axis."""
    logarithmic_domain: list[float]
    """The ends of a logarithmic one, which holds every evaluation."""
    dataset: str
    """Name of the rows that it draws."""
    floors: tuple[tuple[str, float], ...] = ()
    """Tracks, and what counting pairs reaches for each, which a quiet line shows."""

    @property
    def name(self) -> str:
        """File name without its ending, as in `bits_per_byte_by_step`."""
        return f"{self.measure}_by_{self.axis}"

    @property
    def title(self) -> str:
        """What a reader calls it."""
        return f"{MEASURES[self.measure][0]} by {AXIS_LABELS[self.axis]}"


def charts(result: TrialResult, measures: Sequence[str]) -> tuple[Chart, ...]:
    """Returns a chart for each of some MEASURES."""
    datasets = chart_data(result)
    return tuple(_chart(learning_curves(result, datasets, measure), datasets) for measure in measures)


def learning_curves(result: TrialResult, datasets: Datasets, measure: str) -> list[LearningCurve]:
    """Returns a measure along every axis."""
    make = _difference_chart if measure == "difference" else _learning_curve
    return [make(result, datasets, measure, axis) for axis in AXIS_TITLES]


def _chart(curves: Sequence[LearningCurve], datasets: Datasets) -> Chart:
    first = curves[0]
    return Chart(
        id=first.measure,
        pictures=tuple(_picture(curve, datasets) for curve in curves if curve.axis in PICTURES[curve.measure]),
        interactive={
            "specifications": _specifications(first, datasets[first.dataset]),
            "axes": {curve.axis: _changes(curve) for curve in curves},
        },
        datasets={curve.dataset: datasets[curve.dataset] for curve in curves},
    )


def _picture(curve: LearningCurve, datasets: Datasets) -> Figure:
    """Returns the chart as a picture, without the A/A control."""
    rows = [row for row in datasets[curve.dataset] if not row["control"]]
    return Figure(
        name=curve.name,
        specification={**_specification(curve, rows), "datasets": {"rows": rows}},
        description=curve.description,
        caption=curve.caption,
        title=curve.title,
    )


def _learning_curve(result: TrialResult, datasets: Datasets, measure: str, axis: str) -> LearningCurve:
    timed = result.mean_curves.timed_runs if axis == "training_seconds" else None
    dataset, curves = ("all_runs", result.mean_curves.all_runs) if timed is None else ("timed_runs", timed)
    rows = datasets[dataset]
    domain, is_cut = _fitted_domain(rows, measure, axis)
    return LearningCurve(
        measure=measure,
        axis=axis,
        description=_description(curves, measure, axis),
        caption=" ".join([*([CUT] if is_cut else []), *_cautions(result, axis)]),
        caption_without_cut=" ".join(_cautions(result, axis)),
        domain=domain,
        logarithmic_domain=_whole_domain(rows, measure),
        dataset=dataset,
        floors=_floors(result) if measure == "bits_per_byte" else (),
    )


def _floors(result: TrialResult) -> tuple[tuple[str, float], ...]:
    found = {name: track.floors for name, track in result.tracks.items() if track.floors}
    return tuple((name, floors.bigram.curve_bits_per_byte) for name, floors in found.items())


def _difference_chart(result: TrialResult, datasets: Datasets, measure: str, axis: str) -> LearningCurve:
    name = f"{measure}_by_{axis}"
    domain, is_cut = fitted_difference_domain(datasets[name], axis)
    cautions = [DIFFERENCE_CAPTION, *([CUT_EARLY] if is_cut else []), *_cautions(result, axis)]
    if not datasets[name]:
        cautions = ["Every pair has a run that shared its device: there is nothing to compare in seconds."]
    return LearningCurve(
        measure=measure,
        axis=axis,
        description=_difference_description(result, axis),
        caption=" ".join(cautions),
        caption_without_cut=" ".join(cautions),
        domain=domain,
        logarithmic_domain=domain,  # differences have no logarithm: page_files/charts.js keeps this axis linear
        dataset=name,
    )


def _description(curves: Sequence[MeanCurve], measure: str, axis: str) -> str:
    ends = [end for curve in curves if not curve.control and (end := _last_value(curve, measure))]
    return f"Line chart: {MEASURES[measure][1]} against {AXIS_TITLES[axis]}. At the end: {'; '.join(ends)}."


def _last_value(curve: MeanCurve, measure: str) -> str:
    columns = (curve.columns[name] for name in (measure, f"{measure}_lowest", f"{measure}_highest"))
    values = [row for row in zip(*columns, strict=True) if row[0] is not None]
    if not values:
        return ""
    mean, lowest, highest = (decimal(value, 4) for value in values[-1])
    runs = len(curve.seeds)
    return f"{curve.track} {mean}" + (f" ({lowest} to {highest} over {plural(runs, 'run')})" if runs > 1 else "")


def _cautions(result: TrialResult, axis: str) -> list[str]:
    parts = []
    if axis == "training_seconds" and not all(track.training_seconds_compare for track in result.tracks.values()):
        parts.append("Runs shared a device: these seconds do not compare.")
    drawn = stride(max(len(curve.columns["step"]) for curve in result.mean_curves.all_runs))
    if drawn > 1:
        parts.append(f"One in {drawn} evaluations is drawn; results.json has all.")
    return parts


def _difference_description(result: TrialResult, axis: str) -> str:
    ends = [f"{each.track} {signed(each.difference)}" for each in result.comparisons]
    what = f"Line chart: bits per byte of each other track minus {result.baseline} against {AXIS_TITLES[axis]}."
    return f"{what} Where the verdict compares: {'; '.join(ends)}."


def fitted_difference_domain(rows: Rows, axis: str) -> tuple[list[float], bool]:
    """Returns the ends of the y axis, 0 between them, and whether something early lies beyond them."""
    ends = ("difference_lowest", "difference", "difference_highest")
    end = max((row[axis] for row in rows), default=0.0)
    late = [row for row in rows if row[axis] >= DRAWN_FROM * end]
    values = [row[name] for row in late for name in ends if row[name] is not None]
    if not values:
        return [-1.0, 1.0], False
    # Where two runs differ much, their interval is many times the difference itself: the mean lines then rule the axis.
    means = [row["difference"] for row in late if row["difference"] is not None]
    span = max(abs(float(np.max(means))), abs(float(np.min(means))))
    low, high = max(min(*values, 0.0), -1.5 * span), min(max(*values, 0.0), 1.5 * span)
    margin = 0.06 * (high - low) or 0.01
    domain = [low - margin, high + margin]
    is_cut = any(not domain[0] <= row[name] <= domain[1] for row in rows for name in ends if row[name] is not None)
    return domain, is_cut


def _fitted_domain(rows: Rows, measure: str, axis: str) -> tuple[list[float], bool]:
    """Returns the y axis's ends, and whether the first evaluations lie above it.

    The first losses are several times the last ones: drawn in full, they would press all that matters into a line.
    """
    rows = [row for row in rows if row[measure] is not None]
    if not rows:
        return [0.0, 1.0], False
    end = max(row[axis] for row in rows)
    highs = [row[f"{measure}_highest"] for row in rows]
    settled = max(row[f"{measure}_highest"] for row in rows if row[axis] >= SETTLED_SHARE * end)
    lowest, highest = min(row[f"{measure}_lowest"] for row in rows), max(highs)
    is_cut = highest - lowest > CUT_FROM * (settled - lowest)
    top = settled if is_cut else highest
    margin = 0.04 * (top - lowest) or 0.01 * abs(top) or 1.0
    return [lowest - margin, top + margin], is_cut


def _whole_domain(rows: Rows, measure: str) -> list[float]:
    """Returns the ends of an axis that holds all, with a margin that a logarithmic scale shows as even."""
    values = [row[f"{measure}_{end}"] for row in rows for end in ("lowest", "highest") if row[measure] is not None]
    positive = [value for value in values if value > 0]
    if not positive:
        return [0.1, 1.0]
    margin = (max(positive) / min(positive)) ** 0.03
    return [min(positive) / margin, max(positive) * margin]


def _specification(chart: LearningCurve, rows: Rows) -> dict[str, Any]:
    names = list(dict.fromkeys(row["name"] for row in rows if not row["control"]))
    control = next((row["name"] for row in rows if row["control"]), None)
    titles = (AXIS_TITLES[chart.axis], MEASURES[chart.measure][1])
    if chart.measure == "difference":
        return with_verdict(specification("difference", chart.axis, titles, chart.domain, names, None, first_style=1))
    drawn = specification(chart.measure, chart.axis, titles, chart.domain, names, control)
    return with_floors(drawn, chart.floors) if chart.floors else drawn


def _specifications(chart: LearningCurve, rows: Rows) -> dict[str, Any]:
    without = [row for row in rows if not row["control"]]
    return {"plain": _interactive_specification(chart, without), "control": _interactive_specification(chart, rows)}


def _interactive_specification(chart: LearningCurve, rows: Rows) -> dict[str, Any]:
    return with_values_under_the_pointer(_specification(chart, rows), chart.measure, PAGE_HEIGHTS[chart.measure])


def _changes(chart: LearningCurve) -> dict[str, Any]:
    return {
        "title": AXIS_TITLES[chart.axis],
        "heading": chart.title,
        "format": AXES[chart.axis].ticks,
        "description": chart.description,
        "caption": {"linear": chart.caption, "log": chart.caption_without_cut},
        "domains": {"linear": chart.domain, "log": chart.logarithmic_domain},
        "dataset": chart.dataset,
    }
