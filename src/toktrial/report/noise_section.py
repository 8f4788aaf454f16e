"""What the report says of chance: how pairs correlate, and what few seeds or two kinds of runs do to a t-interval.

Comparisons and runs -> results["noise"] -> sentences beside the verdict, on the page, in Markdown and at the terminal.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from toktrial.report.noise import FEWEST_SURE_SEEDS, LATE_SHARE, correlation, false_verdict_rate, two_groups
from toktrial.report.wording import decimal, joined, percent, plural


def gather_noise(
    judged: Mapping[str, Mapping[int, float]], comparisons: Sequence[dict[str, Any]], confidence: float
) -> dict[str, Any]:
    """Returns results["noise"]. `judged`: each track's values by seed, in bits per byte, where the verdict compares.

    `correlations`: Pearson's, within the pairs of each other track; None below three pairs. `two_groups`: tracks whose runs
    fall into two. `false_verdict_rate`: simulated, under such noise; None with so many seeds, and no such runs, that it is
    not worth telling.
    """
    correlations = {}
    for comparison in comparisons:
        track, seeds = comparison["track"], comparison["paired_seeds"]
        baseline = judged[comparison["baseline"]]
        correlations[track] = correlation([baseline[seed] for seed in seeds], [judged[track][seed] for seed in seeds])
    split = [track for track, values in judged.items() if two_groups(list(values.values()))]
    seeds = min(len(comparison["paired_seeds"]) for comparison in comparisons)
    is_told = seeds > 1 and (seeds < FEWEST_SURE_SEEDS or split)
    rate = false_verdict_rate(seeds, confidence) if is_told else None
    return {"correlations": correlations, "two_groups": split, "false_verdict_rate": rate, "seeds": seeds}


def noise_sentences(results: dict[str, Any]) -> list[str]:
    """Returns the sentences; none for one seed, which says nothing of chance."""
    noise = results["noise"]
    known = [f"{track} {decimal(value, 2)}" for track, value in noise["correlations"].items() if value is not None]
    found = []
    if known:
        baseline = results["baseline"]
        found.append(f"Correlation with {baseline} within pairs of one seed: {joined(known)}. Near 0, pairing saves nothing.")
    if noise["two_groups"]:
        found.append(f"The runs of {joined(noise['two_groups'])} fall into two groups.")
    if noise["false_verdict_rate"] is not None:
        rate = percent(noise["false_verdict_rate"], 0)
        found.append(
            f"With {plural(noise['seeds'], 'seed')} the interval trusts that differences are near to normal. Where "
            f"{LATE_SHARE} runs leaves its plateau late, it finds a difference in nothing in {rate} of trials (simulated)."
        )
    return found
