"""One of many shards of a stream: merges what the coordinator (sharded_merges.py) says, and reports what that changed.

A shard holds whole documents, so no pair spans two shards and counts simply add up. It keeps the positions of its pairs in the
merge engine's own cells, but no counts. What arises in a round of merges may be rare here and frequent in all shards together:
so its positions wait until the next round, which begins with the coordinator's word on which of the new pairs are kept.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from toktrial.tokenizer.encode_kernels import encode_stream, merge_tables
from toktrial.tokenizer.merge_kernels import Scratch, count_neighbours, keep_new_pairs, replace, reuse
from toktrial.tokenizer.merge_rules import joined_entries, word_flags
from toktrial.tokenizer.merged_stream import MergedStream
from toktrial.tokenizer.pairs import (
    EMPTY,
    HALF,
    PAIR_COLUMNS,
    RIGHT_MASK,
    SLICE_END,
    SLICE_START,
    IntArray,
    Keys,
    Longs,
    PairTable,
    added_up,
    find_slot,
    pair_key,
)
from toktrial.tokenizer.stream import Cells, Positions, Stream, cell_type, count_tokens, lay_out_documents


class Changes(NamedTuple):
    """What a round of merges changed in one shard."""

    keys: Keys
    """(changes,) uint64: kept pairs of old tokens; one may stand here several times."""
    counts: Longs
    """(changes,) int64: what their counts fell by, so below zero."""
    new_keys: Keys
    """(new pairs,) uint64: those pairs of new tokens that are frequent enough here."""
    new_counts: Longs
    """(new pairs,) int64: how often each stands here after the round."""
    merged: Longs
    """(merges,) int64: at how many positions each pair of the round was merged."""


class _Arisen(NamedTuple):
    """What a round of merges made, until it is known which of the new pairs are kept."""

    news: Longs
    """(merges,) int64: the new ids."""
    slices: Longs
    """(merges, 2) int64: where the positions of each merged pair begin and end; the first ones are now those of the new id."""
    merged: Longs
    """(merges,) int64: how many those are."""
    before: Cells
    """(sum of merged,): the token before each new one, merge by merge; see Scratch."""
    after: Cells
    """(sum of merged,): the token after it."""


class _Log(NamedTuple):
    """The changes of counts in the order in which they come."""

    keys: Keys
    counts: Longs


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
        cells = lay_out_documents(ids, offsets, len(entries), cell_type(vocab_size))
        if len(merges):
            entries = joined_entries(entries, merges)
            encoded = encode_stream(np.asarray(ids, dtype=np.uint32), np.asarray(offsets), merge_tables(merges, entries, scope))
            cells = lay_out_documents(*encoded, len(entries), cell_type(vocab_size))
        self._entries = len(entries)
        self._merged = MergedStream(cells, word_flags(entries, vocab_size, scope), vocab_size, threads=1)
        self._arisen: _Arisen | None = None

    def count_tokens(self) -> Longs:
        """Returns how often each token occurs: (vocab_size,) int64."""
        counts = np.zeros(self._merged.stream.span.size, dtype=np.int64)
        count_tokens(self._merged.compacted(), self._merged.stream.wall, counts)
        return counts

    def count_pairs(self) -> tuple[Keys, Longs]:
        """Counts all pairs anew and forgets all positions; returns keys and counts, (pairs,) each."""
        self._arisen = None
        self._found = self._merged.count_pairs(self._entries)
        return self._found.keys, self._found.counts

    def keep(self, keys: Keys) -> None:
        """Writes the positions of those of the pairs just counted whose keys are given."""
        found = self._found
        kept = np.isin(found.keys, keys)
        counts, starts = found.counts[kept], self._merged.keep(found, kept, 2 * self._merged.compacted().size)
        values = np.stack([counts, counts, starts, starts + counts], axis=1)
        self._table = PairTable(PAIR_COLUMNS)
        self._table.enter(found.keys[kept], values)
        del self._found

    def merge(self, kept: Keys, batch: Longs, least: int) -> Changes:
        """Keeps those pairs that arose in the round before, and makes the merges of the next.

        batch: (merges, 4) of left id, right id, new id and the new entry's flags, none of whose parts is one of the new ids;
        least: new pairs that are rarer here are not reported.
        """
        self._keep_arisen(kept)
        merging = self._merged
        for left, right, new, flags in batch.tolist():
            merging.add_entry(left, right, new, flags)
        self._entries = new + 1
        slices = _slices_of(self._table.keys, self._table.values, np.array(batch))
        positions = slices[:, 1] - slices[:, 0]
        cells = np.empty((2, int(positions.sum())), dtype=merging.stream.cells.dtype)
        room = 4 * int(np.minimum(positions, merging.stream.span.size).sum())  # two neighbours, each in two pairs
        log = _Log(np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.int64))
        self._arisen = _Arisen(batch[:, 2].copy(), slices, np.zeros(len(batch), dtype=np.int64), *cells)
        listed = _merge_all(
            merging.stream, self._table.keys, merging.positions, merging.scratch, np.array(batch), self._arisen, log
        )
        keys, counts, first_new = log.keys[:listed], log.counts[:listed], np.uint64(batch[0, 2])
        is_new = (keys >> HALF >= first_new) | (keys & RIGHT_MASK >= first_new)
        self._new_counts = added_up([(keys[is_new], counts[is_new])])
        new_keys, new_counts = self._new_counts.all()
        reported = new_counts >= least
        return Changes(keys[~is_new], counts[~is_new], new_keys[reported], new_counts[reported], self._arisen.merged)

    def counts_of_new(self, keys: Keys) -> Longs:
        """Returns how often pairs that arose in the last round stand here: (keys,) int64."""
        return self._new_counts.of(keys)

    def _keep_arisen(self, kept: Keys) -> None:
        if self._arisen is None:
            return
        self._table.enter(kept, np.zeros((kept.size, PAIR_COLUMNS), dtype=np.int64))
        merging = self._merged
        if kept.size:
            _keep_known_pairs(
                merging.stream,
                self._table.keys,
                self._table.values,
                merging.positions,
                merging.scratch,
                self._arisen,
                merging.room,
            )
        for start, end in self._arisen.slices.tolist():
            reuse(merging.room, start, end)
        self._arisen = None

    def documents(self) -> tuple[IntArray, Longs]:
        """Returns the documents as the merges left them, flat ids and offsets; no more merges after that."""
        return self._merged.documents()


@numba.njit(cache=True, nogil=True)
def _slices_of(keys: Keys, pairs: Longs, batch: Longs) -> Longs:
    """Returns where the positions of each pair of a round begin and end: (merges, 2)."""
    slices = np.empty((batch.shape[0], 2), dtype=np.int64)
    for merge in range(batch.shape[0]):
        slot = find_slot(keys, pair_key(batch[merge, 0], batch[merge, 1]))  # an empty one, of no positions, if there is none
        slices[merge, 0], slices[merge, 1] = pairs[slot, SLICE_START], pairs[slot, SLICE_END]
    return slices


@numba.njit(cache=True, nogil=True)
def _merge_all(
    stream: Stream,
    keys: Keys,
    positions: Positions,
    scratch: Scratch,
    batch: Longs,
    arisen: _Arisen,
    log: _Log,
) -> int:
    """Makes the merges of a round; fills `arisen` and the log, and returns how many changes that holds."""
    listed, done = 0, 0
    for merge in range(batch.shape[0]):
        left, right, new = batch[merge, 0], batch[merge, 1], batch[merge, 2]
        candidates = positions[arisen.slices[merge, 0] : arisen.slices[merge, 1]]
        merged, touched_before, touched_after = replace(stream, scratch, candidates, left, right, new)
        for k in range(touched_before + touched_after):
            is_before = k < touched_before
            token = scratch.touched[k] if is_before else scratch.touched_after[k - touched_before]
            broken = scratch.broken_before if is_before else scratch.broken_after
            key = pair_key(token, left) if is_before else pair_key(right, token)
            if token >= batch[0, 2] or keys[find_slot(keys, key)] != EMPTY:  # it arose in this round, or is kept
                log.keys[listed], log.counts[listed] = key, -broken[token]
                listed += 1
            broken[token] = 0
        for neighbours, is_before in ((scratch.before[:merged], True), (scratch.after[:merged], False)):
            for k in range(count_neighbours(stream, scratch, neighbours)):
                token = scratch.touched[k]
                log.keys[listed] = pair_key(token, new) if is_before else pair_key(new, token)
                log.counts[listed] = scratch.counts[token]
                scratch.counts[token] = 0
                listed += 1
        arisen.before[done : done + merged] = scratch.before[:merged]
        arisen.after[done : done + merged] = scratch.after[:merged]
        arisen.merged[merge] = merged
        done += merged
    return listed


@numba.njit(cache=True, nogil=True)
def _keep_known_pairs(
    stream: Stream, keys: Keys, pairs: Longs, positions: Positions, scratch: Scratch, arisen: _Arisen, room: Longs
) -> None:
    """Writes the positions of those of the new pairs that the table holds."""
    done = 0
    for merge in range(arisen.news.size):
        start, merged, kept = arisen.slices[merge, 0], arisen.merged[merge], 0
        starts = positions[start : start + merged]
        before, after = arisen.before[done : done + merged], arisen.after[done : done + merged]
        done += merged
        for neighbours, are_before in ((before, True), (after, False)):
            kept = keep_new_pairs(
                stream, keys, pairs, positions, scratch, starts, neighbours, are_before, arisen.news[merge], 0, kept, room
            )
