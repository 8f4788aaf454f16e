"""The Unigram language model over bytes (Kudo 2018, arXiv:1804.10959): of all cuts of a word, the likeliest.

SentencePiece learns the entries and their probabilities. It gives equal results for equal counts, which HF `tokenizers` does
not: its trainer adds in the order of a hash map. To lose nothing, both see words as GPT-2 cuts them, spelled in its alphabet of
bytes, in which SentencePiece has nothing to normalise: no white space, and neither U+2581 nor an unknown character.
`tokenizers` then finds the likeliest cut of each distinct word, once.
"""

import functools
import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from toktrial.corpus.documents import Documents, flat_buffers
from toktrial.errors import TrialError
from toktrial.progress import Progress
from toktrial.tokenizer.base import END_OF_TEXT, Ids, Offsets, Show, hidden
from toktrial.tokenizer.bpe import check_vocab_size, read_batches
from toktrial.tokenizer.transformers_files import (
    BYTE_LEVEL,
    CHARACTER_OF_BYTE,
    WrittenTokenizer,
    lossless_tokenizer_json,
    spell,
)

if TYPE_CHECKING:
    import sentencepiece

THREADS = 4  # of the training, whatever the machine: its sums depend on how many there are
UNSEEN_PENALTY = 10.0  # nats by which a byte that the text lacks is less likely than the rarest entry, as in SentencePiece
REMEMBERED_WORDS = 1 << 20
TRAINER_SETTINGS: dict[str, Any] = {
    "input_format": "tsv",
    "model_type": "unigram",
    "hard_vocab_limit": False,
    "character_coverage": 1.0,
    "normalization_rule_name": "identity",
    "add_dummy_prefix": False,
    "remove_extra_whitespaces": False,
    "split_by_whitespace": False,
    "split_by_unicode_script": False,
    "split_by_number": False,
    "max_sentence_length": 1 << 30,
    "unk_id": 0,
    "bos_id": -1,
    "eos_id": -1,
    "pad_id": -1,
    "num_threads": THREADS,
    "minloglevel": 2,
}


class UnigramTokenizer(WrittenTokenizer):
    """A Unigram LM over bytes, within the words of GPT-2's pre-tokenizer; id 0 = `<|endoftext|>`, every byte is an entry."""

    recipe = "unigram"

    @classmethod
    def train(cls, documents: Iterable[str], vocab_size: int, show: Show = hidden) -> Self:
        """Learns `vocab_size` entries, `<|endoftext|>` and the 256 bytes among them, from any iterable of str.

        Fewer where the text holds fewer. Raises TrialError for a vocabulary too small to hold every byte and where
        sentencepiece is missing or finds too little text to learn from, ValueError for a lone surrogate.
        """
        check_vocab_size(vocab_size)
        documents = Documents.of(documents)
        with show("counting words for the Unigram LM", documents.bytes, "B") as shown:
            pieces = _learned_pieces(count_words(documents, shown), vocab_size)
        learned = {"type": "Unigram", "unk_id": None, "byte_fallback": False, "vocab": [(END_OF_TEXT, 0.0), *pieces]}
        return cls(lossless_tokenizer_json(BYTE_LEVEL | {"add_prefix_space": False}, learned))

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        offsets, data = flat_buffers(texts)
        ends: list[int] = [0]
        ids: list[Ids] = []
        for start, end in itertools.pairwise(offsets.tolist()):
            ids.append(np.fromiter(self._cut(data[start:end].tobytes()), dtype=np.uint32))
            ends.append(ends[-1] + ids[-1].size)
        return np.concatenate([np.zeros(0, dtype=np.uint32), *ids]), np.array(ends, dtype=np.int64)

    def _cut(self, text: bytes) -> Iterator[int]:
        return itertools.chain.from_iterable(map(self._ids_of_word, words_of(text)))

    @functools.cached_property
    def _ids_of_word(self) -> Callable[[bytes], tuple[int, ...]]:
        import tokenizers

        model = tokenizers.Tokenizer.from_str(self.tokenizer_json).model

        @functools.lru_cache(REMEMBERED_WORDS)
        def ids_of(word: bytes) -> tuple[int, ...]:
            return tuple(token.id for token in model.tokenize(spell(word)))

        return ids_of


def _learned_pieces(counts: Counter[bytes], vocab_size: int) -> list[tuple[str, float]]:
    """Returns the entries but `<|endoftext|>`, as they are spelled, with their log-probabilities; every byte is among them."""
    unseen = [CHARACTER_OF_BYTE[byte] for byte in sorted(set(range(256)).difference(*counts))]
    pieces = []
    if counts:
        model = learn_model(counts, vocab_size - len(unseen))
        pieces = [(model.id_to_piece(token), model.get_score(token)) for token in range(1, model.vocab_size())]
    rarest = min((score for _, score in pieces), default=0.0)
    return pieces + [(character, rarest - UNSEEN_PENALTY) for character in unseen]


def words_of(text: bytes) -> Iterator[bytes]:
    """Yields a text's words as GPT-2's pre-tokenizer cuts them; joined, they are the text."""
    import gigatoken

    words: Iterator[bytes] = gigatoken.pretokenizer(text)
    return words


def count_words(documents: Documents, on_progress: Progress | None = None) -> Counter[bytes]:
    """Returns how often each word occurs."""
    counts: Counter[bytes] = Counter()
    for batch in read_batches(documents, on_progress):
        offsets, data = flat_buffers(batch)
        for start, end in itertools.pairwise(offsets.tolist()):
            counts.update(words_of(data[start:end].tobytes()))
    return counts


def learn_model(counts: Counter[bytes], vocab_size: int) -> "sentencepiece.SentencePieceProcessor":
    """Returns a model of words in GPT-2's alphabet, with at most `vocab_size` pieces, the unknown one first.

    Raises TrialError where sentencepiece is missing, and where the words are too few to learn from.
    """
    try:
        import sentencepiece
    except ImportError:
        raise TrialError("the recipe `unigram` needs sentencepiece: pip install 'toktrial[sentencepiece]'") from None
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(f"{spell(word)}\t{count}" for word, count in ordered),
            model_writer=written,
            vocab_size=vocab_size,
            **TRAINER_SETTINGS,
        )
    except RuntimeError as error:  # where the only word is one short repetition, all its pieces are found to be of no use
        raise TrialError(
            f"SentencePiece could not learn from this text ({error}; distinct words: {len(counts):,}): the recipe `unigram` "
            "needs a larger corpus"
        ) from None
    return sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
