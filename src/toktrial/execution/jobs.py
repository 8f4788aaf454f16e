"""The jobs of a trial: the trainings, evaluations and timings that need nothing but its files, and so can be done anywhere.

trial.py lists them stage by stage, and an executor has a Worker do them: `InTurn` one after another in this process,
parallel.py side by side in processes of their own. What a job leaves behind does not depend on where and when it is done.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from typing import Protocol as Interface

from toktrial import artifact, progress
from toktrial.evaluation.run_files import is_evaluated, withdraw_evaluation
from toktrial.execution.machine import check_memory
from toktrial.lock import is_follower, writing_run
from toktrial.protocol import Protocol
from toktrial.training.calibration import calibrate, is_calibrated
from toktrial.training.rates import Policy
from toktrial.trial_folder import TrialFolder

if TYPE_CHECKING:
    from pathlib import Path

    from toktrial.training.loop import Evaluator
    from toktrial.training.run import Run

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
TITLES = {"calibrate": "timing", "tune": "tuning", "train": "training", "evaluate": "final evaluation"}


@dataclass(frozen=True)
class Job:
    """A job, in terms that JSON can hold, so that only this and the trial's folder travel: `Job(**asdict(job)) == job`."""

    what: Literal["calibrate", "tune", "train", "evaluate"]
    track: str
    seed: int = 1
    rate: float | Policy | None = None
    """The learning rate of a tuning run; else which of the tuned rates. None: the one that decides."""

    def __str__(self) -> str:
        if self.what == "calibrate":
            return f"timing {self.track} alone"
        at = f" at {self.rate:g}" if isinstance(self.rate, float) else ""
        return f"{self.what} {self.track}, seed {self.seed}{at}"


class Executor(Interface):
    """What has jobs done.

    Where runs may be trained side by side, it first has each track timed on a machine that does nothing else (`calibrations`).
    """

    def room(self, trial: TrialFolder) -> int:
        """Returns how many jobs it can do at the same time."""

    def do(self, trial: TrialFolder, jobs: Sequence[Job]) -> list[Any]:
        """Does all jobs, in any order, and returns what they found, in the order of `jobs`.

        Raises TrialError where one fails, and what the signal raises where the program is told to stop; runs that are in their
        middle have then written a checkpoint.
        """

    def check_memory(self, trial: TrialFolder) -> None:
        """Raises TrialError where as many trainings as it does at the same time surely need more memory than there is."""
        check_memory(trial.protocol, self.room(trial))

    def with_threads(self, protocol: Protocol) -> Protocol:
        """Returns the protocol with a number of threads, where it leaves open what results depend on."""
        return protocol

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """Calls a function, one that pickle can name, for each item and yields what it returns, in order."""
        return map(function, items)

    def make_corpus(self, trial: TrialFolder) -> None:
        """Reads the corpus into the trial, unless that is done. Raises as `prepare_corpus`."""
        from toktrial.corpus.stage import prepare_corpus

        prepare_corpus(trial.protocol.corpus, trial.corpus_folder)


def calibrations(jobs: Sequence[Job]) -> list[Job]:
    """Returns the jobs that time the tracks which other jobs train. Each must be alone on its machine."""
    return [Job("calibrate", track) for track in dict.fromkeys(job.track for job in jobs if job.what in ("tune", "train"))]


class InTurn(Executor):
    """Does one job after another, in this process."""

    def room(self, _trial: TrialFolder) -> int:
        return 1

    def do(self, trial: TrialFolder, jobs: Sequence[Job]) -> list[Any]:
        worker = Worker(trial)
        return [worker.do(job) for job in jobs]


class Worker:
    """Does jobs of one trial, and keeps in memory what they have in common. Of the trial it writes only into runs."""

    def __init__(self, trial: TrialFolder, is_alone: bool = True) -> None:
        """is_alone: whether no other job is done on this machine meanwhile; a run notes it, for its seconds depend on it."""
        self._trial, self._is_alone = trial, is_alone
        self._scorer = functools.cache(self._make_scorer)
        self._run_of = functools.cache(self._make_run)

    def folder_of(self, job: Job) -> "Path":
        """Returns the one folder that a job writes."""
        return self._run_of(job).folder

    def do(self, job: Job) -> float | None:
        """Does a job, unless that is done; continues what was interrupted. Nobody else may write its run meanwhile.

        Returns what JSON can hold: of a tuning run its bits per byte, None if it diverged; of any other job None. Raises as
        `loop.train` does.
        """
        from toktrial.training.device import limited_threads

        run = self._run_of(job)
        if job.what == "calibrate":
            calibrate(run)
            return None
        do = {"tune": self._tune, "train": self._train, "evaluate": self._evaluate}[job.what]
        with writing_run(run.folder), limited_threads(run.training.threads):
            return do(job, run)

    def is_done(self, job: Job) -> bool:
        """Whether doing the job again would be a matter of moments. A tuning run is judged every time, so it never is done."""
        run = self._run_of(job)
        if job.what == "calibrate":
            return is_calibrated(run)
        tokens = artifact.read_manifest(run.tokens_folder)["fingerprint"]
        if job.what == "tune" or not run.is_trained(tokens):
            return False
        return job.what == "train" or self._is_evaluated(job, run, tokens)

    def _is_evaluated(self, job: Job, run: "Run", tokens: str) -> bool:
        from toktrial.evaluation.marginal import is_measured
        from toktrial.evaluation.minimal_pairs import is_scored
        from toktrial.evaluation.stage import run_evaluation_fingerprint

        config = self._trial.protocol.evaluation
        if not is_evaluated(run.folder, run_evaluation_fingerprint(run, tokens, config)):
            return False
        if config.marginal and not is_measured(run, tokens, config.marginal):
            return False
        return not self._judges_pairs(job) or is_scored(run, self._trial.folder)

    def _make_run(self, job: Job) -> "Run":
        if job.what == "calibrate":
            return self._trial.calibration_run(job.track)
        if isinstance(job.rate, float):
            return self._trial.tuning_run(job.track, job.rate, job.seed)
        return self._trial.run_of(job.track, job.seed, job.rate)

    def _tune(self, job: Job, run: "Run") -> float | None:
        from toktrial.training.rates import try_rate

        judge = self._scorer(job.track, run.tokens_folder, 0)
        return try_rate(run, self._curve_scorer(run), judge, self._is_alone)

    def _train(self, job: Job, run: "Run") -> None:
        from toktrial.corpus.stage import open_documents
        from toktrial.training.loop import train

        if not self.is_done(job) and not is_follower():
            withdraw_evaluation(run.folder)
        texts = open_documents(self._trial.corpus_folder, "train")
        train(run, self._curve_scorer(run), texts.__getitem__, self._is_alone)

    def _evaluate(self, job: Job, run: "Run") -> None:
        if self.is_done(job):  # a process that was killed may have left a file without its entry in the manifest
            return self._evaluate_both(job, run, lambda _done: None)
        with progress.progress(f"evaluating {run.name}", 1.0 + self._judges_pairs(job)) as shown:
            return self._evaluate_both(job, run, shown.update)

    def _evaluate_both(self, job: Job, run: "Run", on_progress: Callable[[float], None]) -> None:
        """Has a run judge the pairs, if it is asked, and evaluates it. on_progress: called with how many of both are done."""
        from toktrial.evaluation.minimal_pairs import score_run
        from toktrial.evaluation.stage import evaluate_run

        tokenizer, judges = self._trial.tokenizer_folder(job.track), self._judges_pairs(job)
        if judges:
            score_run(run, tokenizer, self._trial.folder, on_progress)
        evaluate_run(run, tokenizer, self._trial.protocol.evaluation, lambda share: on_progress(judges + share))

    def _judges_pairs(self, job: Job) -> bool:
        """Whether a run is asked about minimal pairs: not a control's, nor one at the other rate, as nothing compares those."""
        plan = self._trial.protocol
        is_compared = job.seed <= plan.last_seed and job.rate in (None, plan.tuning.decides)
        return bool(plan.evaluation.minimal_pairs) and is_compared

    def _curve_scorer(self, run: "Run") -> "Evaluator":
        return self._scorer(run.track, run.tokens_folder, self._trial.protocol.evaluation.eval_documents)

    def _make_scorer(self, track: str, tokens_folder: "Path", documents: int) -> "Evaluator":
        """Returns what scores a track's model on the first `documents` validation documents of its tokens; 0: on all."""
        from toktrial.evaluation.bits_per_byte import DocumentScorer
        from toktrial.tokens.store import TokenStore

        store, context = TokenStore.open(tokens_folder), self._trial.shape_of(track)[0].context
        return DocumentScorer(store.validation, store.entry_bytes, context, self._trial.vocab_size_of(track), documents).score
