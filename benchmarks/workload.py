"""What the benchmarks have in common: the text that they work on, the small model that they run, and a stopwatch."""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from toktrial.corpus.storybook import stories
from toktrial.training.config import ModelConfig

SMALL_MODEL = ModelConfig(n_layer=6, n_head=6, width=192, context=256)  # with SMALL_VOCAB_SIZE, 3.5 million parameters
SMALL_VOCAB_SIZE = 4096
SEPARATOR = "\n<|endoftext|>\n"


def add_corpus_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus",
        type=Path,
        help="a text file with <|endoftext|> lines between its documents, repeated until it is long enough; "
        "without it, the built-in storybook",
    )


def texts(megabytes: float, corpus: Path | None) -> Iterator[str]:
    """Yields documents of about `megabytes` (10^6 bytes) in total, from the storybook or from a file."""
    if corpus is None:
        yield from stories(int(megabytes * 1e6))
        return
    documents = corpus.read_text(encoding="utf-8").split(SEPARATOR)
    done = 0
    while done < megabytes * 1e6:
        for document in documents:
            yield document
            done += len(document.encode())
            if done >= megabytes * 1e6:
                return


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
