"""Where the bits go: rare entries or frequent ones, beginnings of words or the rest, rare words or common ones."""

from itertools import pairwise

from toktrial.report.blocks import Blocks, Section, Table, paragraphs
from toktrial.report.loss_parts import LossParts, Part
from toktrial.report.result import TrialResult
from toktrial.report.wording import NOT_MEASURED, count, decimal, percent, plural, signed

PLACES = ("begin a word", "go on with a word", "touch several words", "touch no word")


def loss_parts_section(result: TrialResult) -> Section | None:
    """Returns every track's bits per byte, taken apart; None where no run kept what each token cost."""
    found = result.loss_parts
    if not found:
        return None
    words = found.words_counted_in
    said = (
        f"The loss on the first {plural(found.documents, 'validation document')} ({count(found.bytes)} bytes), taken apart "
        "in three ways, as means over runs. It decides nothing."
    )
    compares = (
        "In the first table, all tracks sort the same bytes, so its columns compare, and each row adds up to the track's bits "
        "per byte. A token's bits are spread evenly over its bytes: within a token of several words this is a convention."
    )
    counted = (
        f"Words are counted in the first {plural(words.documents, 'training document')} ({count(words.bytes)} bytes); the "
        "space before a word belongs to it."
    )
    blocks: Blocks = (
        *paragraphs([said, compares]),
        words_table(found, result.baseline),
        entries_table(found),
        places_table(found),
        *paragraphs([counted], "small"),
    )
    return Section(id="loss-parts", title="Where the bits go", blocks=blocks)


def words_table(found: LossParts, baseline: str) -> Table:
    """Returns what every band of words contributes to bits per byte: of the baseline, and how far the others differ."""
    base = _contributions(found, baseline)
    rows = [[baseline, *(decimal(value, 4) for value in base)]]
    for track in found.tracks:
        if track != baseline:
            more = [value - other for value, other in zip(_contributions(found, track), base, strict=True)]
            rows.append([f"{track} minus {baseline}", *map(signed, more)])
    headers = ("words used", *_bands(found.band_edges), "between words", "closing ids", "all")
    caption = f"Bits per byte by how often the training text uses a word: those of {baseline}, and the differences from it."
    return Table(caption, headers, rows)


def entries_table(found: LossParts) -> Table:
    """Returns, by the uses of a token's entry, its share of the bytes, and its bits per byte of them."""
    rows = [[track, *(_share_and_cost(part, found.bytes) for part in of.by_uses[:-1])] for track, of in found.tracks.items()]
    caption = (
        "Tokens by how often the training text uses their entry: the share of all bytes that they spell, and the bits for each "
        "of these bytes. Which entries are rare differs between tracks, so columns do not compare."
    )
    return Table(caption, ("entries used", *_bands(found.band_edges)), rows)


def places_table(found: LossParts) -> Table:
    """Returns, by what tokens touch, their share of the bytes, and their bits per byte of them."""
    rows = [[track, *(_share_and_cost(part, found.bytes) for part in of.by_place[:-1])] for track, of in found.tracks.items()]
    caption = "Tokens by where they stand: the share of all bytes that they spell, and the bits for each of these bytes."
    return Table(caption, ("tokens that", *PLACES), rows)


def _contributions(found: LossParts, track: str) -> list[float]:
    """Returns what each part of a track's words adds to its bits per byte, and their sum."""
    bits = [part.bits / found.bytes for part in found.tracks[track].by_word]
    return [*bits, sum(bits)]


def _bands(edges: list[int]) -> list[str]:
    inner = [f"{count(low)} to {count(high - 1)}" for low, high in pairwise(edges)]
    return [f"below {count(edges[0])}", *inner, f"{count(edges[-1])} or more"]


def _share_and_cost(part: Part, n_bytes: int) -> str:
    if not part.bytes:
        return NOT_MEASURED
    return f"{percent(part.bytes / n_bytes)} at {decimal(part.bits / part.bytes, 3)}"
