"""`toktrial compare`: several finished trials on one page, and all their results as two tidy tables."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from toktrial import progress
from toktrial.commands import Call
from toktrial.commands.terminal import print_section
from toktrial.errors import TrialError

COMPARED = "compared"  # the field of a comparison's manifest that tells it from other folders: the trials


@dataclass(frozen=True)
class Compare(Call):
    """Puts finished trials with the same validation text side by side: their protocols, tracks, effects and curves."""

    trials: tyro.conf.Positional[tuple[Path, ...]]
    """The folders of two trials or more."""
    output: Path = Path("comparison")
    """The folder to write: index.html, comparison.md, the charts, and runs and curves as .csv and .parquet."""

    def execute(self) -> None:
        """Writes the folder and prints the tables. Raises TrialError where the trials do not compare."""
        from toktrial.artifact import fingerprint, is_finished, publish, read_manifest
        from toktrial.report.inputs import report_fingerprint
        from toktrial.report.page import write_document
        from toktrial.report.side_by_side import curves_table, open_trials, runs_table
        from toktrial.report.side_by_side_page import compared_document

        if is_finished(self.output) and COMPARED not in read_manifest(self.output):
            raise TrialError(f"{self.output} holds something other than a comparison: name another folder with --output")
        trials = open_trials(self.trials)
        document = compared_document(trials)
        prints = {str(trial.folder): report_fingerprint(trial.folder) for trial in trials}
        with publish(self.output, fingerprint("comparison", prints), {COMPARED: list(prints)}) as folder:
            write_document(folder, document, "comparison.md")
            for name, table in {"runs": runs_table(trials), "curves": curves_table(trials)}.items():
                table.write_csv(folder / f"{name}.csv")
                table.write_parquet(folder / f"{name}.parquet")
        for section in document.sections:
            print_section(section)
        progress.print_line(f"the page: {self.output / 'index.html'}")
