"""One process at a time writes a trial; a killed one leaves no lock; a reader is never in the way."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from toktrial.lock import TrialBusyError, holder, writing

HOLDS = """
import sys, time
from pathlib import Path
from toktrial.lock import writing
with writing(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def other_process(folder: Path, seconds: float = 60.0) -> Iterator["subprocess.Popen[str]"]:
    """Another process that writes the trial for so many seconds."""
    command = [sys.executable, "-c", HOLDS, str(folder), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


def test_a_second_writer_is_told_who_works_there(tmp_path: Path) -> None:
    with other_process(tmp_path) as child:
        with (
            pytest.raises(TrialBusyError, match=rf"process {child.pid} on .* since .*--wait.*toktrial status"),
            writing(tmp_path),
        ):
            pass
        found = holder(tmp_path)
        assert found is not None
        assert found.process == child.pid


def test_a_rank_that_another_launcher_gave_is_no_leave_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes' training operators number their pods in RANK, whatever runs in them."""
    monkeypatch.setenv("RANK", "1")
    with other_process(tmp_path):
        with pytest.raises(TrialBusyError), writing(tmp_path):
            pass
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        with writing(tmp_path):  # torchrun's first process holds it for all
            pass


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    with other_process(tmp_path) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert holder(tmp_path) is None
        with writing(tmp_path):
            assert holder(tmp_path) is not None


def test_a_writer_that_waits_gets_its_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with other_process(tmp_path, seconds=1.5) as child:
        with writing(tmp_path, wait=True):
            assert child.wait(5) == 0
        assert f"process {child.pid}" in capsys.readouterr().err


def test_the_same_process_may_take_it_again(tmp_path: Path) -> None:
    with writing(tmp_path):
        with writing(tmp_path):
            pass
        found = holder(tmp_path)
        assert found is not None, "the inner block must not give up the outer one's lock"
        assert found.process == os.getpid()
    assert holder(tmp_path) is None


def test_who_may_only_read_a_trial_sees_who_writes_it() -> None:
    """In a process without root's rights, for root may write what is read-only."""
    folder = Path(tempfile.mkdtemp())  # not pytest's, which no other user may enter
    try:
        with writing(folder):
            pass
        assert readers_view(folder) == "nobody"
        with other_process(folder) as child:
            assert readers_view(folder) == str(child.pid)
    finally:
        shutil.rmtree(folder)


def readers_view(folder: Path) -> str:
    """Which process writes the trial, as a user sees it who may not write there."""
    for path in (folder, *folder.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    reading, writes = os.pipe()
    if os.fork() == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            found = holder(folder)
            os.write(writes, str(found.process if found else "nobody").encode())
        except BaseException as error:
            os.write(writes, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writes)
    os.wait()
    folder.chmod(0o755)
    with os.fdopen(reading) as said:
        return said.read()


def test_looking_changes_nothing(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert not list(tmp_path.iterdir())
