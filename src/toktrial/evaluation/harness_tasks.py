"""Tasks for EleutherAI's lm-evaluation-harness: a trial's minimal pairs and validation text, as YAML and data.

`toktrial export` writes them beside a model, so that the harness asks it, and any other model, what the trial asked its own.

The harness has defaults under which it would score other texts than the trial did. The tasks turn these off: a space before
every sentence (`target_delimiter`), and Jinja's reading of a document as a template (`doc_to_target` names a column instead).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from toktrial import artifact
from toktrial.corpus.documents import TEXT_COLUMN, Documents
from toktrial.evaluation.minimal_pairs import Paradigm, write_pairs

TASKS_FOLDER = "lm_eval_tasks"
TASKS_VERSION = 1  # raised when the tasks change their meaning
TEXT_TASK, PAIRS_GROUP = "toktrial_text", "toktrial_pairs"
LONGEST_NAME = 100  # of a paradigm's file
PAIRS_TEMPLATE = "pairs_of_one_paradigm"  # without .yaml, or the harness would take it for a task

TEXT_YAML = f"""\
# The trial's validation documents in bits per byte. Run the harness in the folder above this one: paths are relative to it.
task: {TEXT_TASK}
dataset_path: parquet
dataset_kwargs: {{data_files: {{test: {TASKS_FOLDER}/validation.parquet}}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: {TEXT_COLUMN}  # the column as it is: a template, even of this column alone, would read some documents as lists
metric_list:
  - {{metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}}
metadata: {{version: {TASKS_VERSION}}}
"""

PAIRS_TEMPLATE_YAML = f"""\
# What the tasks of all paradigms share. The harness's own tasks of BLiMP put a space before each sentence; these do not.
dataset_path: parquet
test_split: test
output_type: multiple_choice
num_fewshot: 0
doc_to_text: ""
doc_to_target: 0
doc_to_choice: "{{{{[good, bad]}}}}"
target_delimiter: ""
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
metadata: {{version: {TASKS_VERSION}}}
"""


def write_tasks(folder: Path, documents: Documents, paradigms: Sequence[Paradigm]) -> list[str]:
    """Writes tasks into a folder that is to be named TASKS_FOLDER, and returns the names to call them by.

    documents: the validation documents, for the task TEXT_TASK. paradigms: a task each, and the group PAIRS_GROUP of them all,
    whose accuracy is the mean over paradigms; none: no such group.
    """
    _write_text(documents, folder / "validation.parquet")
    (folder / f"{TEXT_TASK}.yaml").write_text(TEXT_YAML, encoding="utf-8")
    if not paradigms:
        return [TEXT_TASK]
    (folder / PAIRS_TEMPLATE).write_text(PAIRS_TEMPLATE_YAML, encoding="utf-8")
    (folder / "pairs").mkdir()
    names = [_write_paradigm(paradigm, name, folder) for name, paradigm in _file_names(paradigms).items()]
    group = {
        "group": PAIRS_GROUP,
        "task": names,
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": False}],
        "metadata": {"version": TASKS_VERSION},
    }
    artifact.write_json(folder / f"{PAIRS_GROUP}.yaml", group)  # JSON is YAML
    return [TEXT_TASK, PAIRS_GROUP]


def _write_text(documents: Documents, path: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    from toktrial.corpus.documents import SCHEMA

    with ParquetWriter(path, SCHEMA) as writer:
        for batch in documents.batches():
            writer.write_batch(pa.record_batch([batch], schema=SCHEMA))


def _file_names(paradigms: Sequence[Paradigm]) -> dict[str, Paradigm]:
    """Returns paradigms by distinct names that can be a file's, and a task's in a list that commas part."""
    named: dict[str, Paradigm] = {}
    for paradigm in paradigms:
        name = re.sub(r"[^a-z0-9]+", "_", paradigm.name.lower())[:LONGEST_NAME]
        while name in named:
            name += "_"
        named[name] = paradigm
    return named


def _write_paradigm(paradigm: Paradigm, name: str, folder: Path) -> str:
    """Writes a paradigm's pairs and its task, whose name it returns."""
    task = f"{PAIRS_GROUP}_{name}"
    write_pairs([paradigm], folder / "pairs" / f"{name}.parquet")
    data = {"data_files": {"test": f"{TASKS_FOLDER}/pairs/{name}.parquet"}}
    lines = [f"include: {PAIRS_TEMPLATE}", f"task: {task}", f"task_alias: '{name}'"]
    (folder / f"{task}.yaml").write_text("\n".join([*lines, f"dataset_kwargs: {json.dumps(data)}", ""]), encoding="utf-8")
    return task
