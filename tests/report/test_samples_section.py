"""Samples and their measures in the report: sums worked out again, and text that stays text."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from toktrial.report.gather import gather
from toktrial.report.inputs import INPUT_FILES, SAMPLE_MEASURES_FILE, input_checksums, read_trial
from toktrial.report.markdown import render_markdown
from toktrial.report.page import document_of, write_report
from toktrial.report.result import TrialResult
from toktrial.report.samples import Continuation, Prompt, SampleMeasures
from toktrial.report.sections.samples import CAVEAT, MEASURES, meanings, measures_table

BACKTICKS = "````\n# no heading\n<script>alert(3)</script>"


def write_measures(trial: Path, seeds: int = 3) -> list[dict[str, Any]]:
    """Counts by chance, of five prompts; the real documents come last of each prompt, and one is missing."""
    random = np.random.default_rng(5)
    texts = []
    for seed in range(1, seeds + 1):
        for prompt in range(5):
            for track in ("bpe", "btm", None):
                if (seed, prompt, track) == (2, 3, None):
                    continue
                measures = {name: [int(random.integers(0, 40)), int(random.integers(40, 90))] for name in MEASURES}
                bits = {model: [float(random.uniform(300, 900)), int(random.integers(380, 401))] for model in ("bpe", "btm")}
                text = {"track": track, "seed": seed, "prompt": prompt, "bytes": 400, "measures": measures, "bits": bits}
                texts.append(text)
    path = trial / SAMPLE_MEASURES_FILE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(texts))
    return texts


def measures_of(results: TrialResult) -> SampleMeasures:
    assert results.sample_measures
    return results.sample_measures


def test_measures_are_means_over_seeds_of_sums(write_trial: Any) -> None:
    trial = write_trial()
    texts = write_measures(trial)
    found = measures_of(gather(read_trial(trial)))
    assert (found.seeds, found.prompts, found.texts, found.real_documents) == (
        [1, 2, 3], 5, {"bpe": 15, "btm": 15}, 14,
    )  # fmt: skip
    for name in (*MEASURES, "bits_per_byte_under_btm"):
        for track in ("bpe", "btm", None):
            by_seed = []
            for seed in (1, 2, 3):
                counts = [
                    text["bits"]["btm"] if name not in MEASURES else text["measures"][name]
                    for text in texts
                    if text["track"] == track and text["seed"] == seed
                ]
                by_seed.append(sum(part for part, _ in counts) / sum(whole for _, whole in counts))
            measured = found.measures[name].tracks[track] if track else found.measures[name].real_documents
            assert measured.by_seed == pytest.approx(by_seed)
            assert measured.mean == pytest.approx(np.mean(by_seed))
            assert measured.standard_deviation == pytest.approx(np.std(by_seed, ddof=1))


def test_the_table_shows_the_means(write_trial: Any) -> None:
    trial = write_trial()
    write_measures(trial)
    results = gather(read_trial(trial))
    table = measures_table(measures_of(results))
    assert table.headers == ("", "bpe", "btm", "real documents")
    assert len(table.rows) == len(MEASURES) + 2
    for row, measure in zip(table.rows, measures_of(results).measures.values(), strict=True):
        shown = [re.sub(" .*|%", "", cell) for cell in row[1:]]
        means = [each.mean for each in (*measure.tracks.values(), measure.real_documents)]
        factor = 100 if "%" in row[1] else 1
        assert [float(value) for value in shown] == pytest.approx([factor * (mean or 0) for mean in means], abs=0.06)
    assert [name for name, _ in meanings(measures_of(results))][: len(MEASURES)] == [label for label, _ in MEASURES.values()]


def test_one_seed_has_no_spread_and_nothing_counted_has_no_value(write_trial: Any) -> None:
    trial = write_trial(seeds=1)
    texts = write_measures(trial, seeds=1)
    for text in texts:
        text["measures"]["sentence_words"][1] = 0
    (trial / SAMPLE_MEASURES_FILE).write_text(json.dumps([text for text in texts if text["track"]]))
    results = gather(read_trial(trial))
    rows = {row[0]: row[1:] for row in measures_table(measures_of(results)).rows}
    assert rows["words per sentence"] == ["\u2013"] * 3
    assert all("\u00b1" not in cell and row[2] == "\u2013" for row in rows.values() for cell in row)


def test_a_trial_without_measures_still_reports(write_trial: Any) -> None:
    results = gather(read_trial(write_trial()))
    assert results.sample_measures is None
    assert results.samples.seed == 1
    assert CAVEAT not in render_markdown(document_of(results))


def test_page_and_markdown_show_measures_and_hostile_samples_as_text(write_trial: Any) -> None:
    trial = write_trial()
    write_measures(trial)
    for track in ("bpe", "btm"):
        samples = [{"prompt": "A `knight` </script>", "continuation": f" {track} {BACKTICKS}", "ended": track == "bpe"}]
        (trial / f"runs/{track}/seed-1/samples.json").write_text(json.dumps(samples))
    results = write_report(trial)
    page = (trial / "report" / "index.html").read_text(encoding="utf-8").replace("&#39;", "'")
    markdown = (trial / "report" / "report.md").read_text(encoding="utf-8")
    assert "<script>alert(3)" not in page and "&lt;script&gt;alert(3)" in page
    assert "A `knight` &lt;/script&gt;" in page
    blocks = re.findall(r"^(`{5,})\n(.*?)\n\1$", markdown, re.MULTILINE | re.DOTALL)
    assert [
        block for _, block in blocks if "<script>alert(3)" in block and "[bpe]" in block and "[btm, cut at the limit]" in block
    ]
    assert "<script>alert(3)" not in re.sub(r"^(`{3,})\n.*?\n\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    for row in measures_table(measures_of(results)).rows:
        assert "| " + " | ".join(row) + " |" in markdown.replace("\\", "")
        assert all(cell in page for cell in row)
    assert CAVEAT in page and CAVEAT in markdown


def test_prompts_that_are_alike_keep_their_own_continuations(write_trial: Any) -> None:
    trial = write_trial()
    for track in ("bpe", "btm"):
        samples = [{"prompt": "One day", "continuation": f" {track} {place}", "ended": place == 2} for place in range(3)]
        (trial / f"runs/{track}/seed-1/samples.json").write_text(json.dumps(samples))
    prompts = gather(read_trial(trial)).samples.prompts
    assert prompts == [
        Prompt("One day", {track: Continuation(f" {track} {place}", ended=place == 2) for track in ("bpe", "btm")})
        for place in range(3)
    ]


def test_the_report_is_of_the_measures_and_votes_that_there_are(write_trial: Any) -> None:
    trial = write_trial()
    before = input_checksums(trial)
    write_measures(trial)
    (trial / "ratings.jsonl").write_text("")
    assert set(input_checksums(trial)) - set(before) == {SAMPLE_MEASURES_FILE, "ratings.jsonl"} <= set(INPUT_FILES)
