"""Exported runs of every kind of track within `transformers`: the same logits, the same text, the same ids."""

import contextlib
import io
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerFast

from toktrial import artifact, cli, presets
from toktrial.commands.export import Export
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.stage import open_documents
from toktrial.errors import TrialError
from toktrial.finished_run import FinishedRun, open_finished_run
from toktrial.tokenizer.base import END_OF_TEXT_ID
from toktrial.tokenizer.config import BPERecipe, BTMRecipe
from toktrial.tokenizer.encoders import TokenizersEncoder
from toktrial.tokenizer.foreign import ForeignTokenizer
from toktrial.tokenizer.load import load_tokenizer
from toktrial.training.config import ModelConfig
from toktrial.training.model import GPT
from toktrial.trial import Trial

TRACKS = ("bpe", "btm", "short")  # the last has fewer entries than the model has rows
NEW_TOKENS = 50


@pytest.fixture(scope="module", autouse=True)
def modules_of_this_test_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """transformers copies the code that it is told to trust into a cache; here not into the user's."""
    from transformers import dynamic_module_utils

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path_factory.mktemp("modules")))
        yield


@pytest.fixture(scope="module")
def trial(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """A trial on real stories, trained long enough for its models to say different things."""
    demo = presets.demo()
    stories = str(shared_data / "tinystories" / "valid.txt")
    plan = replace(
        demo,
        name="real_stories",
        seeds=1,
        vocab_size=600,
        corpus=CorpusConfig(path=stories, max_megabytes=0.4, validation_share=0.05),
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=400), "short": BPERecipe(min_frequency=400)},
        model=ModelConfig(n_layer=2, n_head=2, width=48, context=128),
        training=replace(
            demo.training, batch_size=8, steps=150, learning_rate=3e-3, warmup_steps=10, log_every=150, checkpoint_every=150
        ),
        evaluation=replace(demo.evaluation, eval_documents=5, prompts=("Once",), max_new_bytes=5),
    )
    trial = Trial(tmp_path_factory.mktemp("trials") / "real", plan)
    trial.evaluate()
    return trial


@dataclass(frozen=True)
class Exported:
    """A run, the folder that it was exported into, and what transformers makes of that."""

    ours: FinishedRun
    folder: Path
    model: Any
    documents: list[str]

    @property
    def rows(self) -> list[list[int]]:
        """The first ids of validation documents, behind id 0, as many as the model sees."""
        context = self.ours.model.config.context
        return [[END_OF_TEXT_ID, *self.ours.tokenizer.encode(text)][:context] for text in self.documents]


@pytest.fixture(scope="module", params=TRACKS)
def exported(request: pytest.FixtureRequest, trial: Trial, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("exported") / request.param
    run_folder = trial.run_of(request.param, 1).folder
    cli.main(["export", str(run_folder), str(folder)])
    documents = list(open_documents(trial.corpus_folder, "validation"))
    assert len(documents) >= 20
    return Exported(open_finished_run(run_folder), folder, AutoModelForCausalLM.from_pretrained(folder), documents)


# The model


def test_logits_are_ours_on_validation_text(exported: Exported) -> None:
    assert type(exported.model) is GPT2LMHeadModel
    assert exported.model.dtype == torch.float32
    entries = exported.ours.tokenizer.vocab_size
    with torch.no_grad():
        for row in exported.rows:
            ours, theirs = exported.ours.model(torch.tensor([row])), exported.model(torch.tensor([row])).logits
            assert theirs.shape == (1, len(row), entries)
            assert (ours[..., :entries] - theirs).abs().max() < 1e-4
            assert (ours[..., entries:] == -torch.inf).all()
            assert theirs.std() > 0.5, "logits that are all alike would agree whatever the model does"


def test_its_weights_in_our_model_give_its_logits(exported: Exported) -> None:
    conv1d = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    state: dict[str, Tensor] = {
        name.removeprefix("transformer."): value.T if name.endswith(conv1d) else value
        for name, value in exported.model.state_dict().items()
        if name.startswith("transformer.")
    }
    entries = exported.ours.tokenizer.vocab_size
    back = GPT(exported.ours.model.config, entries, entries)
    back.load_state_dict(state)
    trained = exported.ours.model.state_dict()
    for name, value in back.state_dict().items():
        assert torch.equal(value, trained[name][:entries] if name == "wte.weight" else trained[name]), name
    with torch.no_grad():
        for row in exported.rows[:5]:
            assert (back(torch.tensor([row])) - exported.model(torch.tensor([row])).logits).abs().max() < 1e-4


def greedy(model: GPT, prompt: list[int]) -> list[int]:
    """The likeliest ids one after another, nothing kept between them."""
    ids = list(prompt)
    with torch.no_grad():
        while len(ids) < len(prompt) + NEW_TOKENS and (len(ids) == len(prompt) or ids[-1] != END_OF_TEXT_ID):
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids


def test_the_greedy_text_is_ours(exported: Exported) -> None:
    tokenizer = AutoTokenizer.from_pretrained(exported.folder)
    prompts = [row[:length] for row, length in zip(exported.rows[:8], range(1, 60, 8), strict=False)]
    new_tokens = set()
    for prompt in prompts:
        ours = greedy(exported.ours.model, prompt)
        theirs = exported.model.generate(torch.tensor([prompt]), max_new_tokens=NEW_TOKENS)[0].tolist()
        assert theirs == ours
        assert tokenizer.decode(theirs, skip_special_tokens=True) == exported.ours.tokenizer.decode(
            token for token in ours if token != END_OF_TEXT_ID
        )
        new_tokens.add(tuple(ours[len(prompt) :]))
    assert max(map(len, new_tokens)) == NEW_TOKENS
    assert len(new_tokens) > 1, "one text for every prompt would agree whatever the prompt is"


def test_no_id_without_an_entry_can_come_out(exported: Exported) -> None:
    entries = exported.ours.tokenizer.vocab_size
    assert (entries < exported.ours.model.vocab_size) == (exported.ours.run.track == "short")
    assert exported.model.config.vocab_size == entries == exported.model.get_output_embeddings().weight.shape[0]
    torch.manual_seed(1)
    sampled = exported.model.generate(torch.zeros(20, 1, dtype=torch.long), do_sample=True, temperature=50.0, max_new_tokens=60)
    assert sampled.max() < entries
    exported.ours.tokenizer.decode_bytes(sampled.flatten().tolist())


def test_parameters_and_flops_of_the_record_are_those_of_transformers(exported: Exported) -> None:
    record = json.loads((exported.ours.run.folder / "record.json").read_text())
    left_out = (exported.ours.model.vocab_size - exported.ours.tokenizer.vocab_size) * 48
    without_embeddings = exported.model.num_parameters(exclude_embeddings=True)
    assert record["parameters"] == exported.model.num_parameters() + left_out
    assert record["parameters_without_embeddings"] == without_embeddings
    # PaLM's appendix B: 6 for every parameter that multiplies, head included, and 12 * layers * width * context.
    assert record["flops_per_token"] == 6 * (without_embeddings + 600 * 48) + 12 * 2 * 48 * 128


def test_the_config_leaves_nothing_to_chance(exported: Exported) -> None:
    config, generation = exported.model.config, exported.model.generation_config
    assert (config.activation_function, config.layer_norm_epsilon) == ("gelu_new", 1e-5)
    assert (config.attn_pdrop, config.embd_pdrop, config.resid_pdrop) == (0, 0, 0)
    assert (config.n_positions, config.bos_token_id, config.eos_token_id) == (128, 0, 0)
    assert (generation.bos_token_id, generation.eos_token_id, generation.do_sample) == (0, 0, False)


# The tokenizer


def test_the_tokenizer_gives_our_ids(exported: Exported) -> None:
    expected = [exported.ours.tokenizer.encode(text) for text in exported.documents]
    assert load_tokenizer(exported.folder).token_bytes == exported.ours.tokenizer.token_bytes
    exact = AutoTokenizer.from_pretrained(exported.folder, trust_remote_code=True)
    assert exact(exported.documents)["input_ids"] == expected
    is_btm = exported.ours.run.track == "btm"
    assert (type(exact).__name__ == "ExactBTMTokenizer") == is_btm
    flat = AutoTokenizer.from_pretrained(exported.folder)
    assert isinstance(flat, PreTrainedTokenizerFast)
    differing = sum(a != b for a, b in zip(flat(exported.documents)["input_ids"], expected, strict=True))
    found = re.search(r"on (\d+) held-out documents: (\d+) got other ids", (exported.folder / "README.md").read_text())
    assert found
    assert (int(found[1]), int(found[2])) == (len(exported.documents), differing)


# The folder


def test_the_model_card_states_what_was_measured_and_its_code_runs(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [path.name for path in exported.folder.rglob("README.md")] == ["README.md"]
    card = (exported.folder / "README.md").read_text()
    final = json.loads((exported.ours.run.folder / "final.json").read_text())
    assert f"{final['bits_per_byte']:.4f}, over all {len(exported.documents)} validation documents" in card
    assert f"{exported.model.num_parameters():,}; {exported.model.num_parameters(exclude_embeddings=True):,} without" in card
    assert "150 steps, 153,600 tokens" in card
    assert ("600 rows in its embedding" in card) == (exported.ours.run.track == "short")
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert code
    monkeypatch.chdir(exported.folder)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code[1], "README.md", "exec"), {})
    prompt = [END_OF_TEXT_ID, *exported.ours.tokenizer.encode("Once upon a time")]
    ours = [token for token in greedy(exported.ours.model, prompt) if token != END_OF_TEXT_ID]
    assert said.getvalue() == exported.ours.tokenizer.decode(ours) + "\n"


def test_the_same_export_again_changes_nothing(exported: Exported) -> None:
    artifact.check_files(exported.folder)
    before = {path: path.stat().st_mtime_ns for path in exported.folder.rglob("*")}
    Export(exported.ours.run.folder, exported.folder).execute()
    assert {path: path.stat().st_mtime_ns for path in exported.folder.rglob("*")} == before


def test_another_export_or_anything_else_is_refused(exported: Exported, trial: Trial, tmp_path: Path) -> None:
    other = next(track for track in TRACKS if track != exported.ours.run.track)
    (tmp_path / "letter.txt").write_text("dear reader")
    for folder in (exported.folder, tmp_path, tmp_path / "letter.txt", trial.corpus_folder):
        with pytest.raises(TrialError, match="exists and holds something other than this export"):
            Export(trial.run_of(other, 1).folder, folder).execute()
    assert (tmp_path / "letter.txt").read_text() == "dear reader"
    assert load_tokenizer(exported.folder).token_bytes == exported.ours.tokenizer.token_bytes


def test_what_the_hub_does_not_take_is_exported_all_the_same(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(SystemExit):
        cli.main(["export", str(trial.run_of("bpe", 1).folder), str(tmp_path / "model"), "--push", "me/model", "--no-tasks"])
    assert f"{tmp_path / 'model'} is exported, but the hub did not take it" in capsys.readouterr().err
    artifact.check_files(tmp_path / "model")


# Runs that cannot be exported


@pytest.fixture
def copied(trial: Trial, tmp_path: Path) -> Path:
    """The trial's folder, to be damaged."""
    return Path(shutil.copytree(trial.folder, tmp_path / "trial"))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("", r"is a whole trial: name one of its runs \(.*/runs/bpe/seed-1, .*/runs/btm/seed-1"),
        ("corpus", "is not the folder of a run: name one such as trials/demo/runs/bpe/seed-1"),
        ("runs/bpe", "is not the folder of a run"),
        ("runs/btn/seed-1", "has no track 'btn': did you mean 'btm'"),
        ("runs/bpe/seed-2", r"bpe has no seed 2 in the trial in .*: its seeds are 1 to 1"),
    ],
)
def test_what_is_no_run_is_refused(trial: Trial, tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(TrialError, match=message):
        Export(trial.folder / place, tmp_path / "model").execute()
    assert not any(tmp_path.iterdir())


def test_a_run_outside_a_trial_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="there is no protocol at"):
        Export(tmp_path / "runs" / "bpe" / "seed-1", tmp_path / "model").execute()


def test_a_run_that_is_not_finished_is_refused(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_folder = copied / "runs" / "btm" / "seed-1"
    (run_folder / "manifest.json").unlink()
    monkeypatch.chdir(copied.parent)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["export", "trial/runs/btm/seed-1", "model"])
    assert stopped.value.code == 1
    assert f"the run in trial/runs/btm/seed-1 is not finished: `toktrial train {copied}` finishes it" in capsys.readouterr().err


def test_a_run_of_another_protocol_is_refused(copied: Path) -> None:
    protocol_file = copied / "protocol.toml"
    protocol_file.write_text(protocol_file.read_text().replace("learning_rate = 0.003", "learning_rate = 0.004"))
    with pytest.raises(TrialError, match="was trained with another protocol or tokenizer"):
        Export(copied / "runs" / "bpe" / "seed-1", copied.parent / "model").execute()


class SharedIds(TokenizersEncoder):
    """Somebody's tokenizer of whose ids there is no tokenizer.json."""

    def tokenizer_json(self, our_ids: Sequence[int], entries: int) -> str | None:  # noqa: ARG002
        return None


def test_a_tokenizer_that_transformers_cannot_read_is_told(
    trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As this version writes it, and where an earlier one has written files that gave other ids."""
    finished = open_finished_run(trial.run_of("bpe", 1).folder)
    somebodys = SharedIds((finished.tokenizer_folder / "tokenizer.json").read_text())
    unreadable = replace(finished, tokenizer=ForeignTokenizer(somebodys, "byte-level", "somebody's"))
    monkeypatch.setattr("toktrial.commands.export.open_finished_run", lambda _: unreadable)
    empty = tmp_path / "empty"
    empty.mkdir()
    for tokenizer_folder in (finished.tokenizer_folder, empty):
        monkeypatch.setattr(FinishedRun, "tokenizer_folder", tokenizer_folder)
        with pytest.raises(SystemExit):
            cli.main(["export", str(finished.run.folder), str(tmp_path / "model"), "--no-tasks"])
        said = " ".join(capsys.readouterr().err.split())
        assert f"transformers cannot read {tokenizer_folder}, so there is nothing to export: no tokenizer.json gives" in said
        assert "Traceback" not in said
        assert not (tmp_path / "model").exists()


def test_an_export_that_fails_leaves_nothing_behind(copied: Path) -> None:
    run_folder = copied / "runs" / "bpe" / "seed-1"
    (run_folder / "record.json").unlink()
    with pytest.raises(TrialError, match=r"record\.json is missing"):
        Export(run_folder, copied.parent / "model").execute()
    assert [path.name for path in copied.parent.iterdir()] == ["trial"]


def test_a_run_that_was_not_evaluated_says_so_and_needs_no_token_files(copied: Path) -> None:
    run_folder = copied / "runs" / "bpe" / "seed-1"
    (run_folder / "final.json").unlink()
    shutil.rmtree(copied / "tokens")
    Export(run_folder, copied.parent / "model").execute()
    assert "| bits per byte | not measured: the run was not evaluated |" in (copied.parent / "model" / "README.md").read_text()
