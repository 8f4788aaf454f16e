"""The command line: one command a stage, plus `run`, which does them all. Thin: trial.py does the work."""

import errno
import io
import math
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from toktrial import __version__, presets, progress, protocol
from toktrial.errors import TrialError, nearest_name
from toktrial.protocol import Protocol
from toktrial.training.interrupt import RunStopped
from toktrial.trial import PROTOCOL_FILE, STAGES, Trial

if TYPE_CHECKING:
    from toktrial.plan import Plan

OVERVIEW = """\
toktrial: does another tokenizer make a language model learn faster?

It trains the same small GPT on the same documents tokenized two ways, and says with error bars which learned faster.

  toktrial run demo           a whole trial on built-in stories, some minutes on two CPU cores
  toktrial run laptop         8,192 entries, 15 million parameters, 200 MB of TinyStories
  toktrial run tinystories    the research plan: 16,384 entries, 40 million parameters, 50,000 steps
  toktrial run demo --corpus.path my_texts.txt        the same on your own text
  toktrial run protocol.toml                          a protocol that you wrote, or that a report shows

What a trial does, and the command that goes so far:

  corpus       documents, split by the hash of their content
  tokenizers   byte-level BPE, and BTM: a small BPE whose tokens are merged on along the graph of neighbours
  tokens       both corpora as integer files
  train        one model for each track and seed, with metrics every so many steps
  evaluate     bits per byte of all validation documents, samples, minimal pairs, an account of the vocabularies
  report       verdict, charts and page
  run          all of them, after saying what it will cost

Each takes a preset, a protocol.toml or the folder of a trial, and any field of the protocol as a flag:

  toktrial run demo --help                            every field, with its meaning
  toktrial run demo --seeds 3 --model.n-layer 6 --trial trials/deeper

  toktrial inspect graph trials/demo                  which token follows which, how often
  toktrial inspect tokens trials/demo "some text"     how every track cuts a text
  toktrial export trials/demo/runs/bpe/seed-1 model   a folder that transformers loads
  toktrial generate trials/demo/runs/bpe/seed-1 --prompt "Once upon a time"
  toktrial rate trials/demo                           a page that asks which of two unnamed texts is better
  toktrial power trials/demo --effect 1               how many seeds it takes to see a difference of 1%

What is finished is not done again; interrupted, the same command goes on. Results are in trials/NAME/report.
"""

STARTED_BY_TORCHRUN = "TORCHELASTIC_RUN_ID"  # the variable that says so
NO_MEMORY = re.compile("out of memory|can't allocate memory")  # of torch's messages: CUDA and MPS, CPU
RANK = "RANK"  # the variable of torchrun that numbers its processes
COMMANDS = (*STAGES, "run", "inspect", "export", "generate", "power", "rate")


@dataclass(frozen=True)
class Options:
    """What a command takes beside the protocol."""

    trial: Path | None = None
    """Folder of the trial; trials/NAME where none is named."""
    yes: bool = False
    """Begin without asking, also what takes hours or days."""
    target: float | None = None
    """Bits per byte: `report` and `run` tell what each track needs to reach it. Decides nothing."""

    def __post_init__(self) -> None:
        if self.target is not None and not 0 < self.target < math.inf:
            raise TrialError(f"--target must be bits per byte, a number above 0, but is {self.target}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 an error that the user can mend, 2 a wrong call, 130 interrupted.

    141, and no word, where the reader of a pipe wants no more of the output (`| head`), as programs that SIGPIPE ends.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a terminal of another encoding than UTF-8 cannot show becomes an escape
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            _run_command(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()  # what cannot be written is found out here, not when Python ends
    except TrialError as error:
        _fail(str(error))
    except BrokenPipeError:
        _discard_output()
        raise SystemExit(128 + signal.SIGPIPE) from None
    except OSError as error:
        _fail(_describe_os_error(error))
    except (MemoryError, RuntimeError) as error:  # torch raises both, and for either kind of memory
        if not isinstance(error, MemoryError) and not NO_MEMORY.search(str(error)):
            raise
        _fail(
            "the memory does not suffice: in a new trial, a smaller training.micro_batch_size, training.batch_size or model "
            "needs less. What was finished is kept"
        )
    except RunStopped:
        raise SystemExit(130) from None
    except KeyboardInterrupt:
        if os.environ.get(RANK, "0") == "0":
            progress.print_line("interrupted; the same command goes on from what is finished")
        raise SystemExit(130) from None


def _run_command(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(OVERVIEW)
        return None
    if arguments[0] == "--version":
        sys.stdout.write(f"toktrial {__version__}\n")
        return None
    command, *rest = arguments
    if command not in COMMANDS:
        _fail(f"there is no command {command!r}: {nearest_name(command, COMMANDS)}", 2)
    if command == "inspect":
        from toktrial.inspection import inspect

        return inspect(rest)
    if command == "export":
        from toktrial.export import export

        return export(rest)
    if command == "generate":
        from toktrial.generate import generate

        return generate(rest)
    if command == "rate":
        from toktrial.rate import rate

        return rate(rest)
    if command == "power":
        from toktrial.power import power

        return power(rest)
    if STARTED_BY_TORCHRUN in os.environ:
        return _train_together(command, rest)
    trial, options = _parse(command, rest)
    if options.target is not None and command not in ("report", "run"):
        _fail(f"--target is an option of `report` and `run`, not of `{command}`", 2)
    if command == "run":
        _run(trial, options)
    else:
        if command == "report":
            trial.report(options.target)
        else:
            trial.run(command)
        progress.print_line(f"{command}: done, in {trial.folder}")
    return None


def _train_together(command: str, rest: list[str]) -> None:
    """Trains in the processes that torchrun started; the first of them does all that comes before."""
    if command != "train":
        _fail(f"torchrun is for training alone: `torchrun ... -m toktrial train ...`, then `toktrial {command} ...`", 2)
    from toktrial.training.distributed import first_before_the_others, joined

    with joined() as together:
        with first_before_the_others(together):
            trial, _ = _parse(command, rest)
            trial.make_tokens()
        trial.train()


def _parse(command: str, rest: list[str]) -> tuple[Trial, Options]:
    """Returns the trial that the arguments name, opened, and the other options."""
    import tyro

    named = rest[0] if rest and not rest[0].startswith("-") else None
    if named is None and not {"-h", "--help"} & set(rest):
        known = ", ".join(presets.PRESETS)
        _fail(f"toktrial {command} what? Name a preset ({known}), a protocol.toml or the folder of a trial", 2)
    start = _named_protocol(named) if named else presets.tinystories()
    call = tyro.cli(
        _call_type(),
        args=rest[1:] if named else rest,
        default=_call_type()(start, Options()),
        prog=f"toktrial {command} {named or 'PRESET'}",
        config=(tyro.conf.AvoidSubcommands, tyro.conf.FlagCreatePairsOff),
    )
    folder = call.options.trial or _own_folder(named or "", call.protocol)
    return Trial(folder, call.protocol), call.options


def _call_type() -> Any:
    """The arguments of every command; a function, because tyro is imported only where arguments are parsed."""
    import tyro

    @dataclass(frozen=True)
    class Call:
        protocol: Annotated[Protocol, tyro.conf.arg(name="")]
        options: Annotated[Options, tyro.conf.arg(name="")]

    return Call


def _named_protocol(name: str) -> Protocol:
    path = Path(name)
    if path.is_dir():
        return protocol.load(path / PROTOCOL_FILE)
    if path.suffix == ".toml":
        return protocol.load(path)
    return presets.preset(name)


def _own_folder(name: str, plan: Protocol) -> Path:
    return Path(name) if Path(name).is_dir() else Path("trials") / plan.name


def _run(trial: Trial, options: Options) -> None:
    from toktrial.summary import print_summary

    finished = trial.finished_result(options.target)
    if finished is not None:
        progress.print_line("all is done already; this is the result")
        print_summary(finished, trial.report_folder)
        return
    from toktrial.plan import describe_plan, make_plan

    trial.make_minimal_pairs()  # before anything is timed: what is wrong with them is soon said
    progress.print_line("looking at a sample of the text and timing a few steps ...")
    plan = make_plan(trial)
    for line in describe_plan(plan, trial):
        progress.print_line(line)
    if plan.is_long and not options.yes:
        _ask(plan)
    trial.make_tokens()
    if plan.text.is_estimate:
        for line in describe_plan(make_plan(trial), trial):
            progress.print_line(line)
    print_summary(trial.report(options.target), trial.report_folder)


def _ask(plan: "Plan") -> None:
    """Asks at a terminal whether to begin something long; elsewhere refuses."""
    from toktrial.plan import duration

    progress.print_line(f"This will take long: {duration(plan.seconds)}, {plan.step_seconds:.1f} s a step on {plan.device}.")
    if not sys.stdin.isatty():
        _fail("begin it with --yes, or make it smaller, for example with --training.steps or --seeds 1")
    progress.print_line("Begin? [y/N] (--yes begins without asking)")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        _fail("not begun")


def _describe_os_error(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full. What was finished is kept; make room and run the same command again"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. What was finished is kept"


def _discard_output() -> None:
    """Lets the end of Python flush to nowhere what is left in the buffers of output that nobody reads."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())


def _fail(message: str, code: int = 1) -> Any:
    progress.print_line(f"toktrial: {message}")
    raise SystemExit(code)
