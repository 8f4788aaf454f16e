"""How often does the verdict find a difference where there is none? A/A trials of real, tiny trainings.

    python benchmarks/aa_campaign.py --results aa.jsonl

It trains many runs of BPE and of BTM on the storybook, each in about a second and under a seed of its own. It then
applies the rule of the verdict to runs of one tokenizer against other runs of the same tokenizer. Any difference that
it finds is false.

It also pairs BPE and BTM by seed, and prints how their final values correlate. With --equal-embeddings, entries of
equal bytes start with equal embeddings in both tracks, to see whether that makes the runs of a pair more alike. Runs
that are already in --results are not trained again.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from scipy import stats

from toktrial import presets
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.evaluation.count_models import measure_floors
from toktrial.report.verdict import NO_DIFFERENCE, decide, paired_interval
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import TokenStore
from toktrial.training.config import ModelConfig
from toktrial.training.loop import train
from toktrial.training.model import GPT, INITIAL_STD
from toktrial.training.run import load_model
from toktrial.trial import Trial

CONFIDENCE = 0.95
SEEDS_OF_A_TRIAL = (2, 3, 5, 8)
DRAW_ALL = GPT.initialise  # as toktrial trains


def tiny_trial(folder: Path) -> Trial:
    """Returns a trial whose runs take about a second of one core each."""
    demo = presets.demo()
    plan = replace(
        demo,
        name="tiny",
        vocab_size=320,
        corpus=replace(demo.corpus, max_megabytes=1.0),
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=272)},
        model=ModelConfig(n_layer=1, n_head=2, width=32, context=32),
        training=replace(
            demo.training, batch_size=8, steps=120, learning_rate=1e-2, warmup_steps=10, log_every=120, checkpoint_every=120
        ),
        evaluation=replace(demo.evaluation, eval_documents=1),
    )
    return Trial(folder, plan)


def begin_entries_of_equal_bytes_alike(trial: Trial, track: str) -> None:
    """Makes every later model of `track` draw the initial embedding of an entry from its bytes and the seed only."""
    entries = load_tokenizer(trial.tokenizer_folder(track)).token_bytes

    def initialise(model: GPT, seed: int) -> None:
        DRAW_ALL(model, seed)
        for row, entry in enumerate(entries):
            generator = torch.Generator().manual_seed(xxhash.xxh3_64_intdigest(entry, seed=seed) >> 1)
            drawn = torch.empty(model.config.width).normal_(0.0, INITIAL_STD, generator=generator)
            model.wte.weight.data[row] = drawn

    GPT.initialise = initialise  # type: ignore[method-assign, assignment]  # in this process only


def train_runs(trial: Trial, seeds: range, results: Path, equal_embeddings: bool) -> dict[str, dict[int, float]]:
    """Returns the bits per byte of all validation documents, by track and seed."""
    trial.make_tokens()
    known = [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []
    found: dict[str, dict[int, float]] = {track: {} for track in trial.protocol.tracks}
    for row in known:
        found[row["track"]][row["seed"]] = row["bits_per_byte"]
    for track in trial.protocol.tracks:
        store = TokenStore.open(trial.tokens_folder(track))
        scorer = DocumentScorer(store.validation, store.entry_bytes, trial.protocol.model.context, trial.protocol.vocab_size)
        curve = DocumentScorer(store.validation, store.entry_bytes, trial.protocol.model.context, trial.protocol.vocab_size, 1)
        if equal_embeddings:
            begin_entries_of_equal_bytes_alike(trial, track)
        for seed in (seed for seed in seeds if seed not in found[track]):
            run = trial.run_of(track, seed)
            train(run, curve.score)
            found[track][seed] = scorer.score(load_model(run, store.entries)).bits_per_byte
            with results.open("a") as file:
                file.write(json.dumps({"track": track, "seed": seed, "bits_per_byte": found[track][seed]}) + "\n")
    return found


def false_words(values: list[float], seeds: int) -> tuple[int, int]:
    """Deals the runs out to A/A trials, each run once; returns (trials, trials that found a difference)."""
    trials = [values[start : start + 2 * seeds] for start in range(0, len(values) - 2 * seeds + 1, 2 * seeds)]
    words = [
        decide({"again": paired_interval(runs[:seeds], runs[seeds:], CONFIDENCE)}, "first", CONFIDENCE)["again"]
        for runs in trials
    ]
    return len(trials), sum(word != NO_DIFFERENCE for word in words)


def floors(trial: Trial) -> dict[str, Any]:
    """Returns the unigram and bigram floors, by track."""
    measure_floors(trial.folder, {track: trial.tokens_folder(track) for track in trial.protocol.tracks}, 1)
    tracks: dict[str, Any] = json.loads((trial.folder / "evaluation/floors/floors.json").read_text())["tracks"]
    return tracks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="runs of each track")
    parser.add_argument("--results", type=Path, required=True, help="file of JSON lines, one per run")
    parser.add_argument("--equal-embeddings", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        trial = tiny_trial(Path(folder) / "tiny")
        found = train_runs(trial, range(1, asked.runs + 1), asked.results, asked.equal_embeddings)
        reached = floors(trial)
    for track, of_track in found.items():
        ends = np.array(list(of_track.values()))
        unigram, bigram = (reached[track][kind]["bits_per_byte"] for kind in ("unigram", "bigram"))
        print(
            f"{track}: {len(ends)} runs, {ends.mean():.4f} +- {ends.std(ddof=1):.4f}, {ends.min():.4f} to {ends.max():.4f}; "
            f"skewness {stats.skew(ends):+.2f}; unigram floor {unigram:.4f}, bigram floor {bigram:.4f}"
        )
    for seeds in SEEDS_OF_A_TRIAL:
        counts = [false_words(list(of_track.values()), seeds) for of_track in found.values()]
        trials, false = (sum(column) for column in zip(*counts, strict=True))
        if trials:
            interval = stats.binomtest(false, trials).proportion_ci(0.95)
            print(
                f"{seeds} seeds: {false} of {trials} A/A trials found a difference ({interval.low:.1%} to {interval.high:.1%})"
            )
    paired = sorted(set(found["bpe"]) & set(found["btm"]))
    correlation = stats.pearsonr([found["bpe"][seed] for seed in paired], [found["btm"][seed] for seed in paired])
    low, high = correlation.confidence_interval(0.95)
    print(f"{len(paired)} pairs of one seed: correlation {correlation.statistic:+.2f} ({low:+.2f} to {high:+.2f})")


if __name__ == "__main__":
    main()
