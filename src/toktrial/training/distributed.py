"""Several processes that train one run, started by torchrun: which ones they are and how they agree.

Every process computes its rows of the batch. Only the first one evaluates and writes; it does so between two exchanges of
gradients, at the second of which the others wait for it.
"""

import gc
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from toktrial.errors import TrialError
from toktrial.training.config import TrainingConfig

StateT = TypeVar("StateT")
# The others wait while the first encodes a corpus or evaluates. It is up to torchrun, not us, to notice a process that dies.
LONGEST_WAIT = timedelta(days=7)


@dataclass(frozen=True)
class Processes:
    """The processes of a run, and which of them this one is."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def rows(self, config: TrainingConfig) -> range:
        """Returns this process's rows of a batch. Raises TrialError if the rows cannot be shared evenly."""
        micro_batch_size = config.micro_batch_size or max(1, config.batch_size // self.count)
        if config.batch_size % (self.count * micro_batch_size):
            raise TrialError(
                f"training.batch_size {config.batch_size} cannot be shared evenly among {self.count} processes in "
                f"micro-batches of {micro_batch_size} rows: make it a multiple of {self.count * micro_batch_size}, or change "
                "training.micro_batch_size or torchrun's --nproc-per-node"
            )
        share = config.batch_size // self.count
        return range(self.rank * share, (self.rank + 1) * share)

    def wait(self) -> None:
        """Returns when every process has come here."""
        self.largest(0)

    def from_first(self, state: StateT) -> StateT:
        """Returns what the first process passes; tensors come to the CPU."""
        if self.count == 1:
            return state
        holder: list[Any] = [state]
        dist.broadcast_object_list(holder, src=0, device=torch.device("cpu"))
        received: StateT = holder[0]
        return received

    def first_where(self, is_so: bool) -> int | None:
        """Returns the lowest rank of a process that passes True; None if none does."""
        found = self.largest(self.count - self.rank if is_so else 0)
        return self.count - found if found else None

    def largest(self, number: int) -> int:
        """Returns the largest number that any process passes. Waits for the other processes, but not for the device."""
        if self.count == 1:
            return number
        largest = torch.tensor(number)
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return int(largest)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Returns the element-wise sum over the processes, on the CPU."""
        values = values.cpu()
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values


def processes() -> Processes:
    """Returns the processes that have joined; this one alone if torchrun did not start it."""
    return Processes(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else Processes()


def local_device(device: torch.device) -> torch.device:
    """Returns the GPU of this process, of which each process of a machine has its own; any other device as it is."""
    if device.type != "cuda" or not dist.is_initialized():
        return device
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


@contextmanager
def joined() -> Iterator[Processes]:
    """Joins the processes that torchrun started, for the block."""
    # What the processes tell each other stays on the CPU, whatever carries the gradients.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=LONGEST_WAIT)
    try:
        yield processes()
    except BaseException as error:
        _forget_frames(error)
        raise
    finally:
        gc.collect()
        dist.destroy_process_group()


def _forget_frames(error: BaseException | None) -> None:
    """Releases the local variables of the functions that an error has ended.

    DistributedDataParallel must be gone before the group of processes that it holds on to. Freed after it, it waits, holding
    Python's lock, for a thread of gloo's that may be waiting for that lock.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


@contextmanager
def first_before_the_others(joined_processes: Processes) -> Iterator[None]:
    """Makes the first process do the block before the others, which then find it done, or raise what it raised."""
    if not joined_processes.is_first:
        joined_processes.wait()
    try:
        yield
    finally:
        if joined_processes.is_first:
            joined_processes.wait()
