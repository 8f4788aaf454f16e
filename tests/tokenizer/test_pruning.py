"""Entries that BTM gives back: learned as the slow twin does, cut as it does, saved, and read by `transformers`."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.tokenizer import reference
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.merge import LearnedMerges, MergeCheckpoint, learn_merges, learn_merges_of_stream
from toktrial.tokenizer.merge_rules import SCORES, MergeRule
from toktrial.tokenizer.pruning import cut_pruned, cuts_of, new_ids
from toktrial.tokenizer.stage import prepare_tokenizers

ENTRIES = [b"a", b"b", b"c", b"d", b"ab", b"aa"]
PRUNABLE = [False, False, False, False, True, True]
documents_strategy = st.lists(
    st.lists(st.tuples(st.lists(st.integers(0, len(ENTRIES) - 1), min_size=1, max_size=4), st.integers(1, 5)), max_size=8).map(
        lambda parts: [token for piece, times in parts for token in piece * times]
    ),
    max_size=6,
)


def flat(documents: list[list[int]]) -> tuple[Any, Any]:
    return np.array([token for document in documents for token in document], dtype=np.uint32), np.cumsum(
        [0, *map(len, documents)]
    )


def lists(ids: Any, offsets: Any) -> list[list[int]]:
    return [ids[start:end].tolist() for start, end in itertools.pairwise(offsets.tolist())]


@settings(max_examples=150, deadline=None)
@given(documents_strategy, st.integers(7, 24), st.integers(1, 9), st.booleans(), st.sampled_from(sorted(SCORES)))
def test_learning_equals_the_twin(
    documents: list[list[int]], vocab_size: int, prune: int, prunes_primitives: bool, score: str
) -> None:
    prunable = np.array(PRUNABLE) & prunes_primitives
    expected = reference.learn_merges(
        documents, ENTRIES, vocab_size, 2, SCORES[score], refresh_every=256, prune=prune, prunable=prunable.tolist()
    )
    learned = learn_merges_of_stream(
        *flat(documents), ENTRIES, vocab_size, MergeRule(score=score, prune=prune), prunable=prunable
    )
    assert learned.merges.tolist() == [list(merge) for merge in expected.merges]
    assert learned.pruned.tolist() == expected.pruned
    assert lists(learned.ids, learned.offsets) == expected.documents
    entries = len(ENTRIES) + len(learned.merges)
    assert entries - learned.pruned.size <= vocab_size
    parts = [(-1, -1)] * 4 + [(0, 1), (0, 0)] + learned.merges[:, :2].tolist()
    cut = lists(*cut_pruned(learned.ids, learned.offsets, cuts_of(learned.pruned, np.array(parts))))
    ids = new_ids(learned.pruned, entries)
    whole = [reference.cut_pruned(document, set(expected.pruned), parts) for document in expected.documents]
    assert cut == [ids[document].tolist() for document in whole]


def test_the_place_of_an_entry_that_is_only_a_part_of_others_is_spent_again() -> None:
    """Worked by hand: `ab` arises first and is used up by `abc`; given back, it makes room for `de`."""
    entries = [b"a", b"b", b"c", b"d", b"e"]
    documents = [[0, 1, 2]] * 5 + [[3, 4]] * 3
    assert learn_merges(documents, entries, 7).merges.tolist() == [[0, 1, 5, 5], [5, 2, 6, 5]]
    grown = learn_merges(documents, entries, 7, prune=1)
    assert grown.merges.tolist() == [[0, 1, 5, 5], [5, 2, 6, 5], [3, 4, 7, 3]]
    assert grown.pruned.tolist() == [5]


class StoppedError(Exception):
    """Raised in the middle of learning."""


@pytest.mark.parametrize("score", ["frequency", "npmi"])
def test_interrupted_it_goes_on_to_the_same_end(tmp_path: Path, score: str) -> None:
    rng = np.random.default_rng(5)
    words = rng.integers(0, 4, size=(40, 6))
    documents: list[list[int]] = [words[rng.zipf(1.3, size=60).clip(max=40) - 1].ravel().tolist() for _ in range(20)]
    rule = MergeRule(prune=12, score=score, refresh_every=4)
    whole = learn_merges_of_stream(*flat(documents), ENTRIES, 60, rule)
    assert whole.pruned.size > 10
    heard: list[int] = []

    def stop_now_and_then(entries: int, count: int) -> None:  # noqa: ARG001
        heard.append(entries)
        if len(heard) % 9 == 0:
            raise StoppedError

    def learn() -> LearnedMerges:
        while True:
            checkpoint = MergeCheckpoint(tmp_path / "merges.npz", "these inputs", every_seconds=0)
            try:
                return learn_merges_of_stream(*flat(documents), ENTRIES, 60, rule, stop_now_and_then, checkpoint=checkpoint)
            except StoppedError:
                continue

    learned = learn()
    assert len(heard) > len(whole.merges)
    assert learned.merges.tolist() == whole.merges.tolist()
    assert learned.pruned.tolist() == whole.pruned.tolist()


# From text


@pytest.fixture(scope="module")
def pruned(corpus: list[str], bpe: BPETokenizer) -> BTMTokenizer:
    return BTMTokenizer.train(corpus, 1200, primitive=bpe.cut(900), prune=10)


def test_no_entry_is_rarely_used_and_none_is_missing(pruned: BTMTokenizer, corpus: list[str]) -> None:
    assert pruned.vocab_size == 1200
    assert pruned.pruned.size > 20
    assert (pruned.pruned < 900).any(), "primitives too"
    ids, _ = pruned.encode_arrow(next(iter(Documents.of(corpus).batches())))
    uses = np.bincount(ids, minlength=1200)
    learned_entries = np.array([len(entry) > 1 for entry in pruned.token_bytes])
    learned_entries[0] = False  # `<|endoftext|>`, which no text becomes
    assert uses[learned_entries].min() >= 10


def test_encoding_is_the_slow_twins(pruned: BTMTokenizer, corpus: list[str]) -> None:
    parts = np.concatenate([pruned.primitive.parts, pruned.merges[:, :2]]).tolist()
    ids = new_ids(pruned.pruned, len(parts))
    given_back = set(pruned.pruned.tolist())
    for text in [*corpus[:5], "\u00e9 <|endoftext|>\n\n'tis", ""]:
        primitives = pruned.primitive.hf.encode(text, add_special_tokens=False).ids
        merged = reference.encode(primitives, pruned.merges.tolist())
        assert pruned.encode(text) == ids[reference.cut_pruned(merged, given_back, parts)].tolist()


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=60))
def test_every_text_comes_back(pruned: BTMTokenizer, text: str) -> None:
    assert pruned.decode_bytes(pruned.encode(text)) == text.encode()


def test_parts_are_entries_that_were_kept(pruned: BTMTokenizer) -> None:
    entries = pruned.token_bytes
    known = 0
    for token, (left, right) in enumerate(pruned.parts.tolist()):
        assert (left < 0) == (right < 0)
        if left >= 0:
            assert entries[left] + entries[right] == entries[token]
            known += 1
    assert known > 500


def test_a_saved_one_is_read_back_here_and_by_transformers(pruned: BTMTokenizer, corpus: list[str], tmp_path: Path) -> None:
    pruned.save(tmp_path / "pruned", corpus[:20])
    loaded = load_tokenizer(tmp_path / "pruned")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "pruned", trust_remote_code=True)
    assert loaded.token_bytes == pruned.token_bytes
    assert len(theirs) == 1200
    for text in [*corpus[-20:], "\u00e9 <|endoftext|>\n\n'tis", ""]:
        assert loaded.encode(text) == pruned.encode(text) == theirs.encode(text)
        assert theirs.decode(theirs.encode(text)) == text
    theirs.save_pretrained(tmp_path / "again")
    again = AutoTokenizer.from_pretrained(tmp_path / "again", trust_remote_code=True)
    assert again.encode(corpus[0]) == pruned.encode(corpus[0])
    assert not (tmp_path / "pruned" / "tokenizer.json").exists(), "it could not say what was given back"
    assert "There is no tokenizer.json" in (tmp_path / "pruned" / "README.md").read_text()


def test_the_track(tmp_path: Path, storybook: list[str]) -> None:
    documents = Documents.of(storybook[:100])
    prepare_tokenizers({"bpe": BPERecipe(), "grown": BTMRecipe(480, prune=20)}, 600, documents, "corpus", tmp_path)
    folder = tmp_path / "tokenizers" / "btm_experimental_tokenizer"
    manifest, made = artifact.read_manifest(folder), load_tokenizer(folder)
    expected = BTMTokenizer.train(documents, 600, 480, prune=20)
    assert made.token_bytes == expected.token_bytes
    assert (manifest["entries"], manifest["pruned"]) == (600, expected.pruned.size)
    assert expected.pruned.size > 5
