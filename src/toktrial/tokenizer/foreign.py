"""Anybody's tokenizer as a track, of whatever kind: what it gives back byte for byte is taken, anything else is refused.

sources.py opens one; from there on the flow treats it as it does any other. Byte-level BPE has a faster way, in file.py.

A trial needs `<|endoftext|>` at id 0 and distinct byte strings. So the ids are ours: 0 is `<|endoftext|>`, then come the
entries in the order of their ids. Special tokens are left out, because text never becomes one. Two entries of the same bytes,
such as a character and SentencePiece's fallback to its byte, become one. Where a tokenizer.json can give these ids, one is
written for other programs. No file says what bytes an entry stands for: there are a few ways to spell them (`RULES`), and the
right one is the one that gives texts back.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from toktrial import artifact
from toktrial.corpus.documents import flat_buffers
from toktrial.errors import TrialError
from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID, Ids, Offsets, Tokenizer
from toktrial.tokenizer.bpe import CHECKED_TEXTS
from toktrial.tokenizer.encoders import BYTE_FALLBACK, ENCODERS, Encoder
from toktrial.tokenizer.transformers_files import TOKENIZER_FILE, bytes_of, measure_difference, write_transformers_files

FOREIGN_FILE = "foreign.json"
SOURCE_FOLDER = "source"
SHOWN_BYTES = 24  # before and after the first byte that differs


def _in_alphabet_of_bytes(spelling: str) -> bytes | None:
    try:
        return bytes_of(spelling)
    except KeyError:
        return None


def _in_sentencepiece(spelling: str) -> bytes:
    byte = BYTE_FALLBACK.fullmatch(spelling)
    return bytes.fromhex(byte[1]) if byte else spelling.replace("\u2581", " ").encode()


def _in_latin_1(spelling: str) -> bytes | None:
    return spelling.encode("latin-1") if max(spelling, default="") < "\u0100" else None


# How entries are written: as GPT-2 does, as SentencePiece does, a character a byte as ByT5 does, or as they are.
RULES: dict[str, Callable[[str], bytes | None]] = {
    "byte-level": _in_alphabet_of_bytes,
    "sentencepiece": _in_sentencepiece,
    "latin-1": _in_latin_1,
    "plain": str.encode,
}


@dataclass(frozen=True)
class Loss:
    """A text that a tokenizer does not give back, and what came back instead."""

    name: str
    text: bytes
    found: bytes

    @property
    def place(self) -> int:
        """The first byte that differs."""
        both = enumerate(zip(self.text, self.found, strict=False))
        return next((place for place, (one, two) in both if one != two), min(len(self.text), len(self.found)))

    def __str__(self) -> str:
        around = slice(max(0, self.place - SHOWN_BYTES), self.place + SHOWN_BYTES)
        text, found = (each[around].decode(errors="replace") for each in (self.text, self.found))
        return (
            f"{self.name} cannot be a track, because it loses text: at byte {self.place:,} of a text, {text!r} came back as "
            f"{found!r}. A track takes a tokenizer that gives its corpus back byte for byte"
        )


class ForeignTokenizer(Tokenizer):
    """Somebody's tokenizer, in our ids. It raises TrialError for a text that it does not give back byte for byte."""

    recipe = "foreign"

    def __init__(self, encoder: Encoder, rule: str, name: str) -> None:
        """`rule`: which of RULES its entries are written by. `name`: what errors call it."""
        self._encoder, self.rule, self.name = encoder, rule, name
        spellings = encoder.spellings()
        found = [RULES[rule](each) if isinstance(each, str) else each for each in spellings]
        end_of_text = END_OF_TEXT.encode()
        distinct = dict.fromkeys(entry for entry in found if entry and entry != end_of_text)
        id_of = {entry: token for token, entry in enumerate(distinct, start=1)}
        self._our_ids = np.array([id_of.get(entry or b"", END_OF_TEXT_ID) for entry in found], dtype=np.uint32)
        self.merged = int(np.count_nonzero(self._our_ids)) - len(distinct)
        """Entries that have the bytes of another, and so share its id."""
        super().__init__([end_of_text, *distinct])

    @classmethod
    def checked(cls, encoder: Encoder, name: str, sample: Sequence[str]) -> Self:
        """Returns the tokenizer by the rule that gives texts back.

        Raises TrialError where no rule gives back all of `sample`, naming the first text that differs. A tokenizer that loses
        only what the sample lacks is taken.
        """
        tried = [cls(encoder, rule, name) for rule in RULES]
        for texts in ([*sample, *CHECKED_TEXTS], sample):
            for tokenizer in tried:
                if not any(tokenizer.lost(text) for text in texts):
                    return tokenizer
        firsts = [next((number, loss) for number, text in enumerate(sample) if (loss := each.lost(text))) for each in tried]
        _, loss = max(firsts, key=lambda first: (first[0], first[1].place))  # by the rule that goes on for longest
        raise TrialError(str(loss))

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        plain = texts.to_pylist()
        lists = self._encoder.encode_batch(plain)
        offsets = np.cumsum([0, *map(len, lists)])
        ids = self._our_ids[np.fromiter(itertools.chain.from_iterable(lists), dtype=np.int64, count=int(offsets[-1]))]
        ends, data = flat_buffers(texts)
        joined = b"".join([self.token_bytes[token] for token in ids.tolist()])
        if (ids == END_OF_TEXT_ID).any() or joined != data[ends[0] : ends[-1]].tobytes():
            for text, (start, end) in zip(plain, itertools.pairwise(offsets.tolist()), strict=True):
                if loss := self._lost(text, ids[start:end]):
                    raise TrialError(str(loss))
        return ids, offsets

    def lost(self, text: str) -> "Loss | None":
        """Returns what the tokenizer loses of a text; None where it gives all of it back."""
        return self._lost(text, self._our_ids[self._encoder.encode_batch([text])[0]])

    def _lost(self, text: str, ids: Ids) -> "Loss | None":
        wanted, found = text.encode(), self.decode_bytes(ids[ids != END_OF_TEXT_ID].tolist())
        return None if wanted == found else Loss(self.name, wanted, found)

    def manifest(self) -> dict[str, Any]:
        about = {"kind": self._encoder.kind, "rule": self.rule, "entries_merged": self.merged}
        return super().manifest() | about

    def write_files(self, folder: Path, held_out: Sequence[str] = ()) -> None:
        super().write_files(folder, held_out)
        (folder / SOURCE_FOLDER).mkdir()
        self._encoder.write(folder / SOURCE_FOLDER)
        artifact.write_json(folder / FOREIGN_FILE, {"kind": self._encoder.kind, "rule": self.rule, "name": self.name})
        in_our_ids = self._encoder.tokenizer_json(self._our_ids.tolist(), self.vocab_size)
        if in_our_ids is not None:
            (folder / TOKENIZER_FILE).write_text(in_our_ids, encoding="utf-8")
            if self._has_the_ids_of(folder / TOKENIZER_FILE, held_out):
                return write_transformers_files(self, folder, held_out, self._knows_every_text())
            (folder / TOKENIZER_FILE).unlink()
        return None

    def _has_the_ids_of(self, tokenizer_json: Path, held_out: Sequence[str]) -> bool:
        """Whether a tokenizer.json gives our ids: of held-out documents, and of the awkward texts that are not lost."""
        kept = [text for text in CHECKED_TEXTS if not self.lost(text)]
        _, differing = measure_difference(self, tokenizer_json, [*held_out, *kept])
        return not differing

    def _knows_every_text(self) -> bool:
        has_every_byte = {bytes([byte]) for byte in range(256)} <= set(self.token_bytes)
        return has_every_byte and not any(map(self.lost, CHECKED_TEXTS))

    @classmethod
    def read_files(cls, folder: Path) -> Self:
        about = artifact.read_json(folder / FOREIGN_FILE)
        return cls(ENCODERS[about["kind"]].read(folder / SOURCE_FOLDER), about["rule"], about["name"])
