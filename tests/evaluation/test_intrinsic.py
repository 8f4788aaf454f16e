"""Intrinsic measures: cuts of words against `word_cuts`, the same documents for every track, measured once."""

from pathlib import Path

import numpy as np
import pytest

from toktrial import artifact
from toktrial.evaluation import intrinsic
from toktrial.evaluation.account import INTRINSIC_FILE
from toktrial.evaluation.intrinsic import measure_intrinsics, ngram_measures
from toktrial.evaluation.words import (
    LONGEST_WORD_BYTES,
    cuts_per_word,
    frequent_words,
    mark_first_documents,
    number_words,
    token_edges,
    word_cuts,
)
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenSplit, TokenStore, entry_bytes_of


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_cuts_per_word_are_those_of_every_single_word(
    track: str, story_tokens: dict[str, Path], story_tokenizers: dict[str, Tokenizer]
) -> None:
    store = TokenStore.open(story_tokens[track])
    text = mark_first_documents(store.train, story_tokenizers[track].token_bytes, 20_000)
    edges = token_edges(store.train, store.entry_bytes, text.documents)
    found = word_cuts(text, edges, frequent_words(text, len(text.words)))
    expected = sum(word["uses"] * word["cuts"] for word in found) / len(text.words)
    assert cuts_per_word(text, edges, number_words(text)) == pytest.approx(expected)
    assert expected > 1


def test_a_word_is_as_long_as_the_bits_of_a_number_or_left_out(story_tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = story_tokenizers["bpe"]
    for words, expected in (
        (["a" * LONGEST_WORD_BYTES], 1),
        (["a" * LONGEST_WORD_BYTES] * 2, 1),
        (["a" * (LONGEST_WORD_BYTES + 1)], None),
    ):
        split = TokenSplit.of_texts(words, tokenizer)
        text = mark_first_documents(split, tokenizer.token_bytes, 1000)
        edges = token_edges(split, entry_bytes_of(tokenizer), text.documents)
        assert cuts_per_word(text, edges, number_words(text)) == expected


def test_measures_are_of_the_same_documents_in_every_track_and_made_once(
    tmp_path: Path, story_tokens: dict[str, Path], story_tokenizers: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {track: tmp_path / "tokenizers" / track for track in story_tokens}
    for track, folder in folders.items():
        story_tokenizers[track].save(folder)
    stores = {track: TokenStore.open(folder) for track, folder in story_tokens.items()}
    most = int(stores["bpe"].train.offsets[40]) + 1
    monkeypatch.setattr(intrinsic, "MOST_IDS", most)
    measure_intrinsics(tmp_path, folders, story_tokens)
    found = artifact.read_json(tmp_path / INTRINSIC_FILE)
    assert found["documents"] == 40  # the first that BPE, whose tokens are shorter, fits into so many ids
    assert stores["btm"].train.documents_within(most) > 40
    for track, store in stores.items():
        assert found["tracks"][track]["ngram"] == ngram_measures(store, 40)
    first = artifact.read_manifest((tmp_path / INTRINSIC_FILE).parent)
    measure_intrinsics(tmp_path, folders, story_tokens)
    assert artifact.read_manifest((tmp_path / INTRINSIC_FILE).parent) == first


def test_a_part_of_a_split_holds_these_documents(story_tokens: dict[str, Path]) -> None:
    split = TokenStore.open(story_tokens["bpe"]).train
    part = split.part(3, 7)
    assert [part.document(d).tolist() for d in range(part.documents)] == [split.document(d).tolist() for d in range(3, 7)]
    assert np.array_equal(part.byte_lengths, split.byte_lengths[3:7])
    assert split.documents_within(int(split.offsets[5])) == 5
    assert split.documents_within(int(split.offsets[5]) - 1) == 4
    assert split.documents_within(int(split.offsets[-1])) == split.documents
