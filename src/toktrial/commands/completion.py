"""`toktrial completion`: the script that makes a shell complete commands, their flags and what these can be.

COMMANDS and their dataclasses -> words -> completion.bash.jinja or completion.fish.jinja. All words are in the script, so that
completing starts no program.
"""

import sys
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

import tyro

from toktrial import commands, presets
from toktrial.commands import COMMANDS, Call, Command, rendered
from toktrial.commands.stages import Stage

Flags = dict[str, tuple[str, ...]]
"""What may follow each flag, as far as that is a choice."""
NO_FLAG: tuple[Any, ...] = (tyro.conf.Positional, tyro.conf.Suppress)


@dataclass(frozen=True)
class Completion(Call):
    """Prints the script that makes a shell complete the command line of toktrial."""

    shell: Literal["bash", "zsh", "fish"]
    """The shell. Write the script to a file that it reads: ~/.local/share/bash-completion/completions/toktrial,
    ~/.config/fish/completions/toktrial.fish, or for zsh any file that ~/.zshrc sources."""

    def execute(self) -> None:
        """Prints the script."""
        calls = {command: call_of(command) for command in COMMANDS}
        flags = {command: flags_of(call) for command, call in calls.items()}
        script = rendered(
            f"completion.{'fish' if self.shell == 'fish' else 'bash'}.jinja",
            shell=self.shell,
            commands=COMMANDS,
            subjects={first: [name.split()[1] for name in names if " " in name] for first, names in _by_first_word().items()},
            flags=flags,
            choices={flag: choices for each in flags.values() for flag, choices in each.items() if choices},
            presets={command: list(presets.PRESETS) for command, call in calls.items() if issubclass(call, Stage)},
        )
        sys.stdout.write(script)


def flags_of(call: type[Call]) -> Flags:
    """Returns the flags of a command; those of a stage are for the tracks of the demo."""
    hints = get_type_hints(call, include_extras=True)
    found: Flags = {"--help": ()}
    for item in fields(call):
        if item.name == "protocol":
            found |= _flags_of_values(presets.demo(), "--")
        elif item.default is not MISSING and not _is_marked(hints[item.name]):
            found[_flag(item.name, item.default)] = _choices(hints[item.name])
    return found


def _by_first_word() -> dict[str, list[str]]:
    """Returns the names of the commands by their first word."""
    names = [command.name for command in COMMANDS]
    return {first: [name for name in names if name.split()[0] == first] for first in (name.split()[0] for name in names)}


def _flag(name: str, default: Any, prefix: str = "--") -> str:
    """Returns the flag of a field, as tyro names it."""
    return prefix + ("no-" if default is True else "") + name.replace("_", "-")


def _flags_of_values(config: Any, prefix: str) -> Flags:
    """Returns the flags of the fields of a config, and of the configs in it."""
    found: Flags = {}
    hints = {} if isinstance(config, dict) else get_type_hints(type(config))
    for name, value in _values(config):
        flag = _flag(name, value, prefix)
        if is_dataclass(value) or isinstance(value, dict):
            found |= _flags_of_values(value, f"{flag}.")
        else:
            found[flag] = _choices(hints[name])
    return found


def _values(config: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(config, dict):
        return iter(config.items())
    return ((item.name, getattr(config, item.name)) for item in fields(config) if item.init)


def _is_marked(hint: Any) -> bool:
    """Whether a field is an argument without a flag, or none at all."""
    marks = getattr(hint, "__metadata__", ())
    return any(mark in marks for marked in NO_FLAG for mark in marked[int].__metadata__)


def _choices(hint: Any) -> tuple[str, ...]:
    """Returns the texts that a type allows, where those are all that it allows beside None and numbers."""
    if get_origin(hint) is Literal:
        return tuple(map(str, get_args(hint)))
    return tuple(choice for part in get_args(hint) for choice in _choices(part))


def call_of(command: Command) -> type[Call]:
    """Returns the dataclass of a command."""
    module, call = command.place.split(".")
    found: type[Call] = getattr(import_module(f"{commands.__name__}.{module}"), call)
    return found
