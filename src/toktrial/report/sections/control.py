"""The A/A control: what no difference looks like, when the same tokenizer is trained twice."""

from toktrial.report.blocks import Blocks, Section, Table, paragraphs
from toktrial.report.noise import Control
from toktrial.report.result import TrialResult
from toktrial.report.wording import decimal, interval, joined, plural, short_percent, signed

WHAT_IT_BOUNDS = (
    "The two trainings of a pair differ in their initial weights and in the order of the documents, which two tracks share "
    "under one seed. The other track's own noise is not in this number, and may be larger. A difference this small may be "
    "nothing, yet one that the verdict finds may be even smaller. The control decides nothing."
)


def control_section(result: TrialResult) -> Section | None:
    """Returns what the control says of the trial's differences; None without one."""
    if not result.control:
        return None
    control = result.control
    noise = [noise_table(control, result)] if result.has_many_tracks else []
    blocks: Blocks = (*paragraphs(control_sentences(control, result)), *noise, control_table(control, result))
    return Section(id="control", title="What no difference looks like", blocks=blocks, short_title="A/A control")


def control_sentences(control: Control, result: TrialResult) -> list[str]:
    """Returns what the control says of the trial's differences, in words."""
    of_tracks = [] if result.has_many_tracks else [_multiples(control, result), *_deviations(control, result)]
    return [_what_no_difference_looks_like(control), *_interval_sentence(control, result), *of_tracks, WHAT_IT_BOUNDS]


def noise_table(control: Control, result: TrialResult) -> Table:
    """Returns every other track's difference as a multiple of what no difference looks like, and its own noise."""
    rows = [
        [each.track, signed(each.difference), decimal(control.multiples[each.track], 1),
         decimal(control.deviations[each.track], 4)]
        for each in result.comparisons
    ]  # fmt: skip
    caption = (
        f"The tracks' differences from {result.baseline}, as multiples of that, and their standard deviation from seed to "
        "seed: the noise that the verdict takes into account."
    )
    return Table(caption, ("track", "difference", "times the control's", "standard deviation"), rows)


def control_table(control: Control, result: TrialResult) -> Table:
    """Returns the pairs of the control beside those of the tracks, one seed a row: differences where the verdict compares."""
    by_seed = [dict(zip(each.paired_seeds, each.differences, strict=True)) for each in result.comparisons]
    rows = [
        [f"{pair.seed} and {pair.other_seed}", signed(pair.difference), *(signed(found.get(pair.seed)) for found in by_seed)]
        for pair in control.pairs
    ]
    names = [f"{each.track} minus {control.track}, same seed" for each in result.comparisons]
    where = "bits per byte at equal bytes of text" if result.design.verdict.budget == "bytes" else "final bits per byte"
    caption = f"Differences in {where}: of the same tokenizer trained twice, and of the tracks"
    return Table(caption, ("seeds", f"{control.track} minus itself, other seed", *names), rows)


def _what_no_difference_looks_like(control: Control) -> str:
    finished, wanted = len(control.pairs), control.pairs_in_protocol
    of = plural(finished, "pair") if finished == wanted else f"{finished} of {plural(wanted, 'pair')}"
    return (
        f"The same tokenizer ({control.track}) trained twice differs by {decimal(control.root_mean_square, 4)} bits per "
        f"byte (root mean square over {of} of seeds): this is what no difference looks like."
    )


def _interval_sentence(control: Control, result: TrialResult) -> list[str]:
    if control.low is None:
        return []
    holds = "which contains 0" if control.holds_zero else "which excludes 0: by chance, because there is nothing to find"
    around = f"a {short_percent(result.verdict.confidence)} interval of {interval(control.low, control.high)}"
    return [f"The mean difference is {signed(control.mean)}, with {around}, {holds}."]


def _multiples(control: Control, result: TrialResult) -> str:
    parts = [
        f"{track} differs from {result.baseline} by {decimal(multiple, 1)} times that"
        for track, multiple in control.multiples.items()
        if multiple is not None
    ]
    return f"{joined(parts)}." if parts else "Both trainings ended at exactly the same value, which does not happen by chance."


def _deviations(control: Control, result: TrialResult) -> list[str]:
    parts = [
        f"{track} minus {result.baseline} has a standard deviation of {decimal(deviation, 4)}"
        for track, deviation in control.deviations.items()
        if deviation is not None
    ]
    return [f"From seed to seed, {joined(parts)}: the noise that the verdict takes into account."] if parts else []
