"""Learns BTM's merges from a stream that is cut into shards, each held by a thread, a process or another machine.

The coordinator here holds the counts of all pairs and no part of the stream. merge_shard.py is a shard; ray_shards.py puts
shards on a cluster. The merges, their counts and their order are those of the merge engine, which takes the best pair, merges
it, and looks again. To tell every shard of one merge at a time takes a round trip for each. So a round sends as many merges as
cannot disturb one another. Shards report those new pairs that are frequent enough in one of them. Where that leaves open
whether a pair is frequent enough in all of them together, the coordinator asks for its counts.

Which merges may share a round? Let the best pairs be p1, p2, ..., pm, by count, then by left and right id, and let the right
part of none of them be the left part of another or of itself. Then merging p1, ..., pk leaves p(k+1) the best pair, with the
count that it had:

1. Merging (l, r) changes the counts of (l, r), of pairs (x, l) and (r, y), and of pairs that hold the new token. By the
   condition, p(k+1) is none of these. All other old pairs were worse than p(k+1), and their counts can only fall.
2. Let (u, v) be a pair that holds one or two of the new tokens. A new token begins with the left part of its pair and ends
   with the right part. So each position of (u, v) was a position of q = (last part of u, first part of v), where an old token
   is its own first and last part. By the condition q is none of the p's: so q is worse than p(k+1), and (u, v) has no higher
   count than q. If all three counts are equal, q has a larger left id than p(k+1), or the same one and a larger right id. New
   ids are larger than old ones, so (u, v) comes after q, and q after p(k+1).

Three kinds of pairs therefore end a round, as its last merge:
- A pair of a token with itself: of three in a row, two merge, and q is the pair itself for the new token and the third.
- A pair that touches one that was passed over. That one may be q, more frequent than p(k+1), and yet not be chosen.
- In the scope `words`, a pair whose merge is inside a word. After any other, q could merge where (u, v) can. If their
  junction is inside a word, the parts lie within that word because u and v do. If it is not, the junctions around q are those
  around (u, v), or they are within u or v, where merges were across words. A merge inside a word removes a junction that had
  kept q from merging.

Pairs that may not arise because of their bytes are left out of all this: where q is one, (u, v), whose bytes hold those of q,
is one too. A score other than `frequency` may rise as other pairs merge, so there every round is one merge.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from typing import Protocol as Interface

import numpy as np

from toktrial.errors import TrialError
from toktrial.tokenizer.best_pairs import BestPairs
from toktrial.tokenizer.merge import BY_FREQUENCY, Learner, MergeCheckpoint, MergeList, MergeState, OnMerge
from toktrial.tokenizer.merge_rules import ENDS, STARTS, WORDS, MergeRule, flags_of, may_arise
from toktrial.tokenizer.merge_shard import Changes, MergeShard
from toktrial.tokenizer.pairs import IntArray, Keys, Longs, PairTable, add_counts, added_up, enter_pairs
from toktrial.tokenizer.stream import USABLE_CORES, Cells, cell_type


class Shards(Interface):
    """All shards of a stream, wherever they are."""

    def __len__(self) -> int:
        """How many there are."""

    def start(self, entries: Sequence[bytes], vocab_size: int, scope: str, merges: Longs) -> None:
        """Makes the shards, with what MergeShard must know beside its documents."""

    def call(self, method: str, *arguments: Any) -> Iterable[Any]:
        """Calls a method of every MergeShard, all at once; returns the replies in the order of the shards."""


class ThreadShards:
    """Shards in threads of this process."""

    def __init__(self, documents: Iterable[tuple[IntArray, IntArray]]) -> None:
        """`documents`: ids and offsets of each shard, as `cut_documents` yields them."""
        self._documents = list(documents)
        self._pool = ThreadPoolExecutor(min(len(self._documents), USABLE_CORES))

    def __len__(self) -> int:
        return len(self._documents)

    def start(self, entries: Sequence[bytes], vocab_size: int, scope: str, merges: Longs) -> None:
        """Makes the shards."""

        def make(documents: tuple[IntArray, IntArray]) -> MergeShard:
            return MergeShard(*documents, entries, vocab_size, scope, merges)

        self._shards = list(self._pool.map(make, self._documents))

    def call(self, method: str, *arguments: Any) -> Iterable[Any]:
        """Calls a method of every shard, as many at once as there are cores."""
        return self._pool.map(lambda shard: getattr(shard, method)(*arguments), self._shards)


def cut_documents(ids: IntArray, offsets: IntArray, shards: int) -> Iterator[tuple[IntArray, IntArray]]:
    """Cuts a stream between documents into shards of about equally many ids; yields ids and offsets of each.

    Raises TrialError for less than one shard.
    """
    if shards < 1:
        raise TrialError(f"shards must be at least 1, but is {shards}")
    bounds = np.searchsorted(offsets, np.linspace(offsets[0], offsets[-1], shards + 1))
    bounds[0], bounds[-1] = 0, offsets.size - 1
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = offsets[first : last + 1]
        yield ids[part[0] : part[-1]], part - part[0]


def learn_merges_of_shards(
    shards: Shards,
    token_bytes: Sequence[bytes],
    vocab_size: int,
    rule: MergeRule = BY_FREQUENCY,
    on_merge: OnMerge | None = None,
    checkpoint: MergeCheckpoint | None = None,
) -> MergeList:
    """The same merges as `learn_merges_of_stream` finds in all the documents of the shards, whichever holds which.

    Every score, scope and limit of words is possible; for pruning it raises TrialError. A score other than `frequency` takes a
    round trip for each merge.
    """
    if rule.prune:
        raise TrialError("prune counts in the whole stream: take it with one shard")
    state = (checkpoint.load() if checkpoint else None) or MergeState(_no_cells(vocab_size), vocab_size)
    learner = Learner(state, token_bytes, rule)
    shards.start(token_bytes, vocab_size, rule.scope, state.merges)
    engine = ShardedMergeEngine(shards, learner.entries, vocab_size, len(state.merges), rule)
    learned = learner.learn(engine, on_merge, checkpoint)
    engine.compacted()  # so that the shards hold what the merges left behind
    return learned


def _no_cells(vocab_size: int) -> Cells:
    """What a checkpoint holds of the stream: shards make theirs from the primitives and the merges."""
    return np.zeros(0, dtype=cell_type(vocab_size))


class ShardedMergeEngine:
    """The merge engine over shards. Merges wait until one cannot, and then go to the shards in one round."""

    def __init__(self, shards: Shards, entries: Sequence[bytes], vocab_size: int, merges_done: int, rule: MergeRule) -> None:
        self._shards, self._rule, self._vocab_size = shards, rule, vocab_size
        self._entries = list(entries)
        token_counts = np.zeros(vocab_size, dtype=np.int64)
        if not rule.by_frequency:
            token_counts = sum(shards.call("count_tokens"), start=token_counts)
        self._best = BestPairs(token_counts, merges_done, rule)
        self._batch: list[tuple[int, int, int, int]] = []
        self._counts: list[int] = []
        self._arisen: Keys = np.zeros(0, dtype=np.uint64)
        self._taken: tuple[int, int] | None = None
        self._passed_over = _Parts()
        self._waiting = _Parts()
        self.recounts = -1  # the first count is not a recount

    def take_best(self, merges_left: int) -> tuple[int, int, int] | None:
        """Takes the best pair once the waiting merges are made: left id, right id, count. None if no frequent one is left."""
        if self._taken:
            self._passed_over.add(*self._taken)
        self._taken = None
        if not self._best.threshold:
            self.recount(merges_left)
        while True:
            best = self._best.take()
            if best is not None and not self._may_arise(*best[:2]):
                continue
            if best is not None and not self._waiting.touch(*best[:2]):
                self._taken = best[:2]
                return best
            if best is not None:
                self._best.put_back(*best[:2])
            if self._batch:
                self._run_round()
            elif self._best.may_be_rarer():
                self.recount(merges_left)
            else:
                return None

    def merge(self, left: int, right: int, new: int, entry: bytes, count: int) -> None:
        """Lets the merge of the pair just taken wait for others, or runs the round if no other may follow."""
        self._taken = None
        self._entries.append(entry)
        self._batch.append((left, right, new, flags_of(entry)))
        self._counts.append(count)
        self._waiting.add(left, right)
        ends_round = left == right or self._is_inside_word(left, right) or self._passed_over.touch(left, right)
        if ends_round or not self._rule.by_frequency:
            self._run_round()

    def _may_arise(self, left: int, right: int) -> bool:
        return may_arise(self._entries[left] + self._entries[right], self._rule.scope, self._rule.max_words)

    def _is_inside_word(self, left: int, right: int) -> bool:
        flags = flags_of(self._entries[left]) & ENDS, flags_of(self._entries[right]) & STARTS
        return self._rule.scope == WORDS and all(flags)

    def _run_round(self) -> None:
        """Sends the waiting merges to the shards and adds up what they changed."""
        batch, best = np.array(self._batch, dtype=np.int64), self._best
        # A pair that is rarer than `least` in every shard is rarer than the threshold in all of them together.
        least = -(-best.threshold // len(self._shards))
        merged = np.zeros(len(batch), dtype=np.int64)
        new_counts, reports = PairTable(), PairTable()
        reply: Changes
        for reply in self._shards.call("merge", self._arisen, batch, least):
            entered = add_counts(best.table.keys, best.table.values, np.array(reply.keys), np.array(reply.counts))
            assert not entered, f"a shard changed {entered} pairs that are not kept"
            new_counts.add(reply.new_keys, reply.new_counts)
            reports.add(reply.new_keys, np.ones(reply.new_keys.size, dtype=np.int64))
            merged += reply.merged
        for (left, right, new, _), count, times in zip(self._batch, self._counts, merged.tolist(), strict=True):
            assert times == count or (left == right and times < count), f"{times} of {count} positions merged"
            best.count_merge(left, right, new, times)
        keys, counts = new_counts.all()
        unreported = (len(self._shards) - reports.of(keys)) * (least - 1)
        may_be_kept = counts + unreported >= best.threshold
        if unreported[may_be_kept].any():
            keys = keys[may_be_kept]
            counts = sum(self._shards.call("counts_of_new", keys), start=np.zeros(keys.size, dtype=np.int64))
        kept = counts >= best.threshold
        self._arisen = keys[kept]
        best.make_room(self._arisen.size)
        enter_pairs(best.table.keys, best.table.values, self._arisen, np.stack([counts[kept]] * 2, axis=1))
        best.add(self._arisen)
        self._batch, self._counts, self._waiting = [], [], _Parts()

    @property
    def may_recount(self) -> bool:
        """Whether a recount now changes no merge."""
        return self._best.may_recount

    def compacted(self) -> Cells:
        """Makes the merges that wait; returns no cells, for the shards have them."""
        if self._batch:
            self._run_round()
        return _no_cells(self._vocab_size)

    def recount(self, merges_left: int) -> None:
        """Lets every shard count its pairs anew, and lowers the threshold."""
        self.compacted()
        self.recounts += 1
        keys, counts = added_up(self._shards.call("count_pairs")).all()
        kept = self._best.choose(counts, merges_left, int(counts.sum()), below=self._best.threshold)
        keys, counts = keys[kept], counts[kept]
        self._best.fill(keys, np.stack([counts] * 2, axis=1))
        list(self._shards.call("keep", keys))
        self._arisen = np.zeros(0, dtype=np.uint64)


class _Parts:
    """The left and right parts of some pairs."""

    def __init__(self) -> None:
        self._lefts: set[int] = set()
        self._rights: set[int] = set()

    def add(self, left: int, right: int) -> None:
        self._lefts.add(left)
        self._rights.add(right)

    def touch(self, left: int, right: int) -> bool:
        """Whether the pair could stand right before or right behind one of these, sharing a token."""
        return left in self._rights or right in self._lefts
