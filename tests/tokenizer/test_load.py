"""Saved tokenizers: what was written is read back, nothing foreign is overwritten, and damage is noticed."""

import json
from pathlib import Path

import numpy as np
import pytest

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer, OverBPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.config import BTMRecipe, PrimitiveRecipe, SuperBPERecipe, TKNRecipe
from toktrial.tokenizer.load import load_tokenizer, train

TEXTS = ["Once upon a time", "<|endoftext|>", "", "\U0001f600\r\n e\u0301", "x" * 200]


def test_a_saved_tokenizer_is_read_back(tmp_path: Path, storybook_tokenizer: Tokenizer, storybook: list[str]) -> None:
    storybook_tokenizer.save(tmp_path / "new" / "tokenizer")
    loaded = load_tokenizer(str(tmp_path / "new" / "tokenizer"))
    assert type(loaded) is type(storybook_tokenizer)
    assert loaded.token_bytes == storybook_tokenizer.token_bytes
    texts = [*TEXTS, *storybook[:20]]
    assert [loaded.encode(text) for text in texts] == [storybook_tokenizer.encode(text) for text in texts]
    manifest = artifact.read_manifest(tmp_path / "new" / "tokenizer")
    assert manifest["recipe"] == storybook_tokenizer.recipe
    assert manifest["entries"] == storybook_tokenizer.vocab_size
    artifact.check_files(tmp_path / "new" / "tokenizer")


def test_btm_keeps_primitives_and_counts_of_merges(tmp_path: Path, btm: BTMTokenizer) -> None:
    btm.save(tmp_path / "btm")
    loaded = load_tokenizer(tmp_path / "btm")
    assert isinstance(loaded, BTMTokenizer)
    assert np.array_equal(loaded.merges, btm.merges)
    assert loaded.primitive.token_bytes == btm.primitive.token_bytes


def test_saving_the_same_twice_gives_the_same_fingerprint(tmp_path: Path, storybook_tokenizer: Tokenizer) -> None:
    for name in "ab":
        storybook_tokenizer.save(tmp_path / name)
    first, second = (artifact.read_manifest(tmp_path / name) for name in "ab")
    assert first["fingerprint"] == second["fingerprint"]


def test_save_replaces_a_tokenizer_and_nothing_else(tmp_path: Path, storybook_tokenizer: Tokenizer) -> None:
    other = BPETokenizer.train(["abab"], 260)
    other.save(tmp_path / "tokenizer")
    storybook_tokenizer.save(tmp_path / "tokenizer")
    assert load_tokenizer(tmp_path / "tokenizer").token_bytes == storybook_tokenizer.token_bytes
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"a cat")
    with pytest.raises(TrialError, match="not written by toktrial"):
        storybook_tokenizer.save(tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
    with pytest.raises(TrialError, match="not written by toktrial"):
        storybook_tokenizer.save(tmp_path / "photos" / "cat.jpg")
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"a cat"


@pytest.mark.parametrize(
    "recipe",
    [
        BTMRecipe(primitive_vocab_size=300, vocab_size=400),
        SuperBPERecipe(transition=300, vocab_size=400),
        TKNRecipe(primitive_vocab_size=300, vocab_size=400),
    ],
)
def test_a_recipe_is_learned_over_as_many_primitives_as_it_says(recipe: PrimitiveRecipe, storybook: list[str]) -> None:
    tokenizer = train(recipe, storybook[:50])
    assert isinstance(tokenizer, OverBPETokenizer)
    assert (tokenizer.primitive.vocab_size, tokenizer.vocab_size) == (300, 400)
    given = train(recipe, storybook[:50], primitive=tokenizer.primitive.cut(280))
    assert isinstance(given, OverBPETokenizer)
    assert given.primitive.vocab_size == 280


def test_a_missing_or_empty_folder_holds_no_tokenizer(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path):
        with pytest.raises(TrialError, match=f"{folder.name} holds no finished stage"):
            load_tokenizer(folder)


def test_another_stages_folder_holds_no_tokenizer(tmp_path: Path) -> None:
    for manifest, found in (({}, "None"), ({"recipe": "bpee"}, "did you mean 'bpe'")):
        with artifact.publish(tmp_path / "stage", "f" * 64, dict(manifest)):
            pass
        with pytest.raises(TrialError, match=f"does not hold a tokenizer of toktrial.*{found}"):
            load_tokenizer(tmp_path / "stage")


FILES = {"btm": ["merges.parquet", "primitive/tokenizer.json", "vocabulary.jsonl"]}
FILES_OF_OTHERS = ["tokenizer.json", "vocabulary.jsonl"]


def test_every_damaged_file_is_noticed(tmp_path: Path, storybook_tokenizer: Tokenizer) -> None:
    for name in FILES.get(storybook_tokenizer.recipe, FILES_OF_OTHERS):
        storybook_tokenizer.save(tmp_path / "tokenizer")
        path = tmp_path / "tokenizer" / name
        whole = path.read_bytes()
        one_bit = bytes([*whole[:-30], whole[-30] ^ 1, *whole[-29:]])
        for damaged in (whole[: len(whole) // 2], b"", b"[]", one_bit, None):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(TrialError, match=rf"{path.name} is (damaged|missing)"):
                load_tokenizer(tmp_path / "tokenizer")
            path.write_bytes(whole)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00"])
def test_a_damaged_manifest_is_noticed(tmp_path: Path, content: str, storybook: list[str]) -> None:
    BPETokenizer.train(storybook[:5], 270).save(tmp_path / "tokenizer")
    (tmp_path / "tokenizer" / artifact.MANIFEST).write_text(content)
    with pytest.raises(TrialError, match=r"manifest\.json is damaged"):
        load_tokenizer(tmp_path / "tokenizer")


def test_files_that_are_whole_but_make_no_tokenizer(tmp_path: Path) -> None:
    for content in (
        "",
        "{}",
        "[]",
        "null",
        '{"model": []}',
        '{"model": {"vocab": [3]}}',
        '{"model": {}}',
        '{"model": {"vocab": {"<|endoftext|>": 0, "\\ud83d": 1}}}',
    ):
        with artifact.publish(tmp_path / "tokenizer", "f" * 64, {"recipe": "bpe"}) as partial:
            (partial / "tokenizer.json").write_text(content)
        with pytest.raises(TrialError, match="cannot be read"):
            load_tokenizer(tmp_path / "tokenizer")


def test_a_vocabulary_file_is_for_people_too(tmp_path: Path, storybook_tokenizer: Tokenizer) -> None:
    storybook_tokenizer.save(tmp_path / "tokenizer")
    lines = (tmp_path / "tokenizer" / "vocabulary.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {"id": 0, "bytes": b"<|endoftext|>".hex(), "text": "<|endoftext|>"}
    assert [json.loads(line)["id"] for line in lines] == list(range(storybook_tokenizer.vocab_size))
    assert [bytes.fromhex(json.loads(line)["bytes"]) for line in lines] == storybook_tokenizer.token_bytes
