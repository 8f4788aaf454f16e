"""What the documentation shows is run as it stands: the README's commands and every Python example."""

import doctest
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w

from toktrial import cli, presets, protocol
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.storybook import stories
from toktrial.tokenizer.config import RECIPES
from toktrial.training.config import ModelConfig

REPOSITORY = Path(__file__).resolve().parent.parent
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def readme_commands() -> list[str]:
    """The `toktrial` commands of the README and of docs/running.md. .ci/run runs the `make` targets, and so the bare demo."""
    pages = [REPOSITORY / "README.md", REPOSITORY / "docs/running.md"]
    blocks = [block for page in pages for block in SHELL_BLOCK.findall(page.read_text(encoding="utf-8"))]
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("toktrial ") and line != "toktrial run demo"]


@pytest.fixture(scope="module")
def folder_with_stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readme")
    text = "\n<|endoftext|>\n".join(stories(600_000, seed=5))
    (folder / "my_texts.txt").write_text(text + "\n<|endoftext|>\n", encoding="utf-8")
    return folder


def test_the_readme_shows_commands() -> None:
    assert len(readme_commands()) >= 4


@pytest.mark.parametrize("command", readme_commands())
def test_readme_commands_work_in_order(command: str, folder_with_stories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within this process, to import torch once.

    To be done sooner, a trial begins with one seed, takes few steps, and its model is small.
    """
    monkeypatch.chdir(folder_with_stories)
    words = shlex.split(command)[1:]
    if words[:2] == ["run", "demo"]:
        words += ["--seeds", "1", "--model.n-layer", "2", "--model.n-head", "2", "--model.width", "64"]
        if "--training.steps" not in words:
            words += ["--training.steps", "40"]
        words = [{"1600": "80"}.get(word, word) for word in words]
    try:
        cli.main(words)
    except SystemExit as stopped:
        assert not stopped.code, f"exit code {stopped.code}"


def test_the_shown_protocol_is_one() -> None:
    shown = protocol.load(REPOSITORY / "docs/four_tracks.toml")
    assert list(shown.tracks) == ["bpe", "btm", "btm3072", "words3072"]
    assert (shown.seeds, shown.control, shown.training.steps) == (5, True, 6000)


def test_the_protocol_of_all_recipes_makes_a_track_of_each_value() -> None:
    shown = protocol.load(REPOSITORY / "docs/recipes.toml", based_on=presets.preset)
    assert len(shown.tracks) == 1 + 3 * 2 + 3 + 3 + 2 + 1
    assert {recipe.recipe for recipe in shown.tracks.values()} == {*RECIPES} - {"bytes", "file"}


def test_files_that_the_map_names_are_there() -> None:
    page = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    code = REPOSITORY / "src/toktrial"
    files = {name for name in re.findall(r"`([\w/]+\.py)`", page) if not name.startswith("tests/")}
    folders = set(re.findall(r"`([\w/]+)/`", page))
    assert len(files) > 30
    assert not {name for name in files if not list(code.rglob(name))}
    assert not {name for name in folders if not list(code.rglob(name))}
    assert all((REPOSITORY / "docs" / link).is_file() for link in re.findall(r"\]\((\w+\.md)\)", page))


@pytest.mark.parametrize(
    "page", ["README.md", "docs/how_it_works.md", "docs/add_a_track.md", "docs/faq.md", "src/toktrial/tokenizer/README.md"]
)
def test_python_examples_give_what_the_page_says(page: str, folder_with_stories: Path) -> None:
    before = Path.cwd()
    os.chdir(folder_with_stories)
    try:
        failed, tried = doctest.testfile(str(REPOSITORY / page), module_relative=False, encoding="utf-8")
    finally:
        os.chdir(before)
    assert tried > 0
    assert not failed


def test_protocols_in_the_readme_are_protocols(tmp_path: Path) -> None:
    blocks = re.findall(
        r"^```toml\n(.*?)^```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert blocks
    for block in blocks:
        path = tmp_path / "shown.toml"
        path.write_text(block, encoding="utf-8")
        plan = protocol.load(path, based_on=presets.preset)
        assert plan.baseline == "bpe"
        assert [recipe.recipe for recipe in plan.tracks.values()] == ["bpe", "btm", "file"]


def blocks_of(page: str, language: str) -> list[str]:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_guide_to_a_file_track_shows_a_protocol() -> None:
    (block,) = blocks_of("docs/add_a_track.md", "toml")
    plan = protocol.from_dict(tomllib.loads(block))
    assert [recipe.recipe for recipe in plan.tracks.values()] == ["bpe", "file"]


@pytest.mark.skipif(shutil.which("patch") is None, reason="the page shows a patch, and there is no `patch` to apply it")
def test_the_recipe_that_the_guide_writes_is_a_track(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "src", tmp_path / "src")
    (change,) = blocks_of("docs/add_a_track.md", "diff")
    module = next(block for block in blocks_of("docs/add_a_track.md", "python") if block.startswith('"""A track'))
    (tmp_path / "src" / "toktrial" / "tokenizer" / "common_words.py").write_text(module, encoding="utf-8")
    patch = ["patch", "-p1", "--batch"]
    patched = subprocess.run(patch, cwd=tmp_path, input=change, capture_output=True, text=True, check=False)
    assert patched.returncode == 0, patched.stdout
    demo = presets.demo()
    plan = replace(
        demo,
        seeds=1,
        vocab_size=1024,
        corpus=CorpusConfig(path="storybook", max_megabytes=0.2, validation_share=0.05),
        model=ModelConfig(n_layer=1, n_head=2, width=32, context=32),
        training=replace(demo.training, batch_size=4, steps=10, warmup_steps=2, log_every=10),
    )
    plain = protocol.to_dict(plan)
    plain["tracks"] = {"bpe": {"recipe": "bpe"}, "words": {"recipe": "common_words"}}
    (tmp_path / "mine.toml").write_text(tomli_w.dumps(plain), encoding="utf-8")

    def toktrial(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "toktrial", *arguments]
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = toktrial("run", "mine.toml", "--trial", "mine")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "mine" / "report" / "results.json").read_text())
    assert results["tracks"]["words"]["entries"] == 257 + 28
    refused = toktrial("export", "mine/runs/words/seed-1", "model")
    assert refused.returncode == 1
    assert "the recipe 'common_words' must also write tokenizer.json" in refused.stderr


def test_readme_links_lead_somewhere() -> None:
    for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
