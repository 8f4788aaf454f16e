"""What a trial is about to do, before it does it: sizes, epochs, parameters, time and disk. plan_lines.py says it.

Time goes by FLOPs, from a few steps that are timed here. Where this trial has trained or timed a track before, that counts.
"""

import math
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import has_marginal
from toktrial.integrity import RUNS
from toktrial.protocol import Protocol
from toktrial.text_sample import UNKNOWN, TextPlan, text_of
from toktrial.training.calibration import read_calibrations
from toktrial.training.config import ModelConfig, TrainingConfig, flops_per_step, flops_per_token, parameter_count, steps_of
from toktrial.training.metrics import RECORD_FILE, read_metrics
from toktrial.training.rates import tuning_settings
from toktrial.training.run import steps_done
from toktrial.trial_folder import TrialFolder

if TYPE_CHECKING:
    from toktrial.training.speed import Speed

LONG_SECONDS = 2 * 3600.0  # a trial that may take longer asks before it begins
# Of steps that are compiled, how much faster they are than the uncompiled ones that are timed here, at least and at most.
# Measured on CPUs: 1.4 for a model of 3.5 million parameters, 2.1 and 2.8 for one of 1.3 million.
COMPILED_IS_FASTER = (1.4, 3.0)
MOST_COMPILE_SECONDS = 40.0
# Of evaluation.marginal: times as long as scoring so many documents once. 11 to 50 were seen.
CUTS_SCORED = (10, 50)
BYTES_PER_WEIGHT = 4
BYTES_PER_TRAINED_PARAMETER = 12  # a checkpoint: weights and AdamW's two moments, in float32
BYTES_PER_LINE_OF_METRICS = 330


@dataclass(frozen=True)
class Span:
    """Seconds that work takes: at least and at most, which are equal where nothing leaves it open."""

    least: float = 0.0
    most: float = 0.0

    def __add__(self, other: "Span") -> "Span":
        return Span(self.least + other.least, self.most + other.most)

    def __mul__(self, factor: float) -> "Span":
        return Span(self.least * factor, self.most * factor)


@dataclass(frozen=True)
class TrackPlan:
    """What one run of a track is about to do. What is not known before the corpus is here is UNKNOWN."""

    steps: float
    epochs: float
    step_seconds: Span
    """Of one training step."""
    seconds: Span
    """Of training and the curve's evaluations."""
    evaluation_share: float
    """Share of that time that the evaluations take, where the steps take the least."""
    marginal_seconds: Span
    """Of the sums over all cuts that `evaluation.marginal` asks for."""
    is_compiled: bool
    is_seen: bool
    """Whether a step's seconds follow from steps that the trial took before."""


@dataclass(frozen=True)
class Plan:
    """What a trial is about to do."""

    trial: TrialFolder
    text: TextPlan
    speed: "Speed"
    tracks: dict[str, TrackPlan]
    seen: Mapping[tuple[str, bool], float]
    """Seconds of a training step that the trial took before on this device: by track, and whether it was compiled."""
    at_once: int = 1
    """Runs that are trained at the same time, each taken to be as fast as alone."""

    @property
    def left(self) -> dict[tuple[str, int], float]:
        """By track and seed, of every run that is not trained to its end: what share of its steps is left."""
        shares = {place: self._share_left(*place) for place in self.trial.run_order()}
        return {place: share for place, share in shares.items() if share > 0}

    def _share_left(self, track: str, seed: int) -> float:
        folder, steps = self.trial.run_folder(track, seed), self.tracks[track].steps
        if artifact.is_finished(folder) and self.text.is_estimate:
            return 0.0  # its steps may rest on tokens that are gone
        done = steps_done(folder)
        return 1.0 if math.isnan(steps) or not done else max(0.0, 1 - done / steps)

    @property
    def seconds(self) -> Span:
        """Of the trainings that are left, evaluations included, the tuning before them and the sums over cuts after them.

        Runs at the tuned rate that does not decide are left out, for nobody knows yet which tracks will need them.
        """
        left = self.left
        training = _shared([self.tracks[track].seconds * share for (track, _), share in left.items()], self.at_once)
        return self.tuning_seconds + training + self.marginal_seconds

    @property
    def tuning_seconds(self) -> Span:
        """Of the tuning runs; 0 where nothing is left to tune."""
        protocol, tuning = self.trial.protocol, self.trial.protocol.tuning
        if self.trial.is_tuned:
            return Span()
        a_run = replace(protocol, training=tuning_settings(protocol.training, tuning, tuning.rates[0]))
        costs = _Costs(a_run, self.text, self.speed, self.seen)
        each = [costs.of(track).seconds for track in self.tracks]
        return _shared(each * (len(tuning.rates) * tuning.seeds), self.at_once)

    @property
    def marginal_seconds(self) -> Span:
        """Of the sums over all cuts that the runs of `run_order` lack."""
        documents, places = self.trial.protocol.evaluation.marginal, self.trial.run_order()
        left = [track for track, seed in places if not has_marginal(self.trial.run_folder(track, seed), documents)]
        return _shared([self.tracks[track].marginal_seconds for track in left], self.at_once)

    @property
    def is_long(self) -> bool:
        return not self.seconds.most <= LONG_SECONDS  # as is what is UNKNOWN

    @property
    def disk_bytes(self) -> float:
        """What the trial's folder will hold at its largest, as far as is known."""
        protocol, tuning = self.trial.protocol, self.trial.protocol.tuning
        sizes = {track: recipe.vocab_size for track, recipe in protocol.sized_tracks.items()}
        parameters = {track: parameter_count(protocol.model, size) for track, size in sizes.items()}
        kept = BYTES_PER_WEIGHT + BYTES_PER_TRAINED_PARAMETER * protocol.training.can_grow  # of a run that is finished
        at_equal_bytes = BYTES_PER_WEIGHT
        runs = sum(of * len(protocol.run_seeds(track)) for track, of in parameters.items())
        other = protocol.last_seed * sum(parameters.values()) if tuning.rates and tuning.both_verdicts else 0
        tuned = len(tuning.rates) * tuning.seeds * sum(parameters.values())
        token_bytes = sum((2 if sizes[track] <= 1 << 16 else 4) * of for track, of in self.text.tokens.items())
        lines = sum(track.steps * len(protocol.run_seeds(name)) for name, track in self.tracks.items())
        uncertain = (
            self.text.bytes,
            token_bytes * (2 if tuning.rates else 1),  # split once more for the tuning
            BYTES_PER_LINE_OF_METRICS * lines / protocol.training.log_every,
        )
        in_training = 3 * self.at_once * BYTES_PER_TRAINED_PARAMETER * max(parameters.values())  # two, while a third is written
        known = sum(size for size in uncertain if not math.isnan(size))
        return known + in_training + (kept + at_equal_bytes) * (runs + other) + kept * tuned

    @property
    def free_bytes(self) -> int:
        """Where the folder is, or will be made."""
        folder = self.trial.folder.absolute()
        return shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free


def make_plan(trial: TrialFolder, speed: "Speed | None" = None, at_once: int = 1) -> Plan:
    """Measures, unless the speed is known, and estimates. Raises TrialError where the disk has too little room."""
    from toktrial.training.speed import measure_speed

    protocol = trial.protocol
    text = text_of(trial)
    speed = speed or measure_speed(protocol.model, protocol.training, protocol.sized_tracks[protocol.baseline].vocab_size)
    seen = dict(_seen_step_seconds(trial, speed.device))
    costs = _Costs(protocol, text, speed, seen)
    plan = Plan(trial, text, speed, {track: costs.of(track) for track in protocol.tracks}, seen, at_once)
    if plan.disk_bytes - _bytes_in(trial.folder) > plan.free_bytes:
        raise TrialError(
            f"the trial needs about {plan.disk_bytes / 1e9:.1f} GB of disk, but {trial.folder} has "
            f"{plan.free_bytes / 1e9:.1f} GB free: make room, or name a folder elsewhere with --trial"
        )
    return plan


def _bytes_in(folder: Path) -> int:
    """Returns what a folder holds already, while somebody may be writing it."""
    held = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            held += path.lstat().st_size
    return held


def _shared(work: Iterable[Span], at_once: int) -> Span:
    """Returns how long it takes to do all of this, so much at once."""
    spans = list(work)
    return sum(spans, Span()) * (1 / max(1, min(at_once, len(spans))))


def _seen_step_seconds(trial: TrialFolder, device: str) -> Iterator[tuple[tuple[str, bool], float]]:
    """Yields what `Plan.seen` holds: of the tracks timed alone, then of the runs, which go before those."""
    import torch

    threads = trial.protocol.training.threads or torch.get_num_threads()
    for track, timed in read_calibrations(trial.folder).items():
        if (timed.device_name, timed.threads, timed.shared_device) == (device, threads, False):
            yield (track, timed.compiled), timed.step_seconds
    for path in (path for pattern in RUNS for path in trial.folder.glob(f"{pattern}/{RECORD_FILE}")):
        record, last = artifact.read_json(path), next(iter(read_metrics(path.parent)[-1:]), None)
        if last and last.step and (record["device_name"], record.get("threads")) == (device, threads):
            yield (record["track"], record["compiled"]), last.training_seconds / last.step


@dataclass(frozen=True)
class _Costs:
    """What the tracks of a protocol cost, if time goes by FLOPs."""

    protocol: Protocol
    text: TextPlan
    speed: "Speed"
    """That of the baseline's model."""
    seen: Mapping[tuple[str, bool], float]

    def of(self, track: str) -> TrackPlan:
        """Returns what a run of a track will take."""
        protocol, (model, training) = self.protocol, shape_of(self.protocol, self.text, track)
        steps, step, is_compiled = self._steps(track), self._step_seconds(track), self._is_compiled(track)
        share = flops_per_token(model, self._size(track)) / flops_per_token(protocol.model, self._size(protocol.baseline))
        curve_seconds = self.speed.forward_seconds_per_token * share * curve_positions(protocol, self.text, track)
        of_a_step = curve_seconds / training.log_every
        document_seconds = curve_seconds / protocol.evaluation.eval_documents
        return TrackPlan(
            steps=steps,
            epochs=steps * training.batch_size * model.context / self.text.tokens[track],
            step_seconds=step,
            seconds=(step + Span(of_a_step, of_a_step)) * steps + Span(0.0, MOST_COMPILE_SECONDS * is_compiled),
            evaluation_share=of_a_step / (step.least + of_a_step),
            marginal_seconds=Span(*CUTS_SCORED) * (document_seconds * protocol.evaluation.marginal),
            is_compiled=is_compiled,
            is_seen=self._seen(track) is not None,
        )

    def _step_seconds(self, track: str) -> Span:
        seen = self._seen(track)
        if seen is not None:
            seconds = self.seen[seen, self._is_compiled(track)] * self._step_flops(track) / self._step_flops(seen)
            return Span(seconds, seconds)
        baseline = flops_per_step(self.protocol.model, self.protocol.training, self._size(self.protocol.baseline))
        seconds = self.speed.step_seconds * self._step_flops(track) / baseline
        least, most = COMPILED_IS_FASTER if self._is_compiled(track) else (1.0, 1.0)
        return Span(seconds / most, seconds / least)

    def _seen(self, track: str) -> str | None:
        """Returns the track whose seen steps tell how long this one's take: itself, or else another."""
        is_compiled = self._is_compiled(track)
        known = [each for each, was_compiled in self.seen if was_compiled == is_compiled and each in self.protocol.tracks]
        return track if track in known else next(iter(known), None)

    def _is_compiled(self, track: str) -> bool:
        """Whether the trainer will ask for a compiled step; `auto` does not while it is unknown how long a run is."""
        from toktrial.training.device import resolve_compile, resolve_device

        training = self.protocol.training
        return resolve_compile(training.compile, resolve_device(training.device), self._steps(track) * self._step_flops(track))

    def _steps(self, track: str) -> float:
        (model, training), epoch_tokens = shape_of(self.protocol, self.text, track), self.text.tokens[track]
        if training.epochs and math.isnan(epoch_tokens):
            return UNKNOWN
        return steps_of(training, round(epoch_tokens) if training.epochs else 0, model.context)

    def _step_flops(self, track: str) -> int:
        return flops_per_step(*shape_of(self.protocol, self.text, track), self._size(track))

    def _size(self, track: str) -> int:
        return self.protocol.sized_tracks[track].vocab_size


def shape_of(protocol: Protocol, text: TextPlan, track: str) -> tuple[ModelConfig, TrainingConfig]:
    """Returns the configs that a track is trained with, as far as its tokens are known."""
    token_ratio = text.tokens[protocol.baseline] / text.tokens[track]
    return protocol.shape_of(track, 1.0 if math.isnan(token_ratio) else token_ratio)


def curve_positions(protocol: Protocol, text: TextPlan, track: str) -> float:
    """Returns how many positions of the model one evaluation of the curve computes, by the mean length of a document.

    Windows overlap by half a context, so what a document has beyond its first window counts twice. While the text is not
    known, every document is taken to be as long as the context.
    """
    documents, context = protocol.evaluation.eval_documents, shape_of(protocol, text, track)[0].context
    tokens = context if math.isnan(text.bytes) else text.tokens[track] / text.documents
    return documents * (tokens + max(0.0, tokens - context))
