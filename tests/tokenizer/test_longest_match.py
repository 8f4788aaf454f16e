"""The recipe `tkn`: its entries and its cuts are the slow twin's, and every text comes back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer import reference_tkn
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.config import BPERecipe, TKNRecipe
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.longest_match import TKNTokenizer
from toktrial.tokenizer.stage import prepare_tokenizers
from toktrial.tokenizer.tkn import TknMiner

BYTES = BPETokenizer.train([], 257)


@pytest.fixture(scope="module")
def tkn(corpus: list[str], bpe: BPETokenizer) -> TKNTokenizer:
    return TKNTokenizer.train(corpus, 1500, primitive=bpe.cut(600))


def primitives_of(tokenizer: TKNTokenizer, texts: list[str]) -> list[list[int]]:
    return [tokenizer.primitive.hf.encode(text, add_special_tokens=False).ids for text in texts]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("ab ", max_size=30), max_size=6),
    st.integers(258, 290),
    st.integers(1, 3),
    st.integers(2, 5),
    st.integers(1, 9),
)
def test_any_texts_give_the_twins_entries_and_cuts(
    texts: list[str], vocab_size: int, min_frequency: int, max_window: int, bank_size: int
) -> None:
    fast = TKNTokenizer.train(
        texts, vocab_size, min_frequency=min_frequency, primitive=BYTES, max_window=max_window, bank_size=bank_size
    )
    primitives = primitives_of(fast, texts)
    mined = reference_tkn.mine(primitives, max_window, bank_size)
    sequences = reference_tkn.most_frequent_windows(mined, BYTES.token_bytes, vocab_size, min_frequency)
    assert fast.sequences == sequences
    cuts = [reference_tkn.cut_into_longest(document, sequences, BYTES.vocab_size) for document in primitives]
    assert [ids.tolist() for ids in fast.encode_batch(texts)] == [fast.encode(text) for text in texts] == cuts


def test_real_text_gives_the_twins_entries_and_cuts(storybook: list[str]) -> None:
    texts = storybook[:40]
    fast = TKNTokenizer.train(texts, 700, primitive_vocab_size=300, max_window=4, bank_size=300)
    primitives = primitives_of(fast, texts)
    mined = reference_tkn.mine(primitives, 4, 300)
    sequences = reference_tkn.most_frequent_windows(mined, fast.primitive.token_bytes, 700, 2)
    assert fast.sequences == sequences
    assert max(map(len, sequences)) == 4
    for text, document in zip(texts[:10], primitives, strict=False):
        assert fast.encode(text) == reference_tkn.cut_into_longest(document, sequences, 300)


def test_a_miner_that_meets_much_grows() -> None:
    """Its tree begins with room for 1,024 sequences and doubles, in the middle of a document."""
    document = np.random.default_rng(2).integers(0, 40, size=12_000).tolist()
    miner = TknMiner(40, max_window=5, bank_size=300)
    assert miner.windows(document) == reference_tkn.mine([document], 5, 300)[0]
    assert len(miner._tree.nodes) > 4000


def test_batches_give_what_one_document_after_the_other_gives(corpus: list[str], bpe: BPETokenizer) -> None:
    primitive = bpe.cut(600)
    one, many = (TknMiner(600, max_window=4, bank_size=500) for _ in range(2))
    documents = primitive.encode_batch(corpus[:60])
    offsets = np.cumsum([0, *map(len, documents)])
    together, _ = one.mine(np.concatenate(documents), offsets)
    alone = [many.mine(document, np.array([0, document.size]))[0].tolist() for document in documents]
    assert together.tolist() == [token for document in alone for token in document]


def test_entries_span_words_and_are_used(tkn: TKNTokenizer, corpus: list[str]) -> None:
    assert tkn.vocab_size == 1500
    assert sum(b" " in entry[1:] for entry in tkn.token_bytes[600:]) > 200
    ids, _ = tkn.encode_arrow(next(iter(Documents.of(corpus).batches())))
    assert np.unique(ids[ids >= 600]).size > 700
    assert (tkn.parts[600:] == -1).all()
    assert tkn.parts[300].tolist() == tkn.primitive.parts[300].tolist()


def test_the_longest_entry_wins_even_where_a_beginning_is_none() -> None:
    a, b, c = (BYTES.encode(letter)[0] for letter in "abc")
    tokenizer = TKNTokenizer(BYTES, [(a, b, c, a), (b, c)])
    assert [tokenizer.decode([token]) for token in tokenizer.encode("abcaabcb")] == ["abca", "a", "bc", "b"]


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_every_text_comes_back(tkn: TKNTokenizer, text: str) -> None:
    assert tkn.decode_bytes(tkn.encode(text)) == text.encode()
    assert 0 not in tkn.encode(f"{text}<|endoftext|>")


def test_a_saved_one_is_read_back(tkn: TKNTokenizer, corpus: list[str], tmp_path: Path) -> None:
    tkn.save(tmp_path / "tkn")
    loaded = load_tokenizer(tmp_path / "tkn")
    assert isinstance(loaded, TKNTokenizer)
    assert loaded.sequences == tkn.sequences
    assert loaded.encode(corpus[0]) == tkn.encode(corpus[0])


@pytest.mark.parametrize("sequences", [[(5,)], [(5, 300)], [(0, 5)], [(5, 6), (5, 6)]])
def test_sequences_of_another_tokenizer_are_refused(sequences: Any) -> None:
    with pytest.raises(TrialError, match="primitive tokenizer"):
        TKNTokenizer(BYTES, sequences)


def test_a_vocabulary_smaller_than_the_primitives_is_refused(storybook: list[str]) -> None:
    with pytest.raises(TrialError, match="vocab_size is 299, but there are 300 primitives"):
        TKNTokenizer.train(storybook[:60], 299, 300)
    assert TKNTokenizer.train(storybook[:60], 300, 300).sequences == []


def test_the_track(tmp_path: Path, storybook: list[str]) -> None:
    documents = Documents.of(storybook[:100])
    recipe = TKNRecipe(primitive_vocab_size=300, max_window=4)
    first = prepare_tokenizers({"bpe": BPERecipe(), "tkn": recipe}, 500, documents, "corpus", tmp_path)
    folder = tmp_path / "tokenizers" / "tkn_tokenizer"
    expected = TKNTokenizer.train(documents, 500, 300, max_window=4)
    assert load_tokenizer(folder).token_bytes == expected.token_bytes
    assert artifact.read_manifest(folder)["sequences"] == 200
    assert prepare_tokenizers({"bpe": BPERecipe(), "tkn": recipe}, 500, documents, "corpus", tmp_path) == first
    with pytest.raises(TrialError, match="max_window must be at least 2"):
        TKNRecipe(max_window=1)
