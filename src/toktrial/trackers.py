"""The experiment trackers that a trial can be sent to: TensorBoard, Weights & Biases, trackio and MLflow, a class each.

sending.py reads what a trial has written and hands it to one of these. A library writes to wherever its own settings and
environment variables say. To add a tracker: a class, and its line of TRACKERS.

The trackers of `accelerate` (1.15) do not fit: they import torch whatever they write, drop the time at which a line was
written, and share no call for texts and pictures, so a class for each library would still be needed.
"""

import os
from abc import ABC, abstractmethod
from contextvars import Context
from dataclasses import dataclass
from html import escape
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from toktrial.errors import TrialError, nearest_name

MOST_PARAMETERS_AT_ONCE = 100  # MLflow refuses a batch of more


@dataclass(frozen=True)
class SentRun:
    """What a tracker calls a run: a run of the trial, or its report."""

    id: str
    """Letters, digits and hyphens, different for every training; the same again when more is sent of it."""
    name: str
    """Such as bpe/seed-1."""
    group: str
    """What its runs have in common: the track."""
    config: dict[str, Any]
    """Every field of the protocol and of the run's record, under dotted names."""
    is_known: bool = False
    """Whether some of it was sent before."""


@dataclass(frozen=True)
class SentLine:
    """Numbers of a run at one step."""

    values: dict[str, float]
    """By their names in metrics.jsonl."""
    step: int
    timestamp: float
    """When the trial wrote them, in seconds since 1970."""


@dataclass(frozen=True)
class SentReport:
    """What a tracker gets of a finished report."""

    folder: Path
    """TRIAL/report."""
    verdict: str
    """A sentence or more."""
    values: dict[str, float]
    """The tracks' means, and the differences that decide."""

    @property
    def markdown(self) -> str:
        return (self.folder / "report.md").read_text(encoding="utf-8")

    @property
    def pictures(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted(self.folder.glob("*.png"))}


class Tracker(ABC):
    """One library. What `begin` returns stands for an open run in the other calls; several may be open at once."""

    def __init__(self, folder: Path, project: str) -> None:
        """`folder`: where files go that have no other place, in the trial. `project`: the trial's name."""
        self.folder, self.project = folder, project

    @property
    @abstractmethod
    def where(self) -> str:
        """How to look at what was sent."""

    @abstractmethod
    def begin(self, run: SentRun) -> Any:
        """Opens a run: a new one, or the one of that id to which more is to be added."""

    @abstractmethod
    def log(self, opened: Any, line: SentLine) -> None:
        """Adds a line to a run."""

    def conclude(self, opened: Any, line: SentLine) -> None:
        """Adds what a run's final evaluation found, at its last step."""
        self.log(opened, line)

    @abstractmethod
    def show(self, opened: Any, report: SentReport) -> None:
        """Adds the report to a run that stands for it."""

    @abstractmethod
    def finish(self, opened: Any) -> None:
        """Closes a run once what was sent of it is safe."""


class TensorBoard(Tracker):
    """Event files in the trial, by torch's own writer; every run is a folder."""

    @property
    def where(self) -> str:
        return f"tensorboard --logdir {self.folder}"

    def begin(self, run: SentRun) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        writer: Any = SummaryWriter(self.folder / run.name)
        rows = [f"| {name} | `{value}` |" for name, value in run.config.items()]
        writer.add_text("settings", "\n".join(["| field | value |", "|:---|:---|", *rows]))
        return writer

    def log(self, opened: Any, line: SentLine) -> None:
        for name, value in line.values.items():
            opened.add_scalar(name, value, line.step, walltime=line.timestamp)
        opened.flush()

    def show(self, opened: Any, report: SentReport) -> None:
        import numpy as np
        from PIL import Image

        for name, value in report.values.items():
            opened.add_scalar(name, value)
        opened.add_text("verdict", report.verdict)
        opened.add_text("report", report.markdown)
        for name, path in report.pictures.items():
            opened.add_image(name, np.asarray(Image.open(path).convert("RGB")), dataformats="HWC")

    def finish(self, opened: Any) -> None:
        opened.close()


class InitLogFinish(Tracker):
    """What wandb and trackio have in common: three calls, and classes for pictures and pages."""

    module = ""

    def begin(self, run: SentRun) -> Any:
        init = import_module(self.module).init
        options = {"project": self.project, "name": run.name, "group": run.group, "config": run.config} | self.options(run)
        return Context().run(init, **options)  # in a context where no other run is open, which trackio would finish

    @abstractmethod
    def options(self, run: SentRun) -> dict[str, Any]:
        """Returns what the library's `init` takes beside what both take, or instead of it."""

    def log(self, opened: Any, line: SentLine) -> None:
        opened.log(dict(line.values), step=line.step)

    def show(self, opened: Any, report: SentReport) -> None:
        library = import_module(self.module)
        pictures = {name: library.Image(str(path)) for name, path in report.pictures.items()}
        verdict, page = library.Html(f"<p>{escape(report.verdict)}</p>"), library.Html(str(report.folder / "index.html"))
        opened.log({"verdict": verdict, "report": page, **pictures, **report.values}, step=0)

    def finish(self, opened: Any) -> None:
        opened.finish()


class WandB(InitLogFinish):
    """Weights & Biases, online, or offline with WANDB_MODE=offline. WANDB_PROJECT and WANDB_DIR go before our own choice."""

    module = "wandb"

    @property
    def where(self) -> str:
        if os.environ.get("WANDB_MODE") == "offline":
            return f"wandb sync {self._place}/wandb/offline-run-*"
        return f"the project {self.project} on Weights & Biases"

    @property
    def _place(self) -> str:
        return os.environ.get("WANDB_DIR", str(self.folder))

    def options(self, run: SentRun) -> dict[str, Any]:
        import wandb

        # This process trains nothing, so its output and its load would tell nothing.
        settings = wandb.Settings(console="off", x_disable_stats=True)
        project = {"project": os.environ["WANDB_PROJECT"]} if "WANDB_PROJECT" in os.environ else {}
        return {"id": run.id, "resume": "allow", "dir": self._place, "reinit": "create_new", "settings": settings, **project}

    def conclude(self, opened: Any, line: SentLine) -> None:
        opened.summary.update(dict(line.values))  # a step that was logged before would be dropped


class Trackio(InitLogFinish):
    """trackio's own database, or the Space of TRACKIO_SPACE_ID."""

    module = "trackio"

    @property
    def where(self) -> str:
        return f'trackio show --project "{self.project}"'

    def options(self, run: SentRun) -> dict[str, Any]:
        # By `resume` the latest run of that name goes on, which another trial may have sent.
        resume = "allow" if run.is_known else "never"
        return {"resume": resume, "auto_log_cpu": False, "auto_log_gpu": False, "embed": False}


class MLflow(Tracker):
    """The server or database of MLFLOW_TRACKING_URI, else mlflow.db in the working folder; an experiment for each trial."""

    def __init__(self, folder: Path, project: str) -> None:
        from mlflow import MlflowClient

        super().__init__(folder, project)
        self._client = MlflowClient()
        found = self._client.get_experiment_by_name(project)
        self._experiment = found.experiment_id if found else self._client.create_experiment(project)

    @property
    def where(self) -> str:
        import mlflow

        return f"mlflow ui --backend-store-uri {mlflow.get_tracking_uri()}"

    def begin(self, run: SentRun) -> str:
        from mlflow.entities import Param

        found = self._client.search_runs([self._experiment], f"tags.toktrial_id = '{run.id}'")
        if found:
            self._client.update_run(found[0].info.run_id, status="RUNNING")
            return str(found[0].info.run_id)
        tags = {"toktrial_id": run.id, "group": run.group}
        opened: str = self._client.create_run(self._experiment, run_name=run.name, tags=tags).info.run_id
        parameters = [Param(name, str(value)) for name, value in run.config.items()]
        for first in range(0, len(parameters), MOST_PARAMETERS_AT_ONCE):
            self._client.log_batch(opened, params=parameters[first : first + MOST_PARAMETERS_AT_ONCE])
        return opened

    def log(self, opened: Any, line: SentLine) -> None:
        from mlflow.entities import Metric

        when = round(1000 * line.timestamp)  # milliseconds
        metrics = [Metric(name, value, when, line.step) for name, value in line.values.items()]
        self._client.log_batch(opened, metrics=metrics)

    def show(self, opened: Any, report: SentReport) -> None:
        self._client.set_tag(opened, "mlflow.note.content", report.verdict)  # what MLflow shows as a run's description
        for name, value in report.values.items():
            self._client.log_metric(opened, name, value)
        self._client.log_artifacts(opened, str(report.folder))

    def finish(self, opened: Any) -> None:
        self._client.set_terminated(opened)


TRACKERS: dict[str, tuple[type[Tracker], str]] = {
    "tensorboard": (TensorBoard, "tensorboard"),
    "wandb": (WandB, "wandb"),
    "trackio": (Trackio, "trackio"),
    "mlflow": (MLflow, "mlflow"),
}
"""By name: the class, and the package that it needs. The name is also that of toktrial's extra, which installs the package."""


def check_tracker(name: str) -> None:
    """Raises TrialError where there is no such tracker, or its library is not installed. Imports nothing."""
    if name not in TRACKERS:
        raise TrialError(f"there is no tracker {name!r}: {nearest_name(name, TRACKERS)}")
    if find_spec(TRACKERS[name][1]) is None:
        raise TrialError(f"{name} is not installed: pip install 'toktrial[{name}]'")
