"""The A/A control: what the same tokenizer, trained twice, differs by. The report's measure of what nothing looks like.

Beside results.py in the flow, inputs -> results -> tables: gathers results["control"], and draws its table and sentences.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from toktrial.report.inputs import TrialInputs, last_seed
from toktrial.report.over_seeds import standard_deviation_over_seeds
from toktrial.report.tables import Table, text_then_numbers
from toktrial.report.verdict import paired_interval
from toktrial.report.wording import decimal, joined, plural, short_percent, signed

WHAT_IT_BOUNDS = (
    "The two trainings of a pair differ in their initial weights and in the order of the documents, which two tracks of one "
    "seed have in common; the other track's own noise is not in it, and may be larger. A difference as small as this one may "
    "be nothing, and one that the verdict finds may be smaller than this one. It decides nothing."
)


def gather_control(inputs: TrialInputs, comparisons: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Returns results["control"]; None without finished pairs of a control.

    Seed n of the baseline is paired with its seed `last_seed` + n. `root_mean_square` is the control's standard deviation
    around 0, which is what two trainings of one tokenizer differ by on average: it has as many degrees of freedom as pairs.
    `comparisons` are those of the results; each one's difference is told as a multiple of it, and `deviations` are the
    standard deviations of their differences over the seeds.
    """
    seeds, confidence = inputs.protocol["seeds"], inputs.protocol["verdict"]["confidence"]
    again = {run.seed: run.final["bits_per_byte"] for run in inputs.control_runs}
    first = {run.seed: run.final["bits_per_byte"] for run in inputs.runs[inputs.baseline]}
    last = last_seed(inputs.protocol)
    pairs = [(seed, seed + last) for seed in first if seed + last in again]
    if not pairs:
        return None
    interval = paired_interval([first[one] for one, _ in pairs], [again[other] for _, other in pairs], confidence)
    differences = [again[other] - first[one] for one, other in pairs]
    root_mean_square = float(np.sqrt(np.mean(np.square(differences))))
    return {
        "track": inputs.baseline,
        "pairs_in_protocol": seeds,
        "pairs": [
            {"seed": one, "other_seed": other, "bits_per_byte": first[one], "other_bits_per_byte": again[other],
             "difference": difference}
            for (one, other), difference in zip(pairs, differences, strict=True)
        ],
        "mean": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "holds_zero": None if interval.low is None or interval.high is None else interval.low <= 0 <= interval.high,
        "root_mean_square": root_mean_square,
        "multiples": {
            item["track"]: abs(item["difference"]) / root_mean_square if root_mean_square else None for item in comparisons
        },
        "deviations": {item["track"]: standard_deviation_over_seeds(item["differences"]) for item in comparisons},
    }  # fmt: skip


def control_sentences(results: dict[str, Any]) -> list[str]:
    """Returns what the control says of the trial's differences, in words."""
    control = results["control"]
    differences = [*_interval_sentence(control, results), _multiples(results), *_deviations(results)]
    return [_what_nothing_looks_like(control), *differences, WHAT_IT_BOUNDS]


def control_table(results: dict[str, Any]) -> Table:
    """Returns the pairs of the control beside those of the tracks, one seed a row: differences in final bits per byte."""
    control, comparisons = results["control"], results["comparisons"]
    baseline = control["track"]
    names = [f"{item['track']} minus {baseline}, same seed" for item in comparisons]
    by_seed = [dict(zip(item["paired_seeds"], item["differences"], strict=True)) for item in comparisons]
    rows = [
        [f"{pair['seed']} and {pair['other_seed']}", signed(pair["difference"]),
         *(signed(differences.get(pair["seed"])) for differences in by_seed)]
        for pair in control["pairs"]
    ]  # fmt: skip
    headers = ("seeds", f"{baseline} minus itself, other seed", *names)
    caption = "Differences in final bits per byte: of the same tokenizer trained twice, and of the tracks"
    return Table(caption, headers, rows, text_then_numbers(len(headers) - 1))


def _what_nothing_looks_like(control: dict[str, Any]) -> str:
    finished, wanted = len(control["pairs"]), control["pairs_in_protocol"]
    of = plural(finished, "pair") if finished == wanted else f"{finished} of {plural(wanted, 'pair')}"
    return (
        f"The same tokenizer ({control['track']}) trained twice differs by {decimal(control['root_mean_square'], 4)} bits per "
        f"byte (root mean square over {of} of seeds): what nothing looks like."
    )


def _interval_sentence(control: dict[str, Any], results: dict[str, Any]) -> list[str]:
    if control["low"] is None:
        return []
    holds = "which holds 0" if control["holds_zero"] else "which misses 0: chance, for there is nothing to find"
    confidence = results["verdict"]["confidence"]
    interval = f"{short_percent(confidence)} interval of {signed(control['low'])} to {signed(control['high'])}"
    return [f"Its mean is {signed(control['mean'])}, with a {interval}, {holds}."]


def _multiples(results: dict[str, Any]) -> str:
    parts = [
        f"{track} differs from {results['baseline']} by {decimal(multiple, 1)} times that"
        for track, multiple in results["control"]["multiples"].items()
        if multiple is not None
    ]
    return f"{joined(parts)}." if parts else "Both trainings ended at exactly the same value, which chance alone does not do."


def _deviations(results: dict[str, Any]) -> list[str]:
    parts = [
        f"{track} minus {results['baseline']} deviates by {decimal(deviation, 4)}"
        for track, deviation in results["control"]["deviations"].items()
        if deviation is not None
    ]
    return [f"From seed to seed, {joined(parts)}: the noise that the verdict reckons with."] if parts else []
