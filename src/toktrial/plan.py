"""Says what a trial is about to do, before it does it: sizes, epochs, parameters, time and disk.

Where token files are finished it reads them. The rest it estimates from a sample of the text and a few measured steps.
"""

import math
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toktrial import artifact
from toktrial.corpus.config import HUB_PREFIX
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.report.wording import plural
from toktrial.tokenizer.config import BPERecipe, FileRecipe, PrimitiveRecipe
from toktrial.training.config import ModelConfig, TrainingConfig, flops_per_step, flops_per_token, parameter_count, steps_of
from toktrial.training.rates import tuning_settings
from toktrial.trial_folder import TrialFolder

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents
    from toktrial.tokenizer.base import Tokenizer
    from toktrial.training.step import Speed

HANGING = 11  # columns before the text of a line of the plan
UNKNOWN = math.nan  # whatever is computed from it is not known either
SAMPLE_MEGABYTES = 2.0
LONG_SECONDS = 2 * 3600.0  # a trial that takes longer asks before it begins
BYTES_PER_TRAINED_PARAMETER = 12  # a checkpoint: weights and AdamW's two moments, in float32
BYTES_PER_WEIGHT = 4
BYTES_PER_LINE_OF_METRICS = 330
BYTES_OF_TRAINING_PER_PARAMETER = 16  # the checkpoint's, and the gradient
# With fewer tokens for each entry of the vocabulary a budget looks too small: with 4,096 entries on TinyStories, models passed
# their own bigram floors after 250 (BPE) to 500 (BTM) tokens per entry; LOG.md has the trials.
FEWEST_TOKENS_PER_ENTRY = 600
LARGEST_EVALUATION_SHARE = 0.1  # of a run's time: above it, the plan says how to spend less


@dataclass(frozen=True)
class TextPlan:
    """The training text, and how each track cuts it. Everything is UNKNOWN while the corpus is still on the hub."""

    documents: float
    bytes: float
    tokens: dict[str, float]
    """Of one pass over the text, by track, closing ids included."""
    is_estimate: bool


@dataclass(frozen=True)
class TrackPlan:
    """What one run of a track is about to do. What is not known before the corpus is here is UNKNOWN."""

    steps: float
    epochs: float
    seconds: float
    """Of training and the curve's evaluations."""
    evaluation_share: float
    """Share of that time that the evaluations take."""


@dataclass(frozen=True)
class Plan:
    """What a trial is about to do."""

    trial: TrialFolder
    text: TextPlan
    speed: "Speed"
    tracks: dict[str, TrackPlan]
    at_once: int = 1
    """Runs that are trained at the same time, each taken to be as fast as alone."""

    @property
    def left(self) -> list[str]:
        """The track of every run that is not trained yet."""
        return [place[0] for place in self.trial.run_order() if not artifact.is_finished(self.trial.run_folder(*place))]

    @property
    def seconds(self) -> float:
        """Of the trainings that are left and the tuning before them, evaluations included.

        Runs at the tuned rate that does not decide are left out, for nobody knows yet which tracks will need them.
        """
        one_after_another = sum(self.tracks[track].seconds for track in self.left)
        return self.tuning_seconds + one_after_another / max(1, min(self.at_once, len(self.left)))

    @property
    def tuning_seconds(self) -> float:
        """Of the tuning runs; 0 where nothing is left to tune."""
        protocol, tuning = self.trial.protocol, self.trial.protocol.tuning
        if self.trial.is_tuned:
            return 0.0
        a_run = replace(protocol, training=tuning_settings(protocol.training, tuning, tuning.rates[0]))
        seconds = sum(_plan_track(a_run, self.text, self.speed, track).seconds for track in self.tracks)
        runs = len(tuning.rates) * tuning.seeds
        return runs * seconds / min(self.at_once, runs * len(self.tracks))

    @property
    def is_long(self) -> bool:
        return not self.seconds <= LONG_SECONDS  # as is what is UNKNOWN

    @property
    def disk_bytes(self) -> float:
        """What the trial's folder will hold at its largest, as far as is known."""
        protocol = self.trial.protocol
        sizes = {track: recipe.vocab_size for track, recipe in protocol.sized_tracks.items()}
        text_bytes = self.text.bytes + sum((2 if sizes[track] <= 1 << 16 else 4) * of for track, of in self.text.tokens.items())
        parameters = {track: parameter_count(protocol.model, size) for track, size in sizes.items()}
        largest = BYTES_PER_TRAINED_PARAMETER * max(parameters.values())
        checkpoints = 3 * self.at_once * largest  # two are kept while the third is written
        weights = BYTES_PER_WEIGHT * sum(of * len(protocol.run_seeds(track)) for track, of in parameters.items())
        lines = (
            sum(track.steps * len(protocol.run_seeds(name)) for name, track in self.tracks.items())
            / protocol.training.log_every
        )
        known = [size for size in (text_bytes, BYTES_PER_LINE_OF_METRICS * lines) if not math.isnan(size)]
        return sum(known) + checkpoints + weights

    @property
    def free_bytes(self) -> int:
        """Where the folder is, or will be made."""
        folder = self.trial.folder.absolute()
        return shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free


def make_plan(trial: TrialFolder, speed: "Speed | None" = None, at_once: int = 1) -> Plan:
    """Measures, unless the speed is known, and estimates. Raises TrialError where memory or disk have too little room."""
    from toktrial.training.step import measure_speed

    protocol = trial.protocol
    _check_memory(protocol, at_once)
    text = _known_text(trial) or _sampled_text(trial)
    speed = speed or measure_speed(protocol.model, protocol.training, _baseline_size(protocol))
    tracks = {track: _plan_track(protocol, text, speed, track) for track in protocol.tracks}
    plan = Plan(trial, text, speed, tracks, at_once)
    if plan.disk_bytes > plan.free_bytes:
        raise TrialError(
            f"the trial needs about {plan.disk_bytes / 1e9:.1f} GB of disk, but {trial.folder} has "
            f"{plan.free_bytes / 1e9:.1f} GB free: make room, or name a folder elsewhere with --trial"
        )
    return plan


def memory_bytes() -> int:
    """Returns the memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def training_bytes(protocol: Protocol) -> int:
    """Returns what a training step on a CPU needs of memory at the least."""
    model, training = protocol.model, protocol.training
    vocab_size = max(recipe.vocab_size for recipe in protocol.sized_tracks.values())
    parameters = parameter_count(model, vocab_size)
    logits = (training.micro_batch_size or training.batch_size) * model.context * vocab_size
    masks = model.n_layer * model.context**2
    return BYTES_OF_TRAINING_PER_PARAMETER * parameters + 4 * (logits + masks)  # float32


def _check_memory(protocol: Protocol, at_once: int) -> None:
    """Raises TrialError where so many trainings on the CPU surely need more memory than the machine has.

    It would not fail: the system would let it begin, and kill it or another program later. A GPU says at once that it is full.
    """
    from toktrial.training.device import resolve_device

    if resolve_device(protocol.training.device).type != "cpu":
        return
    needed, there = at_once * training_bytes(protocol), memory_bytes()
    if needed > there:
        what, fewer = (
            (f"{at_once} training steps at once need", "fewer (--parallel), ") if at_once > 1 else ("a training step needs", "")
        )
        raise TrialError(
            f"{what} {needed / 1e9:,.1f} GB of memory or more, but this machine has {there / 1e9:.1f} GB: choose {fewer}"
            "a smaller training.micro_batch_size, training.batch_size, model or vocab_size"
        )


def _plan_track(protocol: Protocol, text: TextPlan, speed: "Speed", track: str) -> TrackPlan:
    """Returns what a run of a track will take, if time goes by FLOPs: the speed is that of the baseline's model."""
    model, training = _shape(protocol, text, track)
    step_tokens = training.batch_size * model.context
    measured, size = (protocol.model, _baseline_size(protocol)), protocol.sized_tracks[track].vocab_size
    training_seconds = (
        speed.step_seconds * flops_per_step(model, training, size) / flops_per_step(measured[0], protocol.training, measured[1])
    )
    forward_seconds = speed.forward_seconds_per_token * flops_per_token(model, size) / flops_per_token(*measured)
    evaluation_seconds = forward_seconds * curve_positions(protocol, text, track) / training.log_every
    step_seconds = training_seconds + evaluation_seconds
    epoch_tokens = text.tokens[track]
    if training.epochs and math.isnan(epoch_tokens):
        steps = UNKNOWN
    else:
        steps = steps_of(training, round(epoch_tokens) if training.epochs else 0, model.context)
    return TrackPlan(steps, steps * step_tokens / epoch_tokens, steps * step_seconds, evaluation_seconds / step_seconds)


def _shape(protocol: Protocol, text: TextPlan, track: str) -> tuple[ModelConfig, TrainingConfig]:
    """Returns the configs that a track is trained with, as far as its tokens are known."""
    token_ratio = text.tokens[protocol.baseline] / text.tokens[track]
    return protocol.shape_of(track, 1.0 if math.isnan(token_ratio) else token_ratio)


def _baseline_size(protocol: Protocol) -> int:
    return protocol.sized_tracks[protocol.baseline].vocab_size


def curve_positions(protocol: Protocol, text: TextPlan, track: str) -> float:
    """Returns how many positions of the model one evaluation of the curve computes, by the mean length of a document.

    Windows overlap by half a context, so what a document has beyond its first window counts twice. While the text is not
    known, every document is taken to be as long as the context.
    """
    documents, context = protocol.evaluation.eval_documents, _shape(protocol, text, track)[0].context
    tokens = context if math.isnan(text.bytes) else text.tokens[track] / text.documents
    return documents * (tokens + max(0.0, tokens - context))


def _known_text(trial: TrialFolder) -> TextPlan | None:
    """Returns what the token files say, where all of them are there."""
    if not all(map(artifact.is_finished, trial.tokens_folders.values())):
        return None
    sizes = {track: artifact.read_manifest(folder)["train"] for track, folder in trial.tokens_folders.items()}
    tokens = {track: size["tokens"] + size["documents"] for track, size in sizes.items()}
    size = sizes[trial.protocol.baseline]
    return TextPlan(size["documents"], size["bytes"], tokens, is_estimate=False)


def _sampled_text(trial: TrialFolder) -> TextPlan:
    """Returns what a sample of the text says. The hub is not sampled, as that would mean the download."""
    trial.check_code()
    protocol, corpus = trial.protocol, trial.protocol.corpus
    if corpus.path.startswith(HUB_PREFIX):
        return TextPlan(UNKNOWN, UNKNOWN, dict.fromkeys(protocol.tracks, UNKNOWN), is_estimate=True)
    from toktrial.corpus.documents import Documents
    from toktrial.corpus.source import read_documents, source_bytes

    sample_megabytes = min(corpus.max_megabytes or SAMPLE_MEGABYTES, SAMPLE_MEGABYTES)
    sample = Documents.of(read_documents(replace(corpus, max_megabytes=sample_megabytes)))
    if not sample.bytes:
        raise TrialError(f"{corpus.path} holds no text: corpus.path must name documents")
    training_share = 1 if corpus.validation_path else 1 - corpus.validation_share
    scale = (source_bytes(corpus) or sample.bytes) * training_share / sample.bytes
    tokens = {track: scale * count for track, count in sampled_tokens(protocol, sample, trial.allow_code).items()}
    return TextPlan(scale * len(sample), scale * sample.bytes, tokens, is_estimate=True)


def sampled_tokens(protocol: Protocol, documents: "Documents", allow_code: bool = False) -> dict[str, int]:
    """Returns how many tokens each track makes of documents, closing ids included, with a tokenizer learned from them alone."""
    from toktrial.tokenizer.bpe import BPETokenizer
    from toktrial.tokenizer.btm import encode_documents
    from toktrial.tokenizer.load import train
    from toktrial.tokenizer.sources import load_file_track

    tracks = protocol.sized_tracks
    full = BPETokenizer.train(documents, max(recipe.vocab_size for recipe in tracks.values()))
    found: dict[str, int] = {}
    for track, recipe in tracks.items():
        tokenizer: Tokenizer
        if isinstance(recipe, BPERecipe):
            tokenizer = full.cut(recipe.vocab_size)
        elif isinstance(recipe, FileRecipe):
            tokenizer = load_file_track(recipe, documents, allow_code)
        elif isinstance(recipe, PrimitiveRecipe):
            tokenizer = train(recipe, documents, primitive=full.cut(recipe.primitive_vocab_size))
        else:
            tokenizer = train(recipe, documents)
        found[track] = encode_documents(tokenizer, documents)[0].size + len(documents)
    return found


def describe_plan(plan: Plan) -> list[str]:
    """Returns the plan as lines of text."""
    protocol, speed, text = plan.trial.protocol, plan.speed, plan.text
    about = "about " if text.is_estimate else ""
    size = f"{about}{text.documents:,.0f} documents, {text.bytes / 1e6:,.1f} MB for training"
    if math.isnan(text.bytes):
        size = "its size is known once it is here"
    runs = len(list(plan.trial.run_order()))
    return [
        f"trial      {protocol.name}, in {plan.trial.folder}",
        f"corpus     {protocol.corpus.path}: {size}",
        f"model      {speed.parameters / 1e6:.1f} million parameters; {_step_tokens(protocol):,} tokens a step",
        *_describe_sizes(protocol),
        *(f"track      {name}: {_describe_track(track, text.tokens[name], about)}" for name, track in plan.tracks.items()),
        *_describe_tuning(plan),
        f"training   {len(plan.left)} of {runs} runs left ({len(plan.tracks)} tracks, seeds {_seeds(protocol)})",
        f"device     {speed.device}: {speed.step_seconds * 1000:,.0f} ms a step, measured uncompiled (long runs are compiled)",
        f"time       training and evaluation: {duration(plan.seconds)}{_describe_company(plan)}",
        f"evaluation {_describe_evaluation(plan)}",
        f"disk       {plan.disk_bytes / 1e9:.2f} GB at most, {plan.free_bytes / 1e9:.0f} GB free",
        *_warn_of_budget(plan),
    ]


def _describe_company(plan: Plan) -> str:
    return f", {plan.at_once} runs at once, if each is as fast as alone" if plan.at_once > 1 else ""


def _describe_sizes(protocol: Protocol) -> list[str]:
    """Says what each track's model costs, where they differ."""
    sizes = {track: recipe.vocab_size for track, recipe in protocol.sized_tracks.items()}
    if len(set(sizes.values())) == 1:
        return []
    baseline = flops_per_token(protocol.model, _baseline_size(protocol))
    return [
        f"size       {track}: {size:,} entries, {parameter_count(protocol.model, size) / 1e6:.1f} million parameters, "
        f"{flops_per_token(protocol.model, size) / baseline:.2f} times {protocol.baseline}'s FLOPs a token"
        for track, size in sizes.items()
    ]


def _describe_track(track: TrackPlan, tokens: float, about: str) -> str:
    steps = "steps known once the corpus is here" if math.isnan(track.steps) else f"{track.steps:,} steps"
    if math.isnan(tokens):
        return steps
    return f"{about}{tokens:,.0f} tokens, {steps} = {about}{track.epochs:.2f} epochs, {duration(track.seconds)} a run"


def _describe_tuning(plan: Plan) -> list[str]:
    if plan.trial.is_tuned:
        return []
    tuning, tracks = plan.trial.protocol.tuning, len(plan.tracks)
    runs = len(tuning.rates) * tracks * tuning.seeds
    what = f"{len(tuning.rates)} learning rates, {tracks} tracks, {plural(tuning.seeds, 'run')} each"
    also = "; then tracks whose own best rate differs from the shared one are trained at both" if tuning.both_verdicts else ""
    return [f"tuning     {runs} runs first: {what}; {duration(plan.tuning_seconds)}{also}"]


def _seeds(protocol: Protocol) -> str:
    seeds = f"1 to {protocol.seeds}" if protocol.seeds > 1 else "1"
    if not protocol.control:
        return seeds
    first, last = protocol.control_seeds[0], protocol.control_seeds[-1]
    return f"{seeds}; as a control {protocol.baseline} again with {first}{f' to {last}' if last > first else ''}"


def _describe_evaluation(plan: Plan) -> str:
    protocol, share = plan.trial.protocol, max(track.evaluation_share for track in plan.tracks.values())
    documents, steps = protocol.evaluation.eval_documents, protocol.training.log_every
    advice = "; a lower evaluation.eval_documents or a higher training.log_every makes it less"
    line = f"{documents:,} documents every {steps:,} steps: {share:.1%} of the time"
    return line + (advice if share > LARGEST_EVALUATION_SHARE else "")


def _warn_of_budget(plan: Plan) -> list[str]:
    """Warns where models will hardly learn more than a count of pairs knows, so that nothing will be decided."""
    sizes, step_tokens = plan.trial.protocol.sized_tracks, _step_tokens(plan.trial.protocol)
    worst, track = min(plan.tracks.items(), key=lambda item: item[1].steps / sizes[item[0]].vocab_size)
    vocab_size, fewest = sizes[worst].vocab_size, track.steps
    wanted = -(-FEWEST_TOKENS_PER_ENTRY * vocab_size // step_tokens)
    if not fewest < wanted:  # as where it is UNKNOWN
        return []
    found = f"{fewest * step_tokens / vocab_size:,.0f} tokens per entry. With fewer than {FEWEST_TOKENS_PER_ENTRY}"
    warning = (
        f"{found}, models have seldom learned more than a count of pairs of entries knows, and the verdict is then 'undecided'."
    )
    return [f"WARNING    {warning} {wanted:,} steps or a smaller vocab_size would be safer."]


def duration(seconds: float) -> str:
    """Returns seconds as a person says them.

    >>> duration(100), duration(8000), duration(700_000)
    ('about 2 minutes', 'about 2.2 hours', 'about 8.1 days')
    """
    if math.isnan(seconds):
        return "known once the corpus is here"
    for unit, size, digits in (("days", 86400.0, 1), ("hours", 3600.0, 1), ("minutes", 60.0, 0)):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.{digits}f} {unit}"
    return f"about {seconds:.0f} seconds"


def _step_tokens(protocol: Protocol) -> int:
    return protocol.training.batch_size * protocol.model.context
