"""report.md, index.html and results.json say the same: every number that a reader sees is one of the results, rounded.

So one digit that is changed anywhere is noticed, unless another number of the results happens to read like it.
"""

import html.parser
import json
import re
from pathlib import Path
from typing import Any

import pytest

from .shown_numbers import NUMBER, renderings, unknown_numbers

NOTICED = 0.75  # of changed digits, at least; the rest reads like another number, as chance and clocks have it
LEFT_OUT_OF_THE_PAGE = (
    "script",
    "style",
    "code",
    "pre",
    "blockquote",
    "svg",
)  # what models and corpora wrote, and the machinery


class PageText(html.parser.HTMLParser):
    """Collects the text that the report itself says: without scripts, charts, and what models or corpora wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  # the parser's own name
        if tag in LEFT_OUT_OF_THE_PAGE:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag == self._inside[-1]:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        self.text += " " if self._inside else f" {data}"


def markdown_text(report: Path) -> str:
    """The report in Markdown without its code blocks (what models and corpora wrote) and without the names of its files."""
    text = (report / "report.md").read_text(encoding="utf-8")
    text = re.sub(r"^(`{3,})[^`\n]*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return text.replace("\\", "")


def page_text(report: Path) -> str:
    parser = PageText()
    parser.feed((report / "index.html").read_text(encoding="utf-8"))
    return parser.text


@pytest.fixture(scope="module", params=["reported_trial", "whole_trial"])
def report(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder / "report"


def test_the_whole_trial_holds_every_section(whole_trial: Path) -> None:
    results = json.loads((whole_trial / "report/results.json").read_text(encoding="utf-8"))
    for section in ("control", "targets", "minimal_pairs", "sample_measures", "ratings", "cuts"):
        assert results[section], section
    assert results["minimal_pairs"]["fields"]
    assert results["targets"]["asked_for"]


@pytest.fixture(scope="module")
def written(report: Path) -> dict[str, set[str]]:
    return renderings(json.loads((report / "results.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("text_of", [markdown_text, page_text])
def test_every_number_is_one_of_the_results(report: Path, written: dict[str, set[str]], text_of: Any) -> None:
    text = text_of(report)
    assert len(NUMBER.findall(text)) > 150
    assert unknown_numbers(text, written) == []


@pytest.mark.parametrize("text_of", [markdown_text, page_text])
def test_a_changed_digit_is_noticed(report: Path, written: dict[str, set[str]], text_of: Any) -> None:
    """The last digit of every number with four or more; and that of the verdict's own sentence by itself.

    Shorter numbers, too, are those of the results: but among some hundred of them a wrong one often reads like another.
    """
    text = text_of(report)
    long = {match[0] for match in NUMBER.finditer(text) if len(re.sub(r"\D", "", match[0])) >= 4}
    assert _share_noticed(long, written) >= NOTICED
    verdict = re.search(r"ended (\S+) bits per byte", text)
    assert verdict is not None
    assert _share_noticed({verdict[1]}, written) > 0.5


def _share_noticed(numbers: set[str], written: dict[str, set[str]]) -> float:
    """Returns the share of all wrong last digits of these numbers that are noticed."""
    wrong = [other for number in numbers for other in _with_another_last_digit(number)]
    return sum(bool(unknown_numbers(other, written)) for other in wrong) / len(wrong)


def _with_another_last_digit(number: str) -> list[str]:
    *_, last = re.finditer(r"\d", number)
    return [f"{number[: last.start()]}{digit}{number[last.end() :]}" for digit in "0123456789" if digit != last[0]]
