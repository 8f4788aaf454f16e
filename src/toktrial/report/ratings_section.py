"""What people said of the samples: the votes on each comparison by each criterion, with binomial intervals.

Beside results.py in the flow, inputs -> results -> tables: gathers results["ratings"], and draws its tables and sentences.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from toktrial.evaluation.votes import CRITERIA, Vote, texts_hash
from toktrial.report.inputs import TrialInputs
from toktrial.report.tables import Table, text_then_numbers
from toktrial.report.wording import NOT_MEASURED, count, percent, plural, short_percent

WHAT_IT_COVERS = (
    "The interval covers the chance of which way a vote falls, as if votes were independent. They are not: several raters "
    "judge the same texts, and the texts of a track come from one model a seed. So it says how sure these votes are, not "
    "how sure it is that other models of the same tokenizers would be judged the same. It decides nothing."
)


def gather_ratings(inputs: TrialInputs) -> dict[str, Any] | None:
    """Returns the votes on each comparison, by criterion; None where nobody voted.

    Votes on texts that are not those of the trial's samples now (they were made anew since) are left out and counted.
    """
    if not inputs.votes:
        return None
    present = set(_pairs_of_texts(inputs))
    counted = [vote for vote in inputs.votes if (vote.baseline, vote.track, vote.seed, vote.prompt, vote.texts) in present]
    return {
        "votes": len(counted),
        "raters": len({vote.rater for vote in counted}),
        "votes_on_other_texts": len(inputs.votes) - len(counted),
        "confidence": inputs.protocol["verdict"]["confidence"],
        "comparisons": [
            _comparison([vote for vote in counted if vote.track == track], inputs, track) for track in inputs.others
        ],
    }


def ratings_tables(results: dict[str, Any]) -> list[Table]:
    """Returns one table a comparison that has votes: its criteria in rows."""
    return [_table(item, results["ratings"]["confidence"]) for item in results["ratings"]["comparisons"] if item["votes"]]


def ratings_sentences(results: dict[str, Any]) -> list[str]:
    """Returns who voted on what, and what the intervals cover."""
    ratings = results["ratings"]
    who = f"{plural(ratings['votes'], 'vote')} of {plural(ratings['raters'], 'rater')}"
    how = "two continuations of one prompt side by side, the sides drawn by chance, without a word on which track wrote which"
    sentences = [f"{who}, shown {how}."]
    if ratings["votes_on_other_texts"]:
        sentences.append(
            f"{plural(ratings['votes_on_other_texts'], 'vote')} on texts that are not among the trial's samples now: left out."
        )
    return [*sentences, WHAT_IT_COVERS]


def _pairs_of_texts(inputs: TrialInputs) -> Iterator[tuple[str, str, int, int, str]]:
    """Yields (baseline, track, seed, prompt, hash of the texts) of everything there is to be voted on."""
    by_seed = {run.seed: run.samples for run in inputs.runs[inputs.baseline]}
    for track in inputs.others:
        for run in inputs.runs[track]:
            for prompt, (ours, theirs) in enumerate(zip(by_seed.get(run.seed, []), run.samples, strict=False)):
                texts = texts_hash(ours["prompt"], (ours["continuation"], theirs["continuation"]))
                yield inputs.baseline, track, run.seed, prompt, texts


def _comparison(votes: Sequence[Vote], inputs: TrialInputs, track: str) -> dict[str, Any]:
    confidence = inputs.protocol["verdict"]["confidence"]
    return {
        "track": track,
        "baseline": inputs.baseline,
        "votes": len(votes),
        "raters": len({vote.rater for vote in votes}),
        "pairs": len({(vote.seed, vote.prompt) for vote in votes}),
        "criteria": {
            criterion: _count([vote for vote in votes if vote.criterion == criterion], inputs.baseline, track, confidence)
            for criterion in CRITERIA
        },
    }


def _count(votes: Sequence[Vote], baseline: str, track: str, confidence: float) -> dict[str, Any]:
    """Returns how often each was better, and the share of the votes for one of them that went to the track.

    The interval is Clopper and Pearson's (1934), which is exact: it holds the true share at least that often.
    """
    from scipy.stats import binomtest

    wins, losses = (sum(vote.better == name for vote in votes) for name in (track, baseline))
    counted = {"track": wins, "baseline": losses, "equal": len(votes) - wins - losses}
    if not wins + losses:
        return {**counted, "share": None, "low": None, "high": None}
    interval = binomtest(wins, wins + losses).proportion_ci(confidence, method="exact")
    return {**counted, "share": wins / (wins + losses), "low": float(interval.low), "high": float(interval.high)}


def _table(comparison: dict[str, Any], confidence: float) -> Table:
    track, baseline = comparison["track"], comparison["baseline"]
    headers = (
        "", f"{track} better", f"{baseline} better", "equal", f"share of {track} without the equal ones",
        f"{short_percent(confidence)} interval",
    )  # fmt: skip
    rows = [
        [criterion, count(counted["track"]), count(counted["baseline"]), count(counted["equal"]), percent(counted["share"]),
         NOT_MEASURED if counted["share"] is None else f"{percent(counted['low'])} to {percent(counted['high'])}"]
        for criterion, counted in comparison["criteria"].items()
    ]  # fmt: skip
    caption = (
        f"Which text people found better, {track} or {baseline}: {plural(comparison['raters'], 'rater')}, "
        f"{plural(comparison['pairs'], 'pair')} of texts. Without a preference the share would be 50%."
    )
    return Table(caption, headers, rows, text_then_numbers(len(headers) - 1))
