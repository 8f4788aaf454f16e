"""The curves: what compares the tracks, drawn along whichever axis a reader chooses; and loss per token, which does not."""

from toktrial.report.blocks import ChartControls, Group, Paragraph, Section
from toktrial.report.charts import AXIS_LABELS, COMPARING, HOW_TO_READ, MEASURES, charts
from toktrial.report.result import TrialResult

LOSS_PER_TOKEN = (
    "Loss per token cannot compare two tokenizers: a token that covers more text is harder to predict, so its loss is "
    "higher even where the text is predicted equally well."
)


def curves_section(result: TrialResult) -> Section:
    """Returns the charts of what compares the tracks, with the controls of all charts."""
    return Section(
        id="curves",
        title="During training",
        blocks=(
            ChartControls(AXIS_LABELS, f"show {result.baseline} under other seeds" if result.control else ""),
            Group("figures", charts(result, COMPARING)),
            Paragraph(HOW_TO_READ, "small"),
        ),
    )


def loss_section(result: TrialResult) -> Section:
    """Returns the charts of loss per token."""
    measures = [measure for measure in MEASURES if measure not in COMPARING]
    blocks = (Paragraph(LOSS_PER_TOKEN), Group("figures", charts(result, measures)))
    return Section(id="loss", title="Loss per token", blocks=blocks)
