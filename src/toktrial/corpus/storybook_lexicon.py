"""The vocabulary of the storybook corpus, read from the folder storybook_data: every word with its forms.

The data files are plain text, to be edited by hand. A file is a run of sections: a name and a colon at the margin, then
indented lines. A line that starts with "#" is a comment. storybook.py looks up here what its patterns name.
"""

import re
from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import chain, cycle
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, TypeVar

from toktrial.errors import TrialError

Row: TypeAlias = dict[str, str]
"""A word under "", and each other form of it under the form's name."""
Column: TypeAlias = tuple[str, ...]
Forms: TypeAlias = dict[str, Column]
"""The rows of a list or table, column by column."""
Parsed = TypeVar("Parsed")

DATA_FOLDER: Final = Path(__file__).with_name("storybook_data")


# --- lines of the data files --------------------------------------------------------------------------------------

_SECTION_NAME: Final = re.compile(r"([a-z_ ]+):")


class Line(NamedTuple):
    """A line of a data file with single spaces and no indentation, and where it stands."""

    text: str
    place: str

    def error(self, problem: object) -> TrialError:
        return TrialError(f"{self.place}: {problem}. Mend the line {self.text!r}")


def read_sections(path: Path, with_blank_lines: bool = False) -> dict[str, list[Line]]:
    """The lines of each section of a data file, by the name of the section.

    Raises TrialError for an empty section, a name that is taken, a line outside all sections or a character beyond ASCII.
    """
    sections: dict[str, list[Line]] = {}
    section: list[Line] = []
    # A byte that is not UTF-8 becomes a character beyond ASCII, which is refused with its line.
    for number, written in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        line = Line(" ".join(written.split()), f"{path}, line {number}")
        if line.text.startswith("#") or not (line.text or with_blank_lines):
            continue
        if not line.text.isascii():
            raise line.error("there is a letter or mark beyond ASCII, such as an accent or a curly quotation mark")
        if line.text and not written[0].isspace():
            section = sections[_new_section(line, sections)] = []
        elif line.text and not sections:
            raise line.error("an indented line belongs below the name of a section")
        else:
            section.append(line)
    for name, lines in sections.items():
        if not any(line.text for line in lines):
            raise TrialError(f"{path}: the section {name!r} is empty: indent the lines that belong to it, or remove it")
    return sections


def _new_section(line: Line, sections: dict[str, list[Line]]) -> str:
    match = _SECTION_NAME.fullmatch(line.text)
    if match is None:
        raise line.error("a line at the margin names a section, in small letters and with a colon: indent all others")
    if match[1] in sections:
        raise line.error(f"there is a section {match[1]!r} above already")
    return match[1]


def parsed(lines: Iterable[Line], parse: Callable[[str], Parsed]) -> list[Parsed]:
    """What `parse` makes of each line. Its ValueError becomes a TrialError that says where the line stands."""
    results = []
    for line in lines:
        try:
            results.append(parse(line.text))
        except ValueError as error:
            raise line.error(error) from None
    return results


# --- word forms ---------------------------------------------------------------------------------------------------

VOWELS: Final = "aeiou"
SPOKEN_WITH_CONSONANT: Final = ("uni", "use", "usu", "one", "eu", "uku")
SPOKEN_WITH_VOWEL: Final = ("hour", "honest", "heir", "X-ray")


def with_article(words: str) -> str:
    """The words after "a" or "an", by the sound they start with."""
    vowel = words[0].lower() in VOWELS and not words.lower().startswith(SPOKEN_WITH_CONSONANT)
    return ("an " if vowel or words.startswith(SPOKEN_WITH_VOWEL) else "a ") + words


def capitalized(words: str) -> str:
    """The words with a capital first letter and the rest untouched."""
    return words[:1].upper() + words[1:]


# What a slot of a pattern may ask for beside a form.
DRESSES: Final[dict[str, Callable[[str], str]]] = {
    "": str,
    "a": with_article,
    "A": lambda words: capitalized(with_article(words)),
    "capital": capitalized,
}


def plural(noun: str) -> str:
    """The regular English plural; irregular ones are given in nouns.txt."""
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in VOWELS:
        return noun[:-1] + "ies"
    return noun + "s"


def _doubles_last_letter(verb: str) -> bool:
    """Whether a verb of one syllable doubles its last letter, as "hop" does in "hopping"."""
    sounds = "".join("v" if letter in VOWELS else "c" for letter in verb)
    return sounds.endswith("cvc") and sounds.count("v") == 1 and verb[-1] not in "wxy"


def past_tense(verb: str) -> str:
    """The regular past tense of a verb of one word."""
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in VOWELS:
        return verb[:-1] + "ied"
    return verb + (verb[-1] if _doubles_last_letter(verb) else "") + "ed"


def ing_form(verb: str) -> str:
    """The regular -ing form of a verb of one word."""
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if _doubles_last_letter(verb) else "") + "ing"


def _verb_forms(words: str) -> list[str]:
    verb, space, particle = words.partition(" ")
    return [words, past_tense(verb) + space + particle, ing_form(verb) + space + particle]


# --- lists and tables ---------------------------------------------------------------------------------------------

# For each file of lists: the forms of its words, and the rule for an entry that does not give them after slashes.
FILES_OF_LISTS: Final[dict[str, tuple[list[str], Callable[[str], list[str]]]]] = {
    "words.txt": ([""], lambda words: [words]),
    "nouns.txt": (["", "s"], lambda noun: [noun, plural(noun)]),
    "verbs.txt": (["", "ed", "ing"], _verb_forms),
}

# A name goes with every fifth species only: all combinations would slow down the import for little gain.
SPECIES_STEP: Final = 5
HE: Final[Row] = {"he": "he", "him": "him", "his": "his", "himself": "himself"}
SHE: Final[Row] = {"he": "she", "him": "her", "his": "her", "himself": "herself"}
HUMAN: Final = {"hand": "hand", "hands": "hands", "feet": "feet"}
ANIMAL: Final = {"folk": "animals", "hand": "paw", "hands": "paws", "feet": "paws"}
HOMES: Final = ("house", "cottage", "farmhouse", "cabin", "tall house", "brick house")


class Lexicon:
    """The words of the data files: `lists` has the forms of every list and table, by its name.

    Raises TrialError for a line that is malformed.
    """

    def __init__(self, folder: Path = DATA_FOLDER) -> None:
        self.lists: dict[str, Forms] = {}
        for file, (forms, regular) in FILES_OF_LISTS.items():
            for name, lines in read_sections(folder / file).items():
                rows = parsed(lines, partial(_rows_of_list, forms=forms, regular=regular))
                self.lists[name] = _columns(list(chain.from_iterable(rows)))
        for name, (header, *lines) in read_sections(folder / "tables.txt").items():
            if not lines:
                raise header.error("the first line of a table names its columns, and there are no rows below this one")
            forms = ["", *_cells(header.text)[1:]]
            self.lists[name] = _columns(parsed(lines, partial(_row_of_table, forms=forms)))
        self.lists |= {name: _columns(rows) for name, rows in self._actors().items()}

    def column(self, words: str, form: str = "", dress: str = "") -> Column:
        """The words of a list in one form, dressed; raises TrialError where there is no such list or form."""
        if words not in self.lists:
            raise TrialError(f"the data files of the storybook have no list or table {words!r}")
        forms = self.lists[words]
        if form not in forms:
            known = ", ".join(filter(None, forms)) or "no forms but itself"
            raise TrialError(f"the list or table {words!r} has no form {form!r}, it has {known}")
        return _dressed(forms[form], dress)

    def _actors(self) -> dict[str, list[Row]]:
        """Those who act in the stories, with their pronouns and what else a story says of them."""
        children = _with_pronouns(self.column("boy_name"), self.column("girl_name"))
        pets = _with_pronouns(self.column("boy_pet_name"), self.column("girl_pet_name"))
        species = list(zip(self.column("species"), self.column("species", "home"), strict=True))
        elders = zip(self.column("elder"), self.column("elder", "he"), strict=True)
        return {
            "child": [
                {"": name, "kind": "boy" if of is HE else "girl", "folk": "children", "home": home, **HUMAN, **of}
                for (name, of), home in zip(children, cycle(HOMES), strict=False)
            ],
            "knight": [
                {"": name, "kind": "knight", "folk": "people", "home": "castle", **HUMAN, **of} for name, of in children
            ],
            "critter": [
                {"": name, "kind": kind, "home": home, **ANIMAL, **of}
                for number, (name, of) in enumerate(pets)
                for kind, home in (species[(number + step) % len(species)] for step in range(0, len(species), SPECIES_STEP))
            ],
            "elder": [{"": name, **(HE if gender == "he" else SHE)} for name, gender in elders],
            **{
                words: [{"": name, **of} for name, of in _with_pronouns(self.column(words), self.column(words))]
                for words in ("stranger", "old_animal")
            },
        }


def entries(text: str) -> list[str]:
    """The entries of a line of a list: what stands between its commas."""
    return [entry.strip() for entry in text.removesuffix(",").split(",")]


def _rows_of_list(text: str, forms: list[str], regular: Callable[[str], list[str]]) -> list[Row]:
    return [_row(entry.split("/") if "/" in entry else regular(entry), forms) for entry in entries(text)]


def _row_of_table(text: str, forms: list[str]) -> Row:
    return _row(_cells(text), forms)


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.split("|")]


def _row(cells: list[str], forms: list[str]) -> Row:
    if len(cells) != len(forms) or not all(cells):
        raise ValueError(f"{' | '.join(cells)!r} should give {len(forms)} forms and gives {sum(map(bool, cells))}")
    return dict(zip(forms, cells, strict=True))


def _columns(rows: list[Row]) -> Forms:
    return {form: tuple(row[form] for row in rows) for form in rows[0]}


@cache
def _dressed(column: Column, dress: str) -> Column:
    return tuple(map(DRESSES[dress], column))


def _with_pronouns(men: Column, women: Column) -> list[tuple[str, Row]]:
    return [(name, HE) for name in men] + [(name, SHE) for name in women]
