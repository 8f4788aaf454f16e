"""Between tables, as TOML and JSON hold them, and the config dataclasses of a protocol. Its messages name the field.

protocol.py reads its files and compares protocols by these.
"""

import itertools
import re
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from toktrial.errors import TrialError, nearest_name
from toktrial.tokenizer.config import RECIPES, Recipe

ConfigT = TypeVar("ConfigT")
KINDS = {
    bool: "true or false", int: "a whole number", float: "a number", str: "text",
    tuple[str, ...]: "a list of texts", tuple[float, ...]: "a list of numbers",
}  # fmt: skip


def config_from(plain: Any, kind: type[ConfigT], where: str = "") -> ConfigT:
    """Returns the config dataclass that a table holds; `where` is the table's dotted name, "" for the whole protocol."""
    hints = {item.name: item.type for item in fields(kind)}  # type: ignore[arg-type]  # every kind here is a dataclass
    values = {}
    for name, value in _table(plain, where).items():
        dotted = f"{where}.{name}".lstrip(".")
        if name not in hints:
            raise TrialError(f"unknown field {dotted}: {nearest_name(name, hints)}")
        values[name] = _value_from(value, hints[name], dotted)
    return kind(**values)


def _value_from(value: Any, hint: Any, where: str) -> Any:
    import msgspec

    if is_dataclass(hint):
        return config_from(value, typing.cast(type[Any], hint), where)
    if hint == dict[str, Recipe]:
        return {name: _recipe_from(part, f"{where}.{name}") for name, part in _swept(_table(value, where), where).items()}
    try:
        return msgspec.convert(value, hint)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter where text is no UTF-8
        if hint in KINDS:
            raise TrialError(f"{where} must be {KINDS[hint]}, but is {value!r}") from None
        raise TrialError(f"{where} is {value!r}: {nearest_name(str(value), typing.get_args(hint))}") from None


def _swept(tracks: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Returns the tracks, with one for each value of a field that holds a list, and one for each combination of several.

    A value's track is named NAME-VALUE. Raises TrialError for an empty list, and where two tracks would have one name.
    """
    found: dict[str, Any] = {}
    for name, plain in tracks.items():
        settings = plain if isinstance(plain, Mapping) else {}
        lists = {setting: value for setting, value in settings.items() if isinstance(value, list)}
        for empty in [setting for setting, values in lists.items() if not values]:
            raise TrialError(f"{where}.{name}.{empty} is an empty list: name a value, or several to make a track of each")
        for combination in itertools.product(*lists.values()):
            track = "-".join([name, *(re.sub(r"[^\w-]", "_", str(value)) for value in combination)])
            if track in found:
                raise TrialError(
                    f"{where}.{name} makes a second track {track}: no value may stand twice, and no other track so named"
                )
            found[track] = {**plain, **dict(zip(lists, combination, strict=True))} if lists else plain
    return found


def _recipe_from(plain: Any, where: str) -> Recipe:
    parts = dict(_table(plain, where))
    name = parts.pop("recipe", None)
    if name is None:
        raise TrialError(f'{where} has no recipe: add recipe = "bpe" or another of {", ".join(RECIPES)}')
    if name not in list(RECIPES):  # which compares, so that the name may be anything
        raise TrialError(f"{where}.recipe is {name!r}: {nearest_name(str(name), RECIPES)}")
    return config_from(parts, RECIPES[name], where)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TrialError(f"{where} must be a table of fields, but is {value!r}")
    return value


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the nested dict `base` with what `changes` says in place of its own."""
    both = dict(base)
    for name, new in changes.items():
        old = base.get(name)
        both[name] = merged(old, new) if isinstance(old, Mapping) and isinstance(new, Mapping) else new
    return both


def flatten(plain: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns a nested dict as one whose names are dotted paths."""
    flat: dict[str, Any] = {}
    for name, value in plain.items():
        flat.update(flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value})
    return flat
