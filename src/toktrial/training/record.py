"""record.json: what a reader must know of a run beside its curves, so that it can be judged and repeated."""

import platform
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
        "started": time.time(),
    }
    artifact.write_json(folder / RECORD_FILE, record)
