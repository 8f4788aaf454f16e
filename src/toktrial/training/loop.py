"""Trains one run, a track and a seed, from token files to weights and metrics.

The trainer is handed its evaluator (by trial.py) and so needs numpy and torch alone. A run is a pure function of its
settings and its seed; killed at any step, it goes on from its last checkpoint.
"""

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from toktrial import __version__, artifact, progress
from toktrial.errors import TrialError
from toktrial.tokens.batches import Batches
from toktrial.tokens.store import TokenStore
from toktrial.training.checkpoint import load_newest_checkpoint, remove_checkpoints, save_checkpoint
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.device import device_name, resolve_device, resolve_precision, synchronise
from toktrial.training.interrupt import Interruption, interruption
from toktrial.training.metrics import Metrics, MetricsLog
from toktrial.training.model import GPT
from toktrial.training.schedule import learning_rate

RECORD_FILE = "record.json"
WEIGHTS_FILE = "weights.safetensors"


class Evaluation(Protocol):
    """What an evaluator returns."""

    @property
    def bits_per_byte(self) -> float: ...

    @property
    def validation_loss(self) -> float:
        """Nats per token."""


Evaluator = Callable[[GPT], Evaluation]


@dataclass(frozen=True)
class Run:
    """One training: a track and a seed, with all settings."""

    track: str
    seed: int
    vocab_size: int
    model: ModelConfig
    training: TrainingConfig
    tokens_folder: Path
    folder: Path

    def fingerprint(self, tokens_fingerprint: str) -> str:
        inputs = {
            "tokens": tokens_fingerprint,
            "seed": self.seed,
            "vocab_size": self.vocab_size,
            "model": asdict(self.model),
            "training": asdict(self.training),
        }
        return artifact.fingerprint("run", inputs)


def steps_of(config: TrainingConfig, epoch_tokens: int, context: int) -> int:
    """Returns the steps of a run: `steps`, or as many as `epochs` passes over the training text take."""
    if not config.epochs:
        return config.steps
    return max(1, round(config.epochs * epoch_tokens / (config.batch_size * context)))


def train(run: Run, evaluate: Evaluator) -> None:
    """Trains a run into its folder, from where it was interrupted. `evaluate` is called at every line of metrics.

    Raises TrialError where the loss is no longer finite, KeyboardInterrupt or SystemExit(143) when told to stop; a
    checkpoint is written first in the latter two.
    """
    tokens = TokenStore.open(run.tokens_folder, check=True)
    fingerprint = run.fingerprint(tokens.manifest["fingerprint"])
    if artifact.is_finished(run.folder, fingerprint):
        remove_checkpoints(run.folder)  # left over where it was killed at its very end
        return
    trainer = _Trainer(run, tokens, evaluate)
    trainer.start(fingerprint)
    with interruption() as stop, progress.progress(f"training {run.track}, seed {run.seed}", trainer.steps, "step") as shown:
        trainer.train(stop, shown)
    trainer.finish(fingerprint)
    if stop.requested:  # during the last step
        stop.leave()


class _Clock:
    """Adds up the time of the training steps; evaluation and checkpoints stop it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds = 0.0
        self._started = 0.0

    def start(self) -> None:
        synchronise(self._device)
        self._started = time.perf_counter()

    def stop(self) -> None:
        synchronise(self._device)
        self.seconds += time.perf_counter() - self._started


class _Trainer:
    """The state of a run while it trains."""

    def __init__(self, run: Run, tokens: TokenStore, evaluate: Evaluator) -> None:
        config = run.training
        self._run, self._tokens, self._evaluate = run, tokens, evaluate
        self._device = resolve_device(config.device)
        self._precision = resolve_precision(config.precision, self._device)
        self._batches = Batches(tokens.train, run.seed, config.batch_size, run.model.context)
        self.steps = steps_of(config, self._batches.epoch_tokens, run.model.context)
        self._model = GPT(run.model, run.vocab_size, tokens.entries)
        self._model.initialise(run.seed)
        self._model.to(self._device)
        self._optimizer = _optimizer(self._model, config)
        self._clock = _Clock(self._device)
        self._step = 0
        self._loss_sum = torch.zeros((), device=self._device)  # over the steps since the last line of metrics
        self._loss_steps = 0
        self._bytes_seen = 0
        self._evaluation_seconds = 0.0

    def start(self, fingerprint: str) -> None:
        """Begins the run's folder, or goes on from what is there."""
        folder = self._run.folder
        folder.mkdir(parents=True, exist_ok=True)
        state = load_newest_checkpoint(folder, self._device)
        if state is not None and state["fingerprint"] != fingerprint:
            remove_checkpoints(folder)
            state = None
        if state is not None:
            self._restore(state)
            progress.print_line(f"{self._run.track}, seed {self._run.seed}: going on from step {self._step}")
        self._fingerprint = fingerprint
        self._metrics = MetricsLog(folder, self._step)
        warm_up_seconds = self._warm_up()
        artifact.write_json(folder / RECORD_FILE, self._record(warm_up_seconds))

    def train(self, stop: Interruption, shown: progress.Progress) -> None:
        config = self._run.training
        self._clock.start()
        while self._step < self.steps:
            self._train_step()
            is_last = self._step == self.steps
            if self._step % config.log_every == 0 or is_last:
                self._log(shown)
            stopping = stop.requested and not is_last  # asked once, so that nothing stops without its checkpoint
            if self._step % config.checkpoint_every == 0 or is_last or stopping:
                self._save_checkpoint()
            if stopping:
                progress.print_line(f"stopped after step {self._step}; the same command goes on from there")
                stop.leave()
            if self._device.type == "cpu":  # elsewhere a step is only queued by now
                shown.update(self._step)
        self._clock.stop()

    def finish(self, fingerprint: str) -> None:
        """Writes the final weights, marks the run as finished and removes its checkpoints."""
        from safetensors.torch import save_file

        folder = self._run.folder
        partial = folder / f".{WEIGHTS_FILE}.partial"
        weights = {name: tensor.contiguous().cpu() for name, tensor in self._model.state_dict().items()}
        save_file(weights, partial)
        partial.replace(folder / WEIGHTS_FILE)
        artifact.write_json(folder / artifact.MANIFEST, {"fingerprint": fingerprint, "steps": self._step})
        remove_checkpoints(folder)

    def _loss(self, ids: npt.NDArray[np.int64]) -> torch.Tensor:
        """Returns the loss of a batch of ids (B, T + 1)."""
        on_device = torch.from_numpy(ids).to(self._device)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision == torch.bfloat16):
            return self._model.loss(on_device[:, :-1], on_device[:, 1:])

    def _warm_up(self) -> float:
        """Runs one step forward and back and forgets it, so that no run's clock pays for the first call of anything."""
        started = time.perf_counter()
        self._loss(self._batches.batch(self._step)).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._optimizer.zero_grad(set_to_none=True)
        synchronise(self._device)
        return time.perf_counter() - started

    def _train_step(self) -> None:
        config = self._run.training
        ids = self._batches.batch(self._step)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._step + 1, self.steps, config)
        loss = self._loss(ids)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), config.gradient_clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self._step += 1
        self._loss_sum += loss.detach()
        self._loss_steps += 1
        self._bytes_seen += int(self._tokens.entry_bytes[ids[:, 1:]].sum())

    def _log(self, shown: progress.Progress) -> None:
        """Evaluates and writes a line of metrics. Raises TrialError where the training loss is no longer finite."""
        self._clock.stop()
        training_loss = self._loss_sum.item() / self._loss_steps
        if not torch.isfinite(self._loss_sum):
            raise TrialError(
                f"{self._run.track}, seed {self._run.seed}: the training loss is no longer finite at step {self._step}. "
                "Try a lower training.learning_rate, a longer training.warmup_steps, or training.precision float32"
            )
        started = time.perf_counter()
        evaluation = self._evaluate(self._model)
        self._evaluation_seconds += time.perf_counter() - started
        tokens = self._step * self._batches.tokens_per_step
        line = Metrics(
            step=self._step,
            training_loss=training_loss,
            validation_loss=evaluation.validation_loss,
            bits_per_byte=evaluation.bits_per_byte,
            learning_rate=self._optimizer.param_groups[0]["lr"],
            timestamp=time.time(),
            training_seconds=self._clock.seconds,
            evaluation_seconds=self._evaluation_seconds,
            tokens=tokens,
            bytes_seen=self._bytes_seen,
            flops=tokens * self._model.flops_per_token(),
        )
        self._metrics.append(line)
        shown.update(self._step, f"loss {training_loss:.3f}, {line.bits_per_byte:.3f} bits per byte")
        self._loss_sum.zero_()
        self._loss_steps = 0
        self._clock.start()

    def _save_checkpoint(self) -> None:
        self._clock.stop()
        state = {
            "fingerprint": self._fingerprint,
            "step": self._step,
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "loss_sum": self._loss_sum,
            "loss_steps": self._loss_steps,
            "bytes_seen": self._bytes_seen,
            "training_seconds": self._clock.seconds,
            "evaluation_seconds": self._evaluation_seconds,
        }
        save_checkpoint(self._run.folder, self._step, state)
        self._clock.start()

    def _restore(self, state: dict[str, Any]) -> None:
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._step = state["step"]
        self._loss_sum = state["loss_sum"]
        self._loss_steps = state["loss_steps"]
        self._bytes_seen = state["bytes_seen"]
        self._clock.seconds = state["training_seconds"]
        self._evaluation_seconds = state["evaluation_seconds"]

    def _record(self, warm_up_seconds: float) -> dict[str, Any]:
        """What a reader must know of the run beside its curves."""
        counts = self._model.parameter_counts()
        return {
            "track": self._run.track,
            "seed": self._run.seed,
            "steps": self.steps,
            "device": self._device.type,
            "device_name": device_name(self._device),
            "precision": str(self._precision).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "parameters": counts.total,
            "parameters_without_embeddings": counts.without_embeddings,
            "parameters_of_embeddings": counts.embeddings,
            "flops_per_token": self._model.flops_per_token(),
            "tokens_per_step": self._batches.tokens_per_step,
            "stream_tokens": self._batches.epoch_tokens,
            "warm_up_seconds": warm_up_seconds,
            "shared_device": False,
            "versions": {
                "toktrial": __version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
            },
            "started": time.time(),
        }


def _optimizer(model: GPT, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices (embeddings among them) alone, as GPT-2 and its successors have it."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    fused = model.wte.weight.device.type in ("cpu", "cuda")  # where every torch that we admit has it
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=fused)


def load_weights(run_folder: Path, model: GPT) -> None:
    """Loads a finished run's weights into a model of its shape. Raises TrialError where they are missing or do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = run_folder / WEIGHTS_FILE
    if not path.is_file():
        raise TrialError(f"{path} is missing: the run is not finished; train it first")
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise TrialError(f"{path} does not fit the model ({error}): delete {run_folder} and train again") from None
