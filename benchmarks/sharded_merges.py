"""What does it cost to learn BTM's merges from shards, and what would it cost on many cores and on more text?

    python benchmarks/sharded_merges.py [--megabytes 100] [--shards 2 3 8] [--corpus FILE] [--ray]

Every run must give the single engine's merges, in order and with their counts. Shards run one after another here and each call
is timed in CPU seconds, so that other work on the machine does not count: a round takes as long as its slowest shard, if each has
a core of its own. With --ray they also run as actors of a local cluster, and an empty round over the same actors is timed. The
table at the end is calculated from these figures: see `calculated_seconds`.
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
NETWORK_BYTES_PER_SECOND = 1.25e9  # 10 Gbit/s into the coordinator
RAY_SECONDS_PER_CALL = 1.1e-4  # without --ray: 12,000 rounds over 8 actors in 11 s
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
        actors = RayShards(Path(folder), [{"num_cpus": 0.1}])
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


def calculated_seconds(n_bytes: float, cores: int, one: Figures, many: Figures, bytes_per_id: float, call: float) -> float:
    """Returns the seconds that `n_bytes` of text would take in one shard per core.

    A shard's seconds: a part for each of its ids, and a part for each change. Its changes grow with its ids by the power that
    the two measured runs give, up to two neighbours for every entry and merge. Waiting for the slowest shard: as measured.
    The coordinator: its seconds for each change, or the network's, whichever is longer; and a call of each actor a round.
    """
    ids = n_bytes / bytes_per_id / cores
    per_shard = [figures.changes / figures.shards for figures in (one, many)]
    power = math.log(per_shard[0] / per_shard[1]) / math.log(many.shards)
    changes = min(per_shard[0] * (ids / one.ids) ** power, 2.0 * ENTRIES * one.merges)
    per_change = (many.shard_seconds - one.shard_seconds) / (many.changes - one.changes)
    per_id = (one.shard_seconds - per_change * one.changes) / one.ids
    waiting = many.slowest_seconds / (many.shard_seconds / many.shards)
    shard = waiting * (per_id * ids + per_change * changes)
    coordinator = max(many.coordinator_seconds / many.changes, BYTES_PER_CHANGE / NETWORK_BYTES_PER_SECOND)
    return shard + coordinator * changes * cores + one.rounds * cores * call


def print_run(figures: Figures) -> None:
    rounds = figures.rounds
    print(
        f"{figures.shards:3} shards: {rounds:,} rounds, {figures.merges / rounds:.1f} merges a round; CPU: shards "
        f"{figures.shard_seconds:.2f} s together, {figures.slowest_seconds:.2f} s the slowest of each round, "
        f"coordinator {figures.coordinator_seconds:.2f} s; a round {1e3 * figures.slowest_seconds / rounds:.2f} ms in the slowest "
        f"shard and {1e3 * figures.coordinator_seconds / rounds:.2f} ms in the coordinator; "
        f"{figures.changes / rounds:,.0f} changes, {BYTES_PER_CHANGE * figures.changes / 1e6:.0f} MB in all",
        flush=True,
    )


def print_table(one: Figures, many: Figures, bytes_per_id: float, call: float) -> None:
    print("\ncalculated seconds, one shard on each core:\n\n| text | " + " | ".join(f"{n} cores" for n in CORES) + " |")
    print("|" + "---|" * (len(CORES) + 1))
    for n_bytes in SIZES:
        cells = [f"{calculated_seconds(n_bytes, cores, one, many, bytes_per_id, call):,.0f}" for cores in CORES]
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
    learn_merges_of_shards(ThreadShards(*small, 2), entries, PRIMITIVES + 50)
    started, cpu = time.perf_counter(), time.process_time()
    expected = learn_merges_of_stream(ids, offsets, entries, ENTRIES)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"{given.megabytes:.0f} MB, {ids.size:,} ids, {len(expected.merges):,} merges")
    print(f"single engine: {seconds:.2f} s, CPU {cpu:.2f} s", flush=True)
    for shards in given.shards:
        started, cpu = time.perf_counter(), time.process_time()
        learned = learn_merges_of_shards(ThreadShards(ids, offsets, shards), entries, ENTRIES)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        assert np.array_equal(learned.merges, expected.merges), "other merges"
        print(f"{shards:3} shards in threads: {seconds:.2f} s, CPU {cpu:.2f} s", flush=True)
    runs = [measure(ids, offsets, entries, shards, expected) for shards in [1, *given.shards]]
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
    print_table(runs[0], runs[-1], 1e6 * given.megabytes / ids.size, call)


if __name__ == "__main__":
    main()
