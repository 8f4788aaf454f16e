"""What counting foretells: measures of the tokenizers that need no training, beside the outcome."""

from itertools import combinations

from toktrial.report.blocks import Blocks, Definition, Definitions, Details, Section, Table, paragraphs
from toktrial.report.dots_chart import measures_figure
from toktrial.report.intrinsic import MEASURES, Foretelling, Intrinsic
from toktrial.report.result import TrialResult
from toktrial.report.wording import NOT_MEASURED, count, decimal, percent, plural

DIGITS = {
    "unigram": 4,
    "bigram": 4,
    "ngram": 4,
    "bytes_per_token": 3,
    "renyi_efficiency": 4,
    "entries_used": 0,
    "cuts_per_word": 2,
}
NEAREST_FIGURE = (
    "For comparison: training models 6.7 times smaller, one for each, ordered about 80% of the pairs of data sets rightly "
    "(DataDecide, Magnusson et al. 2025)."
)


def intrinsic_section(result: TrialResult) -> Section | None:
    """Returns the measures as a table; from five tracks on, with a chart and how well each measure orders the tracks."""
    found = result.intrinsic
    if not found:
        return None
    meanings = Definitions(tuple(Definition(measure_names(found)[name], said) for name, said in _meanings(found).items()))
    blocks: Blocks = (measures_table(found), Details("What the measures are", (meanings,)))
    if found.foretelling:
        verdicts = {name: _verdict(each, found) for name, each in found.foretelling.items()}
        chart = measures_figure(result, found, measure_names(found), verdicts)
        blocks = (*paragraphs(foretelling_sentences(found)), chart, foretelling_table(found), *blocks)
    title = "What counting foretells" if found.foretelling else "What counting measures"
    return Section(id="intrinsic", title=title, blocks=blocks)


def measure_names(found: Intrinsic) -> dict[str, str]:
    """Returns what each measure is called."""
    return {
        "unigram": "unigram bits per byte",
        "bigram": "bigram bits per byte",
        "ngram": f"{found.ngram_order}-gram bits per byte",
        "bytes_per_token": "bytes per token",
        "renyi_efficiency": "R\N{LATIN SMALL LETTER E WITH ACUTE}nyi efficiency",
        "entries_used": "entries used",
        "cuts_per_word": "cuts per word",
    }


def measures_table(found: Intrinsic) -> Table:
    """Returns every measure of every track, beside its final bits per byte."""
    names = measure_names(found)
    rows = [
        [track, decimal(found.outcome[track], 4), *(decimal(values[name], DIGITS[name]) for name in MEASURES)]
        for track, values in found.tracks.items()
    ]
    caption = (
        "Measures of the tokenizers that need no training, beside the mean bits per byte of the runs. They decide nothing."
    )
    return Table(caption, ("track", "final bits per byte", *(names[name] for name in MEASURES)), rows)


def foretelling_sentences(found: Intrinsic) -> list[str]:
    """Returns which measure orders the tracks best, and how likely that is by chance."""
    best, of_best = next(iter(found.foretelling.items()))
    tracks, chance = len(found.tracks), percent(found.chance_of_best) if found.chance_of_best else "next to none"
    right = (
        f"Of {plural(len(found.foretelling), 'measure')}, {measure_names(found)[best]} orders the {tracks} tracks best: "
        f"{percent(of_best.share_of_pairs, 0)} of their {_pairs(found)} pairs as their final bits per byte do. In a random "
        f"order of the tracks, some measure would do as well as that in {chance} of cases."
    )
    return [right, NEAREST_FIGURE]


def foretelling_table(found: Intrinsic) -> Table:
    """Returns how well every measure orders the tracks, with intervals."""
    names = measure_names(found)
    rows = [
        [
            names[name],
            "lower" if MEASURES[name] else "higher",
            decimal(each.rank_correlation, 2),
            _range(each.rank_correlation_low, each.rank_correlation_high, 2, 1),
            percent(each.share_of_pairs, 0),
            _range(each.share_of_pairs_low, each.share_of_pairs_high, 0, 100) + "%",
        ]
        for name, each in found.foretelling.items()
    ]
    caption = (
        "How well each measure orders the tracks as their final bits per byte do: 1 and 100% if the order is the same, 0 and "
        "50% for a coin. Equal values count as half a pair. Intervals: 95% of bootstrap resamples of the tracks and, within "
        "each, of its runs. So they cover which tracks and seeds a trial happens to have; with few tracks they are rough."
    )
    headers = ("measure", "better if", "Spearman's rank correlation", "interval", "pairs ordered rightly", "interval")
    return Table(caption, headers, rows, ("text", "text", "number", "number", "number", "number"))


def _meanings(found: Intrinsic) -> dict[str, str]:
    return {
        "unigram": "What the frequencies of a track's entries alone say of the validation text: the unigram floor.",
        "bigram": "The bigram floor: which entry follows which.",
        "ngram": (
            f"The same with {found.ngram_order - 1} entries before each one (interpolated, modified Kneser-Ney), counted on "
            f"the first {plural(found.ngram_documents, 'training document')} ({count(found.ngram_bytes)} bytes)."
        ),
        "bytes_per_token": "Compression: bytes of validation text per token.",
        "renyi_efficiency": "How evenly the training text uses the entries, at order 2.5 (Zouhar et al. 2023).",
        "entries_used": "Entries that occur in the training text.",
        "cuts_per_word": (
            "In how many different ways the training text cuts the same word, by where token edges lie in it and whether a "
            "token begins before it or ends after it; the mean over words, each as often as it occurs."
        ),
    }


def _verdict(each: Foretelling, found: Intrinsic) -> str:
    right = each.share_of_pairs * _pairs(found)
    return f"Spearman {decimal(each.rank_correlation, 2)}, {right:g} of {_pairs(found)} pairs"


def _pairs(found: Intrinsic) -> int:
    return len(list(combinations(found.tracks, 2)))


def _range(low: float | None, high: float | None, digits: int, scale: int) -> str:
    if low is None or high is None:
        return NOT_MEASURED
    return f"{decimal(scale * low, digits)} to {decimal(scale * high, digits)}"
