"""Which pair is merged next: the counts and scores of all pairs that may still be chosen, in a table and a lazy max-heap.

Whoever holds the stream keeps the counts right: the merge engine (merge_engine.py) holds it all, the shards of
sharded_merges.py a part each. BPE's trainer (bpe_trainer.py) holds words instead.
"""

import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError
from toktrial.tokenizer import pairs
from toktrial.tokenizer.merge_rules import MergeRule, resolve_score
from toktrial.tokenizer.pairs import COUNT, SCORED_COUNT, Floats, Heap, Keys, Longs, PairTable


class BestPairs:
    """Gives the best pair, again and again, while the counts change."""

    def __init__(self, token_counts: Longs, merges_done: int, rule: MergeRule) -> None:
        """`token_counts`: (vocab_size,) int64, which all scores but `frequency` need."""
        self.threshold = 0
        """Pairs of a lower count are not here; 0: nothing is counted yet."""
        self._rule, self._score = rule, resolve_score(rule.score)
        self._token_counts, self._tokens = token_counts, int(token_counts.sum())
        self._merges_done = merges_done
        self.table = PairTable()
        self._heap = Heap(np.zeros(0), self.table.keys[:0])
        self._heap_size = 0

    @property
    def may_recount(self) -> bool:
        """Whether a recount now changes no merge: it refreshes scores other than frequency."""
        return self._rule.by_frequency or self._merges_done % self._rule.refresh_every == 0

    def may_be_rarer(self, at_least: int = 0) -> bool:
        """Whether pairs of `min_frequency`, and of `at_least`, may be missing here, so that a recount may find more."""
        return self.threshold > max(self._rule.min_frequency, at_least)

    def choose(self, counts: Longs, merges_left: int, most_positions: int, below: int = 0) -> npt.NDArray[np.bool_]:
        """Sets the threshold by which enough pairs of these counts are kept, and returns which are.

        most_positions: about so many positions may be kept; below: a threshold of which the new one is half at most.
        """
        self.threshold = self._next_threshold(counts, int(self._rule.pairs_kept_per_merge * merges_left), most_positions)
        if below:  # else a pair that is passed over could take all the room again and again
            self.threshold = max(self._rule.min_frequency, min(self.threshold, below // 2))
        return counts >= self.threshold

    def _next_threshold(self, counts: Longs, pairs_wanted: int, most_positions: int) -> int:
        """Returns the count of the last pair wanted, or a higher one if there were too many positions."""
        if not self._rule.by_frequency or not counts.size:
            return self._rule.min_frequency
        best_first = -np.sort(-counts)
        wanted = int(best_first[pairs_wanted]) if pairs_wanted < counts.size else 0
        # Pairs as frequent as the last that fits go with it, or all of them stay out, except the best ones.
        first_out = int(np.searchsorted(np.cumsum(best_first), most_positions, side="right"))
        fewest = int(best_first[first_out]) + 1 if first_out < counts.size else 0
        return max(self._rule.min_frequency, wanted, min(fewest, int(best_first[0])))

    def fill(self, keys: Keys, values: Longs) -> None:
        """Forgets all pairs for these: keys (pairs,), values (pairs, columns); SCORED_COUNT is filled in."""
        self.table = PairTable(values.shape[1])
        self.table.enter(keys, values)
        self._fill_heap()

    def take(self) -> tuple[int, int, int] | None:
        """Takes the best pair: left id, right id, count. None if no pair of the threshold is left."""
        while True:
            left, right, count, score_is_fresh, self._heap_size = pairs.take_best(
                self._heap, self._heap_size, self.table.keys, self.table.values, self.threshold, self._rule.by_frequency
            )
            if left < 0:
                return None
            if score_is_fresh:
                return int(left), int(right), int(count)
            counts = self._token_counts
            score = self._score.of_pair(int(count), int(counts[left]), int(counts[right]), self._tokens)
            pairs.rescore_first(self._heap, self._heap_size, self.table.keys, self.table.values, score)

    def put_back(self, left: int, right: int) -> None:
        """Makes a pair that was taken, and not merged, one of those that may be taken. By frequency alone."""
        key = np.array([left << 32 | right], dtype=np.uint64)
        slot = pairs.find_slot(self.table.keys, key[0])
        if self.table.keys[slot] != key[0] or self.table.values[slot, COUNT] < self.threshold:
            return  # until it is counted again
        count = self.table.values[slot, SCORED_COUNT] = self.table.values[slot, COUNT]
        self.make_room(1)
        self._heap_size = pairs.push_all(self._heap, self._heap_size, np.array([count], dtype=np.float64), key)

    def make_room(self, new_pairs: int) -> None:
        """Makes room for so many pairs in the table, and in the heap."""
        self.table.make_room(new_pairs)
        needed = self._heap_size + new_pairs
        if needed > self._heap.scores.size:
            self._heap = Heap(np.resize(self._heap.scores, 2 * needed), np.resize(self._heap.keys, 2 * needed))

    def count_merge(self, left: int, right: int, new: int, merged: int) -> None:
        """Takes the merged pair out of the count, and counts the tokens that a merge at so many positions took and made."""
        self.table.values[pairs.find_slot(self.table.keys, pairs.pair_key(left, right)), COUNT] = 0
        self._merges_done += 1
        if not self._rule.by_frequency:
            self._token_counts[left] -= merged
            self._token_counts[right] -= merged
            self._token_counts[new] = merged
            self._tokens -= merged

    def add(self, new_keys: Keys) -> None:
        """Ranks the pairs that arose from the merges counted; the table holds them already."""
        self.table.used += new_keys.size
        if not self._rule.by_frequency and self._merges_done % self._rule.refresh_every == 0:
            self._fill_heap()
        elif new_keys.size:
            scores = self._scores(new_keys, self.table.of(new_keys))
            self._heap_size = pairs.push_all(self._heap, self._heap_size, scores, new_keys)

    def _fill_heap(self) -> None:
        """Scores every pair that may still be chosen, and makes the heap of them alone."""
        slots = np.flatnonzero(self.table.values[:, COUNT] >= self.threshold)
        keys = self.table.keys[slots]
        scores = self._scores(keys, self.table.values[slots, COUNT])
        self.table.values[slots, SCORED_COUNT] = self.table.values[slots, COUNT]
        best_first = np.lexsort((keys, -scores))  # sorted, it is a heap
        self._heap = Heap(scores[best_first], keys[best_first])
        self._heap_size = slots.size

    def _scores(self, keys: Keys, counts: Longs) -> Floats:
        if self._rule.by_frequency:
            return counts.astype(np.float64)
        left, right = pairs.parts_of(keys)
        scores = self._score.of_pairs(counts, self._token_counts[left], self._token_counts[right], self._tokens)
        if np.isnan(scores).any():
            raise TrialError(f"the score {self._score.name!r} gives no number for some pair: it must be defined for all counts")
        return scores
