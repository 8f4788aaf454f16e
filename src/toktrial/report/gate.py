"""The gate before the verdict: whether a track's models have learned more than counting pairs of entries already knows.

Inputs -> gate -> results. Longer tokens begin at fewer bits per byte, by the frequency of entries alone, and their models first
stand on a plateau: the end of a run that is above what a count model of the same ids reaches compares floors, not learning.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toktrial.errors import TrialError
from toktrial.report.curves import Curve
from toktrial.report.inputs import EvaluatedRun, TrialInputs

COUNTING = {"bigram": "counting pairs", "unigram": "counting entries"}  # what a model has learned no more than
NOT_MEASURED = "undecided: what counting alone reaches was not measured"
FITTED_SHARE = 0.5  # of a curve, its last part, whose slope against the logarithm of the step is carried on
MOST_TIMES = 20.0  # a slope carried on further than this says nothing


@dataclass(frozen=True)
class Learned:
    """How a track's runs stand against what counting alone reaches."""

    floor: float | None
    """Bits per byte of the count model; None in a trial of an earlier version, which did not measure it."""
    highest: float
    """Bits per byte of the worst run, where the verdict compares."""
    has_learned: bool | None
    """Whether every run is below the floor; None without one."""
    steps_needed: int | None
    """By the slope of the worst run's curve, the steps that it would take; None where it has learned, or no slope tells."""


def gate(inputs: TrialInputs) -> dict[str, Learned]:
    """Returns how each track stands."""
    floors = (inputs.floors or {"tracks": {}})["tracks"]
    kind = inputs.protocol["verdict"].get("floor", "bigram")
    return {
        track: _learned(runs, floors[track][kind]["bits_per_byte"] if track in floors else None, inputs)
        for track, runs in inputs.runs.items()
    }


def gated_words(words: Mapping[str, str], learned: Mapping[str, Learned], baseline: str, kind: str) -> dict[str, str]:
    """Returns the word for each other track: where it or the baseline has not learned, nothing is decided."""
    return {other: _gated(word, {track: learned[track] for track in (baseline, other)}, kind) for other, word in words.items()}


def judged_bits_per_byte(final: Mapping[str, Any], budget: str) -> float:
    """Returns a run's bits per byte on all validation documents, where the verdict compares: at its end, or at equal bytes.

    `final`: what the run's final.json holds. Raises TrialError where the budget is in bytes and no weights were kept there.
    """
    if budget == "steps":
        return float(final["bits_per_byte"])
    if not final.get("equal_bytes"):
        raise TrialError(
            'verdict.budget is "bytes", but a run has no measures at equal bytes: `toktrial run`, with the folder of the '
            "trial, makes them; where an earlier version trained it, it trains it anew"
        )
    return float(final["equal_bytes"]["bits_per_byte"])


def steps_to_reach(curve: Curve, target: float) -> int | None:
    """Returns the step at which a curve would reach `target`, on a line through its last half by the logarithm of the step.

    None where that line does not fall, or would have to be carried on beyond 20 times the curve's length. Learning curves
    are near enough to straight there to tell twice the budget from ten times (Hestness et al. 2017, arXiv:1712.00409, find
    power laws, of which this is the tangent).
    """
    steps, bits = curve.columns["step"], curve.columns["bits_per_byte"]
    late = (steps > 0) & (steps >= FITTED_SHARE * steps[-1]) & np.isfinite(bits)
    if late.sum() < 2:
        return None
    slope, start = np.polyfit(np.log(steps[late]), bits[late], 1)
    if slope >= 0 or (target - start) / slope > math.log(MOST_TIMES * steps[-1]):
        return None
    return math.ceil(math.exp((target - start) / slope))


def _learned(runs: Sequence[EvaluatedRun], floor: float | None, inputs: TrialInputs) -> Learned:
    budget = inputs.protocol["verdict"].get("budget", "steps")
    worst = max(runs, key=lambda run: judged_bits_per_byte(run.final, budget))
    highest = judged_bits_per_byte(worst.final, budget)
    if floor is None:
        return Learned(None, highest, None, None)
    has_learned = highest < floor
    return Learned(floor, highest, has_learned, None if has_learned else steps_to_reach(worst.curve, floor))


def _gated(word: str, learned: Mapping[str, Learned], kind: str) -> str:
    if any(each.has_learned is None for each in learned.values()):
        return NOT_MEASURED
    unlearned = [track for track, each in learned.items() if not each.has_learned]
    if not unlearned:
        return word
    has = "has" if len(unlearned) == 1 else "have"
    return f"undecided: {' and '.join(unlearned)} {has} learned no more than {COUNTING[kind]}"
