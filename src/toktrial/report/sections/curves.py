"""The curves: what compares the tracks, drawn along whichever axis a reader chooses; and loss per token, which does not."""

from toktrial.report.blocks import ChartControls, Group, OnPage, Paragraph, Section
from toktrial.report.charts import AXIS_LABELS, COMPARING, HOW_TO_READ, MEASURES, charts
from toktrial.report.result import TrialResult

WITHOUT_SCRIPTS = (
    "Without JavaScript, the charts cannot change their axes. More of them are beside this page, as PNG and SVG files."
)
LOSS_PER_TOKEN = (
    "Loss per token cannot compare two tokenizers: a token that covers more text is harder to predict, so its loss is "
    "higher even where the text is predicted equally well."
)
FOLLOWS = "These charts follow the axes and scales chosen above."


def curves_section(result: TrialResult) -> Section:
    """Returns the charts of what compares the tracks, with the controls of all charts."""
    return Section(
        id="curves",
        title="During training",
        blocks=(
            ChartControls(AXIS_LABELS, f"show {result.baseline} under other seeds" if result.control else ""),
            Group("figures", charts(result, COMPARING)),
            Paragraph(HOW_TO_READ, "small"),
            OnPage((Paragraph(WITHOUT_SCRIPTS, "small"),), only_without_scripts=True),
        ),
    )


def loss_section(result: TrialResult) -> Section:
    """Returns the charts of loss per token."""
    measures = [measure for measure in MEASURES if measure not in COMPARING]
    follows = OnPage((Paragraph(FOLLOWS),))
    figures = Group("figures", charts(result, measures))
    return Section(id="loss", title="Loss per token", blocks=(Paragraph(LOSS_PER_TOKEN), follows, figures))
