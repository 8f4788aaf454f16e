"""Brings the rows of each step to the device: gathered there where the ids fit, else read ahead into pinned memory.

What a step reads is `Batches`' to say; every feed here gives the same ids, and none waits for the device.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from toktrial.tokens.batches import Batches
from toktrial.tokens.store import END_ID, TokenSplit

LARGEST_SHARE = 0.25  # of the device's free memory that ids may take
BYTES_PER_DOCUMENT = 4 * 8  # offsets, order, starts and the search among them, in int64

Feed = Callable[[int], Tensor]
"""Returns the ids of a step, counted from 0, on the device: (rows, T + 1) int64."""


def make_feed(batches: Batches, split: TokenSplit, rows: range, context: int, device: torch.device) -> Feed:
    """Returns what brings these rows of every step to the device."""
    if device.type == "cpu":
        return lambda step: torch.from_numpy(batches.rows(step, rows))
    if split.ids.nbytes + BYTES_PER_DOCUMENT * split.documents <= LARGEST_SHARE * _free_bytes(device):
        return ResidentFeed(batches, split, rows, context, device)
    return PrefetchingFeed(batches, rows, device)


class ResidentFeed:
    """All ids of the split stay on the device, in the two or four bytes each that they have on disk."""

    def __init__(self, batches: Batches, split: TokenSplit, rows: range, context: int, device: torch.device) -> None:
        self._batches, self._rows, self._context, self._device = batches, rows, context, device
        # Few devices compute with unsigned integers, and all can gather signed ones of the same bits.
        signed = split.ids.dtype.str.replace("u", "i")
        self._ids = torch.from_numpy(np.array(split.ids).view(signed)).to(device)
        self._bits = (1 << 8 * split.ids.itemsize) - 1
        self._offsets = split.offsets.astype(np.int64)
        self._epoch = -1
        self._starts = self._shifts = torch.zeros(0)

    def __call__(self, step: int) -> Tensor:
        place, count = self._batches.place(step, self._rows), len(self._rows) * self._context + 1
        parts = []
        if place == 0:
            parts.append(torch.full((1,), END_ID, dtype=torch.int64, device=self._device))
            place, count = 1, count - 1
        while count:
            epoch, within = divmod(place - 1, self._batches.epoch_tokens)  # the leading id 0 shifts all by one
            taken = min(count, self._batches.epoch_tokens - within)
            parts.append(self._gather(epoch, within, taken))
            place, count = place + taken, count - taken
        # Rows overlap by the one id that ends the first and begins the second.
        return torch.cat(parts).unfold(0, self._context + 1, self._context).contiguous()

    def _gather(self, epoch: int, within: int, count: int) -> Tensor:
        """Returns `count` ids of an epoch from `within` on: (count,) int64."""
        if epoch != self._epoch:
            order, starts = self._batches.epoch(epoch)
            self._starts = torch.from_numpy(starts).to(self._device)
            self._shifts = torch.from_numpy(self._offsets[order] - starts[:-1]).to(self._device)
            self._epoch = epoch
        places = torch.arange(within, within + count, device=self._device)
        ranks = torch.searchsorted(self._starts, places, right=True) - 1
        return self._ids[self._shifts[ranks] + places].to(torch.int64) & self._bits


class PrefetchingFeed:
    """Reads one step ahead in a thread; the copy to the device goes on while the device computes."""

    def __init__(self, batches: Batches, rows: range, device: torch.device) -> None:
        self._batches, self._rows, self._device = batches, rows, device
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ahead: tuple[int, Future[Tensor]] | None = None

    def __call__(self, step: int) -> Tensor:
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = step, self._reader.submit(self._read, step)
        ids = self._ahead[1].result()
        self._ahead = step + 1, self._reader.submit(self._read, step + 1)
        return ids.to(self._device, non_blocking=True)

    def _read(self, step: int) -> Tensor:
        ids = torch.from_numpy(self._batches.rows(step, self._rows))
        return ids.pin_memory() if self._device.type == "cuda" else ids


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
