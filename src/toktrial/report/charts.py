"""The six learning curves: one Altair definition each gives the interactive chart of the page, the SVG and the PNG.

results -> charts -> page and Markdown. Every chart shows all tracks: the mean over seeds, and each seed as a thin line.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Okabe & Ito's palette, which colour-blind readers tell apart (2008, jfly.uni-koeln.de/color), its darker colours first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 2], [1, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
WIDTH, HEIGHT = 640, 340  # pixels of the SVG; the PNG has twice as many
PNG_SCALE = 2
MARKERS = 10  # markers along a line, enough to tell lines apart in grey
SETTLED_SHARE = 0.1  # where a chart is cut, it shows everything after this share of the axis
CUT_FROM = 1.8  # cut the top off where the full range is more than so many times what comes after that share
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"

MEASURES = {
    "bits_per_byte": ("Bits per byte", "bits per byte of text"),
    "validation_loss": ("Validation loss per token", "validation loss (nats per token)"),
    "training_loss": ("Training loss per token", "training loss (nats per token)"),
}
AXIS_TITLES = {"step": "training step", "training_seconds": "training time (s)"}
TOOLTIPS = (
    ("bits_per_byte", "bits per byte", ".4f"), ("validation_loss", "validation loss", ".4f"),
    ("training_loss", "training loss", ".4f"), ("step", "training step", ",.0f"),
    ("training_seconds", "training time (s)", ",.1f"), ("tokens", "tokens", ",.0f"),
    ("bytes_seen", "bytes of text", ",.0f"), ("flops", "FLOPs", ".3s"),
)  # fmt: skip
Datasets = dict[str, list[dict[str, Any]]]
HOW_TO_READ = (
    "Thick lines are means over the runs, thin lines the runs. The y axes do not start at 0. Validation curves are "
    "measured on one fixed subset of the validation documents, the same for every track. Lower is better. Only bits per "
    "byte compares tracks; loss per token does not."
)


@dataclass(frozen=True)
class LearningCurve:
    """One chart, ready to be drawn."""

    name: str
    """File name without its ending, as in `bits_per_byte_by_step`."""
    axis: str
    """Column along the x axis: `step` or `training_seconds`."""
    title: str
    """What a reader calls it."""
    description: str
    """What it shows, for those who cannot see it: axes, tracks and last values."""
    caption: str
    """What must be known to read this one, beside HOW_TO_READ; may be empty."""
    static: dict[str, Any]
    """Vega-Lite for the SVG and the PNG, without its data."""
    interactive: dict[str, Any]
    """The same with values under the pointer, as wide as its container and without a background of its own."""


def learning_curves(results: dict[str, Any], datasets: Datasets) -> list[LearningCurve]:
    """Returns the six charts: every measure by training step, and by training seconds."""
    return [_learning_curve(results, datasets, measure, axis) for measure in MEASURES for axis in AXIS_TITLES]


def save(chart: LearningCurve, datasets: Datasets, folder: Path) -> None:
    """Writes NAME.svg, and NAME.png at twice its pixels on white, into `folder`."""
    import vl_convert

    drawn = {name: rows for name, rows in datasets.items() if name.endswith(f"_by_{chart.axis}")}
    svg = vl_convert.vegalite_to_svg(json.dumps({**chart.static, "datasets": drawn}))
    (folder / f"{chart.name}.svg").write_text(svg, encoding="utf-8")
    (folder / f"{chart.name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))


def chart_data(results: dict[str, Any]) -> Datasets:
    """Returns the rows that all charts draw, by name: `means_by_AXIS` and `runs_by_AXIS`, one row an evaluation.

    By training seconds, runs that shared their device are left out, unless a track then had none.
    """
    datasets: Datasets = {}
    for axis in AXIS_TITLES:
        runs = {name: _drawn_runs(results, track, axis) for name, track in results["tracks"].items()}
        datasets[f"means_by_{axis}"] = [row for track, kept in runs.items() for row in _mean_rows(track, kept)]
        datasets[f"runs_by_{axis}"] = [row for track, kept in runs.items() for run in kept for row in _run_rows(track, run)]
    return datasets


def _drawn_runs(results: dict[str, Any], track: dict[str, Any], axis: str) -> list[dict[str, Any]]:
    keeps_all = axis == "step" or not _seconds_compare(results)
    return [run for run in track["runs"] if keeps_all or not run["shared_device"]]


def _seconds_compare(results: dict[str, Any]) -> bool:
    return all(track["training_seconds_compare"] for track in results["tracks"].values())


def _learning_curve(results: dict[str, Any], datasets: Datasets, measure: str, axis: str) -> LearningCurve:
    title, axis_title = MEASURES[measure]
    tracks = list(results["tracks"])
    domain, is_cut = _fitted_domain(datasets[f"runs_by_{axis}"], measure, axis)
    ends = {row["track"]: row[measure] for row in datasets[f"means_by_{axis}"] if row[measure] is not None}
    last = ", ".join(f"{track} {value:.3f}" for track, value in ends.items())
    drawing = _Drawing(measure, axis, tracks, domain)
    return LearningCurve(
        name=f"{measure}_by_{axis}",
        axis=axis,
        title=f"{title} by {AXIS_TITLES[axis].removesuffix(' (s)')}",
        description=f"Line chart of {axis_title} against {AXIS_TITLES[axis]}. At the end: {last}.",
        caption=_caption(is_cut, axis == "training_seconds" and not _seconds_compare(results)),
        static=drawing.specification(interactive=False),
        interactive={**drawing.specification(interactive=True), "width": "container", "background": None},
    )


def _caption(is_cut: bool, shared: bool) -> str:
    parts = ["The first evaluations lie above the chart."] if is_cut else []
    if shared:
        parts.append("Runs shared a device: these seconds do not compare.")
    return " ".join(parts)


def _run_rows(track: str, run: dict[str, Any]) -> list[dict[str, Any]]:
    columns = [run["curve"][name] for name in ("step", "training_seconds", *MEASURES)]
    rows = [dict(zip(("step", "training_seconds", *MEASURES), values, strict=True)) for values in zip(*columns, strict=True)]
    return [{"track": track, "seed": run["seed"], **{name: _rounded(row[name]) for name in row}} for row in rows]


def _mean_rows(track: str, runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the mean over seeds, evaluation by evaluation, at the steps that all the runs have."""
    names = [name for name, _, _ in TOOLTIPS]
    by_step = [_evaluations_by_step(run["curve"], names) for run in runs]
    steps = sorted(set.intersection(*(set(evaluations) for evaluations in by_step)))
    means = [_mean_values([evaluations[step] for evaluations in by_step], names) for step in steps]
    every = max(1, round(len(steps) / MARKERS))
    return [
        {"track": track, "seeds": len(runs), "marked": index % every == every // 2, **mean} for index, mean in enumerate(means)
    ]


def _evaluations_by_step(curve: dict[str, list[float | None]], names: list[str]) -> dict[Any, dict[str, float | None]]:
    rows = (dict(zip(names, values, strict=True)) for values in zip(*(curve[name] for name in names), strict=True))
    return {row["step"]: row for row in rows}


def _mean_values(rows: list[dict[str, float | None]], names: list[str]) -> dict[str, float | None]:
    """Returns each column's mean; None where a run has no finite value."""
    columns = {name: [value for row in rows if (value := row[name]) is not None] for name in names}
    return {name: _rounded(sum(values) / len(values)) if len(values) == len(rows) else None for name, values in columns.items()}


def _rounded(value: float | None) -> float | None:
    """Returns six significant digits, which is all that a chart shows: it keeps the page small."""
    return None if value is None else float(f"{value:.6g}")


def _fitted_domain(rows: Sequence[dict[str, Any]], measure: str, axis: str) -> tuple[list[float], bool]:
    """Returns the y axis's ends, and whether the first evaluations lie above it.

    The first losses are several times the last ones: drawn in full, they would press all that matters into a line.
    """
    rows = [row for row in rows if row[measure] is not None]
    if not rows:
        return [0.0, 1.0], False
    end = max(row[axis] for row in rows)
    values = [row[measure] for row in rows]
    settled = [row[measure] for row in rows if row[axis] >= SETTLED_SHARE * end]
    lowest, highest = min(values), max(values)
    is_cut = highest - lowest > CUT_FROM * (max(settled) - lowest)
    top = max(settled) if is_cut else highest
    margin = 0.04 * (top - lowest) or 0.01 * abs(top) or 1.0
    return [lowest - margin, top + margin], is_cut


@dataclass(frozen=True)
class _Drawing:
    """What tells one chart from another; draws thin lines by run, thick mean lines and markers."""

    measure: str
    axis: str
    tracks: list[str]
    domain: list[float]

    def specification(self, interactive: bool) -> dict[str, Any]:
        """Returns Vega-Lite with data by name; where it is interactive, with a point and values under the pointer."""
        import altair as alt

        dash = alt.StrokeDash("track:N", title=None, scale=self._scale(DASHES))
        shape = alt.Shape("track:N", title=None, scale=self._scale(SHAPES))
        markers = self._chart("means").mark_point(size=64, filled=True, opacity=1, stroke="white", strokeWidth=1, clip=True)
        layers = [
            self._chart("runs").mark_line(strokeWidth=0.9, opacity=0.4, clip=True).encode(detail="seed:N"),
            self._chart("means").mark_line(strokeWidth=2.2, clip=True).encode(strokeDash=dash),
            markers.transform_filter("datum.marked").encode(shape=shape),
            *([self._pointer_layer()] if interactive else []),
        ]
        specification: dict[str, Any] = _styled(alt.layer(*layers)).to_dict()
        return specification

    def _chart(self, rows: str) -> Any:
        import altair as alt

        x_axis = alt.Axis(grid=False, tickCount=6, format=",d")
        x = alt.X(f"{self.axis}:Q", title=AXIS_TITLES[self.axis], scale=alt.Scale(zero=True, nice=False), axis=x_axis)
        y_scale = alt.Scale(domain=self.domain, nice=False, zero=False)
        y = alt.Y(f"{self.measure}:Q", title=MEASURES[self.measure][1], scale=y_scale)
        colour = alt.Color("track:N", title=None, scale=self._scale(COLOURS))
        return alt.Chart(alt.NamedData(f"{rows}_by_{self.axis}")).encode(x=x, y=y, color=colour)

    def _pointer_layer(self) -> Any:
        import altair as alt

        # Not `nearest`: Vega-Lite 6.4 then shows text fields of a tooltip as undefined.
        pointed_at = alt.selection_point(on="pointerover", empty=False, clear="pointerout")
        numbers = [alt.Tooltip(f"{name}:Q", title=title, format=form) for name, title, form in TOOLTIPS]
        tooltips = [alt.Tooltip("track:N", title="track"), alt.Tooltip("seeds:Q", title="runs averaged"), *numbers]
        points = self._chart("means").mark_point(size=240, strokeWidth=2, fill="transparent", clip=True)
        opacity = alt.condition(pointed_at, alt.value(1), alt.value(0))
        return points.encode(opacity=opacity, tooltip=tooltips).add_params(pointed_at)

    def _scale(self, values: Sequence[Any]) -> Any:
        import altair as alt

        return alt.Scale(domain=self.tracks, range=[values[index % len(values)] for index in range(len(self.tracks))])


def _styled(chart: Any) -> Any:
    """Returns the chart with the report's quiet axes and its legend along the top, where a phone has room for it."""
    return (
        chart.properties(width=WIDTH, height=HEIGHT, background="white", autosize={"type": "fit-x", "contains": "padding"})
        .configure(font=FONT, padding=10)
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=12, titleFontSize=13, titleFontWeight="normal", labelColor="#444444", titleColor="#222222",
            gridColor="#e4e4e4", domainColor="#888888", tickColor="#888888", titlePadding=10, tickCount=6,
        )
        .configure_legend(
            orient="top", direction="horizontal", labelFontSize=13, labelColor="#222222", symbolSize=90,
            symbolOpacity=1, symbolStrokeWidth=0, columnPadding=24,
        )
    )  # fmt: skip
