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
from toktrial.training.config import TrainingConfig
from toktrial.training.matching import matched_shape
from toktrial.training.rates import EVALUATIONS
from toktrial.trial import Trial

if TYPE_CHECKING:
    from toktrial.training.speed import Speed

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


@dataclass(frozen=True)
class TrackPlan:
    """What one run of a track is about to do."""

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

    text: TextPlan
    tracks: dict[str, TrackPlan]
    runs: int
    runs_left: int
    device: str
    parameters: int
    step_seconds: float
    tuning_seconds: float | None
    """Of the tuning runs, with their evaluations; 0 where rates are not tuned, or are tuned already."""
    seconds: float | None
    """Of the trainings left, with their evaluations, those of the tuning among them. None: not known before the corpus is here.
    Without runs at the tuned rate that does not decide, for nobody knows yet for which tracks it will be another one."""
    disk_bytes: int
    """What the trial's folder will hold at its largest."""
    free_bytes: int

    @property
    def is_long(self) -> bool:
        return self.seconds is None or self.seconds > LONG_SECONDS


def make_plan(trial: Trial) -> Plan:
    """Measures and estimates. Raises TrialError where the disk has not room enough."""
    from toktrial.training.speed import measure_speed

    protocol = trial.protocol
    text = _known_text(trial) or _sampled_text(protocol)
    speed = measure_speed(protocol.model, protocol.training, protocol.vocab_size)
    tracks: dict[str, TrackPlan] = {}
    for track in protocol.tracks:
        epoch_tokens = _epoch_tokens(text, track)
        context, rows = shape_in_plan(protocol, text, track)
        of_baseline = rows * context / _step_tokens(protocol)
        steps = _steps(replace(protocol.training, batch_size=rows), context, epoch_tokens)
        evaluation = speed.forward_seconds_per_token * curve_positions(protocol, text, track) / protocol.training.log_every
        step_seconds = speed.step_seconds * of_baseline
        seconds = steps * (step_seconds + evaluation) if steps is not None else None
        epochs = steps * rows * context / epoch_tokens if steps and epoch_tokens else None
        share = evaluation / (step_seconds + evaluation)
        tracks[track] = TrackPlan(epoch_tokens, steps, epochs, seconds, share)
    tuning_seconds = 0.0 if trial.is_tuned else _tuning_seconds(protocol, text, tracks, speed)
    left = [track for track, seed in trial.run_order() if not _is_trained(trial, track, seed)]
    plan = Plan(
        text=text,
        tracks=tracks,
        runs=len(list(trial.run_order())),
        runs_left=len(left),
        device=speed.device,
        parameters=speed.parameters,
        step_seconds=speed.step_seconds,
        tuning_seconds=tuning_seconds,
        seconds=_sum_of([tuning_seconds, *(tracks[track].seconds for track in left)]),
        disk_bytes=_disk_bytes(text, tracks, protocol, speed.parameters),
        free_bytes=shutil.disk_usage(trial.folder).free,
    )
    _check_disk(plan, trial)
    return plan


def _tuning_seconds(protocol: Protocol, text: TextPlan, tracks: dict[str, TrackPlan], speed: "Speed") -> float | None:
    tuning = protocol.tuning
    judged = replace(protocol, evaluation=replace(protocol.evaluation, eval_documents=tuning.documents))
    of_tracks: list[float | None] = []
    for track, plan in tracks.items():
        context, rows = shape_in_plan(protocol, text, track)
        steps = tuning.steps or plan.steps
        evaluation = speed.forward_seconds_per_token * curve_positions(judged, text, track) * EVALUATIONS
        step_seconds = speed.step_seconds * rows * context / _step_tokens(protocol)
        of_tracks.append(None if steps is None else len(tuning.rates) * tuning.seeds * (steps * step_seconds + evaluation))
    return _sum_of(of_tracks)


def shape_in_plan(protocol: Protocol, text: TextPlan, track: str) -> tuple[int, int]:
    """Returns a track's context and rows of a batch, as far as its tokens are known."""
    if protocol.training.match == "tokens" or not text.bytes_per_token:
        return protocol.model.context, protocol.training.batch_size
    ratio = text.bytes_per_token[track] / text.bytes_per_token[protocol.baseline]
    model, training = matched_shape(protocol.model, protocol.training, ratio)
    return model.context, training.batch_size


def curve_positions(protocol: Protocol, text: TextPlan, track: str) -> float:
    """Returns how many positions of the model one evaluation of the curve computes, by the mean length of a document.

    Windows overlap by half a context, so what a document has beyond its first window counts twice. Where the text is not
    known, each document is taken to be as long as the context.
    """
    documents, context = protocol.evaluation.eval_documents, shape_in_plan(protocol, text, track)[0]
    if text.bytes_per_document is None:
        return float(documents * context)
    tokens = text.bytes_per_document / text.bytes_per_token[track] + 1
    return documents * (tokens + max(0.0, tokens - context))


def describe_plan(plan: Plan, trial: Trial) -> list[str]:
    """Returns the plan as lines of text."""
    protocol, about = trial.protocol, "about " if plan.text.is_estimate else ""
    if plan.text.bytes is None or plan.text.documents is None:
        size = "size known once it is here"
    else:
        size = f"{about}{plan.text.documents:,} documents, {plan.text.bytes / 1e6:,.1f} MB for training"
    lines = [
        f"trial      {protocol.name}, in {trial.folder}",
        f"corpus     {protocol.corpus.path}: {size}",
        f"model      {plan.parameters / 1e6:.1f} million parameters; {_step_tokens(protocol):,} tokens a step",
    ]
    lines += [f"track      {name}: {_describe_track(track, about)}" for name, track in plan.tracks.items()]
    lines += _describe_tuning(plan, protocol)
    lines += [
        f"training   {plan.runs_left} of {plan.runs} runs left ({len(plan.tracks)} tracks, seeds {_seeds(protocol)})",
        f"device     {plan.device}: {plan.step_seconds * 1000:,.0f} ms a step, measured uncompiled (long runs are compiled)",
        f"time       {duration(plan.seconds)} of training and evaluation",
        f"evaluation {_describe_evaluation(plan, protocol)}",
        f"disk       {plan.disk_bytes / 1e9:.2f} GB at most, {plan.free_bytes / 1e9:.0f} GB free",
    ]
    return [*lines, *_on_the_budget(plan, protocol)]


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
    tuning = protocol.tuning
    if not plan.tuning_seconds and plan.tuning_seconds is not None:
        return []
    rates, tracks = len(tuning.rates), len(protocol.tracks)
    runs = rates * tracks * tuning.seeds
    line = f"tuning     {runs} runs first: {rates} learning rates, {tracks} tracks, {tuning.seeds} seeds"
    also = ["           then the tracks whose own best rate is another than the shared one are trained at both"]
    return [f"{line}; {duration(plan.tuning_seconds)}", *(also if tuning.both_verdicts else [])]


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
        if isinstance(recipe, BPERecipe):
            ids, _ = encode_documents(full, documents)
        elif isinstance(recipe, FileRecipe):
            ids, _ = encode_documents(load_file_track(recipe.path, protocol.vocab_size), documents)
        else:
            primitive = full.cut(recipe.primitive_vocab_size)
            btm = BTMTokenizer.train(
                documents, protocol.vocab_size, primitive=primitive, score=recipe.score, scope=recipe.scope
            )
            ids, _ = encode_documents(btm, documents)
        found[track] = documents.bytes / ids.size
    return found


def _epoch_tokens(text: TextPlan, track: str) -> int | None:
    """Tokens of one pass over the training text, closing ids included."""
    if text.bytes is None or text.documents is None:
        return None
    return round(text.bytes / text.bytes_per_token[track]) + text.documents


def _step_tokens(protocol: Protocol) -> int:
    return protocol.training.batch_size * protocol.model.context


def _steps(training: TrainingConfig, context: int, epoch_tokens: int | None) -> int | None:
    from toktrial.training.run import steps_of

    if training.epochs and epoch_tokens is None:
        return None
    return steps_of(training, epoch_tokens or 0, context)


def _is_trained(trial: Trial, track: str, seed: int) -> bool:
    return (trial.run_folder(track, seed) / artifact.MANIFEST).is_file()


def _sum_of(parts: list[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _disk_bytes(text: TextPlan, tracks: dict[str, TrackPlan], protocol: Protocol, parameters: int) -> int:
    corpus = text.bytes or 0
    id_bytes = 2 if protocol.vocab_size <= 1 << 16 else 4
    tokens = sum(id_bytes * (track.epoch_tokens or 0) for track in tracks.values())
    checkpoints = 3 * BYTES_PER_TRAINED_PARAMETER * parameters  # two are kept while the third is written
    runs = sum(len(protocol.run_seeds(track)) for track in tracks)
    return corpus + tokens + checkpoints + BYTES_PER_WEIGHT * parameters * runs


def _check_disk(plan: Plan, trial: Trial) -> None:
    if plan.disk_bytes > plan.free_bytes:
        raise TrialError(
            f"the trial needs about {plan.disk_bytes / 1e9:.1f} GB of disk, but {trial.folder} has "
            f"{plan.free_bytes / 1e9:.1f} GB free: make room, or name a folder elsewhere with --trial"
        )
