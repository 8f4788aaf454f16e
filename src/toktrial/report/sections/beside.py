"""Beyond the verdict: what its one number leaves out, and what decides nothing."""

from toktrial.report.axes import AXES, COMPARED_AXES
from toktrial.report.blocks import Block, Definition, Definitions, Heading, Paragraph, Section, Table, folded
from toktrial.report.comparisons import Comparison
from toktrial.report.curves import CurveQuestions, Needed, Reach
from toktrial.report.result import TrialResult
from toktrial.report.sections.curves import LOSS_PER_TOKEN
from toktrial.report.wording import NOT_MEASURED, count, decimal, joined, plural, short_percent, signed

CROSSINGS_NAMED = 5  # more crossings than this are noise: then only their number is given
BITS_PER_BYTE = "Bits per byte measures the same text for every track, so these curves do compare."
DECIDES_NOTHING = "Nothing here decides anything. It shows what the verdict's one number leaves out."
HOW_MEASURED = "interpolated linearly between evaluations, on the curves' fixed subset of documents"


def beside_section(result: TrialResult) -> Section:
    """Returns what each track needs to a target, and the answers on every other track."""
    blocks: list[Block] = [Paragraph(DECIDES_NOTHING), *target_tables(result)]
    for comparison in result.comparisons:
        title = f"{comparison.track} against {comparison.baseline}"
        found = (reach_table(comparison), Definitions(answers(comparison, result.verdict.confidence)))
        blocks += folded(True, title, found) if result.has_many_tracks else (Heading(title), *found)
    return Section(id="beside", title="Beyond the verdict", blocks=tuple(blocks))


def target_tables(result: TrialResult) -> list[Table]:
    """Returns a table for each target: what each track needs, and in how many of its runs it got there."""
    targets, baseline = result.targets, result.baseline
    how = f"Median over the runs, where one that does not reach it counts as never; {HOW_MEASURED}."
    curve_end = f"the final value of {baseline}'s curve of bits per byte"
    tables = [_target_table(f"What each track needs to reach {curve_end}. {how}", targets.baseline_final)]
    if targets.asked_for:
        asked = f"{targets.asked_for.bits_per_byte:g} bits per byte, the target set when the report was made"
        tables.append(_target_table(f"What each track needs to reach {asked}. {how}", targets.asked_for.tracks))
    return tables


def _target_table(caption: str, tracks: dict[str, dict[str, Needed]]) -> Table:
    headers = ("counted in", *(header for track in tracks for header in (track, f"runs of {track} that reach it")))
    rows = [
        [AXES[axis].row, *(cell for found in tracks.values() for cell in _needed_cells(found[axis], axis))]
        for axis in COMPARED_AXES
    ]
    return Table(caption, headers, rows)


def _needed_cells(found: Needed, axis: str) -> list[str]:
    """Returns the median, or the open end beyond which it lies, and how many runs reached the target."""
    reached = f"{found.reached} of {found.seeds}"
    if found.median is not None:
        return [AXES[axis].written(found.median), reached]
    return [NOT_MEASURED if found.more_than is None else f"> {AXES[axis].written(found.more_than)}", reached]


def answers(comparison: Comparison, confidence: float) -> tuple[Definition, ...]:
    """Returns what stands beside the verdict on one other track, in plain words."""
    beside = comparison.beside_the_verdict
    return (
        _curve_answer(comparison, beside.validation_loss, "loss per token", f"The research plan's criterion. {LOSS_PER_TOKEN}"),
        _curve_answer(comparison, beside.bits_per_byte, "bits per byte", BITS_PER_BYTE),
        _crossing_answer(comparison),
        _documents_answer(comparison, confidence),
    )


def _curve_answer(comparison: Comparison, found: CurveQuestions, name: str, meaning: str) -> Definition:
    track, baseline, below = comparison.track, comparison.baseline, found.lower
    lower_sentence = (
        f"Lower at every evaluation after the warm-up: {'yes' if below.at_every else 'no'}. {track}'s mean curve is "
        f"below {baseline}'s at {below.lower_at} of {below.evaluations} evaluations; "
        f"in {below.seeds_at_every} of {plural(below.seeds, 'seed')} it is below throughout."
    )
    reach_sentence = f"Reaches the final value of {baseline}'s curve: {_reach_phrase(found.reach)}."
    question = f"Is {track}'s {name} lower, and does it reach the final value of {baseline}'s curve sooner?"
    return Definition(question, f"{lower_sentence} {reach_sentence}", meaning)


def _reach_phrase(reach: dict[str, Reach]) -> str:
    steps = reach["step"]
    if steps.reached == 0:
        return f"no, in none of {plural(steps.seeds, 'seed')}"
    found = {AXES[axis].row: reach[axis] for axis in ("step", "training_seconds") if reach[axis].median is not None}
    parts = [f"{'at most ' if of.at_most else ''}{decimal(of.median, 2)} times the {name}" for name, of in found.items()]
    medians = f", after {joined(parts)} (median)" if parts else ""
    return f"in {steps.reached} of {plural(steps.seeds, 'seed')}{medians}"


def _crossing_answer(comparison: Comparison) -> Definition:
    steps = comparison.beside_the_verdict.bits_per_byte.crossings_at_steps
    if not steps:
        found = "No, not after the warm-up."
    elif len(steps) <= CROSSINGS_NAMED:
        found = f"Yes, near step {joined([count(step) for step in steps])}."
    else:
        found = f"Yes, {count(len(steps))} times, from step {count(steps[0])} to step {count(steps[-1])}."
    return Definition(
        "Do the curves of bits per byte cross?",
        found,
        "Where curves cross, the answer depends on the budget: shorter or longer training may favour the other track.",
    )


def _documents_answer(comparison: Comparison, confidence: float) -> Definition:
    found = comparison.beside_the_verdict.documents
    answer = (
        f"{signed(found.mean)} bits per byte ({comparison.track} minus {comparison.baseline}); the "
        f"{short_percent(confidence)} interval over {count(found.documents)} documents is {signed(found.low)} to "
        f"{signed(found.high)} (bootstrap, {count(found.resamples)} resamples)."
    )
    after = " after the last step" if comparison.budget == "bytes" else ""
    return Definition(
        f"How much would the difference{after} change with other validation documents?",
        answer,
        "This interval covers the choice of validation documents, for these trained models. It says nothing about "
        "other seeds, and decides nothing.",
    )


def reach_table(comparison: Comparison) -> Table:
    """Returns how much each of two tracks needs to reach the other's final curve value of bits per byte."""
    track, baseline = comparison.track, comparison.baseline
    found = comparison.beside_the_verdict.bits_per_byte
    headers = ("counted in", f"{track} to reach {baseline}", "seeds", f"{baseline} to reach {track}", "seeds")
    rows = [
        [AXES[axis].row, *_reach_cells(found.reach[axis]), *_reach_cells(found.reach_by_baseline[axis])]
        for axis in COMPARED_AXES
    ]
    caption = (
        "What one track needs to reach the final value of the other's curve of bits per byte, as a multiple of what the other "
        f"needed. Below 1 is sooner. Median over paired seeds, where a seed that does not reach it counts as never; "
        f"{HOW_MEASURED}. \N{LESS-THAN OR EQUAL TO}: it was there by its first evaluation, and perhaps sooner."
    )
    return Table(caption, headers, rows)


def _reach_cells(reach: Reach) -> list[str]:
    reached = f"{reach.reached} of {reach.seeds}"
    if reach.seeds == 0:
        return [NOT_MEASURED, reached]
    bound = "\N{LESS-THAN OR EQUAL TO} " if reach.at_most else ""
    return ["never" if reach.median is None else f"{bound}{decimal(reach.median, 2)}", reached]
