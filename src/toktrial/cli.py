"""The command line: does what was typed, by way of commands/, and turns what went wrong into a line and an exit status."""

import errno
import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from toktrial import commands, progress
from toktrial.errors import TrialError
from toktrial.training.interrupt import RunStopped

NO_MEMORY = re.compile("out of memory|can't allocate memory")  # of torch's messages: CUDA and MPS, CPU
RANK = "RANK"  # the variable of torchrun that numbers its processes


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 an error that the user can mend, 2 a wrong call, 130 interrupted.

    141, and no word, where the reader of a pipe wants no more of the output (`| head`), as programs that SIGPIPE ends.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a terminal of another encoding than UTF-8 cannot show becomes an escape
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            commands.execute(sys.argv[1:] if arguments is None else arguments)
        finally:
            sys.stdout.flush()  # what cannot be written is found out here, not when Python ends
    except TrialError as error:
        _fail(str(error), 2 if isinstance(error, commands.CallError) else 1)
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


def _fail(message: str, code: int = 1) -> NoReturn:
    progress.print_line(f"toktrial: {message}")
    raise SystemExit(code)
