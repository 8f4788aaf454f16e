"""The trial in short: what a reader must know before its numbers mean something."""

from toktrial.report.blocks import Section, Table
from toktrial.report.outcome import budget_phrase
from toktrial.report.result import TrialResult
from toktrial.report.wording import count, decimal, joined, percent, seconds


def section(result: TrialResult) -> Section:
    """Returns the one card of facts."""
    return Section(id="facts", title="The trial in short", blocks=(facts_table(result),))


def facts_table(result: TrialResult) -> Table:
    """Returns what a reader must know of the trial before its numbers mean something."""
    design, tracks = result.design, result.tracks
    training, of_baseline = design.training, tracks[result.baseline]
    seed_count = f"{design.seeds} to {design.most_seeds}, by looks" if design.has_looks else str(design.seeds)
    control = "; the baseline again under as many others" if design.control else ""
    steps = [f"{count(track.steps)} of {count(track.tokens_per_step)} tokens" for track in tracks.values()]
    epochs = [f"{name} {decimal(track.epochs, 2)}" for name, track in tracks.items()]
    taken = [f"{name} {seconds(track.final.training_seconds)}" for name, track in tracks.items()]
    schedule = f"{training.schedule} after step {count(training.warmup_steps)}"
    rows = [
        ["corpus", f"{design.corpus.path}: {count(result.corpus.train.bytes)} bytes for training"],
        ["entries", count(design.vocab_size)],
        ["parameters", count(of_baseline.parameters)],
        ["steps", "; ".join(dict.fromkeys(steps))],
        ["times through the text", joined(epochs)],
        ["learning rate", f"{_learning_rates(result)}, {schedule}"],
        ["seeds", f"{seed_count}{control}"],
        ["training seconds of a run", joined(taken)],
        ["compared", budget_phrase(design)],
    ]
    if result.overlap:
        seen = [f"{name} {percent(share)}" for name, share in result.overlap.sees_another_document.items()]
        rows.append(["targets that see an earlier document in their row", joined(seen)])
    return Table("What was compared, and at what size", ("", "value"), rows, ("text", "text"))


def _learning_rates(result: TrialResult) -> str:
    tuning = result.tuning
    if not tuning:
        return f"{result.design.training.learning_rate:g}"
    if tuning.decides == "shared":
        return f"{tuning.shared:g}, tuned for all tracks"
    return f"{joined([f'{track} {rate:g}' for track, rate in tuning.own.items()])}, each tuned for its track"
