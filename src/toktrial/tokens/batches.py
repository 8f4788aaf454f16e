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
        self._offsets = split.offsets.astype(np.int64)
        self._epoch = -1
        self._order: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._starts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    @property
    def epoch_tokens(self) -> int:
        """Ids of one pass over the documents, closing ids included."""
        return int(self._offsets[-1])

    @property
    def tokens_per_step(self) -> int:
        return self._batch_size * self._context

    def batch(self, step: int) -> npt.NDArray[np.int64]:
        """Returns the ids of a step, counted from 0: (B, T + 1) int64; the last of a row is the next row's first."""
        return self.rows(step, range(self._batch_size))

    def rows(self, step: int, rows: range) -> npt.NDArray[np.int64]:
        """Returns adjacent rows of a step's batch: (rows, T + 1) int64."""
        ids = self._read(self.place(step, rows), len(rows) * self._context + 1)
        columns = np.arange(len(rows))[:, None] * self._context + np.arange(self._context + 1)
        cut: npt.NDArray[np.int64] = ids[columns]
        return cut

    def place(self, step: int, rows: range) -> int:
        """Returns where in the stream adjacent rows of a step begin; each has T + 1 ids and shares its last with the next."""
        return step * self.tokens_per_step + rows.start * self._context

    def epoch(self, epoch: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Returns an epoch's documents in their order, and where each begins in it (and, last, where the epoch ends)."""
        self._enter_epoch(epoch)
        return self._order, self._starts

    def documents_of(self, step: int) -> npt.NDArray[np.int64]:
        """Returns the indices of the documents that a step's targets touch, in the order of the stream."""
        size = self.tokens_per_step
        place, end = step * size, (step + 1) * size
        touched: list[int] = []
        while place < end:
            epoch, within = divmod(place, self.epoch_tokens)
            self._enter_epoch(epoch)
            rank = int(np.searchsorted(self._starts, within, side="right")) - 1
            touched.append(int(self._order[rank]))
            place = epoch * self.epoch_tokens + int(self._starts[rank + 1])
        return np.array(touched, dtype=np.int64)

    def bytes_read(self, steps: int, entry_bytes: npt.NDArray[np.uint32]) -> int:
        """Returns the UTF-8 bytes of the targets of the first `steps` steps; `entry_bytes` are those of the track's store."""
        epoch, within = divmod(steps * self.tokens_per_step, self.epoch_tokens)
        self._enter_epoch(epoch)
        rank = int(np.searchsorted(self._starts, within, side="right")) - 1
        byte_lengths = self._split.byte_lengths
        whole = epoch * int(byte_lengths.sum(dtype=np.int64)) + int(byte_lengths[self._order[:rank]].sum(dtype=np.int64))
        begun = self._split.document(int(self._order[rank]))[: within - int(self._starts[rank])]
        return whole + int(entry_bytes[begun].sum(dtype=np.int64))

    def last_step_within(self, text_bytes: int, steps: int, entry_bytes: npt.NDArray[np.uint32]) -> int:
        """Returns the last of the steps 0 to `steps` by which no more than `text_bytes` bytes of text have been read."""
        return bisect.bisect_right(range(steps + 1), text_bytes, key=lambda step: self.bytes_read(step, entry_bytes)) - 1

    def _read(self, start: int, count: int) -> npt.NDArray[np.int64]:
        """Returns `count` ids of the stream from `start` on."""
        ids = np.empty(count, dtype=np.int64)
        filled = 0
        if start == 0:
            ids[0] = END_ID
            filled = 1
        while filled < count:
            epoch, within = divmod(start + filled - 1, self.epoch_tokens)  # the leading id 0 shifts all by one
            self._enter_epoch(epoch)
            rank = int(np.searchsorted(self._starts, within, side="right")) - 1
            document = self._split.document(int(self._order[rank]))[within - int(self._starts[rank]) :]
            taken = min(len(document), count - filled)
            ids[filled : filled + taken] = document[:taken]
            filled += taken
        return ids

    def _enter_epoch(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        self._order = document_order(self._split.documents, self._seed, epoch)
        lengths = np.diff(self._offsets)[self._order]
        self._starts = np.concatenate([[0], np.cumsum(lengths)])
        self._epoch = epoch


def document_order(documents: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Returns the permutation of (seed, epoch): document indices (documents,) int64.

    Sorts by the raw output of the Philox bit generator, which NumPy keeps the same from version to version (that of
    `Generator.permutation` it does not promise).
    """
    keys = np.random.Philox(key=np.array([seed, epoch], dtype=np.uint64)).random_raw(documents)
    return np.argsort(keys, kind="stable")
