"""SuperBPE and limits of words: the merge engine against its slow twin, from ids and from text, and the track as a stage."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.protocol import Protocol, from_dict, to_dict
from toktrial.tokenizer import reference
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer, SuperBPETokenizer, encode_documents
from toktrial.tokenizer.config import BPERecipe, BTMRecipe, Recipe, SuperBPERecipe
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.merge import learn_merges, learn_merges_of_stream
from toktrial.tokenizer.merge_rules import SCOPES, SCORES, MergeRule, may_arise, words_of
from toktrial.tokenizer.stage import prepare_tokenizers

ENTRIES = [b"a", b" a", b":", b" ", b"\n", b"7", b" the", b"\n\n", b" 19", b"."]
documents_strategy = st.lists(
    st.lists(st.tuples(st.lists(st.integers(0, len(ENTRIES) - 1), min_size=1, max_size=4), st.integers(1, 5)), max_size=8).map(
        lambda parts: [token for piece, times in parts for token in piece * times]
    ),
    max_size=6,
)


@settings(max_examples=120, deadline=None)
@given(documents_strategy, st.integers(1, 3), st.sampled_from(SCOPES), st.integers(0, 4), st.sampled_from(sorted(SCORES)))
def test_learning_under_limits_equals_the_twin(
    documents: list[list[int]], min_frequency: int, scope: str, max_words: int, score: str
) -> None:
    expected = reference.learn_merges(documents, ENTRIES, 40, min_frequency, SCORES[score], scope, 256, max_words)
    learned = learn_merges(documents, ENTRIES, 40, min_frequency, score=score, scope=scope, max_words=max_words)
    assert learned.merges.tolist() == [list(merge) for merge in expected.merges]
    left_behind = [learned.ids[start:end].tolist() for start, end in itertools.pairwise(learned.offsets.tolist())]
    assert left_behind == expected.documents


@given(st.binary(max_size=12) | st.text("a: \n7.", max_size=12).map(str.encode), st.sampled_from(SCOPES), st.integers(0, 3))
def test_what_may_arise_is_what_the_twin_says(entry: bytes, scope: str, max_words: int) -> None:
    assert may_arise(entry, scope, max_words) == reference.may_arise(entry, scope, max_words)


@pytest.fixture(scope="module")
def superbpe(corpus: list[str], bpe: BPETokenizer) -> SuperBPETokenizer:
    rule = SuperBPERecipe().btm.rule
    return SuperBPETokenizer.train(corpus, 1024, primitive=bpe.cut(640), **rule)


def test_superwords_keep_the_limits_of_the_authors(superbpe: SuperBPETokenizer) -> None:
    learned = superbpe.token_bytes[640:]
    assert len(learned) == 384
    assert max(map(words_of, learned)) in (3, 4)
    assert sum(words_of(entry) > 1 for entry in learned) > 100
    for entry in learned:
        assert b": " not in entry
        assert b"\n" not in entry[:-1]
        assert not any(chr(byte) in "0123456789" for byte in entry)


def test_the_whole_way_from_text_is_the_slow_twins(storybook: list[str]) -> None:
    texts = [text + "\nShe said: 12 cats, 13 dogs.\n\n" for text in storybook[:25]]
    fast = SuperBPETokenizer.train(texts, 420, 330, scope="superbpe", max_words=4)
    primitives = [fast.primitive.hf.encode(text, add_special_tokens=False).ids for text in texts]
    slow = reference.learn_merges(primitives, fast.primitive.token_bytes, 420, scope="superbpe", max_words=4)
    assert fast.merges.tolist() == [list(merge) for merge in slow.merges]
    assert [fast.encode(text) for text in texts] == slow.documents
    free = BTMTokenizer.train(texts, 420, 330)
    assert any(b"\nShe said: 1" in entry for entry in free.token_bytes), "the limits must have had something to forbid"


def test_without_a_word_about_its_limits_it_keeps_those_of_the_recipe(storybook: list[str]) -> None:
    texts = [text + "\nNote: on and on and on and on and on. 12 cats, 13 dogs.\n\n" for text in storybook[:25]]
    plain = SuperBPETokenizer.train(texts, 420, primitive_vocab_size=330)
    stated = SuperBPETokenizer.train(texts, 420, 330, scope="superbpe", max_words=4)
    assert (plain.scope, plain.merges.tolist()) == ("superbpe", stated.merges.tolist())
    assert plain.merges.tolist() != BTMTokenizer.train(texts, 420, 330).merges.tolist()
    whole = SuperBPETokenizer.train(texts, 15_000)
    assert whole.primitive.vocab_size == BPETokenizer.train(texts, SuperBPERecipe().transition).vocab_size


def test_encoding_afresh_gives_what_the_merges_left_behind(superbpe: SuperBPETokenizer, corpus: list[str]) -> None:
    ids, offsets = encode_documents(superbpe.primitive, Documents.of(corpus))
    learned = learn_merges_of_stream(ids, offsets, superbpe.primitive.token_bytes, 1024, MergeRule(**SuperBPERecipe().btm.rule))
    assert learned.merges.tolist() == superbpe.merges.tolist()
    afresh, afresh_offsets = encode_documents(superbpe, Documents.of(corpus))
    assert np.array_equal(afresh, learned.ids)
    assert np.array_equal(afresh_offsets, learned.offsets)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60) | st.lists(st.sampled_from([": ", "\n", " of the", "7", "'s", "\u00e9"])).map("".join))
def test_every_text_comes_back(superbpe: SuperBPETokenizer, text: str) -> None:
    assert superbpe.decode_bytes(superbpe.encode(text)) == text.encode()


# As a track


def test_a_track_is_btm_under_the_authors_limits(tmp_path: Path, storybook: list[str]) -> None:
    documents = Documents.of(storybook[:100])
    as_btm = BTMRecipe(480, scope="superbpe", max_words=4)
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "superbpe": SuperBPERecipe(transition=480), "btm": as_btm}
    fingerprints = prepare_tokenizers(tracks, 600, documents, "corpus", tmp_path)
    assert len(set(fingerprints.values())) == 3
    made = load_tokenizer(tmp_path / "tokenizers" / "superbpe_tokenizer")
    twin = load_tokenizer(tmp_path / "tokenizers" / "btm_experimental_tokenizer")
    assert isinstance(made, SuperBPETokenizer)
    assert artifact.read_manifest(tmp_path / "tokenizers" / "superbpe_tokenizer")["recipe"] == "superbpe"
    assert made.token_bytes == twin.token_bytes
    assert made.encode_batch(storybook[100:110])[3].tolist() == twin.encode(storybook[103])
    assert {path.name for path in (tmp_path / "graphs").iterdir()} == {"superbpe_subword_tokenizer"}


def test_fields_that_came_later_leave_the_fingerprints_of_finished_trials_alone() -> None:
    """Computed before there was `max_words`."""
    inputs: dict[str, Any] = {"primitive": "p", "vocab_size": 600, "recipe": BTMRecipe().settings}
    assert artifact.fingerprint("btm tokenizer", inputs) == ("28c07105b4f5102d24d5cb54b0cd10115c60a4443095f9bc64d573c778ac33de")
    assert BTMRecipe(max_words=2).settings != BTMRecipe().settings


def test_a_protocol_names_transition_and_its_bounds() -> None:
    plan = replace(Protocol(), tracks={"bpe": BPERecipe(), "super": SuperBPERecipe()})
    assert from_dict(to_dict(plan)) == plan
    with pytest.raises(TrialError, match=r"tracks\.super\.transition is 14746, which is above vocab_size 4096"):
        replace(plan, vocab_size=4096)
    with pytest.raises(TrialError, match="transition must be at least 257"):
        SuperBPERecipe(transition=256)
    with pytest.raises(TrialError, match="max_words must be at least 0"):
        BTMRecipe(max_words=-1)
