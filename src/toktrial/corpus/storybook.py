"""The built-in corpus "storybook": a seeded generator of children's stories, as long a stream as you ask for.

The plots are compiled once, at import, by storybook_language.py; this file then only draws numbers and joins strings.
"""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Final, NamedTuple, TypeAlias

from toktrial.corpus.storybook_language import Beat, Compiler, Pattern, RoleWord
from toktrial.corpus.storybook_lexicon import DRESSES, Column, Forms, capitalized

SHORTEST_STORY: Final = 400
LONGEST_STORY: Final = 2000

Draw: TypeAlias = Callable[[], float]
Cast: TypeAlias = dict[str, tuple[Forms, int]]  # for each role the forms of its list, and the row that was drawn

_BOOK: Final = Compiler()


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
        forms = _BOOK.lexicon[name]
        words = forms[""]
        row = int(draw() * len(words))
        while words[row] in told:
            row = int(draw() * len(words))
        told.add(words[row])
        cast[role] = forms, row
    return cast


def _fresh_word(column: Column, draw: Draw, told: set[str]) -> str:
    """A word of the column, if possible (a few draws find out) one that this story has not used yet."""
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
            forms, row = cast[part.role]
            pieces.append(DRESSES[part.dress](forms[part.form][row]))
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
            sentences.append(capitalized("".join(pieces)))
    return " ".join(sentences)


def _draw_of(seed: int, index: int) -> Draw:
    # Random ignores the sign of its seed, so the sign becomes the lowest bit; the index stays below 64 bits.
    signed = 2 * abs(seed) + (seed < 0)
    return Random((signed << 64) | index).random


def tale(seed: int, index: int) -> Tale:
    """Story number `index` of a seed, with the facts that its grammar has to agree with."""
    draw = _draw_of(seed, index)
    text = ""
    while not SHORTEST_STORY <= len(text) <= LONGEST_STORY:
        plot = _BOOK.plots[int(draw() * len(_BOOK.plots))]
        told: set[str] = set()
        cast = _draw_cast(plot.worlds[int(draw() * len(plot.worlds))], draw, told)
        gap = "\n" if draw() < 0.5 else "\n\n"
        paragraphs = [_tell_paragraph(beats, cast, draw, told) for beats in plot.paragraphs]
        text = gap.join(filter(None, paragraphs))
    pronoun = {role: cast[role][0]["he"][cast[role][1]] for role in ("hero", "friend", "elder", "stranger")}
    name = {role: forms[""][row] for role, (forms, row) in cast.items()}
    return Tale(plot.name, name["hero"], pronoun.pop("hero"), frozenset(pronoun.values()), text)


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
        told_bytes += len(text)  # The data files are ASCII (their reader insists), so letters are bytes.
        yield text
