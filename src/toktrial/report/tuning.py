"""What the tuning of learning rates found, and the verdict at the choice of rates that does not decide.

Inputs -> tuning -> result.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace

from toktrial.report.comparisons import gather_comparisons
from toktrial.report.evaluated import TrialInputs
from toktrial.report.result_comparisons import Comparison, Tuning


def gather_tuning(inputs: TrialInputs, comparisons: Sequence[Comparison]) -> Tuning | None:
    """Returns what was found; None where rates were not tuned. `comparisons` are those of the trial as it is."""
    if not inputs.tuning:
        return None
    config = inputs.design.tuning
    verdicts = {config.decides: list(comparisons)}
    other = _at_other_rate(inputs)
    if other is not None:
        verdicts["shared" if config.decides == "own" else "own"] = gather_comparisons(other)
    return Tuning(**asdict(inputs.tuning), decides=config.decides, seeds=config.seeds, verdicts=verdicts)


def _at_other_rate(inputs: TrialInputs) -> TrialInputs | None:
    """Returns the trial as the rate that does not decide has it; None where a track has not been trained at it."""
    assert inputs.tuning, "rates were tuned"
    differ = [track for track in inputs.runs if inputs.tuning.own[track] != inputs.tuning.shared]
    if not all(inputs.runs_at_other_rate.get(track) for track in differ):
        return None
    return replace(inputs, runs=inputs.runs | {track: inputs.runs_at_other_rate[track] for track in differ})
