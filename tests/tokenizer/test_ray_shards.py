"""Merge shards on a real Ray cluster, of one small local node: the merges of the engine, also after an actor died."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer, encode_documents
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.merge import learn_merges_of_stream
from toktrial.tokenizer.merge_rules import MergeRule
from toktrial.tokenizer.sharded_merges import cut_documents, learn_merges_of_shards

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'toktrial[ray]'")
from toktrial.tokenizer import ray_shards  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One node of this machine, which ends with the tests."""
    ray.init(address="local", num_cpus=2, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_no_cluster_is_started_unasked(tmp_path: Path) -> None:
    assert not ray.is_initialized()
    with pytest.raises(TrialError, match="no Ray cluster is connected"):
        ray_shards.learn_merges_on_ray(tmp_path, [b"a"], 2)


@pytest.mark.usefixtures("cluster")
def test_equal_to_the_engine_although_an_actor_dies(
    tmp_path: Path, storybook: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    primitive = BPETokenizer.train(storybook, 400)
    stream = encode_documents(primitive, Documents.of(storybook))
    expected = learn_merges_of_stream(*stream, primitive.token_bytes, 900)
    for number, part in enumerate(cut_documents(*stream, 3)):
        ray_shards.write_shard(tmp_path, number, *part)
    shards = ray_shards.RayShards(tmp_path, [{"num_cpus": 1}, {"num_cpus": 0.5}], shards_per_actor=2)

    def kill(shard: int) -> None:
        process = ray.get(shards._actors[shard].__ray_call__.remote(lambda self: os.getpid()))  # noqa: ARG005
        os.kill(process, signal.SIGKILL)

    killed_after: list[int] = []

    def kill_once(entries: int, count: int) -> None:  # noqa: ARG001
        if not killed_after and len(shards._merges) and shards._calls[-1][0] == "counts_of_new":
            kill(1)  # another must go on from merges before the last recount, and merges since
            killed_after.append(entries)

    learned = learn_merges_of_shards(shards, primitive.token_bytes, 900, MergeRule(pairs_kept_per_merge=0.2), kill_once)
    left_behind = [ids for documents in shards.call("documents") for ids, _ in documents]
    assert learned.merges.tolist() == expected.merges.tolist()
    assert killed_after
    assert killed_after[0] < 900
    assert np.concatenate(left_behind).tolist() == expected.ids.tolist()
    assert capsys.readouterr().err.count("its actor died") == 1
    monkeypatch.setattr(ray_shards, "MOST_DEATHS", 1)
    kill(0)
    with pytest.raises(TrialError, match="Give its actor more memory, or cut the documents into more shards"):
        list(shards.call("documents"))
    shards.close()


@pytest.mark.usefixtures("cluster")
def test_what_makes_no_sense_is_refused_without_a_traceback(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="there are no shards in"):
        ray_shards.learn_merges_on_ray(tmp_path, [b"a"], 2)
    ray_shards.write_shard(tmp_path, 0, np.array([0, 9]), np.array([0, 2]))
    ray_shards.write_shard(tmp_path, 1, np.array([], dtype=np.uint16), np.array([0]))
    with pytest.raises(TrialError, match="take 2 actors, but there are resources for 3"):
        ray_shards.learn_merges_on_ray(tmp_path, [b"a"], 2, resources=[{}] * 3)
    with pytest.raises(TrialError, match=r"^the stream holds id 9 at position 1, but there are 1 entries$"):
        ray_shards.learn_merges_on_ray(tmp_path, [b"a"], 2)


@pytest.mark.usefixtures("cluster")
def test_the_documented_example_gives_the_tokenizer_of_one_machine(
    tmp_path: Path, storybook: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = (REPOSITORY / "docs" / "scale_out.md").read_text(encoding="utf-8").split("```python\n")[1:]
    [example] = [block.partition("```")[0] for block in blocks if "learn_merges_on_ray" in block]
    connect = 'ray.init(address="auto")\n'
    assert connect in example
    primitive = BPETokenizer.train(storybook, 400)
    (tmp_path / "shards").mkdir()
    monkeypatch.chdir(tmp_path)
    names = {
        "folder": tmp_path / "shards",
        "parts": [storybook[:99], storybook[99:]],
        "primitive": primitive,
        "vocab_size": 600,
    }
    exec(example.replace(connect, ""), names)
    expected = BTMTokenizer.train(storybook, 600, primitive=primitive)
    assert load_tokenizer(tmp_path / "btm").token_bytes == expected.token_bytes
