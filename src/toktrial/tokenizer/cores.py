"""How many threads the kernels may use: the merge engine's passes over its stream, and encoding."""

import os


def usable_cores() -> int:
    """Returns the cores that this process may run on, where the system tells; else those that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
