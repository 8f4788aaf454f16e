"""Training and its evaluation need numpy and torch alone; safetensors is the one extra, for the final weights."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# What torch itself needs, from its own list of requirements and from what that requires.
TORCH_AND_ITS_NEEDS = {
    *("torch", "torchgen", "functorch", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock"),
    *("fsspec", "setuptools", "pkg_resources", "_distutils_hack", "triton", "nvidia", "cuda"),
}
ALLOWED = {"toktrial", "numpy", *TORCH_AND_ITS_NEEDS}

HIDING_FINDERS = textwrap.dedent(
    """
    import json, sys

    class Bare:  # around a finder: what is not allowed is not there, for `import` as for `find_spec`
        def __init__(self, finder):
            self.finder = finder

        def find_spec(self, name, path=None, target=None):
            top = name.partition(".")[0]
            is_allowed = top in sys.stdlib_module_names or top in ALLOWED or top.startswith("_sysconfigdata")
            return self.finder.find_spec(name, path, target) if is_allowed else None

        def __getattr__(self, name):
            return getattr(self.finder, name)

    sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path]
    """
)
HIDDEN = ("rich", "numba", "pyarrow", "tokenizers", "datasets", "polars", "scipy", "tyro", "tomli_w", "xxhash", "awkward")


def run_bare(code: str, *arguments: str, allowed: frozenset[str] = frozenset()) -> "subprocess.CompletedProcess[str]":
    """Runs code where nothing is installed but what is allowed."""
    script = f"ALLOWED = {sorted(ALLOWED | allowed)!r}\n{HIDING_FINDERS}\n{textwrap.dedent(code)}"
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)


def test_a_bare_machine_lacks_what_it_should() -> None:
    code = """
        missing = []
        for name in json.loads(sys.argv[1]):
            try:
                __import__(name)
            except ModuleNotFoundError:
                missing.append(name)
        print(json.dumps(missing))
    """
    done = run_bare(code, json.dumps([*HIDDEN, "safetensors"]))
    assert json.loads(done.stdout) == [*HIDDEN, "safetensors"], done.stderr


def test_training_and_evaluation_import_with_numpy_and_torch_alone() -> None:
    code = """
        import toktrial.training.loop, toktrial.training.speed, toktrial.evaluation.bits_per_byte, toktrial.tokens.batches
        print("imported")
    """
    done = run_bare(code)
    assert done.stdout == "imported\n", done.stderr


@pytest.mark.parametrize("has_safetensors", [True, False])
def test_a_run_trains_and_is_evaluated(tmp_path: Path, story_tokens: dict[str, Path], has_safetensors: bool) -> None:
    code = """
        from pathlib import Path
        import torch
        from toktrial.evaluation.bits_per_byte import DocumentScorer
        from toktrial.tokens.store import TokenStore
        from toktrial.training.config import ModelConfig, TrainingConfig
        from toktrial.training.loop import train
        from toktrial.training.run import Run

        torch.set_num_threads(1)
        tokens, folder = map(Path, sys.argv[1:])
        model = ModelConfig(n_layer=1, n_head=2, width=16, context=16)
        training = TrainingConfig(batch_size=2, steps=4, log_every=2, checkpoint_every=3, device="cpu")
        store = TokenStore.open(tokens)
        scorer = DocumentScorer(store.validation, store.entry_bytes, model.context, 600, 2)
        train(Run("bpe", 1, 600, model, training, tokens, folder), scorer.score)
        print("trained")
    """
    allowed = frozenset({"safetensors"} if has_safetensors else ())
    done = run_bare(code, str(story_tokens["bpe"]), str(tmp_path / "run"), allowed=allowed)
    assert (tmp_path / "run" / "metrics.jsonl").exists(), done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    if has_safetensors:
        assert done.stdout == "trained\n", done.stderr
        assert (tmp_path / "run" / "weights.safetensors").is_file()
    else:  # everything up to the final weights is there, and the last checkpoint holds these
        assert "No module named 'safetensors'" in done.stderr
        assert (tmp_path / "run" / "checkpoint-000000004.pt").is_file()
