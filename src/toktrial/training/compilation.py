"""Whether torch.compile makes the training step: a pure function of protocol and device, never of a clock."""

import math

import torch

# Training FLOPs of a run from which compiling it surely pays. On two CPU cores compiling takes 20 to 40 s and saves about 30%
# of the time at 100 to 200 GFLOP/s: it breaks even at 1e13 to 3e13. On a GPU, not measured here: about as long, and half of
# the time at 100 TFLOP/s.
PAYING_FLOPS = {"cpu": 5e13, "cuda": 1e16}


def resolve_compile(setting: str, device: torch.device, flops: float) -> bool:
    """Returns whether to compile a run of so many training FLOPs; for MPS only where `setting` is `on`."""
    if setting != "auto":
        return setting == "on"
    return flops >= PAYING_FLOPS.get(device.type, math.inf)
