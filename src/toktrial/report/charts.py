"""The charts along the training: pictures for a paper, and what the page's script redraws as a reader chooses.

Result -> rows -> charts -> sections. Every chart shows all tracks: the mean over the runs, and a band that spans them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from toktrial.report.axes import AXES, COMPARED_AXES
from toktrial.report.blocks import Chart, Figure
from toktrial.report.chart_rows import Datasets, Domain, Rows, chart_data, names_at_ends, stride, y_domains
from toktrial.report.chart_specification import (
    AXIS_TITLES,
    NAMES,
    Specification,
    line_chart,
    with_values_under_the_pointer,
)
from toktrial.report.result import TrialResult
from toktrial.report.styles import styles_of
from toktrial.report.tracks import MeanCurve
from toktrial.report.wording import decimal, plural, signed

AXIS_LABELS = {name: axis.label for name, axis in AXES.items()}


class Measure(NamedTuple):
    """What a chart shows, the title of its y axis, the axes along which it becomes a file, its height on the page in pixels.

    Tokens need no file of their own: a step reads the same number of tokens in every track, so the picture is that by steps.
    """

    heading: str
    y_title: str
    pictured_along: tuple[str, ...]
    page_height: int


TRAINED_ALONG = ("step", "training_seconds")
MEASURES = {
    "difference": Measure(
        "Difference in bits per byte", "difference from the baseline (bits per byte)", tuple(COMPARED_AXES), 340
    ),
    "bits_per_byte": Measure("Bits per byte", "bits per byte of text", tuple(COMPARED_AXES), 400),
    "validation_loss": Measure("Validation loss per token", "validation loss (nats per token)", TRAINED_ALONG, 280),
    "training_loss": Measure("Training loss per token", "training loss (nats per token)", TRAINED_ALONG, 280),
}
COMPARING = ("difference", "bits_per_byte")  # the measures that compare tokenizers; loss per token does not

HOW_TO_READ = (
    "A line is the mean over a track's runs; the band around it spans its lowest to its highest run. Lower is better. "
    "Only bits per byte compares tracks; loss per token does not. Validation curves are measured on one fixed subset of the "
    "validation documents, the same for every track. The y axes do not start at 0."
)
DIFFERENCE_CAPTION = (
    "Other track minus baseline, mean over paired seeds; below 0 the other track is ahead. The band is the pointwise interval "
    "over seeds. The large mark and its interval, on all validation documents, are what the verdict rests on."
)
GREY = "In colour: the baseline and the five best tracks. The others are grey, and bands are left out."
CUT_EARLY = "Points outside the chart come early in training, or belong to an interval too wide for it."
CUT = "The first evaluations lie above the chart."
UNEQUAL_TOKENS = "The tracks read unequal numbers of tokens in a step, so nothing compares them along tokens."
NO_TIMED_PAIRS = "In every pair, a run shared its device with other work, so there is nothing to compare in seconds."


@dataclass(frozen=True)
class LearningCurve:
    """One of MEASURES along one axis, a key of AXIS_TITLES, ready to be drawn from the rows of a `dataset`.

    `description`: axes, tracks and last values, for readers who cannot see it. By the scale of y, `linear` or `log`:
    `captions`, what a reader must know beside HOW_TO_READ, `domains`, the ends of y, which hold all evaluations on `log`, and
    `names`, where each line's name stands if the legend has no room for all.
    """

    measure: str
    axis: str
    description: str
    captions: dict[str, str]
    domains: dict[str, Domain]
    names: dict[str, Rows]
    dataset: str

    @property
    def title(self) -> str:
        return f"{MEASURES[self.measure].heading} by {AXIS_LABELS[self.axis]}"


def charts(result: TrialResult, measures: Sequence[str]) -> tuple[Chart, ...]:
    """Returns a chart for each of some MEASURES."""
    datasets = chart_data(result)
    return tuple(_chart(result, learning_curves(result, datasets, measure), datasets) for measure in measures)


def learning_curves(result: TrialResult, datasets: Datasets, measure: str) -> list[LearningCurve]:
    """Returns a measure along every axis."""
    if measure == "difference":
        return [_difference_curve(result, datasets, axis) for axis in AXIS_TITLES]
    return [_measure_curve(result, datasets, measure, axis) for axis in AXIS_TITLES]


def _chart(result: TrialResult, curves: Sequence[LearningCurve], datasets: Datasets) -> Chart:
    first = curves[0]
    measure = MEASURES[first.measure]
    rows = {"plain": _without_control(datasets[first.dataset]), "control": datasets[first.dataset]}
    specifications = {
        kind: with_values_under_the_pointer(_specification(result, first, drawn), first.measure, measure.page_height)
        for kind, drawn in rows.items()
    }
    # What page_files/charts.js changes in a specification when its reader chooses another axis.
    axes = {
        curve.axis: {
            **asdict(curve), "heading": curve.title, "title": AXIS_TITLES[curve.axis], "format": AXES[curve.axis].ticks,
        }
        for curve in curves
    }  # fmt: skip
    return Chart(
        id=first.measure,
        pictures=tuple(_picture(result, curve, datasets) for curve in curves if curve.axis in measure.pictured_along),
        interactive={"specifications": specifications, "axes": axes},
        datasets={curve.dataset: datasets[curve.dataset] for curve in curves},
    )


def _picture(result: TrialResult, curve: LearningCurve, datasets: Datasets) -> Figure:
    """Returns the chart as a picture, without the A/A control."""
    rows, names = _without_control(datasets[curve.dataset]), _without_control(curve.names["linear"])
    return Figure(
        name=f"{curve.measure}_by_{curve.axis}",
        specification={**_specification(result, curve, rows), "datasets": {"rows": rows, NAMES: names}},
        description=curve.description,
        caption=curve.captions["linear"],
        title=curve.title,
    )


def _specification(result: TrialResult, curve: LearningCurve, rows: Rows) -> Specification:
    styles, drawn = styles_of(result), {row["name"] for row in rows}
    names = [track for track in result.tracks if track in drawn]
    control = next((row["name"] for row in rows if row["control"]), None)
    floors = {name: each.floors.bigram.curve_bits_per_byte for name, each in result.tracks.items() if each.floors}
    drawn_floors = [(name, floors[name]) for name in styles.told_apart if name in floors and curve.measure == "bits_per_byte"]
    y_title, domain = MEASURES[curve.measure].y_title, curve.domains["linear"]
    return line_chart(curve.measure, curve.axis, y_title, domain, names, control, styles, drawn_floors)


def _measure_curve(result: TrialResult, datasets: Datasets, measure: str, axis: str) -> LearningCurve:
    timed = result.mean_curves.timed_runs if axis == "training_seconds" else None
    dataset, curves = ("all_runs", result.mean_curves.all_runs) if timed is None else ("timed_runs", timed)
    domains, is_cut = y_domains(datasets[dataset], measure, axis)
    cautions = _cautions(result, axis)
    ends = [end for curve in curves if not curve.control and (end := _last_value(curve, measure))]
    return LearningCurve(
        measure=measure,
        axis=axis,
        description=f"Line chart: {MEASURES[measure].y_title} against {AXIS_TITLES[axis]}. At the end: {'; '.join(ends)}.",
        captions={"linear": " ".join([*([CUT] if is_cut else []), *cautions]), "log": " ".join(cautions)},
        domains=domains,
        names=_names(result, datasets[dataset], measure, domains),
        dataset=dataset,
    )


def _difference_curve(result: TrialResult, datasets: Datasets, axis: str) -> LearningCurve:
    dataset = f"difference_by_{axis}"
    domains, is_cut = y_domains(datasets[dataset], "difference", axis)
    cautions = [DIFFERENCE_CAPTION, *([CUT_EARLY] if is_cut else []), *_cautions(result, axis)]
    caption = " ".join(cautions) if datasets[dataset] else UNEQUAL_TOKENS if axis == "tokens" else NO_TIMED_PAIRS
    what = f"Line chart: bits per byte of each other track minus {result.baseline} against {AXIS_TITLES[axis]}."
    ends = [f"{each.track} {signed(each.difference)}" for each in result.comparisons]
    return LearningCurve(
        measure="difference",
        axis=axis,
        description=f"{what} Where the verdict compares: {'; '.join(ends)}.",
        captions=dict.fromkeys(("linear", "log"), caption),
        domains=domains,
        names=_names(result, datasets[dataset], "difference", domains),
        dataset=dataset,
    )


def _names(result: TrialResult, rows: Rows, measure: str, domains: dict[str, Domain]) -> dict[str, Rows]:
    styles = styles_of(result)
    if not styles.are_crowded(result.tracks):
        return {"linear": [], "log": []}
    return {
        "linear": names_at_ends(rows, measure, domains["linear"], "linear", styles.told_apart),
        "log": names_at_ends(rows, measure, domains["log"], "log", styles.told_apart) if measure != "difference" else [],
    }


def _last_value(curve: MeanCurve, measure: str) -> str:
    columns = (curve.columns[name] for name in (measure, f"{measure}_lowest", f"{measure}_highest"))
    values = [row for row in zip(*columns, strict=True) if row[0] is not None]
    if not values:
        return ""
    mean, lowest, highest = (decimal(value, 4) for value in values[-1])
    runs = len(curve.seeds)
    return f"{curve.track} {mean}" + (f" ({lowest} to {highest} over {plural(runs, 'run')})" if runs > 1 else "")


def _cautions(result: TrialResult, axis: str) -> list[str]:
    parts = [GREY] if styles_of(result).are_crowded(result.tracks) else []
    if axis == "training_seconds" and not all(track.training_seconds_compare for track in result.tracks.values()):
        parts.append("Runs shared a device, so these seconds do not compare.")
    if axis == "training_seconds" and any(run.timed_step_seconds for track in result.tracks.values() for run in track.runs):
        parts.append("Seconds of runs that were trained side by side: steps times the seconds of a step timed alone.")
    drawn = stride(max(len(curve.columns["step"]) for curve in result.mean_curves.all_runs))
    if drawn > 1:
        parts.append(f"One in {drawn} evaluations is drawn; results.json has all.")
    return parts


def _without_control(rows: Rows) -> Rows:
    return [row for row in rows if not row["control"]]
