"""What a reader must know before reading on: the notes of notes.py."""

from toktrial.report.blocks import Bullets, Section
from toktrial.report.result import TrialResult


def section(result: TrialResult) -> Section | None:
    """Returns the notes; None where there are none."""
    if not result.notes:
        return None
    return Section(id="notes", title="To know before you read on", blocks=(Bullets(tuple(result.notes)),), is_aside=True)
