"""Somebody else's trial or protocol runs no code: every payload here would leave a file behind if it did."""

import contextlib
import hashlib
import importlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from toktrial import artifact, cli, protocol
from toktrial.blind_pairs import blind_pairs
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import DOCUMENT_NATS_FILE
from toktrial.protocol import Protocol
from toktrial.report.page import write_report
from toktrial.tokenizer import merge_rules, tokenization_btm
from toktrial.tokenizer.config import BTMRecipe
from toktrial.tokenizer.file import FileTokenizer
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.merge import MergeCheckpoint, MergeState
from toktrial.training.checkpoint import save_checkpoint, state_to_go_on_from
from toktrial.training.run import WEIGHTS_FILE
from toktrial.trial import Trial
from toktrial.trial_folder import TrialFolder

SCORE = "def run(pair_count, left_count, right_count, tokens):\n    return pair_count / tokens\n"
CODE = "evil_score:run"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@dataclass(frozen=True)
class Payload:
    """Code that writes a file, as a module, as a statement, and as a pickle."""

    marker: Path

    @property
    def statement(self) -> str:
        return f"open({str(self.marker)!r}, 'w').close()"

    @property
    def has_run(self) -> bool:
        return self.marker.exists()

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.statement,)


@pytest.fixture
def payload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Payload]:
    """The payload, which also waits in a module that Python can import: the worst case."""
    payload = Payload(tmp_path / "it_ran")
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "evil_score.py").write_text(payload.statement + "\n" + SCORE)
    forget_the_module()
    monkeypatch.syspath_prepend(str(modules))
    yield payload
    forget_the_module()


def forget_the_module() -> None:
    sys.modules.pop("evil_score", None)
    importlib.invalidate_caches()
    merge_rules.resolve_score.cache_clear()


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, tiny_protocol: Protocol) -> Trial:
    """A finished trial that was made with the code that its protocol names, harmless at that time."""
    folder = tmp_path_factory.mktemp("trials")
    (folder / "evil_score.py").write_text(SCORE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        trial = Trial(folder / "theirs", naming_code(tiny_protocol), allow_code=True)
        trial.report()
    forget_the_module()
    return trial


@pytest.fixture
def theirs(evaluated: Trial, tmp_path: Path) -> Path:
    """A copy of the finished trial, to put payloads into."""
    return Path(shutil.copytree(evaluated.folder, tmp_path / "theirs"))


def naming_code(plan: Protocol) -> Protocol:
    training = replace(plan.training, device="cpu")
    return replace(plan, seeds=1, training=training, tracks={**plan.tracks, "btm": BTMRecipe(400, score=CODE)})


def toktrial(*arguments: str) -> tuple[int, str]:
    """The exit status and what was printed, of a command within this process."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            cli.main(arguments)
        except SystemExit as stop:
            return int(stop.code or 0), printed.getvalue()
    return 0, printed.getvalue()


def sign(folder: Path) -> None:
    """Makes a manifest's checksums those of the files, as whoever changes a file can do too."""
    manifest = artifact.read_manifest(folder)
    for name in manifest["files"]:
        content = (folder / name).read_bytes()
        manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    artifact.write_json(folder / artifact.MANIFEST, manifest)


# Code that a protocol names


@pytest.mark.parametrize("command", ["tokenizers", "tokens", "train", "evaluate", "run"])
def test_a_stage_asks_before_it_imports_what_a_file_names(
    command: str, tiny_protocol: Protocol, tmp_path: Path, payload: Payload
) -> None:
    (tmp_path / "x").mkdir()
    protocol.save(naming_code(tiny_protocol), tmp_path / "x" / "protocol.toml")
    for named in (str(tmp_path / "x"), str(tmp_path / "x" / "protocol.toml")):
        code, printed = toktrial(command, named, "--trial", str(tmp_path / "x"))
        assert code == 1
        asked = (
            f"tracks.btm.score = 'evil_score:run' in {tmp_path}/x/protocol.toml names code: if you trust it, add --allow-code"
        )
        assert asked in printed
    assert not (tmp_path / "x" / "corpus").exists(), "it must ask before long work, not after it"
    assert toktrial(command, str(tmp_path / "x"), "--help")[0] == 0
    assert not payload.has_run


def test_code_runs_where_the_user_says_so(
    tiny_protocol: Protocol, tmp_path: Path, payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan, path = naming_code(tiny_protocol), tmp_path / "x.toml"
    protocol.save(replace(plan, tracks={**plan.tracks, "pmi": BTMRecipe(400, score="pmi")}), path)
    (tmp_path / "modules" / "my_score.py").write_text(SCORE)
    typed = ("tokenizers", str(path), "--trial", str(tmp_path / "x"), "--tracks.btm.score", "my_score:run")
    assert toktrial(*typed)[0] == 0
    for other in (["--tracks.pmi.score=my_score:run"], ["--corpus.path", CODE], ["--name", CODE, "--trial", CODE]):
        assert toktrial("tokenizers", str(path), "--trial", str(tmp_path / "y"), *other)[0] == 1
    assert not payload.has_run, "what was typed allows nothing else"
    code, printed = toktrial("tokenizers", str(path), "--trial", str(tmp_path / "z"), "--allow-code")
    assert code == 0, printed
    assert payload.has_run


def test_python_asks_too(tiny_protocol: Protocol, tmp_path: Path, payload: Payload) -> None:
    (tmp_path / "x").mkdir()
    protocol.save(naming_code(tiny_protocol), tmp_path / "x" / "protocol.toml")
    assert protocol.load(tmp_path / "x" / "protocol.toml") == naming_code(tiny_protocol)
    for trial in (Trial.open(tmp_path / "x"), Trial(tmp_path / "x", naming_code(tiny_protocol))):
        with pytest.raises(TrialError, match="allow_code=True"):
            trial.report()
    assert not payload.has_run
    Trial.open(tmp_path / "x", allow_code=True).make_tokenizers()
    assert payload.has_run


def test_a_tokenizer_that_only_looks_finished_is_not_made_with_code(theirs: Path, payload: Payload) -> None:
    folder = Trial.open(theirs).tokenizer_folder("btm")
    artifact.write_json(folder / artifact.MANIFEST, artifact.read_manifest(folder) | {"fingerprint": "another"})
    code, printed = toktrial("tokenizers", str(theirs))
    assert (code, "names code" in printed) == (1, True)
    assert not payload.has_run


def test_looking_at_a_finished_trial_imports_nothing(theirs: Path, tmp_path: Path, payload: Payload) -> None:
    run = str(theirs / "runs" / "btm" / "seed-1")
    for arguments in (
        ["tokens", str(theirs)],
        ["run", str(theirs)],
        ["report", str(theirs)],
        ["inspect", "graph", str(theirs)],
        ["inspect", "tokens", str(theirs), "some text"],
        ["inspect", "entry", str(theirs), "a"],
        ["generate", run, "--max-new-bytes", "5", "--device", "cpu"],
        ["export", run, str(tmp_path / "model")],
    ):
        code, printed = toktrial(*arguments)
        assert code == 0, (arguments, printed)
    toktrial("power", str(theirs))
    assert blind_pairs(TrialFolder.open(theirs), "anna")
    assert "evil_score" not in sys.modules
    assert not payload.has_run


@pytest.mark.parametrize("score", ["os:system", "antigravity_of_nobody:f", "json:JSONDecoder", "os.path:nothing"])
def test_a_score_that_is_none_is_one_clear_line(score: str, tiny_protocol: Protocol, tmp_path: Path) -> None:
    protocol.save(
        replace(tiny_protocol, tracks={**tiny_protocol.tracks, "btm": BTMRecipe(400, score=score)}), tmp_path / "x.toml"
    )
    code, printed = toktrial("tokenizers", str(tmp_path / "x.toml"), "--trial", str(tmp_path / "x"), "--allow-code")
    assert code == 1
    assert f"toktrial: the score '{score}'" in printed.splitlines()[-1]
    with pytest.raises(TrialError, match=r"or name your own as package\.module:function"):
        BTMRecipe(400, score=f"{score}:more")


# Files of a trial


def test_code_in_a_tokenizers_folder_neither_runs_nor_is_handed_on(theirs: Path, tmp_path: Path, payload: Payload) -> None:
    folder = Trial.open(theirs).tokenizer_folder("btm")
    for name in ("tokenization_btm.py", "__init__.py"):
        (folder / name).write_text(payload.statement)
    config = artifact.read_json(folder / "tokenizer_config.json")
    artifact.write_json(
        folder / "tokenizer_config.json", config | {"auto_map": {"AutoTokenizer": ["evil/hub--evil.Tokenizer", None]}}
    )
    sign(folder)
    load_tokenizer(folder)
    run = str(theirs / "runs" / "btm" / "seed-1")
    assert toktrial("generate", run, "--max-new-bytes", "5", "--device", "cpu")[0] == 0
    assert toktrial("export", run, str(tmp_path / "model"))[0] == 0
    assert [path.name for path in (tmp_path / "model").rglob("*.py")] == ["tokenization_btm.py"]
    ours = Path(tokenization_btm.__file__).read_text(encoding="utf-8")
    assert (tmp_path / "model" / "tokenization_btm.py").read_text(encoding="utf-8") == ours
    assert "evil" not in (tmp_path / "model" / "tokenizer_config.json").read_text()
    assert not payload.has_run


def test_a_tokenizer_json_is_only_read(evaluated: Trial, tmp_path: Path, payload: Payload) -> None:
    content = json.loads((evaluated.tokenizer_folder("bpe") / "tokenizer.json").read_text())
    FileTokenizer.from_file(written(tmp_path, content))
    parts = {part: {"type": "Custom", "module": CODE} for part in ("pre_tokenizer", "decoder", "normalizer")}
    for name, value in (parts | {"auto_map": {"AutoTokenizer": [CODE, None]}, "tokenizer_class": CODE}).items():
        with pytest.raises(TrialError, match="that HF tokenizers can read"):
            FileTokenizer.from_file(written(tmp_path, content | {name: value}))
    assert not payload.has_run


def written(folder: Path, content: dict[str, Any]) -> Path:
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return folder / "tokenizer.json"


def as_tar(path: Path, payload: Payload) -> None:
    """The form of torch's first files, which old versions of torch read without care."""
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            content = pickle.dumps(payload)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


CHECKPOINTS: dict[str, Callable[[Path, Payload], Any]] = {
    "torch": lambda path, payload: torch.save({"step": payload}, path),
    "torch, not zipped": lambda path, payload: torch.save(payload, path, _use_new_zipfile_serialization=False),
    "pickle": lambda path, payload: path.write_bytes(pickle.dumps(payload)),
    "tar": as_tar,
}


@pytest.mark.parametrize("form", CHECKPOINTS)
def test_a_checkpoint_is_read_without_running_it(
    form: str, theirs: Path, payload: Payload, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Trial.open(theirs).run_of("bpe", 1)
    save_checkpoint(run.folder, 30, {"fingerprint": "ours", "step": 30})
    CHECKPOINTS[form](run.folder / "checkpoint-000000031.pt", payload)
    state = state_to_go_on_from(run, {"fingerprint": "ours", "lineage": ""}, 20)
    assert state is not None
    assert state["step"] == 30
    assert "checkpoint-000000031.pt is damaged" in capsys.readouterr().err
    assert not payload.has_run


@pytest.mark.parametrize("form", CHECKPOINTS)
def test_weights_are_read_without_running_them(form: str, theirs: Path, payload: Payload) -> None:
    folder = theirs / "runs" / "bpe" / "seed-1"
    CHECKPOINTS[form](folder / WEIGHTS_FILE, payload)
    with contextlib.suppress(Exception):
        toktrial("generate", str(folder), "--device", "cpu")
    assert not payload.has_run


def test_arrays_are_read_without_running_them(theirs: Path, tmp_path: Path, payload: Payload) -> None:
    bombs = np.array([payload], dtype=object)
    np.save(theirs / "runs" / "bpe" / "seed-1" / DOCUMENT_NATS_FILE, bombs, allow_pickle=True)
    with pytest.raises(ValueError):  # a TrialError is one
        write_report(theirs)
    path = tmp_path / "merges.npz"
    for content in (bombs, np.zeros(0)):
        np.savez(path, fingerprint=np.array("some"), cells=content, entries_wanted=9, merges=bombs, passed_over=bombs)
        assert MergeCheckpoint(path, "some").load() is None
    path.write_bytes(pickle.dumps(payload))
    assert MergeCheckpoint(path, "some").load() is None
    MergeCheckpoint(path, "some").save(MergeState(np.zeros(4, dtype=np.uint16), entries_wanted=9))
    assert MergeCheckpoint(path, "some").load() is not None
    assert not payload.has_run


def test_tables_are_read_without_running_them(theirs: Path, payload: Payload) -> None:
    """Arrow's Python extension types were pickles; before version 14.0.1, reading a table called them."""
    python_type = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(payload)}
    text = pa.table({"text": ["a text"]}, pa.schema([pa.field("text", pa.large_string(), metadata=python_type)]))
    with pa.ipc.new_file(str(theirs / "corpus" / "train.arrow"), text.schema) as file:
        file.write_table(text)
    assert list(Documents.open(theirs / "corpus" / "train.arrow")) == ["a text"]
    graph = theirs / "graphs" / "btm_primitive_tokenizer" / "graph.parquet"
    counts = pq.read_table(graph)
    fields = [field.with_metadata(python_type) for field in counts.schema]
    pq.write_table(counts.cast(pa.schema(fields)), graph)
    sign(graph.parent)
    assert toktrial("inspect", "graph", str(theirs))[0] == 0
    assert not payload.has_run


def test_compiled_code_in_the_working_folder_is_not_loaded(theirs: Path, payload: Payload) -> None:
    """numba reads .numba_config.yaml wherever it is started, and a cache of its own is made of pickles."""
    source = Path(merge_rules.__file__)
    cache = theirs / "cache" / f"{source.parent.name}_{hashlib.sha1(str(source.parent).encode()).hexdigest()}"
    cache.mkdir(parents=True)
    kernel: Any = merge_rules.frequency
    (cache / f"{kernel._cache._impl.filename_base}.nbi").write_bytes(pickle.dumps(payload))
    (theirs / ".numba_config.yaml").write_text("cache_dir: cache\ncache_locator_classes: evil_score.run\n")
    command = [sys.executable, "-c", "from toktrial.tokenizer.merge_rules import frequency; print(frequency(2, 3, 4, 10))"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    assert subprocess.run(command, cwd=theirs, env=environment, capture_output=True, check=True).stdout == b"2.0\n"
    assert not payload.has_run
    environment["NUMBA_CACHE_DIR"] = "cache"  # what the file would have done
    subprocess.run(command, cwd=theirs, env=environment, capture_output=True, check=False)
    assert payload.has_run


# What people look at


def test_hostile_text_stays_text(theirs: Path) -> None:
    """Everything in a protocol and in the votes that is free text."""
    plan = (theirs / "protocol.toml").read_text(encoding="utf-8")
    plan = plan.replace('name = "tiny"', f'name = "{HOSTILE}"').replace('path = "storybook"', f'path = "{HOSTILE}"')
    plan = plan.replace('"Once upon a time"', f'"{HOSTILE}"')
    assert plan.count(HOSTILE) == 3
    artifact.forget_files(theirs, ["protocol.toml"])
    (theirs / "protocol.toml").write_text(plan)
    for name in ("bpe", "btm"):
        samples = theirs / "runs" / name / "seed-1" / "samples.json"
        artifact.forget_files(samples.parent, [samples.name])
        samples.write_text(samples.read_text().replace("Once upon a time", HOSTILE))
    write_report(theirs)
    page = (theirs / "report" / "index.html").read_text(encoding="utf-8")
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_what_a_result_says_does_not_steer_the_terminal(theirs: Path) -> None:
    path = theirs / "report" / "results.json"
    result = artifact.read_json(path)
    result["verdict"]["outcome"] = "\x1b]52;c;ZXZpbA==\x07 B learned faster \u202e"
    result["notes"] = ["\x1b[2J"]
    artifact.forget_files(path.parent, [path.name])
    artifact.write_json(path, result)
    _, printed = toktrial("run", str(theirs))
    assert "B learned faster" in printed
    _, refused = toktrial("corpus", str(theirs), "--trial", str(theirs.parent / "\x1b[2J"), "--corpus.path", "\x1b[2J")
    assert "there is no file or folder" in refused
    printed += refused
    assert not {"\x1b", "\x07", "\u202e"} & set(printed)
