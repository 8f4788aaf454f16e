"""The little language of the storybook corpus, in which its sentences and plots are written, and its compiler.

Stands at the very start of the flow (corpus -> tokenizer -> tokens -> training -> evaluation -> report). It turns the
strings of storybook_patterns.py into flat tuples, from which storybook.py tells stories. To add a sentence or a plot,
add a line of data there. The language:

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
from itertools import chain, pairwise
from typing import Final, NamedTuple, TypeAlias

from toktrial.corpus.storybook_lexicon import Column, Forms, capitalized, one_spaced, read_lexicon, with_article
from toktrial.corpus.storybook_patterns import PHRASES, PLOTS, POOLS

OPTIONAL_CHANCE: Final = 1 / 3

# A part is a literal, the number of a role's word in the cast, a column to draw a fresh word from, or alternatives.
Part: TypeAlias = "str | int | Column | list[Pattern]"
Pattern: TypeAlias = tuple[Part, ...]


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


WORLDS: Final[dict[str, dict[str, str]]] = {
    "child": {"hero": "child", "friend": "child", "elder": "elder", "stranger": "stranger"},
    "animal": {"hero": "critter", "friend": "critter", "elder": "elder", "stranger": "old_animal"},
    "knight": {"hero": "knight", "friend": "child", "elder": "elder", "stranger": "stranger"},
}
WORLDS_OF_MOST_PLOTS: Final = ("child", "child", "animal")
PROPS: Final = {"object": "toy", "place": "place", "hue": "color"}
HERO_FORMS: Final = ("he", "him", "his", "himself", "kind", "folk", "home", "hand", "hands", "feet")

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


class Compiler:
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
        options = self._options(iter(_MARKS.split(one_spaced(text))))
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


def compile_plots() -> tuple[tuple[Plot, ...], int, tuple[int, ...]]:
    """All plots, how many words the cast of a story has, and where in it the names and pronouns of people are."""
    cast_lines = {name: _cast_line(text) for name, text in PLOTS.items()}
    roles = frozenset().union(WORLDS["child"], PROPS, *cast_lines.values()) - {"world"}
    compiler = Compiler(read_lexicon(), roles)
    paragraphs = {name: compiler.plot_paragraphs(text) for name, text in PLOTS.items()}
    people = tuple(map(compiler.place, ("hero", "hero.he", "friend.he", "elder.he", "stranger.he")))
    casts = {name: _casts(compiler, added) for name, added in cast_lines.items()}
    return tuple(Plot(name, casts[name], paragraphs[name]) for name in PLOTS), len(compiler.places), people


def _casts(compiler: Compiler, added: dict[str, str]) -> tuple[tuple[Casting, ...], ...]:
    """The ways to cast a plot: in its own world if it names one, else mostly children and sometimes animals."""
    worlds = (added["world"],) if "world" in added else WORLDS_OF_MOST_PLOTS
    props = {role: words for role, words in added.items() if role != "world"}
    return tuple(compiler.castings(WORLDS[world] | PROPS | props) for world in worlds)
