"""The protocol: the whole trial, written down before it runs. It is made of the stages' configs, and is kept as TOML.

Every stage reads its own part of it. `trial.py` keeps it in the trial's folder as protocol.toml.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from toktrial import artifact, progress
from toktrial.config_tables import config_from, flatten, merged
from toktrial.corpus.config import CorpusConfig
from toktrial.errors import MOST_SEEDS, TrialError, check_numbers
from toktrial.evaluation.config import EvaluationConfig
from toktrial.report.config import VerdictConfig
from toktrial.tokenizer.config import (
    FAST,
    SMALLEST_VOCAB_SIZE,
    BPERecipe,
    BPETrainer,
    BTMRecipe,
    PrimitiveRecipe,
    Recipe,
    SuperBPERecipe,
    with_sizes,
)
from toktrial.training.config import ModelConfig, TrainingConfig, TuningConfig, track_shape

FEWEST_SEEDS_OF_A_LOOK = 2  # a single difference has no interval
LONGEST_NAME = 200  # bytes; file systems allow 255, and names of tokenizers and partial folders add to a track's
MOST = {"seeds": MOST_SEEDS, "most_seeds": MOST_SEEDS, "vocab_size": (1 << 20, "four times the largest vocabularies in use")}
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")  # Python also reads undecodable bytes of a file name as these
# What a trial may change after it has begun, as no finished stage becomes wrong; `is_amendable` knows three more. Finished
# curves were measured on evaluation.eval_documents, so that is not one of them.
AMENDABLE = (
    "most_seeds", "control", "training.threads", "verdict.confidence", "verdict.floor",
    "evaluation.prompts", "evaluation.max_new_bytes", "evaluation.temperature", "evaluation.top_k", "evaluation.top_p",
    "evaluation.sample_seed", "evaluation.minimal_pairs", "evaluation.marginal",
)  # fmt: skip
ALWAYS_SAVED = ("name", "seeds", "vocab_size", "corpus", "tracks", "model", "training", "evaluation", "verdict")


@dataclass(frozen=True)
class Protocol:
    """Everything that defines a trial. The first track is the baseline, and every other track is compared with it."""

    name: str = "tinystories"
    """Name of the trial. Its folder is trials/NAME unless --trial names another."""
    seeds: int = 3
    """Trainings of every track, with seeds 1, 2, and so on. The verdict needs at least two."""
    most_seeds: int = 0
    """If above `seeds`, a planned sequential design: from `seeds` on, the trial looks at the verdict after every seed, at
    boundaries that keep the error rate, and trains one more seed, up to this many, only while the verdict is open.
    0: train `seeds` seeds and look once."""
    control: bool = False
    """A/A control: train the baseline again under as many other seeds, to show how far chance alone makes runs differ."""
    vocab_size: int = 16_384
    """Entries of every tokenizer, and rows of its model's embedding, where a track has no `vocab_size` of its own."""
    bpe_trainer: BPETrainer = FAST
    """Who learns the merges of BPE: `fast`, the trial itself, or `hf`, HF `tokenizers`. Both learn the same ones."""
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    """Where the documents come from."""
    tracks: dict[str, Recipe] = field(default_factory=lambda: {"bpe": BPERecipe(), "btm": BTMRecipe()})
    """The arms of the trial: the name and tokenizer recipe of each."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The model's shape."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """How every run is trained."""
    tuning: TuningConfig = field(default_factory=TuningConfig)
    """Whether learning rates are tuned first."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """What is measured."""
    verdict: VerdictConfig = field(default_factory=VerdictConfig)
    """The success criterion."""

    def __post_init__(self) -> None:
        _check_texts(to_dict(self))
        _check_name("a trial", self.name)
        for name in self.tracks:
            _check_name("a track", name)
        check_numbers("", self, {"seeds": 1, "most_seeds": 0}, MOST)
        if self.most_seeds and not FEWEST_SEEDS_OF_A_LOOK <= self.seeds <= self.most_seeds:
            raise TrialError(
                f"most_seeds is {self.most_seeds} and seeds is {self.seeds}: the first look needs "
                f"{FEWEST_SEEDS_OF_A_LOOK} or more, and most_seeds must not be below seeds (set it to 0 for a single look)"
            )
        if self.vocab_size < SMALLEST_VOCAB_SIZE:
            raise TrialError(
                f"vocab_size must be at least {SMALLEST_VOCAB_SIZE} (`<|endoftext|>` and every byte), but is {self.vocab_size}"
            )
        alike = {name.casefold(): name for name in self.tracks}  # of names that differ by case alone, the last
        for name in self.tracks:
            if alike[name.casefold()] != name:
                raise TrialError(
                    f"the tracks {name} and {alike[name.casefold()]} differ by case alone, and would share a folder where file "
                    "names have no case: rename one"
                )
        if len(self.tracks) < 2:
            raise TrialError(f"a trial compares two or more tracks, but `tracks` names {len(self.tracks)}")
        for name, recipe in self.sized_tracks.items():
            check_numbers(f"tracks.{name}", recipe, {"vocab_size": SMALLEST_VOCAB_SIZE}, MOST)
            if isinstance(recipe, PrimitiveRecipe) and recipe.primitive_vocab_size > recipe.vocab_size:
                size = "transition" if isinstance(recipe, SuperBPERecipe) else "primitive_vocab_size"
                raise TrialError(
                    f"tracks.{name}.{size} is {recipe.primitive_vocab_size}, which is above vocab_size {recipe.vocab_size}: "
                    "the primitives are part of the vocabulary"
                )
        if self.verdict.budget == "flops" and self.training.epochs:
            raise TrialError(
                'verdict.budget = "flops" and training.epochs both decide how many steps a track takes: leave training.epochs '
                "at 0, and set training.steps, which are then those of the baseline"
            )

    @property
    def baseline(self) -> str:
        """Name of the track that every other is compared with."""
        return next(iter(self.tracks))

    @property
    def sized_tracks(self) -> dict[str, Recipe]:
        """The tracks with the number of entries that each asks for."""
        return with_sizes(self.tracks, self.vocab_size)

    def shape_of(self, track: str, token_ratio: float = 1.0) -> tuple[ModelConfig, TrainingConfig]:
        """Returns the configs that a track is trained with.

        token_ratio: bytes of text that the track's tokens hold on average, over those of the baseline's tokens. It matters only
        where `training.match` is bytes.
        """
        rows, ratio = self.sized_tracks[track].vocab_size, None if track == self.baseline else token_ratio
        baseline_rows = self.sized_tracks[self.baseline].vocab_size if self.verdict.budget == "flops" else 0
        return track_shape(self.model, self.training, ratio, rows, baseline_rows)

    @property
    def seed_numbers(self) -> range:
        """Seeds that every track is always trained with; a sequential design may go on to `most_seeds`."""
        return range(1, self.seeds + 1)

    @property
    def last_seed(self) -> int:
        """The highest seed that the verdict may pair."""
        return max(self.seeds, self.most_seeds)

    @property
    def control_seeds(self) -> range:
        """Seeds of the baseline's second trainings, if there is an A/A control: seed n is paired with last_seed + n."""
        return range(self.last_seed + 1, self.last_seed + self.seeds + 1) if self.control else range(0)

    def run_seeds(self, track: str) -> list[int]:
        """Returns every seed that a track may be trained with, including those of the control."""
        return [*range(1, self.last_seed + 1), *(self.control_seeds if track == self.baseline else [])]


def to_dict(protocol: Protocol) -> dict[str, Any]:
    """Returns the protocol as nested dicts, lists and scalars, as protocol.toml and results.json hold it."""

    def with_lists(items: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in items}

    plain = asdict(protocol, dict_factory=with_lists)
    for name, recipe in protocol.tracks.items():
        plain["tracks"][name] = {"recipe": recipe.recipe, **plain["tracks"][name]}
    return plain


def from_dict(plain: Mapping[str, Any]) -> Protocol:
    """Returns the protocol that `to_dict` wrote; missing fields take their defaults.

    Raises TrialError for an unknown field (naming the nearest one), a value of the wrong type or a value out of range.
    """
    try:
        return config_from(plain, Protocol)
    except TrialError:
        raise
    except ValueError as error:  # Python prints no whole number of thousands of digits
        raise TrialError(f"a number has far too many digits ({error})") from None


def save(protocol: Protocol, path: Path) -> None:
    """Writes the protocol as TOML."""
    import tomli_w

    with artifact.publish_file(path) as partial:
        partial.write_bytes(tomli_w.dumps(to_dict(protocol)).encode())


def load(path: Path, of_trial: bool = False, based_on: Callable[[str], Protocol] | None = None) -> Protocol:
    """Reads a protocol from a TOML file; `of_trial`: from one that `save` wrote into a trial's folder.

    based_on: returns the protocol that the file's `base` names. What the file does not say is taken from that one; a `tracks`
    table replaces its tracks as a whole, for the first of them is the baseline.

    Raises TrialError where the file is missing, is not TOML, lacks a part that `save` has always written, or `from_dict` does.
    """
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrialError(f"there is no protocol at {path}") from None
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number of thousands of digits, a deep nest
        raise TrialError(f"{path} is not valid TOML: {error}") from None
    missing = [name for name in ALWAYS_SAVED if name not in plain] if of_trial else []
    if missing:
        raise TrialError(
            f"{path} is cut short: it lacks {', '.join(missing)}. Restore it, for example from `protocol` in the report's "
            "results.json, or begin the trial anew"
        )
    try:
        if based_on and "base" in plain:
            base = to_dict(based_on(str(plain.pop("base"))))
            plain = merged({**base, "name": path.stem, **({"tracks": {}} if "tracks" in plain else {})}, plain)
        elif based_on and not {"training.steps", "training.epochs"} & flatten(plain).keys():
            progress.print_line(
                f"{path} does not say how long to train, so it takes the research plan's {TrainingConfig().steps:,} steps: "
                'set training.steps, or begin the file with base = "demo"'
            )
        return from_dict(plain)
    except TrialError as error:
        raise TrialError(f"{path}: {error}") from None


def differences(ours: Protocol, theirs: Protocol) -> list[tuple[str, Any, Any]]:
    """Returns (dotted field, our value, their value) for every field in which the protocols differ."""
    left, right = flatten(to_dict(ours)), flatten(to_dict(theirs))
    names = list(dict.fromkeys([*left, *right]))
    return [(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)]


def is_amendable(name: str, old: Any, new: Any, asked: Protocol) -> bool:
    """Whether a trial that has begun may take over a change of one field (by its dotted name) from the protocol `asked`."""
    if name == "seeds":  # leaving out runs that exist would be choosing among results
        return bool(new > old)
    if name == "training.steps":
        tunes_for_all_steps = bool(asked.tuning.rates) and not asked.tuning.steps  # more steps would need another tuning
        return bool(new > old and asked.training.can_grow and not tunes_for_all_steps)
    if name == "verdict.budget":
        return "flops" not in (old, new)  # which gives runs another number of steps
    return name in AMENDABLE


def _check_name(whose: str, name: str) -> None:
    if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
        raise TrialError(f"{whose}'s name is also a folder's: use only letters, digits, - and _, not {name!r}")
    if len(name.encode()) > LONGEST_NAME:
        raise TrialError(f"{whose}'s name is also a folder's: use at most {LONGEST_NAME} bytes, not {len(name.encode())}")


def _check_texts(plain: Mapping[str, Any]) -> None:
    """Raises TrialError for a text that a TOML file or the system, which reads it as a file's name, could not take."""
    for name, value in flatten(plain).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and LONE_SURROGATE.search(text):
                raise TrialError(f"{name} must be text that UTF-8 can hold, but is {text!r}: rename the file, or retype it")
            if isinstance(text, str) and "\0" in text:
                raise TrialError(f"{name} must be text without NUL characters, but is {text!r}")
