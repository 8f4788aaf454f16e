"""`toktrial submit`: a trial as a folder to publish: all that its report was made from, the report, and an audit.

Whoever has the folder can compute the verdict again, without the corpus, and knows what to type to repeat the trial with it.
"""

import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from toktrial import __version__, artifact, progress
from toktrial.commands import Call, rendered
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import is_evaluated
from toktrial.trial_folder import PROTOCOL_FILE, TrialFolder

if TYPE_CHECKING:
    from toktrial.corpus.stage import Split
    from toktrial.evaluation.byte_audit import ByteAudit, SplitAudit
    from toktrial.report.result import TrialResult

SUBMISSIONS = Path("submissions")
KIND = "submission"  # the field of its manifest that says what the folder is; its value is the version of the layout
LAYOUT = 1
TRIAL, REPORT, AUDIT_FILE, ENVIRONMENT_FILE = "trial", "report", "audit.json", "environment.json"
SPLITS: tuple["Split", ...] = ("train", "validation")


@dataclass(frozen=True)
class Submit(Call):
    """Packs a trial and its report into a folder to publish: protocol, results, curves, environment and byte-count audit.

    A trial that is not finished may be published too: its headline and its row on a leaderboard then say "so far".

    The folder holds text of the corpus: entries of tokenizers, prompts and samples of models, and examples in the report.
    """

    trial: Path
    """Folder of the trial."""
    folder: Annotated[Path | None, tyro.conf.Positional] = None
    """The folder to write. Without it: submissions/NAME, by the name of the trial's folder."""

    def execute(self) -> None:
        """Writes the folder, whole or not at all, unless that is done. An earlier submission there is replaced.

        Raises TrialError where the trial is damaged or has no report, the report is not that of its files, the audit finds a
        fault, or the folder holds anything but a submission.
        """
        if not (self.trial / PROTOCOL_FILE).is_file():
            raise TrialError(f"there is no trial in {self.trial}: `toktrial status` lists those in trials")
        trial = TrialFolder.open(self.trial)
        folder = self.folder or SUBMISSIONS / self.trial.resolve().name
        result = _checked_result(trial)
        _check_place(folder)
        of_report = artifact.read_manifest(trial.report_folder)["fingerprint"]
        fingerprint = artifact.fingerprint(KIND, {"report": of_report, "layout": LAYOUT, "toktrial": __version__})
        if artifact.is_finished(folder, fingerprint) and not artifact.damaged_files(folder):
            return progress.print_line(f"{folder} already holds this submission")
        audit = _audit(trial)
        if faults := audit.faults():
            raise TrialError(
                f"the byte-count audit of {self.trial} fails: {'; '.join(faults)}. Such a result cannot be published"
            )
        manifest = {KIND: LAYOUT, "trial": result.trial, "verdict": result.verdict.word, "toktrial": __version__}
        with artifact.publish(folder.resolve(), fingerprint, manifest) as partial:
            _write_files(trial, result, audit, partial)
        return progress.print_line(
            f"{folder}: {len(artifact.read_manifest(folder)['files'])} files with their checksums. It holds text of the corpus "
            "(entries, prompts, samples, examples), so look at report/index.html before you publish it"
        )


def _checked_result(trial: TrialFolder) -> "TrialResult":
    """Returns the result that the trial's report holds. Raises TrialError where that is not what the trial's files give."""
    from toktrial.integrity import find_damage
    from toktrial.report.inputs import report_fingerprint
    from toktrial.report.result import typed

    if not artifact.is_finished(trial.report_folder):
        raise TrialError(f"{trial.folder} has no report yet: `toktrial run {trial.folder}` finishes the trial")
    if not all(map(artifact.is_finished, [trial.corpus_folder, *trial.tokens_folders.values()])):
        raise TrialError(f"the audit needs corpus and token files: `toktrial tokens {trial.folder}` makes them again")
    if damage := find_damage(trial.folder):
        raise TrialError(f"{damage[0]}: `toktrial verify {trial.folder}` lists all damage, and with --repair mends it")
    try:
        result = typed(artifact.read_json(trial.report_folder / "results.json"))
    except (ValueError, LookupError):
        result = None
    asked = result.targets.asked_for if result else None
    current = report_fingerprint(trial.folder, asked.bits_per_byte if asked else None)
    if result is None or not artifact.is_finished(trial.report_folder, current):
        raise TrialError(f"the report is older than the trial's files: first `toktrial report {trial.folder}`")
    return result


def _check_place(folder: Path) -> None:
    """Raises TrialError where the folder holds anything but a submission: `publish` would replace another stage's folder."""
    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not (artifact.is_finished(folder) and KIND in artifact.read_manifest(folder)):
        raise TrialError(f"{folder} exists and holds something other than a submission: name another folder")


def _audit(trial: TrialFolder) -> "ByteAudit":
    """Audits every track and every run."""
    from toktrial.corpus.stage import open_documents
    from toktrial.evaluation.byte_audit import ByteAudit, audit_runs, audit_split, text_sha256
    from toktrial.tokenizer.load import load_tokenizer
    from toktrial.tokens.store import TokenStore

    documents = {split: open_documents(trial.corpus_folder, split) for split in SPLITS}
    tracks: dict[str, dict[str, SplitAudit]] = {}
    with progress.progress("byte-count audit", len(SPLITS) * len(trial.tokens_folders), "split") as shown:
        for done, (track, folder) in enumerate(trial.tokens_folders.items()):
            store, tokens = TokenStore.open(folder), load_tokenizer(trial.tokenizer_folder(track)).token_bytes
            shown.update(len(SPLITS) * done, f"reading the ids of {track}")
            splits = {"train": store.train, "validation": store.validation}
            tracks[track] = {name: audit_split(documents[name], splits[name], tokens) for name in SPLITS}
    runs = {
        folder.relative_to(trial.folder).as_posix(): folder
        for folder in (trial.run_folder(*place) for place in trial.all_runs())
        if is_evaluated(folder)
    }
    return ByteAudit(
        text_sha256={split: text_sha256(of_split) for split, of_split in documents.items()},
        tracks=tracks,
        runs=audit_runs(runs, documents["validation"].bytes),
    )


def _write_files(trial: TrialFolder, result: "TrialResult", audit: "ByteAudit", folder: Path) -> None:
    from toktrial.report.inputs import input_checksums
    from toktrial.report.sections.record import repeat_commands

    tokenizers = [path for of in set(trial.tokenizer_folders.values()) for path in of.rglob("*") if path.is_file()]
    names = {*input_checksums(trial.folder), *(path.relative_to(trial.folder).as_posix() for path in tokenizers)}
    for name in sorted(names):
        place = folder / TRIAL / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(trial.folder / name, place)
    shutil.copytree(trial.report_folder, folder / REPORT)
    artifact.write_json(folder / AUDIT_FILE, asdict(audit))
    packages = {package: version(package) for package in sorted(_packages())}
    environment = {"runs": result.environment, "packed_on": {"platform": platform.platform(), "packages": packages}}
    artifact.write_json(folder / ENVIRONMENT_FILE, environment)
    readme = rendered("submission.md.jinja", result=result, audit=audit, commands=repeat_commands(result), version=__version__)
    (folder / "README.md").write_text(readme, encoding="utf-8")


def _packages() -> Iterator[str]:
    """Yields what toktrial cannot run without, and itself; nothing where it is not installed but run from a checkout."""
    with suppress(PackageNotFoundError):
        yield from (
            "toktrial",
            *(re.split(r"[^\w.-]", each)[0] for each in requires("toktrial") or () if "extra ==" not in each),
        )
