"""Do several processes on one trial keep out of each other's way?

Several are started at once, and as many again with --wait. One works; the others without --wait end with status 3 and name it,
and those with --wait end with 0. Meanwhile the one that works is stopped (SIGSTOP), and readers look at the trial: they must
not wait for it.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faults.difference import Difference
from faults.tiny_trial import ENVIRONMENT, LONGEST_SECONDS, TOKTRIAL, TinyTrial, add_undisturbed_option, undisturbed_trial
from toktrial import progress
from toktrial.lock import holder

BUSY = 3  # the exit status
READER_SECONDS = 300.0  # a reader takes seconds; one that takes longer waits for the lock
POLL_SECONDS = 0.02


def check_writers(trial: TinyTrial, count: int) -> int:
    """Starts so many processes on the trial, and as many that wait. Returns how many readers came to their end meanwhile."""
    logs = {number: trial.folder.with_name(f"{trial.folder.name}-{number}.log") for number in range(2 * count)}
    waits = {number: ["--wait"] if number >= count else [] for number in logs}
    processes = {number: trial.start(*waits[number], log=log) for number, log in logs.items()}
    try:
        run = _finished_run(trial)
        worker = holder(trial.folder)
        if worker is None or worker.process not in [process.pid for process in processes.values()]:
            raise Difference(f"{trial.folder} is being trained, but its holder is {worker}")
        os.kill(worker.process, signal.SIGSTOP)
        try:
            read = _check_readers(trial, run)
        finally:
            os.kill(worker.process, signal.SIGCONT)
        for number, process in processes.items():
            status, said = trial.end_of(process), logs[number].read_text()
            expected = 0 if waits[number] or process.pid == worker.process else BUSY
            if status != expected or (status and f"process {worker.process} on" not in said):
                raise Difference(
                    f"Process {number} of {2 * count} ended with {status}, not {expected}. Its log is {logs[number]}"
                )
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return read


def _finished_run(trial: TinyTrial) -> Path:
    """Returns the first run's folder as soon as it is finished."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        for manifest in trial.folder.glob("runs/*/seed-1/manifest.json"):
            return manifest.parent
        time.sleep(POLL_SECONDS)
    raise Difference(f"No run of {trial.folder} was finished. Its logs are beside it")


def _check_readers(trial: TinyTrial, run: Path) -> int:
    folder = str(trial.folder)
    commands = [
        ["status", folder],
        ["report", folder],
        ["inspect", "tokens", folder, "Once upon a time"],
        ["generate", str(run), "--prompt", "Once"],
    ]
    for command in commands:
        try:
            done = subprocess.run(
                [sys.executable, *TOKTRIAL, *command],
                capture_output=True, text=True, check=False, timeout=READER_SECONDS, env=ENVIRONMENT,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Difference(f"toktrial {' '.join(command)} waits for the process that works") from None
        has_nothing_yet = command[0] == "report" and done.returncode == 1 and "Traceback" not in done.stderr
        if done.returncode and not has_nothing_yet:
            raise Difference(f"toktrial {' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return len(commands)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4], help="how many at once, for each trial")
    add_undisturbed_option(parser)


def run(options: argparse.Namespace) -> str:
    """Makes one trial for each count of processes; returns the tally. Raises Difference, and then keeps the trials."""
    place, read = Path(tempfile.mkdtemp(prefix="processes-")), 0
    undisturbed = undisturbed_trial(options, place)
    with progress.progress("trials of several processes", len(options.processes), "trial") as shown:
        for done, count in enumerate(options.processes, start=1):
            trial = TinyTrial(place / f"of-{count}")
            read += check_writers(trial, count)
            trial.check(undisturbed)
            shown.update(done)
    shutil.rmtree(place)
    counts = " and ".join(map(str, options.processes))
    return (
        f"{counts} processes at once, and as many with --wait: one worked, the others ended with status {BUSY} or waited, and "
        f"{read} readers waited for nobody; all trials ended like the one left alone"
    )
