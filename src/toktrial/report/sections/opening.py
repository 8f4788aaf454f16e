"""What opens the report: the verdict, the trial in brief, and the notes that a reader must know before reading on."""

from collections.abc import Callable, Mapping, Sequence

from toktrial.report.blocks import Bullets, Heading, Paragraph, Section, Table, paragraphs
from toktrial.report.dots_chart import runs_figure
from toktrial.report.noise import LATE_SHARE
from toktrial.report.outcome import budget_phrase
from toktrial.report.result import TrialResult
from toktrial.report.wording import count, decimal, joined, percent, plural, scientific, seconds


def verdict_section(result: TrialResult) -> Section:
    """Returns how the criterion came out, what it was, every run as a dot, and the numbers that decided."""
    verdict = result.verdict
    return Section(
        id="",
        title="",
        blocks=(
            Paragraph(f"Trial {result.trial}: which tokenizer made the model learn faster?", "trial"),
            Heading(verdict.outcome, level=1),
            *paragraphs(verdict.clauses, "numbers"),
            Paragraph(verdict.criterion, "criterion"),
            runs_figure(result),
            *paragraphs(verdict.details, "numbers"),
            *paragraphs(noise_sentences(result)),
            Paragraph(verdict.rule, "rule"),
        ),
    )


def noise_sentences(result: TrialResult) -> list[str]:
    """Returns what the runs say of chance; nothing for one seed, which says nothing of it."""
    noise = result.noise
    known = [f"{track} {decimal(value, 2)}" for track, value in noise.correlations.items() if value is not None]
    found = []
    if known:
        found.append(
            f"Correlation with {result.baseline} between runs of the same seed: {joined(known)}. Near 0, pairing by seed gains "
            "nothing."
        )
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
        ["entries", _alike_or_each({name: count(design.vocab_size_of(name)) for name in tracks})],
        ["parameters", _alike_or_each({name: count(track.parameters) for name, track in tracks.items()})],
        ["steps", "; ".join(dict.fromkeys(steps))],
        ["epochs", joined([f"{name} {decimal(track.epochs, 2)}" for name, track in tracks.items()])],
        ["learning rate", f"{_learning_rates(result)}, {training.schedule} after step {count(training.warmup_steps)}"],
        ["seeds", f"{seed_count}{control}"],
        ["training seconds of a run",
         joined([f"{name} {seconds(track.final.training_seconds)}" for name, track in tracks.items()])],
        ["compared", budget_phrase(design)],
    ]  # fmt: skip
    if result.overlap:
        seen = [f"{name} {percent(share)}" for name, share in result.overlap.sees_another_document.items()]
        rows.append(["targets that see an earlier document in their context", joined(seen)])
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


def _alike_or_each(values: Mapping[str, str]) -> str:
    """Returns the value that all tracks have, or each track's own."""
    different = set(values.values())
    return different.pop() if len(different) == 1 else joined([f"{name} {value}" for name, value in values.items()])


def _learning_rates(result: TrialResult) -> str:
    tuning = result.tuning
    if not tuning:
        return f"{result.design.training.learning_rate:g}"
    if tuning.decides == "shared":
        return f"{tuning.shared:g}, tuned for all tracks"
    return f"{joined([f'{track} {rate:g}' for track, rate in tuning.own.items()])}, each tuned for its track"


def notes_section(result: TrialResult) -> Section | None:
    """Returns the notes of notes.py; None where there are none."""
    if not result.notes:
        return None
    return Section(id="notes", title="Before you read on", blocks=(Bullets(tuple(result.notes)),), is_aside=True)
