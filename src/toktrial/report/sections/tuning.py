"""Learning rates: every rate that was tried, the chosen ones, and the verdict at either choice."""

from statistics import fmean
from typing import Any

from toktrial.report.blocks import Figure, Section, Table, paragraphs
from toktrial.report.chart_specification import COLOURS, CONFIG, HEIGHT, SCHEMA, SHAPES, WIDTH, scale_of
from toktrial.report.comparisons import Tuning
from toktrial.report.result import TrialResult
from toktrial.report.wording import count, decimal, joined, plural, short_percent, signed
from toktrial.training.rates import Policy

CHOICES: dict[Policy, str] = {"own": "each track at its own best rate", "shared": "all tracks at the shared rate"}
DIVERGED = "diverged"
NO_TEST = (
    "The rates were chosen on training documents that were set aside, by runs under other seeds: no validation document and no "
    "run of the verdict had a part in it. The tokenizers had learned from these documents too, all of them alike."
)


def section(result: TrialResult) -> Section | None:
    """Returns what the tuning found; None where rates were not tuned."""
    tuning = result.tuning
    if not tuning:
        return None
    said = paragraphs(tuning_sentences(tuning))
    return Section(
        id="tuning",
        title="Learning rates",
        blocks=(*said, rates_figure(tuning), rates_table(tuning), tuned_verdicts_table(tuning)),
    )


def tuning_sentences(tuning: Tuning) -> list[str]:
    """Returns which rates were chosen, and where a better one may lie beyond the grid."""
    steps = joined(list(dict.fromkeys(f"{count(of_track)} steps" for of_track in tuning.steps.values())))
    own = joined([f"{track}: {rate:g}" for track, rate in tuning.own.items()])
    found = [f"After {steps}, the tracks' own best rates were {own}. The shared one is {tuning.shared:g}."]
    if tuning.at_edge:
        found.append(
            f"WARNING: the best rate of {joined(tuning.at_edge)} stands at the edge of the grid. A better one may lie beyond: "
            "widen tuning.rates in a new trial."
        )
    if len(tuning.verdicts) == 1 and any(rate != tuning.shared for rate in tuning.own.values()):
        found.append("The runs at the other choice of rates were not made, so there is one verdict.")
    return [*found, NO_TEST]


def rates_table(tuning: Tuning) -> Table:
    """Returns the mean of every track at every rate, in bits per byte of the documents set aside."""
    tracks = list(tuning.bits_per_byte)
    rates = list(tuning.bits_per_byte[tracks[0]])
    rows = [[f"{float(rate):g}", *(_cell(tuning, track, rate) for track in tracks)] for rate in rates]
    caption = (
        f"Bits per byte of {count(tuning.documents)} training documents set aside, by learning rate: means over "
        f"{plural(tuning.seeds, 'seed')}. \N{BLACK STAR}: a track's own best rate."
    )
    return Table(caption, ("learning rate", *tracks), rows)


def tuned_verdicts_table(tuning: Tuning) -> Table:
    """Returns the verdicts at each track's own best rate and at the shared one, as far as both were run."""
    rows = [
        [
            CHOICES[choice] + (", which decides" if choice == tuning.decides else ""),
            f"{each.track} minus {each.baseline}",
            signed(each.difference),
            f"{signed(each.low)} to {signed(each.high)}",
            each.verdict,
        ]
        for choice in CHOICES
        for each in tuning.verdicts.get(choice, [])
    ]
    confidence = short_percent(round(tuning.verdicts[tuning.decides][0].interval_confidence, 4))
    headers = ("trained", "difference of", "bits per byte", f"{confidence} interval", "verdict")
    return Table("The verdict at either choice of learning rates", headers, rows, ("text", "text", "number", "number", "text"))


def rates_figure(tuning: Tuning) -> Figure:
    """Returns bits per byte over the learning rate: every run as a dot, the means joined, each track's best rate marked."""
    own = joined([f"{track} {rate:g}" for track, rate in tuning.own.items()])
    return Figure(
        name="learning_rates",
        specification=_specification(tuning),
        description=f"Line chart: bits per byte of the documents set aside against the learning rate. The best rates: {own}.",
        caption="A dot is a run, a line joins a track's means, a diamond marks its own best rate. Lower is better.",
        title="Bits per byte by learning rate",
    )


def _specification(tuning: Tuning) -> dict[str, Any]:
    tracks = list(tuning.bits_per_byte)
    rows = [
        {"name": track, "rate": float(rate), "value": value, "best": float(rate) == tuning.own[track]}
        for track, of_track in tuning.bits_per_byte.items()
        for rate, values in of_track.items()
        for value in values
        if value is not None
    ]
    mean = {"aggregate": "mean", "field": "value", "type": "quantitative"}
    return {
        "$schema": SCHEMA,
        "config": CONFIG,
        "background": "white",
        "width": WIDTH,
        "height": HEIGHT,
        "data": {"values": rows},
        "encoding": {
            "x": {
                "field": "rate", "type": "quantitative", "title": "learning rate",
                "scale": {"type": "log", "nice": False, "padding": 24},
                "axis": {"values": sorted({row["rate"] for row in rows}), "format": "~g", "grid": False},
            },
            "y": {
                "field": "value", "type": "quantitative", "title": "bits per byte of the documents set aside",
                "scale": {"zero": False, "nice": False, "padding": 14},
            },
            "color": {"field": "name", "title": None, "scale": scale_of(tracks, COLOURS)},
        },
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2.2}, "encoding": {"y": mean}},
            {
                "mark": {"type": "point", "size": 64, "filled": True, "opacity": 0.85, "stroke": "white", "strokeWidth": 1},
                "encoding": {"shape": {"field": "name", "title": None, "scale": scale_of(tracks, SHAPES)}},
            },
            {
                "transform": [{"filter": "datum.best"}],
                "mark": {"type": "point", "shape": "diamond", "size": 260, "filled": False, "strokeWidth": 2, "opacity": 1},
                "encoding": {"y": mean},
            },
        ],
    }  # fmt: skip


def _cell(tuning: Tuning, track: str, rate: str) -> str:
    values = [value for value in tuning.bits_per_byte[track][rate] if value is not None]
    if len(values) < len(tuning.bits_per_byte[track][rate]):
        return DIVERGED
    return decimal(fmean(values), 4) + (" \N{BLACK STAR}" if float(rate) == tuning.own[track] else "")
