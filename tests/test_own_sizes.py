"""Tracks whose vocabularies differ in size: a whole trial at equal FLOPs, what its report says, and what stays as it was."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from toktrial import artifact, cli
from toktrial.errors import TrialError
from toktrial.plan import make_plan
from toktrial.plan_lines import describe_plan
from toktrial.protocol import Protocol
from toktrial.report.config import VerdictConfig
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.result import TrialResult, typed
from toktrial.tokenizer.config import BPERecipe, BTMRecipe, BytesRecipe, Recipe
from toktrial.training.config import flops_per_step, parameter_count
from toktrial.trial import Trial

SIZES = {"bpe": 500, "large": 900, "bytes": 257}


@pytest.fixture(scope="module")
def at_equal_flops(tmp_path_factory: pytest.TempPathFactory, tiny_protocol: Protocol) -> Trial:
    plan = replace(
        tiny_protocol,
        seeds=1,
        tracks={"bpe": BPERecipe(), "large": BPERecipe(vocab_size=900), "bytes": BytesRecipe()},
        training=replace(tiny_protocol.training, steps=40),
        verdict=VerdictConfig(budget="flops"),
    )
    trial = Trial(tmp_path_factory.mktemp("sizes") / "trial", plan)
    trial.report()
    return trial


@pytest.fixture(scope="module")
def result(at_equal_flops: Trial) -> TrialResult:
    return typed(artifact.read_json(at_equal_flops.report_folder / "results.json"))


def test_every_run_costs_what_the_baselines_does(at_equal_flops: Trial, result: TrialResult) -> None:
    plan = at_equal_flops.protocol
    flops = 40 * flops_per_step(plan.model, plan.training, 500)
    assert result.tracks["bytes"].steps > 40 > result.tracks["large"].steps
    for name, size in SIZES.items():
        track = result.tracks[name]
        assert track.parameters == parameter_count(plan.model, size)
        assert track.entries_requested == size
        a_step = flops_per_step(plan.model, plan.training, size)
        for run in track.runs:
            assert run.flops is not None
            assert abs(run.flops - flops) <= a_step / 2
            assert run.flops == track.steps * a_step == run.curve["flops"][-1]


def test_the_ends_of_the_runs_decide_at_equal_flops(result: TrialResult) -> None:
    assert "after equal FLOPs, finds it below 0" in result.verdict.criterion
    for comparison in result.comparisons:
        ends = [[run.bits_per_byte for run in result.tracks[name].runs] for name in ("bpe", comparison.track)]
        expected = [two - one for one, two in zip(*ends, strict=True) if one and two]
        assert comparison.differences == pytest.approx(expected)
        budgets = {each.budget: each for each in result.differences[comparison.track].budgets}
        assert [name for name, each in budgets.items() if each.decides] == ["flops"]
        assert budgets["flops"].documents == "all validation documents"
        assert budgets["steps"].documents == "the curve's documents"
        assert budgets["steps"].at == min(result.tracks[name].steps for name in ("bpe", comparison.track)) // 10 * 10


def test_the_page_says_what_is_equal_and_what_is_not(at_equal_flops: Trial, result: TrialResult) -> None:
    page = (at_equal_flops.report_folder / "report.md").read_text()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if "|" in line]
    rows = {row[0]: row[1:] for row in cells if row[1:2] in (["yes"], ["no"])}
    assert rows["entries asked for"] == ["no", "500", "900", "257"]
    assert rows["tokens of a step"][0] == "yes"
    assert rows["FLOPs of a run"][0] == "yes"
    assert {rows[name][0] for name in ("parameters", "FLOPs of a step", "steps", "bytes of text read")} == {"no"}
    assert rows["parameters without embeddings"][0] == "yes"
    (note,) = [note for note in result.notes if "differ in size" in note]
    assert f"bpe 40, large {result.tracks['large'].steps} and bytes {result.tracks['bytes'].steps}" in note
    assert any(note.startswith("At equal FLOPs, bytes read") for note in result.notes)


def test_the_finished_trial_is_known(at_equal_flops: Trial) -> None:
    again = Trial(at_equal_flops.folder, at_equal_flops.protocol)
    assert again.finished_result() is not None
    with pytest.raises(TrialError, match=r"verdict\.budget: the trial has 'flops'"):
        Trial(at_equal_flops.folder, replace(at_equal_flops.protocol, verdict=VerdictConfig()))


def test_the_status_knows_each_tracks_steps(at_equal_flops: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["status", str(at_equal_flops.folder)])
    shown = capsys.readouterr().out
    for name in SIZES:
        steps = at_equal_flops.shape_of(name)[1].steps
        assert re.search(rf"{name} .*{steps} of {steps}", shown)


def test_the_plan_tells_the_sizes_and_what_a_token_costs(at_equal_flops: Trial) -> None:
    plan = make_plan(at_equal_flops)
    assert {name: track.steps for name, track in plan.tracks.items()} == {
        name: at_equal_flops.shape_of(name)[1].steps for name in SIZES
    }
    sizes = [line for line in describe_plan(plan) if line.startswith("size ")]
    assert len(sizes) == 3
    assert "bytes: 257 entries, 0.0 million parameters, 0." in sizes[2]


def test_at_equal_steps_the_flops_are_read_off_the_curves(at_equal_flops: Trial) -> None:
    """The same runs, had the protocol asked for steps: the report then says that FLOPs are not equal."""
    inputs = read_trial(at_equal_flops.folder)
    design = replace(inputs.design, verdict=VerdictConfig(budget="steps"))
    result = gather(replace(inputs, design=design))
    assert "after equal steps, which cost the tracks unequal FLOPs" in result.verdict.criterion
    for found in result.differences.values():
        budgets = {each.budget: each for each in found.budgets}
        assert (budgets["steps"].decides, budgets["flops"].decides) == (True, False)
        assert budgets["flops"].documents == "the curve's documents"


def test_a_size_of_its_own_that_is_the_protocols_is_the_same_tokenizer(tmp_path: Path, tiny_protocol: Protocol) -> None:
    """And the fingerprints are those of trials that knew no sizes of tracks."""
    named: dict[str, Recipe] = {"bpe": BPERecipe(vocab_size=500), "btm": BTMRecipe(primitive_vocab_size=400, vocab_size=500)}
    folders, fingerprints = [], []
    for name, tracks in (("old", tiny_protocol.tracks), ("named", named)):
        trial = Trial(tmp_path / name, replace(tiny_protocol, tracks=tracks))
        fingerprints.append(trial.make_tokenizers())
        folders.append([folder.name for folder in trial.tokenizer_folders.values()])
    assert folders[0] == folders[1] == ["bpe_baseline_tokenizer", "btm_experimental_tokenizer"]
    assert fingerprints[0] == fingerprints[1]
    corpus = artifact.read_manifest(tmp_path / "old" / "corpus")["fingerprint"]
    bpe = {"corpus": corpus, "vocab_size": 500, "min_frequency": 2}
    assert fingerprints[0]["bpe"] == artifact.fingerprint("bpe tokenizer", bpe)
    recipe = {"primitive_vocab_size": 400, "min_frequency": 2, "score": "frequency", "scope": "any"}
    btm = {"primitive": artifact.fingerprint("bpe tokenizer", bpe | {"vocab_size": 400}), "vocab_size": 500, "recipe": recipe}
    assert fingerprints[0]["btm"] == artifact.fingerprint("btm tokenizer", btm)
