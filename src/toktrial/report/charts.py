"""The learning curves: as SVG and PNG files for a paper, and as what the page's interactive charts are made from.

results -> charts -> page and Markdown. Every chart shows all tracks: the mean over the runs, and a band that spans them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toktrial.report.chart_specification import (
    NUMBERS,
    number_format,
    specification,
    with_floors,
    with_values_under_the_pointer,
    with_verdict,
)
from toktrial.report.difference_chart import description, fitted_domain, place_of_verdict, rows_of_difference, verdict_row
from toktrial.report.wording import decimal, plural

PNG_SCALE = 2
MARKERS = 10  # markers along a line, enough to tell lines apart in grey
POINTS_DRAWN = 400  # at most so many points a line, which is more than a chart shows; results.json has them all
SETTLED_SHARE = 0.1  # where a chart is cut, it shows everything after this share of the axis
CUT_FROM = 1.8  # cut the top off where the full range is more than so many times what comes after that share

MEASURES = {
    "difference": ("Difference in bits per byte", "minus the baseline (bits per byte)"),
    "bits_per_byte": ("Bits per byte", "bits per byte of text"),
    "validation_loss": ("Validation loss per token", "validation loss (nats per token)"),
    "training_loss": ("Training loss per token", "training loss (nats per token)"),
}
COMPARING = ("difference", "bits_per_byte")  # the measures that compare tokenizers; loss per token does not
AXIS_TITLES = {axis: title for axis, title, _ in NUMBERS}
AXIS_LABELS = {
    "step": "steps", "training_seconds": "seconds", "bytes_seen": "bytes of text", "flops": "FLOPs", "tokens": "tokens",
}  # fmt: skip
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


def learning_curves(results: dict[str, Any], datasets: Datasets) -> list[LearningCurve]:
    """Returns every measure along every axis: the difference first, then bits per byte."""
    return [
        _difference_chart(results, datasets, axis)
        if measure == "difference"
        else _learning_curve(results, datasets, measure, axis)
        for measure in MEASURES
        for axis in AXIS_TITLES
    ]


def pictures(charts: Sequence[LearningCurve]) -> list[LearningCurve]:
    """Returns the charts that become files, in the order in which report.md shows them."""
    return [chart for chart in charts if chart.axis in PICTURES[chart.measure]]


def draw(chart: LearningCurve, datasets: Datasets) -> str:
    """Returns the chart as SVG, without the A/A control."""
    import vl_convert

    rows = [row for row in datasets[chart.dataset] if not row["control"]]
    drawn = {**_specification(chart, rows), "description": chart.description, "datasets": {"rows": rows}}
    return str(vl_convert.vegalite_to_svg(json.dumps(drawn)))


def save(name: str, svg: str, folder: Path) -> None:
    """Writes a drawn chart: NAME.svg, and NAME.png at twice its pixels on white, into `folder`."""
    import vl_convert

    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))


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
    means = {
        # The control first: what is drawn first lies beneath.
        name: [row for curve in sorted(curves, key=lambda curve: not curve["control"]) for row in _rows(curve)]
        for name, curves in results["mean_curves"].items()
        if curves is not None
    }
    return means | {f"difference_by_{axis}": difference_rows(results, axis) for axis in AXIS_TITLES}


def _rows(curve: dict[str, Any]) -> Rows:
    steps = len(curve["columns"]["step"])
    drawn = drawn_places(steps)
    every = max(1, round(len(drawn) / MARKERS))
    name = f"{curve['track']}, other seeds (A/A control)" if curve["control"] else curve["track"]
    common = {"name": name, "control": curve["control"], "runs": len(curve["seeds"])}
    return [
        {
            **common,
            "marked": place % every == every // 2,
            **{column: rounded(values[index]) for column, values in curve["columns"].items()},
        }
        for place, index in enumerate(drawn)
    ]


def drawn_places(evaluations: int) -> list[int]:
    """Returns which of a line's evaluations are drawn, the last one among them."""
    return [*range(0, evaluations - 1, _stride(evaluations)), evaluations - 1] if evaluations else []


def _stride(evaluations: int) -> int:
    return -(-evaluations // POINTS_DRAWN)


def rounded(value: float | None) -> float | None:
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
        floors=_floors(results) if measure == "bits_per_byte" else (),
    )


def _floors(results: dict[str, Any]) -> tuple[tuple[str, float], ...]:
    found = {name: track["floors"] for name, track in results["tracks"].items() if track["floors"]}
    return tuple((name, floors["bigram"]["curve_bits_per_byte"]) for name, floors in found.items())


def difference_rows(results: dict[str, Any], axis: str) -> Rows:
    """Returns the rows of the chart of differences along one axis; tokens are told by steps, which are their multiple."""
    rows: Rows = []
    per_step = next(iter(results["tracks"].values()))["tokens_per_step"]
    source, unit = ("step", per_step) if axis == "tokens" else (axis, 1)
    deciding = {comparison["track"]: comparison for comparison in results["comparisons"]}
    for track, found in results["differences"].items():
        curve = found["curves"][source]
        if curve is None:
            continue
        places = drawn_places(len(curve["at"]))
        lines = rows_of_difference(track, curve, source, places)
        every = max(1, round(len(places) / MARKERS))
        marked = [{**row, "marked": place % every == every // 2} for place, row in enumerate(lines)]
        where = place_of_verdict(found, source)
        point = [] if where is None else [{**verdict_row(track, deciding[track], where, source), "marked": False}]
        rows += [{**row, "runs": len(deciding[track]["paired_seeds"]), axis: row[source] * unit} for row in [*marked, *point]]
    return [{name: rounded(value) if isinstance(value, float) else value for name, value in row.items()} for row in rows]


def _difference_chart(results: dict[str, Any], datasets: Datasets, axis: str) -> LearningCurve:
    name = f"difference_by_{axis}"
    domain, is_cut = fitted_domain(datasets[name], axis)
    cautions = [DIFFERENCE_CAPTION, *([CUT_EARLY] if is_cut else []), *_cautions(results, axis)]
    if not datasets[name]:
        cautions = ["Every pair has a run that shared its device: there is nothing to compare in seconds."]
    return LearningCurve(
        measure="difference",
        axis=axis,
        description=description(results, AXIS_TITLES[axis]),
        caption=" ".join(cautions),
        caption_without_cut=" ".join(cautions),
        domain=domain,
        logarithmic_domain=domain,  # differences have no logarithm: sections/charts.js keeps this axis linear
        dataset=name,
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
        "format": number_format(chart.axis),
        "description": chart.description,
        "caption": {"linear": chart.caption, "log": chart.caption_without_cut},
        "domains": {"linear": chart.domain, "log": chart.logarithmic_domain},
        "dataset": chart.dataset,
    }
