"""One of many shards of a stream: merges what the coordinator (sharded_merges.py) says, and reports what that changed.

A shard holds whole documents, so no pair spans two shards and counts simply add up. It keeps the positions of its pairs in the
merge engine's own cells, but no counts. What arises in a round of merges may be rare here and frequent in all shards together:
so its positions wait until the next round, which begins with the coordinator's word on which of the new pairs are kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.encode_kernels import encode_stream, merge_tables
from toktrial.tokenizer.merge_kernels import Scratch, count_neighbours, keep_new_pairs, replace
from toktrial.tokenizer.merge_rules import word_flags
from toktrial.tokenizer.merged_stream import MergedStream
from toktrial.tokenizer.pairs import (
    EMPTY,
    PAIR_COLUMNS,
    SLICE_END,
    SLICE_START,
    IntArray,
    Keys,
    Longs,
    Token,
    empty_table,
    enter_pairs,
    find_slot,
    grown,
    pair_key,
    parts_of,
)
from toktrial.tokenizer.stream import Cells, Positions, Stream, cell_type, count_tokens, lay_out_documents


class Changes(NamedTuple):
    """What a round of merges changed in one shard."""

    keys: Keys
    """(changes,) uint64: pairs that are kept or new; one may stand here several times."""
    counts: Longs
    """(changes,) int64: what their counts rose or fell by."""
    merged: Longs
    """(merges,) int64: at how many positions each pair of the round was merged."""


class _Arisen(NamedTuple):
    """What a merge made, until it is known which of the new pairs are kept."""

    new: int
    slot: slice
    """Where in the positions the merged pair's were; the first ones are where the new token begins."""
    before: Cells
    """(merged,): the token before each new one; see Scratch."""
    after: Cells
    """(merged,): the token after it."""


class MergeShard:
    """The merge engine's cells for some of the documents; its methods are called by name, through `Shards`."""

    def __init__(
        self,
        ids: IntArray,
        offsets: IntArray,
        entries: Sequence[bytes],
        vocab_size: int,
        scope: str,
        merges: Longs,
    ) -> None:
        """`merges`: (n, 4) that were made before, of left, right, id, count; `ids` are the primitives all the same.

        Raises TrialError for an id that is none of the entries, and for an unknown scope.
        """
        entries = list(entries)
        cells = lay_out_documents(ids, offsets, len(entries), cell_type(vocab_size))
        if len(merges):
            for left, right in merges[:, :2].tolist():
                entries.append(entries[left] + entries[right])
            encoded = encode_stream(np.asarray(ids, dtype=np.uint32), np.asarray(offsets), merge_tables(merges, entries, scope))
            cells = lay_out_documents(*encoded, len(entries), cell_type(vocab_size))
        self._entries = len(entries)
        self._merged = MergedStream(cells, word_flags(entries, vocab_size, scope), vocab_size, threads=1)
        self._changed = np.zeros(4 * vocab_size, dtype=np.uint64)
        self._changes = np.zeros(4 * vocab_size, dtype=np.int64)
        self._arisen: list[_Arisen] = []

    def count_tokens(self) -> Longs:
        """Returns how often each token occurs: (vocab_size,) int64."""
        counts = np.zeros(self._merged.stream.span.size, dtype=np.int64)
        count_tokens(self._merged.compacted(), self._merged.stream.wall, counts)
        return counts

    def count_pairs(self) -> tuple[Keys, Longs]:
        """Counts all pairs anew and forgets all positions; returns keys and counts, (pairs,) each."""
        self._arisen = []
        self._found = self._merged.count_pairs(self._entries)
        return self._found.keys, self._found.counts

    def keep(self, keys: Keys) -> None:
        """Writes the positions of those of the pairs just counted whose keys are given."""
        found = self._found
        kept = np.isin(found.keys, keys)
        counts, starts = found.counts[kept], self._merged.keep(found, kept)
        values = np.stack([counts, counts, starts, starts + counts], axis=1)
        self._keys, self._pairs = empty_table(counts.size, PAIR_COLUMNS)
        enter_pairs(self._keys, self._pairs, found.keys[kept], values)
        self._used_slots = counts.size
        del self._found

    def merge(self, kept: Keys, batch: Longs) -> Changes:
        """Keeps those pairs that arose in the round before, and makes the merges of the next.

        batch: (merges, 4) of left id, right id, new id and the new entry's flags, none of whose parts is one of the new ids.
        """
        self._keep_arisen(kept)
        merging, first_new = self._merged, int(batch[0, 2])
        changed, changes, all_merged = [], [], []
        for left, right, new, flags in batch.tolist():
            merging.add_entry(left, right, new, flags)
            start, end, merged, n = _merge_and_report(
                merging.stream,
                self._keys,
                self._pairs,
                merging.positions,
                merging.scratch,
                left,
                right,
                new,
                first_new,
                self._changed,
                self._changes,
            )
            before, after = merging.scratch.before[:merged].copy(), merging.scratch.after[:merged].copy()
            self._arisen.append(_Arisen(new, slice(start, end), before, after))
            changed.append(self._changed[:n].copy())
            changes.append(self._changes[:n].copy())
            all_merged.append(merged)
        self._entries = new + 1
        return Changes(np.concatenate(changed), np.concatenate(changes), np.array(all_merged, dtype=np.int64))

    def _keep_arisen(self, kept: Keys) -> None:
        if 2 * (self._used_slots + kept.size) > self._keys.size:
            self._keys, self._pairs = grown(self._keys, self._pairs, self._used_slots + kept.size)
        enter_pairs(self._keys, self._pairs, np.array(kept), np.zeros((kept.size, PAIR_COLUMNS), dtype=np.int64))
        self._used_slots += kept.size
        made_by_merge_of = np.maximum(*parts_of(kept))
        merging = self._merged
        for new, slot, before, after in self._arisen:
            if new in made_by_merge_of:
                starts = merging.positions[slot.start : slot.start + before.size]
                _keep_known_pairs(
                    merging.stream,
                    self._keys,
                    self._pairs,
                    merging.positions,
                    merging.scratch,
                    starts,
                    before,
                    after,
                    new,
                    merging.room,
                )
        for arisen in self._arisen:
            merging.reuse(arisen.slot.start, arisen.slot.stop)
        self._arisen = []

    def documents(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Returns the documents as the merges left them, flat ids and offsets; no more merges after that."""
        return self._merged.documents()


@numba.njit(cache=True, nogil=True)
def _merge_and_report(
    stream: Stream,
    keys: Keys,
    pairs: Longs,
    positions: Positions,
    scratch: Scratch,
    left: int,
    right: int,
    new: int,
    first_new: int,
    changed: Keys,
    changes: Longs,
) -> tuple[int, int, int, int]:
    """Merges a pair everywhere, leftmost first, and lists by how much the counts of other pairs change.

    Returns where the pair's positions begin and end, how many merges were made, and how many changes there are.
    """
    slot = find_slot(keys, pair_key(left, right))  # if the shard has no such pair, an empty one: no positions
    start, end = pairs[slot, SLICE_START], pairs[slot, SLICE_END]
    merged, touched_before, touched_after = replace(stream, scratch, positions[start:end], left, right, new)
    listed = 0
    for k in range(touched_before + touched_after):
        is_before = k < touched_before
        token = scratch.touched[k] if is_before else scratch.touched_after[k - touched_before]
        broken = scratch.broken_before if is_before else scratch.broken_after
        key = pair_key(token, left) if is_before else pair_key(right, token)
        if token >= first_new or keys[find_slot(keys, key)] != EMPTY:
            changed[listed], changes[listed] = key, -broken[token]
            listed += 1
        broken[token] = 0
    for neighbours, is_before in ((scratch.before[:merged], True), (scratch.after[:merged], False)):
        for k in range(count_neighbours(stream, scratch, neighbours)):
            token = scratch.touched[k]
            changed[listed] = pair_key(token, new) if is_before else pair_key(new, token)
            changes[listed] = scratch.counts[token]
            scratch.counts[token] = 0
            listed += 1
    return start, end, merged, listed


@numba.njit(cache=True, nogil=True)
def _keep_known_pairs(
    stream: Stream,
    keys: Keys,
    pairs: Longs,
    positions: Positions,
    scratch: Scratch,
    starts: Positions,
    before: Cells,
    after: Cells,
    new: Token,
    room: Longs,
) -> None:
    """Writes the positions of those pairs of the new token that the table holds."""
    kept = 0
    for neighbours, are_before in ((before, True), (after, False)):
        kept = keep_new_pairs(stream, keys, pairs, positions, scratch, starts, neighbours, are_before, new, 0, kept, room)
