"""How many training steps a second does a machine take, over threads of a run and runs at the same time?

    python benchmarks/parallel_runs.py                                     a 3.5M model on the CPU
    python benchmarks/parallel_runs.py --preset demo --compiled            the model of a preset, its step compiled
    python benchmarks/parallel_runs.py --device cuda --at-once 1 2 3 4     runs per GPU
    python benchmarks/parallel_runs.py --machine-cores 16 --machine-gpus 8     also calculates what such a machine would take

The ids are random. Every run has a process of its own, as `toktrial run --parallel` has. The settings take turns, round by
round, and the best round of each counts. Core-seconds are those that all cores together work on a step of one run: other
processes hardly change them, so they tell what runs of one thread would do on a machine that does nothing else.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch

from toktrial.execution.machine import cores
from toktrial.presets import PRESETS
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.device import determinism, device_name, resolve_device, resolve_precision, synchronise
from toktrial.training.distributed import Processes
from toktrial.training.model import GPT
from toktrial.training.step import TrainingStep
from workload import SMALL_MODEL, SMALL_VOCAB_SIZE

LEARNING_RATE = 3e-4


@dataclass
class Setting:
    """So many runs at the same time, each with so many threads."""

    threads: int
    at_once: int
    is_cpu: bool
    steps_per_second: list[float] = field(default_factory=list)
    """Of all runs together, round by round."""
    core_seconds: list[float] = field(default_factory=list)
    """A step."""

    @property
    def undisturbed(self) -> float | None:
        """Steps a second together if nothing else ran. None with more threads, whose waits take core-seconds too."""
        return self.at_once / min(self.core_seconds) if self.is_cpu and self.threads == 1 else None


@dataclass(frozen=True)
class Work:
    """What every run trains."""

    model: ModelConfig
    training: TrainingConfig
    vocab_size: int
    device: str
    compiled: bool


class Trainee:
    """A run, in its own process."""

    def __init__(self, work: Work, threads: int) -> None:
        torch.set_num_threads(threads)
        self.device = resolve_device(work.device)
        determinism("auto", self.device).__enter__()  # never left: it holds for the lifetime of this process
        model = GPT(work.model, work.vocab_size, work.vocab_size)
        model.initialise(1)
        precision = resolve_precision(work.training.precision, self.device)
        self._step = TrainingStep(model.to(self.device), work.training, precision, Processes())
        shape = (work.training.batch_size, work.model.context + 1)
        self._ids = torch.randint(work.vocab_size, shape, generator=torch.Generator().manual_seed(1)).to(self.device)
        self._step.start(self._ids, work.compiled)

    def train(self, begin: float, seconds: float) -> tuple[float, float]:
        """Takes steps from the time `begin` on. Returns steps a second and core-seconds a step."""
        self._step(self._ids, LEARNING_RATE)
        synchronise(self.device)
        time.sleep(max(0.0, begin - time.time()))
        steps, started, worked = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - started < seconds:
            for _ in range(1 if self.device.type == "cpu" else 10):  # queued without waiting, as in training
                self._step(self._ids, LEARNING_RATE)
                steps += 1
            synchronise(self.device)
        return steps / (time.perf_counter() - started), (time.process_time() - worked) / steps


trainee: Trainee


def _begin(work: Work, threads: int, gpu: str | None) -> None:
    global trainee
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    trainee = Trainee(work, threads)


def _train(begin: float, seconds: float) -> tuple[float, float]:
    return trainee.train(begin, seconds)


@contextmanager
def runs(work: Work, threads: int, count: int, gpus: int) -> Iterator[list[ProcessPoolExecutor]]:
    """Starts processes that are ready to train; they wait without working until they are asked to."""
    with ExitStack() as stack:
        started = []
        for number in range(count):
            process = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
            process.submit(_begin, work, threads, str(number % gpus) if gpus else None).result()
            started.append(process)
        yield started


def measure(settings: Sequence[Setting], processes: dict[int, list[ProcessPoolExecutor]], seconds: float, rounds: int) -> None:
    for number in range(rounds):
        for setting in settings:
            begin = time.time() + 0.5  # by then each has taken the step that does not count
            asked = [run.submit(_train, begin, seconds) for run in processes[setting.threads][: setting.at_once]]
            found = [each.result() for each in asked]
            setting.steps_per_second.append(sum(rate for rate, _ in found))
            setting.core_seconds.append(sum(core_seconds for _, core_seconds in found) / len(found))
        sys.stderr.write(f"round {number + 1} of {rounds} is done\n")


def print_table(settings: Sequence[Setting]) -> None:
    headings = ("threads of a run", "runs at once", "steps/s together", "core-seconds a step", "steps/s together, undisturbed")
    print(f"\n| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    for each in settings:
        core_seconds, undisturbed = min(each.core_seconds), each.undisturbed
        shown = (
            each.threads,
            each.at_once,
            f"{max(each.steps_per_second):.2f}",
            f"{core_seconds:.4f}",
            f"{undisturbed or 0:.2f}",
        )
        print(f"| {' | '.join(map(str, shown if undisturbed else (*shown[:-1], '')))} |")


def calculated(settings: Sequence[Setting], machine_cores: int, machine_gpus: int, has_gpu: bool) -> Iterator[str]:
    """Yields what a larger machine would do. There is no measurement of that machine in it."""
    rates = {(setting.threads, setting.at_once): max(setting.steps_per_second) for setting in settings}
    if has_gpu:
        at_once, rate = max(((at_once, rate) for (_, at_once), rate in rates.items()), key=lambda each: each[1])
        yield f"CALCULATED for {machine_gpus} such GPUs, if disk and cores keep up: {at_once} runs on each, together"
        yield f"{machine_gpus * rate:.1f} steps/s, {machine_gpus * rate / rates[1, 1]:.1f} times one run on one GPU"
        return
    alone = {setting.at_once: setting.undisturbed for setting in settings if setting.undisturbed}
    if 1 not in alone:
        return
    most = max(alone)
    together = machine_cores * alone[most] / most
    yield f"CALCULATED for {machine_cores} such cores, if memory bandwidth grows with them:"
    yield f"{machine_cores} runs at once, a thread each: {together:.1f} steps/s, {together / alone[1]:.1f} times one run"
    threads = max(threads for threads, _ in rates)
    gain = rates[threads, 1] / rates[1, 1]
    if threads > 1 and gain <= 1:
        yield f"{threads} threads were no faster than one, {gain:.2f} times: other work was in their way"
    elif threads > 1:
        serial = max(0.0, (threads / gain - 1) / (threads - 1))  # Amdahl's law
        with_all = 1 / (serial + (1 - serial) / machine_cores)
        yield f"one run with {machine_cores} threads: {with_all:.1f} times one thread (Amdahl's law; {threads}: {gain:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, help="whose model, batch and vocabulary; without it, a 3.5M model")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--compiled", action="store_true", help="compile the step")
    parser.add_argument("--threads", type=int, nargs="+", help="of a run; without it, 1, 2, 4 ... up to all cores")
    parser.add_argument(
        "--at-once", type=int, nargs="+", help="runs; without it, 1, 2, 4 ... as far as there are cores for them"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="that a setting takes steps, in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--machine-cores", type=int, default=16, help="of the machine that is calculated")
    parser.add_argument("--machine-gpus", type=int, default=8)
    options = parser.parse_args()
    device = resolve_device(options.device)
    if options.preset:
        plan = PRESETS[options.preset]()
        work = Work(plan.model, plan.training, plan.vocab_size, device.type, options.compiled)
    else:
        work = Work(SMALL_MODEL, TrainingConfig(batch_size=16), SMALL_VOCAB_SIZE, device.type, options.compiled)
    is_cpu = device.type == "cpu"
    powers = [1 << power for power in range(12)]
    all_threads = options.threads or ([each for each in powers if each <= cores()] if is_cpu else [1])
    settings = [
        Setting(threads, at_once, is_cpu)
        for threads in all_threads
        for at_once in options.at_once or [each for each in powers if each * threads <= (cores() if is_cpu else 4)]
    ]
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    with ExitStack() as stack:
        processes = {}
        for threads in all_threads:
            most = max(setting.at_once for setting in settings if setting.threads == threads)
            processes[threads] = stack.enter_context(runs(work, threads, most, gpus))
        millions = GPT(work.model, work.vocab_size, work.vocab_size).parameter_counts().total / 1e6
        rows = f"{work.training.batch_size} x {work.model.context} tokens a step"
        print(
            f"{device_name(device)}, {cores()} cores; {millions:.1f} million parameters, {rows}, compiled: {options.compiled}"
        )
        measure(settings, processes, options.seconds, options.rounds)
    print_table(settings)
    print("", *calculated(settings, options.machine_cores, options.machine_gpus, not is_cpu), sep="\n")


if __name__ == "__main__":
    main()
