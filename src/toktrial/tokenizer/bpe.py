"""Byte-level BPE, as GPT-2 has it: track A's tokenizer, and BTM's first step when it is small.

It learns what HF `tokenizers`, the reference implementation, learns, in a fraction of the time (word_counts.py and
bpe_trainer.py; `trainer="hf"` has HF itself train). `gigatoken` encodes, which gives the ids of `tokenizers` much faster, after
a check that it does so.
"""

import functools
import importlib.metadata
import itertools
import json
import warnings
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from toktrial.corpus.documents import Documents, flat_buffers, utf8_length
from toktrial.errors import TrialError
from toktrial.progress import Progress
from toktrial.tokenizer.base import END_OF_TEXT, Ids, Offsets, Tokenizer
from toktrial.tokenizer.bpe_trainer import learn_bpe
from toktrial.tokenizer.config import FAST, SMALLEST_VOCAB_SIZE, BPETrainer
from toktrial.tokenizer.long_runs import cut_long_runs, joinable_bytes, keeps_parts_of_runs
from toktrial.tokenizer.transformers_files import WrittenTokenizer, spell
from toktrial.tokenizer.word_counts import count_words

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

PRIMITIVE_FOLDER = "primitive"
# How tiktoken's cl100k_base cuts a text (openai/tiktoken, tiktoken_ext/openai_public.py). `tokenizers` and gigatoken need it in
# different spellings: to the engine of the first, `$` is the end of any line and `{1,3}+` any number of digits; the second
# knows it by its spelling alone.
CL100K_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s+\z|\s*[\r\n]+|\s+(?!\S)|\s+"
)
GIGATOKENS_PATTERNS = {
    CL100K_PATTERN: (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s+"
    )
}
LONG_TEXT_BYTES = 100_000  # a single text of this size or less is encoded whole: its runs of letters cost little


class ByteLevelTokenizer(WrittenTokenizer):
    """A BPE over bytes, learned here or read from an HF tokenizer.json; id 0 = `<|endoftext|>`, and every byte is an entry."""

    def encode(self, text: str) -> list[int]:
        n_bytes = utf8_length(text, "the text")
        if self._gigatoken is None:
            return list(self.hf.encode(text, add_special_tokens=False).ids)
        if n_bytes > LONG_TEXT_BYTES:
            ids, _ = self.encode_arrow(pa.array([text], type=pa.large_string()))
        else:
            ids = self._gigatoken.encode(text)
        encoded: list[int] = ids.tolist()
        return encoded

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        if self._gigatoken is None:
            lists = [encoding.ids for encoding in self.hf.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)]
            offsets = np.cumsum([0, *map(len, lists)])
            return np.fromiter(itertools.chain.from_iterable(lists), dtype=np.uint32, count=int(offsets[-1])), offsets
        offsets, data = flat_buffers(texts)
        if self._joinable is None or not (cuts := cut_long_runs(offsets, data, self._joinable)).size:
            return _encode_with_gigatoken(self._gigatoken, offsets, data)
        ids, part_offsets = _encode_with_gigatoken(self._gigatoken, np.sort(np.concatenate([offsets, cuts])), data)
        return ids, part_offsets[np.arange(offsets.size) + np.searchsorted(cuts, offsets)]

    @property
    def parts(self) -> npt.NDArray[np.int64]:
        model = json.loads(self.tokenizer_json)["model"]
        vocabulary: dict[str, int] = model["vocab"]
        parts = super().parts
        for left, right in reversed(model["merges"]):  # of several merges of one entry, the first stays
            parts[vocabulary[left + right]] = vocabulary[left], vocabulary[right]
        return parts

    @functools.cached_property
    def _joinable(self) -> npt.NDArray[np.bool_] | None:
        """Which bytes some entry holds side by side; None if long runs must stay whole."""
        return joinable_bytes(self.token_bytes[1:]) if keeps_parts_of_runs(self.tokenizer_json) else None

    @functools.cached_property
    def hf(self) -> "tokenizers.Tokenizer":
        """The same tokenizer as an HF `tokenizers.Tokenizer`, which treats `<|endoftext|>` in a text as text."""
        import tokenizers

        tokenizer = tokenizers.Tokenizer.from_str(self.tokenizer_json)
        tokenizer.encode_special_tokens = True
        return tokenizer

    @functools.cached_property
    def _gigatoken(self) -> "gigatoken.Tokenizer | None":
        """The fast encoder; None, after a warning, if it does not give HF's ids on a sample of awkward texts."""
        import gigatoken

        content = json.loads(self.tokenizer_json)
        content["added_tokens"] = []  # gigatoken would take `<|endoftext|>` in a text for the special token
        for part in (content["pre_tokenizer"] or {}).get("pretokenizers", []):
            if part["type"] == "Split" and (regex := part["pattern"].get("Regex")) in GIGATOKENS_PATTERNS:
                part["pattern"] = {"Regex": GIGATOKENS_PATTERNS[regex]}
        entries = [self.decode([token]) for token in range(self.vocab_size)]
        sample = [*CHECKED_TEXTS, *entries, " ".join(entries)]
        expected = [encoding.ids for encoding in self.hf.encode_batch_fast(sample, add_special_tokens=False)]
        try:
            fast = gigatoken.Tokenizer.from_json(json.dumps(content, ensure_ascii=False))
            ids, offsets = _encode_with_gigatoken(fast, *flat_buffers(pa.array(sample, type=pa.large_string())))
        except Exception as error:  # whatever it raises for a file that it does not know, the slower way remains
            _warn_of_gigatoken(f"cannot read this tokenizer ({str(error).partition(chr(10))[0]})")
            return None
        found = [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]
        if found == expected:
            return fast
        wrong = next(text for text, ours, theirs in zip(sample, found, expected, strict=True) if ours != theirs)
        _warn_of_gigatoken(f"encodes {wrong[:60]!r} differently from tokenizers")
        return None


class BPETokenizer(ByteLevelTokenizer):
    """Byte-level BPE learned here: GPT-2's pre-tokenizer, every byte in the alphabet, id 0 = `<|endoftext|>`."""

    recipe = "bpe"

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        vocab_size: int,
        min_frequency: int = 2,
        on_progress: Progress | None = None,
        trainer: BPETrainer = FAST,
    ) -> "BPETokenizer":
        """Learns `vocab_size` entries, `<|endoftext|>` and the 256 bytes among them, from any iterable of str.

        Stops with fewer entries when no pair is left that occurs `min_frequency` times. `on_progress` is told the bytes
        read. `trainer`: "fast", or "hf", which takes ten times as long and learns the same (up to 2^31 occurrences of a pair,
        where its counts overflow). Raises TrialError for a vocabulary too small to hold every byte, ValueError for a lone
        surrogate.
        """
        check_vocab_size(vocab_size)
        documents = Documents.of(documents)
        batches = read_batches(documents, on_progress)
        if trainer == FAST:
            return cls(_tokenizer_json(*learn_bpe(*count_words(batches), vocab_size, min_frequency)))
        from tokenizers import models, pre_tokenizers, trainers

        hf_trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[END_OF_TEXT],
            show_progress=False,
        )
        tokenizer = _byte_level(models.BPE())
        tokenizer.train_from_iterator((batch.to_pylist() for batch in batches), hf_trainer, length=len(documents))
        return cls(tokenizer.to_str())

    def cut(self, vocab_size: int) -> "BPETokenizer":
        """Returns this tokenizer as it was when its vocabulary reached `vocab_size` entries.

        BPE training is a sequence, so that is what a training of that size alone would have learned. Raises TrialError
        for a vocabulary too small to hold every byte.
        """
        check_vocab_size(vocab_size)
        content: dict[str, Any] = json.loads(self.tokenizer_json)
        model = content["model"]
        vocabulary: dict[str, int] = model["vocab"]
        if vocab_size >= len(vocabulary):
            return self
        model["merges"] = model["merges"][: vocab_size - SMALLEST_VOCAB_SIZE]  # each makes one entry
        model["vocab"] = {spelling: token for spelling, token in vocabulary.items() if token < vocab_size}
        return BPETokenizer(json.dumps(content, ensure_ascii=False))


class OverBPETokenizer(Tokenizer):
    """Encodes in two steps: text to primitives, the entries of a small BPE, and primitives to longer entries.

    The entries of the primitive tokenizer come first.
    """

    def __init__(self, primitive: BPETokenizer, token_bytes: Sequence[bytes]) -> None:
        self.primitive = primitive
        super().__init__(token_bytes)

    @abstractmethod
    def _encode_primitives(self, primitives: Ids, offsets: Offsets) -> tuple[Ids, Offsets]:
        """Encodes documents of primitives, flat, with offsets (documents + 1,) into them."""

    def encode(self, text: str) -> list[int]:
        primitives = np.array(self.primitive.encode(text), dtype=np.uint32)
        ids, _ = self._encode_primitives(primitives, np.array([0, primitives.size]))
        encoded: list[int] = ids.tolist()
        return encoded

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        return self._encode_primitives(*self.primitive.encode_arrow(texts))

    def manifest(self) -> dict[str, Any]:
        return super().manifest() | {"primitives": self.primitive.vocab_size}

    def write_files(self, folder: Path, held_out: Sequence[str] = ()) -> None:
        super().write_files(folder, held_out)
        (folder / PRIMITIVE_FOLDER).mkdir()
        self.primitive.write_files(folder / PRIMITIVE_FOLDER, held_out)


def _byte_level(model: "tokenizers.models.BPE") -> "tokenizers.Tokenizer":
    from tokenizers import Tokenizer as HFTokenizer
    from tokenizers import decoders, pre_tokenizers

    tokenizer = HFTokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _tokenizer_json(entries: Sequence[bytes], merges: Sequence[tuple[int, int]]) -> str:
    """Returns what HF would write of a tokenizer that it has trained: entries, `<|endoftext|>` first; merges of their ids."""
    from tokenizers import models

    spellings = [END_OF_TEXT, *map(spell, entries[1:])]
    vocabulary = {spelling: token for token, spelling in enumerate(spellings)}
    tokenizer = _byte_level(models.BPE(vocabulary, [(spellings[left], spellings[right]) for left, right in merges]))
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer.to_str()


def check_vocab_size(vocab_size: int) -> None:
    if vocab_size < SMALLEST_VOCAB_SIZE:
        raise TrialError(
            f"vocab_size must be at least {SMALLEST_VOCAB_SIZE} ({END_OF_TEXT} and every byte), but is {vocab_size}"
        )


def read_batches(documents: Documents, on_progress: Progress | None) -> Iterator[pa.LargeStringArray]:
    """Yields the batches of documents, and reports the bytes read after each."""
    bytes_read = 0
    for batch in documents.batches():
        yield batch
        offsets, _ = flat_buffers(batch)
        bytes_read += int(offsets[-1] - offsets[0])
        if on_progress:
            on_progress.update(bytes_read)


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
