"""What the final evaluation writes into a run's folder, and the one place that says whether it is all there.

The evaluation writes these files, the trial and the report ask for them. Imports nothing heavy.
"""

from pathlib import Path

from toktrial import artifact

SAMPLES_FILE = "samples.json"
DOCUMENT_NATS_FILE = "document_nats.npy"
ID_NATS_FILE = "id_nats.npy"  # earlier versions did not write it
FINAL_FILE = "final.json"  # written last
RUN_PAIRS_FILE = "minimal_pairs.json"  # only where the protocol names minimal pairs
MARGINAL_FILE = "marginal.json"  # only where the protocol asks for the gap of one cut
EVALUATION_FILES = (SAMPLES_FILE, DOCUMENT_NATS_FILE, FINAL_FILE)


def is_evaluated(run_folder: Path, fingerprint: str | None = None) -> bool:
    """Whether `run_folder` holds a whole final evaluation: the one with that fingerprint, or by default any."""
    if not all((run_folder / name).is_file() for name in EVALUATION_FILES):
        return False
    return fingerprint is None or artifact.read_json(run_folder / FINAL_FILE).get("fingerprint") == fingerprint


def withdraw_evaluation(run_folder: Path) -> None:
    """Takes back what says that a run is evaluated, because it is trained further or again."""
    if (run_folder / artifact.MANIFEST).is_file():
        artifact.forget_files(run_folder, [FINAL_FILE])
    (run_folder / FINAL_FILE).unlink(missing_ok=True)


def has_marginal(run_folder: Path, documents: int) -> bool:
    """Whether `run_folder` holds the marginals that a protocol asks for: those of so many documents, none if 0."""
    path = run_folder / MARGINAL_FILE
    return not documents or (path.is_file() and artifact.read_json(path).get("documents_asked_for") == documents)
