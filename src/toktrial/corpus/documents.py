"""Documents on disk as Arrow: written once, then memory-mapped, so that a corpus need not fit in memory.

Every later stage reads its documents through `Documents`, whatever they came from.
"""

import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

TEXT_COLUMN = "text"
SCHEMA = pa.schema([(TEXT_COLUMN, pa.large_string())])
BATCH_BYTES = 8_000_000  # large enough for bulk encoding, small enough that a few of them fit any memory


class DocumentWriter:
    """A context manager that writes documents to an Arrow file. `documents` and UTF-8 `bytes` count what was added."""

    def __init__(self, path: Path) -> None:
        self.documents = 0
        self.bytes = 0
        self._sink = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._sink, SCHEMA)
        self._pending: list[str] = []
        self._pending_bytes = 0

    def add(self, document: str) -> None:
        """Adds a document. Raises ValueError where it holds a lone surrogate, which UTF-8 cannot hold."""
        n_bytes = utf8_length(document, f"document {self.documents}")
        self._pending.append(document)
        self._pending_bytes += n_bytes
        self.documents += 1
        self.bytes += n_bytes
        if self._pending_bytes >= BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        batch = pa.record_batch([pa.array(self._pending, type=pa.large_string())], schema=SCHEMA)
        self._writer.write_batch(batch)
        self._pending, self._pending_bytes = [], 0

    def __enter__(self) -> "DocumentWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None and self._pending:
                self._flush()
            self._writer.close()
        finally:
            self._sink.close()


class Documents:
    """A sequence of documents that can be read as often as needed, memory-mapped from an Arrow file."""

    def __init__(self, batches: list[pa.LargeStringArray]) -> None:
        self._batches = batches
        self._starts = list(accumulate(map(len, batches), initial=0))

    @classmethod
    def open(cls, path: Path) -> "Documents":
        """Memory-maps the Arrow file that a DocumentWriter wrote."""
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        return cls([reader.get_batch(i).column(0) for i in range(reader.num_record_batches)])

    @classmethod
    def of(cls, documents: "Iterable[str] | Documents") -> "Documents":
        """Returns `documents` as Documents. Any other iterable is first written to a temporary file, so it is read only once.

        Raises ValueError where a document holds a lone surrogate, TypeError where one is not a str.
        """
        if isinstance(documents, Documents):
            return documents
        if isinstance(documents, str | bytes):
            raise TypeError("documents must be an iterable of str, but a single text was given: put it into a list")
        spool = tempfile.TemporaryDirectory(prefix="toktrial-")
        path = Path(spool.name) / "documents.arrow"
        with DocumentWriter(path) as writer:
            for document in documents:
                if not isinstance(document, str):
                    raise TypeError(f"a document must be a str, but document {writer.documents} is {type(document)}")
                writer.add(document)
        spooled = cls.open(path)
        weakref.finalize(spooled, spool.cleanup)
        return spooled

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> str:
        """Returns one document. Raises IndexError where there is no document with that index."""
        index = range(len(self))[index]
        batch = bisect_right(self._starts, index) - 1
        document: str = self._batches[batch][index - self._starts[batch]].as_py()
        return document

    def __iter__(self) -> Iterator[str]:
        for batch in self._batches:
            yield from batch.to_pylist()

    def batches(self) -> Iterator[pa.LargeStringArray]:
        """Yields the documents as Arrow arrays of at most some megabytes (more only where one document is longer)."""
        yield from self._batches

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of all documents."""
        return sum(int(offsets[-1] - offsets[0]) for offsets, _ in map(flat_buffers, self._batches))


def flat_buffers(batch: pa.LargeStringArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Returns a batch as flat arrays, without a copy: offsets (documents + 1,) int64 into the data (bytes,) uint8."""
    _, offsets, data = batch.buffers()
    all_offsets = np.frombuffer(offsets, dtype=np.int64) if offsets is not None else np.zeros(1, dtype=np.int64)
    all_data = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    return all_offsets[batch.offset : batch.offset + len(batch) + 1], all_data


def utf8_length(text: str, what: str) -> int:
    """Returns the UTF-8 bytes of `text`. Raises ValueError, naming `what`, where it holds a lone surrogate."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{what} holds the lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, "
            "which UTF-8 cannot hold: remove it, or decode the source again with the right encoding"
        ) from None
