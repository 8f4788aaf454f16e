"""Where each track's bits go, as the evaluation wrote it: loss_parts.json, typed. It stands in the result unchanged.

Inputs -> loss parts -> result -> its section.
"""

from dataclasses import dataclass

from toktrial.report.accounts import TextSize


@dataclass(frozen=True)
class Part:
    """A part of a track's loss on the validation text. `tokens`: None where bytes, not tokens, were sorted."""

    bytes: int
    bits: float
    tokens: int | None = None


@dataclass(frozen=True)
class TrackLoss:
    """One track's loss, the mean over the runs with these `seeds`, cut in three ways; each adds up to all of it.

    `by_uses`: tokens by how often the training text uses their entry, the rarest first. `by_place`: tokens that begin a word,
    go on with one, touch several, touch none. The last part of both: the closing ids. `by_word`: bytes by how often the
    training text uses their word, the rarest first, then those between words, then the closing ids; a token's bits are spread
    evenly over its bytes.
    """

    seeds: list[int]
    by_uses: list[Part]
    by_place: list[Part]
    by_word: list[Part]


@dataclass(frozen=True)
class LossParts:
    """Where the bits of the first `documents` validation documents (`bytes`) go.

    `band_edges`: the uses at which each band but the first begins. `words_counted_in`: the training text that words were
    counted in; entries are counted in all of it.
    """

    documents: int
    bytes: int
    words_counted_in: TextSize
    band_edges: list[int]
    tracks: dict[str, TrackLoss]
