"""What the final evaluation writes into a run's folder, and the one place that says whether it is all there.

The evaluation writes these files, the trial and the report ask for them. Imports nothing heavy.
"""

from pathlib import Path

from toktrial import artifact

SAMPLES_FILE = "samples.json"
DOCUMENT_NATS_FILE = "document_nats.npy"
FINAL_FILE = "final.json"  # written last
RUN_PAIRS_FILE = "minimal_pairs.json"  # only where the protocol names minimal pairs
EVALUATION_FILES = (SAMPLES_FILE, DOCUMENT_NATS_FILE, FINAL_FILE)


def is_evaluated(run_folder: Path, fingerprint: str | None = None) -> bool:
    """Whether `run_folder` holds a whole final evaluation: the one with that fingerprint, or by default any."""
    if not all((run_folder / name).is_file() for name in EVALUATION_FILES):
        return False
    return fingerprint is None or artifact.read_json(run_folder / FINAL_FILE).get("fingerprint") == fingerprint
