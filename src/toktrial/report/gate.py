"""The gate before the verdict: whether a track's models have learned more than counting pairs of entries already knows.

Inputs -> gate -> comparisons. Longer tokens begin at fewer bits per byte, by the frequency of entries alone, and their models
stand on a plateau at first. A run that ends above what a count model of the same ids reaches compares floors, not learning.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from toktrial.report.curves import Curve
from toktrial.report.evaluated import TrialInputs

COUNTING = {"bigram": "counting pairs", "unigram": "counting entries"}  # what a model has learned no more than
NOT_MEASURED = "undecided: what counting alone reaches was not measured"
FITTED_SHARE = 0.5  # of a curve, its last part, whose slope against the logarithm of the step is carried on
MOST_TIMES = 20.0  # a slope carried on further than this says nothing


@dataclass(frozen=True)
class Learned:
    """How a track's runs stand against what counting alone reaches, where the verdict compares, in bits per byte.

    `floor`: the count model's, None in a trial of an earlier version. `highest`: the worst run's. `has_learned`: whether every
    run is below the floor; None without one. `steps_needed`: by the slope of the worst run's curve; None where it has learned,
    and where the slope cannot tell.
    """

    floor: float | None
    highest: float
    has_learned: bool | None
    steps_needed: int | None


def gate(inputs: TrialInputs) -> dict[str, Learned]:
    """Returns how each track stands."""
    found = {}
    for track, runs in inputs.runs.items():
        worst = max(runs, key=inputs.judged)
        highest, floors = inputs.judged(worst), inputs.floors.get(track)
        floor = getattr(floors, inputs.design.verdict.floor).bits_per_byte if floors else None
        has_learned = None if floor is None else highest < floor
        needed = steps_to_reach(worst.curve, floor) if has_learned is False else None
        found[track] = Learned(floor, highest, has_learned, needed)
    return found


def gated_words(words: Mapping[str, str], learned: Mapping[str, Learned], baseline: str, kind: str) -> dict[str, str]:
    """Returns the word for each other track: where it or the baseline has not learned, nothing is decided."""
    return {other: _gated(word, {track: learned[track] for track in (baseline, other)}, kind) for other, word in words.items()}


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


def _gated(word: str, learned: Mapping[str, Learned], kind: str) -> str:
    if any(each.has_learned is None for each in learned.values()):
        return NOT_MEASURED
    unlearned = [track for track, each in learned.items() if not each.has_learned]
    if not unlearned:
        return word
    has = "has" if len(unlearned) == 1 else "have"
    return f"undecided: {' and '.join(unlearned)} {has} learned no more than {COUNTING[kind]}"
