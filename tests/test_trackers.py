"""Every tracker's own library writes a trial locally, in two parts as after an interruption; what it wrote is read back."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from toktrial import cli
from toktrial.trackers import TRACKERS
from toktrial.training.metrics import METRICS_FILE
from toktrial.trial import Trial

INSTALLED = [name for name, (_, package) in TRACKERS.items() if find_spec(package)]
RUNS = [f"{track}/seed-{seed}" for track in ("bpe", "btm") for seed in (1, 2)]
Curves = dict[str, list[tuple[int, float]]]
"""By run: (step, bits per byte) of every line, in the order in which it was sent."""


@pytest.fixture(scope="module")
def sent(finished: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a copy of a trial was sent to all trackers that are installed: first a part of it, then all."""
    place = tmp_path_factory.mktemp("sent")
    environment = os.environ | {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "TRACKIO_DIR": str(place / "trackio"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{place}/mlflow.db",
    }

    def send() -> None:
        command = [sys.executable, "-m", "toktrial", "send", "trial", "--to", *INSTALLED]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert [line.split(";")[0] for line in done.stdout.splitlines()] == [f"sent to {name}" for name in INSTALLED]

    shutil.copytree(finished.folder, place / "trial", ignore=shutil.ignore_patterns("report"))
    interrupted = place / "trial/runs" / RUNS[0]
    for name in ("manifest.json", "final.json"):
        (interrupted / name).unlink()
    lines = (interrupted / METRICS_FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    (interrupted / METRICS_FILE).write_text("".join(lines[:2]), encoding="utf-8")
    send()
    shutil.rmtree(interrupted)
    shutil.copytree(finished.folder, place / "trial", dirs_exist_ok=True)
    send()
    return place


@pytest.fixture
def curves(finished: Trial) -> Curves:
    return {name: curve_of(finished.folder / "runs" / name) for name in RUNS}


def curve_of(folder: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / METRICS_FILE).read_text(encoding="utf-8").splitlines()]
    return [(line["step"], line["bits_per_byte"]) for line in lines]


def final_of(finished: Trial, name: str) -> float:
    value: float = json.loads((finished.folder / "runs" / name / "final.json").read_text())["bits_per_byte"]
    return value


def needs(name: str) -> Callable[[Any], Any]:
    return pytest.mark.skipif(name not in INSTALLED, reason=f"{name} is not installed: pip install 'toktrial[{name}]'")


@needs("tensorboard")
def test_tensorboard_reads_what_was_sent(sent: Path, curves: Curves, finished: Trial) -> None:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    events = EventMultiplexer(size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.AddRunsFromDirectory(str(sent / "trial/trackers/tensorboard"))
    events.Reload()
    assert sorted(events.Runs()) == [*RUNS, "report"]
    for name in RUNS:
        read = events.Scalars(name, "bits_per_byte")
        assert [(each.step, each.value) for each in read] == [(step, pytest.approx(value)) for step, value in curves[name]]
        timestamps = [json.loads(line)["timestamp"] for line in (finished.run_folder(*place(name)) / METRICS_FILE).open()]
        assert [each.wall_time for each in read] == pytest.approx(timestamps), "the axes of time would be wrong"
        assert [each.value for each in events.Scalars(name, "final_bits_per_byte")] == [pytest.approx(final_of(finished, name))]
        settings = events.Tensors(name, "settings/text_summary")[0].tensor_proto.string_val[0].decode()
        assert "| protocol.vocab_size | `500` |" in settings
    assert len(events.Images("report", "runs")) == 1
    verdict = events.Tensors("report", "verdict/text_summary")[0].tensor_proto.string_val[0].decode()
    assert verdict.startswith("Undecided")


def place(name: str) -> tuple[str, int]:
    track, seed = name.split("/seed-")
    return track, int(seed)


@needs("trackio")
def test_trackio_keeps_what_was_sent(sent: Path, curves: Curves, finished: Trial) -> None:
    with sqlite3.connect(sent / "trackio/tiny.db") as database:
        rows = [(run, step, json.loads(values)) for run, step, values in database.execute(
            "select run_name, step, metrics from metrics order by id"
        )]  # fmt: skip
        (config,) = database.execute("select config from configs where run_name = 'bpe/seed-1'").fetchone()
    assert json.loads(config)["protocol.vocab_size"] == 500
    for name in RUNS:
        of_run = [(step, values) for run, step, values in rows if run == name]
        assert [(step, values["bits_per_byte"]) for step, values in of_run if "bits_per_byte" in values] == curves[name]
        finals = [values["final_bits_per_byte"] for _, values in of_run if "final_bits_per_byte" in values]
        assert finals == [final_of(finished, name)]
    (report,) = [values for run, _, values in rows if run == "report"]
    assert report["runs"]["_type"] == "trackio.image"
    page = sent / "trackio/media" / report["report"]["file_path"]
    assert page.read_text(encoding="utf-8").count("<h1") == 1


@needs("wandb")
def test_wandb_keeps_what_was_sent(sent: Path, curves: Curves, finished: Trial) -> None:
    runs: dict[str, list[Any]] = {}
    for path in sorted((sent / "trial/trackers/wandb/wandb").glob("offline-run-*/*.wandb")):
        records = list(wandb_records(path))
        name = next(record.run.display_name for record in records if record.HasField("run"))
        runs[name] = [*runs.get(name, []), *records]
    assert sorted(runs) == [*RUNS, "report"]
    for name in RUNS:
        assert len({record.run.run_id for record in runs[name] if record.HasField("run")}) == 1
        assert {record.run.run_group for record in runs[name] if record.HasField("run")} == {name.split("/")[0]}
        lines = [wandb_values(record.history.item) for record in runs[name] if record.HasField("history")]
        assert [(line["_step"], line["bits_per_byte"]) for line in lines] == curves[name]
        summaries = [wandb_values(record.summary.update) for record in runs[name] if record.HasField("summary")]
        assert [each["final_bits_per_byte"] for each in summaries if "final_bits_per_byte" in each] == [
            final_of(finished, name)
        ]
    (shown,) = [wandb_values(record.history.item) for record in runs["report"] if record.HasField("history")]
    assert shown["runs._type"] == "image-file"
    assert shown["report._type"] == "html-file"


def wandb_records(path: Path) -> Iterator[Any]:
    """Yields what an offline run holds: LevelDB's log format (blocks of 32 KiB) after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left_in_block, size, kind = 32768 - at % 32768, int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if left_in_block < 7 or not kind:
            at += left_in_block
            continue
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # a record of one piece, or the last piece of one
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def wandb_values(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


@needs("mlflow")
def test_mlflow_keeps_what_was_sent(sent: Path, curves: Curves, finished: Trial) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{sent}/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == [*RUNS, "report"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for name in RUNS:
        found = client.get_metric_history(runs[name].info.run_id, "bits_per_byte")
        assert [(each.step, each.value) for each in found] == curves[name]
        assert runs[name].data.metrics["final_bits_per_byte"] == final_of(finished, name)
        assert runs[name].data.params["protocol.vocab_size"] == "500"
    assert runs["report"].data.tags["mlflow.note.content"].startswith("Undecided")
    assert {"index.html", "runs.png"} <= {each.path for each in client.list_artifacts(runs["report"].info.run_id)}


@needs("tensorboard")
def test_a_trial_is_sent_while_it_runs(
    finished: Trial, tmp_path: Path, curves: Curves, capsys: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    folder = tmp_path / "trial"
    shutil.copytree(finished.folder, folder)
    cli.main(["run", str(folder), "--seeds", "3", "--send-to", "tensorboard"])
    assert f"sent to tensorboard; to see it: tensorboard --logdir {folder}/trackers/tensorboard" in capsys.readouterr().err
    events = EventMultiplexer(size_guidance={"scalars": 0}).AddRunsFromDirectory(str(folder / "trackers/tensorboard"))
    events.Reload()
    curves |= {name: curve_of(folder / "runs" / name) for name in ("bpe/seed-3", "btm/seed-3")}
    for name, curve in curves.items():
        read = [(each.step, each.value) for each in events.Scalars(name, "bits_per_byte")]
        assert read == [(step, pytest.approx(value)) for step, value in curve]
    assert {name for name in events.Runs() if name.startswith("report")} >= {"report"}
