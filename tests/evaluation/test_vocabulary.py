"""The account of a vocabulary, recomputed slowly from entries and ids, and the paragraph that every track cuts."""

import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.evaluation import vocabulary
from toktrial.evaluation.entries import CLASSES
from toktrial.evaluation.vocabulary import (
    count_uses,
    cuts_of_excerpt,
    describe_vocabularies,
    describe_vocabulary,
    excerpt,
    renyi_efficiency,
    shared_entries,
)
from toktrial.evaluation.words import mark_first_documents, words_in
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenSplit, TokenStore

TRACKS = ("bpe", "btm")


def split_of(ids: list[int]) -> TokenSplit:
    return TokenSplit(
        ids=np.array(ids, dtype=np.uint16),
        offsets=np.array([0, len(ids)], dtype=np.uint64),
        byte_lengths=np.array([len(ids) - 1], dtype=np.uint32),
    )


@pytest.mark.parametrize("track", TRACKS)
def test_uses_are_those_of_a_counter(story_tokens: dict[str, Path], track: str) -> None:
    store = TokenStore.open(story_tokens[track])
    for split in (store.train, store.validation):
        counter = Counter(split.ids.tolist())
        del counter[0]
        counts = count_uses(split, store.entries)
        assert counts.dtype == np.int64
        assert counts.tolist() == [counter[token] for token in range(store.entries)]


@pytest.mark.parametrize("chunk", [1, 3, 5, 100])
def test_uses_do_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(vocabulary, "CHUNK_TOKENS", chunk)
    assert count_uses(split_of([3, 1, 3, 3, 2, 0]), 5).tolist() == [0, 1, 1, 3, 0]


@pytest.fixture(scope="module")
def accounts(story_tokens: dict[str, Path], story_tokenizers: dict[str, Tokenizer]) -> dict[str, dict[str, Any]]:
    found = {}
    for track in TRACKS:
        store = TokenStore.open(story_tokens[track])
        text = mark_first_documents(store.train, story_tokenizers[track].token_bytes, vocabulary.MARKED_BYTES)
        found[track] = describe_vocabulary(story_tokenizers[track], store, text, 700)
    return found


@pytest.mark.parametrize("track", TRACKS)
def test_the_account_is_that_of_a_slow_recount(
    accounts: dict[str, dict[str, Any]],
    story_tokenizers: dict[str, Tokenizer],
    story_documents: dict[str, Any],
    track: str,
) -> None:
    account, tokenizer = accounts[track], story_tokenizers[track]
    entries = tokenizer.token_bytes
    encoded = {split: [tokenizer.encode(text) for text in documents] for split, documents in story_documents.items()}
    uses = Counter(token for ids in encoded["train"] for token in ids)
    words = {token: words_in(entries[token]) for token in range(1, len(entries))}
    spanning = [token for token in words if words[token] >= 2]

    assert account["entries"] == len(entries) == 600
    assert account["entries_requested"] == 700
    assert account["primitives"] == {"bpe": None, "btm": 400}[track]
    for split, documents in story_documents.items():
        tokens = sum(map(len, encoded[split]))
        assert account["tokens_per_document"][split] == pytest.approx(tokens / len(documents))
        assert account["bytes_per_token"][split] == pytest.approx(sum(len(text.encode()) for text in documents) / tokens)
    assert account["entries_spanning_words"] == len(spanning)
    assert account["share_of_use_spanning_words"] == pytest.approx(sum(uses[t] for t in spanning) / uses.total())
    assert account["words_per_entry"] == {str(n): times for n, times in sorted(Counter(words.values()).items())}
    assert sum(account["words_per_entry"].values()) == len(entries) - 1

    unused = [token for token in words if not uses[token]]
    assert account["entries_never_used"] == len(unused)
    assert account["never_used"] == [entries[token].decode(errors="replace") for token in unused[:20]]

    longest = sorted(words, key=lambda token: (-len(entries[token]), token))[:20]
    assert [entry["id"] for entry in account["longest"]] == longest
    most_used = sorted(words, key=lambda token: (-uses[token], token))[:20]
    assert [entry["id"] for entry in account["most_used"]] == most_used
    for entry in account["longest"] + account["most_used"]:
        assert entry["text"] == entries[entry["id"]].decode(errors="replace")
        assert entry["count"] == uses[entry["id"]]
    assert all(entry["bytes"] == len(entries[entry["id"]]) for entry in account["longest"])
    assert all(entry["share"] == pytest.approx(entry["count"] / uses.total()) for entry in account["most_used"])


def test_btm_spans_words_and_bpe_does_not(accounts: dict[str, dict[str, Any]]) -> None:
    assert accounts["bpe"]["entries_spanning_words"] == 0
    assert accounts["bpe"]["share_of_use_spanning_words"] == 0
    assert accounts["btm"]["entries_spanning_words"] > 10
    assert accounts["btm"]["bytes_per_token"]["validation"] > accounts["bpe"]["bytes_per_token"]["validation"]


def test_shared_entries_are_counted_for_every_pair() -> None:
    found = shared_entries({"a": [b"x", b"y", b"z", b"q"], "b": [b"z", b"y"], "c": [b"w", b"v"]})
    assert found == {
        "a|b": {"count": 2, "share_of_a": 0.5, "share_of_b": 1.0},
        "a|c": {"count": 0, "share_of_a": 0.0, "share_of_b": 0.0},
        "b|c": {"count": 0, "share_of_a": 0.0, "share_of_b": 0.0},
    }


def test_tokenizers_of_one_corpus_share_at_least_the_bytes(story_tokenizers: dict[str, Tokenizer]) -> None:
    found = shared_entries({track: story_tokenizers[track].token_bytes for track in TRACKS})["bpe|btm"]
    assert 257 <= found["count"] < 600
    assert found["share_of_a"] == found["share_of_b"] == found["count"] / 600


def test_an_account_is_json(accounts: dict[str, dict[str, Any]], story_tokenizers: dict[str, Tokenizer]) -> None:
    whole = {
        "tracks": accounts,
        "shared_entries": shared_entries({track: story_tokenizers[track].token_bytes for track in TRACKS}),
    }
    assert json.loads(json.dumps(whole, allow_nan=False)) == whole


def test_a_vocabulary_that_nothing_uses_is_described_too(
    story_tokens: dict[str, Path], story_tokenizers: dict[str, Tokenizer]
) -> None:
    tokenizer, nothing = story_tokenizers["bpe"], split_of([0])
    store = replace(TokenStore.open(story_tokens["bpe"]), train=nothing, validation=nothing)
    text = mark_first_documents(nothing, tokenizer.token_bytes, 1000)
    account = describe_vocabulary(tokenizer, store, text, 600)
    assert account["entries_never_used"] == 599
    assert len(account["never_used"]) == 20
    assert account["share_of_use_spanning_words"] == account["share_of_validation_bytes_spanning_words"] == 0.0
    assert account["renyi_efficiency"] == 0.0
    assert account["trees"] == []
    json.dumps(account, allow_nan=False)


@pytest.mark.parametrize("track", TRACKS)
def test_classes_share_out_all_entries_and_all_uses(accounts: dict[str, dict[str, Any]], track: str) -> None:
    classes = accounts[track]["classes"]
    assert list(classes) == list(CLASSES)
    assert sum(found["entries"] for found in classes.values()) == 599
    assert sum(found["share_of_entries"] for found in classes.values()) == pytest.approx(1)
    assert sum(found["share_of_use"] for found in classes.values()) == pytest.approx(1)


def test_classes_say_how_the_tracks_differ(accounts: dict[str, dict[str, Any]]) -> None:
    spanning = ("whole words joined", "words and punctuation", "across a boundary")
    assert all(accounts["bpe"]["classes"][name]["entries"] == 0 for name in spanning)
    assert all(accounts["btm"]["classes"][name]["entries"] > 0 for name in spanning[:2])


def test_validation_bytes_in_superwords_are_those_of_a_slow_recount(
    accounts: dict[str, dict[str, Any]], story_tokenizers: dict[str, Tokenizer], story_documents: dict[str, Any]
) -> None:
    tokenizer = story_tokenizers["btm"]
    tokens = [tokenizer.token_bytes[token] for text in story_documents["validation"] for token in tokenizer.encode(text)]
    covered = sum(len(entry) for entry in tokens if words_in(entry) >= 2)
    found = accounts["btm"]["share_of_validation_bytes_spanning_words"]
    assert found == pytest.approx(covered / sum(map(len, tokens)))
    assert found > 0.02
    assert accounts["bpe"]["share_of_validation_bytes_spanning_words"] == 0


def test_frequent_words_are_cut_in_more_ways_by_superwords(accounts: dict[str, dict[str, Any]]) -> None:
    by_track = {track: {word["word"]: word for word in accounts[track]["frequent_words"]} for track in TRACKS}
    assert list(by_track["bpe"]) == list(by_track["btm"])
    assert len(by_track["bpe"]) == vocabulary.FREQUENT_WORDS
    assert all(by_track["bpe"][word]["uses"] == by_track["btm"][word]["uses"] for word in by_track["bpe"])
    means = {track: accounts[track]["frequent_words_mean"] for track in TRACKS}
    assert means["btm"]["entry_sequences"] > means["bpe"]["entry_sequences"]
    ways = [word["cuts"] for word in accounts["bpe"]["frequent_words"]]
    assert means["bpe"]["cuts"] == pytest.approx(sum(ways) / len(ways))


def test_renyi_efficiency_by_hand() -> None:
    """Shares 1/2, 1/4, 1/4 of four entries: the sum of squares is 3/8; Shannon's entropy is 1.5 bits of 2."""
    counts = np.array([2, 1, 1, 0])
    assert renyi_efficiency(counts, order=2) == pytest.approx(np.log(8 / 3) / np.log(4))
    assert renyi_efficiency(counts, order=1) == pytest.approx(0.75)
    assert renyi_efficiency(counts) == pytest.approx(np.log(2**-2.5 + 2 * 4**-2.5) / -1.5 / np.log(4))
    assert renyi_efficiency(np.array([7, 7, 7, 7])) == pytest.approx(1)
    assert renyi_efficiency(np.array([9, 0, 0])) == pytest.approx(0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=40).filter(any))
def test_renyi_efficiency_tends_to_shannons_and_falls_with_the_order(uses: list[int]) -> None:
    counts = np.array(uses)
    assert renyi_efficiency(counts, 1 + 1e-6) == pytest.approx(renyi_efficiency(counts, 1), abs=1e-4)
    found = [renyi_efficiency(counts, order) for order in (0.5, 1, 2, 2.5, 5)]
    assert all(later <= earlier + 1e-9 for earlier, later in itertools.pairwise(found))
    assert found[-1] >= -1e-9 and found[0] <= 1 + 1e-9


def test_an_account_of_an_older_format_is_made_anew(
    tmp_path: Path,
    story_tokens: dict[str, Path],
    story_tokenizers: dict[str, Tokenizer],
    story_documents: dict[str, Documents],
) -> None:
    tokenizers = {track: tmp_path / "tokenizers" / track for track in TRACKS}
    for track, folder in tokenizers.items():
        story_tokenizers[track].save(folder)
    folder = tmp_path / "evaluation/vocabulary"
    tokens = {track: TokenStore.open(story_tokens[track]).manifest["fingerprint"] for track in TRACKS}
    with artifact.publish(folder, artifact.fingerprint("vocabulary", {"tokens": tokens}), {}) as partial:
        artifact.write_json(partial / "vocabulary.json", {"tracks": {}})  # what the first format's fingerprint was
    describe_vocabularies(tmp_path, tokenizers, story_tokens, dict.fromkeys(story_tokens, 600))
    account = artifact.read_json(folder / "vocabulary.json")
    assert set(account["tracks"]) == set(account["cuts"]["tracks"]) == set(TRACKS)
    assert account["cuts"]["documents"] == excerpt(story_documents["validation"])
    written = (folder / "vocabulary.json").stat().st_mtime_ns
    describe_vocabularies(tmp_path, tokenizers, story_tokens, dict.fromkeys(story_tokens, 600))
    assert (folder / "vocabulary.json").stat().st_mtime_ns == written


# The excerpt


@pytest.mark.parametrize(
    ("documents", "max_bytes", "expected"),
    [
        (["One day."], 8, ["One day."]),
        (["One day."], 7, ["One"]),
        (["One day."], 3, ["One"]),
        (["One day."], 2, ["On"]),  # no white space to end at
        (["One day.", "Tom had a ball."], 16, ["One day.", "Tom had"]),
        (["\u00e9\u00e9\u00e9"], 3, ["\u00e9"]),
        (["a\nb c"], 4, ["a\nb"]),
        ([], 600, []),
    ],
)
def test_where_an_excerpt_ends(documents: list[str], max_bytes: int, expected: list[str]) -> None:
    assert excerpt(documents, max_bytes) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=20), max_size=5), st.integers(1, 40))
def test_an_excerpt_is_a_beginning_of_the_documents(documents: list[str], max_bytes: int) -> None:
    texts = excerpt(documents, max_bytes)
    assert sum(len(text.encode()) for text in texts) <= max_bytes
    assert all(document.startswith(text) for document, text in zip(documents, texts, strict=False))
    assert texts[:-1] == documents[: len(texts[:-1])]


def test_every_track_cuts_the_same_text(story_tokenizers: dict[str, Tokenizer], story_documents: dict[str, Documents]) -> None:
    texts = excerpt(story_documents["validation"])
    found = cuts_of_excerpt(story_tokenizers, texts)
    assert found["documents"] == texts
    assert 300 < found["bytes"] == sum(len(text.encode()) for text in texts) <= 600
    for track, cut in found["tracks"].items():
        assert ["".join(token["text"] for token in document) for document in cut["documents"]] == texts
        assert cut["tokens"] == sum(map(len, cut["documents"])) == sum(len(story_tokenizers[track].encode(t)) for t in texts)
        assert cut["bytes_per_token"] == pytest.approx(found["bytes"] / cut["tokens"])
    assert any(token["words"] > 1 for token in found["tracks"]["btm"]["documents"][0])


def test_a_cut_character_is_shown_by_its_bytes(story_tokenizers: dict[str, Tokenizer]) -> None:
    cut = cuts_of_excerpt(story_tokenizers, ["\U0001f44d"])["tracks"]["bpe"]
    assert [token["text"] for token in cut["documents"][0]] == ["\\xf0", "\\x9f", "\\x91", "\\x8d"]
