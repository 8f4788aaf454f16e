"""`toktrial power`: how many seeds a trial needs to find an effect of some size, from the noise that one measured.

It stands at the end of the flow, beside trial.py: reads a trial's files through the report's door, and changes nothing.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toktrial.errors import TrialError
from toktrial.report.blocks import Table
from toktrial.report.evaluated import TrialInputs
from toktrial.report.inputs import read_trial
from toktrial.report.power import (
    FEWEST_SEEDS,
    MOST_SEEDS,
    Noise,
    measured_noise,
    power_of,
    seeds_needed,
    smallest_effect,
)
from toktrial.report.sequential import shared_confidence
from toktrial.report.wording import count, decimal, percent, plural, short_percent

if TYPE_CHECKING:
    from rich.table import Table as RichTable

MOST_SEEDS_SHOWN = 10
DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Power:
    """Says how many seeds it takes to find an effect, and the smallest effect that 2 to 10 seeds find."""

    trial: Path | None = None
    """Folder of a trial whose runs say how large the noise is; may stand first, without its name."""
    effect: float = 1.0
    """Difference to be found, in percent of the baseline's final bits per byte."""
    noise: float | None = None
    """Standard deviation of a paired difference, in the same percent, instead of one that a trial measured."""
    power: float = 80.0
    """Percent of trials that shall find the effect."""
    confidence: float | None = None
    """Confidence of the verdict's interval. Not set: that of the trial's protocol, else 0.95."""


@dataclass(frozen=True)
class Question:
    """What is asked; effect and noise are shares of the baseline's final bits per byte."""

    effect: float
    noise: float
    low: float | None
    """Lower end of the noise's interval; None where the noise was given."""
    high: float | None
    """Upper end of the noise's interval; None where the noise was given."""
    power: float
    """Share of trials that shall find the effect."""
    confidence: float
    """Of the test, after the correction for several tracks."""


def power(arguments: list[str]) -> None:
    """Runs `toktrial power TRIAL --effect PERCENT ...`.

    Raises TrialError where a number is out of range, or neither a trial nor --noise says what the noise is.
    """
    import tyro
    from rich.console import Console

    is_named = bool(arguments) and not arguments[0].startswith("-")
    start = Power(trial=Path(arguments[0])) if is_named else Power()
    call = tyro.cli(Power, args=arguments[is_named:], default=start, prog="toktrial power [TRIAL]")
    _check(call)
    question, said = _asked_of_trial(call, read_trial(call.trial)) if call.trial else (_asked_by_hand(call), "")
    console = Console(width=max(80, Console().width))
    for line in [said] if said else []:
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(_drawn(power_table(question)))
    console.print(answer(question), soft_wrap=True, markup=False, highlight=False)


def power_table(question: Question) -> Table:
    """Returns, for 2 to 10 seeds, the smallest effect that is found often enough, and how often the asked one is."""
    rows = [
        [
            count(seeds),
            percent(smallest_effect(seeds, question.noise, question.power, question.confidence), 2),
            percent(float(power_of(seeds, question.effect, question.noise, question.confidence))),
        ]
        for seeds in range(FEWEST_SEEDS, MOST_SEEDS_SHOWN + 1)
    ]
    found = f"smallest effect found in {short_percent(question.power)} of trials"
    headers = ("seeds", found, f"trials that find {short_percent(question.effect)}")
    return Table(
        f"noise {percent(question.noise, 2)}, {short_percent(question.confidence)} confidence", headers, rows, ("number",) * 3
    )


def answer(question: Question) -> str:
    """Returns how many seeds it takes, in a sentence, and in another how sure that is."""
    effect, power, confidence = (short_percent(share) for share in (question.effect, question.power, question.confidence))
    takes = _seeds(question, question.noise)
    sentence = f"To find a difference of {effect} in {power} of trials, at {confidence} confidence, takes {takes}."
    if question.low is None or question.high is None:
        return sentence
    lowest, highest = _seeds(question, question.low), _seeds(question, question.high)
    if lowest == highest:
        return f"{sentence} So it does at both ends of the noise's interval."
    return f"{sentence} At the ends of the noise's interval: {lowest}, and {highest}. Few pairs measure noise badly."


def describe_noise(noise: Noise, baseline: str, confidence: float) -> str:
    """Returns what the noise is and where it comes from."""
    size = f"{decimal(noise.standard_deviation, 4)} bits per byte"
    share = percent(noise.standard_deviation / noise.baseline_bits_per_byte, 2)
    of = f"({share} of {baseline}'s {decimal(noise.baseline_bits_per_byte, 4)})"
    interval = f"its {short_percent(confidence)} interval is {decimal(noise.low, 4)} to {decimal(noise.high, 4)}"
    pairs = plural(noise.pairs, "pair")
    if noise.source == "control":
        return (
            f"Noise: {baseline} trained twice differs by {size} {of}, the root mean square over {pairs} of seeds of the A/A "
            f"control; {interval}. It bounds the noise of a pair from above where the other track is no noisier than the "
            "baseline."
        )
    return f"Noise: the differences of {noise.track} and {baseline} deviate by {size} {of}, over {pairs} of runs; {interval}."


def _check(call: Power) -> None:
    if (call.trial is None) == (call.noise is None):
        raise TrialError("name the folder of a trial whose noise is known, or give the noise with --noise: one of the two")
    for name, value in (("effect", call.effect), ("noise", call.noise)):
        if value is not None and not 0 < value < math.inf:
            raise TrialError(f"--{name} is a percentage above 0, but is {value}")
    if call.confidence is not None and not 0 < call.confidence < 1:
        raise TrialError(f"--confidence must lie between 0 and 1, but is {call.confidence}")
    if not 50 <= call.power < 100:
        raise TrialError(f"--power is a percentage from 50 to below 100, but is {call.power}")


def _asked_of_trial(call: Power, inputs: TrialInputs) -> tuple[Question, str]:
    """Returns the question with the noise of a trial, and a sentence on that noise."""
    noise = measured_noise(inputs)
    if noise is None:
        raise TrialError(
            f"{call.trial} says nothing of chance: it has no two pairs of runs that differ, and no A/A control. Give the noise "
            "with --noise, or run a trial with --seeds 2 or more"
        )
    confidence = call.confidence or inputs.design.verdict.confidence
    low, spread, high = (value / noise.baseline_bits_per_byte for value in (noise.low, noise.standard_deviation, noise.high))
    corrected = shared_confidence(confidence, len(inputs.others))
    question = Question(call.effect / 100, spread, low, high, call.power / 100, corrected)
    return question, describe_noise(noise, inputs.baseline, inputs.design.verdict.confidence)


def _asked_by_hand(call: Power) -> Question:
    assert call.noise is not None, "checked before"
    confidence = call.confidence or DEFAULT_CONFIDENCE
    return Question(call.effect / 100, call.noise / 100, None, None, call.power / 100, confidence)


def _seeds(question: Question, noise: float) -> str:
    needed = seeds_needed(question.effect, noise, question.power, question.confidence)
    return f"more than {count(MOST_SEEDS)} seeds" if needed is None else plural(needed, "seed")


def _drawn(table: Table) -> "RichTable":
    from rich.table import Table as RichTable

    drawn = RichTable(title=table.caption, title_justify="left")
    for header in table.headers:
        drawn.add_column(header, justify="right")
    for row in table.rows:
        drawn.add_row(*row)
    return drawn
