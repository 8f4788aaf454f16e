"""What is published: the wheel and the sdist hold what they must, and everything says the same version."""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import toktrial

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "src"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("packages")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_wheel_holds_every_file_of_the_package(packages: Path) -> None:
    (wheel,) = packages.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
        metadata = opened.read(f"toktrial-{toktrial.__version__}.dist-info/METADATA").decode()
    there = {path.relative_to(SOURCE).as_posix() for path in (SOURCE / "toktrial").rglob("*") if path.is_file()}
    assert names == {name for name in there if "__pycache__" not in name}
    assert {"toktrial/py.typed", "toktrial/report/page_files/page.html", "toktrial/commands/rate.html.jinja"} <= names
    assert f"\nVersion: {toktrial.__version__}\n" in metadata


def test_the_sdist_holds_what_it_takes_to_test_and_document(packages: Path) -> None:
    (sdist,) = packages.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "constraints.txt", "Makefile"} <= names
    assert {"tests/test_packages.py", "docs/fairness.md", "src/toktrial/corpus/storybook_data/plots.txt"} <= names


def test_everything_says_the_same_version() -> None:
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    cited = re.search(r"^version: (.+)$", (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest and cited
    assert (newest[1], cited[1]) == (toktrial.__version__,) * 2
