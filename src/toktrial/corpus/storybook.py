"""The built-in corpus "storybook": a seeded generator of children's stories, as long a stream as you ask for.

Stands at the very start of the flow (corpus -> tokenizer -> tokens -> training -> evaluation -> report).

Words come from storybook_words.py, sentences and plots from storybook_patterns.py; this file compiles both once,
at import, into flat tuples and then only draws numbers and joins strings. To add a sentence or a plot, add a line
of data there. The little language of the data:

    {toy} {toy.s} {walk.ed}    a fresh word of that list, or its plural, past or other form
    {a toy} {A toy} {Toy}      the same after "a" or "an", after "A" or "An", or with a capital
    {hero} {his} {object}      a role: drawn once, then kept through the story ({his} is short for {hero.his})
    {other place}              a fresh word of the list, where a role has the same name
    [so |]happy, [red|blue]    one of the alternatives, possibly nothing
    @glad                      a sentence of the pool "glad"

A plot is a list of beats. "=" opens a beat that is always told, "?" one that is told one time in three, and "|" gives
the beat above another wording; a blank line ends a paragraph; a backslash lets a long line go on. A line "cast:" names
the roles that the plot adds, drawn from the list of the same name or as in snack=treat. An example and two tellings:

    cast: snack=treat                              One day, Ann baked a pie. "I like pies," she said.
    = One day, {hero} baked {a snack}.             One day, Tom baked an eclair. He felt proud and glad.
    = "I like {snack.s}," {he} said.
    | {He} felt {happy} and {happy}.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain, count, pairwise
from random import Random
from typing import Final, NamedTuple, TypeAlias

from toktrial.corpus.storybook_patterns import PHRASES, PLOTS, POOLS
from toktrial.corpus.storybook_words import NOUNS, PLAIN, TABLES, VERBS

SHORTEST_STORY: Final = 400
LONGEST_STORY: Final = 2000
OPTIONAL_CHANCE: Final = 1 / 3

Column: TypeAlias = tuple[str, ...]
Forms: TypeAlias = dict[str, Column]
# A part is a literal, the number of a role's word in the cast, a column to draw a fresh word from, or alternatives.
Part: TypeAlias = "str | int | Column | list[Pattern]"
Pattern: TypeAlias = tuple[Part, ...]
Draw: TypeAlias = Callable[[], float]


class Beat(NamedTuple):
    """One step of a plot: how likely it is told, and the wordings to choose from."""

    chance: float
    wordings: list[Pattern]


class Casting(NamedTuple):
    """One role of a plot: the words it is drawn from, and for each place in the cast the form that goes there."""

    words: Column
    places: tuple[tuple[int, Column], ...]


class Plot(NamedTuple):
    """A compiled plot: its roles in the order they are drawn, for each world it may play in, and its paragraphs."""

    name: str
    casts: tuple[tuple[Casting, ...], ...]
    paragraphs: tuple[tuple[Beat, ...], ...]


class Tale(NamedTuple):
    """A finished story with the facts that its grammar has to agree with."""

    plot: str
    hero: str
    hero_pronoun: str
    other_pronouns: frozenset[str]
    text: str


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


def _one_spaced(text: str) -> str:
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
    rows = [[_one_spaced(cell) for cell in line.split("|")] for line in rows_text.splitlines()]
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


def _read_lexicon() -> dict[str, Forms]:
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


# --- compiling patterns and plots ---------------------------------------------------------------------------------

WORLDS: Final[dict[str, dict[str, str]]] = {
    "child": {"hero": "child", "friend": "child", "elder": "elder", "stranger": "stranger"},
    "animal": {"hero": "critter", "friend": "critter", "elder": "elder", "stranger": "old_animal"},
    "knight": {"hero": "knight", "friend": "child", "elder": "elder", "stranger": "stranger"},
}
WORLDS_OF_MOST_PLOTS: Final = ("child", "child", "animal")
PROPS: Final = {"object": "toy", "place": "place", "hue": "color"}
HERO_FORMS: Final = ("he", "him", "his", "himself", "kind", "folk", "home", "hand", "hands", "feet")
UNSET: Final = "{unset}"

_MARKS: Final = re.compile(r"([{}\[\]|])")
_DRESSES: Final[dict[str, Callable[[str], str]]] = {
    "a": with_article,
    "A": lambda words: capitalized(with_article(words)),
    "capital": capitalized,
}


def _cast_line(plot_text: str) -> dict[str, str]:
    """The roles that a plot adds, each with the list it is drawn from, as its "cast:" line says."""
    for line in plot_text.splitlines():
        if line.strip().startswith("cast:"):
            items = [item.partition("=") for item in line.split()[1:]]
            return {role: words or role for role, _, words in items}
    return {}


class _Compiler:
    """Turns the strings of the pattern language into tuples, and numbers each word that a cast must provide."""

    def __init__(self, lexicon: dict[str, Forms], roles: frozenset[str]) -> None:
        self.lexicon = lexicon
        self.roles = roles
        self.places: dict[tuple[str, str, str], int] = {}
        self.phrases: dict[str, Part] = {}
        self.dressed: dict[tuple[str, str, str], Column] = {}
        self.pools = {name: self.lines(text) for name, text in POOLS.items()}

    def lines(self, text: str) -> list[Pattern]:
        return [self.pattern(line.strip()) for line in text.splitlines() if line.strip()]

    def pattern(self, text: str) -> Pattern:
        if text.count("[") != text.count("]") or text.count("{") != text.count("}") or not text.isascii():
            raise ValueError(f"unbalanced brackets or letters beyond ASCII in the pattern {text!r}")
        options = self._options(iter(_MARKS.split(_one_spaced(text))))
        if len(options) != 1:
            raise ValueError(f"alternatives need square brackets in the pattern {text!r}")
        return options[0]

    def _options(self, tokens: Iterator[str]) -> list[Pattern]:
        options: list[list[Part]] = [[]]
        for token in tokens:
            if token == "]":
                break
            if token == "|":
                options.append([])
            elif token == "{":
                options[-1].append(self._slot(next(tokens)))
            elif token == "[":
                options[-1].append(self._choice(self._options(tokens)))
            elif token and token != "}":
                options[-1].append(token)
        for left, right in chain.from_iterable(map(pairwise, options)):
            if isinstance(left, str) and f" {left}".lower().endswith((" a ", " an ")):
                raise ValueError(f"write the article of this pattern inside the braces: {left!r} {right!r:.40}")
        return [tuple(option) for option in options]

    def _choice(self, options: list[Pattern]) -> Part:
        words = [option[0] for option in options if len(option) == 1 and isinstance(option[0], str)]
        return tuple(words) if len(words) == len(options) else options

    def _phrase(self, name: str) -> Part:
        if name not in self.phrases:
            self.phrases[name] = self._choice([self.pattern(option) for option in PHRASES[name].split(" / ")])
        return self.phrases[name]

    def _slot(self, slot: str) -> Part:
        """What stands for "{slot}": a role's place in the cast, a column of words, or a phrase."""
        article, _, name = slot.rpartition(" ")
        dress = "capital" if name[0].isupper() else article.replace("other", "")
        name = name[0].lower() + name[1:]
        if name in HERO_FORMS:
            name = f"hero.{name}"
        words, _, form = name.partition(".")
        if words in self.roles and article != "other":
            return self.places.setdefault((words, form, dress), len(self.places))
        if name in PHRASES:
            phrase = self._phrase(name)
            return tuple(map(_DRESSES[dress], self._words_only(phrase))) if dress else phrase
        return self.column(words, form, dress)

    def _words_only(self, phrase: Part) -> Column:
        words = [word for word in phrase if isinstance(word, str)] if isinstance(phrase, tuple) else []
        if not words:
            raise ValueError(f"an article or a capital needs a phrase without slots, not {phrase!r}")
        return tuple(words)

    def place(self, role_and_form: str) -> int:
        """Where in a cast the word of a role stands; asking for it makes sure that it has a place."""
        role, _, form = role_and_form.partition(".")
        return self.places.setdefault((role, form, ""), len(self.places))

    def column(self, words: str, form: str, dress: str) -> Column:
        if not dress:
            return self.lexicon[words][form]
        key = (words, form, dress)
        if key not in self.dressed:
            self.dressed[key] = tuple(map(_DRESSES[dress], self.lexicon[words][form]))
        return self.dressed[key]

    def plot_paragraphs(self, text: str) -> tuple[tuple[Beat, ...], ...]:
        paragraphs: list[list[Beat]] = [[]]
        for line in map(str.strip, text.strip().splitlines()):
            mark, _, body = line.partition(" ")
            if not line:
                paragraphs.append([])
            elif mark in ("=", "?"):
                paragraphs[-1].append(Beat(1.0 if mark == "=" else OPTIONAL_CHANCE, self._wordings(body)))
            elif mark == "|":
                paragraphs[-1][-1].wordings.extend(self._wordings(body))
            elif mark != "cast:":
                raise ValueError(f"a line of a plot starts with = or ? or | or cast: but this one is {line!r}")
        return tuple(map(tuple, paragraphs))

    def _wordings(self, body: str) -> list[Pattern]:
        # A pool stands as one wording with many options, so that it weighs no more than its neighbors.
        return [(self.pools[body[1:]],)] if body.startswith("@") else [self.pattern(body)]

    def castings(self, roles: dict[str, str]) -> tuple[Casting, ...]:
        return tuple(self._casting(role, words) for role, words in roles.items())

    def _casting(self, role: str, words: str) -> Casting:
        wanted = [key for key in self.places if key[0] == role and key[1] in self.lexicon[words]]
        places = tuple((self.places[key], self.column(words, key[1], key[2])) for key in wanted)
        return Casting(self.lexicon[words][""], places)


def _compile_plots() -> tuple[tuple[Plot, ...], int, tuple[int, ...]]:
    """All plots, how many words the cast of a story has, and where in it the names and pronouns of people are."""
    cast_lines = {name: _cast_line(text) for name, text in PLOTS.items()}
    roles = frozenset().union(WORLDS["child"], PROPS, *cast_lines.values()) - {"world"}
    compiler = _Compiler(_read_lexicon(), roles)
    paragraphs = {name: compiler.plot_paragraphs(text) for name, text in PLOTS.items()}
    people = tuple(map(compiler.place, ("hero", "hero.he", "friend.he", "elder.he", "stranger.he")))
    casts = {name: _casts(compiler, added) for name, added in cast_lines.items()}
    return tuple(Plot(name, casts[name], paragraphs[name]) for name in PLOTS), len(compiler.places), people


def _casts(compiler: _Compiler, added: dict[str, str]) -> tuple[tuple[Casting, ...], ...]:
    """The ways to cast a plot: in its own world if it names one, else mostly children and sometimes animals."""
    worlds = (added["world"],) if "world" in added else WORLDS_OF_MOST_PLOTS
    props = {role: words for role, words in added.items() if role != "world"}
    return tuple(compiler.castings(WORLDS[world] | PROPS | props) for world in worlds)


_PLOTS, _CAST_SIZE, _PERSON_PLACES = _compile_plots()


# --- telling ------------------------------------------------------------------------------------------------------


def _draw_cast(castings: tuple[Casting, ...], draw: Draw, told: set[str]) -> list[str]:
    """The words of a story's roles; no two roles get the same word."""
    cast = [UNSET] * _CAST_SIZE
    for words, places in castings:
        row = int(draw() * len(words))
        while words[row] in told:
            row = int(draw() * len(words))
        told.add(words[row])
        for place, column in places:
            cast[place] = column[row]
    return cast


def _fresh_word(column: Column, draw: Draw, told: set[str]) -> str:
    """A word of the column, if possible (a few draws find out) one that this story has not used yet."""
    for _ in range(5):
        word = column[int(draw() * len(column))]
        if word not in told:
            break
    told.add(word)
    return word


def _tell(pattern: Pattern, cast: list[str], draw: Draw, told: set[str], pieces: list[str]) -> None:
    """Appends the words of one pattern to the pieces of the story."""
    for part in pattern:
        if isinstance(part, str):
            pieces.append(part)
        elif isinstance(part, int):
            pieces.append(cast[part])
        elif isinstance(part, tuple):
            pieces.append(_fresh_word(part, draw, told))
        else:
            _tell(part[int(draw() * len(part))], cast, draw, told, pieces)


def _tell_paragraph(beats: tuple[Beat, ...], cast: list[str], draw: Draw, told: set[str]) -> str:
    sentences = []
    for chance, wordings in beats:
        if chance == 1.0 or draw() < chance:
            pieces: list[str] = []
            _tell(wordings[int(draw() * len(wordings))], cast, draw, told, pieces)
            sentences.append(capitalized("".join(pieces)))
    return " ".join(sentences)


def _tell_plot(plot: Plot, castings: tuple[Casting, ...], draw: Draw) -> tuple[list[str], str]:
    told: set[str] = set()
    cast = _draw_cast(castings, draw, told)
    gap = "\n" if draw() < 0.5 else "\n\n"
    paragraphs = [_tell_paragraph(beats, cast, draw, told) for beats in plot.paragraphs]
    return cast, gap.join(filter(None, paragraphs))


def _draw_of(seed: int, index: int) -> Draw:
    # Random ignores the sign of its seed, so the sign becomes the lowest bit; the index stays below 64 bits.
    signed = 2 * abs(seed) + (seed < 0)
    return Random((signed << 64) | index).random


def tale(seed: int, index: int) -> Tale:
    """Story number `index` of a seed, with the facts that its grammar has to agree with."""
    draw = _draw_of(seed, index)
    while True:
        plot = _PLOTS[int(draw() * len(_PLOTS))]
        castings = plot.casts[int(draw() * len(plot.casts))]
        cast, text = _tell_plot(plot, castings, draw)
        if SHORTEST_STORY <= len(text) <= LONGEST_STORY:
            name, pronoun, *others = (cast[place] for place in _PERSON_PLACES)
            return Tale(plot.name, name, pronoun, frozenset(others), text)


def story(seed: int, index: int) -> str:
    """Story number `index` (from 0) of a seed: a pure function, so any story can be made on its own."""
    return tale(seed, index).text


def stories(max_bytes: int, seed: int = 0) -> Iterator[str]:
    """The stories of a seed in order, until their UTF-8 bytes sum to at least `max_bytes`."""
    told_bytes = 0
    for index in count():
        if told_bytes >= max_bytes:
            return
        text = story(seed, index)
        told_bytes += len(text)  # The patterns are ASCII (the compiler insists), so letters are bytes.
        yield text
