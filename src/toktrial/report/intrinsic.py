"""What can be measured of the tokenizers without training, beside the outcome: which of these numbers foretells the ranking?

Inputs -> intrinsic -> result; `gather.gather` calls `gather_intrinsic` once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from toktrial.report.evaluated import TrialInputs
from toktrial.report.verdict import Floats

FEWEST_TRACKS = 5  # with fewer, hardly any pairs are there to be ordered
RESAMPLES = 4000
CONFIDENCE = 0.95
# The measures, and whether lower is taken to be better: to foretell fewer bits per byte. What each is, its section says.
MEASURES = {
    "unigram": True,
    "bigram": True,
    "ngram": True,
    "bytes_per_token": False,
    "renyi_efficiency": False,
    "entries_used": False,
    "cuts_per_word": True,
}


@dataclass(frozen=True)
class Foretelling:
    """How well a measure orders the tracks as their bits per byte do.

    `rank_correlation`: Spearman's, 1 where the order is the same and -1 where it is the opposite; None where either does not
    vary. `share_of_pairs`: pairs of tracks that it orders rightly; equal values count one half.
    """

    rank_correlation: float | None
    rank_correlation_low: float | None
    rank_correlation_high: float | None
    share_of_pairs: float
    share_of_pairs_low: float
    share_of_pairs_high: float


@dataclass(frozen=True)
class Intrinsic:
    """The measures of every track (`tracks`: track -> measure -> value) and, from five tracks on, what they foretell.

    `outcome`: bits per byte where the verdict compares, the mean over runs. `ngram_order`, `ngram_documents`, `ngram_bytes`:
    the n of the n-grams, and the training text that they were counted on. `foretelling`: by measure, the best first, without
    those that lack a track. Its intervals are 95% of bootstrap resamples of the tracks and, within each, of its runs.
    `chance_of_best`: the share of random orders of the tracks that some measure orders as well as the best one does this.
    """

    outcome: dict[str, float]
    tracks: dict[str, dict[str, float | None]]
    ngram_order: int
    ngram_documents: int
    ngram_bytes: int
    foretelling: dict[str, Foretelling]
    chance_of_best: float | None


def gather_intrinsic(inputs: TrialInputs) -> Intrinsic | None:
    """Returns the measures; None where an earlier version did not take them."""
    account = inputs.intrinsic
    if not account:
        return None
    outcomes = {track: [inputs.judged(run) for run in runs] for track, runs in inputs.runs.items()}
    tracks = {track: _measures(inputs, track) for track in inputs.runs}
    complete = [name for name in MEASURES if all(of_track[name] is not None for of_track in tracks.values())]
    scores = {
        name: np.array([of_track[name] for of_track in tracks.values()], dtype=np.float64) * (1 if MEASURES[name] else -1)
        for name in complete
    }
    is_told = len(tracks) >= FEWEST_TRACKS and bool(scores)
    return Intrinsic(
        outcome={track: float(np.mean(values)) for track, values in outcomes.items()},
        tracks=tracks,
        ngram_order=account.order,
        ngram_documents=account.documents,
        ngram_bytes=account.bytes,
        foretelling=foretell(scores, list(outcomes.values())) if is_told else {},
        chance_of_best=chance_of_best(list(scores.values()), list(outcomes.values())) if is_told else None,
    )


def foretell(scores: Mapping[str, Floats], outcomes: Sequence[Sequence[float]]) -> dict[str, Foretelling]:
    """Returns how well each score orders the tracks, the best first. Of scores and outcomes, lower is better.

    scores: by measure, one for each track (tracks,); outcomes: of each track, one for each run.
    """
    means = np.array([[float(np.mean(of_track)) for of_track in outcomes]])
    all_tracks = np.arange(len(outcomes))[None]
    drawn, drawn_means = _resample(outcomes)
    found = {}
    for name, score in scores.items():
        correlation, share = (float(of(score[all_tracks], means, all_tracks)[0]) for of in (_correlations, _shares))
        is_known = not np.isnan(correlation)
        low, high = _interval(_correlations(score[drawn], drawn_means, drawn)) if is_known else (None, None)
        found[name] = Foretelling(
            correlation if is_known else None, low, high, share, *_interval(_shares(score[drawn], drawn_means, drawn))
        )
    return dict(sorted(found.items(), key=lambda item: (-item[1].share_of_pairs, -(item[1].rank_correlation or 0))))


def chance_of_best(scores: Sequence[Floats], outcomes: Sequence[Sequence[float]]) -> float:
    """Returns how often a random order of the tracks is one that some score foretells as well as the best foretells theirs."""
    means, random = np.array([float(np.mean(of_track)) for of_track in outcomes]), np.random.default_rng(0)
    orders = np.vstack([np.arange(len(means)), *(random.permutation(len(means)) for _ in range(RESAMPLES))])
    tracks = np.broadcast_to(np.arange(len(means)), orders.shape)
    best = np.max([_shares(score[tracks], means[orders], tracks) for score in scores], axis=0)
    return float((best[1:] >= best[0] - 1e-12).mean())


def _measures(inputs: TrialInputs, track: str) -> dict[str, float | None]:
    floors, vocabulary, tokens = inputs.floors.get(track), inputs.vocabulary.tracks.get(track), inputs.tokens[track]
    account = inputs.intrinsic.tracks.get(track) if inputs.intrinsic else None
    never_used = vocabulary.entries_never_used if vocabulary else None
    return {
        "unigram": floors.unigram.bits_per_byte if floors else None,
        "bigram": floors.bigram.bits_per_byte if floors else None,
        "ngram": account.ngram.bits_per_byte if account else None,
        "bytes_per_token": tokens.validation.bytes / tokens.validation.tokens,
        "renyi_efficiency": vocabulary.renyi_efficiency if vocabulary else None,
        "entries_used": None if never_used is None else tokens.entries - 1 - never_used,  # id 0 spells no text
        "cuts_per_word": account.cuts_per_word if account else None,
    }


def _resample(outcomes: Sequence[Sequence[float]]) -> tuple[NDArray[np.int64], Floats]:
    """Returns tracks (resamples, tracks), drawn with replacement, and the mean of as many runs, drawn from each track's."""
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(outcomes), (RESAMPLES, len(outcomes)))
    means = np.empty(drawn.shape)
    for track, values in enumerate(outcomes):
        here = drawn == track
        means[here] = np.array(values)[random.integers(0, len(values), (int(here.sum()), len(values)))].mean(axis=1)
    return drawn, means


def _shares(scores: Floats, outcomes: Floats, tracks: NDArray[np.int64]) -> Floats:
    """Returns the share of pairs of different tracks that scores order as outcomes do, row by row; NaN without such pairs."""
    left, right = np.array(list(combinations(range(tracks.shape[1]), 2))).T
    differs = tracks[:, left] != tracks[:, right]
    agreement = np.sign(scores[:, left] - scores[:, right]) * np.sign(outcomes[:, left] - outcomes[:, right])
    with np.errstate(invalid="ignore"):
        shares: Floats = np.where(differs, (1 + agreement) / 2, 0).sum(axis=1) / differs.sum(axis=1)
    return shares


def _correlations(scores: Floats, outcomes: Floats, _: NDArray[np.int64]) -> Floats:
    """Returns Spearman's rank correlation row by row; NaN where one side does not vary."""
    from scipy.stats import rankdata

    centred = [ranks - ranks.mean(axis=1, keepdims=True) for ranks in (rankdata(scores, axis=1), rankdata(outcomes, axis=1))]
    with np.errstate(invalid="ignore"):
        found: Floats = (centred[0] * centred[1]).sum(axis=1) / np.sqrt(np.prod([(c**2).sum(axis=1) for c in centred], axis=0))
    return found


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.nanquantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
