"""The result of a trial: all that the report says, typed. results.json is its written form, key by key.

Inputs -> gather -> result -> sections of the report, notes, terminal. Unless a class says otherwise: differences are other
track minus baseline; bytes are UTF-8 bytes of text, and bits per byte are of these; losses are nats per token; shares are
shares of 1; `low` and `high` are the ends of an interval, None without a second seed; None is what is not known or not finite.
The docstrings of the classes stand in results.schema.json too.
"""

import math
from dataclasses import dataclass
from typing import Any

import msgspec

from toktrial.report.accounts import Corpus, Cuts, Overlap, SharedEntries
from toktrial.report.amendments import Amendment
from toktrial.report.comparisons import Comparison, Targets, Tuning
from toktrial.report.curves import mean_over_seeds
from toktrial.report.design import Design, design_of
from toktrial.report.differences import Differences
from toktrial.report.intrinsic import Intrinsic
from toktrial.report.loss_parts import LossParts
from toktrial.report.marginal import MarginalGaps
from toktrial.report.minimal_pairs import MinimalPairs
from toktrial.report.noise import Control, NoiseResult
from toktrial.report.outcome import Verdict
from toktrial.report.samples import Ratings, SampleMeasures, Samples
from toktrial.report.tracks import MeanCurves, Track
from toktrial.report.wording import FEW

VERSION = 1  # of results.json; raised when a key changes its meaning
UNVERSIONED = 0  # that of a file that does not say


@dataclass(frozen=True)
class TrialResult:
    """All that a report says of one trial.

    `trial`: its name. `baseline`: the track with which every other is compared, the first of `tracks`. `notes`: what must be
    known before the verdict, the gravest first. `differences`: by other track. `shared_entries`: by two tracks, as `bpe|btm`.
    `protocol`: protocol.toml as it stands. `environment`: what the runs ran on, the distinct values over all of them.
    `seconds_by_stage`: in the order of the flow, the runs of a track together. What a trial does not have is None, and so is
    what an earlier version did not measure.
    """

    trial: str
    baseline: str
    verdict: Verdict
    notes: list[str]
    tracks: dict[str, Track]
    comparisons: list[Comparison]
    differences: dict[str, Differences]
    noise: NoiseResult
    targets: Targets
    amendments: list[Amendment]
    overlap: Overlap | None
    control: Control | None
    mean_curves: MeanCurves
    shared_entries: dict[str, SharedEntries]
    cuts: Cuts | None
    samples: Samples
    sample_measures: SampleMeasures | None
    ratings: Ratings | None
    minimal_pairs: MinimalPairs | None
    corpus: Corpus
    protocol: dict[str, Any]
    environment: dict[str, list[str]]
    seconds_by_stage: dict[str, float | None]
    tuning: Tuning | None = None
    intrinsic: Intrinsic | None = None
    marginal: MarginalGaps | None = None
    loss_parts: LossParts | None = None
    version: int = VERSION

    @property
    def design(self) -> Design:
        """The protocol, typed."""
        return design_of(self.protocol)

    @property
    def has_many_tracks(self) -> bool:
        """Whether there are too many tracks to name each in a sentence, and to say everything of each at once."""
        return len(self.tracks) > FEW

    @property
    def ranked(self) -> list[str]:
        """The tracks by their mean bits per byte where the verdict compares, the best first."""
        means = {track: mean_over_seeds(self.judged(track)) for track in self.tracks}
        return sorted(means, key=lambda track: math.inf if (mean := means[track]) is None else mean)

    def judged(self, track: str) -> list[float | None]:
        """Returns the bits per byte of a track's runs, where the verdict compares them."""
        at_equal_bytes = self.design.verdict.budget == "bytes"
        runs = self.tracks[track].runs
        return [run.equal_bytes.bits_per_byte if at_equal_bytes and run.equal_bytes else run.bits_per_byte for run in runs]


def plain(result: TrialResult) -> dict[str, Any]:
    """Returns what results.json holds, `version` first: None for every number that is not finite, since JSON has no NaN."""
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(result))
    return {"version": found.pop("version"), **found}


def typed(found: dict[str, Any]) -> TrialResult:
    """Returns the result that results.json holds, of this version or of an earlier one.

    Raises ValueError where a newer version wrote it, or where this version's types cannot hold it: then the report must be made
    again from the trial.
    """
    version = found.get("version", UNVERSIONED)
    if version > VERSION:
        raise ValueError(f"results.json is of version {version}, and this program knows no later one than {VERSION}")
    if version == UNVERSIONED:  # a track without an account of its vocabulary had an empty one
        tracks = {name: {**track, "vocabulary": track.get("vocabulary") or None} for name, track in found["tracks"].items()}
        found = {**found, "version": VERSION, "tracks": tracks}
    return msgspec.convert(found, TrialResult)


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of results.json (draft 2020-12), made from the result's own types."""
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(TrialResult)))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}
