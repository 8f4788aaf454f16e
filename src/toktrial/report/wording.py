"""How the report writes numbers, and the sentences of its verdict; page and Markdown share both and so agree.

Reads results.json's dict alone: results -> wording -> page and Markdown.
"""

from collections.abc import Mapping, Sequence
from typing import Any

UNDECIDED = "undecided: "  # how a verdict's word begins that says no more than why
NOT_MEASURED = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
OPEN_BOX = "\N{OPEN BOX}"


def count(value: float | None) -> str:
    """Formats a whole number: 1234567 -> '1,234,567'."""
    return NOT_MEASURED if value is None else f"{value:,.0f}"


def decimal(value: float | None, digits: int) -> str:
    """Formats a number with a fixed number of digits after the point; a negative one has a true minus sign."""
    return NOT_MEASURED if value is None else f"{value:,.{digits}f}".replace("-", MINUS)


def signed(value: float | None, digits: int = 4) -> str:
    """Formats a difference, always with its sign."""
    return NOT_MEASURED if value is None else f"{value:+,.{digits}f}".replace("-", MINUS)


def seconds(value: float | None) -> str:
    """Formats a time in seconds: one digit after the point below 100, none from there on."""
    return NOT_MEASURED if value is None else f"{value:,.{1 if value < 99.95 else 0}f}"


def scientific(value: float | None) -> str:
    """Formats a number too large to be read out with three digits: 123456789 -> '1.23e+08'."""
    return NOT_MEASURED if value is None else f"{value:.2e}".replace("-", MINUS)


def percent(share: float | None, digits: int = 1) -> str:
    """Formats a share of one as a percentage: 0.253 -> '25.3%'."""
    return NOT_MEASURED if share is None else f"{100 * share:.{digits}f}%"


def with_spread(value: float | None, spread: float | None, digits: int) -> str:
    """Formats a mean over seeds and, where there are several, its standard deviation."""
    mean = decimal(value, digits)
    return mean if spread is None else f"{mean} \N{PLUS-MINUS SIGN} {decimal(spread, digits)}"


def plural(number: int, noun: str) -> str:
    """Formats a count with its noun: (1, 'seed') -> '1 seed', (3, 'seed') -> '3 seeds'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def joined(parts: Sequence[str]) -> str:
    """Joins parts as a sentence does: 'a', 'a and b', 'a, b and c'."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def visible(text: str) -> str:
    """Makes an entry's spaces and unprintable characters visible: ' of the' -> '␣of␣the'."""
    shown = text.replace(" ", OPEN_BOX)
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in shown)


def short_percent(confidence: float) -> str:
    """Formats a share of one as a percentage with no more digits than it has: 0.95 -> '95%', 0.995 -> '99.5%'."""
    return f"{100 * confidence:g}%"


def budget_phrase(protocol: Mapping[str, Any]) -> str:
    """Returns where the verdict compares the tracks, in words."""
    if protocol["verdict"].get("budget", "steps") == "bytes":
        return "after equal bytes of text"
    is_matched = protocol.get("training", {}).get("match", "tokens") == "bytes"
    return f"after equal steps and so equal {'bytes of text, but for rounding' if is_matched else 'FLOPs'}"


def rate_phrase(protocol: Mapping[str, Any]) -> str:
    """Returns which of the tuned learning rates the tracks are trained at, in words; nothing where rates are not tuned."""
    tuning = protocol.get("tuning", {})
    if not tuning.get("rates"):
        return ""
    return ", each at its own tuned learning rate" if tuning["decides"] == "own" else ", at the learning rate tuned for all"


def criterion(baseline: str, others: Sequence[str], protocol: Mapping[str, Any]) -> str:
    """Returns the success criterion as the protocol fixed it, before anything ran.

    >>> criterion("bpe", ["btm"], {"seeds": 3, "verdict": {"confidence": 0.95}})[:81]
    'Fixed before the run: btm learned faster if the 95% paired t-interval over 3 seeds'
    """
    seeds, confidence = protocol["seeds"], protocol["verdict"]["confidence"]
    most = protocol.get("most_seeds", 0)
    over = f"{seeds} to {plural(most, 'seed')}, with a look after each," if most > seeds else plural(seeds, "seed")
    if len(others) == 1:
        rule = f"{others[0]} learned faster if the {short_percent(confidence)} paired t-interval over {over}"
        found = "lies below 0"
    else:
        rule = f"each of {joined(others)} learned faster than {baseline} if the paired t-test over {over}"
        found = (
            f"finds it below 0 at {short_percent(confidence)} confidence, after Holm's correction for {len(others)} comparisons"
        )
    alone = " One seed has no interval, so it cannot be met." if seeds == 1 else ""
    budget = budget_phrase(protocol) + rate_phrase(protocol)
    floor = protocol["verdict"].get("floor", "bigram")
    return (
        f"Fixed before the run: {rule} of its bits per byte minus {baseline}'s, {budget}, {found}.{alone} Nothing is decided "
        f"where a run ends above its own {floor} floor, which counting alone reaches."
    )


def outcome(comparisons: Sequence[dict[str, Any]], seeds: int, exploratory: bool = False) -> str:
    """Returns how the criterion came out, as a sentence; provisional where fewer than the protocol's seeds are paired.

    `exploratory`: whether what the rule reads was changed after a result was there to be seen.
    """
    judged = [_judged(comparison) for comparison in comparisons]
    paired = min(len(comparison["paired_seeds"]) for comparison in comparisons)
    is_open = any(comparison["look"] and comparison["look"]["is_open"] for comparison in comparisons)
    if len(judged) > 1:
        said = "; ".join(f"{each['track']}: {kind}, {word}" for each, (kind, word) in zip(comparisons, judged, strict=True))
    else:
        said = ", ".join(judged[0]) if paired < seeds or is_open or exploratory else ": ".join(judged[0])
    before = ["exploratory"] if exploratory else []
    if paired < seeds:
        before.append(f"so far, with {paired} of {plural(seeds, 'seed')}")
    elif is_open:
        before.append(f"so far, with {plural(paired, 'seed')} and more to come")
    sentence = f"{', '.join(before)}: {said}." if before else f"{said}."
    return sentence if len(judged) > 1 and not before else sentence[0].upper() + sentence[1:]


def _judged(comparison: dict[str, Any]) -> tuple[str, str]:
    """Returns (met, not met or undecided; the verdict's word) of one other track."""
    word = str(comparison["verdict"])
    if word.startswith(UNDECIDED):
        return UNDECIDED.rstrip(": "), word.removeprefix(UNDECIDED)
    return ("met" if word == f"{comparison['track']} learned faster" else "not met"), word


def verdict_detail(comparison: dict[str, Any], tracks_compared: int) -> str:
    """Returns the numbers that decided the verdict on one other track, in words."""
    difference = " ".join([_difference(comparison), *_unlearned(comparison)])
    if comparison["low"] is None:
        return f"{difference} One seed cannot say how much of that is chance."
    interval = (
        f"{short_percent(round(comparison['interval_confidence'], 4))} interval of {comparison['track']} minus "
        f"{comparison['baseline']}: {signed(comparison['low'])} to {signed(comparison['high'])}, over "
        f"{plural(len(comparison['paired_seeds']), 'paired seed')}."
    )
    is_corrected = tracks_compared > 1 and not comparison["look"]
    p_value = f" p = {comparison['p_value_corrected']:.2g}, corrected." if is_corrected else ""
    return f"{difference} {interval}{p_value}"


def overall_word(comparisons: Sequence[dict[str, Any]]) -> str:
    """Returns the trial's word: that of its one comparison, or those of all, each with its track."""
    if len(comparisons) == 1:
        return str(comparisons[0]["verdict"])
    return "; ".join(f"{comparison['track']}: {comparison['verdict']}" for comparison in comparisons)


def _unlearned(comparison: dict[str, Any]) -> list[str]:
    """Says, for each track that has not learned, by how much, and what to do."""
    found = []
    for track, learned in comparison["learned"].items():
        if learned["floor"] is None:
            return ["What counting alone reaches is measured by `toktrial evaluate`, with the trial's folder."]
        if not learned["has_learned"]:
            above = f"{decimal(learned['highest'], 4)} bits per byte, above the {decimal(learned['floor'], 4)}"
            found.append(f"{track}'s worst run is at {above} that counting reaches with the same ids, so nothing is decided.")
            found.append(_what_to_do(learned["steps_needed"]))
    return found


def _what_to_do(steps_needed: int | None) -> str:
    if steps_needed is None:
        return "By its curve that is more than 20 times as far, or out of reach: look at the learning rate, then at the steps."
    return f"By the slope of its curve that takes about {count(two_digits(steps_needed))} steps: `--training.steps` with more."


def two_digits(value: int) -> int:
    """Rounds a whole number up to two digits that count: 1234 -> 1300."""
    unit: int = 10 ** max(0, len(str(value)) - 2)
    return -(-value // unit) * unit


def _difference(comparison: dict[str, Any]) -> str:
    track, baseline, mean = comparison["track"], comparison["baseline"], comparison["difference"]
    if mean == 0:
        return f"{track} ended at exactly the bits per byte of {baseline}."
    side = "below" if mean < 0 else "above"
    share = percent(abs(comparison["relative_difference"]))
    return f"{track} ended {decimal(abs(mean), 4)} bits per byte ({share}) {side} {baseline}; lower is better."


def what_the_intervals_hold(comparisons: Sequence[dict[str, Any]], confidence: float) -> list[str]:
    """Returns why the intervals have another confidence than the verdict, where they do; at most one sentence."""
    together = short_percent(confidence)
    if comparisons[0]["low"] is None:
        return []
    if comparisons[0]["look"]:
        return [f"An interval has the confidence of its look of the sequential design; all looks together keep {together}."]
    if len(comparisons) == 1:
        return []
    number = plural(len(comparisons), "interval")
    said = f"The {number} hold together at {together} (Bonferroni)."
    return [f"{said} Holm's correction of the p-values, which is a little sharper, decides."]
