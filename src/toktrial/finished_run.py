"""A finished run, opened by its folder: what was trained, ready to be used. Changes nothing.

It stands at the end of the flow, beside trial.py, for those who use a trained model: exporting one, and writing with one.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toktrial import artifact
from toktrial.errors import TrialError, nearest_name
from toktrial.evaluation.run_files import FINAL_FILE, is_evaluated
from toktrial.trial_folder import PROTOCOL_FILE, TrialFolder

if TYPE_CHECKING:
    from toktrial.tokenizer.base import Tokenizer
    from toktrial.training.model import GPT
    from toktrial.training.run import Run

EXAMPLE = "trials/demo/runs/bpe/seed-1"


@dataclass(frozen=True)
class FinishedRun:
    """A run with its trial, its tokenizer and its trained model (float32, on the CPU)."""

    trial: TrialFolder
    run: "Run"
    tokens_fingerprint: str
    """What identifies the token files that it was trained on."""
    tokenizer: "Tokenizer"
    model: "GPT"

    @property
    def tokenizer_folder(self) -> Path:
        return self.trial.tokenizer_folder(self.run.track)

    def evaluation(self) -> dict[str, Any] | None:
        """Returns what the run's final.json says; None where the run is not evaluated as the trial's protocol now asks."""
        from toktrial.evaluation.stage import run_evaluation_fingerprint

        evaluation = self.trial.protocol.evaluation
        if not is_evaluated(self.run.folder, run_evaluation_fingerprint(self.run, self.tokens_fingerprint, evaluation)):
            return None
        final: dict[str, Any] = artifact.read_json(self.run.folder / FINAL_FILE)
        return final


def open_finished_run(folder: Path | str) -> FinishedRun:
    """Opens the run in TRIAL/runs/<track>/seed-<n>.

    Raises TrialError where the folder is not a run of a trial, the run is not finished, or it was trained with another protocol
    or tokenizer than the trial has now.
    """
    folder = Path(folder)
    trial, track, seed = _place_in_trial(folder)
    if not artifact.is_finished(folder):
        raise TrialError(f"the run in {folder} is not finished: `toktrial train {trial.folder}` finishes it")
    from toktrial.tokenizer.load import load_tokenizer
    from toktrial.tokens.store import tokens_fingerprint
    from toktrial.training.run import load_model

    run = trial.run_of(track, seed)
    tokens = tokens_fingerprint(artifact.read_manifest(trial.tokenizer_folder(track))["fingerprint"])
    if not artifact.is_finished(run.folder, run.fingerprint(tokens)):
        raise TrialError(
            f"the run in {folder} was trained with another protocol or tokenizer than {trial.folder} has now: "
            f"`toktrial train {trial.folder}` trains it again"
        )
    tokenizer = load_tokenizer(trial.tokenizer_folder(track))
    return FinishedRun(trial, run, tokens, tokenizer, load_model(run, tokenizer.vocab_size))


def _place_in_trial(folder: Path) -> tuple[TrialFolder, str, int]:
    """Returns the trial that a run's folder stands in, its track and its seed."""
    place = folder.resolve()
    if (place / PROTOCOL_FILE).is_file():
        runs = ", ".join(f"{folder}/runs/{track}/seed-{seed}" for track, seed in TrialFolder.open(folder).run_order())
        raise TrialError(f"{folder} is a whole trial: name one of its runs ({runs})")
    number = re.fullmatch(r"seed-([1-9][0-9]*)", place.name)
    if number is None or len(place.parents) < 3 or place.parents[1].name != "runs":
        raise TrialError(f"{folder} is not the folder of a run: name one such as {EXAMPLE}")
    trial = TrialFolder.open(place.parents[2])
    track, seed = place.parent.name, int(number[1])
    if track not in trial.protocol.tracks:
        raise TrialError(f"the trial in {trial.folder} has no track {track!r}: {nearest_name(track, trial.protocol.tracks)}")
    seeds = trial.protocol.run_seeds(track)
    if seed not in seeds:
        raise TrialError(f"{track} has no seed {seed} in the trial in {trial.folder}: its seeds are 1 to {seeds[-1]}")
    return trial, track, seed
