"""Along the training: the difference and the bits per byte, drawn along whatever axis a reader chooses."""

from toktrial.report.blocks import Choice, Group, OnPage, Paragraph, Section, Switches
from toktrial.report.charts import AXIS_LABELS, COMPARING, HOW_TO_READ, charts
from toktrial.report.result import TrialResult

SCALES = {"linear": "linear", "log": "log"}
WITHOUT_SCRIPTS = (
    "Without JavaScript the charts cannot change their axis. More of them lie beside this page, as PNG and SVG files."
)


def section(result: TrialResult) -> Section:
    """Returns the charts of what compares the tracks, with the switches of all charts."""
    return Section(
        id="curves",
        title="Along the training",
        blocks=(
            Switches(_choices(result)),
            Group("figures", charts(result, COMPARING)),
            Paragraph(HOW_TO_READ, "small"),
            OnPage((Paragraph(WITHOUT_SCRIPTS, "small"),), only_without_scripts=True),
        ),
    )


def _choices(result: TrialResult) -> tuple[Choice, ...]:
    choices = (
        Choice("axis", "Across", AXIS_LABELS),
        Choice("across", "Scale across", SCALES),
        Choice("upward", "Scale upward", SCALES),
    )
    if not result.control:
        return choices
    shown = {"on": f"show {result.baseline} under other seeds"}
    return (*choices, Choice("control", "A/A control", shown, is_switch=True))
