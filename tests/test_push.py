"""`toktrial export --push`: the hub's real client uploads to a stand-in of the hub, which speaks its HTTP protocol."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from toktrial.commands.push import push
from toktrial.errors import TrialError
from toktrial.evaluation.harness_tasks import TASKS_FOLDER
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.load import load_tokenizer

TOKEN, COMMIT = "hf_of_the_test", "0123456789abcdef0123456789abcdef01234567"


@dataclass
class StandIn:
    """What the stand-in holds, and its address."""

    address: str = ""
    visibility: dict[str, str] = field(default_factory=dict)
    """By repository."""
    files: dict[str, bytes] = field(default_factory=dict)
    """By REPOSITORY/PATH, as committed."""
    large: dict[str, bytes] = field(default_factory=dict)
    """Uploaded to large file storage, by SHA-256."""


class Handler(BaseHTTPRequestHandler):
    """The calls of huggingface.co that an upload makes: make a repository, ask how to send, send large files, commit."""

    hub: StandIn

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "Invalid username or password."})
        place = self.path.partition("?")[0]
        if place == "/api/repos/create":
            return self.create(json.loads(body))
        if place == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if re.fullmatch(r"/api/models/[\w-]+/[\w-]+/preupload/main", place):
            return self.answer(200, {"files": [how_to_send(file["path"]) for file in json.loads(body)["files"]]})
        if re.fullmatch(r"/[\w-]+/[\w-]+\.git/info/lfs/objects/batch", place):
            return self.answer(
                200, {"transfer": "basic", "objects": [self.where(each) for each in json.loads(body)["objects"]]}
            )
        if found := re.fullmatch(r"/api/models/([\w-]+/[\w-]+)/commit/main", place):
            return self.commit(found[1], body)
        return self.answer(404, {"error": f"the stand-in does not know {self.path}"})

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.hub.large[self.path.removeprefix("/large/")] = content
        self.answer(200, {})

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if asked["organization"] != "me":
            return self.answer(403, {"error": f"You don't have the rights to create a model under {asked['organization']}."})
        if name in self.hub.visibility:
            return self.answer(409, {"error": "You already created this model repo", "url": f"{self.hub.address}/{name}"})
        self.hub.visibility[name] = asked.get("visibility", "public")
        return self.answer(200, {"url": f"{self.hub.address}/{name}", "name": name})

    def where(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {**asked, "actions": {"upload": {"href": f"{self.hub.address}/large/{asked['oid']}"}}}

    def commit(self, repository: str, body: bytes) -> None:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.hub.files[f"{repository}/{value['path']}"] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[f"{repository}/{value['path']}"] = self.hub.large[value["oid"]]
        url = f"{self.hub.address}/{repository}/commit/{COMMIT}"
        self.answer(200, {"success": True, "commitOid": COMMIT, "commitUrl": url, "hookOutput": ""})

    def answer(self, code: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def how_to_send(path: str) -> dict[str, Any]:
    return {"path": path, "uploadMode": "lfs" if path.endswith(".safetensors") else "regular", "shouldIgnore": False}


@pytest.fixture
def hub() -> Iterator[StandIn]:
    held = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfThisTest", (Handler,), {"hub": held}))
    held.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield held
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an export looks like: a tokenizer that its manifest knows, weights, and tasks with somebody's text."""
    folder = tmp_path_factory.mktemp("exported") / "bpe"
    BPETokenizer.train(["a tale of a cat"] * 5, 260).save(folder)
    (folder / "model.safetensors").write_bytes(os.urandom(300_000))
    (folder / TASKS_FOLDER / "pairs").mkdir(parents=True)
    (folder / TASKS_FOLDER / "validation.parquet").write_bytes(b"somebody's text")
    (folder / TASKS_FOLDER / "pairs" / "agreement.parquet").write_bytes(b"somebody's sentences")
    return folder


def test_the_hub_gets_the_model_and_none_of_the_text(hub: StandIn, exported: Path, tmp_path: Path) -> None:
    """In a process of its own, because the client reads HF_ENDPOINT when it is imported."""
    code = "import sys; from pathlib import Path; from toktrial.commands.push import push; push(Path(sys.argv[1]), sys.argv[2])"
    settings = {"HF_ENDPOINT": hub.address, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", code, str(exported), "me/bpe"]
    done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{hub.address}/me/bpe/commit/{COMMIT}: {exported} without lm_eval_tasks" in done.stderr
    assert hub.visibility == {"me/bpe": "private"}
    sent = [path for path in exported.rglob("*") if path.is_file() and TASKS_FOLDER not in path.parts]
    assert hub.files == {f"me/bpe/{path.relative_to(exported).as_posix()}": path.read_bytes() for path in sent}
    weights = (exported / "model.safetensors").read_bytes()
    assert hub.large == {hashlib.sha256(weights).hexdigest(): weights}
    for name, content in hub.files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert load_tokenizer(tmp_path / "me" / "bpe").token_bytes == load_tokenizer(exported).token_bytes


@pytest.fixture
def here(hub: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Lets the client of this process talk to the stand-in."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


def test_a_repository_that_is_there_keeps_its_visibility(here: StandIn, exported: Path) -> None:
    here.visibility["me/shared"] = "public"
    push(exported, "me/shared")
    assert here.visibility == {"me/shared": "public"}
    assert "me/shared/README.md" in here.files


@pytest.mark.parametrize(
    ("repository", "token", "message"),
    [
        ("you/model", TOKEN, "You don't have the rights to create a model under you"),
        ("me/model", "hf_old", "Invalid username or password"),
        ("me/a/b", TOKEN, "me/a/b"),
    ],
)
def test_what_the_hub_refuses_is_passed_on(
    here: StandIn, exported: Path, monkeypatch: pytest.MonkeyPatch, repository: str, token: str, message: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(TrialError) as refused:
        push(exported, repository)
    assert str(refused.value).startswith(f"{exported} is exported, but the hub did not take it: ")
    assert message in str(refused.value)
    assert "`hf auth login` or HF_TOKEN" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not here.files


def test_no_connection_is_an_error_too(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TrialError, match="is exported, but the hub did not take it"):
        push(exported, "me/model")
