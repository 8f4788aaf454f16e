"""`toktrial compare`: several trials on one page, finished or not, and all their results as two tidy tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from toktrial import progress
from toktrial.commands import Inquiry
from toktrial.commands.terminal import print_section
from toktrial.errors import TrialError

if TYPE_CHECKING:
    import polars as pl

    from toktrial.report.blocks import Document

COMPARED = "compared"  # the field of a comparison's manifest that tells it from other folders: the trials


@dataclass(frozen=True)
class Compare(Inquiry):
    """Puts trials with the same validation text side by side: their protocols, tracks, effects and curves.

    A trial that is not finished is shown with the seeds that it has, and its verdict is marked "so far".
    """

    trials: tyro.conf.Positional[tuple[Path, ...]]
    """The folders of two trials or more."""
    output: Path = Path("comparison")
    """The folder to write: index.html, comparison.md, the charts, and runs and curves as .csv and .parquet."""

    def find(self) -> "tuple[Document, pl.DataFrame]":
        """Writes the folder, and returns what its page shows and the table of runs.

        Raises TrialError where the trials do not compare.
        """
        from toktrial.artifact import fingerprint, is_finished, publish, read_manifest
        from toktrial.report.inputs import report_fingerprint
        from toktrial.report.page import write_document
        from toktrial.report.side_by_side import curves_table, open_trials, runs_table
        from toktrial.report.side_by_side_page import compared_document

        if is_finished(self.output) and COMPARED not in read_manifest(self.output):
            raise TrialError(f"{self.output} holds something other than a comparison: name another folder with --output")
        trials = open_trials(self.trials)
        document, runs = compared_document(trials), runs_table(trials)
        prints = {str(trial.folder): report_fingerprint(trial.folder) for trial in trials}
        with publish(self.output, fingerprint("comparison", prints), {COMPARED: list(prints)}) as folder:
            write_document(folder, document, "comparison.md")
            for name, table in {"runs": runs, "curves": curves_table(trials)}.items():
                table.write_csv(folder / f"{name}.csv")
                table.write_parquet(folder / f"{name}.parquet")
        progress.print_line(f"the page: {self.output / 'index.html'}")
        return document, runs

    def print_found(self, found: "tuple[Document, pl.DataFrame]") -> None:
        """Prints the tables."""
        for section in found[0].sections:
            print_section(section)

    def for_programs(self, found: "tuple[Document, pl.DataFrame]") -> dict[str, Any]:
        """Returns where the page is, and the rows of the table of runs."""
        return {"page": self.output / "index.html", "runs": found[1].to_dicts()}
