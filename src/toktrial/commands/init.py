"""`toktrial init`: writes a small commented protocol to begin from, by four answers or flags."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from toktrial import presets, progress
from toktrial.artifact import publish_file
from toktrial.commands import Call
from toktrial.corpus.config import HUB_PREFIX, STORYBOOK
from toktrial.errors import TrialError
from toktrial.tokenizer.config import BTMRecipe

TEMPLATE = """\
# A trial of toktrial. Run it with: toktrial run {file}
# What is not said here is as in `base`; `toktrial run {file} --help` shows every field with its meaning.
base = {size}
seeds = {seeds}                  # trainings of every track; the verdict needs at least 2, and 3 or more are better

[corpus]
path = {corpus}                  # a file, a folder, hub:OWNER/NAME or storybook
max_megabytes = {megabytes}      # stop reading after so much text; 0 reads all

[tracks.bpe]                     # the first track is the baseline
recipe = "bpe"

{track}
[training]
steps = {steps}                  # the plan says if these are too few for a verdict
"""
BTM = """\
[tracks.btm]                     # a small BPE whose tokens are merged further, across words too
recipe = "btm"
primitive_vocab_size = {primitives}
"""
FILE = """\
[tracks.theirs]                  # a byte-level BPE that somebody else trained
recipe = "file"
path = {path}
"""
BTM_NAME = "btm"


@dataclass(frozen=True)
class Init(Call):
    """Writes a small protocol with comments. At a terminal it asks for what no flag says; elsewhere it takes the defaults."""

    file: tyro.conf.Positional[Path] = Path("protocol.toml")
    """Where to write it. The file's name, without its ending, names the trial."""
    corpus: str | None = None
    """The text: a file, a folder, hub:OWNER/NAME, or storybook (made up by toktrial)."""
    against: str | None = None
    """What is compared with BPE: btm, or the path of a tokenizer.json."""
    size: str | None = None
    """The preset whose size it takes: demo, laptop, study or tinystories."""
    seeds: int | None = None
    """Trainings of every track."""

    def execute(self) -> None:
        """Asks, checks the answers and writes the protocol. Raises TrialError where the file exists or an answer is wrong."""
        if self.file.exists():
            raise TrialError(f"{self.file} exists already: name another file")
        if self.file.suffix != ".toml":
            raise TrialError(f"{self.file} must end with .toml, as that is how `toktrial run` knows a protocol")
        corpus = self.corpus or _asked("The text to train on: a file, a folder, hub:OWNER/NAME or storybook", STORYBOOK)
        against = self.against or _asked("What to compare with BPE: btm, or the path of a tokenizer.json", BTM_NAME)
        size = self.size or _asked(f"The size of the trial: {', '.join(presets.PRESETS)}", "demo")
        seeds = self.seeds if self.seeds is not None else _number("Trainings of every track, under seeds 1, 2, ...", 3)
        for path in [corpus] if corpus != STORYBOOK and not corpus.startswith(HUB_PREFIX) else []:
            if not Path(path).exists():
                raise TrialError(f"there is no file or folder {path}")
        written = self._written(corpus, against, size, seeds)
        with publish_file(self.file) as partial:
            partial.write_text(written, encoding="utf-8")
        progress.print_line(f"wrote {self.file}: `toktrial run {self.file} --dry-run` says what it will cost")

    def _written(self, corpus: str, against: str, size: str, seeds: int) -> str:
        base = presets.preset(size)
        replace(base, name=self.file.stem, seeds=seeds, corpus=replace(base.corpus, path=corpus))  # checks the answers
        primitives = [recipe.primitive_vocab_size for recipe in base.tracks.values() if isinstance(recipe, BTMRecipe)]
        if against == BTM_NAME:
            track = BTM.format(primitives=primitives[0])
        elif Path(against).is_file():
            track = FILE.format(path=_quoted(against))
        else:
            raise TrialError(f"there is no file {against}: compare with btm, or with the path of a tokenizer.json")
        return _aligned(
            TEMPLATE.format(
                file=self.file,
                size=_quoted(size),
                seeds=seeds,
                corpus=_quoted(corpus),
                megabytes=base.corpus.max_megabytes,
                track=track,
                steps=base.training.steps,
            )
        )


def _asked(question: str, default: str) -> str:
    """Returns the answer of a person at a terminal; the default where there is nobody, or for an empty answer."""
    return progress.ask(f"{question} [{default}]") or default


def _number(question: str, default: int) -> int:
    answer = _asked(question, str(default))
    if not answer.isdecimal():
        raise TrialError(f"the number of seeds must be a whole number, not {answer!r}")
    return int(answer)


def _quoted(text: str) -> str:
    """Returns text as a string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _aligned(text: str, column: int = 33) -> str:
    """Returns the lines with the comments that follow something in one column."""
    cut = [line.split("  #", 1) if not line.startswith("#") else [line] for line in text.splitlines()]
    return "".join(f"{f'{parts[0].rstrip():<{column}}#{parts[1]}' if parts[1:] else parts[0]}\n" for parts in cut)
