"""`toktrial inspect`: what a trial's stages made, as text at the terminal or as a file. Changes nothing.

The text may be anybody's, so only printable characters of it reach the terminal.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from toktrial import artifact, progress
from toktrial.commands import Inquiry
from toktrial.commands.terminal import console, print_lines, print_table, utf8_length
from toktrial.errors import TrialError
from toktrial.report.wording import plural, visible
from toktrial.tokenizer.config import TOKENIZERS_FOLDER
from toktrial.trial_folder import TrialFolder

if TYPE_CHECKING:
    import polars as pl
    from rich.tree import Tree

    from toktrial.tokenizer.base import Tokenizer

STANDARD_INPUT = "-"
TOKEN_STYLES = ("black on cyan", "black on yellow")  # in turn; of the 16 colours that every terminal tells apart


@dataclass(frozen=True)
class Graph(Inquiry):
    """Shows the strongest edges of a trial's pair graph: which token follows which, how often, and with what PMI."""

    trial: Path
    """Folder of the trial."""
    primitive: str = "btm_primitive_tokenizer"
    """Name of the primitive tokenizer whose graph is shown."""
    rows: int = 30
    """Edges to show."""
    order: Literal["count", "pmi"] = "count"
    """What makes an edge strong."""
    min_count: int = 1
    """Leave out edges that occur less often; rare ones have the highest PMI."""
    output: Path | None = None
    """A .csv or .parquet file to write all edges to."""

    def find(self) -> "pl.DataFrame":
        """Returns all edges, the strongest first, and writes them to `output` where that is given."""
        import polars as pl

        from toktrial.tokenizer.load import load_tokenizer
        from toktrial.tokenizer.stage import GRAPHS_FOLDER
        from toktrial.tokenizer.tkn import PairGraph, graph_table, write_graph_table

        tokenizer = load_tokenizer(self.trial / TOKENIZERS_FOLDER / self.primitive)
        table = graph_table(PairGraph.load(self.trial / GRAPHS_FOLDER / self.primitive), tokenizer.token_bytes)
        table = table.filter(pl.col("count") >= self.min_count).sort(self.order, descending=True, maintain_order=True)
        if self.output is not None:
            write_graph_table(table, self.output)
            progress.print_line(f"all {len(table):,} edges: {self.output}")
        return table

    def print_found(self, found: "pl.DataFrame") -> None:
        """Prints the strongest edges."""
        print_table(
            f"{self.primitive}: {len(found):,} edges",
            [("left", "right"), ("right", "left"), ("count", "right"), ("PMI (bits)", "right")],
            [
                [repr(row["left_text"]), repr(row["right_text"]), f"{row['count']:,}", f"{row['pmi']:.2f}"]
                for row in found.head(self.rows).iter_rows(named=True)
            ],
        )

    def for_programs(self, found: "pl.DataFrame") -> dict[str, Any]:
        """Returns how many edges there are, and the strongest."""
        return {"primitive": self.primitive, "edges": len(found), "strongest": found.head(self.rows).to_dicts()}


@dataclass(frozen=True)
class Cut:
    """A track's tokens of a text."""

    tokenizer: "Tokenizer"
    ids: list[int]

    @property
    def entries(self) -> list[bytes]:
        return [self.tokenizer.token_bytes[token] for token in self.ids]

    @property
    def plain(self) -> dict[str, Any]:
        """What JSON can hold; bytes of a cut character are escapes."""
        return {"ids": self.ids, "texts": list(map(_text, self.entries))}


@dataclass(frozen=True)
class Tokens(Inquiry):
    """Shows how every track of a trial cuts a text. A token that touches two or more words is underlined."""

    trial: Path
    """Folder of the trial."""
    text: str
    """The text; - for standard input."""
    ids: bool = False
    """Show the tokens' ids as well."""

    def find(self) -> dict[str, Cut]:
        """Returns every track's cut of the text.

        Raises TrialError where the trial has no tokenizers yet, or UTF-8 cannot hold the text.
        """
        text = sys.stdin.buffer.read().decode(errors="surrogateescape") if self.text == STANDARD_INPUT else self.text
        utf8_length(text, "the text")
        return {track: Cut(tokenizer, tokenizer.encode(text)) for track, tokenizer in _tokenizers(self.trial).items()}

    def print_found(self, found: dict[str, Cut]) -> None:
        """Prints every track's cut: in colour at a terminal that has colours, else with a bar between tokens."""
        for track, cut in found.items():
            n_bytes = sum(map(len, cut.entries))
            per_token = f", {n_bytes / len(cut.ids):.2f} bytes per token" if cut.ids else ""
            print_lines(f"{track}: {plural(len(cut.ids), 'token')}{per_token}")
            _print_tokens(cut.entries)
            if self.ids:
                print_lines(" ".join(map(str, cut.ids)))

    def for_programs(self, found: dict[str, Cut]) -> dict[str, Any]:
        """Returns ids and texts of every track's tokens."""
        return {track: cut.plain for track, cut in found.items()}


@dataclass(frozen=True)
class Entry(Inquiry):
    """Shows how every track of a trial built an entry: the merges behind it, down to single bytes."""

    trial: Path
    """Folder of the trial."""
    text: str
    """The entry's text with its spaces, such as " of the"."""

    def find(self) -> dict[str, Cut]:
        """Returns the entry of each track that has it, and how the others cut the text. Raises TrialError as `Tokens` does."""
        utf8_length(self.text, "the text")
        found: dict[str, Cut] = {}
        wanted = self.text.encode()
        for track, tokenizer in _tokenizers(self.trial).items():
            entries = tokenizer.token_bytes
            is_entry = wanted in entries[1:]
            found[track] = Cut(tokenizer, [entries.index(wanted, 1)] if is_entry else tokenizer.encode(self.text))
        return found

    def print_found(self, found: dict[str, Cut]) -> None:
        """Prints every track's tree of merges behind the entry, or how the track cuts the text where that is no entry."""
        for track, cut in found.items():
            if self._is_entry(cut):
                print_lines(f"{track}:")
                console().print(_tree(cut.tokenizer, cut.ids[0]), soft_wrap=True)
            else:
                print_lines(f"{track}: not an entry; the text is cut into")
                _print_tokens(cut.entries)

    def for_programs(self, found: dict[str, Cut]) -> dict[str, Any]:
        """Returns the tree of every track's entry, None where it has none, and the tokens that the text is cut into there."""
        return {
            track: {"entry": _branch(cut.tokenizer, cut.ids[0]), "cut": None}
            if self._is_entry(cut)
            else {"entry": None, "cut": cut.plain}
            for track, cut in found.items()
        }

    def _is_entry(self, cut: Cut) -> bool:
        return cut.entries == [self.text.encode()]


def _tokenizers(folder: Path) -> "dict[str, Tokenizer]":
    from toktrial.tokenizer.load import load_tokenizer

    folders = TrialFolder.open(folder).tokenizer_folders
    for track, of_track in folders.items():
        if not artifact.is_finished(of_track):
            raise TrialError(f"track {track} has no tokenizer in {of_track} yet: `toktrial tokenizers {folder}` makes it")
    return {track: load_tokenizer(of_track) for track, of_track in folders.items()}


def _print_tokens(entries: list[bytes]) -> None:
    from rich.text import Text

    from toktrial.evaluation.words import words_in

    shown, terminal = [_shown(entry) for entry in entries], console()
    if terminal.color_system is None or terminal.no_color:
        return print_lines("|".join(token.replace("|", "\\|") for token in shown))
    line = Text()
    for place, (token, entry) in enumerate(zip(shown, entries, strict=True)):
        line.append(token, TOKEN_STYLES[place % 2] + (" underline" if words_in(entry) > 1 else ""))
    return terminal.print(line, soft_wrap=True)


def _text(entry: bytes) -> str:
    """Returns an entry's text, with escapes for the bytes of a cut character."""
    return entry.decode(errors="backslashreplace")


def _shown(entry: bytes) -> str:
    """Returns an entry's text with visible spaces, and with escapes for what is unprintable or part of a cut character."""
    return visible(_text(entry))


def _branch(tokenizer: "Tokenizer", token: int) -> dict[str, Any]:
    """Returns an entry with the entries that it was merged from, down to single bytes."""
    parts = [_branch(tokenizer, part) for part in tokenizer.parts[token].tolist() if part >= 0]
    return {"id": token, "text": _text(tokenizer.token_bytes[token]), "parts": parts}


def _tree(tokenizer: "Tokenizer", token: int) -> "Tree":
    from rich.text import Text
    from rich.tree import Tree

    parts, entries = tokenizer.parts, tokenizer.token_bytes

    def label(of: int) -> Text:
        return Text(f"{_shown(entries[of])}  (id {of})")

    root = Tree(label(token))
    left = [(root, token)]
    while left:
        branch, of = left.pop()
        left += [(branch.add(label(part)), part) for part in parts[of].tolist() if part >= 0]
    return root
