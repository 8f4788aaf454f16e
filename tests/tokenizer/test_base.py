"""What holds for every tokenizer: bytes come back exactly, many texts are as one text, and bad input is named."""

import itertools
import sys
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.tokenizer.base import END_OF_TEXT, END_OF_TEXT_ID, Tokenizer

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f3fd"  # one picture of seven code points
PIECES = [
    *FAMILY,
    "\U0001f1e9\U0001f1ea",  # a flag of two
    "\u2764\ufe0f",
    "e\u0301",
    "\u0301\u0323",
    "\u0939\u093f\u0928\u094d\u0926\u0940",
    "\u1100\u1161\u11a8",
    "\u0645\u0631\u062d\u0628\u0627",
    "\u202e",
    "\x00",
    "\x1f\x7f",
    "\x80\x9f",
    "\ufeff",
    "\U0010ffff",
    "\r\n",
    "\n\n\n",
    "\t ",
    "   ",
    "\u00a0\u2003\u3000",
    "\u2028\u0085",
    "'ll",
    "they've",
    "DON'T",
    "'s's",
    "\u2019s",
    "Once upon a time",
    " the little dog",
    "3.14159",
    "\u00b2\u00bd\u2167",
    END_OF_TEXT,
    "<|endof",
    "text|>",
    "<|",
    "<|im_start|>",
    "</s>",
    "[PAD]",
]


def cut(text: str, from_start: int, from_end: int) -> str:
    return text[from_start : max(from_start, len(text) - from_end)]


# Texts of awkward pieces, with either end cut off anywhere: within a picture, a contraction, a spelling.
awkward_texts = st.builds(
    cut,
    st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=16).map("".join),
    st.integers(0, 9),
    st.integers(0, 9),
)
texts = st.text(max_size=60) | awkward_texts


def assert_round_trip(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode_bytes(ids) == text.encode()
    assert tokenizer.decode(ids) == text
    assert END_OF_TEXT_ID not in ids


@settings(max_examples=250, deadline=None)
@given(text=texts)
def test_every_text_comes_back(storybook_tokenizer: Tokenizer, text: str) -> None:
    assert_round_trip(storybook_tokenizer, text)


def test_the_picture_of_a_family_may_be_cut_anywhere(storybook_tokenizer: Tokenizer) -> None:
    for place in range(len(FAMILY) + 1):
        assert_round_trip(storybook_tokenizer, f"I see {FAMILY[:place]} and {FAMILY[place:]}!")


def blocks_of_unicode() -> Iterator[str]:
    scalars = [chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF]
    for start in range(0, len(scalars), 1024):
        yield "".join(scalars[start : start + 1024])


def test_every_character_of_unicode_comes_back(storybook_tokenizer: Tokenizer) -> None:
    blocks = list(blocks_of_unicode())
    assert sum(map(len, blocks)) == 1_112_064
    for block, ids in zip(blocks, storybook_tokenizer.encode_batch(blocks), strict=True):
        assert storybook_tokenizer.decode_bytes(ids.tolist()) == block.encode()
        assert END_OF_TEXT_ID not in ids


@settings(max_examples=60, deadline=None)
@given(batch=st.lists(texts, max_size=6))
def test_many_texts_are_encoded_as_each_alone(storybook_tokenizer: Tokenizer, batch: list[str]) -> None:
    together = storybook_tokenizer.encode_batch(batch)
    assert [ids.tolist() for ids in together] == [storybook_tokenizer.encode(text) for text in batch]
    assert all(ids.dtype == np.uint32 for ids in together)


def test_encode_batch_takes_a_one_shot_iterable(storybook_tokenizer: Tokenizer) -> None:
    together = storybook_tokenizer.encode_batch(text for text in ["One dog.", "", "Two dogs."])
    assert [storybook_tokenizer.decode(ids.tolist()) for ids in together] == ["One dog.", "", "Two dogs."]


def test_a_part_of_an_arrow_array_is_encoded_alone(storybook_tokenizer: Tokenizer, storybook: list[str]) -> None:
    array = pa.array(storybook[:10], type=pa.large_string())
    ids, offsets = storybook_tokenizer.encode_arrow(array[4:7])
    assert offsets.dtype == np.int64
    assert ids.dtype == np.uint32
    assert offsets[0] == 0
    parts = [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]
    assert parts == [storybook_tokenizer.encode(text) for text in storybook[4:7]]


def test_no_texts_give_no_ids(storybook_tokenizer: Tokenizer) -> None:
    assert storybook_tokenizer.encode("") == []
    assert storybook_tokenizer.encode_batch([]) == []
    assert [ids.tolist() for ids in storybook_tokenizer.encode_batch(["", ""])] == [[], []]
    assert storybook_tokenizer.decode_bytes([]) == b""
    assert storybook_tokenizer.decode([]) == ""


def test_a_single_text_is_no_batch(storybook_tokenizer: Tokenizer) -> None:
    with pytest.raises(TypeError, match="single text"):
        storybook_tokenizer.encode_batch("Once upon a time")


def test_a_lone_surrogate_is_named(storybook_tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match=r"the text .*U\+D83D at character 3"):
        storybook_tokenizer.encode("cat\ud83d")
    with pytest.raises(ValueError, match=r"text 1 .*U\+DE00 at character 0"):
        storybook_tokenizer.encode_batch(["\U0001f600", "\ude00", "\ud800"])


def test_an_id_without_an_entry_is_named(storybook_tokenizer: Tokenizer) -> None:
    size = storybook_tokenizer.vocab_size
    for wrong in (size, -1, -size, 2**40):
        with pytest.raises(ValueError, match=rf"no entry {wrong}: the ids run from 0 to {size - 1}$"):
            storybook_tokenizer.decode_bytes([5, wrong, 7])
        with pytest.raises(ValueError, match=rf"no entry {wrong}:"):
            storybook_tokenizer.decode([wrong])


def test_a_cut_character_is_decoded_as_the_replacement_character(storybook_tokenizer: Tokenizer) -> None:
    ids = storybook_tokenizer.encode("\U0001f469")  # no story holds one: an id for each of its four bytes
    assert len(ids) == 4
    assert storybook_tokenizer.decode(ids[:3]) == "\ufffd"
    assert storybook_tokenizer.decode(ids) == "\U0001f469"


def test_the_first_entry_is_the_end_of_text_and_every_byte_is_another(storybook_tokenizer: Tokenizer) -> None:
    entries = storybook_tokenizer.token_bytes
    assert len(entries) == storybook_tokenizer.vocab_size
    assert entries[0] == b"<|endoftext|>"
    assert set(entries[1:]) >= {bytes([byte]) for byte in range(256)}
    assert len(set(entries)) == len(entries)


def test_decoding_an_end_of_text_gives_its_spelling(storybook_tokenizer: Tokenizer) -> None:
    assert storybook_tokenizer.decode([END_OF_TEXT_ID]) == END_OF_TEXT
