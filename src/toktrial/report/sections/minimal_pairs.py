"""Grammar: how often the models find the right sentence of a minimal pair more likely."""

from toktrial.report.blocks import Blocks, Details, Kind, Section, Table, paragraphs
from toktrial.report.minimal_pairs import Accuracy, AccuracyDifference, MinimalPairs
from toktrial.report.result import TrialResult
from toktrial.report.wording import (
    NOT_MEASURED,
    PLUS_MINUS,
    count,
    decimal,
    interval,
    joined,
    percent,
    percent_with_spread,
    plural,
    short_percent,
    signed,
)

HOW_JUDGED = (
    "A pair is two sentences that differ in one point of grammar. The model gets it right if the right sentence, as a whole "
    "document with its end, has the higher probability. Nothing is divided by length, so tokenizers compare. Equal "
    "probabilities count as one half. Chance is 50%. This decides nothing."
)
INTERVALS = (
    "By field: means over its paradigms, with Student's interval over paradigms. It covers which paradigms a field happens to "
    "have, for these trained models; that of a difference is paired by paradigm. By paradigm: the share of known pairs that "
    "the model gets right, with Wilson's interval. It covers which pairs a paradigm happens to have. Neither covers other "
    f"seeds: where there are several, accuracies are means over them, and {PLUS_MINUS} is their standard deviation."
)


def minimal_pairs_section(result: TrialResult) -> Section | None:
    """Returns the accuracies by field and by paradigm; None where no pairs were judged."""
    found = result.minimal_pairs
    if not found:
        return None
    by_paradigm: Blocks = (*paragraphs(counted_sentences(found), "small"), paradigms_table(found))
    return Section(
        id="minimal-pairs",
        title="Grammar: minimal pairs",
        blocks=(
            fields_table(found),
            *paragraphs(minimal_pairs_sentences(found), "small"),
            Details("Every paradigm, and which of them count", by_paradigm),
        ),
    )


def minimal_pairs_sentences(found: MinimalPairs) -> list[str]:
    """Returns what was judged, what the corpus knows of it, which paradigms count, and what the intervals cover."""
    paradigms, counted = len(found.paradigms), found.counted
    known = (
        f"The training text contains {count(found.known_words)} of the {count(found.words)} words in the pairs, in upper or "
        f"lower case. A pair is known if all its words are: {count(found.known_pairs)} of {count(found.pairs)} pairs are "
        f"({percent(found.share_of_known_pairs)}). A paradigm counts if it has {found.least_known_pairs} known pairs or more, "
        f"and then by its known pairs alone: {len(counted)} of {plural(paradigms, 'paradigm')} count."
    )
    whole = joined([f"{track} {percent(of_track.accuracy_of_all_pairs)}" for track, of_track in found.tracks.items()])
    all_pairs = (
        f"Over all {plural(paradigms, 'paradigm')} and all their pairs, including those with unknown words, which is how such "
        f"figures are usually given: {whole}."
    )
    return [HOW_JUDGED, known, INTERVALS, all_pairs, _ties(found)]


def counted_sentences(found: MinimalPairs) -> list[str]:
    """Returns which paradigms count and which do not, by name."""
    sides = {"These count": found.counted, "These do not": found.not_counted}
    return [f"{says} ({len(names)}): {', '.join(names)}." for says, names in sides.items() if names]


def fields_table(found: MinimalPairs) -> Table:
    """Returns the accuracies by field and over all, and how other tracks differ from the baseline."""
    tracks = list(found.tracks)
    baseline, *others = tracks
    differences = [f"{other} minus {baseline}, points" for other in others]
    rows = [
        [field.field, count(field.paradigms), count(field.known_pairs),
         *(_share_cell(field.tracks[track]) for track in tracks),
         *(_difference_cell(field.differences[other]) for other in others)]
        for field in found.fields
    ]  # fmt: skip
    headers = ("field", "paradigms", "known pairs", *tracks, *differences)
    caption = (
        "How often the right sentence was more likely, by field: means over the paradigms that count, with "
        f"{short_percent(found.confidence)} intervals. Chance is 50%."
    )
    return Table(caption, headers, rows)


def paradigms_table(found: MinimalPairs) -> Table:
    """Returns the accuracies of all paradigms, over their known pairs."""
    rows = [
        [paradigm.name, paradigm.field, "yes" if paradigm.counted else "no",
         f"{count(paradigm.known_pairs)} of {count(paradigm.pairs)}", *map(_share_cell, paradigm.tracks.values())]
        for paradigm in found.paradigms
    ]  # fmt: skip
    headers = ("paradigm", "field", "counts", "known pairs", *found.tracks)
    numbers: list[Kind] = ["number"] * (1 + len(found.tracks))
    kinds: tuple[Kind, ...] = ("code", "text", "text", *numbers)
    confidence = short_percent(found.confidence)
    caption = f"How often the right sentence was more likely, by paradigm, over its known pairs, with {confidence} intervals."
    return Table(caption, headers, rows, kinds)


def _ties(found: MinimalPairs) -> str:
    parts = [
        f"{track} {count(of_track.ties)} in {plural(len(of_track.seeds), 'seed')}" for track, of_track in found.tracks.items()
    ]
    return f"Ties, including pairs of identical sentences: {joined(parts)}."


def _share_cell(measured: Accuracy) -> str:
    mean = percent_with_spread(measured.accuracy, measured.standard_deviation)
    if measured.low is None or measured.high is None:
        return mean
    return f"{mean} ({decimal(100 * measured.low, 1)} to {decimal(100 * measured.high, 1)})"


def _difference_cell(measured: AccuracyDifference) -> str:
    if measured.difference is None:
        return NOT_MEASURED
    mean = signed(100 * measured.difference, 1)
    if measured.low is None or measured.high is None:
        return mean
    return f"{mean} ({interval(100 * measured.low, 100 * measured.high, 1)})"
