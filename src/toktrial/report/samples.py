"""What the models wrote: the continuations, and their measures beside those of real documents.

Inputs -> samples -> result.
"""

import statistics
from collections.abc import Sequence

from toktrial.evaluation.text_measures import bits_name, summarise
from toktrial.report.curves import mean_over_seeds, standard_deviation_over_seeds
from toktrial.report.evaluated import TrialInputs
from toktrial.report.result_accounts import Continuation, OverSeeds, Prompt, SampleMeasure, SampleMeasures, Samples


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
    """Returns the means over seeds of every measure, of every track and of the real documents; None without measures."""
    texts = inputs.sample_measures
    if not texts:
        return None
    of_real_documents = [text for text in texts if text["track"] is None]
    by_track = {track: [text for text in texts if text["track"] == track] for track in inputs.runs}
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


def _over_seeds(values: Sequence[float | None]) -> OverSeeds:
    return OverSeeds(list(values), mean_over_seeds(values), standard_deviation_over_seeds(values))
