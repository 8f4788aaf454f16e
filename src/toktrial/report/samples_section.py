"""What the models wrote: the continuations side by side, and their measures beside those of real documents.

Beside results.py in the flow, inputs -> results -> tables: gathers results["samples"] and results["sample_measures"].
"""

import statistics
from collections.abc import Sequence
from typing import Any

from toktrial.evaluation.text_measures import bits_name, summarise
from toktrial.report.inputs import TrialInputs
from toktrial.report.over_seeds import mean_over_seeds, standard_deviation_over_seeds
from toktrial.report.tables import Table, text_then_numbers
from toktrial.report.wording import count, decimal, joined, percent, plural, with_spread

# Each measure's name in the table, and what it says.
MEASURES = {
    "repetition": (
        "repeated 4-grams",
        "Runs of four words that stood in the text before. More than in real documents: the model goes in circles.",
    ),
    "distinct_1": (
        "distinct-1: words",
        "Different words, of all words of a text. Less than in real documents: a poorer choice of words.",
    ),
    "distinct_2": ("distinct-2: pairs", "The same of two words in a row."),
    "distinct_3": ("distinct-3: triples", "The same of three words in a row."),
    "sentence_words": (
        "words per sentence",
        "Words, over the ends of sentences. Far from real documents on either side: sentences do not end as people end them.",
    ),
    "known_words": (
        "known words",
        "Words that occur in the training text. The rest are mostly invented: a model spells words from pieces.",
    ),
    "paired_quotation_marks": (
        "paired quotation marks",
        "Double marks, of which one opens and the next one closes. Less than in real documents: the model forgets who speaks.",
    ),
}
BITS_MEANING = (
    "How surprising the texts are to the models of that track (and the same seed): their own, or another's. Counted are the "
    "tokens that begin within the text and end before its last word, which the cut may have shortened. Sampling at a low "
    "temperature makes texts that are easier to predict than real documents, so lower is no better here: the nearer to the "
    "real documents, the more alike."
)
CAVEAT = (
    "These are weak proxies: none of them reads. They depend on the sampling's temperature and top-k, a text that is near to "
    "real documents in all of them may still make no sense, and they decide nothing."
)


def gather_samples(inputs: TrialInputs) -> dict[str, Any]:
    """Returns the continuations of every prompt, track by track, of the first seed that all tracks finished."""
    in_all = set.intersection(*({run.seed for run in runs} for runs in inputs.runs.values()))
    if not in_all:
        return {"seed": None, "prompts": []}
    seed = min(in_all)
    by_place: dict[int, dict[str, Any]] = {}  # not by the prompt's text, which may be that of another prompt too
    for track, runs in inputs.runs.items():
        for place, sample in enumerate(next(run.samples for run in runs if run.seed == seed)):
            of_prompt = by_place.setdefault(place, {"prompt": sample["prompt"], "tracks": {}})
            of_prompt["tracks"][track] = {"continuation": sample["continuation"], "ended": sample["ended"]}
    return {"seed": seed, "prompts": list(by_place.values())}


def gather_sample_measures(inputs: TrialInputs) -> dict[str, Any] | None:
    """Returns the means over seeds of every measure, of every track and of the real documents; None without measures."""
    texts = inputs.sample_measures
    if not texts:
        return None
    of_real_documents = [text for text in texts if text["track"] is None]
    by_track = {track: [text for text in texts if text["track"] == track] for track in inputs.runs}
    values = {track: summarise(of_track) for track, of_track in by_track.items()}
    real = summarise(of_real_documents)
    of_tracks = [text["bytes"] for text in texts if text["track"] is not None]
    return {
        "seeds": sorted({text["seed"] for text in texts}),
        "prompts": len({text["prompt"] for text in texts}),
        "bytes_per_text": statistics.fmean(of_tracks),
        "texts": {track: len(of_track) for track, of_track in by_track.items()},
        "real_documents": len(of_real_documents),
        "measures": {
            name: {
                "tracks": {track: _over_seeds(of_track[name]) for track, of_track in values.items()},
                "real_documents": _over_seeds(real.get(name, [])),
            }
            for name in [*MEASURES, *(bits_name(track) for track in inputs.runs)]
        },
    }


def measures_table(results: dict[str, Any]) -> Table:
    """Returns every measure of each track's texts, the real documents in the last column."""
    found = results["sample_measures"]
    tracks = list(found["texts"])
    named = {
        **{name: label for name, (label, _) in MEASURES.items()},
        **{bits_name(track): f"bits per byte by {track}" for track in tracks},
    }
    rows = [
        [label, *(_cell(name, found["measures"][name]["tracks"][track]) for track in tracks),
         _cell(name, found["measures"][name]["real_documents"])]
        for name, label in named.items()
    ]  # fmt: skip
    spread = ", \N{PLUS-MINUS SIGN} their standard deviation" if len(found["seeds"]) > 1 else ""
    caption = (
        f"What the models wrote, beside real validation documents: means over {plural(len(found['seeds']), 'seed')}{spread}; "
        f"{plural(found['prompts'], 'prompt')} a seed. The texts of one prompt and seed are cut to the bytes of the shortest, "
        f"and a real document to the same ({count(found['bytes_per_text'])} bytes a text on average)."
    )
    return Table(caption, ("", *tracks, "real documents"), rows, text_then_numbers(len(tracks) + 1))


def meanings(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns each measure's name with one sentence on what it says."""
    tracks = joined(list(results["sample_measures"]["texts"]))
    return [*MEASURES.values(), (f"bits per byte by {tracks}", BITS_MEANING)]


def _over_seeds(values: Sequence[float | None]) -> dict[str, Any]:
    return {
        "by_seed": list(values),
        "mean": mean_over_seeds(values),
        "standard_deviation": standard_deviation_over_seeds(values),
    }


def _cell(name: str, measured: dict[str, Any]) -> str:
    mean, spread = measured["mean"], measured["standard_deviation"]
    if name == "sentence_words":
        return with_spread(mean, spread, 1)
    if name not in MEASURES:
        return with_spread(mean, spread, 3)
    return percent(mean) if spread is None else f"{percent(mean)} \N{PLUS-MINUS SIGN} {decimal(100 * spread, 1)}"
