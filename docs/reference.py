"""Writes two pages from the code: protocol_reference.md, of all fields, and api_reference.md, of what `import toktrial` offers.

    python docs/reference.py            # writes both
    python docs/reference.py --check    # exits with 1 where one of them is not what the code says

Types, defaults and docstrings are the code's own. Which results depend on a field is tried out, on real fingerprints.
"""

import ast
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import toktrial
from toktrial.config_tables import KINDS
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.stage import corpus_fingerprint
from toktrial.evaluation.config import EvaluationConfig
from toktrial.evaluation.stage import run_evaluation_fingerprint
from toktrial.protocol import AMENDABLE, Protocol
from toktrial.report.config import VerdictConfig
from toktrial.tokenizer.config import RECIPES
from toktrial.training.config import ModelConfig, TrainingConfig, TuningConfig
from toktrial.training.run import Run

FOLDER = Path(__file__).parent
NOTE = "<!-- Written by docs/reference.py from the code; `make docs` writes it again. -->\n"
LONGEST_DEFAULT = 60  # characters; a longer list is counted instead
GROWING = {"seeds": "upwards", "training.steps": "upwards, under a constant schedule", "verdict.budget": "but for `flops`"}
TABLES = ("tracks", "corpus", "model", "training", "tuning", "evaluation", "verdict")
# What no fingerprint says, by table and field; an empty field stands for all of a table.
WRITTEN_DOWN = {
    ("", "name"): "the folder",
    ("", "seeds"): "how many runs there are",
    ("", "most_seeds"): "how many runs there are",
    ("", "control"): "how many runs there are",
    ("", "vocab_size"): "tokenizers, and all that follows",
    ("", "bpe_trainer"): "nothing but time: both learn the same merges",
    ("training", "match"): "the shape of the other tracks' runs",
    ("training", "threads"): "the last bits of the runs",
    ("tuning", ""): "the learning rates, and the runs",
    ("evaluation", "minimal_pairs"): "an evaluation of its own",
    ("evaluation", "marginal"): "an evaluation of its own",
    ("evaluation", "eval_documents"): "curves and evaluation of the runs",
    ("verdict", "budget"): "the report; under `flops` also the steps of the runs",
    ("verdict", ""): "the report",
    ("tracks.NAME", ""): "the track's tokenizer, and all that follows",
}

PROTOCOL_PAGE = """\
# Every field of the protocol

A protocol is a TOML file. What it leaves out comes from the preset that `base` names, or else is the default below. Each field
is also a flag: `--training.steps 4000`, `--tracks.btm.scope words`. `toktrial init` writes a small protocol to begin from.

The last column says which results depend on a field. A trial that has begun takes over a change only where the column says
**amendable**: no finished result becomes wrong then, and the report lists the change. For any other, begin another trial.
"""

API_PAGE = """\
# What `import toktrial` offers

These names are imported when they are first used, so that `import toktrial` costs next to nothing. All else is inside the
package, and may change.
"""


def protocol_reference() -> str:
    """Returns the page of all fields."""
    parts = [NOTE + PROTOCOL_PAGE, _section("The trial itself", "", Protocol)]
    configs = {
        "corpus": CorpusConfig, "model": ModelConfig, "training": TrainingConfig, "tuning": TuningConfig,
        "evaluation": EvaluationConfig, "verdict": VerdictConfig,
    }  # fmt: skip
    parts += [_section(f"`[{name}]`", name, kind) for name, kind in configs.items()]
    parts.append(
        "## `[tracks.NAME]`\n\nA table for each track, of which the first is the baseline. `recipe` says which of these it is; "
        "[Recipes](recipes.md) explains them.\n"
    )
    parts += [_section(f'`recipe = "{name}"`', "tracks.NAME", kind, "###") for name, kind in RECIPES.items()]
    return "\n".join(parts)


def _section(title: str, where: str, kind: type, level: str = "##") -> str:
    lines = [f"{level} {title}", "", _prose(kind.__doc__ or ""), ""]
    lines += ["| field | type | default | what it says | what depends on it |", "|---|---|---|---|---|"]
    about, types = dict(_documented_fields(kind)), typing.get_type_hints(kind)
    for each in fields(kind):
        if where or each.name not in TABLES:
            cells = [f"`{each.name}`", _type(types[each.name]), _default(each), about[each.name], _dependents(where, each.name)]
            lines.append("| " + " | ".join(_prose(cell).replace("\n", " ").replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _documented_fields(kind: type) -> Iterator[tuple[str, str]]:
    """Yields (name, docstring) of the fields of a dataclass and those that it inherits."""
    for each in reversed([base for base in kind.__mro__ if base.__module__.startswith("toktrial.")]):
        for field, doc in zip(_body(each), _body(each)[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(doc, ast.Expr):
                assert isinstance(doc.value, ast.Constant)
                yield field.target.id, inspect.cleandoc(str(doc.value.value))


def _body(kind: type) -> list[ast.stmt]:
    (definition,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)
    return definition.body


def _type(hint: Any) -> str:
    if typing.get_origin(hint) is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in typing.get_args(hint))
    return str(KINDS[hint])


def _default(each: "Field[Any]") -> str:
    assert each.default is not MISSING, f"{each.name} has no plain default"
    text = json.dumps(each.default, ensure_ascii=False)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else f"a list of {len(each.default)}"


# What depends on a field


@dataclass(frozen=True)
class Made:
    """The fingerprints of what a protocol makes, as far as they follow from its configs alone."""

    corpus: str
    run: str
    evaluation: str

    @classmethod
    def by(cls, plan: Protocol) -> "Made":
        place = Path("nowhere")
        run = Run(plan.baseline, 1, plan.vocab_size, *plan.shape_of(plan.baseline), place, place)
        evaluation = run_evaluation_fingerprint(run, "tokens", plan.evaluation)
        return cls(corpus_fingerprint(plan.corpus), run.fingerprint("tokens"), evaluation)


def _dependents(where: str, name: str) -> str:
    full = f"{where}.{name}" if where else name
    if full in GROWING:
        return f"{_results(where, name)}; **amendable** {GROWING[full]}"
    return _results(where, name) + ("; **amendable**" if full in AMENDABLE else "")


def _results(where: str, name: str) -> str:
    if (where, name) in WRITTEN_DOWN:
        return WRITTEN_DOWN[where, name]
    if (where, "") in WRITTEN_DOWN:
        return WRITTEN_DOWN[where, ""]
    old, new = Made.by(Protocol()), Made.by(_changed(where, name))
    if new.corpus != old.corpus:
        return "everything"
    if new.run != old.run:
        return "runs"
    return "evaluation of the runs" if new.evaluation != old.evaluation else "nothing"


def _changed(where: str, name: str) -> Protocol:
    """Returns the default protocol with another value of one field."""
    plan = Protocol()
    config = getattr(plan, where)
    old, hint = getattr(config, name), typing.get_type_hints(type(config))[name]
    if typing.get_origin(hint) is Literal:
        new = next(value for value in typing.get_args(hint) if value != old)
    elif hint is int:
        new = 4 * (old or 1)
    else:
        new = {float: 0.5, str: "hub:another/one", tuple[str, ...]: ("Another",)}[hint]
    assert new != old
    return replace(plan, **{where: replace(config, **{name: new})})


# What is offered


def api_reference() -> str:
    """Returns the page of the public names."""
    offered = {name: getattr(toktrial, name) for name in toktrial.__all__}
    parts = [_class(name, it) if inspect.isclass(it) else _of_function(name, it) for name, it in offered.items()]
    return "\n".join([NOTE + API_PAGE, *parts])


def _class(name: str, kind: type) -> str:
    parts = [f"## `{name}`", "", _prose(inspect.getdoc(kind) or ""), ""]
    members: dict[str, ast.FunctionDef] = {}
    for each in reversed([base for base in kind.__mro__ if base.__module__.startswith("toktrial.")]):
        # A method that says nothing of its own does what that of its base says.
        members |= {node.name: node for node in _body(each) if isinstance(node, ast.FunctionDef) and ast.get_docstring(node)}
    for member, node in sorted(members.items(), key=lambda item: item[0] != "__init__"):
        if member == "__init__" or not member.startswith("_"):
            parts.append(_function(f"{name}.{member}", node, "###"))
    return "\n".join(parts)


def _of_function(name: str, function: Any) -> str:
    (node,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function))).body
    assert isinstance(node, ast.FunctionDef)
    return _function(name, node, "##")


def _function(name: str, node: ast.FunctionDef, level: str) -> str:
    returns = f" -> {_annotation(node.returns)}" if node.returns else ""
    is_property = any(ast.unparse(decorator) == "property" for decorator in node.decorator_list)
    arguments = [part for part in _arguments(node) if part not in ("self", "cls")]
    joined = ", ".join(arguments) if sum(map(len, arguments)) < 80 else "\n    " + ",\n    ".join(arguments) + ",\n"
    called = name.removesuffix(".__init__")
    signature = f"{called}{returns.replace(' ->', ':')}" if is_property else f"{called}({joined}){returns}"
    return "\n".join([f"{level} `{called}{'' if is_property else '()'}`", "", "```python", signature, "```", ""]) + (
        "\n" + _prose(ast.get_docstring(node) or "") + "\n"
    )


def _arguments(node: ast.FunctionDef) -> Iterator[str]:
    """Yields the arguments as the code has them, each with its type and default."""
    named = node.args
    positional = [*named.posonlyargs, *named.args]
    defaults = [None] * (len(positional) - len(named.defaults)) + list(named.defaults)
    yield from map(_argument, positional, defaults)
    if named.vararg:
        yield "*" + _argument(named.vararg)
    elif named.kwonlyargs:
        yield "*"
    yield from map(_argument, named.kwonlyargs, named.kw_defaults)
    if named.kwarg:
        yield "**" + _argument(named.kwarg)


def _argument(argument: ast.arg, default: ast.expr | None = None) -> str:
    annotation = f": {_annotation(argument.annotation)}" if argument.annotation else ""
    return argument.arg + annotation + (" = " + ast.unparse(default).replace("'", '"') if default else "")


def _annotation(node: ast.expr) -> str:
    """Returns a type as code, without the quotes around names that are not imported at run time."""
    text = ast.unparse(node)
    return text.replace("'", '"' if "Literal" in text else "")


def _prose(docstring: str) -> str:
    """Returns a docstring as Markdown: examples become code, and what looks like HTML outside code is text."""
    text = inspect.cleandoc(docstring)
    if ">>>" in text:
        before, _, example = text.partition(">>>")
        return f"{_prose(before)}\n\n```python\n>>>{example.rstrip()}\n```"
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in re.split(r"(`[^`]*`)", text)).strip()


PAGES = {"protocol_reference.md": protocol_reference, "api_reference.md": api_reference}


def main() -> None:
    is_stale = False
    for name, page in PAGES.items():
        path, text = FOLDER / name, page()
        if "--check" in sys.argv:
            is_stale |= not path.is_file() or path.read_text(encoding="utf-8") != text
        else:
            path.write_text(text, encoding="utf-8")
    if is_stale:
        sys.exit("the reference in docs/ is not what the code says: python docs/reference.py writes it again")


if __name__ == "__main__":
    main()
