"""How well a 5-gram model of a track's own ids predicts a text: modified Kneser-Ney, all of it by sorting.

Tokens -> n-gram model -> intrinsic measures. Source: Chen & Goodman 1999, An empirical study of smoothing techniques for
language modeling, sections 2.7 and 3: interpolated, with three discounts for each order; the lowest order is interpolated with
the uniform distribution over the entries.

A history reaches back to the id 0 before its document, and no further. Nothing stands before that id, so grams that begin with
it are counted as often as they occur; all other grams below the highest order as often as different ids precede them. That is
KenLM's way (Heafield et al. 2013, Scalable modified Kneser-Ney language model estimation).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from toktrial.tokens.store import END_ID, TokenSplit

ORDER = 5
CHUNK_IDS = 1 << 22  # scored at once
FALLBACK = (0.5, 1.0, 1.5)  # discounts where so few grams are rare that the formula has none; those of KenLM
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Grams:
    """All grams of one length; each is an id after a history, which is a shorter gram, by its place there."""

    keys: Counts
    """(grams,), ascending: history * entries + id."""
    uses: Counts
    """(grams,): how often each counts."""
    totals: Counts
    """(histories,): the uses of all grams with one history."""
    discounts: Floats
    """(4,): what is taken from grams that count 0, 1, 2, and 3 times or more."""
    left_over: Floats
    """(histories,): the share of probability that was taken, which the shorter history distributes."""

    @classmethod
    def of(cls, keys: Counts, uses: Counts, histories: int, entries: int) -> "_Grams":
        history, discounts, histories = keys // entries, _discounts(uses), max(1, histories)
        totals = np.bincount(history, uses, histories).astype(np.int64)
        taken = np.bincount(history, discounts[np.minimum(uses, 3)], histories)
        return cls(keys, uses, totals, discounts, taken / np.maximum(totals, 1))

    def find(self, keys: Counts) -> Counts:
        """Returns the place of each key (n,), -1 where it is not among the grams."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, -1)

    def probabilities(self, grams: Counts, histories: Counts, below: Floats) -> Floats:
        """Returns the probability of each gram (n,), -1 if unknown, after its history (n,), given that after the shorter one.

        A history of which nothing is known, -1 or without uses, leaves the probability as it is.
        """
        uses = np.where(grams >= 0, self.uses[grams], 0) if len(self.uses) else np.zeros_like(grams)
        totals = np.where(histories >= 0, self.totals[histories], 0)
        kept = (uses - self.discounts[np.minimum(uses, 3)]) / np.maximum(totals, 1)
        return np.where(totals > 0, kept + self.left_over[histories] * below, below)


@dataclass(frozen=True)
class NgramModel:
    """The grams of length 1 to `ORDER`, in the order of their length."""

    entries: int
    orders: list[_Grams]

    @classmethod
    def of(cls, split: TokenSplit, entries: int, order: int = ORDER) -> "NgramModel":
        """Counts a split. Needs about 100 bytes of memory for each of its ids, and the time of `order` sorts."""
        ids, place = split.ids.astype(np.int64), _places(split)
        grams, raw, begins = ids, np.bincount(ids, minlength=entries), np.zeros(entries, dtype=np.bool_)
        keys, histories, orders = np.arange(entries), 1, list[_Grams]()
        for length in range(2, order + 1):
            known = np.flatnonzero(place >= length - 2)  # the history lies within the document and the id 0 before it
            longer_keys, longer, longer_raw = np.unique(
                _preceding(grams)[known] * entries + ids[known], return_inverse=True, return_counts=True
            )
            without_first = np.empty(len(longer_keys), dtype=np.int64)
            without_first[longer] = grams[known]
            continuations = np.bincount(without_first, minlength=len(keys))
            orders.append(_Grams.of(keys, np.where(begins, raw, continuations), histories, entries))
            histories, keys, raw = len(keys), longer_keys, longer_raw
            grams = np.full(len(ids), -1)
            grams[known] = longer
            begins = np.zeros(len(keys), dtype=np.bool_)
            begins[grams[place == length - 2]] = True
        return cls(entries, [*orders, _Grams.of(keys, raw, histories, entries)])

    def document_nats(self, split: TokenSplit) -> Floats:
        """Returns the negative log-likelihood of every document, its closing id included, in nats: (documents,) float64."""
        return np.add.reduceat(self.id_nats(split), split.offsets[:-1].astype(np.int64))

    def id_nats(self, split: TokenSplit) -> Floats:
        """Returns the negative log-likelihood of every id of a split, in nats: (ids,) float64."""
        return np.concatenate([self._nats(part) for part in _parts(split)])

    def _nats(self, split: TokenSplit) -> Floats:
        ids, place = split.ids.astype(np.int64), _places(split)
        grams, histories = ids, np.zeros_like(ids)
        found = self.orders[0].probabilities(grams, histories, np.full(len(ids), 1 / self.entries))
        for length, of_length in enumerate(self.orders[1:], start=2):
            histories = np.where(place >= length - 2, _preceding(grams), -1)
            grams = np.where(histories >= 0, of_length.find(histories * self.entries + ids), -1)
            found = of_length.probabilities(grams, histories, found)
        return -np.log(found)


def _places(split: TokenSplit) -> Counts:
    """Returns the place of every id in its document: (ids,)."""
    starts = split.offsets.astype(np.int64)
    return np.arange(len(split.ids)) - np.repeat(starts[:-1], np.diff(starts))


def _preceding(grams: Counts) -> Counts:
    """Returns the gram that ends before each id; before the first id that is the id 0, as before any document."""
    return np.concatenate([[END_ID], grams[:-1]])


def _parts(split: TokenSplit) -> Iterator[TokenSplit]:
    """Yields the documents in parts of CHUNK_IDS ids, or of one document where that is longer."""
    first = 0
    while first < split.documents:
        end = max(first + 1, split.documents_within(int(split.offsets[first]) + CHUNK_IDS))
        yield split.part(first, end)
        first = end


def _discounts(uses: Counts) -> Floats:
    """Returns Chen & Goodman's discounts, by how many grams count once, twice, three and four times."""
    once, twice, thrice, four_times = np.bincount(np.minimum(uses, 5), minlength=6)[1:5].tolist()
    found = FALLBACK
    if once and twice and thrice:
        share = once / (once + 2 * twice)
        found = (1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four_times / thrice)
    if not all(0 <= discount <= most for most, discount in enumerate(found, start=1)):
        found = FALLBACK
    return np.array([0.0, *found])
