"""The commands that do a trial's stages, each up to its own: a preset, a protocol or a trial, changed by flags.

run.py does all of them, in its own way.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import tyro

from toktrial import presets, progress, protocol
from toktrial.commands import Call, CallError
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.trial import PROTOCOL_FILE, Trial

STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"  # the variable that says so


@dataclass(frozen=True)
class Stage(Call):
    """Does what a trial needs up to this stage and has not done yet."""

    protocol: Annotated[Protocol, tyro.conf.arg(name="")]
    trial: Path | None = None
    """Folder of the trial; trials/NAME where none is named."""
    yes: bool = False
    """Begin without asking, also what takes hours or days."""
    target: float | None = None
    """Bits per byte: `report` and `run` tell what each track needs to reach it. Decides nothing."""
    command: tyro.conf.Suppress[str] = ""
    """The stage, or `run`."""

    @classmethod
    def parse(cls, name: str, arguments: Sequence[str]) -> Self:
        """Returns the call; the first argument names the protocol that the others change.

        Raises TrialError where there is no such protocol, or the flags make none.
        """
        if STARTED_BY_TORCHRUN in os.environ and name != "train":
            raise CallError(f"torchrun is for training alone: `torchrun ... -m toktrial train ...`, then `toktrial {name} ...`")
        named = arguments[0] if arguments and not arguments[0].startswith("-") else ""
        if not named and not {"-h", "--help"} & set(arguments):
            known = ", ".join(presets.PRESETS)
            raise CallError(f"toktrial {name} what? Name a preset ({known}), a protocol.toml or the folder of a trial")
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
        if call.target is not None and name not in ("report", "run"):
            raise CallError(f"--target is an option of `report` and `run`, not of `{name}`")
        return call

    def execute(self) -> None:
        """Does the stages; in processes that torchrun started, the first of them does all that comes before training."""
        if STARTED_BY_TORCHRUN in os.environ:
            return self._train_together()
        trial = self.open_trial()
        if self.command == "report":
            trial.report(self.target)
        else:
            trial.run(self.command)
        return progress.print_line(f"{self.command}: done, in {trial.folder}")

    def open_trial(self) -> Trial:
        """Opens or begins the trial. Raises TrialError as `Trial` does."""
        return Trial(self.trial or Path("trials") / self.protocol.name, self.protocol)

    def _train_together(self) -> None:
        from toktrial.training.distributed import first_before_the_others, joined

        with joined() as together:
            with first_before_the_others(together):
                trial = self.open_trial()
                trial.make_tokens()
                if not trial.is_tuned:
                    raise TrialError(
                        f"learning rates are tuned without torchrun: first `toktrial tune {trial.folder}`, then this"
                    )
            trial.train()


def _named_protocol(name: str) -> Protocol:
    path = Path(name)
    if not name:
        return presets.tinystories()
    if path.is_dir():
        return protocol.load(path / PROTOCOL_FILE)
    return protocol.load(path) if path.suffix == ".toml" else presets.preset(name)
