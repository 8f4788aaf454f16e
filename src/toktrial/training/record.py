"""record.json: what a reader must know of a run beside its curves, so that it can be judged and repeated."""

import platform
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from toktrial import __version__, artifact
from toktrial.training.device import device_name
from toktrial.training.model import GPT

RECORD_FILE = "record.json"


def write_record(folder: Path, run: dict[str, Any], model: GPT, device: torch.device) -> None:
    """Writes what is known of a run, with its model's size and what it runs on."""
    counts = model.parameter_counts()
    record = {
        **run,
        "device": device.type,
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "parameters": counts.total,
        "parameters_without_embeddings": counts.without_embeddings,
        "parameters_of_embeddings": counts.embeddings,
        "flops_per_token": model.flops_per_token(),
        "versions": {
            "toktrial": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "source_commit": source_commit(Path(__file__).parent),
        "started": time.time(),
    }
    artifact.write_json(folder / RECORD_FILE, record)


def add_to_record(folder: Path, **facts: Any) -> None:
    """Adds to the record what only the end of a run tells."""
    path = folder / RECORD_FILE
    artifact.write_json(path, artifact.read_json(path) | facts)


def source_commit(folder: Path) -> str | None:
    """Returns the git commit that the code in `folder` stands at, with `-dirty` where tracked files differ from it.

    None where there is no git, no checkout, or one of somebody else's project: there, an installed package is not tracked.
    """
    git = ["git", "--no-optional-locks", "-C", str(folder)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", "__init__.py"], capture_output=True, check=True)
        described = subprocess.run(
            [*git, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
