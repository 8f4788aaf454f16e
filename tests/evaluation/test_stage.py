"""A run's final evaluation: what it writes is that of the run's weights, and it is written again where any of it is gone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toktrial import artifact
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.evaluation.config import EvaluationConfig
from toktrial.evaluation.run_files import DOCUMENT_NATS_FILE, FINAL_FILE, SAMPLES_FILE
from toktrial.evaluation.stage import evaluate_run, run_evaluation_fingerprint
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenStore
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.metrics import METRICS_FILE, Metrics, MetricsLog
from toktrial.training.model import GPT
from toktrial.training.run import WEIGHTS_FILE, Run, save_weights

MODEL = ModelConfig(n_layer=1, n_head=2, width=16, context=32)
VOCAB_SIZE = 640
FILES = (FINAL_FILE, SAMPLES_FILE, DOCUMENT_NATS_FILE)
CONFIG = EvaluationConfig(prompts=("Once upon a time", "The dog"), max_new_bytes=20)
LAST_LINE = Metrics(
    step=20,
    training_loss=5.5,
    validation_loss=5.6,
    bits_per_byte=2.5,
    learning_rate=1e-3,
    timestamp=1.8e9,
    training_seconds=1.5,
    evaluation_seconds=0.5,
    tokens=2560,
    bytes_seen=7000,
    flops=10**9,
)


@pytest.fixture
def run(tmp_path: Path, story_tokens: dict[str, Path]) -> Run:
    """A run that was not trained, but has all that the trainer leaves; its last line of metrics is LAST_LINE."""
    run = Run("bpe", 1, VOCAB_SIZE, MODEL, TrainingConfig(device="cpu"), story_tokens["bpe"], tmp_path / "run")
    run.folder.mkdir()
    save_weights(run.folder / WEIGHTS_FILE, initial_model())
    log = MetricsLog(run.folder, 0)
    for line in (replace(LAST_LINE, step=10, training_loss=6.0), LAST_LINE):
        log.append(line)
    artifact.seal(run.folder, "trained", [WEIGHTS_FILE, METRICS_FILE], {})
    return run


@pytest.fixture
def tokenizer_folder(tmp_path: Path, story_tokenizers: dict[str, Tokenizer]) -> Path:
    story_tokenizers["bpe"].save(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def initial_model() -> GPT:
    model = GPT(MODEL, VOCAB_SIZE, 600)
    model.initialise(1)
    return model


def test_the_final_evaluation_is_that_of_the_runs_weights(run: Run, tokenizer_folder: Path) -> None:
    evaluate_run(run, tokenizer_folder, CONFIG)
    store = TokenStore.open(run.tokens_folder)
    expected = DocumentScorer(store.validation, store.entry_bytes, MODEL.context, VOCAB_SIZE).score(initial_model())
    assert np.load(run.folder / DOCUMENT_NATS_FILE).tolist() == expected.document_nats.tolist()
    final = artifact.read_json(run.folder / FINAL_FILE)
    assert final["bits_per_byte"] == expected.bits_per_byte
    assert (final["step"], final["training_loss"], final["training_seconds"]) == (20, 5.5, 1.5)
    assert [sample["prompt"] for sample in artifact.read_json(run.folder / SAMPLES_FILE)] == list(CONFIG.prompts)


def test_what_has_files_of_its_own_is_no_part_of_the_final_evaluations_fingerprint(run: Run) -> None:
    asked = replace(CONFIG, marginal=5, minimal_pairs="pairs")
    assert run_evaluation_fingerprint(run, "tokens", asked) == run_evaluation_fingerprint(run, "tokens", CONFIG)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_is_written_again(run: Run, tokenizer_folder: Path, name: str) -> None:
    evaluate_run(run, tokenizer_folder, CONFIG)
    written = {each: (run.folder / each).read_bytes() for each in (SAMPLES_FILE, DOCUMENT_NATS_FILE)}
    fingerprint = artifact.read_json(run.folder / FINAL_FILE)["fingerprint"]
    (run.folder / name).unlink()
    evaluate_run(run, tokenizer_folder, CONFIG)
    assert {each: (run.folder / each).read_bytes() for each in written} == written
    assert artifact.read_json(run.folder / FINAL_FILE)["fingerprint"] == fingerprint


def test_what_is_there_is_not_written_again_but_under_other_settings(run: Run, tokenizer_folder: Path) -> None:
    evaluate_run(run, tokenizer_folder, CONFIG)
    before = {name: (run.folder / name).stat().st_mtime_ns for name in FILES}
    evaluate_run(run, tokenizer_folder, CONFIG)
    evaluate_run(run, tokenizer_folder, replace(CONFIG, minimal_pairs="somewhere"))
    assert {name: (run.folder / name).stat().st_mtime_ns for name in FILES} == before
    evaluate_run(run, tokenizer_folder, replace(CONFIG, sample_seed=1))
    assert all((run.folder / name).stat().st_mtime_ns > before[name] for name in FILES)
