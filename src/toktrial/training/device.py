"""Everything that depends on the device that trains: which one it is, its arithmetic, its memory, and how ids reach it.

What a setting leaves open (`auto`) is asked of the machine and never timed, so that a run that is repeated or resumed gets
the same answer.
"""

import ctypes
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import torch
import torch.utils.deterministic as torch_deterministic
from torch import Tensor

from toktrial.errors import TrialError
from toktrial.tokens.batches import Batches

# Training FLOPs of a run from which compiling it surely pays. On two CPU cores compiling takes 20 to 40 s and saves about 30%
# of the time at 100 to 200 GFLOP/s: it breaks even at 1e13 to 3e13. On a GPU, not measured here: about as long, and half of
# the time at 100 TFLOP/s.
PAYING_FLOPS = {"cpu": 5e13, "cuda": 1e16}
FILL = "fill_uninitialized_memory"  # a property that torch hides from type checkers
# Users can cap which instructions of a CPU oneDNN uses. Under these two caps it claims to support bfloat16, but emulates it.
# Source: oneDNN's documentation, "CPU Dispatcher Control".
ONEDNN_CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
CAPS_THAT_EMULATE = {"AVX512_CORE", "AVX512_CORE_VNNI"}
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1  # of glibc's malloc.h


def resolve_device(name: str, asked_by: str = "training.device") -> torch.device:
    """Returns the device of that name; for `auto` CUDA, else MPS, else CPU. Raises TrialError if the machine lacks it."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, available in there.items() if available))
    if not there[name]:
        available = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise TrialError(f"{asked_by} is {name}, which this machine does not have; it has: {available}")
    return torch.device(name)


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Returns the arithmetic of the training step; for `auto` bfloat16 if the device computes in it, else float32.

    Emulated bfloat16 counts as absent: on a CPU without the instructions it is far slower than float32. MPS stays in
    float32 until somebody has measured it.
    """
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bfloat16 = device.type == "cpu" and _cpu_has_bfloat16()
    return torch.bfloat16 if has_bfloat16 else torch.float32


def resolve_compile(setting: str, device: torch.device, flops: float) -> bool:
    """Returns whether to compile the step of a run of this many training FLOPs; on MPS only if `setting` is `on`."""
    if setting != "auto":
        return setting == "on"
    return flops >= PAYING_FLOPS.get(device.type, math.inf)


@contextmanager
def determinism(setting: str, device: torch.device) -> Iterator[bool]:
    """Makes torch compute the same bits in every run of the block if `setting` says so; yields whether it does.

    `auto`: only on a CPU. What torch compiles for a CPU repeats bitwise only this way. Rounding still depends on the number
    of threads.
    """
    wanted = setting == "on" or (setting == "auto" and device.type == "cpu")
    before = torch.get_deterministic_debug_mode(), getattr(torch_deterministic, FILL)
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it torch refuses; read when cuBLAS starts
    # Not by `use_deterministic_algorithms`, which imports torch's compiler to tell it, too: the step that compiles does that.
    torch.set_deterministic_debug_mode("error" if wanted else "default")
    setattr(torch_deterministic, FILL, False)  # nothing here reads what it has not written
    try:
        yield wanted
    finally:
        torch.set_deterministic_debug_mode(before[0])
        setattr(torch_deterministic, FILL, before[1])


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Makes torch compute with so many threads of the CPU in the block; 0: with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory(device: torch.device) -> None:
    """Makes this process keep, from now on, the memory that tensors on the CPU free, for the next tensors; needs glibc.

    By default glibc returns every large block to the system and asks for it again: a tenth of a training step then goes into
    zeroing pages that the step before had too. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if device.type == "cpu" and mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def device_name(device: torch.device) -> str:
    """Returns the name by which a person knows the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _cpu_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    return f"{name} (MPS)" if device.type == "mps" else str(name)


def synchronise(device: torch.device) -> None:
    """Waits until the device has finished its work, so that a clock read next tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def make_feed(batches: Batches, rows: range, device: torch.device) -> Callable[[int], Tensor]:
    """Returns a function that gives these rows of a step, counted from 0, on the device: (rows, T + 1) int64."""
    if device.type == "cpu":
        return lambda step: torch.from_numpy(batches.rows(step, rows))
    return PrefetchingFeed(batches, rows, device)


class PrefetchingFeed:
    """Reads one step ahead in a thread. The copy to the device runs while the device computes, and nothing waits for it."""

    def __init__(self, batches: Batches, rows: range, device: torch.device) -> None:
        self._batches, self._rows, self._device = batches, rows, device
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ahead: dict[int, Future[Tensor]] = {}

    def __call__(self, step: int) -> Tensor:
        ids = self._ahead.get(step) or self._reader.submit(self._read, step)
        self._ahead = {step + 1: self._reader.submit(self._read, step + 1)}
        return ids.result().to(self._device, non_blocking=True)

    def _read(self, step: int) -> Tensor:
        ids = torch.from_numpy(self._batches.rows(step, self._rows))
        return ids.pin_memory() if self._device.type == "cuda" else ids


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16 and oneDNN, which multiplies for torch, may use them."""
    capabilities = _cpu_capabilities()
    has_instructions = any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if not (has_instructions and has_onednn):
        return False
    caps = {os.environ.get(variable, "").upper() for variable in ONEDNN_CAPS}
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and not caps & CAPS_THAT_EMULATE


def _cpu_capabilities() -> dict[str, object]:
    """What the CPU can do, as torch sees it; empty if this torch is too old to tell."""
    get_capabilities = getattr(torch.cpu, "get_capabilities", None)
    return dict(get_capabilities()) if get_capabilities is not None else {}
