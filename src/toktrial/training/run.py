"""One run of a trial: a track and a seed with all settings, what identifies it, and the weights that it leaves."""

from dataclasses import asdict, dataclass
from pathlib import Path

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.training.config import ModelConfig, TrainingConfig
from toktrial.training.model import GPT

WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class Run:
    """One training: a track and a seed, with all settings."""

    track: str
    seed: int
    vocab_size: int
    model: ModelConfig
    training: TrainingConfig
    tokens_folder: Path
    folder: Path

    def fingerprint(self, tokens_fingerprint: str) -> str:
        inputs = {
            "tokens": tokens_fingerprint,
            "seed": self.seed,
            "vocab_size": self.vocab_size,
            "model": asdict(self.model),
            "training": asdict(self.training),
        }
        return artifact.fingerprint("run", inputs)


def steps_of(config: TrainingConfig, epoch_tokens: int, context: int) -> int:
    """Returns the steps of a run: `steps`, or as many as `epochs` passes over the training text take."""
    if not config.epochs:
        return config.steps
    return max(1, round(config.epochs * epoch_tokens / (config.batch_size * context)))


def save_weights(run_folder: Path, model: GPT) -> None:
    """Writes a run's final weights by rename, as float32 on whatever device loads them."""
    from safetensors.torch import save_file

    partial = run_folder / f".{WEIGHTS_FILE}.partial"
    save_file({name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}, partial)
    partial.replace(run_folder / WEIGHTS_FILE)


def load_model(run: Run, entries: int) -> GPT:
    """Returns a finished run's model (float32, on the CPU); `entries` are those of the track's tokenizer.

    Raises TrialError as `load_weights`.
    """
    model = GPT(run.model, run.vocab_size, entries)
    load_weights(run.folder, model)
    return model


def load_weights(run_folder: Path, model: GPT) -> None:
    """Loads a finished run's weights into a model of its shape. Raises TrialError where they are missing or do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = run_folder / WEIGHTS_FILE
    if not path.is_file():
        raise TrialError(f"{path} is missing: the run is not finished; train it first")
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise TrialError(f"{path} does not fit the model ({error}): delete {run_folder} and train again") from None
