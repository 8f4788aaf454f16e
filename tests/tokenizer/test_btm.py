"""BTM: primitives, then merges; encoding afresh gives the stream that learning the merges left behind."""

import functools
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer import reference
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer, encode_documents
from toktrial.tokenizer.encode_kernels import LONGEST_PLAIN_PIECE
from toktrial.tokenizer.merge import LearnedMerges, learn_merges, learn_merges_of_stream

SPELLING = "<|endoftext|>"


def split(ids: Any, offsets: Any) -> list[list[int]]:
    return [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]


def learned_of(primitive: BPETokenizer, texts: list[str], vocab_size: int) -> LearnedMerges:
    """What the merge engine makes of the texts' primitives, with the stream that it leaves behind."""
    ids, offsets = encode_documents(primitive, Documents.of(texts))
    return learn_merges_of_stream(ids, offsets, primitive.token_bytes, vocab_size)


# Training


def test_train_from_end_to_end(corpus: list[str]) -> None:
    tokenizer = BTMTokenizer.train(iter(corpus), 1500, primitive_vocab_size=600)
    assert tokenizer.vocab_size == 1500
    assert tokenizer.primitive.vocab_size == 600
    assert tokenizer.primitive.token_bytes == BPETokenizer.train(corpus, 600).token_bytes
    assert tokenizer.merges.dtype == np.int64
    assert tokenizer.merges.shape == (900, 4)
    assert tokenizer.merges[:, 2].tolist() == list(range(600, 1500))
    assert (tokenizer.merges[:, 3] >= 2).all()
    assert (np.diff(tokenizer.merges[:, 3]) <= 0).all()  # counts when chosen never rise
    assert tokenizer.token_bytes[:600] == tokenizer.primitive.token_bytes
    for left, right, new, _ in tokenizer.merges.tolist():
        assert tokenizer.token_bytes[new] == tokenizer.token_bytes[left] + tokenizer.token_bytes[right]
    assert len(set(tokenizer.token_bytes)) == 1500


def test_encoding_afresh_gives_what_the_merges_left_behind(corpus: list[str], btm: BTMTokenizer) -> None:
    learned = learned_of(btm.primitive, corpus, 2048)
    assert btm.merges.tolist() == learned.merges.tolist()
    afresh = btm.encode_batch(corpus)
    assert [ids.tolist() for ids in afresh] == split(learned.ids, learned.offsets)
    assert [btm.encode(text) for text in corpus[:30]] == [ids.tolist() for ids in afresh[:30]]
    ids, offsets = encode_documents(btm, Documents.of(corpus))
    assert ids.dtype == np.uint16
    assert np.array_equal(ids, learned.ids)
    assert np.array_equal(offsets, learned.offsets)


def test_the_first_merge_is_the_most_frequent_pair_of_primitives(storybook: list[str]) -> None:
    tokenizer = BTMTokenizer.train(storybook, 401, primitive_vocab_size=400)
    pairs = reference.count_pairs([tokenizer.primitive.encode(text) for text in storybook])
    best = min(pairs, key=lambda pair: (-pairs[pair], pair))
    assert tokenizer.merges.tolist() == [[*best, 400, pairs[best]]]


def test_entries_span_words(train_stories: list[str], validation_stories: list[str]) -> None:
    tokenizer = BTMTokenizer.train(train_stories, 4096, primitive_vocab_size=1024)
    entries = tokenizer.token_bytes[1024:]
    of_two_words = [entry for entry in entries if b" " in entry[1:]]
    assert len(of_two_words) > 1000
    assert b" was a" in entries
    text = "".join(validation_stories)
    baseline = BPETokenizer.train(train_stories, 4096)
    assert len(tokenizer.encode(text)) < 0.85 * len(baseline.encode(text))


def test_the_golden_stories(golden_merges: list[dict[str, Any]]) -> None:
    (case,) = (case for case in golden_merges if "texts" in case)
    primitives = [bytes.fromhex(entry) for entry in case["primitives"]]
    assert BPETokenizer.train(case["texts"], len(primitives)).token_bytes == primitives
    tokenizer = BTMTokenizer.train(case["texts"], case["vocab_size"], len(primitives), case["min_frequency"])
    assert tokenizer.primitive.encode_batch(case["texts"])[0].tolist() == case["documents"][0]
    assert [tokenizer.primitive.encode(text) for text in case["texts"]] == case["documents"]
    assert tokenizer.merges.tolist() == case["merges"]
    assert [tokenizer.encode(text) for text in case["texts"]] == case["encoded"]
    assert [ids.tolist() for ids in tokenizer.encode_batch(case["texts"])] == case["encoded"]


def test_a_ready_primitive_gives_the_same(storybook: list[str]) -> None:
    ready = BPETokenizer.train(storybook, 1000).cut(500)
    given_one = BTMTokenizer.train(storybook, 900, primitive=ready)
    alone = BTMTokenizer.train(storybook, 900, primitive_vocab_size=500)
    assert given_one.primitive is ready
    assert given_one.merges.tolist() == alone.merges.tolist()
    assert given_one.token_bytes == alone.token_bytes


def test_fewer_entries_where_no_pair_is_frequent_enough() -> None:
    """Worked by hand: all pairs are met twice, so the smallest left id decides, and the space has a high one."""
    tokenizer = BTMTokenizer.train(["ab cd", "ab cd", "ef"], 5000, 257, min_frequency=2)
    assert tokenizer.token_bytes[257:] == [b"ab", b"cd", b" cd", b"ab cd"]
    assert BTMTokenizer.train(["ab cd", "ab cd", "ef"], 5000, 257, min_frequency=3).vocab_size == 257
    assert BTMTokenizer.train([], 5000, 300).vocab_size == 257


def test_documents_are_walls() -> None:
    apart = BTMTokenizer.train(["xa", "bx"] * 9, 5000, 257).token_bytes
    together = BTMTokenizer.train(["xabx"] * 9, 5000, 257).token_bytes
    assert not any(b"ab" in entry for entry in apart)
    assert any(b"ab" in entry for entry in together)


def test_a_vocabulary_smaller_than_the_primitives_is_refused(storybook: list[str]) -> None:
    with pytest.raises(TrialError, match="vocab_size is 299, but there are 300 primitives"):
        BTMTokenizer.train(storybook, 299, primitive_vocab_size=300)
    assert BTMTokenizer.train(storybook, 300, primitive_vocab_size=300).merges.shape == (0, 4)


def test_bad_documents_are_refused() -> None:
    with pytest.raises(TypeError, match="single text"):
        BTMTokenizer.train("Once upon a time", 300)
    with pytest.raises(ValueError, match=r"document 1 .*U\+D800 at character 4"):
        BTMTokenizer.train(["fine", "fine\ud800"], 300)


def test_merges_of_another_primitive_are_refused(btm: BTMTokenizer, bpe: BPETokenizer) -> None:
    for other in (bpe.cut(511), bpe.cut(513), bpe):
        with pytest.raises(TrialError, match="do not belong to this primitive"):
            BTMTokenizer(other, btm.merges)
    for row, column, value in ((0, 0, 512), (3, 1, 2000), (0, 1, -1), (5, 2, 516)):
        merges = btm.merges.copy()
        merges[row, column] = value
        with pytest.raises(TrialError, match="do not belong to this primitive"):
            BTMTokenizer(btm.primitive, merges)
    merges = btm.merges.copy()
    merges[1, :2] = merges[0, :2]
    with pytest.raises(TrialError, match="spell an entry twice"):
        BTMTokenizer(btm.primitive, merges)


def test_no_merge_spells_the_special_token() -> None:
    """Across words, the merges would come to `<|endoftext|>`, which entry 0 has already: that pair is passed over."""
    texts = [f"{SPELLING} {SPELLING}{SPELLING}" for _ in range(30)]
    primitive = BPETokenizer.train(texts, 300)
    learned = learned_of(primitive, texts, 5000)
    assert learned.passed_over
    tokenizer = BTMTokenizer(primitive, learned.merges)
    assert all(
        tokenizer.token_bytes[left] + tokenizer.token_bytes[right] == SPELLING.encode() for left, right in learned.passed_over
    )
    assert tokenizer.token_bytes.count(SPELLING.encode()) == 1
    assert len(set(tokenizer.token_bytes)) == tokenizer.vocab_size
    for text in (*texts, SPELLING, f"x{SPELLING}"):
        assert 0 not in tokenizer.encode(text)
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == split(learned.ids, learned.offsets)


# Encoding


def test_real_documents_are_encoded_as_the_reference_does(btm: BTMTokenizer, corpus: list[str]) -> None:
    """The last documents are encoded in the middle of a batch, as a long and as short pieces."""
    texts = ["", *corpus[-12:], "the the " * 60, "\n" * 300, SPELLING * 40]
    expected = [reference.encode(btm.primitive.encode(text), btm.merges.tolist()) for text in texts]
    assert [ids.tolist() for ids in btm.encode_batch(texts)] == expected
    assert [btm.encode(text) for text in texts] == expected
    assert btm.encode("") == []


def test_unseen_real_documents_are_encoded_as_the_reference_does(
    train_stories: list[str], validation_stories: list[str]
) -> None:
    tokenizer = BTMTokenizer.train(train_stories[:400], 1000, primitive_vocab_size=300)
    merges = tokenizer.merges.tolist()
    for text in validation_stories[:40]:
        assert tokenizer.encode(text) == reference.encode(tokenizer.primitive.encode(text), merges)


LETTERS = "abcd"
letters = st.sampled_from(LETTERS)
# Runs of one letter, periodic and irregular stretches, so long that the heap is what encodes them.
stretches = st.builds(lambda period, times: period * times, st.text(letters, min_size=1, max_size=6), st.integers(1, 60))
long_texts = st.lists(stretches, max_size=5).map("".join)


@functools.cache
def bytes_alone() -> BPETokenizer:
    """A primitive tokenizer without merges of its own: each letter is one primitive."""
    return BPETokenizer.train([], 257)


def merges_of(texts: list[str], n_merges: int, min_frequency: int = 2) -> LearnedMerges:
    """So many merges of the letters of the texts, and the stream that they leave behind."""
    primitive = bytes_alone()
    documents = [primitive.encode(text) for text in texts]
    return learn_merges(documents, primitive.token_bytes, primitive.vocab_size + n_merges, min_frequency)


def assert_encoded_as_the_reference_does(texts: list[str], merges: Any) -> None:
    tokenizer = BTMTokenizer(bytes_alone(), np.asarray(merges))
    expected = [reference.encode(bytes_alone().encode(text), tokenizer.merges.tolist()) for text in texts]
    assert [ids.tolist() for ids in tokenizer.encode_batch(texts)] == expected
    assert [tokenizer.encode(text) for text in texts] == expected


@settings(max_examples=200, deadline=None)
@given(
    learned_from=st.lists(long_texts, min_size=1, max_size=5),
    texts=st.lists(long_texts, min_size=1, max_size=4),
    n_merges=st.integers(0, 40),
)
def test_any_document_is_encoded_as_the_reference_does(learned_from: list[str], texts: list[str], n_merges: int) -> None:
    learned = merges_of(learned_from, n_merges)
    assert_encoded_as_the_reference_does(texts, learned.merges)
    tokenizer = BTMTokenizer(bytes_alone(), learned.merges)
    left_behind = split(learned.ids, learned.offsets)
    assert [ids.tolist() for ids in tokenizer.encode_batch(learned_from)] == left_behind


@settings(max_examples=100, deadline=None)
@given(
    text=st.text(letters, min_size=LONGEST_PLAIN_PIECE + 1, max_size=400),
    learned_from=st.text(letters, min_size=100, max_size=400),
    n_merges=st.integers(16, 60),
)
def test_long_pieces_are_encoded_as_the_reference_does(text: str, learned_from: str, n_merges: int) -> None:
    """Of four letters nearly every pair is within some entry, so that a text is few and long pieces: the heap's case."""
    learned = merges_of([learned_from], n_merges, min_frequency=1)
    entries = BTMTokenizer(bytes_alone(), learned.merges).token_bytes
    can_join = {pair for entry in entries[257:] for pair in itertools.pairwise(entry)}
    assume(max(lengths_of_pieces(text.encode(), can_join)) > LONGEST_PLAIN_PIECE)
    assert_encoded_as_the_reference_does([text], learned.merges)


def lengths_of_pieces(text: bytes, can_join: set[tuple[int, int]]) -> list[int]:
    """How long the stretches are within which every two neighbours can join."""
    lengths = [1]
    for pair in itertools.pairwise(text):
        if pair in can_join:
            lengths[-1] += 1
        else:
            lengths.append(1)
    return lengths


@pytest.mark.parametrize("length", [1, 2, LONGEST_PLAIN_PIECE, LONGEST_PLAIN_PIECE + 1, LONGEST_PLAIN_PIECE + 2, 1000])
@pytest.mark.parametrize("period", ["a", "ab", "aab", "abac", "abcdaa"])
def test_periodic_documents_of_every_length(period: str, length: int) -> None:
    learned = merges_of([period * 200, "a" * 50], n_merges=30)
    text = (period * length)[:length]
    assert_encoded_as_the_reference_does([text, text], learned.merges)


def test_runs_of_one_letter_worked_by_hand() -> None:
    """Merges `aa` = 257 and `aaaa` = 258: 1,003 letters are 250 of the second, one of the first, and one `a`."""
    (a,) = bytes_alone().encode("a")
    tokenizer = BTMTokenizer(bytes_alone(), np.array([[a, a, 257, 9], [257, 257, 258, 9]]))
    assert tokenizer.encode("a" * 1003) == [258] * 250 + [257, a]
    assert [ids.tolist() for ids in tokenizer.encode_batch(["a" * 7, "aa"])] == [[258, 257, a], [257]]
