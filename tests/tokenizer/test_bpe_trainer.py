"""BPE's own trainer against its judge, HF `tokenizers`: the same words, the same merges, the same file to the last byte."""

import itertools
import os
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from toktrial.tokenizer import word_counts
from toktrial.tokenizer.bpe import CHECKED_TEXTS, BPETokenizer
from toktrial.tokenizer.transformers_files import bytes_of
from toktrial.tokenizer.word_counts import count_words

ALL_DATA = os.environ.get("TOKTRIAL_ALL_DATA") == "1"  # HF takes a minute for all of the real text
SURROGATES = range(0xD800, 0xE000)

# Few letters in long runs: every overlap, and ties everywhere.
runs = st.lists(st.tuples(st.sampled_from(["a", "b", "-", "ab", " a", "\u00e9"]), st.integers(1, 9)), max_size=20).map(
    lambda parts: "".join(piece * times for piece, times in parts)
)
words = ["<|endoftext|>", "<|", "|>", "'s", "'re", "'ll", "'", "''t", "the", " dog", "9", "\u2167", "\u00bd"]
spaces = [" ", "  ", "\n", "\t", "\r\n", "\x85", "\u3000"]
others = ["\u00e9", "\u0301", "\u4f60", "\u200b", "\ufeff", "\U0001f469\u200d\U0001f467"]
pieces = st.sampled_from([*words, *spaces, *others])
awkward = st.lists(pieces | st.text(max_size=3), max_size=15).map("".join)
texts = st.lists(runs | awkward | st.text(max_size=30), max_size=6).flatmap(
    lambda some: st.integers(1, 3).map(lambda times: some * times)
)


def words_of(documents: list[str]) -> Counter[bytes]:
    half = len(documents) // 2
    batches = [pa.array(part, type=pa.large_string()) for part in (documents[:half], documents[half:])]
    letters, offsets, counts = count_words(iter(batches))
    found = [letters[start:end].tobytes() for start, end in itertools.pairwise(offsets.tolist())]
    assert len(set(found)) == len(found)
    return Counter(dict(zip(found, counts.tolist(), strict=True)))


def words_of_hf(documents: list[str]) -> Counter[bytes]:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return Counter(bytes_of(word) for text in documents for word, _ in byte_level.pre_tokenize_str(text))


def assert_equal_to_hf(documents: list[str], vocab_size: int, min_frequency: int = 2) -> BPETokenizer:
    fast, by_hf = (BPETokenizer.train(documents, vocab_size, min_frequency, trainer=who) for who in ("fast", "hf"))
    assert fast.tokenizer_json == by_hf.tokenizer_json
    return fast


@settings(max_examples=100, deadline=None)
@given(texts, st.sampled_from([257, 258, 261, 280, 400, 5000]), st.integers(1, 4))
@example([], 300, 1)
@example([""], 300, 1)
@example(["ab cd"], 300, 1)
def test_the_tokenizer_is_hfs_to_the_last_byte(documents: list[str], vocab_size: int, min_frequency: int) -> None:
    assert_equal_to_hf(documents, vocab_size, min_frequency)


@settings(max_examples=100, deadline=None)
@given(texts)
@example(list(CHECKED_TEXTS))
def test_words_are_those_of_hf(documents: list[str]) -> None:
    assert words_of(documents) == words_of_hf(documents)


@pytest.mark.parametrize("around", ["a{}", "1{}!", " {}a"])
def test_every_character_is_of_hfs_kind(around: str) -> None:
    """All of Unicode up to the ideographs, one in 501 from there on; HF alone knows which version of Unicode it has."""
    points = [*range(0x3400), *range(0x3400, sys.maxunicode + 1, 501)]
    documents = [around.format(chr(point)) for point in points if point not in SURROGATES]
    assert words_of(documents) == words_of_hf(documents)


def test_ties_are_broken_as_hf_breaks_them() -> None:
    letters = [chr(point) for point in (*range(ord("!"), ord("~")), *range(0xA1, 0x180))]
    documents = [f"{left}{right}" for left, right in itertools.permutations(letters[::9], 2)]
    assert assert_equal_to_hf(documents, 2000, min_frequency=1).vocab_size > 1000


def test_a_small_table_grows_and_threads_find_what_one_finds(storybook: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_counts, "FEWEST_WORDS", 2)
    monkeypatch.setattr(word_counts, "FEWEST_LETTERS", 3)
    expected = words_of_hf(storybook)
    for cores in (1, 3):
        monkeypatch.setattr(word_counts, "USABLE_CORES", cores)
        assert words_of(storybook) == expected


def test_a_very_long_word_takes_no_time() -> None:
    """HF would take minutes, for every merge in a word moves all that follows."""
    tokenizer = BPETokenizer.train(["abcabd" * 300_000], 400)
    assert tokenizer.token_bytes[257:265] == assert_equal_to_hf(["abcabd" * 500], 400).token_bytes[257:265]


def test_equal_on_real_stories_and_built_in_ones(corpus: list[str]) -> None:
    assert_equal_to_hf(corpus, 4096)


def test_equal_on_blimp_and_all_stories(shared_data: Path) -> None:
    """All that there is with TOKTRIAL_ALL_DATA, else a slice of it."""
    files = sorted((shared_data / "blimp").glob("*.jsonl"))
    sentences = [line for path in files[:: None if ALL_DATA else 32] for line in path.read_text(encoding="utf-8").splitlines()]
    with (shared_data / "tinystories" / "train.txt").open(encoding="utf-8", newline="") as file:
        stories = file.read(None if ALL_DATA else 300_000).split("\n<|endoftext|>\n")
    for vocab_size, min_frequency in ((16_384, 2), (8192, 5)):
        assert_equal_to_hf([*sentences, *stories], vocab_size, min_frequency)
