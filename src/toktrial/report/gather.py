"""Gathers everything that the report says into one typed result.

Inputs -> result -> sections, charts, terminal: these read nothing else, so every number of theirs is in results.json.
"""

from collections.abc import Sequence
from dataclasses import replace

from toktrial.report.amendments import is_exploratory
from toktrial.report.comparisons import gather_comparisons, gather_control, gather_targets
from toktrial.report.differences import gather_differences, headline_clauses
from toktrial.report.evaluated import TrialInputs
from toktrial.report.minimal_pairs import gather_minimal_pairs
from toktrial.report.noise import gather_noise
from toktrial.report.notes import notes
from toktrial.report.outcome import criterion, outcome, overall_word, verdict_detail, what_the_intervals_hold
from toktrial.report.ratings import gather_ratings
from toktrial.report.result import TrialResult, Verdict
from toktrial.report.result_comparisons import Comparison
from toktrial.report.results_file import as_written
from toktrial.report.samples import gather_sample_measures, gather_samples
from toktrial.report.tracks import environment, gather_mean_curves, gather_tracks, seconds_by_stage
from toktrial.report.tuning import gather_tuning

RULE = (
    "The word is decided by one rule, fixed in the protocol. First, every run of both tracks must have learned more than a "
    "count model of the track's own ids knows. Then the two-sided paired t-interval decides, over seeds, of the difference in "
    "bits per byte on every validation document, at the protocol's budget. Nothing else on this page decides it. The interval "
    "covers what differs from seed to seed: initial weights and the order of the documents. It says nothing of another "
    "corpus, model or budget."
)


def gather(inputs: TrialInputs, target: float | None = None) -> TrialResult:
    """Returns the result, as it reads from results.json again: None where a number is not finite.

    `target`: bits per byte; where it is given, the result says what each track needs to reach it.
    """
    comparisons = gather_comparisons(inputs)
    result = TrialResult(
        trial=inputs.design.name,
        baseline=inputs.baseline,
        verdict=_verdict(inputs, comparisons),
        notes=[],
        tracks=gather_tracks(inputs),
        comparisons=comparisons,
        differences=gather_differences(inputs),
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
    )
    told = replace(result, verdict=replace(result.verdict, clauses=headline_clauses(result)))
    return as_written(replace(told, notes=notes(told, inputs.seeds_left_out)))


def _verdict(inputs: TrialInputs, comparisons: Sequence[Comparison]) -> Verdict:
    design = inputs.design
    exploratory = is_exploratory(inputs.amendments)
    came_out = outcome(comparisons, design.seeds, exploratory)
    details = [verdict_detail(item, len(comparisons)) for item in comparisons]
    details += what_the_intervals_hold(comparisons, design.verdict.confidence)
    return Verdict(
        criterion=criterion(inputs.baseline, inputs.others, design),
        outcome=came_out,
        word=overall_word(comparisons),
        details=details,
        sentence=" ".join([came_out, *details]),
        exploratory=exploratory,
        confidence=design.verdict.confidence,
        rule=RULE,
    )
