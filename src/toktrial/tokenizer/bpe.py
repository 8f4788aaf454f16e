"""Byte-level BPE, as GPT-2 has it: track A's tokenizer, and BTM's first step when it is small.

Trained by HF `tokenizers`, the reference implementation; text is encoded by `gigatoken`, which gives the same ids much
faster, after a check that it does so.
"""

import functools
import itertools
import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from toktrial.corpus.documents import Documents, flat_buffers, utf8_length
from toktrial.errors import TrialError
from toktrial.progress import Progress
from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID, Ids, Offsets, Tokenizer, write_vocabulary
from toktrial.tokenizer.config import SMALLEST_VOCAB_SIZE

if TYPE_CHECKING:
    import gigatoken
    import tokenizers

TOKENIZER_FILE = "tokenizer.json"

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


class BPETokenizer(Tokenizer):
    """Byte-level BPE: GPT-2's pre-tokenizer, every byte in the alphabet, id 0 = `<|endoftext|>`."""

    recipe = "bpe"

    def __init__(self, tokenizer_json: str) -> None:
        """`tokenizer_json`: the content of an HF tokenizer.json that `train` or `save` made."""
        self._json = tokenizer_json
        vocabulary: dict[str, int] = json.loads(tokenizer_json)["model"]["vocab"]
        spellings = sorted(vocabulary, key=vocabulary.__getitem__)
        super().__init__([_entry_bytes(spelling, vocabulary[spelling]) for spelling in spellings])

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        vocab_size: int,
        min_frequency: int = 2,
        on_progress: Progress | None = None,
    ) -> "BPETokenizer":
        """Learns `vocab_size` entries, `<|endoftext|>` and the 256 bytes among them, from any iterable of str.

        Ends with fewer entries where no pair is left that occurs `min_frequency` times. `on_progress` hears the bytes
        read. Raises TrialError for a vocabulary too small to hold every byte, ValueError for a lone surrogate.
        """
        from tokenizers import Tokenizer as HFTokenizer
        from tokenizers import decoders, models, pre_tokenizers, trainers

        if vocab_size < SMALLEST_VOCAB_SIZE:
            raise TrialError(
                f"vocab_size must be at least {SMALLEST_VOCAB_SIZE} ({END_OF_TEXT} and every byte), but is {vocab_size}"
            )
        documents = Documents.of(documents)
        tokenizer = HFTokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[END_OF_TEXT],
            show_progress=False,
        )
        tokenizer.train_from_iterator(_text_batches(documents, on_progress), trainer, length=len(documents))
        return cls(tokenizer.to_str())

    def cut(self, vocab_size: int) -> "BPETokenizer":
        """Returns this tokenizer as it was when its vocabulary reached `vocab_size` entries.

        BPE training is a sequence, so that is what a training of that size alone would have learned.
        """
        content = json.loads(self._json)
        model = content["model"]
        vocabulary: dict[str, int] = model["vocab"]
        if vocab_size >= len(vocabulary):
            return self
        # HF may learn several merges for one entry; training stops at the merge that makes the last entry.
        results = [vocabulary[left + right] for left, right in model["merges"]]
        kept = results.index(vocab_size - 1) + 1 if vocab_size > SMALLEST_VOCAB_SIZE else 0
        model["merges"] = model["merges"][:kept]
        model["vocab"] = {spelling: token for spelling, token in vocabulary.items() if token < vocab_size}
        return BPETokenizer(json.dumps(content, ensure_ascii=False))

    def encode(self, text: str) -> list[int]:
        utf8_length(text, "the text")
        if self._gigatoken is not None:
            return [int(token) for token in self._gigatoken.encode(text)]
        return list(self.hf.encode(text, add_special_tokens=False).ids)

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        if self._gigatoken is None:
            encodings = self.hf.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
            return _flatten([encoding.ids for encoding in encodings])
        return _encode_with_gigatoken(self._gigatoken, texts)

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
        fast = gigatoken.Tokenizer.from_json(json.dumps(content, ensure_ascii=False))
        sample = [*CHECKED_TEXTS, " ".join(self.decode([token]) for token in range(self.vocab_size))]
        expected = [self.hf.encode(text, add_special_tokens=False).ids for text in sample]
        ids, offsets = _encode_with_gigatoken(fast, pa.array(sample, type=pa.large_string()))
        found = [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]
        if found == expected:
            return fast
        wrong = next(text for text, ours, theirs in zip(sample, found, expected, strict=True) if ours != theirs)
        warnings.warn(
            f"gigatoken {gigatoken.__name__} encodes {wrong[:60]!r} differently from tokenizers: "
            "encoding with tokenizers, which is slower",
            stacklevel=2,
        )
        return None

    def write_files(self, folder: Path) -> None:
        (folder / TOKENIZER_FILE).write_text(self._json, encoding="utf-8")
        write_vocabulary(self.token_bytes, folder)

    @classmethod
    def read_files(cls, folder: Path) -> "BPETokenizer":
        """Reads what `write_files` wrote."""
        return cls((folder / TOKENIZER_FILE).read_text(encoding="utf-8"))


def _text_batches(documents: Documents, on_progress: Progress | None) -> Iterator[list[str]]:
    bytes_read = 0
    for batch in documents.batches():
        offsets, _ = flat_buffers(batch)
        yield batch.to_pylist()
        bytes_read += int(offsets[-1] - offsets[0])
        if on_progress:
            on_progress.update(bytes_read)


def _encode_with_gigatoken(fast: "gigatoken.Tokenizer", texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
    import awkward as ak

    if not len(texts):
        return np.zeros(0, dtype=np.uint32), np.zeros(1, dtype=np.int64)
    offsets, data = flat_buffers(texts)
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
def _byte_of_character() -> dict[str, int]:
    """GPT-2's byte alphabet, backwards: printable bytes stand for themselves, the others for U+0100 and on.

    Source: `bytes_to_unicode` in GPT-2's encoder.py (openai/gpt-2).
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def _entry_bytes(spelling: str, token: int) -> bytes:
    if token == END_OF_TEXT_ID:
        return END_OF_TEXT.encode()
    byte_of: dict[str, Any] = _byte_of_character()
    return bytes(byte_of[character] for character in spelling)
