"""Does a trial outlast a power loss that leaves only what had been synced?

losing_disk.py ends a trial at a random sync or rename. What a reboot would find then may hold no damaged stage, and
`toktrial run` must go on from it to the same end as a trial that was left alone.
"""

import argparse
import random
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from faults.difference import Difference
from faults.losing_disk import LOST_POWER
from faults.tiny_trial import STAGES, TinyTrial, add_undisturbed_option, stage_of_file, undisturbed_trial
from toktrial import progress
from toktrial.integrity import find_damage

LOSING_DISK = str(Path(__file__).with_name("losing_disk.py"))
NEVER = 10**9  # later than any moment
TRIAL = "trial"


def lose_power(disk: Path, survived: Path, moment: int) -> TinyTrial:
    """Runs a trial on a disk that loses power; returns the trial that is left, or the whole one if the moment never came."""
    disk.mkdir()
    trial = TinyTrial(disk / TRIAL)
    trial.log = disk.with_suffix(".log")
    status = trial.end_of(trial.start(python=(LOSING_DISK, str(disk), str(survived), str(moment))))
    if status not in (0, LOST_POWER):
        raise trial.failure()
    left = TinyTrial((survived if status else disk) / TRIAL)
    left.log = trial.log
    if damage := find_damage(left.folder):
        raise Difference(f"After moment {moment}, what had been published is damaged: {'; '.join(map(str, damage))}")
    return left


def count_moments(place: Path, undisturbed: TinyTrial) -> int:
    """Returns how many moments a whole trial has, which it finds by watching one."""
    trial = lose_power(place / "watched", place / "nothing", NEVER)
    trial.check(undisturbed)
    return int(trial.log.read_text().split()[-2])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--losses", type=int, default=100)
    parser.add_argument("--moments", type=int, help="draw from so many moments; by default from all, which are counted first")
    add_undisturbed_option(parser)


def run(options: argparse.Namespace) -> str:
    """Loses power so often; returns the tally. Raises Difference, and then keeps what was left."""
    place, dice, fell = Path(tempfile.mkdtemp(prefix="power-loss-")), random.Random(options.seed), Counter[str]()
    undisturbed = undisturbed_trial(options, place)
    moments = options.moments or count_moments(place, undisturbed)
    with progress.progress("losing power", options.losses, "loss") as shown:
        for number in range(1, options.losses + 1):
            moment, disk, survived = dice.randint(1, moments), place / f"disk-{number}", place / f"survived-{number}"
            trial = lose_power(disk, survived, moment)
            fell[_last_stage(trial)] += 1
            trial.note(f"power lost at moment {moment} of {moments}")
            trial.finish()
            trial.check(undisturbed)
            for folder in (disk, survived):
                shutil.rmtree(folder, ignore_errors=True)
            shown.update(number)
    shutil.rmtree(place)
    stages = ", ".join(f"{stage} {fell[stage]}" for stage in STAGES)
    return (
        f"{options.losses} losses of power at syncs and renames among {moments:,} (the last stage that was left: {stages}): "
        "nothing published was damaged, and all trials ended like the one left alone"
    )


def _last_stage(trial: TinyTrial) -> str:
    return max((stage_of_file(name) for name in trial.files() if "/" in name), key=STAGES.index, default=STAGES[0])
