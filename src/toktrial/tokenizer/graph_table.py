"""The pair graph as a table for people: its edges as text, with counts and PMI. Behind `toktrial inspect graph`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toktrial.errors import TrialError
from toktrial.tokenizer.tkn import PairGraph

if TYPE_CHECKING:
    import polars as pl

WRITERS = {".csv": "write_csv", ".parquet": "write_parquet"}


def graph_table(graph: PairGraph, token_bytes: Sequence[bytes]) -> "pl.DataFrame":
    """Returns one row per edge, most frequent first: left and right id and text, count, and PMI in bits.

    PMI: log2 of how much more often the pair occurs than its tokens would meet by chance, with the counts of the left token
    before any token and of the right token behind any (Church and Hanks 1990, equation 1).
    """
    import polars as pl

    edges = graph.edges()
    left, right, counts = edges.T
    as_left = np.bincount(left, weights=counts, minlength=len(token_bytes))
    as_right = np.bincount(right, weights=counts, minlength=len(token_bytes))
    pmi = np.log2(counts * counts.sum(dtype=np.float64) / (as_left[left] * as_right[right]))
    texts = np.array([entry.decode(errors="replace") for entry in token_bytes], dtype=object)
    return pl.DataFrame(
        {
            "left": left,
            "right": right,
            "left_text": texts[left].tolist(),
            "right_text": texts[right].tolist(),
            "count": counts,
            "pmi": pmi,
        }
    )


def write_graph_table(table: "pl.DataFrame", path: Path) -> None:
    """Writes the table as .csv or .parquet, by rename. Raises TrialError for another suffix."""
    if path.suffix not in WRITERS:
        raise TrialError(f"{path} ends in {path.suffix!r}: a graph is written as {' or '.join(WRITERS)}")
    partial = path.with_name(f".{path.name}.partial")
    getattr(table, WRITERS[path.suffix])(partial)
    partial.replace(path)
