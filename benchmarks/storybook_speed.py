"""How fast is the storybook generator on one core, and how many different words and word pairs does it write?

    python benchmarks/storybook_speed.py --megabytes 10 --compare stories.txt

With --compare, it counts the same over as many bytes of a text file.
"""

import argparse
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from toktrial.corpus.storybook import stories

DOCUMENT_END = "<|endoftext|>"
MEGABYTE = 1_000_000
EDGE_MARKS = ".,!?;:\"'()"


def variety(documents: Iterable[str]) -> str:
    """Returns the numbers of documents, words, different words and different pairs of neighbouring words, as a sentence."""
    written: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    document_count = word_count = byte_count = 0
    for document in documents:
        words = document.lower().split()
        written.update(words)
        pairs.update(pairwise(words))
        document_count += 1
        word_count += len(words)
        byte_count += len(document.encode())
    bare = {word.strip(EDGE_MARKS) for word in written}
    return (
        f"{document_count:,} documents of {byte_count / max(document_count, 1):,.0f} bytes on average, "
        f"{word_count:,} words; different words: {len(written):,} ({len(bare):,} without punctuation); "
        f"different word pairs: {len(pairs):,}"
    )


def documents_of(path: Path, max_bytes: int) -> list[str]:
    """Returns the documents in the first `max_bytes` of a text file with an <|endoftext|> line after each document."""
    with path.open("rb") as file:
        text = file.read(max_bytes).decode(errors="ignore")
    return [document.strip() for document in text.split(DOCUMENT_END) if document.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=10.0, help="how much storybook to generate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compare", type=Path, help="a text file; the same is counted over as many bytes of it")
    options = parser.parse_args()
    max_bytes = int(options.megabytes * MEGABYTE)

    start = time.perf_counter()
    told_bytes = sum(map(len, stories(max_bytes, options.seed)))
    seconds = time.perf_counter() - start
    print(f"{told_bytes / MEGABYTE:.2f} MB in {seconds:.2f} s: {told_bytes / MEGABYTE / seconds:.2f} MB/s")
    print(f"storybook: {variety(stories(max_bytes, options.seed))}")
    if options.compare:
        print(f"{options.compare.name}: {variety(documents_of(options.compare, max_bytes))}")


if __name__ == "__main__":
    main()
