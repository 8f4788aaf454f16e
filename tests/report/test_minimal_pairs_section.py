"""Minimal pairs in the report: planted outcomes come out as planted, and page, Markdown and results say the same."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from toktrial import protocol
from toktrial.report.gather import gather
from toktrial.report.inputs import input_checksums, read_trial
from toktrial.report.markdown import render_markdown
from toktrial.report.minimal_pairs import LEAST_KNOWN_PAIRS, MinimalPairs, gather_minimal_pairs, mean_interval, wilson_interval
from toktrial.report.page import document_of, render_page
from toktrial.report.sections.minimal_pairs import counted_sentences, fields_table, minimal_pairs_sentences, paradigms_table

TrialWriter = Callable[..., Path]
HOSTILE = "island</td><script>alert(3)</script>|`x`"
# name: field, known pairs, unknown pairs
PARADIGMS = {
    "agreement_1": ("morphology", 200, 50),
    "agreement_2": ("morphology", LEAST_KNOWN_PAIRS, 0),
    HOSTILE: ("syntax", 150, 350),
    "too_few": ("syntax", LEAST_KNOWN_PAIRS - 1, 401),
    "unknown": ("semantics", 0, 30),
}
# Right and tied answers to the known pairs, by track, seed and paradigm; unknown pairs are all right, so that none may slip in.
RIGHT: dict[str, list[dict[str, tuple[int, int]]]] = {
    "bpe": [
        {"agreement_1": (120, 10), "agreement_2": (50, 0), HOSTILE: (75, 0), "too_few": (90, 0)},
        {"agreement_1": (130, 0), "agreement_2": (60, 4), HOSTILE: (81, 0), "too_few": (90, 0)},
    ],
    "btm": [
        {"agreement_1": (100, 0), "agreement_2": (48, 0), HOSTILE: (90, 0), "too_few": (9, 0)},
        {"agreement_1": (110, 0), "agreement_2": (50, 0), HOSTILE: (84, 0), "too_few": (9, 0)},
    ],
}


def shares(track: str, paradigm: str) -> list[float]:
    """What is planted: the share of a paradigm's known pairs, seed by seed."""
    known = PARADIGMS[paradigm][1]
    return [(right + ties / 2) / known for of_seed in RIGHT[track] for right, ties in [of_seed[paradigm]]]


def plant(trial: Path, fingerprint: str = "of the pairs") -> Path:
    """Writes what the evaluation stage writes of minimal pairs into a trial of two seeds."""
    plan = protocol.load(trial / "protocol.toml")
    protocol.save(replace(plan, evaluation=replace(plan.evaluation, minimal_pairs="blimp")), trial / "protocol.toml")
    paradigms = [
        {"name": name, "field": field, "known": "1" * known + "0" * unknown}
        for name, (field, known, unknown) in PARADIGMS.items()
    ]
    account = {"pairs_fingerprint": fingerprint, "words": 2532, "known_words": 1447, "paradigms": paradigms}
    (trial / "evaluation" / "known_pairs").mkdir()
    (trial / "evaluation" / "known_pairs" / "known_pairs.json").write_text(json.dumps(account))
    for track, seeds in RIGHT.items():
        for seed, of_seed in enumerate(seeds, 1):
            outcomes = {}
            for name, (_, known, unknown) in PARADIGMS.items():
                right, ties = of_seed.get(name, (0, 0))
                outcomes[name] = "1" * right + "=" * ties + "0" * (known - right - ties) + "1" * unknown
            pairs = sum(map(len, outcomes.values()))
            found = {"pairs_fingerprint": "of the pairs", "pairs": pairs, "seconds": 3.5, "outcomes": outcomes}
            (trial / "runs" / track / f"seed-{seed}" / "minimal_pairs.json").write_text(json.dumps(found))
    return trial


@pytest.fixture
def trial(write_trial: TrialWriter) -> Path:
    tracks = {"bpe": {"final_bits_per_byte": [1.5, 1.51]}, "btm": {"final_bits_per_byte": [1.8, 1.81]}}
    return plant(write_trial(tracks, seeds=2))


def gathered(trial: Path) -> MinimalPairs:
    found = gather_minimal_pairs(read_trial(trial))
    assert found is not None
    return found


def rendered(trial: Path) -> tuple[MinimalPairs | None, str, str]:
    """Returns what was found, page and Markdown; without the drawn charts, which take long and say nothing here."""
    results = gather(read_trial(trial))
    document = document_of(results)
    return results.minimal_pairs, render_page(document, {}), render_markdown(document)


def test_a_trial_without_minimal_pairs_says_nothing_of_them(write_trial: TrialWriter) -> None:
    found, page, markdown = rendered(write_trial())
    assert found is None
    assert "Grammar: minimal pairs" not in page + markdown


def test_only_paradigms_with_enough_known_pairs_count_and_they_with_known_pairs_alone(trial: Path) -> None:
    found = gathered(trial)
    assert found.counted == ["agreement_1", "agreement_2", HOSTILE]
    assert found.not_counted == ["too_few", "unknown"]
    assert found.pairs == sum(known + unknown for _, known, unknown in PARADIGMS.values())
    assert found.known_pairs == sum(known for _, known, _ in PARADIGMS.values())
    by_name = {paradigm.name: paradigm for paradigm in found.paradigms}
    for name in (*found.counted, "too_few"):
        for track in RIGHT:
            measured = by_name[name].tracks[track]
            assert measured.accuracy == pytest.approx(np.mean(shares(track, name)))
            assert measured.standard_deviation == pytest.approx(np.std(shares(track, name), ddof=1))
            assert measured.low and measured.accuracy and measured.high
            assert 0 < measured.low < measured.accuracy < measured.high < 1
    assert by_name["unknown"].tracks["bpe"].accuracy is None


def test_a_field_is_the_mean_over_its_paradigms_with_an_interval_over_them(trial: Path) -> None:
    found = gathered(trial)
    assert [(field.field, field.paradigms) for field in found.fields] == [("morphology", 2), ("syntax", 1), ("all", 3)]
    overall = found.fields[-1]
    of_track = {track: np.array([shares(track, name) for name in found.counted]) for track in RIGHT}  # (paradigms, seeds)
    for track, values in of_track.items():
        assert overall.tracks[track].accuracy == pytest.approx(values.mean())
        assert overall.tracks[track].standard_deviation == pytest.approx(values.mean(axis=0).std(ddof=1))
        interval = stats.ttest_1samp(values.mean(axis=1), 0).confidence_interval(0.95)
        assert overall.tracks[track].low == pytest.approx(max(0, interval.low))
        assert overall.tracks[track].high == pytest.approx(min(1, interval.high))
    difference = stats.ttest_rel(of_track["btm"].mean(axis=1), of_track["bpe"].mean(axis=1)).confidence_interval(0.95)
    paired = overall.differences["btm"]
    assert paired.difference == pytest.approx(of_track["btm"].mean() - of_track["bpe"].mean())
    assert (paired.low, paired.high) == pytest.approx((difference.low, difference.high))
    assert found.fields[1].tracks["bpe"].low is None, "one paradigm says nothing of others"


def test_all_pairs_and_ties_are_told_too(trial: Path) -> None:
    found = gathered(trial)
    assert found.tracks["bpe"].ties == 14 and found.tracks["btm"].ties == 0
    expected = []
    for of_seed in RIGHT["bpe"]:
        right = {name: sum(np.array(of_seed.get(name, (0, 0))) * (1, 0.5)) for name in PARADIGMS}
        expected += [(right[name] + unknown) / (known + unknown) for name, (_, known, unknown) in PARADIGMS.items()]
    assert found.tracks["bpe"].accuracy_of_all_pairs == pytest.approx(np.mean(expected))


def test_outcomes_of_other_pairs_are_not_taken_for_these(write_trial: TrialWriter) -> None:
    trial = plant(write_trial(seeds=3), fingerprint="of other pairs")
    assert gather_minimal_pairs(read_trial(trial)) is None


def test_a_track_without_outcomes_leaves_the_comparison_out(trial: Path) -> None:
    for seed in (1, 2):
        (trial / "runs" / "btm" / f"seed-{seed}" / "minimal_pairs.json").unlink()
    assert gather_minimal_pairs(read_trial(trial)) is None


def test_seeds_that_only_one_track_judged_are_not_paired(trial: Path) -> None:
    (trial / "runs" / "bpe" / "seed-1" / "minimal_pairs.json").unlink()
    overall = gathered(trial).fields[-1]
    assert overall.differences["btm"].seeds == [2]
    assert overall.tracks["bpe"].standard_deviation is None
    (trial / "runs" / "btm" / "seed-2" / "minimal_pairs.json").unlink()
    assert gathered(trial).fields[-1].differences["btm"].difference is None


def test_page_and_markdown_and_results_say_the_same(trial: Path) -> None:
    before = input_checksums(trial)
    assert "runs/btm/seed-2/minimal_pairs.json" in before and "evaluation/known_pairs/known_pairs.json" in before
    found, page, markdown = rendered(trial)
    assert found
    assert "Grammar: minimal pairs" in page and "## Grammar: minimal pairs" in markdown
    assert "<script>alert(3)" not in page and "&lt;script&gt;alert(3)" in page
    for table in (fields_table(found), paradigms_table(found)):
        assert table.rows
        for cell in (cell for row in table.rows for cell in row if HOSTILE not in cell):
            assert cell in page and cell in markdown.replace("\\", "")
    for sentence in (*minimal_pairs_sentences(found), *counted_sentences(found)):
        assert sentence in markdown.replace("\\", "")
    assert f"{LEAST_KNOWN_PAIRS} known pairs or more" in page and "agreement_1, agreement_2" in page
    for row, field in zip(fields_table(found).rows, found.fields, strict=True):
        assert row[3].startswith(f"{100 * (field.tracks['bpe'].accuracy or 0):.1f}%")


def test_the_confidence_of_the_intervals_is_not_rounded(trial: Path) -> None:
    found = replace(gathered(trial), confidence=0.975)
    for table in (fields_table(found), paradigms_table(found)):
        assert "with 97.5% intervals" in table.caption


def test_where_no_paradigm_counts_the_report_says_so(trial: Path) -> None:
    path = trial / "evaluation" / "known_pairs" / "known_pairs.json"
    account = json.loads(path.read_text())
    for paradigm in account["paradigms"]:
        paradigm["known"] = "0" * len(paradigm["known"])
    path.write_text(json.dumps(account | {"known_words": 0}))
    found, page, _ = rendered(trial)
    assert found and found.fields == [] and found.counted == []
    assert "0 of 5 paradigms count" in page


@given(st.integers(1, 2000), st.data(), st.floats(0.5, 0.999))
def test_the_wilson_interval_is_that_of_scipy_for_whole_counts(pairs: int, data: st.DataObject, confidence: float) -> None:
    right = data.draw(st.integers(0, pairs))
    expected = stats.binomtest(right, pairs).proportion_ci(confidence, method="wilson")
    assert wilson_interval(right / pairs, pairs, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_an_interval_of_one_value_is_none_and_of_equal_ones_has_no_width() -> None:
    assert mean_interval([0.5], 0.95) == (None, None)
    assert mean_interval([0.5, 0.5, 0.5], 0.95) == (0.5, 0.5)
