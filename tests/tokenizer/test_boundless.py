"""Boundless BPE: learned and cut as the slow twin does, equal to BPE where nothing joins or is deleted, and lossless."""

import functools
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer import boundless_learning, reference_boundless
from toktrial.tokenizer.boundless import BoundlessBPETokenizer
from toktrial.tokenizer.boundless_learning import (
    DELETION,
    MERGE,
    SUPERMERGE,
    BoundlessRule,
    Event,
    learn_boundless,
    may_join,
)
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.config import BoundlessBPERecipe, BPERecipe, Recipe
from toktrial.tokenizer.encode_kernels import encode_stream
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.merge_rules import MergeRule
from toktrial.tokenizer.stage import prepare_tokenizers
from toktrial.tokenizer.word_counts import number_words

KINDS = {"merge": MERGE, "deletion": DELETION, "supermerge": SUPERMERGE}
# Few letters, and words that are beginnings, ends and repetitions of others: ties, overlaps and deletions everywhere.
WORDS = ["a", " a", "ab", " ab", " abab", " ba", " aaa", "b", ".", " 7", "'s", " the", " them", "\n", " \u00e9", " "]
texts_strategy = st.lists(
    st.lists(st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), st.integers(1, 4)), max_size=7).map(
        lambda parts: "".join("".join(words) * times for words, times in parts)
    ),
    max_size=6,
)


@functools.cache
def splitter() -> BPETokenizer:
    return BPETokenizer.train([], 257)


def words_of(text: str) -> list[bytes]:
    """By HF's own pre-tokenizer."""
    pieces = splitter().hf.pre_tokenizer.pre_tokenize_str(text)
    return [text[start:end].encode() for _, (start, end) in pieces]


def assert_equal_to_the_twin(texts: list[str], vocab_size: int, min_frequency: int, tau: float) -> BoundlessBPETokenizer:
    fast = BoundlessBPETokenizer.train(texts, vocab_size, min_frequency, tau)
    slow = reference_boundless.learn([words_of(text) for text in texts], vocab_size, min_frequency, tau)
    found = [event[:4] for event in fast.events]
    assert found == [(KINDS[kind], *ids) for kind, *ids in slow.events]
    kept = [token for token in range(len(slow.entries)) if token not in slow.deleted]
    assert fast.token_bytes == [slow.entries[token] for token in kept]
    left_behind = [[kept.index(token) for unit in document for token in unit] for document in slow.documents]
    assert [ids.tolist() for ids in fast.encode_batch(texts)] == left_behind
    return fast


@settings(max_examples=80, deadline=None)
@given(texts_strategy, st.integers(257, 290), st.integers(1, 3), st.sampled_from([0.3, 0.6, 0.9, 1.0, 1.1]))
def test_learning_and_its_own_texts_cuts_equal_the_twins(
    texts: list[str], vocab_size: int, min_frequency: int, tau: float
) -> None:
    assert_equal_to_the_twin(texts, vocab_size, min_frequency, tau)


@settings(max_examples=40, deadline=None)
@given(texts_strategy, st.sampled_from([0.5, 0.9]))
def test_keeping_few_pairs_changes_nothing(texts: list[str], tau: float) -> None:
    """The engine then counts its pairs anew, again and again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boundless_learning, "MergeRule", functools.partial(MergeRule, pairs_kept_per_merge=0.0))
        assert_equal_to_the_twin(texts, 285, 1, tau)


@settings(max_examples=100, deadline=None)
@given(texts_strategy, texts_strategy, st.sampled_from([0.3, 0.9, 1.1]))
def test_other_texts_are_cut_as_the_twin_cuts_them(learned_from: list[str], texts: list[str], tau: float) -> None:
    fast = BoundlessBPETokenizer.train(learned_from, 290, 1, tau)
    kept = {token: place for place, token in enumerate(fast._kept)}
    names = {kind: name for name, kind in KINDS.items()}
    documents = reference_boundless.as_documents([words_of(text) for text in texts])
    for event in fast.events:
        reference_boundless.apply(documents, (names[event.kind], *event[1:4]), fast._merged_entries)
    expected = [[kept[token] for unit in document for token in unit] for document in documents]
    assert [fast.encode(text) for text in texts] == expected


def test_real_text_gives_what_the_twin_gives(storybook: list[str]) -> None:
    tokenizer = assert_equal_to_the_twin(storybook[:25], 420, 2, 0.9)
    kinds = {event.kind for event in tokenizer.events}
    assert kinds == {MERGE, DELETION, SUPERMERGE}


def test_without_superwords_and_deletions_it_is_bpe(corpus: list[str]) -> None:
    """Where every word is a document of its own, no two words can be merged."""
    words = [word.decode() for text in corpus[:150] for word in words_of(text)]
    boundless = BoundlessBPETokenizer.train(words, 900, tau=1.1)
    assert boundless.token_bytes[257:] == BPETokenizer.train(corpus[:150], 900).token_bytes[257:]


@pytest.fixture(scope="module")
def boundless(corpus: list[str]) -> BoundlessBPETokenizer:
    return BoundlessBPETokenizer.train(corpus, 1500)


def test_superwords_are_whole_words_of_letters(boundless: BoundlessBPETokenizer) -> None:
    assert boundless.vocab_size == 1500
    supers = [boundless._merged_entries[event.entry] for event in boundless.events if event.kind == SUPERMERGE]
    assert len(supers) > 100
    assert b" was a" in supers or b" in the" in supers
    assert all(may_join(entry) for entry in supers)
    assert sum(event.kind == DELETION for event in boundless.events) > 10
    known = boundless.parts[:, 0] >= 0
    assert known.sum() > 800
    for token in np.flatnonzero(known).tolist():
        left, right = boundless.parts[token].tolist()
        assert boundless.token_bytes[left] + boundless.token_bytes[right] == boundless.token_bytes[token]


def test_a_deleted_entry_is_used_nowhere(boundless: BoundlessBPETokenizer, corpus: list[str]) -> None:
    deleted = {boundless._merged_entries[event.left] for event in boundless.events if event.kind == DELETION}
    assert deleted - set(boundless.token_bytes)
    ids, _ = boundless.encode_arrow(pa.array(corpus[:100], type=pa.large_string()))
    assert ids.min() > 0
    assert ids.max() < boundless.vocab_size


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_every_text_comes_back(boundless: BoundlessBPETokenizer, text: str) -> None:
    assert boundless.decode_bytes(boundless.encode(text)) == text.encode()


def test_many_texts_are_encoded_as_each_alone(boundless: BoundlessBPETokenizer, corpus: list[str]) -> None:
    texts = [*corpus[:30], "", "x" * 3000, " \n\u00a0 'tis they'll <|endoftext|>"]
    together = boundless.encode_batch(texts)
    assert [ids.tolist() for ids in together] == [boundless.encode(text) for text in texts]
    with pytest.raises(ValueError, match=r"U\+D83D"):
        boundless.encode("cat\ud83d")


def test_a_saved_one_is_read_back(boundless: BoundlessBPETokenizer, corpus: list[str], tmp_path: Path) -> None:
    boundless.save(tmp_path / "boundless")
    loaded = load_tokenizer(tmp_path / "boundless")
    assert isinstance(loaded, BoundlessBPETokenizer)
    assert loaded.events == boundless.events
    assert loaded.encode(corpus[3]) == boundless.encode(corpus[3])


def test_events_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(TrialError, match="names an entry before there is one"):
        BoundlessBPETokenizer([Event(MERGE, 400, 98, 257, 2)])
    with pytest.raises(TrialError, match="spell an entry twice"):
        BoundlessBPETokenizer([Event(MERGE, 98, 98, 257, 2), Event(MERGE, 98, 98, 258, 2)])


@given(st.lists(st.text("ab' \u00e9\u4f601.\n", max_size=12), max_size=5))
def test_words_are_numbered_as_hf_splits_them(texts: list[str]) -> None:
    words, numbers, offsets = number_words(pa.array(texts, type=pa.large_string()))
    found = [[words[number] for number in numbers[start:end]] for start, end in itertools.pairwise(offsets)]
    assert found == [words_of(text) for text in texts]
    assert len(set(words)) == len(words)


def test_the_track(tmp_path: Path, storybook: list[str]) -> None:
    documents = Documents.of(storybook[:100])
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "boundless": BoundlessBPERecipe(tau=0.8)}
    first = prepare_tokenizers(tracks, 500, documents, "corpus", tmp_path)
    folder = tmp_path / "tokenizers" / "boundlessbpe_tokenizer"
    expected = BoundlessBPETokenizer.train(documents, 500, tau=0.8)
    made = load_tokenizer(folder)
    assert isinstance(made, BoundlessBPETokenizer)
    assert made.events == expected.events
    manifest = artifact.read_manifest(folder)
    assert manifest["entries"] == 257 + manifest["merges"] + manifest["supermerges"] - manifest["deletions"] == 500
    assert prepare_tokenizers(tracks, 500, documents, "corpus", tmp_path) == first
    with pytest.raises(TrialError, match="tau must be above 0"):
        BoundlessBPERecipe(tau=0.0)


def test_more_words_than_the_merges_table_has_ids_are_apart_all_the_same(
    boundless: BoundlessBPETokenizer, corpus: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table mixes ids up from 2^21 on, so however many words a text has, the ids of its stream must not go that far."""
    seen: list[int] = []

    def seen_encode_stream(ids: Any, offsets: Any, tables: Any) -> Any:
        seen.append(int(ids.max()))
        return encode_stream(ids, offsets, tables)

    monkeypatch.setattr("toktrial.tokenizer.boundless.encode_stream", seen_encode_stream)
    text = " ".join([corpus[0], *(f"x{number}y" for number in range(30_000))])
    assert boundless.decode(boundless.encode(text)) == text
    assert seen[0] < 2 * boundless.vocab_size


def test_progress_is_told_the_count_of_every_step(storybook: list[str]) -> None:
    heard: list[int] = []
    words = boundless_learning.words_of(Documents.of(storybook[:40]))
    events = learn_boundless(*words, BoundlessRule(500, 2, 1.1), lambda entries, count: heard.append(count))  # noqa: ARG005
    assert {event.kind for event in events} == {MERGE, SUPERMERGE}
    assert heard == [event.occurrences for event in events]
