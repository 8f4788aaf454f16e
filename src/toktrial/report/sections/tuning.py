"""Learning rates: every rate that was tried, the chosen ones, and the verdict under each choice."""

import math
from statistics import fmean

from toktrial.report.blocks import Blocks, Section, Table, paragraphs
from toktrial.report.comparisons import Tuning
from toktrial.report.dots_chart import rates_figure
from toktrial.report.result import TrialResult
from toktrial.report.wording import count, decimal, general, interval, joined, of_each, percent, plural, short_percent, signed
from toktrial.training.rates import Policy, mean_over_seeds

CHOICES: dict[Policy, str] = {"own": "each track at its own best rate", "shared": "all tracks at the shared rate"}
DIVERGED = "diverged"
UNEQUAL = 0.05  # tracks that differ by this share in what one rate costs them do not bear it equally
NO_TEST = (
    "The rates were chosen on training documents set aside for this, by runs under other seeds: neither the validation "
    "documents nor the verdict's runs played a part. The tokenizers, all of them, had learned from these documents too."
)


def tuning_section(result: TrialResult) -> Section | None:
    """Returns what the tuning found; None where rates were not tuned."""
    tuning = result.tuning
    if not tuning:
        return None
    said = paragraphs(tuning_sentences(tuning))
    blocks: Blocks = (*said, rates_figure(result, tuning), rates_table(tuning), tuned_verdicts_table(tuning))
    return Section(id="tuning", title="Learning rates", blocks=blocks)


def tuning_sentences(tuning: Tuning) -> list[str]:
    """Returns which rates were chosen, and where a better one may lie beyond the grid."""
    steps = joined(list(dict.fromkeys(f"{count(of_track)} steps" for of_track in tuning.steps.values())))
    own = of_each(tuning.own, general)
    found = [f"The best rates after {steps}: {own}. The best one shared by all tracks: {general(tuning.shared)}."]
    if tuning.at_edge:
        found.append(
            f"WARNING: the best rate of {joined(tuning.at_edge)} is at the edge of the grid. A better one may lie beyond it: "
            "widen tuning.rates in a new trial."
        )
    found += _borne_unequally(tuning)
    if len(tuning.verdicts) == 1 and any(rate != tuning.shared for rate in tuning.own.values()):
        found.append("The runs at the other choice of rates were not trained, so there is one verdict.")
    return [*found, NO_TEST]


def _borne_unequally(tuning: Tuning) -> list[str]:
    """Warns of the lowest rate that is too high for one track and not for another, which a longer warm-up may mend."""
    for rate in next(iter(tuning.bits_per_byte.values())):
        lost = {
            track: mean_over_seeds(of_track[rate]) / mean_over_seeds(of_track[repr(tuning.own[track])]) - 1
            for track, of_track in tuning.bits_per_byte.items()
        }
        worst, least = max(lost, key=lost.__getitem__), min(lost, key=lost.__getitem__)
        if lost[worst] - lost[least] >= UNEQUAL and float(rate) > tuning.own[worst]:
            ends = f"ends {percent(lost[worst])} above its best" if math.isfinite(lost[worst]) else "diverges"
            warned = (
                f"WARNING: at {general(float(rate))}, {worst} {ends}, and {least} {percent(lost[least])}. A longer "
                "training.warmup_steps can close such a gap: try it in a new trial before you trust a verdict at one rate."
            )
            return [warned]
    return []


def rates_table(tuning: Tuning) -> Table:
    """Returns the mean of every track at every rate, in bits per byte of the documents set aside."""
    tracks = list(tuning.bits_per_byte)
    rates = list(tuning.bits_per_byte[tracks[0]])
    rows = [[f"{float(rate):g}", *(_cell(tuning, track, rate) for track in tracks)] for rate in rates]
    caption = (
        f"Bits per byte on {count(tuning.documents)} training documents set aside, by learning rate: means over "
        f"{plural(tuning.seeds, 'seed')}. \N{BLACK STAR}: a track's own best rate."
    )
    return Table(caption, ("learning rate", *tracks), rows)


def tuned_verdicts_table(tuning: Tuning) -> Table:
    """Returns the verdicts at each track's own best rate and at the shared one, as far as both were run."""
    rows = [
        [
            CHOICES[choice] + (", which decides" if choice == tuning.decides else ""),
            f"{each.track} minus {each.baseline}",
            signed(each.difference),
            interval(each.low, each.high),
            each.verdict,
        ]
        for choice in CHOICES
        for each in tuning.verdicts.get(choice, [])
    ]
    confidence = short_percent(round(tuning.verdicts[tuning.decides][0].interval_confidence, 4))
    headers = ("learning rates", "tracks", "difference in bits per byte", f"{confidence} interval", "verdict")
    return Table("The verdict under each choice of learning rates", headers, rows, ("text", "text", "number", "number", "text"))


def _cell(tuning: Tuning, track: str, rate: str) -> str:
    values = [value for value in tuning.bits_per_byte[track][rate] if value is not None]
    if len(values) < len(tuning.bits_per_byte[track][rate]):
        return DIVERGED
    return decimal(fmean(values), 4) + (" \N{BLACK STAR}" if float(rate) == tuning.own[track] else "")
