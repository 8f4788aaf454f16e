"""The merge engine's stream: one array of cells that tokens grow over, in place.

Documents of primitive ids are laid out with a wall before, between and after them. A token of k primitives covers k
cells and its id stands in the first and the last of them, so that both neighbours of a token are one read away and no
links are needed. merge.py drives the engine, merge_kernels.py merges within the cells.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.scopes import NO_TOKEN, Token, WordFlags, may_merge

Cells = npt.NDArray[np.integer[Any]]
Spans = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]


class Stream(NamedTuple):
    """The cells and what it takes to read them."""

    cells: Cells
    """(cells,) uint16, or uint32 for a vocabulary beyond that."""
    span: Spans
    """(vocab_size,) int32: the cells that a token covers."""
    flags: WordFlags
    """What the scope must know of every entry."""
    wall: Any
    """Stands before, between and after documents; of the cells' type, as `stale` is."""
    stale: Any
    """Stands where a right part began that has been merged."""


@numba.njit(cache=True, nogil=True)
def lay_out(cells: Cells, ids: Cells, offsets: Longs, wall: int, entries: int) -> int:
    """Copies documents of ids into the cells, with a wall before, between and after them.

    Returns the first position whose id is none of the entries, where it stops; -1: there is none.
    """
    cell = 0
    for document in range(offsets.size - 1):
        cells[cell] = wall
        cell += 1
        for position in range(offsets[document], offsets[document + 1]):
            if not 0 <= np.int64(ids[position]) < entries:
                return position
            cells[cell] = ids[position]
            cell += 1
    cells[cell] = wall
    return -1


@numba.njit(cache=True, nogil=True)
def count_tokens(cells: Cells, wall: Any, counts: Longs) -> None:
    """Counts every token. Every token is one cell here."""
    for cell in range(cells.size):
        if cells[cell] != wall:
            counts[cells[cell]] += 1


@numba.njit(cache=True, nogil=True)
def compact(cells: Cells, span: Spans, wall: int) -> int:
    """Moves every token into one cell, in order; returns how many cells are left. Spans are 1 afterwards."""
    target = 0
    cell = 0
    while cell < cells.size:
        token = cells[cell]
        cells[target] = token
        target += 1
        cell += 1 if token == wall else span[token]
    span[:] = 1
    return target


@numba.njit(cache=True, nogil=True, inline="always")
def token_at(stream: Stream, cell: Token) -> np.int64:
    """Returns the token that begins or ends in a cell, NO_TOKEN for a wall."""
    token = stream.cells[cell]
    return np.int64(NO_TOKEN) if token == stream.wall else np.int64(token)


@numba.njit(cache=True, nogil=True, inline="always")
def may_merge_at(stream: Stream, cell: int) -> bool:
    """Whether the tokens in this cell and the next are a pair that may merge. Every token is one cell here."""
    if stream.cells[cell] == stream.wall or stream.cells[cell + 1] == stream.wall:
        return False
    if stream.flags.starts.size == 0:
        return True
    left, right = token_at(stream, cell), token_at(stream, cell + 1)
    return may_merge(stream.flags, token_at(stream, cell - 1), left, right, token_at(stream, cell + 2))
