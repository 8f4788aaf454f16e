"""The gap of one cut: whether a verdict about tokenizers is one about the single cut that each of them scores."""

from toktrial.report.blocks import Blocks, Section, Table, paragraphs
from toktrial.report.marginal import MarginalGaps
from toktrial.report.result import TrialResult
from toktrial.report.wording import PLUS_MINUS, count, decimal, joined, percent, plural, signed

WHAT_IT_IS = (
    "A text can be cut into entries in many ways, and its probability is the sum over all of them. Bits per byte count only "
    "the tokenizer's own cut, so they are too high, by a gap that differs between tokenizers. Here the same models are asked "
    "for the sum. It decides nothing."
)
HOW_ESTIMATED = (
    "Where a document has too many cuts to score, the sum is estimated from cuts drawn at random. Such an estimate is too low "
    f"on average, and the gaps too small. {PLUS_MINUS}: standard error over documents, for these models; "
    "sampling: that of the estimate."
)


def marginal_section(result: TrialResult) -> Section | None:
    """Returns the gap of every track, and what the differences become; None where the protocol asks for no sums."""
    found = result.marginal
    if not found:
        return None
    said = [WHAT_IT_IS, *gap_sentences(found, result.baseline)]
    blocks: Blocks = (
        *paragraphs(said),
        gaps_table(found),
        changes_table(found, result.baseline),
        *paragraphs([HOW_ESTIMATED], "small"),
    )
    return Section(id="marginal", title="The gap of one cut", blocks=blocks)


def gap_sentences(found: MarginalGaps, baseline: str) -> list[str]:
    """Returns in which tracks the gap is smallest and largest, and which differences change their sign where all cuts count."""
    ordered = sorted(found.tracks, key=lambda track: found.tracks[track].share)
    low, high = (percent(found.tracks[track].share, 2) for track in (ordered[0], ordered[-1]))
    turned = [each.track for each in found.differences if each.difference * each.own_difference < 0]
    which = f"the difference of {joined(turned)} from {baseline}" if turned else f"no difference from {baseline}"
    lies = f"The gap lies between {low} of the own cut's bits ({ordered[0]}) and {high} ({ordered[-1]})."
    return [f"{lies} Where all cuts count, {which} changes its sign."]


def gaps_table(found: MarginalGaps) -> Table:
    """Returns the bits per byte of every track by its own cut and over all cuts."""
    rows = [
        [
            track,
            decimal(gap.own_bits_per_byte, 4),
            decimal(gap.bits_per_byte, 4),
            _with_error(decimal(gap.gap, 4), gap.standard_error),
            decimal(gap.sampling_error, 5),
            percent(gap.share, 2),
            f"{count(gap.exact)} of {count(found.documents * len(gap.seeds))}",
            str(len(gap.seeds)),
        ]
        for track, gap in found.tracks.items()
    ]
    caption = (
        f"Bits per byte of the first {plural(found.documents, 'validation document')} ({count(found.bytes)} bytes) by the "
        "tokenizer's own cut and over all cuts, as means over runs."
    )
    headers = ("track", "own cut", "all cuts", "gap", "sampling", "share of the own cut", "exact", "runs")
    return Table(caption, headers, rows)


def changes_table(found: MarginalGaps, baseline: str) -> Table:
    """Returns every other track's difference by own cuts and over all cuts."""
    rows = [
        [
            f"{each.track} minus {baseline}",
            signed(each.own_difference),
            signed(each.difference),
            _with_error(signed(each.change), each.standard_error),
            str(len(each.paired_seeds)),
        ]
        for each in found.differences
    ]
    caption = "The differences on these documents, in bits per byte, as means over the seeds that both tracks finished."
    return Table(caption, ("tracks", "by own cuts", "over all cuts", "change", "seeds"), rows)


def _with_error(written: str, error: float | None) -> str:
    return written if error is None else f"{written} {PLUS_MINUS} {decimal(error, 4)}"
