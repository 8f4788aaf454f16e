"""One huge document without a space, one of newlines alone, a million documents of one character: all exact, none slow.

How their time grows is measured by benchmarks/encode_speed.py.
"""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.tokenizer import reference
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import LONG_TEXT_BYTES, BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.encode_kernels import LONGEST_PLAIN_PIECE
from toktrial.tokenizer.long_runs import SHORTEST_PART, cut_long_runs, joinable_bytes, keeps_parts_of_runs

MILLION = 1_000_000
LONG_PIECE = 2000  # characters: many times what the plain loop takes, and no more than the slow twin can take


@pytest.fixture(scope="module")
def letters(storybook: list[str]) -> str:
    """The stories' letters and nothing else: more than LONG_TEXT_BYTES in one run."""
    return "".join(character for text in storybook for character in text if character.isalpha())


@pytest.fixture(scope="module")
def bpe_of_stories(storybook: list[str]) -> BPETokenizer:
    return BPETokenizer.train(storybook, 2000)


@pytest.fixture(scope="module", params=["bpe", "btm of any scope", "btm of words"])
def tokenizer(request: pytest.FixtureRequest, storybook: list[str], bpe_of_stories: BPETokenizer) -> Tokenizer:
    """Learned from stories, long runs of white space and of letters among them, so that BTM has merges of these."""
    if request.param == "bpe":
        return bpe_of_stories
    texts = [*storybook, "\n" * 3000, "the" * 1000, "".join(storybook[:20]).replace(" ", "")]
    scope = "words" if request.param == "btm of words" else "any"
    return BTMTokenizer.train(texts, 3000, primitive=bpe_of_stories.cut(1000), scope=scope)


def test_two_megabytes_without_a_space(tokenizer: Tokenizer, letters: str) -> None:
    text = (letters * 10)[: 2 * MILLION]
    (ids,) = tokenizer.encode_batch([text])
    assert tokenizer.decode_bytes(ids.tolist()) == text.encode()
    assert tokenizer.encode(text) == ids.tolist()


@pytest.mark.parametrize("period", ["\n", "7", "the", "\n \n", "\u4f60"])
def test_a_million_characters_of_one_period(tokenizer: Tokenizer, period: str) -> None:
    text = (period * MILLION)[:MILLION]
    (ids,) = tokenizer.encode_batch([text])
    assert tokenizer.decode_bytes(ids.tolist()) == text.encode()


def test_a_million_documents_of_one_character(tokenizer: Tokenizer) -> None:
    texts = ["a", "\n", " ", "z", "\u00e9"] * (MILLION // 5)
    expected = [tokenizer.encode(text) for text in texts[:5]]
    ids, offsets = tokenizer.encode_arrow(pa.array(texts, type=pa.large_string()))
    assert np.array_equal(np.diff(offsets), np.tile([len(ids) for ids in expected], MILLION // 5))
    assert np.array_equal(ids, np.tile(np.concatenate(expected), MILLION // 5))


@pytest.mark.parametrize("period", ["\n", "the", "\n ", "aab"])
def test_long_pieces_are_encoded_as_the_slow_twin_does(tokenizer: Tokenizer, period: str) -> None:
    text = (period * LONG_PIECE)[:LONG_PIECE]
    expected: list[int]
    if isinstance(tokenizer, BTMTokenizer):
        scope = reference.ReferenceScope(tokenizer.scope, tokenizer.token_bytes)
        expected = reference.encode(tokenizer.primitive.encode(text), tokenizer.merges.tolist(), scope)
    else:
        assert isinstance(tokenizer, BPETokenizer)
        expected = tokenizer.hf.encode(text, add_special_tokens=False).ids
    assert tokenizer.encode(text) == expected


def test_some_pieces_are_long(tokenizer: Tokenizer) -> None:
    """Else the heap would not have been met above."""
    if isinstance(tokenizer, BTMTokenizer):
        newlines = tokenizer.primitive.encode("\n" * LONG_PIECE)
        longest = newlines[len(newlines) // 2]
        assert len(newlines) > LONGEST_PLAIN_PIECE
        assert [longest, longest] in tokenizer.merges[:, :2].tolist()


# Runs cut in parts


def cuts_of(tokenizer: BPETokenizer, text: str) -> list[int]:
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    cuts: list[int] = cut_long_runs(np.array([0, data.size]), data, joinable_bytes(tokenizer.token_bytes[1:])).tolist()
    return cuts


def test_a_long_run_is_cut_and_encoded_as_hf_does(bpe_of_stories: BPETokenizer, letters: str) -> None:
    text = f"A dog, we'{letters[: 2 * LONG_TEXT_BYTES]}'{letters[:5000]} {letters[:5000]}1{'1234567890' * 900}, and a cat."
    assert len(cuts_of(bpe_of_stories, text)) > 30
    expected = bpe_of_stories.hf.encode(text, add_special_tokens=False).ids
    assert bpe_of_stories.encode(text) == expected
    batch = ["", "One dog.", text, "", text[LONG_TEXT_BYTES:], ""]
    encoded = bpe_of_stories.encode_batch(batch)
    assert encoded[2].tolist() == expected
    assert [bpe_of_stories.decode(ids.tolist()) for ids in encoded] == batch
    ids, offsets = bpe_of_stories.encode_arrow(pa.array(batch, type=pa.large_string())[1:3])
    assert ids[offsets[1] : offsets[2]].tolist() == expected


def test_cuts_lie_inside_runs_between_bytes_that_no_entry_joins(bpe_of_stories: BPETokenizer, letters: str) -> None:
    text = f"{letters[:10_000]} {letters[:999]} {letters[5000:20_000]}"
    cuts = cuts_of(bpe_of_stories, text)
    assert cuts
    entries = b"\0".join(bpe_of_stories.token_bytes[1:])
    for cut in cuts:
        assert text[cut - SHORTEST_PART : cut + 1].isalpha()
        assert text[cut - 1 : cut + 1].encode() not in entries
    assert min(np.diff(cuts)) >= SHORTEST_PART


kinds_of_runs = st.sampled_from(["q", "xq", "zjv", "he", "07", "3", "'re", "'s", " ", "\n", "!", "\u00e9", "\u4f60", "e\u0301"])
runs = st.tuples(kinds_of_runs, st.sampled_from([1, 2, 500, 999, 1000, 1001, 2500]))


@settings(max_examples=40, deadline=None)
@given(documents=st.lists(st.lists(runs, max_size=6).map(lambda parts: "".join(p * n for p, n in parts)), max_size=4))
def test_any_runs_are_encoded_as_hf_does(bpe_of_stories: BPETokenizer, documents: list[str]) -> None:
    expected = [encoding.ids for encoding in bpe_of_stories.hf.encode_batch_fast(documents, add_special_tokens=False)]
    assert [ids.tolist() for ids in bpe_of_stories.encode_batch(documents)] == expected


def test_only_gpt2s_pre_tokenizer_lets_runs_be_cut(bpe_of_stories: BPETokenizer) -> None:
    assert keeps_parts_of_runs(bpe_of_stories.tokenizer_json)
    content = json.loads(bpe_of_stories.tokenizer_json)
    split = {"type": "Split", "pattern": {"Regex": ".{1,7}"}, "behavior": "Isolated", "invert": False}
    sequence = {"type": "Sequence", "pretokenizers": [split, content["pre_tokenizer"]]}
    assert not keeps_parts_of_runs(json.dumps(content | {"pre_tokenizer": sequence}))
    assert not keeps_parts_of_runs(json.dumps(content | {"model": content["model"] | {"ignore_merges": True}}))
