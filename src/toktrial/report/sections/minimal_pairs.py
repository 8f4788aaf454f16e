"""Grammar: how often the models find the right sentence of a minimal pair likelier."""

from toktrial.report.blocks import Blocks, Details, Kind, Section, Table, paragraphs
from toktrial.report.minimal_pairs import Accuracy, AccuracyDifference, MinimalPairs
from toktrial.report.result import TrialResult
from toktrial.report.wording import (
    NOT_MEASURED,
    count,
    decimal,
    joined,
    percent,
    percent_with_spread,
    plural,
    short_percent,
    signed,
)

HOW_JUDGED = (
    "A pair is two sentences that differ in one point of grammar. The model gets it right where the right sentence, as a whole "
    "document and with its end, has the higher probability; nothing is divided by length, so tokenizers compare. Equal "
    "probabilities count one half. Chance is 50%. This decides nothing."
)
INTERVALS = (
    "By field: means over the paradigms; the interval is Student's, over paradigms, and covers which paradigms a field happens "
    "to have, for these trained models; that of a difference is paired by paradigm. By paradigm: shares of the known pairs; "
    "the interval is Wilson's, and covers which pairs a paradigm happens to have. Neither covers other seeds: where there are "
    "several, accuracies are means over them, and \N{PLUS-MINUS SIGN} their standard deviation says how far seeds differ."
)


def section(result: TrialResult) -> Section | None:
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
        f"The corpus knows {count(found.known_words)} of the {count(found.words)} words in the pairs, and so all words "
        f"of {count(found.known_pairs)} of {count(found.pairs)} pairs ({percent(found.share_of_known_pairs)}). "
        "A word is known where it occurs in the training text at all, in upper or lower case. A paradigm counts where it has "
        f"{found.least_known_pairs} known pairs or more, and then with those alone: {len(counted)} of "
        f"{plural(paradigms, 'paradigm')} count."
    )
    whole = joined([f"{track} {percent(of_track.accuracy_of_all_pairs)}" for track, of_track in found.tracks.items()])
    all_pairs = (
        f"Over all {plural(paradigms, 'paradigm')} and all their pairs, unknown words among them, as such figures are usually "
        f"given: {whole}."
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
        "Right sentence found likelier, by field: mean over the paradigms that count, with "
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
    caption = f"Right sentence found likelier, by paradigm, over its known pairs, with {confidence} intervals."
    return Table(caption, headers, rows, kinds)


def _ties(found: MinimalPairs) -> str:
    parts = [
        f"{track} {count(of_track.ties)} in {plural(len(of_track.seeds), 'seed')}" for track, of_track in found.tracks.items()
    ]
    return f"Ties, among them pairs of equal sentences: {joined(parts)}."


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
    return f"{mean} ({signed(100 * measured.low, 1)} to {signed(100 * measured.high, 1)})"
