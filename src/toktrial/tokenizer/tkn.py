"""BTM's second step: TknMiner and SyncStream turn a stream of primitive ids into the pair graph.

    primitive ids -> TknMiner -> TKN tokens -> SyncStream -> PairGraph

All three work on chunks of whole documents, so that a corpus need not fit in memory. A chunk is a flat array of ids and
the offsets (documents + 1,) at which its documents begin and end.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numba
import numpy as np
import numpy.typing as npt

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.progress import Progress
from toktrial.tokenizer.mine_kernels import (
    DOCUMENT,
    EMITTED,
    LAST,
    NAMED,
    NONE,
    PARENT,
    POSITION,
    WINDOW,
    larger,
    mine_until_full,
    new_tree,
)
from toktrial.tokenizer.pairs import (
    EMPTY,
    HALF,
    IntArray,
    Keys,
    Longs,
    PairTable,
    find_slot,
    pair_key,
    parts_of,
)

if TYPE_CHECKING:
    import polars as pl

Window = tuple[int, ...]

DOCUMENTS_AT_ONCE = 10_000  # that are mined between two reports of progress
GRAPH_FILE = "graph.parquet"
EDGE_COLUMNS = ("left", "right", "count")
TABLE_WRITERS = {".csv": "write_csv", ".parquet": "write_parquet"}


class TknMiner:
    """Reads primitive ids and emits TKN tokens: runs of ids that it has met before.

    It grows a window as long as the window is a sequence it knows. Then it emits the window without the newest id, remembers
    that window and its extension, and starts anew at the newest id (the phrases of Lempel and Ziv 1978, kept in a bank of
    limited size). A document's end flushes the window, not the bank. With `max_window` 1, BTM's version 1, every
    primitive is its own TKN token.

    A TKN token of one id has that id, below `first_free_id`. A longer one gets the next free id when it is first emitted;
    `sequences` says what each stands for. It takes about 100 bytes of memory for each different sequence that it has met.
    """

    def __init__(self, first_free_id: int, max_window: int = 1, bank_size: int = 65_536) -> None:
        """`bank_size`: sequences remembered, the least recently met forgotten first; `max_window`: ids in a window."""
        if max_window < 1 or bank_size < 1:
            raise TrialError(f"max_window and bank_size must be at least 1, but are {max_window} and {bank_size}")
        self.max_window = max_window
        self.bank_size = bank_size
        self._first_free_id = first_free_id
        self._tree, self._state = new_tree(first_free_id)

    @property
    def sequences(self) -> dict[int, Window]:
        """What every token of more than one id stands for, by its id."""
        named = int(self._state[NAMED])
        return {token: self.sequence(token) for token in range(self._first_free_id, self._first_free_id + named)}

    def sequence(self, token: int) -> Window:
        """Returns the ids that a token emitted so far stands for."""
        node = token if token < self._first_free_id else int(self._tree.named[token - self._first_free_id])
        ids: list[int] = []
        while node >= 0:
            ids.append(int(self._tree.nodes[node, LAST]))
            node = int(self._tree.nodes[node, PARENT])
        return tuple(reversed(ids))

    def mine(self, ids: IntArray, offsets: IntArray) -> tuple[IntArray, IntArray]:
        """Returns the TKN tokens of a chunk, flat, and the offsets of its documents in them."""
        if self.max_window == 1:
            return ids, offsets
        return self._mine(ids, np.ascontiguousarray(offsets, dtype=np.int64))

    def mine_in_parts(
        self, ids: IntArray, offsets: IntArray, on_progress: Progress | None = None
    ) -> Iterator[tuple[IntArray, IntArray]]:
        """Yields the same of many documents, chunk by chunk; on_progress is told the ids read."""
        for first in range(0, offsets.size - 1, DOCUMENTS_AT_ONCE):
            chunk = offsets[first : first + DOCUMENTS_AT_ONCE + 1]
            yield self.mine(ids, chunk)
            if on_progress:
                on_progress.update(int(chunk[-1]))

    def _mine(self, ids: IntArray, offsets: Longs) -> tuple[Longs, Longs]:
        tokens, token_offsets = np.empty(int(offsets[-1] - offsets[0]), dtype=np.int64), np.zeros_like(offsets)
        self._state[[DOCUMENT, POSITION, WINDOW, EMITTED]] = 0, 0, NONE, 0
        limits = self.max_window, self.bank_size, self._first_free_id
        while not mine_until_full(self._tree, self._state, ids, offsets, tokens, token_offsets, *limits):
            self._tree = larger(self._tree)
        return tokens[: self._state[EMITTED]], token_offsets

    def windows(self, document: list[int]) -> list[Window]:
        """Returns the windows that a document of primitive ids is cut into."""
        tokens, _ = self._mine(np.array(document, dtype=np.int64), np.array([0, len(document)]))
        return [self.sequence(token) for token in tokens.tolist()]


class PairGraph:
    """The directed graph of adjacent token ids: (left id, right id) -> how often, in 64-bit counts."""

    def __init__(self) -> None:
        self._table = PairTable()

    def __len__(self) -> int:
        """Number of different pairs."""
        return self._table.used

    def add(self, ids: IntArray, offsets: IntArray) -> None:
        """Counts the adjacent pairs of a chunk of documents: ids flat, any integer dtype; offsets (documents + 1,)."""
        walls: Longs = np.ascontiguousarray(offsets, dtype=np.int64)
        table, document, position = self._table, 0, 0
        while document < walls.size - 1:
            table.make_room(1)
            table.used, document, position = _count_until_half_full(
                table.keys, table.values, table.used, ids, walls, document, position
            )

    def count(self, left: int, right: int) -> int:
        """Returns how often the pair was met; 0 for one that never was."""
        return int(self._table.of(np.array([left << 32 | right], dtype=np.uint64))[0])

    def edges(self) -> npt.NDArray[np.int64]:
        """Returns all pairs as (pairs, 3) int64: left, right, count; most frequent first, ties by left, then right."""
        keys, counts = self._table.all()
        order = np.lexsort((keys, -counts))
        return np.stack([*parts_of(keys[order]), counts[order]], axis=1)

    def save(self, folder: Path) -> None:
        """Writes graph.parquet with the columns left, right, count, most frequent first, into an existing folder."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(dict(zip(EDGE_COLUMNS, self.edges().T, strict=True)))
        pq.write_table(table, folder / GRAPH_FILE, compression="zstd")

    @classmethod
    def load(cls, folder: Path) -> "PairGraph":
        """Reads what `save` wrote. Raises TrialError if there is no graph."""
        import pyarrow.parquet as pq

        path = folder / GRAPH_FILE
        if not path.is_file():
            raise TrialError(f"there is no pair graph at {path}: run the tokenizers stage")
        table = pq.read_table(path)
        left, right, counts = (table.column(name).to_numpy() for name in EDGE_COLUMNS)
        graph = cls()
        graph._table.enter(left.astype(np.uint64) << HALF | right.astype(np.uint64), counts.reshape(-1, 1))
        return graph


@numba.njit(cache=True, nogil=True)
def _count_until_half_full(
    keys: Keys, counts: Longs, used: int, ids: IntArray, offsets: Longs, document: int, position: int
) -> tuple[int, int, int]:
    """Counts pairs from `document` on, in it from `position` on, until the end or until the table is half full.

    Returns the slots used and the document and position to go on from. A position before a document is its start.
    """
    limit = keys.size // 2
    while document < offsets.size - 1:
        position = max(position, offsets[document])
        while position + 1 < offsets[document + 1]:
            key = pair_key(ids[position], ids[position + 1])
            slot = find_slot(keys, key)
            if keys[slot] == EMPTY:
                if used >= limit:
                    return used, document, position
                keys[slot] = key
                used += 1
            counts[slot, 0] += 1
            position += 1
        document += 1
    return used, document, position


class SyncStream:
    """Takes TKN tokens in order and adds every adjacent pair within a document to a pair graph, chunk by chunk."""

    def __init__(self, graph: PairGraph) -> None:
        self.graph = graph
        self.documents = 0
        self.tokens = 0

    def feed(self, tokens: IntArray, offsets: IntArray) -> None:
        """Adds a chunk of whole documents: tokens flat; offsets (documents + 1,) into them."""
        self.graph.add(tokens, offsets)
        self.documents += len(offsets) - 1
        self.tokens += int(offsets[-1] - offsets[0])


def graph_table(graph: PairGraph, token_bytes: Sequence[bytes]) -> "pl.DataFrame":
    """Returns one row per edge, most frequent first: left and right id and text, count, and PMI in bits.

    PMI: log2 of how much more often the pair occurs than its tokens would meet by chance, with the counts of the left token
    before any token and of the right token behind any (Church and Hanks 1990, equation 1).
    """
    import polars as pl

    left, right, counts = graph.edges().T
    as_left = np.bincount(left, weights=counts, minlength=len(token_bytes))
    as_right = np.bincount(right, weights=counts, minlength=len(token_bytes))
    texts = np.array([entry.decode(errors="replace") for entry in token_bytes], dtype=object)
    return pl.DataFrame(
        {
            "left": left,
            "right": right,
            "left_text": texts[left].tolist(),
            "right_text": texts[right].tolist(),
            "count": counts,
            "pmi": np.log2(counts * counts.sum(dtype=np.float64) / (as_left[left] * as_right[right])),
        }
    )


def write_graph_table(table: "pl.DataFrame", path: Path) -> None:
    """Writes the table as .csv or .parquet, by rename. Raises TrialError for another suffix."""
    if path.suffix not in TABLE_WRITERS:
        raise TrialError(f"{path} ends in {path.suffix!r}: name a file that ends in {' or '.join(TABLE_WRITERS)}")
    with artifact.publish_file(path) as partial:
        getattr(table, TABLE_WRITERS[path.suffix])(partial)
