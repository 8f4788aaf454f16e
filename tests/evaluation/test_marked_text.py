"""Words and token edges of a text, against a slow reading of the same documents."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.evaluation.marked_text import first_documents, mark_first_documents, token_edges, words_in
from toktrial.evaluation.words import WORD
from toktrial.tokens.store import TokenSplit

BYTES = [b"<|endoftext|>", *(bytes([value]) for value in range(256))]


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


def split_of_bytes(documents: Sequence[str]) -> TokenSplit:
    """The documents with every byte as a token: byte b has id b + 1."""
    encoded = [document.encode() for document in documents]
    ids = [token for document in encoded for token in (*(byte + 1 for byte in document), 0)]
    offsets = np.cumsum([0, *(len(document) + 1 for document in encoded)])
    lengths = np.array([len(document) for document in encoded])
    return TokenSplit(np.array(ids, dtype=np.uint16), offsets.astype(np.uint64), lengths.astype(np.uint32))


TEXTS = st.lists(st.text(st.sampled_from("ab'\u2019 .\n\u00e9\u4f60_7\U0001f44d"), max_size=12), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_words_are_where_the_text_has_them(documents: list[str]) -> None:
    marked = mark_first_documents(split_of_bytes(documents), BYTES, 1000)
    text = "".join(document + "\n" for document in documents)
    encoded = text.encode()
    expected = [match for document in documents for match in WORD.findall(document)]
    assert marked.words == expected
    assert [encoded[start:end].decode() for start, end in zip(marked.starts, marked.ends, strict=True)] == expected
    inside = {place for start, end in zip(marked.starts, marked.ends, strict=True) for place in range(start + 1, end)}
    assert set(np.flatnonzero(marked.inside).tolist()) == inside
    assert (marked.documents, marked.bytes) == (len(documents), len(encoded) - len(documents))


def test_only_so_many_documents_are_marked() -> None:
    split = split_of_bytes(["one two", "three", "four"])
    assert [first_documents(split, size) for size in (0, 7, 11, 12, 15, 16, 99)] == [1, 1, 1, 2, 2, 3, 3]
    assert mark_first_documents(split, BYTES, 12).words == ["one", "two", "three"]


def test_token_edges_lie_where_the_bytes_are() -> None:
    split = split_of_bytes(["ab", "c"])
    lengths = np.array([0, *[1] * 256], dtype=np.uint32)
    edges = token_edges(split, lengths, 2)
    assert edges.starts.tolist() == [0, 1, 2, 3, 4]  # the newlines that close the documents are at 2 and 4
    assert edges.ends.tolist() == [1, 2, 3, 4, 5]
