"""A published trial shows its own numbers, and the leaderboard lists what holds up, and says why it leaves out the rest."""

import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from toktrial import artifact, cli
from toktrial.commands.leaderboard import leaderboard, read_submission
from toktrial.corpus.stage import open_documents
from toktrial.errors import TrialError
from toktrial.report.blocks import Table
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.result import plain
from toktrial.trial import Trial

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "<img src=x onerror=alert(1)> 'and'"


@pytest.fixture(scope="module")
def submitted(finished: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "submissions" / "tiny"
    cli.main(["submit", str(finished.folder), str(folder)])
    return folder


@pytest.fixture
def submissions(submitted: Path, tmp_path: Path) -> Path:
    """Two copies of a submission, one of them under a name that is meant to break pages."""
    for name in ("tiny", HOSTILE):
        shutil.copytree(submitted, tmp_path / "submissions" / name)
    return tmp_path / "submissions"


@pytest.fixture(scope="module")
def unfinished(finished: Trial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission of a trial that was to get a third seed, of which one run is trained but not evaluated."""
    from toktrial.report.page import write_report

    folder = tmp_path_factory.mktemp("unfinished")
    shutil.copytree(finished.folder, trial := folder / "trial")
    shutil.copytree(trial / "runs/btm/seed-2", trial / "runs/btm/seed-3")
    (trial / "runs/btm/seed-3/final.json").unlink()
    artifact.forget_files(trial / "runs/btm/seed-3", ["final.json"])
    plan = replace(finished.protocol, seeds=3)
    Trial(trial, plan)
    write_report(trial)
    cli.main(["submit", str(trial), str(folder / "submissions/stopped")])
    return folder / "submissions/stopped"


def reseal(submission: Path) -> None:
    """Makes the checksums agree with the files again, as whoever altered them can."""
    for folder in (submission / "report", submission):
        manifest = artifact.read_manifest(folder)
        artifact.seal(folder, manifest.pop("fingerprint"), manifest.pop("files"), manifest)


def alter(path: Path, change: Callable[[Any], object]) -> None:
    """Changes what a JSON file holds."""
    held = json.loads(path.read_text(encoding="utf-8"))
    change(held)
    path.write_text(json.dumps(held), encoding="utf-8")


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 1
    return capsys.readouterr().err


def test_the_verdict_follows_from_the_folder_alone(submitted: Path) -> None:
    again = plain(gather(read_trial(submitted / "trial")))
    assert again == json.loads((submitted / "report/results.json").read_text(encoding="utf-8"))
    assert artifact.damaged_files(submitted) == {}
    assert {"README.md", "audit.json", "environment.json", "report/index.html", "trial/runs/btm/seed-2/metrics.jsonl"} <= set(
        artifact.read_manifest(submitted)["files"]
    )
    assert read_submission(submitted).result.trial == "tiny"


def test_the_audit_counts_the_corpus(submitted: Path, finished: Trial) -> None:
    audit = json.loads((submitted / "audit.json").read_text())
    validation = open_documents(finished.corpus_folder, "validation")
    for track in ("bpe", "btm"):
        found = audit["tracks"][track]["validation"]
        assert (found["documents"], found["wrong_documents"]) == (len(validation), 0)
        assert found["text_bytes"] == found["spelled_bytes"] == sum(len(text.encode()) for text in validation)
    for name, run in audit["runs"].items():
        nats = np.load(finished.folder / name / "document_nats.npy").sum()
        assert run["recomputed"] == pytest.approx(nats / math.log(2) / validation.bytes, rel=1e-12)
        assert run["reported"] == json.loads((finished.folder / name / "final.json").read_text())["bits_per_byte"]
    assert len(audit["runs"]) == 4


def test_the_readme_says_how_to_repeat_it(submitted: Path) -> None:
    readme = (submitted / "README.md").read_text(encoding="utf-8")
    assert "toktrial run protocol.toml --trial trials/again" in readme
    for name in re.findall(r"^- `([\w.]+/?)`", readme, re.MULTILINE):
        assert (submitted / name).exists()
    environment = json.loads((submitted / "environment.json").read_text())
    assert environment["packed_on"]["packages"]["numpy"] == np.__version__
    assert environment["runs"]["device"] == ["cpu"]


def test_the_report_can_be_made_again_from_the_folder(submissions: Path) -> None:
    from toktrial.report.markdown import render_markdown
    from toktrial.report.page import document_of

    result = gather(read_trial(submissions / "tiny/trial"))
    assert render_markdown(document_of(result)) == (submissions / "tiny/report/report.md").read_text(encoding="utf-8")


def test_a_run_that_is_trained_but_not_evaluated_is_left_out(unfinished: Path) -> None:
    """As the report leaves it out, where somebody has stopped a trial that was to get more seeds."""
    assert set(json.loads((unfinished / "audit.json").read_text())["runs"]) == {
        f"runs/{track}/seed-{seed}" for track in ("bpe", "btm") for seed in (1, 2)
    }
    assert read_submission(unfinished).result.amendments


def test_a_trial_that_misses_seeds_is_published_and_marked_so(unfinished: Path) -> None:
    assert "| 2 of 3 |" in (unfinished / "README.md").read_text(encoding="utf-8")
    page = leaderboard([read_submission(unfinished)])
    ranks, verdicts = (block for section in page.sections for block in section.blocks if isinstance(block, Table))
    assert {row[ranks.headers.index("runs")] for row in ranks.rows} == {"2 of 3"}
    for row in verdicts.rows:
        shown = dict(zip(verdicts.headers, row, strict=True))
        assert shown["verdict"].startswith("so far: ")
        assert (shown["seeds"], shown["changed later"]) == ("2 of 3", "yes")


def test_what_is_done_is_not_done_again(submitted: Path, finished: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["submit", str(finished.folder), str(submitted)])
    assert "already holds this submission" in capsys.readouterr().err


def test_nothing_else_is_overwritten(finished: Trial, capsys: pytest.CaptureFixture[str]) -> None:
    """A trial's folder has a manifest as a submission does."""
    before = artifact.read_manifest(finished.folder)
    said = refused(["submit", str(finished.folder), str(finished.folder)], capsys)
    assert "holds something other than a submission" in said
    assert artifact.read_manifest(finished.folder) == before


def test_what_cannot_be_vouched_for_is_not_packed(finished: Trial, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(finished.folder, trial := tmp_path / "trial")
    arguments = ["submit", str(trial), str(tmp_path / "submission")]
    samples = trial / "runs/bpe/seed-1/samples.json"
    whole = samples.read_bytes()
    samples.write_bytes(whole.replace(b"a", b"b", 1))
    assert f"{samples} is damaged" in refused(arguments, capsys)
    samples.write_bytes(whole)
    shutil.rmtree(trial / "runs/btm/seed-2")
    assert "the report is older than the trial's files" in refused(arguments, capsys)
    shutil.copytree(finished.run_folder("btm", 2), trial / "runs/btm/seed-2")
    shutil.rmtree(trial / "tokens/btm")
    assert f"the audit needs corpus and token files: `toktrial tokens {trial}`" in refused(arguments, capsys)
    shutil.rmtree(trial / "report")
    assert "has no report yet" in refused(arguments, capsys)
    assert not (tmp_path / "submission").exists()


def test_the_leaderboard_ranks_the_tracks_of_one_text(
    submissions: Path, finished: Trial, capsys: pytest.CaptureFixture[str], browser: "Browser"
) -> None:
    cli.main(["leaderboard", str(submissions)])
    assert "2 published trials" in capsys.readouterr().err
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto((submissions / "index.html").as_uri())
    assert page.locator("section h2").all_inner_texts() == ["storybook, 17,860 bytes"]
    ranks, verdicts = page.locator("table").all()
    rows = [row.locator("th, td").all_inner_texts() for row in ranks.locator("tbody tr").all()]
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    results = json.loads((finished.report_folder / "results.json").read_text())
    best = min(results["tracks"], key=lambda name: results["tracks"][name]["final"]["bits_per_byte"])
    assert {row[0] for row in rows[:2]} == {f"tiny: {best}", f"{HOSTILE}: {best}"}
    assert rows[0][1].startswith(f"{results['tracks'][best]['final']['bits_per_byte']:.4f}")
    for link in verdicts.locator("a").all():
        page_of_trial = browser.new_page()
        page_of_trial.goto(str(link.evaluate("link => link.href")))
        assert page_of_trial.title().startswith("Trial tiny")
        page_of_trial.close()
    assert page.locator("figure svg").count() == 1
    assert not problems
    page.close()


def test_the_leaderboard_leaves_out_what_does_not_hold_up(submissions: Path, capsys: pytest.CaptureFixture[str]) -> None:
    better = submissions / HOSTILE
    path = better / "report/results.json"
    alter(path, lambda results: results["tracks"]["btm"]["final"].update(bits_per_byte=0.5))
    with pytest.raises(TrialError, match=r"results\.json is damaged .*pack the trial again"):
        read_submission(better)
    reseal(better)
    with pytest.raises(TrialError, match=r"what its report says of btm's bits_per_byte does not follow from its files"):
        read_submission(better)
    cli.main(["leaderboard", str(submissions)])
    assert "left out: " in capsys.readouterr().err
    page = (submissions / "index.html").read_text(encoding="utf-8")
    assert "1 published trial" in page
    assert "does not follow from its files" in page
    assert "<img" not in page
    assert len(page) < 100_000, "a page without charts that change needs no chart library"


ALTERED: dict[str, Callable[[Any], object]] = {
    "changes of the protocol": lambda results: results["amendments"].clear(),
    "the protocol": lambda results: results["protocol"].update(seeds=2),
    "the validation text": lambda results: results["corpus"]["validation"].update(documents=1),
    "first run started": lambda results: results["environment"].update({"first run started": ["2001-01-01 00:00 UTC"]}),
    "btm's relative_difference": lambda results: results["comparisons"][0].update(relative_difference=-0.2),
    "btm's paired_seeds": lambda results: results["comparisons"][0].update(paired_seeds=[1, 2, 3]),
    "btm's budget": lambda results: results["comparisons"][0].update(budget="bytes"),
    "btm's entries": lambda results: results["tracks"]["btm"].update(entries=1),
    "btm's parameters": lambda results: results["tracks"]["btm"].update(parameters=1),
    "btm's steps": lambda results: results["tracks"]["btm"].update(steps=1),
    "btm's runs": lambda results: results["tracks"]["btm"]["runs"].pop(),
    "btm's bytes per token": lambda results: results["tracks"]["btm"]["bytes_per_token"].update(validation=9.0),
    "btm's spread of bits per byte": lambda results: results["tracks"]["btm"]["standard_deviation"].update(bits_per_byte=0.0),
    "btm's place below its bigram floor": lambda results: results["tracks"]["btm"]["floors"].update(below_bigram=0.1),
}


@pytest.mark.parametrize("name", ALTERED)
def test_whatever_the_page_shows_must_follow_from_the_files(unfinished: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(unfinished, folder := tmp_path / "submission")
    alter(folder / "report/results.json", ALTERED[name])
    reseal(folder)
    with pytest.raises(TrialError, match=f"what its report says of {name} does not follow from its files"):
        read_submission(folder)


def test_what_is_shown_is_computed_and_not_what_the_report_says(unfinished: Path, tmp_path: Path) -> None:
    """Also of what no reader sees: the page cannot come to show it unnoticed."""
    shutil.copytree(unfinished, folder := tmp_path / "submission")
    alter(folder / "report/results.json", lambda results: results.update(trial="another", notes=[]))
    reseal(folder)
    assert read_submission(folder).result == gather(read_trial(folder / "trial"))


def test_the_bits_per_byte_of_every_run_must_follow_from_its_nats(submitted: Path, tmp_path: Path) -> None:
    """Where a report was made from runs whose final values were altered, it agrees with them."""
    shutil.copytree(submitted, folder := tmp_path / "submission")
    alter(folder / "trial/runs/btm/seed-2/final.json", lambda final: final.update(bits_per_byte=final["bits_per_byte"] / 2))
    artifact.write_json(folder / "report/results.json", plain(gather(read_trial(folder / "trial"))))
    reseal(folder)
    with pytest.raises(TrialError, match=r"run runs/btm/seed-2 reports .* but its documents' nats give"):
        read_submission(folder)


def test_a_folder_without_submissions_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "`toktrial submit TRIAL" in refused(["leaderboard", str(tmp_path)], capsys)
