"""Several trials side by side: what their protocols differ in, what they are a series of, and their results as tidy tables.

Results -> side by side -> side_by_side_page.py. Trials whose validation texts differ are refused: their bits per byte do not
compare.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toktrial.artifact import read_manifest
from toktrial.errors import TrialError
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.result import TrialResult
from toktrial.report.sections.record import flat
from toktrial.report.tracks import Measures
from toktrial.report.wording import count, plural

if TYPE_CHECKING:
    import polars as pl

VALIDATION_FILE = "validation.arrow"
# What may differ between the trials of a series, beside what it is a series of: how often or how fast something was done.
BESIDE_A_SERIES = (
    "name", "seeds", "most_seeds", "control", "training.threads", "training.learning_rate", "training.warmup_steps",
    "training.log_every", "training.checkpoint_every",
)  # fmt: skip
# What a series goes along: the fields of the protocol that move it, the title of its axis, and its value in a result.
SERIES: dict[str, tuple[str, Callable[[TrialResult], float]]] = {
    "training.steps": ("training steps", lambda result: result.design.training.steps),
    "model.": ("parameters", lambda result: result.tracks[result.baseline].parameters),
    "vocab_size": ("entries of the vocabulary", lambda result: result.design.vocab_size),
    "corpus.max_megabytes": ("bytes of training text", lambda result: result.corpus.train.bytes),
}


@dataclass(frozen=True)
class ReportedTrial:
    """A trial's result, under the name that tells it from the others."""

    name: str
    folder: Path
    result: TrialResult


@dataclass(frozen=True)
class Series:
    """Trials that differ in one thing: its title, and its value in each trial."""

    title: str
    values: list[float]


def open_trials(folders: Sequence[Path]) -> list[ReportedTrial]:
    """Reads the trials in `folders`, two or more. Each is named by its folder, or by its whole path where names are equal.

    Raises TrialError as `inputs.read_trial` does, and where the trials were not validated on the same text.
    """
    if len(folders) < 2:
        raise TrialError("comparing takes two trials or more: name their folders")
    names = [folder.resolve().name for folder in folders]
    are_unique = len(set(names)) == len(names)
    labels = names if are_unique else [str(folder) for folder in folders]
    trials = [ReportedTrial(label, folder, gather(read_trial(folder))) for label, folder in zip(labels, folders, strict=True)]
    first, *others = trials
    for other in others:
        if _validation_checksum(other.folder) != _validation_checksum(first.folder):
            sizes = [trial.result.corpus.validation for trial in (first, other)]
            ours, theirs = (f"{plural(size.documents, 'document')}, {count(size.bytes)} bytes" for size in sizes)
            raise TrialError(
                f"{first.folder} and {other.folder} were validated on different texts ({ours}; {theirs}), so their bits per "
                "byte do not compare: give both the same corpus.validation_path"
            )
    return trials


def series_of(trials: Sequence[ReportedTrial]) -> Series | None:
    """Returns what the trials are a series of; None where they differ in more than one thing, or in nothing with a scale."""
    changed = [name for name in differing_fields(trials) if name not in BESIDE_A_SERIES]
    for start, (title, value_of) in SERIES.items():
        if changed and all(name.startswith(start) for name in changed):
            values = [float(value_of(trial.result)) for trial in trials]
            return Series(title, values) if len(set(values)) == len(values) else None
    return None


def differing_fields(trials: Sequence[ReportedTrial]) -> dict[str, list[Any]]:
    """Returns the fields of protocol.toml that are not equal in all trials, and their value in each; None where it has none."""
    tables = [dict(flat(trial.result.protocol)) for trial in trials]
    names = dict.fromkeys(name for table in tables for name in table)
    columns = {name: [table.get(name) for table in tables] for name in names}
    return {name: values for name, values in columns.items() if any(value != values[0] for value in values)}


def runs_table(trials: Sequence[ReportedTrial]) -> "pl.DataFrame":
    """Returns a row for each run: trial, track, recipe, seed, sizes, and its final measures (see `tracks.Measures`)."""
    import polars as pl

    measures = [item.name for item in fields(Measures)]
    return pl.DataFrame([
        {
            "trial": trial.name, "track": name, "recipe": trial.result.design.tracks[name].recipe, "seed": run.seed,
            "is_baseline": name == trial.result.baseline, "vocab_size": trial.result.design.vocab_size_of(name),
            "entries": track.entries, "parameters": track.parameters, "steps": track.steps,
            "bytes_per_token": track.bytes_per_token.validation, "shared_device": run.shared_device,
            **{measure: getattr(run, measure) for measure in measures},
        }
        for trial in trials for name, track in trial.result.tracks.items() for run in track.runs
    ], infer_schema_length=None)  # fmt: skip


def curves_table(trials: Sequence[ReportedTrial]) -> "pl.DataFrame":
    """Returns a row for each evaluation of each run: trial, track, seed, and the columns of the run's curve."""
    import polars as pl

    return pl.concat(
        pl.DataFrame({"trial": trial.name, "track": name, "seed": run.seed, **run.curve})
        for trial in trials
        for name, track in trial.result.tracks.items()
        for run in track.runs
    )


def _validation_checksum(folder: Path) -> str:
    files = read_manifest(folder / "corpus").get("files", {})
    if VALIDATION_FILE not in files:
        raise TrialError(
            f"{folder} was made by an earlier version, which kept no checksum of its validation text: run it again"
        )
    return str(files[VALIDATION_FILE]["sha256"])
