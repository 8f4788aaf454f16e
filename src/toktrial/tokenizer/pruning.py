"""What becomes of entries that BTM gave back: they still arise on the way to longer ones; what is left of them is cut in two.

btm.py learns with `prune`, encodes with all merges, and then maps the ids here: to those of the entries that were kept.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.base import Ids, Offsets
from toktrial.tokenizer.pairs import IntArray, Longs


class Cuts(NamedTuple):
    """What every id of the merges becomes: itself under its new id, or the parts that were kept."""

    parts: Ids
    """Ids of kept entries, flat."""
    starts: Longs
    """(merged ids + 1,) int64: where each id's parts begin and end in `parts`."""


def cuts_of(pruned: Longs, parts: Longs) -> Cuts:
    """Returns the cuts. pruned: ids that were given back; parts: (merged ids, 2), the two smaller ids that made each."""
    kept_ids = new_ids(pruned, len(parts))
    cut: list[list[int]] = []
    for kept, (left, right) in zip(kept_ids.tolist(), parts.tolist(), strict=True):
        cut.append([kept] if kept >= 0 else cut[left] + cut[right])
    starts = np.cumsum([0, *map(len, cut)])
    return Cuts(np.array([token for tokens in cut for token in tokens], dtype=np.uint32), starts)


def new_ids(pruned: Longs, merged_ids: int) -> Longs:
    """Returns (merged ids,) int64: each kept entry's id among the kept ones, in the same order; -1 for the others.

    >>> new_ids(np.array([1]), 4).tolist()
    [0, -1, 1, 2]
    """
    is_kept = np.ones(merged_ids, dtype=np.bool_)
    is_kept[pruned] = False
    return np.where(is_kept, np.cumsum(is_kept) - 1, -1)


def cut_pruned(ids: IntArray, offsets: Offsets, cuts: Cuts) -> tuple[Ids, Offsets]:
    """Returns documents of merged ids, flat, with offsets (documents + 1,), in the ids of the entries that were kept."""
    lengths = np.diff(cuts.starts)[ids]
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if ends.size else 0
    places: npt.NDArray[np.int64] = np.arange(total) + np.repeat(cuts.starts[ids] - (ends - lengths), lengths)
    return cuts.parts[places], np.concatenate([np.zeros(1, dtype=np.int64), ends])[offsets]
