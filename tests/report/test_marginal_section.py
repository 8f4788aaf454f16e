"""The gap of one cut in the report: planted gaps come out, with their errors over documents, and changes of sign are told."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.marginal import error_of_ratio
from toktrial.report.markdown import render_markdown
from toktrial.report.page import document_of
from toktrial.report.sections.marginal import changes_table, gap_sentences, gaps_table, marginal_section

TrialWriter = Callable[..., Path]
DOCUMENTS = 30
TRACKS = {"bpe": [1.50, 1.51, 1.49], "btm": [1.51, 1.52, 1.50]}
GAPS = {"bpe": 0.005, "btm": 0.02}  # shares of each document's nats, a little more and less by turns


@pytest.fixture
def folder(write_trial: TrialWriter) -> Path:
    """A trial whose second track is behind by its own cuts, and ahead over all cuts."""
    folder = write_trial({name: {"final_bits_per_byte": finals} for name, finals in TRACKS.items()})
    protocol = folder / "protocol.toml"
    protocol.write_text(protocol.read_text().replace("marginal = 0", f"marginal = {DOCUMENTS}"))
    for track, gap in GAPS.items():
        for seed in (1, 2, 3):
            run = folder / f"runs/{track}/seed-{seed}"
            own = np.load(run / "document_nats.npy")[:DOCUMENTS]
            nats = own * (1 - gap * np.where(np.arange(DOCUMENTS) % 2, 0.9, 1.1))
            written = {
                "documents_asked_for": DOCUMENTS, "own_nats": own.tolist(), "nats": nats.tolist(), "exact": 2,
                "errors": [0.3] * DOCUMENTS, "tokens": 9000, "seconds": 4.0,
            }  # fmt: skip
            (run / "marginal.json").write_text(json.dumps(written))
    return folder


def test_planted_gaps_come_out(folder: Path) -> None:
    inputs = read_trial(folder)
    result = gather(inputs)
    found = result.marginal
    assert found is not None
    assert found.documents == DOCUMENTS
    assert found.bytes == inputs.document_bytes[:DOCUMENTS].sum()
    for track, gap in GAPS.items():
        of_track = found.tracks[track]
        assert of_track.share == pytest.approx(gap, rel=0.02)
        assert of_track.gap == pytest.approx(of_track.own_bits_per_byte - of_track.bits_per_byte)
        assert of_track.sampling_error == pytest.approx(0.3 * np.sqrt(DOCUMENTS / 3) / np.log(2) / found.bytes)
        assert (of_track.exact, of_track.seeds) == (6, [1, 2, 3])
    difference = found.differences[0]
    assert difference.own_difference == pytest.approx(0.01, rel=0.1)
    assert difference.change == pytest.approx(found.tracks["bpe"].gap - found.tracks["btm"].gap)
    assert difference.difference == pytest.approx(difference.own_difference + difference.change)
    assert result.seconds_by_stage["sums over cuts, btm"] == pytest.approx(12)


def test_page_and_tables_say_so(folder: Path) -> None:
    result = gather(read_trial(folder))
    found = result.marginal
    assert found is not None
    said = gap_sentences(found, "bpe")[0]
    assert said.endswith("the difference of btm from bpe changes its sign.")
    assert said in render_markdown(document_of(result))
    assert [row[0] for row in gaps_table(found).rows] == ["bpe", "btm"]
    assert gaps_table(found).rows[1][6:] == ["6 of 90", "3"]
    row = changes_table(found, "bpe").rows[0]
    assert (row[0], row[1][0], row[2][0]) == ("btm minus bpe", "+", "\N{MINUS SIGN}")


def test_a_run_that_was_not_measured_is_left_out_and_a_track_without_any_leaves_nothing(folder: Path) -> None:
    (folder / "runs/btm/seed-2/marginal.json").unlink()
    found = gather(read_trial(folder)).marginal
    assert found is not None
    assert (found.tracks["btm"].seeds, found.differences[0].paired_seeds) == ([1, 3], [1, 3])
    for seed in (1, 3):
        (folder / f"runs/btm/seed-{seed}/marginal.json").unlink()
    result = gather(read_trial(folder))
    assert result.marginal is None
    assert marginal_section(result) is None


def test_the_error_of_a_ratio_is_that_of_resampled_documents() -> None:
    random = np.random.default_rng(1)
    wholes = random.uniform(300, 900, 60)
    parts = wholes * random.normal(0.02, 0.01, 60)
    drawn = random.integers(0, 60, (4000, 60))
    resampled = parts[drawn].sum(axis=1) / wholes[drawn].sum(axis=1)
    assert error_of_ratio(parts, wholes) == pytest.approx(resampled.std(), rel=0.1)
    assert error_of_ratio(parts[:1], wholes[:1]) is None
