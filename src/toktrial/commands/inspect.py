"""`toktrial inspect tokens` and `entry`: how a trial's tracks cut a text, and how an entry was built. Changes nothing.

The text is anybody's: nothing of it reaches the terminal but printable characters.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toktrial.errors import TrialError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

    from toktrial.tokenizer.base import Tokenizer

STANDARD_INPUT = "-"
TOKEN_STYLES = ("black on cyan", "black on yellow")  # in turn; of the 16 colours that every terminal tells apart


@dataclass(frozen=True)
class TokensView:
    """How every track of a trial cuts a text. A token that touches two or more words is underlined."""

    trial: Path
    """Folder of the trial."""
    text: str
    """The text; - for standard input."""
    ids: bool = False
    """Show the tokens' ids too."""


@dataclass(frozen=True)
class EntryView:
    """How every track of a trial built an entry: the merges behind it, down to single bytes."""

    trial: Path
    """Folder of the trial."""
    text: str
    """The entry's text, its spaces too, such as " of the"."""


def show_tokens(view: TokensView) -> None:
    """Prints every track's cuts of the text.

    In colour at a terminal that has colours, else with a bar between two tokens. Raises TrialError where the trial has no
    tokenizers yet, or the text is no UTF-8.
    """
    text = sys.stdin.buffer.read().decode(errors="surrogateescape") if view.text == STANDARD_INPUT else view.text
    n_bytes = _checked_bytes(text)
    console = _console()
    for track, tokenizer in _tokenizers(view.trial).items():
        ids = tokenizer.encode(text)
        per_token = f", {n_bytes / len(ids):.2f} bytes per token" if ids else ""
        _print_line(console, f"{track}: {len(ids):,} token{'' if len(ids) == 1 else 's'}{per_token}")
        entries = [tokenizer.token_bytes[token] for token in ids]
        _print_tokens(console, [_shown(entry) for entry in entries], entries)
        if view.ids:
            _print_line(console, " ".join(map(str, ids)))


def show_entry(view: EntryView) -> None:
    """Prints every track's tree of merges behind an entry; where it is no entry, how the text is cut instead.

    Raises TrialError as `show_tokens`.
    """
    _checked_bytes(view.text)
    wanted, console = view.text.encode(), _console()
    for track, tokenizer in _tokenizers(view.trial).items():
        entries = tokenizer.token_bytes
        if wanted in entries[1:]:
            _print_line(console, f"{track}:")
            console.print(_tree(tokenizer, entries.index(wanted, 1)), soft_wrap=True)
        else:
            _print_line(console, f"{track}: no entry of its own; the text is cut into")
            cut = [entries[token] for token in tokenizer.encode(view.text)]
            _print_tokens(console, [_shown(entry) for entry in cut], cut)


def _tokenizers(trial: Path) -> "dict[str, Tokenizer]":
    from toktrial import protocol
    from toktrial.artifact import MANIFEST
    from toktrial.tokenizer.config import TOKENIZERS_FOLDER, tokenizer_names
    from toktrial.tokenizer.load import load_tokenizer
    from toktrial.trial import PROTOCOL_FILE

    if not (trial / PROTOCOL_FILE).is_file():
        raise TrialError(f"{trial} is no trial: there is no {PROTOCOL_FILE} in it")
    names = tokenizer_names(protocol.load(trial / PROTOCOL_FILE).tracks)
    folders = {track: trial / TOKENIZERS_FOLDER / name for track, name in names.items()}
    for track, folder in folders.items():
        if not (folder / MANIFEST).is_file():
            raise TrialError(f"track {track} has no tokenizer in {folder} yet: `toktrial tokenizers {trial}` makes it")
    return {track: load_tokenizer(folder) for track, folder in folders.items()}


def _checked_bytes(text: str) -> int:
    from toktrial.corpus.documents import utf8_length

    try:
        return utf8_length(text, "the text")
    except ValueError as error:
        raise TrialError(str(error)) from None


def _console() -> "Console":
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False)


def _print_line(console: "Console", text: str) -> None:
    console.print(text, soft_wrap=True)


def _print_tokens(console: "Console", shown: list[str], entries: list[bytes]) -> None:
    from rich.text import Text

    from toktrial.evaluation.marked_text import words_in

    if console.color_system is None or console.no_color:
        return _print_line(console, "|".join(token.replace("|", "\\|") for token in shown))
    line = Text()
    for place, (token, entry) in enumerate(zip(shown, entries, strict=True)):
        line.append(token, TOKEN_STYLES[place % 2] + (" underline" if words_in(entry) > 1 else ""))
    return console.print(line, soft_wrap=True)


def _shown(entry: bytes) -> str:
    """An entry's text with visible spaces; what is not printable, and bytes of a cut character, as escapes."""
    from toktrial.report.wording import visible

    return visible(entry.decode(errors="backslashreplace"))


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
