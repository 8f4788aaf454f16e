"""Seconds of a step that a track takes with the machine to itself: from these come the seconds of runs trained side by side.

tokens -> calibration -> report. The first steps of a run, as the trainer takes them, are timed and forgotten.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toktrial import artifact, progress

if TYPE_CHECKING:
    from toktrial.training.run import Run

CALIBRATION_FOLDER = "calibration"
CALIBRATION_FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """How fast a track's steps are alone, and where and how that was measured: calibration.json."""

    step_seconds: float
    steps: int
    """That were timed."""
    shared_device: bool
    """Whether other work was in the way after all, so that this compares with nothing."""
    device: str
    device_name: str
    threads: int
    precision: str
    compiled: bool
    peak_bytes: int
    """Of a GPU's memory that the training reserved; 0 on another device."""


def calibrate(run: "Run") -> None:
    """Times steps of a run and writes calibration.json into its folder. Raises TrialError if the machine lacks the device."""
    from toktrial.tokens.store import TokenStore
    from toktrial.training.loop import time_steps

    with progress.progress(f"timing {run.track} alone"):
        found = time_steps(run, TokenStore.open(run.tokens_folder))
    with artifact.publish(run.folder, _fingerprint(run), {}) as partial:
        artifact.write_json(partial / CALIBRATION_FILE, asdict(found))


def is_calibrated(run: "Run") -> bool:
    """Whether `calibrate` has written its file, for these settings and on a device of this name, and nothing disturbed it."""
    if not artifact.is_finished(run.folder, _fingerprint(run)):
        return False
    return not artifact.read_json(run.folder / CALIBRATION_FILE)["shared_device"]


def _fingerprint(run: "Run") -> str:
    from toktrial.training.device import device_name, resolve_device

    tokens = artifact.read_manifest(run.tokens_folder)["fingerprint"]
    device = device_name(resolve_device(run.training.device))
    inputs = {"run": run.fingerprint(tokens), "threads": run.training.threads, "device": device}
    return artifact.fingerprint("calibration", inputs)


def read_calibrations(trial_folder: Path) -> dict[str, Calibration]:
    """Returns the calibration of every track that has one. Raises TrialError where a file is damaged."""
    paths = sorted((trial_folder / CALIBRATION_FOLDER).glob(f"*/{CALIBRATION_FILE}"))
    return {path.parent.name: Calibration(**artifact.read_json(path)) for path in paths}
