"""The vocabulary of the storybook corpus, every word with its forms: plurals, past tenses, articles, pronouns.

Stands at the very start of the flow (corpus -> tokenizer -> tokens -> training -> evaluation -> report). It reads the
lists of storybook_words.py; storybook_language.py looks up in it what its patterns name.
"""

from typing import Final, TypeAlias

from toktrial.corpus.storybook_words import NOUNS, PLAIN, TABLES, VERBS

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
    """The regular English plural; irregular ones are given in the lexicon."""
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


# --- the lexicon --------------------------------------------------------------------------------------------------


def one_spaced(text: str) -> str:
    """The text with single spaces: a line of data may go on, indented, after a backslash at its end."""
    return " ".join(text.split())


def _entries(words: str) -> list[str]:
    return [entry.replace("_", " ") for entry in words.split()]


def _noun_forms(words: str) -> Forms:
    rows = [entry.split("/") if "/" in entry else [entry, plural(entry)] for entry in _entries(words)]
    return {"": tuple(row[0] for row in rows), "s": tuple(row[1] for row in rows)}


def _verb_row(entry: str) -> list[str]:
    if "/" in entry:
        return entry.split("/")
    verb, space, particle = entry.partition(" ")
    return [entry, past_tense(verb) + space + particle, ing_form(verb) + space + particle]


def _verb_forms(words: str) -> Forms:
    rows = [_verb_row(entry) for entry in _entries(words)]
    return {form: tuple(row[column] for row in rows) for column, form in enumerate(("", "ed", "ing"))}


def _table_forms(form_names: str, rows_text: str) -> Forms:
    rows = [[one_spaced(cell) for cell in line.split("|")] for line in rows_text.splitlines()]
    names = form_names.split()
    if any(len(row) != len(names) for row in rows):
        raise ValueError(f"a row of the table with forms {form_names!r} has too few or too many cells")
    return {("" if name == "_" else name): tuple(row[i] for row in rows) for i, name in enumerate(names)}


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


def _children(boys: list[str], girls: list[str], kinds: tuple[str, str], folk: str, homes: Column) -> Forms:
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


def _critters(boys: list[str], girls: list[str], species: Forms) -> Forms:
    """Animals that talk and walk as children do: every name with a few species."""
    names, kinds = (*boys, *girls), len(species[""])
    steps = range(0, kinds, SPECIES_STEP)
    kind_of_row = [(number + step) % kinds for number in range(len(names)) for step in steps]
    forms = {
        "": tuple(name for name in names for _ in steps),
        "kind": tuple(species[""][kind] for kind in kind_of_row),
        "home": tuple(species["home"][kind] for kind in kind_of_row),
        "folk": ("animals",) * len(kind_of_row),
        "hand": ("paw",) * len(kind_of_row),
        "hands": ("paws",) * len(kind_of_row),
        "feet": ("paws",) * len(kind_of_row),
    }
    return _with_pronouns(forms, ("he",) * (len(boys) * len(steps)) + ("she",) * (len(girls) * len(steps)))


def read_lexicon() -> dict[str, Forms]:
    plain = {name: _entries(words) for name, words in PLAIN.items()}
    lexicon: dict[str, Forms] = {name: {"": tuple(words)} for name, words in plain.items()}
    lexicon |= {name: _noun_forms(words) for name, words in NOUNS.items()}
    lexicon |= {name: _verb_forms(words) for name, words in VERBS.items()}
    lexicon |= {name: _table_forms(*table) for name, table in TABLES.items()}
    boys, girls = plain["boy_name"], plain["girl_name"]
    homes = ("house", "cottage", "farmhouse", "cabin", "tall house", "brick house")
    lexicon["child"] = _children(boys, girls, ("boy", "girl"), "children", homes)
    lexicon["knight"] = _children(boys, girls, ("knight", "knight"), "people", ("castle",))
    lexicon["critter"] = _critters(plain["boy_pet_name"], plain["girl_pet_name"], lexicon["species"])
    lexicon["elder"] = _with_pronouns(lexicon["elder"], lexicon["elder"]["he"])
    lexicon["stranger"] = _either_gender(lexicon["stranger"][""])
    lexicon["old_animal"] = _either_gender(lexicon["old_animal"][""])
    return lexicon
