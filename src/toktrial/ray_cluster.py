"""Has the jobs of a trial done on a cluster by Ray, which finds each a machine, and another one where that dies.

An executor, as parallel.py is (see jobs.py). The trial's folder stands on a path that all machines see, or they exchange files
through object storage (storage.py). No job writes into the trial: attempts.py says how, and why. Only plain tasks are used: of
fractions of a GPU only those of which n make a whole one, no placement groups, no Ray Client, and never CUDA_VISIBLE_DEVICES,
because each of these has been seen to hang (ray-project/ray issues 52133, 42683 and 44821).
"""

import os
import shutil
import socket
import tempfile
import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from toktrial import __version__, artifact, attempts, progress
from toktrial.artifact import MANIFEST
from toktrial.errors import TrialError
from toktrial.integrity import ASIDE, RUNS
from toktrial.jobs import Executor, Job, Worker
from toktrial.lock import writing_run
from toktrial.storage import Storage
from toktrial.trial_folder import PROTOCOL_FILE, TrialFolder

if TYPE_CHECKING:
    import ray
    from ray.actor import ActorHandle

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
INSTALL = "`pip install toktrial[ray]` on every machine of the cluster"
MOST_LOST_ATTEMPTS = 20  # at a job, because its worker or its node died, until it is given up
SECONDS_TO_STOP = 120.0  # that runs get to write their checkpoints
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_SEE = 120.0  # that a node gets to see in a shared folder what was written elsewhere: NFS keeps listings for a minute
SECONDS_TO_CONNECT = 10.0
ATTEMPTS_IN_STORAGE = "attempts"
NO_TASK_NEEDS = (
    "graphs/*",
    "report",
    f"{ASIDE}/*",
    f"{ATTEMPTS_IN_STORAGE}/*",
    *RUNS,
)  # of a trial, but for the task's own run


@dataclass(frozen=True)
class Task:
    """What a machine of the cluster does."""

    name: str
    """Also the folder of its attempts, so it is a path."""
    place: str
    """The folder of the trial that it writes."""
    do: Callable[[TrialFolder], Any]
    goes_on: bool = True
    """Whether it goes on from what an earlier attempt has left."""

    @classmethod
    def of(cls, job: Job, trial: TrialFolder) -> "Task":
        place = Worker(trial).run_of(job).folder.relative_to(trial.folder).as_posix()
        return cls(f"{job.what}/{place}", place, partial(_do_job, job), goes_on=job.what != "evaluate")


@dataclass(frozen=True)
class Setting:
    """What a machine must know of the trial."""

    trial: Path
    finished: list[str]
    """The folders that it must see there, or in the storage."""
    allow_code: bool
    storage: str | None
    version: str = __version__


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    attempt: str
    result: Any
    error: Exception | None
    """What the task itself raised, with where it did as a note; Ray tells of machines that fail."""


class Board:
    """An actor to which tasks tell how far they are, and which the driver asks."""

    def __init__(self) -> None:
        self._events: list[tuple[str, progress.Event]] = []

    def tell(self, task: str, event: progress.Event) -> None:
        self._events.append((task, event))

    def take(self) -> list[tuple[str, progress.Event]]:
        """Returns what was told since the last call."""
        taken, self._events = self._events, []
        return taken


# On the machines of the cluster


def _do_job(job: Job, trial: TrialFolder) -> float | None:
    return Worker(trial, is_alone=False).do(job)


def _make_corpus(directory: Path, trial: TrialFolder) -> None:
    from toktrial.corpus.stage import prepare_corpus

    if directory.is_dir():
        os.chdir(directory)
    prepare_corpus(trial.protocol.corpus, trial.corpus_folder)


def _attempt(task: Task, setting: Setting, board: "ActorHandle[Board]") -> Outcome:
    """Makes an attempt at a task, in this process, which does nothing else before or after it."""
    attempt, result, error = uuid.uuid4().hex, None, None

    def tell(event: progress.Event) -> None:
        board.tell.remote(task.name, event)

    try:
        with progress.telling(tell), _workplace(task, setting, attempt) as trial:
            result = task.do(trial)
    except Exception as raised:  # it is raised again by the driver; an error of the machine ends this process instead
        error = raised
        error.add_note(f"on {socket.gethostname()}:\n{traceback.format_exc()}")
    return Outcome(attempt, result, error)


@contextmanager
def _workplace(task: Task, setting: Setting, attempt: str) -> Iterator[TrialFolder]:
    """Yields the trial as the attempt sees it. What it leaves in its place is kept: on the shared path, or in the storage."""
    if setting.version != __version__:
        raise TrialError(
            f"{socket.gethostname()} has toktrial {__version__}, not {setting.version}: install the same everywhere"
        )
    storage = Storage(setting.storage) if setting.storage else None
    trial = _copy_from(storage, task, setting) if storage else _shared(setting)
    own = attempts.begin(trial, task.name, attempt, task.place, task.goes_on)
    if not storage:
        yield TrialFolder.open(own, setting.allow_code)
        return
    try:
        with storage.keeping(own / task.place, f"{ATTEMPTS_IN_STORAGE}/{task.name}/{attempt}"):
            yield TrialFolder.open(own, setting.allow_code)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _shared(setting: Setting) -> Path:
    """Returns the trial's folder once this machine sees there what the driver sees. Raises TrialError where it never does."""
    end = time.monotonic() + SECONDS_TO_SEE
    for name in setting.finished:
        while not (path := setting.trial / name / MANIFEST).is_file():
            if time.monotonic() > end:
                raise TrialError(
                    f"{socket.gethostname()} does not see {path}: put the trial on a path that all machines share (--trial), or "
                    "let them exchange files through object storage (--storage)"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return setting.trial


def _copy_from(storage: Storage, task: Task, setting: Setting) -> Path:
    """Returns a folder of this machine with what the task needs of the trial; nothing is fetched that is there already."""
    name = sha256(str(setting.storage).encode()).hexdigest()[:16]
    trial = Path(tempfile.gettempdir()) / f"toktrial-{os.getuid()}-{name}"
    with writing_run(trial):  # other tasks of this machine fetch into it too
        for name in setting.finished:
            if name == task.place or not any(map(PurePosixPath(name).match, NO_TASK_NEEDS)):
                storage.download(name, trial / name)
        if task.goes_on and (attempt := _furthest_attempt(storage, task)):
            earlier = attempts.view(trial, task.name, attempt) / task.place
            storage.download(f"{ATTEMPTS_IN_STORAGE}/{task.name}/{attempt}", earlier)
    return trial


def _furthest_attempt(storage: Storage, task: Task) -> str | None:
    files = [PurePosixPath(file) for file in storage.files(f"{ATTEMPTS_IN_STORAGE}/{task.name}")]
    by_attempt = {file.parts[0]: [each.name for each in files if each.parts[0] == file.parts[0]] for file in files}
    return max(by_attempt, key=lambda attempt: attempts.progress_of(by_attempt[attempt]), default=None)


def _call(function: Callable[[ItemT], ResultT], item: ItemT) -> ResultT:
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # of the tokenizers' threads: as many as the one core that is asked for
    return function(item)


# In the driver


class RayCluster(Executor):
    """Has jobs done by the cluster that this process is connected to (see `connected`)."""

    is_side_by_side = True

    def __init__(self, storage: str | None, runs_per_gpu: int) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._storage_address, self._runs_per_gpu = storage, runs_per_gpu
        self._storage = Storage(storage) if storage else None
        # max_calls: each attempt has a process of its own, so that it inherits no memory on a GPU and no settings of torch.
        self._attempt = ray.remote(max_calls=1, max_retries=MOST_LOST_ATTEMPTS)(_attempt)
        self._call = ray.remote(num_cpus=1, max_retries=MOST_LOST_ATTEMPTS)(_call)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._board = ray.remote(num_cpus=0)(Board).options(scheduling_strategy=here).remote()
        self._trials: set[Path] = set()

    def restore(self, folder: Path) -> None:
        """Fetches the trial in the storage, if any, where `folder` holds none: its driver was on another machine."""
        if self._storage and not (folder / PROTOCOL_FILE).is_file():
            for name in self._storage.finished():
                if not PurePosixPath(name).is_relative_to(ATTEMPTS_IN_STORAGE):
                    self._storage.download(name, folder / name)

    def do(self, trial: TrialFolder, jobs: Sequence[Job]) -> list[Any]:
        """Does all jobs; see Executor. A job whose machine dies goes on elsewhere from its last checkpoint."""
        worker = Worker(trial)
        left = {job: Task.of(job, trial) for job in jobs if not worker.is_done(job)}
        results = self._do(trial, list(left.values()), self._resources(trial))
        return [results[left[job].name] if job in left else worker.do(job) for job in jobs]

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """Calls a function for each item, on one core each; yields the results in order. Few items are held at a time."""
        import ray

        shared, waiting = ray.put(function), deque()
        most = 2 * int(ray.cluster_resources().get("CPU", 1))
        for item in items:
            waiting.append(self._call.remote(shared, item))
            if len(waiting) > most:
                yield _result_of(waiting.popleft(), "encoding")
        while waiting:
            yield _result_of(waiting.popleft(), "encoding")

    def make_corpus(self, trial: TrialFolder) -> None:
        """Has a machine read the corpus; files that the protocol names must be there on all machines, under the same path."""
        task = Task("corpus", "corpus", partial(_make_corpus, Path.cwd()), goes_on=False)
        self._do(trial, [task], {"num_cpus": 1})

    def clear(self) -> None:
        """Removes what attempts have left, now that everything is done."""
        for trial in self._trials:
            attempts.clear(trial)
        if self._storage:
            self._storage.remove(ATTEMPTS_IN_STORAGE)

    def _resources(self, trial: TrialFolder) -> dict[str, float]:
        """Returns what a run needs of a machine; without training.threads as many cores as a run in this process would use."""
        import ray
        import torch

        training = trial.protocol.training
        has_gpus = bool(ray.cluster_resources().get("GPU"))
        if training.device == "cuda" or (training.device == "auto" and has_gpus):
            return {"num_cpus": training.threads or 1, "num_gpus": 1 / self._runs_per_gpu}
        return {"num_cpus": training.threads or torch.get_num_threads()}

    def _do(self, trial: TrialFolder, tasks: Sequence[Task], resources: dict[str, float]) -> dict[str, Any]:
        """Has the tasks done; returns their results by name. Raises what the first to fail raised; then no others go on."""
        import ray

        self._trials.add(trial.folder)
        if not tasks:
            return {}
        setting = self._share(trial)
        _say_if_none_has(resources)
        refs = {self._attempt.options(**resources).remote(task, setting, self._board): task for task in tasks}
        results = {}
        try:
            while refs:
                ready, _ = ray.wait(list(refs), timeout=SECONDS_BETWEEN_LOOKS)
                self._show()
                for ref in ready:
                    task = refs.pop(ref)
                    results[task.name] = self._accept(trial, task, _result_of(ref, task.name))
        except BaseException:
            self._stop(list(refs))
            raise
        return results

    def _share(self, trial: TrialFolder) -> Setting:
        """Lets the machines see what is finished of the trial, and returns what they must know of it."""
        paths = [path.relative_to(trial.folder).parent for path in sorted(trial.folder.rglob(MANIFEST))]
        finished = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
        finished = [name for name in finished if artifact.is_finished(trial.folder / name)]
        if self._storage:
            for name in finished:
                self._storage.upload(trial.folder / name, name)
        return Setting(trial.folder.absolute(), finished, trial.allow_code, self._storage_address)

    def _accept(self, trial: TrialFolder, task: Task, outcome: Outcome) -> Any:
        """Moves what a task has left into the trial, also where it failed, and returns its result, or raises its error."""
        own = attempts.view(trial.folder, task.name, outcome.attempt) / task.place
        if self._storage:
            self._storage.download(f"{ATTEMPTS_IN_STORAGE}/{task.name}/{outcome.attempt}", own)
        if own.is_dir():
            attempts.accept(trial.folder, task.name, outcome.attempt, task.place)
        if outcome.error is not None:
            raise outcome.error
        if self._storage:
            if artifact.is_finished(own):
                self._storage.upload(own, task.place)
            self._storage.remove(f"{ATTEMPTS_IN_STORAGE}/{task.name}")
        return outcome.result

    def _show(self) -> None:
        import ray

        for task, event in ray.get(self._board.take.remote()):
            if "line" in event:
                progress.print_line(event["line"])
            else:
                progress.print_line(f"{task}: {event}")

    def _stop(self, refs: "list[ray.ObjectRef[Outcome]]") -> None:
        """Has running tasks write their checkpoints and end, and the others not begin."""
        import ray

        for ref in refs:
            ray.cancel(ref)
        if refs:
            progress.print_line("waiting for the runs to write their checkpoints; Ctrl-C again does not wait")
        end = time.monotonic() + SECONDS_TO_STOP
        while refs and time.monotonic() < end:
            _, refs = ray.wait(refs, num_returns=len(refs), timeout=SECONDS_BETWEEN_LOOKS)
            self._show()


@contextmanager
def connected(address: str, storage: str | None = None, runs_per_gpu: int = 1) -> Iterator[RayCluster]:
    """Yields an executor on the Ray cluster at HOST:PORT, on that of this machine ("auto"), or on one that is begun here ("local").

    Raises TrialError where Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError:
        raise TrialError(f"--ray needs Ray, which is not installed: {INSTALL}") from None
    if runs_per_gpu < 1:
        raise TrialError(f"--runs-per-gpu must be 1 or more, but is {runs_per_gpu}")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray warns will be its default
    _check_address(address)
    try:
        ray.init(
            address=address, include_dashboard=False if address == "local" else None, log_to_driver=False, logging_level="ERROR"
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise TrialError(f"cannot use the Ray cluster at {address} ({error}): see `ray status --address {address}`") from None
    try:
        executor = RayCluster(storage, runs_per_gpu)
        yield executor
        executor.clear()
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Raises TrialError where nothing answers at an address, at once: Ray would try for minutes, and then end the process."""
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise TrialError(
            f"--ray {address} is no address: give HOST:PORT as `ray start --head` prints it, `auto` on a machine of a cluster, or "
            "`local`. With an address ray://..., Ray Client, the driver would not be in the cluster: start it on one of its machines"
        )
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise TrialError(f"no Ray cluster answers at {address} ({error}): `ray start --head` starts one") from None


def _say_if_none_has(resources: dict[str, float]) -> None:
    """Says so where no machine of the cluster has what a task needs: Ray waits for one, for a cluster may grow."""
    import ray

    needed = {"CPU": resources["num_cpus"], "GPU": resources.get("num_gpus", 0)}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(all(node.get(name, 0) >= least for name, least in needed.items()) for node in nodes):
        what = " and ".join(f"{least:g} {name}" for name, least in needed.items() if least)
        progress.print_line(f"no machine of the cluster has the {what} that a run needs: waiting for one to join")


def _result_of(ref: "ray.ObjectRef[ResultT]", what: str) -> ResultT:
    """Returns what a task returned. Raises TrialError where the cluster could not do it."""
    import ray

    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:  # the machine could not even begin: what the task itself raises is returned
        reason = str(error).strip().splitlines()[-1]
        raise TrialError(
            f"the cluster cannot do {what} ({reason}): does every machine have the same software? {INSTALL}"
        ) from None
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise TrialError(
            f"the cluster gave {what} up after {MOST_LOST_ATTEMPTS} lost attempts ({reason}): see whether its machines have enough "
            "memory; the same command goes on from the last checkpoint"
        ) from None
