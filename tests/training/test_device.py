"""What depends on the device: bfloat16, compilation, determinism, the memory that a step frees, and how ids reach it."""

import platform
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from toktrial.tokens.batches import Batches
from toktrial.tokens.store import TokenSplit
from toktrial.training.device import PrefetchingFeed, determinism, make_feed, resolve_compile, resolve_device, resolve_precision

CPU = torch.device("cpu")
CONTEXT = 7
# Prints the precision under each cap, named VARIABLE=VALUE. oneDNN reads caps once, so each needs a process of its own; forking
# spares it the import of torch.
PRINT_PRECISIONS = """
import os, sys
import torch
from toktrial.training.device import resolve_precision

for cap in sys.argv[1:]:
    if os.fork() == 0:
        variable, _, value = cap.partition("=")
        os.environ[variable] = value
        print(resolve_precision("auto", torch.device("cpu")), flush=True)
        os._exit(0)
    os.wait()
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
training = TrainingStep(model, TrainingConfig(batch_size=10), torch.float32, Processes())
ids = torch.zeros(10, 257, dtype=torch.int64)
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
print(10 * 256 * 4096 * 4, min(new_pages) * resource.getpagesize())
"""


def output_of(code: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_named_precision_is_taken_as_it_is() -> None:
    assert resolve_precision("bfloat16", CPU) == torch.bfloat16
    assert resolve_precision("float32", CPU) == torch.float32
    assert resolve_device("cpu") == CPU


def test_where_bfloat16_is_emulated_a_cpu_trains_in_float32() -> None:
    values, variables = ("AVX2", "AVX512_CORE", "avx512_core_vnni"), ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
    caps = [f"{variable}={value}" for variable in variables for value in values]
    uncapped, *capped = output_of(PRINT_PRECISIONS, "ONEDNN_MAX_CPU_ISA=DEFAULT", *caps)
    assert uncapped == str(resolve_precision("auto", CPU)), "a cap that leaves bfloat16 changes nothing"
    assert capped == ["torch.float32"] * len(caps)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep freed memory")
def test_a_step_takes_the_memory_that_the_one_before_has_freed() -> None:
    logits_bytes, new_bytes = map(int, output_of(COUNT_NEW_MEMORY))
    assert new_bytes < logits_bytes / 8


def test_auto_compiles_long_runs_alone() -> None:
    assert not resolve_compile("auto", CPU, 2e12)
    assert resolve_compile("auto", CPU, 1e15)
    assert not resolve_compile("auto", torch.device("cuda"), 1e15)
    assert not resolve_compile("auto", torch.device("mps"), 1e20)
    assert resolve_compile("on", CPU, 1.0)
    assert not resolve_compile("off", CPU, 1e20)


def test_determinism_is_for_the_block_alone() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    for setting, device, expected in (
        ("auto", "cpu", True),
        ("auto", "cuda", False),
        ("on", "cuda", True),
        ("off", "cpu", False),
    ):
        with determinism(setting, torch.device(device)) as is_deterministic:
            assert is_deterministic == torch.are_deterministic_algorithms_enabled() == expected
        assert torch.are_deterministic_algorithms_enabled() == before


def split_of(lengths: list[int], dtype: str, largest_id: int) -> TokenSplit:
    random = np.random.default_rng(1)
    documents = [np.array([*random.integers(1, largest_id + 1, length), 0]) for length in lengths]
    return TokenSplit(
        ids=np.concatenate(documents).astype(dtype),
        offsets=np.cumsum([0, *map(len, documents)]).astype(np.uint64),
        byte_lengths=np.array(lengths, dtype=np.uint32),
    )


@pytest.fixture(params=[("<u2", 65_535), ("<u4", 4_294_967_295)])
def split(request: pytest.FixtureRequest) -> TokenSplit:
    """13 documents, one of them empty and two longer than a batch, with ids that a signed integer could not hold."""
    dtype, largest_id = request.param
    made = split_of([5, 0, 60, 1, 9, 3, 70, 2, 2, 8, 4, 6, 1], dtype, largest_id)
    assert made.ids.max() > largest_id // 2
    return made


def batches_of(split: TokenSplit) -> Batches:
    return Batches(split, seed=3, batch_size=6, context=CONTEXT)


@pytest.mark.parametrize("rows", [range(6), range(3), range(3, 6), range(5, 6)])
def test_every_feed_gives_what_batches_say(split: TokenSplit, rows: range) -> None:
    feeds: list[Callable[[int], torch.Tensor]] = [
        PrefetchingFeed(batches_of(split), rows, CPU),
        make_feed(batches_of(split), rows, CPU),
    ]
    batches = batches_of(split)
    steps_of_three_epochs = 3 * batches.epoch_tokens // batches.tokens_per_step
    for step in [*range(steps_of_three_epochs), 1, 1000, 0]:  # in order, and back again
        expected = batches.batch(step)[rows.start : rows.stop]
        for feed in feeds:
            ids = feed(step)
            assert ids.dtype == torch.int64
            assert ids.tolist() == expected.tolist(), (feed, step)
