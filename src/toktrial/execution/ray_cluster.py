"""Has the jobs of a trial done on a cluster by Ray, which finds each a machine, and another one where that dies.

An executor, as parallel.py is (see jobs.py); ray_tasks.py is what the machines do. No job writes into the trial: attempts.py
says how, and why. Only plain tasks are used: no Ray Client, no placement groups, of a GPU only such shares as n of which make a
whole one, and CUDA_VISIBLE_DEVICES is left to Ray, because each of these has been seen to hang (ray-project/ray issues 42683,
52133 and 44821).
"""

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from toktrial import artifact, progress
from toktrial.artifact import MANIFEST
from toktrial.corpus.stage import corpus_fingerprint
from toktrial.errors import TrialError
from toktrial.execution import attempts
from toktrial.execution.jobs import TITLES, Executor, Job, Worker, calibrations
from toktrial.execution.machine import with_threads
from toktrial.execution.progress_of_jobs import ProgressOfJobs, progress_of_jobs
from toktrial.execution.ray_tasks import (
    ATTEMPTS_IN_STORAGE,
    SECONDS_BETWEEN_LOOKS,
    Board,
    Outcome,
    Setting,
    Task,
    attempt,
    call,
    do_jobs,
    make_corpus,
)
from toktrial.execution.storage import Storage
from toktrial.integrity import ASIDE, RUNS
from toktrial.protocol import Protocol
from toktrial.training.calibration import CALIBRATION_FOLDER, read_calibrations
from toktrial.trial_folder import PROTOCOL_FILE, TrialFolder

if TYPE_CHECKING:
    import ray

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
INSTALL = "`pip install 'toktrial[ray]'` on every machine of the cluster"
MOST_LOST_ATTEMPTS = 20  # at a task, because its worker or its machine died, until it is given up
SECONDS_TO_STOP = 120.0  # that runs get to write their checkpoints
SECONDS_TO_CONNECT = 10.0
UNREAD = ("graphs/*", "report", *RUNS)  # folders of a trial that no task reads, but for the run that it is about


class RayCluster(Executor):
    """Has jobs done by the cluster that this process is connected to (see `connected`)."""

    def __init__(self, storage: Storage | None, runs_per_gpu: int) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._storage, self._runs_per_gpu = storage, runs_per_gpu
        self._attempt = ray.remote(max_retries=MOST_LOST_ATTEMPTS)(attempt)
        # max_calls: in a process of its own, because one that has used a GPU keeps some of its memory, and stays with that GPU.
        self._gpu_attempt = ray.remote(max_calls=1, max_retries=MOST_LOST_ATTEMPTS)(attempt)
        self._call: Any = ray.remote(num_cpus=1, max_retries=MOST_LOST_ATTEMPTS)(call)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._board: Any = ray.remote(num_cpus=0)(Board).options(scheduling_strategy=here).remote()
        self._trials: dict[Path, TrialFolder] = {}

    def restore(self, folder: Path) -> None:
        """Fetches the trial in the storage, if any, where `folder` holds none: its driver was on another machine."""
        if self._storage and not (folder / PROTOCOL_FILE).is_file():
            for name in self._storage.finished():
                if not PurePosixPath(name).is_relative_to(ATTEMPTS_IN_STORAGE):
                    self._storage.download(name, folder / name)

    def room(self, trial: TrialFolder) -> int:
        """Returns how many jobs the machines that are there now can do at the same time."""
        needed = self._resources(trial.protocol)
        rooms = [min(node.get(name, 0) // least for name, least in needed.items()) for node in _nodes()]
        return max(1, int(sum(rooms)))

    def do(self, trial: TrialFolder, jobs: Sequence[Job]) -> list[Any]:
        """Does all jobs; see Executor. A job whose machine dies goes on elsewhere from its last checkpoint."""
        worker = Worker(trial)
        left = [job for job in jobs if not worker.is_done(job)]
        self._calibrate(trial, left)
        tasks = {job: Task.of(job, trial) for job in left}
        results = self.do_tasks(trial, list(tasks.values()), self._resources(trial.protocol))
        return [results[tasks[job].name] if job in tasks else worker.do(job) for job in jobs]

    def _calibrate(self, trial: TrialFolder, jobs: Sequence[Job]) -> None:
        """Has the tracks timed one after another by one machine that does nothing else, unless they are, undisturbed."""
        timed, found = calibrations(jobs), read_calibrations(trial.folder)
        if any(job.track not in found or found[job.track].shared_device for job in timed):
            place = CALIBRATION_FOLDER
            task = Task(TITLES[timed[0].what], place, place, partial(do_jobs, timed), goes_on=False)
            self.do_tasks(trial, [task], self._whole_machine(self._resources(trial.protocol)))

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """Calls a function for each item, on one core each; yields the results in order. Few items are held at a time."""
        import ray

        shared, most = ray.put(function), 2 * int(sum(node.get("CPU", 0) for node in _nodes()))
        waiting: deque[ray.ObjectRef[ResultT]] = deque()
        for item in items:
            waiting.append(self._call.remote(shared, item))
            if len(waiting) > most:
                yield _result_of(waiting.popleft(), "encoding")
        while waiting:
            yield _result_of(waiting.popleft(), "encoding")

    def make_corpus(self, trial: TrialFolder) -> None:
        """Has a machine read the corpus; files that the protocol names must be there on all machines, under the same path."""
        if artifact.is_finished(trial.corpus_folder, corpus_fingerprint(trial.protocol.corpus)):
            super().make_corpus(trial)  # which sees whether the files are still the same
            return
        task = Task("corpus", "corpus", "corpus", partial(make_corpus, Path.cwd()), goes_on=False)
        self.do_tasks(trial, [task], {"CPU": 1})

    def finish(self) -> None:
        """Keeps what is finished in the storage, and removes what attempts have left, now that everything is done."""
        for trial in self._trials.values():
            self._share(trial)
            attempts.clear(trial.folder)
        if self._storage:
            self._storage.remove(ATTEMPTS_IN_STORAGE)

    def check_memory(self, trial: TrialFolder) -> None:
        """The machines of the cluster share the runs; Ray itself watches how much memory each of them has."""

    def with_threads(self, protocol: Protocol) -> Protocol:
        """Returns the protocol with a number of threads, where it leaves that open, by which its runs share the cores."""
        if protocol.training.threads or self._uses_gpus(protocol):
            return protocol
        cores = [int(node.get("CPU", 0)) for node in _nodes()]
        shared = with_threads(protocol, 0, sum(cores) or 1).training.threads
        return replace(protocol, training=replace(protocol.training, threads=min(shared, max(cores, default=1)) or 1))

    def _resources(self, protocol: Protocol) -> dict[str, float]:
        """Returns what a run needs of a machine."""
        cores = {"CPU": protocol.training.threads or 1}
        return cores | ({"GPU": 1 / self._runs_per_gpu} if self._uses_gpus(protocol) else {})

    def _uses_gpus(self, protocol: Protocol) -> bool:
        device = protocol.training.device
        return device == "cuda" or (device == "auto" and any(node.get("GPU") for node in _nodes()))

    def _whole_machine(self, needed: dict[str, float]) -> dict[str, float]:
        """Returns what a task needs to be alone on a machine of the cluster that has what is needed."""
        cores = [node.get("CPU", 0) for node in _nodes() if _has(node, needed)]
        return {"CPU": max(cores, default=needed["CPU"])} | ({"GPU": 1} if "GPU" in needed else {})

    def do_tasks(self, trial: TrialFolder, tasks: Sequence[Task], needed: dict[str, float]) -> dict[str, Any]:
        """Has the tasks done; returns their results by name. Raises what the first to fail raised; then no others go on."""
        import ray

        self._trials[trial.folder] = trial
        if not tasks:
            return {}
        settings = self._share(trial, tasks)
        _say_if_none_has(needed)
        made = self._gpu_attempt if "GPU" in needed else self._attempt
        made = made.options(num_cpus=needed["CPU"], num_gpus=needed.get("GPU", 0))
        refs = {made.remote(task, setting, self._board): task for task, setting in zip(tasks, settings, strict=True)}
        numbers, results = {task.name: number for number, task in enumerate(tasks)}, {}
        with progress_of_jobs(tasks[0].title, len(tasks)) as shown:
            try:
                while refs:
                    ready, _ = ray.wait(list(refs), timeout=SECONDS_BETWEEN_LOOKS)
                    self._show(shown, numbers)
                    for ref in ready:
                        task = refs.pop(ref)
                        results[task.name] = self._accept(trial, task, _result_of(ref, task.name))
                        shown.finish(numbers[task.name])
            except BaseException:
                self._stop(list(refs))
                raise
        return results

    def _share(self, trial: TrialFolder, tasks: Sequence[Task] = ()) -> list[Setting]:
        """Lets the machines see what is finished of the trial, and returns what they must know of it for each task."""
        folders = [path.parent for path in sorted(trial.folder.rglob(MANIFEST)) if artifact.is_finished(path.parent)]
        names = [folder.relative_to(trial.folder) for folder in folders]
        finished = [name.as_posix() for name in names if not any(part.startswith((".", ASIDE)) for part in name.parts)]
        if self._storage:
            for name in finished:
                self._storage.upload(trial.folder / name, name)
        read = [name for name in finished if not any(map(PurePosixPath(name).match, UNREAD))]
        address = self._storage.address if self._storage else None
        return [
            Setting(
                trial.folder.absolute(), read + [name for name in finished if name == task.place], trial.allow_code, address
            )
            for task in tasks
        ]

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

    def _show(self, shown: ProgressOfJobs, numbers: dict[str, int]) -> None:
        import ray

        for task, event in ray.get(self._board.take.remote()):
            if "line" in event:
                progress.print_line(event["line"])
            elif task in numbers:  # else it is a late word of an earlier task
                shown.update(numbers[task], progress.Snapshot(**event))

    def _stop(self, refs: "list[ray.ObjectRef[Outcome]]") -> None:
        """Has running tasks write their checkpoints and end, and the others not begin."""
        import ray

        for ref in refs:
            ray.cancel(ref)
        if refs:
            progress.print_line("waiting for the runs to write their checkpoints; Ctrl-C again does not wait")
            ray.wait(refs, num_returns=len(refs), timeout=SECONDS_TO_STOP)


@contextmanager
def connected(address: str, storage: str | None = None, runs_per_gpu: int = 1) -> Iterator[RayCluster]:
    """Yields an executor on the Ray cluster at HOST:PORT, on the one that this machine is in (auto), or on one that begins here
    (local).

    Raises TrialError where Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError:
        raise TrialError(f"--ray needs Ray, which is not installed: {INSTALL}") from None
    kept_in = Storage(storage) if storage else None
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray warns will be its default
    _check_address(address)
    try:
        ray.init(
            address=address,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise TrialError(
            f"cannot use the Ray cluster at {address} ({error}): see `ray status`. Where a cluster asks for a token, set "
            "RAY_AUTH_MODE=token"
        ) from None
    try:
        executor = RayCluster(kept_in, runs_per_gpu)
        yield executor
        executor.finish()
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Raises TrialError where nothing answers at an address, at once: Ray would try for minutes, and then end the process."""
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise TrialError(
            f"--ray {address} is no address: give HOST:PORT as `ray start --head` prints it, auto on a machine of a cluster, "
            "or local. (With Ray Client, ray://..., it does not work: give the command on a machine of the cluster)"
        )
    try:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise TrialError(f"no Ray cluster answers at {address} ({error}): `ray start --head` starts one") from None


def _say_if_none_has(needed: dict[str, float]) -> None:
    """Says so where no machine of the cluster has what a task needs. Ray then waits for one, for a cluster may grow."""
    if not any(_has(node, needed) for node in _nodes()):
        what = " and ".join(f"{amount:g} {name}" for name, amount in needed.items())
        progress.print_line(f"no machine of the cluster has the {what} that a run needs: waiting for one to join")


def _nodes() -> list[dict[str, float]]:
    """Returns the resources of every machine of the cluster."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]  # Ray leaves it so


def _has(resources: dict[str, float], needed: dict[str, float]) -> bool:
    return all(resources.get(name, 0) >= amount for name, amount in needed.items())


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
            f"the cluster lost {what} {MOST_LOST_ATTEMPTS + 1} times, the last time so: {reason} See whether its machines have "
            "enough memory; the same command goes on from the last checkpoint"
        ) from None
