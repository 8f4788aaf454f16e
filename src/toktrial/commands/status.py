"""`toktrial status` and `toktrial verify`: how far a trial is, who is writing it, and whether its files are whole.

Both only read, and wait for nobody; `verify --repair` does what `toktrial run` would.
"""

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from toktrial import artifact, progress
from toktrial.commands import Call
from toktrial.commands.terminal import print_lines, print_table
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import is_evaluated
from toktrial.lock import holder, is_held
from toktrial.report.wording import duration, plural
from toktrial.trial_folder import PROTOCOL_FILE, TRIALS, TrialFolder

if TYPE_CHECKING:
    from toktrial.training.metrics import Metrics
    from toktrial.training.rates import Policy

FINISHED = ("trained", "evaluated")
TRAINING = "training"


@dataclass(frozen=True)
class Status(Call):
    """Shows what is done in a trial, what runs, how long it will take, who is writing it, and where things are."""

    trial: Annotated[Path | None, tyro.conf.Positional] = None
    """Folder of a trial. Without it, all trials in the folder `trials` are listed."""

    def execute(self) -> None:
        """Prints a table. Raises TrialError where there is no trial."""
        if self.trial is None:
            return _list_trials(sorted(path.parent for path in TRIALS.glob(f"*/{PROTOCOL_FILE}")))
        return _show(_opened(self.trial))


@dataclass(frozen=True)
class Verify(Call):
    """Checks every file of a trial against the checksums that its stages wrote, and the results against each other.

    Exits with 1 where something is damaged or missing.
    """

    trial: Path
    """Folder of the trial."""
    repair: bool = False
    """Put aside what is damaged and make it again, as `toktrial run` does; restore a protocol that was changed by hand."""
    yes: bool = False
    """With --repair: begin without asking, even if it takes hours or days."""

    def execute(self) -> None:
        """Prints what is damaged. Raises TrialError where anything is, and is not repaired."""
        from toktrial.integrity import find_damage, set_aside, unrecorded_runs

        if not self.trial.is_dir():
            raise TrialError(f"there is no trial in {self.trial}")
        damage = find_damage(self.trial)
        if damage and self.repair:
            from toktrial.commands.stages import Run
            from toktrial.lock import writing

            with writing(self.trial):
                set_aside(damage, self.trial)
                Run(_opened(self.trial).protocol, self.trial, yes=self.yes, command="run").execute()
            damage = find_damage(self.trial)
        if damage:
            print_lines(*map(str, damage))
            raise TrialError(
                f"{plural(len(damage), 'damaged or missing file')} in {self.trial}: "
                f"`toktrial verify {self.trial} --repair` mends the trial"
            )
        trial = _opened(self.trial)
        for run in unrecorded_runs(trial.folder):
            progress.print_line(
                f"{run} was finished by an earlier version, which wrote no checksums: its files cannot be checked"
            )
        print_lines(f"{trial.folder}: every file is what its stage wrote")


def _opened(folder: Path) -> TrialFolder:
    if not (folder / PROTOCOL_FILE).is_file():
        raise TrialError(f"there is no trial in {folder}: `toktrial status` lists those in {TRIALS}")
    return TrialFolder.open(folder)


def _list_trials(folders: list[Path]) -> None:
    if not folders:
        raise TrialError(f"there are no trials in {TRIALS}: `toktrial run demo` makes one")
    rows, damaged = [], []
    for folder in folders:
        try:
            trial = TrialFolder.open(folder)
            states = [run.state for run in _runs(trial)]
        except TrialError as error:
            damaged.append(f"{folder}: {error}")
            continue
        trained = f"{sum(state in FINISHED for state in states)} of {len(states)}"
        rows.append([folder.as_posix(), trained, "yes" if artifact.is_finished(trial.report_folder) else "no", _writer(folder)])
    print_table("trials", [("trial", "left"), ("runs trained", "right"), ("report", "left"), ("written by", "left")], rows)
    print_lines(*damaged)


def _show(trial: TrialFolder) -> None:
    from toktrial.integrity import find_damage

    runs = _runs(trial)
    print_table(
        f"{trial.folder}",
        [("track", "left"), ("seed", "right"), ("state", "left"), ("step", "right"), ("steps/s", "right"), ("folder", "left")],
        [
            [run.track, f"{run.seed}", run.state, run.progress, run.speed, run.folder.relative_to(trial.folder).as_posix()]
            for run in runs
        ],
    )
    stages = {"corpus": [trial.corpus_folder], "tokenizers": [*trial.tokenizer_folders.values()]}
    stages["tokens"] = [*trial.tokens_folders.values()]
    done = [name for name, folders in stages.items() if all(map(artifact.is_finished, folders))]
    print_lines(
        f"done before training: {', '.join(done) or 'nothing'}",
        f"training left: {_time_left(runs)}",
        f"written by: {_writer(trial.folder)}",
        *(f"damaged: {each}" for each in find_damage(trial.folder, thorough=False)),
        f"report: {trial.report_folder / 'index.html' if artifact.is_finished(trial.report_folder) else 'not yet'}",
    )


@dataclass(frozen=True)
class _RunState:
    track: str
    seed: int
    folder: Path
    steps: int
    last: "Metrics | None"
    state: str

    @property
    def steps_per_second(self) -> float:
        """Nan before the first steps."""
        return self.last.step / self.last.training_seconds if self.last and self.last.training_seconds else math.nan

    @property
    def done(self) -> int:
        """Steps."""
        return self.last.step if self.last else 0

    @property
    def progress(self) -> str:
        return f"{self.done:,} of {self.steps:,}" if self.steps else f"{self.done:,}"

    @property
    def speed(self) -> str:
        return "" if math.isnan(self.steps_per_second) else f"{self.steps_per_second:.1f}"


def _runs(trial: TrialFolder) -> list[_RunState]:
    return [_state_of(trial, *place) for place in (trial.all_runs() if trial.is_tuned else trial.run_order())]


def _state_of(trial: TrialFolder, track: str, seed: int, rate: "Policy | None" = None) -> _RunState:
    from toktrial.training.metrics import read_metrics

    folder = trial.run_folder(track, seed, rate)
    has_tokens = all(map(artifact.is_finished, trial.tokens_folders.values()))
    _, training = (trial if has_tokens else trial.protocol).shape_of(track)
    last = None
    with suppress(TrialError):  # `verify` says what is damaged
        last = next(iter(read_metrics(folder)[-1:]), None)
    if artifact.is_finished(folder):
        state = FINISHED[is_evaluated(folder)]
    elif is_held(folder):
        state = TRAINING
    else:
        state = "interrupted" if last else "not begun"
    return _RunState(track, seed, folder, 0 if training.epochs else training.steps, last, state)


def _time_left(runs: list[_RunState]) -> str:
    """Says how long the runs that are not finished will take, at the speed that their tracks have shown.

    As many at the same time as are trained now: what each shows beside the others is the speed that counts.
    """
    speeds = {run.track: run.steps_per_second for run in runs if not math.isnan(run.steps_per_second)}
    left = [run for run in runs if run.state not in FINISHED]
    if not left:
        return "none"
    seconds = [(run.steps - run.done) / speeds[run.track] for run in left if run.steps and run.track in speeds]
    unknown = len(left) - len(seconds)
    if not seconds:
        return f"{unknown} runs, of unknown length"
    at_once = sum(run.state == TRAINING for run in left)
    return duration(max(sum(seconds) / max(1, at_once), max(seconds))) + (
        f", and {unknown} runs of unknown length" if unknown else ""
    )


def _writer(folder: Path) -> str:
    return str(holder(folder) or "nobody")
