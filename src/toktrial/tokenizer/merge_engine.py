"""The merge engine: ranks the pairs of a stream that is all in this process, and merges the best of them.

merge.py says what it computes and drives it; best_pairs.py, merged_stream.py, merge_kernels.py, stream.py and pairs.py do the
work. How it gets there:

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

import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.best_pairs import BestPairs
from toktrial.tokenizer.merge_kernels import merge_pair
from toktrial.tokenizer.merge_rules import MergeRule, flags_of, word_flags
from toktrial.tokenizer.merged_stream import MergedStream
from toktrial.tokenizer.stream import Cells, count_tokens

LARGE_STREAM = 1 << 27  # cells; the positions of so many take half a gigabyte
SHARE_KEPT = 3 / 4  # of the positions of a large stream; new ones take the rest


class MergeEngine:
    """Gives the best pair and merges it, again and again."""

    def __init__(self, cells: Cells, entries: Sequence[bytes], vocab_size: int, merges_done: int, rule: MergeRule) -> None:
        """`cells`: laid out by `lay_out_documents`, or `compacted` after `merges_done` merges; with those, the entries."""
        self._vocab_size, self._by_frequency = vocab_size, rule.by_frequency
        self._merged = MergedStream(cells, word_flags(entries, vocab_size, rule.scope), vocab_size)
        token_counts = np.zeros(vocab_size, dtype=np.int64)
        if not rule.by_frequency:
            count_tokens(cells, self._merged.stream.wall, token_counts)
        self._best = BestPairs(token_counts, merges_done, rule)
        self._entries = len(entries)
        self.recounts = -1  # the first count is not a recount

    def take_best(self, merges_left: int, at_least: int = 0) -> tuple[int, int, int] | None:
        """Takes the best pair: left id, right id, count. None if no pair of `min_frequency`, or of `at_least`, is left."""
        if not self._best.threshold:
            self.recount(merges_left)
        while True:
            best = self._best.take()
            if best is None:
                if not self._best.may_be_rarer(at_least):
                    return None
                self.recount(merges_left, below=self._best.threshold)
            elif self._merged.has_room(2 * best[2]):
                return best
            else:
                self.recount(merges_left)  # which makes room, and gives the same pair again

    def put_back(self, left: int, right: int) -> None:
        """Makes a pair that was taken, and not merged, one of those that may be taken. By frequency alone."""
        self._best.put_back(left, right)

    @property
    def may_recount(self) -> bool:
        """Whether a recount now changes no merge."""
        return self._best.may_recount

    def compacted(self) -> Cells:
        """Compacts the stream, which makes a recount necessary, and returns its cells."""
        return self._merged.compacted()

    def recount(self, merges_left: int, below: int = 0) -> None:
        """Compacts the stream and counts its pairs anew; `below`: under a threshold of at most half of that."""
        self.recounts += 1
        found = self._merged.count_pairs(self._entries)
        n_cells = self.compacted().size
        is_bounded = self._by_frequency and n_cells > LARGE_STREAM
        kept = self._best.choose(found.counts, merges_left, int(SHARE_KEPT * n_cells) if is_bounded else n_cells, below)
        counts = found.counts[kept]
        # A merge removes one cell and makes two positions at most. Pages that are never written take no memory.
        room = max(n_cells - int(counts.sum()), 2 * int(counts.max(initial=0))) if is_bounded else 2 * n_cells
        starts = self._merged.keep(found, kept, room)
        self._best.fill(found.keys[kept], np.stack([counts, counts, starts, starts + counts], axis=1))

    def merge(self, left: int, right: int, new: int, entry: bytes, count: int) -> None:
        """Replaces the pair by the new id everywhere, and counts and scores the pairs that arise."""
        best, merging = self._best, self._merged
        best.make_room(2 * min(count, self._vocab_size))
        merging.add_entry(left, right, new, flags_of(entry))
        merged, new_pairs = merge_pair(
            merging.stream,
            best.table.keys,
            best.table.values,
            merging.positions,
            merging.scratch,
            left,
            right,
            new,
            best.threshold,
            merging.room,
        )
        assert merged == count or (left == right and merged < count), f"{merged} of {count} positions merged"
        self._entries = new + 1
        best.count_merge(left, right, new, merged)
        best.add(merging.scratch.new_keys[:new_pairs])

    def documents(self) -> tuple[Cells, npt.NDArray[np.int64]]:
        """Returns the documents as the merges left them, and ends: flat ids, in the stream's own memory, and offsets."""
        return self._merged.documents()
