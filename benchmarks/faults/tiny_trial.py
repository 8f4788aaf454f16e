"""A trial of every stage that takes seconds, run as a user runs it, and what two such trials must have in common."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults.difference import Difference
from toktrial.artifact import CHECKSUM

PROTOCOL = """
name = "tiny"
seeds = 2
vocab_size = 500

[corpus]
path = "storybook"
max_megabytes = 0.3
validation_share = 0.05

[tracks.bpe]
recipe = "bpe"

[tracks.btm]
recipe = "btm"
primitive_vocab_size = 400

[model]
n_layer = 1
n_head = 2
width = 32
context = 32

[training]
batch_size = 4
steps = 20
warmup_steps = 2
log_every = 5
checkpoint_every = 5
device = "cpu"

[tuning]
rates = [0.001, 0.002]
documents = 20

[evaluation]
eval_documents = 5
prompts = ["Once upon a time", "One day, a"]
max_new_bytes = 30
"""
STAGES = ("corpus", "tokenizers", "tokens", "tune", "train", "evaluate", "report")
EVALUATION_FILES = ("document_nats.npy", "final.json", "samples.json")  # of a run; all else in its folder is from training
STAGE_OF_FOLDER = {
    **{stage: stage for stage in STAGES},
    "graphs": "tokenizers",
    "tuning": "tune",
    "runs": "train",
    "evaluation": "evaluate",
}
# Parts of the names of fields that depend on the clock, on other work (`notes` mention runs that shared their device), or on
# what somebody does to the source's repository meanwhile.
CLOCK_WORDS = ("seconds", "timestamp", "started", "times", "timed", "waited_share", "shared_device", "notes", "commit")
SHOWN_TO_PEOPLE = {".html", ".md", ".svg", ".png"}  # show times, which also enter the report's fingerprint: not compared
TOKTRIAL = ("-m", "toktrial")  # of Python's command line
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
LONGEST_SECONDS = 1800.0  # a trial takes seconds; one that takes longer, on however busy a machine, hangs


class TinyTrial:
    """The trial in `folder`, whose protocol and log lie beside it."""

    def __init__(self, folder: Path, found: Path | None = None) -> None:
        """found: a folder to begin with a copy of."""
        self.folder = folder
        if found:
            shutil.copytree(found, folder)
        self.log = folder.with_name(f"{folder.name}.log")
        self._protocol = folder.with_name("tiny.toml")
        self._protocol.write_text(PROTOCOL)

    @property
    def arguments(self) -> list[str]:
        """Of the command that does all that is not done yet."""
        return ["run", str(self._protocol), "--trial", str(self.folder), "--yes"]

    def start(self, *options: str, log: Path | None = None, python: Sequence[str] = TOKTRIAL) -> "subprocess.Popen[bytes]":
        """Starts what does all that is not done yet, with one thread: rounding depends on how many there are."""
        with (log or self.log).open("ab") as file:
            return subprocess.Popen(
                [sys.executable, *python, *self.arguments, *options], stdout=file, stderr=file, env=ENVIRONMENT
            )

    def finish(self) -> None:
        """Runs the trial to its end. Raises Difference if it fails or hangs."""
        if self.end_of(self.start()):
            raise self.failure()

    def end_of(self, process: "subprocess.Popen[bytes]") -> int:
        """Waits for a process that was started here; kills it if it hangs. Returns its exit status."""
        try:
            return process.wait(LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            self.note(f"killed: it had come to no end in {LONGEST_SECONDS:.0f} s")
            return process.wait()

    def check(self, expected: "TinyTrial") -> None:
        """Raises Difference where the trial is not like another, apart from times."""
        if differing := self.differing_files(expected):
            raise Difference(f"{self.folder} differs from {expected.folder} in {', '.join(differing)}. Its log is {self.log}")

    def note(self, what: str) -> None:
        """Adds what was done to the trial to its log."""
        with self.log.open("a") as log:
            log.write(f"--- {what}\n")

    def has_traceback(self) -> bool:
        """Whether anything in its log ended in one."""
        return "Traceback" in self.log.read_text()

    def failure(self) -> Difference:
        """Returns what to raise where the trial ended by itself, but not well."""
        last_lines = "\n".join(self.log.read_text().splitlines()[-10:])
        return Difference(f"The trial failed. Its log, {self.log}, ends with:\n{last_lines}")

    def files(self) -> dict[str, tuple[int, int]]:
        """Returns the size and the time of the last change of every file, by its name within the trial."""
        found = {}
        for folder, _, names in os.walk(self.folder):
            for name in names:
                path = Path(folder, name)
                try:
                    status = path.stat()
                except FileNotFoundError:  # the trial renames and deletes while it is looked at
                    continue
                found[path.relative_to(self.folder).as_posix()] = (status.st_size, status.st_mtime_ns)
        return found

    def differing_files(self, expected: "TinyTrial") -> list[str]:
        """Returns the files that are not the same in both trials apart from times, or exist in only one of them."""
        names = sorted(self.files().keys() | expected.files().keys())
        return [name for name in names if _content(self.folder / name) != _content(expected.folder / name)]


def add_undisturbed_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--undisturbed", type=Path, help="where the trial that is left alone is, or is made")


def undisturbed_trial(options: argparse.Namespace, place: Path) -> TinyTrial:
    """Returns the trial that is left alone, which others must end like."""
    trial = TinyTrial(options.undisturbed or place / "undisturbed")
    if not (trial.folder / "report" / "manifest.json").is_file():  # else several parts may share it at once
        trial.finish()
    return trial


def stage_of_file(name: str) -> str:
    """Returns the stage that writes a file, named as in `TinyTrial.files`."""
    *folders, last = name.split("/")
    if not folders:  # the protocol
        return STAGES[0]
    return "evaluate" if last in EVALUATION_FILES else STAGE_OF_FOLDER[folders[0]]


def _content(path: Path) -> Any:
    if not path.is_file():
        return None
    if path.suffix in SHOWN_TO_PEOPLE or path.match("report/manifest.json"):
        return "exists"
    if path.suffix == ".json":
        return _without_times(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [_without_times(json.loads(line)) for line in path.read_text().splitlines()]
    if path.suffix == ".pt":
        import torch

        return _without_times(torch.load(path, weights_only=True))
    return path.read_bytes()


def _without_times(value: Any) -> Any:
    """Removes what depends on the clock, including the checksums of files and manifests, since some files hold times."""
    if isinstance(value, dict):
        return {
            name: _without_times(part)
            for name, part in value.items()
            if name not in ("files", CHECKSUM) and not any(word in str(name) for word in CLOCK_WORDS)
        }
    if hasattr(value, "numpy"):  # a tensor
        return value.numpy().tobytes()
    if isinstance(value, list):
        return [_without_times(part) for part in value if not _is_at_equal_seconds(part)]
    return value


def _is_at_equal_seconds(part: Any) -> bool:
    """Whether it is the one of the budgets in results.json that the clock decides, even whether it is there."""
    return isinstance(part, dict) and part.get("budget") == "seconds"
