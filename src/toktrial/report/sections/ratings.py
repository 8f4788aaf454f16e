"""How people rated the samples."""

from toktrial.report.blocks import Blocks, Paragraph, Section, Table, paragraphs
from toktrial.report.result import TrialResult
from toktrial.report.samples import RatedComparison, Ratings
from toktrial.report.wording import NOT_MEASURED, count, percent, plural, short_percent

WHAT_IT_COVERS = (
    "The interval covers the chance in the votes, as if they were independent. They are not: several raters judge the same "
    "texts, and the texts of a track come from one model per seed. So it says how sure these votes are, not how sure it is "
    "that other models with the same tokenizers would be judged the same. It decides nothing."
)


def ratings_section(result: TrialResult) -> Section | None:
    """Returns the votes; None where nobody voted."""
    if not result.ratings:
        return None
    who, *rest = ratings_sentences(result.ratings)
    blocks: Blocks = (Paragraph(who), *paragraphs(rest, "small"), *ratings_tables(result.ratings))
    return Section(id="ratings", title="How people rated the samples", blocks=blocks)


def ratings_tables(ratings: Ratings) -> list[Table]:
    """Returns one table a comparison that has votes: its criteria in rows."""
    return [_table(item, ratings.confidence) for item in ratings.comparisons if item.votes]


def ratings_sentences(ratings: Ratings) -> list[str]:
    """Returns who voted on what, and what the intervals cover."""
    who = f"{plural(ratings.votes, 'vote')} by {plural(ratings.raters, 'rater')}"
    how = "on two continuations of one prompt side by side, placed at random, without a hint of which track wrote which"
    sentences = [f"{who}, {how}."]
    if ratings.votes_on_other_texts:
        sentences.append(
            f"{plural(ratings.votes_on_other_texts, 'vote')} left out: on texts that are no longer among the trial's samples."
        )
    return [*sentences, WHAT_IT_COVERS]


def _table(comparison: RatedComparison, confidence: float) -> Table:
    track, baseline = comparison.track, comparison.baseline
    headers = (
        "", f"{track} better", f"{baseline} better", "equal", f"share for {track}, without the equal ones",
        f"{short_percent(confidence)} interval",
    )  # fmt: skip
    rows = [
        [criterion, count(counted.track), count(counted.baseline), count(counted.equal), percent(counted.share),
         NOT_MEASURED if counted.share is None else f"{percent(counted.low)} to {percent(counted.high)}"]
        for criterion, counted in comparison.criteria.items()
    ]  # fmt: skip
    caption = (
        f"Which text people found better, {track}'s or {baseline}'s: {plural(comparison.raters, 'rater')}, "
        f"{plural(comparison.pairs, 'pair')} of texts. Without a preference, the share would be 50%."
    )
    return Table(caption, headers, rows)
