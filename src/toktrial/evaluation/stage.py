"""The final evaluation of a run: scores its model on every validation document and lets it continue the prompts."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.evaluation.bits_per_byte import DocumentScorer, Score
from toktrial.evaluation.config import EvaluationConfig
from toktrial.evaluation.generation import sample_continuations
from toktrial.evaluation.marginal import measure_marginal
from toktrial.evaluation.run_files import (
    DOCUMENT_NATS_FILE,
    EVALUATION_FILES,
    FINAL_FILE,
    ID_NATS_FILE,
    SAMPLES_FILE,
    is_evaluated,
)
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.batches import Batches
from toktrial.tokens.store import TokenStore
from toktrial.training.device import resolve_device
from toktrial.training.metrics import METRICS_FILE, Metrics, read_metrics
from toktrial.training.run import Run, kept_weights_file, load_model


def run_evaluation_fingerprint(run: Run, tokens_fingerprint: str, config: EvaluationConfig) -> str:
    """Returns the fingerprint of a run's final evaluation."""
    # Minimal pairs and marginals have files of their own, which record what they were made from.
    settings = {name: value for name, value in asdict(config).items() if name not in ("minimal_pairs", "marginal")}
    inputs: dict[str, Any] = {"run": run.fingerprint(tokens_fingerprint), "evaluation": settings}
    if (run.folder / kept_weights_file(run.keep_weights_at)).is_file():
        inputs["weights kept at"] = run.keep_weights_at
    return artifact.fingerprint("final evaluation", inputs)


def evaluate_run(
    run: Run, tokenizer_folder: Path, config: EvaluationConfig, on_progress: Callable[[float], None] | None = None
) -> None:
    """Writes all that the protocol asks for of a finished run's model, unless it is there for these settings.

    That is final.json, document_nats.npy, id_nats.npy and samples.json, and marginal.json where `config.marginal` asks for it.
    on_progress: called after each batch of validation documents with the share that is done.
    """
    _evaluate_whole_documents(run, tokenizer_folder, config, on_progress)
    if config.marginal:
        measure_marginal(run, tokenizer_folder, config.marginal)


def _evaluate_whole_documents(
    run: Run, tokenizer_folder: Path, config: EvaluationConfig, on_progress: Callable[[float], None] | None
) -> None:
    store = TokenStore.open(run.tokens_folder)
    fingerprint = run_evaluation_fingerprint(run, store.manifest["fingerprint"], config)
    if is_evaluated(run.folder, fingerprint):
        return artifact.add_files(run.folder, _written(run.folder))  # in case it was killed before
    artifact.forget_files(run.folder, (*EVALUATION_FILES, ID_NATS_FILE))
    last = _last_metrics(run.folder)
    device = resolve_device(run.training.device)
    model = load_model(run, store.entries).to(device)
    sampling_started = time.monotonic()
    samples = sample_continuations(model, load_tokenizer(tokenizer_folder), config.prompts, config)
    artifact.write_json(run.folder / SAMPLES_FILE, [asdict(sample) for sample in samples])
    started = time.monotonic()
    scorer = DocumentScorer(store.validation, store.entry_bytes, run.model.context, run.vocab_size)
    id_nats = scorer.id_nats(model, on_progress)
    score = scorer.score_of(id_nats)
    _save(run.folder / DOCUMENT_NATS_FILE, score.document_nats)
    _save(run.folder / ID_NATS_FILE, id_nats.astype(np.float32))
    equal_bytes = _score_at_equal_bytes(run, store, scorer, score, last.step, device)
    final: dict[str, Any] = {
        "fingerprint": fingerprint,
        "step": last.step,
        "bits_per_byte": score.bits_per_byte,
        "validation_loss": score.validation_loss,
        "nats": score.nats,
        "documents": scorer.documents,
        "tokens": score.tokens,
        "bytes": score.bytes,
        "equal_bytes": equal_bytes,
        "training_loss": last.training_loss,
        "training_seconds": last.training_seconds,
        "seconds": time.monotonic() - started,
        "sampling_seconds": started - sampling_started,
    }
    artifact.write_json(run.folder / FINAL_FILE, final)
    return artifact.add_files(run.folder, _written(run.folder))


def _save(path: Path, nats: npt.NDArray[np.floating[Any]]) -> None:
    with artifact.publish_file(path) as partial, partial.open("wb") as file:
        np.save(file, nats)


def _written(run_folder: Path) -> list[str]:
    return [name for name in (*EVALUATION_FILES, ID_NATS_FILE) if (run_folder / name).is_file()]


def _score_at_equal_bytes(
    run: Run, store: TokenStore, scorer: DocumentScorer, last: Score, last_step: int, device: torch.device
) -> dict[str, Any] | None:
    """Returns the measures at the step where the track has read as much text as every other; None without kept weights.

    last: the score after the last step. For the track that reads the least text, that step is the last one.
    """
    step = run.keep_weights_at
    if step == last_step:
        score = last
    elif step and (run.folder / kept_weights_file(step)).is_file():
        score = scorer.score(load_model(run, store.entries, kept_weights_file(step)).to(device))
    else:
        return None
    batches = Batches(store.train, run.seed, run.training.batch_size, run.model.context)
    return {
        "step": step,
        "bytes_seen": batches.bytes_read(step, store.entry_bytes),
        "bits_per_byte": score.bits_per_byte,
        "documents": scorer.documents,
    }


def _last_metrics(run_folder: Path) -> Metrics:
    lines = read_metrics(run_folder)
    if not lines:
        raise TrialError(
            f"{run_folder / METRICS_FILE} is missing or empty: delete {run_folder} and run the same command again, to train "
            "that run anew"
        )
    return lines[-1]
