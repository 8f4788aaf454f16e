"""Byte-level BPE, as GPT-2 has it: track A's tokenizer, and BTM's first step when it is small.

Trained by HF `tokenizers`, the reference implementation; byte_level.py encodes.
"""

import json
from collections.abc import Iterable, Iterator

from toktrial.corpus.documents import Documents, flat_buffers
from toktrial.errors import TrialError
from toktrial.progress import Progress
from toktrial.tokenizer.base import END_OF_TEXT
from toktrial.tokenizer.byte_level import ByteLevelTokenizer
from toktrial.tokenizer.config import SMALLEST_VOCAB_SIZE


class BPETokenizer(ByteLevelTokenizer):
    """Byte-level BPE: GPT-2's pre-tokenizer, every byte in the alphabet, id 0 = `<|endoftext|>`."""

    recipe = "bpe"

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

        _check_vocab_size(vocab_size)
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

        BPE training is a sequence, so that is what a training of that size alone would have learned. Raises TrialError
        for a vocabulary too small to hold every byte.
        """
        _check_vocab_size(vocab_size)
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


def _check_vocab_size(vocab_size: int) -> None:
    if vocab_size < SMALLEST_VOCAB_SIZE:
        raise TrialError(
            f"vocab_size must be at least {SMALLEST_VOCAB_SIZE} ({END_OF_TEXT} and every byte), but is {vocab_size}"
        )


def _text_batches(documents: Documents, on_progress: Progress | None) -> Iterator[list[str]]:
    bytes_read = 0
    for batch in documents.batches():
        offsets, _ = flat_buffers(batch)
        yield batch.to_pylist()
        bytes_read += int(offsets[-1] - offsets[0])
        if on_progress:
            on_progress.update(bytes_read)
