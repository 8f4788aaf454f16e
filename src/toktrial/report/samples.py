"""What the models wrote: the continuations, their measures beside those of real documents, and what people said of them.

Inputs -> samples -> result. Texts are of a model and so untrusted.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from toktrial.evaluation.text_measures import bits_name, summarise
from toktrial.evaluation.votes import CRITERIA, Vote, texts_hash
from toktrial.report.curves import mean_over_seeds, standard_deviation_over_seeds
from toktrial.report.evaluated import TrialInputs


@dataclass(frozen=True)
class Continuation:
    """How one model continued a prompt; `ended`: whether the model ended the text itself, not the limit."""

    continuation: str
    ended: bool


@dataclass(frozen=True)
class Prompt:
    """A prompt and every track's continuation of it."""

    prompt: str
    tracks: dict[str, Continuation]


@dataclass(frozen=True)
class Samples:
    """The continuations by the models of one seed, the first that all tracks finished; None without one."""

    seed: int | None
    prompts: list[Prompt]


@dataclass(frozen=True)
class OverSeeds:
    """A measure seed by seed."""

    by_seed: list[float | None]
    mean: float | None
    standard_deviation: float | None


@dataclass(frozen=True)
class SampleMeasure:
    """One measure of the tracks' texts and of real documents."""

    tracks: dict[str, OverSeeds]
    real_documents: OverSeeds


@dataclass(frozen=True)
class SampleMeasures:
    """Measures of what the models wrote, beside those of real documents.

    `prompts`: of each seed. `bytes_per_text`: on average. `texts`: how many of each track. `measures`: by name;
    `text_measures.bits_name` names the bits per byte under a track's model.
    """

    seeds: list[int]
    prompts: int
    bytes_per_text: float
    texts: dict[str, int]
    real_documents: int
    measures: dict[str, SampleMeasure]


@dataclass(frozen=True)
class Votes:
    """The votes by one criterion: for the other track, for the baseline, for neither.

    `share`: the track's, of the votes that prefer one of the two, with Clopper and Pearson's interval; None without any.
    """

    track: int
    baseline: int
    equal: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RatedComparison:
    """What people said of one other track and the baseline, which they saw as so many pairs of texts."""

    track: str
    baseline: str
    votes: int
    raters: int
    pairs: int
    criteria: dict[str, Votes]


@dataclass(frozen=True)
class Ratings:
    """What people said of the samples. `votes_on_other_texts`: left out, since the samples have changed since."""

    votes: int
    raters: int
    votes_on_other_texts: int
    confidence: float
    comparisons: list[RatedComparison]


def gather_samples(inputs: TrialInputs) -> Samples:
    """Returns the continuations of every prompt, track by track, of the first seed that all tracks finished."""
    in_all = set.intersection(*({run.seed for run in runs} for runs in inputs.runs.values()))
    if not in_all:
        return Samples(None, [])
    seed = min(in_all)
    by_place: dict[int, Prompt] = {}  # not by the prompt's text, which may be that of another prompt too
    for track, runs in inputs.runs.items():
        for place, sample in enumerate(next(run.samples for run in runs if run.seed == seed)):
            of_prompt = by_place.setdefault(place, Prompt(sample.prompt, {}))
            of_prompt.tracks[track] = Continuation(sample.continuation, sample.ended)
    return Samples(seed, list(by_place.values()))


def gather_sample_measures(inputs: TrialInputs) -> SampleMeasures | None:
    """Returns the means over seeds of every measure, of every track and of the real documents.

    None without measures, or where these are older than a track.
    """
    texts = inputs.sample_measures
    of_real_documents = [text for text in texts if text["track"] is None]
    by_track = {track: [text for text in texts if text["track"] == track] for track in inputs.runs}
    if not all(by_track.values()):
        return None
    values, real = {track: summarise(of_track) for track, of_track in by_track.items()}, summarise(of_real_documents)
    names = [name for name in next(iter(values.values())) if not name.startswith(bits_name(""))]
    return SampleMeasures(
        seeds=sorted({text["seed"] for text in texts}),
        prompts=len({text["prompt"] for text in texts}),
        bytes_per_text=statistics.fmean(text["bytes"] for text in texts if text["track"] is not None),
        texts={track: len(of_track) for track, of_track in by_track.items()},
        real_documents=len(of_real_documents),
        measures={
            name: SampleMeasure(
                tracks={track: _over_seeds(of_track[name]) for track, of_track in values.items()},
                real_documents=_over_seeds(real.get(name, [])),
            )
            for name in [*names, *(bits_name(track) for track in inputs.runs)]
        },
    )


def gather_ratings(inputs: TrialInputs) -> Ratings | None:
    """Returns the votes on each comparison, by criterion; None where nobody voted.

    Votes on texts that the trial's samples no longer are, because these were made again, are left out and counted.
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
        comparisons=[_rated([vote for vote in counted if vote.track == track], inputs, track) for track in inputs.others],
    )


def _over_seeds(values: Sequence[float | None]) -> OverSeeds:
    return OverSeeds(list(values), mean_over_seeds(values), standard_deviation_over_seeds(values))


def _pairs_of_texts(inputs: TrialInputs) -> Iterator[tuple[str, str, int, int, str]]:
    """Yields (baseline, track, seed, prompt, hash of the texts) of everything that can be voted on."""
    by_seed = {run.seed: run.samples for run in inputs.runs[inputs.baseline]}
    for track in inputs.others:
        for run in inputs.runs[track]:
            for prompt, (ours, theirs) in enumerate(zip(by_seed.get(run.seed, []), run.samples, strict=False)):
                texts = texts_hash(ours.prompt, (ours.continuation, theirs.continuation))
                yield inputs.baseline, track, run.seed, prompt, texts


def _rated(votes: Sequence[Vote], inputs: TrialInputs, track: str) -> RatedComparison:
    better = {criterion: [vote.better for vote in votes if vote.criterion == criterion] for criterion in CRITERIA}
    confidence = inputs.design.verdict.confidence
    return RatedComparison(
        track=track,
        baseline=inputs.baseline,
        votes=len(votes),
        raters=len({vote.rater for vote in votes}),
        pairs=len({(vote.seed, vote.prompt) for vote in votes}),
        criteria={name: _count(names, track, inputs.baseline, confidence) for name, names in better.items()},
    )


def _count(better: Sequence[str], track: str, baseline: str, confidence: float) -> Votes:
    """Returns how often each was better, and the share of the votes for one of them that went to the track.

    The interval is Clopper and Pearson's (1934), which is exact: it holds the true share at least that often.
    """
    from scipy.stats import binomtest

    wins, losses = better.count(track), better.count(baseline)
    equal = len(better) - wins - losses
    if not wins + losses:
        return Votes(wins, losses, equal, None, None, None)
    interval = binomtest(wins, wins + losses).proportion_ci(confidence, method="exact")
    return Votes(wins, losses, equal, wins / (wins + losses), float(interval.low), float(interval.high))
