"""Tries a grid of learning rates on every track, and notes down which serves each track best, and which all of them together.

tokens -> tuning -> training. Every track is trained at every rate under seeds that no other run has, on the training documents
but for some that are set aside, and judged by its bits per byte of those. Validation documents take no part in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from toktrial import artifact
from toktrial.tokens.store import TokenStore
from toktrial.training.config import TuningConfig
from toktrial.training.device import resolve_device
from toktrial.training.divergence import DivergedError
from toktrial.training.loop import Evaluator, train
from toktrial.training.metrics import read_metrics
from toktrial.training.rates import FIRST_SEED, RATES_FILE, RATES_FOLDER, BitsPerByte, choose
from toktrial.training.run import Run, load_model, steps_of

DIVERGED_FILE = "diverged.json"


def tune(
    trial_folder: Path,
    config: TuningConfig,
    tracks: Sequence[str],
    run_of: Callable[[str, float, int], Run],
    evaluators: Mapping[str, Evaluator],
    judges: Mapping[str, Evaluator],
) -> None:
    """Trains every track at every rate and writes tuning/rates/rates.json, unless that is done.

    `run_of` returns the run of a track, a rate and a seed. Of the documents set aside, `evaluators` measure some along the way,
    and `judges` measure all at the end. Raises TrialError where no rate serves all tracks.
    """
    seeds, rates = range(FIRST_SEED, FIRST_SEED + config.seeds), sorted(config.rates)
    runs = {(track, rate, seed): run_of(track, rate, seed) for seed in seeds for rate in rates for track in tracks}
    stores = {run.track: TokenStore.open(run.tokens_folder) for run in runs.values()}
    fingerprints = {place: run.fingerprint(stores[run.track].manifest["fingerprint"]) for place, run in runs.items()}
    fingerprint = artifact.fingerprint("rates", {" ".join(map(str, place)): of_run for place, of_run in fingerprints.items()})
    folder = trial_folder / RATES_FOLDER
    if artifact.is_finished(folder, fingerprint):
        return
    judged: dict[tuple[str, float, int], float | None] = {}
    for place, run in runs.items():
        is_sound = _trains(run, fingerprints[place], evaluators[run.track])
        judged[place] = _bits_per_byte(run, stores[run.track].entries, judges[run.track]) if is_sound else None
    values: BitsPerByte = {
        track: {repr(rate): [judged[track, rate, seed] for seed in seeds] for rate in rates} for track in tracks
    }
    steps = {run.track: steps_of(run.training, stores[run.track].train.ids.size, run.model.context) for run in runs.values()}
    found = choose(values, steps, stores[tracks[0]].validation.documents)
    with artifact.publish(folder, fingerprint, {"seconds": sum(map(_seconds, runs.values()))}) as partial:
        artifact.write_json(partial / RATES_FILE, asdict(found))


def _trains(run: Run, fingerprint: str, evaluate: Evaluator) -> bool:
    """Trains a run, unless that is done; returns whether it came to its end without diverging."""
    diverged = run.folder / DIVERGED_FILE
    if diverged.is_file() and artifact.read_json(diverged)["fingerprint"] == fingerprint:
        return False
    try:
        train(run, evaluate)
    except DivergedError as error:
        artifact.write_json(diverged, {"fingerprint": fingerprint, "error": str(error)})
        return False
    return True


def _bits_per_byte(run: Run, entries: int, judge: Evaluator) -> float:
    return judge(load_model(run, entries).to(resolve_device(run.training.device))).bits_per_byte


def _seconds(run: Run) -> float:
    """Returns what a run's training and evaluations took."""
    lines = read_metrics(run.folder)
    return lines[-1].training_seconds + lines[-1].evaluation_seconds if lines else 0.0
