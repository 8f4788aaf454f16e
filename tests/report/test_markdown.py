"""report.md through a Markdown parser: whatever a name holds, a reader sees it as it stands."""

import html
import json
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # rich, which prints at the terminal, brings it

from toktrial.report.markdown import render_markdown

NAMES = st.text(string.ascii_letters + string.digits + string.punctuation + " ", min_size=1, max_size=30)


@pytest.fixture(scope="module")
def results(reported_trial: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((reported_trial / "report/results.json").read_text(encoding="utf-8"))
    return loaded


@given(name=NAMES)
@example(name="a_b_ ~~c~~ *d* `e` [f](g) <h> &amp; i|j \\k")
def test_names_are_shown_as_they_stand(results: dict[str, Any], name: str) -> None:
    """The trial's name stands in a sentence, the baseline's in the caption of a table."""
    start = render_markdown(results | {"trial": name, "baseline": name}, []).split("\n### ")[0]
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(start)
    sentence = re.search(r"<p>Trial (.*?): which tokenizer made the model", page, re.DOTALL)
    caption = re.search(r"<em>What each track needs to reach the value at which (.*?)'s curve of bits", page, re.DOTALL)
    for found in (sentence, caption):
        assert found is not None
        assert html.unescape(found[1]).split() == name.split()
