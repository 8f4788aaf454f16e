"""Documents on disk: what is written is read back, as often as wanted, and bad input is named."""

import errno
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.corpus.documents import BATCH_BYTES, Documents, DocumentWriter, flat_buffers

AWKWARD = ["plain", "a\r\nb\r", "\n\n", "\u2028 \u0085", "Füchse 🦊", "\x00", "", "\ufeffmark"]


def write(path: Path, documents: list[str]) -> DocumentWriter:
    with DocumentWriter(path) as writer:
        for document in documents:
            writer.add(document)
    return writer


def test_reads_back_what_was_written_twice(tmp_path: Path) -> None:
    writer = write(tmp_path / "d.arrow", AWKWARD)
    documents = Documents.open(tmp_path / "d.arrow")
    assert list(documents) == AWKWARD
    assert list(documents) == AWKWARD
    assert len(documents) == writer.documents == len(AWKWARD)
    assert documents.bytes == writer.bytes == len("".join(AWKWARD).encode())


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_texts_survive(texts: list[str]) -> None:
    documents = Documents.of(iter(texts))
    assert list(documents) == texts
    assert [documents[index] for index in range(len(texts))] == texts
    assert documents.bytes == sum(len(text.encode()) for text in texts)


def test_long_documents_are_written_in_several_batches(tmp_path: Path) -> None:
    texts = [letter * (BATCH_BYTES // 2 + 1) for letter in "abcde"]
    write(tmp_path / "d.arrow", texts)
    documents = Documents.open(tmp_path / "d.arrow")
    assert [len(batch) for batch in documents.batches()] == [2, 2, 1]
    assert list(documents) == texts
    assert [documents[index][0] for index in range(5)] == list("abcde")


def test_a_document_is_found_by_its_index() -> None:
    documents = Documents.of(["a", "b", "c"])
    assert documents[-1] == "c"
    with pytest.raises(IndexError):
        documents[3]


def test_a_file_without_documents_can_be_read(tmp_path: Path) -> None:
    write(tmp_path / "d.arrow", [])
    documents = Documents.open(tmp_path / "d.arrow")
    assert (list(documents), len(documents), documents.bytes) == ([], 0, 0)


def test_flat_buffers_are_the_utf8_bytes_between_offsets() -> None:
    texts = ["één", "", "two"]
    (batch,) = Documents.of(texts).batches()
    for part, expected in ((batch, texts), (batch[1:], texts[1:])):
        offsets, data = flat_buffers(part)
        assert offsets.dtype == np.int64
        spans = pairwise(offsets)
        assert [bytes(data[start:end]).decode() for start, end in spans] == expected


def test_a_one_shot_iterable_is_spooled_and_read_twice() -> None:
    def once() -> Iterator[str]:
        yield from AWKWARD

    documents = Documents.of(once())
    assert list(documents) == list(documents) == AWKWARD


def test_documents_are_taken_as_they_are() -> None:
    documents = Documents.of(["a"])
    assert Documents.of(documents) is documents


def test_the_spool_is_removed_with_its_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    documents = Documents.of(["a"])
    assert len(list(tmp_path.iterdir())) == 1
    del documents
    assert list(tmp_path.iterdir()) == []


def test_a_single_text_is_refused() -> None:
    with pytest.raises(TypeError, match="put it into a list"):
        Documents.of("one text")


def test_what_is_no_text_is_refused_by_its_number() -> None:
    with pytest.raises(TypeError, match=r"document 1 is <class 'bytes'>"):
        Documents.of(["a", b"b"])  # type: ignore[list-item]


def test_a_lone_surrogate_is_refused_by_its_place() -> None:
    with pytest.raises(ValueError, match=r"document 1 holds the lone surrogate U\+D800 at character 2"):
        Documents.of(["a", "ab\ud800"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_an_os_error() -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        write(Path("/dev/full"), ["a" * 100_000])
    assert raised.value.errno == errno.ENOSPC
