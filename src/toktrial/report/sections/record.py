"""The record of the trial: what was planned and what was changed, what it ran on and for how long, how to repeat it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from toktrial.report.amendments import describe_amendment
from toktrial.report.blocks import Bullets, CodeBlock, Details, Paragraph, Section, Table, folded
from toktrial.report.result import TrialResult
from toktrial.report.wording import count, joined, seconds

REPEAT = (
    "The trial's folder holds its protocol. With the corpus at corpus.path, this runs everything again in a folder of its own:"
)


def amendments_section(result: TrialResult) -> Section | None:
    """Returns what was changed after the trial had begun; None where nothing was."""
    if not result.amendments:
        return None
    changes = Bullets(tuple(map(describe_amendment, result.amendments)))
    return Section(id="amendments", title="Changes made after the trial began", blocks=(changes,), short_title="Changes")


def protocol_section(result: TrialResult) -> Section:
    """Returns how much text there was, and every field of the protocol."""
    sizes = {"train": result.corpus.train, "validation": result.corpus.validation}
    parts = [[part, count(size.documents), count(size.bytes)] for part, size in sizes.items()]
    fields = [[name, field_text(value)] for name, value in flat(result.protocol)]
    corpus = Table("The corpus", ("", "documents", "bytes of text"), parts)
    protocol = Table("Every field of protocol.toml", ("field", "value"), fields, ("text", "code"))
    return Section(id="protocol", title="Protocol", blocks=(corpus, Details(f"All {len(fields)} fields", (protocol,))))


def environment_section(result: TrialResult) -> Section:
    """Returns what the runs ran on, and how long every stage took."""
    values = [[name.replace("_", " "), joined(values)] for name, values in result.environment.items()]
    stages = [[stage, seconds(value)] for stage, value in result.seconds_by_stage.items()]
    ran_on = Table("What the runs ran on", ("", "value"), values, ("text", "text"))
    took = Table("Seconds by stage, summed over the runs of a track", ("stage", "seconds"), stages)
    stages_shown = folded(result.has_many_tracks, "How long every stage took", [took])
    blocks = (*stages_shown, Details("Machines and versions", (ran_on,)))
    return Section(id="environment", title="Environment", blocks=blocks)


def repeat_section(result: TrialResult) -> Section:
    """Returns how to run the trial again."""
    return Section(
        id="repeat",
        title="Repeat this trial",
        blocks=(
            Paragraph(REPEAT),
            CodeBlock("\n".join(repeat_commands(result)), "sh"),
            Paragraph("To cite it:"),
            CodeBlock(bibtex(result), "bibtex"),
            Paragraph("Every number in this report is in results.json beside it.", "small"),
        ),
    )


def repeat_commands(result: TrialResult) -> list[str]:
    """Returns what to type to run the trial again: at the commit that its runs came from, where they came from one."""
    commits = [commit for commit in result.environment["git commit"] if re.fullmatch(r"[0-9a-f]{40}", commit)]
    checkout = [f"git checkout {commits[0]}"] if len(commits) == 1 else []
    return [*checkout, "toktrial run protocol.toml --trial trials/again"]


def bibtex(result: TrialResult) -> str:
    """Returns an entry that cites the trial."""
    key = re.sub(r"[^A-Za-z0-9]+", "-", result.trial).strip("-")
    fields = {
        "title": f"Trial {result.trial}: which tokenizer made the model learn faster?",
        "year": result.environment["first run started"][0][:4],
        "howpublished": f"toktrial {joined(result.environment['toktrial'])}",
        "note": result.verdict.outcome,
    }
    safe = {name: re.sub(r"([&%$#_{}])", r"\\\1", value) for name, value in fields.items()}
    lines = [f"  {name} = {{{value}}}," for name, value in safe.items()]
    return "\n".join([f"@misc{{toktrial-{key},", *lines, "}"])


def field_text(value: Any) -> str:
    """Returns the value of a protocol's field as a table shows it."""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return '""' if value == "" else str(value)


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted name, value) of everything in nested tables.

    >>> list(flat({"a": {"b": 1}, "c": [2]}))
    [('a.b', 1), ('c', [2])]
    """
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
