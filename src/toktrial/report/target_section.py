"""What every track needs to reach a target: the baseline's final value, and one that the reader asked for.

Beside results.py in the flow, inputs -> results -> tables: gathers results["targets"], and draws its tables. Decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from toktrial.report.curves import AXES, Curve, needed
from toktrial.report.inputs import TrialInputs
from toktrial.report.tables import AXIS_NAMES, Table, text_then_numbers
from toktrial.report.wording import NOT_MEASURED, count, scientific, seconds

MEASURE = "bits_per_byte"
FORMATS = {"step": count, "training_seconds": seconds, "bytes_seen": count, "flops": scientific}


def gather_targets(inputs: TrialInputs, asked: float | None) -> dict[str, Any]:
    """Returns results["targets"]: what each track needs to the baseline's final curve value, and to `asked` bits per byte.

    The first is told seed by seed, so it compares seeds that the baseline finished too. `asked_for` is None where no target was
    named. All by linear interpolation on the curves, along every axis.
    """
    finals = {run.seed: float(run.curve.columns[MEASURE][-1]) for run in inputs.runs[inputs.baseline]}
    to_final = {}
    for track, runs in inputs.runs.items():
        compared = [run for run in runs if run.seed in finals]
        to_final[track] = _needed_along_axes([run.curve for run in compared], [finals[run.seed] for run in compared])
    if asked is None:
        return {"baseline_final": to_final, "asked_for": None}
    to_asked = {
        track: _needed_along_axes([run.curve for run in runs], [asked] * len(runs)) for track, runs in inputs.runs.items()
    }
    return {"baseline_final": to_final, "asked_for": {MEASURE: asked, "tracks": to_asked}}


def target_tables(results: dict[str, Any]) -> list[Table]:
    """Returns a table for each target: what each track needs, and in how many of its runs it got there."""
    targets, baseline = results["targets"], results["baseline"]
    how = (
        "Median over the runs, one that does not reach it counted as never; linear between evaluations, on the curves' fixed "
        "subset of documents."
    )
    curve_end = f"the value at which {baseline}'s curve of bits per byte ends"
    tables = [_table(f"What each track needs to reach {curve_end}. {how}", targets["baseline_final"])]
    if targets["asked_for"]:
        asked = f"{targets['asked_for'][MEASURE]:g} bits per byte, asked for when the report was made"
        tables.append(_table(f"What each track needs to reach {asked}. {how}", targets["asked_for"]["tracks"]))
    return tables


def _needed_along_axes(curves: Sequence[Curve], values: Sequence[float]) -> dict[str, dict[str, Any]]:
    return {axis: asdict(needed(curves, values, MEASURE, axis)) for axis in AXES}


def _table(caption: str, tracks: Mapping[str, Mapping[str, Any]]) -> Table:
    headers = ("counted in", *(header for track in tracks for header in (track, f"runs of {track}")))
    rows = [[AXIS_NAMES[axis], *(cell for found in tracks.values() for cell in _cells(found[axis], axis))] for axis in AXES]
    return Table(caption, headers, rows, text_then_numbers(len(headers) - 1))


def _cells(found: Mapping[str, Any], axis: str) -> list[str]:
    """Returns the median, or the open end beyond which it lies, and how many runs reached the target."""
    reached = f"{found['reached']} of {found['seeds']}"
    if found["median"] is not None:
        return [FORMATS[axis](found["median"]), reached]
    return [NOT_MEASURED if found["more_than"] is None else f"> {FORMATS[axis](found['more_than'])}", reached]
