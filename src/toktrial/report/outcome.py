"""The verdict in words: the criterion, how it came out, and the numbers that decided.

Inputs, comparisons and differences -> outcome -> result.verdict.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from toktrial.report.amendments import is_exploratory
from toktrial.report.axes import AXES
from toktrial.report.comparisons import Comparison
from toktrial.report.design import Design
from toktrial.report.differences import Differences, SignChange
from toktrial.report.evaluated import TrialInputs
from toktrial.report.verdict import NO_DIFFERENCE
from toktrial.report.wording import FEW, count, decimal, joined, percent, plural, short_percent, signed

MET = "met"
UNDECIDED = "undecided: "  # how a verdict's word begins that only says why
RULE = (
    "The word is decided by one rule, fixed in the protocol. First, every run of both tracks must have learned more than a "
    "count model of the track's own ids knows. Then the two-sided paired t-interval decides, over seeds, of the difference in "
    "bits per byte on every validation document, at the protocol's budget. Nothing else on this page decides it. The interval "
    "covers what differs from seed to seed: initial weights and the order of the documents. It says nothing of another "
    "corpus, model or budget."
)


@dataclass(frozen=True)
class Verdict:
    """What the protocol's one rule decided, in words.

    `criterion`: what the protocol fixed; `outcome`: how it came out; `word`: the same in a word (of several other tracks, each
    with its name). `details`: the numbers that decided, one text for each other track; `sentence`: outcome and details.
    `exploratory`: whether what the rule reads was changed after a result may have been seen. `confidence`: the protocol's.
    `rule`: an explanation. `clauses`: what must be heard with the outcome, that is whose difference changed its sign on the way
    and whose still moves.
    """

    criterion: str
    outcome: str
    word: str
    details: list[str]
    sentence: str
    exploratory: bool
    confidence: float
    rule: str
    clauses: list[str] = field(default_factory=list)


def gather_verdict(inputs: TrialInputs, comparisons: Sequence[Comparison], differences: Mapping[str, Differences]) -> Verdict:
    """Returns the verdict in words."""
    design, exploratory = inputs.design, is_exploratory(inputs.amendments)
    came_out = outcome(comparisons, design.seeds, exploratory)
    details = [verdict_detail(item, len(comparisons)) for item in comparisons]
    details += _what_the_intervals_hold(comparisons, design.verdict.confidence)
    words = {item.track: item.verdict for item in comparisons}
    return Verdict(
        criterion=criterion(inputs.baseline, inputs.others, design),
        outcome=came_out,
        word="; ".join(f"{track}: {word}" for track, word in words.items()) if len(words) > 1 else comparisons[0].verdict,
        details=details,
        sentence=" ".join([came_out, *details]),
        exploratory=exploratory,
        confidence=design.verdict.confidence,
        rule=RULE,
        clauses=_clauses(inputs.baseline, differences),
    )


def budget_phrase(design: Design) -> str:
    """Returns where the verdict compares the tracks, in words."""
    if design.training.epochs and design.verdict.budget == "steps":
        return "after equal passes over the text, which take the tracks unequal steps and FLOPs"
    if design.verdict.budget != "steps":
        return f"after equal {'bytes of text' if design.verdict.budget == 'bytes' else 'FLOPs'}"
    if not design.has_equal_sizes:
        return "after equal steps, which cost the tracks unequal FLOPs"
    is_matched = design.training.match == "bytes"
    return f"after equal steps and so equal {'bytes of text, but for rounding' if is_matched else 'FLOPs'}"


def rate_phrase(design: Design) -> str:
    """Returns which of the tuned learning rates the tracks are trained at, in words; nothing where rates are not tuned."""
    if not design.tuning.rates:
        return ""
    own, shared = ", each at its own tuned learning rate", ", at the learning rate tuned for all"
    return own if design.tuning.decides == "own" else shared


def criterion(baseline: str, others: Sequence[str], design: Design) -> str:
    """Returns the success criterion as the protocol fixed it, before anything ran."""
    seeds, confidence = design.seeds, design.verdict.confidence
    looks = f"{seeds} to {plural(design.most_seeds, 'seed')}, with a look after each,"
    over = looks if design.has_looks else plural(seeds, "seed")
    each = f"each of {joined(others)}" if len(others) < FEW else f"each of the {len(others)} other tracks"
    if len(others) == 1:
        rule = f"{others[0]} learned faster if the {short_percent(confidence)} paired t-interval over {over}"
        found = "lies below 0"
    else:
        rule = f"{each} learned faster than {baseline} if the paired t-test over {over}"
        found = f"finds it below 0 at {short_percent(confidence)} confidence, {_correction(design, len(others))}"
    alone = " One seed has no interval, so it cannot be met." if seeds == 1 else ""
    budget = budget_phrase(design) + rate_phrase(design)
    return (
        f"Fixed before the run: {rule} of its bits per byte minus {baseline}'s, {budget}, {found}.{alone} Nothing is decided "
        f"where a run ends above its own {design.verdict.floor} floor, which counting alone reaches."
    )


def _correction(design: Design, comparisons: int) -> str:
    if design.has_looks:
        return f"which all looks of the {comparisons} comparisons share (Bonferroni)"
    return f"after Holm's correction for {comparisons} comparisons"


def outcome(comparisons: Sequence[Comparison], seeds: int, exploratory: bool = False) -> str:
    """Returns how the criterion came out, as a sentence; provisional where fewer than the protocol's seeds are paired.

    `exploratory`: whether what the rule reads was changed after a result was there to be seen.
    """
    judged = [_judged(comparison) for comparison in comparisons]
    counts = [len(comparison.paired_seeds) for comparison in comparisons]
    paired, most_paired = min(counts), max(counts)
    is_open = any(comparison.look and comparison.look.is_open for comparison in comparisons)
    if len(judged) > 1:
        said = _counted(comparisons) if len(judged) >= FEW else _named_one_by_one(comparisons)
    else:
        said = ", ".join(judged[0]) if paired < seeds or is_open or exploratory else ": ".join(judged[0])
    before = ["exploratory"] if exploratory else []
    if paired < seeds:
        there = str(paired) if paired == most_paired else f"{paired} to {most_paired}"
        before.append(f"so far, with {there} of {plural(seeds, 'seed')}")
    elif is_open:
        before.append(f"so far, with {plural(paired, 'seed')} and more to come")
    sentence = f"{', '.join(before)}: {said}." if before else f"{said}."
    return sentence if 1 < len(judged) < FEW and not before else sentence[0].upper() + sentence[1:]


def _named_one_by_one(comparisons: Sequence[Comparison]) -> str:
    """Returns who learned faster and who did not, as one sentence that names every track."""
    baseline = comparisons[0].baseline
    tracks_of: dict[str, list[str]] = {}
    for each in comparisons:
        word = "learned faster" if _judged(each)[0] == MET else each.verdict
        tracks_of.setdefault(word, []).append(each.track)
    said = []
    for word, tracks in tracks_of.items():
        named = joined(tracks)
        if word == "learned faster":
            said.append(f"{named} learned faster than {baseline}")
        elif word == f"{baseline} learned faster":
            said.append(f"{word} than {named}")
        elif word == NO_DIFFERENCE:
            said.append(f"{named} {'show' if len(tracks) > 1 else 'shows'} {word} from {baseline}")
        else:
            said.append(f"{named}: {word}")
    return "; ".join(said)


def _counted(comparisons: Sequence[Comparison]) -> str:
    """Returns who learned faster and who did not, as one sentence, where there are too many tracks to name each."""
    baseline, kinds = comparisons[0].baseline, [_judged(each)[0] for each in comparisons]
    faster = [each.track for each, kind in zip(comparisons, kinds, strict=True) if kind == MET]
    slower = [each.track for each in comparisons if each.verdict == f"{baseline} learned faster"]
    equal, undecided = sum(each.verdict == NO_DIFFERENCE for each in comparisons), kinds.count(UNDECIDED.rstrip(": "))
    said = [
        f"{len(faster) or 'none'} of {len(comparisons)} tracks learned faster than {baseline}{_named(faster)}",
        *([f"{baseline} learned faster than {len(slower)}{_named(slower)}"] if slower else []),
        *([f"{equal} {'shows' if equal == 1 else 'show'} no measurable difference"] if equal else []),
        *([f"{undecided} {'is' if undecided == 1 else 'are'} undecided"] if undecided else []),
    ]
    return "; ".join(said)


def _named(tracks: Sequence[str]) -> str:
    return f" ({joined(tracks)})" if 0 < len(tracks) <= FEW else ""


def _judged(comparison: Comparison) -> tuple[str, str]:
    """Returns (met, not met or undecided; the verdict's word) of one other track."""
    word = comparison.verdict
    if word.startswith(UNDECIDED):
        return UNDECIDED.rstrip(": "), word.removeprefix(UNDECIDED)
    return (MET if word == f"{comparison.track} learned faster" else "not met"), word


def verdict_detail(comparison: Comparison, tracks_compared: int) -> str:
    """Returns the numbers that decided the verdict on one other track, in words."""
    difference = " ".join([_difference(comparison), *_unlearned(comparison)])
    if comparison.low is None:
        return f"{difference} One seed cannot say how much of that is chance."
    interval = (
        f"{short_percent(round(comparison.interval_confidence, 4))} interval of {comparison.track} minus "
        f"{comparison.baseline}: {signed(comparison.low)} to {signed(comparison.high)}, over "
        f"{plural(len(comparison.paired_seeds), 'paired seed')}."
    )
    is_corrected = tracks_compared > 1 and not comparison.look
    p_value = f" p = {comparison.p_value_corrected:.2g}, corrected." if is_corrected else ""
    return f"{difference} {interval}{p_value}"


def _unlearned(comparison: Comparison) -> list[str]:
    """Says, for each track that has not learned, by how much, and what to do."""
    found = []
    for track, learned in comparison.learned.items():
        if learned.floor is None:
            return ["What counting alone reaches is measured by `toktrial evaluate`, with the trial's folder."]
        if not learned.has_learned:
            above = f"{decimal(learned.highest, 4)} bits per byte, above the {decimal(learned.floor, 4)}"
            found.append(f"{track}'s worst run is at {above} that counting reaches with the same ids, so nothing is decided.")
            found.append(_what_to_do(learned.steps_needed))
    return found


def _what_to_do(steps_needed: int | None) -> str:
    if steps_needed is None:
        return "By its curve that is more than 20 times as far, or out of reach: look at the learning rate, then at the steps."
    unit = 10 ** max(0, len(str(steps_needed)) - 2)  # rounds up to two digits that count: 1234 -> 1300
    steps = -(-steps_needed // unit) * unit
    return f"By the slope of its curve that takes about {count(steps)} steps: `--training.steps` with more."


def _difference(comparison: Comparison) -> str:
    track, baseline, mean = comparison.track, comparison.baseline, comparison.difference
    was = "was, at equal bytes of text," if comparison.budget == "bytes" else "ended"
    if mean == 0:
        return f"{track} {was} at exactly the bits per byte of {baseline}."
    side = "below" if mean < 0 else "above"
    share = percent(abs(comparison.relative_difference))
    return f"{track} {was} {decimal(abs(mean), 4)} bits per byte ({share}) {side} {baseline}; lower is better."


def _what_the_intervals_hold(comparisons: Sequence[Comparison], confidence: float) -> list[str]:
    """Returns why the intervals have another confidence than the verdict, where they do; at most one sentence."""
    together = short_percent(confidence)
    intervals = sum(each.low is not None for each in comparisons)
    if not intervals:
        return []
    if comparisons[0].look:
        return [f"An interval has the confidence of its look of the sequential design; all looks together keep {together}."]
    if intervals == 1:
        return []
    said = f"The {plural(intervals, 'interval')} hold together at {together} (Bonferroni)."
    return [f"{said} Holm's correction of the p-values, which is a little sharper, decides."]


def _clauses(baseline: str, differences: Mapping[str, Differences]) -> list[str]:
    """Returns what a reader must hear with the verdict: whose difference changed its sign, and whose still moves."""
    changed: dict[str, str] = {}
    moving: dict[str, str] = {}
    for track, found in differences.items():
        if found.sign_change is not None:
            changed[track] = _when(found.sign_change, found)
        if found.movement and found.movement.moves_still:
            moving[track] = f"by {signed(found.movement.moved)}"
    clauses = []
    if changed:
        clauses.append(f"The difference from {baseline} changed its sign on the way: {_each(changed, differences)}.")
    if moving:
        whole = "training" if next(iter(differences.values())).along == "step" else "budget"
        still = f"The difference from {baseline} still moved in the last quarter of the {whole}"
        clauses.append(f"{still}: {_each(moving, differences)}.")
    return [*clauses, "Another budget may say another thing."] if clauses else []


def _each(said: Mapping[str, str], tracks: Collection[str]) -> str:
    """Returns what is said of each track; of too many only which they are."""
    return joined([f"{track} {what}" if len(tracks) < FEW else track for track, what in said.items()])


def _when(change: SignChange, found: Differences) -> str:
    axis, curve = AXES[found.along], found.curves[found.along]
    assert curve, "only seconds leave pairs out"
    first, last, end = map(axis.written, (change.first, change.last, curve.at[-1]))
    if found.along == "step":
        return f"{f'at step {first}' if first == last else f'between steps {first} and {last}'} of {end}"
    return f"{f'after {first}' if first == last else f'between {first} and {last}'} of {end} {axis.label}"
