"""Does the jobs of a trial side by side on this machine: in processes of their own, each with its GPU or threads of the CPU.

trial.py -> jobs -> here -> as many processes, in each of which a jobs.Worker does one job after another. They read jobs from
their standard input and answer with events, a line of JSON each; where that input ends, the trial's process is gone, and so
are they.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch

from toktrial import progress
from toktrial.errors import TrialError, describe_error
from toktrial.execution.jobs import TITLES, Executor, InTurn, Job, Worker, calibrations
from toktrial.execution.machine import cores, runs_that_fit, with_threads
from toktrial.execution.progress_of_jobs import ProgressOfJobs, progress_of_jobs
from toktrial.protocol import Protocol
from toktrial.training.calibration import read_calibrations
from toktrial.training.device import resolve_device
from toktrial.training.interrupt import Interruption, interruption
from toktrial.trial_folder import TrialFolder

PLACE_OF_THIS_PACKAGE = Path(__file__).parents[2]
# -P keeps the folder where the user happens to be out of the places of modules; a checkout may be found nowhere else.
START = "import sys; sys.path.append(sys.argv[1]); from toktrial.execution.parallel import serve; serve()"
COMPILE_THREADS = "TORCHINDUCTOR_COMPILE_THREADS"  # processes that compile; by default each run would start one a core
SECONDS_TO_STOP = 10.0  # that a process takes for its checkpoint when the trial's is gone; then it ends without one
SECONDS_BETWEEN_LOOKS = 0.2  # for a signal
BYTES_BESIDE_STEPS = 1.5e9  # of a GPU: the context of a process, and what its evaluations take
USED_SHARE = 0.9
MOST_RUNS_PER_GPU = 4  # by default; they take turns on the GPU, so more help only where each leaves it idle most of the time

Place = dict[str, str]
"""The environment that gives a process its device."""


@dataclass(frozen=True)
class SideBySide(Executor):
    """Does jobs at the same time. Every run is trained as it would be alone, so it comes to the same."""

    at_once: int = 0
    """How many jobs; 0: as many as the cores have room for (by training.threads), or the GPUs."""
    runs_per_gpu: int = 0
    """How many jobs share a GPU where `at_once` is 0; 0: as many as its memory has room for, by the calibration."""

    def room(self, trial: TrialFolder) -> int:
        """Returns how many jobs it does at the same time, as far as is known before the tracks are timed."""
        return len(self.places(trial))

    def do(self, trial: TrialFolder, jobs: Sequence[Job]) -> list[Any]:
        """Does all jobs and returns what they found, in their order. Raises as `Executor.do`."""
        worker = Worker(trial)
        left = [job for job in jobs if not worker.is_done(job)]
        is_gpu = resolve_device(trial.protocol.training.device).type == "cuda"
        if is_gpu:
            torch.cuda.empty_cache()  # what this process timed for the plan still holds memory
        if len(left) > 1 and ((is_gpu and not self.at_once) or len(self.places(trial)) > 1):
            _have_done(trial, [job for job in calibrations(left) if not worker.is_done(job)], self.places(trial)[:1])
        places = self.places(trial)[: len(left)]
        if len(places) < 2:
            return InTurn().do(trial, jobs)
        found = dict(zip(left, _have_done(trial, left, places), strict=True))
        return [found[job] if job in found else worker.do(job) for job in jobs]

    def with_threads(self, protocol: Protocol) -> Protocol:
        return with_threads(protocol, self.at_once)

    def places(self, trial: TrialFolder) -> list[Place]:
        """Returns where jobs may be done at the same time."""
        training = trial.protocol.training
        kind = resolve_device(training.device).type
        if kind != "cuda":
            return [{}] * (self.at_once or max(1, runs_that_fit(trial.protocol) if kind == "cpu" else self.runs_per_gpu))
        gpus = _visible_gpus()
        at_once = self.at_once or len(gpus) * (self.runs_per_gpu or _fitting_a_gpu(trial))
        return [{"CUDA_VISIBLE_DEVICES": gpus[number % len(gpus)]} for number in range(at_once)]


def _visible_gpus() -> list[str]:
    """Returns the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",")[: torch.cuda.device_count()] if named else [str(gpu) for gpu in range(torch.cuda.device_count())]


def _fitting_a_gpu(trial: TrialFolder) -> int:
    """Returns how many runs fit into the memory of a GPU, by what one of each track took of it alone; 1 if none is timed."""
    there = min(torch.cuda.get_device_properties(gpu).total_memory for gpu in range(torch.cuda.device_count()))
    peak = max((each.peak_bytes for each in read_calibrations(trial.folder).values()), default=0)
    return max(1, min(MOST_RUNS_PER_GPU, int(USED_SHARE * there / (peak + BYTES_BESIDE_STEPS)))) if peak else 1


def _have_done(trial: TrialFolder, jobs: Sequence[Job], places: Sequence[Place]) -> list[Any]:
    """Has a process at each place do jobs until all are done. Returns what they found, in their order.

    The first that fails stops the others, as does a signal; then the runs in their middle write a checkpoint.
    """
    if not jobs:
        return []
    at_once = min(len(places), len(jobs))
    title = TITLES[jobs[0].what] + (f", {at_once} at once" if at_once > 1 else "")
    with interruption() as stop, progress_of_jobs(title, len(jobs)) as shown:
        crew = _Crew(jobs, stop, shown)
        crew.work(trial.folder, places)
    if stop.signal_number:
        signal.raise_signal(stop.signal_number)  # what it does to this process, it does now that all others are gone
        stop.leave()
    if crew.failure:
        raise TrialError(crew.failure)
    return [crew.found[number] for number in range(len(jobs))]


class _Crew:
    """The processes that do some jobs together, and what came of it."""

    def __init__(self, jobs: Sequence[Job], stop: Interruption, shown: ProgressOfJobs) -> None:
        self.found: dict[int, Any] = {}
        self.failure = ""
        self._waiting = deque(enumerate(jobs))
        self._stop, self._shown = stop, shown
        self._events: queue.Queue[tuple[_Process, progress.Event | None]] = queue.Queue()

    def work(self, folder: Path, places: Sequence[Place]) -> None:
        """Does the jobs, until all are done, or one fails or the program is told to stop and no process has one any more."""
        processes: list[_Process] = []
        is_stopping = False
        try:
            places = places[: len(self._waiting)]
            for place in places:
                processes.append(_Process(folder, place, len(places), self._events))
                self._give_next(processes[-1])
            while busy := [process for process in processes if process.job]:
                if not is_stopping and (self._stop.signal_number or self.failure):
                    is_stopping = True
                    self._waiting.clear()
                    for process in busy:
                        process.stop()
                with suppress(queue.Empty):
                    self._hear(*self._events.get(timeout=SECONDS_BETWEEN_LOOKS))
        finally:  # also where a second signal takes effect at once
            for process in processes:
                process.kill()

    def _give_next(self, process: "_Process") -> None:
        process.number, process.job = self._waiting.popleft() if self._waiting else (-1, None)
        if process.job:
            process.tell(process.job)

    def _hear(self, process: "_Process", event: progress.Event | None) -> None:
        if event is None:  # it has ended
            if process.job and not self._stop.signal_number:
                self.failure = self.failure or process.last_words()
            process.job = None
        elif "line" in event:
            progress.print_line(event["line"])
        elif "failed" in event:
            self.failure = self.failure or event["failed"]
        elif "found" in event:
            self.found[process.number] = event["found"]
            self._shown.finish(process.number)
            self._give_next(process)
        else:
            self._shown.update(process.number, progress.Snapshot(**event))


class _Process:
    """A process that does jobs, from this side."""

    def __init__(self, folder: Path, place: Place, company: int, events: "queue.Queue[Any]") -> None:
        """company: how many processes there are in all."""
        self.number = -1  # of its job among all
        self.job: Job | None = None
        compile_threads = str(max(1, cores() // company))
        is_alone = company == 1
        # Ctrl-C at a terminal reaches the trial's process alone (process_group), which then tells the others.
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-c", START, str(PLACE_OF_THIS_PACKAGE), str(folder), *(["alone"] if is_alone else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={COMPILE_THREADS: compile_threads, **os.environ, **place},
            process_group=0,
        )
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def tell(self, job: Job) -> None:
        assert self._child.stdin
        with suppress(BrokenPipeError):  # then the process has ended, as `_listen` says
            self._child.stdin.write(json.dumps(asdict(job)) + "\n")
            self._child.stdin.flush()

    def stop(self) -> None:
        self._child.terminate()

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()
        assert self._child.stdin
        with suppress(BrokenPipeError):
            self._child.stdin.close()

    def last_words(self) -> str:
        """Returns what to say of a process that ended while it had a job, and did not say why."""
        status = self._child.wait()
        if status >= 0:
            return f"{self.job}: its process ended with exit status {status}, for the reason above. What was finished is kept"
        name = signal.Signals(-status).name
        likely = ", perhaps because memory ran out: --parallel with a smaller number needs less" * (name == "SIGKILL")
        return f"{self.job}: its process was ended by {name}{likely}. What was finished is kept"

    def _listen(self, events: "queue.Queue[Any]") -> None:
        assert self._child.stdout
        with self._child.stdout as lines:
            for line in lines:
                with suppress(json.JSONDecodeError):  # cut short, as the process was killed
                    events.put((self, json.loads(line)))
        events.put((self, None))


def serve() -> None:
    """Does the jobs that come over standard input, in a process that `_Process` started."""
    folder, is_alone = Path(sys.argv[2]), "alone" in sys.argv[3:]
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nothing that a library prints comes between the events

    def tell(event: progress.Event) -> None:
        with suppress(BrokenPipeError):  # the trial's process is gone, as `_listen_for_jobs` notices
            pipe.write(json.dumps(event) + "\n")
            pipe.flush()

    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # clears up; a training changes it for a while
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen_for_jobs, args=(jobs,), daemon=True).start()
    worker = Worker(TrialFolder.open(folder), is_alone)
    with progress.telling(tell):
        while True:
            job = jobs.get()
            try:
                tell({"found": worker.do(job)})
            except Exception as error:
                message = describe_error(error)
                if message is None:
                    raise
                tell({"failed": message if isinstance(error, TrialError) else f"{job}: {message}"})
                sys.exit(1)


def _listen_for_jobs(jobs: "queue.SimpleQueue[Job]") -> NoReturn:
    for line in sys.stdin:
        jobs.put(Job(**json.loads(line)))
    os.kill(os.getpid(), signal.SIGTERM)  # the trial's process is gone: a run in its middle writes a checkpoint
    time.sleep(SECONDS_TO_STOP)
    os._exit(1)
