"""The whole report in order. To add a section: a file in sections/, and its name in SECTIONS.

Result -> sections -> document -> page and Markdown.
"""

from importlib import import_module

from toktrial.report.blocks import Contents, Document, Section
from toktrial.report.result import TrialResult

CONTENTS = "contents"  # where the page lists its sections
SECTIONS = (
    "verdict", "curves", "facts", "notes", CONTENTS, "tracks", "beside", "tuning", "control", "tokenizers", "samples",
    "ratings", "minimal_pairs", "loss", "amendments", "protocol", "environment", "repeat",
)  # fmt: skip


def document_of(result: TrialResult) -> Document:
    """Returns the report of a result; a section that has nothing to say is not in it."""
    parts = [Contents() if name == CONTENTS else _section(name, result) for name in SECTIONS]
    return Document(title=f"Trial {result.trial}: {result.verdict.word}", parts=tuple(part for part in parts if part))


def _section(name: str, result: TrialResult) -> Section | None:
    made: Section | None = import_module(f"toktrial.report.sections.{name}").section(result)
    return made
