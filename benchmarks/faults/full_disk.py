"""Does a trial whose disk fills up end with one line that says so, and go on once there is room?

The trial is on a small tmpfs, which is filled at random moments up to a random rest. Only root can mount one; skips elsewhere.
"""

import argparse
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from faults.difference import Difference
from faults.tiny_trial import LONGEST_SECONDS, TinyTrial, add_undisturbed_option, undisturbed_trial
from toktrial import progress

DISK_MEGABYTES = 40  # a trial and all that it writes for a while take a third of it
FILLS_PER_TRIAL = 8
MOST_CHANGES = 60  # of the trial's folder before the disk is full
MOST_FREE_BYTES = 300_000
FULL = "make room"  # in one line, whether before it begins or in the middle
POLL_SECONDS = 0.005


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mounts a small disk in `folder` for as long as the block runs. Yields False where this user may not."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(trial: TinyTrial, changes: int, free: int) -> str:
    """Runs the trial, leaves `free` bytes on its disk after so many changes, and makes room again when it has ended.

    Returns how it ended. Raises Difference where that is neither well nor in one line.
    """
    filler = trial.folder.with_name("filler")
    process, deadline, seen, said = trial.start(), time.monotonic() + LONGEST_SECONDS, trial.files(), trial.log.stat().st_size
    while process.poll() is None and changes and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        now = trial.files()
        changes, seen = changes - (now != seen), now
    with suppress(OSError):  # the trial writes meanwhile
        filler.write_bytes(bytes(max(0, shutil.disk_usage(filler.parent).free - free)))
    status = trial.end_of(process)
    filler.unlink()
    ending = trial.log.read_bytes()[said:].decode()
    if status not in (0, 1) or "Traceback" in ending or (status and FULL not in ending):
        raise trial.failure()
    return "full" if status else "went well"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fills", type=int, default=100)
    add_undisturbed_option(parser)


def run(options: argparse.Namespace) -> str:
    """Fills the disk so many times; returns the tally. Raises Difference, and then keeps the trial."""
    place, dice, ends, trials = Path(tempfile.mkdtemp(prefix="full-disk-")), random.Random(options.seed), Counter[str](), 0
    with small_disk(place / "disk") as is_mounted, progress.progress("filling", options.fills, "fill") as shown:
        if not is_mounted:
            return "skipped, because only root can mount a small disk"
        undisturbed = undisturbed_trial(options, place)
        while ends.total() < options.fills:
            trials += 1
            trial = TinyTrial(place / "disk" / f"full-{trials}")
            trial.log = place / f"full-{trials}.log"  # not on the disk
            trial.note("a small disk")
            try:
                for _ in range(min(FILLS_PER_TRIAL, options.fills - ends.total())):
                    changes, free = dice.randint(0, MOST_CHANGES), int(MOST_FREE_BYTES * dice.random() ** 2)
                    trial.note(f"{free:,} bytes left after {changes} changes")
                    ends[fill(trial, changes, free)] += 1
                    shown.update(ends.total())
                trial.finish()
                trial.check(undisturbed)
            except Difference as difference:
                kept = shutil.copytree(trial.folder, place / "kept")
                raise Difference(f"{difference}\nThe trial is kept in {kept}") from None
            shutil.rmtree(trial.folder)
    shutil.rmtree(place)
    return (
        f"{ends.total()} fills of {trials} trials' disk ({ends['full']} ended in one line, {ends['went well']} left enough "
        "room); all ended like the one left alone"
    )
