"""`toktrial run`: a whole trial. Says what it will cost, asks before anything long, and shows the result at the terminal."""

import sys
from dataclasses import dataclass
from pathlib import Path

from toktrial import progress
from toktrial.commands.stages import Stage
from toktrial.commands.terminal import print_lines, print_table
from toktrial.errors import TrialError
from toktrial.plan import Plan, describe_plan, duration, make_plan
from toktrial.report.amendments import describe_amendment
from toktrial.report.result import TrialResult
from toktrial.report.sections.control import control_sentences
from toktrial.report.sections.opening import noise_sentences
from toktrial.report.wording import decimal


@dataclass(frozen=True)
class Run(Stage):
    """Does all of a trial that is not done yet, after saying what it will cost."""

    def execute(self) -> None:
        """Does all stages and shows the result. Raises TrialError where nobody says yes to something long."""
        trial = self.open_trial()
        finished = trial.finished_result(self.target)
        if finished is not None:
            progress.print_line("all is done already; this is the result")
            return print_summary(finished, trial.report_folder)
        trial.make_minimal_pairs()  # before anything is timed: what is wrong with them is soon said
        progress.print_line("looking at a sample of the text and timing a few steps ...")
        plan = make_plan(trial)
        progress.print_line("\n".join(describe_plan(plan)))
        if plan.is_long and not self.yes:
            _ask(plan)
        trial.make_tokens()
        if plan.text.is_estimate:
            progress.print_line("\n".join(describe_plan(make_plan(trial))))
        return print_summary(trial.report(self.target), trial.report_folder)


def print_summary(result: TrialResult, report_folder: Path) -> None:
    """Prints a report's result: how its criterion came out, a table of the tracks, where the report is."""
    verdict = result.verdict
    print_lines(verdict.outcome, *verdict.clauses, verdict.criterion)
    headings = ("entries", "bytes per token", "bits per byte", "loss per token", "training seconds")
    print_table(
        f"trial {result.trial}",
        {"track": "left", **dict.fromkeys(headings, "right")},
        [
            [
                name,
                f"{track.entries:,}",
                decimal(track.bytes_per_token.validation, 2),
                decimal(track.final.bits_per_byte, 4),
                decimal(track.final.validation_loss, 3),
                decimal(track.final.training_seconds, 1),
            ]
            for name, track in result.tracks.items()
        ],
    )
    print_lines(
        *verdict.details,
        *noise_sentences(result),
        *(control_sentences(result.control, result)[:1] if result.control else []),
        *(f"- {note}" for note in result.notes),
        *(f"- changed: {describe_amendment(each)}" for each in result.amendments),
        f"report: {report_folder / 'index.html'}",
    )


def _ask(plan: Plan) -> None:
    """Asks at a terminal whether to begin something long; elsewhere refuses."""
    speed = plan.speed
    progress.print_line(f"This will take long: {duration(plan.seconds)}, {speed.step_seconds:.1f} s a step on {speed.device}.")
    if not sys.stdin.isatty():
        raise TrialError("begin it with --yes, or make it smaller, for example with --training.steps or --seeds 1")
    progress.print_line("Begin? [y/N] (--yes begins without asking)")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise TrialError("not begun")
