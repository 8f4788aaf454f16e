"""Trials that grow: more seeds, more steps, a planned sequential design, another budget; and what is said of each."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from toktrial import commands
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import EVALUATION_FILES
from toktrial.integrity import is_sealed, unseal_protocol
from toktrial.protocol import Protocol
from toktrial.report.amendments import read_amendments
from toktrial.report.config import VerdictConfig
from toktrial.tokenizer.config import BPERecipe, Recipe
from toktrial.tokens.batches import Batches
from toktrial.tokens.store import TokenStore
from toktrial.training.metrics import read_metrics
from toktrial.training.run import kept_weights_file
from toktrial.trial import Trial


@pytest.fixture(scope="module")
def plan(tiny_protocol: Protocol) -> Protocol:
    return replace(tiny_protocol, seeds=2, evaluation=replace(tiny_protocol.evaluation, prompts=("Once",)))


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory, plan: Protocol) -> Trial:
    trial = Trial(tmp_path_factory.mktemp("trials") / "tiny", plan)
    trial.report()
    return trial


@pytest.fixture
def folder(reported: Trial, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reported.folder, tmp_path / "tiny"))


def trained(folder: Path) -> dict[str, int]:
    """When the weights of each run were written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.glob("runs/*/*/weights.safetensors")}


def test_untrained_models_decide_nothing(tmp_path: Path, plan: Protocol) -> None:
    """Learning rate 0: one track begins lower than the other, and that is not learning."""
    still = replace(plan, training=replace(plan.training, learning_rate=0.0, steps=10))
    results = Trial(tmp_path / "still", still).report()
    first, last = results.comparisons[0].low, results.comparisons[0].high
    assert first is not None and last is not None
    assert last < 0 or first > 0, "the interval alone would have decided"
    assert results.verdict.word == "undecided: bpe and btm have learned no more than counting pairs"


def test_more_seeds_train_the_new_runs_alone_and_make_the_verdict_exploratory(folder: Path, plan: Protocol) -> None:
    before = trained(folder)
    results = Trial(folder, replace(plan, seeds=3)).report()
    after = trained(folder)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {f"runs/{track}/seed-3/weights.safetensors" for track in plan.tracks}
    (amendment,) = read_amendments(folder)
    assert (amendment.field, amendment.old, amendment.new, amendment.results_seen) == ("seeds", 2, 3, True)
    assert results.verdict.outcome.startswith("Exploratory: undecided, ")
    for name in ("index.html", "report.md"):
        assert "seeds: 2 became 3" in (folder / "report" / name).read_text()


def test_what_was_changed_before_a_run_was_finished_is_listed_and_not_exploratory(tmp_path: Path, plan: Protocol) -> None:
    Trial(tmp_path / "tiny", plan).run("tokens")
    results = Trial(tmp_path / "tiny", replace(plan, verdict=VerdictConfig(confidence=0.9))).report()
    assert [each.results_seen for each in results.amendments] == [False]
    assert not results.verdict.exploratory


def test_an_answer_of_no_leaves_the_protocol_as_it_was(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (folder / "protocol.toml").read_text()
    for command in ("run", "train"):
        with pytest.raises(TrialError, match="to begin anyway, add --yes"):
            commands.execute([command, str(folder), "--training.steps", "100000000"])
    assert "This will take long" in capfd.readouterr().err
    assert (folder / "protocol.toml").read_text() == before
    assert read_amendments(folder) == []


def test_a_report_of_fewer_seeds_is_not_that_of_more(folder: Path, plan: Protocol) -> None:
    more = Trial(folder, replace(plan, seeds=3), amends=False)
    assert Trial(folder, plan).finished_result() is not None
    assert more.finished_result() is None
    more.amend()
    more.amend()
    assert [each.field for each in read_amendments(folder)] == ["seeds"]


def test_a_protocol_that_lost_its_seal_is_sealed_again_where_nothing_changes(folder: Path, plan: Protocol) -> None:
    unseal_protocol(folder)
    assert not is_sealed(folder)
    Trial(folder, plan, amends=False)
    assert is_sealed(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seeds": 1}, "seeds: the trial has 2, but 1 was asked for"),
        ({"training": {"steps": 10}}, "training.steps: the trial has 20, but 10 was asked for"),
        ({"training": {"learning_rate": 1.0}}, "training.learning_rate"),
        ({"training": {"steps": 40, "schedule": "cosine"}}, "training.schedule"),
    ],
)
def test_what_would_choose_among_results_is_refused(folder: Path, plan: Protocol, change: dict[str, object], said: str) -> None:
    training = change.pop("training", {})
    assert isinstance(training, dict)
    with pytest.raises(TrialError, match=said.replace(".", r"\.")):
        Trial(folder, replace(plan, training=replace(plan.training, **training), **change))  # type: ignore[arg-type]
    assert read_amendments(folder) == []


def test_more_steps_go_on_where_the_runs_ended_and_end_as_if_they_had_never_stopped(
    folder: Path, tmp_path: Path, plan: Protocol, capfd: pytest.CaptureFixture[str]
) -> None:
    longer = replace(plan, training=replace(plan.training, steps=40))
    Trial(folder, longer).report()
    assert "bpe, seed 1: going on from step 20" in capfd.readouterr().err
    at_once = Trial(tmp_path / "at_once", longer)
    at_once.train()
    for track, seed in at_once.run_order():
        ours, theirs = (base / f"runs/{track}/seed-{seed}" for base in (folder, at_once.folder))
        assert (ours / "weights.safetensors").read_bytes() == (theirs / "weights.safetensors").read_bytes()
        assert [line.bits_per_byte for line in read_metrics(ours)] == [line.bits_per_byte for line in read_metrics(theirs)]
        assert json.loads((ours / "final.json").read_text())["step"] == 40


def test_a_run_that_is_being_trained_for_longer_is_neither_evaluated_nor_damaged(
    folder: Path, plan: Protocol, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped before its first new checkpoint. What others say of the trial must not cost what was trained."""
    longer = replace(plan, training=replace(plan.training, steps=40))
    with monkeypatch.context() as stopping, pytest.raises(KeyboardInterrupt):
        stopping.setattr("toktrial.training.step.TrainingStep.__call__", interrupted)
        Trial(folder, longer).train()
    capsys.readouterr()
    commands.execute(["status", str(folder)])
    said = capsys.readouterr().out
    assert "damaged" not in said and "evaluated" not in said
    commands.execute(["verify", str(folder)])
    with pytest.raises(TrialError, match="has no finished run"):
        commands.execute(["power", str(folder)])
    Trial(folder, longer).report()
    assert json.loads((folder / "runs/bpe/seed-1/final.json").read_text())["step"] == 40


def test_weights_that_a_longer_training_did_not_keep_are_made_where_the_verdict_comes_to_need_them(
    folder: Path, plan: Protocol, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run that goes on from its last step is past the one at which all tracks have read as much, by one more step."""
    longer = replace(plan, training=replace(plan.training, steps=21))
    Trial(folder, longer).report()
    run = Trial(folder, replace(longer, verdict=VerdictConfig(budget="bytes"))).run_of("btm", 1)
    assert 0 < run.keep_weights_at <= 20 and run.lacks_kept_weights(21)
    results = Trial(folder, replace(longer, verdict=VerdictConfig(budget="bytes"))).report()
    assert "btm, seed 1: it cannot be gone on from; training it again from the start" in capfd.readouterr().err
    assert results.verdict.exploratory
    assert all(
        budget.documents == "all validation documents" for budget in results.differences["btm"].budgets if budget.decides
    )


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_weights_are_kept_where_all_tracks_have_read_the_same_text(reported: Trial) -> None:
    stores = {track: TokenStore.open(reported.tokens_folder(track)) for track in ("bpe", "btm")}
    for seed in (1, 2):
        read = {}
        for track, store in stores.items():
            run = reported.run_of(track, seed)
            batches = Batches(store.train, seed, run.training.batch_size, run.model.context)
            lines = {line.step: line.bytes_seen for line in read_metrics(run.folder)}
            assert {step: batches.bytes_read(step, store.entry_bytes) for step in lines} == lines
            read[track] = batches.bytes_read(run.keep_weights_at, store.entry_bytes)
            measured = json.loads((run.folder / "final.json").read_text())["equal_bytes"]
            assert (measured["step"], measured["bytes_seen"]) == (run.keep_weights_at, read[track])
            assert (run.folder / kept_weights_file(run.keep_weights_at)).is_file() == (run.keep_weights_at < 20)
            beyond = batches.bytes_read(run.keep_weights_at + 1, store.entry_bytes)
            assert beyond > min(read.values()) or run.keep_weights_at == 20
        assert read["btm"] <= read["bpe"] < 1.2 * read["btm"]


def test_equal_bytes_decide_where_the_protocol_says_so(folder: Path, plan: Protocol) -> None:
    results = Trial(folder, replace(plan, verdict=VerdictConfig(budget="bytes"))).report()
    finals = {track: json.loads((folder / f"runs/{track}/seed-1/final.json").read_text()) for track in ("bpe", "btm")}
    expected = finals["btm"]["equal_bytes"]["bits_per_byte"] - finals["bpe"]["equal_bytes"]["bits_per_byte"]
    assert results.comparisons[0].differences[0] == pytest.approx(expected)
    assert [each.decides for each in results.differences["btm"].budgets[:2]] == [False, True]
    assert "after equal bytes of text" in results.verdict.criterion


def test_a_sequential_design_trains_seeds_while_it_is_open_and_no_more(tmp_path: Path, plan: Protocol) -> None:
    """BPE trained twice under one name or another differs by nothing, so the design goes on to its last seed."""
    twins: dict[str, Recipe] = {"bpe": BPERecipe(), "again": BPERecipe(min_frequency=3)}
    trial = Trial(tmp_path / "twins", replace(plan, tracks=twins, seeds=2, most_seeds=3, control=True))
    results = trial.report()
    assert [len(track.runs) for track in results.tracks.values()] == [3, 3]
    assert results.comparisons[0].look and not results.comparisons[0].look.is_open
    assert {path.name for path in (trial.folder / "runs/bpe").iterdir()} == {f"seed-{seed}" for seed in (1, 2, 3, 4, 5)}
    assert results.control and results.control.pairs[0].other_seed == 4
    assert read_amendments(trial.folder) == [], "what was planned is no amendment"


@pytest.mark.parametrize(("btm", "seeds"), [([1.3, 1.3001], 2), ([1.3, 1.6], 3), ([1.3, 1.6, 1.4, 1.5, 1.7, 1.2], 6)])
def test_a_sequential_design_asks_for_one_more_seed_while_it_is_open(
    tmp_path: Path, plan: Protocol, btm: list[float], seeds: int
) -> None:
    trial = Trial(tmp_path / "tiny", replace(plan, seeds=2, most_seeds=6))
    others = {"step": 20, "validation_loss": 4.0, "training_loss": 4.0, "training_seconds": 1.0, "seconds": 1.0}
    for track, values in {"bpe": [1.5, 1.5001, 1.4999, 1.5, 1.5002, 1.4998], "btm": btm}.items():
        for seed, value in enumerate(values, start=1):
            run = trial.run_folder(track, seed)
            run.mkdir(parents=True)
            for name in EVALUATION_FILES:
                (run / name).touch()
            (run / "final.json").write_text(json.dumps(others | {"bits_per_byte": value}))
    assert trial.seed_numbers == range(1, seeds + 1)


def test_other_prompts_are_continued_by_the_models_that_are_there(folder: Path, plan: Protocol) -> None:
    before = trained(folder)
    Trial(folder, replace(plan, evaluation=replace(plan.evaluation, prompts=("Hello there", "A dog")))).report()
    samples = json.loads((folder / "runs" / "btm" / "seed-2" / "samples.json").read_text(encoding="utf-8"))
    assert [sample["prompt"] for sample in samples] == ["Hello there", "A dog"]
    assert trained(folder) == before
