"""Runs side by side come to the same files as one after another, whatever is killed; they stop cleanly and leave nobody."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from toktrial import artifact, protocol
from toktrial.commands.stages import Stage
from toktrial.commands.status import _runs as states_of_runs
from toktrial.errors import TrialError
from toktrial.execution.jobs import InTurn, Job, Worker
from toktrial.execution.machine import cores, memory_bytes, training_bytes, with_threads
from toktrial.execution.parallel import SideBySide
from toktrial.lock import is_held
from toktrial.protocol import Protocol
from toktrial.training.calibration import Calibration
from toktrial.trial import Trial
from toktrial.trial_folder import TrialFolder

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PAIR = {
    "sentence_good": "The dog runs.", "sentence_bad": "The dog run.", "field": "syntax", "UID": "agreement",
    "linguistics_term": "agreement", "simple_LM_method": True, "lexically_identical": False,
}  # fmt: skip
LONGEST_SECONDS = 300.0  # on however busy a machine
SECONDS_UNTIL_GONE = 60.0


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory, tiny_protocol: Protocol) -> Protocol:
    """A trial with jobs of every kind: tuning runs, trainings, evaluations with minimal pairs."""
    pairs = tmp_path_factory.mktemp("pairs")
    (pairs / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n")
    training = replace(tiny_protocol.training, steps=200, log_every=100, checkpoint_every=20, device="cpu", threads=1)
    return replace(
        tiny_protocol,
        training=training,
        tuning=replace(tiny_protocol.tuning, rates=(1e-3, 2e-3), steps=10, documents=20),
        evaluation=replace(tiny_protocol.evaluation, minimal_pairs=str(pairs)),
    )


@pytest.fixture(scope="module")
def one_after_another(tmp_path_factory: pytest.TempPathFactory, plan: Protocol) -> Trial:
    trial = Trial(tmp_path_factory.mktemp("trials") / "in_turn", plan)
    trial.report()
    return trial


@pytest.fixture
def before_its_runs(one_after_another: Trial, tmp_path: Path) -> Path:
    """A copy of that trial as it was after its tokens."""
    folder = tmp_path / "side_by_side"
    shutil.copytree(one_after_another.folder, folder)
    for name in ("runs", "tuning", "evaluation", "report"):
        shutil.rmtree(folder / name)
    return folder


def start(folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    """Starts what does all that is not done, two jobs at once."""
    command = [sys.executable, "-m", "toktrial", "run", str(folder), "--parallel", "2", "--yes"]
    with log.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=file)


def wait_until(is_so: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not is_so():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def is_in_the_middle(trial: TrialFolder) -> bool:
    """Whether a run is trained and has a checkpoint."""
    folders = [path for path in trial.folder.glob("runs/*/*") if is_held(path) and not artifact.is_finished(path)]
    return any(any(folder.glob("checkpoint-*.pt")) for folder in folders)


def differing_files(one: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from faults.tiny_trial import TinyTrial

    return TinyTrial(one).differing_files(TinyTrial(other))


def test_stopped_killed_and_resumed_it_comes_to_what_one_after_another_does(
    one_after_another: Trial, before_its_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, log = TrialFolder.open(before_its_runs), tmp_path / "log"
    run_folders = [trial.folder / "runs" / track / f"seed-{seed}" for track in ("bpe", "btm") for seed in (1, 2)]

    def nobody_trains() -> bool:
        return not any(map(is_held, run_folders))

    process = start(trial.folder, log)
    wait_until(lambda: is_in_the_middle(trial), process, log)
    training = [run for run in states_of_runs(trial) if run.state == "training"]
    process.send_signal(signal.SIGTERM)
    assert len(training) in (1, 2), "the other may have hardly begun, or have finished"
    assert process.wait(LONGEST_SECONDS) == 143, log.read_text()
    assert nobody_trains()
    said = log.read_text()
    assert said.count("; the same command goes on from there") in (1, 2)
    assert said.endswith("stopped by SIGTERM; the same command will continue from what is finished\n")

    process = start(trial.folder, log)
    wait_until(lambda: is_in_the_middle(trial), process, log)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    deadline = time.monotonic() + SECONDS_UNTIL_GONE
    while not nobody_trains():
        assert time.monotonic() < deadline, "the processes of a killed trial live on"
        time.sleep(0.02)

    process = start(trial.folder, log)
    assert process.wait(LONGEST_SECONDS) == 0, log.read_text()
    differing = differing_files(trial.folder, one_after_another.folder, monkeypatch)
    assert [name for name in differing if not name.startswith("calibration/")] == []
    assert "report/results.json" in {path.relative_to(trial.folder).as_posix() for path in trial.folder.rglob("*")}
    results = artifact.read_json(trial.folder / "report" / "results.json")
    for track in ("bpe", "btm"):
        found = artifact.read_json(trial.folder / "calibration" / track / "calibration.json")
        assert 0 < found["step_seconds"] < 1 and found["threads"] == 1
        for run in results["tracks"][track]["runs"]:
            record = artifact.read_json(trial.run_folder(track, run["seed"]) / "record.json")
            assert record["shared_device"]
            # Other work may have been in the way of the timing, too.
            assert run["timed_step_seconds"] == (None if found["shared_device"] else found["step_seconds"])


@pytest.mark.parametrize("how", ["diverges", "is killed"])
def test_a_job_that_fails_stops_the_others_and_says_why(
    before_its_runs: Path, plan: Protocol, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = replace(plan.training, steps=100_000, log_every=20, learning_rate=1e9 if how == "diverges" else 1e-3)
    trial = TrialFolder(before_its_runs, replace(plan, tuning=type(plan.tuning)(), training=training))
    protocol.save(trial.protocol, before_its_runs / "protocol.toml")
    started: list[subprocess.Popen[str]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self)
            if how == "is killed" and len(started) == 3:  # the first one timed the tracks
                os.kill(self.pid, signal.SIGKILL)

    monkeypatch.setattr("toktrial.execution.parallel.subprocess.Popen", Noted)
    what = (
        r"seed 1: the (training )?(loss|gradient).*at step" if how == "diverges" else "train btm, seed 1: .* ended by SIGKILL"
    )
    with pytest.raises(TrialError, match=what):
        SideBySide(2).do(trial, [Job("train", track, seed) for seed in (1, 2) for track in ("bpe", "btm")])
    assert len(started) == 3 and all(process.poll() is not None for process in started)
    assert not (trial.folder / "runs" / "bpe" / "seed-2").exists(), "no job is begun after one has failed"


def test_a_job_travels_as_json() -> None:
    for job in (Job("tune", "bpe", 1_000_001, 0.001), Job("train", "btm", 2, "shared"), Job("calibrate", "bpe")):
        assert Job(**json.loads(json.dumps(asdict(job)))) == job


def test_a_worker_knows_what_is_done(one_after_another: Trial, plan: Protocol) -> None:
    jobs = [Job("train", "bpe", 1), Job("evaluate", "btm", 2), Job("evaluate", "bpe", 2)]
    assert all(map(Worker(one_after_another).is_done, jobs))
    longer = replace(plan, training=replace(plan.training, steps=400))
    assert not any(map(Worker(TrialFolder(one_after_another.folder, longer)).is_done, jobs))
    other_prompts = replace(plan, evaluation=replace(plan.evaluation, prompts=("Two",)))
    assert list(map(Worker(TrialFolder(one_after_another.folder, other_prompts)).is_done, jobs)) == [True, False, False]


def test_what_is_done_starts_no_process(one_after_another: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("toktrial.execution.parallel.subprocess.Popen")
    jobs = [Job(what, track, seed) for what in ("train", "evaluate") for track in ("bpe", "btm") for seed in (1, 2)]
    assert SideBySide(2).do(one_after_another, jobs) == InTurn().do(one_after_another, jobs) == [None] * 8


def test_threads_that_are_left_open_are_chosen_so_that_the_runs_share_the_cores(plan: Protocol) -> None:
    auto = replace(plan, training=replace(plan.training, threads=0))
    assert with_threads(plan, 2) == plan
    for at_once, share in ((1, cores()), (2, max(1, cores() // 2)), (1000, 1)):
        assert with_threads(auto, at_once).training.threads == share
    assert with_threads(auto, 0).training.threads == max(1, cores() // min(4, cores())), "two tracks, two seeds each"


@pytest.mark.parametrize(("asked", "kept"), [([], 1), (["--training.threads", "2"], 2)])
def test_a_trial_keeps_the_threads_that_were_chosen(one_after_another: Trial, asked: list[str], kept: int) -> None:
    call = Stage.parse("train", ["demo", "--trial", str(one_after_another.folder), *asked])
    assert call._asked_protocol().training.threads == kept


def test_every_gpu_has_as_many_places_as_its_memory_has_room_for(
    plan: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked of the device is made up: without a GPU, that is all there is to try."""
    trial = TrialFolder(tmp_path, replace(plan, training=replace(plan.training, device="auto")))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _gpu: SimpleNamespace(total_memory=10e9))

    def gpus(executor: SideBySide) -> list[str]:
        return [place["CUDA_VISIBLE_DEVICES"] for place in executor.places(trial)]

    assert gpus(SideBySide()) == ["4", "6"], "nobody knows yet what a run takes"
    assert gpus(SideBySide(3)) == ["4", "6", "4"]
    assert gpus(SideBySide(runs_per_gpu=2)) == ["4", "6"] * 2
    for peak, runs in ((0.1e9, 4), (1e9, 3), (9e9, 1)):
        (tmp_path / "calibration" / "bpe").mkdir(parents=True, exist_ok=True)
        found = Calibration(0.1, 10, False, "cuda", "a GPU", 1, "bfloat16", False, int(peak))
        artifact.write_json(tmp_path / "calibration" / "bpe" / "calibration.json", asdict(found))
        assert gpus(SideBySide()) == ["4", "6"] * runs


def test_more_runs_than_memory_has_room_for_are_refused(
    one_after_another: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container, its limit counts, not what the machine has."""
    limit, whole, needed = tmp_path / "memory.max", memory_bytes(), training_bytes(one_after_another.protocol)
    monkeypatch.setattr("toktrial.execution.machine.MEMORY_LIMIT", limit)
    for text in ("max\n", f"{2**60}\n"):
        limit.write_text(text)
        assert memory_bytes() >= whole
    limit.write_text(f"{3 * needed}\n")
    SideBySide(3).check_memory(one_after_another)
    with pytest.raises(TrialError, match=r"4 training steps at once need .* fewer \(--parallel\)"):
        SideBySide(4).check_memory(one_after_another)


def test_as_many_places_as_the_cores_have_room_for(one_after_another: Trial, plan: Protocol) -> None:
    assert len(SideBySide().places(one_after_another)) == cores()
    assert len(SideBySide(3).places(one_after_another)) == 3
    with_all = TrialFolder(one_after_another.folder, replace(plan, training=replace(plan.training, threads=0)))
    assert len(SideBySide().places(with_all)) == 1, "each has the threads of all cores"
