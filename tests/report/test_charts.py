"""The charts: what they draw stands in the results, their files are whole, and Vega-Lite's own schema accepts them."""

import copy
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import altair
import numpy as np
import pytest

from toktrial.report.chart_rows import POINTS_DRAWN, chart_data
from toktrial.report.chart_specification import AXIS_TITLES
from toktrial.report.charts import MEASURES, LearningCurve, charts, learning_curves
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.page import document_of, draw
from toktrial.report.result import TrialResult, typed
from toktrial.report.tracks import MeanCurve, MeanCurves

from .conftest import BPE, BTM

CHARTS = [f"{measure}_by_{axis}" for measure, of in MEASURES.items() for axis in of.pictured_along]


@pytest.fixture(scope="module")
def results(reported_trial: Path) -> TrialResult:
    return typed(json.loads((reported_trial / "report" / "results.json").read_text()))


def curves_of(results: TrialResult) -> list[LearningCurve]:
    return [curve for measure in MEASURES for curve in learning_curves(results, chart_data(results), measure)]


@pytest.mark.parametrize("name", CHARTS)
def test_every_picture_is_there_as_svg_and_png(reported_trial: Path, name: str) -> None:
    png = (reported_trial / "report" / f"{name}.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    assert width >= 1280 and height >= 600 and len(png) > 20_000
    svg = ElementTree.parse(reported_trial / "report" / f"{name}.svg").getroot()
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"


def test_what_lies_far_outside_a_chart_makes_no_picture_larger(results: TrialResult) -> None:
    """Early differences can be many times the late ones, which fit the axis."""
    far = {track: copy.deepcopy(found) for track, found in results.differences.items()}
    curve = far["btm"].curves["step"]
    assert curve
    curve.mean[0], curve.low[0], curve.high[0] = -9.0, -10.0, -8.0
    curve.mean[1], curve.low[1], curve.high[1] = 9.0, 8.0, 10.0
    figures = document_of(replace(results, differences=far)).figures()
    heights = {figure.name: ElementTree.fromstring(draw(figure)).get("height") for figure in figures if "_by_" in figure.name}
    assert heights["difference_by_step"] == heights["bits_per_byte_by_step"]


def test_every_measure_is_drawn_along_every_axis(results: TrialResult) -> None:
    assert [(curve.measure, curve.axis) for curve in curves_of(results)] == [(m, a) for m in MEASURES for a in AXIS_TITLES]
    drawn = [figure.name for figure in document_of(results).figures()]
    assert [name for name in drawn if "_by_" in name] == CHARTS


def test_lines_are_means_and_bands_span_the_runs(results: TrialResult) -> None:
    runs = {track: [run.curve for run in found.runs] for track, found in results.tracks.items()}
    assert [(curve.track, curve.control, curve.seeds) for curve in results.mean_curves.all_runs] == [
        ("bpe", False, [1, 2, 3]), ("btm", False, [1, 2]), ("bpe", True, [4, 5]),
    ]  # fmt: skip
    for curve in results.mean_curves.all_runs[:2]:
        values = np.array([run["bits_per_byte"] for run in runs[curve.track]])
        assert curve.columns["bits_per_byte"] == pytest.approx(values.mean(axis=0))
        assert curve.columns["bits_per_byte_lowest"] == pytest.approx(values.min(axis=0))
        assert curve.columns["bits_per_byte_highest"] == pytest.approx(values.max(axis=0))


def test_seconds_leave_out_runs_that_shared_a_device(write_trial: Any) -> None:
    folder = write_trial({"bpe": BPE, "btm": {**BTM, "shared_device_seeds": {2}}})
    results = gather(read_trial(folder))
    assert [curve.seeds for curve in results.mean_curves.all_runs] == [[1, 2, 3], [1, 2, 3]]
    assert results.mean_curves.timed_runs
    assert [curve.seeds for curve in results.mean_curves.timed_runs] == [[1, 2, 3], [1, 3]]
    datasets = {chart.axis: chart.dataset for chart in curves_of(results)}
    assert {axis for axis, dataset in datasets.items() if dataset == "timed_runs"} == {"training_seconds"}


def test_where_no_seconds_compare_all_runs_are_drawn_and_the_caption_says_so(write_trial: Any) -> None:
    results = gather(read_trial(write_trial({"bpe": BPE, "btm": {**BTM, "shared_device_seeds": {1, 2, 3}}})))
    assert results.mean_curves.timed_runs is None
    captions = {chart.axis: chart.captions["linear"] for chart in curves_of(results)}
    assert "these seconds do not compare" in captions["training_seconds"]
    assert "these seconds do not compare" not in captions["step"]


def test_long_curves_are_thinned_and_the_caption_says_so(results: TrialResult) -> None:
    evaluations = 2 * POINTS_DRAWN + 1
    columns = {name: np.linspace(9, 1, evaluations).tolist() for name in results.mean_curves.all_runs[0].columns}
    curve = MeanCurve("bpe", False, [1], {**columns, "step": list(range(1, evaluations + 1))})
    long = replace(results, mean_curves=MeanCurves([curve], None))
    steps = [row["step"] for row in chart_data(long)["all_runs"]]
    assert len(steps) <= POINTS_DRAWN
    assert (steps[0], steps[-1]) == (1, evaluations)
    assert "One in 3 evaluations is drawn" in curves_of(long)[0].captions["linear"]


def test_an_evaluation_without_a_number_is_a_gap(results: TrialResult) -> None:
    curve = copy.deepcopy(results.mean_curves.all_runs[0])
    for name in ("bits_per_byte", "bits_per_byte_lowest", "bits_per_byte_highest"):
        curve.columns[name][4] = None
    (chart,) = charts(replace(results, mean_curves=MeanCurves([curve], None)), ["bits_per_byte"])
    svg = draw(chart.pictures[0])
    line = next(path for path in ElementTree.fromstring(svg).iter() if path.get("aria-roledescription") == "line mark")
    assert (line.get("d") or "").count("M") == 2
    assert "NaN" not in svg


@pytest.mark.parametrize("kind", ["plain", "control"])
def test_vega_lite_accepts_the_specifications(results: TrialResult, kind: str) -> None:
    for chart in charts(results, list(MEASURES)):
        altair.LayerChart.from_dict(chart.interactive["specifications"][kind])


def test_vega_lite_refuses_what_it_does_not_know(results: TrialResult) -> None:
    (chart,) = charts(results, ["bits_per_byte"])
    wrong = chart.interactive["specifications"]["plain"]
    wrong["layer"][0]["mark"]["type"] = "ribbon"
    with pytest.raises(Exception, match="ribbon"):
        altair.LayerChart.from_dict(wrong)
