"""Samples and real documents cut alike, bits against a slow computation, and the file that is written once."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from toktrial.artifact import MANIFEST, check_files, write_json
from toktrial.corpus.documents import Documents
from toktrial.evaluation.account import SAMPLE_MEASURES_FILE
from toktrial.evaluation.run_files import FINAL_FILE, SAMPLES_FILE
from toktrial.evaluation.sample_measures import (
    bits_under,
    document_passage,
    measure_samples,
    texts_of_equal_bytes,
)
from toktrial.evaluation.text_measures import Passage, count_measures, summarise
from toktrial.evaluation.words import words_of
from toktrial.tokenizer.base import Tokenizer
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.model import GPT
from toktrial.training.run import WEIGHTS_FILE, Run, save_weights

CONFIG = ModelConfig(n_layer=1, n_head=2, width=16, context=32)
VOCAB_SIZE = 640
PASSAGES = [
    Passage("Once upon a time", ", there was a little dog who liked to run in the p", ended=False),
    Passage("Once upon a time, there wa", "s a little dog.", ended=True),
    Passage("", "The end of the story", ended=False),
    Passage("A knight", "", ended=True),
    Passage("\u00c9t\u00e9", " \u4f60\u597d " * 40, ended=False),  # longer than the context
    Passage("Once upon a time", ", there was a dog. \n", ended=False),
    Passage("", "Onceuponatime", ended=True),
]


def random_model(seed: int, entries: int) -> GPT:
    model = GPT(CONFIG, VOCAB_SIZE, entries)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, 0.3, generator=generator))
    return model


def slow_bits(model: GPT, tokenizer: Tokenizer, passage: Passage) -> tuple[float, int]:
    """Token by token, each from its own window: that of `bits_per_byte`'s rule for a token at that place."""
    ids = [0, *tokenizer.encode(passage.prompt + passage.text)]
    last = max(len(passage.prompt + passage.text) - 1, 0)  # where the last word begins, or the white space before it
    while last and not (passage.prompt + passage.text)[last].isspace():
        last -= 1
    most_bytes = len((passage.prompt + passage.text)[:last].rstrip().encode())
    begun, bits, scored_bytes = 0, 0.0, 0
    for place in range(1, len(ids)):
        length = len(tokenizer.token_bytes[ids[place]])
        half = CONFIG.context // 2
        start = 0 if place <= CONFIG.context else ((place - 1) // half - 1) * half
        if begun >= len(passage.prompt.encode()) and begun + length <= most_bytes:
            inputs, scored = torch.tensor([ids[start:place]]), torch.tensor([place - 1 - start])
            with torch.inference_mode():
                bits += float(model.target_nats(inputs, scored, torch.tensor([ids[place]]))) / math.log(2)
            scored_bytes += length
        begun += length
    return bits, scored_bytes


@pytest.mark.parametrize("track", ["bpe", "btm"])
def test_bits_are_those_of_the_tokens_that_begin_within_the_text(track: str, story_tokenizers: Mapping[str, Tokenizer]) -> None:
    tokenizer = story_tokenizers[track]
    model = random_model(1, tokenizer.vocab_size)
    found = bits_under(model, tokenizer, PASSAGES)
    for (bits, scored_bytes), passage in zip(found, PASSAGES, strict=True):
        expected_bits, expected_bytes = slow_bits(model, tokenizer, passage)
        assert scored_bytes == expected_bytes
        assert bits == pytest.approx(expected_bits, rel=1e-4)
        assert scored_bytes <= len(passage.text.encode())
    assert found[0][1] > 30
    assert found[3] == found[6] == (0.0, 0)
    assert bits_under(model, tokenizer, []) == []


def test_half_a_word_at_the_end_costs_nothing(story_tokenizers: Mapping[str, Tokenizer]) -> None:
    """BPE never joins words, so the tokens before the last word are the same however that goes on."""
    tokenizer = story_tokenizers["bpe"]
    texts = [" there was a" + end for end in (" d", " dog", " dog.", ' dogxyz,"', " ", " \u4f60")]
    found = bits_under(random_model(1, tokenizer.vocab_size), tokenizer, [Passage("Once", text, False) for text in texts])
    assert {scored_bytes for _, scored_bytes in found} == {len(" there was a")}
    assert [bits for bits, _ in found] == pytest.approx([found[0][0]] * len(texts), rel=1e-5)


def test_a_tokenizer_that_loses_a_byte_is_noticed(
    story_tokenizers: Mapping[str, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = story_tokenizers["bpe"]
    forgotten = [ids[:-1] for ids in tokenizer.encode_batch(["Once upon a time there"])]
    monkeypatch.setattr(tokenizer, "encode_batch", lambda _: forgotten)
    with pytest.raises(AssertionError, match=r"spell \d+ bytes, not 22"):
        bits_under(random_model(1, tokenizer.vocab_size), tokenizer, [Passage("Once", " upon a time there", False)])


def test_a_uniform_model_needs_the_same_bits_for_every_token(story_tokenizers: Mapping[str, Tokenizer]) -> None:
    tokenizer = story_tokenizers["btm"]
    model = GPT(CONFIG, VOCAB_SIZE, tokenizer.vocab_size)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    text = "Once upon a time, there was a little dog."
    ((bits, scored_bytes),) = bits_under(model, tokenizer, [Passage("", text, ended=True)])
    ends = np.cumsum([len(tokenizer.token_bytes[token]) for token in tokenizer.encode(text)])
    whole = ends[ends <= len("Once upon a time, there was a little")]
    assert scored_bytes == whole[-1] > 20
    assert bits == pytest.approx(len(whole) * math.log2(tokenizer.vocab_size), rel=1e-6)


def sample(continuation: str, ended: bool = False, prompt: str = "Once upon a time") -> dict[str, object]:
    return {"prompt": prompt, "continuation": continuation, "ended": ended}


def test_all_texts_of_a_prompt_and_seed_have_the_bytes_of_the_shortest(story_documents: Mapping[str, Documents]) -> None:
    samples = {
        1: {"a": [sample(" x" * 50), sample("\u4f60" * 30, True)], "b": [sample(" y" * 40, True), sample("\u00e9" * 41)]},
        2: {"a": [sample(""), sample("ab" * 10)], "b": [sample(" z"), sample("c" * 20, True)]},
    }
    texts = list(texts_of_equal_bytes(samples, story_documents["validation"]))
    assert [(text.seed, text.prompt, text.track) for text in texts] == [
        (seed, prompt, track) for seed in (1, 2) for prompt in (0, 1) for track in ("a", "b", None)
    ]
    for shared, place in ((80, 0), (82, 3), (0, 6), (20, 9)):
        sizes = [len(text.passage.text.encode()) for text in texts[place : place + 3]]
        assert max(sizes) <= shared and min(sizes) > shared - 4
    assert [text.passage.ended for text in texts if text.track] == [False, True, False, False, False, False, False, True]
    stories = [text.passage.prompt + text.passage.text for text in texts if text.track is None]
    assert all(any(story.startswith(part) for story in story_documents["validation"]) for part in stories)
    assert len({story[:40] for story in stories}) > 2, "not one story for all"


def test_without_a_document_that_is_long_enough_a_text_stands_alone() -> None:
    samples = {1: {"a": [sample("x" * 100)], "b": [sample("y" * 100)]}}
    assert [text.track for text in texts_of_equal_bytes(samples, Documents.of(["Too short.", "Also."]))] == ["a", "b"]
    assert list(texts_of_equal_bytes({1: {"a": [], "b": []}}, Documents.of(["One."]))) == []


@pytest.mark.parametrize(
    ("prompt_bytes", "text_bytes", "expected"),
    [
        (14, 12, Passage("Once upon a", " time, there", False)),
        (1, 4, Passage("", "Once", False)),
        (11, 100, Passage("Once upon", " a time, there was a dog.", True)),
    ],
)
def test_the_beginning_of_a_document_stands_for_the_prompt(prompt_bytes: int, text_bytes: int, expected: Passage) -> None:
    story = "Once upon a time, there was a dog."
    assert document_passage(story, prompt_bytes, text_bytes) == expected


def test_the_measures_of_a_trial_are_written_once(
    tmp_path: Path,
    story_documents: Mapping[str, Documents],
    story_tokenizers: Mapping[str, Tokenizer],
) -> None:
    """Three tracks, of which two share a tokenizer; the words that a corpus knows are looked up slowly."""
    tracks = {"bpe": "bpe", "btm": "btm", "again": "btm"}
    stories = list(story_documents["validation"])
    tokenizer_folders, runs = {}, {}
    for track, tokenizer in tracks.items():
        tokenizer_folders[track] = tmp_path / "tokenizers" / track
        story_tokenizers[tokenizer].save(tokenizer_folders[track])
    for seed in (1, 2):
        runs[seed] = {track: run_of(tmp_path, track, seed) for track in tracks}
        for place, (track, run) in enumerate(runs[seed].items()):
            run.folder.mkdir(parents=True)
            save_weights(run.folder / WEIGHTS_FILE, random_model(seed, story_tokenizers[tracks[track]].vocab_size))
            written = [sample(stories[place + seed][30:200] + " zzyzx foo", prompt=prompt) for prompt in ("Once", "The dog")]
            write_json(run.folder / SAMPLES_FILE, written)
            write_json(run.folder / FINAL_FILE, {"fingerprint": f"{track} {seed}"})
    measure_samples(tmp_path, runs, tokenizer_folders, story_documents["train"], story_documents["validation"])
    folder = (tmp_path / SAMPLE_MEASURES_FILE).parent
    check_files(folder)
    texts = json.loads((tmp_path / SAMPLE_MEASURES_FILE).read_text())
    assert [(text["seed"], text["prompt"]) for text in texts if text["track"] == "btm"] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    known = {word for document in story_documents["train"] for word in words_of(document)}
    for text, (expected, seed) in zip(texts, expected_texts(runs, story_documents["validation"]), strict=True):
        assert text["measures"] == {name: list(counts) for name, counts in count_measures(expected, known).items()}
        assert text["bits"]["btm"] == text["bits"]["again"] != text["bits"]["bpe"]
        bits = slow_bits(random_model(seed, story_tokenizers["bpe"].vocab_size), story_tokenizers["bpe"], expected)
        assert text["bits"]["bpe"] == pytest.approx(bits, rel=1e-4)
    assert all(np.isfinite(value) for values in summarise(texts).values() for value in values if value is not None)

    before = (folder / MANIFEST).stat().st_mtime_ns
    measure_samples(tmp_path, runs, tokenizer_folders, story_documents["train"], story_documents["validation"])
    assert (folder / MANIFEST).stat().st_mtime_ns == before
    write_json(runs[2]["btm"].folder / FINAL_FILE, {"fingerprint": "evaluated anew"})
    measure_samples(tmp_path, runs, tokenizer_folders, story_documents["train"], story_documents["validation"])
    assert (folder / MANIFEST).stat().st_mtime_ns != before


def run_of(trial: Path, track: str, seed: int) -> Run:
    folder = trial / "runs" / track / f"seed-{seed}"
    return Run(track, seed, VOCAB_SIZE, CONFIG, TrainingConfig(device="cpu"), trial / "tokens" / track, folder)


def expected_texts(runs: Mapping[int, Mapping[str, Run]], stories: Documents) -> list[tuple[Passage, int]]:
    samples = {
        seed: {track: json.loads((run.folder / SAMPLES_FILE).read_text()) for track, run in of_seed.items()}
        for seed, of_seed in runs.items()
    }
    return [(text.passage, text.seed) for text in texts_of_equal_bytes(samples, stories)]
