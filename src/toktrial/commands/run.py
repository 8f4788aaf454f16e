"""`toktrial run`: does everything in a trial, after saying what it will cost, and shows the result.

It is a stage like the others (stages.py), whose plan and result are said in full.
"""

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toktrial import progress
from toktrial.commands.cost import figures, measured_plan
from toktrial.commands.stages import Stage
from toktrial.commands.terminal import print_lines, print_section
from toktrial.execution.jobs import InTurn
from toktrial.trial_folder import TrialFolder, check_place

if TYPE_CHECKING:
    from toktrial.plan import Plan
    from toktrial.report.result import TrialResult


@dataclass(frozen=True)
class Run(Stage):
    """Does everything in a trial that is not done yet, after saying what it will cost, and shows the result."""

    dry_run: bool = False
    """Say what the trial will do and what it will cost, and end there. Nothing is begun or written."""

    def find(self) -> Any:
        """Does all stages and returns the result, or the plan. Raises TrialError where something long is not confirmed."""
        return self._plan_alone() if self.dry_run else self._run()

    def print_found(self, found: Any) -> None:
        """Prints the result in brief, or the plan."""
        if self.dry_run:
            from toktrial.plan_lines import HANGING, describe_plan

            return print_lines(progress.wrapped("\n".join(describe_plan(found)), HANGING, sys.stdout))
        return print_summary(found, self._report_folder)

    def for_programs(self, found: Any) -> Any:
        """Returns the outcome, or the plan's figures."""
        return figures(found) if self.dry_run else super().for_programs(found)

    def _plan_alone(self) -> "Plan":
        check_place(self.trial_folder)
        with nullcontext(InTurn()) if self.ray is not None else self._executor() as executor:
            trial_folder = TrialFolder(self.trial_folder, executor.with_threads(self._asked_protocol()), self.allow_code)
            return measured_plan(trial_folder, executor)

    def _run(self) -> "TrialResult":
        with self.writing_trial() as trial:
            trial.mend()
            finished = trial.finished_result(self.target)
            if finished is not None:
                progress.print_line("everything is done already; this is the result")
                return finished
            trial.make_minimal_pairs()  # before anything is timed, so that what is wrong with them shows at once
            plan = self._confirm(trial)
            trial.amend()
            trial.make_tokens()
            if plan.text.is_estimate:
                from toktrial.plan import make_plan
                from toktrial.plan_lines import HANGING, describe_plan

                described = describe_plan(plan)
                changed = [line for line in describe_plan(make_plan(trial, plan.speed, plan.at_once)) if line not in described]
                progress.print_line("\n".join(["now that the text is counted:", *changed]), hanging=HANGING)
            return trial.report(self.target)


def print_summary(result: "TrialResult", report_folder: Path) -> None:
    """Prints a report's result in brief, and where the report is."""
    from toktrial.report.sections.summary import summary

    print_section(summary(result))
    print_lines(f"report: {report_folder / 'index.html'}")
