"""The learning curves: as SVG and PNG files for a paper, and as what the page's interactive charts are made from.

results -> charts -> page and Markdown. Every chart shows all tracks: the mean over the runs, and a band that spans them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toktrial.report.chart_specification import NUMBERS, number_format, specification, with_values_under_the_pointer
from toktrial.report.wording import decimal, plural

PNG_SCALE = 2
MARKERS = 10  # markers along a line, enough to tell lines apart in grey
POINTS_DRAWN = 400  # at most so many points a line, which is more than a chart shows; results.json has them all
SETTLED_SHARE = 0.1  # where a chart is cut, it shows everything after this share of the axis
CUT_FROM = 1.8  # cut the top off where the full range is more than so many times what comes after that share

MEASURES = {
    "bits_per_byte": ("Bits per byte", "bits per byte of text"),
    "validation_loss": ("Validation loss per token", "validation loss (nats per token)"),
    "training_loss": ("Training loss per token", "training loss (nats per token)"),
}
AXIS_TITLES = {axis: title for axis, title, _ in NUMBERS}
AXIS_LABELS = {
    "step": "steps", "training_seconds": "seconds", "bytes_seen": "bytes of text", "flops": "FLOPs", "tokens": "tokens",
}  # fmt: skip
# The charts that become files. Tokens and steps give one picture: a step reads the same number of tokens in every track.
PICTURES = {
    "bits_per_byte": ("step", "training_seconds", "bytes_seen", "flops"),
    "validation_loss": ("step", "training_seconds"),
    "training_loss": ("step", "training_seconds"),
}
CUT = "The first evaluations lie above the chart."
PAGE_HEIGHTS = {"bits_per_byte": 400, "validation_loss": 280, "training_loss": 280}  # pixels
Rows = list[dict[str, Any]]
Datasets = dict[str, Rows]
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

    @property
    def name(self) -> str:
        """File name without its ending, as in `bits_per_byte_by_step`."""
        return f"{self.measure}_by_{self.axis}"

    @property
    def title(self) -> str:
        """What a reader calls it."""
        return f"{MEASURES[self.measure][0]} by {AXIS_LABELS[self.axis]}"


def learning_curves(results: dict[str, Any], datasets: Datasets) -> list[LearningCurve]:
    """Returns every measure along every axis, bits per byte by steps first."""
    return [_learning_curve(results, datasets, measure, axis) for measure in MEASURES for axis in AXIS_TITLES]


def pictures(charts: Sequence[LearningCurve]) -> list[LearningCurve]:
    """Returns the charts that become files, in the order in which report.md shows them."""
    return [chart for chart in charts if chart.axis in PICTURES[chart.measure]]


def draw(chart: LearningCurve, datasets: Datasets) -> str:
    """Returns the chart as SVG, without the A/A control."""
    import vl_convert

    rows = [row for row in datasets[chart.dataset] if not row["control"]]
    drawn = {**_specification(chart, rows), "description": chart.description, "datasets": {"rows": rows}}
    return str(vl_convert.vegalite_to_svg(json.dumps(drawn)))


def save(chart: LearningCurve, svg: str, folder: Path) -> None:
    """Writes what `draw` made: NAME.svg, and NAME.png at twice its pixels on white, into `folder`."""
    import vl_convert

    (folder / f"{chart.name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{chart.name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))


def interactive_charts(charts: Sequence[LearningCurve], datasets: Datasets) -> dict[str, Any]:
    """Returns what sections/charts.js draws from: the rows, and for each measure its Vega-Lite and what an axis changes."""
    measures: dict[str, Any] = {}
    for chart in charts:
        if chart.measure not in measures:
            measures[chart.measure] = {"specifications": _specifications(chart, datasets[chart.dataset]), "axes": {}}
        measures[chart.measure]["axes"][chart.axis] = _changes(chart)
    return {"measures": measures, "datasets": datasets}


def chart_data(results: dict[str, Any]) -> Datasets:
    """Returns the rows that the charts draw, one an evaluation: those of `all_runs`, and of `timed_runs` where these are fewer.

    They are results["mean_curves"], thinned to POINTS_DRAWN a line and rounded to what a chart shows: it keeps the page small.
    """
    return {
        # The control first: what is drawn first lies beneath.
        name: [row for curve in sorted(curves, key=lambda curve: not curve["control"]) for row in _rows(curve)]
        for name, curves in results["mean_curves"].items()
        if curves is not None
    }


def _rows(curve: dict[str, Any]) -> Rows:
    steps = len(curve["columns"]["step"])
    drawn = [*range(0, steps - 1, _stride(steps)), steps - 1] if steps else []
    every = max(1, round(len(drawn) / MARKERS))
    name = f"{curve['track']}, other seeds (A/A control)" if curve["control"] else curve["track"]
    common = {"name": name, "control": curve["control"], "runs": len(curve["seeds"])}
    return [
        {
            **common,
            "marked": place % every == every // 2,
            **{column: _rounded(values[index]) for column, values in curve["columns"].items()},
        }
        for place, index in enumerate(drawn)
    ]


def _stride(evaluations: int) -> int:
    return -(-evaluations // POINTS_DRAWN)


def _rounded(value: float | None) -> float | None:
    """Returns six significant digits, which is all that a chart shows."""
    return None if value is None else float(f"{value:.6g}")


def _learning_curve(results: dict[str, Any], datasets: Datasets, measure: str, axis: str) -> LearningCurve:
    dataset = "timed_runs" if axis == "training_seconds" and "timed_runs" in datasets else "all_runs"
    rows = datasets[dataset]
    domain, is_cut = _fitted_domain(rows, measure, axis)
    return LearningCurve(
        measure=measure,
        axis=axis,
        description=_description(results["mean_curves"][dataset], measure, axis),
        caption=" ".join([*([CUT] if is_cut else []), *_cautions(results, axis)]),
        caption_without_cut=" ".join(_cautions(results, axis)),
        domain=domain,
        logarithmic_domain=_whole_domain(rows, measure),
        dataset=dataset,
    )


def _description(curves: Sequence[dict[str, Any]], measure: str, axis: str) -> str:
    ends = [end for curve in curves if not curve["control"] and (end := _last_value(curve, measure))]
    return f"Line chart: {MEASURES[measure][1]} against {AXIS_TITLES[axis]}. At the end: {'; '.join(ends)}."


def _last_value(curve: dict[str, Any], measure: str) -> str:
    columns = (curve["columns"][name] for name in (measure, f"{measure}_lowest", f"{measure}_highest"))
    values = [row for row in zip(*columns, strict=True) if row[0] is not None]
    if not values:
        return ""
    mean, lowest, highest = (decimal(value, 4) for value in values[-1])
    runs = len(curve["seeds"])
    return f"{curve['track']} {mean}" + (f" ({lowest} to {highest} over {plural(runs, 'run')})" if runs > 1 else "")


def _cautions(results: dict[str, Any], axis: str) -> list[str]:
    parts = []
    if axis == "training_seconds" and not all(track["training_seconds_compare"] for track in results["tracks"].values()):
        parts.append("Runs shared a device: these seconds do not compare.")
    stride = _stride(max(len(curve["columns"]["step"]) for curve in results["mean_curves"]["all_runs"]))
    if stride > 1:
        parts.append(f"One in {stride} evaluations is drawn; results.json has all.")
    return parts


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
    return specification(chart.measure, chart.axis, titles, chart.domain, names, control)


def _specifications(chart: LearningCurve, rows: Rows) -> dict[str, Any]:
    without = [row for row in rows if not row["control"]]
    return {"plain": _interactive_specification(chart, without), "control": _interactive_specification(chart, rows)}


def _interactive_specification(chart: LearningCurve, rows: Rows) -> dict[str, Any]:
    return with_values_under_the_pointer(_specification(chart, rows), chart.measure, PAGE_HEIGHTS[chart.measure])


def _changes(chart: LearningCurve) -> dict[str, Any]:
    return {
        "title": AXIS_TITLES[chart.axis],
        "heading": chart.title,
        "format": number_format(chart.axis),
        "description": chart.description,
        "caption": {"linear": chart.caption, "log": chart.caption_without_cut},
        "domains": {"linear": chart.domain, "log": chart.logarithmic_domain},
        "dataset": chart.dataset,
    }
