"""Where the bits go: against a slow reading token by token and byte by byte, and that every way of cutting adds up."""

import math
import shutil
from bisect import bisect_right
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial import artifact
from toktrial.evaluation.account import LOSS_PARTS_FILE
from toktrial.evaluation.loss_parts import BAND_EDGES, PLACES, bands_of_bytes, parts_of_loss, places_of_tokens
from toktrial.evaluation.run_files import DOCUMENT_NATS_FILE, FINAL_FILE, ID_NATS_FILE
from toktrial.evaluation.words import WORD, MarkedText, mark_first_documents, token_edges
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import END_ID, TokenSplit, TokenStore, entry_bytes_of
from toktrial.trial import Trial

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(["It's the end. ", "a  b"]), max_size=4)


def band(uses: int) -> int:
    return bisect_right(BAND_EDGES, uses)


def marked(texts: list[str], tokenizer: Tokenizer) -> tuple[TokenSplit, MarkedText]:
    split = TokenSplit.of_texts(texts, tokenizer)
    return split, mark_first_documents(split, tokenizer.token_bytes, 1 << 20)


@settings(max_examples=50)
@given(texts=TEXTS, data=st.data())
def test_bands_of_any_text(story_tokenizers: dict[str, Tokenizer], texts: list[str], data: st.DataObject) -> None:
    texts = [*texts, "The dog"]
    _, text = marked(texts, story_tokenizers["btm"])
    uses = {word: data.draw(st.integers(0, 20_000), label=word) for word in sorted(set(text.words))}
    expected: list[int] = []
    for document in texts:
        of_document = np.full(len(document.encode()), len(BAND_EDGES) + 1)
        for word in WORD.finditer(document):
            start, end = (len(document[:place].encode()) for place in word.span())
            of_document[start - document[: word.start()].endswith(" ") : end] = band(uses[word.group()])
        expected += [*of_document.tolist(), len(BAND_EDGES) + 2]
    assert bands_of_bytes(text, uses).tolist() == expected


@settings(max_examples=50)
@given(texts=TEXTS)
def test_places_of_any_text(story_tokenizers: dict[str, Tokenizer], texts: list[str]) -> None:
    tokenizer = story_tokenizers["btm"]
    split, text = marked([*texts, "The dog"], tokenizer)
    edges = token_edges(split, entry_bytes_of(tokenizer), text.documents)
    found = [PLACES[place] for place in places_of_tokens(edges, text)]
    for place, start, end in zip(found, edges.starts.tolist(), edges.ends.tolist(), strict=True):
        touched = [w for w in range(len(text.words)) if text.starts[w] < end and text.ends[w] > start]
        if len(touched) == 1:
            assert place == ("goes on with a word" if text.starts[touched[0]] < start else "begins a word")
        else:
            assert place == ("touches several words" if touched else "touches no word")


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_parts_add_up_and_are_those_of_a_slow_reading(
    track: str, story_tokens: dict[str, Path], story_tokenizers: dict[str, Tokenizer]
) -> None:
    store, entries = TokenStore.open(story_tokens[track]), story_tokenizers[track].token_bytes
    text = mark_first_documents(store.validation, entries, 1 << 20)
    trained = mark_first_documents(store.train, entries, 1 << 20)
    nats = np.random.default_rng(1).exponential(size=len(store.validation.ids))
    word_bands = bands_of_bytes(text, Counter(trained.words))
    found = parts_of_loss(store, nats, text, word_bands)
    for name in ("by_uses", "by_place", "by_word"):
        assert sum(part["bits"] for part in found[name]) == pytest.approx(nats.sum() / math.log(2))
        assert sum(part["bytes"] for part in found[name]) == text.bytes
    uses = Counter(store.train.ids.tolist())
    by_uses, by_word, at = defaultdict[int, float](float), defaultdict[int, float](float), 0
    for token, cost in zip(store.validation.ids.tolist(), (nats / math.log(2)).tolist(), strict=True):
        by_uses[len(BAND_EDGES) + 1 if token == END_ID else band(uses[token])] += cost
        length = 1 if token == END_ID else len(entries[token])
        for byte in range(at, at + length):
            by_word[int(word_bands[byte])] += cost / length
        at += length
    assert [part["bits"] for part in found["by_uses"]] == pytest.approx([by_uses[k] for k in range(len(BAND_EDGES) + 2)])
    assert [part["bits"] for part in found["by_word"]] == pytest.approx([by_word[k] for k in range(len(BAND_EDGES) + 3)])


def test_a_trial_keeps_what_each_token_cost_and_takes_it_apart(finished: Trial) -> None:
    track_runs = {track: [finished.run_of(track, seed).folder for seed in (1, 2)] for track in finished.protocol.tracks}
    result = finished.report()
    assert result.loss_parts
    for track, folders in track_runs.items():
        offsets = TokenStore.open(finished.tokens_folder(track)).validation.offsets[:-1].astype(np.int64)
        for folder in folders:
            id_nats = np.load(artifact.check_file(folder / ID_NATS_FILE))
            assert np.add.reduceat(id_nats, offsets) == pytest.approx(np.load(folder / DOCUMENT_NATS_FILE), rel=1e-5)
        mean = np.mean([artifact.read_json(folder / FINAL_FILE)["bits_per_byte"] for folder in folders])
        found = result.loss_parts.tracks[track]
        assert found.seeds == [1, 2]
        for parts in (found.by_uses, found.by_place, found.by_word):
            assert sum(part.bits for part in parts) / result.loss_parts.bytes == pytest.approx(mean, rel=1e-5)


def test_a_trial_of_an_earlier_version_has_no_parts(finished: Trial, tmp_path: Path) -> None:
    shutil.copytree(finished.folder, tmp_path / "old")
    shutil.rmtree((tmp_path / "old" / LOSS_PARTS_FILE).parent)
    for path in (tmp_path / "old").glob(f"runs/*/seed-*/{ID_NATS_FILE}"):
        artifact.forget_files(path.parent, [ID_NATS_FILE])
        path.unlink()
    assert Trial(tmp_path / "old", finished.protocol).report().loss_parts is None
