"""`toktrial export`: a finished run as a folder that `transformers` loads, model and tokenizer together.

The model is a GPT-2 already: only names and layout change. The export itself does not need `transformers`.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toktrial import artifact, progress
from toktrial.commands import Call, rendered
from toktrial.errors import TrialError
from toktrial.finished_run import FinishedRun, open_finished_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from toktrial.evaluation.minimal_pairs import Paradigm
    from toktrial.training.model import GPT

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"
GENERATION_FILE = "generation_config.json"
CARD_FILE = "README.md"
CARD_TEMPLATE = "export.md.jinja"
# Linear layers here, which are Conv1D in `transformers`: that keeps (inputs, outputs), as GPT-2's own code did.
CONV1D = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


@dataclass(frozen=True)
class Export(Call):
    """Writes a finished run as a folder that transformers loads: weights, config, tokenizer and model card."""

    run: Path
    """Folder of a finished run, such as trials/demo/runs/bpe/seed-1."""
    folder: Path
    """The folder to write, which must not exist yet or be empty."""
    tasks: bool = True
    """Also write the folder lm_eval_tasks: the trial's validation text and minimal pairs as tasks of lm-evaluation-harness."""
    push: str = ""
    """Repository of the Hugging Face hub to upload the folder to, such as me/model. One that is new is made private. The tasks
    stay here, for they hold text of the corpus."""

    def execute(self) -> None:
        """Exports the run in TRIAL/runs/<track>/seed-<n>: the model, then tasks and upload as far as they are asked for.

        What is done already is not done again. Raises TrialError where the run is not finished, `folder` holds anything but
        this very export, the trial lacks its corpus though tasks are wanted, or the hub does not take the model.
        """
        finished = open_finished_run(self.run)
        corpus = finished.trial.corpus_folder
        if self.tasks and not artifact.is_finished(corpus):
            raise TrialError(f"{corpus} is gone, and with it the text of the tasks: --no-tasks exports the model alone")
        self._export_model(finished)
        if self.tasks:
            _export_tasks(finished, self.folder)
        if self.push:
            from toktrial.commands.push import push

            push(self.folder, self.push)

    def _export_model(self, finished: FinishedRun) -> None:
        """Writes the run into `folder`, whole or not at all, unless that is done.

        `AutoModelForCausalLM` and `AutoTokenizer` load the folder, with the logits of the run's own model; `load_tokenizer`
        reads it too. The model masks rows of the embedding that have no entry. GPT-2 cannot, so they are left out, and the
        exported model can never produce such an id.
        """
        folder = self.folder
        evaluation = finished.evaluation()
        inputs = {
            "run": artifact.read_manifest(finished.run.folder)["fingerprint"],
            "bits_per_byte": evaluation and evaluation["bits_per_byte"],
        }
        fingerprint = artifact.fingerprint("export", inputs)
        if folder.is_dir() and artifact.is_finished(folder, fingerprint):
            artifact.check_files(folder)
            return progress.print_line(f"{folder} already holds this export")
        _check_transformers_reads(finished, finished.tokenizer_folder)
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise TrialError(f"{folder} exists and holds something other than this export: name another folder, or delete it")
        # With the recipe in its manifest, load_tokenizer reads the folder as it reads a tokenizer's own.
        with artifact.publish(folder.resolve(), fingerprint, finished.tokenizer.manifest()) as partial:
            _write_files(finished, evaluation, partial)
        return progress.print_line(f"{folder}: a GPT-2 with its tokenizer; README.md there shows how transformers loads it")


def _check_transformers_reads(finished: FinishedRun, tokenizer_folder: Path) -> None:
    """Raises TrialError where the tokenizer has written nothing that `transformers` reads."""
    from toktrial.tokenizer.foreign import ForeignTokenizer
    from toktrial.tokenizer.transformers_files import CONFIG_FILE, TOKENIZER_FILE

    if (tokenizer_folder / CONFIG_FILE).is_file():
        return
    if isinstance(finished.tokenizer, ForeignTokenizer):
        why = f"no {TOKENIZER_FILE} gives the ids of this tokenizer. `toktrial generate` writes with the run all the same"
    else:
        why = f"the recipe {finished.tokenizer.recipe!r} must also write {TOKENIZER_FILE} and call write_transformers_files"
    raise TrialError(f"transformers cannot read {finished.tokenizer_folder}, so there is nothing to export: {why}")


def gpt2_weights(model: "GPT") -> "dict[str, Tensor]":
    """Returns a model's weights, float32, under the names and in the layout of `transformers`' GPT2LMHeadModel.

    The tied head is not listed twice. `transformer.wte.weight` is (entries, width), without the rows that have no entry.
    """
    weights = {}
    for name, tensor in model.state_dict().items():
        if name == "wte.weight":
            tensor = tensor[: model.entries]
        elif name.endswith(CONV1D):
            tensor = tensor.T
        weights[f"transformer.{name}"] = tensor.contiguous()
    return weights


def gpt2_config(model: "GPT") -> dict[str, Any]:
    """Returns what config.json says about a model. Nothing that decides its logits is left to a default."""
    from toktrial.tokenizer.base import END_OF_TEXT_ID
    from toktrial.training.model import INITIAL_STD, NORM_EPSILON

    shape = model.config
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": model.entries,
        "n_positions": shape.context,
        "n_embd": shape.width,
        "n_layer": shape.n_layer,
        "n_head": shape.n_head,
        "n_inner": 4 * shape.width,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": NORM_EPSILON,
        "initializer_range": INITIAL_STD,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "tie_word_embeddings": True,
        "bos_token_id": END_OF_TEXT_ID,
        "eos_token_id": END_OF_TEXT_ID,
        "torch_dtype": "float32",
    }


def _export_tasks(finished: FinishedRun, folder: Path) -> None:
    """Writes the tasks beside the exported model, unless that is done, and says what to type."""
    from toktrial.corpus.stage import open_documents
    from toktrial.evaluation.harness_tasks import TASKS_FOLDER, TASKS_VERSION, write_tasks
    from toktrial.evaluation.minimal_pairs import MINIMAL_PAIRS_FOLDER, load_minimal_pairs

    trial, place = finished.trial, folder / TASKS_FOLDER
    has_pairs = bool(trial.protocol.evaluation.minimal_pairs) and artifact.is_finished(trial.folder / MINIMAL_PAIRS_FOLDER)
    sources = [trial.corpus_folder, *([trial.folder / MINIMAL_PAIRS_FOLDER] if has_pairs else [])]
    inputs = {"version": TASKS_VERSION, "sources": [artifact.read_manifest(source)["fingerprint"] for source in sources]}
    fingerprint = artifact.fingerprint("lm_eval tasks", inputs)
    if artifact.is_finished(place, fingerprint):
        return artifact.check_files(place)
    paradigms = load_minimal_pairs(trial.folder) if has_pairs else []
    with artifact.publish(place.resolve(), fingerprint, {}) as partial:
        names = write_tasks(partial, open_documents(trial.corpus_folder, "validation"), paradigms)
    progress.print_line(f"{place}: {' and '.join(names)}, tasks for lm-evaluation-harness (see docs/lm_eval.md)")
    return _warn_of_long_sentences(finished, paradigms)


def _warn_of_long_sentences(finished: FinishedRun, paradigms: "Sequence[Paradigm]") -> None:
    """Names the paradigms that the harness cannot score, because a sentence has more ids than the model sees at once."""
    context = finished.model.config.context
    for paradigm in paradigms:
        longest = max(map(len, finished.tokenizer.encode_batch([*paradigm.good, *paradigm.bad])))
        if longest > context:
            progress.print_line(
                f"WARNING    {paradigm.name} has a sentence of {longest} ids, and the harness stops at more than {context}"
            )


def _write_files(finished: FinishedRun, evaluation: dict[str, Any] | None, folder: Path) -> None:
    from safetensors.torch import save

    from toktrial.tokenizer.base import END_OF_TEXT_ID

    # Written anew, not copied: whoever made the trial may have put code of their own into the tokenizer's folder.
    finished.tokenizer.write_files(folder)
    _check_transformers_reads(finished, folder)  # an earlier version may have written a tokenizer.json that gives other ids
    for readme in folder.rglob(CARD_FILE):
        readme.unlink()
    taken = [name for name in (WEIGHTS_FILE, CONFIG_FILE, GENERATION_FILE) if (folder / name).exists()]
    assert not taken, f"the tokenizer has files of a model's names: {taken}"
    weights = gpt2_weights(finished.model)
    # transformers 4 refuses a file without that format. save_file would make one that only its owner can read.
    (folder / WEIGHTS_FILE).write_bytes(save(weights, metadata={"format": "pt"}))
    artifact.write_json(folder / CONFIG_FILE, gpt2_config(finished.model))
    # Greedy by default. Texts of a batch that have ended are filled up with id 0.
    ids = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), END_OF_TEXT_ID)
    artifact.write_json(folder / GENERATION_FILE, ids | {"do_sample": False})
    parameters = sum(tensor.numel() for tensor in weights.values())
    (folder / CARD_FILE).write_text(_model_card(finished, evaluation, parameters), encoding="utf-8")


def _model_card(finished: FinishedRun, evaluation: dict[str, Any] | None, parameters: int) -> str:
    from toktrial.tokenizer import transformers_files
    from toktrial.training.metrics import RECORD_FILE

    of_tokenizer = (finished.tokenizer_folder / transformers_files.README_FILE).read_text(encoding="utf-8")
    return rendered(
        CARD_TEMPLATE,
        trial=finished.trial.protocol.name,
        run=finished.run,
        model=finished.model,
        recipe=finished.tokenizer.recipe,
        record=artifact.read_json(finished.run.folder / RECORD_FILE),
        final=evaluation,
        parameters=parameters,
        needs_code="auto_map" in artifact.read_json(finished.tokenizer_folder / transformers_files.CONFIG_FILE),
        of_tokenizer=re.sub(r"^#", "##", of_tokenizer, flags=re.MULTILINE).strip(),
    )
