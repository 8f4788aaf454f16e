"""`toktrial power`: how many seeds a trial needs to find an effect of some size, given the noise that a trial measured.

Reads a trial's files through the report's door, and changes nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from toktrial.commands import Inquiry
from toktrial.commands.terminal import print_lines, print_table
from toktrial.errors import TrialError
from toktrial.report.inputs import read_trial
from toktrial.report.noise import FEWEST_SEEDS, MOST_SEEDS, Noise, measured_noise, power_of, seeds_needed, smallest_effect
from toktrial.report.sequential import shared_confidence
from toktrial.report.wording import count, decimal, percent, plural, short_percent

MOST_SEEDS_SHOWN = 10
DEFAULT_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Question:
    """What is asked. Effect and noise are shares of the baseline's final bits per byte."""

    effect: float
    noise: float
    noise_interval: tuple[float, float] | None
    """Ends of the noise's interval; None where the noise was given."""
    power: float
    """Share of trials that are to find the effect."""
    confidence: float
    """Of the test, after the correction for several tracks."""
    source: str = ""
    """Where a noise that was measured comes from, in sentences."""


@dataclass(frozen=True)
class WithSeeds:
    """What a trial with so many seeds finds: the smallest effect often enough, and the share of trials that find this one."""

    seeds: int
    smallest_effect: float
    power: float


@dataclass(frozen=True)
class Power(Inquiry):
    """Says how many seeds it takes to find an effect, and the smallest effect that 2 to 10 seeds find."""

    trial: Path | None = None
    """Folder of a trial whose runs say how large the noise is. It may come first, without the flag's name."""
    effect: float = 1.0
    """Difference to find, in percent of the baseline's final bits per byte."""
    noise: float | None = None
    """Standard deviation of a paired difference, in the same percent, in place of what a trial measured."""
    power: float = 80.0
    """Percent of trials that are to find the effect."""
    confidence: float | None = None
    """Confidence of the verdict's interval. Without it: that of the trial's protocol, or 0.95."""

    @classmethod
    def parse(cls, name: str, arguments: Sequence[str]) -> Self:
        """Returns the call. A first argument that is not a flag names the trial."""
        is_named = bool(arguments) and not arguments[0].startswith("-")
        return super().parse(f"{name} [TRIAL]", ["--trial", *arguments] if is_named else arguments)

    def find(self) -> Question:
        """Returns what is asked, with the noise that was given or measured.

        Raises TrialError where a number is out of range, or the noise comes from neither a trial nor --noise.
        """
        for name, value in (("effect", self.effect), ("noise", self.noise)):
            if value is not None and not 0 < value < math.inf:
                raise TrialError(f"--{name} must be a percentage above 0, but is {value}")
        if self.confidence is not None and not 0 < self.confidence < 1:
            raise TrialError(f"--confidence must lie between 0 and 1, but is {self.confidence}")
        if not 50 <= self.power < 100:
            raise TrialError(f"--power must be a percentage from 50 to below 100, but is {self.power}")
        return self._question()

    def print_found(self, found: Question) -> None:
        """Prints what smaller and larger numbers of seeds find, and how many it takes."""
        print_lines(*filter(None, [found.source]))
        effect = f"smallest effect found in {short_percent(found.power)} of trials"
        print_table(
            f"noise {percent(found.noise, 2)}, {short_percent(found.confidence)} confidence",
            [("seeds", "right"), (effect, "right"), (f"trials that find {short_percent(found.effect)}", "right")],
            power_rows(found),
        )
        print_lines(answer(found))

    def for_programs(self, found: Question) -> dict[str, Any]:
        """Returns the question and its answers. Seeds are None where it takes more than can be computed."""
        ends = found.noise_interval and [_seeds_needed(found, noise) for noise in found.noise_interval]
        needed = {"seeds_needed": _seeds_needed(found, found.noise), "seeds_needed_interval": ends}
        return asdict(found) | needed | {"with_seeds": with_seeds(found)}

    def _question(self) -> Question:
        """Returns the question with the noise that was given, or with that of a trial."""
        effect, power = self.effect / 100, self.power / 100
        if self.noise is not None and self.trial is None:
            return Question(effect, self.noise / 100, None, power, self.confidence or DEFAULT_CONFIDENCE)
        if self.trial is None or self.noise is not None:
            raise TrialError("name the folder of a trial that measured its noise, or give --noise: one of the two")
        inputs = read_trial(self.trial)
        noise = measured_noise(inputs)
        if noise is None:
            raise TrialError(
                f"{self.trial} says nothing about chance: it has no two pairs of runs that differ, and no A/A control. Give "
                "the noise with --noise, or run a trial with --seeds 2 or more"
            )
        confidence = inputs.design.verdict.confidence
        low, spread, high = (size / noise.baseline_bits_per_byte for size in (noise.low, noise.standard_deviation, noise.high))
        corrected = shared_confidence(self.confidence or confidence, len(inputs.others))
        return Question(effect, spread, (low, high), power, corrected, describe_noise(noise, inputs.baseline, confidence))


def with_seeds(question: Question) -> list[WithSeeds]:
    """Returns what 2 to 10 seeds find."""
    return [
        WithSeeds(
            seeds,
            smallest_effect(seeds, question.noise, question.power, question.confidence),
            float(power_of(seeds, question.effect, question.noise, question.confidence)),
        )
        for seeds in range(FEWEST_SEEDS, MOST_SEEDS_SHOWN + 1)
    ]


def power_rows(question: Question) -> list[list[str]]:
    """Returns, for 2 to 10 seeds: how many, the smallest effect that they find often enough, how often they find this one."""
    return [[count(each.seeds), percent(each.smallest_effect, 2), percent(each.power)] for each in with_seeds(question)]


def answer(question: Question) -> str:
    """Returns how many seeds it takes, and how sure that is."""
    effect, power, confidence = (short_percent(share) for share in (question.effect, question.power, question.confidence))
    takes = _seeds(question, question.noise)
    sentence = f"To find a difference of {effect} in {power} of trials, at {confidence} confidence, takes {takes}."
    if question.noise_interval is None:
        return sentence
    lowest, highest = (_seeds(question, noise) for noise in question.noise_interval)
    if lowest == highest:
        return f"{sentence} The same holds at both ends of the noise's interval."
    return f"{sentence} At the ends of the noise's interval: {lowest}, and {highest}. Few pairs measure noise badly."


def describe_noise(noise: Noise, baseline: str, confidence: float) -> str:
    """Returns how large the noise is and where it comes from."""
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


def _seeds_needed(question: Question, noise: float) -> int | None:
    return seeds_needed(question.effect, noise, question.power, question.confidence)


def _seeds(question: Question, noise: float) -> str:
    needed = _seeds_needed(question, noise)
    return f"more than {count(MOST_SEEDS)} seeds" if needed is None else plural(needed, "seed")
