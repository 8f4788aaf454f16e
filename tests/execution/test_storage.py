"""Object storage: what goes up comes down byte for byte, or not at all, through a real server of S3's protocol."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import fs

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.execution.storage import Storage


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A finished stage with a file in a folder of its own."""
    with artifact.publish(tmp_path / "stage", "its fingerprint", {"about": "a test"}) as partial:
        (partial / "ids.bin").write_bytes(bytes(range(256)) * 1000)
        (partial / "inner").mkdir()
        (partial / "inner" / "text.txt").write_text("Es war einmal.\n", encoding="utf-8")
    return tmp_path / "stage"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_folder_comes_back_as_it_was(s3_bucket: str, stage: Path, tmp_path: Path) -> None:
    Storage(s3_bucket).upload(stage, "tokens/bpe")
    assert Storage(s3_bucket).download("tokens/bpe", tmp_path / "elsewhere")
    assert contents(tmp_path / "elsewhere") == contents(stage)
    assert Storage(s3_bucket).finished() == ["tokens/bpe"]
    assert not Storage(s3_bucket).download("tokens/btm", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_only_what_changed_goes_up_again_or_down(s3_bucket: str, stage: Path, tmp_path: Path) -> None:
    storage = Storage(s3_bucket)
    storage.upload(stage, "run")
    storage.download("run", tmp_path / "copy")
    before = {name: (tmp_path / "copy" / name).stat().st_mtime_ns for name in contents(stage)}
    artifact.forget_files(stage, ["inner/text.txt"])
    (stage / "inner" / "text.txt").write_text("Und sie lebten noch lange.\n", encoding="utf-8")
    artifact.add_files(stage, ["inner/text.txt"])
    (stage / "ids.bin").unlink()  # it would be missed if it were sent
    storage.upload(stage, "run")
    storage.download("run", tmp_path / "copy")
    changed = {name for name, when in before.items() if (tmp_path / "copy" / name).stat().st_mtime_ns != when}
    assert changed == {"inner/text.txt", "manifest.json"}
    artifact.check_files(tmp_path / "copy")


def test_an_upload_that_was_cut_short_counts_for_nothing(s3_bucket: str, stage: Path, tmp_path: Path) -> None:
    storage = Storage(s3_bucket)
    storage.upload(stage, "corpus")
    (stage / "inner" / "text.txt").write_text("Neu.\n", encoding="utf-8")
    artifact.seal(stage, "another fingerprint", ["ids.bin", "inner/text.txt"], {})
    (stage / "inner" / "text.txt").unlink()  # stands for whatever ends an upload in its middle
    with pytest.raises(FileNotFoundError):
        storage.upload(stage, "corpus")
    assert storage.finished() == []
    assert not storage.download("corpus", tmp_path / "copy")


def test_damage_is_found_on_the_way_back(s3_bucket: str, stage: Path, tmp_path: Path) -> None:
    storage = Storage(s3_bucket)
    storage.upload(stage, "corpus")
    remote, root = fs.FileSystem.from_uri(s3_bucket)
    with remote.open_output_stream(f"{root}/corpus/ids.bin") as file:
        file.write(bytes(256_000))
    with pytest.raises(TrialError, match=r"corpus/ids.bin in s3://bucket-\d+/some/prefix\S* is damaged"):
        storage.download("corpus", tmp_path / "copy")
    assert not artifact.is_finished(tmp_path / "copy")
    assert not (tmp_path / "copy" / "ids.bin").exists()


def test_a_manifest_cannot_make_it_write_elsewhere(stage: Path, tmp_path: Path) -> None:
    storage = Storage(f"file://{tmp_path}/store")
    storage.upload(stage, "corpus")
    path = tmp_path / "store" / "corpus" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../../evil"] = manifest["files"].pop("ids.bin")
    path.write_text(json.dumps(manifest))
    with pytest.raises(TrialError, match="not in its folder"):
        storage.download("corpus", tmp_path / "a" / "b")


def test_a_run_on_its_way_is_kept_with_its_newest_checkpoints(
    s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toktrial.execution.storage.SECONDS_BETWEEN_UPLOADS", 0.05)
    storage, run = Storage(s3_bucket), tmp_path / "run"
    run.mkdir()
    with storage.keeping(run, "attempts/one"):
        (run / "metrics.jsonl").write_text("step 1\n")
        (run / "checkpoint-000000001.pt").write_text("one")
        (run / ".checkpoint-000000002.pt.partial").write_text("not whole yet")
        wait_for(lambda: "checkpoint-000000001.pt" in storage.files("attempts/one"))
        (run / "checkpoint-000000001.pt").unlink()
        (run / "checkpoint-000000002.pt").write_text("two")
        wait_for(lambda: storage.files("attempts/one") == ["checkpoint-000000002.pt", "metrics.jsonl"])
        with (run / "metrics.jsonl").open("a") as file:
            file.write("step 2\n")
    assert not storage.download("attempts/one", tmp_path / "other")
    assert contents(tmp_path / "other") == {"metrics.jsonl": b"step 1\nstep 2\n", "checkpoint-000000002.pt": b"two"}
    storage.remove("attempts/one")
    assert not storage.files("attempts/one")


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def test_what_cannot_be_used_is_named_without_its_secret(s3_server: str, stage: Path) -> None:
    with pytest.raises(TrialError, match="s4://somewhere is no storage"):
        Storage("s4://key:secret@somewhere")
    with pytest.raises(TrialError, match=r"storage s3://nowhere/x\S* cannot be used: .*NO_SUCH_BUCKET") as error:
        Storage(f"s3://key:secret@nowhere/x?{s3_server}").upload(stage, "corpus")
    assert "secret" not in str(error.value)
