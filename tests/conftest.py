"""Fixtures that several test folders share."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real text: TOKTRIAL_DATA, else ../shared/data; without it the test is skipped."""
    folder = Path(os.environ.get("TOKTRIAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real text here: set TOKTRIAL_DATA to a folder with tinystories/train.txt and valid.txt")
    return folder


@pytest.fixture(scope="session")
def golden_merges(shared_data: Path) -> list[dict[str, Any]]:
    """Worked merge cases: primitives, documents, expected merges, every document after them."""
    path = shared_data.parent / "golden" / "merges.json"
    if not path.is_file():
        pytest.skip("no golden merge cases beside the real text")
    cases: list[dict[str, Any]] = json.loads(path.read_text())
    return cases
