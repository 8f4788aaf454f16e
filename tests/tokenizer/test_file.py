"""A tokenizer.json of anybody's as a track: its ids moved, its text back byte for byte, and what cannot be a track named."""

import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from toktrial import artifact, cli, protocol
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.text_sample import sampled_tokens
from toktrial.tokenizer.bpe import CHECKED_TEXTS, BPETokenizer
from toktrial.tokenizer.config import FileRecipe
from toktrial.tokenizer.file import FileTokenizer
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.sources import load_file_track
from toktrial.tokens.store import TokenStore
from toktrial.trial import Trial

# Source: cl100k_base in openai/tiktoken, which Llama 3 uses nearly unchanged.
GPT4_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPECIALS = ["<|endoftext|>", "<|im_start|>"]


def gpt2_like(texts: list[str]) -> Tokenizer:
    """Special tokens in the vocabulary too, one of them in its middle, as older files have them."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    moved = {"<|endoftext|>": 699, "<|im_start|>": 300}
    others = iter(sorted((entry for entry in vocabulary if entry not in moved), key=vocabulary.__getitem__))
    at = {token: entry for entry, token in moved.items()}
    content["model"]["vocab"] = {at[token] if token in at else next(others): token for token in range(700)}
    for token in content["added_tokens"]:
        token["id"] = moved[token["content"]]
    return Tokenizer.from_str(json.dumps(content))


def llama3_like(texts: list[str]) -> Tokenizer:
    """A Split regex before ByteLevel, merges ignored for whole entries, special tokens behind the vocabulary, one added."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(GPT4_PATTERN), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens(["<|begin_of_text|>", "<|endoftext|>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 700)]
    )
    return tokenizer


KINDS: dict[str, Callable[[list[str]], Tokenizer]] = {"gpt2": gpt2_like, "llama3": llama3_like}


@pytest.fixture(scope="module", params=list(KINDS))
def foreign(request: pytest.FixtureRequest, corpus: list[str]) -> Tokenizer:
    """Somebody's tokenizer, of real stories and of built-in ones."""
    return KINDS[request.param](corpus)


@pytest.fixture(scope="module")
def ours(foreign: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> FileTokenizer:
    path = tmp_path_factory.mktemp("file") / "tokenizer.json"
    foreign.save(str(path))
    return FileTokenizer.from_file(path)


def ids_expected(foreign: Tokenizer, ours: FileTokenizer, text: str) -> list[int]:
    """The file's own ids, moved by what they spell."""
    foreign.encode_special_tokens = True
    entry_of = {entry: token for token, entry in enumerate(ours.token_bytes)}
    spelled = decoders.ByteLevel()
    tokens = foreign.encode(text, add_special_tokens=False).tokens
    alphabet = {character: byte for byte, character in enumerate_alphabet().items()}
    assert spelled.decode(tokens) == text
    return [entry_of[bytes(alphabet[character] for character in token)] for token in tokens]


def enumerate_alphabet() -> dict[int, str]:
    """GPT-2's alphabet as `tokenizers` itself spells each byte that a character can hold, and by its rule the others."""
    printable = {byte: chr(byte) for byte in (*range(33, 127), *range(161, 173), *range(174, 256))}
    others = (byte for byte in range(256) if byte not in printable)
    alphabet = printable | {byte: chr(256 + index) for index, byte in enumerate(others)}
    assert set(alphabet.values()) == set(pre_tokenizers.ByteLevel.alphabet())
    return alphabet


def test_the_ids_are_those_of_the_file_moved(foreign: Tokenizer, ours: FileTokenizer, corpus: list[str]) -> None:
    texts = [*corpus[-60:], *CHECKED_TEXTS]
    expected = [ids_expected(foreign, ours, text) for text in texts]
    assert [ids.tolist() for ids in ours.encode_batch(texts)] == expected
    assert [ours.encode(text) for text in texts] == expected


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=40) | st.lists(st.sampled_from([*SPECIALS, "  ", "\n", "'s", "é", "dog"])).map("".join))
def test_every_text_comes_back(foreign: Tokenizer, ours: FileTokenizer, text: str) -> None:
    assert ours.encode(text) == ids_expected(foreign, ours, text)
    assert ours.decode_bytes(ours.encode(text)) == text.encode()


def test_entries_keep_the_order_of_the_file_without_its_special_tokens(foreign: Tokenizer, ours: FileTokenizer) -> None:
    by_id = sorted(foreign.get_vocab().items(), key=lambda item: item[1])
    left = [entry for entry, _ in by_id if not (entry.startswith("<|") and entry.endswith("|>"))]
    backwards = {character: byte for byte, character in enumerate_alphabet().items()}
    assert ours.token_bytes == [b"<|endoftext|>", *(bytes(backwards[c] for c in entry) for entry in left)]
    assert len(set(ours.token_bytes)) == ours.vocab_size


def byte_level_after(*cutting: Any) -> Callable[[Tokenizer], None]:
    """Cuts texts so, and then into bytes."""
    steps = [*cutting, pre_tokenizers.ByteLevel(False, use_regex=False)]
    return lambda tokenizer: setattr(tokenizer, "pre_tokenizer", pre_tokenizers.Sequence(steps))


def test_gigatoken_encodes_what_it_knows_and_tokenizers_the_rest(storybook: list[str], tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    for kind in KINDS.values():
        kind(storybook).save(str(path))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert FileTokenizer.from_file(path)._gigatoken is not None
    vowels = byte_level_after(pre_tokenizers.Split(Regex("[aeiou]+(?=t)"), "isolated"))
    path.write_text(json.dumps(changed(json.loads(gpt2_like(storybook).to_str()), vowels)))
    with pytest.warns(UserWarning, match=r"gigatoken \d[\d.]* cannot read this tokenizer .*slower"):
        unusual = FileTokenizer.from_file(path)
    foreign = Tokenizer.from_file(str(path))
    assert [unusual.encode(text) for text in storybook[:20]] == [
        ids_expected(foreign, unusual, text) for text in storybook[:20]
    ]


def test_a_pattern_that_keeps_its_matches_must_match_everything(storybook: list[str], tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    whole = json.loads(gpt2_like(storybook).to_str())
    everything = byte_level_after(pre_tokenizers.Split(Regex(GPT4_PATTERN), "removed", invert=True))
    path.write_text(json.dumps(changed(whole, everything)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # gigatoken need not know this spelling of the pattern
        tokenizer = FileTokenizer.from_file(path)
        assert tokenizer.decode(tokenizer.encode(storybook[0])) == storybook[0]
        without_marks = byte_level_after(pre_tokenizers.Split(Regex(r"[^\u0300-\u036F]+"), "removed", invert=True))
        path.write_text(json.dumps(changed(whole, without_marks)))
        with pytest.raises(TrialError, match="does not give every text back"):
            FileTokenizer.from_file(path)


def test_a_saved_one_is_read_back(ours: FileTokenizer, corpus: list[str], tmp_path: Path) -> None:
    ours.save(tmp_path / "mine", corpus[-30:])
    loaded = load_tokenizer(tmp_path / "mine")
    assert type(loaded) is FileTokenizer
    assert loaded.token_bytes == ours.token_bytes
    assert [loaded.encode(text) for text in corpus[-30:]] == [ours.encode(text) for text in corpus[-30:]]
    assert "30 held-out documents: 0 got other ids" in (tmp_path / "mine" / "README.md").read_text()


def test_our_own_file_gives_our_own_ids(bpe: BPETokenizer, corpus: list[str], tmp_path: Path) -> None:
    bpe.save(tmp_path / "bpe")
    same = FileTokenizer.from_file(tmp_path / "bpe" / "tokenizer.json")
    assert same.token_bytes == bpe.token_bytes
    assert [ids.tolist() for ids in same.encode_batch(corpus)] == [ids.tolist() for ids in bpe.encode_batch(corpus)]


# What cannot be a track


@pytest.fixture(scope="module")
def plain(storybook: list[str]) -> dict[str, Any]:
    """A file that is accepted; every case below damages one thing of it."""
    content: dict[str, Any] = json.loads(gpt2_like(storybook).to_str())
    return content


def changed(content: dict[str, Any], change: Callable[[Tokenizer], None]) -> dict[str, Any]:
    tokenizer = Tokenizer.from_str(json.dumps(content))
    change(tokenizer)
    result: dict[str, Any] = json.loads(tokenizer.to_str())
    return result


def without_the_byte(content: dict[str, Any], spelling: str) -> dict[str, Any]:
    model = content["model"]
    merges = [merge for merge in model["merges"] if spelling not in "".join(merge)]
    vocabulary = {entry: token for entry, token in model["vocab"].items() if spelling not in entry}
    return content | {"model": model | {"merges": merges, "vocab": vocabulary}}


def with_an_added_token(content: dict[str, Any], token: str) -> dict[str, Any]:
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_tokens([token])
    result: dict[str, Any] = json.loads(tokenizer.to_str())
    return result


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "an added token that text becomes": (
        lambda content: with_an_added_token(content, "    "),
        "its added token '    ' is not special, so that it cuts a text before the merges do",
    ),
    "a normalizer": (
        lambda content: changed(content, lambda t: setattr(t, "normalizer", normalizers.NFC())),
        r"its normalizer \(NFC\) may change the text",
    ),
    "a normalizer among others": (
        lambda content: changed(
            content, lambda t: setattr(t, "normalizer", normalizers.Sequence([normalizers.Strip(), normalizers.Lowercase()]))
        ),
        r"its normalizer \(Strip, Lowercase\) may change the text",
    ),
    "a prefixed space": (
        lambda content: changed(
            content, lambda t: setattr(t, "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=True))
        ),
        "add_prefix_space = true",
    ),
    "SentencePiece's way": (
        lambda content: changed(content, lambda t: setattr(t, "pre_tokenizer", pre_tokenizers.Metaspace())),
        "its pre-tokenizer is Metaspace, and does not end with ByteLevel",
    ),
    "no pre-tokenizer": (lambda content: content | {"pre_tokenizer": None}, "its pre-tokenizer is none"),
    "white space removed": (
        lambda content: changed(
            content,
            lambda t: setattr(
                t,
                "pre_tokenizer",
                pre_tokenizers.Sequence([pre_tokenizers.Split(" ", "removed"), pre_tokenizers.ByteLevel(False)]),
            ),
        ),
        "Split with the behavior Removed",
    ),
    "words cut at white space": (
        lambda content: changed(
            content,
            lambda t: setattr(
                t, "pre_tokenizer", pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(False)])
            ),
        ),
        "its pre-tokenizer holds WhitespaceSplit",
    ),
    "another decoder": (
        lambda content: changed(content, lambda t: setattr(t, "decoder", decoders.Metaspace())),
        "its decoder is Metaspace, other than ByteLevel",
    ),
    "another model": (
        lambda content: content | {"model": json.loads(Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1})).to_str())["model"]},
        "its model is WordPiece",
    ),
    "fallback to bytes": (
        lambda content: content | {"model": content["model"] | {"byte_fallback": True}},
        "byte_fallback = true",
    ),
    "dropout": (lambda content: content | {"model": content["model"] | {"dropout": 0.1}}, r"dropout = 0\.1"),
    "a byte that is no entry": (
        lambda content: without_the_byte(content, "!"),
        r"1 of the 256 bytes are not entries \(0x21\)",
    ),
    "whole entries taken before merges, and the spelling of the end of text not cut": (
        lambda content: changed(
            content | {"model": content["model"] | {"ignore_merges": True}}, lambda t: byte_level_after()(t)
        ),
        r"it takes a text that spells <\|endoftext\|> for one entry",
    ),
    "entries of characters": (
        lambda content: content | {"model": content["model"] | {"vocab": content["model"]["vocab"] | {"\u4f60": 700}}},
        "its entry '\u4f60' is not spelled in GPT-2's alphabet",
    ),
}


@pytest.mark.filterwarnings("ignore:gigatoken .* cannot read this tokenizer")  # it need not know what is refused
@pytest.mark.parametrize("case", REFUSED)
def test_what_loses_text_is_refused_by_name(case: str, plain: dict[str, Any], tmp_path: Path) -> None:
    change, message = REFUSED[case]
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(plain), encoding="utf-8")
    FileTokenizer.from_file(path)
    path.write_text(json.dumps(change(plain)), encoding="utf-8")
    with pytest.raises(TrialError, match=rf"tokenizer\.json cannot be a track: .*{message}"):
        FileTokenizer.from_file(path)


def test_merges_that_spell_the_end_of_text_make_one_entry_too_many(tmp_path: Path) -> None:
    characters = list(enumerate_alphabet().values())
    spelling = "<|endoftext|>"
    merges = [(spelling[:length], spelling[length]) for length in range(1, len(spelling))]
    entries = [*characters, *(left + right for left, right in merges)]
    tokenizer = Tokenizer(models.BPE(vocab={entry: token for token, entry in enumerate(entries)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TrialError, match=r"two entries of the same bytes: its merges make '<\|endoftext\|>'"):
        FileTokenizer.from_file(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model": {"type": "BPE"}}', "\x00"])
def test_other_files_are_not_tokenizers(content: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(TrialError, match=r"tokenizer\.json is not a tokenizer\.json that HF tokenizers can read: ."):
        FileTokenizer.from_file(tmp_path / "tokenizer.json")
    with pytest.raises(TrialError, match="there is no tokenizer at"):
        FileTokenizer.from_file(tmp_path / "missing.json")


def test_more_entries_than_the_protocol_has_are_refused_with_both_numbers(plain: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(plain), encoding="utf-8")
    assert (
        load_file_track(FileRecipe(path=str(path), vocab_size=699)).vocab_size == 699
    )  # 700 in the file, of which <|im_start|> is left out
    with pytest.raises(TrialError, match=r"has 699 entries .* vocab_size is 698"):
        load_file_track(FileRecipe(path=str(path), vocab_size=698))


# In a trial


def with_a_file(plan: Protocol, tokenizer_path: str) -> Protocol:
    return replace(plan, vocab_size=700, tracks=plan.tracks | {"mine": FileRecipe(path=tokenizer_path)})


def test_a_file_is_a_track_on_the_command_line(
    storybook: list[str],
    tmp_path: Path,
    tiny_protocol: Protocol,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    llama3_like(storybook).save(str(tmp_path / "tokenizer.json"))
    protocol.save(with_a_file(tiny_protocol, "tokenizer.json"), tmp_path / "protocol.toml")
    written = (tmp_path / "protocol.toml").read_text()
    assert '[tracks.mine]\nrecipe = "file"\nvocab_size = 0\npath = "tokenizer.json"' in written

    with pytest.raises(SystemExit) as stopped:  # 700 entries of the file and `<|endoftext|>` are one too many
        cli.main(["tokens", "protocol.toml"])
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert "tokenizer.json has 701 entries" in said
    assert "vocab_size is 700" in said
    assert "Traceback" not in said
    protocol.save(
        replace(with_a_file(tiny_protocol, "tokenizer.json"), name="larger", vocab_size=701), tmp_path / "protocol.toml"
    )
    cli.main(["tokens", "protocol.toml"])
    trial = tmp_path / "trials" / "larger"
    manifest = artifact.read_manifest(trial / "tokenizers" / "file_tokenizer")
    assert (manifest["recipe"], manifest["entries"], manifest["source"]) == ("file", 701, "tokenizer.json")
    mine, bpe = (TokenStore.open(trial / "tokens" / track, check=True) for track in ("mine", "bpe"))
    tokenizers = [load_tokenizer(trial / "tokenizers" / name) for name in ("file_tokenizer", "bpe_baseline_tokenizer")]
    assert mine.validation.documents == bpe.validation.documents > 0
    for index in range(mine.validation.documents):
        texts = {
            tokenizer.decode(store.validation.document(index)[:-1].tolist())
            for tokenizer, store in zip(tokenizers, (mine, bpe), strict=True)
        }
        assert len(texts) == 1
    before = (trial / "tokens" / "mine" / "manifest.json").read_bytes()
    (tmp_path / "tokenizer.json").unlink()
    cli.main(["tokens", "protocol.toml"])  # a trial no longer needs the file once it has taken it over
    assert (trial / "tokens" / "mine" / "manifest.json").read_bytes() == before


def test_another_file_under_the_same_name_is_another_tokenizer(
    storybook: list[str], tmp_path: Path, tiny_protocol: Protocol
) -> None:
    path = tmp_path / "tokenizer.json"
    fingerprints = set()
    for kind in KINDS.values():
        kind(storybook).save(str(path))
        trial = Trial(tmp_path / "trial", replace(with_a_file(tiny_protocol, str(path)), vocab_size=701))
        fingerprints.add(trial.make_tokenizers()["mine"])
        assert load_tokenizer(trial.tokenizer_folder("mine")).token_bytes == FileTokenizer.from_file(path).token_bytes
    assert len(fingerprints) == 2


def test_the_estimate_reads_the_file(storybook: list[str], tmp_path: Path, tiny_protocol: Protocol) -> None:
    path = tmp_path / "tokenizer.json"
    gpt2_like(storybook).save(str(path))
    texts = storybook[:100]
    found = sampled_tokens(with_a_file(tiny_protocol, str(path)), Documents.of(texts))
    tokens = sum(len(ids) for ids in FileTokenizer.from_file(path).encode_batch(texts))
    assert found["mine"] == tokens + len(texts), "each with a closing id"
    assert set(found) == {"bpe", "btm", "mine"}


def test_a_protocol_with_a_file_is_read_as_it_was_written(tmp_path: Path, tiny_protocol: Protocol) -> None:
    protocol.save(with_a_file(tiny_protocol, "some/tokenizer.json"), tmp_path / "protocol.toml")
    assert protocol.load(tmp_path / "protocol.toml") == with_a_file(tiny_protocol, "some/tokenizer.json")
    (tmp_path / "protocol.toml").write_text('[tracks.a]\nrecipe = "bpe"\n[tracks.b]\nrecipe = "file"\n')
    with pytest.raises(TrialError, match="the recipe `file` needs a path"):
        protocol.load(tmp_path / "protocol.toml")
    missing = Trial(tmp_path / "trial", with_a_file(tiny_protocol, str(tmp_path / "missing.json")))
    with pytest.raises(TrialError, match=r"there is no tokenizer at .*missing\.json"):
        missing.make_tokenizers()
