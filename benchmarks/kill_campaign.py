"""Does a trial that is killed again and again end up exactly like one that was left alone?

    python benchmarks/kill_campaign.py                           100 kills over whole trials of the demo's size
    python benchmarks/kill_campaign.py --kills-per-stage 8       the same with fewer trials
    python benchmarks/kill_campaign.py --kills 12 --steps 40     a quicker version

One trial is left alone. Others are started, killed (SIGKILL) several times in each stage at random moments, and
restarted until they are finished. Every data file must then be the same in both, apart from times. The page, report.md
and the charts show times, so they only have to exist. Exits with status 1 if any trial differs.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from toktrial.artifact import MANIFEST
from toktrial.trial import STAGES, Trial
from toktrial.trial_folder import PROTOCOL_FILE

# Parts of the names of fields that depend on the clock or on other work (`notes` mention runs that shared their device).
CLOCK_WORDS = ("seconds", "timestamp", "started", "times", "waited_share", "shared_device", "notes")
SHOWN_TO_PEOPLE = {".html", ".md", ".svg", ".png"}  # show times, which also enter the report's fingerprint: not compared
POLL_SECONDS = 0.01
LONGEST_TRIAL_SECONDS = 3600.0


def start(folder: Path, steps: int | None) -> "subprocess.Popen[bytes]":
    """Starts `toktrial report`, which does everything that is not done yet."""
    settings = [] if steps is None else [f"--training.steps={steps}", f"--training.checkpoint-every={max(1, steps // 4)}"]
    call = [sys.executable, "-m", "toktrial", "report", "demo", *settings, "--trial", str(folder)]
    log = (folder.parent / f"{folder.name}.log").open("ab")
    return subprocess.Popen(call, stdout=log, stderr=log)


def stage_of(folder: Path) -> str:
    """Returns the first stage that is not finished, or "done" if all are."""
    if not (folder / PROTOCOL_FILE).is_file() or not (folder / "corpus" / MANIFEST).is_file():
        return "corpus"
    trial = Trial.open(folder)
    tracks = list(trial.protocol.tracks)
    runs = [trial.run_of(track, seed).folder for track, seed in trial.run_order()]
    finished = {
        "tokenizers": [trial.tokenizer_folder(track) / MANIFEST for track in tracks],
        "tokens": [trial.tokens_folder(track) / MANIFEST for track in tracks],
        "train": [run / MANIFEST for run in runs],
        "evaluate": [run / "final.json" for run in runs],
        "report": [trial.report_folder / MANIFEST],
    }
    return next((stage for stage, paths in finished.items() if not all(path.is_file() for path in paths)), "done")


def run_through(folder: Path, steps: int | None) -> dict[str, float]:
    """Runs a trial to its end; returns the seconds that each stage took."""
    seconds = dict.fromkeys(STAGES, 0.0)
    process = start(folder, steps)
    before = time.perf_counter()
    while process.poll() is None:
        stage = stage_of(folder)
        time.sleep(POLL_SECONDS)
        now = time.perf_counter()
        if stage in seconds:
            seconds[stage] += now - before
        before = now
    if process.returncode:
        raise SystemExit(f"a trial failed: see {folder}.log")
    return seconds


def kill_in(folder: Path, target: str, delay: float, steps: int | None) -> str:
    """Starts the trial and kills it `delay` seconds after it has reached `target`; returns the stage that it was in."""
    process = start(folder, steps)
    deadline = time.perf_counter() + LONGEST_TRIAL_SECONDS
    while process.poll() is None and STAGES.index(target) > _rank(stage_of(folder)) and time.perf_counter() < deadline:
        time.sleep(POLL_SECONDS)
    try:
        process.wait(delay)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"a trial failed: see {folder}.log")
    return "done" if process.returncode == 0 else stage_of(folder)


def _rank(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else len(STAGES)


def differing_files(folder: Path, expected: Path) -> list[str]:
    """Returns the files that are not the same in both trials apart from times, or exist in only one of them."""
    names = {path.relative_to(root).as_posix() for root in (folder, expected) for path in root.rglob("*") if path.is_file()}
    return sorted(name for name in names if _content(folder / name) != _content(expected / name))


def _content(path: Path) -> Any:
    if not path.is_file():
        return None
    if path.suffix in SHOWN_TO_PEOPLE or (path.parent.name == "report" and path.name == MANIFEST):
        return "exists"
    if path.suffix == ".json":
        return _without_times(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [_without_times(json.loads(line)) for line in path.read_text().splitlines()]
    return path.read_bytes()


def _without_times(value: Any) -> Any:
    """Removes what depends on the clock, including the checksums of files ('files'), since some files hold times."""
    if isinstance(value, dict):
        return {
            name: _without_times(part)
            for name, part in value.items()
            if name != "files" and not any(word in name for word in CLOCK_WORDS)
        }
    return [_without_times(part) for part in value] if isinstance(value, list) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--kills-per-stage", type=int, default=2, help="kills in each stage of one trial")
    parser.add_argument("--steps", type=int, help="training steps of a run, instead of the demo's")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    fell: Counter[str] = Counter()
    trials, wrong = 0, 0
    with tempfile.TemporaryDirectory() as place:
        expected = Path(place) / "undisturbed"
        seconds = run_through(expected, options.steps)
        print("undisturbed: " + ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items()), flush=True)
        while fell.total() < options.kills:
            trials += 1
            folder = Path(place) / f"killed-{trials}"
            for target in (stage for stage in STAGES for _ in range(options.kills_per_stage)):
                if _rank(stage_of(folder)) > STAGES.index(target) or fell.total() == options.kills:
                    continue
                latest = seconds[target] * 2 / options.kills_per_stage  # likely before the stage ends
                stage = kill_in(folder, target, dice.uniform(0.0, latest), options.steps)
                if stage != "done":
                    fell[stage] += 1
            run_through(folder, options.steps)
            differing = differing_files(folder, expected)
            wrong += bool(differing)
            print(
                f"trial {trials}, {fell.total()} kills so far: {'differs in ' + ', '.join(differing) if differing else 'equal'}"
            )
            sys.stdout.flush()
    print("\nstage in which a kill fell: " + ", ".join(f"{stage} {fell[stage]}" for stage in STAGES))
    print(
        f"{fell.total()} kills in {trials} trials; {trials - wrong} of {trials} ended like the one left alone, apart from times"
    )
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
