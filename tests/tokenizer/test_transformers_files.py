"""Saved tokenizers within `transformers`: what AutoTokenizer makes of a folder must give our ids, or say how often not."""

import ast
import itertools
import json
import pickle
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

import toktrial
from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.tokenizer import tokenization_btm
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import CHECKED_TEXTS, BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.config import BPERecipe, BTMRecipe, Recipe
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.stage import prepare_tokenizers
from toktrial.tokenizer.transformers_files import FIRST_OWN_CHARACTER

SPELLING = "<|endoftext|>"
AWKWARD = [
    *CHECKED_TEXTS,
    f"The end.{SPELLING}Once upon a time",
    f"\n{SPELLING}\n\n{SPELLING}",
    " of the\n\nOnce upon a time\n\n\nthere  was   a dog. \n",
    "we're 'repeat' \n'text' it's'll 'S DON'T ''s \"'s\" \u2019s \u201c's",
    chr(FIRST_OWN_CHARACTER) + " \n" + "".join(chr(FIRST_OWN_CHARACTER + i) for i in range(40)),
]
texts = st.text(max_size=40) | st.lists(
    st.sampled_from(
        [
            SPELLING,
            "<|",
            "end",
            " ",
            "  ",
            "\n",
            "\n\n",
            "\t",
            "'s",
            "'re",
            "'",
            '"',
            "dog",
            " of the",
            "Once",
            "7",
            "\u00e9",
            ".",
        ]
    ),
    max_size=14,
).map("".join)


@pytest.fixture(scope="module", autouse=True)
def modules_of_this_test_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """transformers copies the code that it is told to trust into a cache; here not into the user's."""
    from transformers import dynamic_module_utils

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        yield


Corpus = tuple[list[str], list[str]]  # documents to learn from, and held-out ones


@pytest.fixture(scope="module", params=["tinystories", "storybook", "paragraphs", "source code"])
def texts_of_a_kind(request: pytest.FixtureRequest, storybook: list[str]) -> Corpus:
    """Real stories; built-in ones, alone and two to a document; and this package's own source, for its runs of spaces."""
    if request.param == "tinystories":
        return request.getfixturevalue("train_stories"), request.getfixturevalue("validation_stories")
    if request.param == "storybook":
        return storybook[:-150], storybook[-150:]
    if request.param == "paragraphs":
        pairs = [f"{first}\n\n{second}" for first, second in itertools.pairwise(storybook)]
        return pairs[:-150], pairs[-150:]
    sources = [path.read_text(encoding="utf-8") for path in sorted(Path(toktrial.__file__).parent.rglob("*.py"))]
    pieces = ["".join(lines) for text in sources for lines in pieces_of(text)]
    return pieces[::2], pieces[1::2]


def pieces_of(source: str) -> list[list[str]]:
    lines = source.splitlines(keepends=True)
    return [lines[start : start + 40] for start in range(0, len(lines), 40)]


@dataclass(frozen=True)
class Saved:
    """A tokenizer, its folder, what AutoTokenizer makes of that, and documents that it was not learned from."""

    tokenizer: Tokenizer
    folder: Path
    fast: Any
    held_out: list[str]


def save(tokenizer: Tokenizer, folder: Path, held_out: list[str]) -> Saved:
    tokenizer.save(folder, held_out)
    artifact.check_files(folder)
    return Saved(tokenizer, folder, AutoTokenizer.from_pretrained(folder), held_out)


@pytest.fixture(scope="module")
def bpe_folder(texts_of_a_kind: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    train, held_out = texts_of_a_kind
    return save(BPETokenizer.train(train, 2048), tmp_path_factory.mktemp("saved") / "bpe", held_out)


@pytest.fixture(scope="module")
def btm_folder(texts_of_a_kind: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    train, held_out = texts_of_a_kind
    tokenizer = BTMTokenizer.train(train, 4096, primitive_vocab_size=1024)
    return save(tokenizer, tmp_path_factory.mktemp("saved") / "btm", held_out)


@pytest.fixture(scope="module", params=["any", "words", "superbpe"])
def exact(request: pytest.FixtureRequest, storybook: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Saved, Any]:
    """A BTM tokenizer of either scope, and the exact class that its folder holds."""
    tokenizer = BTMTokenizer.train(storybook[:-100], 2048, primitive_vocab_size=512, scope=request.param)
    saved = save(tokenizer, tmp_path_factory.mktemp("exact") / request.param, storybook[-100:])
    return saved, AutoTokenizer.from_pretrained(saved.folder, trust_remote_code=True)


def ids_of(tokenizer: Tokenizer, documents: list[str]) -> list[list[int]]:
    return [ids.tolist() for ids in tokenizer.encode_batch(documents)]


# BPE: equal always


def test_bpe_gives_equal_ids(bpe_folder: Saved) -> None:
    documents = [*bpe_folder.held_out, *AWKWARD]
    assert isinstance(bpe_folder.fast, PreTrainedTokenizerFast)
    assert bpe_folder.fast(documents)["input_ids"] == ids_of(bpe_folder.tokenizer, documents)
    assert [bpe_folder.fast.encode(document) for document in AWKWARD] == ids_of(bpe_folder.tokenizer, AWKWARD)
    readme = (bpe_folder.folder / "README.md").read_text()
    assert f"on {len(bpe_folder.held_out):,} held-out documents: 0 got other ids" in readme


@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_bpe_gives_equal_ids_of_any_text(bpe_folder: Saved, text: str) -> None:
    assert bpe_folder.fast(text)["input_ids"] == bpe_folder.tokenizer.encode(text)
    assert bpe_folder.fast.decode(bpe_folder.tokenizer.encode(text)) == text


@pytest.mark.parametrize("is_btm", [False, True])
def test_the_end_of_text_is_special_and_its_spelling_is_text(is_btm: bool, bpe_folder: Saved, btm_folder: Saved) -> None:
    saved = btm_folder if is_btm else bpe_folder
    fast = saved.fast
    assert (fast.eos_token, fast.eos_token_id, fast.bos_token_id) == (SPELLING, 0, 0)
    assert fast.unk_token is None
    assert len(fast) == saved.tokenizer.vocab_size == 1 + max(fast.get_vocab().values())
    assert json.loads((saved.folder / "tokenizer_config.json").read_text())["tokenizer_class"] == "PreTrainedTokenizerFast"
    for again in (fast, pickle.loads(pickle.dumps(fast))):
        assert 0 not in again(f"a{SPELLING}")["input_ids"]
        assert again.decode([0, *again(" a , b .")["input_ids"]]) == f"{SPELLING} a , b ."
        assert again.decode([0, *again(f"a{SPELLING}")["input_ids"], 0], skip_special_tokens=True) == f"a{SPELLING}"


def test_what_transformers_saves_again_gives_the_same_ids(btm_folder: Saved, tmp_path: Path) -> None:
    btm_folder.fast.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    documents = [*btm_folder.held_out[:40], *AWKWARD]
    assert again(documents)["input_ids"] == btm_folder.fast(documents)["input_ids"]


# BTM, flat: equal nearly always, and the README says how often


def test_the_flat_form_differs_as_often_as_the_readme_says(btm_folder: Saved) -> None:
    theirs = btm_folder.fast(btm_folder.held_out)["input_ids"]
    ours = ids_of(btm_folder.tokenizer, btm_folder.held_out)
    differing = sum(a != b for a, b in zip(ours, theirs, strict=True))
    found = re.search(
        r"Measured on ([\d,]+) held-out documents: (\d+) got other ids", (btm_folder.folder / "README.md").read_text()
    )
    assert found
    assert int(found[1]) == len(btm_folder.held_out) >= 80
    assert int(found[2]) == differing
    assert differing <= max(1, len(ours) // 100)


@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_the_flat_form_loses_nothing(btm_folder: Saved, text: str) -> None:
    fast, ours = btm_folder.fast, btm_folder.tokenizer
    assert fast.decode(fast(text)["input_ids"]) == text
    assert ours.decode(fast(text)["input_ids"]) == text
    assert fast.decode(ours.encode(text)) == text
    assert 0 not in fast(text)["input_ids"]


def test_the_flat_form_holds_every_entry_by_its_id(btm_folder: Saved) -> None:
    whole = [(token, entry) for token, entry in enumerate(btm_folder.tokenizer.token_bytes) if is_utf8(entry)]
    assert len(whole) > 0.9 * btm_folder.tokenizer.vocab_size
    assert [btm_folder.fast.decode([token]).encode() for token, _ in whole] == [entry for _, entry in whole]


def is_utf8(entry: bytes) -> bool:
    return "\ufffd" not in entry.decode(errors="replace")


def test_superwords_and_paragraphs_stay_whole(storybook: list[str], tmp_path: Path) -> None:
    """Two newlines before a word are one newline and one newline to GPT-2's pre-tokenizer, even where two are a primitive."""
    pairs = [f"{first}\n\n{second}\n\n\nThe end" for first, second in itertools.pairwise(storybook)]
    tokenizer = BTMTokenizer.train(pairs, 3000, primitive_vocab_size=600)
    entries = tokenizer.token_bytes
    superwords = [entry for entry in entries if entry.startswith(b"\n\n") and entry[-1:].isalpha()]
    assert b"\n\n" in entries[: tokenizer.primitive.vocab_size]
    assert superwords
    assert b" of the" in entries
    saved = save(tokenizer, tmp_path / "btm", pairs[:50])
    both = [saved.fast, AutoTokenizer.from_pretrained(saved.folder, trust_remote_code=True)]
    for entry in [superwords[0], b" of the"]:
        text = f"It is the end{entry.decode()} zebra"
        for auto in both:
            ids = auto(text)["input_ids"]
            assert ids == tokenizer.encode(text)
            assert entries.index(entry) in ids


def test_without_held_out_documents_the_readme_says_so(storybook: list[str], tmp_path: Path) -> None:
    tokenizer = BTMTokenizer.train(storybook[:50], 600, primitive_vocab_size=400)
    tokenizer.save(tmp_path / "btm")
    readme = (tmp_path / "btm" / "README.md").read_text()
    assert "was not measured here" in readme
    assert "got other ids" not in readme
    assert "600 entries" in readme


def test_held_out_documents_may_be_read_once_and_a_thousand_are_enough(storybook: list[str], tmp_path: Path) -> None:
    tokenizer = BTMTokenizer.train(storybook[:50], 600, primitive_vocab_size=400)
    read: list[str] = []
    tokenizer.save(tmp_path / "btm", (read.append(text) or text for text in itertools.cycle(["a dog", "b\n\nc"])))  # type: ignore[func-returns-value]
    assert len(read) == 1000
    for folder in ("btm", "btm/primitive"):
        assert "on 1,000 held-out documents: 0 got other ids" in (tmp_path / folder / "README.md").read_text()


def test_superwords_of_whole_words_are_measured_too(exact: tuple[Saved, Any]) -> None:
    saved, _ = exact
    differing = sum(
        a != b for a, b in zip(ids_of(saved.tokenizer, saved.held_out), saved.fast(saved.held_out)["input_ids"], strict=True)
    )
    readme = (saved.folder / "README.md").read_text()
    assert f"on {len(saved.held_out)} held-out documents: {differing} got other ids" in readme
    assert ("**ids differ often**" in readme) == (saved.folder.name == "words")


# BTM, exact: equal always


def test_the_exact_class_gives_equal_ids(exact: tuple[Saved, Any]) -> None:
    saved, auto = exact
    documents = [*saved.held_out, *AWKWARD]
    assert type(auto).__name__ == "ExactBTMTokenizer"
    assert auto(documents)["input_ids"] == ids_of(saved.tokenizer, documents)
    assert (len(auto), auto.vocab_size) == (saved.tokenizer.vocab_size,) * 2
    assert (auto.eos_token_id, auto.bos_token_id, auto.unk_token) == (0, 0, None)
    assert [auto.decode([token]) for token in range(auto.vocab_size)] == [
        saved.tokenizer.decode([token]) for token in range(auto.vocab_size)
    ]


@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_the_exact_class_gives_equal_ids_of_any_text(exact: tuple[Saved, Any], text: str) -> None:
    saved, auto = exact
    ids = saved.tokenizer.encode(text)
    assert auto(text)["input_ids"] == ids
    assert auto.decode(ids) == text


def test_the_exact_class_gives_equal_ids_where_merges_overlap(exact: tuple[Saved, Any]) -> None:
    saved, auto = exact
    for text in ("a" * 200, "dog " * 60, " of the" * 50, "\n" * 70 + " " * 70, "'" * 30 + "s" * 30, "\u00e9\u4f60" * 40):
        assert auto(text)["input_ids"] == saved.tokenizer.encode(text)


def test_the_exact_class_goes_through_save_and_pickle(exact: tuple[Saved, Any], tmp_path: Path) -> None:
    saved, auto = exact
    auto.save_pretrained(tmp_path / "again")
    again = AutoTokenizer.from_pretrained(tmp_path / "again", trust_remote_code=True)
    expected = ids_of(saved.tokenizer, [*saved.held_out[:20], *AWKWARD])
    for copy in (again, pickle.loads(pickle.dumps(auto))):
        assert copy([*saved.held_out[:20], *AWKWARD])["input_ids"] == expected
    flat = AutoTokenizer.from_pretrained(tmp_path / "again")
    assert isinstance(flat, PreTrainedTokenizerFast)
    assert flat(AWKWARD)["input_ids"] == saved.fast(AWKWARD)["input_ids"]
    with pytest.raises(ValueError, match="fixed names"):
        auto.save_vocabulary(str(tmp_path), filename_prefix="mine")


def test_the_exact_class_pads_and_truncates(exact: tuple[Saved, Any]) -> None:
    saved, auto = exact
    auto.pad_token = auto.eos_token
    documents = ["Once upon a time, there was a dog.", "Hi"]
    long, short = ids_of(saved.tokenizer, documents)
    batch = auto(documents, padding=True, return_tensors="np")
    padding = len(long) - len(short)
    assert batch["input_ids"].tolist() == [long, [*short, *[0] * padding]]
    assert batch["attention_mask"].tolist() == [[1] * len(long), [*[1] * len(short), *[0] * padding]]
    assert auto(documents[0], truncation=True, max_length=2)["input_ids"] == long[:2]
    assert auto.convert_tokens_to_ids(auto.tokenize(documents[0])) == long


def test_the_special_token_is_there_for_those_who_ask(exact: tuple[Saved, Any]) -> None:
    _, auto = exact
    assert auto(f"a{SPELLING}", split_special_tokens=False)["input_ids"][-1] == 0
    assert auto.decode([0, *auto("a")["input_ids"]], skip_special_tokens=True) == "a"


def test_the_class_in_the_folder_stands_alone_and_is_the_one_tested(exact: tuple[Saved, Any]) -> None:
    saved, _ = exact
    source = Path(tokenization_btm.__file__).read_text(encoding="utf-8")
    assert (saved.folder / "tokenization_btm.py").read_text(encoding="utf-8") == source
    tree = ast.parse(source)
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {str(name).split(".")[0] for name in imported} - set(sys.stdlib_module_names) == {"transformers", "tokenizers"}
    alone = tokenization_btm.ExactBTMTokenizer.from_pretrained(saved.folder)
    assert alone(AWKWARD)["input_ids"] == ids_of(saved.tokenizer, AWKWARD)


def test_a_scope_from_the_future_is_refused(exact: tuple[Saved, Any], tmp_path: Path) -> None:
    saved, _ = exact
    merges = tmp_path / "btm_merges.json"
    merges.write_text(json.dumps({"scope": "sentences", "merges": []}))
    with pytest.raises(ValueError, match=r"has the scope 'sentences', but this tokenization_btm\.py knows any, words"):
        tokenization_btm.ExactBTMTokenizer(str(saved.folder / "primitive" / "tokenizer.json"), str(merges))


# Folders as a whole


def test_the_folder_is_read_by_us_too(btm_folder: Saved, bpe_folder: Saved) -> None:
    for saved in (btm_folder, bpe_folder):
        loaded = load_tokenizer(saved.folder)
        assert loaded.token_bytes == saved.tokenizer.token_bytes
        assert ids_of(loaded, AWKWARD) == ids_of(saved.tokenizer, AWKWARD)


def test_a_trial_measures_on_its_validation_documents(story_documents: dict[str, Documents], tmp_path: Path) -> None:
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=320)}
    validation = story_documents["validation"]
    prepare_tokenizers(tracks, 400, story_documents["train"], "corpus", tmp_path, held_out=validation)
    for name in ("bpe_baseline_tokenizer", "btm_primitive_tokenizer", "btm_experimental_tokenizer"):
        folder = tmp_path / "tokenizers" / name
        assert f"on {len(validation)} held-out documents: 0 got other ids" in (folder / "README.md").read_text()
        assert AutoTokenizer.from_pretrained(folder)(AWKWARD[:4])["input_ids"] == ids_of(load_tokenizer(folder), AWKWARD[:4])
