"""Minimal pairs: reading them, judging them as transformers' GPT-2 does one by one, and which of them a corpus knows."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from toktrial import artifact
from toktrial.commands.export import gpt2_config, gpt2_weights
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.evaluation import bits_per_byte
from toktrial.evaluation.minimal_pairs import (
    Paradigm,
    describe_known_pairs,
    load_minimal_pairs,
    outcomes,
    pair_nats,
    prepare_minimal_pairs,
    read_paradigms,
)
from toktrial.evaluation.words import WORD
from toktrial.protocol import Protocol
from toktrial.tokenizer.base import Tokenizer
from toktrial.training.config import ModelConfig
from toktrial.training.model import GPT
from toktrial.trial import Trial

CONTEXT, VOCAB_SIZE = 64, 640
GOOD_LINE = {"UID": "agreement", "field": "syntax", "sentence_good": "The dogs run.", "sentence_bad": "The dogs runs."}
LONG = "The dog, which saw the cat, which saw the bird, which saw the tree, which saw the sun, runs and runs and "


def write_pairs(folder: Path, *lines: object, name: str = "pairs.jsonl") -> Path:
    folder.mkdir(exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / name).write_text("\n".join(texts) + "\n", encoding="utf-8")
    return folder / name


def random_model(entries: int, context: int = CONTEXT) -> GPT:
    model = GPT(ModelConfig(n_layer=2, n_head=2, width=32, context=context), VOCAB_SIZE, entries)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.empty(parameter.shape).normal_(0.0, 0.3, generator=generator))
    return model


@pytest.fixture(scope="module")
def blimp(shared_data: Path) -> list[Paradigm]:
    folder = shared_data / "blimp"
    if not folder.is_dir():
        pytest.skip("no BLiMP beside the real text")
    return read_paradigms(sorted(folder.glob("*.jsonl")))


@pytest.fixture(scope="module")
def some_pairs(blimp: list[Paradigm]) -> list[Paradigm]:
    """A pair of every paradigm of BLiMP, one far longer than any of its sentences, and one of equal sentences."""
    one_each = [replace(paradigm, good=paradigm.good[:1], bad=paradigm.bad[:1]) for paradigm in blimp]
    return [
        *one_each,
        Paradigm("long", "syntax", [LONG + "sleeps."], [LONG + "sleep."]),
        Paradigm("same", "syntax", ["a"], ["a"]),
    ]


def test_blimp_is_read_byte_for_byte(blimp: list[Paradigm], shared_data: Path) -> None:
    assert [len(paradigm.good) for paradigm in blimp] == [1000] * 67
    assert {paradigm.field for paradigm in blimp} == {"morphology", "semantics", "syntax", "syntax/semantics"}
    for paradigm in blimp[::11]:
        rows = [json.loads(line) for line in (shared_data / "blimp" / f"{paradigm.name}.jsonl").open(encoding="utf-8")]
        assert [row["sentence_good"] for row in rows] == paradigm.good
        assert [row["sentence_bad"] for row in rows] == paradigm.bad


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", "JSON is malformed"),
        ("[1]", "must be a JSON object"),
        ({"UID": "agreement", "field": "syntax", "sentence_good": "x"}, "missing required field `sentence_bad`"),
        ({**GOOD_LINE, "sentence_bad": ""}, r"Expected `str` of length >= 1 - at `\$\.sentence_bad`"),
        ({**GOOD_LINE, "UID": 3}, r"is {\"UID\": 3.*Expected `str`, got `int` - at `\$\.UID`"),
        ({**GOOD_LINE, "sentence_good": "\ud800"}, "surrogate"),
    ],
)
def test_a_line_that_is_no_pair_is_named_with_its_file(tmp_path: Path, line: object, says: str) -> None:
    path = write_pairs(tmp_path, GOOD_LINE, "", line)
    with pytest.raises(TrialError, match=says) as raised:
        read_paradigms([path])
    assert f"line 3 of {path}" in str(raised.value)


def test_bytes_that_are_no_utf8_are_named_with_their_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(json.dumps(GOOD_LINE).encode() + b"\n\xff\xfe\n")
    with pytest.raises(TrialError, match=r"line 2 of .*pairs\.jsonl must be a JSON object"):
        read_paradigms([path])


def test_a_byte_order_mark_is_no_part_of_a_line(tmp_path: Path) -> None:
    path = write_pairs(tmp_path, GOOD_LINE)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert [paradigm.good for paradigm in read_paradigms([path])] == [["The dogs run."]]


def test_a_paradigm_has_one_field(tmp_path: Path) -> None:
    path = write_pairs(tmp_path, GOOD_LINE, {**GOOD_LINE, "field": "semantics"})
    with pytest.raises(TrialError, match="paradigm agreement has two fields, syntax and semantics") as raised:
        read_paradigms([path])
    assert f"give line 1 of {path} and line 2 of {path} the same field" in str(raised.value)
    other = write_pairs(tmp_path, "", {**GOOD_LINE, "field": "semantics"}, name="other.jsonl")
    one = write_pairs(tmp_path, GOOD_LINE, GOOD_LINE)
    with pytest.raises(TrialError) as raised:
        read_paradigms([one, other])
    assert f"give line 1 of {one} and line 2 of {other} the same field" in str(raised.value)


def test_both_spellings_of_a_field_are_one(tmp_path: Path) -> None:
    lines = [{**GOOD_LINE, "field": field} for field in ("syntax_semantics", "syntax/semantics")]
    assert [paradigm.field for paradigm in read_paradigms([write_pairs(tmp_path, *lines)])] == ["syntax/semantics"]


def test_a_missing_folder_and_one_without_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="nowhere is not a folder"):
        prepare_minimal_pairs(str(tmp_path / "nowhere"), tmp_path / "trial")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrialError, match="contains none"):
        prepare_minimal_pairs(str(tmp_path / "empty"), tmp_path / "trial")
    write_pairs(tmp_path / "empty", "")
    with pytest.raises(TrialError, match="are empty"):
        prepare_minimal_pairs(str(tmp_path / "empty"), tmp_path / "trial")


def test_a_trial_keeps_the_pairs_and_notices_when_they_change(tmp_path: Path) -> None:
    source, trial = tmp_path / "source", tmp_path / "trial"
    path = write_pairs(source, GOOD_LINE, {**GOOD_LINE, "UID": "\u00e9", "sentence_bad": "\u4f60\u597d "})
    expected = read_paradigms([path])
    prepare_minimal_pairs(str(source), trial)
    assert load_minimal_pairs(trial) == expected
    first = artifact.read_manifest(trial / "evaluation" / "minimal_pairs")
    assert first["source_files"] == {"pairs.jsonl": artifact.file_sha256(path)}
    write_pairs(source, GOOD_LINE)
    prepare_minimal_pairs(str(source), trial)
    assert artifact.read_manifest(trial / "evaluation" / "minimal_pairs")["fingerprint"] != first["fingerprint"]
    shutil.rmtree(source)
    prepare_minimal_pairs(str(source), trial)
    assert load_minimal_pairs(trial) == read_paradigms([write_pairs(tmp_path / "again", GOOD_LINE)])
    with pytest.raises(TrialError, match="elsewhere is not a folder"):
        prepare_minimal_pairs(str(tmp_path / "elsewhere"), trial)


def nats_by_transformers(model: GPT, ids: Sequence[int]) -> float:
    """Scores a text as the design scores documents, one forward for each token, by transformers' GPT-2."""
    weights = gpt2_weights(model)
    theirs = GPT2LMHeadModel(GPT2Config(**gpt2_config(model)))
    theirs.load_state_dict(weights | {"lm_head.weight": weights["transformer.wte.weight"]})
    theirs.train(False)
    whole, context, half = [0, *ids, 0], model.config.context, model.config.context // 2
    nats = 0.0
    with torch.no_grad():
        if len(whole) <= context + 1:  # all fits: one forward
            scores = theirs(torch.tensor([whole[:-1]])).logits[0].double().log_softmax(dim=1)
            return -float(scores[torch.arange(len(whole) - 1), torch.tensor(whole[1:])].sum())
        for place in range(len(whole) - 1):
            start = 0 if place < context else (place // half - 1) * half
            scores = theirs(torch.tensor([whole[start : place + 1]])).logits[0, -1].double().log_softmax(dim=0)
            nats -= float(scores[whole[place + 1]])
    return nats


@pytest.mark.parametrize(("track", "context"), [("bpe", CONTEXT), ("btm", CONTEXT), ("bpe", 24)])
def test_sentences_have_the_nats_that_transformers_gives_them_one_by_one(
    some_pairs: list[Paradigm], story_tokenizers: dict[str, Tokenizer], track: str, context: int
) -> None:
    tokenizer = story_tokenizers[track]
    model = random_model(tokenizer.vocab_size, context)
    good_nats, bad_nats = pair_nats(model, tokenizer, some_pairs)
    checked = [*range(0, len(some_pairs), 9), len(some_pairs) - 2]  # the long pair among them
    for index in checked:
        pair = some_pairs[index]
        assert good_nats[index] == pytest.approx(nats_by_transformers(model, tokenizer.encode(pair.good[0])), rel=1e-5)
        assert bad_nats[index] == pytest.approx(nats_by_transformers(model, tokenizer.encode(pair.bad[0])), rel=1e-5)


def test_the_outcome_does_not_depend_on_batches_or_order(
    some_pairs: list[Paradigm], story_tokenizers: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = story_tokenizers["btm"]
    model = random_model(tokenizer.vocab_size)
    good_nats, bad_nats = pair_nats(model, tokenizer, some_pairs)
    letters = outcomes(good_nats, bad_nats)
    assert letters.endswith("=") and {"0", "1"} <= set(letters)
    for most_tokens in (64, 333, 100_000):
        monkeypatch.setattr(bits_per_byte, "LARGEST_CPU_BATCH_TOKENS", most_tokens)
        backwards = pair_nats(model, tokenizer, some_pairs[::-1])
        assert backwards[0][::-1] == pytest.approx(good_nats, rel=1e-6)
        assert backwards[1][::-1] == pytest.approx(bad_nats, rel=1e-6)
        assert outcomes(*backwards)[::-1] == letters


def test_a_model_that_knows_nothing_prefers_fewer_tokens_and_ties_at_equal_numbers(
    some_pairs: list[Paradigm], story_tokenizers: dict[str, Tokenizer]
) -> None:
    tokenizer = story_tokenizers["bpe"]
    model = GPT(ModelConfig(n_layer=1, n_head=2, width=32, context=CONTEXT), VOCAB_SIZE, tokenizer.vocab_size)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    good_nats, bad_nats = pair_nats(model, tokenizer, some_pairs)
    tokens = [[len(tokenizer.encode(side[0])) + 1 for side in (pair.good, pair.bad)] for pair in some_pairs]
    expected = np.array(tokens) * np.log(tokenizer.vocab_size)
    assert good_nats == pytest.approx(expected[:, 0], rel=1e-6) and bad_nats == pytest.approx(expected[:, 1], rel=1e-6)
    assert outcomes(good_nats, bad_nats) == "".join("1" if good < bad else "0" if good > bad else "=" for good, bad in tokens)


def test_known_pairs_are_those_that_a_slow_look_through_the_text_finds(blimp: list[Paradigm], shared_data: Path) -> None:
    stories = (shared_data / "tinystories" / "valid.txt").read_text(encoding="utf-8").split("\n<|endoftext|>\n")
    paradigms = [replace(paradigm, good=paradigm.good[:40], bad=paradigm.bad[:40]) for paradigm in blimp[::6]]
    described = describe_known_pairs(paradigms, Documents.of(stories))
    known = {word for story in stories for word in WORD.findall(story.lower().replace("\u2019", "'"))}
    asked: set[str] = set()
    for paradigm, found in zip(paradigms, described["paradigms"], strict=True):
        words = [set(WORD.findall(f"{g} {b}".lower())) for g, b in zip(paradigm.good, paradigm.bad, strict=True)]
        assert found["known"] == "".join("1" if pair <= known else "0" for pair in words)
        asked.update(*words)
    assert (described["words"], described["known_words"]) == (len(asked), len(asked & known))
    assert 0 < described["known_words"] < described["words"]


def tiny_trial(folder: Path, minimal_pairs: Path, tiny_protocol: Protocol) -> Trial:
    plan = replace(
        tiny_protocol,
        seeds=1,
        training=replace(tiny_protocol.training, steps=2, log_every=2, checkpoint_every=2),
        evaluation=replace(tiny_protocol.evaluation, prompts=("One day",), max_new_bytes=10, minimal_pairs=str(minimal_pairs)),
    )
    return Trial(folder, plan)


def test_what_is_wrong_with_the_pairs_is_said_before_anything_is_made(tmp_path: Path, tiny_protocol: Protocol) -> None:
    path = write_pairs(tmp_path / "pairs", GOOD_LINE, "{")
    trial = tiny_trial(tmp_path / "trial", path.parent, tiny_protocol)
    with pytest.raises(TrialError, match=r"line 2 of .*pairs\.jsonl must be a JSON object"):
        trial.run("train")
    assert {each.name for each in trial.folder.iterdir()} == {".lock", artifact.MANIFEST, "protocol.toml"}


def test_a_trial_judges_the_pairs_with_every_run_and_again_when_they_change(tmp_path: Path, tiny_protocol: Protocol) -> None:
    source = tmp_path / "pairs"
    pairs = [{**GOOD_LINE, "sentence_bad": f"The dogs runs {word}."} for word in ("once", "xylophone", "The")]
    write_pairs(source, GOOD_LINE | {"sentence_bad": GOOD_LINE["sentence_good"]}, *pairs)
    trial = tiny_trial(tmp_path / "trial", source, tiny_protocol)
    trial.evaluate()
    for track in ("bpe", "btm"):
        found = artifact.read_json(trial.run_of(track, 1).folder / "minimal_pairs.json")
        assert found["pairs"] == 4 and set(found["outcomes"]) == {"agreement"}
        assert found["outcomes"]["agreement"][0] == "=" and len(found["outcomes"]["agreement"]) == 4
        assert found["outcomes"]["agreement"][1:] in {f"{a}{b}{c}" for a in "01" for b in "01" for c in "01"}
    account = artifact.read_json(trial.folder / "evaluation" / "known_pairs" / "known_pairs.json")
    assert account["paradigms"][0]["known"][2] == "0", "no story has a xylophone"
    kept = (trial.run_of("bpe", 1).folder / "minimal_pairs.json").stat().st_mtime_ns
    trial.evaluate()
    assert (trial.run_of("bpe", 1).folder / "minimal_pairs.json").stat().st_mtime_ns == kept
    write_pairs(source, *pairs)
    trial.evaluate()
    assert artifact.read_json(trial.run_of("bpe", 1).folder / "minimal_pairs.json")["pairs"] == 3
