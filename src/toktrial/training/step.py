"""One training step: forward and backward of a batch, clipping, the optimizer's step; compiled or eager.

The loop calls it with ids that are on the device already. No step waits for the device.
"""

import inspect
import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from toktrial import progress
from toktrial.training.config import TrainingConfig
from toktrial.training.device import (
    keep_freed_memory,
    synchronise,
)
from toktrial.training.distributed import Processes
from toktrial.training.model import GPT


@dataclass(frozen=True)
class StartUp:
    """What a step took before it ran at full speed; no run's clock counts this."""

    is_compiled: bool
    compile_seconds: float
    warm_up_seconds: float


class TrainingStep:
    """Trains one model. The loss is the mean over the batch, however many micro-batches and processes share it."""

    def __init__(self, model: GPT, config: TrainingConfig, precision: torch.dtype, processes: Processes) -> None:
        self._model, self._processes = model, processes
        self._micro_batch_size = config.micro_batch_size or config.batch_size // processes.count
        self._largest_norm = config.gradient_clip or math.inf
        self.optimizer = _optimizer(model, config)
        self._loss: nn.Module = _MeanLoss(model, precision)
        self._parallel = self._share(self._loss)

    def start(self, ids: Tensor, compiled: bool) -> StartUp:
        """Compiles if asked to, or says why it could not; then runs forward and backward once and discards the result.

        ids: (rows, T + 1) int64, as every later step has them.
        """
        keep_freed_memory(ids.device)
        compile_seconds = 0.0
        if compiled:
            started = time.perf_counter()
            compiled = self._compile(ids)
            compile_seconds = time.perf_counter() - started
        started = time.perf_counter()
        self._run_and_forget(ids)
        return StartUp(compiled, compile_seconds, time.perf_counter() - started)

    def __call__(self, ids: Tensor, learning_rate: float) -> tuple[Tensor, Tensor]:
        """Trains on ids (rows, T + 1) int64: this process's rows of the batch.

        Returns the mean loss of these rows, in nats per token, and the gradient's norm before clipping, both on the device.
        """
        loss = self._accumulate_gradients(ids)
        norm = nn.utils.clip_grad_norm_(self._model.parameters(), self._largest_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss, norm

    def _accumulate_gradients(self, ids: Tensor) -> Tensor:
        micro_batches = torch.split(ids, self._micro_batch_size)
        losses = []
        for index, micro_batch in enumerate(micro_batches):
            is_last = index == len(micro_batches) - 1
            with nullcontext() if is_last else self._without_exchange():
                loss: Tensor = self._parallel(micro_batch) / len(micro_batches)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    def _compile(self, ids: Tensor) -> bool:
        """Compiles in every process, or in none if one of them cannot, and says why. Returns whether it compiled."""
        from torch._inductor.utils import fresh_inductor_cache

        # What `determinism` chose is so far unknown to the compiler, which this tells.
        torch.use_deterministic_algorithms(torch.are_deterministic_algorithms_enabled())
        torch.compiler.reset()  # what another run of this process compiled must not count towards this one's limits
        eager = self._parallel
        # Kernels are made for a number of threads. An older torch, unless told, may take those for another from its cache.
        threads = {"cpp.threads": torch.get_num_threads()}
        compiled = torch.compile(self._loss, fullgraph=True, dynamic=False, options=threads)  # type: ignore[arg-type]  # invariant
        assert isinstance(compiled, nn.Module)
        self._parallel = self._share(compiled)
        reason = self._reason_not_to_run(ids)
        if reason:  # perhaps a half-written kernel in torch's cache, from a process that was killed while it compiled
            torch.compiler.reset()
            with fresh_inductor_cache():
                reason = self._reason_not_to_run(ids)
        failed = self._processes.first_where(bool(reason))
        if failed is None:
            return True
        if failed == self._processes.rank:
            progress.print_line(f"training uncompiled: torch.compile does not work here ({reason})")
        self._parallel = eager
        return False

    def _reason_not_to_run(self, ids: Tensor) -> str:
        """Tries the step and returns why it cannot run; an empty string if it can."""
        try:
            with self._without_exchange():  # so that no process waits for the gradients of one that fails
                self._run_and_forget(ids)
        except (RuntimeError, OSError, ImportError) as error:  # torch raises any of these if it cannot compile
            self.optimizer.zero_grad(set_to_none=True)
            return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return ""

    def _run_and_forget(self, ids: Tensor) -> None:
        self._accumulate_gradients(ids)
        self.optimizer.zero_grad(set_to_none=True)
        synchronise(ids.device)

    def _share(self, loss: nn.Module) -> nn.Module:
        """Makes the processes, if there are several, average their gradients at the end of each backward pass."""
        if self._processes.count == 1:
            return loss
        return DistributedDataParallel(loss, gradient_as_bucket_view=True, **_constant_buffers())

    def _without_exchange(self) -> AbstractContextManager[None]:
        parallel = self._parallel
        return parallel.no_sync() if isinstance(parallel, DistributedDataParallel) else nullcontext()


class _MeanLoss(nn.Module):
    """The loss of a micro-batch, in the precision of the training step."""

    def __init__(self, model: GPT, precision: torch.dtype) -> None:
        super().__init__()
        self._model, self._precision = model, precision

    def forward(self, ids: Tensor) -> Tensor:
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self._precision == torch.bfloat16):
            return self._model.loss(ids[:, :-1], ids[:, 1:])


def _constant_buffers() -> dict[str, Any]:
    """The argument that keeps DistributedDataParallel from sending buffers before each forward; torch 2.13 renamed it."""
    names = inspect.signature(DistributedDataParallel).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers": False}


def _optimizer(model: GPT, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW with weight decay only on matrices (embeddings among them), as GPT-2 and its successors have it."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    fused = model.wte.weight.device.type in ("cpu", "cuda")  # every torch that we support has it there
    return _EagerAdamW(groups, lr=config.learning_rate, betas=(config.beta1, config.beta2), fused=fused)


class _EagerAdamW(torch.optim.AdamW):
    """torch's AdamW, for steps outside of any compiled function, as all are here.

    torch wraps its optimizers so that compiled functions may call them. The wrappers import the compiler at their first call,
    which takes 2 s and 70 MB in each process that trains.
    """

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
