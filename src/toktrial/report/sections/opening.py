"""What opens the report: the verdict, the trial in brief, and the notes that a reader must know before reading on."""

from collections.abc import Callable, Mapping, Sequence

from toktrial.report.axes import AXES
from toktrial.report.blocks import Bullets, Heading, Kind, Paragraph, Section, Table, folded, paragraphs
from toktrial.report.comparisons import Comparison
from toktrial.report.curves import mean_over_seeds
from toktrial.report.differences import Differences
from toktrial.report.dots_chart import runs_figure
from toktrial.report.noise import LATE_SHARE
from toktrial.report.outcome import budget_phrase
from toktrial.report.result import TrialResult
from toktrial.report.sections.tracks import BUDGET_NAMES
from toktrial.report.wording import (
    NOT_MEASURED,
    count,
    decimal,
    general,
    interval,
    joined,
    of_each,
    percent,
    plural,
    scientific,
    seconds,
    short_percent,
    signed,
    two_digits,
)


def verdict_section(result: TrialResult) -> Section:
    """Returns how the criterion came out, what it was, every run as a dot, and the numbers that decided."""
    verdict, several = result.verdict, len(result.comparisons) > 1
    return Section(
        id="",
        title="",
        blocks=(
            Paragraph(f"Trial {result.trial}: which tokenizer made the model learn faster?", "trial"),
            Heading(verdict.outcome, level=1),
            *paragraphs(verdict.clauses, "numbers"),
            Paragraph(verdict.criterion, "criterion"),
            runs_figure(result),
            *([ranks_table(result)] if several else []),
            *folded(several, "The numbers that decided, in words", paragraphs(verdict.details, "numbers")),
            *paragraphs(noise_sentences(result)),
            Paragraph(verdict.rule, "rule"),
        ),
    )


def ranks_table(result: TrialResult) -> Table:
    """Returns every track with its difference from the baseline, the best first."""
    compared = {each.track: each for each in result.comparisons}
    first = result.comparisons[0]
    beside = next((name for name in ("bytes", "steps") if name != first.budget), "steps")
    is_open = any(each.look for each in result.comparisons)
    rows = [
        [f"{rank}.\N{NO-BREAK SPACE}{track}", decimal(mean_over_seeds(result.judged(track)), 4),
         *(_ranked_cells(compared[track], result.differences[track], beside) if track in compared else BASELINE_CELLS)]
        for rank, track in enumerate(result.ranked, start=1)
    ]  # fmt: skip
    confidence = short_percent(round(first.interval_confidence, 4))
    headers = (
        "track", "bits per byte", f"minus {first.baseline}", "interval" if is_open else f"{confidence} interval",
        "p" if is_open else "p, corrected", f"at {BUDGET_NAMES[beside]}", "sign changed", "verdict",
    )  # fmt: skip
    caption = (
        f"All tracks, the best first: mean bits per byte {budget_phrase(result.design)}, and the paired difference from "
        f"{first.baseline} on which the verdict rests; below 0 the other track is ahead."
    )
    kinds: tuple[Kind, ...] = ("text", *("number",) * 6, "text")
    return Table(caption, headers, rows, kinds)


BASELINE_CELLS = [*[""] * 5, "the baseline"]


def _ranked_cells(comparison: Comparison, found: Differences, beside: str) -> list[str]:
    p_value = comparison.p_value if comparison.look else comparison.p_value_corrected
    elsewhere = next((budget.difference for budget in found.budgets if budget.budget == beside), None)
    return [
        signed(comparison.difference), interval(comparison.low, comparison.high),
        NOT_MEASURED if p_value is None else f"{p_value:.2g}", signed(elsewhere),
        _places_of(found), comparison.verdict,
    ]  # fmt: skip


def _places_of(found: Differences) -> str:
    change, axis = found.sign_change, AXES[found.along]
    if change is None:
        return "never"
    places = " to ".join(dict.fromkeys([axis.written(change.first), axis.written(change.last)]))
    return f"at step {places}" if found.along == "step" else f"at {places} {axis.label}"


def noise_sentences(result: TrialResult) -> list[str]:
    """Returns what the runs say of chance; nothing for one seed, which says nothing of it."""
    noise = result.noise
    known = {track: value for track, value in noise.correlations.items() if value is not None}
    found = []
    if known:
        of_tracks = of_each(known, two_digits)
        with_baseline = f"Correlation with {result.baseline} between runs of the same seed: {of_tracks}."
        found.append(f"{with_baseline} Near 0, pairing by seed gains nothing.")
    if noise.two_groups:
        found.append(f"The runs of {joined(noise.two_groups)} fall into two groups.")
    if noise.false_verdict_rate is not None:
        found.append(
            f"With {plural(noise.seeds, 'seed')}, the interval relies on differences being roughly normal. Where {LATE_SHARE} "
            f"runs leaves its plateau late, {percent(noise.false_verdict_rate, 0)} of simulated trials find a difference that "
            "is not there."
        )
    return found


def facts_section(result: TrialResult) -> Section:
    """Returns what was compared, and at what size, as one table."""
    design, tracks = result.design, result.tracks
    training = design.training
    seed_count = f"{design.seeds} to {design.most_seeds}, with a look after each" if design.has_looks else str(design.seeds)
    control = "; the baseline again under as many other seeds (A/A control)" if design.control else ""
    steps = [f"{count(track.steps)} of {count(track.tokens_per_step)} tokens each" for track in tracks.values()]
    rows = [
        ["corpus", f"{design.corpus.path}: {count(result.corpus.train.bytes)} bytes for training"],
        ["entries", _alike_or_each({name: design.vocab_size_of(name) for name in tracks})],
        ["parameters", _alike_or_each({name: track.parameters for name, track in tracks.items()})],
        ["steps", "; ".join(dict.fromkeys(steps))],
        ["epochs", of_each({name: track.epochs for name, track in tracks.items()}, two_digits)],
        ["learning rate", f"{_learning_rates(result)}, {training.schedule} after step {count(training.warmup_steps)}"],
        ["seeds", f"{seed_count}{control}"],
        ["training seconds of a run", of_each({name: track.final.training_seconds for name, track in tracks.items()}, seconds)],
        ["compared", budget_phrase(design)],
    ]  # fmt: skip
    if result.overlap:
        seen = of_each(result.overlap.sees_another_document, percent)
        rows.append(["targets that see an earlier document in their context", seen])
    facts = Table("What was compared, and at what size", ("", "value"), rows, ("text", "text"))
    equal = [] if design.has_equal_sizes else [equality_table(result)]
    return Section(id="facts", title="The trial in brief", blocks=(facts, *equal))


def equality_table(result: TrialResult) -> Table:
    """Returns what is equal between tracks whose vocabularies differ in size, and what is not."""
    tracks = result.tracks.values()
    of_a_step = [track.flops_per_token * track.tokens_per_step for track in tracks]
    quantities: dict[str, tuple[Callable[[float | None], str], Sequence[float | None]]] = {
        "entries asked for": (count, [result.design.vocab_size_of(name) for name in result.tracks]),
        "parameters": (count, [track.parameters for track in tracks]),
        "parameters without embeddings": (count, [track.parameters_without_embeddings for track in tracks]),
        "tokens of a step": (count, [track.tokens_per_step for track in tracks]),
        "FLOPs of a step": (scientific, of_a_step),
        "steps": (count, [track.steps for track in tracks]),
        "FLOPs of a run": (scientific, [track.final.flops for track in tracks]),
        "bytes of text read": (count, [track.final.bytes_seen for track in tracks]),
    }
    allowed = {"FLOPs of a run": max(of_a_step)}  # runs take whole steps
    rows = [
        [name, "yes" if _are_equal(values, allowed.get(name, 0.0)) else "no", *map(written, values)]
        for name, (written, values) in quantities.items()
    ]
    caption = (
        "What is equal between the tracks, and what is not; the FLOPs of a run to a step. A larger vocabulary makes a larger "
        f"model, whose steps cost more. The tracks are compared {budget_phrase(result.design)}."
    )
    return Table(caption, ("", "equal", *result.tracks), rows)


def _are_equal(values: Sequence[float | None], allowed: float) -> bool:
    """Whether all are known, and differ by no more than what is allowed."""
    known = [value for value in values if value is not None]
    return len(known) == len(values) and max(known) - min(known) <= allowed


def _alike_or_each(values: Mapping[str, float]) -> str:
    """Returns the count that all tracks have, or each track's own."""
    different = set(values.values())
    return count(different.pop()) if len(different) == 1 else of_each(values, count)


def _learning_rates(result: TrialResult) -> str:
    tuning = result.tuning
    if not tuning:
        return general(result.design.training.learning_rate)
    if tuning.decides == "shared":
        return f"{general(tuning.shared)}, tuned for all tracks"
    return f"{of_each(tuning.own, general)}, each tuned for its track"


def notes_section(result: TrialResult) -> Section | None:
    """Returns the notes of notes.py; None where there are none."""
    if not result.notes:
        return None
    return Section(id="notes", title="Before you read on", blocks=(Bullets(tuple(result.notes)),), is_aside=True)
