"""A trial on a real Ray cluster, of nodes on this machine, comes to the files of one machine, whatever is killed."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from toktrial import cli
from toktrial.errors import TrialError
from toktrial.execution.jobs import Job
from toktrial.execution.ray_cluster import connected
from toktrial.execution.ray_tasks import Setting, Task, attempt
from toktrial.execution.storage import Storage
from toktrial.protocol import Protocol
from toktrial.training.interrupt import interruption
from toktrial.trial import Trial
from toktrial.trial_folder import TrialFolder

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
LONGEST_SECONDS = 600.0  # on however busy a machine
pytestmark = pytest.mark.timeout(2 * LONGEST_SECONDS)
STORE_BYTES = 80_000_000  # of objects, on each node


@dataclass
class Nodes:
    """A cluster of two nodes of one core, each with a folder of its own for temporary files. The other one can be killed."""

    address: str
    temporary_of_other: Path
    kill_other: Callable[[], None]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    from ray.cluster_utils import Cluster

    def options(temporary: Path) -> dict[str, Any]:
        return {"num_cpus": 1, "object_store_memory": STORE_BYTES, "env_vars": {"TMPDIR": str(temporary)}}

    temporary, temporary_of_other = (tmp_path_factory.mktemp(name) for name in ("one", "other"))
    cluster = Cluster(initialize_head=True, head_node_args={**options(temporary), "include_dashboard": False})
    other = cluster.add_node(**options(temporary_of_other))
    yield Nodes(cluster.address, temporary_of_other, lambda: cluster.remove_node(other, allow_graceful=False))
    cluster.shutdown()  # type: ignore[no-untyped-call]  # Ray leaves it so


@pytest.fixture(scope="module")
def plan(tiny_protocol: Protocol) -> Protocol:
    """A trial with tuning runs, trainings and evaluations."""
    training = replace(tiny_protocol.training, steps=120, log_every=10, checkpoint_every=10, device="cpu", threads=1)
    tuning = replace(tiny_protocol.tuning, rates=(1e-3, 2e-3), steps=5, documents=20)
    return replace(tiny_protocol, seeds=1, training=training, tuning=tuning)


@pytest.fixture(scope="module")
def of_one_machine(tmp_path_factory: pytest.TempPathFactory, plan: Protocol) -> Trial:
    trial = Trial(tmp_path_factory.mktemp("trials") / "of_one_machine", plan)
    trial.evaluate()
    return trial


def differing_files(one: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of two trials, apart from times, locks, and the timings that only runs beside others need."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from faults.tiny_trial import TinyTrial

    differing = TinyTrial(one).differing_files(TinyTrial(other))
    return [name for name in differing if not name.startswith("calibration/") and not name.endswith(".lock")]


def wait_until(is_so: Callable[[], Any], while_alive: "subprocess.Popen[str] | None" = None) -> None:
    deadline = time.monotonic() + LONGEST_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        assert while_alive is None or while_alive.poll() is None, "it ended too soon"
        time.sleep(0.05)


def when(is_so: Callable[[], Any], then: Callable[[], None]) -> threading.Thread:
    def watch() -> None:
        wait_until(is_so)
        then()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_a_driver_that_was_killed_goes_on(
    nodes: Nodes,
    plan: Protocol,
    of_one_machine: Trial,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "trial"
    shutil.copytree(of_one_machine.folder, folder)
    for name in ("runs", "tuning", "evaluation"):
        shutil.rmtree(folder / name)

    def has_checkpoint() -> bool:
        """Of a run that is trained for the verdict."""
        return any(folder.glob(".attempts/train/runs/*/*/*/runs/*/*/checkpoint-*.pt"))

    command = [sys.executable, "-m", "toktrial", "train", str(folder), "--ray", nodes.address, "--yes"]
    killed = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_until(has_checkpoint, killed)
    killed.kill()
    killed.wait()
    assert not list(folder.glob("runs/*/*")), "nothing but a whole result enters the trial"

    with connected(nodes.address) as cluster:
        Trial(folder, plan, executor=cluster).evaluate()
    assert "seed 1: going on from step" in capsys.readouterr().err
    assert differing_files(folder, of_one_machine.folder, monkeypatch) == []
    assert not (folder / ".attempts").exists()


def test_a_run_goes_on_elsewhere_when_its_node_dies_even_where_nodes_share_no_path(
    nodes: Nodes,
    plan: Protocol,
    of_one_machine: Trial,
    s3_bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    storage = Storage(s3_bucket)

    def other_keeps_a_checkpoint() -> bool:
        kept = {str(Path(file).parent) for file in storage.files("attempts/train") if "/checkpoint-" in file}
        return any(list(nodes.temporary_of_other.glob(f"toktrial-*/.attempts/train/{attempt}")) for attempt in kept)

    watcher = when(other_keeps_a_checkpoint, nodes.kill_other)
    with connected(nodes.address, s3_bucket) as cluster:
        trial = Trial(tmp_path / "trial", plan, executor=cluster)
        trial.evaluate()
    watcher.join()
    assert "seed 1: going on from step" in capsys.readouterr().err
    assert differing_files(trial.folder, of_one_machine.folder, monkeypatch) == []
    assert not storage.files("attempts")

    with connected(nodes.address, s3_bucket) as cluster:
        cluster.restore(tmp_path / "restored")  # as a driver on another machine would
        restored = Trial(tmp_path / "restored", plan, executor=cluster)
        restored.train()
    assert differing_files(restored.folder, trial.folder, monkeypatch) == []


def test_what_goes_wrong_in_a_task_is_said_as_on_one_machine(
    nodes: Nodes, of_one_machine: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr("toktrial.execution.ray_cluster.MOST_LOST_ATTEMPTS", 1)
    folder = tmp_path / "trial"
    shutil.copytree(of_one_machine.folder, folder)
    shutil.rmtree(folder / "runs")
    trial = TrialFolder.open(folder)
    monkeypatch.setattr("toktrial.execution.machine.memory_bytes", lambda: 1)
    with connected(nodes.address) as cluster:
        assert list(cluster.map(str.upper, iter("abcdefgh"))) == list("ABCDEFGH")
        with pytest.raises(TrialError, match="holds no finished stage"):
            cluster.do(trial, [Job("evaluate", "bpe", 1)])
        with pytest.raises(TrialError, match="lost dying 2 times, the last time so: The worker died"):
            cluster.do_tasks(trial, [Task("dying", "dying", "dying", die)], {"CPU": 1})
        ending = Task("ending", "ending", "ending", partial(end_once, tmp_path / "marker"))
        cluster.check_memory(trial)  # other machines have other memory
        late = {"title": "timing bpe alone", "total": None, "unit": "", "done": 1.0, "per_second": 0.0, "note": ""}
        ray.get(cluster._board.tell.remote("calibration", late))  # of a task that was done before
        found = cluster.do_tasks(trial, [ending], {"CPU": 1})
        assert found == {"ending": "done by another process"}, "SIGTERM is how a machine that is taken away says so"
        watcher = when((tmp_path / "begun").exists, lambda: os.kill(os.getpid(), signal.SIGINT))
        waiting = partial(wait_to_be_stopped, tmp_path / "begun", tmp_path / "stopped")
        with pytest.raises(KeyboardInterrupt):
            cluster.do_tasks(trial, [Task("waiting", "waiting", "waiting", waiting)], {"CPU": 1})
        watcher.join()
    assert (tmp_path / "stopped").exists(), "Ctrl-C waits until runs have stopped as they do on one machine"


def die(_: TrialFolder) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def end_once(marker: Path, _: TrialFolder) -> str:
    if not marker.exists():
        marker.touch()
        signal.raise_signal(signal.SIGTERM)
    return "done by another process"


def wait_to_be_stopped(begun: Path, stopped: Path, _: TrialFolder) -> None:
    with interruption() as stop:
        begun.touch()
        wait_until(lambda: stop.signal_number)
        time.sleep(1)  # the time that a checkpoint takes
        stopped.touch()
        stop.leave()


def board() -> Any:
    """What stands for the actor where nothing is told to it."""
    return None


def test_a_machine_with_another_version_or_another_folder_is_told_apart(
    of_one_machine: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task("a test", "a test", "a test", die)
    older = attempt(task, Setting(of_one_machine.folder, [], False, None, version="0.0.1"), board())
    assert isinstance(older.error, TrialError) and "not 0.0.1: install the same everywhere" in str(older.error)
    monkeypatch.setattr("toktrial.execution.ray_tasks.SECONDS_TO_SEE", 0.1)
    elsewhere = attempt(task, Setting(tmp_path, ["corpus"], False, None), board())
    assert isinstance(elsewhere.error, TrialError) and "--storage" in str(elsewhere.error)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--ray", "127.0.0.1:1"], 1, "no Ray cluster answers at 127.0.0.1:1"),
        (["--ray", "ray://127.0.0.1:10001"], 1, "is no address"),
        (["--ray", "local", "--parallel", "2"], 2, "without --parallel"),
        (["--storage", "s3://somewhere/x"], 2, "name that with --ray"),
        (["--ray", "local", "--storage", "s4://x"], 1, "s4://x is no storage"),
    ],
)
def test_a_wrong_call_says_what_to_do(
    options: list[str], status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "demo", "--trial", str(tmp_path / "trial"), *options])
    assert (ended.value.code, message in capsys.readouterr().err) == (status, True)


def test_without_ray_the_command_says_what_to_install(tmp_path: Path) -> None:
    """In a process where nobody can import it: all other modules must not need it either."""
    code = "import sys; sys.modules['ray'] = None; from toktrial.cli import main; main(sys.argv[1:])"
    small = ["--corpus.max-megabytes", "0.05", "--corpus.validation-share", "0.2", "--trial", str(tmp_path / "trial")]
    call = [sys.executable, "-c", code, "corpus", "demo", *small]
    with_ray = subprocess.run([*call, "--ray", "auto"], capture_output=True, text=True)
    assert (with_ray.returncode, with_ray.stderr.strip()) == (
        1,
        "toktrial: --ray needs Ray, which is not installed: `pip install 'toktrial[ray]'` on every machine of the cluster",
    )
    without = subprocess.run(call, capture_output=True, text=True)
    assert without.returncode == 0, without.stderr
