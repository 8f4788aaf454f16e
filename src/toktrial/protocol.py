"""The protocol: the whole trial written down before it runs. Composes the stages' configs; TOML in and out.

Every stage reads its own part of it; `trial.py` keeps it as the trial folder's protocol.toml.
"""

import math
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from toktrial.corpus.config import CorpusConfig
from toktrial.errors import TrialError, nearest_name
from toktrial.evaluation.config import EvaluationConfig
from toktrial.report.config import VerdictConfig
from toktrial.tokenizer.config import RECIPES, SMALLEST_VOCAB_SIZE, BPERecipe, BTMRecipe, Recipe
from toktrial.training.config import ModelConfig, TrainingConfig, TuningConfig

ConfigT = TypeVar("ConfigT")
FEWEST_SEEDS_OF_A_LOOK = 2  # one difference has no interval
LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")  # also what a byte of a file name becomes that is no UTF-8


@dataclass(frozen=True)
class Protocol:
    """Everything that a trial is. The first track is the baseline, with which every other is compared."""

    name: str = "tinystories"
    """Name of the trial; its folder is trials/NAME unless --trial names another."""
    seeds: int = 3
    """Trainings of every track, with the seeds 1, 2, ...; the verdict needs two or more."""
    most_seeds: int = 0
    """A planned sequential design where above `seeds`: from `seeds` on, the trial looks after every seed, at boundaries that
    keep the error rate, and trains another only while the verdict is open, up to so many. 0: `seeds`, and one look."""
    control: bool = False
    """A/A control: train the baseline again under as many other seeds, to show what a difference from nothing looks like."""
    vocab_size: int = 16_384
    """Entries of every track's tokenizer, and rows of the model's embedding."""
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    """Where the documents come from."""
    tracks: dict[str, Recipe] = field(default_factory=lambda: {"bpe": BPERecipe(), "btm": BTMRecipe()})
    """The arms of the trial: name and tokenizer recipe."""
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
        if self.seeds < 1:
            raise TrialError(f"seeds must be at least 1, but is {self.seeds}")
        if self.most_seeds and not FEWEST_SEEDS_OF_A_LOOK <= self.seeds <= self.most_seeds:
            raise TrialError(
                f"most_seeds is {self.most_seeds} with seeds {self.seeds}: the first look needs {FEWEST_SEEDS_OF_A_LOOK} seeds "
                "or more, and most_seeds as many or more (0 for one look alone)"
            )
        if self.vocab_size < SMALLEST_VOCAB_SIZE:
            raise TrialError(
                f"vocab_size must be at least {SMALLEST_VOCAB_SIZE} (`<|endoftext|>` and every byte), but is {self.vocab_size}"
            )
        if len(self.tracks) < 2:
            raise TrialError(f"a trial compares two or more tracks, but `tracks` names {len(self.tracks)}")
        for name, recipe in self.tracks.items():
            _check_track(name, recipe, self.vocab_size)
        for name, value in _flatten(to_dict(self)).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise TrialError(f"{name} must be a finite number, but is {value}")
            for text in value if isinstance(value, list) else [value]:
                _check_encodable(name, text)

    @property
    def baseline(self) -> str:
        """Name of the track that every other is compared with."""
        return next(iter(self.tracks))

    @property
    def seed_numbers(self) -> range:
        """Seeds that every track is trained with in any case; a sequential design may go on to `most_seeds`."""
        return range(1, self.seeds + 1)

    @property
    def last_seed(self) -> int:
        """The highest seed that the verdict may pair."""
        return max(self.seeds, self.most_seeds)

    @property
    def control_seeds(self) -> range:
        """Seeds of the baseline's second trainings, none without an A/A control; seed n is paired with last_seed + n."""
        return range(self.last_seed + 1, self.last_seed + self.seeds + 1) if self.control else range(0)

    def run_seeds(self, track: str) -> list[int]:
        """Returns every seed that a track is trained with, those of the control among them."""
        return [*range(1, self.last_seed + 1), *(self.control_seeds if track == self.baseline else [])]


def to_dict(config: Any) -> dict[str, Any]:
    """Returns a config dataclass as nested dicts, lists and scalars, as protocol.toml and results.json hold it."""
    plain: dict[str, Any] = {}
    if isinstance(config, Recipe):
        plain["recipe"] = config.recipe
    for item in fields(config):
        value = getattr(config, item.name)
        if is_dataclass(value):
            plain[item.name] = to_dict(value)
        elif isinstance(value, dict):
            plain[item.name] = {name: to_dict(recipe) for name, recipe in value.items()}
        else:
            plain[item.name] = list(value) if isinstance(value, tuple) else value
    return plain


def from_dict(plain: Mapping[str, Any]) -> Protocol:
    """Returns the protocol that `to_dict` wrote down; what is absent has its default.

    Raises TrialError for an unknown field (naming the nearest), a value of the wrong type or one out of range.
    """
    return _config_from_dict(Protocol, plain, "")


def save(protocol: Protocol, path: Path) -> None:
    """Writes the protocol as TOML."""
    import tomli_w

    path.write_bytes(tomli_w.dumps(to_dict(protocol)).encode())


def load(path: Path) -> Protocol:
    """Reads a protocol from a TOML file.

    Raises TrialError where the file is missing, is no TOML, or names what is no field of the protocol.
    """
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrialError(f"there is no protocol at {path}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"{path} is no TOML: {error}") from None
    try:
        return from_dict(plain)
    except TrialError as error:
        raise TrialError(f"{path}: {error}") from None


def differences(ours: Protocol, theirs: Protocol) -> list[tuple[str, Any, Any]]:
    """Returns (dotted field, our value, their value) for every field in which the protocols differ."""
    left, right = _flatten(to_dict(ours)), _flatten(to_dict(theirs))
    names = list(dict.fromkeys([*left, *right]))
    return [(name, left.get(name), right.get(name)) for name in names if left.get(name) != right.get(name)]


def _check_track(name: str, recipe: Recipe, vocab_size: int) -> None:
    if not name or not all(letter.isalnum() or letter in "-_" for letter in name):
        raise TrialError(f"a track's name names a folder: letters, digits, - and _ alone, but found {name!r}")
    if isinstance(recipe, BTMRecipe) and recipe.primitive_vocab_size > vocab_size:
        raise TrialError(
            f"tracks.{name}.primitive_vocab_size is {recipe.primitive_vocab_size}, above vocab_size {vocab_size}: "
            "the primitives are part of the vocabulary"
        )


def _check_encodable(name: str, value: object) -> None:
    if isinstance(value, str) and LONE_SURROGATE.search(value):  # no protocol.toml could hold it
        raise TrialError(f"{name} must be text that UTF-8 can hold, but is {value!r}: rename the file, or retype it")


def _flatten(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _config_from_dict(kind: type[ConfigT], plain: Mapping[str, Any], where: str) -> ConfigT:
    hints = typing.get_type_hints(kind)
    known = [item.name for item in fields(kind)]  # type: ignore[arg-type]  # every kind here is a dataclass
    values: dict[str, Any] = {}
    for name, value in plain.items():
        if name not in known:
            raise TrialError(f"unknown field {where}{name}: {nearest_name(name, known)}")
        values[name] = _value_from_plain(hints[name], value, f"{where}{name}")
    return kind(**values)


def _value_from_plain(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        return _config_from_dict(typing.cast(type[Any], hint), _table(value, where), f"{where}.")
    origin = typing.get_origin(hint)
    if origin is dict:
        parts = _table(value, where)
        return {name: _recipe(_table(part, f"{where}.{name}"), f"{where}.{name}") for name, part in parts.items()}
    if origin is tuple:
        return _tuple(typing.get_args(hint)[0], value, where)
    if origin is typing.Literal:
        options = typing.get_args(hint)
        if value not in options:
            raise TrialError(f"{where} is {value!r}: {nearest_name(str(value), options)}")
        return value
    assert not isinstance(hint, types.UnionType), f"no protocol field is a bare union: {where}"
    return _scalar(hint, value, where)


def _scalar(kind: type, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TrialError(f"{where} must be of type {kind.__name__}, but is {value!r}")
    return value


def _tuple(kind: type, value: Any, where: str) -> tuple[Any, ...]:
    try:
        return tuple(_scalar(kind, item, where) for item in _listed(value, where))
    except TrialError:
        items = {str: "texts", float: "numbers"}[kind]
        raise TrialError(f"{where} must be a list of {items}, but is {value!r}") from None


def _listed(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise TrialError(f"{where} must be a list, but is {value!r}")
    return value


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TrialError(f"{where} must be a table of fields, but is {value!r}")
    return value


def _recipe(plain: Mapping[str, Any], where: str) -> Recipe:
    parts = dict(plain)
    name = parts.pop("recipe", None)
    if name is None:
        raise TrialError(f'{where} names no recipe: add recipe = "bpe" or another of {", ".join(RECIPES)}')
    if name not in RECIPES:
        raise TrialError(f"{where}.recipe is {name!r}: {nearest_name(str(name), RECIPES)}")
    return _config_from_dict(RECIPES[name], parts, f"{where}.")
