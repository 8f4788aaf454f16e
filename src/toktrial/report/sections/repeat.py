"""How to run the trial again."""

import re

from toktrial.report.blocks import CodeBlock, Paragraph, Section
from toktrial.report.result import TrialResult

REPEAT = (
    "The trial's folder holds its protocol. With the corpus where corpus.path says, this runs all of it again in a folder of "
    "its own:"
)


def section(result: TrialResult) -> Section:
    """Returns what to type, and where the numbers are."""
    return Section(
        id="repeat",
        title="To repeat it",
        blocks=(
            Paragraph(REPEAT),
            CodeBlock("\n".join(repeat_commands(result)), "sh"),
            Paragraph("Every number of this report stands in results.json beside it.", "small"),
        ),
    )


def repeat_commands(result: TrialResult) -> list[str]:
    """Returns what to type to run the trial again: at the commit that its runs came from, where they came from one."""
    commits = [commit for commit in result.environment["git commit"] if re.fullmatch(r"[0-9a-f]{40}", commit)]
    checkout = [f"git checkout {commits[0]}"] if len(commits) == 1 else []
    return [*checkout, "toktrial run protocol.toml --trial trials/again"]
