"""What overlaps: validation documents that share long runs with training text, and documents that share a row of a batch.

Two facts of a trial that its report tells; neither decides.

Corpus and tokens -> overlap -> report.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from toktrial import artifact
from toktrial.tokens.batches import document_order
from toktrial.tokens.store import TokenSplit, TokenStore

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents

OVERLAP_FOLDER = "evaluation/overlap"
OVERLAP_FILE = "overlap.json"
RUN_WORDS = 20  # no accident; GPT-3 looked for 13 words, Lee et al. 2022 (arXiv:2107.06499) for 50 tokens
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that it has an inverse modulo 2^64
WHITE_SPACE = np.isin(np.arange(256), [9, 10, 11, 12, 13, 32])
Places = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def account_overlap(
    trial_folder: Path,
    documents: "Mapping[str, Documents]",
    corpus_fingerprint: str,
    tokens_folders: Mapping[str, Path],
    contexts: Mapping[str, int],
) -> None:
    """Writes evaluation/overlap/overlap.json, unless that is done. `documents`: those of `train` and `validation`;
    `contexts`: positions of each track's model.
    """
    folder = trial_folder / OVERLAP_FOLDER
    inputs = {"corpus": corpus_fingerprint, "contexts": dict(contexts), "words": RUN_WORDS}
    fingerprint = artifact.fingerprint("overlap", inputs)
    if artifact.is_finished(folder, fingerprint):
        return
    started = time.monotonic()
    manifest: dict[str, Any] = {}
    with artifact.publish(folder, fingerprint, manifest) as partial:
        shares = {
            track: share_of_targets_that_see_another_document(TokenStore.open(path).train, contexts[track])
            for track, path in tokens_folders.items()
        }
        near = {"words": RUN_WORDS, "documents": count_near_duplicates(documents["train"], documents["validation"])}
        artifact.write_json(partial / OVERLAP_FILE, {"near_duplicates": near, "sees_another_document": shares})
        manifest["seconds"] = time.monotonic() - started


def share_of_targets_that_see_another_document(split: TokenSplit, context: int, seed: int = 1) -> float:
    """Returns the share of an epoch's targets that have a part of an earlier document among the inputs of their row.

    A row has `context` inputs of the stream; a target sees an earlier document where its row begins before the id 0 that opens
    its own. Which documents come first depends on the seed, the share hardly.
    """
    lengths = np.diff(split.offsets.astype(np.int64))[document_order(split.documents, seed, 0)]
    ends = np.cumsum(lengths)  # the place of each document's closing id in the stream, whose first id is a 0 before all
    opened = ends - lengths
    row_starts = opened // context * context
    sees = np.where(row_starts < opened, np.minimum(ends, row_starts + context) - opened, 0)
    return float(sees.sum() / lengths.sum())


def count_near_duplicates(train: "Documents", validation: "Documents", words: int = RUN_WORDS) -> int:
    """Returns how many validation documents share a run of so many words with a training document, white space included.

    Words are parted by ASCII white space. Runs are found by a hash of their bytes, and a found one is compared byte by byte.
    """
    runs: dict[bytes, list[int]] = {}
    for document, text in _runs(validation, words):
        runs.setdefault(text, []).append(document)
    known = np.concatenate([np.zeros(0, np.uint64), *(hashes for _, hashes, _, _ in _hashed_runs(validation, words))])
    shared: set[int] = set()
    for data, hashes, starts, ends in _hashed_runs(train, words):
        for place in np.flatnonzero(np.isin(hashes, known)):
            shared.update(runs.get(data[starts[place] : ends[place]].tobytes(), []))
    return len(shared)


def _runs(documents: "Documents", words: int) -> Iterator[tuple[int, bytes]]:
    """Yields (index of the document, bytes) of every run."""
    first = 0
    for texts in documents.batches():
        offsets, data = _flat(texts)
        starts, ends = _run_places(offsets, data, words)
        of = np.searchsorted(offsets, starts, side="right") - 1 + first
        for document, start, end in zip(of.tolist(), starts.tolist(), ends.tolist(), strict=True):
            yield document, data[start:end].tobytes()
        first += len(offsets) - 1


def _hashed_runs(documents: "Documents", words: int) -> Iterator[tuple[npt.NDArray[np.uint8], Hashes, Places, Places]]:
    """Yields (data, hashes, starts, ends) of the runs of each batch.

    A run's hash is the polynomial of its bytes modulo 2^64 (Karp & Rabin 1987), from sums over all bytes before its ends.
    """
    for texts in documents.batches():
        offsets, data = _flat(texts)
        starts, ends = _run_places(offsets, data, words)
        with np.errstate(over="ignore"):
            powers = np.cumprod(np.full(len(data) + 1, BASE, dtype=np.uint64), dtype=np.uint64)
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum((data + np.uint64(1)) * powers[:-1], dtype=np.uint64)])
            inverse = np.cumprod(np.full(len(data) + 1, pow(int(BASE), -1, 1 << 64), dtype=np.uint64), dtype=np.uint64)
            yield data, (sums[ends] - sums[starts]) * inverse[starts], starts, ends


def _run_places(offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], words: int) -> tuple[Places, Places]:
    """Returns (starts, ends) in the data of every run that stays within a document."""
    is_word = np.concatenate([[False], ~WHITE_SPACE[data], [False]])
    is_wall = np.zeros(len(data) + 1, dtype=bool)
    is_wall[offsets] = True
    starts = np.flatnonzero(is_word[1:] & (~is_word[:-1] | is_wall))
    ends = np.flatnonzero(is_word[:-1] & (~is_word[1:] | is_wall))
    document = np.searchsorted(offsets, starts, side="right")
    runs = max(0, len(starts) - words + 1)
    whole = document[:runs] == document[len(starts) - runs :]
    return starts[:runs][whole], ends[len(starts) - runs :][whole]


def _flat(texts: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    from toktrial.corpus.documents import flat_buffers

    offsets, data = flat_buffers(texts)
    return offsets - offsets[0], data[int(offsets[0]) : int(offsets[-1])]
