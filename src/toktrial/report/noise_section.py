"""What the report says of chance: how pairs correlate, and what few seeds or two kinds of runs do to a t-interval.

results -> sentences of the verdict, on the page, in Markdown and at the terminal.
"""

from typing import Any

from toktrial.report.dots_chart import judged_values
from toktrial.report.noise import FEWEST_SURE_SEEDS, LATE_SHARE, correlation, false_verdict_rate, two_groups
from toktrial.report.wording import decimal, joined, percent, plural


def noise_sentences(results: dict[str, Any]) -> list[str]:
    """Returns the sentences; none for one seed, which says nothing of chance."""
    seeds = min(len(comparison["paired_seeds"]) for comparison in results["comparisons"])
    if seeds < 2:
        return []
    return [*_correlations(results), *_what_cannot_be_promised(results, seeds)]


def _correlations(results: dict[str, Any]) -> list[str]:
    found = []
    values = {track: _by_seed(results, track) for track in results["tracks"]}
    for comparison in results["comparisons"]:
        track, baseline = comparison["track"], comparison["baseline"]
        seeds = comparison["paired_seeds"]
        told = correlation([values[baseline][seed] for seed in seeds], [values[track][seed] for seed in seeds])
        if told is not None:
            found.append(f"{track} and {baseline} {decimal(told, 2)}")
    if not found:
        return []
    return [f"Correlation within pairs of one seed: {joined(found)}. Near 0, pairing by seed takes no noise away."]


def _what_cannot_be_promised(results: dict[str, Any], seeds: int) -> list[str]:
    split = [track for track in results["tracks"] if two_groups(judged_values(results, track))]
    if seeds >= FEWEST_SURE_SEEDS and not split:
        return []
    confidence = results["verdict"]["confidence"]
    rate, nominal = percent(false_verdict_rate(seeds, confidence), 0), percent(1 - confidence, 0)
    why = [f"The runs of {joined(split)} fall into two groups."] if split else []
    promise = (
        f"With {plural(seeds, 'seed')} the interval trusts that differences are near to normal. Where {LATE_SHARE} runs leaves "
        f"its plateau late, it finds a difference in nothing in {rate} of trials (simulated), not in {nominal}: more seeds help."
    )
    return [*why, promise]


def _by_seed(results: dict[str, Any], track: str) -> dict[int, float]:
    runs = results["tracks"][track]["runs"]
    return {run["seed"]: value for run, value in zip(runs, judged_values(results, track), strict=True)}
