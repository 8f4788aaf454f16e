"""The vocabulary of the storybook corpus, every word with its forms: plurals, past tenses, articles, pronouns.

Stands at the very start of the flow (corpus -> tokenizer -> tokens -> training -> evaluation -> report). It reads the
lists and tables in the folder storybook_data; storybook_language.py looks up in it what its patterns name.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from toktrial.corpus.storybook_sections import DATA_FOLDER, Line, blaming, read_sections
from toktrial.errors import TrialError

Column: TypeAlias = tuple[str, ...]
Forms: TypeAlias = dict[str, Column]


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


# --- the data files -----------------------------------------------------------------------------------------------


def entries(text: str) -> list[str]:
    """The entries of a line of a list: what stands between its commas."""
    return [entry.strip() for entry in text.removesuffix(",").split(",")]


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.split("|")]


def _regular_verb(words: str) -> list[str]:
    verb, space, particle = words.partition(" ")
    return [words, past_tense(verb) + space + particle, ing_form(verb) + space + particle]


# For each file of lists: the forms of its words, and the rule for an entry that does not give them after slashes.
FILES_OF_LISTS: Final[dict[str, tuple[Column, Callable[[str], list[str]]]]] = {
    "words.txt": (("",), lambda words: [words]),
    "nouns.txt": (("", "s"), lambda noun: [noun, plural(noun)]),
    "verbs.txt": (("", "ed", "ing"), _regular_verb),
}


def _forms(names: Column, lines: Sequence[Line], rows_of: Callable[[str], list[list[str]]]) -> Forms:
    rows = []
    for line in lines:
        with blaming(line):
            rows += [_complete(row, names) for row in rows_of(line.text)]
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _complete(row: list[str], names: Column) -> list[str]:
    if len(row) != len(names) or not all(row):
        raise ValueError(f"{' | '.join(row)!r} should give {len(names)} forms and gives {sum(map(bool, row))}")
    return row


def _list_forms(file: str, lines: list[Line]) -> Forms:
    names, regular = FILES_OF_LISTS[file]
    return _forms(names, lines, lambda text: [e.split("/") if "/" in e else regular(e) for e in entries(text)])


def _table_forms(header: Line, *rows: Line) -> Forms:
    with blaming(header):
        if not rows:
            raise ValueError("the first line of a table names its columns, and there are no rows below this one")
    return _forms(("", *_cells(header.text)[1:]), rows, lambda text: [_cells(text)])


def column_of(lexicon: dict[str, Forms], words: str, form: str = "") -> Column:
    """The words of a list in one form; raises TrialError where there is no such list or form."""
    if words not in lexicon:
        raise TrialError(f"the data files of the storybook have no list or table {words!r}")
    if form not in lexicon[words]:
        known = ", ".join(filter(None, lexicon[words])) or "no forms but itself"
        raise TrialError(f"the list or table {words!r} has no form {form!r}, it has {known}")
    return lexicon[words][form]


# --- people and animals -------------------------------------------------------------------------------------------

# A name goes with every fifth species only: all combinations would slow down the import for little gain.
SPECIES_STEP: Final = 5
HE_FORMS: Final = {"he": "he", "him": "him", "his": "his", "himself": "himself"}
SHE_FORMS: Final = {"he": "she", "him": "her", "his": "her", "himself": "herself"}


def _with_pronouns(forms: Forms, genders: Column) -> Forms:
    """The forms of some people, with the pronouns of each by its gender, "he" or "she"."""
    chosen = [HE_FORMS if gender == "he" else SHE_FORMS for gender in genders]
    return forms | {form: tuple(pronouns[form] for pronouns in chosen) for form in HE_FORMS}


def _either_gender(words: Column) -> Forms:
    return _with_pronouns({"": words * 2}, ("he",) * len(words) + ("she",) * len(words))


def _children(boys: Column, girls: Column, kinds: tuple[str, str], folk: str, homes: Column) -> Forms:
    names, size = (*boys, *girls), len(boys) + len(girls)
    genders = ("he",) * len(boys) + ("she",) * len(girls)
    forms = {
        "": names,
        "kind": (kinds[0],) * len(boys) + (kinds[1],) * len(girls),
        "folk": (folk,) * size,
        "home": tuple(homes[i % len(homes)] for i in range(size)),
        "hand": ("hand",) * size,
        "hands": ("hands",) * size,
        "feet": ("feet",) * size,
    }
    return _with_pronouns(forms, genders)


def _critters(boys: Column, girls: Column, species: Column, homes: Column) -> Forms:
    """Animals that talk and walk as children do: every name with a few species."""
    names, kinds = (*boys, *girls), len(species)
    steps = range(0, kinds, SPECIES_STEP)
    kind_of_row = [(number + step) % kinds for number in range(len(names)) for step in steps]
    forms = {
        "": tuple(name for name in names for _ in steps),
        "kind": tuple(species[kind] for kind in kind_of_row),
        "home": tuple(homes[kind] for kind in kind_of_row),
        "folk": ("animals",) * len(kind_of_row),
        "hand": ("paw",) * len(kind_of_row),
        "hands": ("paws",) * len(kind_of_row),
        "feet": ("paws",) * len(kind_of_row),
    }
    return _with_pronouns(forms, ("he",) * (len(boys) * len(steps)) + ("she",) * (len(girls) * len(steps)))


def read_lexicon(folder: Path = DATA_FOLDER) -> dict[str, Forms]:
    """The forms of every list and table in a folder of data files; raises TrialError for a line that is malformed."""
    lexicon: dict[str, Forms] = {}
    for file in FILES_OF_LISTS:
        lexicon |= {name: _list_forms(file, lines) for name, lines in read_sections(folder / file).items()}
    lexicon |= {name: _table_forms(*lines) for name, lines in read_sections(folder / "tables.txt").items()}
    return lexicon | _people(lexicon)


def _people(lexicon: dict[str, Forms]) -> dict[str, Forms]:
    """The lists of those who act in the stories, with their pronouns."""
    boys, girls = column_of(lexicon, "boy_name"), column_of(lexicon, "girl_name")
    boy_pets, girl_pets = column_of(lexicon, "boy_pet_name"), column_of(lexicon, "girl_pet_name")
    homes = ("house", "cottage", "farmhouse", "cabin", "tall house", "brick house")
    return {
        "child": _children(boys, girls, ("boy", "girl"), "children", homes),
        "knight": _children(boys, girls, ("knight", "knight"), "people", ("castle",)),
        "critter": _critters(boy_pets, girl_pets, column_of(lexicon, "species"), column_of(lexicon, "species", "home")),
        "elder": _with_pronouns(lexicon["elder"], column_of(lexicon, "elder", "he")),
        "stranger": _either_gender(column_of(lexicon, "stranger")),
        "old_animal": _either_gender(column_of(lexicon, "old_animal")),
    }
