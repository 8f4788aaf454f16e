"""The tuning of learning rates: choosing by arithmetic, documents set aside, and a real trial that is judged at two rates."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial import artifact
from toktrial.corpus.stage import open_documents, set_aside
from toktrial.errors import TrialError
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.plan import make_plan
from toktrial.plan_lines import describe_plan
from toktrial.protocol import Protocol, load
from toktrial.tokens.store import TokenStore
from toktrial.training.config import TrainingConfig, TuningConfig
from toktrial.training.metrics import read_metrics
from toktrial.training.rates import FIRST_SEED, choose, read_tuned_rates, tuning_settings
from toktrial.training.run import load_model
from toktrial.trial import Trial

GRID = (1e-4, 3e-3, 1e-2)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=60), st.integers(1, 70))
def test_equal_documents_are_set_aside_together_and_never_too_few(documents: list[str], count: int) -> None:
    chosen = set_aside(documents, count)
    inside = {text for text, is_set_aside in zip(documents, chosen, strict=True) if is_set_aside}
    outside = {text for text, is_set_aside in zip(documents, chosen, strict=True) if not is_set_aside}
    assert not inside & outside
    assert chosen.sum() >= min(count, len(documents))
    fewest = min((documents.count(text) for text in inside), default=0)
    assert chosen.sum() < count + max((documents.count(text) for text in inside), default=1) or fewest > count


def test_a_rate_that_diverges_is_not_chosen_and_edges_are_named() -> None:
    steps = {"one": 10, "two": 10}
    one: dict[str, list[float | None]] = {"0.001": [1.0, 1.0], "0.002": [0.9, 0.8], "0.004": [0.1, None]}
    two: dict[str, list[float | None]] = {"0.001": [0.7, 0.7], "0.002": [0.8, 0.9], "0.004": [0.9, 0.9]}
    found = choose({"one": one, "two": two}, steps, 5)
    assert found.own == {"one": 0.002, "two": 0.001}
    assert (found.shared, found.at_edge) == (0.001, ["two"])
    assert (found.rate_of("one", "own"), found.rate_of("one", "shared")) == (0.002, 0.001)
    with pytest.raises(TrialError, match=r"diverged at each rate of tuning\.rates \(0\.001\)"):
        choose({"one": {"0.001": [None]}, "two": {"0.001": [1.0]}}, steps, 5)


def test_a_tuning_run_differs_in_rate_and_budget_alone() -> None:
    training = TrainingConfig(steps=500, log_every=10)
    assert tuning_settings(training, TuningConfig(rates=GRID), 1e-2) == replace(training, learning_rate=1e-2)
    shorter = tuning_settings(replace(training, epochs=2.0), TuningConfig(rates=GRID, steps=40), 1e-2)
    assert shorter == replace(training, learning_rate=1e-2, steps=40, epochs=0.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rates": (1e-3, -1.0)}, "numbers above 0"),
        ({"rates": (1e-3,)}, "two or more different rates"),
        ({"rates": (1e-3, 1e-3)}, "two or more different rates"),
        ({"documents": 0}, "at least 1"),
    ],
)
def test_a_grid_that_cannot_tell_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(TrialError, match=message):
        TuningConfig(**fields)  # type: ignore[arg-type]  # wrong on purpose


def test_a_trial_tuned_and_judged_at_both_rates(tmp_path: Path, tiny_protocol: Protocol) -> None:
    plan = replace(tiny_protocol, tuning=TuningConfig(rates=GRID, steps=8, documents=9))
    trial = Trial(tmp_path / "tiny", plan)
    assert load(trial.folder / "protocol.toml") == plan
    plan_lines = "\n".join(describe_plan(make_plan(trial)))
    assert "tuning     6 runs first: 3 learning rates, 2 tracks, 1 run each; about" in plan_lines
    trial.tune()
    found = read_tuned_rates(trial.folder)
    assert set(found.bits_per_byte) == {"bpe", "btm"}
    assert [*map(float, found.bits_per_byte["bpe"])] == sorted(GRID)
    assert found.documents == 9
    assert found.steps == {"bpe": 8, "btm": 8}

    # Judged on training documents that were set aside, at the end of runs under seeds of their own.
    parted = TokenStore.open(trial.folder / "tuning/tokens/bpe")
    texts = list(open_documents(trial.corpus_folder, "train"))
    assert parted.validation.byte_lengths.tolist() == [
        len(text.encode()) for text, is_set_aside in zip(texts, set_aside(texts, 9), strict=True) if is_set_aside
    ]
    run = trial.tuning_run("bpe", 1e-2, FIRST_SEED)
    assert read_metrics(run.folder)[-1].step == 8
    scorer = DocumentScorer(parted.validation, parted.entry_bytes, run.model.context, run.vocab_size)
    assert scorer.score(load_model(run, parted.entries)).bits_per_byte == found.bits_per_byte["bpe"]["0.01"][0]

    # Whatever the small runs found, let the tracks' own rates differ: then there are two verdicts.
    rates_file = trial.folder / "tuning/rates/rates.json"
    artifact.forget_files(rates_file.parent, [rates_file.name])
    artifact.write_json(rates_file, artifact.read_json(rates_file) | {"own": {"bpe": 3e-3, "btm": 1e-2}, "shared": 3e-3})
    results = trial.report()
    rates = {
        name: json.loads((trial.folder / name / "metrics.jsonl").read_text().splitlines()[-1])["learning_rate"]
        for name in ("runs/bpe/seed-1", "runs/btm/seed-1", "tuning/runs_at_other_rate/btm/seed-1")
    }
    assert rates == {"runs/bpe/seed-1": 3e-3, "runs/btm/seed-1": 1e-2, "tuning/runs_at_other_rate/btm/seed-1": 3e-3}
    assert not (trial.folder / "tuning/runs_at_other_rate/bpe").exists(), "its own rate is the shared one"
    assert results.tuning
    own, shared = results.tuning.verdicts["own"][0], results.tuning.verdicts["shared"][0]
    assert own.difference == results.comparisons[0].difference != shared.difference
    page = (trial.report_folder / "index.html").read_text()
    markdown = (trial.report_folder / "report.md").read_text()
    for text in (page, markdown):
        assert "Learning rates" in text
        assert "btm 0.01" in text
    assert trial.finished_result() is not None
    assert "tuning     " not in "\n".join(describe_plan(make_plan(trial))), "it is done"
    with pytest.raises(TrialError, match=r"(?s)another protocol.*tuning\.rates"):
        Trial(trial.folder, replace(plan, tuning=TuningConfig()))
    assert Trial.open(trial.folder).finished_result() is not None


def test_a_tuning_whose_every_rate_diverges_says_so_and_is_not_repeated(tmp_path: Path, tiny_protocol: Protocol) -> None:
    """Rates at which the loss is not finite any more within a few steps."""
    training = replace(tiny_protocol.training, gradient_clip=0.0, warmup_steps=0)
    plan = replace(tiny_protocol, training=training, tuning=TuningConfig(rates=(1e11, 1e12), steps=6, documents=9))
    trial = Trial(tmp_path / "tiny", plan)
    with pytest.raises(TrialError, match="diverged at each rate"):
        trial.tune()
    marks = list(trial.folder.glob("tuning/runs/*/*/*/diverged.json"))
    assert len(marks) == 4
    before = [mark.stat().st_mtime_ns for mark in marks]
    with pytest.raises(TrialError, match="diverged at each rate"):
        trial.tune()
    assert [mark.stat().st_mtime_ns for mark in marks] == before
