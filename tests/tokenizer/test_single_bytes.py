"""The tokenizer without merges. What holds for every tokenizer is in test_base.py."""

from pathlib import Path

from transformers import AutoTokenizer

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.tokenizer.bpe import CHECKED_TEXTS
from toktrial.tokenizer.config import BPERecipe, BytesRecipe, Recipe
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.single_bytes import BytesTokenizer
from toktrial.tokenizer.stage import prepare_tokenizers


def test_an_id_is_one_more_than_its_byte() -> None:
    assert BytesTokenizer().encode("a\n\u00e9\0") == [98, 11, 0xC3 + 1, 0xA9 + 1, 1]
    assert [ids.tolist() for ids in BytesTokenizer().encode_batch(["", "\0", "z"])] == [[], [1], [123]]


def test_transformers_gives_the_same_ids(tmp_path: Path) -> None:
    BytesTokenizer().save(tmp_path / "bytes", held_out=CHECKED_TEXTS)
    theirs = AutoTokenizer.from_pretrained(tmp_path / "bytes")
    for text in CHECKED_TEXTS:
        ids = BytesTokenizer().encode(text)
        assert theirs.encode(text, add_special_tokens=False) == ids
        assert theirs.decode(ids) == text
    assert "0 got other ids" in (tmp_path / "bytes" / "README.md").read_text()
    assert load_tokenizer(tmp_path / "bytes").encode("one dog") == BytesTokenizer().encode("one dog")


def test_the_stage_makes_it_whatever_the_corpus(storybook: list[str], tmp_path: Path) -> None:
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "bytes": BytesRecipe()}
    for name in ("one", "two"):
        documents = Documents.of(storybook[:50] if name == "one" else storybook[50:90])
        prepare_tokenizers(tracks, 300, documents, f"corpus {name}", tmp_path / name)
    manifests = [artifact.read_manifest(tmp_path / name / "tokenizers" / "bytes_tokenizer") for name in ("one", "two")]
    assert [each["entries"] for each in manifests] == [each["requested"] for each in manifests] == [257, 257]
    assert manifests[0]["fingerprint"] == manifests[1]["fingerprint"]
