"""Which changes of its protocol a trial takes after it has begun; trial.py asks where one differs from that on disk.

A protocol is fixed before a trial runs: what changes after a result was there to be seen makes a verdict exploratory, and is
listed (report/amendments.py).
"""

import time
from pathlib import Path
from typing import Any

from toktrial.errors import TrialError
from toktrial.protocol import Protocol, differences
from toktrial.report.amendments import Amendment, append_amendments

# What may change without a finished stage becoming wrong. Not evaluation.eval_documents: finished curves are measured on them.
AMENDABLE = (
    "most_seeds", "control", "verdict.confidence", "verdict.budget", "verdict.floor",
    "evaluation.prompts", "evaluation.max_new_bytes", "evaluation.temperature", "evaluation.top_k", "evaluation.top_p",
    "evaluation.sample_seed", "evaluation.minimal_pairs",
)  # fmt: skip


def amend(trial_folder: Path, there: Protocol, asked: Protocol) -> list[Amendment]:
    """Notes down how `asked` differs from the protocol that the trial has; returns the amendments, none where nothing differs.

    Raises TrialError where a difference is not one that a trial can take, naming all of these.
    """
    changed = differences(there, asked)
    refused = [(name, old, new) for name, old, new in changed if not _can_change(name, old, new, asked)]
    if refused:
        lines = [f"  {name}: {old!r} there, {new!r} asked for" for name, old, new in refused]
        raise TrialError(
            f"{trial_folder} holds a trial of another protocol:\n" + "\n".join(lines) + "\n"
            "A protocol is fixed before a trial runs: name another folder with --trial, or delete this one. What a trial still "
            "takes is more seeds and, under a constant learning rate, more steps."
        )
    seen = any(trial_folder.glob("runs/*/seed-*/manifest.json"))
    made = [Amendment(name, old, new, seen, time.time()) for name, old, new in changed]
    if made:
        append_amendments(trial_folder, made)
    return made


def _can_change(name: str, old: Any, new: Any, asked: Protocol) -> bool:
    if name == "seeds":  # to leave out runs that are there would be to choose among results
        return bool(new > old)
    if name == "training.steps":
        tunes_for_all_steps = bool(asked.tuning.rates) and not asked.tuning.steps  # so that it would choose anew
        can_grow = asked.training.schedule == "constant" and not asked.training.epochs and not tunes_for_all_steps
        return bool(new > old and can_grow)
    return name in AMENDABLE
