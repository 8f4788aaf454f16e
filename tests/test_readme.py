"""What the documentation shows is run as it stands: the README's commands and every Python example."""

import doctest
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from toktrial import protocol
from toktrial.corpus.storybook import stories

REPOSITORY = Path(__file__).resolve().parent.parent
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def readme_commands() -> list[str]:
    """The README's `toktrial` commands; its `make` targets are run by .ci/run."""
    blocks = SHELL_BLOCK.findall((REPOSITORY / "README.md").read_text(encoding="utf-8"))
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("toktrial ")]


@pytest.fixture(scope="module")
def folder_with_stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    text = "\n<|endoftext|>\n".join(stories(600_000, seed=5))
    (folder / "my_texts.txt").write_text(text + "\n<|endoftext|>\n", encoding="utf-8")
    return folder


def test_the_readme_shows_commands() -> None:
    assert len(readme_commands()) >= 4


@pytest.mark.parametrize("command", readme_commands())
def test_readme_commands_work_in_order(command: str, folder_with_stories: Path) -> None:
    words = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(words, cwd=folder_with_stories, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("page", ["README.md", "docs/how_it_works.md"])
def test_python_examples_give_what_the_page_says(page: str, folder_with_stories: Path) -> None:
    before = Path.cwd()
    os.chdir(folder_with_stories)
    try:
        failed, tried = doctest.testfile(str(REPOSITORY / page), module_relative=False, encoding="utf-8")
    finally:
        os.chdir(before)
    assert tried > 0
    assert not failed


def test_protocols_in_the_readme_are_protocols() -> None:
    blocks = re.findall(
        r"^```toml\n(.*?)^```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert blocks
    for block in blocks:
        plan = protocol.from_dict(tomllib.loads(block))
        assert plan.baseline == "bpe"
        assert [recipe.recipe for recipe in plan.tracks.values()] == ["bpe", "btm", "file"]


def test_readme_links_lead_somewhere() -> None:
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
