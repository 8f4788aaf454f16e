"""Bits per byte: the measure that compares tokenizers, because all are scored on the same bytes of the same whole documents.

Each document follows an id 0, which is not scored; its own closing id 0 is. A document longer than the context is scored in
windows that start at multiples of half the context. Windows after the first score only the targets of their second half, so
that each token is scored once. Forward and softmax are in float32.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from toktrial.tokens.store import END_ID, TokenSplit
from toktrial.training.model import GPT

LARGEST_BATCH_LOGITS = 1 << 26  # 256 MB of float32
LARGEST_BATCH_TOKENS = 8192
LARGEST_CPU_BATCH_TOKENS = 2048  # 20 to 40% faster than 8,192: the logits of more tokens do not stay in the caches


@dataclass(frozen=True)
class Score:
    """How well a model predicts documents."""

    document_nats: npt.NDArray[np.float64]
    """(documents,): total negative log-likelihood of each, in nats."""
    tokens: int
    """Tokens scored, closing ids included."""
    bytes: int
    """UTF-8 bytes of the documents."""

    @property
    def nats(self) -> float:
        return float(self.document_nats.sum())

    @property
    def bits_per_byte(self) -> float:
        return self.nats / math.log(2) / self.bytes

    @property
    def validation_loss(self) -> float:
        """Nats per token, which does not compare across tokenizers."""
        return self.nats / self.tokens


class _Window(NamedTuple):
    """Adjacent targets of one document that are predicted together."""

    start: int
    """Place of the first target in the split's flat ids."""
    length: int
    first_scored: int
    """How many of the first targets are only context."""


@dataclass(frozen=True)
class _Batch:
    """Windows of similar length, padded on the right, where causal attention does not see them."""

    inputs: torch.Tensor
    """(windows, longest) int64."""
    scored: torch.Tensor
    """(targets,) int64: the flat places in `inputs` from which each target is predicted. The others are context or padding."""
    targets: torch.Tensor
    """(targets,) int64."""
    ids: npt.NDArray[np.int64]
    """(targets,): the place of each in the split's flat ids."""


class DocumentScorer:
    """Scores a fixed set of documents again and again; work that does not depend on the model is done once."""

    def __init__(
        self,
        split: TokenSplit,
        entry_bytes: npt.NDArray[np.uint32],
        context: int,
        vocab_size: int,
        documents: int = 0,
    ) -> None:
        """Takes the first `documents` of the split, which are those with the lowest hashes; 0 takes all.

        Asserts that the bytes of every document's entries add up to its UTF-8 length.
        """
        self._split = split
        self.documents = min(documents, split.documents) if documents else split.documents
        for document in range(self.documents):
            spelled, length = int(entry_bytes[split.document(document)].sum()), int(split.byte_lengths[document])
            assert spelled == length, f"the entries of validation document {document} spell {spelled} bytes, not {length}"
        self._context, self._vocab_size = context, vocab_size
        self._batches: dict[str, list[_Batch]] = {}  # by type of device
        self._bytes = int(split.byte_lengths[: self.documents].sum(dtype=np.int64))
        self._tokens = int(split.offsets[self.documents])

    def score(self, model: GPT, on_progress: Callable[[float], None] | None = None) -> Score:
        """Returns the model's score; apart from rounding, it does not depend on how documents are batched.

        on_progress: called after each batch with the share of the batches that is done.
        """
        return self.score_of(self.id_nats(model, on_progress))

    def score_of(self, id_nats: npt.NDArray[np.float64]) -> Score:
        """Returns the score that the nats of every id, as `id_nats` returns them, add up to."""
        document_starts = self._split.offsets[: self.documents].astype(np.int64)
        return Score(np.add.reduceat(id_nats, document_starts), self._tokens, self._bytes)

    def id_nats(self, model: GPT, on_progress: Callable[[float], None] | None = None) -> npt.NDArray[np.float64]:
        """Returns the negative log-likelihood of every id of the documents, in nats: (ids,), in the order of the split.

        on_progress: as in `score`.
        """
        device = model.wte.weight.device
        nats = np.zeros(self._tokens, dtype=np.float64)
        batches = self._batches_for(device.type)
        with torch.inference_mode():
            for done, batch in enumerate(batches, 1):
                losses = model.target_nats(batch.inputs.to(device), batch.scored.to(device), batch.targets.to(device))
                nats[batch.ids] = losses.cpu().double().numpy()
                if on_progress:
                    on_progress(done / len(batches))
        return nats

    def log_probabilities(self, model: GPT) -> Iterator[tuple[npt.NDArray[np.int64], torch.Tensor]]:
        """Yields, batch by batch, places in the split's flat ids (n,) and the log-probability of every entry there (n, V)."""
        device = model.wte.weight.device
        for batch in self._batches_for(device.type):
            with torch.inference_mode():
                found = model.log_probabilities(batch.inputs.to(device), batch.scored.to(device))
            yield batch.ids, found

    def _batches_for(self, device_type: str) -> list[_Batch]:
        if device_type not in self._batches:
            self._batches[device_type] = self._make_batches(device_type)
        return self._batches[device_type]

    def _make_batches(self, device_type: str) -> list[_Batch]:
        offsets = self._split.offsets[: self.documents + 1].tolist()
        windows = [window for start, end in pairwise(offsets) for window in _windows(start, end, self._context)]
        windows.sort(key=lambda window: -window.length)
        largest = LARGEST_CPU_BATCH_TOKENS if device_type == "cpu" else LARGEST_BATCH_TOKENS
        most_tokens = max(self._context, min(largest, LARGEST_BATCH_LOGITS // self._vocab_size))
        batches: list[_Batch] = []
        first = 0
        while first < len(windows):
            rows = max(1, most_tokens // windows[first].length)
            batches.append(self._make_batch(windows[first : first + rows]))
            first += rows
        return batches

    def _make_batch(self, windows: list[_Window]) -> _Batch:
        longest = windows[0].length
        inputs = np.full((len(windows), longest), END_ID, dtype=np.int64)
        scored, places = [], []
        for row, (start, length, first_scored) in enumerate(windows):
            # A document's first target follows the closing id 0 of the document before; that of the first, the split's last id.
            inputs[row, :length] = self._split.ids[np.arange(start - 1, start + length - 1)]
            scored.append(row * longest + np.arange(first_scored, length))
            places.append(start + np.arange(first_scored, length))
        ids = np.concatenate(places)
        targets = self._split.ids[ids].astype(np.int64)
        return _Batch(torch.from_numpy(inputs), torch.from_numpy(np.concatenate(scored)), torch.from_numpy(targets), ids)


def _windows(start: int, end: int, context: int) -> list[_Window]:
    """Returns the windows that score the targets from `start` to `end`: a document's ids, the closing one included."""
    half = context // 2
    later = range(start + half, end - half, half)  # until one reaches the end
    return [_Window(start, min(context, end - start), 0), *(_Window(at, min(context, end - at), half) for at in later)]
