"""Trains one run, a track and a seed, from token files to weights and metrics.

The trainer is handed its evaluator (by trial.py) and so needs numpy and torch alone. A run is a pure function of its
settings and its seed; killed at any step, it goes on from its last checkpoint.
"""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Protocol

import torch

from toktrial import artifact, progress
from toktrial.errors import TrialError
from toktrial.tokens.batches import Batches
from toktrial.tokens.store import TokenStore
from toktrial.training.checkpoint import load_newest_checkpoint, remove_all_but_newest, remove_checkpoints, save_checkpoint
from toktrial.training.clock import LARGEST_WAITED_SHARE, Clock
from toktrial.training.compilation import resolve_compile
from toktrial.training.device import determinism, resolve_device, resolve_precision
from toktrial.training.distributed import Processes, local_device, processes
from toktrial.training.divergence import DocumentText, FailedStepError, check_divergence, check_losses, describe_failure
from toktrial.training.feed import make_feed
from toktrial.training.interrupt import Interruption, interruption
from toktrial.training.metrics import Metrics, MetricsLog
from toktrial.training.model import GPT
from toktrial.training.record import add_to_record, write_record
from toktrial.training.run import WEIGHTS_FILE, Run, kept_weights_file, save_weights, steps_of
from toktrial.training.schedule import learning_rate
from toktrial.training.step import StartUp, TrainingStep


class Evaluation(Protocol):
    """What an evaluator returns."""

    @property
    def bits_per_byte(self) -> float: ...

    @property
    def validation_loss(self) -> float:
        """Nats per token."""


Evaluator = Callable[[GPT], Evaluation]
BEFORE_ANY = -1  # a run that begins anew keeps no line, not even that of step 0
UNRECORDED = {"compiled": False, "waited_seconds": 0.0}  # what checkpoints of earlier versions do not hold


def train(run: Run, evaluate: Evaluator, text_of: DocumentText | None = None) -> None:
    """Trains a run into its folder, from where it was interrupted. `evaluate` is called at every line of metrics.

    Under torchrun (`distributed.joined`) every process calls this: they share each batch out, and the first one alone
    evaluates and writes. `text_of` returns a training document's text by its index, for the error that names stories.

    Raises TrialError where the loss is no longer finite or has diverged, RunStopped (a KeyboardInterrupt) or SystemExit(143)
    when told to stop; a checkpoint is written first in the latter two.
    """
    together = processes()
    tokens = TokenStore.open(run.tokens_folder, check=together.is_first)
    fingerprint = run.fingerprint(tokens.manifest["fingerprint"])
    if together.any(together.is_first and artifact.is_finished(run.folder, fingerprint)):
        if together.is_first:
            _tidy(run)  # where it was killed at its very end
        return
    device = local_device(resolve_device(run.training.device))
    with ExitStack() as around:
        is_deterministic = around.enter_context(determinism(run.training.deterministic, device))
        trainer = _Trainer(run, tokens, evaluate, device, together)
        trainer.start(fingerprint, run.lineage(tokens.manifest["fingerprint"]), is_deterministic)
        stop = around.enter_context(interruption(repeats_count=together.count == 1))
        shown = around.enter_context(_progress(run, trainer.steps, together))
        try:
            trainer.train(stop, shown)
        except FailedStepError as failure:
            raise trainer.describe(failure, text_of) from None
    trainer.finish(fingerprint)
    if trainer.is_asked_to_stop(stop):  # during the last step
        stop.leave()


class _Trainer:
    """The state of a run while it trains."""

    def __init__(self, run: Run, tokens: TokenStore, evaluate: Evaluator, device: torch.device, together: Processes) -> None:
        config = run.training
        self._run, self._evaluate, self._device, self._together = run, evaluate, device, together
        self._name = f"{run.track}, seed {run.seed}"
        self._precision = resolve_precision(config.precision, device)
        rows = together.rows(config)
        self._batches = Batches(tokens.train, run.seed, config.batch_size, run.model.context)
        self._feed = make_feed(self._batches, tokens.train, rows, run.model.context, device)
        self._entry_bytes = torch.from_numpy(tokens.entry_bytes.astype("int64")).to(device)
        self.steps = steps_of(config, self._batches.epoch_tokens, run.model.context)
        self._model = GPT(run.model, run.vocab_size, tokens.entries)
        self._model.initialise(run.seed)
        self._model.to(device)
        self._train_on = TrainingStep(self._model, config, self._precision, together)
        self._clock = Clock(device)
        self._step = 0
        # Of the steps since the last line of metrics: the mean loss of this process's rows, and the gradient's norm.
        self._losses, self._norms = torch.zeros(2, config.log_every, device=device)
        self._lowest_loss = math.log(tokens.entries)
        self._bytes_seen = torch.zeros((), dtype=torch.int64, device=device)  # of this process's rows
        self._evaluation_seconds = 0.0

    def start(self, fingerprint: str, lineage: str, is_deterministic: bool) -> None:
        """Begins the run's folder, or goes on from what is there."""
        folder = self._run.folder
        self._fingerprint, self._lineage = fingerprint, lineage
        state = self._together.from_first(self._state_to_go_on_from() if self._together.is_first else None)
        self._restore(state)
        start_up = self._start_up()
        self._is_compiled = start_up.is_compiled
        if state is not None and state["compiled"] != self._is_compiled:
            now, before = ("compiled", "uncompiled") if self._is_compiled else ("uncompiled", "compiled")
            self._say(f"{self._name}: {now} where it trained {before} before: the last bits may differ")
        if self._together.is_first:
            self._metrics = MetricsLog(folder, self._step or BEFORE_ANY)
            write_record(folder, self._record(start_up, is_deterministic), self._model, self._device)

    def train(self, stop: Interruption, shown: progress.Progress) -> None:
        config = self._run.training
        if self._step == 0 and self._together.is_first:
            self._write_line(None, 0, shown)
        self._clock.start()
        while self._step < self.steps:
            self._train_step()
            is_last = self._step == self.steps
            if self._step % config.log_every == 0 or is_last:
                self._log(shown)
            # Asked once, so that nothing stops without its checkpoint.
            stopping = self.is_asked_to_stop(stop) and not is_last
            if self._step == self._run.keep_weights_at and not is_last:
                self._keep_weights()  # before the checkpoint, from which a run goes on without coming here again
            if self._step % config.checkpoint_every == 0 or is_last or stopping:
                self._save_checkpoint()
            if stopping:
                self._say(f"stopped after step {self._step}; the same command goes on from there")
                stop.leave()
            if self._device.type == "cpu":  # elsewhere a step is only queued by now
                shown.update(self._step)
        self._clock.stop()

    def is_asked_to_stop(self, stop: Interruption) -> bool:
        """Whether any process was asked to; all then leave alike."""
        signal_number = self._together.largest(stop.signal_number)
        if signal_number:
            stop.request(signal_number)
        return bool(signal_number)

    def finish(self, fingerprint: str) -> None:
        """Writes the final weights, marks the run as finished and removes its checkpoints."""
        if not self._together.is_first:
            return
        folder = self._run.folder
        save_weights(folder / WEIGHTS_FILE, self._model)
        waited_share = self._clock.waited_share()
        shared_device = waited_share is not None and waited_share > LARGEST_WAITED_SHARE
        add_to_record(folder, waited_share=waited_share, shared_device=shared_device)
        artifact.write_json(folder / artifact.MANIFEST, {"fingerprint": fingerprint, "steps": self._step})
        _tidy(self._run)

    def describe(self, failure: FailedStepError, text_of: DocumentText | None) -> TrialError:
        """Returns the error of a failed run, and leaves no checkpoint of the failed step or a later one."""
        kept = None
        if self._together.is_first:
            kept = remove_checkpoints(self._run.folder, from_step=failure.step)
        what_is_kept = f"The checkpoint of step {kept} is kept." if kept is not None else "There is no checkpoint before it."
        return describe_failure(failure, self._name, what_is_kept, self._batches, text_of)

    def _start_up(self) -> StartUp:
        tokens = self.steps * self._batches.tokens_per_step
        flops = tokens * self._model.flops_per_token() / self._together.count
        compiled = resolve_compile(self._run.training.compile, self._device, flops)
        return self._train_on.start(self._feed(self._step), compiled)

    def _train_step(self) -> None:
        ids = self._feed(self._step)
        place = self._steps_since_line()
        rate = learning_rate(self._step + 1, self.steps, self._run.training)
        self._losses[place], self._norms[place] = self._train_on(ids, rate)
        self._bytes_seen += self._entry_bytes[ids[:, 1:]].sum()
        self._step += 1

    def _steps_since_line(self) -> int:
        return self._step % self._run.training.log_every

    def _checked_losses(self) -> list[float]:
        """Returns the losses since the last line of metrics, of the whole batch. Raises FailedStepError."""
        count = self._steps_since_line() or self._run.training.log_every
        both = torch.stack([self._losses[:count], self._norms[:count]])
        losses, norms = (self._together.sum(both).double() / self._together.count).tolist()
        check_losses(losses, norms, self._step - count + 1)
        return list(losses)

    def _log(self, shown: progress.Progress) -> None:
        """Evaluates and writes a line of metrics. Raises FailedStepError where the training has gone wrong."""
        self._clock.stop()
        losses = self._checked_losses()
        check_divergence(losses, self._lowest_loss, self._step - len(losses) + 1)
        training_loss = math.fsum(losses) / len(losses)
        self._lowest_loss = min(self._lowest_loss, training_loss)
        bytes_seen = int(self._together.sum(self._bytes_seen))
        if self._together.is_first:
            self._write_line(training_loss, bytes_seen, shown)
        self._clock.start()

    def _write_line(self, training_loss: float | None, bytes_seen: int, shown: progress.Progress) -> None:
        started = time.perf_counter()
        evaluation = self._evaluate(self._model)
        self._evaluation_seconds += time.perf_counter() - started
        tokens = self._step * self._batches.tokens_per_step
        line = Metrics(
            step=self._step,
            training_loss=training_loss,
            validation_loss=evaluation.validation_loss,
            bits_per_byte=evaluation.bits_per_byte,
            learning_rate=learning_rate(self._step, self.steps, self._run.training),
            timestamp=time.time(),
            training_seconds=self._clock.seconds,
            evaluation_seconds=self._evaluation_seconds,
            tokens=tokens,
            bytes_seen=bytes_seen,
            flops=tokens * self._model.flops_per_token(),
        )
        self._metrics.append(line)
        loss = "" if training_loss is None else f"loss {training_loss:.3f}, "
        shown.update(self._step, f"{loss}{line.bits_per_byte:.3f} bits per byte")

    def _keep_weights(self) -> None:
        self._clock.stop()
        if self._together.is_first:
            save_weights(self._run.folder / kept_weights_file(self._step), self._model)
        self._clock.start()

    def _save_checkpoint(self) -> None:
        self._clock.stop()
        self._checked_losses()
        # Each process saw its own rows; what all of them saw stands with the first when they go on.
        losses = self._together.sum(self._losses) / self._together.count
        norms = self._together.sum(self._norms) / self._together.count
        state = {
            "fingerprint": self._fingerprint,
            "lineage": self._lineage,
            "threads": torch.get_num_threads(),
            "processes": self._together.count,
            "compiled": self._is_compiled,
            "step": self._step,
            "model": self._model.state_dict(),
            "optimizer": self._train_on.optimizer.state_dict(),
            "losses": losses,
            "norms": norms,
            "lowest_loss": self._lowest_loss,
            "bytes_seen": int(self._together.sum(self._bytes_seen)),
            "training_seconds": self._clock.seconds,
            "waited_seconds": self._clock.waited_seconds,
            "evaluation_seconds": self._evaluation_seconds,
        }
        if self._together.is_first:
            save_checkpoint(self._run.folder, self._step, state)
        self._clock.start()

    def _state_to_go_on_from(self) -> dict[str, Any] | None:
        """Returns the newest checkpoint of this run, or of a shorter one that it goes on; removes those of other settings."""
        folder = self._run.folder
        folder.mkdir(parents=True, exist_ok=True)
        state = load_newest_checkpoint(folder)
        if state is not None and not self._is_ours(state):
            remove_checkpoints(folder)
            state = None
        if (folder / artifact.MANIFEST).is_file():  # finished under other settings: it is not, from here on
            then = "going on where it ended" if state else "it was trained under other settings; training it anew"
            self._say(f"{self._name}: {then}")
            (folder / artifact.MANIFEST).unlink()
        return None if state is None else UNRECORDED | state

    def _is_ours(self, state: dict[str, Any]) -> bool:
        if state["fingerprint"] == self._fingerprint:
            return True
        kept = self._run.folder / kept_weights_file(self._run.keep_weights_at)
        is_past = self._run.must_keep_weights and not kept.is_file() and self._run.keep_weights_at < state["step"]
        return bool(state.get("lineage") == self._lineage and state["step"] <= self.steps and not is_past)

    def _restore(self, state: dict[str, Any] | None) -> None:
        if state is None:
            return
        self._model.load_state_dict(state["model"])
        self._train_on.optimizer.load_state_dict(state["optimizer"])
        self._step = state["step"]
        self._losses.copy_(state["losses"])
        self._norms.copy_(state["norms"])
        self._lowest_loss = state["lowest_loss"]
        self._bytes_seen.fill_(state["bytes_seen"] if self._together.is_first else 0)
        self._clock.seconds, self._clock.waited_seconds = state["training_seconds"], state["waited_seconds"]
        self._evaluation_seconds = state["evaluation_seconds"]
        self._say(f"{self._name}: going on from step {self._step}")
        for what, now in (("threads", torch.get_num_threads()), ("processes", self._together.count)):
            if state[what] != now:
                self._say(f"{self._name}: {now} {what} where {state[what]} trained before: the last bits may differ")

    def _say(self, line: str) -> None:
        if self._together.is_first:
            progress.print_line(line)

    def _record(self, start_up: StartUp, is_deterministic: bool) -> dict[str, Any]:
        """What a reader must know of the run beside its curves; write_record adds what model and machine are."""
        return {
            "track": self._run.track,
            "seed": self._run.seed,
            "steps": self.steps,
            "precision": str(self._precision).removeprefix("torch."),
            "compiled": start_up.is_compiled,
            "deterministic": is_deterministic,
            "processes": self._together.count,
            "tokens_per_step": self._batches.tokens_per_step,
            "context": self._run.model.context,
            "batch_size": self._run.training.batch_size,
            "stream_tokens": self._batches.epoch_tokens,
            "compile_seconds": start_up.compile_seconds,
            "warm_up_seconds": start_up.warm_up_seconds,
        }


def _tidy(run: Run) -> None:
    """Removes what a finished run needs no more: of its checkpoints it keeps the last where a longer run may go on from it."""
    if run.can_grow:
        remove_all_but_newest(run.folder)
    else:
        remove_checkpoints(run.folder)


def _progress(run: Run, steps: int, together: Processes) -> AbstractContextManager[progress.Progress]:
    """What shows how far the run is; the first process alone shows anything."""
    if together.is_first:
        return progress.progress(f"training {run.track}, seed {run.seed}", steps, "step")
    return nullcontext(_Silent())


class _Silent:
    """The progress of a process that shows none."""

    def update(self, done: float, note: str = "") -> None:
        """Shows nothing."""
