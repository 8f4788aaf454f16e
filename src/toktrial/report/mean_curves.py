"""The mean learning curve of every track over its runs, with the lowest and the highest run beside it.

Inputs -> results["mean_curves"] -> charts: what the charts draw stands in results.json.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from toktrial.report.curves import AXES, Curve, common_steps, values_at
from toktrial.report.inputs import EvaluatedRun, TrialInputs

MEASURES = ("bits_per_byte", "validation_loss", "training_loss")


def gather_mean_curves(inputs: TrialInputs) -> dict[str, Any]:
    """Returns results["mean_curves"]: a list of curves for `all_runs`, and one for `timed_runs`.

    A timed run had its device to itself; `timed_runs` is None where these are all the runs, or where a track has none, so
    that its seconds compare with nothing. Every curve is a dict: `track`, `control` (whether it is the A/A control),
    `seeds`, and `columns`, name -> one number an evaluation, at the steps that all its runs have: the mean of each axis
    and measure, and each measure's `_lowest` and `_highest` over the runs. NaN where a run has no finite value.
    """
    groups = [(track, False, runs) for track, runs in inputs.runs.items()]
    groups += [(inputs.baseline, True, inputs.control_runs)] if inputs.control_runs else []
    timed = [(track, control, [run for run in runs if not run.curve.shared_device]) for track, control, runs in groups]
    some_shared = any(run.curve.shared_device for _, _, runs in groups for run in runs)
    all_compare = all(runs for _, control, runs in timed if not control)
    return {
        "all_runs": [_mean_curve(*group) for group in groups],
        "timed_runs": [_mean_curve(*group) for group in timed if group[2]] if some_shared and all_compare else None,
    }


def _mean_curve(track: str, control: bool, runs: Sequence[EvaluatedRun]) -> dict[str, Any]:
    columns = _mean_columns([run.curve for run in runs])
    return {"track": track, "control": control, "seeds": [run.seed for run in runs], "columns": columns}


def _mean_columns(curves: Sequence[Curve]) -> dict[str, list[float]]:
    steps = common_steps(curves)
    columns: dict[str, list[float]] = {}
    for name in (*AXES, "tokens", *MEASURES):
        values = np.stack([values_at(curve, name, steps) for curve in curves])
        columns[name] = values.mean(axis=0).tolist()
        if name in MEASURES:
            columns[f"{name}_lowest"] = values.min(axis=0).tolist()
            columns[f"{name}_highest"] = values.max(axis=0).tolist()
    return columns
