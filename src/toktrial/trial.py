"""A trial: a protocol and the folder that its stages fill, in order; what is done is not done again.

This file alone sees every stage. It hands each what it needs, and the trainer its evaluator.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toktrial import artifact, progress, protocol
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.trial_folder import TrialFolder

if TYPE_CHECKING:
    from toktrial.report.result import TrialResult

PROTOCOL_FILE = "protocol.toml"
EVALUATION_FILES = ("samples.json", "document_nats.npy", "final.json")  # what the evaluate stage writes into a run
MEASURES_FILE = "evaluation/samples/measures.json"  # and, last, into the trial
STAGES = ("corpus", "tokenizers", "tokens", "tune", "train", "evaluate", "report")


class Trial(TrialFolder):
    """The stages of one trial, each of which first makes what it needs of those before it.

    Nothing heavy is imported before a stage has work to do.
    """

    def __init__(self, folder: Path | str, plan: Protocol) -> None:
        """Opens or begins the trial in `folder`.

        A protocol that differs in what a trial can take, more seeds for example, amends it.

        Raises TrialError where the folder holds a trial of another protocol (naming what differs), or something else.
        """
        super().__init__(Path(folder), plan)
        path = self.folder / PROTOCOL_FILE
        has_begun = any((self.folder / stage).is_dir() for stage in ("corpus", "tokenizers", "tokens", "runs"))
        if path.is_file() and has_begun:
            self._amend(path)
        elif not path.is_file() and self.folder.exists() and any(self.folder.iterdir()):
            raise TrialError(f"{self.folder} holds no trial, but is not empty: name another folder with --trial")
        else:  # until its first stage is finished, a trial may still change its mind
            self.folder.mkdir(parents=True, exist_ok=True)
            protocol.save(plan, path)

    @classmethod
    def open(cls, folder: Path | str) -> "Trial":
        """Opens the trial in `folder` with the protocol that it has."""
        return cls(folder, protocol.load(Path(folder) / PROTOCOL_FILE))

    def run(self, last_stage: str = STAGES[-1]) -> None:
        """Does every stage up to `last_stage` that is not done."""
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

    def make_minimal_pairs(self) -> None:
        """Keeps the minimal pairs that the protocol names, if any, in the trial."""
        if self.protocol.evaluation.minimal_pairs:
            from toktrial.evaluation.minimal_pairs import prepare_minimal_pairs

            prepare_minimal_pairs(self.protocol.evaluation.minimal_pairs, self.folder)

    def make_corpus(self) -> dict[str, Any]:
        """Reads and splits the corpus, the minimal pairs before it; returns its manifest."""
        from toktrial.corpus.stage import prepare_corpus

        self.make_minimal_pairs()
        return prepare_corpus(self.protocol.corpus, self.corpus_folder)

    def make_tokenizers(self) -> dict[str, str]:
        """Makes every track's tokenizer; returns their fingerprints by track."""
        manifest = self.make_corpus()
        from toktrial.corpus.stage import open_documents
        from toktrial.tokenizer.stage import prepare_tokenizers

        return prepare_tokenizers(
            self.protocol.tracks,
            self.protocol.vocab_size,
            open_documents(self.corpus_folder, "train"),
            manifest["fingerprint"],
            self.folder,
            held_out=open_documents(self.corpus_folder, "validation"),
        )

    def make_tokens(self) -> dict[str, str]:
        """Encodes the corpus for every track; returns the fingerprints by track."""
        fingerprints = self.make_tokenizers()
        from toktrial.corpus.stage import open_documents
        from toktrial.tokenizer.load import load_tokenizer
        from toktrial.tokens.store import write_tokens

        splits = {split: open_documents(self.corpus_folder, split) for split in ("train", "validation")}
        return {
            track: write_tokens(
                self.tokens_folder(track),
                load_tokenizer(self.tokenizer_folder(track)),
                fingerprints[track],
                splits,
                self.tokenizer_folder(track).name,
            )
            for track in self.protocol.tracks
        }

    def tune(self) -> None:
        """Tries the grid of learning rates, where the protocol names one, on training documents but for some set aside."""
        self.make_tokens()
        if not self.protocol.tuning.rates:
            return
        from toktrial.training.rates import tune

        self._set_documents_aside()
        tracks, documents = list(self.protocol.tracks), self.protocol.evaluation.eval_documents
        folders = {track: self._tuning_tokens_folder(track) for track in tracks}
        evaluators = {track: self._evaluator(track, folder, documents) for track, folder in folders.items()}
        judges = {track: self._evaluator(track, folder) for track, folder in folders.items()}
        tune(self.folder, self.protocol.tuning, tracks, self._tuning_run, evaluators, judges)

    def _set_documents_aside(self) -> None:
        """Parts every track's training documents, all tracks alike, for the tuning."""
        from toktrial.corpus.stage import open_documents, set_aside
        from toktrial.tokens.store import TokenStore, write_parted_tokens

        documents = self.protocol.tuning.documents
        stores = {track: TokenStore.open(self.tokens_folder(track)) for track in self.protocol.tracks}
        inputs = {track: {"tokens": of.manifest["fingerprint"], "documents": documents} for track, of in stores.items()}
        fingerprints = {track: artifact.fingerprint("parted", of) for track, of in inputs.items()}
        if all(artifact.is_finished(self._tuning_tokens_folder(track), of) for track, of in fingerprints.items()):
            return
        is_set_aside = set_aside(open_documents(self.corpus_folder, "train"), documents)
        for track, store in stores.items():
            write_parted_tokens(self._tuning_tokens_folder(track), store, fingerprints[track], is_set_aside)

    def train(self) -> None:
        """Trains every run that is not trained. The tracks take turns in going first, seed by seed."""
        self.tune()
        from toktrial.corpus.stage import open_documents
        from toktrial.training.loop import train

        texts = open_documents(self.corpus_folder, "train")
        for run in [*(self.run_of(*place) for place in self.run_order()), *self.runs_at_other_rate()]:
            train(run, self._evaluators[run.track], texts.__getitem__)

    def evaluate(self) -> None:
        """Evaluates every run on all validation documents, prompts and minimal pairs; describes the vocabularies.

        A sequential design looks then, and trains and evaluates another seed of every track while its verdict is open.
        """
        evaluated: set[tuple[str, int]] = set()
        while not evaluated.issuperset(runs := list(self.run_order())):
            self._evaluate_runs(runs)
            evaluated.update(runs)

    def _evaluate_runs(self, runs: Sequence[tuple[str, int]]) -> None:
        self.train()
        from toktrial.corpus.stage import open_documents
        from toktrial.evaluation.count_models import measure_floors
        from toktrial.evaluation.overlap import account_overlap
        from toktrial.evaluation.stage import evaluate_run
        from toktrial.evaluation.vocabulary import describe_vocabularies

        tracks = list(self.protocol.tracks)
        tokenizer_folders = {track: self.tokenizer_folder(track) for track in tracks}
        tokens_folders = {track: self.tokens_folder(track) for track in tracks}
        describe_vocabularies(self.folder, tokenizer_folders, tokens_folders, self.protocol.vocab_size)
        measure_floors(self.folder, tokens_folders, self.protocol.evaluation.eval_documents)
        splits = {split: open_documents(self.corpus_folder, split) for split in ("train", "validation")}
        corpus = artifact.read_manifest(self.corpus_folder)["fingerprint"]
        contexts = {track: self.shape_of(track)[0].context for track in tracks}
        account_overlap(self.folder, splits, corpus, tokens_folders, contexts)
        paired = [(track, seed) for track, seed in runs if seed <= self.protocol.last_seed]
        if self.protocol.evaluation.minimal_pairs:
            self._judge_minimal_pairs(paired)
        trained = [*(self.run_of(*place) for place in runs), *self.runs_at_other_rate()]
        with progress.progress("final evaluation and samples", len(trained), "run") as shown:
            for done, run in enumerate(trained, start=1):
                evaluate_run(run, self.tokenizer_folder(run.track), self.protocol.evaluation)
                shown.update(done)
        self._measure_samples(sorted({seed for _, seed in paired}))

    def _judge_minimal_pairs(self, runs: Sequence[tuple[str, int]]) -> None:
        """Has the runs judge the pairs; those of the control are not asked, for nothing compares them."""
        from toktrial.corpus.stage import open_documents
        from toktrial.evaluation.minimal_pairs import MINIMAL_PAIRS_FOLDER, account_known_pairs, score_run

        corpus = artifact.read_manifest(self.corpus_folder)["fingerprint"]
        account_known_pairs(self.folder, corpus, open_documents(self.corpus_folder, "train"))
        pairs = artifact.read_manifest(self.folder / MINIMAL_PAIRS_FOLDER)["pairs"]
        with progress.progress("minimal pairs", len(runs) * pairs, "pair") as shown:
            for done, (track, seed) in enumerate(runs):

                def tell(share: float, done: int = done) -> None:
                    shown.update((done + share) * pairs)

                score_run(self.run_of(track, seed), self.tokenizer_folder(track), self.folder, tell)
                shown.update((done + 1) * pairs)

    def report(self, target: float | None = None) -> "TrialResult":
        """Does all that is not done, and writes the report; returns its result.

        Where all is evaluated, the report is made from these files alone, whatever became of the corpus. `target`: bits per
        byte whose cost is told for each track, beside that of the baseline's final value.
        """
        if not self._is_evaluated():
            self.evaluate()
        return self.write_report(target)

    def write_report(self, target: float | None = None) -> "TrialResult":
        """Writes the report from the files that are there; returns its result."""
        from toktrial.report.page import write_report

        return write_report(self.folder, target)

    def finished_result(self, target: float | None = None) -> "TrialResult | None":
        """Returns the result where every run is evaluated and the report is of these files and this target; else None.

        None, too, where the report is of another version, whose results.json says something else.
        """
        from toktrial.report.inputs import report_fingerprint
        from toktrial.report.result import typed

        if not self._is_evaluated():
            return None
        if not artifact.is_finished(self.report_folder, report_fingerprint(self.folder, target)):
            return None
        try:
            return typed(artifact.read_json(self.report_folder / "results.json"))
        except (ValueError, LookupError):
            return None

    def _amend(self, path: Path) -> None:
        from toktrial.amendments import amend
        from toktrial.report.amendments import describe_amendment

        for amendment in (made := amend(self.folder, protocol.load(path), self.protocol)):
            progress.print_line(f"amended: {describe_amendment(amendment)}")
        if made:
            protocol.save(self.protocol, path)

    def _is_evaluated(self) -> bool:
        """Whether the evaluate stage came to its end; the measures of the samples are the last that it writes."""
        if not self.is_tuned:
            return False
        runs = [self.run_folder(*run) for run in self.run_order()]
        runs += [run.folder for run in self.runs_at_other_rate()]
        paths = [folder / name for folder in runs for name in EVALUATION_FILES]
        if not all(path.is_file() for path in [*paths, self.folder / MEASURES_FILE]):
            return False
        return all(self._is_what_the_protocol_asks(artifact.read_json(folder / "final.json")) for folder in runs)

    def _is_what_the_protocol_asks(self, final: Mapping[str, Any]) -> bool:
        """Whether a run's final evaluation is that of the protocol as it may have been amended."""
        training, at_equal_bytes = self.protocol.training, self.protocol.verdict.budget == "bytes"
        has_all_steps = bool(training.epochs) or final["step"] == training.steps
        return has_all_steps and (not at_equal_bytes or bool(final.get("equal_bytes")))

    def _measure_samples(self, seeds: Sequence[int]) -> None:
        from toktrial.corpus.stage import open_documents
        from toktrial.evaluation.sample_measures import measure_samples

        tracks = list(self.protocol.tracks)
        measure_samples(
            self.folder,
            {seed: {track: self.run_of(track, seed) for track in tracks} for seed in seeds},
            {track: self.tokenizer_folder(track) for track in tracks},
            open_documents(self.corpus_folder, "train"),
            open_documents(self.corpus_folder, "validation"),
        )

    @cached_property
    def _evaluators(self) -> dict[str, Any]:
        """What measures each track's curve: its scorer, on the same documents for all tracks."""
        documents = self.protocol.evaluation.eval_documents
        return {track: self._evaluator(track, self.tokens_folder(track), documents) for track in self.protocol.tracks}

    def _evaluator(self, track: str, tokens_folder: Path, documents: int = 0) -> Any:
        """Returns what scores a track's model on so many of a token folder's validation documents; 0: on all."""
        from toktrial.evaluation.bits_per_byte import DocumentScorer
        from toktrial.tokens.store import TokenStore

        store = TokenStore.open(tokens_folder)
        context = self.shape_of(track)[0].context
        return DocumentScorer(store.validation, store.entry_bytes, context, self.protocol.vocab_size, documents).score
