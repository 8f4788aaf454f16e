"""What every byte-level BPE does, learned here or read from a file: text to ids by its tokenizer.json, fast where that is safe.

Text is encoded by `gigatoken`, which gives the ids of HF `tokenizers` much faster, after a check that it does so.
"""

import functools
import importlib.metadata
import itertools
import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from toktrial.corpus.documents import flat_buffers, utf8_length
from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID, Ids, Offsets, Tokenizer, write_vocabulary
from toktrial.tokenizer.long_runs import cut_long_runs, joinable_bytes, keeps_parts_of_runs
from toktrial.tokenizer.transformers_files import TOKENIZER_FILE, write_transformers_files

if TYPE_CHECKING:
    import gigatoken
    import tokenizers

# What tokenizers get wrong most easily: the spelling of the special token, runs of white space, contractions, digits,
# scripts without spaces, combining marks, joined emoji, control characters, a line separator, an isolated byte order mark.
CHECKED_TEXTS = (
    "",
    " ",
    "<|endoftext|>",
    "a<|endoftext|><|endoftext|> b <|endoftext|>\n",
    "Once upon a time,  there was   a dog.\n\n\"I'll come,\" he said; they've, we'd, DON'T, it's'll.\t\r\n  end  ",
    "x" * 300 + " " * 70 + "\n" * 40 + "1234567890 3.14159 1,000,000",
    "\u00e9te\u0301 na\u00efve \u4f60\u597d\uff0c\u4e16\u754c",
    "\u0645\u0631\u062d\u0628\u0627 \u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f3fd \U0001f1e9\U0001f1ea",
    "\x00\x01\x7f\u00a0\u2028\u2029\u3000\ufeff\U0010ffff\ud7ff\ue000",
    "def f(x):\n    return x**2  # \u00b2 \u00bd \u2167 _under_score__ \u017f\u2019s",
)

LONG_TEXT_BYTES = 100_000  # a single text up to here is encoded whole: the runs of letters in it cost little


class ByteLevelTokenizer(Tokenizer):
    """A BPE over bytes, as an HF tokenizer.json holds it; id 0 = `<|endoftext|>`, and every byte is an entry."""

    def __init__(self, tokenizer_json: str) -> None:
        """`tokenizer_json`: the content of an HF tokenizer.json whose entry 0 is `<|endoftext|>`."""
        self._json = tokenizer_json
        vocabulary: dict[str, int] = json.loads(tokenizer_json)["model"]["vocab"]
        spellings = sorted(vocabulary, key=vocabulary.__getitem__)
        super().__init__([_entry_bytes(spelling, vocabulary[spelling]) for spelling in spellings])

    @property
    def tokenizer_json(self) -> str:
        """The content of the HF tokenizer.json."""
        return self._json

    def encode(self, text: str) -> list[int]:
        n_bytes = utf8_length(text, "the text")
        if self._gigatoken is not None:
            if n_bytes > LONG_TEXT_BYTES:
                ids, _ = self.encode_arrow(pa.array([text], type=pa.large_string()))
            else:
                ids = self._gigatoken.encode(text)
            encoded: list[int] = ids.tolist()
            return encoded
        return list(self.hf.encode(text, add_special_tokens=False).ids)

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        if self._gigatoken is None:
            encodings = self.hf.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
            return _flatten([encoding.ids for encoding in encodings])
        if self._joinable is None:
            return _encode_with_gigatoken(self._gigatoken, *flat_buffers(texts))
        offsets, data = flat_buffers(texts)
        cuts = cut_long_runs(offsets, data, self._joinable)
        if not cuts.size:
            return _encode_with_gigatoken(self._gigatoken, offsets, data)
        ids, part_offsets = _encode_with_gigatoken(self._gigatoken, np.sort(np.concatenate([offsets, cuts])), data)
        return ids, part_offsets[np.arange(offsets.size) + np.searchsorted(cuts, offsets)]

    @property
    def parts(self) -> npt.NDArray[np.int64]:
        model = json.loads(self._json)["model"]
        vocabulary: dict[str, int] = model["vocab"]
        parts = super().parts
        for left, right in reversed(model["merges"]):  # of several merges of one entry, the first stays
            parts[vocabulary[left + right]] = vocabulary[left], vocabulary[right]
        return parts

    @functools.cached_property
    def _joinable(self) -> npt.NDArray[np.bool_] | None:
        """Which bytes some entry holds side by side; None where long runs must stay whole."""
        return joinable_bytes(self.token_bytes[1:]) if keeps_parts_of_runs(self._json) else None

    @functools.cached_property
    def hf(self) -> "tokenizers.Tokenizer":
        """The same tokenizer as an HF `tokenizers.Tokenizer`, which treats `<|endoftext|>` in a text as text."""
        import tokenizers

        tokenizer = tokenizers.Tokenizer.from_str(self._json)
        tokenizer.encode_special_tokens = True
        return tokenizer

    @functools.cached_property
    def _gigatoken(self) -> "gigatoken.Tokenizer | None":
        """The fast encoder; None, after a warning, where it does not give HF's ids on a sample of awkward texts."""
        import gigatoken

        content = json.loads(self._json)
        content["added_tokens"] = []  # gigatoken would take `<|endoftext|>` in a text for the special token
        entries = [self.decode([token]) for token in range(self.vocab_size)]
        sample = [*CHECKED_TEXTS, *entries, " ".join(entries)]
        expected = [encoding.ids for encoding in self.hf.encode_batch_fast(sample, add_special_tokens=False)]
        try:
            fast = gigatoken.Tokenizer.from_json(json.dumps(content, ensure_ascii=False))
            ids, offsets = _encode_with_gigatoken(fast, *flat_buffers(pa.array(sample, type=pa.large_string())))
        except Exception as error:  # whatever it makes of a file that it does not know, there is the slower way
            _warn_of_gigatoken(f"cannot read this tokenizer ({str(error).partition(chr(10))[0]})")
            return None
        found = [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]
        if found == expected:
            return fast
        wrong = next(text for text, ours, theirs in zip(sample, found, expected, strict=True) if ours != theirs)
        _warn_of_gigatoken(f"encodes {wrong[:60]!r} differently from tokenizers")
        return None

    def write_files(self, folder: Path, held_out: Iterable[str] = ()) -> None:
        (folder / TOKENIZER_FILE).write_text(self._json, encoding="utf-8")
        write_vocabulary(self.token_bytes, folder)
        write_transformers_files(self, folder, held_out)

    @classmethod
    def read_files(cls, folder: Path) -> Self:
        """Reads what `write_files` wrote."""
        return cls((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))


def _warn_of_gigatoken(what: str) -> None:
    version = importlib.metadata.version("gigatoken")
    warnings.warn(f"gigatoken {version} {what}: encoding with tokenizers, which is slower", stacklevel=3)


def _encode_with_gigatoken(
    fast: "gigatoken.Tokenizer", offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8]
) -> tuple[Ids, Offsets]:
    """Encodes documents that lie flat in memory, (documents + 1,) offsets into (bytes,) data, without a copy."""
    import awkward as ak

    if offsets.size == 1:
        return np.zeros(0, dtype=np.uint32), np.zeros(1, dtype=np.int64)
    characters = ak.contents.NumpyArray(data, parameters={"__array__": "char"})
    strings = ak.contents.ListOffsetArray(ak.index.Index64(offsets), characters, parameters={"__array__": "string"})
    encoded = fast.encode_batch(ak.Array(strings)).layout
    ids: Ids = np.asarray(encoded.content.data)
    return ids, np.asarray(encoded.offsets.data)


def _flatten(lists: list[list[int]]) -> tuple[Ids, Offsets]:
    offsets = np.zeros(len(lists) + 1, dtype=np.int64)
    np.cumsum([len(ids) for ids in lists], out=offsets[1:])
    return np.fromiter(itertools.chain.from_iterable(lists), dtype=np.uint32, count=int(offsets[-1])), offsets


@functools.cache
def character_of_byte() -> dict[int, str]:
    """GPT-2's byte alphabet: printable bytes stand for themselves, the others for U+0100 and on.

    Source: `bytes_to_unicode` in GPT-2's encoder.py (openai/gpt-2).
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


@functools.cache
def byte_of_character() -> dict[str, int]:
    """The same alphabet, backwards."""
    return {character: byte for byte, character in character_of_byte().items()}


def _entry_bytes(spelling: str, token: int) -> bytes:
    if token == END_OF_TEXT_ID:
        return END_OF_TEXT.encode()
    return bytes(byte_of_character()[character] for character in spelling)
