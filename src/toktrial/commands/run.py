"""The result of a trial at the terminal: how its criterion came out, a table of the tracks, where the report is."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toktrial.report.amendments import describe_amendment
from toktrial.report.control_section import control_sentences
from toktrial.report.noise_section import noise_sentences

if TYPE_CHECKING:
    from rich.console import Console


def print_summary(results: dict[str, Any], report_folder: Path) -> None:
    """Prints a report's results to standard output."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"trial {results['protocol']['name']}"), title_justify="left")
    table.add_column("track")
    for heading in ("entries", "bytes per token", "bits per byte", "loss per token", "training seconds"):
        table.add_column(heading, justify="right")
    for name, track in results["tracks"].items():
        final = track["final"]
        table.add_row(
            name,
            f"{track['entries']:,}",
            f"{track['bytes_per_token']['validation']:.2f}",
            f"{final['bits_per_byte']:.4f}",
            f"{final['validation_loss']:.3f}",
            f"{final['training_seconds']:.1f}",
        )
    console = Console(width=max(80, Console().width))
    verdict = results["verdict"]
    _print_lines(console, [verdict["outcome"], *verdict["clauses"], verdict["criterion"]])
    console.print(table)
    amendments = [f"- changed: {describe_amendment(each)}" for each in results["amendments"]]
    notes = [f"- {note}" for note in results["notes"]]
    control = control_sentences(results)[:1] if results["control"] else []
    _print_lines(
        console,
        [
            *verdict["details"],
            *noise_sentences(results),
            *control,
            *notes,
            *amendments,
            f"report: {report_folder / 'index.html'}",
        ],
    )


def _print_lines(console: "Console", lines: list[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, emoji=False, highlight=False)
