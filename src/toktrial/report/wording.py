"""How the report writes numbers and joins words, on the page, in Markdown and at the terminal.

A number that is None was not measured, and is shown as a dash.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence

NOT_MEASURED = "\N{EN DASH}"
ONE_SEED = "one seed"  # stands where an interval would
MINUS = "\N{MINUS SIGN}"
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"
OPEN_BOX = "\N{OPEN BOX}"
SPACES_SHOWN = {" ": OPEN_BOX}
FEW = 4  # as many tracks are named one by one in a sentence


def count(value: float | None) -> str:
    """Formats a whole number: 1234567 -> '1,234,567'."""
    return _formatted(value, ",.0f")


def decimal(value: float | None, digits: int) -> str:
    """Formats a number with a fixed number of digits after the point; a negative one has a true minus sign."""
    return _formatted(value, f",.{digits}f")


def two_digits(value: float | None) -> str:
    """Formats a number with two digits after the point."""
    return decimal(value, 2)


def signed(value: float | None, digits: int = 4) -> str:
    """Formats a difference, always with its sign."""
    return _formatted(value, f"+,.{digits}f")


def seconds(value: float | None) -> str:
    """Formats a time in seconds: one digit after the point below 100, none from there on."""
    return _formatted(value, ",.1f" if value is not None and value < 99.95 else ",.0f")


def scientific(value: float | None) -> str:
    """Formats a number too large to be read out with three digits: 123456789 -> '1.23e+08'."""
    return _formatted(value, ".2e")


def general(value: float | None) -> str:
    """Formats a number with as many digits as it has, up to six: 0.002 -> '0.002'."""
    return _formatted(value, "g")


def percent(share: float | None, digits: int = 1) -> str:
    """Formats a share of one as a percentage: 0.253 -> '25.3%'."""
    return _formatted(share, f".{digits}%")


def signed_percent(share: float | None) -> str:
    """Formats a relative difference: 0.0312 -> '+3.1%'."""
    return _formatted(share, "+.1%")


def interval(low: float | None, high: float | None, digits: int = 4) -> str:
    """Formats the interval of a difference over seeds: (0.0012, 0.0031) -> '+0.0012 to +0.0031'. One seed has none."""
    return ONE_SEED if low is None else f"{signed(low, digits)} to {signed(high, digits)}"


def with_spread(value: float | None, spread: float | None, digits: int) -> str:
    """Formats a mean over seeds and, where there are several, its standard deviation."""
    return decimal(value, digits) + _spread(spread, digits)


def percent_with_spread(share: float | None, spread: float | None) -> str:
    """Formats a mean share of one and, where there are several seeds, its standard deviation, both in percent."""
    return percent(share) + _spread(None if spread is None else 100 * spread, 1)


def duration(least: float, most: float | None = None) -> str:
    """Returns seconds as a person says them; nothing is known of NaN.

    >>> duration(100), duration(8000), duration(700_000), duration(8000, 30_000)
    ('about 2 minutes', 'about 2.2 hours', 'about 8.1 days', 'about 2.2 to 8.3 hours')
    """
    most = least if most is None else most
    if math.isnan(most):
        return "known once the corpus is here"
    units = (("days", 86400.0, 1), ("hours", 3600.0, 1), ("minutes", 60.0, 0), ("seconds", 1.0, 0))
    unit, size, digits = next((each for each in units if most >= 1.5 * each[1]), units[-1])
    low, high = (f"{seconds / size:.{digits}f}" for seconds in (least, most))
    return f"about {high} {unit}" if low == high else f"about {low} to {high} {unit}"


def plural(number: int, noun: str) -> str:
    """Formats a count with its noun: (1, 'seed') -> '1 seed', (3, 'seed') -> '3 seeds'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def joined(parts: Sequence[str]) -> str:
    """Joins parts as a sentence does: 'a', 'a and b', 'a, b and c'."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def of_each(values: Mapping[str, float | None], written: Callable[[float | None], str]) -> str:
    """Writes a number of every track: 'bpe 3 and btm 5', or of many 'from 3 (bpe) to 9 (tkn)'."""
    known = {name: value for name, value in values.items() if value is not None}
    if len(values) <= FEW or not known:
        return joined([f"{name} {written(value)}" for name, value in values.items()])
    low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    return f"from {written(known[low])} ({low}) to {written(known[high])} ({high})"


def first_sentence(text: str) -> tuple[str, str]:
    """Splits a text behind its first sentence: 'What it is. How to read it.' -> ('What it is.', 'How to read it.')."""
    first, *rest = re.split(r"(?<=[a-z\d)][.:]) (?=[A-Z])", text, maxsplit=1)
    return first, "".join(rest)


def visible(text: str, shown_as: Mapping[str, str] = SPACES_SHOWN) -> str:
    """Makes an entry's spaces and unprintable characters visible: ' of the' -> '␣of␣the'.

    `shown_as`: what certain characters are shown as; other unprintable ones become escapes.
    """
    return "".join(
        shown_as.get(letter, letter if letter.isprintable() else letter.encode("unicode_escape").decode()) for letter in text
    )


def short_percent(confidence: float) -> str:
    """Formats a share of one as a percentage with no more digits than it has: 0.95 -> '95%', 0.995 -> '99.5%'."""
    return f"{100 * confidence:g}%"


def _formatted(value: float | None, form: str) -> str:
    return NOT_MEASURED if value is None else format(value, form).replace("-", MINUS)


def _spread(spread: float | None, digits: int) -> str:
    return "" if spread is None else f" {PLUS_MINUS} {decimal(spread, digits)}"
