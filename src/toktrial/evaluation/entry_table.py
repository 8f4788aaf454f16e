"""Finds a vocabulary's entries by their bytes; healing asks it which entries could stand where."""

import bisect
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from toktrial.tokenizer.base import END_OF_TEXT_ID

EntryIds = npt.NDArray[np.int64]


class EntryTable:
    """A vocabulary's entries, looked up by their bytes. `<|endoftext|>` is none of them: it never spells text."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self.token_bytes = token_bytes
        self._id_of = {entry: token for token, entry in enumerate(token_bytes) if token != END_OF_TEXT_ID}
        self._sorted = sorted(self._id_of)
        self._sorted_ids = np.array([self._id_of[entry] for entry in self._sorted], dtype=np.int64)
        self._longest_bytes = max(map(len, self._sorted))

    def beginning_with(self, text: bytes) -> EntryIds:
        """Returns the ids of the entries that begin with `text`, itself among them, in the order of their bytes."""
        first, end = self._range(text)
        return self._sorted_ids[first:end]

    def shorter_beginnings(self, text: bytes) -> list[int]:
        """Returns the ids of the entries that `text` begins with and that are shorter than it, the shortest first."""
        beginnings = (text[:size] for size in range(1, min(len(text), self._longest_bytes + 1)))
        return [self._id_of[beginning] for beginning in beginnings if beginning in self._id_of]

    def first_crossing(self, text: bytes) -> int:
        """Returns the first byte of `text` from which some entry reaches past the end of `text`; its length if there is none.

        >>> EntryTable([b"<|endoftext|>", b" ", b"a", b"b", b" a", b"a bc"]).first_crossing(b"b a b")
        2
        """
        for start in range(max(0, len(text) - self._longest_bytes + 1), len(text)):
            first, end = self._range(text[start:])
            if end - first > (text[start:] in self._id_of):
                return start
        return len(text)

    def _range(self, text: bytes) -> tuple[int, int]:
        """Where the entries that begin with `text` stand in the sorted list."""
        first = bisect.bisect_left(self._sorted, text)
        return first, bisect.bisect_left(self._sorted, text + b"\xff" * (self._longest_bytes + 1), first)
