"""What a machine of a Ray cluster does of a trial: attempts at tasks, each in a process of its own.

ray_cluster.py -> here, on another machine. An attempt writes beside the trial (attempts.py): on a path that all machines share,
or in a folder of its machine that it fills from object storage and keeps there (storage.py).
"""

import os
import shutil
import socket
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from toktrial import __version__, progress
from toktrial.artifact import MANIFEST
from toktrial.errors import TrialError
from toktrial.execution import attempts
from toktrial.execution.jobs import TITLES, Job, Worker
from toktrial.execution.storage import Storage
from toktrial.lock import writing_run
from toktrial.trial_folder import TrialFolder

if TYPE_CHECKING:
    from ray.actor import ActorHandle

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
SECONDS_TO_SEE = 120.0  # that a machine gets to see in a shared folder what was written elsewhere: NFS keeps listings a minute
SECONDS_BETWEEN_LOOKS = 0.5
ATTEMPTS_IN_STORAGE = "attempts"


@dataclass(frozen=True)
class Task:
    """What a machine of the cluster does."""

    title: str
    """Of all tasks that are done together, for a person."""
    name: str
    """Also the folder of its attempts, so it is a path."""
    place: str
    """The folder of the trial that it writes."""
    do: Callable[[TrialFolder], Any]
    goes_on: bool = True
    """Whether it goes on from what an earlier attempt has left."""

    @classmethod
    def of(cls, job: Job, trial: TrialFolder) -> "Task":
        place = Worker(trial).folder_of(job).relative_to(trial.folder).as_posix()
        return cls(TITLES[job.what], f"{job.what}/{place}", place, partial(do_jobs, [job]), goes_on=job.what != "evaluate")


@dataclass(frozen=True)
class Setting:
    """What a machine must know of the trial for a task."""

    trial: Path
    finished: list[str]
    """The folders that the task may read: it must see them there, or fetches them from the storage."""
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


def do_jobs(jobs: Sequence[Job], trial: TrialFolder) -> float | None:
    """Does jobs and returns what the last one found."""
    worker = Worker(trial, is_alone=False)
    return [worker.do(job) for job in jobs][-1]


def make_corpus(directory: Path, trial: TrialFolder) -> None:
    """Reads the corpus as a command would that is given in `directory`, to which paths in the protocol may be relative."""
    from toktrial.corpus.stage import prepare_corpus

    with chdir(directory) if directory.is_dir() else nullcontext():
        prepare_corpus(trial.protocol.corpus, trial.corpus_folder)


def attempt(task: Task, setting: Setting, board: "ActorHandle[Board]") -> Outcome:
    """Makes an attempt at a task."""
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
        shutil.rmtree(own.parent, ignore_errors=True)  # with the earlier attempt that it went on from


def _shared(setting: Setting) -> Path:
    """Returns the trial's folder once this machine sees there what the driver sees. Raises TrialError where it never does."""
    end = time.monotonic() + SECONDS_TO_SEE
    for name in setting.finished:
        while not (path := setting.trial / name / MANIFEST).is_file():
            if time.monotonic() > end:
                raise TrialError(
                    f"{socket.gethostname()} does not see {path}: put the trial on a path that all machines share (--trial), "
                    "or let them exchange files through object storage (--storage)"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return setting.trial


def _copy_from(storage: Storage, task: Task, setting: Setting) -> Path:
    """Returns a folder of this machine with what the task needs of the trial; nothing is fetched that is there already."""
    name = sha256(str(setting.storage).encode()).hexdigest()[:16]
    trial = Path(tempfile.gettempdir()) / f"toktrial-{os.getuid()}-{name}"
    with writing_run(trial):  # other tasks of this machine fetch into it too
        for name in setting.finished:
            storage.download(name, trial / name)
        if task.goes_on and (attempt := _furthest_attempt(storage, task)):
            earlier = attempts.view(trial, task.name, attempt) / task.place
            storage.download(f"{ATTEMPTS_IN_STORAGE}/{task.name}/{attempt}", earlier)
    return trial


def _furthest_attempt(storage: Storage, task: Task) -> str | None:
    files = [PurePosixPath(file) for file in storage.files(f"{ATTEMPTS_IN_STORAGE}/{task.name}")]
    by_attempt = {file.parts[0]: [each.name for each in files if each.parts[0] == file.parts[0]] for file in files}
    return max(by_attempt, key=lambda attempt: attempts.progress_of(by_attempt[attempt]), default=None)


def call(function: Callable[[ItemT], ResultT], item: ItemT) -> ResultT:
    """Calls a function, on one core."""
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # of the threads that encode
    return function(item)
