"""Which device trains, and in which arithmetic: asked of the machine, not assumed."""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.utils.deterministic as torch_deterministic

from toktrial.errors import TrialError

FILL = "fill_uninitialized_memory"  # a property that torch hides from type checkers
# Users can cap what oneDNN uses of a CPU; under these two it says that it supports bfloat16, and emulates it. Source: oneDNN's
# documentation, "CPU Dispatcher Control".
ONEDNN_CAPS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
CAPS_THAT_EMULATE = {"AVX512_CORE", "AVX512_CORE_VNNI"}
M_MMAP_MAX, M_TRIM_THRESHOLD = -4, -1  # of glibc's malloc.h


def resolve_device(name: str, asked_by: str = "training.device") -> torch.device:
    """Returns the device of that name; for `auto` CUDA, else MPS, else CPU. Raises TrialError where it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, available in there.items() if available))
    if not there[name]:
        available = ", ".join(kind for kind, is_there in there.items() if is_there)
        raise TrialError(f"{asked_by} is {name}, which this machine does not have; it has: {available}")
    return torch.device(name)


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Returns the arithmetic of the training step; for `auto` bfloat16 where the device computes in it, else float32.

    Emulated bfloat16 counts as absent: on a CPU without its instructions it is far slower than float32. MPS stays in
    float32 until somebody has measured it.
    """
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bfloat16 = device.type == "cpu" and _cpu_has_bfloat16()
    return torch.bfloat16 if has_bfloat16 else torch.float32


@contextmanager
def determinism(setting: str, device: torch.device) -> Iterator[bool]:
    """Has torch compute the same bits in every run of the block where `setting` says so; yields whether it does.

    `auto`: on a CPU alone. What torch compiles for a CPU repeats bitwise only so. Rounding depends on the number of threads.
    """
    wanted = setting == "on" or (setting == "auto" and device.type == "cpu")
    before = torch.are_deterministic_algorithms_enabled(), getattr(torch_deterministic, FILL)
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it torch refuses; read when cuBLAS starts
    torch.use_deterministic_algorithms(wanted)
    setattr(torch_deterministic, FILL, False)  # nothing here reads what it has not written
    try:
        yield wanted
    finally:
        torch.use_deterministic_algorithms(before[0])
        setattr(torch_deterministic, FILL, before[1])


def keep_freed_memory(device: torch.device) -> None:
    """Has this process keep the memory that tensors on the CPU free, for the next ones; for good, where the C library is glibc.

    By default glibc gives every large block back and asks for it anew: a tenth of a training step goes into the system's
    zeroing of pages that the step before had too. Source: mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if device.type == "cpu" and mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)


def device_name(device: torch.device) -> str:
    """Returns what a person calls the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _cpu_capabilities().get("cpu_name") or platform.processor() or platform.machine()
    return f"{name} (MPS)" if device.type == "mps" else str(name)


def synchronise(device: torch.device) -> None:
    """Waits until the device has done what it was given, so that a clock read next tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU has instructions for bfloat16, and oneDNN, which multiplies for torch, may use them.

    Asked and not timed, so that a run that is repeated, or goes on, gets the same arithmetic.
    """
    capabilities = _cpu_capabilities()
    has_instructions = any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    if not (has_instructions and has_onednn):
        return False
    caps = {os.environ.get(variable, "").upper() for variable in ONEDNN_CAPS}
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported()) and not caps & CAPS_THAT_EMULATE


def _cpu_capabilities() -> dict[str, object]:
    """What the CPU can do, as torch sees it; nothing on a torch too old to say."""
    get_capabilities = getattr(torch.cpu, "get_capabilities", None)
    return dict(get_capabilities()) if get_capabilities is not None else {}
