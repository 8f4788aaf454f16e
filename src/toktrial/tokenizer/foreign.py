"""Anybody's tokenizer as a track, of whatever kind: what it gives back byte for byte is taken, anything else is refused.

sources.py opens one; from there on the flow treats it as it does any other. Byte-level BPE has a faster way, in file.py.

A trial needs `<|endoftext|>` at id 0 and distinct byte strings. So the ids are ours: 0 is `<|endoftext|>`, then come the
entries in the order of their ids. Special tokens are left out, because text never becomes one. Two entries of the same bytes,
such as a character and SentencePiece's fallback to its byte, become one. No file says what bytes an entry stands for: there are
a few ways to spell them (`RULES`), and the right one is the one that gives texts back.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import pyarrow as pa

from toktrial import artifact
from toktrial.corpus.documents import flat_buffers, utf8_length
from toktrial.errors import TrialError
from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID, Ids, Offsets, Tokenizer, write_vocabulary
from toktrial.tokenizer.bpe import CHECKED_TEXTS
from toktrial.tokenizer.transformers_files import bytes_of

FOREIGN_FILE = "foreign.json"
SOURCE_FOLDER = "source"
MODEL_FILE = "tokenizer.model"
CONTENT_FILE = "tokenizer.json"
SHOWN_BYTES = 24  # before and after the first byte that differs
BYTE_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
# Of a ModelProto in protobuf's wire format: normalizer_spec { add_dummy_prefix: false }. What is appended wins.
WITHOUT_PREFIX = b"\x1a\x02\x18\x00"

Spelling = str | bytes | None
"""How a tokenizer writes an entry: bytes where they are known, None for what text never becomes."""
_code_is_allowed: set[Path] = set()  # folders whose tokenizer may run code of its own, as long as this process lasts


class Encoder(Protocol):
    """Somebody's tokenizer, which gives its own ids."""

    kind: str

    def spellings(self) -> Sequence[Spelling]:
        """Returns how each entry is written, by id."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of every text, without any that are put around it."""

    def write(self, folder: Path) -> None: ...

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads what `write` wrote."""


class TokenizersEncoder:
    """A tokenizer.json of any kind, by HF `tokenizers`."""

    kind = "tokenizers"

    def __init__(self, tokenizer_json: str) -> None:
        import tokenizers

        self._tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json)
        self._tokenizer.encode_special_tokens = True

    def spellings(self) -> Sequence[Spelling]:
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=False)
        added = self._tokenizer.get_added_tokens_decoder()
        found: list[Spelling] = [None] * (1 + max([*vocabulary.values(), *added]))
        for spelling, token in vocabulary.items():
            found[token] = spelling
        for token, about in added.items():
            if not about.special:
                found[token] = about.content.encode()
            elif self._tokenizer.model.__class__.__name__ != "Unigram":  # there, text may spell one
                found[token] = None
        return found

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def write(self, folder: Path) -> None:
        (folder / CONTENT_FILE).write_text(self._tokenizer.to_str(), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls((folder / CONTENT_FILE).read_text(encoding="utf-8"))


class SentencePieceEncoder:
    """A SentencePiece model, by its own library; without the space that it would put before every text."""

    kind = "sentencepiece"

    def __init__(self, model: bytes, name: str) -> None:
        """`name`: what errors call it. Raises TrialError where sentencepiece is missing or cannot read the model."""
        try:
            import sentencepiece
        except ImportError:
            raise TrialError(f"{name} needs sentencepiece: pip install 'toktrial[sentencepiece]'") from None
        self._model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model + WITHOUT_PREFIX)
        except RuntimeError as error:
            raise TrialError(
                f"{name} is no tokenizer.json, .tiktoken file or SentencePiece model that can be read ({error})"
            ) from None

    def spellings(self) -> Sequence[Spelling]:
        processor = self._processor
        return [
            None if processor.is_control(token) or processor.is_unknown(token) else processor.id_to_piece(token)
            for token in range(processor.vocab_size())
        ]

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        encoded: list[list[int]] = self._processor.encode(list(texts), out_type=int)
        return encoded

    def write(self, folder: Path) -> None:
        (folder / MODEL_FILE).write_bytes(self._model)

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls((folder / MODEL_FILE).read_bytes(), str(folder / MODEL_FILE))


class TransformersEncoder:
    """A tokenizer in Python, as `transformers.AutoTokenizer` loads it."""

    kind = "transformers"

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def spellings(self) -> Sequence[Spelling]:
        found: list[Spelling] = list(self._tokenizer.convert_ids_to_tokens(list(range(len(self._tokenizer)))))
        for token, about in self._tokenizer.added_tokens_decoder.items():
            found[token] = None if about.special else about.content.encode()
        return found

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) for text in texts]

    def write(self, folder: Path) -> None:
        self._tokenizer.save_pretrained(folder)

    @classmethod
    def read(cls, folder: Path) -> Self:
        return cls(auto_tokenizer(str(folder), allow_code=folder.resolve() in _code_is_allowed))


ENCODERS: dict[str, type[Encoder]] = {
    kind.kind: kind for kind in (TokenizersEncoder, SentencePieceEncoder, TransformersEncoder)
}


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

    def encode(self, text: str) -> list[int]:
        utf8_length(text, "the text")
        ids = self._our_ids[self._encoder.encode_batch([text])[0]]
        self._check(text, ids)
        encoded: list[int] = ids.tolist()
        return encoded

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        plain = texts.to_pylist()
        lists = self._encoder.encode_batch(plain)
        offsets = np.cumsum([0, *map(len, lists)])
        ids = self._our_ids[np.fromiter(itertools.chain.from_iterable(lists), dtype=np.int64, count=int(offsets[-1]))]
        ends, data = flat_buffers(texts)
        joined = b"".join([self.token_bytes[token] for token in ids.tolist()])
        if (ids == END_OF_TEXT_ID).any() or joined != data[ends[0] : ends[-1]].tobytes():
            for text, (start, end) in zip(plain, itertools.pairwise(offsets.tolist()), strict=True):
                self._check(text, ids[start:end])
        return ids, offsets

    def lost(self, text: str) -> "Loss | None":
        """Returns what the tokenizer loses of a text; None where it gives all of it back."""
        return self._lost(text, self._our_ids[self._encoder.encode_batch([text])[0]])

    def _check(self, text: str, ids: Ids) -> None:
        if loss := self._lost(text, ids):
            raise TrialError(str(loss))

    def _lost(self, text: str, ids: Ids) -> "Loss | None":
        wanted, found = text.encode(), self.decode_bytes(ids[ids != END_OF_TEXT_ID].tolist())
        return None if wanted == found else Loss(self.name, wanted, found)

    def manifest(self) -> dict[str, Any]:
        about = {"kind": self._encoder.kind, "rule": self.rule, "entries_merged": self.merged}
        return super().manifest() | about

    def write_files(self, folder: Path, held_out: Iterable[str] = ()) -> None:  # noqa: ARG002  # nothing else reads the folder
        (folder / SOURCE_FOLDER).mkdir()
        self._encoder.write(folder / SOURCE_FOLDER)
        artifact.write_json(folder / FOREIGN_FILE, {"kind": self._encoder.kind, "rule": self.rule, "name": self.name})
        write_vocabulary(self.token_bytes, folder)

    @classmethod
    def read_files(cls, folder: Path) -> Self:
        about = artifact.read_json(folder / FOREIGN_FILE)
        return cls(ENCODERS[about["kind"]].read(folder / SOURCE_FOLDER), about["rule"], about["name"])


def allow_code_in(folder: Path) -> None:
    """Lets the tokenizer in a folder that ForeignTokenizer wrote run code of its own, as long as this process lasts."""
    _code_is_allowed.add((folder / SOURCE_FOLDER).resolve())


def auto_tokenizer(name: str, revision: str | None = None, allow_code: bool = False) -> Any:
    """Returns what `transformers.AutoTokenizer` loads from a folder or the hub.

    Raises TrialError where transformers is missing, where it cannot load that, and for code that is not allowed.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise TrialError(f"{name} needs transformers: pip install 'toktrial[transformers]'") from None
    try:
        return AutoTokenizer.from_pretrained(name, revision=revision or "main", trust_remote_code=allow_code)
    except Exception as error:  # whatever a tokenizer's own code or files make it raise
        reason = str(error).strip().partition("\n")[0]
        if "trust_remote_code" in str(error):
            raise TrialError(f"the tokenizer in {name} runs code of its own: if you trust it, add --allow-code") from None
        raise TrialError(f"transformers cannot load a tokenizer from {name} ({reason})") from None
