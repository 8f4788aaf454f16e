"""The tuned learning rates of a trial: how a tuning run is trained, how rates are chosen by what they came to, and their file.

tuning.py makes the file, the trial trains by it, and the report tells of it. Imports nothing heavy.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Literal

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.training.config import TrainingConfig, TuningConfig

TUNING_FOLDER = "tuning"
RATES_FOLDER = f"{TUNING_FOLDER}/rates"
OTHER_RATE_FOLDER = f"{TUNING_FOLDER}/runs_at_other_rate"  # of the verdict that does not decide, beside runs/
RATES_FILE = "rates.json"
FIRST_SEED = 1_000_001  # of the runs that tune: beyond any seed that a verdict or its control comes to

Policy = Literal["own", "shared"]
BitsPerByte = dict[str, dict[str, list[float | None]]]
"""Of the documents set aside: by track and by rate (a text, as JSON wants it), a value a seed; None where a run diverged."""


@dataclass(frozen=True)
class TunedRates:
    """What the tuning found."""

    bits_per_byte: BitsPerByte
    own: dict[str, float]
    """Each track's best rate: that of the lowest mean over the seeds."""
    shared: float
    """The rate at which the mean over the tracks is lowest."""
    at_edge: list[str]
    """Tracks whose best rate is the lowest or the highest of the grid, beyond which a better one may lie."""
    steps: dict[str, int]
    """Steps of each track's tuning runs."""
    documents: int
    """Training documents that were set aside."""

    def rate_of(self, track: str, policy: Policy) -> float:
        """Returns the rate that a track is trained at."""
        return self.own[track] if policy == "own" else self.shared


def read_tuned_rates(trial_folder: Path) -> TunedRates:
    """Returns what the tuning of a trial found. Raises TrialError where it is not finished, or its file is damaged."""
    path = trial_folder / RATES_FOLDER / RATES_FILE
    try:
        return TunedRates(**artifact.read_json(path))
    except TypeError as error:
        raise TrialError(f"{path} is damaged ({error}): delete {path.parent} and run again") from None


def tuning_settings(training: TrainingConfig, config: TuningConfig, rate: float) -> TrainingConfig:
    """Returns how a tuning run is trained: as the runs that it tunes for, at `rate`, with fewer steps where these are set."""
    steps = {"steps": config.steps, "epochs": 0.0} if config.steps else {}
    return replace(training, learning_rate=rate, **steps)  # type: ignore[arg-type]  # names and types agree


def choose(values: BitsPerByte, steps: dict[str, int], documents: int) -> TunedRates:
    """Returns the best rates by what every run came to, of equal ones the lowest. The rates of `values` must ascend.

    A rate at which any of its runs diverged is no track's own, and cannot be shared. Raises TrialError where one diverged at
    each rate.

    >>> one, two = {"0.001": [1.0], "0.002": [0.8], "0.004": [0.9]}, {"0.001": [0.7], "0.002": [0.9], "0.004": [None]}
    >>> found = choose({"one": one, "two": two}, {"one": 100, "two": 100}, 50)
    >>> found.own, found.shared, found.at_edge
    ({'one': 0.002, 'two': 0.001}, 0.001, ['two'])
    """
    rates = list(next(iter(values.values())))
    means = {track: [_mean(of_track[rate]) for rate in rates] for track, of_track in values.items()}
    over_tracks = [fmean(of_tracks) for of_tracks in zip(*means.values(), strict=True)]
    if not any(map(math.isfinite, over_tracks)):
        raise TrialError(
            f"the training of a track diverged at each rate of tuning.rates ({', '.join(rates)}): try lower ones in a new trial"
        )
    best = {track: min(range(len(rates)), key=of_track.__getitem__) for track, of_track in means.items()}
    return TunedRates(
        bits_per_byte=values,
        own={track: float(rates[place]) for track, place in best.items()},
        shared=float(rates[min(range(len(rates)), key=over_tracks.__getitem__)]),
        at_edge=[track for track, place in best.items() if place in (0, len(rates) - 1)],
        steps=steps,
        documents=documents,
    )


def _mean(values: Sequence[float | None]) -> float:
    return fmean(math.inf if value is None else value for value in values)
