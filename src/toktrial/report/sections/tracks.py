"""The final results: the tracks' means, every run by its seed, what counting reaches, the difference at every budget."""

from toktrial.report.blocks import Section, Table, folded
from toktrial.report.differences import Budget
from toktrial.report.result import TrialResult
from toktrial.report.sequential import shared_confidence
from toktrial.report.wording import (
    PLUS_MINUS,
    count,
    decimal,
    interval,
    percent,
    scientific,
    seconds,
    short_percent,
    signed,
    signed_percent,
    with_spread,
)

BUDGET_NAMES = {
    "steps": "equal steps", "flops": "equal FLOPs", "bytes": "equal bytes of text", "seconds": "equal training seconds",
}  # fmt: skip
FORMATS = {"steps": count, "flops": scientific, "bytes": count, "seconds": seconds}


def tracks_section(result: TrialResult) -> Section:
    """Returns what the tracks came to."""
    budgets = folded(result.has_many_tracks, "The difference at every budget", [budgets_table(result)])
    blocks = (*end_tables(result), *budgets)
    return Section(id="tracks", title="Final results", blocks=blocks)


def end_tables(result: TrialResult) -> list[Table]:
    """Returns the tracks' means; where there are several seeds, every run by its seed; and, where known, the floors."""
    several = any(len(track.runs) > 1 for track in result.tracks.values())
    return [_means_table(result, several), *([_seeds_table(result)] if several else []), *_floors_tables(result)]


def _means_table(result: TrialResult, several: bool) -> Table:
    headers = (
        "track", "entries", "bytes per token", "final bits per byte", "loss per token (nats)", "training seconds",
        "tokens read", "epochs", "runs",
    )  # fmt: skip
    rows = [
        [
            name,
            count(track.entries),
            decimal(track.bytes_per_token.validation, 2),
            with_spread(track.final.bits_per_byte, track.standard_deviation.bits_per_byte, 4),
            with_spread(track.final.validation_loss, track.standard_deviation.validation_loss, 4),
            seconds(track.final.training_seconds),
            count(track.final.tokens_seen),
            decimal(track.epochs, 2),
            f"{len(track.seeds_finished)} of {track.seeds_in_protocol}",
        ]
        for name, track in result.tracks.items()
    ]
    spread = f", {PLUS_MINUS} their standard deviation" if several else ""
    caption = f"Every track, as means over its runs{spread}. Bits per byte and loss are measured on every validation document."
    return Table(caption, headers, rows)


def _seeds_table(result: TrialResult) -> Table:
    bits = {
        name: dict(zip([run.seed for run in track.runs], result.judged(name), strict=True))
        for name, track in result.tracks.items()
    }
    differences = {
        f"{item.track} minus {item.baseline}": dict(zip(item.paired_seeds, item.differences, strict=True))
        for item in result.comparisons
    }
    rows = [
        [str(seed), *(decimal(of.get(seed), 4) for of in bits.values()), *(signed(of.get(seed)) for of in differences.values())]
        for seed in sorted(set().union(*bits.values()))
    ]
    at_equal_bytes = result.design.verdict.budget == "bytes"
    measured = "Bits per byte of every run at equal bytes of text" if at_equal_bytes else "Final bits per byte of every run"
    caption = f"{measured}, and the differences from which the verdict's interval is computed."
    return Table(caption, ("seed", *bits, *differences), rows)


def _floors_tables(result: TrialResult) -> list[Table]:
    floors = {name: track.floors for name, track in result.tracks.items() if track.floors}
    rows = [
        [
            name,
            decimal(of.unigram.bits_per_byte, 4),
            decimal(of.bigram.bits_per_byte, 4),
            decimal(of.worst_run, 4),
            percent(of.below_bigram),
        ]
        for name, of in floors.items()
    ]
    caption = (
        "The bits per byte that counting a track's own ids reaches on all validation documents, beside the track's worst run. "
        "Unigram: how frequent each entry is. Bigram: which entry follows which (interpolated Kneser-Ney). A run above the "
        "bigram floor has learned no more than counting pairs."
    )
    headers = ("track", "unigram floor", "bigram floor", "worst run", "below the bigram floor")
    return [Table(caption, headers, rows)] if rows else []


def budgets_table(result: TrialResult) -> Table:
    """Returns every other track's difference at every budget, and which of them decides."""
    confidence = short_percent(round(shared_confidence(result.verdict.confidence, len(result.comparisons)), 4))
    but = ", but for the one that decides, which is that of its look" if result.design.has_looks else ""
    amounts = "steps, text and seconds" if result.design.has_equal_steps else "steps, FLOPs, text and seconds"
    rows = [
        [
            f"{track} minus {result.baseline}",
            _budget_name(budget.budget, result) + (", which decides" if budget.decides else ""),
            _amount(budget, result),
            signed(budget.difference),
            signed_percent(budget.relative_difference),
            interval(budget.low, budget.high),
            str(budget.seeds),
            budget.documents,
        ]
        for track, found in result.differences.items()
        for budget in found.budgets
    ]
    caption = (
        f"The difference in bits per byte at equal {amounts}, with {confidence} intervals over seeds{but}. Below 0 "
        "the other track is ahead. Each budget asks a different question; the protocol fixed which one decides."
    )
    headers = (
        "tracks", "compared at", "amount", "difference", "relative to the baseline", "interval", "seeds", "measured on",
    )  # fmt: skip
    return Table(caption, headers, rows, ("text", "text", "number", "number", "number", "number", "number", "text"))


def _amount(budget: Budget, result: TrialResult) -> str:
    passes = result.design.training.epochs
    return f"{decimal(passes, 2)} passes" if budget.budget == "steps" and passes else FORMATS[budget.budget](budget.at)


def _budget_name(budget: str, result: TrialResult) -> str:
    if budget in ("steps", "flops") and result.design.has_equal_steps:
        return "equal steps and FLOPs"
    if budget == "steps" and result.design.training.epochs:
        return "equal passes over the text"
    return BUDGET_NAMES[budget]
