"""Several processes that train one run: the same training as in one, written once, and stopped together."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from toktrial import cli, presets
from toktrial.corpus.config import CorpusConfig
from toktrial.errors import TrialError
from toktrial.lock import STARTED_BY_TORCHRUN
from toktrial.tokenizer.config import BPERecipe
from toktrial.training.config import ModelConfig, TrainingConfig, TuningConfig
from toktrial.training.distributed import Processes
from toktrial.training.metrics import read_metrics
from toktrial.training.run import Run
from toktrial.trial import Trial

from .small_runs import FILES_AT_THE_END, assert_equal_runs, files_but_the_last_checkpoint, free_port

if TYPE_CHECKING:
    from tests.training.conftest import Children

MODEL = ModelConfig(n_layer=1, n_head=2, width=32, context=32)
# Of every eight rows each of two processes has four, in two micro-batches: gradients are exchanged after the second alone.
TRAINING = TrainingConfig(
    batch_size=8,
    micro_batch_size=2,
    steps=50,
    learning_rate=3e-3,
    warmup_steps=5,
    log_every=1,
    checkpoint_every=20,
    device="cpu",
    precision="float32",
    compile="off",
)
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def run_in(folder: Path, tokens_folder: Path, **training: Any) -> Run:
    return Run("bpe", 1, 616, MODEL, replace(TRAINING, **training), tokens_folder, folder)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, story_tokens: dict[str, Path], children: "Children") -> Path:
    run = run_in(tmp_path_factory.mktemp("together") / "run", story_tokens["btm"])
    code, said = children.train(run, processes=2)
    assert code == 0, said
    assert said.count("training bpe, seed 1 ...") == 1, "only the first process speaks"
    return run.folder


def test_two_processes_train_as_one(
    tmp_path: Path, together: Path, story_tokens: dict[str, Path], children: "Children"
) -> None:
    alone = run_in(tmp_path / "run", story_tokens["btm"], micro_batch_size=0)
    assert children.train(alone)[0] == 0
    ours, theirs = (read_metrics(folder) for folder in (together, alone.folder))
    assert [line.step for line in ours] == [line.step for line in theirs] == list(range(51))
    assert [line.bytes_seen for line in ours] == [line.bytes_seen for line in theirs]
    our_losses, their_losses = ([line.training_loss or 0.0 for line in lines] for lines in (ours, theirs))
    assert our_losses == pytest.approx(their_losses, abs=1e-3)
    for our, their in zip(ours, theirs, strict=True):
        assert our.validation_loss == pytest.approx(their.validation_loss, abs=1e-3)
    assert their_losses[-1] < their_losses[1] - 0.3, "or agreeing would say little"
    assert json.loads((together / "record.json").read_text())["processes"] == 2
    assert files_but_the_last_checkpoint(together) == FILES_AT_THE_END


@pytest.mark.parametrize("moment", ["in an evaluation", "a step is done"])
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_stopped_together_they_go_on_together(
    tmp_path: Path,
    together: Path,
    story_tokens: dict[str, Path],
    children: "Children",
    moment: str,
    number: int,
    exit_code: int,
) -> None:
    """The signal comes to the first process alone, which evaluates for all; or to each of them, within the same step."""
    run = run_in(tmp_path / "run", story_tokens["btm"])
    # The first evaluation comes before any step.
    code, said = children.train(run, moment, 7 + (moment == "in an evaluation"), number, processes=2)
    assert code == exit_code
    assert said.count("stopped after step 7; the same command goes on from there\n") == 1
    assert "Traceback" not in said
    assert [path.name for path in run.folder.glob("checkpoint-*")] == ["checkpoint-000000007.pt"]
    code, said = children.train(run, processes=2)
    assert code == 0, said
    assert "going on from step 7\n" in said
    assert_equal_runs(run.folder, together)


def test_killed_together_they_go_on_together(
    tmp_path: Path, together: Path, story_tokens: dict[str, Path], children: "Children"
) -> None:
    run = run_in(tmp_path / "run", story_tokens["btm"])
    children.start(run, "a step is done", 23, processes=2)
    codes, _ = children.wait()
    assert -signal.SIGKILL in codes  # the other may have died of losing this one
    assert 0 not in codes
    code, said = children.train(run, processes=2)
    assert code == 0, said
    assert "going on from step 20\n" in said
    assert_equal_runs(run.folder, together)


def test_rows_that_do_not_share_out_end_all_of_them(
    tmp_path: Path, story_tokens: dict[str, Path], children: "Children"
) -> None:
    run = run_in(tmp_path / "run", story_tokens["btm"], batch_size=7, micro_batch_size=0)
    code, said = children.train(run, processes=2)
    assert code == 1
    assert "training.batch_size 7 cannot be shared evenly among 2 processes" in said


def tuned_trial(folder: Path) -> Trial:
    """A trial of two tracks whose learning rates must be tuned before they are trained."""
    demo = presets.demo()
    plan = replace(
        demo,
        seeds=1,
        vocab_size=400,
        corpus=CorpusConfig(path="storybook", max_megabytes=0.2, validation_share=0.05),
        tracks={"bpe": BPERecipe(), "short": BPERecipe(min_frequency=50)},
        model=MODEL,
        training=replace(TRAINING, steps=100),
        tuning=TuningConfig(rates=(1e-3, 3e-3), steps=2, documents=9, both_verdicts=False),
        evaluation=replace(demo.evaluation, eval_documents=3),
    )
    return Trial(folder, plan)


def test_rates_are_not_tuned_under_torchrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every process would write what is set aside, and the rates. This is the one process that such a torchrun starts."""
    trial = tuned_trial(tmp_path / "trial")
    started = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    for name, value in ({STARTED_BY_TORCHRUN: "some id"} | started).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["train", str(trial.folder)])
    assert stopped.value.code == 1
    assert f"first `toktrial tune {trial.folder}`, then this" in capsys.readouterr().err
    assert not (trial.folder / "tuning").exists()


def test_torchrun_trains_a_tuned_trial_and_ctrl_c_stops_it(tmp_path: Path) -> None:
    """Ctrl-C comes to torchrun, which passes it on to its processes; then the same command finishes the trial."""
    trial = tuned_trial(tmp_path / "trial")
    trial.tune()
    command = [*TORCHRUN, "-m", "toktrial", "train", str(trial.folder)]
    run: Run = trial.run_of("bpe", 1)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as torchrun:
        deadline = time.monotonic() + 120
        while len(read_metrics(run.folder)) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        torchrun.send_signal(signal.SIGINT)
        said = torchrun.communicate()[1]
    assert torchrun.returncode != 0
    assert said.count("the same command goes on") == 1, said
    assert "KeyboardInterrupt" not in said, "torchrun shows how it ends itself, and its processes show nothing"
    assert len(list(run.folder.glob("checkpoint-*"))) > 0
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on from step" in done.stderr
    for track in ("bpe", "short"):
        folder = trial.run_folder(track, 1)
        assert [line.step for line in read_metrics(folder)] == list(range(101))
        assert json.loads((folder / "record.json").read_text())["processes"] == 2


def test_other_commands_refuse_torchrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(STARTED_BY_TORCHRUN, "some id")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["run", "demo", "--trial", str(tmp_path / "trial")])
    assert stopped.value.code == 2
    assert "torchrun is only for training" in capsys.readouterr().err
    assert not (tmp_path / "trial").exists()


@pytest.mark.parametrize(
    ("batch_size", "count", "micro_batch_size"), [(32, 1, 0), (32, 4, 0), (32, 4, 8), (12, 3, 2), (5, 5, 1)]
)
def test_rows_are_shared_out_without_gap_or_overlap(batch_size: int, count: int, micro_batch_size: int) -> None:
    config = TrainingConfig(batch_size=batch_size, micro_batch_size=micro_batch_size)
    rows = [row for rank in range(count) for row in Processes(rank, count).rows(config)]
    assert rows == list(range(batch_size))


@pytest.mark.parametrize(("batch_size", "count", "micro_batch_size"), [(7, 2, 0), (2, 3, 0), (8, 2, 8)])
def test_rows_that_do_not_share_out_are_an_error(batch_size: int, count: int, micro_batch_size: int) -> None:
    config = TrainingConfig(batch_size=batch_size, micro_batch_size=micro_batch_size)
    with pytest.raises(TrialError, match=rf"training\.batch_size {batch_size} cannot be shared evenly"):
        Processes(0, count).rows(config)
