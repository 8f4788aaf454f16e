"""report.md, index.html and results.json say the same: every number that a reader sees is one of the results, rounded.

A number is known by the form that it is written in (sign, decimals, percent, exponent). So one digit that
is changed anywhere is noticed, unless another number of the results happens to read like it.
"""

import html.parser
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from toktrial.blind_pairs import ANSWERS, Questionnaire
from toktrial.presets import demo
from toktrial.report.wording import MINUS
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.training.config import ModelConfig
from toktrial.trial import Trial

# A number by itself: no part of a name ("GPT-2", "distinct-1", "4-grams"), of a version, a date, a hash or a path.
NUMBER = re.compile(rf"(?<![\w.:/-])([+{MINUS}]?)(\d[\d,]*)(\.\d+)?(e[+{MINUS}]\d+)?(%?)(?![\w/:]|[.,]\d|-\w)")
PERCENT_PLUS_MINUS = "% \N{PLUS-MINUS SIGN} "  # the spread after it is in percent too
MOST_DECIMALS = 4
SAID_BY_PROSE = {"0", "1", "2"}  # "does not hold 0", "below 1 is sooner", "two"
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


def numbers_in(value: Any) -> Iterator[float]:
    """Yields the numbers of the results, without the points of curves, which are too many to tell a wrong digit from.

    How many items a list holds is a number too, and so is a name or version that reads like one.
    """
    if isinstance(value, dict):
        for name, part in value.items():
            yield from numbers_in(part if name != "curve" else {})
            if name.isdecimal():
                yield float(name)
        yield float(len(value))
    elif isinstance(value, list):
        yield float(len(value))
        for part in value:
            yield from numbers_in(part)
    elif not isinstance(value, bool) and re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", str(value)):
        yield float(value)


def renderings(results: dict[str, Any]) -> dict[str, set[str]]:
    """Returns, by form, every way in which the report may write a number of the results: see `form_of`."""
    written: dict[str, set[str]] = defaultdict(set)
    for number in set(numbers_in(results)):
        for size in {abs(number), abs(number) if number < 0 else number}:
            for digits in range(MOST_DECIMALS + 1):
                written[f".{digits}"].add(f"{size:,.{digits}f}")
                written[f".{digits}%"].add(f"{100 * size:,.{digits}f}")
            written["e"].add(f"{size:.2e}")
            short = f"{size:g}"
            written[_form(short)].add(short)
            written[f"{_form(short)}%"].add(f"{100 * size:g}")
            written[_form(f"{size:.2g}")].add(f"{size:.2g}")
    return written


def unknown_numbers(text: str, written: dict[str, set[str]]) -> list[str]:
    """Returns the numbers of a text that are no number of the results, each with what stands around it."""
    return [
        text[max(0, match.start() - 40) : match.end() + 20].replace("\n", " ")
        for match in NUMBER.finditer(text)
        if not is_known(match, written)
    ]


def is_known(match: re.Match[str], written: dict[str, set[str]]) -> bool:
    _, whole, decimals, exponent, percent = match.groups()
    digits = f"{whole.rstrip(',')}{decimals or ''}{exponent or ''}".replace(MINUS, "-")
    is_spread_of_percentage = match.string[: match.start()].endswith(PERCENT_PLUS_MINUS)
    return digits in SAID_BY_PROSE or digits in written[f"{_form(digits)}{'%' if is_spread_of_percentage else percent}"]


def _form(digits: str) -> str:
    return "e" if "e" in digits else f".{len(digits.partition('.')[2])}"


@pytest.fixture(scope="module")
def whole_trial(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    """A trial that ran, with all that a report may hold: a control, minimal pairs, votes on its samples, a target."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "pairs").mkdir()
    pairs = (shared_data / "blimp/adjunct_island.jsonl").read_text(encoding="utf-8").splitlines()[:40]
    (folder / "pairs/adjunct_island.jsonl").write_text("\n".join(pairs), encoding="utf-8")
    small = demo()
    plan = replace(
        small,
        seeds=2,
        control=True,
        vocab_size=500,
        corpus=replace(small.corpus, max_megabytes=0.3, validation_share=0.05),
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=400)},
        model=ModelConfig(n_layer=1, n_head=2, width=32, context=32),
        training=replace(small.training, batch_size=4, steps=30, warmup_steps=2, log_every=5),
        evaluation=replace(
            small.evaluation,
            eval_documents=5,
            prompts=("Once upon a time",),
            max_new_bytes=60,
            minimal_pairs=str(folder / "pairs"),
        ),
    )
    trial = Trial(folder / "trial", plan)
    trial.evaluate()
    questionnaire = Questionnaire(trial, "somebody")
    for number in range(len(questionnaire)):
        questionnaire.vote(number, ANSWERS[number % len(ANSWERS)])
    trial.write_report(target=7.5)
    return trial.folder


@pytest.fixture(scope="module", params=["reported_trial", "whole_trial"])
def report(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder / "report"


def test_the_whole_trial_holds_every_section(whole_trial: Path) -> None:
    results = json.loads((whole_trial / "report/results.json").read_text(encoding="utf-8"))
    for section in ("control", "targets", "minimal_pairs", "sample_measures", "ratings", "cuts"):
        assert results[section], section


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
