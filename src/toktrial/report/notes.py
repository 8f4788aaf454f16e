"""The sentences that a reader must know before the verdict: where the trial is weak, partial or unusual.

Result -> notes: every note is drawn from the result, and says what was found and what it means.
"""

from toktrial.report.result import TrialResult
from toktrial.report.result_comparisons import Comparison
from toktrial.report.wording import count, decimal, joined, percent, plural

UNEQUAL_TEXT = 0.01  # from this relative difference on, a note says that the tracks read unequal amounts of text


def notes(result: TrialResult, seeds_left_out: dict[str, list[int]]) -> list[str]:
    """Returns the notes, the gravest first. `seeds_left_out`: finished seeds of each track beyond the protocol's."""
    return [
        *_on_the_corpus(result),
        *_on_the_seeds(result, seeds_left_out),
        *_on_the_text_read(result),
        *_on_the_shapes(result),
        *_on_the_entries(result),
        *_on_the_schedule(result),
        *_on_the_rates(result),
        *_on_the_devices(result),
    ]


def _on_the_corpus(result: TrialResult) -> list[str]:
    found = []
    if result.design.corpus.is_storybook:
        found.append(
            "The corpus is the built-in storybook. It is made from templates, which favour tokens that span words, so "
            "this verdict is no evidence about language."
        )
    repeated = result.corpus.validation_documents_also_in_training
    if repeated:
        documents = result.corpus.validation.documents
        found.append(
            f"{count(repeated)} of {count(documents)} validation documents stand in the training text too: they "
            "measure memory, not only learning."
        )
    overlap = result.overlap
    if overlap and overlap.near_duplicates.documents:
        near, documents = overlap.near_duplicates, result.corpus.validation.documents
        found.append(
            f"{count(near.documents)} of {count(documents)} validation documents share a run of {near.words} words with "
            "the training text."
        )
    return found


def _on_the_seeds(result: TrialResult, seeds_left_out: dict[str, list[int]]) -> list[str]:
    found = []
    wanted = result.design.seeds
    missing = {name: len(track.seeds_finished) for name, track in result.tracks.items() if len(track.seeds_finished) < wanted}
    if missing:
        parts = joined([f"{finished} of {plural(wanted, 'run')} of {name}" for name, finished in missing.items()])
        found.append(
            f"The trial is not complete: only {parts} finished. The verdict is provisional and uses the seeds that "
            "both tracks finished."
        )
    if result.design.control and len(result.control.pairs if result.control else []) < wanted:
        found.append("The A/A control is not complete: what it says of chance is provisional.")
    if min(len(comparison.paired_seeds) for comparison in result.comparisons) == 1:
        found.append("One seed measures no chance. Two are the least that a verdict needs, and three are better.")
    for comparison in result.comparisons:
        found.extend(_on_the_interval(comparison))
    for name, seeds in seeds_left_out.items():
        if seeds:
            listed = joined([str(seed) for seed in seeds])
            found.append(f"{name} has finished runs that the protocol does not name (seed {listed}). They are left out.")
    return found


def _on_the_interval(comparison: Comparison) -> list[str]:
    if not comparison.interval_without_width:
        return []
    note = (
        f"The differences between {comparison.track} and {comparison.baseline} are exactly equal for all seeds, "
        "so the interval has no width. Independent trainings do not do that: check that the seeds differ before you "
        "trust this verdict."
    )
    return [note]


def _on_the_text_read(result: TrialResult) -> list[str]:
    found = []
    if result.design.training.epochs > 0:
        steps = joined([f"{name} {count(track.steps)}" for name, track in result.tracks.items()])
        found.append(f"The budget is in passes over the text, so the tracks took unequal numbers of steps: {steps}.")
    else:
        found.extend(_on_unequal_text(result))
    repeated = {name: track.epochs for name, track in result.tracks.items() if track.epochs > 1}
    if repeated:
        parts = joined([f"{decimal(epochs, 1)} times by {name}" for name, epochs in repeated.items()])
        found.append(
            f"The training text was read more than once: {parts}. Text read again teaches less than new text, and "
            "the track whose tokens cover more text reads it again sooner."
        )
    return found


def _on_the_shapes(result: TrialResult) -> list[str]:
    if result.design.training.match == "tokens":
        return []
    shapes = [f"{name} {plural(track.batch_size, 'row')} of {count(track.context)}" for name, track in result.tracks.items()]
    shaped = f"Steps were matched in bytes of text, so batches differ in shape: {joined(shapes)} tokens."
    fewer = "A track with fewer tokens a step spent fewer FLOPs on it and has fewer position embeddings."
    read = {name: track.text_read_over_baseline for name, track in result.tracks.items() if name != result.baseline}
    ratios = joined([f"{name} read {decimal(ratio, 3)} times" for name, ratio in read.items()])
    return [f"{shaped} {fewer} Rounding leaves the text unequal: {ratios} as much as {result.baseline}."]


def _on_unequal_text(result: TrialResult) -> list[str]:
    found = []
    baseline = result.baseline
    for name, track in result.tracks.items():
        ratio = track.text_read_over_baseline
        if ratio is not None and abs(ratio - 1) > UNEQUAL_TEXT:
            found.append(f"At equal steps, {name} read {decimal(ratio, 2)} times as much text as {baseline}.")
    return found


def _on_the_entries(result: TrialResult) -> list[str]:
    found = []
    for name, track in result.tracks.items():
        entries, requested = track.entries, track.entries_requested
        if entries < requested:
            is_ready_made = result.design.tracks[name].recipe == "file"
            what = "has" if is_ready_made else "learned"
            why = "its file holds no more" if is_ready_made else "the corpus gave no more"
            found.append(
                f"{name} {what} {count(entries)} of the {count(requested)} entries asked for: {why}. "
                "Its model has the same size all the same, with the rows left over masked."
            )
    return found


def _on_the_schedule(result: TrialResult) -> list[str]:
    training = result.design.training
    if training.schedule == "constant":
        return []
    share = percent(training.final_learning_rate_share)
    note = (
        f"The learning rate decays ({training.schedule}, to {share} of its peak). Under a decaying schedule a run in "
        "its middle has not been annealed, so every 'reaches that value sooner' is biased against the leader."
    )
    return [note]


def _on_the_rates(result: TrialResult) -> list[str]:
    if not result.tuning or not result.tuning.at_edge:
        return []
    tracks = joined(result.tuning.at_edge)
    return [f"The best learning rate of {tracks} stands at the edge of the grid that was tried. A better one may lie beyond."]


def _on_the_devices(result: TrialResult) -> list[str]:
    found = []
    for name, track in result.tracks.items():
        shared = [str(run.seed) for run in track.runs if run.shared_device]
        if shared:
            found.append(
                f"{name} shared its device with other work in seed {joined(shared)}: left out of comparisons in seconds."
            )
    for name in ("device_name", "precision", "compiled", "processes", "threads", "torch", "git commit"):
        values = result.environment[name]
        if len(values) > 1:
            label = name.replace("_", " ")
            found.append(f"The runs differ in {label}: {joined(values)}. A difference between tracks may come from that.")
    return found
