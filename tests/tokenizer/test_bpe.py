"""BPE: learned in sequence, so that a cut is a smaller training; and HF's ids, by whichever encoder."""

import json
import sys
import unicodedata
import warnings
from collections import Counter

import gigatoken
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.errors import TrialError
from toktrial.tokenizer.bpe import CHECKED_TEXTS, BPETokenizer

SPELLING = "<|endoftext|>"
SPELLINGS = [
    SPELLING,
    f"{SPELLING}{SPELLING}",
    f"The end.{SPELLING}Once upon a time",
    f" {SPELLING} ",
    f"\n{SPELLING}\n",
    f"the{SPELLING}'s",
    "<|endoftext|",
    "<|endof text|>",
    f"\u200d{SPELLING}\u0301",
]


def ids_of_hf(tokenizer: BPETokenizer, texts: list[str]) -> list[list[int]]:
    """The ids of HF `tokenizers`, read from the JSON that a user would hand to it."""
    import tokenizers

    hf = tokenizers.Tokenizer.from_str(tokenizer.hf.to_str())
    hf.encode_special_tokens = True
    return [encoding.ids for encoding in hf.encode_batch(texts, add_special_tokens=False)]


def without_gigatoken(tokenizer: BPETokenizer) -> BPETokenizer:
    """The same tokenizer, on the way that it takes where the start-up check has failed."""
    slow = BPETokenizer(tokenizer.hf.to_str())
    slow.__dict__["_gigatoken"] = None
    return slow


# Training


def test_it_learns_as_many_entries_as_asked_for_from_real_text(train_stories: list[str]) -> None:
    tokenizer = BPETokenizer.train(train_stories, 1000)
    assert tokenizer.vocab_size == len(set(tokenizer.token_bytes)) == 1000
    assert tokenizer.token_bytes[0] == SPELLING.encode()
    assert sorted(tokenizer.token_bytes[1:257]) == [bytes([byte]) for byte in range(256)]
    assert {b" the", b" and", b" was", b"Once", b" little"} <= set(tokenizer.token_bytes)
    together = "".join(train_stories[:50])
    assert len(together) / len(tokenizer.encode(together)) > 2.5


def test_no_entry_crosses_from_a_letter_into_white_space(bpe: BPETokenizer) -> None:
    for entry in bpe.token_bytes[257:]:
        assert not any(entry[place : place + 1].isspace() for place in range(1, len(entry)) if entry[:1].isalnum()), entry


@pytest.mark.parametrize("vocab_size", [257, 258, 300, 512, 1000, 1777])
def test_a_cut_is_a_training_of_that_size(corpus: list[str], bpe: BPETokenizer, vocab_size: int) -> None:
    cut, alone = bpe.cut(vocab_size), BPETokenizer.train(corpus, vocab_size)
    assert cut.vocab_size == vocab_size
    assert cut.token_bytes == alone.token_bytes
    texts = [*corpus[:100], *SPELLINGS, *CHECKED_TEXTS]
    assert [cut.encode(text) for text in texts] == [alone.encode(text) for text in texts]
    assert json.loads(cut.hf.to_str())["model"] == json.loads(alone.hf.to_str())["model"]


def test_a_cut_that_is_no_smaller_changes_nothing(bpe: BPETokenizer) -> None:
    assert bpe.cut(bpe.vocab_size) is bpe
    assert bpe.cut(10**6) is bpe
    with pytest.raises(TrialError, match="vocab_size must be at least 257"):
        bpe.cut(256)


def test_a_corpus_too_small_gives_fewer_entries() -> None:
    tokenizer = BPETokenizer.train(["abab abab"], 5000)
    assert tokenizer.token_bytes[257:] == [b"ab", b"abab"]
    assert BPETokenizer.train([], 5000).vocab_size == 257
    assert BPETokenizer.train(["", ""], 5000).vocab_size == 257


@pytest.mark.parametrize("min_frequency", [1, 2, 3, 7])
def test_min_frequency_is_respected(min_frequency: int) -> None:
    """Words without a common pair: each word of two letters is learned where it is frequent enough."""
    times = {"ab": 1, "cd": 2, "ef": 3, "gh": 6, "ij": 7}
    documents = [word for word, count in times.items() for _ in range(count)]
    learned = BPETokenizer.train(documents, 5000, min_frequency).token_bytes[257:]
    assert Counter(learned) == Counter(word.encode() for word, count in times.items() if count >= min_frequency)


def test_documents_are_walls_and_may_come_once() -> None:
    one_shot = (text for text in ["ab", "cd"] * 5)
    tokenizer = BPETokenizer.train(one_shot, 5000)
    assert sorted(tokenizer.token_bytes[257:]) == [b"ab", b"cd"]


def test_the_spelling_of_the_special_token_is_learned_from_like_any_text() -> None:
    tokenizer = BPETokenizer.train([f"{SPELLING} {SPELLING}"] * 20, 400)
    assert {b"<|", b"endoftext", b"|>"} <= set(tokenizer.token_bytes)
    assert len(set(tokenizer.token_bytes)) == tokenizer.vocab_size
    ids = tokenizer.encode(SPELLING)
    assert [tokenizer.token_bytes[token] for token in ids] == [b"<|", b"endoftext", b"|>"]


@pytest.mark.parametrize("vocab_size", [256, 1, 0, -5])
def test_a_vocabulary_too_small_for_every_byte_is_refused(vocab_size: int) -> None:
    with pytest.raises(TrialError, match=rf"at least 257 .*, but is {vocab_size}$"):
        BPETokenizer.train(["a story"], vocab_size)


def test_the_smallest_vocabulary_is_bytes_alone() -> None:
    tokenizer = BPETokenizer.train(["a story", "a story"], 257)
    text = "a \u00e9"
    assert [tokenizer.token_bytes[token] for token in tokenizer.encode(text)] == [bytes([b]) for b in text.encode()]


def test_a_single_text_is_no_list_of_documents() -> None:
    with pytest.raises(TypeError, match="single text"):
        BPETokenizer.train("Once upon a time", 300)
    with pytest.raises(TypeError, match="document 1 is"):
        BPETokenizer.train(["a", b"b"], 300)  # type: ignore[list-item]


def test_a_lone_surrogate_in_a_document_is_named() -> None:
    with pytest.raises(ValueError, match=r"document 2 .*U\+DC80 at character 1"):
        BPETokenizer.train(["fine", "\U0001f600", "x\udc80"], 300)


def test_training_twice_gives_the_same(storybook: list[str]) -> None:
    first, second = (BPETokenizer.train(storybook, 900) for _ in range(2))
    assert first.token_bytes == second.token_bytes
    assert first.hf.to_str() == second.hf.to_str()


class Heard:
    """Keeps what training reports."""

    def __init__(self) -> None:
        self.done: list[float] = []

    def update(self, done: float, note: str = "") -> None:
        del note
        self.done.append(done)


def test_progress_ends_at_the_bytes_of_the_corpus(storybook: list[str]) -> None:
    heard = Heard()
    BPETokenizer.train(storybook, 300, on_progress=heard)
    assert heard.done[-1] == sum(len(text.encode()) for text in storybook)


# Encoding: HF's ids


def test_ids_are_those_of_hf_on_all_real_validation_stories(train_stories: list[str], validation_stories: list[str]) -> None:
    tokenizer = BPETokenizer.train(train_stories, 4096)
    assert len(validation_stories) == 488
    expected = ids_of_hf(tokenizer, validation_stories)
    assert [ids.tolist() for ids in tokenizer.encode_batch(validation_stories)] == expected
    assert [tokenizer.encode(text) for text in validation_stories] == expected
    assert [ids.tolist() for ids in without_gigatoken(tokenizer).encode_batch(validation_stories)] == expected


def test_ids_are_those_of_hf_where_a_text_spells_the_special_token(bpe: BPETokenizer) -> None:
    texts = [*SPELLINGS, *CHECKED_TEXTS]
    assert sum(SPELLING in text for text in texts) >= 8
    expected = ids_of_hf(bpe, texts)
    assert not any(0 in ids for ids in expected)
    for tokenizer in (bpe, without_gigatoken(bpe)):
        assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == expected
        assert [tokenizer.encode(text) for text in texts] == expected


pieces = st.sampled_from([SPELLING, "<|", "|>", " ", "\n", "'s", "the", " dog", "9", "\u00e9", "\u3000", "\u0301"])
texts_of_pieces = st.lists(pieces | st.text(max_size=3), max_size=12).map("".join)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(texts_of_pieces | st.text(), min_size=1, max_size=4))
def test_ids_are_those_of_hf_on_any_text(bpe: BPETokenizer, texts: list[str]) -> None:
    expected = [encoding.ids for encoding in bpe.hf.encode_batch(texts, add_special_tokens=False)]
    assert [ids.tolist() for ids in bpe.encode_batch(texts)] == expected


def assigned_characters() -> list[str]:
    """Every assigned character, but one in fifty of the thousands of ideographs, syllables and private ones.

    Characters that are new in Unicode 17 are left out: gigatoken knows them as letters, HF (Unicode 16) does not.
    """
    every = [chr(point) for point in range(sys.maxunicode + 1) if unicodedata.category(chr(point)) not in ("Cn", "Cs")]
    many = [c for c in every if c >= "\u3400" and unicodedata.category(c) in ("Lo", "Co")]
    return sorted(set(every) - set(many) | set(many[::50]))


def test_ids_are_those_of_hf_beside_every_kind_of_character() -> None:
    """Where a letter, digit or mark joins the first byte of its neighbour, the two must agree on what each character is."""
    characters = assigned_characters()
    assert len(characters) > 25_000
    beside = {"L": "a", "N": "1"}
    training = [beside.get(unicodedata.category(c)[0], "!") + c for c in characters[::5]]
    tokenizer = BPETokenizer.train(training, 1200)
    assert {b"a\xf0", b"1\xf0", b"a\xe1"} <= set(tokenizer.token_bytes)
    texts = [text for c in characters for text in ("a" + c, "1" + c, "!" + c, " " + c + " a")]
    expected = [encoding.ids for encoding in tokenizer.hf.encode_batch_fast(texts, add_special_tokens=False)]
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == expected


# Encoding: which way


def test_gigatoken_is_what_encodes(bpe: BPETokenizer, corpus: list[str]) -> None:
    expected = [bpe.encode(text) for text in corpus[:20]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer = BPETokenizer(bpe.hf.to_str())
        assert isinstance(tokenizer._gigatoken, gigatoken.Tokenizer)
    tokenizer.__dict__["hf"] = None  # after the check nobody needs it
    assert [tokenizer.encode(text) for text in corpus[:20]] == expected
    assert [ids.tolist() for ids in tokenizer.encode_batch(corpus[:20])] == expected


def test_the_slower_way_gives_the_same_ids(bpe: BPETokenizer, corpus: list[str]) -> None:
    texts = [*corpus[-200:], *SPELLINGS, *CHECKED_TEXTS]
    array = pa.array(texts, type=pa.large_string())
    fast, slow = bpe.encode_arrow(array), without_gigatoken(bpe).encode_arrow(array)
    for part in range(2):
        assert fast[part].dtype == slow[part].dtype
        assert fast[part].tolist() == slow[part].tolist()


REAL_GIGATOKEN = gigatoken.Tokenizer
SPECIAL_TOKEN = {
    "id": 0,
    "content": SPELLING,
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
    "special": True,
}


class KeepsTheSpecialToken:
    """gigatoken as it is by default: the spelling of `<|endoftext|>` in a text becomes the special token."""

    @staticmethod
    def from_json(text: str) -> gigatoken.Tokenizer:
        content = json.loads(text)
        assert content["added_tokens"] == []
        return REAL_GIGATOKEN.from_json(json.dumps(content | {"added_tokens": [SPECIAL_TOKEN]}))


class LacksTheLastEntries:
    """gigatoken over a vocabulary that is a hundred entries shorter."""

    @staticmethod
    def from_json(text: str) -> gigatoken.Tokenizer:
        whole = BPETokenizer(text)
        content = json.loads(whole.cut(whole.vocab_size - 100).hf.to_str())
        return REAL_GIGATOKEN.from_json(json.dumps(content | {"added_tokens": []}))


@pytest.mark.parametrize("other", [KeepsTheSpecialToken, LacksTheLastEntries])
def test_the_check_falls_back_where_the_ids_differ(
    bpe: BPETokenizer, monkeypatch: pytest.MonkeyPatch, other: type[KeepsTheSpecialToken] | type[LacksTheLastEntries]
) -> None:
    texts = [f"The {SPELLING} end.", "Once upon a time, there was a little dog."]
    tokenizer = BPETokenizer(bpe.hf.to_str())
    with monkeypatch.context() as patch:
        patch.setattr(gigatoken, "Tokenizer", other)
        with pytest.warns(UserWarning, match=r"gigatoken \d[\d.]* encodes .* differently .*slower"):
            ids = tokenizer.encode_batch(texts)
    assert [part.tolist() for part in ids] == ids_of_hf(bpe, texts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it warns once
        assert [tokenizer.encode(text) for text in texts] == ids_of_hf(bpe, texts)
    assert tokenizer._gigatoken is None
