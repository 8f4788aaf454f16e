"""Minimal pairs: how often the models find the right sentence likelier, by field of grammar and by paradigm.

Beside results.py in the flow, inputs -> results -> tables: gathers results["minimal_pairs"], draws tables and sentences.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toktrial.report.inputs import EvaluatedRun, TrialInputs
from toktrial.report.over_seeds import standard_deviation_over_seeds
from toktrial.report.tables import Kind, Table, text_then_numbers
from toktrial.report.verdict import Floats
from toktrial.report.wording import NOT_MEASURED, count, decimal, joined, percent, plural, short_percent, signed

# With so many pairs the 95% interval of an accuracy reaches less than 10 points to either side. With fewer, the accuracy of a
# paradigm is mostly chance, and it would weigh as much as any other in the mean.
LEAST_KNOWN_PAIRS = 100
POINTS = {"1": 1.0, "0": 0.0, "=": 0.5}
ALL_FIELDS = "all"

HOW_JUDGED = (
    "A pair is two sentences that differ in one point of grammar. The model gets it right where the right sentence, as a whole "
    "document and with its end, has the higher probability; nothing is divided by length, so tokenizers compare. Equal "
    "probabilities count one half. Chance is 50%. This decides nothing."
)
INTERVALS = (
    "By field: means over the paradigms; the interval is Student's, over paradigms, and covers which paradigms a field happens "
    "to have, for these trained models; that of a difference is paired by paradigm. By paradigm: shares of the known pairs; "
    "the interval is Wilson's, and covers which pairs a paradigm happens to have. Neither covers other seeds: where there are "
    "several, accuracies are means over them, and \N{PLUS-MINUS SIGN} their standard deviation says how far seeds differ."
)


def gather_minimal_pairs(inputs: TrialInputs) -> dict[str, Any] | None:
    """Returns results["minimal_pairs"]; None where no pairs were judged, or not by every track.

    Shares of 1; intervals at the protocol's confidence. Paradigms count with their known pairs alone.
    """
    source, account = inputs.protocol["evaluation"].get("minimal_pairs"), inputs.known_pairs
    runs = {track: _judged(of_track, account) for track, of_track in inputs.runs.items()}
    if not source or not account or not all(runs.values()):
        return None
    confidence = inputs.protocol["verdict"]["confidence"]
    known = {paradigm["name"]: _points(paradigm["known"]) == 1 for paradigm in account["paradigms"]}
    sizes = {name: int(of_paradigm.sum()) for name, of_paradigm in known.items()}
    accuracies = {
        track: {run.seed: {name: _accuracy(run, name, known[name]) for name in known} for run in of_track}
        for track, of_track in runs.items()
    }
    counted = [name for name, size in sizes.items() if size >= LEAST_KNOWN_PAIRS]
    fields: dict[str, list[str]] = {}
    for paradigm in account["paradigms"]:
        if paradigm["name"] in counted:
            fields.setdefault(paradigm["field"], []).append(paradigm["name"])
    return {
        "source": source,
        "confidence": confidence,
        "words": account["words"],
        "known_words": account["known_words"],
        "pairs": sum(map(len, known.values())),
        "known_pairs": sum(sizes.values()),
        "share_of_known_pairs": sum(sizes.values()) / sum(map(len, known.values())),
        "least_known_pairs": LEAST_KNOWN_PAIRS,
        "counted": counted,
        "not_counted": [name for name in known if name not in counted],
        "tracks": {track: _of_all_pairs(of_track, list(known)) for track, of_track in runs.items()},
        "fields": [
            _field(field, names, sum(sizes[name] for name in names), accuracies, confidence)
            for field, names in [*sorted(fields.items()), *([(ALL_FIELDS, counted)] if counted else [])]
        ],
        "paradigms": [
            {
                "name": paradigm["name"],
                "field": paradigm["field"],
                "pairs": len(paradigm["known"]),
                "known_pairs": sizes[paradigm["name"]],
                "counted": paradigm["name"] in counted,
                "tracks": {
                    track: _paradigm([of_seed[paradigm["name"]] for of_seed in of_track.values()], sizes[paradigm["name"]],
                                     confidence)
                    for track, of_track in accuracies.items()
                },
            }
            for paradigm in account["paradigms"]
        ],
    }  # fmt: skip


def wilson_interval(accuracy: float, pairs: int, confidence: float) -> tuple[float, float]:
    """Returns Wilson's score interval (Wilson 1927, JASA 22) of a share of `pairs`.

    As `scipy.stats.binomtest(...).proportion_ci(method="wilson")` has it, which takes whole counts alone: ties count one half
    here, and means over seeds are no whole counts either.
    """
    from scipy import stats

    z = float(stats.norm.ppf((1 + confidence) / 2))
    centre = accuracy + z**2 / (2 * pairs)
    half_width = z * math.sqrt(accuracy * (1 - accuracy) / pairs + z**2 / (4 * pairs**2))
    scale = 1 + z**2 / pairs
    return (centre - half_width) / scale, (centre + half_width) / scale


def mean_interval(values: Sequence[float], confidence: float) -> tuple[float, float] | None:
    """Returns Student's t-interval of a mean; None of fewer than two values."""
    from scipy import stats

    if len(values) < 2:
        return None
    mean, standard_error = statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))
    half_width = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1)) * standard_error
    return mean - half_width, mean + half_width


def minimal_pairs_sentences(results: dict[str, Any]) -> list[str]:
    """Returns what was judged, what the corpus knows of it, which paradigms count, and what the intervals cover."""
    found = results["minimal_pairs"]
    paradigms, counted = len(found["paradigms"]), found["counted"]
    known = (
        f"The corpus knows {count(found['known_words'])} of the {count(found['words'])} words in the pairs, and so all words "
        f"of {count(found['known_pairs'])} of {count(found['pairs'])} pairs ({percent(found['share_of_known_pairs'])}). "
        "A word is known where it occurs in the training text at all, in upper or lower case. A paradigm counts where it has "
        f"{found['least_known_pairs']} known pairs or more, and then with those alone: {len(counted)} of "
        f"{plural(paradigms, 'paradigm')} count."
    )
    whole = joined([f"{track} {percent(of_track['accuracy_of_all_pairs'])}" for track, of_track in found["tracks"].items()])
    all_pairs = (
        f"Over all {plural(paradigms, 'paradigm')} and all their pairs, unknown words among them, as such figures are usually "
        f"given: {whole}."
    )
    return [HOW_JUDGED, known, INTERVALS, all_pairs, _ties(found)]


def counted_sentences(results: dict[str, Any]) -> list[str]:
    """Returns which paradigms count and which do not, by name."""
    found = results["minimal_pairs"]
    sides = {"These count": found["counted"], "These do not": found["not_counted"]}
    return [f"{says} ({len(names)}): {', '.join(names)}." for says, names in sides.items() if names]


def fields_table(results: dict[str, Any]) -> Table:
    """Returns the accuracies by field and over all, and how other tracks differ from the baseline."""
    found = results["minimal_pairs"]
    tracks, others = list(found["tracks"]), list(found["tracks"])[1:]
    differences = [f"{other} minus {results['baseline']}, points" for other in others]
    rows = [
        [field["field"], count(field["paradigms"]), count(field["known_pairs"]),
         *(_share_cell(field["tracks"][track]) for track in tracks),
         *(_difference_cell(field["differences"][other]) for other in others)]
        for field in found["fields"]
    ]  # fmt: skip
    headers = ("field", "paradigms", "known pairs", *tracks, *differences)
    caption = (
        "Right sentence found likelier, by field: mean over the paradigms that count, with "
        f"{short_percent(found['confidence'])} intervals. Chance is 50%."
    )
    return Table(caption, headers, rows, text_then_numbers(len(headers) - 1))


def paradigms_table(results: dict[str, Any]) -> Table:
    """Returns the accuracies of all paradigms, over their known pairs."""
    found = results["minimal_pairs"]
    rows = [
        [paradigm["name"], paradigm["field"], "yes" if paradigm["counted"] else "no",
         f"{count(paradigm['known_pairs'])} of {count(paradigm['pairs'])}", *map(_share_cell, paradigm["tracks"].values())]
        for paradigm in found["paradigms"]
    ]  # fmt: skip
    headers = ("paradigm", "field", "counts", "known pairs", *found["tracks"])
    kinds: tuple[Kind, ...] = ("code", "text", *text_then_numbers(1 + len(found["tracks"])))
    confidence = short_percent(found["confidence"])
    caption = f"Right sentence found likelier, by paradigm, over its known pairs, with {confidence} intervals."
    return Table(caption, headers, rows, kinds)


def _judged(runs: Sequence[EvaluatedRun], account: dict[str, Any] | None) -> list[EvaluatedRun]:
    """Returns the runs that judged the very pairs of the account."""
    if not account:
        return []
    return [run for run in runs if run.minimal_pairs and run.minimal_pairs["pairs_fingerprint"] == account["pairs_fingerprint"]]


def _points(letters: str) -> Floats:
    return np.array([POINTS[letter] for letter in letters])


def _accuracy(run: EvaluatedRun, paradigm: str, known: NDArray[np.bool_]) -> float:
    """The share of a paradigm's known pairs; NaN where there are none."""
    assert run.minimal_pairs is not None
    points = _points(run.minimal_pairs["outcomes"][paradigm])[known]
    return float(points.mean()) if len(points) else math.nan


def _of_all_pairs(runs: Sequence[EvaluatedRun], paradigms: Sequence[str]) -> dict[str, Any]:
    outcomes = [run.minimal_pairs["outcomes"] for run in runs if run.minimal_pairs]
    means = [statistics.fmean(float(_points(of_run[name]).mean()) for name in paradigms) for of_run in outcomes]
    return {
        "seeds": [run.seed for run in runs],
        "accuracy_of_all_pairs": statistics.fmean(means),
        "ties": sum(letters.count("=") for of_run in outcomes for letters in of_run.values()),
        "seconds": sum(run.minimal_pairs["seconds"] for run in runs if run.minimal_pairs),
    }


def _paradigm(by_seed: Sequence[float], pairs: int, confidence: float) -> dict[str, float | None]:
    if not pairs:
        return {"accuracy": None, "low": None, "high": None, "standard_deviation": None}
    accuracy = statistics.fmean(by_seed)
    low, high = wilson_interval(accuracy, pairs, confidence)
    return {"accuracy": accuracy, "low": low, "high": high, "standard_deviation": standard_deviation_over_seeds(by_seed)}


def _field(
    field: str,
    names: Sequence[str],
    known_pairs: int,
    accuracies: dict[str, dict[int, dict[str, float]]],
    confidence: float,
) -> dict[str, Any]:
    baseline, *others = accuracies
    return {
        "field": field,
        "paradigms": len(names),
        "known_pairs": known_pairs,
        "tracks": {track: _mean_over(names, of_track, confidence) for track, of_track in accuracies.items()},
        "differences": {
            other: _mean_difference(names, accuracies[baseline], accuracies[other], confidence) for other in others
        },
    }


def _mean_over(names: Sequence[str], by_seed: dict[int, dict[str, float]], confidence: float) -> dict[str, float | None]:
    of_paradigms = [statistics.fmean(of_seed[name] for of_seed in by_seed.values()) for name in names]
    of_seeds = [statistics.fmean(of_seed[name] for name in names) for of_seed in by_seed.values()]
    low, high = mean_interval(of_paradigms, confidence) or (None, None)
    return {
        "accuracy": statistics.fmean(of_paradigms),
        "low": None if low is None else max(0.0, low),
        "high": None if high is None else min(1.0, high),
        "standard_deviation": standard_deviation_over_seeds(of_seeds),
    }


def _mean_difference(
    names: Sequence[str], baseline: dict[int, dict[str, float]], other: dict[int, dict[str, float]], confidence: float
) -> dict[str, Any]:
    """Other minus baseline, over the seeds that both have, paired by seed and paradigm."""
    seeds = sorted(baseline.keys() & other.keys())
    if not seeds:
        return {"seeds": [], "difference": None, "low": None, "high": None}
    of_paradigms = [statistics.fmean(other[seed][name] - baseline[seed][name] for seed in seeds) for name in names]
    low, high = mean_interval(of_paradigms, confidence) or (None, None)
    return {"seeds": seeds, "difference": statistics.fmean(of_paradigms), "low": low, "high": high}


def _ties(found: dict[str, Any]) -> str:
    parts = [
        f"{track} {count(of_track['ties'])} in {plural(len(of_track['seeds']), 'seed')}"
        for track, of_track in found["tracks"].items()
    ]
    return f"Ties, among them pairs of equal sentences: {joined(parts)}."


def _share_cell(measured: dict[str, float | None]) -> str:
    accuracy, spread = measured["accuracy"], measured["standard_deviation"]
    if accuracy is None:
        return NOT_MEASURED
    mean = percent(accuracy) if spread is None else f"{percent(accuracy)} \N{PLUS-MINUS SIGN} {decimal(100 * spread, 1)}"
    if measured["low"] is None or measured["high"] is None:
        return mean
    return f"{mean} ({decimal(100 * measured['low'], 1)} to {decimal(100 * measured['high'], 1)})"


def _difference_cell(measured: dict[str, Any]) -> str:
    if measured["difference"] is None:
        return NOT_MEASURED
    mean = signed(100 * measured["difference"], 1)
    if measured["low"] is None:
        return mean
    return f"{mean} ({signed(100 * measured['low'], 1)} to {signed(100 * measured['high'], 1)})"
