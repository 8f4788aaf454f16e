"""The commands of `toktrial`, as its help lists them: each is a class in a file of this folder and a line of COMMANDS.

cli.py -> a command -> trial.py. A command's file is imported only when that command is called.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from toktrial import __version__, progress
from toktrial.errors import TrialError, nearest_name


@dataclass(frozen=True)
class Command:
    """A line of the list of commands."""

    name: str
    """What is typed: two words where one would say too little."""
    about: str
    """What it makes or shows."""
    place: str = "stages.Stage"
    """Its file in this folder, and the Call in that file."""
    example: str = ""
    """What may follow the name, for a trial in trials/demo. Empty for a stage, which takes what every stage takes."""

    @property
    def typed(self) -> str:
        return f"toktrial {self.name} {self.example}"


COMMANDS = (
    Command("corpus", "documents, split by the hash of their content"),
    Command("tokenizers", "byte-level BPE, and BTM: a small BPE whose tokens are merged further along the graph of neighbours"),
    Command("tokens", "the corpus as integer files, once for each track"),
    Command("tune", "the best learning rate for each track and for all of them, where --tuning.rates names some to try"),
    Command("train", "one model for each track and seed, with metrics along the way"),
    Command("evaluate", "bits per byte of all validation documents, samples, minimal pairs and an account of the vocabularies"),
    Command("report", "the verdict, its charts and the page"),
    Command("run", "all of them, after saying what they will cost", "run.Run"),
    Command("init", "a small protocol with comments, to begin from", "init.Init", "protocol.toml"),
    Command(
        "status",
        "what is done, what runs, how long it will take",
        "status.Status",
        "trials/demo",
    ),
    Command("compare", "trials side by side, on one page", "compare.Compare", "trials/demo trials/deeper"),
    Command("verify", "whether every file is what its stage wrote", "status.Verify", "trials/demo"),
    Command("inspect graph", "which token follows which, and how often", "inspect.Graph", "trials/demo"),
    Command("inspect tokens", "how every track cuts a text", "inspect.Tokens", 'trials/demo "some text"'),
    Command("inspect entry", "how every track built an entry", "inspect.Entry", 'trials/demo " of the"'),
    Command("export", "a folder that transformers loads", "export.Export", "trials/demo/runs/bpe/seed-1 model"),
    Command(
        "generate",
        "what a model writes",
        "generate.Generate",
        'trials/demo/runs/bpe/seed-1 --prompt "Once upon a time"',
    ),
    Command(
        "send", "metrics, verdict and charts in TensorBoard, W&B, trackio or MLflow", "send.Send", "trials/demo --to wandb"
    ),
    Command("submit", "a folder to publish: protocol, results, curves, audit", "submit.Submit", "trials/demo"),
    Command("leaderboard", "a page that ranks the tracks of published trials", "leaderboard.Leaderboard", "submissions"),
    Command("rate", "a page that asks which of two unnamed texts is better", "rate.Rate", "trials/demo"),
    Command("completion", "what makes a shell complete all this: bash, zsh or fish", "completion.Completion", "bash"),
    Command("power", "how many seeds it takes to see a difference of 1%", "power.Power", "trials/demo --effect 1"),
)

OVERVIEW = """\
toktrial: does another tokenizer make a language model learn faster?
It trains the same small GPT on the same documents tokenized two ways, and says with error bars which learned faster.

  toktrial run demo           a whole trial on built-in stories, a few minutes on two CPU cores
  toktrial run study          15 tokenizers of 4,096 entries, 1.3 million parameters, 100 MB of TinyStories
  toktrial run laptop         8,192 entries, 15 million parameters, 200 MB of TinyStories
  toktrial run tinystories    the research plan: 16,384 entries, 40 million parameters, 50,000 steps
  toktrial run demo --corpus.path my_texts.txt        the same on your own text
  toktrial run protocol.toml                          a protocol that you wrote, or one that a report shows

The stages of a trial, and the command that does everything up to each:

{stages}

Each takes a preset, a protocol.toml or the folder of a trial, and any field as a flag (`toktrial run demo --help`).

{others}

Finished work is never repeated: after an interruption, the same command goes on. Results are in trials/NAME/report.
"""


class CallError(TrialError):
    """A call that names something unknown, or leaves out something that is needed."""


@dataclass(frozen=True)
class Call(ABC):
    """The base of every command's dataclass, whose fields are the flags and whose docstrings are their help."""

    quiet: bool = field(default=False, kw_only=True)
    """Say nothing on the way: only results, questions and errors."""

    @classmethod
    def parse(cls, name: str, arguments: Sequence[str]) -> Self:
        """Returns the call of the command `name`; exits where `arguments` ask for help (0) or are wrong (2)."""
        import tyro

        config = (tyro.conf.PositionalRequiredArgs, tyro.conf.FlagCreatePairsOff)
        return tyro.cli(cls, args=arguments, prog=f"toktrial {name}", config=config)

    @abstractmethod
    def execute(self) -> None:
        """Does what the command is for. Raises TrialError for what a user can mend."""


@dataclass(frozen=True)
class Inquiry(Call):
    """A command that finds something out, for a person or for a program."""

    json: bool = field(default=False, kw_only=True)
    """Print the result as JSON to standard output, for programs; everything else goes to standard error."""

    @abstractmethod
    def find(self) -> Any:
        """Returns what the command finds. Raises TrialError for what a user can mend."""

    @abstractmethod
    def print_found(self, found: Any) -> None:
        """Prints what `find` returned to standard output, for a person."""

    def for_programs(self, found: Any) -> Any:
        """Returns what `--json` prints of it, made of dataclasses, paths and what JSON has."""
        return found

    def execute(self) -> Any:
        """Finds it, prints it and returns it. Raises TrialError as `find` does."""
        from toktrial.commands.terminal import print_json

        found = self.find()
        if self.json:
            print_json(self.for_programs(found))
        else:
            self.print_found(found)
        return found


def rendered(template: str, **values: Any) -> str:
    """Returns what a template in this folder makes of the values; escapes them in HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(values)


def execute(arguments: Sequence[str]) -> None:
    """Does what a command line asks for. Raises CallError where that is wrong, and TrialError where the command does."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_overview())
    elif arguments[0] == "--version":
        sys.stdout.write(f"toktrial {__version__}\n")
    else:
        command, rest = _named(arguments)
        module, call = command.place.split(".")
        kind: type[Call] = getattr(import_module(f"{__name__}.{module}"), call)
        with progress.silence() if "--quiet" in rest else nullcontext():  # reading a protocol may say something, too
            kind.parse(command.name, rest).execute()


def _named(arguments: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """Returns the command that the first one or two words name, and what follows them."""
    first, *rest = arguments
    subjects = {command.name.partition(" ")[2]: command for command in COMMANDS if command.name.split()[0] == first}
    if "" in subjects:
        return subjects[""], rest
    if not subjects:
        known = dict.fromkeys(command.name.split()[0] for command in COMMANDS)
        raise CallError(f"there is no command {first!r}: {nearest_name(first, known)}")
    if not rest or rest[0] not in subjects:
        calls = "; ".join(command.typed.replace("trials/demo", "TRIAL") for command in subjects.values())
        raise TrialError(f"{first} what? {nearest_name(''.join(rest[:1]), subjects)} ({calls})")
    return subjects[rest[0]], rest[1:]


def _overview() -> str:
    stages = "\n".join(f"  {command.name:<11}  {command.about}" for command in COMMANDS if not command.example)
    others = "\n".join(f"  {command.typed:<50}  {command.about}" for command in COMMANDS if command.example)
    return OVERVIEW.format(stages=stages, others=others)
