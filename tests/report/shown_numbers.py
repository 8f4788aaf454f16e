"""Which numbers a text of the report shows, and whether each is one of the results, rounded as its form says.

A number is known by the form that it is written in: sign, decimals, percent, exponent.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from toktrial.report.wording import MINUS

PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
# A number by itself: no part of a name ("GPT-2", "distinct-1", "4-grams"), of a version, a date, a hash or a path.
NUMBER = re.compile(rf"(?<![\w.:/-])([+{MINUS}]?)(\d[\d,]*)(\.\d+)?(e[+{MINUS}]\d+)?(%?)(?![\w/:]|[.,]\d|-\w)")
# What stands before a number in percent that has no sign of its own: a spread, or the ends of an interval in brackets.
IN_PERCENT = re.compile(rf"% {PLUS_MINUS} \Z|%( {PLUS_MINUS} [\d.]+)? \(([\d.]+ to )?\Z")
MOST_DECIMALS = 4
SAID_BY_PROSE = {"0", "1", "2"}  # "does not hold 0", "below 1 is sooner", "two"


def numbers_in(value: Any) -> Iterator[float]:
    """Yields the numbers of the results, without the points of curves, which are too many to tell a wrong digit from.

    How many items a list holds is a number too, and so is a name or version that reads like one.
    """
    if isinstance(value, dict):
        for name, part in value.items():
            yield from numbers_in(part if name not in ("curve", "curves") else {})
            if name.isdecimal():
                yield float(name)
        yield float(len(value))
    elif isinstance(value, list):
        yield float(len(value))
        for part in value:
            yield from numbers_in(part)
    elif not isinstance(value, bool) and re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", str(value)):
        yield float(value)


def renderings(results: Any) -> dict[str, set[str]]:
    """Returns, by form, every way in which the report may write a number of the results, or of a part of them."""
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
        if not _is_known(match, written)
    ]


def _is_known(match: re.Match[str], written: dict[str, set[str]]) -> bool:
    _, whole, decimals, exponent, percent = match.groups()
    digits = f"{whole.rstrip(',')}{decimals or ''}{exponent or ''}".replace(MINUS, "-")
    in_percent = percent or _is_points(match) or IN_PERCENT.search(match.string[: match.start()])
    return digits in SAID_BY_PROSE or digits in written[f"{_form(digits)}{'%' if in_percent else ''}"]


def _is_points(match: re.Match[str]) -> bool:
    """Whether it is a difference of percentages: of all signed numbers, these alone have one decimal."""
    sign, _, decimals, *_ = match.groups()
    return bool(sign) and decimals is not None and len(decimals) == 2


def _form(digits: str) -> str:
    return "e" if "e" in digits else f".{len(digits.partition('.')[2])}"
