"""Merge shards on a Ray cluster, held by actors that read their documents' ids from files that all nodes see.

sharded_merges.py is the coordinator, and runs in the driver. An actor may hold several shards, in threads, so that a round
takes one call of each machine rather than one of each core; to the coordinator they are one shard. An actor that dies, or whose
node does, is made again where there is room: from its files, the merges up to the last count of all pairs, and the calls since.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toktrial import artifact, progress
from toktrial.errors import TrialError
from toktrial.tokenizer.merge import MergeList
from toktrial.tokenizer.merge_shard import Changes
from toktrial.tokenizer.pairs import IntArray, Keys, Longs, added_up
from toktrial.tokenizer.sharded_merges import ThreadShards, learn_merges_of_shards

IDS_SUFFIX, OFFSETS_SUFFIX = ".ids.npy", ".offsets.npy"
INLINE_BYTES = 100_000  # Ray sends smaller arguments with the call, larger ones through its object store
MOST_DEATHS = 3  # of one shard, in the same call

Resources = Mapping[str, Any]
"""An actor's options, as Ray names them: `num_cpus`, `memory` (bytes), `resources`, `runtime_env` and others."""


def write_shard(folder: Path, number: int, ids: IntArray, offsets: IntArray) -> None:
    """Writes whole documents as one shard of an existing folder: ids flat, offsets (documents + 1,) from 0 on."""
    for suffix, array in ((IDS_SUFFIX, ids), (OFFSETS_SUFFIX, offsets)):
        with artifact.publish_file(folder / f"{number:05d}{suffix}") as partial, partial.open("wb") as file:
            np.save(file, array)


def learn_merges_on_ray(
    folder: Path,
    token_bytes: Sequence[bytes],
    vocab_size: int,
    resources: Sequence[Resources] = ({"num_cpus": 1},),
    shards_per_actor: int = 1,
    **how: Any,
) -> MergeList:
    """Learns merges from all shards that `write_shard` wrote into a folder that every node sees.

    resources: of each actor, or one for all of them; how: as for `learn_merges_of_shards`. The caller has connected to a
    cluster (`ray.init`). Raises TrialError where that is not so, or the folder holds no shards.
    """
    shards = RayShards(folder, resources, shards_per_actor)
    try:
        return learn_merges_of_shards(shards, token_bytes, vocab_size, **how)
    finally:
        shards.close()


class ShardActor:
    """What runs in an actor: shards, side by side in threads, that answer as one MergeShard of all their documents."""

    def start(self, paths: Sequence[str], *arguments: Any) -> None:
        """Makes the shards of files, named without their suffixes, and of what MergeShard takes after the ids."""
        self._shards = ThreadShards(
            (np.load(f"{path}{IDS_SUFFIX}", mmap_mode="r"), np.load(f"{path}{OFFSETS_SUFFIX}")) for path in paths
        )
        self._shards.start(*arguments)

    def count_tokens(self) -> Longs:
        """Returns how often each token occurs."""
        counts: Longs = np.sum(list(self._shards.call("count_tokens")), axis=0)
        return counts

    def count_pairs(self) -> tuple[Keys, Longs]:
        """Counts all pairs anew."""
        return added_up(self._shards.call("count_pairs")).all()

    def keep(self, keys: Keys) -> None:
        """Writes the positions of pairs."""
        list(self._shards.call("keep", keys))

    def merge(self, kept: Keys, batch: Longs, least: int) -> Changes:
        """Makes the merges of a round."""
        replies: list[Changes] = list(self._shards.call("merge", kept, batch, 1))
        self._new_counts = added_up((reply.new_keys, reply.new_counts) for reply in replies)
        new_keys, new_counts = self._new_counts.all()
        reported = new_counts >= least
        changed = added_up((reply.keys, reply.counts) for reply in replies).all()
        merged = np.sum([reply.merged for reply in replies], axis=0)
        return Changes(*changed, new_keys[reported], new_counts[reported], merged)

    def counts_of_new(self, keys: Keys) -> Longs:
        """Returns how often pairs that arose in the last round occur."""
        return self._new_counts.of(keys)

    def documents(self) -> list[tuple[IntArray, IntArray]]:
        """Returns the documents of each shard as the merges left them."""
        return list(self._shards.call("documents"))

    def repeat(self, calls: Sequence[tuple[Any, ...]]) -> Any:
        """Makes the calls again that an actor before this one answered; returns the last reply."""
        for method, *arguments in calls:
            reply = getattr(self, method)(*arguments)
        return reply


class RayShards:
    """The shards of a folder, in actors."""

    def __init__(self, folder: Path, resources: Sequence[Resources], shards_per_actor: int = 1) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise TrialError("Ray is not installed: pip install 'toktrial[ray]'") from None
        if not ray.is_initialized():
            raise TrialError("no Ray cluster is connected: call ray.init(address=...) first")
        paths = [str(path).removesuffix(IDS_SUFFIX) for path in sorted(folder.resolve().glob(f"*{IDS_SUFFIX}"))]
        if not paths:
            raise TrialError(f"there are no shards in {folder}: write_shard writes them, as NUMBER{IDS_SUFFIX}")
        self._paths = [paths[first : first + shards_per_actor] for first in range(0, len(paths), shards_per_actor)]
        self._resources = list(resources) * (len(self) if len(resources) == 1 else 1)
        if len(self._resources) != len(self):
            raise TrialError(
                f"the shards of {folder} take {len(self)} actors, but there are resources for {len(self._resources)}"
            )
        self._actors = [self._new_actor(shard) for shard in range(len(self))]

    def __len__(self) -> int:
        return len(self._paths)

    def _new_actor(self, shard: int) -> Any:
        import ray

        return ray.remote(ShardActor).options(**self._resources[shard]).remote()

    def start(self, entries: Sequence[bytes], vocab_size: int, scope: str, merges: Longs) -> None:
        """Makes the shards."""
        self._beginning, self._merges = (list(entries), vocab_size, scope), merges[:, :3]
        self._calls: list[tuple[Any, ...]] = []
        starting = [actor.repeat.remote([self._start_of(shard)]) for shard, actor in enumerate(self._actors)]
        for shard, reply in enumerate(starting):
            self._answer(shard, reply)

    def _start_of(self, shard: int) -> tuple[Any, ...]:
        return ("start", self._paths[shard], *self._beginning, self._merges)

    def call(self, method: str, *arguments: Any) -> Iterator[Any]:
        """Calls a method of every shard; yields the replies as they are needed, in order."""
        import ray

        if method == "count_pairs":  # it begins with what the merges left behind: an actor need not repeat what was before
            batches = [call[2][:, :3] for call in self._calls if call[0] == "merge"]
            self._merges, self._calls = np.concatenate([self._merges, *batches]), []
        self._calls.append((method, *arguments))
        sent = [ray.put(argument) if np.asarray(argument).nbytes > INLINE_BYTES else argument for argument in arguments]
        replies = [getattr(actor, method).remote(*sent) for actor in self._actors]
        for shard in range(len(replies)):
            reply, replies[shard] = replies[shard], None  # so that it is freed as soon as it is used
            yield self._answer(shard, reply)

    def _answer(self, shard: int, reply: Any) -> Any:
        """Waits for a reply; if the actor died, for that of another in its place."""
        import ray
        from ray import exceptions

        for _ in range(MOST_DEATHS):
            try:
                return ray.get(reply)
            except exceptions.RayTaskError as error:
                raise error.cause from error
            except (exceptions.RayActorError, exceptions.ObjectLostError, exceptions.OutOfMemoryError) as error:
                why = str(error).strip().splitlines()[0]
                progress.print_line(f"merge shard {self._paths[shard][0]}: its actor died ({why}); starting another")
                ray.kill(self._actors[shard])  # it may only have been out of reach
                self._actors[shard] = self._new_actor(shard)
                reply = self._actors[shard].repeat.remote([self._start_of(shard), *self._calls])
        raise TrialError(
            f"merge shard {self._paths[shard][0]}: {MOST_DEATHS} actors died in the same call. "
            "Give its actor more memory, or cut the documents into more shards"
        )

    def close(self) -> None:
        """Ends the actors."""
        import ray

        for actor in self._actors:
            ray.kill(actor)
