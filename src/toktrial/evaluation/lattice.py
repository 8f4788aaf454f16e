"""All ways to cut one text into entries, as a graph, and how to draw among them by weights.

An edge of the graph is an entry in its place, so a cut is a path of edges from the id 0 before the text to the one that closes
it. Each step of a path has a weight: the logarithm of an entry's probability after the entry before it. Whoever draws cuts
chooses the weights; marginal.py takes them from a model.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.evaluation.healing import EntryTable
from toktrial.tokenizer.base import END_OF_TEXT_ID

Cut = tuple[int, ...]
"""The edges of a cut after the opening one, the closing edge included."""
LinkedEdges = tuple[int, "LinkedEdges | None"]
"""An edge, and those before it on the way to it."""
Edges = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
StepWeights = Callable[[Edges, Edges], Floats]
"""Returns the weights of ids (n,) after the ids before them (n,): (n,)."""


class Lattice:
    """The cuts of one text: edge 0 opens it, the last edge closes it, and between them lie all entries in their places."""

    def __init__(self, text: bytes, entries: EntryTable) -> None:
        longest = max(map(len, entries.token_bytes))
        closed = text + b"\0"  # one byte more, so that an entry that ends with the text is shorter than what is looked at
        edges = [(-1, 0, END_OF_TEXT_ID)]
        for start in range(len(text)):
            fitting = entries.shorter_beginnings(closed[start : start + longest + 1])
            edges += [(start, start + len(entries.token_bytes[token]), token) for token in fitting]
        edges.append((len(text), len(text) + 1, END_OF_TEXT_ID))
        self.starts, self.ends, self.ids = np.array(edges, dtype=np.int64).T
        self.beginning = _by_place(self.starts, len(text) + 1)
        """By place in the text: the edges that begin there."""
        self.ending = _by_place(self.ends, len(text) + 1)
        """By place in the text: the edges that end there."""
        self.weights = [np.zeros((len(left), len(right))) for left, right in zip(self.ending, self.beginning, strict=True)]
        """By place: (edges that end there, edges that begin there), the weight of each step."""

    @property
    def closing(self) -> int:
        return len(self.ids) - 1

    def weigh(self, weights_of: StepWeights) -> None:
        """Sets the weights of all steps by the ids of their two edges."""
        left = [np.repeat(self.ids[ending], len(self.beginning[place])) for place, ending in enumerate(self.ending)]
        right = [np.tile(self.ids[beginning], len(self.ending[place])) for place, beginning in enumerate(self.beginning)]
        found = weights_of(np.concatenate(left), np.concatenate(right))
        ends = np.cumsum([0, *map(len, left)])
        self.weights = [
            found[first:end].reshape(old.shape) for (first, end), old in zip(pairwise(ends), self.weights, strict=True)
        ]

    def weigh_after(self, edge: int, weights: Floats) -> None:
        """Sets the weights of all steps from one edge to those that begin where it ends, in their order."""
        place = int(self.ends[edge])
        self.weights[place][np.searchsorted(self.ending[place], edge)] = weights

    def cut_of(self, ids: Sequence[int]) -> Cut:
        """Returns the cut whose ids are these, the closing id 0 included."""
        cut, place = [], 0
        for token in ids:
            begin = self.beginning[place]
            cut.append(int(begin[np.flatnonzero(self.ids[begin] == token)[0]]))
            place = int(self.ends[cut[-1]])
        return tuple(cut)

    def count_cuts(self) -> float:
        """Returns how many cuts there are; inf where they are too many for a float."""
        cuts = np.zeros(len(self.ids))
        cuts[0] = 1
        with np.errstate(over="ignore"):
            for ending, beginning in zip(self.ending, self.beginning, strict=True):
                cuts[beginning] = cuts[ending].sum()
        return float(cuts[-1])

    def all_cuts(self, edge: int = 0) -> Iterator[Cut]:
        """Yields every cut, or what may follow an edge, in the order of their edges: only for texts with few of them.

        Without recursion, for a cut has as many edges as the text may have bytes. As every edge can go on to the closing one,
        no path is followed in vain.
        """
        left: list[tuple[int, LinkedEdges | None]] = [(edge, None)]
        while left:
            last, before = left.pop()
            path = (last, before)
            if last == self.closing:
                yield _unwound(path)
            else:
                left += [(after, path) for after in reversed(self.beginning[self.ends[last]].tolist())]

    def draw(self, cuts: int, random: np.random.Generator) -> tuple[list[Cut], Floats]:
        """Returns cuts drawn with the probability that their weights give them, and the logarithms of these probabilities.

        Forward filtering, backward sampling: sums over all ways to reach each edge, then paths from the closing edge back.
        """
        reached = np.full(len(self.ids), -np.inf)
        reached[0] = 0.0
        for ending, beginning, weights in zip(self.ending, self.beginning, self.weights, strict=True):
            reached[beginning] = np.logaddexp.reduce(reached[ending][:, None] + weights, axis=0)
        paths = [[self.closing] for _ in range(cuts)]
        current, log_probabilities = np.full(cuts, self.closing), np.full(cuts, -reached[-1])
        for place in range(len(self.ending) - 1, -1, -1):
            here, ending = np.flatnonzero(self.starts[current] == place), self.ending[place]
            if not len(here):
                continue
            weights = self.weights[place][:, np.searchsorted(self.beginning[place], current[here])]
            # The largest, once Gumbel noise is added, is a draw with probabilities in proportion to the exponentials.
            chosen = np.argmax(reached[ending][:, None] + weights + random.gumbel(size=weights.shape), axis=0)
            log_probabilities[here] += weights[chosen, np.arange(len(here))]
            current[here] = ending[chosen]
            for path in here.tolist():
                paths[path].append(int(current[path]))
        return [tuple(path[-2::-1]) for path in paths], log_probabilities


def _unwound(path: LinkedEdges) -> Cut:
    """Returns the edges of a path but the first, which is where it was asked to begin."""
    edges: list[int] = []
    edge, before = path
    while before is not None:
        edges.append(edge)
        edge, before = before
    return tuple(reversed(edges))


def _by_place(places: npt.NDArray[Any], size: int) -> list[Edges]:
    """Returns, for each place from 0 on, the edges whose place it is, in ascending order."""
    order = np.argsort(places, kind="stable")
    ends = np.searchsorted(places[order], np.arange(size + 1))
    return [order[first:end] for first, end in pairwise(ends.tolist())]
