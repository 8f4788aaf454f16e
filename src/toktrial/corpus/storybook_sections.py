"""Reads the data files of the storybook corpus: plain text in the folder storybook_data, to be edited by hand.

Stands at the very start of the flow (corpus -> tokenizer -> tokens -> training -> evaluation -> report). It serves
storybook_lexicon.py (words) and storybook_language.py (sentences and plots). A file is a run of sections: a name and a
colon at the margin, then lines that are indented. A line with "#" in front is a comment.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from toktrial.errors import TrialError

DATA_FOLDER: Final = Path(__file__).with_name("storybook_data")

_SECTION_NAME: Final = re.compile(r"([a-z_ ]+):")


class Line(NamedTuple):
    """A line of a data file with single spaces and no indentation, and where it stands."""

    text: str
    place: str


@contextmanager
def blaming(line: Line) -> Iterator[None]:
    """Turns a ValueError about the line into a TrialError that says where the line stands."""
    try:
        yield
    except ValueError as error:
        raise TrialError(f"{line.place}: {error}. Mend the line {line.text!r}") from None


def read_sections(path: Path, with_blank_lines: bool = False) -> dict[str, list[Line]]:
    """The lines of each section of a data file, by the name of the section.

    Raises TrialError for a section without lines or of a name taken, and for a line outside all sections or beyond ASCII.
    """
    sections: dict[str, list[Line]] = {}
    # A byte that is no UTF-8 becomes a character beyond ASCII, which is refused with its line.
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        line = Line(" ".join(text.split()), f"{path}, line {number}")
        if (line.text or with_blank_lines) and not line.text.startswith("#"):
            with blaming(line):
                _add_line(line, text.startswith((" ", "\t")), sections)
    for name, lines in sections.items():
        if not any(line.text for line in lines):
            raise TrialError(f"{path}: the section {name!r} is empty: indent the lines that belong to it, or remove it")
    return sections


def _add_line(line: Line, indented: bool, sections: dict[str, list[Line]]) -> None:
    if not line.text.isascii():
        raise ValueError("there is a letter or mark beyond ASCII, such as an accent or a curly quotation mark")
    if line.text and not indented:
        sections[_new_section(line.text, sections)] = []
    elif sections:
        sections[next(reversed(sections))].append(line)
    elif line.text:
        raise ValueError("an indented line belongs below the name of a section")


def _new_section(text: str, sections: dict[str, list[Line]]) -> str:
    match = _SECTION_NAME.fullmatch(text)
    if match is None:
        raise ValueError("a line at the margin names a section, in small letters and with a colon: indent all others")
    if match[1] in sections:
        raise ValueError(f"there is a section {match[1]!r} above already")
    return match[1]
