"""The protocol: the corpus that was used, and every field of protocol.toml."""

from collections.abc import Iterator, Mapping
from typing import Any

from toktrial.report.blocks import Section, Table
from toktrial.report.result import TrialResult
from toktrial.report.wording import count


def section(result: TrialResult) -> Section:
    """Returns what was planned."""
    return Section(id="protocol", title="Protocol", blocks=(corpus_table(result), protocol_table(result)))


def corpus_table(result: TrialResult) -> Table:
    """Returns how much text there is to learn from and to measure on."""
    corpus = result.corpus
    sizes = {"train": corpus.train, "validation": corpus.validation}
    rows = [[part, count(size.documents), count(size.bytes)] for part, size in sizes.items()]
    return Table("The corpus", ("", "documents", "bytes of text"), rows)


def protocol_table(result: TrialResult) -> Table:
    """Returns every field of the protocol, one a row."""
    rows = [[name, _field_text(value)] for name, value in _flat(result.protocol, "")]
    return Table("Every field of protocol.toml", ("field", "value"), rows, ("text", "code"))


def _field_text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(str(item) for item in value)
    return '""' if value == "" else str(value)


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
