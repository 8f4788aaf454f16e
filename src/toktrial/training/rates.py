"""The tuning of learning rates: tries a grid of them on every track, chooses the best, and keeps them in a file.

tokens -> tuning -> training. Every track is trained at every rate, with seeds that no other run has, on the training documents
except some that are set aside, and judged by its bits per byte of those. Validation documents play no part in it. The trial
trains by the file and the report tells of it, so nothing heavy is imported before there is something to train.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.training.config import TrainingConfig, TuningConfig, steps_of

if TYPE_CHECKING:
    from toktrial.training.loop import Evaluator
    from toktrial.training.run import Run

TUNING_FOLDER = "tuning"
RATES_FOLDER = f"{TUNING_FOLDER}/rates"
OTHER_RATE_FOLDER = f"{TUNING_FOLDER}/runs_at_other_rate"  # of the verdict that does not decide, beside runs/
RATES_FILE = "rates.json"
DIVERGED_FILE = "diverged.json"
FIRST_SEED = 1_000_001  # of the tuning runs: beyond any seed of a verdict or its control

Policy = Literal["own", "shared"]
Place = tuple[str, float, int]
"""A tuning run's track, rate and seed."""
BitsPerByte = dict[str, dict[str, list[float | None]]]
"""Of the documents set aside: by track and by rate (as text, which JSON needs), a value per seed; None if the run diverged."""


@dataclass(frozen=True)
class TunedRates:
    """What the tuning found."""

    bits_per_byte: BitsPerByte
    own: dict[str, float]
    """Each track's best rate: that of the lowest mean over the seeds."""
    shared: float
    """The rate at which the mean over the tracks is lowest."""
    at_edge: list[str]
    """Tracks whose best rate is the lowest or the highest of the grid, so that a better one may lie beyond it."""
    steps: dict[str, int]
    """Steps of each track's tuning runs."""
    documents: int
    """Training documents that were set aside."""

    def rate_of(self, track: str, policy: Policy) -> float:
        return self.own[track] if policy == "own" else self.shared


def read_tuned_rates(trial_folder: Path) -> TunedRates:
    """Returns what the tuning of a trial found. Raises TrialError if it is not finished, or its file is damaged."""
    path = trial_folder / RATES_FOLDER / RATES_FILE
    try:
        return TunedRates(**artifact.read_json(path))
    except TypeError as error:
        raise TrialError(f"{path} is damaged ({error}): delete {path.parent} and run again") from None


def tuning_settings(training: TrainingConfig, config: TuningConfig, rate: float) -> TrainingConfig:
    """Returns how a tuning run is trained: like the runs that it tunes for, but at `rate`, and for `config.steps` if set."""
    tuned = replace(training, learning_rate=rate)
    return replace(tuned, steps=config.steps, epochs=0.0) if config.steps else tuned


def tune(
    trial_folder: Path,
    config: TuningConfig,
    tracks: Sequence[str],
    run_of: "Callable[[str, float, int], Run]",
    try_rates: Callable[[Sequence[Place]], Sequence[float | None]],
) -> None:
    """Trains every track at every rate and writes tuning/rates/rates.json, unless that is done.

    `run_of` returns the run of a place; `try_rates` has `try_rate` called for each. Raises TrialError if no rate serves all
    tracks.
    """
    from toktrial.tokens.store import TokenStore
    from toktrial.training.metrics import read_metrics

    seeds, rates = range(FIRST_SEED, FIRST_SEED + config.seeds), sorted(config.rates)
    runs = {(track, rate, seed): run_of(track, rate, seed) for seed in seeds for rate in rates for track in tracks}
    stores = {run.track: TokenStore.open(run.tokens_folder) for run in runs.values()}
    fingerprints = {place: run.fingerprint(stores[run.track].manifest["fingerprint"]) for place, run in runs.items()}
    fingerprint = artifact.fingerprint("rates", {" ".join(map(str, place)): of_run for place, of_run in fingerprints.items()})
    if artifact.is_finished(trial_folder / RATES_FOLDER, fingerprint):
        return
    judged = dict(zip(runs, try_rates(list(runs)), strict=True))
    values = {track: {repr(rate): [judged[track, rate, seed] for seed in seeds] for rate in rates} for track in tracks}
    steps = {run.track: steps_of(run.training, stores[run.track].train.ids.size, run.model.context) for run in runs.values()}
    found = choose(values, steps, stores[tracks[0]].validation.documents)
    last_lines = [line for run in runs.values() for line in read_metrics(run.folder)[-1:]]
    seconds = sum(line.training_seconds + line.evaluation_seconds for line in last_lines)
    with artifact.publish(trial_folder / RATES_FOLDER, fingerprint, {"seconds": seconds}) as partial:
        artifact.write_json(partial / RATES_FILE, asdict(found))


def try_rate(run: "Run", evaluate: "Evaluator", judge: "Evaluator", is_alone: bool = True) -> float | None:
    """Trains a tuning run, unless that is done. Returns its bits per byte of all documents set aside; None if it diverged.

    `evaluate` measures some of the documents set aside along the way, and `judge` measures all of them at the end.
    """
    from toktrial.tokens.store import TokenStore
    from toktrial.training.device import resolve_device
    from toktrial.training.divergence import DivergedError
    from toktrial.training.loop import train
    from toktrial.training.run import load_model

    store, diverged = TokenStore.open(run.tokens_folder), run.folder / DIVERGED_FILE
    fingerprint = run.fingerprint(store.manifest["fingerprint"])
    if diverged.is_file() and artifact.read_json(diverged)["fingerprint"] == fingerprint:
        return None
    try:
        train(run, evaluate, is_alone=is_alone)
    except DivergedError as error:
        artifact.write_json(diverged, {"fingerprint": fingerprint, "error": str(error)})
        return None
    return judge(load_model(run, store.entries).to(resolve_device(run.training.device))).bits_per_byte


def choose(values: BitsPerByte, steps: dict[str, int], documents: int) -> TunedRates:
    """Returns the best rates by the bits per byte of every run, the lowest among equals. The rates of `values` must ascend.

    A rate at which any of its runs diverged is no track's own and cannot be shared. Raises TrialError if one diverged at each
    rate.

    >>> one, two = {"0.001": [1.0], "0.002": [0.8], "0.004": [0.9]}, {"0.001": [0.7], "0.002": [0.9], "0.004": [None]}
    >>> found = choose({"one": one, "two": two}, {"one": 100, "two": 100}, 50)
    >>> found.own, found.shared, found.at_edge
    ({'one': 0.002, 'two': 0.001}, 0.001, ['two'])
    """
    rates = list(next(iter(values.values())))
    means = {track: [mean_over_seeds(of_track[rate]) for rate in rates] for track, of_track in values.items()}
    over_tracks = [fmean(of_tracks) for of_tracks in zip(*means.values(), strict=True)]
    if not any(map(math.isfinite, over_tracks)):
        raise TrialError(
            f"the training of a track diverged at each rate of tuning.rates ({', '.join(rates)}): try lower ones in a new trial"
        )
    best = {track: of_track.index(min(of_track)) for track, of_track in means.items()}
    return TunedRates(
        bits_per_byte=values,
        own={track: float(rates[place]) for track, place in best.items()},
        shared=float(rates[over_tracks.index(min(over_tracks))]),
        at_edge=[track for track, place in best.items() if place in (0, len(rates) - 1)],
        steps=steps,
        documents=documents,
    )


def mean_over_seeds(values: Sequence[float | None]) -> float:
    """Returns the mean of a track's bits per byte at one rate; infinite if one of its runs diverged."""
    return fmean(math.inf if value is None else value for value in values)
