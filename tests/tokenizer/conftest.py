"""Real and built-in texts, and tokenizers learned from them: each made once for the whole folder."""

from pathlib import Path

import pytest

from toktrial.corpus.storybook import stories
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.single_bytes import BytesTokenizer
from toktrial.tokenizer.unigram import UnigramTokenizer

SEPARATOR = "\n<|endoftext|>\n"


def read_stories(path: Path, characters: int | None = None) -> list[str]:
    """The whole stories of a text file, or of its first characters."""
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read(characters)
    return text.split(SEPARATOR)[:-1]


@pytest.fixture(scope="session")
def train_stories(shared_data: Path) -> list[str]:
    """The first megabyte of real stories."""
    return read_stories(shared_data / "tinystories" / "train.txt", 1_000_000)


@pytest.fixture(scope="session")
def validation_stories(shared_data: Path) -> list[str]:
    """All real validation stories."""
    return read_stories(shared_data / "tinystories" / "valid.txt")


@pytest.fixture(scope="session")
def storybook() -> list[str]:
    """Built-in stories: what a machine without real text learns from."""
    return list(stories(300_000))


@pytest.fixture(scope="session", params=["tinystories", "storybook"])
def corpus(request: pytest.FixtureRequest) -> list[str]:
    """Real stories, then built-in ones."""
    texts: list[str] = request.getfixturevalue("train_stories" if request.param == "tinystories" else "storybook")
    return texts


@pytest.fixture(scope="session")
def bpe(corpus: list[str]) -> BPETokenizer:
    """A BPE tokenizer of that corpus; the storybook holds fewer entries than are asked for."""
    return BPETokenizer.train(corpus, 4096)


@pytest.fixture(scope="session")
def btm(corpus: list[str], bpe: BPETokenizer) -> BTMTokenizer:
    """A BTM tokenizer of that corpus, over 512 primitives."""
    return BTMTokenizer.train(corpus, 2048, primitive=bpe.cut(512))


@pytest.fixture(scope="session", params=["bpe", "bpe without gigatoken", "btm", "bytes", "unigram"])
def storybook_tokenizer(request: pytest.FixtureRequest, storybook: list[str]) -> Tokenizer:
    """A tokenizer of every recipe, and BPE on its slower way."""
    if request.param == "bytes":
        return BytesTokenizer()
    if request.param == "unigram":
        return UnigramTokenizer.train(storybook, 1200)
    if request.param == "btm":
        return BTMTokenizer.train(storybook, 1200, primitive_vocab_size=400)
    tokenizer = BPETokenizer.train(storybook, 1200)
    if request.param == "bpe without gigatoken":
        tokenizer.__dict__["_gigatoken"] = None  # what the start-up check leaves behind where the ids differ
    return tokenizer
