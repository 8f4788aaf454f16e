"""The commit that a run was trained from: a checkout's own, and nobody else's."""

import subprocess
from pathlib import Path

import pytest

from toktrial.training.record import source_commit


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    try:
        for command in (["init", "-q"], ["add", "package"], ["commit", "-q", "-m", "First"]):
            subprocess.run([*git, *command], check=True)
    except OSError:
        pytest.skip("there is no git here")
    return folder


def test_it_is_the_commit_of_the_checkout(checkout: Path) -> None:
    head = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert source_commit(checkout) == head.stdout.strip()


def test_changed_files_are_said(checkout: Path) -> None:
    (checkout / "__init__.py").write_text("changed = True")
    commit = source_commit(checkout)
    assert commit is not None
    assert commit.endswith("-dirty")


def test_a_package_within_another_project_has_no_commit(checkout: Path) -> None:
    installed = checkout / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    assert source_commit(installed) is None


def test_outside_a_checkout_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    assert source_commit(tmp_path) is None
