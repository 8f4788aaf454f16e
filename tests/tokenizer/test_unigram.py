"""The Unigram LM: SentencePiece's own cut of every word, the likeliest cut by a slow twin, the same again for the same text."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer.bpe import CHECKED_TEXTS
from toktrial.tokenizer.config import BPERecipe, Recipe, UnigramRecipe
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.stage import prepare_tokenizers
from toktrial.tokenizer.transformers_files import bytes_of, spell
from toktrial.tokenizer.unigram import UnigramTokenizer, count_words, learn_model, words_of

VOCAB_SIZE = 1200


@pytest.fixture(scope="module")
def unigram(storybook: list[str]) -> UnigramTokenizer:
    return UnigramTokenizer.train(storybook, VOCAB_SIZE)


def scores_of(tokenizer: UnigramTokenizer) -> dict[bytes, float]:
    pieces = json.loads(tokenizer.tokenizer_json)["model"]["vocab"][1:]
    return {bytes_of(spelling): score for spelling, score in pieces}


def likeliest(word: bytes, scores: dict[bytes, float]) -> float:
    """Returns the log-probability of a word's likeliest cut."""
    best = [0.0] + [-math.inf] * len(word)
    for end in range(1, len(word) + 1):
        best[end] = max(best[start] + scores.get(word[start:end], -math.inf) for start in range(end))
    return best[-1]


def test_words_are_those_of_the_pre_tokenizer(storybook: list[str]) -> None:
    theirs = pre_tokenizers.ByteLevel(add_prefix_space=False)
    for text in [*CHECKED_TEXTS, *storybook[:50]]:
        assert list(words_of(text.encode())) == [bytes_of(word) for word, _ in theirs.pre_tokenize_str(text)]


def test_every_word_is_cut_as_sentencepiece_cuts_it(unigram: UnigramTokenizer, storybook: list[str]) -> None:
    counts = count_words(Documents.of(storybook))
    unseen = 256 - len(set().union(*counts))
    model = learn_model(counts, VOCAB_SIZE - unseen)
    assert len(counts) > 1000
    for word in counts:
        ours = [spell(unigram.decode_bytes([token])) for token in unigram.encode(word.decode())]
        assert ours == model.encode(spell(word), out_type=str)


@settings(max_examples=150, deadline=None)
@given(text=st.text(max_size=30) | st.text("abdehnort ,.\n", max_size=40))
def test_no_cut_is_likelier(unigram: UnigramTokenizer, text: str) -> None:
    scores, place = scores_of(unigram), 0
    entries = [unigram.decode_bytes([token]) for token in unigram.encode(text)]
    for word in words_of(text.encode()):
        found = 0.0
        end = place + len(word)
        while place < end:
            found += scores[entries[0]]
            place += len(entries.pop(0))
        assert place == end, "no entry spans words"
        assert found == pytest.approx(likeliest(word, scores))
    assert not entries


def test_transformers_gives_the_same_ids(unigram: UnigramTokenizer, storybook: list[str], tmp_path: Path) -> None:
    unigram.save(tmp_path / "unigram", held_out=storybook[:40])
    theirs = AutoTokenizer.from_pretrained(tmp_path / "unigram")
    for text in [*CHECKED_TEXTS, *storybook[:40]]:
        ids = unigram.encode(text)
        assert theirs.encode(text, add_special_tokens=False) == ids
        assert theirs.decode(ids) == text
    assert "40 held-out documents: 0 got other ids" in (tmp_path / "unigram" / "README.md").read_text()
    assert load_tokenizer(tmp_path / "unigram").token_bytes == unigram.token_bytes


def test_the_same_text_gives_the_same_entries_in_another_process(unigram: UnigramTokenizer, tmp_path: Path) -> None:
    again = "from toktrial.corpus.storybook import stories; from toktrial.tokenizer import UnigramTokenizer; "
    again += f"print(UnigramTokenizer.train(stories(300_000), {VOCAB_SIZE}).tokenizer_json)"
    done = subprocess.run([sys.executable, "-c", again], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == unigram.tokenizer_json + "\n"


@pytest.mark.parametrize("texts", [[], [""], ["a"], ["\0\u2581 \ufffd"], ["ab ab ab abc abc"]])
def test_a_text_too_small_gives_fewer_entries(texts: list[str]) -> None:
    tokenizer = UnigramTokenizer.train(texts, 300)
    assert 257 <= tokenizer.vocab_size <= 260
    assert len(set(tokenizer.token_bytes)) == tokenizer.vocab_size
    for text in (*texts, *CHECKED_TEXTS):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_every_size_from_the_smallest_on(storybook: list[str]) -> None:
    for size in (257, 258, 700):
        assert UnigramTokenizer.train(storybook[:60], size).vocab_size == size
    with pytest.raises(TrialError, match="257"):
        UnigramTokenizer.train(storybook[:60], 256)


@pytest.mark.parametrize("text", ["-" * 20, "ha" * 10, "\n" * 10])
def test_a_text_of_one_repetition_is_told_to_be_too_small(text: str) -> None:
    with pytest.raises(TrialError, match=r"could not learn from this text \(.*words: 1\).*`unigram` needs a larger corpus"):
        UnigramTokenizer.train([text], 300)


def test_without_sentencepiece_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(TrialError, match=r"pip install 'toktrial\[sentencepiece\]'"):
        UnigramTokenizer.train(["a dog"], 300)


def test_the_stage_makes_it_with_the_size_of_its_track(storybook: list[str], tmp_path: Path) -> None:
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "unigram": UnigramRecipe(vocab_size=400)}
    prepare_tokenizers(tracks, 300, Documents.of(storybook[:60]), "corpus", tmp_path)
    manifest = artifact.read_manifest(tmp_path / "tokenizers" / "unigram_tokenizer")
    assert (manifest["entries"], manifest["requested"]) == (400, 400)
    expected = UnigramTokenizer.train(storybook[:60], 400)
    assert load_tokenizer(tmp_path / "tokenizers" / "unigram_tokenizer").token_bytes == expected.token_bytes
