"""The tokenizer without merges: every byte is an entry. It says what a model pays that must spell.

The tokenizers stage makes it, from nothing; from there on the flow treats it as any other.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from toktrial.corpus.documents import flat_buffers
from toktrial.tokenizer.base import END_OF_TEXT, Ids, Offsets
from toktrial.tokenizer.config import SMALLEST_VOCAB_SIZE
from toktrial.tokenizer.transformers_files import BYTE_LEVEL, CHARACTER_OF_BYTE, WrittenTokenizer, lossless_tokenizer_json

# As HF `tokenizers` writes a BPE.
_WITHOUT_MERGES: dict[str, Any] = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": False,
    "vocab": {END_OF_TEXT: 0} | {CHARACTER_OF_BYTE[byte]: 1 + byte for byte in range(256)},
    "merges": [],
}


class BytesTokenizer(WrittenTokenizer):
    """Id 1 + b is the byte b, and id 0 is `<|endoftext|>`: 257 entries, whatever the corpus."""

    recipe = "bytes"

    def __init__(self) -> None:
        super().__init__(lossless_tokenizer_json(BYTE_LEVEL | {"add_prefix_space": False, "use_regex": False}, _WITHOUT_MERGES))

    @classmethod
    def train(cls, documents: Iterable[str] = (), vocab_size: int = SMALLEST_VOCAB_SIZE, **_: Any) -> Self:  # noqa: ARG003
        """Returns the tokenizer, which learns nothing from documents."""
        return cls()

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        offsets, data = flat_buffers(texts)
        return data[offsets[0] : offsets[-1]].astype(np.uint32) + 1, offsets - offsets[0]

    @classmethod
    def read_files(cls, folder: Path) -> Self:  # noqa: ARG003  # all such folders hold the same
        return cls()
