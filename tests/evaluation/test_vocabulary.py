"""The account of a vocabulary, recomputed slowly from entries and ids."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toktrial.evaluation import vocabulary
from toktrial.evaluation.vocabulary import Vocabulary, count_uses, describe_vocabulary, shared_entries, words_in
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenSplit, TokenStore

TRACKS = ("bpe", "btm")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("", 0),
        (" ", 0),
        ("...", 0),
        ("\n\n", 0),
        (" the", 1),
        ("ing", 1),
        (" of the", 2),
        ("n't stop. She", 3),
        ("don't", 1),
        ("don\u2019t", 1),
        ("'t", 1),
        ("dogs' bone", 2),
        ("it's Tom's", 2),
        ("3.14", 2),
        ("snake_case", 2),
        ("well-known", 2),
        ("\u00e9t\u00e9 na\u00efve", 2),
        ("\u4f60\u597d", 1),
        (" a b c d ", 4),
    ],
)
def test_words_of_an_entry(entry: str, words: int) -> None:
    assert words_in(entry.encode()) == words


def test_half_a_character_is_no_word() -> None:
    assert words_in("\u00e9".encode()[:1]) == 0
    assert words_in(b"\xff\xfe") == 0
    assert words_in(b"a\xffb") == 2


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
        counts = count_uses(store.train, store.entries)
        found[track] = describe_vocabulary(Vocabulary(story_tokenizers[track].token_bytes, 700, counts), store)
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
    store = TokenStore.open(story_tokens["bpe"])
    unused = Vocabulary(story_tokenizers["bpe"].token_bytes, 600, np.zeros(600, dtype=np.int64))
    account = describe_vocabulary(unused, store)
    assert account["entries_never_used"] == 599
    assert len(account["never_used"]) == 20
    assert account["share_of_use_spanning_words"] == 0.0
    json.dumps(account, allow_nan=False)
