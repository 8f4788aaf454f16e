"""Exported tasks in the real lm-evaluation-harness: it scores the very texts that we score, and finds what we find."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from toktrial import artifact, cli, presets
from toktrial.commands.export import Export
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.documents import Documents
from toktrial.corpus.stage import open_documents
from toktrial.corpus.storybook import stories
from toktrial.errors import TrialError
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.evaluation.harness_tasks import TASKS_FOLDER, write_tasks
from toktrial.evaluation.minimal_pairs import Paradigm, load_minimal_pairs
from toktrial.finished_run import FinishedRun, open_finished_run
from toktrial.tokenizer.base import END_OF_TEXT_ID
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.tokens.store import TokenSplit, entry_bytes_of
from toktrial.training.config import ModelConfig
from toktrial.trial import Trial

CONTEXT = 64
PAGE = Path(__file__).resolve().parents[2] / "docs" / "lm_eval.md"
# Texts that a template, a parser of lists, a tokenizer's special tokens or a delimiter would change.
HOSTILE = [
    "[1, 2]",
    "{{ text }}",
    "<|endoftext|>",
    "<|endoftext|> a\n",
    " a",
    "a\n\n",
    "12",
    "'quoted' \"twice\" \\n",
    "Zoë 日本 🌍",
]
PAIRS = [
    ("agreement", "The dog runs.", "The dog run."),
    ("agreement", "The cats sleep.", "The cats sleeps."),
    ("only, the last/id", "One day a boy was", "One day a boy were"),
    *(("hostile", text, text + "!") for text in HOSTILE),
]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A trial whose validation documents are hostile, ordinary, and longer than the model's context."""
    folder = tmp_path_factory.mktemp("trial")
    told = list(stories(120_000, seed=3))
    validation = [*HOSTILE, *(story[:80] for story in told[:20]), *told[20:30]]
    for name, documents in {"train": told[30:], "validation": validation}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    (folder / "pairs").mkdir()
    lines = [{"UID": name, "field": "syntax", "sentence_good": good, "sentence_bad": bad} for name, good, bad in PAIRS]
    (folder / "pairs" / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    demo = presets.demo()
    plan = replace(
        demo,
        name="asked",
        seeds=1,
        vocab_size=500,
        corpus=CorpusConfig(path=str(folder / "train.jsonl"), validation_path=str(folder / "validation.jsonl")),
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=350)},
        model=ModelConfig(n_layer=2, n_head=2, width=32, context=CONTEXT),
        training=replace(
            demo.training, batch_size=8, steps=60, learning_rate=5e-3, warmup_steps=5, log_every=60, checkpoint_every=60
        ),
        evaluation=replace(
            demo.evaluation, eval_documents=5, prompts=("Once",), max_new_bytes=5, minimal_pairs=str(folder / "pairs")
        ),
    )
    trial = Trial(folder / "trials" / "demo", plan)
    trial.evaluate()
    return trial


@dataclass(frozen=True)
class Asked:
    """A run, the folder that it was exported into, and what the harness logs of every sample, by task."""

    ours: FinishedRun
    folder: Path
    results: dict[str, Any]
    samples: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module", autouse=True)
def caches_of_this_test_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Not the user's: what transformers is told to trust, and what datasets reads."""
    import datasets
    from transformers import dynamic_module_utils

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets")))
        yield


@pytest.fixture(scope="module", params=["bpe", "btm"])
def asked(request: pytest.FixtureRequest, trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    lm_eval = pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: pip install 'toktrial[lm-eval]'")
    from lm_eval.tasks import TaskManager

    folder = tmp_path_factory.mktemp("exported") / request.param
    run_folder = trial.run_of(request.param, 1).folder
    cli.main(["export", str(run_folder), str(folder)])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        found = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": ".", "trust_remote_code": True},
            tasks=["toktrial_text", "toktrial_pairs"],
            task_manager=TaskManager(include_path=TASKS_FOLDER, include_defaults=False),
            device="cpu",
            batch_size=8,
            log_samples=True,
            bootstrap_iters=0,
        )
    return Asked(open_finished_run(run_folder), folder, found["results"], found["samples"])


def nats_without_the_end(asked: Asked, texts: list[str]) -> npt.NDArray[np.float64]:
    """Our negative log-likelihood of each text, in nats, without that of its closing id: (texts,)."""
    tokenizer, model = asked.ours.tokenizer, asked.ours.model
    split = TokenSplit.of_texts(texts, tokenizer)
    scorer = DocumentScorer(split, entry_bytes_of(tokenizer), model.config.context, model.vocab_size)
    nats = scorer.id_nats(model)
    ends = split.offsets[1:].astype(np.int64) - 1
    starts = split.offsets[:-1].astype(np.int64)
    return np.array([nats[start:end].sum() for start, end in zip(starts, ends, strict=True)])


def nats_in_disjoint_windows(asked: Asked, text: str) -> float:
    """What docs/lm_eval.md says of the harness: windows that do not overlap, of which the last reaches back for context."""
    ids = [END_OF_TEXT_ID, *asked.ours.tokenizer.encode(text)]
    nats = 0.0
    for start in range(1, len(ids), CONTEXT):
        end = min(start + CONTEXT, len(ids))
        inputs = torch.tensor([ids[max(0, end - 1 - CONTEXT) : end - 1]])
        with torch.no_grad():
            scores = asked.ours.model(inputs)[0].log_softmax(-1)
        targets = torch.tensor(ids[start:end])
        nats -= float(scores[-len(targets) :].gather(1, targets[:, None]).sum())
    return nats


def test_the_harness_finds_our_likelihood_of_every_sentence(asked: Asked) -> None:
    for paradigm in load_minimal_pairs(asked.ours.trial.folder):
        task = "toktrial_pairs_" + re.sub(r"\W+", "_", paradigm.name)
        samples = asked.samples[task]
        assert [sample["arguments"] for sample in samples] == [
            [("", good), ("", bad)] for good, bad in zip(paradigm.good, paradigm.bad, strict=True)
        ], "nothing may stand before a sentence, and no character of it may change"
        theirs = np.array([[-answer[0][0] for answer in sample["resps"]] for sample in samples])
        for found, sentences in zip(theirs.T, (paradigm.good, paradigm.bad), strict=True):
            assert np.abs(found - nats_without_the_end(asked, sentences)).max() < 1e-4


def test_the_harness_finds_our_likelihood_of_every_document_that_fits(asked: Asked) -> None:
    samples = asked.samples["toktrial_text"]
    documents = list(open_documents(asked.ours.trial.corpus_folder, "validation"))
    assert [sample["arguments"] for sample in samples] == [[(text,)] for text in documents]
    theirs, ours = -np.array([sample["resps"][0][0] for sample in samples]), nats_without_the_end(asked, documents)
    fits = np.array([len(ids) <= CONTEXT for ids in asked.ours.tokenizer.encode_batch(documents)])
    assert fits.sum() > 10
    assert (~fits).sum() >= 5
    assert np.abs(theirs - ours)[fits].max() < 1e-4
    for document, found in zip(documents, theirs, strict=True):
        assert abs(found - nats_in_disjoint_windows(asked, document)) < 1e-3
    assert np.abs(theirs - ours)[~fits].min() > 1e-2, "its windows are not ours"
    n_bytes = sum(len(text.encode()) for text in documents)
    assert asked.results["toktrial_text"]["bits_per_byte,none"] == pytest.approx(theirs.sum() / np.log(2) / n_bytes, rel=1e-9)


def test_the_accuracy_of_the_group_is_the_mean_over_paradigms(asked: Asked) -> None:
    tasks = [name for name in asked.samples if name.startswith("toktrial_pairs_")]
    assert len(tasks) == 3
    assert asked.results["toktrial_pairs"]["acc,none"] == pytest.approx(
        np.mean([asked.results[task]["acc,none"] for task in tasks])
    )


def test_the_documented_commands_run_as_they_stand(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within this process, to import torch once, and for one track, on one sample of each task."""
    main = pytest.importorskip(
        "lm_eval.__main__", reason="lm-evaluation-harness is not installed: pip install 'toktrial[lm-eval]'"
    )
    shown = re.search(r"^```sh\n(for track in bpe btm.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert shown
    export, harness = re.findall(
        r"(toktrial export .*|lm_eval run [^)]*)", shown[1].replace("$track", "btm").replace("\\\n", "")
    )
    (tmp_path / "trials").symlink_to(trial.folder.parent)
    monkeypatch.chdir(tmp_path)
    cli.main(shlex.split(export)[1:])
    monkeypatch.chdir(tmp_path / "exported" / "btm")
    monkeypatch.setattr(sys, "argv", [*shlex.split(harness), "--limit", "1"])
    main.cli_evaluate()
    assert re.search(r"toktrial_text *\|.*bits_per_byte", capsys.readouterr().out)
    (written,) = (tmp_path / "exported").rglob("samples_toktrial_text_*.jsonl")
    first = json.loads(written.read_text().splitlines()[0])
    assert first["doc"]["text"] == next(iter(open_documents(trial.corpus_folder, "validation")))


def test_a_second_export_changes_nothing_and_an_old_one_gets_its_tasks(trial: Trial, tmp_path: Path) -> None:
    call = Export(trial.run_of("bpe", 1).folder, tmp_path / "model", tasks=False)
    call.execute()
    assert not (tmp_path / "model" / TASKS_FOLDER).exists()
    call = replace(call, tasks=True)
    call.execute()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    call.execute()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    artifact.check_files(tmp_path / "model")
    artifact.check_files(tmp_path / "model" / TASKS_FOLDER)


def test_without_a_corpus_the_model_alone_can_be_exported(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "corpus_folder", property(lambda _: tmp_path / "deleted"))
    monkeypatch.setattr("toktrial.trial_folder.TrialFolder.corpus_folder", property(lambda _: tmp_path / "deleted"))
    call = Export(trial.run_of("bpe", 1).folder, tmp_path / "model")
    with pytest.raises(
        TrialError, match="deleted is gone, and with it the text of the tasks: --no-tasks exports the model alone"
    ):
        call.execute()
    assert not (tmp_path / "model").exists()
    replace(call, tasks=False).execute()


def test_paradigms_of_any_name_have_files_and_tasks_of_their_own(tmp_path: Path) -> None:
    names = ["A/b", "a b", "a,b", "日本", "../x", "x" * 300, "x" * 301, "null", "12", "\"\n'"]
    write_tasks(tmp_path, Documents.of(["text"]), [Paradigm(name, "syntax", ["a"], ["b"]) for name in names])
    group = json.loads((tmp_path / "toktrial_pairs.yaml").read_text())
    assert len(set(group["task"])) == len(names)
    assert {path.stem for path in tmp_path.glob("toktrial_pairs_*.yaml")} == set(group["task"])
    assert len(list((tmp_path / "pairs").iterdir())) == len(names)
    assert all(re.fullmatch("[a-z0-9_]+", task) for task in group["task"])


def test_a_sentence_that_the_harness_cannot_score_is_named(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from toktrial.evaluation import minimal_pairs

    long = minimal_pairs.Paradigm("endless", "syntax", ["z" * 300], ["a"])
    monkeypatch.setattr(minimal_pairs, "load_minimal_pairs", lambda _: [long])
    Export(trial.run_of("bpe", 1).folder, tmp_path / "model").execute()
    assert re.search(
        r"WARNING +endless has a sentence of \d+ ids, and the harness stops at more than 64", capsys.readouterr().err
    )
