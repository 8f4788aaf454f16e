"""The merge engine's state: the stream, the counts and positions of its pairs, and the heap that knows the best of them.

merge.py says what it computes and drives it; merge_kernels.py, stream.py and pairs.py do the work. How it gets there:

- The stream stays in place in one array of cells.
- A pair that holds a new token can only arise in the merge that makes that token. So every pair's positions are written
  once, as one slice, when the pair arises. From then on its count only falls, and a lazy max-heap gives the exact best.
- A merge overwrites the first cells of both its parts, so the cell shows that a position has gone stale.
- Under the score `frequency`, pairs below a threshold keep neither positions nor count. When the best count falls below
  the threshold, the stream is compacted, its pairs are counted again, and the work goes on with a lower threshold.
- Of a very long stream, under that score, the most frequent pairs alone keep positions, and new pairs have little room. When
  either is used up, the stream has become shorter, and counting again takes less memory.
- Under any other score, every pair of `min_frequency` keeps its positions. Its score is computed when it arises, when it is
  about to be chosen and its count has fallen since, and with all others after every `refresh_every` merges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError
from toktrial.tokenizer import pairs
from toktrial.tokenizer.merge_kernels import UNUSED, Scratch, merge_pair, new_scratch
from toktrial.tokenizer.merge_rules import FREQUENCY, Score, flags_of, word_flags
from toktrial.tokenizer.pairs import COUNT, PAIR_COLUMNS, SCORED_COUNT, Floats, Heap, Keys, Longs
from toktrial.tokenizer.stream import Cells, Positions, compact, count_stream_pairs, count_tokens, stream_of, strip_walls

LARGE_STREAM = 1 << 27  # cells; the positions of so many take half a gigabyte
SHARE_KEPT = 3 / 4  # of the positions of a large stream; new ones take the rest


@dataclass(frozen=True)
class MergeRule:
    """What is merged, in what order, and at what cost: see `learn_merges_of_stream`."""

    min_frequency: int
    score: Score
    scope: str
    max_words: int
    refresh_every: int
    pairs_kept_per_merge: float


class MergeEngine:
    """Gives the best pair and merges it, again and again."""

    def __init__(self, cells: Cells, entries: Sequence[bytes], vocab_size: int, merges_done: int, rule: MergeRule) -> None:
        """`cells`: laid out by `lay_out_documents`, or `compacted` after `merges_done` merges; with those, the entries."""
        self._vocab_size, self._rule = vocab_size, rule
        self._score = rule.score
        self._by_frequency = rule.score.name == FREQUENCY
        self._stream = stream_of(cells, word_flags(entries, vocab_size, rule.scope), vocab_size)
        self._token_counts = np.zeros(vocab_size, dtype=np.int64)
        if not self._by_frequency:
            count_tokens(cells, self._stream.wall, self._token_counts)
        self._tokens = int(self._token_counts.sum())
        self._entries = len(entries)
        self._merges_done = merges_done
        self._is_compact = True
        self._threshold = 0  # 0: nothing is counted yet
        self._position_dtype: Any = np.uint32 if cells.size < np.iinfo(np.uint32).max else np.int64
        self._positions: Positions = np.zeros(0, dtype=self._position_dtype)
        self._heap_size = 0
        self.recounts = -1  # the first count is not a recount

    def take_best(self, merges_left: int, at_least: int = 0) -> tuple[int, int, int] | None:
        """Takes the best pair: left id, right id, count. None if no pair of `min_frequency`, or of `at_least`, is left."""
        if not self._threshold:
            self.recount(merges_left)
        while True:
            left, right, count, score_is_fresh, self._heap_size = pairs.take_best(
                self._heap, self._heap_size, self._keys, self._pairs, self._threshold, self._by_frequency
            )
            if left < 0:
                if self._threshold <= max(self._rule.min_frequency, at_least):
                    return None
                self.recount(merges_left, below=self._threshold)
            elif score_is_fresh and self._room[UNUSED] + 2 * count <= self._positions.size:
                return int(left), int(right), int(count)
            elif score_is_fresh:
                self.recount(merges_left)  # which makes room, and gives the same pair again
            else:
                counts = self._token_counts
                score = self._score.of_pair(int(count), int(counts[left]), int(counts[right]), self._tokens)
                pairs.rescore_first(self._heap, self._heap_size, self._keys, self._pairs, score)

    def put_back(self, left: int, right: int) -> None:
        """Makes a pair that was taken, and not merged, one of those that may be taken. By frequency alone."""
        key = np.array([left << 32 | right], dtype=np.uint64)
        slot = pairs.find_slot(self._keys, key[0])
        if self._keys[slot] != key[0] or self._pairs[slot, COUNT] < self._threshold:
            return  # until it is counted again
        count = self._pairs[slot, SCORED_COUNT] = self._pairs[slot, COUNT]
        self._make_room(1)
        self._heap_size = pairs.push_all(self._heap, self._heap_size, np.array([count], dtype=np.float64), key)

    @property
    def may_recount(self) -> bool:
        """Whether a recount now changes no merge: it refreshes scores other than frequency."""
        return self._by_frequency or self._merges_done % self._rule.refresh_every == 0

    def compacted(self) -> Cells:
        """Compacts the stream, which makes a recount necessary, and returns its cells."""
        stream = self._stream
        if not self._is_compact:
            self._stream = stream._replace(cells=stream.cells[: compact(stream.cells, stream.span, stream.wall)])
            self._is_compact = True
        return self._stream.cells

    def recount(self, merges_left: int, below: int = 0) -> None:
        """Compacts the stream and counts its pairs anew; `below`: under a threshold of at most half of that."""
        self.recounts += 1
        self._positions = self._positions[:0].copy()  # frees what the merges no longer need
        self.compacted()
        found = count_stream_pairs(self._stream, self._entries, self._position_dtype)
        n_cells = self._stream.cells.size
        is_bounded = self._by_frequency and n_cells > LARGE_STREAM
        most_positions = int(SHARE_KEPT * n_cells) if is_bounded else n_cells
        pairs_wanted = int(self._rule.pairs_kept_per_merge * merges_left)
        self._threshold = self._next_threshold(found.counts, pairs_wanted, most_positions)
        if below:  # else a pair that is passed over could take all the room again and again
            self._threshold = max(self._rule.min_frequency, min(self._threshold, below // 2))
        kept = found.counts >= self._threshold
        keys, counts = found.keys[kept], found.counts[kept]
        kept_positions = int(counts.sum())
        # A merge removes one cell and makes two positions at most. Pages that are never written take no memory.
        best = int(counts.max(initial=0))
        room = max(n_cells - kept_positions, 2 * best) if is_bounded else 2 * n_cells
        self._positions = np.empty(kept_positions + room, dtype=self._position_dtype)
        starts = found.write_positions(self._stream, kept, self._positions)
        self._room = np.array([0, 0, kept_positions], dtype=np.int64)
        self._keys, self._pairs = pairs.empty_table(keys.size, PAIR_COLUMNS)
        pairs.enter_pairs(self._keys, self._pairs, keys, np.stack([counts, counts, starts, starts + counts], axis=1))
        self._used_slots = keys.size
        self._scratch: Scratch = new_scratch(best, self._vocab_size, self._stream.cells.dtype)
        self._fill_heap()

    def _next_threshold(self, counts: Longs, pairs_wanted: int, most_positions: int) -> int:
        """Returns the count of the last pair wanted, or a higher one if there were too many positions."""
        if not self._by_frequency or not counts.size:
            return self._rule.min_frequency
        best_first = -np.sort(-counts)
        wanted = int(best_first[pairs_wanted]) if pairs_wanted < counts.size else 0
        # Pairs as frequent as the last that fits go with it, or all of them stay out, except the best ones.
        first_out = int(np.searchsorted(np.cumsum(best_first), most_positions, side="right"))
        fewest = int(best_first[first_out]) + 1 if first_out < counts.size else 0
        return max(self._rule.min_frequency, wanted, min(fewest, int(best_first[0])))

    def _fill_heap(self) -> None:
        """Scores every pair that may still be chosen, and makes the heap of them alone."""
        slots = np.flatnonzero(self._pairs[:, COUNT] >= self._threshold)
        keys = self._keys[slots]
        scores = self._scores(keys, self._pairs[slots, COUNT])
        self._pairs[slots, SCORED_COUNT] = self._pairs[slots, COUNT]
        best_first = np.lexsort((keys, -scores))  # sorted, it is a heap
        self._heap = Heap(scores[best_first], keys[best_first])
        self._heap_size = slots.size

    def _scores(self, keys: Keys, counts: Longs) -> Floats:
        if self._by_frequency:
            return counts.astype(np.float64)
        left, right = pairs.parts_of(keys)
        scores = self._score.of_pairs(counts, self._token_counts[left], self._token_counts[right], self._tokens)
        if np.isnan(scores).any():
            raise TrialError(f"the score {self._score.name!r} gives no number for some pair: it must be defined for all counts")
        return scores

    def merge(self, left: int, right: int, new: int, entry: bytes, count: int) -> None:
        """Replaces the pair by the new id everywhere, and counts and scores the pairs that arise."""
        stream = self._stream
        self._make_room(2 * min(count, self._vocab_size))
        stream.span[new] = stream.span[left] + stream.span[right]
        if stream.flags.size:
            stream.flags[new] = flags_of(entry)
        merged, new_pairs = merge_pair(
            stream, self._keys, self._pairs, self._positions, self._scratch, left, right, new, self._threshold, self._room
        )
        assert merged == count or (left == right and merged < count), f"{merged} of {count} positions merged"
        self._used_slots += new_pairs
        self._entries = new + 1
        self._merges_done += 1
        self._is_compact = False
        if not self._by_frequency:
            self._token_counts[left] -= merged
            self._token_counts[right] -= merged
            self._token_counts[new] = merged
            self._tokens -= merged
            if self._merges_done % self._rule.refresh_every == 0:
                self._fill_heap()
                return
        if new_pairs:
            keys = self._scratch.new_keys[:new_pairs]
            scores = self._scores(keys, pairs.counts_of(self._keys, self._pairs, keys))
            self._heap_size = pairs.push_all(self._heap, self._heap_size, scores, keys)

    def _make_room(self, new_pairs: int) -> None:
        if 2 * (self._used_slots + new_pairs) > self._keys.size:
            self._keys, self._pairs = pairs.grown(self._keys, self._pairs, self._used_slots + new_pairs)
        needed = self._heap_size + new_pairs
        if needed > self._heap.scores.size:
            self._heap = Heap(np.resize(self._heap.scores, 2 * needed), np.resize(self._heap.keys, 2 * needed))

    def documents(self) -> tuple[Cells, npt.NDArray[np.int64]]:
        """Returns the documents as the merges left them, and ends: flat ids, in the stream's own memory, and offsets."""
        self._positions = self._positions[:0].copy()  # frees what the merges no longer need
        cells, wall = self.compacted(), self._stream.wall
        walls = np.flatnonzero(cells == wall)
        return cells[: strip_walls(cells, wall)], walls - np.arange(walls.size)
