"""One run of a trial: a track and a seed with all settings, what identifies it, and the weights it leaves behind."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.training.config import ModelConfig, TrainingConfig

if TYPE_CHECKING:
    from toktrial.training.model import GPT

WEIGHTS_FILE = "weights.safetensors"
CHECKPOINTS = "checkpoint-*.pt"
# Fields of TrainingConfig that identify no run: its context and batch size answer the first, the second changes last bits only.
NOT_IDENTIFYING = ("match", "threads")


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
    keep_weights_at: int = 0
    """Step whose weights are kept beside the last ones: at which the track has read as much text as every other track's run
    of its seed. 0: none. Not part of the fingerprint, because it changes nothing else of the run."""
    must_keep_weights: bool = False
    """Whether these weights decide the verdict: a run that could only go on from beyond that step then starts from scratch."""

    @property
    def name(self) -> str:
        return f"{self.track}, seed {self.seed}"

    def fingerprint(self, tokens_fingerprint: str) -> str:
        """Returns what identifies the finished run."""
        return self._fingerprint_without(NOT_IDENTIFYING, tokens_fingerprint)

    def is_trained(self, tokens_fingerprint: str) -> bool:
        """Whether the run is finished, with all the weights that its verdict needs."""
        if not artifact.is_finished(self.folder, self.fingerprint(tokens_fingerprint)):
            return False
        return not self.lacks_kept_weights(artifact.read_manifest(self.folder).get("steps", 0))

    def lacks_kept_weights(self, step: int) -> bool:
        """Whether weights that decide the verdict were to be kept before `step`, which is reached, and are not there.

        So it is where a run was trained for longer, or the verdict's budget was changed, once it had gone beyond them.
        """
        is_past = self.must_keep_weights and 0 < self.keep_weights_at < step
        return is_past and not (self.folder / kept_weights_file(self.keep_weights_at)).is_file()

    def lineage(self, tokens_fingerprint: str) -> str:
        """Returns what identifies the run apart from its steps: a longer run of the same lineage begins with this one.

        Under a schedule that decays, or a budget in passes over the text, every run has a lineage of its own.
        """
        left_out = (*NOT_IDENTIFYING, "steps") if self.training.can_grow else NOT_IDENTIFYING
        return self._fingerprint_without(left_out, tokens_fingerprint)

    def _fingerprint_without(self, left_out: Sequence[str], tokens_fingerprint: str) -> str:
        inputs = {
            "tokens": tokens_fingerprint,
            "seed": self.seed,
            "vocab_size": self.vocab_size,
            "model": asdict(self.model),
            "training": {name: value for name, value in asdict(self.training).items() if name not in left_out},
        }
        return artifact.fingerprint("run", inputs)


def kept_weights_file(step: int) -> str:
    """Returns the name of the file that holds the weights after a step, beside the last ones."""
    return f"weights-step-{step:09d}.safetensors"


def checkpoint_step(path: Path) -> int:
    """Returns the step after which a checkpoint was written."""
    return int(path.stem.rpartition("-")[2])


def steps_done(folder: Path) -> float:
    """Returns the steps of a finished run, or those up to its newest checkpoint; 0 where it has none."""
    if artifact.is_finished(folder):
        return float(artifact.read_manifest(folder).get("steps", math.inf))
    return max(map(checkpoint_step, folder.glob(CHECKPOINTS)), default=0)


def save_weights(path: Path, model: "GPT") -> None:
    """Writes weights by rename, in float32, for any device."""
    from safetensors.torch import save_file

    with artifact.publish_file(path) as partial:
        save_file({name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}, partial)


def load_model(run: Run, entries: int, weights_file: str = WEIGHTS_FILE) -> "GPT":
    """Returns a finished run's model, in float32 on the CPU; `entries` are those of the track's tokenizer.

    Raises TrialError if the weights are missing or do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from toktrial.training.model import GPT

    model = GPT(run.model, run.vocab_size, entries)
    path = run.folder / weights_file
    if not path.is_file():
        raise TrialError(f"{path} is missing: the run is not finished; train it first")
    try:
        model.load_state_dict(load_file(artifact.check_file(path)))
    except (SafetensorError, RuntimeError) as error:
        raise TrialError(f"{path} does not fit the model ({error}): delete {run.folder} and train again") from None
    return model
