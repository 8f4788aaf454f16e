"""Tokenizers of every kind that somebody made, opened as tracks: their own cuts, the right bytes, and no loss unnoticed."""

import base64
import io
import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, ByT5Tokenizer

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import CHECKED_TEXTS, BPETokenizer
from toktrial.tokenizer.config import BPERecipe, FileRecipe, Recipe
from toktrial.tokenizer.file import FileTokenizer
from toktrial.tokenizer.foreign import ForeignTokenizer
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.sources import PATTERNS, file_fingerprint, load_file_track
from toktrial.tokenizer.stage import prepare_tokenizers

# As openai/tiktoken has them, with the possessive quantifiers that only its own engine reads alike.
TIKTOKENS_OWN = {
    "gpt2": r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s""",
    "cl100k_base": (
        r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"""
        r"""|\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
    ),
    "o200k_base": PATTERNS["o200k_base"],
}
LOSSLESS: dict[str, Any] = {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True}


def sentencepiece_model(texts: list[str], **settings: Any) -> bytes:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=written,
        vocab_size=800,
        hard_vocab_limit=False,
        max_sentence_length=100_000,
        minloglevel=2,
        **settings,
    )
    return written.getvalue()


def llama_like(texts: list[str]) -> str:
    """A BPE of characters that falls back to bytes, and puts a space before a text; its special tokens come first."""
    tokenizer = tokenizers.Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    back = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(back)
    reserved = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=800, max_token_length=12, special_tokens=reserved, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    content = json.loads(tokenizer.to_str())
    return json.dumps(content | {"added_tokens": content["added_tokens"][:2]})


def xlm_like(texts: list[str]) -> str:
    """A Unigram LM of characters, as converted from SentencePiece, with a token that was added later."""
    tokenizer = tokenizers.Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    special = ["<s>", "<unk>", "\n"]
    trainer = trainers.UnigramTrainer(vocab_size=700, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"][2]["special"] = False
    return json.dumps(content)


def neox_like(texts: list[str], *special: str) -> str:
    """A byte-level BPE with runs of spaces added later, which are not special."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([" " * length for length in range(24, 1, -1)])
    return tokenizer.to_str()


def of_few_characters(pieces: list[str], merges: list[tuple[str, str]], added: list[dict[str, Any]]) -> str:
    """A BPE of those characters after `<unk>`, to which a space is U+2581."""
    vocabulary = {piece: token for token, piece in enumerate(["<unk>", *pieces])}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="never", split=False)
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    return json.dumps(json.loads(tokenizer.to_str()) | {"added_tokens": [flags | token for token in added]})


def bert_like(texts: list[str]) -> str:
    tokenizer = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=500, special_tokens=["[UNK]"], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str()


def tiktoken_file(bpe: BPETokenizer) -> bytes:
    return b"".join(base64.b64encode(entry) + b" %d\n" % rank for rank, entry in enumerate(bpe.token_bytes[1:]))


@pytest.fixture(scope="module")
def texts(storybook: list[str]) -> list[str]:
    return storybook[:120]


@pytest.fixture(scope="module")
def files(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tokenizer of each kind."""
    folder = tmp_path_factory.mktemp("somebodys")
    (folder / "bpe.model").write_bytes(sentencepiece_model(texts, model_type="bpe", **LOSSLESS))
    (folder / "unigram.model").write_bytes(sentencepiece_model(texts, model_type="unigram", **LOSSLESS))
    (folder / "lossy.model").write_bytes(sentencepiece_model(texts, model_type="unigram"))
    (folder / "llama.json").write_text(llama_like(texts), encoding="utf-8")
    (folder / "xlm.json").write_text(xlm_like(texts), encoding="utf-8")
    (folder / "bert.json").write_text(bert_like(texts), encoding="utf-8")
    (folder / "gpt2.tiktoken").write_bytes(tiktoken_file(BPETokenizer.train(texts, 700)))
    ByT5Tokenizer().save_pretrained(folder / "byt5")
    BPETokenizer.train(texts, 600).save(folder / "ours")
    return folder


def opened(path: Path | str, texts: list[str], **settings: Any) -> Tokenizer:
    return load_file_track(FileRecipe(path=str(path), **settings), texts)


KINDS = {
    "bpe.model": ({"kind": "sentencepiece", "rule": "sentencepiece"}, {}),
    "unigram.model": ({"kind": "sentencepiece", "rule": "sentencepiece"}, {}),
    "llama.json": ({"kind": "tokenizers", "rule": "sentencepiece"}, {}),
    "byt5": ({"kind": "transformers", "rule": "latin-1"}, {}),
    "ours": ({"recipe": "file"}, {}),
    "gpt2.tiktoken": ({"recipe": "file"}, {"pattern": "gpt2"}),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_text_back_and_is_read_back(files: Path, texts: list[str], name: str, tmp_path: Path) -> None:
    about, fields = KINDS[name]
    tokenizer = opened(files / name, texts, **fields)
    assert about.items() <= tokenizer.manifest().items()
    assert len(set(tokenizer.token_bytes)) == tokenizer.vocab_size
    assert tokenizer.token_bytes[0] == b"<|endoftext|>"
    tokenizer.save(tmp_path / "saved", held_out=texts[:20])
    again = load_tokenizer(tmp_path / "saved")
    assert again.token_bytes == tokenizer.token_bytes
    for text in [*CHECKED_TEXTS, *texts]:
        ids = tokenizer.encode(text)
        assert 0 not in ids
        assert tokenizer.decode_bytes(ids) == text.encode()
        assert again.encode(text) == ids
    together = again.encode_batch([*CHECKED_TEXTS, *texts])
    assert [ids.tolist() for ids in together] == [tokenizer.encode(text) for text in [*CHECKED_TEXTS, *texts]]


@pytest.mark.parametrize("name", ["bpe.model", "unigram.model"])
def test_sentencepiece_cuts_a_text_as_its_own_library_does(files: Path, texts: list[str], name: str) -> None:
    """But for the first word, before which the library puts a space."""
    tokenizer = opened(files / name, texts)
    library = sentencepiece.SentencePieceProcessor(model_file=str(files / name))
    for text in texts:
        theirs = [piece.surface for piece in library.encode(f"\n{text}", return_type="proto").pieces]
        ours = [tokenizer.decode([token]) for token in tokenizer.encode(f"\n{text}")]
        assert ours == [piece for piece in theirs if piece]  # the space before a text has no surface


def test_tokenizers_cuts_a_text_as_its_own_library_does(files: Path, texts: list[str]) -> None:
    tokenizer = opened(files / "llama.json", texts)
    library = tokenizers.Tokenizer.from_file(str(files / "llama.json"))
    for text in texts:
        _, *theirs = [f"\n{text}"[start:end] for start, end in library.encode(f"\n{text}").offsets]  # the space comes first
        assert [tokenizer.decode([token]) for token in tokenizer.encode(f"\n{text}")] == theirs


def test_entries_of_the_same_bytes_become_one(files: Path, texts: list[str]) -> None:
    said: list[str] = []
    tokenizer = load_file_track(FileRecipe(path=str(files / "bpe.model")), texts, say=said.append)
    assert isinstance(tokenizer, ForeignTokenizer)
    library = sentencepiece.SentencePieceProcessor(model_file=str(files / "bpe.model"))
    pieces = {library.id_to_piece(token) for token in range(library.vocab_size())}
    doubled = {f"<0x{byte:02X}>" for byte in range(128)} & pieces
    doubled = {piece for piece in doubled if chr(int(piece[3:5], 16)).replace(" ", "\u2581") in pieces}
    assert len(doubled) > 20
    assert tokenizer.merged == len(doubled)
    assert tokenizer.vocab_size == 1 + len(pieces) - 3 - len(doubled)  # without <unk>, <s>, </s>
    assert f"{len(doubled)} entries have the bytes of another one" in said[0]
    assert {bytes([byte]) for byte in range(256)} <= set(tokenizer.token_bytes)


def test_the_space_before_a_text_is_left_out_and_that_is_said(files: Path, texts: list[str]) -> None:
    said: list[str] = []
    tokenizer = load_file_track(FileRecipe(path=str(files / "llama.json")), texts, say=said.append)
    assert "puts a space before every text" in said[0]
    assert tokenizer.decode(tokenizer.encode("the dog")) == "the dog"


@pytest.mark.parametrize("name", ["llama.json", "xlm.json", "ours"])
def test_transformers_gives_our_ids(files: Path, texts: list[str], name: str, tmp_path: Path) -> None:
    tokenizer = opened(files / name, texts)
    tokenizer.save(tmp_path / "saved", held_out=texts[:30])
    theirs = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert theirs.eos_token_id == 0
    for text in texts:
        ids = tokenizer.encode(text)
        assert theirs.encode(text, add_special_tokens=False) == ids
        assert theirs.decode(ids) == text
    assert "30 held-out documents: 0 got other ids" in (tmp_path / "saved" / "README.md").read_text()
    if name != "xlm.json":  # which knows no such characters
        assert theirs.encode("<|endoftext|>", add_special_tokens=False) == tokenizer.encode("<|endoftext|>")


@pytest.mark.filterwarnings("ignore:gigatoken")
def test_a_byte_level_bpe_with_a_prefixed_space_is_one_without(texts: list[str], tmp_path: Path) -> None:
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TrialError, match="add_prefix_space = true"):
        FileTokenizer.from_file(tmp_path / "tokenizer.json")
    assert isinstance(opened(tmp_path / "tokenizer.json", texts), FileTokenizer)


# Added tokens, and spellings that share bytes


def test_an_added_token_that_is_not_special_is_what_text_becomes(texts: list[str], tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(neox_like(texts, "<|endoftext|>"), encoding="utf-8")
    ours = opened(tmp_path / "tokenizer.json", texts)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert ours.vocab_size == library.get_vocab_size() == 523
    for text in ["if a:\n        the dog", " " * 30, *texts[:20]]:
        theirs = [library.decode([token]) for token in library.encode(text).ids]
        assert [ours.decode([token]) for token in ours.encode(text)] == theirs
    ours.save(tmp_path / "saved", held_out=texts[:20])
    assert AutoTokenizer.from_pretrained(tmp_path / "saved").encode("a\n        the") == ours.encode("a\n        the")


def test_a_piece_that_is_listed_again_as_added_is_spelled_as_pieces_are(tmp_path: Path) -> None:
    twice = [{"id": 4, "content": "\u2581\u2581"}]
    content = of_few_characters(["a", "b", "\u2581", "\u2581\u2581"], [("\u2581", "\u2581")], twice)
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    ours = opened(tmp_path / "tokenizer.json", ["a  b"])
    assert [ours.decode([token]) for token in ours.encode("a  b a")] == ["a", "  ", "b", " ", "a"]


def test_a_spelling_that_no_text_becomes_leaves_its_id_to_the_one_that_text_does(tmp_path: Path) -> None:
    """A space is in the vocabulary, before the U+2581 that takes its place in every text."""
    content = of_few_characters([" ", "a", "b", "\u2581", "\u2581b"], [("\u2581", "b")], [])
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    ours = opened(tmp_path / "tokenizer.json", ["a b"])
    ours.save(tmp_path / "saved", held_out=["a b a", "b  a"])
    theirs = AutoTokenizer.from_pretrained(tmp_path / "saved")
    for text in ("a b a", "  ", "b  bb"):
        assert theirs.encode(text, add_special_tokens=False) == ours.encode(text)
        assert theirs.decode(ours.encode(text)) == text
    assert "2 held-out documents: 0 got other ids" in (tmp_path / "saved" / "README.md").read_text()


WITHOUT_JSON = {
    "two spellings of text share an id": of_few_characters(
        ["a", "b", "\u2581", "\u2581\u2581"], [("\u2581", "\u2581")], [{"id": 5, "content": "  "}]
    ),
    "a text would become id 0": json.dumps(
        json.loads(neox_like(["a dog"] * 9))
        | {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}}
    ).replace('"ignore_merges": false', '"ignore_merges": true'),
}


@pytest.mark.parametrize("why", WITHOUT_JSON)
def test_where_no_tokenizer_json_gives_our_ids_there_is_none(why: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(WITHOUT_JSON[why], encoding="utf-8")
    ours = opened(tmp_path / "tokenizer.json", ["a  b a"])
    ours.save(tmp_path / "saved", held_out=["a  b"])
    names = {path.name for path in (tmp_path / "saved").iterdir()}
    assert names == {"manifest.json", "foreign.json", "source", "vocabulary.jsonl"}
    assert load_tokenizer(tmp_path / "saved").encode("a  b") == ours.encode("a  b")


def test_the_readme_says_whether_every_text_comes_back(files: Path, texts: list[str], tmp_path: Path) -> None:
    for name, said, unsaid in (
        ("llama.json", "There is no unknown token", "does not give every text back"),
        ("xlm.json", "does not give every text back", "There is no unknown token"),
    ):
        opened(files / name, texts).save(tmp_path / name)
        readme = (tmp_path / name / "README.md").read_text()
        assert said in readme
        assert unsaid not in readme


# Tiktoken


@pytest.mark.parametrize("encoding", PATTERNS)
def test_a_tiktoken_file_gives_tiktokens_tokens(encoding: str, texts: list[str], tmp_path: Path) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    and_spaces = [f"{text}\n {end}" for text, end in zip(texts, itertools.cycle(["", "\n\n ", "\t"]), strict=False)]
    (tmp_path / "ranks.tiktoken").write_bytes(tiktoken_file(BPETokenizer.train(and_spaces, 900)))
    ours = opened(tmp_path / "ranks.tiktoken", texts, pattern=encoding)
    ranks = {entry: rank for rank, entry in enumerate(ours.token_bytes[1:])}
    theirs = tiktoken.Encoding("theirs", pat_str=TIKTOKENS_OWN[encoding], mergeable_ranks=ranks, special_tokens={})

    @settings(max_examples=200, deadline=None)
    @given(text=st.text(max_size=40) | st.text("aAeEdD'sS  \n\r\t1234.,!", max_size=60) | st.sampled_from(texts))
    def check(text: str) -> None:
        assert ours.encode(text) == [1 + token for token in theirs.encode_ordinary(text)]

    check()
    for text in [*CHECKED_TEXTS, "a\n ", "\r\n \t", "the end.\n\n ", " \n  \n", "x\n \n y", "\n" * 9 + " "]:
        assert ours.encode(text) == [1 + token for token in theirs.encode_ordinary(text)]
        assert ours.encode_batch(["a", text])[1].tolist() == ours.encode(text)
    assert isinstance(ours, FileTokenizer)
    assert ours._gigatoken is not None, "the named patterns have the fast way"


def ranks_file(tokens: list[bytes]) -> bytes:
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))


@pytest.mark.filterwarnings("ignore:gigatoken")
@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.text("abc", min_size=2, max_size=7), max_size=15, unique=True),
    texts=st.lists(st.text("abc", min_size=1, max_size=25), min_size=1, max_size=20),
)
@example(words=["ab", "abcd", "abc"], texts=["abcde"])  # abcd is abc and d, although abc has the higher rank
@example(words=["abc", "cab"], texts=["abc", "abcab"])  # which only a whole word becomes
def test_any_table_of_ranks_gives_tiktokens_tokens(
    words: list[str], texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    tokens = [*(bytes([byte]) for byte in range(256)), *map(str.encode, words)]
    path = tmp_path_factory.mktemp("ranks") / "ranks.tiktoken"
    path.write_bytes(ranks_file(tokens))
    ours = opened(path, [], pattern="gpt2")
    ranks = {token: rank for rank, token in enumerate(tokens)}
    theirs = tiktoken.Encoding("theirs", pat_str=TIKTOKENS_OWN["gpt2"], mergeable_ranks=ranks, special_tokens={})
    for text in texts:
        assert ours.encode(text) == [1 + token for token in theirs.encode_ordinary(text)]


def test_ranks_that_bpe_learned_keep_its_merges(texts: list[str], tmp_path: Path) -> None:
    bpe = BPETokenizer.train(texts, 700)
    (tmp_path / "ranks.tiktoken").write_bytes(tiktoken_file(bpe))
    ours = opened(tmp_path / "ranks.tiktoken", texts, pattern="gpt2")
    assert isinstance(ours, FileTokenizer)
    model, learned = (json.loads(each.tokenizer_json)["model"] for each in (ours, bpe))
    assert model["merges"] == learned["merges"]
    assert not model["ignore_merges"]


def test_empty_lines_of_a_tiktoken_file_are_skipped_as_tiktoken_does(files: Path, texts: list[str], tmp_path: Path) -> None:
    lines = (files / "gpt2.tiktoken").read_bytes().splitlines()
    (tmp_path / "ranks.tiktoken").write_bytes(b"\n" + b"\r\n".join([*lines[:300], b"", *lines[300:], b"", b""]))
    ours = opened(tmp_path / "ranks.tiktoken", texts, pattern="gpt2")
    assert ours.token_bytes == opened(files / "gpt2.tiktoken", texts, pattern="gpt2").token_bytes


@pytest.mark.filterwarnings("ignore:gigatoken")
def test_a_tiktoken_file_needs_a_pattern(files: Path, texts: list[str]) -> None:
    with pytest.raises(TrialError, match=r"set the track's pattern to gpt2, cl100k_base, o200k_base or a regular expression"):
        opened(files / "gpt2.tiktoken", texts)
    with pytest.raises(TrialError, match=r"the pattern '\(' is neither gpt2, cl100k_base, o200k_base nor a regular expression"):
        opened(files / "gpt2.tiktoken", texts, pattern="(")
    by_spaces = opened(files / "gpt2.tiktoken", texts, pattern=r" ?[^ ]+| +")
    assert by_spaces.decode(by_spaces.encode("a dog, \u00e9")) == "a dog, \u00e9"


# What is refused


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lossy.model", r"at byte \d+ of a text, '.*\\n\\n.*' came back as '[^\\]*'"),  # the line ends became spaces
        ("bert.json", r"at byte 0 of a text, 'Beside .*' came back as 'be.*'"),
    ],
)
def test_what_loses_text_is_refused_with_the_first_text_that_differs(
    files: Path, texts: list[str], name: str, said: str
) -> None:
    with pytest.raises(TrialError, match=rf"{name} cannot be a track, because it loses text: {said}"):
        opened(files / name, texts)


def test_what_the_sample_lacked_is_refused_where_it_comes(files: Path, texts: list[str]) -> None:
    tokenizer = opened(files / "bpe.model", texts)
    for encode in (tokenizer.encode, lambda text: tokenizer.encode_batch(["a dog", text])):
        with pytest.raises(TrialError, match=r"at byte 2 of a text, 'a\u2581b' came back as 'a b'|at byte 1 of a text"):
            encode("a\u2581b")
    assert tokenizer.decode(tokenizer.encode("<s> </s> <unk> <0x41>")) == "<s> </s> <unk> <0x41>"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x00\x01\x02", "is no tokenizer.json, .tiktoken file or SentencePiece model that can be read"),
        (b"", "is not a tokenizer.json that HF tokenizers can read"),
        (b"{}", "is not a tokenizer.json that HF tokenizers can read"),
        (b"what is this", "is no tokenizer.json"),
        (b"YQ== 0\nYg==\n", "is damaged: not every line is bytes in base64 and a rank"),
    ],
)
def test_what_is_no_tokenizer_is_told(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(TrialError, match=said):
        opened(tmp_path / "file", [], pattern="gpt2")


def test_a_folder_without_a_tokenizer_and_no_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="transformers cannot load a tokenizer from"):
        opened(tmp_path, [])
    with pytest.raises(TrialError, match=r"there is no tokenizer at .*missing"):
        opened(tmp_path / "missing", [])


def test_dropout_is_refused(files: Path, texts: list[str], tmp_path: Path) -> None:
    content = json.loads((files / "llama.json").read_text())
    content["model"]["dropout"] = 0.1
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(TrialError, match="its model has dropout"):
        opened(tmp_path / "tokenizer.json", texts)


def test_more_entries_than_the_track_has_are_refused_with_both_numbers(files: Path, texts: list[str]) -> None:
    with pytest.raises(TrialError, match=r"has 260 entries .* vocab_size is 259: raise it for all tracks, give this track one"):
        opened(files / "byt5", texts, vocab_size=259)


@pytest.mark.parametrize(("library", "name"), [("sentencepiece", "bpe.model"), ("transformers", "byt5")])
def test_a_library_that_is_not_there_is_named(library: str, name: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(TrialError, match=rf"needs {library}: pip install 'toktrial\[{library}\]'"):
        opened(files / name, [])


# The hub, and code


def put_into_hub(home: Path, name: str, folder: Path, revision: str) -> None:
    """Lays a folder out as the hub's own library caches a model."""
    place = home / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / ("1" * 40)
    snapshot.mkdir(parents=True)
    for path in folder.iterdir():
        if path.is_file():
            (snapshot / path.name).write_bytes(path.read_bytes())
    (snapshot / "config.json").write_text('{"model_type": "gpt2"}')  # as every model of the hub has one
    (place / "refs").mkdir()
    (place / "refs" / revision).write_text("1" * 40)


def in_another_process(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    head = "import sys\nfrom toktrial.errors import TrialError\nfrom toktrial.tokenizer.config import FileRecipe\n"
    head += "from toktrial.tokenizer.sources import load_file_track\nfrom toktrial.tokenizer.load import load_tokenizer\n"
    command = [sys.executable, "-W", "ignore", "-c", head + code, *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_a_tokenizer_of_the_hub_by_its_name_and_revision(files: Path, tmp_path: Path) -> None:
    put_into_hub(tmp_path, "some/one", files / "ours", "v2")
    code = """
for path in sys.argv[1:]:
    try:
        print(load_file_track(FileRecipe(path=path), ["a dog"]).encode("the little dog"))
    except TrialError as error:
        print(error)
"""
    done = in_another_process(code, "hub:some/one@v2", "hub:some/one", HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    found, missing = done.stdout.splitlines()
    assert found == str(load_tokenizer(files / "ours").encode("the little dog"))
    assert "transformers cannot load a tokenizer from some/one" in missing


OWN_CODE = """
from pathlib import Path
from transformers import AutoTokenizer, ByT5Tokenizer
Path(__file__).with_name("ran").touch()
Path({marker!r}).touch()
class MineTokenizer(ByT5Tokenizer):
    pass
"""


def test_code_of_its_own_runs_only_where_that_is_allowed(files: Path, texts: list[str], tmp_path: Path) -> None:
    mine, marker, trial = tmp_path / "mine", tmp_path / "it ran", tmp_path / "trial"
    ByT5Tokenizer().save_pretrained(mine)
    config = artifact.read_json(mine / "tokenizer_config.json")
    own = {"tokenizer_class": "MineTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_mine.MineTokenizer", None]}}
    artifact.write_json(mine / "tokenizer_config.json", config | own)
    (mine / "tokenization_mine.py").write_text(OWN_CODE.format(marker=str(marker)))
    stage = """
from toktrial.corpus.documents import Documents
from toktrial.tokenizer.stage import prepare_tokenizers
from pathlib import Path
folder, trial, allowed = sys.argv[1:]
try:
    tracks, documents = {"mine": FileRecipe(path=folder)}, Documents.of(["a dog"])
    prepare_tokenizers(tracks, 300, documents, "corpus", Path(trial), allow_code=allowed == "yes")
    print(load_tokenizer(Path(trial) / "tokenizers" / "file_tokenizer").encode("dog"))
except TrialError as error:
    print(error)
"""
    read = """
try:
    print(load_tokenizer(sys.argv[1]).encode("dog"))
except TrialError as error:
    print(error)
"""
    modules = {"HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HUB_OFFLINE": "1"}
    refused = in_another_process(stage, str(mine), str(trial), "no", **modules)
    assert "runs code of its own: if you trust it, add --allow-code" in refused.stdout, refused.stderr
    assert not marker.exists()
    allowed = in_another_process(stage, str(mine), str(trial), "yes", **modules)
    assert allowed.stdout == f"{opened(files / 'byt5', texts).encode('dog')}\n", allowed.stderr
    assert marker.exists()
    marker.unlink()
    later = in_another_process(read, str(trial / "tokenizers" / "file_tokenizer"), **modules)
    assert "runs code of its own" in later.stdout, later.stderr
    assert not marker.exists()


# In a trial


def test_the_stage_makes_a_track_of_it(files: Path, texts: list[str], tmp_path: Path) -> None:
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "theirs": FileRecipe(path=str(files / "bpe.model"), vocab_size=900)}
    documents = Documents.of(texts)
    fingerprint = prepare_tokenizers(tracks, 300, documents, "corpus", tmp_path)["theirs"]
    folder = tmp_path / "tokenizers" / "file_tokenizer"
    manifest = artifact.read_manifest(folder)
    assert (manifest["recipe"], manifest["requested"], manifest["kind"]) == ("foreign", 900, "sentencepiece")
    assert load_tokenizer(folder).encode(texts[0]) == opened(files / "bpe.model", texts).encode(texts[0])
    assert prepare_tokenizers(tracks, 300, documents, "corpus", tmp_path)["theirs"] == fingerprint


def test_a_file_has_the_fingerprint_that_it_always_had(files: Path) -> None:
    recipe = FileRecipe(path=str(files / "llama.json"), vocab_size=700)
    inputs = {"sha256": artifact.file_sha256(files / "llama.json"), "vocab_size": 700}
    assert file_fingerprint(recipe) == artifact.fingerprint("file tokenizer", inputs)
    others = [replace(recipe, pattern="gpt2"), replace(recipe, path=str(files / "byt5")), replace(recipe, path="hub:a/b")]
    assert len({file_fingerprint(each) for each in (recipe, *others)}) == 4
