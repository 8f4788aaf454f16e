"""How well counting alone predicts a text: a unigram and a bigram model of a track's own ids, the floors of a trial.

Tokens -> count models -> report. A neural model that ends above them has learned less than how often entries follow each other.
They score as bits_per_byte.py does: whole validation documents, id 0 before each as context, its closing id 0 scored.

Unigram: add-one smoothing over the track's entries. Bigram: interpolated Kneser-Ney (Kneser & Ney 1995; in the form of Chen &
Goodman 1999, section 2.7) with the discount n1 / (n1 + 2 n2) of Ney, Essen & Kneser 1994; below it the continuation counts,
discounted alike and interpolated with the uniform distribution, so that no entry has probability 0.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.evaluation.account import FLOORS_FILE, write_account
from toktrial.tokens.store import END_ID, TokenSplit, TokenStore

FLOORS_FORMAT = 1  # raised when the file says more, or something else
CHUNK_IDS = 1 << 22  # ids counted at once: sorting their pairs stays in tens of megabytes
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CountModel:
    """How often a split's entries, and pairs of neighbours within a document, occur; and the probabilities made from that.

    The first id of a document follows id 0, as in the stream that a model is trained on, so no pair spans two documents.
    """

    uses: Counts
    """(entries,): how often each entry occurs, which is how often it is the left of a pair: id 0 begins and ends the stream."""
    pairs: Counts
    """(pairs,), ascending: every different pair, as left * entries + right."""
    pair_uses: Counts
    """(pairs,): how often each occurs."""

    @classmethod
    def of(cls, split: TokenSplit, entries: int) -> "CountModel":
        """Counts a split, in chunks, so that it need not fit in memory."""
        uses = np.zeros(entries, dtype=np.int64)
        pairs, pair_uses = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        for left, right in _neighbours(split.ids):
            uses += np.bincount(right, minlength=entries)
            pairs, pair_uses = _merged(pairs, pair_uses, *np.unique(left * entries + right, return_counts=True))
        return cls(uses, pairs, pair_uses)

    @property
    def entries(self) -> int:
        return len(self.uses)

    def unigram_probabilities(self) -> Floats:
        """Returns the probability of every entry: (entries,) float64."""
        probabilities: Floats = (self.uses + 1) / (self.uses.sum() + self.entries)
        return probabilities

    def bigram_probabilities(self, left: Counts, right: Counts) -> Floats:
        """Returns the probability of each `right` (n,) after its `left` (n,): (n,) float64."""
        discount = _discount(self.pair_uses)
        followers = np.bincount(self.pairs // self.entries, minlength=self.entries)
        below = self._continuation_probabilities()[right]
        seen = self.uses[left] > 0
        total = np.where(seen, self.uses[left], 1)
        kept = np.maximum(self._pair_uses_of(left * self.entries + right) - discount, 0.0) / total
        probabilities: Floats = np.where(seen, kept + discount * followers[left] / total * below, below)
        return probabilities

    def _continuation_probabilities(self) -> Floats:
        """Returns the lower order: how many different entries each one follows, as a distribution (entries,) float64."""
        follows = np.bincount(self.pairs % self.entries, minlength=self.entries)
        if not len(self.pairs):
            return np.full(self.entries, 1 / self.entries)
        discount = _discount(follows[follows > 0])
        left_over = discount * np.count_nonzero(follows) / len(self.pairs)
        probabilities: Floats = np.maximum(follows - discount, 0.0) / len(self.pairs) + left_over / self.entries
        return probabilities

    def _pair_uses_of(self, pairs: Counts) -> Counts:
        if not len(self.pairs):
            return np.zeros(len(pairs), dtype=np.int64)
        places = np.minimum(np.searchsorted(self.pairs, pairs), len(self.pairs) - 1)
        return np.where(self.pairs[places] == pairs, self.pair_uses[places], 0)


def document_nats(model: CountModel, split: TokenSplit) -> dict[str, Floats]:
    """Returns the negative log-likelihood of every document, in nats, by either model: (documents,) float64 each."""
    unigram = -np.log(model.unigram_probabilities())
    nats: dict[str, list[Floats]] = {"unigram": [], "bigram": []}
    for left, right in _neighbours(split.ids):
        nats["unigram"].append(unigram[right])
        nats["bigram"].append(-np.log(model.bigram_probabilities(left, right)))
    starts = split.offsets[:-1].astype(np.int64)
    return {name: np.add.reduceat(np.concatenate(parts), starts) for name, parts in nats.items()}


def measure_floors(trial_folder: Path, tokens_folders: Mapping[str, Path], eval_documents: int) -> None:
    """Writes evaluation/floors/floors.json: what counting reaches for every track, unless that is done.

    Each model has figures for all validation documents, which the verdict is about, and for the curve's subset, the first
    `eval_documents` of them.
    """
    stores = {track: TokenStore.open(path) for track, path in tokens_folders.items()}
    tokens = {track: store.manifest["fingerprint"] for track, store in stores.items()}
    inputs = {"tokens": tokens, "eval_documents": eval_documents, "format": FLOORS_FORMAT}

    def account() -> dict[str, Any]:
        return {"tracks": {track: _floors(store, eval_documents) for track, store in stores.items()}}

    write_account(trial_folder / FLOORS_FILE, "floors", inputs, account)


def _floors(store: TokenStore, eval_documents: int) -> dict[str, Any]:
    model = CountModel.of(store.train, store.entries)
    byte_lengths = store.validation.byte_lengths.astype(np.float64)
    found: dict[str, Any] = {"pairs": len(model.pairs)}
    for name, nats in document_nats(model, store.validation).items():
        bits, curve = nats / math.log(2), slice(0, eval_documents)
        found[name] = {
            "bits_per_byte": float(bits.sum() / byte_lengths.sum()),
            "curve_bits_per_byte": float(bits[curve].sum() / byte_lengths[curve].sum()),
            "loss_per_token": float(nats.sum() / len(store.validation.ids)),
        }
    return found


def _neighbours(ids: npt.NDArray[np.integer[Any]]) -> Iterator[tuple[Counts, Counts]]:
    """Yields (left, right), (chunk,) each: every id and the one before it, which is id 0 before the first of a document."""
    for start in range(0, len(ids), CHUNK_IDS):
        right = ids[start : start + CHUNK_IDS].astype(np.int64)
        yield np.concatenate([[ids[start - 1] if start else END_ID], right[:-1]]).astype(np.int64), right


def _merged(keys: Counts, counts: Counts, more_keys: Counts, more_counts: Counts) -> tuple[Counts, Counts]:
    """Returns the sorted keys of both, each once, with the sums of their counts."""
    both, places = np.unique(np.concatenate([keys, more_keys]), return_inverse=True)
    sums = np.zeros(len(both), dtype=np.int64)
    np.add.at(sums, places, np.concatenate([counts, more_counts]))
    return both, sums


def _discount(counts: Counts) -> float:
    """Returns n1 / (n1 + 2 n2), of how many counts are one and how many are two.

    Returns a half where no count is one or no count is two: the formula would give 0 or 1 there, or be undefined.
    """
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return once / (once + 2 * twice) if once and twice else 0.5
