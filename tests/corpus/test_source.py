"""Reading documents: byte for byte from every kind of source, and an error that names the place where it is wrong.

The hub is tested against a small server on this machine that speaks its protocol, in a process of its own, because
the hub's libraries read its address when they are imported.
"""

import csv
import errno
import gzip
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.files import BUFFER_BYTES, ROWS_PER_BATCH, local_files
from toktrial.corpus.reading import Reading
from toktrial.corpus.source import hub_errors, read_documents, read_validation_documents, source_bytes
from toktrial.corpus.split_text import split_at_blank_lines, split_at_separators
from toktrial.errors import TrialError

SEPARATOR = "<|endoftext|>"
SEPARATOR_LINE = f"\n{SEPARATOR}\n"


def read(path: Path, **settings: Any) -> list[str]:
    return list(read_documents(CorpusConfig(path=str(path), **settings)))


def error_of(path: Path, **settings: Any) -> str:
    with pytest.raises(TrialError) as raised:
        read(path, **settings)
    return str(raised.value)


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = data if isinstance(data, bytes) else data.encode()
    packed: Any = {".gz": gzip.compress, ".zst": pa.Codec("zstd").compress}.get(path.suffix)
    path.write_bytes(packed(raw) if packed else raw)
    return path


def write_parquet(path: Path, columns: dict[str, Any], **settings: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **settings)
    return path


# --- text files ---


def holds_no_separator_line(document: str) -> bool:
    return all(line.removesuffix("\r") != SEPARATOR for line in document.split("\n"))


PIECES = st.sampled_from(["a", "fox ", "\n", "\r", "\r\n", "\n\n", SEPARATOR, "<|", "\u2028", "\u0085", "\x0b", "ü", "🦊"])
DOCUMENT = st.lists(PIECES, max_size=8).map("".join).filter(holds_no_separator_line)


@given(st.lists(DOCUMENT, min_size=1), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_joined_documents_are_read_back_exactly(documents: list[str], line_end: str, ends_in_separator: bool) -> None:
    separator_line = f"{line_end}{SEPARATOR}{line_end}"
    data = separator_line.join(documents) + separator_line * ends_in_separator
    found = split_at_separators(lines_of(data), SEPARATOR.encode(), Reading())
    expected = documents if ends_in_separator or documents[-1] else documents[:-1]
    assert [text.decode() for _, text in found] == expected


def lines_of(data: str) -> list[bytes]:
    """What iterating over a binary file yields: lines end at a line feed and nowhere else."""
    parts = data.encode().split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + [part for part in parts[-1:] if part]


@given(st.lists(DOCUMENT, min_size=1))
def test_each_document_is_where_its_offset_says(documents: list[str]) -> None:
    data = SEPARATOR_LINE.join(documents).encode()
    for start, text in split_at_separators(lines_of(data.decode()), SEPARATOR.encode(), Reading()):
        assert data[start : start + len(text)] == text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("one document", ["one document"]),
        ("ends in a line feed\n", ["ends in a line feed\n"]),
        (f"a{SEPARATOR_LINE}b{SEPARATOR_LINE}", ["a", "b"]),
        (f"a\n{SEPARATOR}", ["a"]),
        (f"a\n\n{SEPARATOR}\n\nb\n", ["a\n", "\nb\n"]),
        (f"{SEPARATOR}\na", ["", "a"]),
        (f"a{SEPARATOR_LINE}{SEPARATOR}\nb", ["a", "", "b"]),
        (f"a\r\n{SEPARATOR}\r\nb\r\n{SEPARATOR}\r\n", ["a", "b"]),
        (f"a\r\n{SEPARATOR}\nb", ["a\r", "b"]),
        (f"a\n{SEPARATOR}\r\nb", ["a", "b"]),
        (f"a {SEPARATOR}\n {SEPARATOR}\n{SEPARATOR} b", [f"a {SEPARATOR}\n {SEPARATOR}\n{SEPARATOR} b"]),
        (f"a\r{SEPARATOR}\rb", [f"a\r{SEPARATOR}\rb"]),
        (f"a\u2028{SEPARATOR}\u2028b\u0085{SEPARATOR}\u0085", [f"a\u2028{SEPARATOR}\u2028b\u0085{SEPARATOR}\u0085"]),
        ("\ufeffmark \ufeff", ["mark \ufeff"]),
        (f"\ufeff{SEPARATOR}\n\ufeffb", ["", "\ufeffb"]),
        ("\ufeff", []),
        ("", []),
    ],
)
@pytest.mark.parametrize("name", ["stories.txt", "stories.txt.gz", "stories.txt.zst"])
def test_what_belongs_to_a_document(tmp_path: Path, name: str, data: str, expected: list[str]) -> None:
    assert read(write(tmp_path / name, data)) == expected


def test_another_separator_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.txt", f"a\n---\nb {SEPARATOR}\n---\n")
    assert read(path, separator="---") == ["a", f"b {SEPARATOR}"]


@given(st.lists(DOCUMENT))
def test_paragraphs_are_what_a_regular_expression_finds(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    paragraphs = re.split(rb"(?m)(?:^[ \t\r\v\f]*(?:\n|\Z))+", data)
    expected = [re.sub(rb"\r?\n\Z", b"", paragraph) for paragraph in paragraphs if paragraph]
    found = list(split_at_blank_lines(lines_of(data.decode()), Reading()))
    assert [text for _, text in found] == expected
    assert all(data[start : start + len(text)] == text for start, text in found)


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("blank-lines", ["\tIndented.  \r\nA second\rline. ", f"{SEPARATOR}\nThe \u2028end"]),
        ("lines", ["\tIndented.  ", "A second\rline. ", SEPARATOR, "The \u2028end"]),
    ],
)
@pytest.mark.parametrize("name", ["d.txt", "d.txt.zst"])
def test_a_text_can_be_divided_at_blank_lines_or_line_ends(tmp_path: Path, name: str, split: str, expected: list[str]) -> None:
    data = f"\n \t\n\tIndented.  \r\nA second\rline. \r\n\r\n\n \f\v\n{SEPARATOR}\nThe \u2028end\n\n"
    assert read(write(tmp_path / name, data), split=split) == expected
    assert read(write(tmp_path / name, data.rstrip("\n")), split=split) == expected
    assert read(write(tmp_path / name, " \n\n"), split=split) == []


@pytest.mark.parametrize("split", ["separator", "blank-lines", "lines"])
def test_bytes_that_are_no_utf8_are_named_by_their_offset_however_text_is_divided(tmp_path: Path, split: str) -> None:
    data = f"\ufeffä\n\n{SEPARATOR}\nb".encode() + b"\xff"
    assert f"0xFF at byte offset {len(data) - 1}" in error_of(write(tmp_path / "d.txt", data), split=split)


@pytest.mark.parametrize("shift", range(-len(SEPARATOR_LINE) - 1, 2))
def test_a_separator_across_the_end_of_the_buffer_is_found(tmp_path: Path, shift: int) -> None:
    documents = ["x" * (BUFFER_BYTES + shift), "second"]
    assert read(write(tmp_path / "d.txt", SEPARATOR_LINE.join(documents))) == documents


def test_documents_are_read_one_by_one(tmp_path: Path) -> None:
    """What is wrong at the end of a file is found only there: a file is not read as a whole."""
    story = "x" * 100_000 + SEPARATOR_LINE
    path = write(tmp_path / "d.txt", story.encode() * 50 + b"\xff")
    documents = read_documents(CorpusConfig(path=str(path)))
    assert [len(next(documents)) for _ in range(50)] == [100_000] * 50
    with pytest.raises(TrialError, match="not UTF-8"):
        next(documents)


@pytest.mark.parametrize(
    ("name", "place"), [("d.txt", "byte offset 18 in it"), ("d.txt.gz", "byte offset 18 in its decompressed text")]
)
def test_bytes_that_are_no_utf8_are_named_by_their_offset(tmp_path: Path, name: str, place: str) -> None:
    data = f"ä\n{SEPARATOR}\nb".encode() + b"\xff more"
    assert data.index(b"\xff") == 18
    message = error_of(write(tmp_path / name, data))
    assert str(tmp_path / name) in message
    assert "0xFF" in message
    assert place in message


def test_real_stories_are_read_byte_for_byte(shared_data: Path) -> None:
    path = shared_data / "tinystories" / "train.txt"
    documents = read(path)
    assert len(documents) == 12_430
    assert path.stat().st_size == 10_379_484
    assert "".join(document + SEPARATOR_LINE for document in documents).encode() == path.read_bytes()


# --- JSON lines ---


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz", "d.jsonl.zst", "D.JSONL"])
def test_json_lines_are_read_exactly(tmp_path: Path, name: str) -> None:
    documents = ["a\nb\r", "", "\u2028 \u0085 ü", "🦊"]
    lines = [json.dumps({"n": 1, "text": text}, ensure_ascii=i % 2 == 0) for i, text in enumerate(documents)]
    assert read(write(tmp_path / name, "\r\n \n\n".join(lines))) == documents


def test_a_byte_order_mark_before_json_is_no_error(tmp_path: Path) -> None:
    assert read(write(tmp_path / "d.jsonl", '\ufeff{"text": "a"}\n{"text": "\ufeffb"}')) == ["a", "\ufeffb"]


@pytest.mark.parametrize(
    ("line", "fragments"),
    [
        ('{"text": "a"', ["is not JSON"]),
        ("[" * 100_000, ["is not JSON"]),
        ("9" * 5_000, ["is not JSON"]),
        ('["text"]', ["is a list, not a JSON object"]),
        ('{"txt": "a", "id": 7}', ["no field 'text'", "did you mean 'txt'?", "--corpus.text-field"]),
        ("{}", ["no field 'text'", "the object is empty"]),
        ('{"text": null}', ["'text' holds null, not a string"]),
        ('{"text": {"a": 1}}', ["'text' holds an object, not a string"]),
        ('{"text": 1.5}', ["'text' holds a number, not a string"]),
        (r'{"text": "ab\ud800"}', ["lone surrogate U+D800", "character 2"]),
    ],
)
def test_a_bad_json_line_is_named(tmp_path: Path, line: str, fragments: list[str]) -> None:
    path = write(tmp_path / "d.jsonl", f'{{"text": "good"}}\n\n{line}\n')
    message = error_of(path)
    assert f"{path}, line 3" in message
    for fragment in fragments:
        assert fragment in message


def test_a_surrogate_pair_in_json_is_one_character(tmp_path: Path) -> None:
    assert read(write(tmp_path / "d.jsonl", r'{"text": "\ud83e\udd8a"}')) == ["🦊"]


def test_a_json_line_that_is_no_utf8_is_named_by_its_offset(tmp_path: Path) -> None:
    path = write(tmp_path / "d.jsonl", '{"text": "ü"}\n\n'.encode() + b'{"text": "\xff"}')
    assert path.read_bytes().index(b"\xff") == 26
    assert f"{path} is not UTF-8: there is the byte 0xFF at byte offset 26 in it" in error_of(path)


# --- compressed files ---


@pytest.mark.parametrize(("name", "story"), [("d.txt.gz", "a story\n"), ("d.jsonl.gz", '{"text": "a story"}\n')])
def test_a_gzip_file_that_is_cut_off_is_named(tmp_path: Path, name: str, story: str) -> None:
    path = write(tmp_path / name, "".join(story.replace("a story", f"story {i}") for i in range(5_000)))
    path.write_bytes(path.read_bytes()[:-2_000])
    message = error_of(path)
    assert str(path) in message
    assert "cut off" in message


def test_a_gzip_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.txt.gz"
    path.write_text("plain text")
    assert f"{path} is damaged or not a gzip file" in error_of(path)


def test_a_gzip_file_with_a_damaged_byte_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.txt.gz", "".join(f"story {i * i}\n" for i in range(5_000)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert str(path) in error_of(path)


@pytest.mark.parametrize("damage", ["cut off", "one byte", "plain text"])
def test_a_zstd_file_that_is_damaged_is_named(tmp_path: Path, damage: str) -> None:
    path = write(tmp_path / "d.txt.zst", "".join(f"story {i * i}\n" for i in range(5_000)))
    data = bytearray(path.read_bytes())
    if damage == "one byte":
        data[len(data) // 2] ^= 0xFF
    path.write_bytes({"cut off": bytes(data[:-1]), "one byte": bytes(data), "plain text": b"plain text"}[damage])
    assert f"{path} is cut off, damaged or not a zstd file" in error_of(path)


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_files_in_several_parts_are_read_whole(tmp_path: Path, suffix: str) -> None:
    """As `cat a.gz b.gz > both.gz` and parallel compressors write them."""
    parts = [write(tmp_path / f"{i}.txt{suffix}", f"{i}{SEPARATOR_LINE}").read_bytes() for i in range(3)]
    path = tmp_path / f"all.txt{suffix}"
    path.write_bytes(b"".join(parts))
    assert read(path) == ["0", "1", "2"]


# --- CSV files ---


@pytest.mark.parametrize("name", ["d.csv", "d.csv.gz", "d.csv.zst"])
def test_csv_is_read_exactly(tmp_path: Path, name: str) -> None:
    documents = [
        "a, b",
        'She said "no".',
        "",
        "NA",
        " x ",
        "1",
        "two\r\nlines\n",
        "\u2028 \u0085 ü🦊",
        "x" * (BUFFER_BYTES + 1),
    ]
    table = io.StringIO(newline="")
    csv.writer(table).writerows([["id", "text"], *enumerate(documents)])
    assert read(write(tmp_path / name, table.getvalue())) == documents
    assert read(write(tmp_path / name, "\ufeff" + table.getvalue())) == documents
    assert read(write(tmp_path / name, "\n")) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("texts,id\na,1\n", " has no column 'text' (set by --corpus.text-field): did you mean 'texts'?"),
        ("id,text\n1,a\n\n2,b, and c\n", ": the row that ends in line 4 has 3 fields, but the first row names 2"),
        ('id,text\n1,"a\n', ", line 2 is not CSV (unexpected end of data)"),
        (b"id,text\n1,\xff\n", " is not UTF-8: there is the byte 0xFF at byte offset 10"),
    ],
)
def test_what_is_wrong_in_csv_is_named_by_its_place(tmp_path: Path, data: str | bytes, message: str) -> None:
    path = write(tmp_path / "d.csv", data)
    assert f"{path}{message}" in error_of(path)


# --- Parquet files ---


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())], ids=["string", "large", "dictionary"]
)
def test_parquet_is_read_exactly(tmp_path: Path, kind: pa.DataType) -> None:
    documents = ["a\r\n", "", "ü🦊"] * ROWS_PER_BATCH
    texts = pa.array(documents).cast(kind)
    path = write_parquet(tmp_path / "d.parquet", {"n": [1] * len(documents), "text": texts}, row_group_size=700)
    assert read(path) == documents


def test_another_column_can_be_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "d.parquet", {"text": ["a"], "story.body": ["b"]})
    assert read(path, text_field="story.body") == ["b"]


def test_a_missing_parquet_column_is_named_with_its_neighbour(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "d.parquet", {"texts": ["a"], "id": [1]})
    assert f"{path} has no column 'text' (set by --corpus.text-field): did you mean 'texts'?" in error_of(path)


def test_a_parquet_column_of_numbers_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "d.parquet", {"text": [1, 2]})
    assert f"{path}: the column 'text' holds int64, not text" in error_of(path)


def test_a_null_in_parquet_is_named_by_its_row(tmp_path: Path) -> None:
    row = ROWS_PER_BATCH + 17
    path = write_parquet(tmp_path / "d.parquet", {"text": ["a"] * row + [None, "b"]})
    assert f"{path}: row {row} (from 0)" in error_of(path)


def test_text_in_parquet_that_is_no_utf8_is_named_by_its_row(tmp_path: Path) -> None:
    raw = pa.array([b"good", "fine \u00fc".encode(), b"\xff"], type=pa.binary())
    as_text = pa.StringArray.from_buffers(len(raw), *raw.buffers()[1:])  # Arrow does not look at what it is given
    path = write_parquet(tmp_path / "d.parquet", {"text": as_text})
    assert f"{path}: row 2 (from 0) of the column 'text' is not UTF-8" in error_of(path)


def test_what_is_no_parquet_file_is_named(tmp_path: Path) -> None:
    assert "is damaged or not a Parquet file" in error_of(write(tmp_path / "d.parquet", "plain text"))


def test_a_parquet_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "d.parquet", {"text": [f"story {i}" for i in range(1_000)]})
    path.write_bytes(path.read_bytes()[:-100])
    assert str(path) in error_of(path)


# --- folders and what cannot be read ---


def test_a_folder_is_read_in_order_of_relative_path(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "from b")
    write(tmp_path / "a" / "z.jsonl.gz", '{"text": "from a/z"}')
    write_parquet(tmp_path / "a" / "deep" / "x.parquet", {"text": ["from a/deep/x"]})
    write(tmp_path / "c" / "1.txt.gz", "from c/1")
    for ignored in (".hidden.txt", ".git/x.txt", "README.md", "a/x.tsv"):
        write(tmp_path / ignored, "not to be read")
    assert read(tmp_path) == ["from a/deep/x", "from a/z", "from b", "from c/1"]
    assert [path.name for path in local_files(str(tmp_path))] == ["x.parquet", "z.jsonl.gz", "b.txt", "1.txt.gz"]


def test_files_of_a_folder_do_not_run_into_each_other(tmp_path: Path) -> None:
    write(tmp_path / "1.txt", "no separator at the end")
    write(tmp_path / "2.txt", "the next")
    assert read(tmp_path) == ["no separator at the end", "the next"]


def test_a_folder_without_documents_names_what_was_found(tmp_path: Path) -> None:
    for number in range(7):
        write(tmp_path / f"{number}.md", "x")
    message = error_of(tmp_path)
    assert f"{tmp_path} holds no file" in message
    assert "found 0.md, 1.md, 2.md, 3.md, 4.md and 2 more" in message


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path} holds no file that can be read as documents" in error_of(tmp_path)
    assert "found no files" in error_of(tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"there is no file or folder {tmp_path / 'd.txt'}" in error_of(tmp_path / "d.txt")
    assert "File name too long" in error_of(tmp_path / ("x" * 300 + ".txt"))


def test_an_unknown_suffix_is_named_with_the_known_ones(tmp_path: Path) -> None:
    message = error_of(write(tmp_path / "d.md", "x"))
    assert f"{tmp_path / 'd.md'} cannot be read as documents" in message
    assert ".txt, .txt.gz, .txt.zst, .jsonl, .jsonl.gz, .jsonl.zst, .csv, .csv.gz, .csv.zst, .parquet" in message
    assert "rename it to .txt" in message


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that exists and cannot be read, even by root")
@pytest.mark.parametrize("name", ["d.txt", "d.jsonl", "d.txt.gz"])
def test_a_file_that_fails_while_it_is_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/proc/self/mem")
    message = error_of(tmp_path / name)
    assert f"{tmp_path / name} cannot be read (Input/output error)" in message


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_files_and_folders_without_rights_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "folder" / "d.txt", "x")
    path.chmod(0)
    assert f"{path} cannot be read (Permission denied)" in error_of(path)
    path.parent.chmod(0)
    try:
        assert f"{path.parent} cannot be read (Permission denied)" in error_of(path.parent)
    finally:
        path.parent.chmod(0o700)


def test_a_link_to_nowhere_in_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "d.txt").symlink_to(tmp_path / "gone.txt")
    assert f"{tmp_path / 'd.txt'} cannot be read (No such file or directory)" in error_of(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_could_keep_a_reader_waiting_for_ever_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "d.txt")
    assert f"{tmp_path / 'd.txt'} is a named pipe, not a file" in error_of(tmp_path / "d.txt")
    assert f"{tmp_path / 'd.txt'} is a named pipe, not a file" in error_of(tmp_path)
    assert "is a device, not a file" in error_of(Path(os.devnull))
    (tmp_path / "d.txt").unlink()
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    assert f"{tmp_path / 'zero.txt'} is a device, not a file" in error_of(tmp_path)
    (tmp_path / "zero.txt").unlink()
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s.txt")
        assert f"{tmp_path / 's.txt'} is a socket, not a file" in error_of(tmp_path / "s.txt")


# --- how much is read ---


def test_reading_stops_with_the_document_that_reaches_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path / "d.txt", SEPARATOR_LINE.join(["ü" * 200] * 10))  # 400 bytes each
    assert len(read(path, max_megabytes=0.0008)) == 2
    assert len(read(path, max_megabytes=0.000801)) == 3
    assert len(read(path, max_megabytes=0.000001)) == 1
    assert len(read(path, max_megabytes=1)) == 10


def test_the_limit_does_not_hold_for_validation(tmp_path: Path) -> None:
    path = str(write(tmp_path / "d.txt", SEPARATOR_LINE.join(["a" * 400] * 10)))
    config = CorpusConfig(path=path, validation_path=path, max_megabytes=0.0004)
    assert len(list(read_documents(config))) == 1
    assert len(list(read_validation_documents(config))) == 10


def test_the_storybook_tells_the_same_stories_up_to_the_limit() -> None:
    config = CorpusConfig(path="storybook", max_megabytes=0.02)
    documents = list(read_documents(config))
    assert 15_000 < sum(len(document.encode()) for document in documents) < 30_000
    assert list(read_documents(config)) == documents
    assert list(read_documents(CorpusConfig(path="storybook", max_megabytes=0.02, storybook_seed=1))) != documents


def test_the_storybook_is_no_validation_source() -> None:
    with pytest.raises(TrialError, match="validation_path cannot be storybook, which has no end"):
        CorpusConfig(path="storybook", validation_path="storybook", max_megabytes=1)


def test_source_bytes_are_known_where_they_can_be(tmp_path: Path) -> None:
    text = write(tmp_path / "texts" / "a.txt", "x" * 1_000)
    write(tmp_path / "texts" / "b.jsonl", '{"text": "a"}')
    packed = write(tmp_path / "packed" / "a.txt.gz", "x" * 1_000)
    table = write_parquet(tmp_path / "d.parquet", {"text": [f"{i:0200}" for i in range(500)], "n": range(500)})
    assert source_bytes(CorpusConfig(path=str(text))) == 1_000
    assert source_bytes(CorpusConfig(path=str(text.parent))) == 1_013
    assert source_bytes(CorpusConfig(path=str(packed))) is None
    assert source_bytes(CorpusConfig(path="hub:owner/name")) is None
    assert source_bytes(CorpusConfig(path=str(table))) == pytest.approx(500 * 200, rel=0.05)


def test_source_bytes_are_at_most_the_limit(tmp_path: Path) -> None:
    text = write(tmp_path / "a.txt", "x" * 1_000)
    assert source_bytes(CorpusConfig(path=str(text), max_megabytes=0.0005)) == 500
    assert source_bytes(CorpusConfig(path=str(text), max_megabytes=5)) == 1_000
    assert source_bytes(CorpusConfig(path="storybook", max_megabytes=2.5)) == 2_500_000
    assert source_bytes(CorpusConfig(path="hub:owner/name", max_megabytes=2.5)) == 2_500_000


def test_source_bytes_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="there is no file or folder"):
        source_bytes(CorpusConfig(path=str(tmp_path / "d.txt")))


# --- the hub ---

DATA_SET = "owner/Small-Stories"
COMMIT = "c" * 40
HUB_DOCUMENTS = [f"Geschichte {i}: ein Füchslein.\n" for i in range(2 * ROWS_PER_BATCH + 5)]


class StandInHub(BaseHTTPRequestHandler):
    """Answers the requests with which one data set of Parquet files is listed and downloaded, as the hub does."""

    files: dict[str, bytes]  # set once by the fixture, before any request
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        before, found, rest = path.partition(DATA_SET)
        if not found or before not in ("/api/datasets/", "/datasets/"):
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif rest in ("", f"/revision/{COMMIT}"):
            self.answer_json({"id": DATA_SET, "sha": COMMIT, "siblings": [{"rfilename": name} for name in self.files]})
        elif rest.startswith("/tree/"):
            self.answer_tree(rest.removeprefix(f"/tree/{COMMIT}").strip("/"))
        else:
            self.answer_file(rest.split("/", 3)[-1])

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer_tree(self, folder: str) -> None:
        found = [name for name in self.files if name.startswith(f"{folder}/")] if folder else []
        entries = [
            {"type": "file", "path": name, "size": len(self.files[name]), "oid": sha1(self.files[name]).hexdigest()}
            for name in found
        ]
        self.answer_json(entries if folder else [{"type": "directory", "path": "data", "oid": "d" * 40, "size": 0}])

    def answer_file(self, name: str) -> None:
        if name not in self.files:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            return
        etag = f'"{sha1(self.files[name]).hexdigest()}"'
        self.answer(200, self.files[name], {"ETag": etag, "X-Repo-Commit": COMMIT})

    def answer_json(self, value: Any) -> None:
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keeps the tests' output clean."""


READ_EACH_CONFIG = """
import json, sys, time
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.source import read_documents
from toktrial.errors import TrialError
answers = []
for settings in json.load(sys.stdin):
    started = time.monotonic()
    try:
        answer = {"documents": list(read_documents(CorpusConfig(**settings)))}
    except TrialError as error:
        answer = {"error": str(error)}
    answers.append(answer | {"seconds": time.monotonic() - started})
json.dump(answers, sys.stdout)
"""


def read_in_new_process(endpoint: str, home: Path, *all_settings: dict[str, Any]) -> list[dict[str, Any]]:
    environment = {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    environment |= {name: str(home / name) for name in ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", READ_EACH_CONFIG],
        input=json.dumps(all_settings),
        env=os.environ | environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


@dataclass
class HubAnswers:
    """What reading from the hub gave, case by case: first with it, then with the same cache and nobody answering."""

    online: dict[str, dict[str, Any]]
    offline: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def hub_answers(tmp_path_factory: pytest.TempPathFactory) -> HubAnswers:
    home = tmp_path_factory.mktemp("hub")
    for split, texts in (("train", HUB_DOCUMENTS), ("validation", ["one"]), ("nulls", ["a", None])):
        write_parquet(home / "data" / f"{split}-00000-of-00001.parquet", {"id": range(len(texts)), "text": texts})
    StandInHub.files = {f"data/{path.name}": path.read_bytes() for path in (home / "data").iterdir()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandInHub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    cases: dict[str, dict[str, Any]] = {
        # first, when nothing is known of the columns before the download
        "wrong column": {"text_field": "texts"},
        "train": {},
        "sliced": {"hub_split": "train[:3]"},
        "limited": {"max_megabytes": 0.0001},
        "column of numbers": {"text_field": "id"},
        "wrong split": {"hub_split": "trian"},
        "null": {"hub_split": "nulls"},
        "wrong config": {"hub_config": "nope"},
        "nowhere": {"path": "hub:owner/nothing-of-that-name"},
        "malformed": {"path": "hub:owner/na me"},
    }
    all_settings = [{"path": f"hub:{DATA_SET}"} | settings for settings in cases.values()]
    online = read_in_new_process(endpoint, home, *all_settings)
    server.shutdown()
    server.server_close()
    offline = read_in_new_process(endpoint, home, *all_settings)
    return HubAnswers(dict(zip(cases, online, strict=True)), dict(zip(cases, offline, strict=True)))


def test_a_data_set_of_the_hub_is_read_exactly(hub_answers: HubAnswers) -> None:
    assert hub_answers.online["train"]["documents"] == HUB_DOCUMENTS
    assert hub_answers.online["sliced"]["documents"] == HUB_DOCUMENTS[:3]
    assert hub_answers.online["limited"]["documents"] == HUB_DOCUMENTS[:4]


@pytest.mark.parametrize(
    ("case", "fragments"),
    [
        ("wrong column", ["no column 'texts'", "did you mean 'text'?"]),
        ("column of numbers", ["the column 'id' holds int64, not text"]),
        ("wrong split", ["no split 'trian' (set by --corpus.hub-split): did you mean 'train'?"]),
        ("null", [f"hub's data set {DATA_SET}: row 1 (from 0) has no text"]),
        ("wrong config", ["cannot be loaded", "'nope' not found", "--corpus.path FILE", ".csv or .parquet"]),
        ("nowhere", ["hub's data set owner/nothing-of-that-name cannot be loaded", "--corpus.path FILE"]),
        ("malformed", ["hub's data set owner/na me cannot be loaded", "--corpus.path FILE"]),
    ],
)
def test_what_the_hub_lacks_is_named(hub_answers: HubAnswers, case: str, fragments: list[str]) -> None:
    for fragment in fragments:
        assert fragment in hub_answers.online[case]["error"]


def test_without_the_hub_its_cache_is_read(hub_answers: HubAnswers) -> None:
    assert hub_answers.offline["train"]["documents"] == HUB_DOCUMENTS
    assert "did you mean 'train'?" in hub_answers.offline["wrong split"]["error"]


def test_without_the_hub_what_is_not_cached_fails_soon_and_says_so(hub_answers: HubAnswers) -> None:
    answer = hub_answers.offline["nowhere"]
    assert "is not cached here, and the hub cannot be reached" in answer["error"]
    assert "--corpus.path FILE: a .txt, .jsonl, .csv or .parquet file" in answer["error"]
    assert answer["seconds"] < 10  # the hub's own libraries ask again for 23 seconds


@pytest.mark.parametrize("name", ["stories", "owner/", "/name", "a/b/c", ""])
def test_a_name_that_is_none_of_the_hub_is_refused(name: str) -> None:
    with pytest.raises(TrialError, match="it must read hub:OWNER/NAME"):
        read_documents(CorpusConfig(path=f"hub:{name}"))


def test_a_folder_never_stands_in_for_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "owner" / "name" / "train.txt", "x")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrialError, match="hub:owner/name is ambiguous"):
        read_documents(CorpusConfig(path="hub:owner/name"))


def test_a_full_disk_below_the_hubs_libraries_stays_an_os_error() -> None:
    def download_to_a_full_disk() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise RuntimeError("An error occurred while generating the dataset") from error

    with pytest.raises(OSError, match="No space left") as raised, hub_errors("owner/name", hub_answers=True):
        download_to_a_full_disk()
    assert raised.value.errno == errno.ENOSPC
