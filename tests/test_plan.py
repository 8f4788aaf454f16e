"""What a trial will cost: what is left of it, what compiled steps leave open, what it has seen before, and how it is said."""

import math
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from toktrial import artifact, cli
from toktrial.errors import TrialError
from toktrial.plan import COMPILED_IS_FASTER, Plan, curve_positions, make_plan
from toktrial.plan_lines import describe_plan
from toktrial.protocol import Protocol
from toktrial.report.config import VerdictConfig
from toktrial.tokenizer.config import BPERecipe, BTMRecipe, BytesRecipe, Recipe
from toktrial.training.calibration import Calibration
from toktrial.training.config import TuningConfig
from toktrial.training.device import device_name
from toktrial.training.speed import Speed
from toktrial.trial import Trial
from toktrial.trial_folder import TrialFolder

SPEED = Speed("a machine that nobody has", 1_300_000, step_seconds=0.1, forward_seconds_per_token=1e-6)


def longer(protocol: Protocol, **training: object) -> Protocol:
    return replace(protocol, training=replace(protocol.training, **training))  # type: ignore[arg-type]  # of many types


def lines_of(plan: Plan, first_word: str) -> list[str]:
    return [line for line in describe_plan(plan) if line.startswith(first_word)]


def test_steps_that_are_asked_for_later_are_left_to_do(finished: Trial) -> None:
    assert make_plan(finished, SPEED).left == {}
    assert finished.is_trained
    twice = TrialFolder(finished.folder, longer(finished.protocol, steps=40))
    plan = make_plan(twice, SPEED)
    assert plan.left == dict.fromkeys([(track, seed) for seed in (1, 2) for track in ("bpe", "btm")], 0.5)
    assert plan.seconds.most == pytest.approx(2 * sum(track.seconds.most for track in plan.tracks.values()) / 2)
    assert lines_of(plan, "training   4 of 4 runs left")
    half = TrialFolder(finished.folder, longer(finished.protocol, epochs=0.01))
    assert make_plan(half, SPEED).left == {}, "it has taken more steps than these"


def test_more_steps_are_not_begun_unasked(finished: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "tiny")
    with pytest.raises(SystemExit):
        cli.main(["train", str(folder), "--training.steps", "4000000"])
    said = capsys.readouterr().err
    assert "This will take long: about" in said
    assert "to begin anyway, add --yes" in said


def test_what_compiling_will_bring_is_left_open_until_it_was_seen(tmp_path: Path, tiny_protocol: Protocol) -> None:
    plan = make_plan(TrialFolder(tmp_path / "tiny", longer(tiny_protocol, compile="on")), SPEED)
    slower, faster = COMPILED_IS_FASTER
    step = plan.tracks["bpe"].step_seconds
    assert (step.least, step.most) == pytest.approx((0.1 / faster, 0.1 / slower))
    assert lines_of(plan, "device     a machine that nobody has: 100 ms a step, measured uncompiled; these runs are compiled")
    assert " to " in lines_of(plan, "time")[0].partition("about")[2]
    eager = make_plan(TrialFolder(tmp_path / "tiny", longer(tiny_protocol, compile="off")), SPEED)
    assert eager.tracks["bpe"].step_seconds.least == eager.tracks["bpe"].step_seconds.most == pytest.approx(0.1)

    # Timed alone, compiled, on this device: that says it, for the other track too, whose model is as large.
    here = replace(SPEED, device=device_name(torch.device("cpu")))
    trial = TrialFolder(tmp_path / "tiny", longer(tiny_protocol, compile="on", threads=1, device="cpu"))
    timed = Calibration(0.025, 10, False, "cpu", here.device, threads=1, precision="float32", compiled=True, peak_bytes=0)
    folder = trial.folder / "calibration" / "btm"
    folder.mkdir(parents=True)
    artifact.write_json(folder / "calibration.json", asdict(timed))
    plan = make_plan(trial, here)
    for track in plan.tracks.values():
        assert track.step_seconds.least == track.step_seconds.most == pytest.approx(0.025)
    assert lines_of(plan, f"device     {here.device}: 25 ms a step, as this trial took before")
    artifact.write_json(folder / "calibration.json", asdict(replace(timed, compiled=False)))
    assert not make_plan(trial, here).tracks["btm"].is_seen, "it says nothing of compiled steps"


def test_the_runs_of_a_trial_tell_how_long_its_steps_take(finished: Trial) -> None:
    more = TrialFolder(finished.folder, replace(finished.protocol, seeds=3))
    plan = make_plan(more)
    for name, track in plan.tracks.items():
        assert track.is_seen
        lines = (finished.run_folder(name, 1) / "metrics.jsonl").read_text().splitlines()
        assert 0 < track.step_seconds.most < 1 and len(lines) == 3


def test_tracks_that_are_alike_share_a_line(tmp_path: Path, tiny_protocol: Protocol) -> None:
    many: dict[str, Recipe] = {f"btm{size}": BTMRecipe(primitive_vocab_size=size) for size in range(300, 500, 20)}
    tracks = {"bpe": BPERecipe(), **many, "bytes": BytesRecipe()}
    plan = make_plan(
        TrialFolder(tmp_path / "tiny", replace(tiny_protocol, tracks=tracks, verdict=VerdictConfig(budget="flops"))), SPEED
    )
    alike = ", ".join(["bpe", *many])
    assert [line.partition(":")[0] for line in lines_of(plan, "size")] == [f"size       {alike}", "size       bytes"]
    of_many, of_bytes = lines_of(plan, "track")
    low, high = (f"{of(plan.text.tokens[name] for name in ('bpe', *many)):,.0f}" for of in (min, max))
    assert of_many.startswith(f"track      {alike}: about {low} to {high} tokens, 20 steps = about 0.")
    assert of_bytes.startswith(f"track      bytes: about {plan.text.tokens['bytes']:,.0f} tokens, ")


def test_so_few_seeds_for_so_many_tracks_that_only_huge_differences_are_found_are_warned_of(
    tmp_path: Path, tiny_protocol: Protocol
) -> None:
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), **{f"btm{n}": BTMRecipe(primitive_vocab_size=400 + n) for n in range(14)}}

    def warnings(seeds: int, count: int) -> list[str]:
        plan = replace(tiny_protocol, seeds=seeds, tracks=dict(list(tracks.items())[: 1 + count]))
        lines = lines_of(make_plan(TrialFolder(tmp_path / "trial", plan), SPEED), "WARNING")
        return [line for line in lines if "comparison" in line]

    (said,) = warnings(3, 14)
    assert "14 comparisons over 3 seeds, the verdict finds in 80% of trials only a difference of 12.3 times" in said
    assert "over 5 seeds, one of 3.4 times" in said
    assert "1 comparison over 2 seeds" in warnings(2, 1)[0]
    assert warnings(3, 1) == warnings(3, 2) == warnings(5, 14) == warnings(1, 14) == []


def test_the_sums_over_all_cuts_are_part_of_the_cost(finished: Trial) -> None:
    without = make_plan(finished, SPEED)
    asked = replace(finished.protocol, evaluation=replace(finished.protocol.evaluation, marginal=50))
    plan = make_plan(TrialFolder(finished.folder, asked), SPEED)
    assert lines_of(plan, "marginal   all cuts of 50 documents in every run: about ")
    assert not lines_of(without, "marginal")
    added = plan.seconds.most - without.seconds.most
    assert added == plan.marginal_seconds.most == pytest.approx(5 * plan.marginal_seconds.least)
    once = curve_positions(asked, plan.text, "bpe") / asked.evaluation.eval_documents * SPEED.forward_seconds_per_token
    assert plan.tracks["bpe"].marginal_seconds.most == pytest.approx(50 * 50 * once)


def test_the_disk_holds_what_the_runs_leave_and_a_trial_that_is_there_needs_no_more(
    finished: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a constant rate every finished run keeps a checkpoint, with which it can grow."""
    plan = make_plan(finished, SPEED)
    assert sum(path.stat().st_size for path in finished.folder.glob("runs/*/*/*.[ps]*")) < plan.disk_bytes
    tuned = replace(finished.protocol, tuning=TuningConfig(rates=(1e-3, 2e-3)))
    assert make_plan(TrialFolder(tmp_path, tuned), SPEED).disk_bytes > 1.5 * plan.disk_bytes
    monkeypatch.setattr(Plan, "free_bytes", property(lambda _plan: 0))
    assert math.isfinite(make_plan(finished, SPEED).seconds.most)
    with pytest.raises(TrialError, match=r"GB of disk, but .* has 0\.0 GB free"):
        make_plan(TrialFolder(tmp_path / "new", finished.protocol), SPEED)
