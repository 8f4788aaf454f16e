"""The list of what a trial's protocol changed after the trial had begun, one JSON line a field, and how the report says it.

Written by the trial where a protocol differs from the one on disk; inputs -> results -> notes, page and Markdown.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from toktrial.errors import TrialError

AMENDMENTS_FILE = "amendments.jsonl"
DECIDING = ("seeds", "most_seeds", "training.steps", "verdict.")  # fields, or beginnings of them, that the verdict's rule reads


@dataclass(frozen=True)
class Amendment:
    """One field of the protocol that changed after the trial had begun."""

    field: str
    """Dotted name of the field."""
    old: Any
    new: Any
    results_seen: bool
    """Whether a run was finished by then, so that its result may have been seen."""
    time: float
    """Seconds since 1970."""


def append_amendments(trial_folder: Path, amendments: Sequence[Amendment]) -> None:
    """Adds to a trial's list."""
    with (trial_folder / AMENDMENTS_FILE).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in amendments)


def read_amendments(trial_folder: Path) -> list[Amendment]:
    """Returns the amendments of a trial, in the order in which they were made. Raises TrialError where the list is damaged."""
    path = trial_folder / AMENDMENTS_FILE
    if not path.is_file():
        return []
    try:
        return [Amendment(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, TypeError) as error:
        raise TrialError(f"{path} is damaged ({error}): restore it, for the report must list what was changed") from None


def describe_amendment(amendment: Amendment) -> str:
    """Returns an amendment in words.

    >>> describe_amendment(Amendment("seeds", 3, 8, results_seen=True, time=0))
    'seeds: 3 became 8 on 1970-01-01 00:00 UTC, after a run was finished'
    """
    when = datetime.fromtimestamp(amendment.time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    seen = "after a run was finished" if amendment.results_seen else "before any run was finished"
    return f"{amendment.field}: {_shown(amendment.old)} became {_shown(amendment.new)} on {when}, {seen}"


def is_exploratory(amendments: Sequence[Amendment]) -> bool:
    """Whether something that the verdict's rule reads was changed when a result may have been seen."""
    return any(each.results_seen and each.field.startswith(DECIDING) for each in amendments)


def _shown(value: Any) -> str:
    return f"{len(value)} texts" if isinstance(value, list) else str(value)
