"""Attempts at a job on machines that may be dead, or only seem so: each writes into a folder of its own, and one is accepted.

ray_cluster.py uses it. A node that the cluster has given up may only be cut off, and still write. So nothing that works on a
job ever writes into the trial. An attempt gets a view of the trial, in TRIAL/.attempts/JOB/ID: links to all that is there, and
in the one place where its job writes a folder of its own, which begins with what the furthest earlier attempt has left. The
process that holds the trial's lock alone moves results into the trial: for each job that of the attempt which the cluster
names. What any other attempt still writes is nobody's.
"""

import errno
import math
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from toktrial import artifact
from toktrial.artifact import MANIFEST
from toktrial.training.run import CHECKPOINTS, checkpoint_step

ATTEMPTS_FOLDER = ".attempts"
WITHOUT_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV)  # what file systems say that know no hard links


def view(trial: Path, job: str, attempt: str) -> Path:
    """Returns the folder that is the trial to an attempt."""
    return trial / ATTEMPTS_FOLDER / job / attempt


def begin(trial: Path, job: str, attempt: str, place: str, goes_on: bool = True) -> Path:
    """Makes an attempt's view of the trial, in which the folder `place` is its own. Returns it.

    goes_on: begin with what the furthest attempt at the job has left, if any; else with what the trial holds there.
    """
    own = view(trial, job, attempt)
    earlier = [path for path in own.parent.glob("*") if (path / place).is_dir()] if goes_on else []
    furthest = max(earlier, key=lambda path: progress_of(each.name for each in (path / place).iterdir()), default=trial)
    _link_all_but(PurePosixPath(place).parts, trial.absolute(), own)
    if (furthest / place).is_dir():
        copy_by_links(furthest / place, own / place)
    return own


def progress_of(files: Iterable[str]) -> float:
    """Returns how far a folder with these files is: infinity where it is finished, else the step of its newest checkpoint."""
    files = list(files)
    steps = [checkpoint_step(Path(file)) for file in files if PurePosixPath(file).match(CHECKPOINTS)]
    return math.inf if MANIFEST in files else max(steps, default=-1)


def accept(trial: Path, job: str, attempt: str, place: str) -> None:
    """Makes the result of one attempt the trial's own, in one move, and removes the other attempts at the job.

    Only for the process that holds the trial's lock. The attempt itself stays until `clear`, so that a kill in the middle
    loses nothing.
    """
    own = view(trial, job, attempt)
    with artifact.replacing(trial / place) as partial:
        copy_by_links(own / place, partial)
    for other in own.parent.iterdir():
        if other != own:
            shutil.rmtree(other, ignore_errors=True)


def clear(trial: Path) -> None:
    """Removes all attempts, once everything that is asked for is done."""
    shutil.rmtree(trial / ATTEMPTS_FOLDER, ignore_errors=True)


def copy_by_links(source: Path, target: Path) -> None:
    """Copies a folder by giving its files a second name: once a file is published, nobody writes into it.

    The one file that grows, a run's metrics, is written anew by whoever goes on (MetricsLog), so it is shared with nobody.
    Checkpoints come first: what the other files hold is then at least as new, even while somebody still writes `source`.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir(), key=lambda path: not path.match(CHECKPOINTS)):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            copy_by_links(path, target / path.name)
            continue
        with suppress(FileNotFoundError):  # an old checkpoint that a run has removed meanwhile
            try:
                (target / path.name).hardlink_to(path)
            except OSError as error:
                if error.errno not in WITHOUT_LINKS:
                    raise
                shutil.copy2(path, target / path.name)


def _link_all_but(place: Sequence[str], source: Path, target: Path) -> None:
    """Links to everything in `source` except the folder `place`, of which only the folders above it are made.

    Other runs are left out: no job reads one, and there may be many.
    """
    target.mkdir(parents=True)
    for path in source.iterdir() if source.is_dir() else ():
        if path.name != place[0] and not path.name.startswith("."):
            (target / path.name).symlink_to(path)
    if len(place) > 1 and place[0].startswith("runs"):
        (target / Path(*place[:-1])).mkdir(parents=True)
    elif len(place) > 1:
        _link_all_but(place[1:], source / place[0], target / place[0])
