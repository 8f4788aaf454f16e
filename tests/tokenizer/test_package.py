"""The folder as a library of its own: its public names are lazy, and using them loads nothing of trials."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from toktrial import tokenizer

OF_TRIALS = ("torch", "datasets", "transformers", "polars", "tyro", "jinja2", "msgspec", "safetensors", "vl_convert")
ALLOWED = {
    "toktrial",
    "toktrial.artifact",
    "toktrial.errors",
    "toktrial.progress",
    "toktrial.corpus",
    "toktrial.corpus.documents",
}
USE = """
from toktrial.corpus.documents import Documents
from toktrial.tokenizer import BPETokenizer, BTMTokenizer, FileTokenizer, PairGraph, SyncStream, TknMiner
from toktrial.tokenizer import encode_documents, learn_merges, load_tokenizer
texts = ["The dog ran to the dog.", "The cat ran to the dog and the cat."] * 20
btm = BTMTokenizer.train(texts, vocab_size=280, primitive_vocab_size=270)
assert btm.vocab_size == 280
btm.save("btm", texts[:3])
assert load_tokenizer("btm").encode(texts[0]) == btm.encode(texts[0])
assert FileTokenizer.from_file("btm/primitive/tokenizer.json").token_bytes == btm.primitive.token_bytes
stream = SyncStream(PairGraph())
stream.feed(*TknMiner(first_free_id=270).mine(*encode_documents(btm.primitive, Documents.of(texts))))
assert stream.graph.edges()[0].tolist() == btm.merges[0, [0, 1, 3]].tolist()
"""


def modules_after(code: str, folder: Path) -> set[str]:
    """Returns the modules that are loaded when the code has run, in a process of its own."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_using_the_tokenizers_loads_nothing_of_trials(tmp_path: Path) -> None:
    loaded = modules_after(USE, tmp_path)
    assert {"numpy", "numba", "pyarrow", "tokenizers", "gigatoken", "toktrial.tokenizer.btm"} <= loaded
    assert not loaded & {*OF_TRIALS, "toktrial.tokenizer.stage"}
    ours = {name for name in loaded if name.split(".")[0] == "toktrial" and not name.startswith("toktrial.tokenizer")}
    assert ours <= ALLOWED


def test_the_package_imports_nothing_before_it_is_used(tmp_path: Path) -> None:
    loaded = modules_after("import toktrial.tokenizer; dir(toktrial.tokenizer)", tmp_path)
    assert not loaded & {"numpy", "numba", "pyarrow", "tokenizers", "gigatoken", *OF_TRIALS}


def test_public_names_are_those_of_their_modules() -> None:
    for name, home in tokenizer._HOME.items():
        found = getattr(tokenizer, name)
        assert found is getattr(importlib.import_module(f"toktrial.tokenizer.{home}"), name)
        assert found.__module__ == f"toktrial.tokenizer.{home}"
        assert name in dir(tokenizer)
    with pytest.raises(AttributeError, match="no attribute 'BPETokeniser'"):
        _ = tokenizer.BPETokeniser
