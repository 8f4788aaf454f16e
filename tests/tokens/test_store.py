"""Ids on disk: in the dtype and order that is promised, every document whole, damage noticed."""

import itertools
import re
import shutil
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pyarrow as pa
import pytest

from toktrial import artifact
from toktrial.corpus.documents import BATCH_BYTES, Documents, flat_buffers
from toktrial.errors import TrialError
from toktrial.tokenizer.base import END_OF_TEXT, Ids, IdStream, Offsets, Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.config import BTMRecipe, Recipe, tokenizer_names
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.stage import prepare_tokenizers
from toktrial.tokens.store import TokenSplit, TokenStore, write_parted_tokens, write_tokens

AWKWARD = [
    "",
    "a",
    "<|endoftext|>",
    "\r\n\x00 \u2028",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\U0001f3fd" * 30,
    "",
    "The dog ran. " * 200,
    "",
]
SPLITS = {"train": "train", "validation": "val"}
FILES = ["entry_bytes.bin", *(f"{prefix}{part}.bin" for prefix in SPLITS.values() for part in ("", "_offsets", "_bytes"))]


class PairTokenizer(Tokenizer):
    """Cuts a text into pairs of bytes: entries are the end of text, every byte, then pairs, to any number up to 65,793."""

    recipe = "pairs"

    def __init__(self, entries: int = 257 + 256**2) -> None:
        pairs = (bytes(pair) for pair in itertools.product(range(256), repeat=2))
        singles = [bytes([byte]) for byte in range(256)]
        super().__init__([END_OF_TEXT.encode(), *singles, *itertools.islice(pairs, entries - 257)])
        self._ids = {entry: token for token, entry in enumerate(self.token_bytes) if token}

    def encode(self, text: str) -> list[int]:
        data = text.encode()
        ids = []
        for start in range(0, len(data), 2):
            pair = data[start : start + 2]
            ids += [self._ids[pair]] if pair in self._ids else [self._ids[bytes([byte])] for byte in pair]
        return ids

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        encoded = [self.encode(text) for text in texts.to_pylist()]
        offsets = np.cumsum([0, *map(len, encoded)])
        return np.array(list(itertools.chain(*encoded)), dtype=np.uint32), offsets

    @classmethod
    def read_files(cls, folder: Path) -> Self:
        raise NotImplementedError  # nothing here saves it


class ForgetfulTokenizer(PairTokenizer):
    """Leaves out the last id of every text that ends with an exclamation mark."""

    def encode(self, text: str) -> list[int]:
        return super().encode(text)[: -1 if text.endswith("!") else None]


def write(folder: Path, tokenizer: Tokenizer, train: list[str], validation: list[str]) -> TokenStore:
    splits = {"train": Documents.of(train), "validation": Documents.of(validation)}
    write_tokens(folder, tokenizer, "fingerprint of the tokenizer", splits, "its name")
    return TokenStore.open(folder, check=True)


def assert_holds(split: TokenSplit, tokenizer: Tokenizer, texts: list[str]) -> None:
    """Whatever promised of one split, read through TokenSplit."""
    assert split.documents == len(texts)
    assert split.offsets[0] == 0
    assert split.offsets[-1] == len(split.ids)
    assert split.byte_lengths.tolist() == [len(text.encode()) for text in texts]
    for index, text in enumerate(texts):
        ids = split.document(index).tolist()
        assert ids[-1] == 0
        assert 0 not in ids[:-1]
        assert ids[:-1] == tokenizer.encode(text)
        assert tokenizer.decode_bytes(ids[:-1]) == text.encode()
        assert len(ids) == split.offsets[index + 1] - split.offsets[index]


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_every_document_is_there_and_gives_its_text_back(
    track: str,
    story_tokens: dict[str, Path],
    story_tokenizers: dict[str, Tokenizer],
    story_documents: dict[str, Documents],
) -> None:
    store, tokenizer = TokenStore.open(story_tokens[track], check=True), story_tokenizers[track]
    assert_holds(store.train, tokenizer, list(story_documents["train"]))
    assert_holds(store.validation, tokenizer, list(story_documents["validation"]))
    assert store.entries == tokenizer.vocab_size
    assert store.entry_bytes.tolist() == [0, *(len(entry) for entry in tokenizer.token_bytes[1:])]
    assert store.manifest["tokenizer"] == track
    assert store.manifest["entries"] == tokenizer.vocab_size
    for name in SPLITS:
        documents, split = story_documents[name], {"train": store.train, "validation": store.validation}[name]
        assert store.manifest[name] == {
            "documents": len(documents),
            "bytes": documents.bytes,
            "tokens": len(split.ids) - len(documents),
        }


def test_awkward_documents_are_there_too(tmp_path: Path, story_tokenizers: dict[str, Tokenizer]) -> None:
    for track, tokenizer in story_tokenizers.items():
        store = write(tmp_path / track, tokenizer, AWKWARD, AWKWARD[::-1])
        assert_holds(store.train, tokenizer, AWKWARD)
        assert_holds(store.validation, tokenizer, AWKWARD[::-1])


@pytest.mark.parametrize("texts", [AWKWARD, [""], ["a"]])
def test_texts_are_a_split_without_a_file_too(texts: list[str], story_tokenizers: dict[str, Tokenizer]) -> None:
    for tokenizer in (*story_tokenizers.values(), PairTokenizer()):
        split = TokenSplit.of_texts(texts, tokenizer)
        assert_holds(split, tokenizer, texts)
        assert split.ids.dtype == np.uint32
    with pytest.raises(ValueError, match="lone surrogate"):
        TokenSplit.of_texts([*texts, "\ud800"], story_tokenizers["bpe"])


def test_a_split_without_documents(tmp_path: Path, story_tokenizers: dict[str, Tokenizer]) -> None:
    store = write(tmp_path / "tokens", story_tokenizers["bpe"], ["a"], [])
    assert store.validation.documents == len(store.validation.ids) == len(store.validation.byte_lengths) == 0
    assert store.validation.offsets.tolist() == [0]
    assert store.manifest["validation"] == {"documents": 0, "tokens": 0, "bytes": 0}
    assert store.train.documents == 1


def test_the_bytes_on_disk_worked_by_hand(tmp_path: Path) -> None:
    """`PairTokenizer` of 65,536 entries: byte b has id b + 1, the pair (x, y) has id 257 + 256 x + y; 0xFE 0xFF has none."""
    store = write(tmp_path / "tokens", PairTokenizer(65_536), ["ab!", "", "\u00e9"], ["ba"])
    ab, bang, e_acute, ba = 257 + 256 * 97 + 98, 33 + 1, 257 + 256 * 0xC3 + 0xA9, 257 + 256 * 98 + 97
    assert (tmp_path / "tokens" / "train.bin").read_bytes() == b"".join(
        token.to_bytes(2, "little") for token in (ab, bang, 0, 0, e_acute, 0)
    )
    assert (tmp_path / "tokens" / "val.bin").read_bytes() == ba.to_bytes(2, "little") + b"\0\0"
    assert (tmp_path / "tokens" / "train_offsets.bin").read_bytes() == b"".join(
        offset.to_bytes(8, "little") for offset in (0, 3, 4, 6)
    )
    assert (tmp_path / "tokens" / "train_bytes.bin").read_bytes() == b"".join(
        length.to_bytes(4, "little") for length in (3, 0, 2)
    )
    assert (tmp_path / "tokens" / "entry_bytes.bin").read_bytes()[:12] == b"\0\0\0\0\1\0\0\0\1\0\0\0"
    assert store.manifest["dtype"] == "uint16"
    assert store.train.ids.dtype == np.dtype("<u2")


@pytest.mark.parametrize(("entries", "dtype"), [(65_535, "uint16"), (65_536, "uint16"), (65_537, "uint32"), (65_793, "uint32")])
def test_ids_are_as_wide_as_the_vocabulary_needs(tmp_path: Path, entries: int, dtype: str) -> None:
    tokenizer = PairTokenizer(entries)
    assert tokenizer.vocab_size == entries
    # U+00FF and U+10FFFF: bytes up to 0xF4, so the last ids of 65,793 entries are met through no valid text.
    texts = ["\u00ff\U0010ffff", "end", "\U000fffff" * 9]
    store = write(tmp_path / "tokens", tokenizer, texts, texts)
    assert store.manifest["dtype"] == dtype
    assert store.train.ids.dtype == np.dtype(dtype).newbyteorder("<")
    assert (tmp_path / "tokens" / "train.bin").stat().st_size == len(store.train.ids) * np.dtype(dtype).itemsize
    assert_holds(store.train, tokenizer, texts)


class HighTokenizer(PairTokenizer):
    """The same, with the ids of bytes and of pairs exchanged: an ordinary text needs the highest ids."""

    def __init__(self) -> None:
        super().__init__()
        self._token_bytes[1:] = self._token_bytes[:0:-1]
        self._ids = {entry: token for token, entry in enumerate(self.token_bytes) if token}


def test_ids_above_16_bits_come_back_whole(tmp_path: Path) -> None:
    tokenizer = HighTokenizer()
    store = write(tmp_path / "tokens", tokenizer, ["a", "b\u00e9"], ["c"])
    assert store.train.ids.dtype == np.dtype("<u4")
    assert int(store.train.ids.max()) > 65_535
    assert_holds(store.train, tokenizer, ["a", "b\u00e9"])
    assert (tmp_path / "tokens" / "val.bin").read_bytes() == tokenizer.encode("c")[0].to_bytes(4, "little") + b"\0" * 4


def test_documents_of_several_batches_join_without_a_seam(tmp_path: Path, story_tokenizers: dict[str, Tokenizer]) -> None:
    texts = [f"Story {i}. " + letter * (BATCH_BYTES // 2) for i, letter in enumerate("abcde")]
    documents = Documents.of(texts)
    assert len(list(documents.batches())) == 3
    tokenizer = story_tokenizers["bpe"]
    splits = {"train": documents, "validation": Documents.of(["a"])}
    write_tokens(tmp_path / "tokens", tokenizer, "fingerprint", splits, "name")
    split = TokenStore.open(tmp_path / "tokens").train
    assert split.offsets.tolist() == np.cumsum([0, *(len(ids) + 1 for ids in tokenizer.encode_batch(texts))]).tolist()
    assert split.byte_lengths.tolist() == [len(text) for text in texts]
    for index in range(5):
        assert tokenizer.decode(split.document(index)[:6].tolist()).startswith(f"Story {index}")
        assert split.document(index)[-1] == 0
        assert np.count_nonzero(split.document(index) == 0) == 1


def test_parted_tokens_are_the_same_documents_in_two_splits(tmp_path: Path, story_tokens: dict[str, Path]) -> None:
    store = TokenStore.open(story_tokens["btm"])
    is_set_aside = np.random.default_rng(0).random(store.train.documents) < 0.3
    write_parted_tokens(tmp_path / "parted", store, "fingerprint", is_set_aside)
    parted = TokenStore.open(tmp_path / "parted", check=True)
    for split, chosen in ((parted.train, ~is_set_aside), (parted.validation, is_set_aside)):
        wanted = np.flatnonzero(chosen)
        assert split.documents == len(wanted)
        assert np.array_equal(split.byte_lengths, store.train.byte_lengths[wanted])
        for place, document in enumerate(wanted.tolist()):
            assert np.array_equal(split.document(place), store.train.document(document))
    counts = [parted.manifest[split]["tokens"] for split in ("train", "validation")]
    assert sum(counts) == store.manifest["train"]["tokens"]
    with pytest.raises(TrialError, match="leaves none to train on"):
        write_parted_tokens(tmp_path / "none", store, "fingerprint", np.ones(store.train.documents, dtype=bool))


# Done, unfinished, damaged


def test_what_is_done_is_not_done_again(tmp_path: Path, story_tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer, other = story_tokenizers["bpe"], story_tokenizers["btm"]
    splits = {"train": Documents.of(["one", "two"]), "validation": Documents.of(["three"])}
    folder = tmp_path / "tokens"
    first = write_tokens(folder, tokenizer, "fingerprint", splits, "name")
    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert write_tokens(folder, tokenizer, "fingerprint", splits, "name") == first
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    second = write_tokens(folder, other, "another fingerprint", splits, "name")
    assert second != first
    assert artifact.is_finished(folder, second)
    assert TokenStore.open(folder).entries == other.vocab_size
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, artifact.MANIFEST])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["a bit", "cut", "longer", "removed"])
def test_damage_is_named(tmp_path: Path, story_tokens: dict[str, Path], name: str, damage: str) -> None:
    folder = Path(shutil.copytree(story_tokens["btm"], tmp_path / "tokens"))
    whole = (folder / name).read_bytes()
    if damage == "removed":
        (folder / name).unlink()
    else:
        middle = len(whole) // 2
        a_bit = whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]
        (folder / name).write_bytes({"a bit": a_bit, "cut": whole[:-4], "longer": whole + b"\0"}[damage])
    with pytest.raises(TrialError, match=rf"{re.escape(name)} is (damaged|missing)"):
        TokenStore.open(folder, check=True)


def test_an_unfinished_folder_is_named(tmp_path: Path, story_tokens: dict[str, Path]) -> None:
    folder = Path(shutil.copytree(story_tokens["bpe"], tmp_path / "tokens"))
    (folder / artifact.MANIFEST).unlink()
    for check in (False, True):
        for unfinished in (folder, tmp_path / "missing"):
            with pytest.raises(TrialError, match=f"{unfinished.name} holds no finished stage"):
                TokenStore.open(unfinished, check)


def test_a_tokenizer_that_loses_bytes_is_found_out(tmp_path: Path) -> None:
    splits = {"train": Documents.of(["fine", "fine too"]), "validation": Documents.of(["fine", "a", "b", "stop!", "c"])}
    with pytest.raises(AssertionError, match="document 3 of a batch do not add up"):
        write_tokens(tmp_path / "tokens", ForgetfulTokenizer(), "fingerprint", splits, "name")
    assert list(tmp_path.iterdir()) == []  # the training half, which was fine, is not left over
    write_tokens(tmp_path / "tokens", PairTokenizer(), "fingerprint", splits, "name")


class TradingTokenizer(PairTokenizer):
    """Gives a document's last id to the next document: the batch as a whole adds up."""

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        ids, offsets = super().encode_arrow(texts)
        offsets[1] -= 1
        return ids, offsets


def test_a_seam_at_the_wrong_place_is_found_out(tmp_path: Path) -> None:
    splits = {"train": Documents.of(["abcd", "efgh"]), "validation": Documents.of(["fine"])}
    with pytest.raises(AssertionError, match="document 0 of a batch"):
        write_tokens(tmp_path / "tokens", TradingTokenizer(), "fingerprint", splits, "name")


def test_nothing_is_written_where_a_foreign_folder_stands(tmp_path: Path, story_tokenizers: dict[str, Tokenizer]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    splits = {"train": Documents.of(["one"]), "validation": Documents.of(["two"])}
    with pytest.raises(TrialError, match="not written by toktrial"):
        write_tokens(tmp_path, story_tokenizers["bpe"], "fingerprint", splits, "name")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_stores_files_are_read_without_a_copy(story_tokens: dict[str, Path]) -> None:
    store = TokenStore.open(story_tokens["bpe"])
    for split in (store.train, store.validation):
        for array in (split.ids, split.offsets, split.byte_lengths):
            assert isinstance(array, np.memmap)
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1


def test_real_stories_are_stored_whole(tmp_path: Path, shared_data: Path) -> None:
    text = (shared_data / "tinystories" / "valid.txt").read_bytes().decode()
    stories = text.split("\n<|endoftext|>\n")[:-1]
    documents = Documents.of(stories)
    tokenizer = BPETokenizer.train(documents, 2048)
    splits = {"train": documents, "validation": Documents.of(stories[:9])}
    write_tokens(tmp_path / "tokens", tokenizer, "fingerprint", splits, "name")
    split = TokenStore.open(tmp_path / "tokens", check=True).train
    assert_holds(split, tokenizer, stories)
    offsets, _ = flat_buffers(next(documents.batches()))
    assert int(split.byte_lengths.sum()) == int(offsets[-1]) == len("".join(stories).encode())


@pytest.mark.parametrize(("scope", "score"), [("any", "frequency"), ("words", "npmi")])
def test_the_ids_that_learning_leaves_make_the_same_files(
    tmp_path: Path, story_documents: dict[str, Documents], scope: Literal["any", "words"], score: str
) -> None:
    tracks: dict[str, Recipe] = {"btm": BTMRecipe(400, score=score, scope=scope), "rarer": BTMRecipe(400, min_frequency=30)}
    train_ids: dict[str, IdStream] = {}
    fingerprints = prepare_tokenizers(tracks, 600, story_documents["train"], "corpus", tmp_path, train_ids=train_ids)
    for track, name in tokenizer_names(tracks).items():
        tokenizer = load_tokenizer(tmp_path / "tokenizers" / name)
        for folder, ids in (("encoded", None), ("left", train_ids[fingerprints[track]])):
            write_tokens(tmp_path / folder / track, tokenizer, "fingerprint", story_documents, name, ids)
        encoded, left = (artifact.read_manifest(tmp_path / folder / track) for folder in ("encoded", "left"))
        assert (encoded["files"], encoded["train"]) == (left["files"], left["train"])
    assert not [path for path in tmp_path.iterdir() if path.name not in ("tokenizers", "graphs", "encoded", "left")]
