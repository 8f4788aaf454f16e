"""What does it cost to learn BTM's merges from shards, and what would it cost on many cores and on more text?

    python benchmarks/sharded_merges.py [--megabytes 100] [--shards 2 3 8] [--corpus FILE] [--ray]

Every run must give the single engine's merges, in order and with their counts. Shards run one after another here, and each call
is timed in CPU seconds, so that other work on the machine does not count: where each has a core of its own, a round takes as
long as its slowest shard. They also run in threads, and with --ray as actors of a local cluster, over which an empty round is
timed too. The table at the end is calculated from these figures: `calculated_seconds` says how.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merge_speed import ENTRIES, PRIMITIVES, prepare
from toktrial.tokenizer.merge import learn_merges_of_stream
from toktrial.tokenizer.merge_shard import MergeShard
from toktrial.tokenizer.pairs import IntArray
from toktrial.tokenizer.sharded_merges import ThreadShards, cut_documents, learn_merges_of_shards
from workload import add_corpus_option

BYTES_PER_CHANGE = 16
EMPTY_ROUNDS = 300
RAY_SECONDS_PER_CALL = 1.1e-4  # 12,000 rounds over 8 actors in 11 s, where nothing else runs
CORES_PER_MACHINE = 16
SIZES, CORES = (1e9, 1e10, 1e11, 1e12), (8, 16, 32, 64, 128, 256)


class TimedShards:
    """Shards one after another, with the CPU seconds of each call."""

    def __init__(self, ids: IntArray, offsets: IntArray, shards: int) -> None:
        self._documents = list(cut_documents(ids, offsets, shards))
        self.seconds: dict[str, list[list[float]]] = {}
        self.changes = 0

    def __len__(self) -> int:
        return len(self._documents)

    def start(self, *arguments: Any) -> None:
        self._shards = [MergeShard(*part, *arguments) for part in self._documents]

    def call(self, method: str, *arguments: Any) -> Iterator[Any]:
        seconds: list[float] = []
        self.seconds.setdefault(method, []).append(seconds)
        for shard in self._shards:
            started = time.thread_time()
            reply = getattr(shard, method)(*arguments)
            seconds.append(time.thread_time() - started)
            if method == "merge":
                self.changes += reply.keys.size + reply.new_keys.size
            yield reply


@dataclass(frozen=True)
class Figures:
    """One run over shards."""

    shards: int
    ids: int
    merges: int
    rounds: int
    changes: int
    """Counts that shards reported as changed."""
    shard_seconds: float
    """CPU, of all shards together."""
    slowest_seconds: float
    """CPU of the slowest shard of each round, added up."""
    coordinator_seconds: float


def measure(ids: IntArray, offsets: IntArray, entries: list[bytes], shards: int, expected: Any) -> Figures:
    """Learns from so many shards and compares; raises AssertionError where anything differs."""
    timed = TimedShards(ids, offsets, shards)
    started = time.process_time()
    learned = learn_merges_of_shards(timed, entries, ENTRIES)
    cpu = time.process_time() - started
    assert np.array_equal(learned.merges, expected.merges), "other merges"
    assert learned.passed_over == expected.passed_over, "other pairs passed over"
    calls = [seconds for method in timed.seconds.values() for seconds in method]
    in_shards = sum(map(sum, calls))
    rounds = len(timed.seconds["merge"])
    return Figures(
        shards, ids.size, len(learned.merges), rounds, timed.changes, in_shards, sum(map(max, calls)), cpu - in_shards
    )


def measure_ray(ids: IntArray, offsets: IntArray, entries: list[bytes], shards: int, expected: Any) -> tuple[float, float]:
    """Learns from actors of a local cluster and compares; returns the wall seconds, and those of an empty round."""
    import ray

    from toktrial.tokenizer.ray_shards import RayShards, write_shard

    with tempfile.TemporaryDirectory() as folder:
        for number, part in enumerate(cut_documents(ids, offsets, shards)):
            write_shard(Path(folder), number, *part)
        actors = RayShards(Path(folder), [{"num_cpus": 0.1}])  # more of them than this machine has cores
        learn_merges_of_shards(actors, entries, PRIMITIVES + 20)  # starts the processes
        started = time.perf_counter()
        learned = learn_merges_of_shards(actors, entries, ENTRIES)
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        for _ in range(EMPTY_ROUNDS):
            ray.get([actor.__ray_call__.remote(lambda _: None) for actor in actors._actors])
        empty = (time.perf_counter() - started) / EMPTY_ROUNDS
        actors.close()
    assert np.array_equal(learned.merges, expected.merges), "other merges"
    return seconds, empty


@dataclass(frozen=True)
class Measured:
    """What the calculated table stands on."""

    tenth: Figures
    """One shard of a tenth of the text."""
    one: Figures
    """One shard of the text."""
    many: Figures
    """The same text in several shards."""
    bytes_per_id: float
    ray_call: float
    """Seconds of a call of one actor, in a round that calls them all."""


def calculated_seconds(n_bytes: float, cores: int, measured: Measured) -> float:
    """Returns the seconds that `n_bytes` of text would take in one shard per core, held by one actor per machine.

    A shard takes what each of its ids took in one shard, and a fixed part that several shards added. It waits for the slowest
    one, as measured. The coordinator takes its time for each change. The changes of an actor grow by a power of its ids, the
    rounds by a power of all text, each fitted to two runs. A round is two calls of every actor.
    """
    tenth, one, many = measured.tenth, measured.one, measured.many
    ids = n_bytes / measured.bytes_per_id / cores
    fixed = (many.shard_seconds - one.shard_seconds) / (many.shards - 1)
    waiting = many.slowest_seconds * many.shards / many.shard_seconds
    shard = waiting * (ids * one.shard_seconds / one.ids + fixed)
    growth_of_changes = math.log(one.changes * many.shards / many.changes, many.shards)
    actors = max(1, cores // CORES_PER_MACHINE)
    changes: float = actors * one.changes * (ids * cores / actors / one.ids) ** growth_of_changes
    per_change = (many.coordinator_seconds - one.coordinator_seconds) / (many.changes - one.changes)
    growth_of_rounds = math.log(one.rounds / tenth.rounds, one.ids / tenth.ids)
    rounds: float = min(one.merges, one.rounds * (cores * ids / one.ids) ** growth_of_rounds)
    return shard + one.coordinator_seconds + per_change * changes + 2 * rounds * actors * measured.ray_call


def print_run(figures: Figures) -> None:
    rounds = figures.rounds
    print(
        f"{figures.shards:3} shards of {figures.ids:,} ids: {rounds:,} rounds, {figures.merges / rounds:.1f} merges a round; "
        f"CPU: shards {figures.shard_seconds:.2f} s together, {figures.slowest_seconds:.2f} s the slowest of each call, "
        f"coordinator {figures.coordinator_seconds:.2f} s; a round takes {1e3 * figures.slowest_seconds / rounds:.2f} ms in "
        f"the slowest shard, {1e3 * figures.coordinator_seconds / rounds:.2f} ms in the coordinator, "
        f"{BYTES_PER_CHANGE * figures.changes / rounds / 1e3:.1f} kB of changes",
        flush=True,
    )


def print_table(measured: Measured) -> None:
    print(f"\ncalculated seconds, one shard on each core, {CORES_PER_MACHINE} cores a machine:\n")
    print("| text | " + " | ".join(f"{n} cores" for n in CORES) + " |")
    print("|" + "---|" * (len(CORES) + 1))
    for n_bytes in SIZES:
        cells = [f"{calculated_seconds(n_bytes, cores, measured):,.0f}" for cores in CORES]
        print(f"| {n_bytes / 1e9:,.0f} GB | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--shards", type=int, nargs="+", default=[2, 3, 8])
    add_corpus_option(parser)
    parser.add_argument("--ray", action="store_true", help="also as actors of a local Ray cluster")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, given.megabytes, given.corpus)
        ids, offsets = np.load(folder / "ids.npy"), np.load(folder / "offsets.npy")
        entries = [bytes.fromhex(entry) for entry in json.loads((folder / "entries.json").read_text())]
    small = ids[:1000], np.array([0, 1000])
    learn_merges_of_stream(*small, entries, PRIMITIVES + 50)
    learn_merges_of_shards(ThreadShards(cut_documents(*small, 2)), entries, PRIMITIVES + 50)
    started, cpu = time.perf_counter(), time.process_time()
    expected = learn_merges_of_stream(ids, offsets, entries, ENTRIES)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"{given.megabytes:.0f} MB, {ids.size:,} ids, {len(expected.merges):,} merges")
    print(f"single engine: {seconds:.2f} s, CPU {cpu:.2f} s", flush=True)
    for shards in given.shards:
        started, cpu = time.perf_counter(), time.process_time()
        learned = learn_merges_of_shards(ThreadShards(cut_documents(ids, offsets, shards)), entries, ENTRIES)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        assert np.array_equal(learned.merges, expected.merges), "other merges"
        print(f"{shards:3} shards in threads: {seconds:.2f} s, CPU {cpu:.2f} s", flush=True)
    cut = int(np.searchsorted(offsets, ids.size // 10))
    tenth = ids[: offsets[cut]], offsets[: cut + 1]
    runs = [measure(*tenth, entries, 1, learn_merges_of_stream(*tenth, entries, ENTRIES))]
    runs += [measure(ids, offsets, entries, shards, expected) for shards in [1, *given.shards]]
    for figures in runs:
        print_run(figures)
    call = RAY_SECONDS_PER_CALL
    if given.ray:
        import ray

        ray.init(address="local", object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False)
        for shards in given.shards:
            seconds, empty = measure_ray(ids, offsets, entries, shards, expected)
            print(f"{shards:3} Ray actors: {seconds:.2f} s; an empty round {1e3 * empty:.2f} ms, {1 / empty:,.0f} a second")
            call = empty / shards
        ray.shutdown()
    print_table(Measured(runs[0], runs[1], runs[-1], 1e6 * given.megabytes / ids.size, call))


if __name__ == "__main__":
    main()
