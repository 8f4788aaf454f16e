"""Trains one run, a track and a seed, from token files to weights and metrics.

The trainer is handed its evaluator (by trial.py), so that it needs only numpy and torch. A run is a pure function of its
settings and its seed; killed at any step, it goes on from its last checkpoint.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch

from toktrial import artifact, progress
from toktrial.tokens.batches import Batches
from toktrial.tokens.store import TokenStore
from toktrial.training.calibration import Calibration
from toktrial.training.checkpoint import lasting_files, remove_checkpoints, save_checkpoint, state_to_go_on_from, tidy
from toktrial.training.config import learning_rate, steps_of
from toktrial.training.device import (
    determinism,
    device_name,
    limited_threads,
    make_feed,
    resolve_compile,
    resolve_device,
    resolve_precision,
)
from toktrial.training.distributed import Processes, local_device, processes
from toktrial.training.divergence import DivergedError, DocumentText, FailedStepError, LossWatch, describe_failure
from toktrial.training.interrupt import Interruption, interruption
from toktrial.training.metrics import LARGEST_WAITED_SHARE, THEN, Clock, Metrics, MetricsLog, finish_record, write_record
from toktrial.training.model import GPT
from toktrial.training.run import WEIGHTS_FILE, Run, kept_weights_file, save_weights
from toktrial.training.step import StartUp, TrainingStep


class Evaluation(Protocol):
    """What an evaluator returns."""

    @property
    def bits_per_byte(self) -> float: ...

    @property
    def validation_loss(self) -> float:
        """Nats per token."""


Evaluator = Callable[[GPT], Evaluation]
SECONDS_OF_A_LAP = 10.0  # long enough that what another program does for a moment does not count
SECONDS_OF_TIMING = 10.0
UNCOUNTED_STEPS, LEAST_TIMED_STEPS = 3, 10
BEFORE_ANY = -1  # a run that starts from scratch keeps no line, not even that of step 0


def train(run: Run, evaluate: Evaluator, text_of: DocumentText | None = None, is_alone: bool = True) -> None:
    """Trains a run into its folder, from where it was interrupted. `evaluate` is called for every line of metrics.

    Under torchrun (`distributed.joined`) every process calls this: they share each batch, and only the first one evaluates
    and writes. `text_of` returns a training document's text by its index, for the error that names stories. `is_alone`: whether
    no other run is trained beside this one; the run's record says so, because it bears on its seconds.

    Raises TrialError if the loss is no longer finite or has diverged. When told to stop, writes a checkpoint and raises
    RunStopped (a KeyboardInterrupt) or SystemExit(143).
    """
    together = processes()
    tokens = TokenStore.open(run.tokens_folder, check=together.is_first)
    of_tokens = tokens.manifest["fingerprint"]
    identity = {"fingerprint": run.fingerprint(of_tokens), "lineage": run.lineage(of_tokens)}
    if together.from_first(run.is_trained(of_tokens)):
        if together.is_first:
            tidy(run)  # in case it was killed at its very end
        return
    device = local_device(resolve_device(run.training.device))
    with limited_threads(run.training.threads), determinism(run.training.deterministic, device) as is_deterministic:
        trainer = _Trainer(run, identity, tokens, evaluate, device, together, is_alone)
        trainer.start(is_deterministic)
        with interruption(repeats_count=together.count == 1) as stop, trainer.shown() as shown:
            try:
                trainer.train(stop, shown)
            except FailedStepError as failure:
                raise trainer.describe(failure, text_of) from None
    trainer.finish()
    if trainer.is_asked_to_stop(stop):  # during the last step
        stop.leave()


def time_steps(run: Run, tokens: TokenStore) -> Calibration:
    """Returns how long a step of the run takes on this machine as it is: of its first steps, which are then forgotten.

    Times a tenth of its steps, and for no longer than SECONDS_OF_TIMING. Raises TrialError if the machine lacks the device.
    """
    device = resolve_device(run.training.device)
    with limited_threads(run.training.threads), determinism(run.training.deterministic, device):
        return _Trainer(run, {}, tokens, _never, device, processes(), is_alone=True).time_steps()


def _never(_model: GPT) -> Evaluation:
    raise AssertionError("nothing is evaluated while steps are timed")


class _Trainer:
    """The state of a run while it trains."""

    def __init__(
        self,
        run: Run,
        identity: Mapping[str, str],
        tokens: TokenStore,
        evaluate: Evaluator,
        device: torch.device,
        together: Processes,
        is_alone: bool,
    ) -> None:
        config, self._was_alone = run.training, is_alone
        self._run, self._identity, self._evaluate, self._device, self._together = run, identity, evaluate, device, together
        self._precision = resolve_precision(config.precision, device)
        self._batches = Batches(tokens.train, run.seed, config.batch_size, run.model.context)
        self._feed = make_feed(self._batches, together.rows(config), device)
        self._entry_bytes = torch.from_numpy(tokens.entry_bytes.astype("int64")).to(device)
        self.steps = steps_of(config, self._batches.epoch_tokens, run.model.context)
        self._model = GPT(run.model, run.vocab_size, tokens.entries)
        self._model.initialise(run.seed)
        self._model.to(device)
        self._train_on = TrainingStep(self._model, config, self._precision, together)
        self._losses = LossWatch(tokens.entries, config.log_every, together, device)
        self._clock = Clock(device)
        self._is_advised = False
        self._step = 0
        self._bytes_seen = torch.zeros((), dtype=torch.int64, device=device)  # of this process's rows
        self._evaluation_seconds = 0.0

    @property
    def _precision_name(self) -> str:
        return str(self._precision).removeprefix("torch.")

    def start(self, is_deterministic: bool) -> None:
        """Begins the run's folder, or goes on from what is there."""
        is_first = self._together.is_first
        state = self._together.from_first(state_to_go_on_from(self._run, self._identity, self.steps) if is_first else None)
        if state is not None:
            self._restore(state)
        start_up = self._start_up()
        self._how = {
            "threads": torch.get_num_threads(),
            "processes": self._together.count,
            "compiled": start_up.is_compiled,
            "precision": self._precision_name,
            "device_name": device_name(self._device),
        }
        if state is not None:
            self._compare_with(state)
        if is_first:
            self._metrics = MetricsLog(self._run.folder, self._step or BEFORE_ANY)
            write_record(self._run.folder, self._record(start_up, is_deterministic), self._model, self._device)

    def _compare_with(self, state: Mapping[str, Any]) -> None:
        """Says in what the run goes on otherwise than before.

        Its record will name both devices or precisions, and its seconds, which are then of two kinds, compare with no others.
        """
        for what, now in self._how.items():
            before = state.get(what, now)  # checkpoints of earlier versions do not hold all
            last = before.rpartition(THEN)[2] if isinstance(before, str) else before
            if last != now:
                self._say(f"trained with {what} = {last} before and {now} from now on: the last bits may differ")
            if isinstance(before, str):
                self._was_alone = self._was_alone and last == now
                self._how[what] = before if last == now else f"{before}{THEN}{now}"

    def shown(self) -> AbstractContextManager[progress.Progress | None]:
        """What shows how far the run is; only the first process has one."""
        if not self._together.is_first:
            return nullcontext()
        return progress.progress(f"training {self._run.name}", self.steps, "step", begun=self._step)

    def train(self, stop: Interruption, shown: progress.Progress | None) -> None:
        """Takes all steps that are left. Raises FailedStepError, or what ends the program when it is told to stop."""
        config = self._run.training
        if self._step == 0 and shown:
            self._write_line(None, 0, shown)
        self._clock.start()
        while self._step < self.steps:
            self._train_step()
            is_last = self._step == self.steps
            if self._step % config.log_every == 0 or is_last:
                self._log(shown)
            self._advise_on_threads()
            # Asked once, so that nothing stops without its checkpoint.
            stopping = self.is_asked_to_stop(stop) and not is_last
            if self._step == self._run.keep_weights_at and not is_last:
                self._keep_weights()  # before the checkpoint, from which a run goes on without coming here again
            if self._step % config.checkpoint_every == 0 or is_last or stopping:
                self._save_checkpoint()
            if stopping:
                self._say(f"stopped after step {self._step}; the same command goes on from there")
                stop.leave()
            if shown and self._device.type == "cpu":  # elsewhere the step is only queued by now
                shown.update(self._step)
        self._clock.stop()

    def time_steps(self) -> Calibration:
        """Takes steps, first some that do not count, and returns how long they took. Waits for the device now and then."""
        start_up, clock = self._start_up(), Clock(self._device)
        while self._step < UNCOUNTED_STEPS:
            self._train_step()
        while clock.seconds < SECONDS_OF_TIMING and self._step < UNCOUNTED_STEPS + max(LEAST_TIMED_STEPS, self.steps // 10):
            clock.start()
            for _ in range(LEAST_TIMED_STEPS):
                self._train_step()
            clock.stop()
        steps, is_gpu = self._step - UNCOUNTED_STEPS, self._device.type == "cuda"
        return Calibration(
            step_seconds=clock.seconds / steps,
            steps=steps,
            shared_device=clock.has_waited,
            device=self._device.type,
            device_name=device_name(self._device),
            threads=torch.get_num_threads(),
            precision=self._precision_name,
            compiled=start_up.is_compiled,
            peak_bytes=torch.cuda.max_memory_reserved(self._device) if is_gpu else 0,
        )

    def _advise_on_threads(self) -> None:
        """Says once where other work keeps this run's threads waiting: at each step, every thread waits for the last one.

        A busy process that shares a core with a thread makes it wait for half of its time, so the sum of all waits, in cores,
        is half the number of such processes. Without a thread on their cores, a step has nobody to wait for.
        """
        threads, cores_lacking = torch.get_num_threads(), self._clock.lap(SECONDS_OF_A_LAP)
        if self._is_advised or threads == 1 or cores_lacking is None or cores_lacking / threads <= LARGEST_WAITED_SHARE:
            return
        fewer = max(1, threads - round(2 * cores_lacking))
        if fewer == threads:  # too little is lacking for one thread less to be faster
            return
        self._is_advised = True
        self._say(
            f"other work is using these cores: the run's {threads} threads wait {cores_lacking / threads:.0%} of their time. "
            f"Fewer would be faster: Ctrl-C, then the same command with --training.threads {fewer}"
        )

    def is_asked_to_stop(self, stop: Interruption) -> bool:
        """Whether any process was asked to stop; then all of them leave in the same way."""
        signal_number = self._together.largest(stop.signal_number)
        if signal_number:  # else one that has come meanwhile would be lost
            stop.signal_number = signal_number
        return bool(signal_number)

    def finish(self) -> None:
        """Writes the final weights, marks the run as finished and removes its checkpoints."""
        if not self._together.is_first:
            return
        folder = self._run.folder
        save_weights(folder / WEIGHTS_FILE, self._model)
        finish_record(folder, self._clock, self._was_alone)
        artifact.seal(folder, self._identity["fingerprint"], lasting_files(self._run), {"steps": self._step})
        tidy(self._run)

    def describe(self, failure: FailedStepError, text_of: DocumentText | None) -> DivergedError:
        """Returns the error of a failed run, and leaves no checkpoint of the failed step or a later one."""
        kept = remove_checkpoints(self._run.folder, from_step=failure.step) if self._together.is_first else None
        return describe_failure(failure, self._run.name, kept, self._batches, text_of)

    def _start_up(self) -> StartUp:
        flops = self.steps * self._batches.tokens_per_step * self._model.flops_per_token() / self._together.count
        return self._train_on.start(self._feed(self._step), resolve_compile(self._run.training.compile, self._device, flops))

    def _train_step(self) -> None:
        ids = self._feed(self._step)
        self._step += 1
        loss, norm = self._train_on(ids, learning_rate(self._step, self.steps, self._run.training))
        self._losses.note(self._step, loss, norm)
        self._bytes_seen += self._entry_bytes[ids[:, 1:]].sum()

    def _log(self, shown: progress.Progress | None) -> None:
        """Evaluates and writes a line of metrics. Raises FailedStepError if the training has gone wrong."""
        self._clock.stop()
        training_loss = self._losses.mean(self._step)
        bytes_seen = int(self._together.sum(self._bytes_seen))
        if shown:
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
        self._losses.check(self._step)
        state = {
            **self._identity,
            **self._how,
            "step": self._step,
            "model": self._model.state_dict(),
            "optimizer": self._train_on.optimizer.state_dict(),
            **self._losses.state(),
            "bytes_seen": int(self._together.sum(self._bytes_seen)),
            "training_seconds": self._clock.seconds,
            "waited_seconds": self._clock.waited_seconds,
            "evaluation_seconds": self._evaluation_seconds,
            "shared_device": not self._was_alone,
        }
        if self._together.is_first:
            save_checkpoint(self._run.folder, self._step, state)
        self._clock.start()

    def _restore(self, state: dict[str, Any]) -> None:
        self._step = state["step"]
        self._model.load_state_dict(state["model"])
        self._train_on.optimizer.load_state_dict(state["optimizer"])
        self._losses.restore(state)
        self._bytes_seen.fill_(state["bytes_seen"] if self._together.is_first else 0)  # a sum over the processes
        self._clock.seconds, self._clock.waited_seconds = state["training_seconds"], state["waited_seconds"]
        self._evaluation_seconds = state["evaluation_seconds"]
        self._was_alone = self._was_alone and not state["shared_device"]
        self._say(f"going on from step {self._step}")

    def _say(self, text: str) -> None:
        if self._together.is_first:
            progress.print_line(f"{self._run.name}: {text}")

    def _record(self, start_up: StartUp, is_deterministic: bool) -> dict[str, Any]:
        """What a reader must know of the run beside its curves; write_record adds what model and machine are."""
        return {
            "track": self._run.track,
            "seed": self._run.seed,
            "steps": self.steps,
            "precision": self._how["precision"],
            "device_name": self._how["device_name"],
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
