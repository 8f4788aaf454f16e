"""How fast is a training step, compared with a plain float32 loop of the same model measured in the same run?

    python benchmarks/train_speed.py                                       a 3.5M model; on a GPU also the plan's 40M one
    python benchmarks/train_speed.py --preset tinystories --batch-size 4 --steps 200 --variants compiled
    python benchmarks/train_speed.py --profile                             also shows where the compiled step's time goes

The ids are random. Each variant has a process of its own, and they take turns, round by round. The fastest step of each
round counts, so a noisy machine slows all variants alike, and a ratio is the median over the rounds. Model FLOPs
utilisation (MFU) is the model's FLOP/s as a share of the device's peak (Chowdhery et al. 2022, PaLM, appendix B).
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from toktrial.presets import PRESETS
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.device import determinism, device_name, resolve_device, resolve_precision, synchronise
from toktrial.training.distributed import Processes
from toktrial.training.model import GPT
from toktrial.training.step import TrainingStep
from workload import SMALL_MODEL, SMALL_VOCAB_SIZE

SMALL_ROWS = 16
VARIANTS = ("float32", "eager", "compiled")
LEARNING_RATE = 3e-4
PAYS = 1.03  # a batch twice as large must process tokens faster by at least this factor
# Dense bfloat16 FLOP/s with float32 accumulation, from NVIDIA's data sheets (H100 and H200 SXM, A100 SXM) and its Ada
# architecture whitepaper (RTX 4090). The keys are parts of the driver's names; the first match counts.
DENSE_BFLOAT16_PEAKS = {
    "H200": 989.4e12,
    "H100 80GB HBM3": 989.4e12,
    "A100": 312e12,
    "RTX 4090": 165.2e12,
}


@dataclass
class Variant:
    """One way to train, in a process of its own, as a user would run it: variants share neither memory nor settings."""

    name: str
    process: ProcessPoolExecutor
    compile_seconds: float
    seconds: list[float] = field(default_factory=list)
    """Seconds of the fastest step in each round."""
    core_seconds: list[float] = field(default_factory=list)
    """Seconds that all cores together worked on a step, as the mean of each round. Other processes hardly change it."""
    peak_bytes: int = 0
    """Of the device if it is a GPU, otherwise of the process."""


class Trainee(NamedTuple):
    """What a variant's process holds in its global `trainee`."""

    name: str
    compile_seconds: float
    device: torch.device
    step: Callable[[], torch.Tensor]


trainee: Trainee


def plain_step(model: GPT, ids: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Returns a step of the peer: float32, eager, nothing optimised."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)

    def step() -> torch.Tensor:
        loss = model.loss(ids[:, :-1], ids[:, 1:])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.detach()

    return step


def make_trainee(name: str, shape: ModelConfig, vocab_size: int, rows: int, device: torch.device) -> Trainee:
    model = GPT(shape, vocab_size, vocab_size)
    model.initialise(1)
    model.to(device)
    ids = torch.randint(vocab_size, (rows, shape.context + 1), generator=torch.Generator().manual_seed(1)).to(device)
    if name == "float32":
        return Trainee(name, 0.0, device, plain_step(model, ids))
    determinism("auto", device).__enter__()  # never left: it holds for the lifetime of this process
    precision = resolve_precision("auto", device)
    training = TrainingStep(model, TrainingConfig(batch_size=rows), precision, Processes())
    start_up = training.start(ids, compiled=name == "compiled")
    full_name = f"{str(precision).removeprefix('torch.')} {'compiled' if start_up.is_compiled else 'eager'}"
    return Trainee(full_name, start_up.compile_seconds, device, lambda: training(ids, LEARNING_RATE)[0])


def start_variant(name: str, shape: ModelConfig, vocab_size: int, rows: int, device: torch.device) -> Variant:
    process = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    full_name, compile_seconds = process.submit(_begin, name, shape, vocab_size, rows, device).result()
    return Variant(full_name, process, compile_seconds)


def _begin(*what: Any) -> tuple[str, float]:
    """In a variant's process: makes the trainee that every later call there uses."""
    global trainee
    trainee = make_trainee(*what)
    return trainee.name, trainee.compile_seconds


def _round(steps: int) -> tuple[float, float, int]:
    """In a variant's process: returns seconds of the fastest of `steps` steps, core-seconds per step, peak bytes of memory."""
    if trainee.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(trainee.device)
    trainee.step()
    synchronise(trainee.device)
    started = time.process_time()
    fastest = min(_seconds_of_steps(trainee.step, trainee.device) for _ in range(steps))
    return fastest, (time.process_time() - started) / steps, peak_memory(trainee.device)


def time_in_turns(variants: list[Variant], steps: int, rounds: int) -> None:
    """Runs `steps` steps of each variant in every round."""
    for round_number in range(rounds):
        for variant in variants:
            seconds, core_seconds, peak_bytes = variant.process.submit(_round, steps).result()
            variant.seconds.append(seconds)
            variant.core_seconds.append(core_seconds)
            variant.peak_bytes = max(variant.peak_bytes, peak_bytes)
        fastest = ", ".join(f"{each.name} {each.seconds[-1]:.3f} s ({each.core_seconds[-1]:.3f})" for each in variants)
        sys.stderr.write(f"round {round_number + 1} of {rounds}, seconds of a step (of cores): {fastest}\n")


def peak_memory(device: torch.device) -> int:
    """Returns bytes: of the device if it is a GPU, otherwise of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _seconds_of_steps(step: Callable[[], torch.Tensor], device: torch.device) -> float:
    """Returns the seconds of one step; on an accelerator, the mean of ten that are queued without waiting, as in training."""
    count = 1 if device.type == "cpu" else 10
    started = time.perf_counter()
    for _ in range(count):
        step()
    synchronise(device)
    return (time.perf_counter() - started) / count


def compare(
    names: list[str],
    shape: ModelConfig,
    vocab_size: int,
    rows: int,
    steps: int,
    rounds: int,
    device: torch.device,
    profiled: bool,
) -> None:
    """Prints the speed of the variants side by side and, if `profiled`, where the last one's time goes."""
    variants = [start_variant(name, shape, vocab_size, rows, device) for name in names]
    model = GPT(shape, vocab_size, vocab_size)
    millions = model.parameter_counts().total / 1e6
    print(f"\n{millions:.1f}M parameters, {rows} x {shape.context} tokens a step, {vocab_size:,} entries")
    time_in_turns(variants, steps, rounds)
    peer = variants[0].seconds
    peer_core_seconds = statistics.median(variants[0].core_seconds)
    for variant in variants:
        seconds = statistics.median(variant.seconds)
        tokens_per_second = rows * shape.context / seconds
        ratios = sorted(theirs / ours for theirs, ours in zip(peer, variant.seconds, strict=True))
        parts = [
            f"{variant.name:18} {tokens_per_second:12,.0f} tokens/s",
            f"{seconds * 1000:8.1f} ms (best {min(variant.seconds) * 1000:.1f})",
            f"{statistics.median(ratios):5.2f} times {variants[0].name} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})",
            utilisation(tokens_per_second * model.flops_per_token(), device),
            f"peak {variant.peak_bytes / 1e9:.2f} GB",
        ]
        if device.type == "cpu":
            core_seconds = statistics.median(variant.core_seconds)
            parts.append(f"{core_seconds * 1000:.0f} ms of cores ({peer_core_seconds / core_seconds:.2f} times less)")
        if variant.compile_seconds:
            parts.append(f"compiled in {variant.compile_seconds:.0f} s")
        print(", ".join(parts))
    if profiled:
        print(variants[-1].process.submit(_profile).result())
    for variant in variants:
        variant.process.shutdown()


def utilisation(flops_per_second: float, device: torch.device) -> str:
    """Returns FLOP/s, and their share of the device's dense bfloat16 peak if that is known."""
    said = f"{flops_per_second / 1e12:.3f} TFLOP/s"
    if device.type != "cuda":
        return said
    peak = next((peak for name, peak in DENSE_BFLOAT16_PEAKS.items() if name in device_name(device)), None)
    return f"{said}, MFU {flops_per_second / peak:.1%}" if peak else f"{said} (peak of this device unknown: no MFU)"


def largest_batch_that_pays(shape: ModelConfig, vocab_size: int, rows: int, steps: int, device: torch.device) -> None:
    """Doubles the rows as long as a token gets cheaper and the memory suffices; prints every size."""
    print(f"\nlarger batches, until one twice as large is not {PAYS - 1:.0%} faster:")
    best = 0.0
    while True:
        try:
            variant = start_variant("compiled", shape, vocab_size, rows, device)
            time_in_turns([variant], steps, 1)
        except torch.cuda.OutOfMemoryError:
            print(f"{rows} rows: out of memory")
            return
        variant.process.shutdown()
        tokens_per_second = rows * shape.context / variant.seconds[0]
        with torch.device("meta"):
            flops = tokens_per_second * GPT(shape, vocab_size, vocab_size).flops_per_token()
        peak = f"peak {variant.peak_bytes / 1e9:.1f} GB"
        print(f"{rows:5} rows: {tokens_per_second:12,.0f} tokens/s, {utilisation(flops, device)}, {peak}")
        if tokens_per_second < PAYS * best:
            return
        best, rows = max(best, tokens_per_second), rows * 2


def train_steps(shape: ModelConfig, vocab_size: int, rows: int, steps: int, name: str, device: torch.device) -> None:
    """Trains one variant for `steps` steps; prints the first and last loss, overall tokens per second, and memory."""
    variant = make_trainee(name, shape, vocab_size, rows, device)
    started = time.perf_counter()
    losses = []
    for step in range(1, steps + 1):
        losses.append(variant.step())
        if step % 20 == 0:
            sys.stderr.write(f"step {step}, {step * rows * shape.context / (time.perf_counter() - started):,.0f} tokens/s\n")
    synchronise(device)
    seconds = time.perf_counter() - started
    model = GPT(shape, vocab_size, vocab_size)
    tokens_per_second = steps * rows * shape.context / seconds
    print(f"\n{model.parameter_counts().total / 1e6:.1f}M parameters, {steps} steps of {rows} x {shape.context} tokens")
    flops = utilisation(tokens_per_second * model.flops_per_token(), device)
    print(f"{variant.name}: {tokens_per_second:,.0f} tokens/s, {flops}")
    print(f"{seconds:.0f} s, after {variant.compile_seconds:.0f} s of compilation")
    print(f"loss, on the same batch every step: {losses[0]:.3f} to {losses[-1]:.3f}")
    print(f"peak memory: {peak_memory(device) / 1e9:.2f} GB")


def _profile() -> str:
    """In a variant's process: returns a table of what three steps spend their time on."""
    with torch.profiler.profile() as profiled:
        for _ in range(3):
            trainee.step()
        synchronise(trainee.device)
    order = "self_cpu_time_total" if trainee.device.type == "cpu" else "self_device_time_total"
    table: str = profiled.key_averages().table(sort_by=order, row_limit=20, max_name_column_width=50)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--preset", choices=PRESETS, help="measure the model of a preset instead of the 3.5M one")
    parser.add_argument("--batch-size", type=int, help="rows of a batch")
    parser.add_argument("--steps", type=int, help="train one variant for this many steps, instead of comparing")
    parser.add_argument("--rounds", type=int, default=5, help="rounds in which the variants take turns")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--profile", action="store_true", help="also print where the last variant's time goes")
    options = parser.parse_args()
    device = resolve_device(options.device)
    shape, vocab_size, rows = SMALL_MODEL, SMALL_VOCAB_SIZE, SMALL_ROWS
    if options.preset:
        protocol = PRESETS[options.preset]()
        shape, vocab_size, rows = protocol.model, protocol.vocab_size, protocol.training.batch_size
    rows = options.batch_size or rows
    print(f"{device_name(device)}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    if options.steps:
        train_steps(shape, vocab_size, rows, options.steps, options.variants[-1], device)
        return
    compare(options.variants, shape, vocab_size, rows, 3, options.rounds, device, options.profile)
    if device.type == "cuda" and not options.preset:
        plan = PRESETS["tinystories"]()
        rows = plan.training.batch_size
        compare(options.variants, plan.model, plan.vocab_size, rows, 3, options.rounds, device, options.profile)
        largest_batch_that_pays(plan.model, plan.vocab_size, rows, 3, device)


if __name__ == "__main__":
    main()
