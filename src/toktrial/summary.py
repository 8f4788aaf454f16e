"""The result of a trial at the terminal: how its criterion came out, a table of the tracks, where the report is."""

from pathlib import Path
from typing import TYPE_CHECKING

from toktrial.report.amendments import describe_amendment
from toktrial.report.result import TrialResult
from toktrial.report.sections.control import control_sentences
from toktrial.report.sections.verdict import noise_sentences
from toktrial.report.wording import decimal

if TYPE_CHECKING:
    from rich.console import Console


def print_summary(result: TrialResult, report_folder: Path) -> None:
    """Prints a report's result to standard output."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"trial {result.trial}"), title_justify="left")
    table.add_column("track")
    for heading in ("entries", "bytes per token", "bits per byte", "loss per token", "training seconds"):
        table.add_column(heading, justify="right")
    for name, track in result.tracks.items():
        final = track.final
        table.add_row(
            name,
            f"{track.entries:,}",
            decimal(track.bytes_per_token.validation, 2),
            decimal(final.bits_per_byte, 4),
            decimal(final.validation_loss, 3),
            decimal(final.training_seconds, 1),
        )
    console = Console(width=max(80, Console().width))
    verdict = result.verdict
    _print_lines(console, [verdict.outcome, *verdict.clauses, verdict.criterion])
    console.print(table)
    amendments = [f"- changed: {describe_amendment(each)}" for each in result.amendments]
    notes = [f"- {note}" for note in result.notes]
    control = control_sentences(result.control, result)[:1] if result.control else []
    _print_lines(
        console,
        [
            *verdict.details,
            *noise_sentences(result),
            *control,
            *notes,
            *amendments,
            f"report: {report_folder / 'index.html'}",
        ],
    )


def _print_lines(console: "Console", lines: list[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)
