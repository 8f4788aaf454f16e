"""What a trial will cost: measured, said, and asked about before anything long is begun.

Stages and `run` call it; plan.py reckons, and plan_lines.py has the words.
"""

import sys
from typing import TYPE_CHECKING, Any

from toktrial import progress
from toktrial.errors import TrialError
from toktrial.execution.jobs import Executor
from toktrial.trial_folder import TrialFolder

if TYPE_CHECKING:
    from toktrial.plan import Plan


def show_plan(trial: TrialFolder, executor: Executor) -> "Plan":
    """Returns what a trial is about to do, after saying it."""
    from toktrial.plan_lines import HANGING, describe_plan

    plan = measured_plan(trial, executor)
    progress.print_line("\n".join(describe_plan(plan)), hanging=HANGING)
    return plan


def measured_plan(trial: TrialFolder, executor: Executor) -> "Plan":
    """Returns what a trial is about to do, by a few steps timed here. Raises TrialError where memory or disk are too small."""
    from toktrial.plan import make_plan

    executor.check_memory(trial)
    progress.print_line("looking at a sample of the text and timing a few steps ...")
    return make_plan(trial, at_once=executor.room(trial))


def figures(plan: "Plan") -> dict[str, Any]:
    """Returns what a program wants to know of a plan; the names are those of `Plan` and what it holds."""
    names = ("at_once", "seconds", "tuning_seconds", "disk_bytes", "free_bytes", "speed", "text", "tracks")
    return {"trial": plan.trial.folder, "runs_left": len(plan.left), **{name: getattr(plan, name) for name in names}}


def ask(plan: "Plan") -> None:
    """Asks at a terminal whether to begin something long. Raises TrialError where the answer is no, or nobody can answer."""
    from toktrial.report.wording import duration

    long = f"This will take long: {duration(plan.seconds.least, plan.seconds.most)} on {plan.speed.device}."
    if not sys.stdin.isatty():
        progress.print_line(long)
        raise TrialError("to begin anyway, add --yes; or make it smaller, for example with --training.steps or --seeds 1")
    if progress.ask(f"{long}\nBegin? [y/N] (--yes begins without asking)").lower() not in ("y", "yes"):
        raise TrialError("nothing was begun")
