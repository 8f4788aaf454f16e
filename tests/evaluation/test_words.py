"""Words, and which of them a corpus knows: the fast scan against one word at a time, on real text and on any text."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.evaluation.words import known_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Don't stop, Lily-Ann!", ["don't", "stop", "lily", "ann"]),
        ("DON\u2019T the dogs' 'quoted'", ["don't", "the", "dogs", "quoted"]),
        ("snake_case 3.14 \u00c9t\u00e9", ["snake", "case", "3", "14", "\u00e9t\u00e9"]),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_known_words_of_real_text(shared_data: Path) -> None:
    documents = (shared_data / "tinystories" / "valid.txt").read_text(encoding="utf-8").split("\n<|endoftext|>\n")
    expected = {word for document in documents for word in words_of(document)}
    assert known_words(Documents.of(documents), expected | {"zzyzx", "a b", ""}) == expected


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=6), st.sets(st.text(st.characters(codec="utf-8"))))
def test_known_words_of_any_text(documents: list[str], others: set[str]) -> None:
    in_corpus = {word for document in documents for word in words_of(document)}
    asked = in_corpus | others
    assert known_words(Documents.of([*documents, "the end"]), asked) == asked & (in_corpus | {"the", "end"})
