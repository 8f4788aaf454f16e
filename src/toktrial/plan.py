"""Says what a trial is about to do, before it does it: sizes, epochs, parameters, time and disk.

What finished stages know is taken from them; the rest is estimated from a sample of the text and a few measured steps.
"""

import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toktrial import artifact
from toktrial.corpus.config import HUB_PREFIX
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.tokenizer.config import BPERecipe, FileRecipe
from toktrial.training.config import ModelConfig, TrainingConfig, matched_shape, steps_of
from toktrial.training.rates import tuning_settings
from toktrial.trial import Trial

if TYPE_CHECKING:
    from toktrial.tokenizer.base import Tokenizer
    from toktrial.training.step import Speed

SAMPLE_BYTES = 2_000_000
LONG_SECONDS = 2 * 3600.0  # above this, a trial asks before it begins
BYTES_PER_TRAINED_PARAMETER = 12  # a checkpoint: weights and AdamW's two moments, in float32
BYTES_PER_WEIGHT = 4
# Below so many tokens for each entry of the vocabulary a budget looks too small: with 4,096 entries on TinyStories, models
# passed their own bigram floors after 250 (BPE) to 500 (BTM) tokens an entry; LOG.md has the trials.
FEWEST_TOKENS_PER_ENTRY = 600
LARGEST_EVALUATION_SHARE = 0.1  # of a run's time: above it, the plan says how to spend less


@dataclass(frozen=True)
class TextPlan:
    """How much training text there is, and how each track cuts it. None: not known before the corpus is here."""

    documents: int | None
    bytes: int | None
    bytes_per_document: float | None
    bytes_per_token: dict[str, float]
    is_estimate: bool

    def epoch_tokens(self, track: str) -> int | None:
        """Returns the tokens of one pass over the training text, closing ids included."""
        if self.bytes is None or self.documents is None:
            return None
        return round(self.bytes / self.bytes_per_token[track]) + self.documents


@dataclass(frozen=True)
class TrackPlan:
    """What one run of a track is about to do. None: not known before the corpus is here."""

    epoch_tokens: int | None
    steps: int | None
    epochs: float | None
    seconds: float | None
    """Of training and its evaluations."""
    evaluation_share: float
    """Of that time, what the evaluations of the curve take."""


@dataclass(frozen=True)
class Plan:
    """What a trial is about to do."""

    trial: Trial
    text: TextPlan
    speed: "Speed"
    tracks: dict[str, TrackPlan]

    @property
    def left(self) -> list[str]:
        """The track of every run that is not trained yet."""
        runs = self.trial.run_order()
        return [track for track, seed in runs if not (self.trial.run_folder(track, seed) / artifact.MANIFEST).is_file()]

    @property
    def seconds(self) -> float | None:
        """Of the trainings left and the tuning before them, with their evaluations. None: not known before the corpus is here.

        Without runs at the tuned rate that does not decide: for which tracks that will be another one, nobody knows yet.
        """
        return _sum_of([self.tuning_seconds, *(self.tracks[track].seconds for track in self.left)])

    @property
    def tuning_seconds(self) -> float | None:
        """Of the tuning runs; 0 where rates are not tuned, or are tuned already. None: not known before the corpus is here."""
        protocol, tuning = self.trial.protocol, self.trial.protocol.tuning
        if self.trial.is_tuned:
            return 0.0
        a_run = replace(protocol, training=tuning_settings(protocol.training, tuning, tuning.rates[0]))
        seconds = _sum_of([_plan_track(a_run, self.text, self.speed, track).seconds for track in self.tracks])
        return None if seconds is None else len(tuning.rates) * tuning.seeds * seconds

    @property
    def is_long(self) -> bool:
        return self.seconds is None or self.seconds > LONG_SECONDS

    @property
    def disk_bytes(self) -> int:
        """What the trial's folder will hold at its largest."""
        id_bytes = 2 if self.trial.protocol.vocab_size <= 1 << 16 else 4
        tokens = sum(id_bytes * (track.epoch_tokens or 0) for track in self.tracks.values())
        checkpoints = 3 * BYTES_PER_TRAINED_PARAMETER * self.speed.parameters  # two are kept while the third is written
        runs = sum(len(self.trial.protocol.run_seeds(track)) for track in self.tracks)
        weights = BYTES_PER_WEIGHT * self.speed.parameters * runs
        return (self.text.bytes or 0) + tokens + checkpoints + weights

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.trial.folder).free


def make_plan(trial: Trial) -> Plan:
    """Measures and estimates. Raises TrialError where the disk has not room enough."""
    from toktrial.training.step import measure_speed

    protocol = trial.protocol
    text = _known_text(trial) or _sampled_text(protocol)
    speed = measure_speed(protocol.model, protocol.training, protocol.vocab_size)
    plan = Plan(trial, text, speed, {track: _plan_track(protocol, text, speed, track) for track in protocol.tracks})
    if plan.disk_bytes > plan.free_bytes:
        raise TrialError(
            f"the trial needs about {plan.disk_bytes / 1e9:.1f} GB of disk, but {trial.folder} has "
            f"{plan.free_bytes / 1e9:.1f} GB free: make room, or name a folder elsewhere with --trial"
        )
    return plan


def _plan_track(protocol: Protocol, text: TextPlan, speed: "Speed", track: str) -> TrackPlan:
    model, training = _shape(protocol, text, track)
    step_tokens = training.batch_size * model.context
    training_seconds = speed.step_seconds * step_tokens / _step_tokens(protocol)
    evaluation_seconds = speed.forward_seconds_per_token * curve_positions(protocol, text, track) / training.log_every
    step_seconds = training_seconds + evaluation_seconds
    epoch_tokens = text.epoch_tokens(track)
    if training.epochs and epoch_tokens is None:
        return TrackPlan(None, None, None, None, evaluation_seconds / step_seconds)
    steps = steps_of(training, epoch_tokens or 0, model.context)
    epochs = steps * step_tokens / epoch_tokens if epoch_tokens else None
    return TrackPlan(epoch_tokens, steps, epochs, steps * step_seconds, evaluation_seconds / step_seconds)


def _shape(protocol: Protocol, text: TextPlan, track: str) -> tuple[ModelConfig, TrainingConfig]:
    """Returns the configs that a track is trained with, as far as its tokens are known."""
    if protocol.training.match == "tokens" or not text.bytes_per_token:
        return protocol.model, protocol.training
    ratio = text.bytes_per_token[track] / text.bytes_per_token[protocol.baseline]
    return matched_shape(protocol.model, protocol.training, ratio)


def curve_positions(protocol: Protocol, text: TextPlan, track: str) -> float:
    """Returns how many positions of the model one evaluation of the curve computes, by the mean length of a document.

    Windows overlap by half a context, so what a document has beyond its first window counts twice. Where the text is not
    known, each document is taken to be as long as the context.
    """
    documents, context = protocol.evaluation.eval_documents, _shape(protocol, text, track)[0].context
    if text.bytes_per_document is None:
        return float(documents * context)
    tokens = text.bytes_per_document / text.bytes_per_token[track] + 1
    return documents * (tokens + max(0.0, tokens - context))


def describe_plan(plan: Plan) -> list[str]:
    """Returns the plan as lines of text."""
    protocol, speed, about = plan.trial.protocol, plan.speed, "about " if plan.text.is_estimate else ""
    size = "size known once it is here"
    if plan.text.bytes is not None:
        size = f"{about}{plan.text.documents:,} documents, {plan.text.bytes / 1e6:,.1f} MB for training"
    runs = len(list(plan.trial.run_order()))
    return [
        f"trial      {protocol.name}, in {plan.trial.folder}",
        f"corpus     {protocol.corpus.path}: {size}",
        f"model      {speed.parameters / 1e6:.1f} million parameters; {_step_tokens(protocol):,} tokens a step",
        *(f"track      {name}: {_describe_track(track, about)}" for name, track in plan.tracks.items()),
        *_describe_tuning(plan, protocol),
        f"training   {len(plan.left)} of {runs} runs left ({len(plan.tracks)} tracks, seeds {_seeds(protocol)})",
        f"device     {speed.device}: {speed.step_seconds * 1000:,.0f} ms a step, measured uncompiled (long runs are compiled)",
        f"time       {duration(plan.seconds)} of training and evaluation",
        f"evaluation {_describe_evaluation(plan, protocol)}",
        f"disk       {plan.disk_bytes / 1e9:.2f} GB at most, {plan.free_bytes / 1e9:.0f} GB free",
        *_on_the_budget(plan, protocol),
    ]


def _on_the_budget(plan: Plan, protocol: Protocol) -> list[str]:
    """Warns where the models will hardly have learned more than a count of pairs, so that nothing will be decided."""
    fewest = min((track.steps for track in plan.tracks.values() if track.steps is not None), default=None)
    wanted = -(-FEWEST_TOKENS_PER_ENTRY * protocol.vocab_size // _step_tokens(protocol))
    if fewest is None or fewest >= wanted:
        return []
    per_entry = fewest * _step_tokens(protocol) / protocol.vocab_size
    return [
        f"WARNING    {per_entry:,.0f} tokens an entry. With fewer than {FEWEST_TOKENS_PER_ENTRY}, models have seldom learned",
        "           more than counting pairs of entries knows, and the verdict is then 'undecided':",
        f"           {wanted:,} steps, or a smaller vocab_size, are safer",
    ]


def duration(seconds: float | None) -> str:
    """Returns seconds as a person says them.

    >>> duration(100), duration(8000), duration(700_000)
    ('about 2 minutes', 'about 2.2 hours', 'about 8.1 days')
    """
    if seconds is None:
        return "known once the corpus is here"
    for unit, size, digits in (("days", 86400.0, 1), ("hours", 3600.0, 1), ("minutes", 60.0, 0)):
        if seconds >= 1.5 * size:
            return f"about {seconds / size:.{digits}f} {unit}"
    return f"about {seconds:.0f} seconds"


def _describe_track(track: TrackPlan, about: str) -> str:
    steps = f"{track.steps:,} steps" if track.steps else "steps known once the corpus is here"
    if track.epoch_tokens is None or track.epochs is None:
        return steps
    return f"{about}{track.epoch_tokens:,} tokens, {steps} = {about}{track.epochs:.2f} epochs, {duration(track.seconds)} a run"


def _describe_tuning(plan: Plan, protocol: Protocol) -> list[str]:
    if plan.trial.is_tuned:
        return []
    tuning, tracks = protocol.tuning, len(plan.tracks)
    runs = len(tuning.rates) * tracks * tuning.seeds
    what = f"{len(tuning.rates)} learning rates, {tracks} tracks, {tuning.seeds} run{'s' if tuning.seeds > 1 else ''} each"
    also = ["           then the tracks whose own best rate is another than the shared one are trained at both"]
    return [f"tuning     {runs} runs first: {what}; {duration(plan.tuning_seconds)}", *(also if tuning.both_verdicts else [])]


def _describe_evaluation(plan: Plan, protocol: Protocol) -> str:
    share = max(track.evaluation_share for track in plan.tracks.values())
    line = (
        f"{protocol.evaluation.eval_documents:,} documents every {protocol.training.log_every:,} steps: {share:.1%} of the time"
    )
    if share > LARGEST_EVALUATION_SHARE:
        line += "; a lower evaluation.eval_documents or a higher training.log_every saves of it"
    return line


def _seeds(protocol: Protocol) -> str:
    seeds = ", ".join(map(str, protocol.seed_numbers))
    if not protocol.control:
        return seeds
    return f"{seeds}; as a control {protocol.baseline} again with {', '.join(map(str, protocol.control_seeds))}"


def _known_text(trial: Trial) -> TextPlan | None:
    """What the token files say, where all of them are there."""
    folders = {track: trial.tokens_folder(track) for track in trial.protocol.tracks}
    if not all((folder / artifact.MANIFEST).is_file() for folder in folders.values()):
        return None
    sizes = {track: artifact.read_manifest(folder)["train"] for track, folder in folders.items()}
    size = sizes[trial.protocol.baseline]
    bytes_per_token = {track: each["bytes"] / each["tokens"] for track, each in sizes.items()}
    return TextPlan(size["documents"], size["bytes"], size["bytes"] / size["documents"], bytes_per_token, False)


def _sampled_text(protocol: Protocol) -> TextPlan:
    """What a sample of the text says. The hub is not sampled: that would mean the download."""
    corpus = protocol.corpus
    if corpus.path.startswith(HUB_PREFIX):
        return TextPlan(None, None, None, {}, True)
    from toktrial.corpus.source import read_documents, source_bytes

    sample: list[str] = []
    sample_bytes = 0
    for document in read_documents(corpus):
        sample.append(document)
        sample_bytes += len(document.encode())
        if sample_bytes >= SAMPLE_BYTES:
            break
    if not sample_bytes:
        raise TrialError(f"{corpus.path} holds no text: corpus.path must name documents")
    bytes_per_document = sample_bytes / len(sample)
    text_bytes = source_bytes(corpus)
    if text_bytes is not None and not corpus.validation_path:
        text_bytes = round(text_bytes * (1 - corpus.validation_share))
    documents = None if text_bytes is None else round(text_bytes / bytes_per_document)
    return TextPlan(documents, text_bytes, bytes_per_document, _sampled_bytes_per_token(protocol, sample), True)


def _sampled_bytes_per_token(protocol: Protocol, sample: list[str]) -> dict[str, float]:
    """Trains each track's tokenizer on the sample, or reads it where it is there already."""
    from toktrial.corpus.documents import Documents
    from toktrial.tokenizer.bpe import BPETokenizer
    from toktrial.tokenizer.btm import BTMTokenizer, encode_documents
    from toktrial.tokenizer.file import load_file_track

    documents = Documents.of(sample)
    full = BPETokenizer.train(documents, protocol.vocab_size)
    found: dict[str, float] = {}
    for track, recipe in protocol.tracks.items():
        tokenizer: Tokenizer
        if isinstance(recipe, BPERecipe):
            tokenizer = full
        elif isinstance(recipe, FileRecipe):
            tokenizer = load_file_track(recipe.path, protocol.vocab_size)
        else:
            primitive = full.cut(recipe.primitive_vocab_size)
            tokenizer = BTMTokenizer.train(
                documents, protocol.vocab_size, primitive=primitive, score=recipe.score, scope=recipe.scope
            )
        found[track] = documents.bytes / encode_documents(tokenizer, documents)[0].size
    return found


def _sum_of(parts: list[float | None]) -> float | None:
    return None if None in parts else sum(filter(None, parts))


def _step_tokens(protocol: Protocol) -> int:
    return protocol.training.batch_size * protocol.model.context
