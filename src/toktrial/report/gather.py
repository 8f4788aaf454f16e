"""Gathers everything that the report says into one typed result.

Inputs -> result -> sections, charts, terminal: these read nothing else, so every number of theirs is in results.json.
"""

from dataclasses import replace

from toktrial.report.comparisons import gather_comparisons, gather_targets, gather_tuning
from toktrial.report.differences import gather_differences
from toktrial.report.evaluated import TrialInputs
from toktrial.report.intrinsic import gather_intrinsic
from toktrial.report.marginal import gather_marginal
from toktrial.report.minimal_pairs import gather_minimal_pairs
from toktrial.report.noise import gather_control, gather_noise
from toktrial.report.notes import notes
from toktrial.report.outcome import gather_verdict
from toktrial.report.result import TrialResult, plain, typed
from toktrial.report.samples import gather_ratings, gather_sample_measures, gather_samples
from toktrial.report.tracks import environment, gather_mean_curves, gather_tracks, seconds_by_stage


def gather(inputs: TrialInputs, target: float | None = None) -> TrialResult:
    """Returns the result, as it reads from results.json again: None where a number is not finite.

    `target`: bits per byte; where it is given, the result says what each track needs to reach it.
    """
    comparisons = gather_comparisons(inputs)
    differences = gather_differences(inputs, comparisons)
    result = TrialResult(
        trial=inputs.design.name,
        baseline=inputs.baseline,
        verdict=gather_verdict(inputs, comparisons, differences),
        notes=[],
        tracks=gather_tracks(inputs),
        comparisons=comparisons,
        differences=differences,
        noise=gather_noise(inputs, comparisons),
        targets=gather_targets(inputs, target),
        amendments=inputs.amendments,
        overlap=inputs.overlap,
        control=gather_control(inputs, comparisons),
        mean_curves=gather_mean_curves(inputs),
        shared_entries=inputs.vocabulary.shared_entries,
        cuts=inputs.vocabulary.cuts,
        samples=gather_samples(inputs),
        sample_measures=gather_sample_measures(inputs),
        ratings=gather_ratings(inputs),
        minimal_pairs=gather_minimal_pairs(inputs),
        corpus=inputs.corpus,
        protocol=inputs.protocol,
        environment=environment(inputs),
        seconds_by_stage=seconds_by_stage(inputs),
        tuning=gather_tuning(inputs, comparisons),
        intrinsic=gather_intrinsic(inputs),
        marginal=gather_marginal(inputs),
        loss_parts=inputs.loss_parts,
    )
    return typed(plain(replace(result, notes=notes(result, inputs.seeds_left_out))))
