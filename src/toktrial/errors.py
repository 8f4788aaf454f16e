"""The one error type for what a user can cause. The command line prints its message without a traceback.

It stands outside the flow, so that every stage can raise it.
"""

import difflib
from collections.abc import Iterable


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
