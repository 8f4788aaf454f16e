"""The paragraph that every track cuts: where it ends, and that no track loses a byte of it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.evaluation.excerpt import cuts_of_excerpt, excerpt, first_texts
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenStore


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


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_the_first_texts_are_those_of_the_validation_split(
    story_tokens: dict[str, Path],
    story_tokenizers: dict[str, Tokenizer],
    story_documents: dict[str, Documents],
    track: str,
) -> None:
    texts = first_texts(TokenStore.open(story_tokens[track]), story_tokenizers[track].token_bytes)
    expected = list(story_documents["validation"])
    assert texts == expected[: len(texts)]
    assert sum(len(text.encode()) for text in texts) >= 600
