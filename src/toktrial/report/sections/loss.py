"""Loss per token: curves that compare no tokenizers, for those who know them by heart."""

from toktrial.report.blocks import Group, OnPage, Paragraph, Section
from toktrial.report.charts import COMPARING, MEASURES, charts
from toktrial.report.result import TrialResult

LOSS_PER_TOKEN = (
    "Loss per token cannot compare two tokenizers: a token that covers more text is harder to guess, so its loss is "
    "higher even where the text is predicted equally well."
)
FOLLOWS = "These charts follow the axis and the scale chosen above."


def section(result: TrialResult) -> Section:
    """Returns the charts of loss per token."""
    measures = [measure for measure in MEASURES if measure not in COMPARING]
    return Section(
        id="loss",
        title="Loss per token",
        blocks=(
            Paragraph(LOSS_PER_TOKEN),
            OnPage((Paragraph(FOLLOWS),)),
            Group("figures", charts(result, measures)),
        ),
    )
