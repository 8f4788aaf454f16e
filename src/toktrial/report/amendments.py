"""What changed in a trial's protocol after the trial had begun: the list, one JSON line a field, and how the report says it.

The trial writes it where a protocol differs from the one on disk; inputs -> result -> page and Markdown.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from toktrial import artifact
from toktrial.errors import TrialError

AMENDMENTS_FILE = "amendments.jsonl"
DECIDING = ("seeds", "most_seeds", "training.steps", "verdict.")  # fields, or beginnings of them, that the verdict's rule reads


@dataclass(frozen=True)
class Amendment:
    """One field of the protocol, by its dotted name, that changed after the trial had begun. `time`: seconds since 1970.

    `results_seen`: whether a run was finished by then, so that its result may have been seen.
    """

    field: str
    old: Any
    new: Any
    results_seen: bool
    time: float


def append_amendments(trial_folder: Path, amendments: Sequence[Amendment]) -> None:
    """Adds to a trial's list."""
    path = trial_folder / AMENDMENTS_FILE
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    with artifact.publish_file(path) as partial:
        added = "".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in amendments)
        partial.write_text(before + added, encoding="utf-8")


def read_amendments(trial_folder: Path) -> list[Amendment]:
    """Returns the amendments of a trial in the order they were made. Raises TrialError where the list is damaged."""
    path = trial_folder / AMENDMENTS_FILE
    if not path.is_file():
        return []
    try:
        return [Amendment(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, TypeError) as error:
        raise TrialError(f"{path} is damaged ({error}): restore it, because the report must list what was changed") from None


def describe_amendment(amendment: Amendment) -> str:
    """Returns an amendment in words.

    >>> describe_amendment(Amendment("seeds", 3, 8, results_seen=True, time=0))
    'seeds: 3 became 8 on 1970-01-01 00:00 UTC, after a run was finished'
    """
    when = datetime.fromtimestamp(amendment.time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    seen = "after a run was finished" if amendment.results_seen else "before any run was finished"
    old, new = (f"{len(value)} texts" if isinstance(value, list) else value for value in (amendment.old, amendment.new))
    return f"{amendment.field}: {old} became {new} on {when}, {seen}"


def is_exploratory(amendments: Sequence[Amendment]) -> bool:
    """Whether something that the verdict's rule reads was changed when a result may have been seen."""
    return any(each.results_seen and each.field.startswith(DECIDING) for each in amendments)
