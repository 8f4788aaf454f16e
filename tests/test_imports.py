"""Arrows point one way: stages import leftwards alone, what stands outside the flow imports no stage, the CLI stays light."""

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import toktrial
from toktrial.commands import COMMANDS

SOURCE = Path(toktrial.__file__).parent
STAGES = ("corpus", "tokenizer", "tokens", "training", "evaluation", "report")  # the way through, left to right
FOLDER_OF_COMMANDS = "commands"  # stands above trial.py, and cli.py alone above it
EXECUTION = "execution"  # stands between trial_folder.py and trial.py
OUTSIDE_THE_FLOW = {"errors", "artifact", "progress"}  # every other file beside the folders stands above the stages
HEAVY = ("torch", "numba", "datasets", "pyarrow", "tokenizers", "transformers", "polars", "vl_convert", "scipy", "gigatoken")
CONFIGS = ("corpus.config", "tokenizer.config", "training.config", "evaluation.config", "report.config")
ONE_OF_EACH_KIND = {command.place: command.name for command in COMMANDS}.values()

FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


def imported_parts(file: Path) -> Iterator[tuple[int, str]]:
    """Yields (line, first part of the path within toktrial) of every import of toktrial in a file, wherever it stands.

    Those within functions and under TYPE_CHECKING count too. `__init__` stands for the package itself.
    """
    for node in ast.walk(ast.parse((SOURCE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{file}:{node.lineno} is a relative import, which these tests do not follow")
        else:
            continue
        for name in names:
            package, *parts = name.split(".")
            if package == "toktrial":
                is_module = bool(parts) and ((SOURCE / parts[0]).is_dir() or (SOURCE / f"{parts[0]}.py").is_file())
                yield node.lineno, parts[0] if is_module else "__init__"


def files_of(stage: str) -> list[Path]:
    return [file for file in FILES if file.parts[0] == stage]


def test_every_folder_is_a_stage_but_two() -> None:
    assert {file.parts[0] for file in FILES if len(file.parts) > 1} == {*STAGES, EXECUTION, FOLDER_OF_COMMANDS}
    assert {file.stem for file in FILES if len(file.parts) == 1} > OUTSIDE_THE_FLOW


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_leftwards_alone(stage: str) -> None:
    allowed = {*STAGES[: STAGES.index(stage) + 1], *OUTSIDE_THE_FLOW, "__init__"}
    files = files_of(stage)
    assert files
    wrong = [f"{file}:{line} imports {part}" for file in files for line, part in imported_parts(file) if part not in allowed]
    assert not wrong


def test_imports_are_found_wherever_they_stand() -> None:
    assert {"training", "tokens", "tokenizer"} <= {part for file in files_of("evaluation") for _, part in imported_parts(file)}
    in_functions = {part for _, part in imported_parts(Path("trial.py"))}
    assert {*STAGES, "protocol", "artifact"} <= in_functions
    assert "corpus" in {part for _, part in imported_parts(Path("tokens/store.py"))}, "under TYPE_CHECKING"


def test_cli_alone_imports_the_commands() -> None:
    importing = {file for file in FILES if FOLDER_OF_COMMANDS in {part for _, part in imported_parts(file)}}
    assert {file for file in importing if file.parts[0] != FOLDER_OF_COMMANDS} == {Path("cli.py")}


def test_trial_and_the_commands_alone_have_jobs_executed() -> None:
    importing = {file for file in FILES if EXECUTION in {part for _, part in imported_parts(file)}}
    assert {file.parts[0] for file in importing} == {EXECUTION, "trial.py", FOLDER_OF_COMMANDS}


@pytest.mark.parametrize("leaf", sorted(OUTSIDE_THE_FLOW))
def test_what_stands_outside_the_flow_imports_no_stage(leaf: str) -> None:
    assert {part for _, part in imported_parts(Path(f"{leaf}.py"))} <= OUTSIDE_THE_FLOW


@pytest.mark.parametrize("name", ["protocol", "config_tables", "presets"])
def test_a_protocol_is_made_of_the_stages_configs_alone(name: str) -> None:
    tree = ast.parse((SOURCE / f"{name}.py").read_text(encoding="utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    parts = {module.removeprefix("toktrial.") for module in modules if module.startswith("toktrial.")}
    of_stages = {part for part in parts if part.split(".")[0] in STAGES}
    assert of_stages
    assert of_stages <= set(CONFIGS)


def modules_after(code: str) -> list[str]:
    """Returns the top-level modules that are loaded when the code has run, in a process of its own."""
    script = f"import sys, json\ntry:\n    {code}\nexcept SystemExit as stop:\n    assert not stop.code\n"
    script += "sys.stderr.write(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stderr)
    return loaded


@pytest.mark.parametrize(
    "code",
    [
        "from toktrial.cli import main; main(['--help'])",
        "from toktrial.cli import main; main(['--version'])",
        *(f"from toktrial.cli import main; main({[*name.split(), '--help']})" for name in ONE_OF_EACH_KIND),
        "import toktrial; toktrial.tinystories(); toktrial.Protocol; toktrial.Trial",
    ],
)
def test_nothing_heavy_is_imported_before_there_is_work_to_do(code: str) -> None:
    loaded = modules_after(code)
    assert "toktrial" in loaded
    assert not set(HEAVY) & set(loaded)


def test_the_overview_imports_no_command() -> None:
    """`tyro` is what each of them takes to read its flags, `rich` and numpy what some print and compute with."""
    assert not {"tyro", "rich", "numpy"} & set(modules_after("from toktrial.cli import main; main(['--help'])"))


def test_configs_import_nothing_but_the_error() -> None:
    for config in CONFIGS:
        path = Path(*config.split(".")).with_suffix(".py")
        tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        assert {name for name in modules if name.split(".")[0] not in sys.stdlib_module_names} <= {"toktrial.errors"}, config


def test_public_names_resolve_where_they_are_said_to_live() -> None:
    assert set(toktrial.__all__) == set(toktrial._HOME)
    assert sorted(toktrial.__all__) == toktrial.__all__
    for name in toktrial.__all__:
        assert getattr(toktrial, name) is getattr(importlib.import_module(toktrial._HOME[name]), name)
        assert getattr(toktrial, name).__module__ == toktrial._HOME[name], f"{name} is not defined where _HOME says"
        assert name in dir(toktrial)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {a.name: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert seen == toktrial._HOME


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Tokeniser'"):
        _ = toktrial.Tokeniser
