"""The report's opening: how the criterion came out, what it was, every run as a dot, the numbers that decided."""

from toktrial.report.blocks import Heading, Paragraph, Section, paragraphs
from toktrial.report.dots_chart import dots
from toktrial.report.noise import LATE_SHARE
from toktrial.report.result import TrialResult
from toktrial.report.wording import decimal, joined, percent, plural


def section(result: TrialResult) -> Section:
    """Returns what opens the report."""
    verdict = result.verdict
    return Section(
        id="",
        title="",
        blocks=(
            Paragraph(f"Trial {result.trial}: which tokenizer made the model learn faster?", "trial"),
            Heading(verdict.outcome, level=1, is_long=len(result.comparisons) > 1),
            *paragraphs(verdict.clauses, "numbers"),
            Paragraph(verdict.criterion, "criterion"),
            dots(result),
            *paragraphs(verdict.details, "numbers"),
            *paragraphs(noise_sentences(result)),
            Paragraph(verdict.rule, "rule"),
        ),
    )


def noise_sentences(result: TrialResult) -> list[str]:
    """Returns the sentences; none for one seed, which says nothing of chance."""
    noise = result.noise
    known = [f"{track} {decimal(value, 2)}" for track, value in noise.correlations.items() if value is not None]
    found = []
    if known:
        baseline = result.baseline
        found.append(f"Correlation with {baseline} within pairs of one seed: {joined(known)}. Near 0, pairing saves nothing.")
    if noise.two_groups:
        found.append(f"The runs of {joined(noise.two_groups)} fall into two groups.")
    if noise.false_verdict_rate is not None:
        rate = percent(noise.false_verdict_rate, 0)
        found.append(
            f"With {plural(noise.seeds, 'seed')} the interval trusts that differences are near to normal. Where "
            f"{LATE_SHARE} runs leaves its plateau late, it finds a difference in nothing in {rate} of trials (simulated)."
        )
    return found
