"""Whole trials, small enough for a test: every stage on real text, interruptions, other protocols, a full disk."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toktrial import protocol
from toktrial.artifact import file_sha256
from toktrial.corpus.config import CorpusConfig
from toktrial.errors import TrialError
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.finished_run import open_finished_run
from toktrial.integrity import find_damage
from toktrial.plan import curve_positions, make_plan
from toktrial.plan_lines import describe_plan
from toktrial.protocol import Protocol
from toktrial.report.inputs import INPUT_FILES
from toktrial.report.result import plain
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import TokenStore
from toktrial.training.config import flops_per_token
from toktrial.trial import Trial
from toktrial.trial_folder import TrialFolder


def without_times(value: Any) -> Any:
    """Results without what depends on the clock."""
    clock = ("seconds", "timestamp", "started", "times", "waited_share", "shared_device")
    if isinstance(value, dict):
        return {name: without_times(part) for name, part in value.items() if not any(word in name for word in clock)}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def test_every_stage_wrote_what_the_design_names(finished: Trial) -> None:
    for name in (
        "protocol.toml",
        "corpus/train.arrow",
        "corpus/validation.arrow",
        "tokenizers/bpe_baseline_tokenizer/tokenizer.json",
        "tokenizers/btm_primitive_tokenizer/tokenizer.json",
        "tokenizers/btm_experimental_tokenizer/merges.parquet",
        "graphs/btm_primitive_tokenizer/graph.parquet",
        "tokens/bpe/train.bin",
        "tokens/btm/val.bin",
        "runs/bpe/seed-1/metrics.jsonl",
        "runs/btm/seed-2/weights.safetensors",
        "runs/btm/seed-2/final.json",
        "runs/btm/seed-2/samples.json",
        "evaluation/vocabulary/vocabulary.json",
        "evaluation/samples/measures.json",
        "report/index.html",
        "report/report.md",
        "report/results.json",
        "report/bits_per_byte_by_step.svg",
        "report/validation_loss_by_training_seconds.png",
    ):
        assert (finished.folder / name).stat().st_size > 0, name
    assert len(list(finished.folder.rglob("results.json"))) == 1
    assert not [path for path in finished.folder.rglob("*") if "partial" in path.name]
    # A longer training goes on from the last checkpoint, so each run keeps that one.
    assert {path.name for path in finished.folder.rglob("*checkpoint*")} == {"checkpoint-000000020.pt"}
    assert len(list(finished.folder.rglob("*checkpoint*"))) == 4


def test_results_are_those_of_the_runs(finished: Trial) -> None:
    results = json.loads((finished.folder / "report" / "results.json").read_text())
    for track in ("bpe", "btm"):
        finals = [json.loads((finished.run_of(track, seed).folder / "final.json").read_text()) for seed in (1, 2)]
        expected = np.mean([final["bits_per_byte"] for final in finals])
        assert results["tracks"][track]["final"]["bits_per_byte"] == pytest.approx(expected, rel=1e-12)
        expected = np.mean([final["validation_loss"] for final in finals])
        assert results["tracks"][track]["final"]["validation_loss"] == pytest.approx(expected, rel=1e-12)
    assert results["verdict"]["word"] == "undecided: bpe and btm have learned no more than counting pairs"
    assert any("storybook" in note for note in results["notes"])


def test_the_report_needs_nothing_but_the_files_that_it_names(finished: Trial, tmp_path: Path) -> None:
    for path in {path for pattern in INPUT_FILES for path in finished.folder.glob(pattern)}:
        copy = tmp_path / path.relative_to(finished.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    results = Trial.open(tmp_path).report()
    assert plain(results) == json.loads((finished.folder / "report" / "results.json").read_text())
    assert not list(tmp_path.rglob("*.arrow"))


def test_both_tracks_hold_the_same_documents(finished: Trial) -> None:
    stores = {track: TokenStore.open(finished.tokens_folder(track), check=True) for track in ("bpe", "btm")}
    tokenizers = {track: load_tokenizer(finished.tokenizer_folder(track)) for track in stores}
    for split in ("train", "validation"):
        splits = {track: getattr(store, split) for track, store in stores.items()}
        assert splits["bpe"].documents == splits["btm"].documents
        for index in range(0, splits["bpe"].documents, 7):
            texts = {t: tokenizers[t].decode(s.document(index)[:-1].tolist()) for t, s in splits.items()}
            assert texts["bpe"] == texts["btm"]


def test_a_finished_trial_is_known_and_not_done_again(finished: Trial, tiny_protocol: Protocol) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.folder.rglob("*") if "report" not in path.parts}
    again = Trial(finished.folder, tiny_protocol)
    assert again.finished_result() is not None
    again.evaluate()
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_trial_of_an_earlier_version_gets_its_intrinsic_measures_and_nothing_else_is_done(
    finished: Trial, tmp_path: Path
) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "tiny")
    shutil.rmtree(folder / "evaluation" / "intrinsic")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and "report" not in path.parts}
    trial = Trial.open(folder)
    assert trial.finished_result() is None
    assert trial.report().intrinsic == Trial.open(finished.folder).report().intrinsic
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert trial.finished_result() is not None


def test_a_trial_that_asks_for_marginals_later_measures_them_and_nothing_else(finished: Trial, tmp_path: Path) -> None:
    folder = shutil.copytree(finished.folder, tmp_path / "tiny")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/*/*") if path.name != "manifest.json"}
    trial = Trial(folder, replace(finished.protocol, evaluation=replace(finished.protocol.evaluation, marginal=1)))
    assert trial.finished_result() is None
    found = trial.report().marginal
    assert found is not None
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for track, gap in found.tracks.items():
        files = [trial.run_of(track, seed).folder / "document_nats.npy" for seed in (1, 2)]
        own = np.mean([np.load(file)[0] for file in files]) / np.log(2) / found.bytes
        assert gap.own_bits_per_byte == pytest.approx(own, rel=1e-6)
        assert gap.bits_per_byte < gap.own_bits_per_byte
    assert not find_damage(folder)
    assert trial.finished_result() is not None


def test_stage_by_stage_gives_the_same_as_all_at_once(finished: Trial, tmp_path: Path, tiny_protocol: Protocol) -> None:
    for stage in ("corpus", "tokenizers", "tokens", "train", "evaluate"):
        Trial(tmp_path / "tiny", tiny_protocol).run(stage)
    trial = Trial.open(tmp_path / "tiny")
    assert trial.finished_result() is None
    results = trial.report()
    expected = json.loads((finished.folder / "report" / "results.json").read_text())
    assert without_times(plain(results)["tracks"]) == without_times(expected["tracks"])


def test_killed_again_and_again_it_ends_with_the_same_result(finished: Trial, tmp_path: Path, tiny_protocol: Protocol) -> None:
    """SIGKILL after ever longer times, then a last attempt to the end; whatever was hit must not show in the result."""
    path, folder = tmp_path / "tiny.toml", tmp_path / "tiny"
    protocol.save(tiny_protocol, path)
    command = [sys.executable, "-m", "toktrial", "evaluate", str(path), "--trial", str(folder)]
    kills = 0
    for seconds in (1.5, 3.0, 4.0, 5.0, 6.0):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            kills += 1
    assert kills >= 1
    assert subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    for track, seed in finished.run_order():
        for name in ("samples.json", "weights.safetensors", "document_nats.npy"):
            ours = folder / "runs" / track / f"seed-{seed}" / name
            theirs = finished.run_of(track, seed).folder / name
            assert file_sha256(ours) == file_sha256(theirs), (track, seed, name)
        metrics = [json.loads(line) for line in (ours.parent / "metrics.jsonl").read_text().splitlines()]
        expected = [json.loads(line) for line in (theirs.parent / "metrics.jsonl").read_text().splitlines()]
        assert without_times(metrics) == without_times(expected)


def test_a_seed_begins_every_track_with_the_same_weights_and_the_control_with_others(
    tmp_path: Path, tiny_protocol: Protocol
) -> None:
    """At a learning rate of 0 a run's weights are those that it began with. btm stops at fewer entries; the shape is V's."""
    plan = replace(
        tiny_protocol,
        control=True,
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=400, min_frequency=10**9)},
        training=replace(tiny_protocol.training, learning_rate=0.0, steps=1, log_every=1),
    )
    trial = Trial(tmp_path / "tiny", plan)
    assert list(trial.run_order()) == [("bpe", 1), ("btm", 1), ("bpe", 3), ("btm", 2), ("bpe", 2), ("bpe", 4)]
    results = trial.report()
    began = {place: file_sha256(trial.run_of(*place).folder / "weights.safetensors") for place in trial.run_order()}
    assert results.tracks["btm"].entries < results.tracks["bpe"].entries
    assert began["bpe", 1] == began["btm", 1]
    assert began["bpe", 2] == began["btm", 2]
    assert len({began["bpe", seed] for seed in (1, 2, 3, 4)}) == 4
    assert [(pair.seed, pair.other_seed) for pair in (results.control.pairs if results.control else [])] == [(1, 3), (2, 4)]
    open_finished_run(trial.run_of("bpe", 4).folder)
    with pytest.raises(TrialError, match=r"btm has no seed 4 in the trial in .*: its seeds are 1 to 2"):
        open_finished_run(trial.folder / "runs" / "btm" / "seed-4")
    assert "training   0 of 6 runs left (2 tracks, seeds 1 to 2; as a control bpe again with 3 to 4)" in "\n".join(
        describe_plan(make_plan(trial))
    )


def test_another_protocol_is_refused_with_what_differs(finished: Trial, tiny_protocol: Protocol) -> None:
    with pytest.raises(TrialError, match=r"(?s)another protocol.*seeds: the trial has 2, but 1 was asked for"):
        Trial(finished.folder, replace(tiny_protocol, seeds=1))


def test_the_runs_of_a_seed_look_at_the_tracks_tokens_once(finished: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their texts end alike depends on all tracks: looked up for every run, that grew with the square of the tracks."""
    trial, opens = TrialFolder.open(finished.folder), TokenStore.open
    opened: list[Path] = []

    def noted(folder: Path) -> TokenStore:
        opened.append(folder)
        return opens(folder)

    monkeypatch.setattr(TokenStore, "open", noted)
    for _ in range(3):
        kept = {(track, seed): trial.run_of(track, seed).keep_weights_at for track, seed in trial.run_order()}
    assert sorted(opened) == sorted([*trial.tokens_folders.values()] * 2)
    assert 0 < kept["btm", 1] <= kept["bpe", 1] == 20


def test_the_plan_knows_how_much_an_evaluation_computes(finished: Trial) -> None:
    """Stories are some ten contexts long here, so windows that overlap by half count nearly twice."""
    plan = replace(finished.protocol, evaluation=replace(finished.protocol.evaluation, eval_documents=10_000))
    text = make_plan(finished).text
    for track in ("bpe", "btm"):
        store = TokenStore.open(finished.tokens_folder(track))
        scorer = DocumentScorer(store.validation, store.entry_bytes, plan.model.context, plan.vocab_size)
        computed = sum(batch.inputs.numel() for batch in scorer._make_batches("cpu"))
        expected = curve_positions(plan, text, track) * store.validation.documents / 10_000
        assert expected == pytest.approx(computed, rel=0.1)
        assert computed > 1.7 * int(store.validation.offsets[-1]), "or the test would say little"


def test_the_plan_of_a_corpus_that_is_not_here_says_so(tmp_path: Path, tiny_protocol: Protocol) -> None:
    corpus = CorpusConfig(path="hub:somebody/something")
    far = replace(tiny_protocol, corpus=corpus, training=replace(tiny_protocol.training, epochs=1.0, match="bytes"))
    plan = make_plan(Trial(tmp_path / "tiny", far))
    lines = "\n".join(describe_plan(plan))
    assert plan.is_long, "for all that is known"
    assert "track      bpe, btm: steps known once the corpus is here" in lines
    assert "nan" not in lines


def test_a_run_without_its_metrics_is_an_error_that_says_so(finished: Trial, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(finished.folder, folder)
    run = folder / "runs" / "bpe" / "seed-1"
    (run / "final.json").unlink()
    (run / "metrics.jsonl").unlink()
    with pytest.raises(TrialError, match=r"metrics\.jsonl is missing or empty: delete .*seed-1 and run the same command again"):
        Trial.open(folder).evaluate()


def test_a_trial_that_lost_its_corpus_keeps_its_protocol(finished: Trial, tmp_path: Path, tiny_protocol: Protocol) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(finished.folder, folder, ignore=shutil.ignore_patterns("*.arrow", "corpus"))
    before = (folder / "protocol.toml").stat().st_mtime_ns
    with pytest.raises(TrialError, match=r"vocab_size: the trial has 500, but 501 was asked for"):
        Trial(folder, replace(tiny_protocol, vocab_size=501))
    Trial(folder, tiny_protocol)
    assert (folder / "protocol.toml").stat().st_mtime_ns == before


def test_a_trial_without_a_finished_stage_may_change_its_protocol(tmp_path: Path, tiny_protocol: Protocol) -> None:
    missing = replace(tiny_protocol, corpus=CorpusConfig(path=str(tmp_path / "nowhere.txt")))
    with pytest.raises(TrialError, match=r"nowhere\.txt"):
        Trial(tmp_path / "tiny", missing).run("corpus")
    Trial(tmp_path / "tiny", tiny_protocol).run("corpus")
    assert protocol.load(tmp_path / "tiny" / "protocol.toml") == tiny_protocol


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path, tiny_protocol: Protocol) -> None:
    (tmp_path / "letter.txt").write_text("dear reader")
    with pytest.raises(TrialError, match="not empty"):
        Trial(tmp_path, tiny_protocol)


def test_a_corpus_too_small_for_the_vocabulary_goes_on_and_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], tiny_protocol: Protocol
) -> None:
    small = CorpusConfig(path="storybook", max_megabytes=0.02, validation_share=0.3)
    plan = replace(tiny_protocol, seeds=1, corpus=small, vocab_size=4000, training=replace(tiny_protocol.training, steps=2))
    plan = replace(plan, tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=3900)})
    results = Trial(tmp_path / "small", plan).report()
    said = capfd.readouterr().err
    track = results.tracks["bpe"]
    assert track.entries < track.entries_requested == 4000
    why = "; the corpus is too small for more. The trial goes on with these; "
    for name, asked_for, then in (
        ("bpe_baseline_tokenizer", "4,000", "the model's other rows stay unused"),
        ("btm_primitive_tokenizer", "3,900", "others build on them"),
    ):
        assert f"{name}: {track.entries:,} entries of the {asked_for} asked for{why}{then}." in said
    (note,) = [note for note in results.notes if note.startswith("bpe learned")]
    surplus = flops_per_token(plan.model, 4000) / flops_per_token(plan.model, track.entries) - 1
    assert f"a step costs {surplus:.1%} more FLOPs" in note and surplus > 0.2
    assert f"`tracks.bpe.vocab_size = {track.entries}`" in note
    builds_on = f"btm builds on {track.entries:,} of the 3,900 primitives asked for: the corpus gave no more."
    assert any(note.startswith(builds_on) for note in results.notes)
    assert track.final.bits_per_byte is not None and np.isfinite(track.final.bits_per_byte)
    assert results.verdict.word == "undecided: bpe and btm have learned no more than counting pairs"


def test_a_full_disk_ends_in_one_message_and_loses_nothing(tmp_path: Path, tiny_protocol: Protocol) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    try:
        plan_path = tmp_path / "tiny.toml"
        protocol.save(replace(tiny_protocol, corpus=replace(tiny_protocol.corpus, max_megabytes=1.0)), plan_path)
        command = [sys.executable, "-m", "toktrial", "train", str(plan_path), "--yes", "--trial", str(disk / "tiny")]
        filler = disk / "filler"
        Trial(disk / "tiny", protocol.load(plan_path)).run("corpus")
        kept = (disk / "tiny" / "corpus" / "manifest.json").read_bytes()
        filler.write_bytes(bytes(shutil.disk_usage(disk).free - 64_000))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "make room" in done.stderr
        assert "Traceback" not in done.stderr
        assert (disk / "tiny" / "corpus" / "manifest.json").read_bytes() == kept
        filler.unlink()
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    finally:
        for _ in range(5):
            if subprocess.run(["umount", str(disk)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.2)


def test_a_trial_writes_nothing_elsewhere(tmp_path: Path, tiny_protocol: Protocol) -> None:
    """Neither where it is called nor in the user's home; what compilers and libraries cache is told to stay away."""
    folders = {name: tmp_path / name for name in ("home", "here", "caches", "trials")}
    for folder in folders.values():
        folder.mkdir()
    path = tmp_path / "tiny.toml"
    protocol.save(replace(tiny_protocol, seeds=1), path)
    names = ("XDG_CACHE_HOME", "HF_HOME", "TMPDIR")
    caches = {name: str(folders["caches"]) for name in names}
    environment = os.environ | caches | {"HOME": str(folders["home"])}
    command = [sys.executable, "-m", "toktrial", "run", str(path), "--yes", "--trial", str(folders["trials"] / "tiny")]
    done = subprocess.run(command, cwd=folders["here"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in folders["trials"].iterdir()] == ["tiny"]
    assert not list(folders["home"].rglob("*"))
    assert not list(folders["here"].rglob("*"))
