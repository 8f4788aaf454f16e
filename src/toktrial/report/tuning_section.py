"""What the tuning of learning rates found: every rate that was tried, the chosen ones, and the verdicts at either choice.

Beside results.py in the flow, inputs -> results -> tables and a chart: gathers results["tuning"], and draws it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any

from toktrial.report.chart_specification import COLOURS, CONFIG, HEIGHT, SHAPES, WIDTH
from toktrial.report.inputs import TrialInputs
from toktrial.report.tables import Table, text_then_numbers
from toktrial.report.wording import count, decimal, joined, plural, short_percent, signed

NAME = "learning_rates"  # of its files
CHOICES = {"own": "each track at its own best rate", "shared": "all tracks at the shared rate"}
DIVERGED = "diverged"
NO_TEST = (
    "The rates were chosen on training documents that were set aside, by runs under other seeds: no validation document and no "
    "run of the verdict had a part in it. The tokenizers had learned from these documents too, all of them alike."
)


def at_other_rate(inputs: TrialInputs) -> TrialInputs | None:
    """Returns the trial as the rate that does not decide has it; None where its runs are not there, or rates were not tuned."""
    if not inputs.tuning:
        return None
    differ = [track for track in inputs.runs if inputs.tuning.own[track] != inputs.tuning.shared]
    if not all(inputs.runs_at_other_rate.get(track) for track in differ):
        return None
    return replace(inputs, runs=inputs.runs | {track: inputs.runs_at_other_rate[track] for track in differ})


def gather_tuning(
    inputs: TrialInputs, deciding: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]] | None
) -> dict[str, Any] | None:
    """Returns results["tuning"]; None where rates were not tuned.

    `deciding` and `other` are comparisons as results["comparisons"] holds them: of the trial as it is, and at the other rate.
    """
    if not inputs.tuning:
        return None
    settings = inputs.protocol["tuning"]
    verdicts = {settings["decides"]: list(map(_verdict, deciding))}
    if other is not None:
        verdicts["shared" if settings["decides"] == "own" else "own"] = list(map(_verdict, other))
    return {
        **asdict(inputs.tuning),
        "decides": settings["decides"],
        "seeds": settings["seeds"],
        "verdicts": {choice: verdicts[choice] for choice in CHOICES if choice in verdicts},
    }


def rates_table(results: dict[str, Any]) -> Table:
    """Returns the mean of every track at every rate, in bits per byte of the documents set aside."""
    tuning = results["tuning"]
    tracks = list(tuning["bits_per_byte"])
    rates = list(tuning["bits_per_byte"][tracks[0]])
    rows = [[_rate(float(rate)), *(_cell(tuning, track, rate) for track in tracks)] for rate in rates]
    caption = (
        f"Bits per byte of {count(tuning['documents'])} training documents set aside, by learning rate: means over "
        f"{plural(tuning['seeds'], 'seed')}. \N{BLACK STAR}: a track's own best rate."
    )
    return Table(caption, ("learning rate", *tracks), rows, text_then_numbers(len(tracks)))


def tuned_verdicts_table(results: dict[str, Any]) -> Table:
    """Returns the verdicts at each track's own best rate and at the shared one, as far as both were run."""
    tuning = results["tuning"]
    rows = [
        [
            CHOICES[choice] + (", which decides" if choice == tuning["decides"] else ""),
            f"{each['track']} minus {each['baseline']}",
            signed(each["difference"]),
            f"{signed(each['low'])} to {signed(each['high'])}",
            each["verdict"],
        ]
        for choice, verdicts in tuning["verdicts"].items()
        for each in verdicts
    ]
    confidence = short_percent(round(next(iter(tuning["verdicts"].values()))[0]["interval_confidence"], 4))
    headers = ("trained", "difference of", "bits per byte", f"{confidence} interval", "verdict")
    caption = "The verdict at either choice of learning rates"
    return Table(caption, headers, rows, ("text", "text", "number", "number", "text"))


def tuning_sentences(results: dict[str, Any]) -> list[str]:
    """Returns which rates were chosen, and where a better one may lie beyond the grid."""
    tuning = results["tuning"]
    steps = dict.fromkeys(f"{count(of_track)} steps" for of_track in tuning["steps"].values())
    own = joined([f"{track}: {_rate(rate)}" for track, rate in tuning["own"].items()])
    found = [
        f"After {joined(list(steps))}, the tracks' own best rates were {own}. The shared one is {_rate(tuning['shared'])}."
    ]
    if tuning["at_edge"]:
        found.append(
            f"WARNING: the best rate of {joined(tuning['at_edge'])} stands at the edge of the grid. A better one may lie "
            "beyond it: widen tuning.rates in a new trial."
        )
    if len(tuning["verdicts"]) == 1 and any(rate != tuning["shared"] for rate in tuning["own"].values()):
        found.append("The runs at the other choice of rates were not made, so there is one verdict.")
    return [*found, NO_TEST]


def describe_rates(results: dict[str, Any]) -> str:
    """Returns what the chart shows, for those who cannot see it."""
    own = joined([f"{track} {_rate(rate)}" for track, rate in results["tuning"]["own"].items()])
    return f"Line chart: bits per byte of the documents set aside against the learning rate. The best rates: {own}."


def draw_rates(results: dict[str, Any]) -> str:
    """Returns the chart as SVG."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(json.dumps(rates_specification(results))))


def rates_specification(results: dict[str, Any]) -> dict[str, Any]:
    """Returns Vega-Lite: every tuning run as a dot, a line through the means, and a diamond at each track's best rate."""
    tuning = results["tuning"]
    tracks = list(tuning["bits_per_byte"])
    rows = [
        {"name": track, "rate": float(rate), "value": value, "best": float(rate) == tuning["own"][track]}
        for track, of_track in tuning["bits_per_byte"].items()
        for rate, values in of_track.items()
        for value in values
        if value is not None
    ]
    mean = {"aggregate": "mean", "field": "value", "type": "quantitative"}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "config": CONFIG,
        "background": "white",
        "description": describe_rates(results),
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
            "color": {"field": "name", "title": None, "scale": _scale(tracks, COLOURS)},
        },
        "layer": [
            {"mark": {"type": "line", "strokeWidth": 2.2}, "encoding": {"y": mean}},
            {
                "mark": {"type": "point", "size": 64, "filled": True, "opacity": 0.85, "stroke": "white", "strokeWidth": 1},
                "encoding": {"shape": {"field": "name", "title": None, "scale": _scale(tracks, SHAPES)}},
            },
            {
                "transform": [{"filter": "datum.best"}],
                "mark": {"type": "point", "shape": "diamond", "size": 260, "filled": False, "strokeWidth": 2, "opacity": 1},
                "encoding": {"y": mean},
            },
        ],
    }  # fmt: skip


def _scale(names: Sequence[str], values: Sequence[str]) -> dict[str, Any]:
    return {"domain": list(names), "range": [values[place % len(values)] for place in range(len(names))]}


def _verdict(comparison: Mapping[str, Any]) -> dict[str, Any]:
    names = ("track", "baseline", "verdict", "difference", "relative_difference", "low", "high", "interval_confidence")
    return {**{name: comparison[name] for name in names}, "paired_seeds": list(comparison["paired_seeds"])}


def _cell(tuning: Mapping[str, Any], track: str, rate: str) -> str:
    values = tuning["bits_per_byte"][track][rate]
    if None in values:
        return DIVERGED
    best = " \N{BLACK STAR}" if float(rate) == tuning["own"][track] else ""
    return decimal(fmean(values), 4) + best


def _rate(rate: float) -> str:
    return f"{rate:g}"
