"""A trial's folder: where each stage's result stands in it, which runs the trial has, and how each of them is trained.

Protocol -> trial folder -> trial.py, which fills it stage by stage.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from toktrial import artifact
from toktrial.protocol import Protocol
from toktrial.training.config import ModelConfig, TrainingConfig, matched_shape, steps_of

if TYPE_CHECKING:
    from toktrial.training.rates import Policy, TunedRates
    from toktrial.training.run import Run


class TrialFolder:
    """A protocol and the folder of its trial. Reads; nothing is written here, and nothing heavy imported before it is used."""

    def __init__(self, folder: Path, protocol: Protocol) -> None:
        self.folder, self.protocol = folder, protocol

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

    def run_of(self, track: str, seed: int, rate: "Policy | None" = None) -> "Run":
        """Returns what the trainer needs for one run: at the tuned rate that decides, or at another, where rates are tuned.

        Raises TrialError where they are to be tuned and are not yet.
        """
        from toktrial.training.run import Run

        tuning = self.protocol.tuning
        model, training = self.shape_of(track)
        if tuning.rates:
            training = replace(training, learning_rate=self._tuned_rates().rate_of(track, rate or tuning.decides))
        is_other = rate is not None and rate != tuning.decides
        return Run(
            track=track,
            seed=seed,
            vocab_size=self.protocol.vocab_size,
            model=model,
            training=training,
            tokens_folder=self.tokens_folder(track),
            folder=self._other_run_folder(track, seed) if is_other else self.run_folder(track, seed),
            keep_weights_at=self.equal_bytes_step(track, seed),
            must_keep_weights=self.protocol.verdict.budget == "bytes",
        )

    @property
    def is_tuned(self) -> bool:
        """Whether the learning rates are known: found, or not asked to be tuned."""
        from toktrial.training.rates import RATES_FILE, RATES_FOLDER

        return not self.protocol.tuning.rates or (self.folder / RATES_FOLDER / RATES_FILE).is_file()

    def runs_at_other_rate(self) -> "list[Run]":
        """Returns the runs of the verdict that does not decide: of tracks whose own rate is not the shared one."""
        tuning = self.protocol.tuning
        if not tuning.rates or not tuning.both_verdicts:
            return []
        found = self._tuned_rates()
        other: Policy = "shared" if tuning.decides == "own" else "own"
        tracks = [track for track in self.protocol.tracks if found.own[track] != found.shared]
        return [self.run_of(track, seed, other) for seed in self.seed_numbers for track in tracks]

    def _tuned_rates(self) -> "TunedRates":
        from toktrial.training.rates import read_tuned_rates

        return read_tuned_rates(self.folder)

    def _tuning_run(self, track: str, rate: float, seed: int) -> "Run":
        from toktrial.training.rates import TUNING_FOLDER, tuning_settings
        from toktrial.training.run import Run

        model, training = self.shape_of(track)
        return Run(
            track=track,
            seed=seed,
            vocab_size=self.protocol.vocab_size,
            model=model,
            training=tuning_settings(training, self.protocol.tuning, rate),
            tokens_folder=self._tuning_tokens_folder(track),
            folder=self.folder / TUNING_FOLDER / "runs" / track / f"rate-{rate!r}" / f"seed-{seed}",
        )

    def shape_of(self, track: str) -> tuple[ModelConfig, TrainingConfig]:
        """Returns the configs that a track is trained with; with `training.match` in bytes its token files must be there."""
        model, training = self.protocol.model, self.protocol.training
        if training.match == "tokens" or track == self.protocol.baseline:
            return model, training
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

    def _other_run_folder(self, track: str, seed: int) -> Path:
        from toktrial.training.rates import OTHER_RATE_FOLDER

        return self.folder / OTHER_RATE_FOLDER / track / f"seed-{seed}"

    @property
    def corpus_folder(self) -> Path:
        return self.folder / "corpus"

    def tokenizer_folder(self, track: str) -> Path:
        from toktrial.tokenizer.config import TOKENIZERS_FOLDER, tokenizer_names

        return self.folder / TOKENIZERS_FOLDER / tokenizer_names(self.protocol.tracks)[track]

    def tokens_folder(self, track: str) -> Path:
        return self.folder / "tokens" / track

    def _tuning_tokens_folder(self, track: str) -> Path:
        from toktrial.training.rates import TUNING_FOLDER

        return self.folder / TUNING_FOLDER / "tokens" / track

    @property
    def report_folder(self) -> Path:
        return self.folder / "report"
