"""What the report says of the differences along the way: the table of budgets, and the clause that the headline carries.

results["differences"] -> tables and wording -> page, Markdown and terminal.
"""

from collections.abc import Mapping
from typing import Any

from toktrial.report.sequential import shared_confidence
from toktrial.report.tables import Table
from toktrial.report.wording import count, joined, seconds, short_percent, signed

BUDGET_NAMES = {"steps": "equal steps", "bytes": "equal bytes of text", "seconds": "equal training seconds"}
FORMATS = {"steps": count, "bytes": count, "seconds": seconds}


def budgets_table(results: dict[str, Any]) -> Table:
    """Returns every other track's difference at every budget, and which of them decides."""
    confidence = shared_confidence(results["verdict"]["confidence"], len(results["comparisons"]))
    rows = [
        [
            f"{track} minus {results['baseline']}",
            _budget_name(budget["budget"], results["protocol"]) + (", which decides" if budget["decides"] else ""),
            FORMATS[budget["budget"]](budget["at"]),
            signed(budget["difference"]),
            f"{signed(100 * budget['relative_difference'], 1)}%",
            f"{signed(budget['low'])} to {signed(budget['high'])}" if budget["low"] is not None else "one seed",
            str(budget["seeds"]),
            budget["documents"],
        ]
        for track, found in results["differences"].items()
        for budget in found["budgets"]
    ]  # fmt: skip
    caption = (
        f"The difference in bits per byte at equal steps, text and seconds, with {short_percent(round(confidence, 4))} "
        "intervals over seeds. Below 0 the other track is ahead. Each is another question; the protocol fixed which one "
        "decides."
    )
    headers = ("tracks", "at", "where", "difference", "of the baseline", "interval", "seeds", "measured on")
    return Table(caption, headers, rows, ("text", "text", "number", "number", "number", "number", "number", "text"))


def _budget_name(budget: str, protocol: Mapping[str, Any]) -> str:
    is_in_flops = budget == "steps" and protocol["training"].get("match", "tokens") == "tokens"
    return BUDGET_NAMES[budget] + (" and FLOPs" if is_in_flops else "")


def headline_clauses(results: dict[str, Any]) -> list[str]:
    """Returns what a reader must hear with the verdict: whose difference changed its sign, and whose moves still."""
    baseline, steps = results["baseline"], 0.0
    changed, moving = [], []
    for track, found in results["differences"].items():
        steps = found["curves"]["step"]["at"][-1]
        if found["sign_change"] is not None:
            changed.append(f"{track} {_when(found['sign_change'])}")
        moved = found["movement"]
        if moved["moves_still"]:
            moving.append(f"{track} by {signed(moved['moved'])}")
    clauses = []
    if changed:
        clauses.append(f"The difference from {baseline} changed its sign on the way: {joined(changed)} of {count(steps)}.")
    if moving:
        clauses.append(f"The difference from {baseline} still moved in the last quarter of the training: {joined(moving)}.")
    return [*clauses, "Another budget may say another thing."] if clauses else []


def _when(change: Mapping[str, float]) -> str:
    first, last = count(change["first"]), count(change["last"])
    return f"at step {first}" if first == last else f"between steps {first} and {last}"
