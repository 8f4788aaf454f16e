"""The sentences that a reader must know before the verdict: where the trial is weak, partial or unusual.

Result -> notes: every note is drawn from the result, and says what was found and what it means.
"""

from collections.abc import Iterator

from toktrial.report.result import TrialResult
from toktrial.report.tracks import MeanCurve
from toktrial.report.wording import FEW, count, decimal, general, joined, of_each, percent, plural, two_digits
from toktrial.training.config import flops_per_token
from toktrial.training.metrics import THEN

UNEQUAL_TEXT = 0.01  # from this relative difference on, a note says that the tracks read unequal amounts of text
# From here on a note speaks of memory. Where BPE read 10 MB of TinyStories 5 times and longer tokens 6 to 8 times, validation
# loss over training loss ended 1 to 4% higher than BPE's with 4,096 entries, and 8 to 11% with 16,384.
UNEQUAL_MEMORY = 0.03
LAST_EVALUATIONS = 5  # their mean stands for the end of a curve


def notes(result: TrialResult, seeds_left_out: dict[str, list[int]]) -> list[str]:
    """Returns the notes, the gravest first. `seeds_left_out`: finished seeds of each track beyond the protocol's."""
    return [
        *_on_the_corpus(result),
        *_on_the_seeds(result, seeds_left_out),
        *_on_the_text_read(result),
        *_on_memory(result),
        *_on_the_shapes(result),
        *_on_the_sizes(result),
        *_on_the_entries(result),
        *_on_the_rates(result),
        *_on_the_devices(result),
    ]


def _on_the_corpus(result: TrialResult) -> Iterator[str]:
    documents, repeated = result.corpus.validation.documents, result.corpus.validation_documents_also_in_training
    if result.design.corpus.is_storybook:
        yield (
            "The corpus is the built-in storybook. It is made from templates, which favour tokens that span words, so "
            "this verdict is no evidence about language."
        )
    if repeated:
        yield (
            f"{count(repeated)} of {count(documents)} validation documents stand in the training text too: they "
            "measure memory, not only learning."
        )
    if result.overlap and result.overlap.near_duplicates.documents:
        near = result.overlap.near_duplicates
        yield (
            f"{count(near.documents)} of {count(documents)} validation documents share a run of {near.words} words with "
            "the training text."
        )


def _on_the_seeds(result: TrialResult, seeds_left_out: dict[str, list[int]]) -> Iterator[str]:
    wanted = result.design.seeds
    missing = {name: len(track.seeds_finished) for name, track in result.tracks.items() if len(track.seeds_finished) < wanted}
    if missing:
        of_tracks = joined([f"{finished} of {plural(wanted, 'run')} of {name}" for name, finished in missing.items()])
        in_all = f"{sum(missing.values())} of {plural(wanted * len(missing), 'run')} of {len(missing)} tracks"
        parts = of_tracks if len(missing) <= FEW else in_all
        yield (
            f"The trial is not complete: only {parts} finished. The verdict is provisional and uses the seeds that "
            "both tracks finished."
        )
    if result.design.control and len(result.control.pairs if result.control else []) < wanted:
        yield "The A/A control is not complete: what it says of chance is provisional."
    if min(len(comparison.paired_seeds) for comparison in result.comparisons) == 1:
        yield "One seed measures no chance. Two are the least that a verdict needs, and three are better."
    for comparison in result.comparisons:
        if comparison.interval_without_width:
            yield (
                f"The differences between {comparison.track} and {comparison.baseline} are exactly equal for all seeds, "
                "so the interval has no width. Independent trainings do not do that: check that the seeds differ before you "
                "trust this verdict."
            )
    for name, seeds in seeds_left_out.items():
        if seeds:
            listed = joined([str(seed) for seed in seeds])
            yield f"{name} has finished runs that the protocol does not name (seed {listed}). They are left out."


def _on_the_text_read(result: TrialResult) -> Iterator[str]:
    if result.design.training.epochs > 0:
        steps = of_each({name: track.steps for name, track in result.tracks.items()}, count)
        yield f"The budget is in passes over the text, so the tracks took unequal numbers of steps: {steps}."
    else:
        at = "FLOPs" if result.design.verdict.budget == "flops" else "steps"
        ratios = {name: track.text_read_over_baseline for name, track in result.tracks.items()}
        unequal = {name: ratio for name, ratio in ratios.items() if ratio is not None and abs(ratio - 1) > UNEQUAL_TEXT}
        if len(unequal) > FEW:
            yield f"At equal {at}, the tracks read {of_each(unequal, two_digits)} times as much text as {result.baseline}."
        else:
            for name, ratio in unequal.items():
                yield f"At equal {at}, {name} read {decimal(ratio, 2)} times as much text as {result.baseline}."
    repeated = {name: track.epochs for name, track in result.tracks.items() if round(track.epochs, 1) > 1}
    if repeated:
        by = joined([f"{decimal(epochs, 1)} times by {name}" for name, epochs in repeated.items()])
        parts = by if len(repeated) <= FEW else f"by {len(repeated)} tracks, up to {decimal(max(repeated.values()), 1)} times"
        yield (
            f"The training text was read more than once: {parts}. Text read again teaches less than new text, and "
            "the track whose tokens cover more text reads it again sooner."
        )


def _on_memory(result: TrialResult) -> Iterator[str]:
    ratios = {curve.track: _validation_over_training(curve) for curve in result.mean_curves.all_runs if not curve.control}
    known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    if not known:
        return
    least = min(known, key=known.__getitem__)
    further = {name: ratio / known[least] - 1 for name, ratio in known.items()}
    more = {name: share for name, share in further.items() if share > UNEQUAL_MEMORY and result.tracks[name].epochs > 1}
    if more:
        yield (
            f"Validation loss over training loss ended higher than that of {least}: {of_each(more, percent)}. So more of the "
            "repeated text was learned by heart there. With more text, the verdict may be another."
        )


def _validation_over_training(curve: MeanCurve) -> float | None:
    """Returns the ratio of the two losses at the end of a curve; None where it has too few evaluations to tell."""
    pairs = zip(curve.columns["validation_loss"], curve.columns["training_loss"], strict=True)
    last = [(validation, training) for validation, training in pairs if validation and training][-LAST_EVALUATIONS:]
    if len(last) < LAST_EVALUATIONS:
        return None
    return sum(validation for validation, _ in last) / sum(training for _, training in last)


def _on_the_shapes(result: TrialResult) -> Iterator[str]:
    if result.design.training.match == "tokens":
        return
    of_tracks = [f"{name} {plural(track.batch_size, 'row')} of {count(track.context)}" for name, track in result.tracks.items()]
    shapes = joined(of_tracks) if not result.has_many_tracks else "each track has its own number of rows and of"
    read = {name: track.text_read_over_baseline for name, track in result.tracks.items() if name != result.baseline}
    each = joined([f"{name} read {decimal(ratio, 3)} times" for name, ratio in read.items()])
    ratios = f"the tracks read {of_each(read, lambda ratio: decimal(ratio, 3))} times" if result.has_many_tracks else each
    yield (
        f"Steps were matched in bytes of text, so batches differ in shape: {shapes} tokens. A track with fewer tokens "
        "a step spent fewer FLOPs on it and has fewer position embeddings. Rounding leaves the text unequal: "
        f"{ratios} as much as {result.baseline}."
    )


def _on_the_sizes(result: TrialResult) -> Iterator[str]:
    if result.design.has_equal_sizes:
        return
    sizes = of_each({name: result.design.vocab_size_of(name) for name in result.tracks}, count)
    steps = of_each({name: track.steps for name, track in result.tracks.items()}, count)
    if result.design.training.epochs:
        equal = (
            f"Passes over the text are equal. Parameters, steps ({steps}), FLOPs and initial weights are not. With "
            'training.epochs = 0, verdict.budget = "flops" compares at equal FLOPs.'
        )
    elif result.design.verdict.budget == "flops":
        equal = f"FLOPs are equal but for rounding. Parameters, steps ({steps}), text and initial weights are not."
    else:
        equal = (
            "Steps are equal. Parameters, FLOPs, text and initial weights are not. "
            'verdict.budget = "flops" compares at equal FLOPs.'
        )
    yield f"The vocabularies differ in size ({sizes} entries), and so do the models. {equal}"


def _on_the_entries(result: TrialResult) -> Iterator[str]:
    for name, track in result.tracks.items():
        if track.entries < track.entries_requested:
            is_ready_made = result.design.tracks[name].recipe == "file"
            what = "has" if is_ready_made else "learned"
            why = "its file holds no more" if is_ready_made else "the corpus gave no more"
            cost = flops_per_token(result.design.model, track.entries_requested)
            surplus = cost / flops_per_token(result.design.model, track.entries) - 1
            yield (
                f"{name} {what} {count(track.entries)} of the {count(track.entries_requested)} entries asked for: {why}. "
                f"Its model has the same size all the same, with the rows left over masked, so a step costs {percent(surplus)} "
                f"more FLOPs than one of its own size. `tracks.{name}.vocab_size = {track.entries}` and "
                '`verdict.budget = "flops"` compare without this handicap.'
            )
        asked_for, found = result.design.tracks[name].primitives, track.vocabulary.primitives if track.vocabulary else None
        if found and found < asked_for:
            yield (
                f"{name} builds on {count(found)} of the {count(asked_for)} primitives asked for: the corpus gave no more. "
                "The rest of its entries is made of these."
            )


def _on_the_rates(result: TrialResult) -> Iterator[str]:
    training = result.design.training
    if not result.tuning:
        yield (
            f"One learning rate served all tracks ({general(training.learning_rate)}), and this trial did not tune it. Tracks "
            "may prefer different rates, at which the verdict may be another, even of the other sign."
        )
    if training.schedule != "constant":
        share = percent(training.final_learning_rate_share)
        yield (
            f"The learning rate decays ({training.schedule}, to {share} of its peak). Under a decaying schedule a run in "
            "its middle has not been annealed, so every 'reaches that value sooner' is biased against the leader."
        )
    if result.tuning and result.tuning.at_edge:
        tracks = joined(result.tuning.at_edge)
        yield f"The best learning rate of {tracks} stands at the edge of the grid that was tried. A better one may lie beyond."


def _company(result: TrialResult, whose: str) -> str:
    """Returns why runs have no seconds of their own. `whose`: `a` or `its`, before what they ran on."""
    changed = any(THEN in value for name in ("device_name", "precision") for value in result.environment[name])
    return f"shared {whose} device with other work{', or changed it,' if changed else ''}"


def _on_the_devices(result: TrialResult) -> Iterator[str]:
    shared = {name: [str(run.seed) for run in track.runs if run.shared_device] for name, track in result.tracks.items()}
    some = {name: seeds for name, seeds in shared.items() if seeds}
    if len(some) > FEW:
        n_runs = plural(sum(map(len, some.values())), "run")
        yield f"{n_runs} of {len(some)} tracks {_company(result, 'a')}: left out of comparisons in seconds."
    else:
        for name, seeds in some.items():
            yield f"{name} {_company(result, 'its')} in seed {joined(seeds)}: left out of comparisons in seconds."
    timed = {name: [run for run in track.runs if run.timed_step_seconds] for name, track in result.tracks.items()}
    if any(timed.values()):
        of_a_step = {name: runs[0].timed_step_seconds for name, runs in timed.items() if runs}
        parts = [
            f"{name} {decimal(seconds, 4)} (seed {joined([str(run.seed) for run in timed[name]])})"
            for name, seconds in of_a_step.items()
        ]
        each = joined(parts) if len(parts) <= FEW else of_each(of_a_step, lambda seconds: decimal(seconds, 4))
        yield (
            "Runs were trained side by side. Their training seconds are not their own, but their steps times the seconds of a "
            f"step that was timed alone, once for each track: {each}. They say nothing of how far seeds differ."
        )
    for name in ("device_name", "precision", "compiled", "processes", "threads", "torch", "git commit"):
        values = result.environment[name]
        if len(values) > 1:
            label = name.replace("_", " ")
            yield f"The runs differ in {label}: {joined(values)}. A difference between tracks may come from that."
