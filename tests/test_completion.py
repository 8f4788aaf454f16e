"""`toktrial completion`: what bash and fish offer for a line, and that it is what the commands take."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from toktrial import commands
from toktrial.commands import COMMANDS
from toktrial.commands.completion import call_of, flags_of

IN_BASH = """
source ./script
COMP_WORDS=({line})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_toktrial
printf "%s\\n" "${{COMPREPLY[@]}}"
"""
LINES = {
    "toktrial stat": ["status"],
    "toktrial inspect to": ["tokens"],
    "toktrial inspect graph --or": ["--order"],
    "toktrial inspect graph trials/demo --order p": ["pmi"],
    "toktrial run lap": ["laptop"],
    "toktrial run demo --tracks.btm.prim": ["--tracks.btm.primitive-vocab-size"],
    "toktrial run my-own.toml --verdict.budget fl": ["flops"],
    "toktrial inspect tokens --se": [],
    "toktrial report trials/my-trial zz": [],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("completion")


@pytest.fixture
def offered(request: pytest.FixtureRequest, folder: Path, capsys: pytest.CaptureFixture[str]) -> "dict[str, list[str]]":
    """What the shell offers for each of LINES."""
    shell = str(request.param)
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    commands.execute(["completion", shell])
    (folder / "script").write_text(capsys.readouterr().out)
    found = {}
    for line in LINES:
        script = IN_BASH.format(line=line) if shell == "bash" else f"source ./script; complete -C '{line}'"
        done = subprocess.run([shell, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
        assert not done.stderr
        found[line] = [word.split("\t")[0] for word in done.stdout.splitlines() if word]
    return found


@pytest.mark.parametrize("offered", ["bash", "fish"], indirect=True)
def test_a_shell_offers_what_may_come_next(offered: dict[str, list[str]]) -> None:
    assert offered == LINES


def test_zsh_reads_the_script(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("no zsh here")
    commands.execute(["completion", "zsh"])
    (folder / "script").write_text(capsys.readouterr().out)
    done = subprocess.run(
        ["zsh", "-f", "-c", "source ./script; whence -w _toktrial; print $_comps[toktrial]"],
        cwd=folder, capture_output=True, text=True, check=True, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.split("\n")[0] == "_toktrial: function"
    assert "_toktrial" in done.stdout.split("\n")[1]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_flag_that_help_shows_is_offered(command: commands.Command, capsys: pytest.CaptureFixture[str]) -> None:
    of_preset = ["demo"] if not command.example or command.name == "run" else []
    with pytest.raises(SystemExit):
        commands.execute([*command.name.split(), *of_preset, "--help"])
    shown = set(re.findall(r"^[│ ]*(?:-h, )?(--[a-z][\w.-]*)", capsys.readouterr().out, re.MULTILINE))
    assert shown == set(flags_of(call_of(command)))
