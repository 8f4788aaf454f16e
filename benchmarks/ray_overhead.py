"""What does a run cost that does nothing, when Ray has it done?

    python benchmarks/ray_overhead.py                                  a cluster of this machine alone
    python benchmarks/ray_overhead.py --ray HOST:PORT --at FOLDER      another one, and a folder that all its machines see
    python benchmarks/ray_overhead.py --storage s3://BUCKET/NAME       files go through object storage

Milliseconds a task, the best of some rounds in which the kinds take turns: a function that Ray calls; an empty run, which also
gets a view of the trial, leaves a small finished folder and is accepted; empty runs that are asked for all at once; and what an
empty run does without Ray.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from toktrial import artifact, presets
from toktrial.execution import attempts
from toktrial.execution.ray_cluster import RayCluster, connected
from toktrial.execution.ray_tasks import Task
from toktrial.trial import Trial
from toktrial.trial_folder import TrialFolder

ONE_CORE = {"CPU": 1.0}
AT_ONCE = 20


def leave_something(place: str, trial: TrialFolder) -> None:
    """Is the empty run."""
    with artifact.publish(trial.folder / place, "empty", {}) as partial:
        (partial / "weights").write_bytes(bytes(1000))


def tasks(count: int) -> list[Task]:
    places = [f"runs/empty/seed-{uuid.uuid4().int}" for _ in range(count)]
    return [Task("empty runs", f"train/{place}", place, partial(leave_something, place)) for place in places]


def without_ray(trial: TrialFolder) -> None:
    (task,) = tasks(1)
    task.do(TrialFolder.open(attempts.begin(trial.folder, task.name, "one", task.place)))
    attempts.accept(trial.folder, task.name, "one", task.place)


def measure(kinds: dict[str, tuple[int, Callable[[], object]]], rounds: int) -> dict[str, float]:
    """Returns the seconds a task of every kind: how many tasks an action does, and the action."""
    best = dict.fromkeys(kinds, float("inf"))
    for _ in range(rounds):
        for kind, (count, action) in kinds.items():
            started = time.perf_counter()
            action()
            best[kind] = min(best[kind], (time.perf_counter() - started) / count)
    return best


@contextmanager
def empty_trial(cluster: RayCluster, folder: Path | None) -> Iterator[Trial]:
    with tempfile.TemporaryDirectory() as temporary:
        yield Trial(folder or Path(temporary) / "trial", presets.demo(), executor=cluster)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ray", default="local", help="address of the cluster")
    parser.add_argument("--storage", help="address of the object storage")
    parser.add_argument("--at", type=Path, help="folder of the trial")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with connected(options.ray, options.storage) as cluster, empty_trial(cluster, options.at) as trial:
        kinds: dict[str, tuple[int, Callable[[], object]]] = {
            "a function that Ray calls": (1, lambda: list(cluster.map(str, [1]))),
            "an empty run": (1, lambda: cluster.do_tasks(trial, tasks(1), ONE_CORE)),
            f"an empty run, {AT_ONCE} at once": (AT_ONCE, lambda: cluster.do_tasks(trial, tasks(AT_ONCE), ONE_CORE)),
            "the same without Ray": (1, lambda: without_ray(trial)),
        }
        for kind, seconds in measure(kinds, options.rounds).items():
            print(f"{kind:<40} {1000 * seconds:8.1f} ms")


if __name__ == "__main__":
    main()
