"""BTM's fast encoding is the slow twin's: on real text, on every kind of awkward text, in both scopes.

The slow twin starts from HF's primitives, never from gigatoken's. A part of the real text is compared by default; with
TOKTRIAL_ALL_DATA=1 in the environment all of it is, every story and every BLiMP sentence, which takes some minutes:

    TOKTRIAL_ALL_DATA=1 pytest tests/tokenizer/test_encoding_exactness.py
"""

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toktrial.corpus.documents import Documents
from toktrial.tokenizer import reference
from toktrial.tokenizer.base import END_OF_TEXT
from toktrial.tokenizer.btm import BTMTokenizer, encode_documents
from toktrial.tokenizer.merge import learn_merges_of_stream
from toktrial.tokenizer.merge_rules import MergeRule

ALL_DATA = os.environ.get("TOKTRIAL_ALL_DATA") == "1"
EVERY = 1 if ALL_DATA else 100  # one document of so many is compared
SCOPES = ("any", "words")
PICTURES = (
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f3fd",  # a family, joined by ZWJ, with a skin tone
    "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",  # a flag of tags
    "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7",  # two flags of two
    "\U0001f44b\U0001f3ff",  # a hand with a skin tone
    "e\u0301\u0323\u0308 a\u0300",  # combining marks
)
PIECES = (
    *PICTURES,
    *PICTURES[0],
    "\u0939\u093f\u0928\u094d\u0926\u0940",
    "\u4f60\u597d\uff0c\u4e16\u754c",
    "\x00\x1f",
    "\x7f\x80",
    "\u00a0\u2028\ufeff",
    "\r\n\n",
    "   \t",
    "they've",
    "'ll",
    "\u2019s",
    " the",
    "Once upon",
    "3.14159",
    END_OF_TEXT,
    "<|endof",
    "text|>",
)
SEPARATOR = f"\n{END_OF_TEXT}\n"
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join)


def read_stories(path: Path, characters: int | None = None) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read(characters).split(SEPARATOR)[:-1]


class SlowTwin:
    """The merges in order of rank, as reference.py applies them; those that a document does not hold are skipped."""

    def __init__(self, tokenizer: BTMTokenizer) -> None:
        self.primitive = tokenizer.primitive.hf
        self.scope = reference.ReferenceScope(tokenizer.scope, tokenizer.token_bytes)
        self.merged = {(left, right): new for left, right, new, _ in tokenizer.merges.tolist()}

    def encode(self, text: str) -> list[int]:
        """The next merge is the one of lowest rank among the pairs there are: a pair that a merge makes has a higher one."""
        ids: list[int] = self.primitive.encode(text, add_special_tokens=False).ids
        while pairs := [pair for pair in reference.count_pairs([ids], self.scope) if pair in self.merged]:
            left, right = best = min(pairs, key=self.merged.__getitem__)
            ids = reference.replace_pair(ids, left, right, self.merged[best], self.scope)
        return ids


def assert_encoded_as_the_slow_twin_does(tokenizer: BTMTokenizer, documents: Sequence[str]) -> None:
    twin = SlowTwin(tokenizer)
    for text, ids in zip(documents, tokenizer.encode_batch(documents), strict=True):
        assert ids.tolist() == twin.encode(text), text


@pytest.fixture(scope="module")
def all_stories(shared_data: Path) -> list[str]:
    """Every story of the training file, or its first megabyte."""
    return read_stories(shared_data / "tinystories" / "train.txt", None if ALL_DATA else 1_000_000)


@pytest.fixture(scope="module", params=SCOPES)
def tokenizer_of_stories(request: pytest.FixtureRequest, all_stories: list[str]) -> BTMTokenizer:
    return BTMTokenizer.train(all_stories, 16_384, primitive_vocab_size=4096, scope=request.param)


def blimp_sentences(shared_data: Path) -> Iterator[str]:
    for path in sorted((shared_data / "blimp").glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            pair = json.loads(line)
            yield from (pair["sentence_good"], pair["sentence_bad"])


def test_the_slow_twin_is_the_reference(tokenizer_of_stories: BTMTokenizer, validation_stories: list[str]) -> None:
    """Skipping the merges that a document does not hold changes nothing."""
    twin = SlowTwin(tokenizer_of_stories)
    for text in validation_stories[:2]:
        primitives = tokenizer_of_stories.primitive.hf.encode(text, add_special_tokens=False).ids
        assert twin.encode(text) == reference.encode(primitives, tokenizer_of_stories.merges.tolist(), twin.scope)


def test_stories(tokenizer_of_stories: BTMTokenizer, all_stories: list[str], validation_stories: list[str]) -> None:
    assert_encoded_as_the_slow_twin_does(tokenizer_of_stories, [*all_stories[::EVERY], *validation_stories[::EVERY]])


def test_blimp_sentences(tokenizer_of_stories: BTMTokenizer, shared_data: Path) -> None:
    sentences = list(blimp_sentences(shared_data))
    assert len(sentences) == 67 * 1000 * 2
    assert_encoded_as_the_slow_twin_does(tokenizer_of_stories, sentences[::EVERY])


def test_stories_afresh_are_what_training_left_behind(tokenizer_of_stories: BTMTokenizer, all_stories: list[str]) -> None:
    primitive, scope = tokenizer_of_stories.primitive, tokenizer_of_stories.scope
    ids, offsets = encode_documents(primitive, Documents.of(all_stories))
    learned = learn_merges_of_stream(ids, offsets, primitive.token_bytes, 16_384, MergeRule(scope=scope))
    assert learned.merges.tolist() == tokenizer_of_stories.merges.tolist()
    left_behind = [learned.ids[start:end].tolist() for start, end in itertools.pairwise(learned.offsets.tolist())]
    assert [ids.tolist() for ids in tokenizer_of_stories.encode_batch(all_stories)] == left_behind


@pytest.fixture(scope="module", params=SCOPES)
def tokenizer_of_awkward_texts(request: pytest.FixtureRequest, storybook: list[str]) -> BTMTokenizer:
    """Learned from awkward pieces beside stories, so that there are merges within pictures, marks and spellings."""
    pairs = [left + right for left, right in itertools.product(PIECES, repeat=2)]
    return BTMTokenizer.train([*pairs, *storybook[:60]], 1500, primitive_vocab_size=400, scope=request.param)


def test_merges_reach_beyond_ascii(tokenizer_of_awkward_texts: BTMTokenizer) -> None:
    merged = tokenizer_of_awkward_texts.token_bytes[400:]
    assert sum(not entry.isascii() for entry in merged) > 50


@settings(max_examples=150, deadline=None)
@given(documents=st.lists(texts, max_size=5))
@example(documents=["".join(map(chr, range(0x300)))])
@example(documents=[chr(point) for point in (*range(32), *range(127, 160))])
def test_any_texts(tokenizer_of_awkward_texts: BTMTokenizer, documents: list[str]) -> None:
    assert_encoded_as_the_slow_twin_does(tokenizer_of_awkward_texts, documents)
    twin = SlowTwin(tokenizer_of_awkward_texts)
    assert [tokenizer_of_awkward_texts.encode(text) for text in documents] == [twin.encode(text) for text in documents]


def test_every_split_of_pictures_marks_and_spellings(tokenizer_of_awkward_texts: BTMTokenizer) -> None:
    """Cut anywhere, either part at the beginning, in the middle or at the end of a document."""
    documents = []
    for whole in (*PICTURES, END_OF_TEXT, f"{END_OF_TEXT}{END_OF_TEXT}", f"a {END_OF_TEXT}\n"):
        for place in range(len(whole) + 1):
            first, second = whole[:place], whole[place:]
            documents += [first, second, f"{first} {second}", f"{first}\n\n{second}", f"the{second}{first}'s"]
    assert_encoded_as_the_slow_twin_does(tokenizer_of_awkward_texts, documents)
    for text, ids in zip(documents, tokenizer_of_awkward_texts.encode_batch(documents), strict=True):
        assert 0 not in ids
        assert tokenizer_of_awkward_texts.decode(ids.tolist()) == text


def test_characters_between_others(tokenizer_of_awkward_texts: BTMTokenizer) -> None:
    """Every character below U+0800 and one in 97 of all others, beside a letter, a space, itself and a digit.

    All come back; one in 53 of these is compared.
    """
    points = [*range(0x800), *range(0x800, 0xD800, 97), *range(0xE000, 0x110000, 97)]
    documents = [f"a{chr(point)} {chr(point)}{chr(point)}1" for point in points]
    ids = tokenizer_of_awkward_texts.encode_batch(documents)
    merges, scope = tokenizer_of_awkward_texts.merges.tolist(), SlowTwin(tokenizer_of_awkward_texts).scope
    for text, encoded in zip(documents[::53], ids[::53], strict=True):
        primitives = tokenizer_of_awkward_texts.primitive.encode(text)
        assert encoded.tolist() == reference.encode(primitives, merges, scope)
    assert all(
        tokenizer_of_awkward_texts.decode(encoded.tolist()) == text for text, encoded in zip(documents, ids, strict=True)
    )
