"""A trial is sent as it is written: every line once, whatever stops it, and no tracker can stop the trial."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial import artifact, cli, protocol, sending, trackers
from toktrial.errors import TrialError
from toktrial.lock import TrialBusyError
from toktrial.protocol import Protocol
from toktrial.sending import Sender, send, sending_from_a_process
from toktrial.trackers import SentLine, SentReport, SentRun, Tracker
from toktrial.training.metrics import METRICS_FILE, RECORD_FILE, Metrics, MetricsLog, read_metrics
from toktrial.trial import Trial
from toktrial.trial_folder import PROTOCOL_FILE, TrialFolder

HOLDS = """
import sys, time
from pathlib import Path
from toktrial.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
LINE = Metrics(0, None, 3.0, 4.0, 1e-3, 0.0, 1.0, 1.0, 100, 200, 300)


class Memory(Tracker):
    """A tracker that keeps what it is sent, by the run's name; it fails where a test says so."""

    sent: dict[str, list[SentLine]]
    final: dict[str, SentLine]
    reports: list[SentReport]
    runs: dict[str, SentRun]
    fails_at_step: int | None = None

    def __init__(self, folder: Path, project: str) -> None:
        super().__init__(folder, project)
        self.names: list[str] = []

    @classmethod
    def forget(cls) -> None:
        cls.sent, cls.final, cls.reports, cls.runs, cls.fails_at_step = {}, {}, [], {}, None

    @property
    def where(self) -> str:
        return "look at Memory.sent"

    def begin(self, run: SentRun) -> str:
        Memory.runs[run.name] = run
        return run.name

    def log(self, opened: str, line: SentLine) -> None:
        if line.step == self.fails_at_step:
            raise ConnectionError("the network is down")
        self.sent.setdefault(opened, []).append(line)

    def conclude(self, opened: str, line: SentLine) -> None:
        self.final[opened] = line

    def show(self, opened: str, report: SentReport) -> None:
        assert opened in self.runs
        self.reports.append(report)

    def finish(self, opened: str) -> None:
        self.names.append(opened)


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> type[Memory]:
    monkeypatch.setitem(trackers.TRACKERS, "memory", (Memory, "json"))
    Memory.forget()
    return Memory


@pytest.fixture
def copy_of_finished(finished: Trial, tmp_path: Path) -> TrialFolder:
    shutil.copytree(finished.folder, tmp_path / "trial")
    return TrialFolder.open(tmp_path / "trial")


def steps_of(name: str) -> list[int]:
    return [line.step for line in Memory.sent.get(name, [])]


def test_a_finished_trial_is_sent_whole_and_once(copy_of_finished: TrialFolder) -> None:
    for _ in range(2):
        assert send(copy_of_finished, "memory") == "look at Memory.sent"
    names = [f"{track}/seed-{seed}" for track in ("bpe", "btm") for seed in (1, 2)]
    assert sorted(Memory.sent) == sorted(Memory.final) == names
    for name in names:
        folder = copy_of_finished.folder / "runs" / name
        lines = [json.loads(line) for line in (folder / METRICS_FILE).read_text().splitlines()]
        assert [(line.step, line.timestamp, line.values) for line in Memory.sent[name]] == [
            (
                line["step"],
                line["timestamp"],
                {key: value for key, value in line.items() if key not in ("step", "timestamp") and value is not None},
            )
            for line in lines
        ]
        final = json.loads((folder / "final.json").read_text())
        assert Memory.final[name].values["final_bits_per_byte"] == final["bits_per_byte"]
        run = Memory.runs[name]
        assert (run.group, run.config["seed"], run.config["protocol.vocab_size"]) == (name.split("/")[0], int(name[-1]), 500)
    (report,) = Memory.reports
    results = json.loads((copy_of_finished.report_folder / "results.json").read_text())
    assert report.values["btm/difference"] == results["comparisons"][0]["difference"]
    assert report.verdict.startswith(results["verdict"]["outcome"])
    assert "runs" in report.pictures


def test_a_tuning_run_is_closed_when_it_is_trained(copy_of_finished: TrialFolder) -> None:
    """Nothing evaluates it later, and libraries keep a process or a connection for every open run."""
    place = "tuning/runs/bpe/rate-0.001/seed-1000001"
    run = copy_of_finished.folder / place
    shutil.copytree(copy_of_finished.folder / "runs/bpe/seed-1", run)
    (run / "final.json").unlink()
    manifest = (run / artifact.MANIFEST).rename(run / "hidden")
    sender = Sender(copy_of_finished, "memory")
    tracker = sender._tracker
    assert isinstance(tracker, Memory)
    sender.send_news()
    assert place in Memory.sent and place not in tracker.names
    manifest.rename(run / artifact.MANIFEST)
    sender.send_news()
    assert place in tracker.names


def test_a_report_is_sent_again_where_it_has_changed(copy_of_finished: TrialFolder) -> None:
    send(copy_of_finished, "memory")
    manifest = artifact.read_manifest(copy_of_finished.report_folder)
    artifact.seal(copy_of_finished.report_folder, "of another report", manifest["files"], manifest)
    send(copy_of_finished, "memory")
    assert len(Memory.reports) == 2
    assert {"report", "report (2)"} <= set(Memory.runs)


@pytest.fixture(scope="module")
def empty_trial(tmp_path_factory: pytest.TempPathFactory, tiny_protocol: Protocol) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    protocol.save(tiny_protocol, folder / PROTOCOL_FILE)
    return folder


def begin_run(trial: Path) -> Path:
    folder = trial / "runs/bpe/seed-1"
    folder.mkdir(parents=True)
    artifact.write_json(folder / RECORD_FILE, {"track": "bpe", "seed": 1})
    return folder


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.just("send"), st.just("new sender"), st.integers(0, 9)), max_size=8))
def test_every_step_is_sent_once_however_often_a_run_goes_back(empty_trial: Path, events: list[str | int]) -> None:
    """A number is an interruption: the run goes on from that step (or from where it is), and writes two lines."""
    Memory.forget()
    with tempfile.TemporaryDirectory() as place:
        trial = Path(place) / "trial"
        shutil.copytree(empty_trial, trial)
        folder, step = begin_run(trial), -1
        sender = Sender(TrialFolder.open(trial), "memory")
        for event in [*events, 9, "send"]:
            if isinstance(event, int):
                step = min(step, event)
                log = MetricsLog(folder, step)
                for _ in range(2):
                    step += 1
                    log.append(replace(LINE, step=step))
            else:
                if event == "new sender":
                    sender = Sender(TrialFolder.open(trial), "memory")
                sender.send_news()
        assert steps_of("bpe/seed-1") == list(range(max(steps_of("bpe/seed-1")) + 1))
        assert steps_of("bpe/seed-1")[-1] >= read_metrics(folder)[-1].step


def test_a_run_begun_anew_is_another_run(empty_trial: Path, tmp_path: Path) -> None:
    shutil.copytree(empty_trial, trial := tmp_path / "trial")
    folder = begin_run(trial)
    for timestamp in (1.0, 2.0):
        log = MetricsLog(folder, -1)
        for step in (0, 10):
            log.append(replace(LINE, step=step, timestamp=timestamp + step))
        send(TrialFolder.open(trial), "memory")
    assert steps_of("bpe/seed-1") == steps_of("bpe/seed-1 (2)") == [0, 10]
    assert len({run.id for run in Memory.runs.values()}) == 2


def test_what_a_failing_tracker_got_is_not_sent_again(copy_of_finished: TrialFolder) -> None:
    Memory.fails_at_step = 20
    with pytest.raises(TrialError, match="memory failed with ConnectionError: the network is down"):
        send(copy_of_finished, "memory")
    assert steps_of("bpe/seed-1") == [0, 10]
    Memory.fails_at_step = None
    send(copy_of_finished, "memory")
    assert steps_of("bpe/seed-1") == steps_of("btm/seed-2") == [0, 10, 20]


def test_a_stopped_trial_leaves_no_run_open(copy_of_finished: TrialFolder) -> None:
    (copy_of_finished.run_folder("bpe", 1) / "final.json").unlink()
    sender = Sender(copy_of_finished, "memory")
    sender.send_news()
    finished = sender._tracker.names  # type: ignore[attr-defined]
    assert "bpe/seed-1" not in finished
    sender.finish()
    assert sorted(set(finished)) == sorted(Memory.runs)


def test_the_trials_own_files_stay_as_they_were(copy_of_finished: TrialFolder) -> None:
    def files() -> dict[Path, bytes]:
        folder = copy_of_finished.folder
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "trackers" not in path.parts}

    before = files()
    send(copy_of_finished, "memory")
    assert files() == before
    cli.main(["verify", str(copy_of_finished.folder)])


def test_two_processes_do_not_send_the_same_lines(copy_of_finished: TrialFolder) -> None:
    folder = copy_of_finished.folder / "trackers" / "memory"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout and child.stdout.readline() == "held\n"
        with pytest.raises(TrialBusyError, match=f"another process is sending this trial to memory: process {child.pid}"):
            send(copy_of_finished, "memory")
        child.kill()
    assert not Memory.sent


def test_sent_numbers_survive_their_file(tmp_path: Path) -> None:
    sent = sending.SentTrial({"bpe/seed-1": sending.Sent(1.5, 2, 30, 30)}, ["f"])
    artifact.write_json(tmp_path / "sent.json", asdict(sent))
    assert sending._read_sent(tmp_path / "sent.json") == sent


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "tensorbord"], "there is no tracker 'tensorbord': did you mean 'tensorboard'?"),
        ([], "send where?"),
        (["--to", "missing"], "missing is not installed: pip install 'toktrial[missing]'"),
    ],
)
def test_a_wrong_call_says_what_is_known(
    arguments: list[str],
    message: str,
    copy_of_finished: TrialFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(trackers.TRACKERS, "missing", (Memory, "no_such_package"))
    with pytest.raises(SystemExit):
        cli.main(["send", str(copy_of_finished.folder), *arguments])
    assert message in capsys.readouterr().err
    if arguments:
        with pytest.raises(SystemExit):
            cli.main(["run", "demo", "--send-to", *arguments[1:]])
        assert message in capsys.readouterr().err


def test_a_tracker_that_fails_stops_nothing_and_says_so_once(
    copy_of_finished: TrialFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    folder = copy_of_finished.folder
    (folder / "trackers/tensorboard").mkdir(parents=True)
    (folder / "trackers/tensorboard/bpe").write_text("where the folder of a track should be")
    with sending_from_a_process(folder, "tensorboard"):
        went_on = True
    assert went_on
    said = capsys.readouterr().err
    assert said.count("tensorboard failed with NotADirectoryError") == 1
    assert said.count("The trial goes on without tensorboard.") == 1
    assert "Traceback" not in said
