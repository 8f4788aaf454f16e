"""The stream, or a shard of it, as merges change it, and the positions of the pairs that may still be merged in it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.merge_kernels import UNUSED, Scratch, new_scratch
from toktrial.tokenizer.merge_rules import WordFlags
from toktrial.tokenizer.pairs import Longs
from toktrial.tokenizer.stream import (
    MOST_THREADS,
    Cells,
    Positions,
    StreamPairs,
    compact,
    count_stream_pairs,
    stream_of,
    strip_walls,
)


class MergedStream:
    """The cells, the positions of pairs, and the working memory of a merge; the kernels write into all of them."""

    def __init__(self, cells: Cells, flags: WordFlags, vocab_size: int, threads: int = MOST_THREADS) -> None:
        """`cells`: laid out by `lay_out_documents`, or `compacted` after some merges; threads: the most that count."""
        self._threads = threads
        self.stream = stream_of(cells, flags, vocab_size)
        self._position_dtype: Any = np.uint32 if cells.size < np.iinfo(np.uint32).max else np.int64
        self.positions: Positions = np.zeros(0, dtype=self._position_dtype)
        self.room: Longs = np.zeros(3, dtype=np.int64)
        self.scratch: Scratch = new_scratch(0, 0, cells.dtype)
        self._is_compact = True

    def compacted(self) -> Cells:
        """Compacts the stream, which makes its positions useless, and returns its cells."""
        stream = self.stream
        if not self._is_compact:
            self.stream = stream._replace(cells=stream.cells[: compact(stream.cells, stream.span, stream.wall)])
            self._is_compact = True
        return self.stream.cells

    def count_pairs(self, entries: int) -> StreamPairs:
        """Compacts the stream and counts its pairs; `entries`: how many ids there are by now."""
        self.positions = self.positions[:0].copy()  # frees what the merges no longer need
        self.compacted()
        return count_stream_pairs(self.stream, entries, self._position_dtype, self._threads)

    def keep(self, found: StreamPairs, kept: npt.NDArray[np.bool_], room: int) -> Longs:
        """Writes the positions of those of the pairs found that are `kept`; returns where their slices begin.

        `room`: for how many more positions there is to be room.
        """
        counts = found.counts[kept]
        kept_positions = int(counts.sum())
        self.positions = np.empty(kept_positions + room, dtype=self._position_dtype)
        self.room = np.array([0, 0, kept_positions], dtype=np.int64)
        self.scratch = new_scratch(int(counts.max(initial=0)), self.stream.span.size, self.stream.cells.dtype)
        return found.write_positions(self.stream, kept, self.positions)

    def has_room(self, positions: int) -> bool:
        """Whether there is room for so many more positions."""
        return bool(self.room[UNUSED] + positions <= self.positions.size)

    def add_entry(self, left: int, right: int, new: int, flags: int) -> None:
        """Makes the new id known, before it is merged."""
        self._is_compact = False
        self.stream.span[new] = self.stream.span[left] + self.stream.span[right]
        if self.stream.flags.size:
            self.stream.flags[new] = flags

    def documents(self) -> tuple[Cells, npt.NDArray[np.int64]]:
        """Returns the documents as the merges left them, and ends: flat ids, in the stream's own memory, and offsets."""
        self.positions = self.positions[:0].copy()  # frees what the merges no longer need
        cells, wall = self.compacted(), self.stream.wall
        walls = np.flatnonzero(cells == wall)
        return cells[: strip_walls(cells, wall)], walls - np.arange(walls.size)
