"""What a tokenizer is: entries by id, text to ids, ids to bytes. BPE and BTM derive from it; later stages see only this."""

import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from toktrial import artifact
from toktrial.corpus.documents import utf8_length
from toktrial.progress import Progress

END_OF_TEXT = "<|endoftext|>"
END_OF_TEXT_ID = 0
VOCABULARY_FILE = "vocabulary.jsonl"
HELD_OUT_DOCUMENTS = 1000  # measured on at most; a share of 1 in 100 is then known to about a third of itself

Ids = npt.NDArray[np.uint32]
Offsets = npt.NDArray[np.int64]
IdStream = tuple[npt.NDArray[np.integer[Any]], Offsets]
"""Documents of ids: flat, in any integer type; and the offsets (documents + 1,) at which each begins and ends."""

Show = Callable[[str, float, str], AbstractContextManager[Progress]]
"""Gives what work with a title, a total and its unit reports to: `progress.progress` or `hidden`."""


class _Hidden:
    def update(self, done: float, note: str = "") -> None:
        """Shows nothing."""


def hidden(title: str, total: float, unit: str) -> AbstractContextManager[Progress]:  # noqa: ARG001  # as every Show
    """Shows nothing of what work reports."""
    return nullcontext(_Hidden())


class Tokenizer(ABC):
    """A vocabulary of distinct entries, and the exact way from text to their ids and back.

    Id 0 is `<|endoftext|>`, which ends a document. Text that happens to spell it is ordinary text: encoding never gives
    id 0. `decode_bytes(encode(text)) == text.encode()` for every text that UTF-8 can hold.
    """

    recipe: ClassVar[str]

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._token_bytes = list(token_bytes)

    @property
    def token_bytes(self) -> list[bytes]:
        """The byte string of every entry, by id."""
        return self._token_bytes

    @property
    def vocab_size(self) -> int:
        """Number of entries, `<|endoftext|>` among them; fewer than were asked for if the corpus held no more."""
        return len(self.token_bytes)

    @property
    def parts(self) -> npt.NDArray[np.int64]:
        """(entries, 2): the left and right entry of the first merge that makes each entry; -1 if no merge is known."""
        return np.full((self.vocab_size, 2), -1, dtype=np.int64)

    def encode(self, text: str) -> list[int]:
        """Returns the ids of a text. Raises ValueError for a lone surrogate, which UTF-8 cannot hold."""
        utf8_length(text, "the text")
        ids, _ = self.encode_arrow(pa.array([text], type=pa.large_string()))
        encoded: list[int] = ids.tolist()
        return encoded

    @abstractmethod
    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        """Encodes an Arrow array of texts: ids flat, uint32, and int64 offsets (texts + 1,) into them."""

    def encode_training(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        """Encodes texts that a model is trained on, which some recipes cut differently; otherwise as `encode_arrow`."""
        return self.encode_arrow(texts)

    def write_files(self, folder: Path, held_out: Sequence[str] = ()) -> None:  # noqa: ARG002  # as `transformers` files ask
        """Writes what `load_tokenizer` and `transformers` read into an existing folder; `held_out` as for `save`.

        Of every tokenizer, that is vocabulary.jsonl, for people and other programs: id, bytes in hexadecimal, and text.
        """
        with (folder / VOCABULARY_FILE).open("w", encoding="utf-8") as file:
            for token, entry in enumerate(self.token_bytes):
                line = {"id": token, "bytes": entry.hex(), "text": entry.decode(errors="replace")}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    @classmethod
    @abstractmethod
    def read_files(cls, folder: Path) -> Self:
        """Reads what `write_files` wrote."""

    def encode_batch(self, texts: Iterable[str]) -> list[Ids]:
        """Returns the ids of every text. Raises ValueError for a lone surrogate, TypeError for a single text."""
        if isinstance(texts, str):
            raise TypeError("texts must be an iterable of str, but a single text was given: use encode")
        ids, offsets = self.encode_arrow(_as_arrow(list(texts)))
        return [ids[start:end] for start, end in itertools.pairwise(offsets.tolist())]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Returns the bytes of the entries, joined. Raises ValueError for an id without an entry."""
        ids = list(ids)
        try:
            if min(ids, default=0) < 0:
                raise IndexError
            return b"".join([self.token_bytes[token] for token in ids])
        except IndexError:
            wrong = next(token for token in ids if not 0 <= token < self.vocab_size)
            raise ValueError(f"there is no entry {wrong}: the ids run from 0 to {self.vocab_size - 1}") from None

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of the ids; bytes that are not UTF-8 (a cut character) become U+FFFD."""
        return self.decode_bytes(ids).decode(errors="replace")

    def save(self, folder: Path | str, held_out: Iterable[str] = ()) -> None:
        """Writes the tokenizer as a folder that `load_tokenizer` and `transformers.AutoTokenizer` read, whole or not at all.

        held_out: documents that the tokenizer was not learned from; the folder's README.md says for how many of them
        (1,000 at most) the ids that transformers gives differ. Raises TrialError if `folder` holds something else.
        """
        identity = {"recipe": self.recipe, "entries": [entry.hex() for entry in self.token_bytes]}
        with artifact.publish(Path(folder), artifact.fingerprint("tokenizer", identity), self.manifest()) as partial:
            self.write_files(partial, list(itertools.islice(held_out, HELD_OUT_DOCUMENTS)))

    def manifest(self) -> dict[str, Any]:
        """Returns what a tokenizer's manifest says of it."""
        return {"recipe": self.recipe, "entries": self.vocab_size}


def _as_arrow(texts: list[str]) -> pa.LargeStringArray:
    """Returns the texts as an Arrow array. Raises ValueError for a lone surrogate, TypeError for what is not a str."""
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"a text must be a str, but text {index} is {type(text)}")
    try:
        return pa.array(texts, type=pa.large_string())
    except UnicodeEncodeError:
        for index, text in enumerate(texts):
            utf8_length(text, f"text {index}")  # raises, naming the text
        raise
