"""What is damaged in a trial is noticed and named, put aside and made again; what cannot be is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toktrial import artifact, protocol
from toktrial.cli import main
from toktrial.errors import TrialError
from toktrial.integrity import Damage, find_damage, is_mended, set_aside
from toktrial.protocol import Protocol
from toktrial.trial import Trial
from toktrial.trial_folder import TrialFolder

RUN = "runs/bpe/seed-1"
ONE_OF_EACH_KIND = (
    "protocol.toml",
    "manifest.json",
    "corpus/train.arrow",
    "corpus/manifest.json",
    "tokenizers/btm_experimental_tokenizer/primitive/tokenizer.json",
    "graphs/btm_primitive_tokenizer/graph.parquet",
    "tokens/btm/val_offsets.bin",
    "evaluation/floors/floors.json",
    "report/index.html",
    *(f"{RUN}/{name}" for name in ("weights.safetensors", "metrics.jsonl", "record.json", "final.json", "manifest.json")),
)


@pytest.fixture
def trial(finished: Trial, tmp_path: Path) -> TrialFolder:
    return TrialFolder.open(shutil.copytree(finished.folder, tmp_path / "tiny"))


def flip(path: Path, byte: int | None = None, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if byte is None else byte] ^= 1 << bit
    path.write_bytes(content)


def described(damage: list[Damage]) -> list[str]:
    return [f"{each.path.parent.name}/{each.name} {each.what}" for each in damage]


def reseal(run: Path) -> None:
    """Makes a run's manifest vouch for its files as they are now."""
    manifest = artifact.read_manifest(run)
    artifact.seal(run, manifest["fingerprint"], list(manifest["files"]), manifest)


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_every_fault_is_named(trial: TrialFolder, name: str) -> None:
    assert find_damage(trial.folder) == []
    path = trial.folder / name
    whole = path.read_bytes()
    flip(path)
    assert [each.path for each in find_damage(trial.folder)] == [path]
    path.write_bytes(whole[:-1])
    assert [each.path for each in find_damage(trial.folder)] == [path]
    if not name.endswith("manifest.json"):
        assert [each.path for each in find_damage(trial.folder, thorough=False)] == [path]
    path.unlink()
    assert [each.what for each in find_damage(trial.folder)] == ["is missing"]


def test_a_bit_in_the_name_of_the_checksum_or_the_spelling_of_a_number_is_noticed(tmp_path: Path) -> None:
    artifact.seal(tmp_path, "f", [], {"seconds": 1e-07})
    text = (tmp_path / artifact.MANIFEST).read_text()
    for damaged in (text.replace('"checksum"', '"bhecksum"'), text.replace("1e-07", "1E-07")):
        assert damaged != text
        (tmp_path / artifact.MANIFEST).write_text(damaged)
        with pytest.raises(TrialError, match="its checksum is wrong"):
            artifact.read_manifest(tmp_path)


def test_a_deleted_file_of_the_corpus_is_made_again(trial: TrialFolder, capsys: pytest.CaptureFixture[str]) -> None:
    before = artifact.file_sha256(trial.corpus_folder / "train.arrow")
    (trial.corpus_folder / "train.arrow").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(trial.folder)])
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert "train.arrow is missing" in said.out
    assert f"1 damaged or missing file in {trial.folder}: `toktrial verify {trial.folder} --repair`" in said.err
    main(["verify", str(trial.folder), "--repair"])
    assert "every file is what its stage wrote" in capsys.readouterr().out
    assert artifact.file_sha256(trial.corpus_folder / "train.arrow") == before
    assert (trial.folder / "damaged/1/corpus/validation.arrow").is_file()


def test_what_was_put_aside_is_made_again_by_the_next_command_too(trial: TrialFolder) -> None:
    """The process that put it aside may have been killed before it made it again."""
    flip(trial.corpus_folder / "train.arrow")
    set_aside(find_damage(trial.folder), trial.folder)
    assert not is_mended(trial.folder)
    opened = Trial.open(trial.folder)
    assert opened.finished_result() is None
    opened.report()
    assert is_mended(trial.folder)
    assert find_damage(trial.folder) == []


def test_a_trial_whose_timing_was_put_aside_is_finished_all_the_same(
    trial: TrialFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing makes a timing again once every run is trained."""
    artifact.make_folder(trial.folder / "calibration")
    with artifact.publish(trial.folder / "calibration/bpe", "timing", {}) as partial:
        (partial / "calibration.json").write_text("{}")
    flip(trial.folder / "calibration/bpe/calibration.json")
    set_aside(find_damage(trial.folder), trial.folder)
    assert "only a further training would need it" in capsys.readouterr().err
    assert is_mended(trial.folder)


def test_only_what_is_damaged_of_a_trained_run_is_put_aside(trial: TrialFolder) -> None:
    run, other = trial.folder / RUN, trial.folder / "runs/btm/seed-1"
    flip(run / "samples.json")
    flip(other / "weights.safetensors")
    set_aside(find_damage(trial.folder), trial.folder)
    assert artifact.is_finished(run)
    assert not (run / "samples.json").exists()
    assert not other.exists()
    assert (trial.folder / "damaged/1" / RUN / "samples.json").is_file()
    (run / "final.json").write_text("{}")  # an evaluation begun again, and damaged again
    set_aside([Damage(run, "final.json", "is damaged")], trial.folder)
    assert (trial.folder / "damaged/1" / RUN / "final.json").is_file()


def test_a_run_without_its_manifest_goes_on_from_its_checkpoint(trial: TrialFolder) -> None:
    run = trial.folder / RUN
    final = json.loads((run / "final.json").read_text())
    (run / artifact.MANIFEST).unlink()
    set_aside(find_damage(trial.folder), trial.folder)
    assert (run / "weights.safetensors").is_file()
    assert not (run / "final.json").exists()
    assert Trial.open(trial.folder).finished_result() is None
    final["step"] -= 1  # so the checkpoint is newer: the run is being trained for longer, and has no manifest meanwhile
    (run / "final.json").write_text(json.dumps(final))
    assert find_damage(trial.folder) == []


def test_results_that_contradict_each_other_are_named(trial: TrialFolder) -> None:
    run = trial.folder / RUN
    final = artifact.read_json(run / "final.json")
    artifact.forget_files(run, ["final.json"])
    artifact.write_json(run / "final.json", final | {"bits_per_byte": final["bits_per_byte"] * 0.99})
    artifact.add_files(run, ["final.json"])
    assert [line.partition(", which")[0] for line in described(find_damage(trial.folder))] == [
        "seed-1/final.json does not follow from document_nats.npy"
    ]
    artifact.write_json(run / "final.json", final)
    nats = np.load(run / "document_nats.npy")
    nats[0] += 1
    np.save(run / "document_nats.npy", nats)
    reseal(run)
    assert [each.name for each in find_damage(trial.folder)] == ["final.json"]


def test_a_run_of_an_earlier_version_is_whole_but_cannot_be_checked(
    trial: TrialFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    path = trial.folder / RUN / artifact.MANIFEST
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in manifest.items() if name not in ("files", "checksum")}))
    flip(trial.folder / RUN / "weights.safetensors")
    assert find_damage(trial.folder) == []
    main(["verify", str(trial.folder)])
    assert f"{RUN} was finished by an earlier version, which wrote no checksums" in capsys.readouterr().err


def test_a_protocol_changed_by_hand_is_refused_until_it_is_restored(trial: TrialFolder, tiny_protocol: Protocol) -> None:
    path = trial.folder / "protocol.toml"
    path.write_text(path.read_text().replace("confidence = 0.95", "confidence = 0.5"))
    for plan in (protocol.load(path), replace(protocol.load(path), seeds=3)):  # whether or not it is amended as well
        with pytest.raises(
            TrialError, match=r"protocol\.toml is damaged .* since the trial began: `toktrial verify .* --repair`"
        ):
            Trial(trial.folder, plan)
    main(["verify", str(trial.folder), "--repair"])
    assert protocol.load(path) == tiny_protocol
    path.unlink()
    with pytest.raises(TrialError, match=r"protocol\.toml is missing: `toktrial verify .* --repair` restores it"):
        Trial(trial.folder, tiny_protocol)
    main(["verify", str(trial.folder), "--repair"])
    assert find_damage(trial.folder) == []


def test_damaged_amendments_are_refused_and_a_damaged_seal_is_made_again(trial: TrialFolder, tiny_protocol: Protocol) -> None:
    flip(trial.folder / artifact.MANIFEST)
    set_aside(find_damage(trial.folder), trial.folder)
    assert find_damage(trial.folder) == []
    Trial(trial.folder, replace(tiny_protocol, seeds=3))
    assert find_damage(trial.folder) == []
    flip(trial.folder / "amendments.jsonl")
    with pytest.raises(TrialError, match=r"amendments\.jsonl is damaged .*: no command can make it again"):
        set_aside(find_damage(trial.folder), trial.folder)


def test_an_amendment_that_was_interrupted_damages_nothing(
    trial: TrialFolder, tiny_protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    more = replace(tiny_protocol, seeds=3)
    with monkeypatch.context() as patch:
        patch.setattr("toktrial.amending.save", interrupt)  # after the amendment is listed
        with pytest.raises(KeyboardInterrupt):
            Trial(trial.folder, more)
    assert find_damage(trial.folder) == []
    Trial(trial.folder, more)
    Trial(trial.folder, more)
    assert protocol.load(trial.folder / "protocol.toml") == more
    assert artifact.read_manifest(trial.folder)["files"].keys() == {"protocol.toml", "amendments.jsonl"}


def test_status_shows_what_is_done_and_what_is_damaged(trial: TrialFolder, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(trial.folder / "runs/btm/seed-2")
    (trial.folder / RUN / "final.json").unlink()
    flipped = trial.folder / "tokens/btm/train.bin"
    flipped.write_bytes(flipped.read_bytes()[:-2])
    main(["status", str(trial.folder)])
    said = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:4]] for line in said.splitlines() if "│" in line]
    assert rows == [["bpe", "1", "trained"], ["btm", "1", "evaluated"], ["btm", "2", "not begun"], ["bpe", "2", "evaluated"]]
    for line in ("done before training: corpus, tokenizers, tokens", "written by: nobody", "final.json is missing"):
        assert line in said
    assert "train.bin is damaged (it has" in said


def test_the_list_of_trials_shows_the_others_where_one_is_damaged(
    trial: TrialFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (trial.folder.parent / "broken").mkdir()
    (trial.folder.parent / "broken" / "protocol.toml").write_text("name = ")
    flip(trial.folder / RUN / "metrics.jsonl")
    monkeypatch.setattr("toktrial.commands.status.TRIALS", trial.folder.parent)
    main(["status"])
    said = capsys.readouterr().out
    assert "4 of 4" in said
    assert "broken" in said
    assert "protocol.toml is not valid TOML" in said
