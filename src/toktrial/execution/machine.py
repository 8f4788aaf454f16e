"""What this machine has room for: its cores and its memory, and the trainings that share them.

The executors ask it. Imports nothing heavy before a device is asked for.
"""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.training.config import parameter_count

BYTES_PER_PARAMETER = 16  # the weight, AdamW's two moments and the gradient, in float32
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container: a number of bytes, or "max"


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Returns how much of this machine's memory this process may use."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        return min(there, int(MEMORY_LIMIT.read_text()))
    return there


def training_bytes(protocol: Protocol) -> int:
    """Returns what a training step on a CPU needs of memory at the least."""
    model, training = protocol.model, protocol.training
    vocab_size = max(recipe.vocab_size for recipe in protocol.sized_tracks.values())
    logits = (training.micro_batch_size or training.batch_size) * model.context * vocab_size
    masks = model.n_layer * model.context**2
    return BYTES_PER_PARAMETER * parameter_count(model, vocab_size) + 4 * (logits + masks)  # float32


def runs_that_fit(protocol: Protocol) -> int:
    """Returns for how many runs on the CPU there are cores and memory; 0 where not even one has room."""
    return min(cores() // (protocol.training.threads or cores()), memory_bytes() // training_bytes(protocol))


def with_threads(protocol: Protocol, at_once: int, there: int | None = None) -> Protocol:
    """Returns the protocol with a number of threads instead of 0, one that lets so many runs, or 0: all, share the cores.

    The last bits of a result depend on the number of threads. Left open, it would be that of all cores, for each run.
    `there`: how many cores there are; by default those of this machine.
    """
    from toktrial.training.device import resolve_device

    there = there or cores()
    if protocol.training.threads or resolve_device(protocol.training.device).type != "cpu":
        return protocol
    runs = len(protocol.tracks) * protocol.seeds + len(protocol.control_seeds)
    threads = max(1, there // (at_once or min(runs, there)))
    return replace(protocol, training=replace(protocol.training, threads=threads))


def check_memory(protocol: Protocol, at_once: int) -> None:
    """Raises TrialError where so many trainings on the CPU surely need more memory than the machine has.

    It would not fail: the system would let it begin, and kill it or another program later. A GPU says at once that it is full.
    """
    from toktrial.training.device import resolve_device

    if resolve_device(protocol.training.device).type != "cpu":
        return
    needed, there = at_once * training_bytes(protocol), memory_bytes()
    if needed > there:
        what, fewer = (
            (f"{at_once} training steps at once need", "fewer (--parallel), ") if at_once > 1 else ("a training step needs", "")
        )
        raise TrialError(
            f"{what} {needed / 1e9:,.1f} GB of memory or more, but this machine has {there / 1e9:.1f} GB: choose {fewer}"
            "a smaller training.micro_batch_size, training.batch_size, model or vocab_size"
        )
