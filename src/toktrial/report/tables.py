"""The report's tables and the answers beside the verdict, as plain text cells; page and Markdown draw the same ones.

results -> tables -> page and Markdown: here stands what is said, there how it looks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from toktrial.report.wording import (
    MINUS,
    NOT_MEASURED,
    budget_phrase,
    count,
    decimal,
    joined,
    percent,
    plural,
    seconds,
    short_percent,
    signed,
    with_spread,
)

Kind = Literal["text", "number", "code"]
MEASURE_NAMES = {"validation_loss": "loss per token", "bits_per_byte": "bits per byte"}
AXIS_NAMES = {"step": "steps", "training_seconds": "training seconds", "bytes_seen": "bytes of text", "flops": "FLOPs"}
CROSSINGS_NAMED = 5  # more than so many crossings are noise around each other: only their number is told
LOSS_PER_TOKEN = (
    "Loss per token cannot compare two tokenizers: a token that covers more text is harder to guess, so its loss is "
    "higher even where the text is predicted equally well."
)
BITS_PER_BYTE = "Bits per byte counts the same text for every track, so these curves do compare."


REPEAT = (
    "The trial's folder holds its protocol. With the corpus where corpus.path says, this runs all of it again in a folder of "
    "its own:"
)


@dataclass(frozen=True)
class Table:
    """A caption, a header for each column, and rows of text; the first cell of a row names it."""

    caption: str
    headers: tuple[str, ...]
    rows: list[list[str]]
    kinds: tuple[Kind, ...]
    """How each column is set: `code` holds text of the corpus, which is untrusted."""


@dataclass(frozen=True)
class Answer:
    """One thing that stands beside the verdict and decides nothing."""

    question: str
    answers: list[str]
    meaning: str


def end_tables(results: dict[str, Any]) -> list[Table]:
    """Returns what the tracks came to: their means and, where there are several seeds, every run by its seed."""
    several = any(len(track["runs"]) > 1 for track in results["tracks"].values())
    return [_means_table(results, several), *([_seeds_table(results)] if several else []), *_floors_tables(results)]


def _means_table(results: dict[str, Any], several: bool) -> Table:
    headers = (
        "track", "entries", "bytes per token", "final bits per byte", "loss per token (nats)", "training seconds",
        "tokens read", "times through the text", "runs",
    )  # fmt: skip
    rows = [_main_row(name, track) for name, track in results["tracks"].items()]
    spread = ", \N{PLUS-MINUS SIGN} their standard deviation" if several else ""
    caption = f"Every track at its end: means over the runs{spread}. Bits per byte and loss are on every validation document."
    return Table(caption, headers, rows, text_then_numbers(len(headers) - 1))


def _seeds_table(results: dict[str, Any]) -> Table:
    bits = {name: {run["seed"]: run["bits_per_byte"] for run in track["runs"]} for name, track in results["tracks"].items()}
    differences = {
        f"{item['track']} minus {item['baseline']}": dict(zip(item["paired_seeds"], item["differences"], strict=True))
        for item in results["comparisons"]
    }
    rows = [
        [str(seed), *(decimal(of.get(seed), 4) for of in bits.values()), *(signed(of.get(seed)) for of in differences.values())]
        for seed in sorted(set().union(*bits.values()))
    ]  # fmt: skip
    caption = "Final bits per byte of every run, and the differences that the verdict's interval is made of."
    headers = ("seed", *bits, *differences)
    return Table(caption, headers, rows, text_then_numbers(len(headers) - 1))


def _floors_tables(results: dict[str, Any]) -> list[Table]:
    floors = {name: track["floors"] for name, track in results["tracks"].items() if track["floors"]}
    rows = [
        [
            name,
            decimal(of["unigram"]["bits_per_byte"], 4),
            decimal(of["bigram"]["bits_per_byte"], 4),
            decimal(of["worst_run"], 4),
            percent(of["below_bigram"]).replace("-", MINUS),
        ]
        for name, of in floors.items()
    ]
    caption = (
        "What counting a track's own ids reaches, in bits per byte of every validation document, and where its worst run "
        "ended. Unigram: the frequencies of the entries. Bigram: which entry follows which (interpolated Kneser-Ney). A run "
        "above the bigram floor has learned no more than counting pairs."
    )
    headers = ("track", "unigram floor", "bigram floor", "worst run", "below the bigram floor")
    return [Table(caption, headers, rows, text_then_numbers(4))] if rows else []


def text_then_numbers(columns: int) -> tuple[Kind, ...]:
    """Returns the kinds of a table whose first column names the row and whose others are numbers."""
    numbers: list[Kind] = ["number"] * columns
    return ("text", *numbers)


def _main_row(name: str, track: dict[str, Any]) -> list[str]:
    final, spread = track["final"], track["standard_deviation"]
    return [
        name,
        count(track["entries"]),
        decimal(track["bytes_per_token"]["validation"], 2),
        with_spread(final["bits_per_byte"], spread["bits_per_byte"], 4),
        with_spread(final["validation_loss"], spread["validation_loss"], 4),
        seconds(final["training_seconds"]),
        count(final["tokens_seen"]),
        decimal(track["epochs"], 2),
        f"{len(track['seeds_finished'])} of {track['seeds_in_protocol']}",
    ]


def answers(comparison: dict[str, Any], confidence: float) -> list[Answer]:
    """Returns what stands beside the verdict on one other track, in plain words."""
    return [
        *(_curve_answer(comparison, measure) for measure in MEASURE_NAMES),
        _crossing_answer(comparison),
        _documents_answer(comparison, confidence),
    ]


def _curve_answer(comparison: dict[str, Any], measure: str) -> Answer:
    found, track, baseline = comparison["beside_the_verdict"][measure], comparison["track"], comparison["baseline"]
    below, name = found["lower"], MEASURE_NAMES[measure]
    lower_sentence = (
        f"Lower at every evaluation after the warm-up: {'yes' if below['at_every'] else 'no'}. {track}'s mean curve is "
        f"below {baseline}'s at {below['lower_at']} of {below['evaluations']} evaluations; "
        f"{below['seeds_at_every']} of {plural(below['seeds'], 'seed')} are below it all the way."
    )
    reach_sentence = f"Reaches the value at which {baseline}'s curve ends: {_reach_phrase(found['reach'])}."
    meaning = f"The research plan's own criterion. {LOSS_PER_TOKEN}" if measure == "validation_loss" else BITS_PER_BYTE
    question = f"Is {track}'s {name} lower, and does it sooner reach the value at which {baseline}'s curve ends?"
    return Answer(question, [lower_sentence, reach_sentence], meaning)


def _reach_phrase(reach: Mapping[str, Any]) -> str:
    steps = reach["step"]
    if steps["reached"] == 0:
        return f"no, in none of {plural(steps['seeds'], 'seed')}"
    found = {AXIS_NAMES[axis]: reach[axis] for axis in ("step", "training_seconds") if reach[axis]["median"] is not None}
    parts = [f"{'at most ' if of['at_most'] else ''}{decimal(of['median'], 2)} times the {name}" for name, of in found.items()]
    medians = f", with {joined(parts)} (median)" if parts else ""
    return f"in {steps['reached']} of {plural(steps['seeds'], 'seed')}{medians}"


def _crossing_answer(comparison: dict[str, Any]) -> Answer:
    steps = comparison["beside_the_verdict"]["bits_per_byte"]["crossings_at_steps"]
    if not steps:
        found = "No, not after the warm-up."
    elif len(steps) <= CROSSINGS_NAMED:
        found = f"Yes, near step {joined([count(step) for step in steps])}."
    else:
        found = f"Yes, {count(len(steps))} times, from step {count(steps[0])} to step {count(steps[-1])}."
    return Answer(
        "Do the curves of bits per byte cross?",
        [found],
        "Where curves cross, the answer depends on the budget: a shorter or longer training may favour the other track.",
    )


def _documents_answer(comparison: dict[str, Any], confidence: float) -> Answer:
    found = comparison["beside_the_verdict"]["documents"]
    interval = (
        f"{signed(found['mean'])} bits per byte ({comparison['track']} minus {comparison['baseline']}); the "
        f"{short_percent(confidence)} interval over {count(found['documents'])} documents is {signed(found['low'])} to "
        f"{signed(found['high'])} (bootstrap, {count(found['resamples'])} resamples)."
    )
    return Answer(
        "How much would other validation documents change the difference?",
        [interval],
        "This interval covers the choice of validation documents, for these trained models. It says nothing about "
        "other seeds, and decides nothing.",
    )


def reach_table(comparison: dict[str, Any]) -> Table:
    """Returns how much each of two tracks needs to reach the other's final curve value of bits per byte."""
    track, baseline = comparison["track"], comparison["baseline"]
    found = comparison["beside_the_verdict"]["bits_per_byte"]
    headers = ("counted in", f"{track} to reach {baseline}", "seeds", f"{baseline} to reach {track}", "seeds")
    rows = [
        [AXIS_NAMES[axis], *_reach_cells(found["reach"][axis]), *_reach_cells(found["reach_by_baseline"][axis])]
        for axis in AXIS_NAMES
    ]
    caption = (
        "What a track needs to reach the value at which the other's curve of bits per byte ends, as a multiple of what the "
        "other needed. Below 1 is sooner. Median over paired seeds, where a seed that does not reach it counts as never; "
        "linear between evaluations, on the curves' fixed subset of documents. \N{LESS-THAN OR EQUAL TO}: it was there at its "
        "first evaluation, and maybe sooner."
    )
    return Table(caption, headers, rows, ("text", "number", "number", "number", "number"))


def _reach_cells(reach: Mapping[str, Any]) -> list[str]:
    reached = f"{reach['reached']} of {reach['seeds']}"
    if reach["seeds"] == 0:
        return [NOT_MEASURED, reached]
    bound = "\N{LESS-THAN OR EQUAL TO} " if reach["at_most"] else ""
    return ["never" if reach["median"] is None else f"{bound}{decimal(reach['median'], 2)}", reached]


def protocol_table(protocol: Mapping[str, Any]) -> Table:
    """Returns every field of the protocol, one a row."""
    rows = [[name, _field_text(value)] for name, value in _flat(protocol, "")]
    return Table("Every field of protocol.toml", ("field", "value"), rows, ("text", "code"))


def _field_text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(str(item) for item in value)
    return '""' if value == "" else str(value)


def _flat(table: Mapping[str, Any], prefix: str) -> Sequence[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in table.items():
        rows.extend(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else [(prefix + name, value)])
    return rows


def facts_table(results: dict[str, Any]) -> Table:
    """Returns what a reader must know of the trial before its numbers mean something."""
    protocol, tracks = results["protocol"], results["tracks"]
    training, of_baseline = protocol["training"], next(iter(tracks.values()))
    most = protocol.get("most_seeds", 0)
    seed_count = f"{protocol['seeds']} to {most}, by looks" if most > protocol["seeds"] else str(protocol["seeds"])
    control = "; the baseline again under as many others" if protocol.get("control") else ""
    steps = [f"{count(track['steps'])} of {count(track['tokens_per_step'])} tokens" for track in tracks.values()]
    epochs = [f"{name} {decimal(track['epochs'], 2)}" for name, track in tracks.items()]
    taken = [f"{name} {seconds(track['final']['training_seconds'])}" for name, track in tracks.items()]
    schedule = f"{training['schedule']} after step {count(training['warmup_steps'])}"
    rows = [
        ["corpus", f"{protocol['corpus']['path']}: {count(results['corpus']['train']['bytes'])} bytes for training"],
        ["entries", count(protocol["vocab_size"])],
        ["parameters", count(of_baseline["parameters"])],
        ["steps", "; ".join(dict.fromkeys(steps))],
        ["times through the text", joined(epochs)],
        ["learning rate", f"{_learning_rates(results)}, {schedule}"],
        ["seeds", f"{seed_count}{control}"],
        ["training seconds of a run", joined(taken)],
        ["compared", budget_phrase(protocol)],
    ]
    if results["overlap"]:
        seen = [f"{name} {percent(share)}" for name, share in results["overlap"]["sees_another_document"].items()]
        rows.append(["targets that see an earlier document in their row", joined(seen)])
    return Table("What was compared, and at what size", ("", "value"), rows, ("text", "text"))


def _learning_rates(results: dict[str, Any]) -> str:
    tuning = results["tuning"]
    if not tuning:
        return f"{results['protocol']['training']['learning_rate']:g}"
    if tuning["decides"] == "shared":
        return f"{tuning['shared']:g}, tuned for all tracks"
    return f"{joined([f'{track} {rate:g}' for track, rate in tuning['own'].items()])}, each tuned for its track"


def corpus_table(results: dict[str, Any]) -> Table:
    """Returns how much text there is to learn from and to measure on."""
    corpus = results["corpus"]
    rows = [[part, count(corpus[part]["documents"]), count(corpus[part]["bytes"])] for part in ("train", "validation")]
    return Table("The corpus", ("", "documents", "bytes of text"), rows, ("text", "number", "number"))


def environment_table(results: dict[str, Any]) -> Table:
    """Returns what the runs ran on."""
    rows = [[name.replace("_", " "), joined(values)] for name, values in results["environment"].items()]
    return Table("What the runs ran on", ("", "value"), rows, ("text", "text"))


def seconds_table(results: dict[str, Any]) -> Table:
    """Returns the seconds of every stage, all runs of a track together."""
    rows = [[stage, seconds(value)] for stage, value in results["seconds_by_stage"].items()]
    return Table("Seconds by stage, the runs of a track together", ("stage", "seconds"), rows, ("text", "number"))


def repeat_commands(results: dict[str, Any]) -> list[str]:
    """Returns what to type to run the trial again: at the commit that its runs came from, where they came from one."""
    commits = [commit for commit in results["environment"].get("git commit", []) if re.fullmatch(r"[0-9a-f]{40}", commit)]
    checkout = [f"git checkout {commits[0]}"] if len(commits) == 1 else []
    return [*checkout, "toktrial run protocol.toml --trial trials/again"]
