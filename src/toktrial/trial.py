"""A trial: a protocol and the folder that its stages fill, in order. What is finished is not done again.

It hands each stage what that needs. The trainings and evaluations are jobs (jobs.py), which an executor has done.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from toktrial import artifact
from toktrial.amending import amend, changes, write_protocol
from toktrial.evaluation.run_files import FINAL_FILE, has_marginal, is_evaluated
from toktrial.execution.jobs import Executor, InTurn, Job, Worker
from toktrial.integrity import find_damage, is_mended, set_aside
from toktrial.lock import writing
from toktrial.protocol import Protocol
from toktrial.training.run import steps_done
from toktrial.trial_folder import PROTOCOL_FILE, TrialFolder, check_place

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents
    from toktrial.corpus.stage import Split
    from toktrial.report.result import TrialResult
    from toktrial.tokenizer.base import IdStream

P = ParamSpec("P")
R = TypeVar("R")
STAGES = ("corpus", "tokenizers", "tokens", "tune", "train", "evaluate", "report")


def writes(method: "Callable[Concatenate[Trial, P], R]") -> "Callable[Concatenate[Trial, P], R]":
    """Makes a method hold the trial's lock, so that no other process writes the trial meanwhile."""

    @wraps(method)
    def locked(trial: "Trial", /, *arguments: P.args, **options: P.kwargs) -> R:
        with writing(trial.folder):
            return method(trial, *arguments, **options)

    return locked


class Trial(TrialFolder):
    """The stages of one trial. Each first makes what it needs of the stages before it.

    Nothing heavy is imported before a stage has work to do.
    """

    def __init__(
        self,
        folder: Path | str,
        protocol: Protocol,
        allow_code: bool = False,
        executor: Executor | None = None,
        amends: bool = True,
    ) -> None:
        """Opens or begins the trial in `folder`.

        A protocol that differs only in what a trial may still change, such as more seeds, amends the trial's own; without
        `amends` only when `amend` is called, as before any stage it must be. Code that it names (a score of your own) is
        imported only with `allow_code`. `executor`: who trains and evaluates the runs; without it, this process, one after
        another.

        Raises TrialError where the folder holds a trial of another protocol (naming what differs), or something else.
        """
        super().__init__(folder, protocol, allow_code)
        self.executor = executor or InTurn()
        if self._has_begun:
            if amends or not changes(self.folder, self.protocol):
                self.amend()
        else:  # until its first stage is finished, a trial may take any other protocol
            check_place(self.folder)
            artifact.make_folder(self.folder)
            write_protocol(self.folder, self.protocol)

    @property
    def _has_begun(self) -> bool:
        stages = ("corpus", "tokenizers", "tokens", "runs")
        return (self.folder / PROTOCOL_FILE).is_file() and any((self.folder / stage).is_dir() for stage in stages)

    def amend(self) -> None:
        """Has the folder take over the protocol, where the trial was opened without amending it."""
        amend(self.folder, self.protocol)

    @writes
    def mend(self) -> None:
        """Puts aside what is damaged, so that the stages make it again. Reads every file: once, before anything is run."""
        set_aside(find_damage(self.folder), self.folder)

    @writes
    def run(self, last_stage: str = STAGES[-1]) -> None:
        """Does every stage up to `last_stage` that is not done. What is damaged stays so, unless `mend` was called."""
        do: dict[str, Callable[[], Any]] = {
            "corpus": self.make_corpus,
            "tokenizers": self.make_tokenizers,
            "tokens": self.make_tokens,
            "tune": self.tune,
            "train": self.train,
            "evaluate": self.evaluate,
            "report": self.report,
        }
        do[last_stage]()

    @writes
    def make_minimal_pairs(self) -> None:
        """Copies the minimal pairs that the protocol names, if any, into the trial."""
        if self.protocol.evaluation.minimal_pairs:
            from toktrial.evaluation.minimal_pairs import prepare_minimal_pairs

            prepare_minimal_pairs(self.protocol.evaluation.minimal_pairs, self.folder)

    @writes
    def make_corpus(self) -> dict[str, Any]:
        """Reads and splits the corpus, after the minimal pairs. Returns its manifest."""
        self.make_minimal_pairs()
        self.executor.make_corpus(self)
        return artifact.read_manifest(self.corpus_folder)

    @writes
    def make_tokenizers(self, train_ids: "dict[str, IdStream] | None" = None) -> dict[str, str]:
        """Makes every track's tokenizer. Returns their fingerprints by track. `train_ids`: see `prepare_tokenizers`."""
        if not all(map(artifact.is_finished, self.tokenizer_folders.values())):
            self.check_code()  # the stage checks again, but a corpus may take long
        manifest = self.make_corpus()
        from toktrial.tokenizer.stage import prepare_tokenizers

        return prepare_tokenizers(
            self.protocol.tracks,
            self.protocol.vocab_size,
            self._documents("train"),
            manifest["fingerprint"],
            self.folder,
            held_out=self._documents("validation"),
            allow_code=self.allow_code,
            bpe_trainer=self.protocol.bpe_trainer,
            train_ids=train_ids,
        )

    @writes
    def make_tokens(self) -> dict[str, str]:
        """Encodes the corpus for every track. Returns the fingerprints by track."""
        train_ids: dict[str, IdStream] = {}
        fingerprints = self.make_tokenizers(train_ids)
        from toktrial.tokenizer.load import load_tokenizer
        from toktrial.tokens.store import write_tokens

        splits = self._splits()
        return {
            track: write_tokens(
                self.tokens_folder(track),
                load_tokenizer(folder),
                fingerprints[track],
                splits,
                folder.name,
                train_ids.get(fingerprints[track]),
                self.executor.map,
            )
            for track, folder in self.tokenizer_folders.items()
        }

    @writes
    def tune(self) -> None:
        """Tries the learning rates that the protocol names, if any, with some training documents set aside to judge by."""
        self.make_tokens()
        if not self.protocol.tuning.rates:
            return
        from toktrial.training.rates import tune

        self._set_documents_aside()

        def try_rates(places: Sequence[tuple[str, float, int]]) -> list[float | None]:
            return self.executor.do(self, [Job("tune", track, seed, rate) for track, rate, seed in places])

        tune(self.folder, self.protocol.tuning, list(self.protocol.tracks), self.tuning_run, try_rates)

    def _set_documents_aside(self) -> None:
        """Splits every track's training documents for the tuning, all tracks alike."""
        from toktrial.corpus.stage import set_aside
        from toktrial.tokens.store import TokenStore, write_parted_tokens

        documents, folders = self.protocol.tuning.documents, self.tuning_tokens_folders
        stores = {track: TokenStore.open(folder) for track, folder in self.tokens_folders.items()}
        inputs = {track: {"tokens": of.manifest["fingerprint"], "documents": documents} for track, of in stores.items()}
        fingerprints = {track: artifact.fingerprint("parted", of) for track, of in inputs.items()}
        if all(artifact.is_finished(folders[track], of) for track, of in fingerprints.items()):
            return
        is_set_aside = set_aside(self._documents("train"), documents)
        for track, store in stores.items():
            write_parted_tokens(folders[track], store, fingerprints[track], is_set_aside)

    @writes
    def train(self) -> None:
        """Trains every run that is not trained yet. Seed by seed, the tracks take turns in going first."""
        self.tune()
        self.executor.do(self, [Job("train", *place) for place in self.all_runs()])

    @writes
    def evaluate(self) -> None:
        """Evaluates every run on all validation documents, prompts and minimal pairs, and describes the vocabularies.

        A sequential design then looks, and trains and evaluates another seed of every track while its verdict is open.
        """
        evaluated: set[tuple[str, int]] = set()
        while not evaluated.issuperset(runs := list(self.run_order())):
            self._evaluate_runs(runs)
            evaluated.update(runs)

    def _evaluate_runs(self, runs: Sequence[tuple[str, int]]) -> None:
        self.train()
        from toktrial.evaluation.count_models import measure_floors
        from toktrial.evaluation.intrinsic import measure_intrinsics
        from toktrial.evaluation.overlap import account_overlap
        from toktrial.evaluation.vocabulary import describe_vocabularies

        sizes = {track: self.vocab_size_of(track) for track in self.protocol.tracks}
        describe_vocabularies(self.folder, self.tokenizer_folders, self.tokens_folders, sizes)
        measure_floors(self.folder, self.tokens_folders, self.protocol.evaluation.eval_documents)
        measure_intrinsics(self.folder, self.tokenizer_folders, self.tokens_folders)
        contexts = {track: self.shape_of(track)[0].context for track in self.protocol.tracks}
        account_overlap(self.folder, self._splits(), self._corpus_fingerprint(), self.tokens_folders, contexts)
        if self.protocol.evaluation.minimal_pairs:
            from toktrial.evaluation.minimal_pairs import account_known_pairs

            account_known_pairs(self.folder, self._corpus_fingerprint(), self._documents("train"))
        self.executor.do(self, [Job("evaluate", *place) for place in self.all_runs()])
        seeds = sorted({seed for _, seed in runs if seed <= self.protocol.last_seed})
        self._measure_samples(seeds)
        self._measure_loss_parts(seeds)

    def _measure_loss_parts(self, seeds: Sequence[int]) -> None:
        from toktrial.evaluation.loss_parts import measure_loss_parts

        of_tracks = {track: [self.run_of(track, seed) for seed in seeds] for track in self.protocol.tracks}
        measure_loss_parts(self.folder, of_tracks, self.tokenizer_folders, self.tokens_folders)

    def _measure_samples(self, seeds: Sequence[int]) -> None:
        from toktrial.evaluation.sample_measures import measure_samples

        runs = {seed: {track: self.run_of(track, seed) for track in self.protocol.tracks} for seed in seeds}
        measure_samples(self.folder, runs, self.tokenizer_folders, self._documents("train"), self._documents("validation"))

    @writes
    def report(self, target: float | None = None) -> "TrialResult":
        """Does all that is not done yet and writes the report. Returns its result.

        Once everything is evaluated, the report is made from those files alone, whatever became of the corpus. `target`: bits
        per byte whose cost is reported for each track, beside that of the baseline's final value.
        """
        if not is_mended(self.folder) or not self._is_evaluated():
            self.evaluate()
        from toktrial.report.page import write_report

        return write_report(self.folder, target)

    @property
    def is_trained(self) -> bool:
        """Whether every run that the protocol asks for has taken all of its steps, by whatever settings."""
        if not self.is_tuned:
            return False
        runs = [(self.run_folder(*place), self._wanted_steps(place[0])) for place in self.all_runs()]
        return all(artifact.is_finished(folder) and steps_done(folder) >= steps for folder, steps in runs)

    def _wanted_steps(self, track: str) -> int:
        """Returns the steps of a track's runs; 0 where passes over the text decide, of which a trial never takes more."""
        return 0 if self.protocol.training.epochs else self.shape_of(track)[1].steps

    def finished_result(self, target: float | None = None) -> "TrialResult | None":
        """Returns the result where every run is evaluated and the report is of these files and this target, else None.

        It is None, too, where the protocol has yet to amend that of the folder, and where another version wrote the report and
        its results.json cannot be read in this one's terms.
        """
        from toktrial.report.inputs import report_fingerprint
        from toktrial.report.result import typed

        if changes(self.folder, self.protocol) or not is_mended(self.folder) or not self._is_evaluated():
            return None
        if not artifact.is_finished(self.report_folder, report_fingerprint(self.folder, target)):
            return None
        try:
            return typed(artifact.read_json(self.report_folder / "results.json"))
        except (ValueError, LookupError):
            return None

    def _is_evaluated(self) -> bool:
        """Whether the evaluate stage is finished, by its own files. It writes the measures of the samples last."""
        from toktrial.report.inputs import INTRINSIC_FILE, SAMPLE_MEASURES_FILE

        accounts = (INTRINSIC_FILE, SAMPLE_MEASURES_FILE)  # earlier versions did not write the first
        if not self.is_tuned or not all((self.folder / name).is_file() for name in accounts):
            return False
        places, protocol = self.all_runs(), self.protocol  # as amended since, maybe
        folders = [self.run_folder(*place) for place in places]
        marginal = protocol.evaluation.marginal
        if not all(is_evaluated(folder) and has_marginal(folder, marginal) for folder in folders) or self._asks_for_more():
            return False
        finals = [artifact.read_json(folder / FINAL_FILE) for folder in folders]
        has_all_steps = all(
            final["step"] >= self._wanted_steps(track) for final, (track, *_) in zip(finals, places, strict=True)
        )
        return has_all_steps and (protocol.verdict.budget != "bytes" or all(final.get("equal_bytes") for final in finals))

    def _asks_for_more(self) -> bool:
        """Whether the protocol, as amended since, asks for another evaluation of a run than was made.

        What was trained by other settings is left alone here, and so is everything once the token files are gone.
        """
        for folder in self.tokens_folders.values():
            files = artifact.read_manifest(folder).get("files", {}) if artifact.is_finished(folder) else {}
            if not files or not all((folder / name).is_file() for name in files):
                return False
        from toktrial.evaluation.minimal_pairs import MINIMAL_PAIRS_FOLDER

        if self.protocol.evaluation.minimal_pairs and not artifact.is_finished(self.folder / MINIMAL_PAIRS_FOLDER):
            return True
        worker = Worker(self)
        return any(
            worker.is_done(Job("train", *place)) and not worker.is_done(Job("evaluate", *place)) for place in self.all_runs()
        )

    def _documents(self, split: "Split") -> "Documents":
        from toktrial.corpus.stage import open_documents

        return open_documents(self.corpus_folder, split)

    def _splits(self) -> "dict[str, Documents]":
        return {"train": self._documents("train"), "validation": self._documents("validation")}

    def _corpus_fingerprint(self) -> str:
        return str(artifact.read_manifest(self.corpus_folder)["fingerprint"])
