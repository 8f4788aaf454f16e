"""A stage on disk: there whole or not at all, known by its fingerprint, and damage named."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from toktrial.artifact import (
    MANIFEST,
    check_files,
    file_sha256,
    fingerprint,
    is_finished,
    publish,
    read_json,
    read_manifest,
    write_json,
)
from toktrial.errors import TrialError

OLD, NEW = "a" * 64, "b" * 64


def make_stage(folder: Path, stage_fingerprint: str = OLD, content: str = "content") -> None:
    with publish(folder, stage_fingerprint, {"kind": "test"}) as partial:
        (partial / "data.bin").write_text(content)
        (partial / "inner").mkdir()
        (partial / "inner" / "more.bin").write_bytes(b"")


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_stage_is_published_with_its_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "trial" / "stages" / "stage"
    manifest: dict[str, Any] = {"kind": "test"}
    with publish(folder, OLD, manifest) as partial:
        assert not folder.exists()
        assert list(partial.iterdir()) == []
        (partial / "data.bin").write_bytes(b"abc")
        manifest["count"] = 3
    assert names_in(tmp_path / "trial") == ["stages", "stages/stage", "stages/stage/data.bin", "stages/stage/manifest.json"]
    sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert read_manifest(folder) == {
        "kind": "test",
        "count": 3,
        "fingerprint": OLD,
        "files": {"data.bin": {"bytes": 3, "sha256": sha256_of_abc}},
    }
    assert is_finished(folder, OLD)
    assert not is_finished(folder, NEW)
    assert is_finished(folder), "whichever"
    check_files(folder)


class Stopped(BaseException):
    """Neither Exception nor caught by chance: as KeyboardInterrupt is."""


@pytest.mark.parametrize("error", [ValueError, Stopped, KeyboardInterrupt])
def test_what_raises_leaves_the_old_stage_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    make_stage(tmp_path / "stage")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "stage").rglob("*")}
    with pytest.raises(error), publish(tmp_path / "stage", NEW, {}) as partial:
        (partial / "data.bin").write_text("half")
        raise error
    assert names_in(tmp_path) == ["stage", "stage/data.bin", "stage/inner", "stage/inner/more.bin", "stage/manifest.json"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "stage").rglob("*")} == before
    assert is_finished(tmp_path / "stage", OLD)
    with pytest.raises(error), publish(tmp_path / "first", NEW, {}):
        raise error
    assert names_in(tmp_path)[0] == "stage"


def test_a_manifest_that_cannot_be_written_leaves_the_old_stage(tmp_path: Path) -> None:
    make_stage(tmp_path / "stage")
    with pytest.raises(ValueError, match="not JSON compliant"), publish(tmp_path / "stage", NEW, {"loss": math.nan}):
        pass
    assert is_finished(tmp_path / "stage", OLD)
    assert [path.name for path in tmp_path.iterdir()] == ["stage"]


def test_a_finished_stage_is_replaced_whole(tmp_path: Path) -> None:
    make_stage(tmp_path / "stage")
    with publish(tmp_path / "stage", NEW, {}) as partial:
        assert (tmp_path / "stage" / "data.bin").read_text() == "content"  # until the block ends
        (partial / "other.bin").write_text("other")
    assert names_in(tmp_path / "stage") == ["manifest.json", "other.bin"]
    assert is_finished(tmp_path / "stage", NEW)


def test_what_an_interrupted_stage_left_behind_is_cleared_away(tmp_path: Path) -> None:
    left_over = tmp_path / ".stage.999999999.partial"  # no process has that number
    left_over.mkdir()
    (left_over / "half.bin").write_text("half")
    make_stage(tmp_path / "stage")
    assert names_in(tmp_path) == ["stage", "stage/data.bin", "stage/inner", "stage/inner/more.bin", "stage/manifest.json"]


def test_an_empty_folder_and_a_damaged_stage_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    make_stage(tmp_path / "stage")
    for damaged in ("", "{", "[]", "null", '"text"', "\x00\x01"):
        (tmp_path / "stage" / MANIFEST).write_text(damaged)
        assert not is_finished(tmp_path / "stage", OLD)
        make_stage(tmp_path / "stage")
        assert is_finished(tmp_path / "stage", OLD)


def test_what_no_stage_wrote_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"a cat")
    web_app = tmp_path / "web app"
    web_app.mkdir()
    (web_app / MANIFEST).write_text('{"name": "an app", "icons": []}')
    (web_app / "index.html").write_text("hello")
    file = tmp_path / "file"
    file.write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for foreign in (folder, web_app, file):
        with pytest.raises(TrialError, match="was not written by toktrial"), publish(foreign, NEW, {}):
            pytest.fail("the block must not be entered")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_fingerprint_depends_on_stage_and_inputs_alone() -> None:
    inputs: dict[str, Any] = {"corpus": "0" * 64, "vocab_size": 300, "nested": {"a": [1, 2], "b": None}}
    first = fingerprint("bpe tokenizer", inputs)
    assert len(bytes.fromhex(first)) == 32
    assert fingerprint("bpe tokenizer", dict(reversed(inputs.items()))) == first
    others = [
        fingerprint("btm tokenizer", inputs),
        fingerprint("bpe tokenizer", inputs | {"vocab_size": 301}),
        fingerprint("bpe tokenizer", inputs | {"vocab_size": "300"}),
        fingerprint("bpe tokenizer", inputs | {"more": 1}),
        fingerprint("bpe tokenizer", inputs | {"nested": {"a": [2, 1], "b": None}}),
        fingerprint("bpe tokenizer", {}),
    ]
    assert len({first, *others}) == 7


def test_the_fingerprint_depends_on_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("stage", {})
    monkeypatch.setattr("toktrial.artifact.FORMAT", 2)
    assert fingerprint("stage", {}) != before


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    make_stage(tmp_path / "stage")
    data = tmp_path / "stage" / "data.bin"
    check_files(tmp_path / "stage")
    for damaged in ("contenT", "conten", "content ", ""):
        data.write_text(damaged)
        with pytest.raises(TrialError, match=r"data\.bin is damaged"):
            check_files(tmp_path / "stage")
    data.write_text("content")
    check_files(tmp_path / "stage")
    (tmp_path / "stage" / "inner" / "more.bin").unlink()
    with pytest.raises(TrialError, match=r"inner/more\.bin is missing"):
        check_files(tmp_path / "stage")
    with pytest.raises(TrialError, match="no finished stage"):
        check_files(tmp_path)


def test_a_stage_without_a_good_manifest_is_not_finished(tmp_path: Path) -> None:
    assert not is_finished(tmp_path / "missing", OLD) and not is_finished(tmp_path / "missing")
    with pytest.raises(TrialError, match="missing holds no finished stage"):
        read_manifest(tmp_path / "missing")
    make_stage(tmp_path / "stage")
    for damaged in (b"", b"{", b"\xff\xfe", b"[]", b"null"):
        (tmp_path / "stage" / MANIFEST).write_bytes(damaged)
        assert not is_finished(tmp_path / "stage", OLD)
        with pytest.raises(TrialError, match=r"manifest\.json is damaged"):
            read_manifest(tmp_path / "stage")


def test_json_is_read_back(tmp_path: Path) -> None:
    value = {"text": "f\u00fcchslein \u2028 \U0001f98a", "numbers": [1, 2.5, -0.0, 1e-300], "none": None, "yes": True}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value
    assert [path.name for path in tmp_path.iterdir()] == ["value.json"]
    assert (tmp_path / "value.json").read_text(encoding="utf-8").endswith("}\n")
    assert json.loads((tmp_path / "value.json").read_bytes()) == value


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_refuses_what_is_no_number(tmp_path: Path, number: float) -> None:
    write_json(tmp_path / "value.json", {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "value.json", {"loss": [0.5, number]})
    assert read_json(tmp_path / "value.json") == {"loss": 1.0}
    assert [path.name for path in tmp_path.iterdir()] == ["value.json"]


def test_json_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"value\.json is missing"):
        read_json(tmp_path / "value.json")
    for damaged in (b"", b'{"a": ', b"\xff\xfe\x00", b"{'a': 1}"):
        (tmp_path / "value.json").write_bytes(damaged)
        with pytest.raises(TrialError, match=r"value\.json is damaged"):
            read_json(tmp_path / "value.json")


def test_the_checksum_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    # The SHA-256 of nothing.
    assert file_sha256(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
