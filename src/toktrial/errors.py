"""The one error type for what a user can cause. The command line prints its message without a traceback.

It stands outside the flow, so that every stage can raise it.
"""

import difflib
import errno
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

NO_MEMORY = re.compile("out of memory|can't allocate memory")  # in torch's messages: for CUDA and MPS, for the CPU
LARGEST_NUMBER = 10**12
Bound = tuple[float, str]
"""The largest value of a field, and why there is no need of a larger one."""
BEYOND_ANY_USE = (LARGEST_NUMBER, "no trial needs more")
MOST_SEEDS = (1000, "each seed is a training of every track")


class TrialError(ValueError):
    """Something that a user can cause and mend. The message says what was wrong, what was found and what to do."""


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Returns a hint: the known name nearest to `name`, or all known names where none is near.

    >>> nearest_name("lpatop", ["demo", "laptop"])
    "did you mean 'laptop'?"
    """
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return "known are: " + ", ".join(known)


def check_numbers(section: str, config: Any, at_least: Mapping[str, float], at_most: Mapping[str, Bound] | None = None) -> None:
    """Raises TrialError where a number of a config dataclass is not finite, or is smaller or larger than its bounds.

    A field without bounds of its own may lie between -LARGEST_NUMBER and LARGEST_NUMBER.
    """
    for item in fields(config):
        value, name = getattr(config, item.name), f"{section}.{item.name}".lstrip(".")
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        least, (most, why) = at_least.get(item.name, -LARGEST_NUMBER), (at_most or {}).get(item.name, BEYOND_ANY_USE)
        if not -math.inf < value < math.inf:
            raise TrialError(f"{name} must be a finite number, but is {value}")
        if value < least:
            raise TrialError(f"{name} must be at least {least}, but is {value}")
        if value > most:
            raise TrialError(f"{name} must be at most {most:,} ({why}), but is {value}")


def describe_error(error: BaseException) -> str | None:
    """Returns what a person should read of an error that a user can cause or mend; None of one that shows a mistake of ours."""
    if isinstance(error, TrialError):
        return str(error)
    if isinstance(error, OSError):
        return _describe_os_error(error)
    # torch raises either, for the machine's memory and the device's
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and NO_MEMORY.search(str(error))):
        return (
            "out of memory: begin a new trial with a smaller training.micro_batch_size, training.batch_size or model. What "
            "was finished is kept"
        )
    return None


def _describe_os_error(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room and run the same command again. What was finished is kept"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. What was finished is kept"
