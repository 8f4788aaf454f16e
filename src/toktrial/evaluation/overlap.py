"""What overlaps: validation documents that share long runs with training text, and documents that share a row of a batch.

Two facts of a trial that its report tells; neither decides anything. Corpus and tokens -> overlap -> report.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from toktrial.evaluation.account import OVERLAP_FILE, write_account
from toktrial.tokens.batches import document_order
from toktrial.tokens.store import TokenSplit, TokenStore

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents

RUN_WORDS = 20  # no accident; GPT-3 looked for 13 words, Lee et al. 2022 (arXiv:2107.06499) for 50 tokens
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
WHITE_SPACE = np.isin(np.arange(256), [9, 10, 11, 12, 13, 32])
Places = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def account_overlap(
    trial_folder: Path,
    documents: "Mapping[str, Documents]",
    corpus_fingerprint: str,
    tokens_folders: Mapping[str, Path],
    contexts: Mapping[str, int],
) -> None:
    """Writes evaluation/overlap/overlap.json, unless that is done.

    documents: those of `train` and `validation`. contexts: positions of each track's model.
    """

    def account() -> dict[str, Any]:
        shares = {
            track: share_of_targets_that_see_another_document(TokenStore.open(path).train, contexts[track])
            for track, path in tokens_folders.items()
        }
        near = {"words": RUN_WORDS, "documents": count_near_duplicates(documents["train"], documents["validation"])}
        return {"near_duplicates": near, "sees_another_document": shares}

    inputs = {"corpus": corpus_fingerprint, "contexts": dict(contexts), "words": RUN_WORDS}
    write_account(trial_folder / OVERLAP_FILE, "overlap", inputs, account)


def share_of_targets_that_see_another_document(split: TokenSplit, context: int, seed: int = 1) -> float:
    """Returns the share of an epoch's targets that have a part of an earlier document among the inputs of their row.

    A row has `context` inputs of the stream. A target sees an earlier document where its row begins before the id 0 that opens
    its own. The order of the documents depends on the seed, the share hardly does.
    """
    lengths = np.diff(split.offsets.astype(np.int64))[document_order(split.documents, seed, 0)]
    ends = np.cumsum(lengths)  # the place of each document's closing id in the stream, whose first id is a 0 before all
    opened = ends - lengths
    row_starts = opened // context * context
    sees = np.where(row_starts < opened, np.minimum(ends, row_starts + context) - opened, 0)
    return float(sees.sum() / lengths.sum())


def count_near_duplicates(train: "Documents", validation: "Documents", words: int = RUN_WORDS) -> int:
    """Returns how many validation documents share a run of this many words with a training document, white space included.

    Words are separated by ASCII white space. Runs are found by a hash of their bytes, and then compared byte by byte.
    """
    owners: dict[bytes, list[int]] = {}  # the validation documents of each run
    known = [np.zeros(0, np.uint64)]
    for data, documents, starts, ends in _runs(validation, words):
        known.append(_hashes(data, starts, ends))
        for document, start, end in zip(documents.tolist(), starts.tolist(), ends.tolist(), strict=True):
            owners.setdefault(data[start:end].tobytes(), []).append(document)
    known_hashes = np.concatenate(known)
    shared: set[int] = set()
    for data, _, starts, ends in _runs(train, words):
        for place in np.flatnonzero(np.isin(_hashes(data, starts, ends), known_hashes)):
            shared.update(owners.get(data[starts[place] : ends[place]].tobytes(), []))
    return len(shared)


def _runs(documents: "Documents", words: int) -> Iterator[tuple[Bytes, Places, Places, Places]]:
    """Yields (bytes, documents, starts, ends) of the runs of each batch: whose they are, and where they lie in the bytes."""
    from toktrial.corpus.documents import flat_buffers

    first = 0
    for texts in documents.batches():
        offsets, data = flat_buffers(texts)
        data, offsets = data[int(offsets[0]) : int(offsets[-1])], offsets - offsets[0]
        of_batch, starts, ends = _run_places(offsets, data, words)
        yield data, first + of_batch, starts, ends
        first += len(texts)


def _hashes(data: Bytes, starts: Places, ends: Places) -> npt.NDArray[np.uint64]:
    """Returns a hash of each run: the polynomial of its bytes modulo 2^64, from sums over all bytes (Karp & Rabin 1987)."""
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(len(data) + 1, BASE, dtype=np.uint64), dtype=np.uint64)
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((data + np.uint64(1)) * powers[:-1], dtype=np.uint64)])
        inverse = np.cumprod(np.full(len(data) + 1, pow(int(BASE), -1, 1 << 64), dtype=np.uint64), dtype=np.uint64)
        hashes: npt.NDArray[np.uint64] = (sums[ends] - sums[starts]) * inverse[starts]
    return hashes


def _run_places(offsets: Places, data: Bytes, words: int) -> tuple[Places, Places, Places]:
    """Returns (documents, starts, ends) of every run that stays within a document; offsets say where documents begin."""
    is_word = np.concatenate([[False], ~WHITE_SPACE[data], [False]])
    is_wall = np.zeros(len(data) + 1, dtype=bool)
    is_wall[offsets] = True
    starts = np.flatnonzero(is_word[1:] & (~is_word[:-1] | is_wall))
    ends = np.flatnonzero(is_word[:-1] & (~is_word[1:] | is_wall))
    document = np.searchsorted(offsets, starts, side="right") - 1
    runs = max(0, len(starts) - words + 1)
    whole = document[:runs] == document[len(starts) - runs :]
    return document[:runs][whole], starts[:runs][whole], ends[len(starts) - runs :][whole]
