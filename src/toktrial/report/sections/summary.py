"""What the terminal shows of a result: the verdict, a table of the tracks, and what a reader must know of both."""

from toktrial.report.amendments import describe_amendment
from toktrial.report.blocks import Bullets, Heading, Section, Table, paragraphs
from toktrial.report.result import TrialResult
from toktrial.report.sections.control import control_sentences
from toktrial.report.sections.opening import noise_sentences
from toktrial.report.wording import count, decimal


def summary(result: TrialResult) -> Section:
    """Returns the result in brief. It is not part of the report, which says all of it at length."""
    verdict = result.verdict
    control = control_sentences(result.control, result)[:1] if result.control else []
    changes = [f"changed: {describe_amendment(each)}" for each in result.amendments]
    return Section(
        id="",
        title="",
        blocks=(
            Heading(verdict.outcome, level=1),
            *paragraphs([*verdict.clauses, verdict.criterion]),
            _tracks_table(result),
            *paragraphs([*verdict.details, *noise_sentences(result), *control]),
            Bullets((*result.notes, *changes)),
        ),
    )


def _tracks_table(result: TrialResult) -> Table:
    rows = [
        [
            name,
            count(track.entries),
            decimal(track.bytes_per_token.validation, 2),
            decimal(track.final.bits_per_byte, 4),
            decimal(track.final.validation_loss, 3),
            decimal(track.final.training_seconds, 1),
        ]
        for name, track in result.tracks.items()
    ]
    headers = ("track", "entries", "bytes per token", "bits per byte", "loss per token", "training seconds")
    return Table(f"trial {result.trial}", headers, rows)
