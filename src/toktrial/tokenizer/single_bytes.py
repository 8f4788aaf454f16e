"""The tokenizer without merges: every byte is an entry. It says what a model pays that must spell.

The tokenizers stage makes it, from nothing; from there on the flow treats it as any other.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from toktrial.corpus.documents import flat_buffers, utf8_length
from toktrial.tokenizer.base import END_OF_TEXT, Ids, Offsets, Tokenizer, write_vocabulary
from toktrial.tokenizer.transformers_files import (
    BYTE_LEVEL,
    TOKENIZER_FILE,
    end_of_text_as_added_token,
    spell,
    write_transformers_files,
)


class BytesTokenizer(Tokenizer):
    """Id 1 + b is the byte b, and id 0 is `<|endoftext|>`: 257 entries, whatever the corpus."""

    recipe = "bytes"

    def __init__(self) -> None:
        super().__init__([END_OF_TEXT.encode(), *(bytes([byte]) for byte in range(256))])

    def encode(self, text: str) -> list[int]:
        utf8_length(text, "the text")
        return [1 + byte for byte in text.encode()]

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        offsets, data = flat_buffers(texts)
        return data[offsets[0] : offsets[-1]].astype(np.uint32) + 1, offsets - offsets[0]

    def write_files(self, folder: Path, held_out: Iterable[str] = ()) -> None:
        (folder / TOKENIZER_FILE).write_text(self._as_bpe_without_merges(), encoding="utf-8")
        write_vocabulary(self.token_bytes, folder)
        write_transformers_files(self, folder, held_out)

    @classmethod
    def read_files(cls, folder: Path) -> "BytesTokenizer":  # noqa: ARG003  # all such folders hold the same
        return cls()

    def _as_bpe_without_merges(self) -> str:
        from tokenizers import Tokenizer as HFTokenizer
        from tokenizers import models, pre_tokenizers

        vocabulary = {END_OF_TEXT: 0} | {spell(entry): 1 + byte for byte, entry in enumerate(self.token_bytes[1:])}
        tokenizer = HFTokenizer(models.BPE(vocabulary, merges=[]))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        content = json.loads(tokenizer.to_str()) | {"added_tokens": [end_of_text_as_added_token()], "decoder": BYTE_LEVEL}
        return json.dumps(content, ensure_ascii=False)
