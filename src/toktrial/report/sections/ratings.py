"""What people said of the samples."""

from toktrial.report.blocks import Blocks, Paragraph, Section, Table, paragraphs
from toktrial.report.result import TrialResult
from toktrial.report.samples import RatedComparison, Ratings
from toktrial.report.wording import NOT_MEASURED, count, percent, plural, short_percent

WHAT_IT_COVERS = (
    "The interval covers the chance of which way a vote falls, as if votes were independent. They are not: several raters "
    "judge the same texts, and the texts of a track come from one model a seed. So it says how sure these votes are, not "
    "how sure it is that other models of the same tokenizers would be judged the same. It decides nothing."
)


def section(result: TrialResult) -> Section | None:
    """Returns the votes; None where nobody voted."""
    if not result.ratings:
        return None
    who, *rest = ratings_sentences(result.ratings)
    blocks: Blocks = (Paragraph(who), *paragraphs(rest, "small"), *ratings_tables(result.ratings))
    return Section(id="ratings", title="What people said of the samples", blocks=blocks)


def ratings_tables(ratings: Ratings) -> list[Table]:
    """Returns one table a comparison that has votes: its criteria in rows."""
    return [_table(item, ratings.confidence) for item in ratings.comparisons if item.votes]


def ratings_sentences(ratings: Ratings) -> list[str]:
    """Returns who voted on what, and what the intervals cover."""
    who = f"{plural(ratings.votes, 'vote')} of {plural(ratings.raters, 'rater')}"
    how = "two continuations of one prompt side by side, the sides drawn by chance, without a word on which track wrote which"
    sentences = [f"{who}, shown {how}."]
    if ratings.votes_on_other_texts:
        sentences.append(
            f"{plural(ratings.votes_on_other_texts, 'vote')} on texts that are not among the trial's samples now: left out."
        )
    return [*sentences, WHAT_IT_COVERS]


def _table(comparison: RatedComparison, confidence: float) -> Table:
    track, baseline = comparison.track, comparison.baseline
    headers = (
        "", f"{track} better", f"{baseline} better", "equal", f"share of {track} without the equal ones",
        f"{short_percent(confidence)} interval",
    )  # fmt: skip
    rows = [
        [criterion, count(counted.track), count(counted.baseline), count(counted.equal), percent(counted.share),
         NOT_MEASURED if counted.share is None else f"{percent(counted.low)} to {percent(counted.high)}"]
        for criterion, counted in comparison.criteria.items()
    ]  # fmt: skip
    caption = (
        f"Which text people found better, {track} or {baseline}: {plural(comparison.raters, 'rater')}, "
        f"{plural(comparison.pairs, 'pair')} of texts. Without a preference the share would be 50%."
    )
    return Table(caption, headers, rows)
