"""A trial: a protocol and the folder that its stages fill, in order; what is done is not done again.

This file alone sees every stage. It hands each what it needs, and the trainer its evaluator.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toktrial import artifact, progress, protocol
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.training.config import ModelConfig, TrainingConfig

if TYPE_CHECKING:
    from toktrial.report.result import TrialResult

PROTOCOL_FILE = "protocol.toml"
EVALUATION_FILES = ("samples.json", "document_nats.npy", "final.json")  # what the evaluate stage writes into a run
MEASURES_FILE = "evaluation/samples/measures.json"  # and, last, into the trial
STAGES = ("corpus", "tokenizers", "tokens", "train", "evaluate", "report")


class Trial:
    """The stages of one trial, each of which first makes what it needs of those before it.

    Nothing heavy is imported before a stage has work to do.
    """

    def __init__(self, folder: Path | str, plan: Protocol) -> None:
        """Opens or begins the trial in `folder`.

        A protocol that differs in what a trial can take, more seeds for example, amends it.

        Raises TrialError where the folder holds a trial of another protocol (naming what differs), or something else.
        """
        self.folder, self.protocol = Path(folder), plan
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

    def train(self) -> None:
        """Trains every run that is not trained. The tracks take turns in going first, seed by seed."""
        self.make_tokens()
        from toktrial.corpus.stage import open_documents
        from toktrial.training.loop import train

        texts = open_documents(self.corpus_folder, "train")
        for track, seed in self.run_order():
            train(self.run_of(track, seed), self._evaluators[track], texts.__getitem__)

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
        from toktrial.evaluation.stage import describe_vocabularies, evaluate_run

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
        with progress.progress("final evaluation and samples", len(runs), "run") as shown:
            for done, (track, seed) in enumerate(runs, start=1):
                evaluate_run(self.run_of(track, seed), self.tokenizer_folder(track), self.protocol.evaluation)
                shown.update(done)
        self._measure_samples(sorted({seed for _, seed in paired}))

    def _judge_minimal_pairs(self, runs: Sequence[tuple[str, int]]) -> None:
        """Has the runs judge the pairs; those of the control are not asked, for nothing compares them."""
        from toktrial.corpus.stage import open_documents
        from toktrial.evaluation.minimal_pairs import MINIMAL_PAIRS_FOLDER
        from toktrial.evaluation.pair_scoring import account_known_pairs, score_run

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
        from toktrial.report.results_file import typed

        if not self._is_evaluated():
            return None
        if not artifact.is_finished(self.report_folder, report_fingerprint(self.folder, target)):
            return None
        try:
            return typed(artifact.read_json(self.report_folder / "results.json"))
        except (ValueError, LookupError):
            return None

    def run_order(self) -> Iterator[tuple[str, int]]:
        """Yields (track, seed) in the order of training: a seed of every track, then its run of the control, if any.

        So a trial that was interrupted holds as many pairs of the control as of the tracks.
        """
        tracks = list(self.protocol.tracks)
        for index, seed in enumerate(self.seed_numbers):
            for track in tracks if index % 2 == 0 else reversed(tracks):
                yield track, seed
            if index < len(self.protocol.control_seeds):
                yield self.protocol.baseline, self.protocol.control_seeds[index]

    @property
    def seed_numbers(self) -> range:
        """The seeds of every track, by what is known: the protocol's, and one more while a sequential design is open."""
        plan = self.protocol
        seeds = plan.seeds
        while seeds < plan.last_seed and (finals := self._finals(seeds)) is not None:
            from toktrial.report.sequential import is_open

            if not is_open(finals, plan.seeds, plan.most_seeds, plan.verdict.confidence):
                break
            seeds += 1
        return range(1, seeds + 1)

    def _finals(self, seeds: int) -> list[list[float]] | None:
        """Returns the bits per byte that the verdict reads, track by track, the baseline's first; None where one is missing."""
        from toktrial.report.evaluated import judged_bits_per_byte
        from toktrial.report.inputs import read_final

        paths = [
            [self.run_folder(track, seed) / "final.json" for seed in range(1, seeds + 1)] for track in self.protocol.tracks
        ]
        if not all(path.is_file() for of_track in paths for path in of_track):
            return None
        budget = self.protocol.verdict.budget
        return [[judged_bits_per_byte(read_final(path), budget) for path in of_track] for of_track in paths]

    def run_of(self, track: str, seed: int) -> Any:
        """Returns what the trainer needs for one run."""
        from toktrial.training.run import Run

        model, training = self.shape_of(track)
        return Run(
            track=track,
            seed=seed,
            vocab_size=self.protocol.vocab_size,
            model=model,
            training=training,
            tokens_folder=self.tokens_folder(track),
            folder=self.run_folder(track, seed),
            keep_weights_at=self.equal_bytes_step(track, seed),
            must_keep_weights=self.protocol.verdict.budget == "bytes",
        )

    def shape_of(self, track: str) -> tuple[ModelConfig, TrainingConfig]:
        """Returns the configs that a track is trained with; with `training.match` in bytes its token files must be there."""
        model, training = self.protocol.model, self.protocol.training
        if training.match == "tokens" or track == self.protocol.baseline:
            return model, training
        from toktrial.training.matching import matched_shape

        return matched_shape(model, training, self._bytes_per_token(track) / self._bytes_per_token(self.protocol.baseline))

    def _bytes_per_token(self, track: str) -> float:
        """Of the training documents, their closing ids included."""
        sizes = artifact.read_manifest(self.tokens_folder(track))["train"]
        return float(sizes["bytes"] / (sizes["tokens"] + sizes["documents"]))

    def equal_bytes_step(self, track: str, seed: int) -> int:
        """Returns the last step by which a run has read no more text than any track's run of that seed reads in all.

        Under one seed every track reads the same documents in the same order, so up to there all have read the same text.
        0 where token files are still missing.
        """
        if not all((self.tokens_folder(each) / artifact.MANIFEST).is_file() for each in self.protocol.tracks):
            return 0
        from toktrial.tokens.batches import Batches
        from toktrial.tokens.store import TokenStore
        from toktrial.training.run import steps_of

        stores = {each: TokenStore.open(self.tokens_folder(each)) for each in self.protocol.tracks}
        batches, steps = {}, {}
        for each, store in stores.items():
            model, training = self.shape_of(each)
            batches[each] = Batches(store.train, seed, training.batch_size, model.context)
            steps[each] = steps_of(training, batches[each].epoch_tokens, model.context)
        least = min(batches[each].bytes_read(steps[each], stores[each].entry_bytes) for each in stores)
        return batches[track].last_step_within(least, steps[track], stores[track].entry_bytes)

    def run_folder(self, track: str, seed: int) -> Path:
        return self.folder / "runs" / track / f"seed-{seed}"

    @property
    def corpus_folder(self) -> Path:
        return self.folder / "corpus"

    def tokenizer_folder(self, track: str) -> Path:
        from toktrial.tokenizer.config import TOKENIZERS_FOLDER, tokenizer_names

        return self.folder / TOKENIZERS_FOLDER / tokenizer_names(self.protocol.tracks)[track]

    def tokens_folder(self, track: str) -> Path:
        return self.folder / "tokens" / track

    @property
    def report_folder(self) -> Path:
        return self.folder / "report"

    def _amend(self, path: Path) -> None:
        from toktrial.amendments import amend
        from toktrial.report.amendments import describe_amendment

        for amendment in (made := amend(self.folder, protocol.load(path), self.protocol)):
            progress.print_line(f"amended: {describe_amendment(amendment)}")
        if made:
            protocol.save(self.protocol, path)

    def _is_evaluated(self) -> bool:
        """Whether the evaluate stage came to its end; the measures of the samples are the last that it writes."""
        runs = [self.run_folder(*run) for run in self.run_order()]
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
        from toktrial.evaluation.bits_per_byte import DocumentScorer
        from toktrial.tokens.store import TokenStore

        evaluators = {}
        for track in self.protocol.tracks:
            store = TokenStore.open(self.tokens_folder(track))
            evaluators[track] = DocumentScorer(
                store.validation,
                store.entry_bytes,
                self.shape_of(track)[0].context,
                self.protocol.vocab_size,
                self.protocol.evaluation.eval_documents,
            ).score
        return evaluators
