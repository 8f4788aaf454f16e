"""The little language of the storybook corpus, in which its sentences and plots are written, and its compiler.

Stands at the very start of the flow (corpus -> tokenizer -> tokens -> training -> evaluation -> report). It turns the
lines of sentences.txt and plots.txt in the folder storybook_data into flat tuples, from which storybook.py tells
stories. To add a sentence or a plot, add a line there. The language:

    {toy} {toy.s} {walk.ed}    a fresh word of that list, or its plural, past or other form
    {a toy} {A toy} {Toy}      the same after "a" or "an", after "A" or "An", or with a capital
    {hero} {his} {object}      a role: drawn once, then kept through the story ({his} is short for {hero.his})
    {other place}              a fresh word of the list, where a role has the same name
    [so |]happy, [red|blue]    one of the alternatives, possibly nothing
    {some_food}                a line of the pool "some_food" in sentences.txt, as part of a sentence
    @glad                      a line of the pool "glad", as a wording of a plot

A plot is a list of beats. "=" opens a beat that is always told, "?" one that is told one time in three, and "|" gives
the beat above another wording; a blank line ends a paragraph. A first line "cast:" names the roles that the plot adds,
drawn from the list of the same name or as in snack=treat. An example and two tellings:

    cast: snack=treat                              One day, Ann baked a pie. "I like pies," she said.
    = One day, {hero} baked {a snack}.             One day, Tom baked an eclair. He felt proud and glad.
    = "I like {snack.s}," {he} said.
    | {He} felt {happy} and {happy}.
"""

import re
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from toktrial.corpus.storybook_lexicon import Column, capitalized, column_of, read_lexicon, with_article
from toktrial.corpus.storybook_sections import DATA_FOLDER, Line, blaming, read_sections
from toktrial.errors import nearest_name

# A part is a literal, the number of a role's word in the cast, a column to draw a fresh word from, or alternatives.
Part: TypeAlias = "str | int | Column | list[Pattern]"
Pattern: TypeAlias = tuple[Part, ...]


class Beat(NamedTuple):
    """One step of a plot: how likely it is told, and the wordings to choose from."""

    chance: float
    wordings: list[Pattern]


Paragraphs: TypeAlias = tuple[tuple[Beat, ...], ...]


class Casting(NamedTuple):
    """One role of a plot: the words it is drawn from, and for each place in the cast the form that goes there."""

    words: Column
    places: tuple[tuple[int, Column], ...]


class Plot(NamedTuple):
    """A compiled plot: its roles in the order they are drawn, for each world it may play in, and its paragraphs."""

    name: str
    casts: tuple[tuple[Casting, ...], ...]
    paragraphs: Paragraphs


WORLDS: Final[dict[str, dict[str, str]]] = {
    "child": {"hero": "child", "friend": "child", "elder": "elder", "stranger": "stranger"},
    "animal": {"hero": "critter", "friend": "critter", "elder": "elder", "stranger": "old_animal"},
    "knight": {"hero": "knight", "friend": "child", "elder": "elder", "stranger": "stranger"},
}
WORLDS_OF_MOST_PLOTS: Final = ("child", "child", "animal")  # of those whose line "cast:" names no world
PROPS: Final = {"object": "toy", "place": "place", "hue": "color"}
HERO_FORMS: Final = ("he", "him", "his", "himself", "kind", "folk", "home", "hand", "hands", "feet")

CHANCES: Final = {"=": 1.0, "?": 1 / 3}
CAST: Final = "cast:"

_MARKS: Final = re.compile(r"([{}\[\]|])")
_DRESSES: Final[dict[str, Callable[[str], str]]] = {
    "a": with_article,
    "A": lambda words: capitalized(with_article(words)),
    "capital": capitalized,
}


class Compiler:
    """Turns lines of the pattern language into tuples, and numbers each word that a cast must provide.

    Its `roles`, those of the plot at hand, tell the list that each is drawn from. Whatever a line has wrong is a TrialError.
    """

    def __init__(self, folder: Path = DATA_FOLDER) -> None:
        self.lexicon = read_lexicon(folder)
        self.roles = WORLDS["child"] | PROPS
        self.places: dict[tuple[str, str, str], int] = {}
        self.dressed: dict[tuple[str, str, str], Column] = {}
        self.pools: dict[str, list[Pattern]] = {}
        for name, lines in read_sections(folder / "sentences.txt").items():
            self.pools[name] = list(map(self._pool_line, lines))

    def _pool_line(self, line: Line) -> Pattern:
        with blaming(line):
            return self.pattern(line.text)

    # --- patterns ---

    def pattern(self, text: str) -> Pattern:
        """The parts of a sentence; raises ValueError where its brackets, slots or articles are wrong."""
        if not text or text.count("[") != text.count("]") or text.count("{") != text.count("}"):
            raise ValueError("a pattern has words, and its brackets open and close in pairs")
        tokens = iter(_MARKS.split(text))
        options = self._options(tokens)
        if len(options) != 1 or any(tokens):
            raise ValueError("alternatives need square brackets around them")
        return options[0]

    def _options(self, tokens: Iterator[str]) -> list[Pattern]:
        options: list[list[Part]] = [[]]
        for token in tokens:
            if token == "]":
                break
            if token == "|":
                options.append([])
            elif token:
                options[-1].append(self._part(token, tokens))
        for left, right in chain.from_iterable(map(pairwise, options)):
            if isinstance(left, str) and f" {left}".lower().endswith((" a ", " an ")):
                raise ValueError(f"the article before {right!r:.40} belongs inside the braces, as in {{a toy}}")
        return [tuple(option) for option in options]

    def _part(self, token: str, tokens: Iterator[str]) -> Part:
        if token == "[":
            return _choice(self._options(tokens))
        if token != "{":
            return token
        slot = next(tokens)
        if next(tokens, "") != "}":
            raise ValueError(f"the brace before {slot!r} is not closed")
        return self._slot(slot)

    def _slot(self, slot: str) -> Part:
        """What stands for "{slot}": a role's place in the cast, a column of words, or a pool."""
        article, _, name = slot.rpartition(" ")
        if not name or article not in ("", "a", "A", "other"):
            raise ValueError(f"{{{slot}}} should be a name, perhaps after a, A or other")
        dress = "capital" if name[0].isupper() else article.removeprefix("other")
        name = name[0].lower() + name[1:]
        if name in self.pools:
            return self._undressed_pool(name, dress)
        words, _, form = (f"hero.{name}" if name in HERO_FORMS else name).partition(".")
        if words in self.roles and article != "other":
            column_of(self.lexicon, self.roles[words], form)
            return self.place(words, form, dress)
        return self._column(words, form, dress)

    def _undressed_pool(self, name: str, dress: str) -> Part:
        if dress:
            raise ValueError(f"an article or a capital needs a list or a table, and {name!r} is a pool")
        return self.pools[name]

    def place(self, role: str, form: str = "", dress: str = "") -> int:
        """Where in a cast the word of a role stands; asking for it makes sure that it has a place."""
        return self.places.setdefault((role, form, dress), len(self.places))

    def _column(self, words: str, form: str, dress: str) -> Column:
        column = column_of(self.lexicon, words, form)
        if not dress:
            return column
        key = (words, form, dress)
        if key not in self.dressed:
            self.dressed[key] = tuple(map(_DRESSES[dress], column))
        return self.dressed[key]

    # --- plots ---

    def draft(self, lines: list[Line]) -> tuple[list[dict[str, str]], Paragraphs]:
        """The roles of a plot with the list of each, for each world it may play in, and its paragraphs."""
        worlds = self._worlds(lines[0])
        self.roles = worlds[0]
        return worlds, self._paragraphs(lines[1:] if lines[0].text.startswith(CAST) else lines)

    def _worlds(self, line: Line) -> list[dict[str, str]]:
        added = _added_roles(line.text)
        with blaming(line):
            world = added.pop("world", None)
            if world is not None and world not in WORLDS:
                raise ValueError(f"there is no world {world!r}, {nearest_name(world, WORLDS)}")
            for words in added.values():
                column_of(self.lexicon, words)
        return [WORLDS[name] | PROPS | added for name in ([world] if world else WORLDS_OF_MOST_PLOTS)]

    def _paragraphs(self, lines: list[Line]) -> Paragraphs:
        paragraphs: list[list[Beat]] = [[]]
        for line in lines:
            if not line.text:
                paragraphs.append([])
                continue
            with blaming(line):
                self._add_beat(line.text, paragraphs[-1])
        return tuple(map(tuple, filter(None, paragraphs)))

    def _add_beat(self, text: str, beats: list[Beat]) -> None:
        mark, _, body = text.partition(" ")
        if mark in CHANCES:
            beats.append(Beat(CHANCES[mark], [self._wording(body)]))
        elif mark == "|" and beats:
            beats[-1].wordings.append(self._wording(body))
        else:
            raise ValueError("a plot may open with cast: and goes on with lines after = or ?, and after | below one of these")

    def _wording(self, body: str) -> Pattern:
        if not body.startswith("@"):
            return self.pattern(body)
        if body[1:] not in self.pools:
            raise ValueError(f"there is no pool {body[1:]!r} in sentences.txt, {nearest_name(body[1:], self.pools)}")
        # A pool stands as one wording with many options, so that it weighs no more than its neighbors.
        return (self.pools[body[1:]],)

    def castings(self, roles: dict[str, str]) -> tuple[Casting, ...]:
        return tuple(self._casting(role, words) for role, words in roles.items())

    def _casting(self, role: str, words: str) -> Casting:
        wanted = [key for key in self.places if key[0] == role and key[1] in self.lexicon[words]]
        places = tuple((self.places[key], self._column(words, key[1], key[2])) for key in wanted)
        return Casting(self.lexicon[words][""], places)


def _choice(options: list[Pattern]) -> Part:
    words = [option[0] for option in options if len(option) == 1 and isinstance(option[0], str)]
    return tuple(words) if len(words) == len(options) else options


def _added_roles(text: str) -> dict[str, str]:
    """The roles that a line "cast:" adds, each with the list it is drawn from; none if the line is no such line."""
    items = [item.partition("=") for item in text.split()[1:] if text.startswith(CAST)]
    return {role: words or role for role, _, words in items}


def compile_plots(folder: Path = DATA_FOLDER) -> tuple[tuple[Plot, ...], int, tuple[int, ...]]:
    """All plots, how many words the cast of a story has, and where in it the names and pronouns of people are.

    Raises TrialError, with file and line, for what is malformed in the data files of the folder.
    """
    compiler = Compiler(folder)
    plots = read_sections(folder / "plots.txt", with_blank_lines=True)
    drafts = [(name, *compiler.draft(lines)) for name, lines in plots.items()]
    people = [("hero", ""), ("hero", "he"), ("friend", "he"), ("elder", "he"), ("stranger", "he")]
    places = tuple(compiler.place(role, form) for role, form in people)
    # The casts come last, for they fill every place that any plot or pool asks for.
    cast_plots = (Plot(name, tuple(map(compiler.castings, worlds)), paragraphs) for name, worlds, paragraphs in drafts)
    return tuple(cast_plots), len(compiler.places), places
