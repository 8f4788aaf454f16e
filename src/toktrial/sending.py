"""Sends a trial to an experiment tracker: what is new in its files, while they are written or afterwards.

It stands beside trial.py and only reads the trial's files, of which metrics.jsonl stays the truth. While a trial runs, each
tracker has a process of its own, so that none can stop, slow down or crash the training, and none waits for another. What a
tracker has been sent is noted in TRIAL/trackers/NAME/sent.json, so that each line is sent once, however often the trial stops.
"""

import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from toktrial import artifact, progress, protocol
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import FINAL_FILE, is_evaluated
from toktrial.integrity import RUNS
from toktrial.lock import TrialBusyError, holder, writing
from toktrial.report.evaluated import FinalMeasures
from toktrial.report.inputs import read_final
from toktrial.report.result import TrialResult, typed
from toktrial.report.sections.record import flat
from toktrial.trackers import TRACKERS, SentLine, SentReport, SentRun
from toktrial.training.metrics import METRICS_FILE, RECORD_FILE, Metrics, read_metrics
from toktrial.training.rates import TUNING_FOLDER
from toktrial.trial_folder import TrialFolder

TRACKERS_FOLDER = "trackers"
SENT_FILE, LOG_FILE = "sent.json", "log.txt"
POLL_SECONDS = 1.0
PATIENCE_SECONDS = 60.0  # for what is left when the trial ends; a network may be down for longer
BEFORE_ANY = -1
REPORT = "report"  # the name of the run that stands for the report


@dataclass
class Sent:
    """What a tracker has of a run."""

    began: float
    """The timestamp of its first line. Another one is that of another training."""
    attempt: int = 1
    """Which training of this name it is."""
    step: int = BEFORE_ANY
    """Of the last line that was sent."""
    evaluated_step: int | None = None
    """The step of the final evaluation that was sent."""


@dataclass
class SentTrial:
    """What a tracker has of a trial; the content of sent.json."""

    runs: dict[str, Sent] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)
    """Fingerprints of the reports, the newest last."""


class Sender:
    """Sends one trial to one tracker."""

    def __init__(self, trial: TrialFolder, name: str) -> None:
        """Raises whatever the tracker's library raises when it cannot work."""
        self._trial, self._folder = trial, trial.folder / TRACKERS_FOLDER / name
        artifact.make_folder(self._folder)
        self._tracker = TRACKERS[name][0](self._folder, trial.protocol.name)
        self._sent = _read_sent(self._folder / SENT_FILE)
        self._opened: dict[str, Any] = {}  # by the run's name
        self._seen: dict[Path, tuple[int, int]] = {}

    @property
    def where(self) -> str:
        """How to look at what was sent."""
        return self._tracker.where

    def send_news(self) -> None:
        """Sends what the trial's files hold and the tracker lacks."""
        for folder in (path for pattern in RUNS for path in sorted(self._trial.folder.glob(pattern))):
            if self._has_changed(folder / METRICS_FILE, folder / FINAL_FILE, folder / artifact.MANIFEST):
                self._send_run(folder)
        if artifact.is_finished(self._trial.report_folder) and self._has_changed(self._trial.report_folder / artifact.MANIFEST):
            self._send_report()

    def finish(self) -> None:
        """Closes every run that is still open."""
        for name in list(self._opened):
            self._tracker.finish(self._opened.pop(name))

    def _has_changed(self, *paths: Path) -> bool:
        """Whether any of these files is another one than at the last call."""
        now = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths if path.is_file()}
        has_changed = any(self._seen.get(path) != state for path, state in now.items())
        self._seen |= now
        return has_changed

    def _send_run(self, folder: Path) -> None:
        metrics = read_metrics(folder)
        if not metrics:
            return
        name = folder.relative_to(self._trial.folder).as_posix().removeprefix("runs/")
        sent = self._sent_of(name, metrics[0].timestamp)
        final = read_final(folder / FINAL_FILE) if is_evaluated(folder) else None
        is_judged_anew = final is not None and final.step != sent.evaluated_step
        if metrics[-1].step > sent.step or is_judged_anew:
            if name not in self._opened:
                self._opened[name] = self._tracker.begin(self._run(folder, name, sent))
            try:
                self._add(self._opened[name], sent, metrics, final if is_judged_anew else None)
            finally:
                self._save()
        # A tuning run gets no final evaluation: it would stay open until the trial ends, as one of perhaps hundreds.
        is_tuned = name.startswith(f"{TUNING_FOLDER}/runs/") and artifact.is_finished(folder)
        if name in self._opened and (is_tuned or sent.evaluated_step == sent.step):
            self._tracker.finish(self._opened.pop(name))

    def _add(self, opened: Any, sent: Sent, metrics: Sequence[Metrics], final: FinalMeasures | None) -> None:
        """Adds to an open run the lines that it lacks, and what its final evaluation found, if that is new."""
        for line in metrics:
            if line.step > sent.step:
                self._tracker.log(opened, SentLine(_values(line), line.step, line.timestamp))
                sent.step = line.step
        if final:
            values = {"final_bits_per_byte": final.bits_per_byte, "final_validation_loss": final.validation_loss}
            found = {measure: value for measure, value in values.items() if value is not None}
            self._tracker.conclude(opened, SentLine(found, final.step, metrics[-1].timestamp))
            sent.evaluated_step = final.step

    def _sent_of(self, name: str, began: float) -> Sent:
        """Returns what was sent of a run: nothing yet where it was begun anew, under the same name."""
        sent = self._sent.runs.setdefault(name, Sent(began))
        if sent.began != began:
            if name in self._opened:
                self._tracker.finish(self._opened.pop(name))
            sent = self._sent.runs[name] = Sent(began, sent.attempt + 1)
        return sent

    def _run(self, folder: Path, name: str, sent: Sent) -> SentRun:
        record, plan = artifact.read_json(folder / RECORD_FILE), self._trial.protocol
        group = name.rpartition("/")[0] + (" (A/A control)" if record["seed"] in plan.control_seeds else "")
        shown_name = name if sent.attempt == 1 else f"{name} ({sent.attempt})"
        is_known = sent.step > BEFORE_ANY
        return SentRun(self._id(name, sent.began), shown_name, group, self._config() | dict(flat(record)), is_known)

    def _config(self) -> dict[str, Any]:
        return dict(flat(protocol.to_dict(self._trial.protocol), "protocol."))

    def _id(self, *facts: Any) -> str:
        return artifact.fingerprint("sent run", {"trial": self._trial.protocol.name, "of": facts})[:32]

    def _send_report(self) -> None:
        folder, reports = self._trial.report_folder, self._sent.reports
        fingerprint = artifact.read_manifest(folder)["fingerprint"]
        if fingerprint in reports:
            return
        result = typed(artifact.read_json(folder / "results.json"))
        name = REPORT if not reports else f"{REPORT} ({len(reports) + 1})"
        opened = self._tracker.begin(SentRun(self._id(fingerprint), name, REPORT, self._config()))
        sentences = (result.verdict.outcome, *result.verdict.clauses, result.verdict.criterion)
        self._tracker.show(opened, SentReport(folder, " ".join(sentences), _report_values(result)))
        self._tracker.finish(opened)
        reports.append(fingerprint)
        self._save()

    def _save(self) -> None:
        artifact.write_json(self._folder / SENT_FILE, asdict(self._sent))


def send(trial: TrialFolder, name: str, follow: bool = False) -> str:
    """Sends a trial to the tracker `name`, and returns how to look at what was sent.

    With `follow`, goes on for as long as another process writes the trial. What the library prints goes to standard error.

    Raises TrialBusyError where another process is sending it there already, and TrialError where the tracker fails, for
    whatever reason.
    """
    folder = trial.folder / TRACKERS_FOLDER / name
    with redirect_stdout(sys.stderr), _sending_alone(folder, name):
        try:
            sender = Sender(trial, name)
            try:
                _send_all(sender, trial.folder, follow)
            finally:
                sender.finish()
        except TrialError:
            raise
        except Exception as error:  # a library of somebody else's may raise anything
            raise TrialError(f"{name} failed with {type(error).__name__}: {error}") from error
    return sender.where


def _send_all(sender: Sender, trial_folder: Path, follow: bool) -> None:
    while True:
        is_written = follow and holder(trial_folder) is not None  # asked first: what is written from now on is sent next time
        sender.send_news()
        if not is_written:
            return
        time.sleep(POLL_SECONDS)


@contextmanager
def _sending_alone(folder: Path, name: str) -> Iterator[None]:
    """Keeps two processes from sending the same lines. Raises TrialBusyError where another one is sending."""
    try:
        with writing(folder):
            yield
    except TrialBusyError:
        raise TrialBusyError(f"another process is sending this trial to {name}: {holder(folder) or 'wait for it'}") from None


@contextmanager
def sending_from_a_process(trial_folder: Path, name: str) -> Iterator[None]:
    """Has a process of its own send the trial to a tracker while the block runs; afterwards, waits for what is left.

    Whoever calls this holds the trial's lock within the block, and has released it when the block ends: by that the process
    knows when to end. If it fails, one line says so, and the block goes on.
    """
    folder = trial_folder / TRACKERS_FOLDER / name
    artifact.make_folder(folder)
    command = [sys.executable, "-P", "-m", "toktrial", "send", str(trial_folder), "--to", name, "--follow"]
    with (folder / LOG_FILE).open("a", encoding="utf-8") as log:
        # In a session of its own, so that Ctrl-C ends the trial, and what it wrote until then is still sent.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
    watching = Thread(target=_watch, args=(process, name, trial_folder), daemon=True)
    watching.start()
    try:
        yield
    finally:
        _wait_for(watching, process, name)


def _wait_for(watching: Thread, process: "subprocess.Popen[str]", name: str) -> None:
    watching.join(5 * POLL_SECONDS)
    if watching.is_alive():
        progress.print_line(f"sending the rest to {name}, for {PATIENCE_SECONDS:.0f} seconds at most ...")
        watching.join(PATIENCE_SECONDS)
    if watching.is_alive():
        process.terminate()
        watching.join()


def _watch(process: "subprocess.Popen[str]", name: str, trial_folder: Path) -> None:
    """Repeats what a sending process says, and says once if it fails."""
    assert process.stdout
    for line in process.stdout:
        progress.print_line(line.rstrip())
    if process.wait():
        log = trial_folder / TRACKERS_FOLDER / name / LOG_FILE
        said = [
            line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.startswith("toktrial: ")
        ]
        reason = said[-1].removeprefix("toktrial: ") if said else f"{name} was stopped (exit status {process.returncode})"
        progress.print_line(
            f"{reason}\nThe trial goes on without {name}. `toktrial send {trial_folder} --to {name}` sends what is missing; "
            f"{log} has the details"
        )


def _values(line: Metrics) -> dict[str, float]:
    found = asdict(line)
    return {name: value for name, value in found.items() if name not in ("step", "timestamp") and value is not None}


def _report_values(result: TrialResult) -> dict[str, float]:
    values: dict[str, float | None] = {}
    for name, track in result.tracks.items():
        values[f"{name}/final_bits_per_byte"] = track.final.bits_per_byte
    for each in result.comparisons:
        found = {"difference": each.difference, "low": each.low, "high": each.high, "p_value": each.p_value_corrected}
        values |= {f"{each.track}/{what}": value for what, value in found.items()}
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def _read_sent(path: Path) -> SentTrial:
    if not path.is_file():
        return SentTrial()
    found = artifact.read_json(path)
    return SentTrial({name: Sent(**of) for name, of in found["runs"].items()}, found["reports"])
