"""Does a trial that is killed again and again end up exactly like one that was left alone?

One trial is left alone. Others are started, killed (SIGKILL) at random moments of every stage, and restarted until they
are finished. Every data file must then be the same in both, apart from times. The page, report.md and the charts show
times, so they only have to exist.
"""

import argparse
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Container
from pathlib import Path

from faults.tiny_trial import LONGEST_SECONDS, STAGES, TinyTrial, add_undisturbed_option, stage_of_file, undisturbed_trial
from toktrial import progress

KILLS_PER_STAGE = 4  # of one trial; fewer where the trial has left the stage before the last of them
LONGEST_DELAY_SECONDS = 0.5  # between a change in the trial's folder and the kill
POLL_SECONDS = 0.005


class _Killer:
    """Kills trials, and knows from the one that was left alone which files each stage writes."""

    def __init__(self, undisturbed: TinyTrial, seed: int) -> None:
        self._files: dict[str, list[str]] = {stage: [] for stage in STAGES}
        for name in undisturbed.files():
            self._files[stage_of_file(name)].append(name)
        self._dice = random.Random(seed)
        self.fell: Counter[str] = Counter()
        """The kills so far, by the stage that each fell in."""

    def kill_in(self, target: str, trial: TinyTrial) -> None:
        """Runs the trial and kills it in the stage `target`, or in a later one if it is quicker.

        The moment is some changes of the trial's folder after the stage has begun, and a while after the last of these.
        """
        changes = self._dice.randint(1, max(2, len(self._files[target]) // KILLS_PER_STAGE))
        delay = LONGEST_DELAY_SECONDS * self._dice.random() ** 3  # mostly short: some stages take a tenth of a second
        process, deadline = trial.start(), time.monotonic() + LONGEST_SECONDS
        seen, changes_left = trial.files(), changes
        while process.poll() is None and changes_left and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            now = trial.files()
            if now != seen and STAGES.index(self.stage_of(now)) >= STAGES.index(target):
                changes_left -= 1
            seen = now
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            stage = self.stage_of(trial.files())
            self.fell[stage] += 1
            trial.note(f"killed in {stage}, {delay:.3f} s after change {changes} since {target} began")
        if process.returncode > 0:
            raise trial.failure()

    def stage_of(self, found: Container[str]) -> str:
        """Returns the first stage of which a file is not among those found; the last stage if none is missing."""
        return next((stage for stage in STAGES if any(name not in found for name in self._files[stage])), STAGES[-1])


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=1000)
    add_undisturbed_option(parser)


def run(options: argparse.Namespace) -> str:
    """Kills trials until there were enough kills; returns the tally. Raises Difference, and then keeps all trials."""
    place = Path(tempfile.mkdtemp(prefix="kills-"))
    undisturbed = undisturbed_trial(options, place)
    killer, trials = _Killer(undisturbed, options.seed), 0
    with progress.progress("killing", options.kills, "kill") as shown:
        while killer.fell.total() < options.kills:
            trials += 1
            trial = TinyTrial(place / f"killed-{trials}")
            for target in (stage for stage in STAGES for _ in range(KILLS_PER_STAGE)):
                has_passed = STAGES.index(killer.stage_of(trial.files())) > STAGES.index(target)
                if not has_passed and killer.fell.total() < options.kills:
                    killer.kill_in(target, trial)
                    shown.update(killer.fell.total(), f"trial {trials}")
            trial.finish()
            trial.check(undisturbed)
            shutil.rmtree(trial.folder)
    shutil.rmtree(place)
    stages = ", ".join(f"{stage} {killer.fell[stage]}" for stage in STAGES)
    return (
        f"{killer.fell.total():,} kills ({stages}) in {trials} trials, which all ended like the one left alone, but for times"
    )
