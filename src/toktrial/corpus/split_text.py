"""Divides a text into documents: at separator lines, at blank lines, or at every line end.

`files` hands it the lines of a text file, which keep their line ends; only `\\n` ends a line.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.reading import Reading


def split_text(lines: Iterable[bytes], config: CorpusConfig, reading: Reading) -> Iterator[tuple[int, bytes]]:
    """Yields the documents, each with its byte offset, and notes in `reading` whether anything divides them."""
    if config.split == "separator":
        return split_at_separators(lines, config.separator.encode(), reading)
    return split_at_blank_lines(lines, reading) if config.split == "blank-lines" else split_at_line_ends(lines, reading)


def split_at_separators(lines: Iterable[bytes], separator: bytes, reading: Reading) -> Iterator[tuple[int, bytes]]:
    r"""Yields the documents between separator lines, each with its byte offset, from lines that keep their line ends.

    A line end before a separator line belongs to the separator: `\r\n` only where the separator line ends in it too,
    else `\n`. What follows the last separator line is a document only where there is something.

    >>> list(split_at_separators([b"a\n", b"\n", b"--\n", b"b\n"], b"--", Reading()))
    [(0, b'a\n'), (6, b'b\n')]
    """
    separator_line_ends = {separator: b"\n", separator + b"\n": b"\n", separator + b"\r\n": b"\r\n"}
    start = 0
    document: list[bytes] = []
    for line in lines:
        # startswith is far cheaper than the dictionary, and false for nearly every line
        if line.startswith(separator) and line in separator_line_ends:
            reading.is_divided = True
            text = b"".join(document)
            line_end = separator_line_ends[line]
            yield start, text.removesuffix(line_end if text.endswith(line_end) else b"\n")
            start += len(text) + len(line)
            document = []
        else:
            document.append(line)
    if document:
        yield start, b"".join(document)


def split_at_blank_lines(lines: Iterable[bytes], reading: Reading) -> Iterator[tuple[int, bytes]]:
    r"""Yields the paragraphs between blank lines, each with its byte offset, from lines that keep their line ends.

    A line ends at `\n`. A blank line is empty or holds only ASCII white space (space, tab, `\r`, `\v`, `\f`). One or more
    of them separate two paragraphs; at the start and the end of the text they are dropped. The line end of a paragraph's
    last line, `\r\n` or `\n`, is dropped too. All else is kept: line ends and indentation within a paragraph, and spaces
    at the end of its lines.

    >>> list(split_at_blank_lines([b"\n", b" a \n", b"b\n", b" \n", b"\n", b"c"], Reading()))
    [(1, b' a \nb'), (10, b'c')]
    """
    start = 0
    paragraph: list[bytes] = []
    for line in chain(lines, [b""]):  # the end of the text ends a paragraph as a blank line does
        if line and not line.isspace():
            paragraph.append(line)
            continue
        reading.is_divided |= bool(line)
        text = b"".join(paragraph)
        if text:
            yield start, _without_line_end(text)
        start += len(text) + len(line)
        paragraph = []


def split_at_line_ends(lines: Iterable[bytes], reading: Reading) -> Iterator[tuple[int, bytes]]:
    r"""Yields the lines that are not blank, as `split_at_blank_lines` understands it, without their line ends.

    >>> list(split_at_line_ends([b" a\r\n", b"\n", b"b"], Reading()))
    [(0, b' a'), (5, b'b')]
    """
    reading.is_divided = True
    start = 0
    for line in lines:
        if not line.isspace():
            yield start, _without_line_end(line)
        start += len(line)


def _without_line_end(text: bytes) -> bytes:
    return text.removesuffix(b"\n").removesuffix(b"\r") if text.endswith(b"\n") else text
