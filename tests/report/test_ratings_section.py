"""Votes in the report: counted by hand, with an interval against its definition, and those on other texts left out."""

import html
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from toktrial.evaluation.votes import CRITERIA, VOTES_FILE, Vote, append_vote, texts_hash
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.markdown import render_markdown
from toktrial.report.page import document_of, write_report
from toktrial.report.samples import Votes
from toktrial.report.sections.ratings import WHAT_IT_COVERS, ratings_tables


def vote(trial: Path, better: str, criterion: str = "coherence", rater: str = "anna", place: int = 0, seed: int = 1) -> None:
    paths = [trial / f"runs/{track}/seed-{seed}/samples.json" for track in ("bpe", "btm")]
    ours, theirs = (json.loads(path.read_text())[place] for path in paths)
    texts = texts_hash(ours["prompt"], (ours["continuation"], theirs["continuation"]))
    append_vote(trial / VOTES_FILE, Vote(rater, seed, place, "bpe", "btm", texts, "btm", criterion, better, 1.76e9))


@pytest.fixture
def rated(write_trial: Any) -> Path:
    """Three seeds, two prompts, three raters: of coherence btm 5, bpe 1, equal 2; of syntax all equal."""
    trial: Path = write_trial()
    for seed, rater, better in [
        (1, "anna", "btm"), (2, "anna", "btm"), (3, "anna", "bpe"), (1, "ben", "btm"), (2, "ben", ""), (3, "ben", "btm"),
        (1, "cleo", "bpe"), (1, "cleo", "btm"),  # changed her mind
    ]:  # fmt: skip
        vote(trial, better, seed=seed, rater=rater)
    vote(trial, "", place=1, rater="ben")
    vote(trial, "", criterion="syntax")
    return trial


def test_votes_are_counted_by_criterion(rated: Path) -> None:
    ratings = gather(read_trial(rated)).ratings
    assert ratings
    assert (ratings.votes, ratings.raters, ratings.votes_on_other_texts) == (9, 3, 0)
    (comparison,) = ratings.comparisons
    assert (comparison.track, comparison.baseline, comparison.pairs) == ("btm", "bpe", 4)
    assert list(comparison.criteria) == list(CRITERIA)
    coherence = comparison.criteria["coherence"]
    assert (coherence.track, coherence.baseline, coherence.equal) == (5, 1, 2)
    assert coherence.share == pytest.approx(5 / 6)
    # Clopper and Pearson's limits are the shares at which so many or more, or so many or fewer, have a chance of 2.5%.
    assert stats.binom.sf(4, 6, coherence.low) == pytest.approx(0.025)
    assert stats.binom.cdf(5, 6, coherence.high) == pytest.approx(0.025)
    assert comparison.criteria["syntax"] == Votes(0, 0, 1, None, None, None)
    assert comparison.criteria["creativity"] == Votes(0, 0, 0, None, None, None)


def test_votes_on_texts_made_anew_are_left_out_and_said(rated: Path) -> None:
    path = rated / "runs/btm/seed-1/samples.json"
    samples = json.loads(path.read_text())
    samples[0]["continuation"] += " and more"
    path.write_text(json.dumps(samples))
    results = gather(read_trial(rated))
    assert results.ratings
    assert (results.ratings.votes, results.ratings.votes_on_other_texts) == (5, 4)
    assert "4 votes left out: on texts that are no longer among the trial's samples" in render_markdown(document_of(results))


def test_a_trial_without_votes_says_nothing_of_them(write_trial: Any) -> None:
    results = gather(read_trial(write_trial()))
    assert results.ratings is None
    assert "How people rated" not in render_markdown(document_of(results))


def test_page_and_markdown_say_the_same(rated: Path) -> None:
    results = write_report(rated)
    page = html.unescape((rated / "report" / "index.html").read_text(encoding="utf-8"))
    markdown = (rated / "report" / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert results.ratings
    (table,) = ratings_tables(results.ratings)
    assert WHAT_IT_COVERS in page and WHAT_IT_COVERS in markdown and table.caption in page and table.caption in markdown
    assert table.rows[0] == ["coherence", "5", "1", "2", "83.3%", "35.9% to 99.6%"]
    for row in table.rows:
        assert "| " + " | ".join(row) + " |" in markdown
    assert "95% interval" in table.headers
    (of_another_confidence,) = ratings_tables(replace(results.ratings, confidence=0.975))
    assert "97.5% interval" in of_another_confidence.headers


def test_damaged_votes_are_named(rated: Path) -> None:
    with (rated / VOTES_FILE).open("a") as file:
        file.write("{}\n")
    with pytest.raises(ValueError, match="line 11 is not a vote"):
        read_trial(rated)
