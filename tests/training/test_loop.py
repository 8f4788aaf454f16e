"""A run from token files to weights: what it writes, that it repeats exactly, and what it says when it goes wrong."""

import itertools
import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file

from toktrial.errors import TrialError
from toktrial.tokens.batches import Batches
from toktrial.tokens.store import TokenStore
from toktrial.training import loop
from toktrial.training.loop import train
from toktrial.training.metrics import LARGEST_WAITED_SHARE, Clock, Metrics, read_metrics
from toktrial.training.model import GPT
from toktrial.training.run import load_model
from toktrial.training.step import TrainingStep

from .small_runs import (
    FILES_AT_THE_END,
    MODEL,
    TRAINING,
    VOCAB_SIZE,
    Evaluator,
    Trained,
    assert_equal_runs,
    checkpoints,
    cut,
    flip_a_bit,
    metrics_of,
    run_in,
    weights_of,
)

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents

LINES_AT = [0, 7, 14, 21, 28, 30]


# What a run writes


def test_the_loss_falls(trained: Trained) -> None:
    lines = read_metrics(trained.run.folder)
    losses = [line.training_loss for line in lines[1:] if line.training_loss is not None]
    assert losses[0] < math.log(VOCAB_SIZE) + 0.1
    assert losses[-1] < losses[0] - 0.3
    assert lines[-1].bits_per_byte < lines[0].bits_per_byte
    assert lines[-1].validation_loss < lines[0].validation_loss


def test_one_line_every_log_every_steps_and_at_the_last(trained: Trained) -> None:
    text = (trained.run.folder / "metrics.jsonl").read_text()
    assert text.endswith("\n")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["step"] for line in lines] == LINES_AT
    fields = set(Metrics.__dataclass_fields__)
    assert {"training_loss", "validation_loss", "bits_per_byte", "learning_rate", "tokens", "bytes_seen", "flops"} < fields
    assert all(set(line) == fields for line in lines)


def test_metrics_hold_what_the_evaluator_returned(trained: Trained) -> None:
    lines = read_metrics(trained.run.folder)
    scores = trained.evaluator.scores
    assert [line.bits_per_byte for line in lines] == [score.bits_per_byte for score in scores]
    assert [line.validation_loss for line in lines] == [score.validation_loss for score in scores]


def test_tokens_bytes_and_flops_are_those_of_a_slow_recount(trained: Trained) -> None:
    run = trained.run
    store = TokenStore.open(run.tokens_folder)
    batches = Batches(store.train, run.seed, TRAINING.batch_size, MODEL.context)
    flops_per_token = GPT(MODEL, VOCAB_SIZE, store.entries).flops_per_token()
    lines = {line.step: line for line in read_metrics(run.folder)}
    tokens = bytes_seen = 0
    for step in range(1, TRAINING.steps + 1):
        for row in batches.batch(step - 1).tolist():
            for target in row[1:]:
                tokens += 1
                bytes_seen += int(store.entry_bytes[target])
        if step in lines:
            counted = (lines[step].tokens, lines[step].bytes_seen, lines[step].flops)
            assert counted == (tokens, bytes_seen, tokens * flops_per_token)


def test_learning_rates_are_those_of_the_schedule(trained: Trained) -> None:
    rates = [line.learning_rate for line in read_metrics(trained.run.folder)]
    expected = [3e-3 * (0.1 + 0.45 * (1 + math.cos(math.pi * (step - 5) / 25))) for step in LINES_AT[1:]]
    assert rates == pytest.approx([0.0, *expected])


def test_training_loss_is_the_mean_over_the_steps_since_the_line_before(tmp_path: Path, tokens: Path, trained: Trained) -> None:
    every_step = run_in(tmp_path / "run", tokens, log_every=1)
    train(every_step, Evaluator(every_step))
    losses = [line.training_loss for line in read_metrics(every_step.folder)[1:] if line.training_loss is not None]
    assert len(losses) == 30
    means = [sum(losses[a:b]) / (b - a) for a, b in itertools.pairwise(LINES_AT)]
    assert [line.training_loss for line in read_metrics(trained.run.folder)[1:]] == pytest.approx(means, rel=1e-5)


def test_training_seconds_leave_out_evaluation(trained: Trained) -> None:
    lines = read_metrics(trained.run.folder)
    for before, after in itertools.pairwise(lines):
        assert before.training_seconds < after.training_seconds
        assert before.evaluation_seconds < after.evaluation_seconds
        assert before.timestamp < after.timestamp
    assert lines[-1].evaluation_seconds >= 0.1 * len(lines)
    assert 0 < lines[-1].training_seconds <= trained.wall_seconds - lines[-1].evaluation_seconds


def test_the_record_says_what_was_trained_and_on_what(trained: Trained) -> None:
    record = json.loads((trained.run.folder / "record.json").read_text())
    store = TokenStore.open(trained.run.tokens_folder)
    model = GPT(MODEL, VOCAB_SIZE, store.entries)
    assert record["track"] == "bpe"
    assert record["seed"] == 1
    assert record["steps"] == 30
    assert (record["device"], record["precision"]) == ("cpu", "float32")
    assert record["parameters"] == model.parameter_counts().total
    assert record["parameters_without_embeddings"] + record["parameters_of_embeddings"] == record["parameters"]
    assert record["flops_per_token"] == model.flops_per_token()
    assert record["tokens_per_step"] == 4 * 32
    assert record["stream_tokens"] == store.manifest["train"]["tokens"] + store.manifest["train"]["documents"]
    assert record["shared_device"] is ((record["waited_share"] or 0) > LARGEST_WAITED_SHARE), "others may work here too"
    assert record["versions"]["torch"] == torch.__version__
    assert record["device_name"]


def test_it_says_where_other_work_shares_the_cores(
    tmp_path: Path, tokens: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if not Path("/proc/self/schedstat").is_file():
        pytest.skip("this system does not tell how long a thread waits for a core")
    monkeypatch.setattr(loop, "SECONDS_OF_A_LAP", 0.05)
    run = run_in(tmp_path, tokens, threads=2, steps=3)
    assert run.fingerprint("tokens") == run_in(tmp_path, tokens, steps=3).fingerprint("tokens"), "threads make no other run"
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * (os.cpu_count() or 1))]
    try:
        train(run, Evaluator(run))
    finally:
        for child in busy:
            child.kill()
            child.wait()
    record = json.loads((run.folder / "record.json").read_text())
    assert LARGEST_WAITED_SHARE < record["waited_share"] < 1
    assert record["shared_device"] is True
    assert record["threads"] == 2
    assert torch.get_num_threads() == 1, "what it was before"
    (advice,) = [line for line in capfd.readouterr().err.splitlines() if "other work" in line]
    assert advice.startswith("bpe, seed 1: other work is using these cores: the run's 2 threads wait ")
    assert advice.endswith("with --training.threads 1")


@pytest.mark.parametrize(("cores_lacking", "advised"), [(0.22, []), (0.3, ["1"]), (1.0, ["1"])])
def test_as_many_threads_as_there_are_is_no_advice(
    tmp_path: Path,
    tokens: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    cores_lacking: float,
    advised: list[str],
) -> None:
    monkeypatch.setattr(Clock, "lap", lambda *_: cores_lacking)
    run = run_in(tmp_path, tokens, threads=2, steps=3)
    train(run, Evaluator(run))
    said = [line for line in capfd.readouterr().err.splitlines() if "--training.threads" in line]
    assert [line.split()[-1] for line in said] == advised


def test_weights_give_the_logits_that_the_evaluator_saw_last(trained: Trained) -> None:
    model = load_model(trained.run, TokenStore.open(trained.run.tokens_folder).entries)
    assert torch.equal(trained.evaluator.logits_of(model), trained.evaluator.logits)


def test_checkpoints_are_removed_at_the_end(trained: Trained) -> None:
    assert {path.name for path in trained.run.folder.iterdir()} == FILES_AT_THE_END


def test_a_finished_run_is_not_trained_again(trained: Trained) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in trained.run.folder.iterdir()}
    train(trained.run, Evaluator(trained.run, fails_at=1))
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in trained.run.folder.iterdir()} == before


def test_two_runs_are_bitwise_alike_and_another_seed_is_not(tmp_path: Path, tokens: Path, trained: Trained) -> None:
    for seed in (1, 2):
        run = run_in(tmp_path / str(seed), tokens, seed)
        train(run, Evaluator(run))
    assert_equal_runs(tmp_path / "1", trained.run.folder)
    assert metrics_of(tmp_path / "2")[1]["training_loss"] != metrics_of(tmp_path / "1")[1]["training_loss"]
    assert weights_of(tmp_path / "2") != weights_of(tmp_path / "1")


def test_two_runs_in_bfloat16_are_bitwise_alike(tmp_path: Path, tokens: Path, trained: Trained) -> None:
    for name in ("first", "second"):
        run = run_in(tmp_path / name, tokens, precision="bfloat16")
        train(run, Evaluator(run))
    assert_equal_runs(tmp_path / "second", tmp_path / "first")
    record = json.loads((tmp_path / "first" / "record.json").read_text())
    assert record["precision"] == "bfloat16"
    theirs, ours = (metrics_of(folder)[-1]["training_loss"] for folder in (trained.run.folder, tmp_path / "first"))
    assert theirs != ours, "bfloat16 must not be float32"
    assert ours == pytest.approx(theirs, abs=0.05)
    assert all(weight.dtype == torch.float32 for weight in load_file(tmp_path / "first" / "weights.safetensors").values())


def test_weights_are_those_of_adamw_by_hand(tmp_path: Path, tokens: Path) -> None:
    """Decay on matrices alone, the gradient clipped as a whole, both moments corrected; Loshchilov and Hutter, algorithm 2."""
    config: dict[str, Any] = {"steps": 12, "weight_decay": 0.5, "gradient_clip": 0.7, "beta1": 0.8, "learning_rate": 0.01}
    run = run_in(tmp_path / "run", tokens, **config)
    train(run, Evaluator(run))
    store = TokenStore.open(tokens)
    batches = Batches(store.train, run.seed, TRAINING.batch_size, MODEL.context)
    model = GPT(MODEL, VOCAB_SIZE, store.entries)
    model.initialise(run.seed)
    first = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    second = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    norms = []
    for step in range(1, 13):
        ids = torch.from_numpy(batches.batch(step - 1))
        rate = 0.01 * min(step / 5, 0.1 + 0.45 * (1 + math.cos(math.pi * max(0, step - 5) / 7)))
        parameters = dict(model.named_parameters())
        gradients = dict(
            zip(parameters, torch.autograd.grad(model.loss(ids[:, :-1], ids[:, 1:]), [*parameters.values()]), strict=True)
        )
        norms.append(math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values())))
        with torch.no_grad():
            for name, parameter in parameters.items():
                gradient = gradients[name] * min(1.0, 0.7 / norms[-1])
                if parameter.ndim == 2:
                    parameter.mul_(1 - rate * 0.5)
                first[name] = 0.8 * first[name] + 0.2 * gradient
                second[name] = 0.95 * second[name] + 0.05 * gradient**2
                mean, square = first[name] / (1 - 0.8**step), second[name] / (1 - 0.95**step)
                parameter.sub_(rate * mean / (square.sqrt() + 1e-8))
    assert min(norms) < 0.7 < max(norms), "some steps must be clipped and some not"
    for name, weight in load_file(run.folder / "weights.safetensors").items():
        expected = model.state_dict()[name]
        assert (weight - expected).abs().max() < 1e-2 * expected.abs().max(), name


def test_micro_batches_change_nothing_but_rounding(tmp_path: Path, tokens: Path, trained: Trained) -> None:
    for size in (1, 2):
        run = run_in(tmp_path / str(size), tokens, micro_batch_size=size)
        train(run, Evaluator(run))
        ours, theirs = metrics_of(run.folder), metrics_of(trained.run.folder)
        for name in ours[0]:
            assert [line[name] for line in ours[1:]] == pytest.approx([line[name] for line in theirs[1:]], rel=1e-4), name
        assert ours != theirs, "or the batch was never cut"


# Budgets


def test_an_epoch_of_either_track_reads_all_its_text_once(tmp_path: Path, story_tokens: dict[str, Path]) -> None:
    for track, folder in story_tokens.items():
        train_bytes = TokenStore.open(folder).manifest["train"]["bytes"]
        run = run_in(tmp_path / track, folder, epochs=1.0, batch_size=64, log_every=1000)
        train(run, Evaluator(run))
        last = read_metrics(run.folder)[-1]
        assert last.step == json.loads((run.folder / "record.json").read_text())["steps"]
        assert last.bytes_seen == pytest.approx(train_bytes, abs=0.6 * train_bytes / last.step)
        assert last.step > 5


# What goes wrong


def test_a_loss_that_is_no_longer_finite_is_an_error_that_names_the_step(tmp_path: Path, tokens: Path) -> None:
    run = run_in(tmp_path / "run", tokens, learning_rate=1e12, warmup_steps=0)
    with pytest.raises(TrialError, match=r"bpe, seed 1: .* no longer finite at step 2\b.*training\.learning_rate"):
        train(run, Evaluator(run))
    assert [line.step for line in read_metrics(run.folder)] == [0]
    assert not (run.folder / "weights.safetensors").exists()


def test_a_failed_step_keeps_the_good_checkpoint_and_names_the_stories(
    tmp_path: Path, tokens: Path, monkeypatch: pytest.MonkeyPatch, story_documents: "dict[str, Documents]"
) -> None:
    """A weight becomes NaN after step 23: step 24 fails, the checkpoint of step 20 is good, and that of 30 never comes."""
    run = run_in(tmp_path / "run", tokens, log_every=15)
    step_of_training = TrainingStep.__call__
    calls = itertools.count(1)

    def spoil(self: TrainingStep, ids: torch.Tensor, learning_rate: float) -> tuple[torch.Tensor, torch.Tensor]:
        result = step_of_training(self, ids, learning_rate)
        if next(calls) == 23:
            with torch.no_grad():
                self._model.ln_f.weight[0] = math.nan
        return result

    monkeypatch.setattr(TrainingStep, "__call__", spoil)
    texts = story_documents["train"]
    with pytest.raises(TrialError) as caught:
        train(run, Evaluator(run), texts.__getitem__)
    said = str(caught.value)
    assert "bpe, seed 1: the training loss is no longer finite at step 24. The checkpoint of step 20 is kept." in said
    read = Batches(TokenStore.open(tokens).train, 1, TRAINING.batch_size, MODEL.context).documents_of(23).tolist()
    assert [f"  {document}: {texts[document][:60]!r}" for document in read] == said.splitlines()[2:]
    assert [path.name for path in checkpoints(run.folder)] == ["checkpoint-000000010.pt", "checkpoint-000000020.pt"]
    assert [line["step"] for line in metrics_of(run.folder)] == [0, 15]


def test_a_loss_far_above_where_it_was_is_an_error(tmp_path: Path, tokens: Path) -> None:
    """At so high a rate the loss stays finite and rises."""
    run = run_in(tmp_path / "run", tokens, learning_rate=2.0, warmup_steps=20, schedule="constant", steps=100)
    with pytest.raises(TrialError, match=r"the training loss has diverged: [\d.]+ nats per token, after [\d.]+ at step \d+\."):
        train(run, Evaluator(run))
    losses = [line.training_loss for line in read_metrics(run.folder)[1:]]
    assert losses
    assert all(loss is not None and loss < math.log(600) + 2 for loss in losses)


def test_a_device_that_is_not_there_is_an_error(tmp_path: Path, tokens: Path) -> None:
    missing = "mps" if torch.cuda.is_available() else "cuda"
    run = run_in(tmp_path / "run", tokens, device=missing)
    with pytest.raises(TrialError, match=rf"training\.device is {missing}.*it has: .*cpu"):
        train(run, Evaluator(run))


@pytest.mark.parametrize("name", ["train.bin", "val_offsets.bin", "entry_bytes.bin"])
@pytest.mark.parametrize("damage", [flip_a_bit, cut, Path.unlink])
def test_a_damaged_token_file_is_an_error_that_names_it(
    tmp_path: Path, tokens: Path, name: str, damage: Callable[[Path], None]
) -> None:
    run = run_in(tmp_path / "run", tokens)
    evaluator = Evaluator(run)
    damaged = tmp_path / "tokens"
    shutil.copytree(tokens, damaged)
    damage(damaged / name)
    with pytest.raises(TrialError, match=rf"{name} is (damaged|missing)"):
        train(replace(run, tokens_folder=damaged), evaluator)


def test_weights_that_are_missing_damaged_or_of_another_shape_are_errors(tmp_path: Path, trained: Trained) -> None:
    empty_run = replace(trained.run, folder=tmp_path)
    with pytest.raises(TrialError, match="is missing: the run is not finished"):
        load_model(empty_run, 600)
    with pytest.raises(TrialError, match="does not fit the model"):
        load_model(replace(trained.run, vocab_size=VOCAB_SIZE + 1), 600)
    (tmp_path / "weights.safetensors").write_bytes(weights_of(trained.run.folder)[:1000])
    with pytest.raises(TrialError, match="does not fit the model"):
        load_model(empty_run, 600)
