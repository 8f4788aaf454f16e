"""The byte-count audit: whether a track's ids spell its documents, byte for byte, and what bits per byte were divided by.

Wrong byte counts make results look better than they are. So whoever publishes a trial has every document decoded and compared
with the corpus, and every run's bits per byte computed again. Corpus, tokens and runs -> audit -> `toktrial submit`.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toktrial.artifact import check_file, read_json
from toktrial.evaluation.run_files import DOCUMENT_NATS_FILE, FINAL_FILE
from toktrial.tokens.store import TokenSplit

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents


@dataclass(frozen=True)
class SplitAudit:
    """What one track's ids of a split spell. Bytes are UTF-8 bytes.

    `text_bytes`: of the corpus's documents. `recorded_bytes`: what the token files say, by which bits per byte are divided.
    `spelled_bytes`: of the entries of all ids. `tokens`: ids without those that close a document. `wrong_documents`: those that
    their ids do not spell byte for byte, or whose recorded length is not theirs.
    """

    documents: int
    tokens: int
    text_bytes: int
    recorded_bytes: int
    spelled_bytes: int
    wrong_documents: int


@dataclass(frozen=True)
class RunAudit:
    """A run's bits per byte as final.json says, and as computed again from every document's nats and the corpus's bytes."""

    reported: float
    recomputed: float


@dataclass(frozen=True)
class ByteAudit:
    """The whole audit. `text_sha256`: of a split's documents, by which two trials can tell whether they read the same text."""

    text_sha256: dict[str, str]
    tracks: dict[str, dict[str, SplitAudit]]
    runs: dict[str, RunAudit]

    def faults(self) -> list[str]:
        """Returns what is wrong, in words; nothing where everything adds up."""
        spelling = [
            f"track {track} misspells {of.wrong_documents} {split} documents"
            for track, splits in self.tracks.items()
            for split, of in splits.items()
            if of.wrong_documents or not of.text_bytes == of.recorded_bytes == of.spelled_bytes
        ]
        return spelling + [
            f"run {name} reports {run.reported} bits per byte, but its documents' nats give {run.recomputed}"
            for name, run in self.runs.items()
            if not math.isclose(run.reported, run.recomputed, rel_tol=1e-9)
        ]


def audit_split(documents: "Documents", split: TokenSplit, token_bytes: Sequence[bytes]) -> SplitAudit:
    """Decodes every document of a split and compares it with the corpus. `token_bytes`: the byte string of every entry, by id.

    Raises ValueError where the two hold different numbers of documents.
    """
    if len(documents) != split.documents:
        raise ValueError(f"the corpus has {len(documents)} documents, but the token files {split.documents}")
    text_bytes = spelled_bytes = wrong = 0
    for index, text in enumerate(documents):
        written = text.encode()
        spelled = b"".join([token_bytes[token] for token in split.document(index)[:-1].tolist()])
        text_bytes, spelled_bytes = text_bytes + len(written), spelled_bytes + len(spelled)
        wrong += spelled != written or int(split.byte_lengths[index]) != len(written)
    return SplitAudit(
        documents=split.documents,
        tokens=len(split.ids) - split.documents,
        text_bytes=text_bytes,
        recorded_bytes=int(split.byte_lengths.sum(dtype=np.int64)),
        spelled_bytes=spelled_bytes,
        wrong_documents=wrong,
    )


def audit_runs(folders: Mapping[str, Path], validation_bytes: int) -> dict[str, RunAudit]:
    """Computes every run's bits per byte again: the sum of its documents' nats, in bits, over the bytes of their text."""
    audits = {}
    for name, folder in folders.items():
        nats = float(np.load(check_file(folder / DOCUMENT_NATS_FILE)).astype(np.float64).sum())
        audits[name] = RunAudit(read_json(folder / FINAL_FILE)["bits_per_byte"], nats / math.log(2) / validation_bytes)
    return audits


def text_sha256(documents: "Documents") -> str:
    """Returns the SHA-256 of the documents in their order, each as a line of JSON, so that no two corpora run together."""
    digest = hashlib.sha256()
    for text in documents:
        digest.update(json.dumps(text, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()
