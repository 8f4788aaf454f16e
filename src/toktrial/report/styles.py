"""How tracks look in every chart: each has a colour, a dash and a mark, as far as a reader can tell these apart.

Result -> styles -> charts. Of more than six tracks, the baseline and the five best have them; the others are grey.
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal

from toktrial.report.result import TrialResult

Channel = Literal["color", "strokeDash", "shape"]
# What the tracks have one after the other, what the A/A control has, and what a grey track has. The colours are Okabe & Ito's
# palette, which colour-blind readers can tell apart (2008, jfly.uni-koeln.de/color), its darker ones first.
STYLES: dict[Channel, tuple[Sequence[Any], Any, Any]] = {
    "color": (("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"), "#808690", "#9aa0a8"),
    "strokeDash": (([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 2], [1, 3]), [4, 2], [1, 0]),
    "shape": (("circle", "square", "triangle-up", "diamond", "cross", "triangle-down"), "triangle-right", "circle"),
}
MOST_TOLD_APART = 6


class Styles:
    """The styles of some tracks. `told_apart`: those that are not grey, in the order of the tracks."""

    def __init__(self, tracks: Collection[str], ranked: Sequence[str] | None = None) -> None:
        """Takes all tracks, the baseline first, and the same, the best first. Without a ranking, none are grey."""
        baseline, *_ = tracks
        best = [track for track in ranked or tracks if track != baseline][: MOST_TOLD_APART - 1 if ranked else None]
        self.told_apart = [track for track in tracks if track in (baseline, *best)]

    def are_crowded(self, names: Collection[str]) -> bool:
        """Whether some of these tracks are grey."""
        return not set(names) <= set(self.told_apart)

    def encoding(self, channel: Channel, names: Sequence[str], control: str | None = None) -> dict[str, Any]:
        """Returns the Vega-Lite encoding that sets a channel by the field `name`. A legend leaves out grey tracks.

        Where colours repeat, dashes and shapes are shifted by one, so that the first 36 tracks look different.
        """
        values, of_control, of_grey = STYLES[channel]
        shift = 0 if channel == "color" else 1
        looks = {name: values[(n + shift * (n // len(values))) % len(values)] for n, name in enumerate(self.told_apart)}
        domain, styles = list(names), [looks.get(name, of_grey) for name in names]
        if control:
            domain, styles = [*domain, control], [*styles, of_control]
        legend = {"legend": {"values": [name for name in names if name in looks]}} if self.are_crowded(names) else {}
        return {"field": "name", "type": "nominal", "title": None, "scale": {"domain": domain, "range": styles}, **legend}


def styles_of(result: TrialResult) -> Styles:
    """Returns the styles of a trial's tracks, which are the same in all its charts."""
    return Styles(result.tracks, result.ranked)
