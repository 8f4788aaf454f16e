"""What the runs ran on, and how long every stage took."""

from toktrial.report.blocks import Section, Table
from toktrial.report.result import TrialResult
from toktrial.report.wording import joined, seconds


def section(result: TrialResult) -> Section:
    """Returns both as tables."""
    return Section(id="environment", title="Environment", blocks=(environment_table(result), seconds_table(result)))


def environment_table(result: TrialResult) -> Table:
    """Returns what the runs ran on."""
    rows = [[name.replace("_", " "), joined(values)] for name, values in result.environment.items()]
    return Table("What the runs ran on", ("", "value"), rows, ("text", "text"))


def seconds_table(result: TrialResult) -> Table:
    """Returns the seconds of every stage, all runs of a track together."""
    rows = [[stage, seconds(value)] for stage, value in result.seconds_by_stage.items()]
    return Table("Seconds by stage, the runs of a track together", ("stage", "seconds"), rows)
