"""What nothing looks like: the A/A control, the same tokenizer trained twice."""

from toktrial.report.blocks import Section, Table, paragraphs
from toktrial.report.noise import Control
from toktrial.report.result import TrialResult
from toktrial.report.wording import decimal, joined, plural, short_percent, signed

WHAT_IT_BOUNDS = (
    "The two trainings of a pair differ in their initial weights and in the order of the documents, which two tracks of one "
    "seed have in common; the other track's own noise is not in it, and may be larger. A difference as small as this one may "
    "be nothing, and one that the verdict finds may be smaller than this one. It decides nothing."
)


def section(result: TrialResult) -> Section | None:
    """Returns what the control says of the trial's differences; None without one."""
    if not result.control:
        return None
    said = paragraphs(control_sentences(result.control, result))
    return Section(id="control", title="What nothing looks like", blocks=(*said, control_table(result.control, result)))


def control_sentences(control: Control, result: TrialResult) -> list[str]:
    """Returns what the control says of the trial's differences, in words."""
    differences = [*_interval_sentence(control, result), _multiples(control, result), *_deviations(control, result)]
    return [_what_nothing_looks_like(control), *differences, WHAT_IT_BOUNDS]


def control_table(control: Control, result: TrialResult) -> Table:
    """Returns the pairs of the control beside those of the tracks, one seed a row: differences in final bits per byte."""
    baseline, comparisons = control.track, result.comparisons
    names = [f"{item.track} minus {baseline}, same seed" for item in comparisons]
    by_seed = [dict(zip(item.paired_seeds, item.differences, strict=True)) for item in comparisons]
    rows = [
        [f"{pair.seed} and {pair.other_seed}", signed(pair.difference),
         *(signed(differences.get(pair.seed)) for differences in by_seed)]
        for pair in control.pairs
    ]  # fmt: skip
    headers = ("seeds", f"{baseline} minus itself, other seed", *names)
    caption = "Differences in final bits per byte: of the same tokenizer trained twice, and of the tracks"
    return Table(caption, headers, rows)


def _what_nothing_looks_like(control: Control) -> str:
    finished, wanted = len(control.pairs), control.pairs_in_protocol
    of = plural(finished, "pair") if finished == wanted else f"{finished} of {plural(wanted, 'pair')}"
    return (
        f"The same tokenizer ({control.track}) trained twice differs by {decimal(control.root_mean_square, 4)} bits per "
        f"byte (root mean square over {of} of seeds): what nothing looks like."
    )


def _interval_sentence(control: Control, result: TrialResult) -> list[str]:
    if control.low is None:
        return []
    holds = "which holds 0" if control.holds_zero else "which misses 0: chance, for there is nothing to find"
    confidence = result.verdict.confidence
    interval = f"{short_percent(confidence)} interval of {signed(control.low)} to {signed(control.high)}"
    return [f"Its mean is {signed(control.mean)}, with a {interval}, {holds}."]


def _multiples(control: Control, result: TrialResult) -> str:
    parts = [
        f"{track} differs from {result.baseline} by {decimal(multiple, 1)} times that"
        for track, multiple in control.multiples.items()
        if multiple is not None
    ]
    return f"{joined(parts)}." if parts else "Both trainings ended at exactly the same value, which chance alone does not do."


def _deviations(control: Control, result: TrialResult) -> list[str]:
    parts = [
        f"{track} minus {result.baseline} deviates by {decimal(deviation, 4)}"
        for track, deviation in control.deviations.items()
        if deviation is not None
    ]
    return [f"From seed to seed, {joined(parts)}: the noise that the verdict reckons with."] if parts else []
