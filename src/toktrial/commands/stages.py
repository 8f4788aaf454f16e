"""The commands that do a trial's stages: each goes up to its own. `run` (run.py) is one that does all.

Each takes a preset, a protocol or a trial, changed by flags.
"""

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import tyro

from toktrial import presets, progress, protocol
from toktrial.commands import CallError, Inquiry
from toktrial.commands.cost import ask, show_plan
from toktrial.commands.terminal import print_section
from toktrial.errors import TrialError
from toktrial.execution.jobs import Executor, InTurn
from toktrial.lock import STARTED_BY_TORCHRUN, writing
from toktrial.protocol import Protocol, differences
from toktrial.tokenizer.config import named_code
from toktrial.trackers import check_tracker
from toktrial.trial import Trial
from toktrial.trial_folder import PROTOCOL_FILE, TRIALS, TrialFolder, check_place

if TYPE_CHECKING:
    from toktrial.plan import Plan
    from toktrial.report.comparisons import Comparison
    from toktrial.report.outcome import Verdict
    from toktrial.report.result import TrialResult

TRAINING_STAGES = ("tune", "train", "evaluate")
MOST_AT_ONCE = 1024


@dataclass(frozen=True)
class Outcome:
    """What a program wants to know of a report. The verdict, the comparisons and the notes are as in results.json."""

    trial: Path
    page: Path
    verdict: "Verdict"
    comparisons: "list[Comparison]"
    notes: list[str]


@dataclass(frozen=True)
class Stage(Inquiry):
    """Does what a trial needs up to this stage and has not done yet."""

    protocol: Annotated[Protocol, tyro.conf.arg(name="")]
    trial: Path | None = None
    """Folder of the trial. Without it: trials/NAME."""
    yes: bool = False
    """Begin without asking, even if it takes hours or days."""
    parallel: Literal["auto"] | int | None = None
    """So many trainings or evaluations at the same time, each in a process of its own, with the same results. `auto`: as many
    as the cores have room for, at `training.threads` each, or the GPUs, at `--runs-per-gpu` each."""
    ray: str | None = None
    """The Ray cluster whose machines train and evaluate, with the same results: HOST:PORT, `auto` on one of its machines, or
    `local` for a cluster of this machine alone. Needs toktrial[ray]."""
    storage: str | None = None
    """With `--ray`: where machines exchange files that do not all see the trial's folder, such as s3://BUCKET/NAME."""
    runs_per_gpu: int = 0
    """Trainings that share a GPU. 0: with `--parallel auto` as many as its memory has room for, but at most four; with `--ray`
    one."""
    wait: bool = False
    """Wait for another process that is writing the same trial, where there is one, rather than end."""
    target: float | None = None
    """Bits per byte: `report` and `run` say what each track needs to reach it. It decides nothing."""
    allow_code: bool = False
    """Import the code that a protocol's file names (a score), because you trust it."""
    show: bool = False
    """`report` prints the whole report at the terminal too, but for its pictures."""
    send_to: tuple[str, ...] = ()
    """Show the trial, as it goes on, in one or more of tensorboard, wandb, trackio and mlflow."""
    command: tyro.conf.Suppress[str] = ""
    """The stage, or `run`."""

    @classmethod
    def parse(cls, name: str, arguments: Sequence[str]) -> Self:
        """Returns the call. The first argument names the protocol that the others change.

        Raises TrialError where there is no such protocol, or the flags make it invalid.
        """
        if STARTED_BY_TORCHRUN in os.environ and name != "train":
            raise CallError(f"torchrun is only for training: `torchrun ... -m toktrial train ...`, then `toktrial {name} ...`")
        named = arguments[0] if arguments and not arguments[0].startswith("-") else ""
        if not named and not {"-h", "--help"} & set(arguments):
            known = ", ".join(presets.PRESETS)
            raise CallError(f"toktrial {name} needs a trial: name a preset ({known}), a protocol.toml or the folder of a trial")
        folder = Path(named) if named and Path(named).is_dir() else None
        call = tyro.cli(
            cls,
            args=arguments[bool(named) :],
            default=cls(_named_protocol(named), folder, command=name),
            prog=f"toktrial {name} {named or 'PRESET'}",
            config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff),
        )
        if call.target is not None and not 0 < call.target < math.inf:
            raise TrialError(f"--target must be bits per byte, a number above 0, but is {call.target}")
        for tracker in call.send_to:
            check_tracker(tracker)
        if call.target is not None and name not in ("report", "run"):
            raise CallError(f"--target is an option of `report` and `run`, not of `{name}`")
        if call.json and name not in ("report", "run"):
            raise CallError(
                f"--json is an option of `report` and `run`, not of `{name}`; `toktrial status --json` shows the rest"
            )
        if call.show and name != "report":
            raise CallError(f"--show is an option of `report`, not of `{name}`")
        if call.parallel is not None and name not in (*TRAINING_STAGES, "run"):
            raise CallError(f"--parallel is an option of {', '.join(TRAINING_STAGES)} and `run`, not of `{name}`")
        if call.parallel is not None and STARTED_BY_TORCHRUN in os.environ:
            raise CallError(
                "torchrun shares one training among processes, --parallel has several at the same time: take either"
            )
        if call.ray is not None and (call.parallel is not None or STARTED_BY_TORCHRUN in os.environ):
            raise CallError("--ray has trainings done side by side, too: take it without --parallel and without torchrun")
        if call.ray is not None and name == "report":
            raise CallError("a report needs no cluster: take `report` without --ray")
        if call.storage is not None and call.ray is None:
            raise CallError("--storage is for the machines of a cluster: name that with --ray")
        if isinstance(call.parallel, int) and not 1 <= call.parallel <= MOST_AT_ONCE:
            raise CallError(f"--parallel must be auto or a number from 1 to {MOST_AT_ONCE}, but is {call.parallel}")
        if not 0 <= call.runs_per_gpu <= MOST_AT_ONCE:
            raise CallError(f"--runs-per-gpu must be a number from 0 to {MOST_AT_ONCE}, but is {call.runs_per_gpu}")
        words = [word for argument in arguments for word in argument.split("=", 1)]
        typed = {score for flag, score in itertools.pairwise(words) if flag.startswith("--tracks.") and flag.endswith(".score")}
        return replace(call, allow_code=call.allow_code or typed.issuperset(named_code(call.protocol.tracks).values()))

    def find(self) -> Any:
        """Does the stages, and returns what a report found. Under torchrun, only the first process does what comes before
        training.
        """
        if STARTED_BY_TORCHRUN in os.environ:
            return self._train_together()
        if self.command == "report":
            return self._report_what_is_there()
        with self.writing_trial() as trial:
            trial.mend()
            if self.command in TRAINING_STAGES and not (self.yes or trial.is_trained):
                self._confirm(trial)
            trial.amend()
            return trial.run(self.command)

    def print_found(self, found: Any) -> None:
        """Prints the whole report where `show` asks for it. Says that the stage is done."""
        if self.show:
            from toktrial.report.page import document_of

            for section in document_of(found).sections:
                print_section(section)
        if STARTED_BY_TORCHRUN not in os.environ:
            progress.print_line(f"{self.command}: done, in {self.trial_folder}")

    def for_programs(self, found: "TrialResult") -> Any:
        """Returns the outcome."""
        return Outcome(self.trial_folder, self._report_folder / "index.html", found.verdict, found.comparisons, found.notes)

    def _report_what_is_there(self) -> "TrialResult":
        """Writes the report. Nothing is begun, amended or waited for."""
        from toktrial.report.page import write_report

        if not (self.trial_folder / PROTOCOL_FILE).is_file():
            raise TrialError(f"there is no trial in {self.trial_folder} to report: `toktrial run` makes one")
        trial = TrialFolder.open(self.trial_folder)
        if changed := [name for name, *_ in differences(trial.protocol, self._asked_protocol())]:
            raise TrialError(
                f"a report changes nothing, but the trial in {trial.folder} has another {', '.join(changed)}: "
                f"`toktrial report {trial.folder}` reports it as it is, and `toktrial run` can change some fields"
            )
        result = write_report(trial.folder, self.target)
        with self._sending():
            return result

    def _confirm(self, trial: Trial) -> "Plan":
        """Says what the trial will cost, and asks before anything long. Raises TrialError where the answer is no."""
        plan = show_plan(trial, trial.executor)
        if plan.is_long and not self.yes:
            ask(plan)
        return plan

    @property
    def trial_folder(self) -> Path:
        return self.trial or TRIALS / self.protocol.name

    @property
    def _report_folder(self) -> Path:
        return TrialFolder(self.trial_folder, self.protocol).report_folder

    @contextmanager
    def writing_trial(self) -> Iterator[Trial]:
        """Opens or begins the trial, not yet amended, and holds its lock, while trackers are sent what it writes.

        Raises TrialError as `Trial` and `lock.writing` do.
        """
        check_place(self.trial_folder)
        with ExitStack() as until_sent, writing(self.trial_folder, self.wait), self._executor() as executor:
            asked = self._asked_protocol()
            plan = executor.with_threads(asked)
            if plan != asked:
                progress.print_line(
                    f"training.threads is {plan.training.threads} from now on, so that runs share the cores. The protocol says "
                    "so: one after another, they would come to the same"
                )
            trial = Trial(self.trial_folder, plan, self.allow_code, executor, amends=False)
            until_sent.enter_context(self._sending())
            yield trial

    @contextmanager
    def _sending(self) -> Iterator[None]:
        """Sends the trial to the trackers that were named, while the block runs; see `sending.sending_from_a_process`."""
        with ExitStack() as senders:
            if self.send_to:
                from toktrial.sending import sending_from_a_process

                for name in self.send_to:
                    senders.enter_context(sending_from_a_process(self.trial_folder, name))
            yield

    @contextmanager
    def _executor(self) -> Iterator[Executor]:
        """Yields who trains and evaluates. Raises TrialError where there is no cluster as asked for, or no Ray."""
        if self.ray is not None:
            from toktrial.execution.ray_cluster import connected

            with connected(self.ray, self.storage, self.runs_per_gpu or 1) as cluster:
                cluster.restore(self.trial_folder)
                yield cluster
        elif self.parallel is not None:
            from toktrial.execution.parallel import SideBySide

            yield SideBySide(0 if self.parallel == "auto" else self.parallel, self.runs_per_gpu)
        else:
            yield InTurn()

    def _asked_protocol(self) -> Protocol:
        """Returns the protocol. Where it leaves the threads open, they are those of the trial that is there already."""
        threads = self.protocol.training.threads
        if not threads:
            with suppress(TrialError):  # there is none yet, or it is damaged, as who opens it will say
                threads = TrialFolder.open(self.trial_folder).protocol.training.threads
        return replace(self.protocol, training=replace(self.protocol.training, threads=threads))

    def _train_together(self) -> None:
        from toktrial.training.distributed import first_before_the_others, joined

        check_place(self.trial_folder)
        with joined() as together, writing(self.trial_folder, self.wait):  # a first process that may not write ends here
            with first_before_the_others(together):
                trial = Trial(self.trial_folder, self._asked_protocol(), self.allow_code)
                if together.is_first:
                    trial.mend()
                trial.make_tokens()
                if not trial.is_tuned:
                    raise TrialError(
                        f"learning rates are tuned without torchrun: first `toktrial tune {trial.folder}`, then this again"
                    )
            with self._sending() if together.is_first else nullcontext():
                trial.train()


def _named_protocol(name: str) -> Protocol:
    path = Path(name)
    if not name:
        return presets.tinystories()
    if path.is_dir():
        return protocol.load(path / PROTOCOL_FILE, of_trial=True)
    return protocol.load(path, based_on=presets.preset) if path.suffix == ".toml" else presets.preset(name)
