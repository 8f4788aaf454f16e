"""Which ids a training step reads: a pure function of (seed, step), so that resuming needs no state.

    stream = id 0, then the documents, each with its closing 0, in the permutation of (seed, epoch), epoch after epoch

Row b of step s reads the T + 1 ids from (s*B + b)*T on: its inputs are the first T, its targets the last T. The
permutation does not depend on the tokenizer, so every track reads the same stories in the same order.
"""

import bisect

import numpy as np
import numpy.typing as npt

from toktrial.tokens.store import END_ID, TokenSplit


class Batches:
    """Batches of a split's stream: B rows of T positions."""

    def __init__(self, split: TokenSplit, seed: int, batch_size: int, context: int) -> None:
        self._split = split
        self._seed = seed
        self._batch_size = batch_size
        self._context = context
        self._lengths = np.diff(split.offsets.astype(np.int64))
        self._epoch = -1
        self._order: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._starts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    @property
    def epoch_tokens(self) -> int:
        """Ids of one pass over the documents, closing ids included."""
        return int(self._split.offsets[-1])

    @property
    def tokens_per_step(self) -> int:
        return self._batch_size * self._context

    def batch(self, step: int) -> npt.NDArray[np.int64]:
        """Returns the ids of a step, counted from 0: (B, T + 1) int64; the last of a row is the next row's first."""
        return self.rows(step, range(self._batch_size))

    def rows(self, step: int, rows: range) -> npt.NDArray[np.int64]:
        """Returns adjacent rows of a step's batch: (rows, T + 1) int64."""
        start = step * self.tokens_per_step + rows.start * self._context
        ids = self._read(start, len(rows) * self._context + 1)
        columns = np.arange(len(rows))[:, None] * self._context + np.arange(self._context + 1)
        cut: npt.NDArray[np.int64] = ids[columns]
        return cut

    def documents_of(self, step: int) -> npt.NDArray[np.int64]:
        """Returns the indices of the documents that a step's targets touch, in the order of the stream."""
        place, end = step * self.tokens_per_step, (step + 1) * self.tokens_per_step
        touched: list[int] = []
        while place < end:
            _, rank, within = self._locate(place)
            touched.append(int(self._order[rank]))
            place += int(self._lengths[touched[-1]]) - within
        return np.array(touched, dtype=np.int64)

    def bytes_read(self, steps: int, entry_bytes: npt.NDArray[np.uint32]) -> int:
        """Returns the UTF-8 bytes of the targets of the first `steps` steps; `entry_bytes` are those of the track's store."""
        epoch, rank, within = self._locate(steps * self.tokens_per_step)
        byte_lengths = self._split.byte_lengths
        whole = epoch * int(byte_lengths.sum(dtype=np.int64)) + int(byte_lengths[self._order[:rank]].sum(dtype=np.int64))
        begun = self._split.document(int(self._order[rank]))[:within]
        return whole + int(entry_bytes[begun].sum(dtype=np.int64))

    def last_step_within(self, text_bytes: int, steps: int, entry_bytes: npt.NDArray[np.uint32]) -> int:
        """Returns the last of the steps 0 to `steps` after which no more than `text_bytes` bytes of text have been read."""
        return bisect.bisect_right(range(steps + 1), text_bytes, key=lambda step: self.bytes_read(step, entry_bytes)) - 1

    def _read(self, start: int, count: int) -> npt.NDArray[np.int64]:
        """Returns `count` ids of the stream from `start` on."""
        ids = np.empty(count, dtype=np.int64)
        filled = 0
        if start == 0:
            ids[0] = END_ID
            filled = 1
        while filled < count:
            _, rank, within = self._locate(start + filled - 1)  # the leading id 0 shifts all by one
            document = self._split.document(int(self._order[rank]))[within:]
            taken = min(len(document), count - filled)
            ids[filled : filled + taken] = document[:taken]
            filled += taken
        return ids

    def _locate(self, place: int) -> tuple[int, int, int]:
        """Returns the epoch of a place in the stream (not counting the leading id 0), its document's rank, its place in that.

        `_order` and `_starts` are then those of that epoch.
        """
        epoch, within = divmod(place, self.epoch_tokens)
        if epoch != self._epoch:
            self._order = document_order(self._split.documents, self._seed, epoch)
            self._starts = np.concatenate([[0], np.cumsum(self._lengths[self._order])])
            self._epoch = epoch
        rank = int(np.searchsorted(self._starts, within, side="right")) - 1
        return epoch, rank, within - int(self._starts[rank])


def document_order(documents: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Returns the permutation of (seed, epoch): document indices (documents,) int64.

    Sorts by the raw output of the Philox bit generator, which NumPy keeps the same from version to version; it does not
    promise that for `Generator.permutation`.
    """
    keys = np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)).random_raw(documents)
    return np.argsort(keys, kind="stable")
