"""Uploads an exported model to the Hugging Face hub, with the hub's own client: what `toktrial export --push` does last."""

from pathlib import Path

from toktrial import progress
from toktrial.errors import TrialError
from toktrial.evaluation.harness_tasks import TASKS_FOLDER


def push(folder: Path, repository: str) -> None:
    """Uploads an exported folder to a model repository of the hub. Where there is none, it makes a private one.

    The folder of tasks stays here: it holds documents and sentences, and toktrial cannot know whether they may be published.

    Raises TrialError where the hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    try:
        hub.create_repo(repository, private=True, exist_ok=True)
        uploaded = hub.upload_folder(
            repo_id=repository,
            folder_path=folder,
            ignore_patterns=f"{TASKS_FOLDER}/*",
            commit_message=f"Upload {folder.name}, exported by toktrial",
        )
    except Exception as error:  # no token, no right, no such name, no connection: the classes depend on the client's version
        reason = " ".join(str(error).split())
        raise TrialError(
            f"{folder} is exported, but the hub did not take it: {reason}. `hf auth login` or HF_TOKEN gives a token that may "
            "write; then the same command goes on"
        ) from error
    progress.print_line(f"{uploaded.commit_url}: {folder} without {TASKS_FOLDER}; a repository made here is private")
