"""A trial's folder: where each stage's result is, which runs the trial has, and how each of them is trained.

Protocol -> trial folder -> trial.py, which fills it stage by stage. What only reads a trial opens it as a TrialFolder.
"""

import html
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import FINAL_FILE, is_evaluated
from toktrial.protocol import Protocol, load
from toktrial.tokenizer.config import TOKENIZERS_FOLDER, check_code, tokenizer_names
from toktrial.training.calibration import CALIBRATION_FOLDER
from toktrial.training.config import ModelConfig, TrainingConfig, steps_of
from toktrial.training.rates import (
    OTHER_RATE_FOLDER,
    RATES_FILE,
    RATES_FOLDER,
    TUNING_FOLDER,
    Policy,
    read_tuned_rates,
    tuning_settings,
)

if TYPE_CHECKING:
    import polars as pl

    from toktrial.report.result import TrialResult
    from toktrial.training.run import Run

PROTOCOL_FILE = "protocol.toml"
TRIALS = Path("trials")  # where a trial is that names no folder


def check_place(folder: Path) -> None:
    """Raises TrialError where a trial cannot be in `folder`, because something else is."""
    holds_trial = (folder / PROTOCOL_FILE).is_file() or not folder.exists()
    if not holds_trial and artifact.is_finished(folder) and "protocol" in artifact.read_manifest(folder):
        raise TrialError(f"{folder / PROTOCOL_FILE} is missing: `toktrial verify {folder} --repair` restores it")
    if not holds_trial and any(not path.name.startswith(".") for path in folder.iterdir()):  # .lock, or what is not whole yet
        raise TrialError(f"{folder} is not empty, but holds no trial: name another folder with --trial")


class TrialFolder:
    """A protocol and the folder of its trial. It writes nothing, and imports nothing heavy before that is used."""

    def __init__(self, folder: Path | str, protocol: Protocol, allow_code: bool = False) -> None:
        self.folder, self.protocol, self.allow_code = Path(folder), protocol, allow_code
        self._equal_bytes_steps: dict[int, dict[str, int]] = {}  # by seed and track, once asked for

    @classmethod
    def open(cls, folder: Path | str, allow_code: bool = False) -> Self:
        """Opens the trial in `folder` with the protocol that it has. Raises TrialError as `protocol.load` does.

        allow_code: whether code that the protocol names may be imported, where a stage needs it.
        """
        return cls(folder, load(Path(folder) / PROTOCOL_FILE, of_trial=True), allow_code)

    def check_code(self) -> None:
        """Raises TrialError where the protocol names code that may not be imported."""
        check_code(self.protocol.tracks, self.allow_code, self.folder / PROTOCOL_FILE)

    # What became of it, for a notebook

    @property
    def results(self) -> "TrialResult":
        """All that the report says, typed, read from the files of the finished runs; see `report/result.py`.

        Raises TrialError where a track has no finished run yet.
        """
        from toktrial.report.gather import gather
        from toktrial.report.inputs import read_trial

        return gather(read_trial(self.folder))

    def curves(self) -> "pl.DataFrame":
        """Returns a row for each evaluation of each run: trial, track, seed, and the columns of metrics.jsonl.

        Raises TrialError as `results` does.
        """
        from toktrial.report.side_by_side import ReportedTrial, curves_table

        return curves_table([ReportedTrial(self.protocol.name, self.folder, self.results)])

    def _repr_html_(self) -> str:
        """Returns what a notebook shows of the trial: its verdict and a table of the tracks, or how far it is."""
        from toktrial.report.blocks import Document
        from toktrial.report.page import render_blocks
        from toktrial.report.sections.summary import summary

        try:
            return render_blocks(Document(self.protocol.name, (summary(self.results),)), {})
        except TrialError as error:
            return f"<p>{html.escape(str(error))}</p>"

    # Which runs there are

    def run_order(self) -> Iterator[tuple[str, int]]:
        """Yields (track, seed) in the order of training: one seed of every track, then the control's run for it, if any.

        So an interrupted trial holds as many pairs of the control as of the tracks.
        """
        tracks = list(self.protocol.tracks)
        for index, seed in enumerate(self.seed_numbers):
            for track in tracks if index % 2 == 0 else reversed(tracks):
                yield track, seed
            if index < len(self.protocol.control_seeds):
                yield self.protocol.baseline, self.protocol.control_seeds[index]

    def all_runs(self) -> list[tuple[str, int, Policy]]:
        """Returns (track, seed, rate) of every run: those of `run_order`, then those of the verdict that does not decide.

        The latter are runs of the tracks whose own rate differs from the shared one. Raises TrialError where learning rates
        are to be tuned and are not yet.
        """
        tuning = self.protocol.tuning
        runs = [(track, seed, tuning.decides) for track, seed in self.run_order()]
        if not tuning.rates or not tuning.both_verdicts:
            return runs
        found = read_tuned_rates(self.folder)
        other: Policy = "shared" if tuning.decides == "own" else "own"
        tracks = [track for track in self.protocol.tracks if found.own[track] != found.shared]
        return runs + [(track, seed, other) for seed in self.seed_numbers for track in tracks]

    @property
    def seed_numbers(self) -> range:
        """The seeds of every track, as far as is known: the protocol's, and one more while a sequential design is open."""
        seeds = self.protocol.seeds
        while seeds < self.protocol.last_seed and self._is_open_after(seeds):
            seeds += 1
        return range(1, seeds + 1)

    def _is_open_after(self, seeds: int) -> bool:
        """Whether all tracks are evaluated up to that seed and a sequential design then still asks for another."""
        from toktrial.report.evaluated import judged_bits_per_byte
        from toktrial.report.inputs import read_final
        from toktrial.report.sequential import is_open

        plan = self.protocol
        folders = [[self.run_folder(track, seed) for seed in range(1, seeds + 1)] for track in plan.tracks]
        if not all(is_evaluated(folder) for of_track in folders for folder in of_track):
            return False
        finals = [
            [judged_bits_per_byte(read_final(folder / FINAL_FILE), plan.verdict.budget) for folder in of_track]
            for of_track in folders
        ]
        return is_open(finals, plan.seeds, plan.most_seeds, plan.verdict.confidence)

    # How each is trained

    def run_of(self, track: str, seed: int, rate: Policy | None = None) -> "Run":
        """Returns what the trainer needs for one run, at the tuned rate that decides or at another, where rates are tuned.

        Raises TrialError where they are to be tuned and are not yet.
        """
        from toktrial.training.run import Run

        tuning = self.protocol.tuning
        model, training = self.shape_of(track)
        if tuning.rates:
            training = replace(training, learning_rate=read_tuned_rates(self.folder).rate_of(track, rate or tuning.decides))
        return Run(
            track=track,
            seed=seed,
            vocab_size=self.vocab_size_of(track),
            model=model,
            training=training,
            tokens_folder=self.tokens_folder(track),
            folder=self.run_folder(track, seed, rate),
            keep_weights_at=self._equal_bytes_step(track, seed),
            must_keep_weights=self.protocol.verdict.budget == "bytes",
        )

    def tuning_run(self, track: str, rate: float, seed: int) -> "Run":
        """Returns what the trainer needs for one run that tries a learning rate."""
        from toktrial.training.run import Run

        settings = tuning_settings(self.protocol.training, self.protocol.tuning, rate)
        model, training = self.shape_of(track, replace(self.protocol, training=settings))
        folder = self.folder / TUNING_FOLDER / "runs" / track / f"rate-{rate!r}" / f"seed-{seed}"
        return Run(track, seed, self.vocab_size_of(track), model, training, self.tuning_tokens_folders[track], folder)

    def calibration_run(self, track: str) -> "Run":
        """Returns what the trainer needs to time a track's steps, which take as long at any learning rate."""
        from toktrial.training.run import Run

        folder = self.folder / CALIBRATION_FOLDER / track
        return Run(track, 1, self.vocab_size_of(track), *self.shape_of(track), self.tokens_folder(track), folder)

    @property
    def is_tuned(self) -> bool:
        """Whether the learning rates are known: tuned, or not to be tuned."""
        return not self.protocol.tuning.rates or (self.folder / RATES_FOLDER / RATES_FILE).is_file()

    def vocab_size_of(self, track: str) -> int:
        """Returns the rows of the embedding of a track's model."""
        return self.protocol.sized_tracks[track].vocab_size

    def shape_of(self, track: str, protocol: Protocol | None = None) -> tuple[ModelConfig, TrainingConfig]:
        """Returns the configs that a track is trained with, by the trial's own protocol or by another one of the same tracks.

        Where `training.match` is bytes, its token files must be there.
        """
        protocol = protocol or self.protocol
        if protocol.training.match == "tokens" or track == protocol.baseline:
            return protocol.shape_of(track)
        return protocol.shape_of(track, self._bytes_per_token(track) / self._bytes_per_token(protocol.baseline))

    def _bytes_per_token(self, track: str) -> float:
        """Of the training documents, their closing ids included."""
        sizes = artifact.read_manifest(self.tokens_folder(track))["train"]
        return float(sizes["bytes"] / (sizes["tokens"] + sizes["documents"]))

    def _equal_bytes_step(self, track: str, seed: int) -> int:
        """Returns the last step by which a run has read no more text than any track's run of that seed reads in all.

        Under one seed every track reads the same documents in the same order, so up to there all have read the same text.
        Returns 0 where token files are still missing.
        """
        if not all(map(artifact.is_finished, self.tokens_folders.values())):
            return 0
        if seed not in self._equal_bytes_steps:  # every run of a seed asks, and each answer takes all tracks' tokens
            self._equal_bytes_steps[seed] = self._find_equal_bytes_steps(seed)
        return self._equal_bytes_steps[seed][track]

    def _find_equal_bytes_steps(self, seed: int) -> dict[str, int]:
        from toktrial.tokens.batches import Batches
        from toktrial.tokens.store import TokenStore

        stores = {each: TokenStore.open(folder) for each, folder in self.tokens_folders.items()}
        batches, steps = {}, {}
        for each, store in stores.items():
            model, training = self.shape_of(each)
            batches[each] = Batches(store.train, seed, training.batch_size, model.context)
            steps[each] = steps_of(training, batches[each].epoch_tokens, model.context)
        least = min(batches[each].bytes_read(steps[each], stores[each].entry_bytes) for each in stores)
        return {each: batches[each].last_step_within(least, steps[each], store.entry_bytes) for each, store in stores.items()}

    # Where everything is

    @property
    def corpus_folder(self) -> Path:
        return self.folder / "corpus"

    @property
    def tokenizer_folders(self) -> dict[str, Path]:
        """By track; tracks with equal recipes share one."""
        names = tokenizer_names(self.protocol.sized_tracks)
        return {track: self.folder / TOKENIZERS_FOLDER / name for track, name in names.items()}

    def tokenizer_folder(self, track: str) -> Path:
        return self.tokenizer_folders[track]

    @property
    def tokens_folders(self) -> dict[str, Path]:
        return {track: self.folder / "tokens" / track for track in self.protocol.tracks}

    def tokens_folder(self, track: str) -> Path:
        return self.tokens_folders[track]

    @property
    def tuning_tokens_folders(self) -> dict[str, Path]:
        """By track: its tokens, split once more for the tuning."""
        return {track: self.folder / TUNING_FOLDER / "tokens" / track for track in self.protocol.tracks}

    def run_folder(self, track: str, seed: int, rate: Policy | None = None) -> Path:
        runs = "runs" if rate in (None, self.protocol.tuning.decides) else OTHER_RATE_FOLDER
        return self.folder / runs / track / f"seed-{seed}"

    @property
    def report_folder(self) -> Path:
        return self.folder / "report"
