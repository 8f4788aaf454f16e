"""What people said of the samples: the votes on each comparison by each criterion, with binomial intervals.

Inputs -> ratings -> result.
"""

from collections.abc import Iterator, Sequence

from toktrial.evaluation.votes import CRITERIA, Vote, texts_hash
from toktrial.report.evaluated import TrialInputs
from toktrial.report.result_accounts import RatedComparison, Ratings, Votes


def gather_ratings(inputs: TrialInputs) -> Ratings | None:
    """Returns the votes on each comparison, by criterion; None where nobody voted.

    Votes on texts that are not those of the trial's samples now (they were made anew since) are left out and counted.
    """
    if not inputs.votes:
        return None
    present = set(_pairs_of_texts(inputs))
    counted = [vote for vote in inputs.votes if (vote.baseline, vote.track, vote.seed, vote.prompt, vote.texts) in present]
    return Ratings(
        votes=len(counted),
        raters=len({vote.rater for vote in counted}),
        votes_on_other_texts=len(inputs.votes) - len(counted),
        confidence=inputs.design.verdict.confidence,
        comparisons=[_comparison([vote for vote in counted if vote.track == track], inputs, track) for track in inputs.others],
    )


def _pairs_of_texts(inputs: TrialInputs) -> Iterator[tuple[str, str, int, int, str]]:
    """Yields (baseline, track, seed, prompt, hash of the texts) of everything there is to be voted on."""
    by_seed = {run.seed: run.samples for run in inputs.runs[inputs.baseline]}
    for track in inputs.others:
        for run in inputs.runs[track]:
            for prompt, (ours, theirs) in enumerate(zip(by_seed.get(run.seed, []), run.samples, strict=False)):
                texts = texts_hash(ours.prompt, (ours.continuation, theirs.continuation))
                yield inputs.baseline, track, run.seed, prompt, texts


def _comparison(votes: Sequence[Vote], inputs: TrialInputs, track: str) -> RatedComparison:
    confidence = inputs.design.verdict.confidence
    return RatedComparison(
        track=track,
        baseline=inputs.baseline,
        votes=len(votes),
        raters=len({vote.rater for vote in votes}),
        pairs=len({(vote.seed, vote.prompt) for vote in votes}),
        criteria={
            criterion: _count([vote for vote in votes if vote.criterion == criterion], inputs.baseline, track, confidence)
            for criterion in CRITERIA
        },
    )


def _count(votes: Sequence[Vote], baseline: str, track: str, confidence: float) -> Votes:
    """Returns how often each was better, and the share of the votes for one of them that went to the track.

    The interval is Clopper and Pearson's (1934), which is exact: it holds the true share at least that often.
    """
    from scipy.stats import binomtest

    wins, losses = (sum(vote.better == name for vote in votes) for name in (track, baseline))
    equal = len(votes) - wins - losses
    if not wins + losses:
        return Votes(wins, losses, equal, None, None, None)
    interval = binomtest(wins, wins + losses).proportion_ci(confidence, method="exact")
    return Votes(wins, losses, equal, wins / (wins + losses), float(interval.low), float(interval.high))
