"""Training and its evaluation need numpy and torch alone; safetensors is the one extra, for the final weights."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

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


def run_bare(code: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs code where nothing is installed but what is allowed; it may allow more."""
    script = f"ALLOWED = {sorted(ALLOWED)!r}\n{HIDING_FINDERS}\n{textwrap.dedent(code)}"
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


def test_a_run_trains_and_is_evaluated_up_to_the_final_weights(tmp_path: Path, story_tokens: dict[str, Path]) -> None:
    """Without safetensors too; the last checkpoint then holds the weights, and once it is there the run ends from that.

    Nor is torch's compiler imported, which takes longer than such a run.
    """
    code = """
        from pathlib import Path
        import torch
        import toktrial.training.rates
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
        run = Run("bpe", 1, 600, model, training, tokens, folder)
        try:
            train(run, scorer.score)
        except ModuleNotFoundError as error:
            print(error.name, *sorted(path.name for path in folder.glob("checkpoint-*")))
        ALLOWED.append("safetensors")
        train(run, scorer.score)
        print("trained, and compiled" if "torch._dynamo" in sys.modules else "trained")
    """
    done = run_bare(code, str(story_tokens["bpe"]), str(tmp_path / "run"))
    assert done.stdout == "safetensors checkpoint-000000003.pt checkpoint-000000004.pt\ntrained\n", done.stderr
    assert "going on from step 4" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 2, 4]
    assert (tmp_path / "run" / "weights.safetensors").is_file()
