"""`toktrial send`: a trial, finished or not, to experiment trackers. The stages' --send-to does the same while they work."""

from dataclasses import dataclass
from pathlib import Path

from toktrial.commands import Call, CallError
from toktrial.commands.terminal import print_lines
from toktrial.errors import TrialError
from toktrial.trial_folder import PROTOCOL_FILE, TrialFolder


@dataclass(frozen=True)
class Send(Call):
    """Sends what trackers lack of a trial: the metrics of its runs, the protocol, the verdict and the charts."""

    trial: Path
    """Folder of the trial."""
    to: tuple[str, ...] = ()
    """One or more of tensorboard, wandb, trackio and mlflow."""
    follow: bool = False
    """Go on for as long as another process is writing the trial."""

    def execute(self) -> None:
        """Sends to one tracker after the other, and says where to look. Raises TrialError where one or more fail."""
        from toktrial.sending import send
        from toktrial.trackers import TRACKERS, check_tracker

        if not self.to:
            raise CallError(
                f"send where? toktrial send {self.trial} --to {next(iter(TRACKERS))}; known are: {', '.join(TRACKERS)}"
            )
        if not (self.trial / PROTOCOL_FILE).is_file():
            raise TrialError(f"there is no trial in {self.trial}: `toktrial status` lists those in trials")
        for name in self.to:
            check_tracker(name)
        trial, failures = TrialFolder.open(self.trial), []
        for name in self.to:
            try:
                print_lines(f"sent to {name}; to see it: {send(trial, name, self.follow)}")
            except TrialError as error:
                failures.append(error)
        if failures:
            raise failures[0] if len(failures) == 1 else TrialError("; ".join(map(str, failures)))
