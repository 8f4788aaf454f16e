"""The built-in corpus "storybook": a seeded generator of children's stories, as long a stream as you ask for.

Its sentences and plots are lines of sentences.txt and plots.txt in the folder storybook_data: to add one, add a line there.
They are compiled once, at import; after that a story only draws numbers and joins strings. The language of the lines:

    {toy} {toy.s} {walk.ed}    a fresh word of that list, or its plural, past or other form
    {a toy} {A toy} {Toy}      the same after "a" or "an", after "A" or "An", or with a capital
    {hero} {his} {object}      a role: drawn once, then kept through the story ({his} is short for {hero.his})
    {other place}              a fresh word of the list, where a role has the same name
    [so |]happy, [red|{hue}]   one of the alternatives, possibly nothing; alternatives cannot be nested
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
from itertools import count
from pathlib import Path
from random import Random
from typing import Final, NamedTuple, TypeAlias

from toktrial.corpus.storybook_lexicon import DATA_FOLDER, DRESSES, Column, Forms, Lexicon, Line, parsed, read_sections
from toktrial.errors import nearest_name

SHORTEST_STORY: Final = 400
LONGEST_STORY: Final = 2000


# --- the language -------------------------------------------------------------------------------------------------


class RoleWord(NamedTuple):
    """The word of a role, in one of its forms: known only once a story has drawn its cast."""

    role: str
    form: str
    dress: str


# A part is a literal, a role's word, a column to draw a fresh word from, or a list of alternatives.
Part: TypeAlias = "str | RoleWord | Column | list[Pattern]"
Pattern: TypeAlias = tuple[Part, ...]


class Beat(NamedTuple):
    """One step of a plot: how likely it is told, and the wordings to choose from."""

    chance: float
    wordings: list[Pattern]


class Plot(NamedTuple):
    """A compiled plot. `worlds`: for each world that it may play in, the list that each role is drawn from, in this order."""

    name: str
    worlds: list[dict[str, str]]
    paragraphs: list[list[Beat]]


WORLDS: Final[dict[str, dict[str, str]]] = {
    "child": {"hero": "child", "friend": "child", "elder": "elder", "stranger": "stranger"},
    "animal": {"hero": "critter", "friend": "critter", "elder": "elder", "stranger": "old_animal"},
    "knight": {"hero": "knight", "friend": "child", "elder": "elder", "stranger": "stranger"},
}
WORLDS_OF_MOST_PLOTS: Final = ("child", "child", "animal")  # of those whose line "cast:" names no world
PROPS: Final = {"object": "toy", "place": "place", "hue": "color"}

CHANCES: Final = {"=": 1.0, "?": 1 / 3}
CAST: Final = "cast:"

_PART: Final = re.compile(r"\{(?P<slot>[^][{}|]*)\}|\[(?P<options>[^][]*)\]|(?P<literal>[^][{}|]+)")
_ARTICLE_OUTSIDE: Final = re.compile(r"\ban? [{[]", re.IGNORECASE)


class Storybook:
    """The data files, compiled: the words, the pools of sentences and the plots. A malformed line is a TrialError."""

    def __init__(self, folder: Path = DATA_FOLDER) -> None:
        self.lexicon = Lexicon(folder)
        self.pools: dict[str, list[Pattern]] = {}
        self._roles = WORLDS["child"] | PROPS  # those of the plot at hand, each with the list that it is drawn from
        for name, lines in read_sections(folder / "sentences.txt").items():
            self.pools[name] = parsed(lines, self.pattern)
        plots = read_sections(folder / "plots.txt", with_blank_lines=True)
        self.plots = [self._plot(name, lines) for name, lines in plots.items()]

    # --- patterns ---

    def pattern(self, text: str) -> Pattern:
        """The parts of a sentence; raises ValueError where its brackets, slots or articles are wrong."""
        if not text:
            raise ValueError("it has no words, and a pattern needs some")
        if outside := _ARTICLE_OUTSIDE.search(text):
            raise ValueError(f"the article in {outside[0]!r} belongs inside the braces, as in {{a toy}}")
        return self._parts(text)

    def _parts(self, text: str) -> Pattern:
        parts: list[Part] = []
        end = 0
        while end < len(text):
            match = _PART.match(text, end)
            if match is None:
                raise ValueError(
                    f"the text cannot be read from {text[end:]!r:.40} on: braces and brackets stand in pairs and "
                    "are not nested in their own kind, and alternatives have square brackets around them"
                )
            parts.append(self._part(match))
            end = match.end()
        return tuple(parts)

    def _part(self, match: re.Match[str]) -> Part:
        if match["slot"] is not None:
            return self._slot(match["slot"])
        if match["options"] is None:
            return match["literal"]
        options = match["options"].split("|")
        # Plain words become a column, from which a story draws fresh ones as far as it can.
        return [self._parts(option) for option in options] if "{" in match["options"] or "" in options else tuple(options)

    def _slot(self, slot: str) -> Part:
        """What "{slot}" stands for: a role's word, a column of words, or a pool."""
        article, _, name = slot.rpartition(" ")
        if not name or article not in ("", "a", "A", "other"):
            raise ValueError(f"{{{slot}}} should be a name, perhaps after a, A or other")
        dress = "capital" if name[0].isupper() else article.removeprefix("other")
        name = name[0].lower() + name[1:]
        if name in self.pools:
            if dress:
                raise ValueError(f"an article or a capital needs a list or a table, and {name!r} is a pool")
            return self.pools[name]
        words, _, form = (f"hero.{name}" if name in self.lexicon.lists["child"] else name).partition(".")
        if words in self._roles and article != "other":
            self.lexicon.column(self._roles[words], form)  # raises where the role has no such form
            return RoleWord(words, form, dress)
        return self.lexicon.column(words, form, dress)

    # --- plots ---

    def _plot(self, name: str, lines: list[Line]) -> Plot:
        (worlds,) = parsed(lines[:1], self._worlds)
        self._roles = worlds[0]
        beats = lines[1:] if lines[0].text.startswith(CAST) else lines
        paragraphs: list[list[Beat]] = [[]]
        parsed(beats, lambda text: self._add_line(text, paragraphs))
        return Plot(name, worlds, list(filter(None, paragraphs)))

    def _worlds(self, first_line: str) -> list[dict[str, str]]:
        """For each world that a plot may play in, its roles and their lists. The first line may add some to them."""
        items = [item.partition("=") for item in first_line.split()[1:] if first_line.startswith(CAST)]
        added = {role: words or role for role, _, words in items}
        world = added.pop("world", None)
        if world is not None and world not in WORLDS:
            raise ValueError(f"there is no world {world!r}, {nearest_name(world, WORLDS)}")
        for words in added.values():
            self.lexicon.column(words)
        return [WORLDS[name] | PROPS | added for name in ([world] if world else WORLDS_OF_MOST_PLOTS)]

    def _add_line(self, text: str, paragraphs: list[list[Beat]]) -> None:
        mark, _, wording = text.partition(" ")
        if not text:
            paragraphs.append([])
        elif mark in CHANCES:
            paragraphs[-1].append(Beat(CHANCES[mark], [self._wording(wording)]))
        elif mark == "|" and paragraphs[-1]:
            paragraphs[-1][-1].wordings.append(self._wording(wording))
        else:
            raise ValueError("a plot may open with cast: and goes on with lines after = or ?, and after | below one of these")

    def _wording(self, text: str) -> Pattern:
        if not text.startswith("@"):
            return self.pattern(text)
        if text[1:] not in self.pools:
            raise ValueError(f"there is no pool {text[1:]!r} in sentences.txt, {nearest_name(text[1:], self.pools)}")
        # A pool stands as one wording with many options, so that it weighs no more than its neighbors.
        return (self.pools[text[1:]],)


# --- telling ------------------------------------------------------------------------------------------------------

Draw: TypeAlias = Callable[[], float]
Cast: TypeAlias = dict[str, tuple[Forms, int]]
"""For each role the forms of its list, and the row that was drawn."""

_BOOK: Final = Storybook()


class Tale(NamedTuple):
    """A finished story with the facts that its grammar has to agree with."""

    plot: str
    hero: str
    hero_pronoun: str
    other_pronouns: frozenset[str]
    text: str


def _draw_cast(roles: dict[str, str], draw: Draw, told: set[str]) -> Cast:
    """Draws the words of a story's roles; no two roles get the same word."""
    cast: Cast = {}
    for role, name in roles.items():
        forms = _BOOK.lexicon.lists[name]
        words = forms[""]
        row = int(draw() * len(words))
        while words[row] in told:
            row = int(draw() * len(words))
        told.add(words[row])
        cast[role] = forms, row
    return cast


def _fresh_word(column: Column, draw: Draw, told: set[str]) -> str:
    """Draws a word of the column up to five times, until this story has not used it yet."""
    for _ in range(5):
        word = column[int(draw() * len(column))]
        if word not in told:
            break
    told.add(word)
    return word


def _tell(pattern: Pattern, cast: Cast, draw: Draw, told: set[str], pieces: list[str]) -> None:
    """Appends the words of one pattern to the pieces of the story."""
    for part in pattern:
        if isinstance(part, str):
            pieces.append(part)
        elif isinstance(part, RoleWord):
            role, form, dress = part
            forms, row = cast[role]
            pieces.append(DRESSES[dress](forms[form][row]))
        elif isinstance(part, tuple):
            pieces.append(_fresh_word(part, draw, told))
        else:
            _tell(part[int(draw() * len(part))], cast, draw, told, pieces)


def _tell_paragraph(beats: list[Beat], cast: Cast, draw: Draw, told: set[str]) -> str:
    sentences = []
    for chance, wordings in beats:
        if chance == 1.0 or draw() < chance:
            pieces: list[str] = []
            _tell(wordings[int(draw() * len(wordings))], cast, draw, told, pieces)
            sentences.append(DRESSES["capital"]("".join(pieces)))
    return " ".join(sentences)


def _draw_of(seed: int, index: int) -> Draw:
    # Random ignores the sign of its seed, so the sign becomes the lowest bit; the index stays below 64 bits.
    signed = 2 * abs(seed) + (seed < 0)
    return Random((signed << 64) | index).random


def tale(seed: int, index: int) -> Tale:
    """Story number `index` (from 0) of a seed: a pure function, so any story can be made on its own."""
    draw = _draw_of(seed, index)
    text = ""
    while not SHORTEST_STORY <= len(text) <= LONGEST_STORY:
        plot = _BOOK.plots[int(draw() * len(_BOOK.plots))]
        told: set[str] = set()
        cast = _draw_cast(plot.worlds[int(draw() * len(plot.worlds))], draw, told)
        gap = "\n" if draw() < 0.5 else "\n\n"
        paragraphs = [_tell_paragraph(beats, cast, draw, told) for beats in plot.paragraphs]
        text = gap.join(filter(None, paragraphs))
    forms, row = cast["hero"]
    others = [cast[role] for role in ("friend", "elder", "stranger")]
    return Tale(plot.name, forms[""][row], forms["he"][row], frozenset(forms["he"][row] for forms, row in others), text)


def stories(max_bytes: int, seed: int = 0) -> Iterator[str]:
    """The stories of a seed in order, until they have at least `max_bytes` UTF-8 bytes in all."""
    told_bytes = 0
    for index in count():
        if told_bytes >= max_bytes:
            return
        text = tale(seed, index).text
        told_bytes += len(text)  # the reader of the data files insists on ASCII, so a letter is a byte
        yield text
