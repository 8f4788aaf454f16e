"""The result of a trial at the terminal: a table of the tracks, the verdict in one sentence, where the report is."""

from pathlib import Path
from typing import Any


def print_summary(results: dict[str, Any], report_folder: Path) -> None:
    """Prints a report's results to standard output."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"trial {results['protocol']['name']}", title_justify="left")
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
    console.print(table)
    console.print(results["verdict"]["sentence"], soft_wrap=True, markup=False, highlight=False)
    for note in results["notes"]:
        console.print(f"- {note}", soft_wrap=True, markup=False, highlight=False)
    console.print(f"report: {report_folder / 'index.html'}", soft_wrap=True, markup=False, highlight=False)
