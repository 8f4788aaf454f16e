"""Is every flipped bit, every truncation and every deletion in a finished trial noticed, and mended by running it again?

In one file of each kind (runs/*/seed-*/final.json is a kind) a random bit is flipped, then the file is cut short, then it is
deleted; each time `toktrial verify` must name it. Then one of the three, drawn at random, is done to a copy of the trial, and
`toktrial run` must make every data file as it was, or end with one line where only a copy could bring the file back.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from faults.difference import Difference
from faults.tiny_trial import TinyTrial, add_undisturbed_option, undisturbed_trial
from toktrial import progress
from toktrial.integrity import ASIDE, find_damage

# By design nothing judges these: what is in them is nobody's data, or a person's, and no stage reads them.
UNJUDGED = {
    ".lock": "empty; only the system's lock on it counts",
    ".holder.json": "there only while somebody writes the trial",
    "ratings.jsonl": "a person's votes, added one by one; every line is checked where it is read",
}

LASTS_NO_DAMAGE = re.compile(
    r"^(tuning/)?runs/.*/checkpoint-\d+\.pt$"
)  # of a finished run: only a longer training would need it


def _flip_a_bit(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def _truncate(path: Path, dice: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])


def _delete(path: Path, dice: random.Random) -> None:  # noqa: ARG001  # as every fault
    path.unlink()


FAULTS: dict[str, Callable[[Path, random.Random], None]] = {"flipped": _flip_a_bit, "truncated": _truncate, "deleted": _delete}


def kind_of(name: str) -> str:
    """Returns a file's name with stars for tracks, seeds, steps, rates and charts."""
    name = re.sub(r"^((?:tuning/)?(?:tokenizers|graphs|tokens|runs))/[^/]+/", r"\1/*/", name)
    name = re.sub(r"^report/[^/]+\.(svg|png)$", r"report/*.\1", name)
    return re.sub(r"[\d.]*\d", "*", name)


def check_is_noticed(trial: TinyTrial, name: str, fault: str, dice: random.Random) -> None:
    """Damages a file, lets it be found, and puts it back. Raises Difference where nothing names it."""
    path = trial.folder / name
    whole = path.read_bytes()
    FAULTS[fault](path, dice)
    if path not in [each.path for each in find_damage(trial.folder)]:
        raise Difference(f"{path} was {fault}, and nothing noticed it")
    path.write_bytes(whole)


def check_is_mended(trial: TinyTrial, name: str, fault: str, dice: random.Random, undisturbed: TinyTrial) -> bool:
    """Damages a file and runs the trial. Returns whether it is as it was; raises Difference where it ended in neither way."""
    FAULTS[fault](trial.folder / name, dice)
    trial.note(f"{name} {fault}")
    if trial.end_of(trial.start()):
        if "/" in name or trial.has_traceback():
            raise trial.failure()
        command = [sys.executable, "-m", "toktrial", "verify", str(trial.folder), "--repair", "--yes"]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return False
    shutil.rmtree(trial.folder / ASIDE, ignore_errors=True)
    if not (LASTS_NO_DAMAGE.search(name) and trial.differing_files(undisturbed) == [name]):
        trial.check(undisturbed)
    return True


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mended", type=int, help="how many kinds of files are mended; all by default")
    parser.add_argument("--mend", default="", help="mend only kinds whose name contains this")
    add_undisturbed_option(parser)


def run(options: argparse.Namespace) -> str:
    """Damages one file of each kind; returns the tally. Raises Difference, and then keeps the damaged trial."""
    place, dice = Path(tempfile.mkdtemp(prefix="damage-")), random.Random(options.seed)
    undisturbed = undisturbed_trial(options, place)
    kinds: dict[str, list[str]] = {}
    for name in sorted(name for name in undisturbed.files() if Path(name).name not in UNJUDGED):
        kinds.setdefault(kind_of(name), []).append(name)
    trial = TinyTrial(place / "noticed", undisturbed.folder)
    for names in kinds.values():
        for fault in FAULTS:
            check_is_noticed(trial, dice.choice(names), fault, dice)
    ends = Counter[bool]()
    chosen = [kind for kind in sorted(kinds) if options.mend in kind]
    chosen = dice.sample(chosen, len(chosen) if options.mended is None else options.mended)
    with progress.progress("mending", len(chosen), "kind of file") as shown:
        for done, kind in enumerate(chosen, start=1):
            trial = TinyTrial(place / f"mended-{done}", undisturbed.folder)
            ends[check_is_mended(trial, dice.choice(kinds[kind]), dice.choice(list(FAULTS)), dice, undisturbed)] += 1
            shutil.rmtree(trial.folder)
            shown.update(done, kind)
    shutil.rmtree(place)
    unjudged = "; ".join(f"{name} ({reason})" for name, reason in UNJUDGED.items())
    return (
        f"{len(FAULTS) * len(kinds)} of {len(FAULTS) * len(kinds)} faults in {len(kinds)} kinds of files noticed; "
        f"{ends[True]} mended, {ends[False]} refused in one line. Not judged: {unjudged}"
    )
