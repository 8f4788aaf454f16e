"""`toktrial inspect`: looks into what a trial's stages made, as text at the terminal or as a file. Changes nothing.

The pair graph is shown here, tokens and entries in token_inspection.py.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from toktrial import progress
from toktrial.errors import TrialError, nearest_name

if TYPE_CHECKING:
    import polars as pl

SUBJECTS = {
    "graph": "toktrial inspect graph TRIAL",
    "tokens": 'toktrial inspect tokens TRIAL "some text"',
    "entry": 'toktrial inspect entry TRIAL " of the"',
}


@dataclass(frozen=True)
class GraphView:
    """The strongest edges of a trial's pair graph: which token follows which, how often, and with what PMI."""

    trial: Path
    """Folder of the trial."""
    primitive: str = "btm_primitive_tokenizer"
    """Name of the primitive tokenizer whose graph is shown."""
    rows: int = 30
    """Edges shown."""
    order: Literal["count", "pmi"] = "count"
    """What the strongest edges are strongest in."""
    min_count: int = 1
    """Edges that occur less often are left out; rare ones have the highest PMI."""
    output: Path | None = None
    """A .csv or .parquet file that gets all of them."""


def inspect(arguments: list[str]) -> None:
    """Runs `toktrial inspect SUBJECT ...`. Raises TrialError for a subject that there is not."""
    import tyro

    if not arguments or arguments[0] not in SUBJECTS:
        asked = arguments[0] if arguments else ""
        raise TrialError(f"inspect what? {nearest_name(asked, SUBJECTS)} ({'; '.join(SUBJECTS.values())})")
    from toktrial.commands.inspect import EntryView, TokensView, show_entry, show_tokens

    subject, *rest = arguments
    prog, config = f"toktrial inspect {subject}", (tyro.conf.PositionalRequiredArgs, tyro.conf.FlagCreatePairsOff)
    if subject == "graph":
        show_graph(tyro.cli(GraphView, args=rest, prog=prog, config=config))
    elif subject == "tokens":
        show_tokens(tyro.cli(TokensView, args=rest, prog=prog, config=config))
    else:
        show_entry(tyro.cli(EntryView, args=rest, prog=prog, config=config))


def show_graph(view: GraphView) -> None:
    """Prints the strongest edges, and writes all of them to `view.output` where that is named."""
    import polars as pl

    from toktrial.tokenizer.config import TOKENIZERS_FOLDER
    from toktrial.tokenizer.graph_table import graph_table, write_graph_table
    from toktrial.tokenizer.load import load_tokenizer
    from toktrial.tokenizer.stage import GRAPHS_FOLDER
    from toktrial.tokenizer.tkn import PairGraph

    folder = view.trial / GRAPHS_FOLDER / view.primitive
    tokenizer = load_tokenizer(view.trial / TOKENIZERS_FOLDER / view.primitive)
    table = graph_table(PairGraph.load(folder), tokenizer.token_bytes)
    table = table.filter(pl.col("count") >= view.min_count).sort(view.order, descending=True, maintain_order=True)
    _print_edges(table.head(view.rows), f"{view.primitive}: {len(table):,} edges")
    if view.output is not None:
        write_graph_table(table, view.output)
        progress.print_line(f"all {len(table):,} edges: {view.output}")


def _print_edges(table: "pl.DataFrame", title: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for heading, side in (("left", "right"), ("right", "left"), ("count", "right"), ("PMI (bits)", "right")):
        shown.add_column(heading, justify=side)  # type: ignore[arg-type]  # a plain str of rich's literal
    for row in table.iter_rows(named=True):
        left, right = escape(repr(row["left_text"])), escape(repr(row["right_text"]))
        shown.add_row(left, right, f"{row['count']:,}", f"{row['pmi']:.2f}")
    Console(file=sys.stdout, emoji=False).print(shown)
