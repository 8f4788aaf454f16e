"""A trial of fifteen tracks reads well: ranked, short at the top, with charts that tell the best ones apart."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.report.blocks import Details, Table
from toktrial.report.chart_rows import apart, chart_data
from toktrial.report.charts import charts, learning_curves
from toktrial.report.dots_chart import runs_figure
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.page import document_of, write_report
from toktrial.report.result import TrialResult, typed
from toktrial.report.sections.opening import ranks_table, verdict_section
from toktrial.report.styles import styles_of
from toktrial.report.wording import NOT_MEASURED, ONE_SEED, count, interval, of_each

from .conftest import BPE, BTM, SimulatedTrack, protocol_with, write_trial_folder

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = [f"track{number:02}" for number in range(1, 15)]
BEST, WORST = [1.460, 1.470, 1.450], [1.540, 1.551, 1.530]
SCALES: dict[str, Any] = {"linear": np.asarray, "log": np.log}
NOISY = [[1.45, 1.56, 1.49], [1.55, 1.46, 1.50]]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The baseline, a track that is ahead, one that is behind, and twelve that differ by noise; with its report."""
    finals = [BEST, WORST, *(NOISY[number % 2] for number in range(12))]
    tracks = {"bpe": SimulatedTrack(**BPE)} | {
        name: SimulatedTrack(final_bits_per_byte=[value + place / 1e4 for value in of], bytes_per_token=4.0 + place / 10)
        for place, (name, of) in enumerate(zip(NAMES, finals, strict=True))
    }
    folder = tmp_path_factory.mktemp("many") / "trial"
    write_trial_folder(folder, tracks, protocol_with(list(tracks), 3))
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def results(trial: Path) -> TrialResult:
    return typed(json.loads((trial / "report/results.json").read_text()))


def test_the_headline_counts_and_names_only_who_stands_out(results: TrialResult) -> None:
    assert results.verdict.outcome == (
        "1 of 14 tracks learned faster than bpe (track01); bpe learned faster than 1 (track02); "
        "12 show no measurable difference."
    )
    assert "each of the 14 other tracks" in results.verdict.criterion
    assert document_of(results).title.endswith(results.verdict.outcome)


def test_the_table_ranks_every_track_by_its_result(results: TrialResult) -> None:
    table = ranks_table(results)
    names = [re.split(r"\.\s", row[0])[1] for row in table.rows]
    means = {name: float(np.mean([run.bits_per_byte for run in track.runs])) for name, track in results.tracks.items()}
    assert names == sorted(means, key=means.__getitem__) == results.ranked
    by_name = dict(zip(names, table.rows, strict=True))
    assert by_name["bpe"][-1] == "the baseline"
    for each in results.comparisons:
        at_equal_bytes = next(of for of in results.differences[each.track].budgets if of.budget == "bytes")
        row = by_name[each.track]
        assert row[-1] == each.verdict and row[3] == interval(each.low, each.high)
        assert row[5] == f"{at_equal_bytes.difference:+.4f}".replace("-", "\N{MINUS SIGN}")


def test_what_is_said_of_each_track_is_folded(results: TrialResult) -> None:
    shown = [block for block in verdict_section(results).blocks if isinstance(block, Details)]
    assert len(shown) == 1 and len(shown[0].blocks) == len(results.verdict.details)
    tables = [block for block in document_of(results).blocks() if isinstance(block, Table)]
    assert max(len(table.headers) for table in tables) > 20
    for table in (found.as_shown() for found in tables if found.rows):
        assert len(table.headers) <= max(13, len(table.rows) + 1), table.caption


def test_a_turned_table_holds_every_cell() -> None:
    wide = Table("caption", tuple(f"h{n}" for n in range(30)), [[f"{row}/{n}" for n in range(30)] for row in range(2)])
    turned = wide.as_shown()
    assert turned.headers == ("h0", "0/0", "1/0") and turned.rows[4] == ["h5", "0/5", "1/5"]
    narrow = Table("caption", ("a", "b"), [["1", "2"]])
    assert narrow.as_shown() is narrow


def test_the_baseline_and_the_best_are_told_apart(results: TrialResult) -> None:
    styles = styles_of(results)
    assert set(styles.told_apart) == {"bpe", *[name for name in results.ranked if name != "bpe"][:5]}
    found = styles.encoding("color", list(results.tracks))["scale"]
    colours = dict(zip(found["domain"], found["range"], strict=True))
    assert len({colours[name] for name in styles.told_apart}) == 6
    assert len({colours[name] for name in results.tracks if name not in styles.told_apart}) == 1


def test_the_names_at_the_ends_of_lines_do_not_overlap(results: TrialResult) -> None:
    for curve in learning_curves(results, chart_data(results), "bits_per_byte"):
        for scale, forward in SCALES.items():
            low, high = forward(curve.domains[scale])
            heights = (forward([row["y"] for row in curve.names[scale]]) - low) / (high - low)
            assert len(heights) == 15
            assert np.diff(heights).min() * 340 > 12.9 and heights[0] > -1e-4 and heights[-1] < 1 + 1e-4
    for chart in charts(results, ["difference", "bits_per_byte"]):
        altair.LayerChart.from_dict(chart.interactive["specifications"]["plain"])


@given(places=st.lists(st.floats(0, 1), max_size=20), gap=st.floats(0.001, 0.05))
def test_names_are_moved_apart_in_their_order(places: list[float], gap: float) -> None:
    moved = apart(np.array(sorted(places)), gap)
    assert len(moved) == len(places)
    assert (np.diff(moved) >= gap - 1e-9).all() and (moved >= -1e-9).all() and (moved <= 1 + 1e-9).all()


def test_a_page_of_many_tracks_works_in_a_browser(browser: "Browser", trial: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    problems: list[str] = []
    page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((trial / "report/index.html").as_uri())
    page.wait_for_selector(".figures[aria-busy=false]")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.set_viewport_size({"width": 1280, "height": 900})
    names = page.locator("#bits_per_byte svg .role-mark text").all_text_contents()
    assert set(results_names(trial)) <= set(names)
    assert not any(quote.is_visible() for quote in page.locator("section:has(#samples) blockquote").all())
    assert problems == []
    page.close()


def results_names(trial: Path) -> list[str]:
    return list(json.loads((trial / "report/results.json").read_text())["tracks"])


def test_few_numbers_are_named_and_many_are_a_range() -> None:
    assert of_each({"bpe": 3, "btm": 5}, count) == "bpe 3 and btm 5"
    many: dict[str, float | None] = {"a": 3, "b": None, "c": 1, "d": 2, "e": 9}
    assert of_each(many, count) == "from 1 (c) to 9 (e)"
    assert of_each(dict.fromkeys("abcde"), count).count(NOT_MEASURED) == 5


def test_one_seed_has_no_interval() -> None:
    assert interval(None, None) == ONE_SEED


def test_intervals_of_an_unfinished_trial_are_explained_though_the_first_track_has_none(write_trial: Any) -> None:
    one = {**BTM, "final_bits_per_byte": [1.8]}
    details = gather(read_trial(write_trial({"bpe": BPE, "one": one, "btm": BTM, "words": BTM}))).verdict.details
    assert details[-1].startswith("The 2 intervals hold together")


def test_a_gap_in_a_curve_leaves_the_report_whole(write_trial: Any) -> None:
    folder = write_trial()
    path = folder / "runs/btm/seed-2/metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[-4]["bits_per_byte"] = None  # where the last quarter of the training begins
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = gather(read_trial(folder)).differences["btm"].movement
    assert found is not None and np.isfinite(found.moved)


def test_measures_of_samples_that_lack_a_track_are_left_out(write_trial: Any) -> None:
    folder = write_trial()
    (folder / "evaluation/samples").mkdir()
    measures = [
        {"track": "bpe", "seed": 1, "prompt": 0, "bytes": 9, "measures": {"repetition": [1, 2]}, "bits": {"bpe": [1, 2]}}
    ]
    (folder / "evaluation/samples/measures.json").write_text(json.dumps(measures))
    assert gather(read_trial(folder)).sample_measures is None


def test_a_budget_in_passes_is_not_called_one_in_steps(write_trial: Any) -> None:
    results = gather(read_trial(write_trial(epochs=2.0)))
    assert "after equal passes over the text" in results.verdict.criterion
    assert [of.budget for of in results.differences["btm"].budgets] == ["steps", "flops", "bytes", "seconds"]
    tables = [block for block in document_of(results).blocks() if isinstance(block, Table) and "compared at" in block.headers]
    assert "equal passes over the text, which decides" in [row[1] for row in tables[0].rows]


def test_steps_of_unequal_tokens_are_not_compared_along_tokens(write_trial: Any) -> None:
    folder = write_trial()
    for path in folder.glob("runs/btm/*/record.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"tokens_per_step": 1024}))
    results = gather(read_trial(folder))
    data = chart_data(results)
    assert data["difference_by_step"] and not data["difference_by_tokens"]
    captions = {curve.axis: curve.captions["linear"] for curve in learning_curves(results, data, "difference")}
    assert "unequal numbers of tokens" in captions["tokens"] and "unequal numbers" not in captions["step"]


def test_a_far_track_and_a_wide_interval_leave_the_others_room(tmp_path: Path) -> None:
    finals = [
        [1.45, 1.46, 1.47],
        [1.46, 1.47, 1.48],
        [1.44, 1.45, 1.46],
        [1.47, 1.48, 1.49],
        [2.3, 2.4, 2.35],
        [1.30, 1.62, 1.46],
    ]
    tracks = {"bpe": SimulatedTrack(**BPE)} | {
        name: SimulatedTrack(final_bits_per_byte=of) for name, of in zip("abcdef", finals, strict=True)
    }
    write_trial_folder(tmp_path / "trial", tracks, protocol_with(list(tracks), 3))
    figure = runs_figure(gather(read_trial(tmp_path / "trial")))
    assert figure.caption.endswith("What stands at an edge lies beyond it: see f and e in the table.")
    for panel in figure.specification["hconcat"]:
        scale = panel["encoding"]["x"]["scale"]
        assert scale["clamp"] and scale["domain"][1] - scale["domain"][0] < 0.5
    altair.Chart.from_dict(figure.specification)


def test_the_baseline_is_never_cut_off(tmp_path: Path) -> None:
    finals = {"bpe": [1.55, 1.56, 1.57]} | {name: [1.300, 1.301, 1.302 + place / 1e3] for place, name in enumerate("abcde")}
    tracks = {name: SimulatedTrack(final_bits_per_byte=of) for name, of in finals.items()}
    write_trial_folder(tmp_path / "trial", tracks, protocol_with(list(tracks), 3))
    figure = runs_figure(gather(read_trial(tmp_path / "trial")))
    assert "beyond" not in figure.caption
    assert "domain" not in figure.specification["hconcat"][0]["encoding"]["x"]["scale"]


def test_near_tracks_have_scales_of_their_own_data(results: TrialResult) -> None:
    figure = runs_figure(results)
    assert "edge" not in figure.caption
    assert not any("domain" in panel["encoding"]["x"]["scale"] for panel in figure.specification["hconcat"])
