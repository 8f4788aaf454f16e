"""`toktrial status` and `toktrial verify`: how far a trial is, who is writing it, and whether its files are whole.

Both only read, and wait for nobody; `verify --repair` does what `toktrial run` would.
"""

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from toktrial import artifact, progress
from toktrial.commands import Inquiry
from toktrial.commands.terminal import print_lines, print_table
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import is_evaluated
from toktrial.lock import Holder, holder, is_held
from toktrial.report.wording import duration, plural
from toktrial.trial_folder import PROTOCOL_FILE, TRIALS, TrialFolder

if TYPE_CHECKING:
    from toktrial.integrity import Damage
    from toktrial.training.rates import Policy

FINISHED = ("trained", "evaluated")
TRAINING = "training"


@dataclass(frozen=True)
class ListedTrial:
    """A line of the list of trials."""

    trial: Path
    runs: int = 0
    trained: int = 0
    has_report: bool = False
    written_by: Holder | None = None
    damage: str = ""
    """Why nothing else is known of it."""


@dataclass(frozen=True)
class RunState:
    """How far a run is."""

    track: str
    seed: int
    folder: Path
    state: str
    """not begun, training, interrupted, trained or evaluated."""
    step: int
    steps: int
    """In all; 0 while that is not known."""
    steps_per_second: float
    """Nan before the first steps."""

    @property
    def progress(self) -> str:
        return f"{self.step:,} of {self.steps:,}" if self.steps else f"{self.step:,}"

    @property
    def speed(self) -> str:
        return "" if math.isnan(self.steps_per_second) else f"{self.steps_per_second:.1f}"


@dataclass(frozen=True)
class TrialState:
    """How far a trial is."""

    trial: Path
    runs: list[RunState]
    done_before_training: list[str]
    """Of corpus, tokenizers and tokens."""
    seconds_left: float
    """Of the trainings whose length is known; nan where none is."""
    runs_of_unknown_length: int
    written_by: Holder | None
    damage: list[str]
    page: Path | None
    """Of the report, where there is one."""


@dataclass(frozen=True)
class Status(Inquiry):
    """Shows what is done in a trial, what runs, how long it will take, who is writing it, and where things are."""

    trial: Annotated[Path | None, tyro.conf.Positional] = None
    """Folder of a trial. Without it, all trials in the folder `trials` are listed."""

    def find(self) -> list[ListedTrial] | TrialState:
        """Looks at one trial or at all. Raises TrialError where there is none."""
        if self.trial is not None:
            return _state_of_trial(_opened(self.trial))
        folders = sorted(path.parent for path in TRIALS.glob(f"*/{PROTOCOL_FILE}"))
        if not folders:
            raise TrialError(f"there are no trials in {TRIALS}: `toktrial run demo` makes one")
        return list(map(_listed, folders))

    def print_found(self, found: Any) -> None:
        """Prints a table, and what else there is to know."""
        if isinstance(found, TrialState):
            _print_state(found)
        else:
            _print_list(found)


@dataclass(frozen=True)
class Verified:
    """What is wrong with a trial's files."""

    trial: Path
    damage: "list[Damage]"
    without_checksums: list[Path]
    """Runs that an earlier version finished, whose files cannot be checked."""


@dataclass(frozen=True)
class Verify(Inquiry):
    """Checks every file of a trial against the checksums that its stages wrote, and the results against each other.

    Exits with 1 where something is damaged or missing.
    """

    trial: Path
    """Folder of the trial."""
    repair: bool = False
    """Put aside what is damaged and make it again, as `toktrial run` does; restore a protocol that was changed by hand."""
    yes: bool = False
    """With --repair: begin without asking, even if it takes hours or days."""

    def find(self) -> Verified:
        """Returns what is damaged, after the repair where one is asked for."""
        from toktrial.integrity import find_damage, unrecorded_runs

        if not self.trial.is_dir():
            raise TrialError(f"there is no trial in {self.trial}")
        damage = find_damage(self.trial)
        if damage and self.repair:
            self._repair(damage)
            damage = find_damage(self.trial)
        return Verified(self.trial, damage, [] if damage else unrecorded_runs(_opened(self.trial).folder))

    def print_found(self, found: Any) -> None:
        """Prints what is damaged, or that nothing is."""
        print_lines(*map(str, found.damage))
        for run in found.without_checksums:
            progress.print_line(
                f"{run} was finished by an earlier version, which wrote no checksums: its files cannot be checked"
            )
        if not found.damage:
            print_lines(f"{found.trial}: every file is what its stage wrote")

    def execute(self) -> None:
        """Checks the trial and prints what was found. Raises TrialError where anything is damaged, and is not repaired."""
        if damage := super().execute().damage:
            raise TrialError(
                f"{plural(len(damage), 'damaged or missing file')} in {self.trial}: "
                f"`toktrial verify {self.trial} --repair` mends the trial"
            )

    def _repair(self, damage: "list[Damage]") -> None:
        from toktrial.commands.run import Run
        from toktrial.integrity import set_aside
        from toktrial.lock import writing

        with writing(self.trial):
            set_aside(damage, self.trial)
            repaired = Run(_opened(self.trial).protocol, self.trial, yes=self.yes, command="run")
            result = repaired.find()
            if not self.json:
                repaired.print_found(result)


def _opened(folder: Path) -> TrialFolder:
    if not (folder / PROTOCOL_FILE).is_file():
        raise TrialError(f"there is no trial in {folder}: `toktrial status` lists those in {TRIALS}")
    return TrialFolder.open(folder)


def _listed(folder: Path) -> ListedTrial:
    try:
        trial = TrialFolder.open(folder)
        runs = _runs(trial)
    except (TrialError, PermissionError) as error:
        return ListedTrial(folder, damage=str(error))
    trained = sum(run.state in FINISHED for run in runs)
    return ListedTrial(folder, len(runs), trained, artifact.is_finished(trial.report_folder), holder(folder))


def _print_list(trials: list[ListedTrial]) -> None:
    rows = [
        [each.trial.as_posix(), f"{each.trained} of {each.runs}", "yes" if each.has_report else "no", _writer(each.written_by)]
        for each in trials
        if not each.damage
    ]
    print_table("trials", [("trial", "left"), ("runs trained", "right"), ("report", "left"), ("written by", "left")], rows)
    print_lines(*(f"{each.trial}: {each.damage}" for each in trials if each.damage))


def _state_of_trial(trial: TrialFolder) -> TrialState:
    from toktrial.integrity import find_damage

    runs = _runs(trial)
    stages = {"corpus": [trial.corpus_folder], "tokenizers": [*trial.tokenizer_folders.values()]}
    stages["tokens"] = [*trial.tokens_folders.values()]
    return TrialState(
        trial.folder,
        runs,
        [name for name, folders in stages.items() if all(map(artifact.is_finished, folders))],
        *_seconds_left(runs),
        holder(trial.folder),
        [str(each) for each in find_damage(trial.folder, thorough=False)],
        trial.report_folder / "index.html" if artifact.is_finished(trial.report_folder) else None,
    )


def _print_state(state: TrialState) -> None:
    print_table(
        f"{state.trial}",
        [("track", "left"), ("seed", "right"), ("state", "left"), ("step", "right"), ("steps/s", "right"), ("folder", "left")],
        [
            [run.track, f"{run.seed}", run.state, run.progress, run.speed, run.folder.relative_to(state.trial).as_posix()]
            for run in state.runs
        ],
    )
    print_lines(
        f"done before training: {', '.join(state.done_before_training) or 'nothing'}",
        f"training left: {_time_left(state)}",
        f"written by: {_writer(state.written_by)}",
        *(f"damaged: {each}" for each in state.damage),
        f"report: {state.page or 'not yet'}",
    )


def _runs(trial: TrialFolder) -> list[RunState]:
    return [_state_of(trial, *place) for place in (trial.all_runs() if trial.is_tuned else trial.run_order())]


def _state_of(trial: TrialFolder, track: str, seed: int, rate: "Policy | None" = None) -> RunState:
    from toktrial.training.metrics import read_metrics

    folder = trial.run_folder(track, seed, rate)
    has_tokens = all(map(artifact.is_finished, trial.tokens_folders.values()))
    _, training = (trial if has_tokens else trial.protocol).shape_of(track)
    last = None
    with suppress(TrialError):  # `verify` says what is damaged
        last = next(iter(read_metrics(folder)[-1:]), None)
    steps, speed = 0 if training.epochs else training.steps, math.nan
    if artifact.is_finished(folder) and (last is None or last.step >= steps):
        state = FINISHED[is_evaluated(folder)]
    elif is_held(folder):
        state = TRAINING
    else:
        state = "interrupted" if last else "not begun"
    if last and last.training_seconds:
        speed = last.step / last.training_seconds
    return RunState(track, seed, folder, state, last.step if last else 0, steps, speed)


def _seconds_left(runs: list[RunState]) -> tuple[float, int]:
    """Returns how long the runs that are left will take, at the speed that their tracks have shown.

    As many at the same time as are trained now: what each shows beside the others is the speed that counts. The second number
    is how many runs are of unknown length.
    """
    speeds = {run.track: run.steps_per_second for run in runs if not math.isnan(run.steps_per_second)}
    left = [run for run in runs if run.state not in FINISHED]
    seconds = [(run.steps - run.step) / speeds[run.track] for run in left if run.steps and run.track in speeds]
    unknown = len(left) - len(seconds)
    if not seconds:
        return math.nan if left else 0.0, unknown
    at_once = sum(run.state == TRAINING for run in left)
    return max(sum(seconds) / max(1, at_once), max(seconds)), unknown


def _time_left(state: TrialState) -> str:
    unknown = state.runs_of_unknown_length
    if math.isnan(state.seconds_left):
        return f"{unknown} runs, of unknown length"
    if all(run.state in FINISHED for run in state.runs):
        return "none"
    return duration(state.seconds_left) + (f", and {unknown} runs of unknown length" if unknown else "")


def _writer(writer: Holder | None) -> str:
    return str(writer or "nobody")
