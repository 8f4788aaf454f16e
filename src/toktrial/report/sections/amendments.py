"""What was changed after the trial had begun."""

from toktrial.report.amendments import describe_amendment
from toktrial.report.blocks import Bullets, Section
from toktrial.report.result import TrialResult


def section(result: TrialResult) -> Section | None:
    """Returns the changes; None where there are none."""
    if not result.amendments:
        return None
    changes = Bullets(tuple(map(describe_amendment, result.amendments)))
    return Section(
        id="amendments",
        title="What was changed after the trial had begun",
        blocks=(changes,),
        short_title="What was changed",
    )
