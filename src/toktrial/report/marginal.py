"""The gap of one cut: how far the tokenizers' own cuts lie above the probability of the text, and what that does to a verdict.

Inputs -> marginal -> result; `gather.gather` calls `gather_marginal` once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toktrial.report.evaluated import EvaluatedRun, RunPairs, TrialInputs
from toktrial.report.verdict import Floats


@dataclass(frozen=True)
class Gap:
    """One track's bits per byte on the documents: by the tokenizer's own cut, and over all cuts; means over its runs.

    `gap` is the first minus the second, with its standard error over documents; `sampling_error`: its standard error as an
    estimate; 0 where every cut was scored. `share`: of the own cut's bits. `exact`: how many documents of all runs that were.
    """

    own_bits_per_byte: float
    bits_per_byte: float
    gap: float
    standard_error: float | None
    sampling_error: float
    share: float
    exact: int
    seeds: list[int]


@dataclass(frozen=True)
class GapDifference:
    """Another track minus the baseline on the documents, the mean over paired seeds: by own cuts, and over all cuts.

    `change` is the second minus the first, with its standard error over documents.
    """

    track: str
    own_difference: float
    difference: float
    change: float
    standard_error: float | None
    paired_seeds: list[int]


@dataclass(frozen=True)
class MarginalGaps:
    """The gap of one cut in every track, on the first `documents` validation documents, which hold so many `bytes`."""

    documents: int
    bytes: int
    tracks: dict[str, Gap]
    differences: list[GapDifference]


def gather_marginal(inputs: TrialInputs) -> MarginalGaps | None:
    """Returns the gaps; None where the protocol asks for none, or a track or a comparison has no run that was measured."""
    documents = min(inputs.design.evaluation.marginal, len(inputs.document_bytes))
    measured = {
        track: {run.seed: run for run in runs if run.marginal and len(run.marginal.nats) == documents}
        for track, runs in inputs.runs.items()
    }
    paired = {track: [seed for seed in measured[inputs.baseline] if seed in measured[track]] for track in inputs.others}
    if not documents or not all(paired.values()):
        return None
    n_bytes = inputs.document_bytes[:documents].astype(np.float64)

    return MarginalGaps(
        documents=documents,
        bytes=int(n_bytes.sum()),
        tracks={track: _gap(list(runs.values()), n_bytes) for track, runs in measured.items()},
        differences=[
            _difference(track, [(measured[inputs.baseline][seed], measured[track][seed]) for seed in seeds], n_bytes)
            for track, seeds in paired.items()
        ],
    )


def error_of_ratio(parts: Floats, wholes: Floats) -> float | None:
    """Returns the standard error of sum(parts) / sum(wholes) over documents (n,), to first order; None for one document."""
    n, ratio = len(parts), parts.sum() / wholes.sum()
    return float(math.sqrt(n / (n - 1) * ((parts - ratio * wholes) ** 2).sum()) / wholes.sum()) if n > 1 else None


def _gap(runs: Sequence[EvaluatedRun], n_bytes: Floats) -> Gap:
    own, over_all = np.mean([_bits(run) for run in runs], axis=0)
    found = [run.marginal for run in runs if run.marginal]
    error_nats = math.sqrt(sum(error**2 for each in found for error in each.errors)) / len(found)
    return Gap(
        own_bits_per_byte=float(own.sum() / n_bytes.sum()),
        bits_per_byte=float(over_all.sum() / n_bytes.sum()),
        gap=float((own - over_all).sum() / n_bytes.sum()),
        standard_error=error_of_ratio(own - over_all, n_bytes),
        sampling_error=float(error_nats / math.log(2) / n_bytes.sum()),
        share=float((own - over_all).sum() / own.sum()),
        exact=sum(each.exact for each in found),
        seeds=[run.seed for run in runs],
    )


def _difference(track: str, pairs: RunPairs, n_bytes: Floats) -> GapDifference:
    own, over_all = np.mean([_bits(other) - _bits(baseline) for baseline, other in pairs], axis=0)
    return GapDifference(
        track=track,
        own_difference=float(own.sum() / n_bytes.sum()),
        difference=float(over_all.sum() / n_bytes.sum()),
        change=float((over_all - own).sum() / n_bytes.sum()),
        standard_error=error_of_ratio(over_all - own, n_bytes),
        paired_seeds=[other.seed for _, other in pairs],
    )


def _bits(run: EvaluatedRun) -> Floats:
    """Returns the bits of every document (2, documents): by the own cut, and over all cuts."""
    assert run.marginal, "only runs that were measured are looked at"
    return np.array([run.marginal.own_nats, run.marginal.nats]) / math.log(2)
