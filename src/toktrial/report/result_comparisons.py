"""What a trial's result says of every other track against the baseline, typed: the verdict's numbers and what is beside them.

A part of result.TrialResult, whose units hold here.
"""

from dataclasses import dataclass

from toktrial.training.rates import Policy, TunedRates


@dataclass(frozen=True)
class Reach:
    """How much one track needs, along one axis, to reach the final curve value of another, as a ratio to that other.

    `ratios`: one a paired seed, below 1 is sooner, None where the value was not `reached`. `seeds`: pairs that were compared;
    along seconds, those whose runs had their devices to themselves. `median` is that of the ratios, a seed without one counted
    as infinitely late; None where that leaves no number. `at_most`: whether the median is an upper bound, for it rests on a
    seed that was there at its first evaluation, and maybe before.
    """

    ratios: list[float | None]
    reached: int
    seeds: int
    median: float | None
    at_most: bool = False


@dataclass(frozen=True)
class Needed:
    """How much the runs of one track need, along one axis and in its unit, to reach a target.

    `values`: one a run, None where the target was not `reached`. `seeds`: runs that were looked at; along seconds, those that
    had their devices to themselves. `median`: a run without a value counts as never; None where that leaves no number, and
    then `more_than` is what it exceeds, with the end of a run standing for what that run did not reach.
    """

    values: list[float | None]
    reached: int
    seeds: int
    median: float | None
    more_than: float | None


@dataclass(frozen=True)
class Lower:
    """At which evaluations after the warm-up, of those that all paired runs have, a track's curve is below the baseline's.

    `lower_at`: at how many its mean over the seeds is; `at_every`: whether that is all of them;
    `seeds_at_every`: in how many of the paired `seeds` it is lower at every one.
    """

    evaluations: int
    lower_at: int
    at_every: bool
    seeds: int
    seeds_at_every: int


@dataclass(frozen=True)
class CurveQuestions:
    """What the curves of one measure say of two tracks.

    `reach`, by axis: what the other track needs to the value at which the baseline's curve ends; `reach_by_baseline`: the
    other way round. `crossings_at_steps`: where the mean curves cross after the warm-up.
    """

    lower: Lower
    reach: dict[str, Reach]
    reach_by_baseline: dict[str, Reach]
    crossings_at_steps: list[float]


@dataclass(frozen=True)
class DocumentInterval:
    """The bootstrap interval, over so many validation documents and by so many draws, of the difference in bits per byte."""

    mean: float
    low: float
    high: float
    documents: int
    resamples: int


@dataclass(frozen=True)
class BesideTheVerdict:
    """What decides nothing, of one other track."""

    validation_loss: CurveQuestions
    bits_per_byte: CurveQuestions
    documents: DocumentInterval


@dataclass(frozen=True)
class Learned:
    """How a track's runs stand against what counting alone reaches, where the verdict compares, in bits per byte.

    `floor` is the count model's, None in a trial of an earlier version; `highest` is the worst run's. `has_learned`: whether
    every run is below the floor; None without one. `steps_needed`: by the slope of the worst run's curve; None where it has
    learned, or no slope tells.
    """

    floor: float | None
    highest: float
    has_learned: bool | None
    steps_needed: int | None


@dataclass(frozen=True)
class LookTaken:
    """The look of a sequential design that a comparison stands at: what its two-sided p-value is held against, and whether
    another pair is to be trained.
    """

    level: float
    is_open: bool


@dataclass(frozen=True)
class Comparison:
    """One other track against the baseline, in bits per byte where the verdict compares them.

    `verdict` is the word that the rule gives. `paired_seeds` are those that decide, `differences` one for each, `difference`
    their mean and `relative_difference` the same as a share of the baseline's. `low` to `high` is the paired t-interval, of
    `interval_confidence`; `look` is None where the protocol plans one look alone. `learned`: of the baseline and the track.
    `budget`: where the verdict compares, `steps` or `bytes`. `p_value` is that of the paired t-test, two-sided, and
    `p_value_corrected` that after Holm's correction for the number of tracks. `interval_without_width`: whether all differences
    are equal up to rounding. `baseline_bits_per_byte` is the mean of the baseline's paired runs.
    """

    track: str
    baseline: str
    verdict: str
    paired_seeds: list[int]
    difference: float
    relative_difference: float
    differences: list[float]
    interval_confidence: float
    look: LookTaken | None
    learned: dict[str, Learned]
    budget: str
    low: float | None
    high: float | None
    p_value: float | None
    p_value_corrected: float | None
    interval_without_width: bool
    baseline_bits_per_byte: float
    beside_the_verdict: BesideTheVerdict


@dataclass(frozen=True)
class DifferenceCurve:
    """The paired difference along one axis, in bits per byte on the curves' documents, at places in the axis's unit.

    The interval is pointwise.
    """

    at: list[float]
    mean: list[float | None]
    low: list[float | None]
    high: list[float | None]


@dataclass(frozen=True)
class Budget:
    """The paired difference in bits per byte at one budget: so many `steps`, `bytes` or `seconds`.

    `documents`: what it is measured on, in words. `relative_difference` is a share of the baseline's bits per byte. `decides`:
    whether it is the protocol's.
    """

    budget: str
    at: float
    documents: str
    difference: float
    relative_difference: float
    low: float | None
    high: float | None
    seeds: int
    decides: bool


@dataclass(frozen=True)
class SignChange:
    """At which steps after the warm-up the mean difference came to the sign of its end: the first time, and the last."""

    first: float
    last: float


@dataclass(frozen=True)
class Movement:
    """How far the mean difference `moved` in the last quarter of the training, in bits per byte.

    `half_width`: half the width of its interval at the end. `moves_still`: whether it moved by more than that.
    """

    moved: float
    half_width: float | None
    moves_still: bool


@dataclass(frozen=True)
class Differences:
    """One other track's difference from the baseline along the training.

    `curves`, by axis; None along seconds where every pair has a run that shared its device.
    """

    curves: dict[str, DifferenceCurve | None]
    budgets: list[Budget]
    sign_change: SignChange | None
    movement: Movement | None


@dataclass(frozen=True)
class NoiseResult:
    """What the runs say of chance.

    `correlations`: Pearson's, within the pairs of each other track; None below three pairs. `two_groups`: tracks whose runs
    fall into two. `false_verdict_rate`: share of simulated trials without a difference that find one, with two kinds of runs;
    None where it need not be told. `seeds`: fewest paired seeds of any comparison.
    """

    correlations: dict[str, float | None]
    two_groups: list[str]
    false_verdict_rate: float | None
    seeds: int


@dataclass(frozen=True)
class AskedTarget:
    """What each track needs, by track and axis, to a target that was named."""

    bits_per_byte: float
    tracks: dict[str, dict[str, Needed]]


@dataclass(frozen=True)
class Targets:
    """What each track needs, by track and axis: to where the baseline's curve of the same seed ends, and to what was asked."""

    baseline_final: dict[str, dict[str, Needed]]
    asked_for: AskedTarget | None


@dataclass(frozen=True)
class ControlPair:
    """Two trainings of the baseline, in final bits per byte; `difference` is other minus first."""

    seed: int
    other_seed: int
    bits_per_byte: float
    other_bits_per_byte: float
    difference: float


@dataclass(frozen=True)
class Control:
    """The A/A control: what the same tokenizer, trained twice, differs by, in bits per byte.

    `pairs` are those that are finished, `mean` that of their differences, with its interval. `root_mean_square` is their
    standard deviation around 0: what two trainings of one tokenizer differ by on average. By other track: `multiples` are its
    difference as a multiple of that, `deviations` the standard deviation of its differences over seeds.
    """

    track: str
    pairs_in_protocol: int
    pairs: list[ControlPair]
    mean: float
    low: float | None
    high: float | None
    holds_zero: bool | None
    root_mean_square: float
    multiples: dict[str, float | None]
    deviations: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Tuning(TunedRates):
    """What the tuning of learning rates found.

    `decides`: whether the verdict's runs have each track's own best rate or the shared one. `seeds`: runs of each track at each
    rate. `verdicts`: at `own` and `shared` rates, one for each other track; of one of these alone where the other was not run.
    """

    decides: Policy
    seeds: int
    verdicts: dict[Policy, list[Comparison]]
