"""What the machine is asked: whether it multiplies in bfloat16, and that it keeps the memory that a step frees."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from toktrial.training.device import resolve_device, resolve_precision

CPU = torch.device("cpu")
PRINT_PRECISION = """
import torch
from toktrial.training.device import resolve_precision
print(resolve_precision("auto", torch.device("cpu")))
"""
# Prints the bytes of one step's logits, more than glibc ever keeps of itself (32 MB), then those of the pages that the process
# was given during one step: the fewest of three, because the system may also take pages away and give them back.
COUNT_NEW_MEMORY = """
import resource
import torch
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.distributed import Processes
from toktrial.training.model import GPT
from toktrial.training.step import TrainingStep

model = GPT(ModelConfig(n_layer=1, n_head=1, width=16, context=256), 4096, 4096)
training = TrainingStep(model, TrainingConfig(batch_size=16), torch.float32, Processes())
ids = torch.zeros(16, 257, dtype=torch.int64)
training.start(ids, compiled=False)
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    training(ids, 1e-3)
new_pages = []
for _ in range(3):
    before = faults()
    training(ids, 1e-3)
    new_pages.append(faults() - before)
print(16 * 256 * 4096 * 4, min(new_pages) * resource.getpagesize())
"""


def output_of(code: str, **variables: str) -> str:
    environment = os.environ | variables
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_named_precision_is_taken_as_it_is() -> None:
    assert resolve_precision("bfloat16", CPU) == torch.bfloat16
    assert resolve_precision("float32", CPU) == torch.float32
    assert resolve_device("cpu") == CPU


@pytest.mark.parametrize("cap", ["AVX2", "AVX512_CORE", "avx512_core_vnni"])
@pytest.mark.parametrize("variable", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_where_bfloat16_is_emulated_a_cpu_trains_in_float32(variable: str, cap: str) -> None:
    if resolve_precision("auto", CPU) != torch.bfloat16:
        pytest.skip("this CPU has no bfloat16 that could be taken from it")
    assert output_of(PRINT_PRECISION, **{variable: cap}) == "torch.float32"


def test_a_cap_that_leaves_bfloat16_changes_nothing() -> None:
    assert output_of(PRINT_PRECISION, ONEDNN_MAX_CPU_ISA="DEFAULT") == str(resolve_precision("auto", CPU))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep freed memory")
def test_a_step_takes_the_memory_that_the_one_before_has_freed() -> None:
    logits_bytes, new_bytes = map(int, output_of(COUNT_NEW_MEMORY, OMP_NUM_THREADS="1").split())
    assert new_bytes < logits_bytes / 8
