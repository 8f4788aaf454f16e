"""What the results hold and say, from trial folders with planted answers."""

import html
import json
import re
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from toktrial.artifact import write_json
from toktrial.commands.run import print_summary
from toktrial.errors import TrialError
from toktrial.protocol import to_dict
from toktrial.report.comparisons import Comparison
from toktrial.report.config import VerdictConfig
from toktrial.report.design import Design, design_of
from toktrial.report.gather import gather
from toktrial.report.inputs import read_trial
from toktrial.report.outcome import criterion, outcome
from toktrial.report.result import VERSION, plain, schema, typed
from toktrial.report.verdict import NO_DIFFERENCE

from .conftest import BPE, BTM, protocol_with


def test_planted_difference_and_its_figures(write_trial: Any) -> None:
    results = gather(read_trial(write_trial()))
    assert results.verdict.word == "bpe learned faster"
    assert results.verdict.sentence.startswith("Not met: bpe learned faster. btm ended 0.3033 bits per byte (20.2%) above bpe")
    bpe = results.tracks["bpe"]
    assert bpe.final.bits_per_byte == pytest.approx(1.5)
    assert bpe.final.validation_loss == pytest.approx(1.5 * np.log(2) * 4)
    assert bpe.final.training_seconds == pytest.approx(60.0)
    assert bpe.standard_deviation.bits_per_byte == pytest.approx(0.01)
    assert bpe.epochs == pytest.approx(300 * 2048 / (3_900_000 / 4 + 7000))
    assert [run.seed for run in bpe.runs] == [1, 2, 3]


def test_documents_interval_agrees_with_the_final_values(write_trial: Any) -> None:
    comparison = gather(read_trial(write_trial())).comparisons[0]
    documents = comparison.beside_the_verdict.documents
    assert documents.mean == pytest.approx(comparison.difference)
    assert documents.low < documents.mean < documents.high


def test_a_curve_that_starts_lower_and_ends_higher_crosses(write_trial: Any) -> None:
    tracks = {"bpe": {"final_bits_per_byte": [1.5, 1.5]}, "btm": {"final_bits_per_byte": [1.8, 1.79], "decay_steps": 25.0}}
    results = gather(read_trial(write_trial(tracks, seeds=2)))
    crossing = results.comparisons[0].beside_the_verdict.bits_per_byte.crossings_at_steps
    assert len(crossing) == 1
    assert 130 < crossing[0] < 170  # 4.2 (exp(-s/60) - exp(-s/25)) = 0.3 + what is left at step 300: s = 151


def test_the_criterion_is_that_of_the_protocol_and_its_outcome_names_it(write_trial: Any) -> None:
    tracks = {"bpe": {"final_bits_per_byte": [1.5, 1.51, 1.49]}, "btm": {"final_bits_per_byte": [1.4, 1.412, 1.391]}}
    verdict = gather(read_trial(write_trial(tracks))).verdict
    assert verdict.criterion == (
        "Fixed before the run: btm learned faster if the 95% paired t-interval over 3 seeds of its bits per byte minus bpe's, "
        "after equal steps and so equal FLOPs, lies below 0. Nothing is decided where a run ends above its own bigram floor, "
        "which counting alone reaches."
    )
    assert verdict.outcome == "Met: btm learned faster."
    assert verdict.sentence.startswith("Met: btm learned faster. btm ended ")


def comparison(track: str, word: str, seeds: int = 3) -> Comparison:
    """A comparison of which nothing is known but its word."""
    unknown: dict[str, Any] = dict.fromkeys(item.name for item in fields(Comparison))
    return Comparison(
        **unknown | {"baseline": "bpe", "track": track, "verdict": word, "paired_seeds": list(range(1, seeds + 1))}
    )


def design(seeds: int, **verdict: Any) -> Design:
    plan = protocol_with(["bpe", "btm"], seeds)
    return design_of(to_dict(replace(plan, verdict=VerdictConfig(**verdict))))


def test_a_headline_keeps_names_apart_that_end_alike() -> None:
    others = [comparison("bpe", "my-bpe learned faster", 3), comparison("btm", NO_DIFFERENCE, 3)]
    others = [replace(each, baseline="my-bpe") for each in others]
    assert outcome(others, 3) == "my-bpe learned faster than bpe; btm shows no measurable difference from my-bpe."
    assert outcome([comparison("superbpe", "superbpe learned faster", 3), comparison("b", "bpe learned faster", 3)], 3) == (
        "superbpe learned faster than bpe; bpe learned faster than b."
    )


def test_one_of_many_tracks_is_counted_in_the_singular() -> None:
    several = [comparison(name, "bpe learned faster", 3) for name in ("a", "b")]
    said = outcome([*several, comparison("c", NO_DIFFERENCE, 3), comparison("d", "undecided: one seed", 3)], 3)
    assert said.endswith("1 shows no measurable difference; 1 is undecided.")


@pytest.mark.parametrize(
    ("comparisons", "said"),
    [
        ([comparison("btm", "no measurable difference")], "Not met: no measurable difference."),
        ([comparison("btm", "undecided: one seed", 1)], "So far, with 1 of 3 seeds: undecided, one seed."),
        ([comparison("btm", "bpe learned faster", 2)], "So far, with 2 of 3 seeds: not met, bpe learned faster."),
        (
            [comparison("btm", "btm learned faster"), comparison("words", "no measurable difference")],
            "btm learned faster than bpe; words shows no measurable difference from bpe.",
        ),
        (
            [comparison("a", "a learned faster"), comparison("b", "b learned faster"), comparison("c", "bpe learned faster")],
            "a and b learned faster than bpe; bpe learned faster than c.",
        ),
        (
            [
                comparison("a", "a learned faster", 2),
                comparison("b", "undecided: b has learned no more than counting pairs", 2),
            ],
            "So far, with 2 of 3 seeds: a learned faster than bpe; b: undecided: b has learned no more than counting pairs.",
        ),
        (
            [comparison("a", "a learned faster", 3), comparison("b", "undecided: one seed", 1)],
            "So far, with 1 to 3 of 3 seeds: a learned faster than bpe; b: undecided: one seed.",
        ),
    ],
)
def test_an_outcome_says_whether_the_criterion_was_met(comparisons: list[Comparison], said: str) -> None:
    assert outcome(comparisons, 3) == said


def test_a_criterion_of_several_tracks_says_how_it_is_corrected() -> None:
    plan = design(5, confidence=0.975, budget="bytes", floor="unigram")
    assert criterion("bpe", ["btm", "words"], plan) == (
        "Fixed before the run: each of btm and words learned faster than bpe if the paired t-test over 5 seeds of its bits per "
        "byte minus bpe's, after equal bytes of text, finds it below 0 at 97.5% confidence, after Holm's correction for 2 "
        "comparisons. Nothing is decided where a run ends above its own unigram floor, which counting alone reaches."
    )


def test_a_criterion_of_looks_says_what_all_of_them_share() -> None:
    said = criterion("bpe", ["btm", "words"], replace(design(3, confidence=0.95), most_seeds=8))
    assert "over 3 to 8 seeds, with a look after each, of its" in said
    assert "at 95% confidence, which all looks of the 2 comparisons share (Bonferroni). " in said
    assert "Holm" not in said


def test_a_criterion_of_one_seed_cannot_be_met() -> None:
    said = criterion("bpe", ["btm"], design(1, confidence=0.95))
    assert "lies below 0. One seed has no interval, so it cannot be met." in said
    assert outcome([comparison("btm", "undecided: one seed", 1)], 1) == "Undecided: one seed."


def test_one_seed_is_undecided(write_trial: Any) -> None:
    results = gather(read_trial(write_trial({"bpe": {"final_bits_per_byte": [1.5]}, "btm": {"final_bits_per_byte": [1.4]}}, 1)))
    assert results.verdict.word == "undecided: one seed"
    assert any(note.startswith("One seed measures no chance") for note in results.notes)
    assert results.tracks["bpe"].standard_deviation.bits_per_byte is None


def test_two_others_are_each_compared_with_the_baseline(write_trial: Any) -> None:
    tracks = {
        "bpe": {"final_bits_per_byte": [1.500, 1.510, 1.490]},
        "btm": {"final_bits_per_byte": [1.300, 1.312, 1.291]},
        "words": {"final_bits_per_byte": [1.505, 1.500, 1.497]},
    }
    results = gather(read_trial(write_trial(tracks)))
    assert [item.verdict for item in results.comparisons] == ["btm learned faster", "no measurable difference"]
    assert results.verdict.word == "btm: btm learned faster; words: no measurable difference"
    raw, corrected = ([getattr(item, name) for item in results.comparisons] for name in ("p_value", "p_value_corrected"))
    assert corrected == pytest.approx([2 * raw[0], raw[1]])


def test_notes_say_what_a_reader_must_know(write_trial: Any) -> None:
    tracks = {
        "bpe": {"final_bits_per_byte": [1.5, 1.51, 1.49]},
        "btm": {
            "final_bits_per_byte": [1.8, 1.81], "entries": 1990, "bytes_per_token": 8.0,
            "shared_device_seeds": frozenset([2]),
        },
    }  # fmt: skip
    notes = "\n".join(gather(read_trial(write_trial(tracks, schedule="cosine"))).notes)
    assert "built-in storybook. It is made from templates" in notes
    assert "only 2 of 3 runs of btm finished" in notes
    assert "btm learned 1,990 of the 2,048 entries" in notes
    assert "biased against the leader" in notes
    assert "One learning rate served all tracks (0.002), and this trial did not tune it." in notes
    assert "read more than once: 1.2 times by btm" in notes
    assert "btm read 2.00 times as much text as bpe" in notes
    assert "btm shared its device with other work in seed 2" in notes


@pytest.mark.parametrize(
    ("repeats", "of_repeats", "of_other", "said"),
    [
        pytest.param("btm", 0.9, 0.98, "than that of bpe: btm 8.9%.", id="it read the text again"),
        pytest.param("btm", 0.96, 0.98, "", id="hardly more than the other"),
        pytest.param("btm", 0.98, 0.9, "", id="the other learned more, but of text that it met once"),
        pytest.param("btm", 0.9, 0.9, "", id="both alike, as where validation documents are harder"),
        pytest.param("bpe", 0.9, 0.98, "than that of btm: bpe 8.9%.", id="the baseline read the text again"),
    ],
)
def test_text_learned_by_heart_is_pointed_out(
    write_trial: Any, repeats: str, of_repeats: float, of_other: float, said: str
) -> None:
    def track(name: str) -> dict[str, Any]:
        longer = {"bytes_per_token": 8.0, "training_loss_share": of_repeats}
        return {"final_bits_per_byte": [1.5, 1.51]} | (longer if name == repeats else {"training_loss_share": of_other})

    results = gather(read_trial(write_trial({name: track(name) for name in ("bpe", "btm")}, seeds=2)))
    assert {name: found.epochs > 1 for name, found in results.tracks.items()} == {
        name: name == repeats for name in results.tracks
    }
    notes = [note for note in results.notes if "by heart" in note]
    assert len(notes) == bool(said) and all(said in note for note in notes)


def test_equal_differences_are_pointed_out(write_trial: Any) -> None:
    tracks = {"bpe": {"final_bits_per_byte": [1.5, 1.6]}, "btm": {"final_bits_per_byte": [1.7, 1.8]}}
    notes = gather(read_trial(write_trial(tracks, seeds=2))).notes
    assert any("exactly equal for all seeds" in note for note in notes)


def test_seconds_leave_out_runs_that_shared_their_device(write_trial: Any) -> None:
    shared = {"final_bits_per_byte": [1.4, 1.42], "shared_device_seeds": frozenset([1, 2])}
    results = gather(read_trial(write_trial({"bpe": {"final_bits_per_byte": [1.5, 1.51]}, "btm": shared}, seeds=2)))
    reached = results.comparisons[0].beside_the_verdict.bits_per_byte.reach
    assert (reached["training_seconds"].seeds, reached["step"].seeds) == (0, 2)
    assert not results.tracks["btm"].training_seconds_compare


TIMED = {
    "step_seconds": 0.5, "steps": 40, "shared_device": False, "device": "cpu", "device_name": "a processor with 2 cores",
    "threads": 2, "precision": "bfloat16", "compiled": False, "peak_bytes": 0,
}  # fmt: skip


def test_runs_that_had_company_take_their_seconds_from_the_timing_of_their_track(write_trial: Any) -> None:
    side_by_side = {"bpe": BPE | {"shared_device_seeds": {1, 2}}, "btm": BTM | {"shared_device_seeds": {1, 2, 3}}}
    trial = write_trial(side_by_side)
    for track, step_seconds in (("bpe", 0.5), ("btm", 0.25)):
        (trial / "calibration" / track).mkdir(parents=True)
        write_json(trial / "calibration" / track / "calibration.json", TIMED | {"step_seconds": step_seconds})
    results = gather(read_trial(trial))
    bpe, btm = results.tracks["bpe"].runs, results.tracks["btm"].runs
    assert [run.timed_step_seconds for run in bpe + btm] == [0.5, 0.5, None, 0.25, 0.25, 0.25]
    assert not any(run.shared_device for run in bpe + btm)
    steps = results.tracks["btm"].steps
    assert [run.training_seconds for run in bpe + btm] == [steps / 2, steps / 2, pytest.approx(0.2 * steps), *[steps / 4] * 3]
    columns = read_trial(trial).runs["btm"][0].curve.columns
    assert columns["training_seconds"].tolist() == (columns["step"] / 4).tolist() == btm[0].curve["training_seconds"]
    assert results.comparisons[0].beside_the_verdict.bits_per_byte.reach["training_seconds"].seeds == 3
    note = next(note for note in results.notes if "side by side" in note)
    assert "bpe 0.5000 (seed 1 and 2) and btm 0.2500 (seed 1, 2 and 3)" in note
    assert results.seconds_by_stage["training, btm"] == pytest.approx(3 * 0.21 * steps), "what it took, not what it would alone"


@pytest.mark.parametrize("otherwise", [{"shared_device": True}, {"threads": 1}, {"device_name": "another"}, {"compiled": True}])
def test_a_timing_under_other_conditions_replaces_nothing(write_trial: Any, otherwise: dict[str, Any]) -> None:
    trial = write_trial({"bpe": BPE, "btm": BTM | {"shared_device_seeds": {1}}})
    (trial / "calibration" / "btm").mkdir(parents=True)
    write_json(trial / "calibration" / "btm" / "calibration.json", TIMED | otherwise)
    run = gather(read_trial(trial)).tracks["btm"].runs[0]
    assert run.shared_device and run.timed_step_seconds is None


def test_compilation_is_counted_and_told_where_it_differs(write_trial: Any) -> None:
    """The simulated records say nothing of it, as those of before did."""
    trial = write_trial()
    for seed in (1, 2):
        path = trial / f"runs/btm/seed-{seed}/record.json"
        write_json(path, json.loads(path.read_text()) | {"compiled": True, "compile_seconds": 20.0, "processes": 2})
    results = gather(read_trial(trial))
    assert [run.compile_seconds for run in results.tracks["btm"].runs] == [20.0, 20.0, 0.0]
    assert results.seconds_by_stage["compilation and warm-up, bpe"] == 3 * 3.5
    assert results.seconds_by_stage["compilation and warm-up, btm"] == 3 * 3.5 + 2 * 20
    assert (results.environment["compiled"], results.environment["processes"]) == (["no", "yes"], ["1", "2"])
    notes = "\n".join(results.notes)
    assert "The runs differ in compiled: no and yes." in notes
    assert "The runs differ in processes: 1 and 2." in notes


def test_the_seconds_of_every_stage_are_told(whole_trial: Path) -> None:
    taken = gather(read_trial(whole_trial)).seconds_by_stage
    of_runs = ("compilation and warm-up", "training", "evaluation during training", "final evaluation", "samples")
    assert list(taken) == [
        "corpus", "tokenizer bpe_baseline_tokenizer", "tokenizer btm_experimental_tokenizer",
        "tokenizer btm_primitive_tokenizer", "pair graph of btm_primitive_tokenizer", "tokens of bpe", "tokens of btm",
        "tuning of rates",
        *(f"{stage}, {track}" for track in ("bpe", "btm") for stage in (*of_runs, "minimal pairs", "sums over cuts")),
        *(f"{stage}, A/A control" for stage in (*of_runs, "sums over cuts")),
        "account of the vocabularies", "floors", "intrinsic measures", "overlap", "where the bits go",
        "measures of the samples",
        "known words of the minimal pairs",
    ]  # fmt: skip
    assert all(seconds and seconds > 0 for stage, seconds in taken.items() if not stage.startswith("compilation"))
    runs = [whole_trial / f"runs/btm/seed-{seed}" for seed in (1, 2)]
    for stage, file, field in (
        ("samples", "final.json", "sampling_seconds"),
        ("final evaluation", "final.json", "seconds"),
        ("minimal pairs", "minimal_pairs.json", "seconds"),
    ):
        assert taken[f"{stage}, btm"] == pytest.approx(sum(json.loads((run / file).read_text())[field] for run in runs))


def test_seconds_that_an_older_version_did_not_take_are_not_guessed(reported_trial: Path) -> None:
    taken = gather(read_trial(reported_trial)).seconds_by_stage
    assert taken["samples, bpe"] is None and taken["final evaluation, bpe"] == pytest.approx(3 * 0.8)


def test_an_evaluation_without_a_number_becomes_null(write_trial: Any, tmp_path: Path) -> None:
    trial = write_trial()
    metrics = trial / "runs/btm/seed-1/metrics.jsonl"
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    rows[3]["training_loss"] = float("nan")
    metrics.write_text("".join(json.dumps(row) + "\n" for row in rows))
    results = gather(read_trial(trial))
    write_json(tmp_path / "strict.json", plain(results))  # refuses NaN
    assert results.tracks["btm"].runs[0].curve["training_loss"][3] is None


def test_a_step_written_twice_counts_once(write_trial: Any) -> None:
    trial = write_trial()
    metrics = trial / "runs/btm/seed-1/metrics.jsonl"
    metrics.write_text(metrics.read_text() + metrics.read_text().splitlines()[2] + "\n")
    steps = gather(read_trial(trial)).tracks["btm"].runs[0].curve["step"]
    assert steps == [float(step) for step in range(20, 301, 20)]


def test_an_unfinished_run_is_left_out(write_trial: Any) -> None:
    trial = write_trial()
    (trial / "runs/btm/seed-2/final.json").unlink()
    results = gather(read_trial(trial))
    assert results.comparisons[0].paired_seeds == [1, 3]


def test_a_run_of_fewer_steps_than_the_protocol_asks_for_by_now_is_left_out(write_trial: Any) -> None:
    """As where a trial was given more steps and its runs were not all evaluated again."""
    folder = write_trial()
    set_step(folder / "runs/bpe/seed-2/final.json", 280)
    results = gather(read_trial(folder))
    assert results.tracks["bpe"].seeds_finished == [1, 3]
    assert results.comparisons[0].paired_seeds == [1, 3]
    assert any("only 2 of 3 runs of bpe finished" in note for note in results.notes)
    for path in folder.glob("runs/btm/*/final.json"):
        set_step(path, 299)
    with pytest.raises(TrialError, match="track btm has no finished run"):
        read_trial(folder)


def test_a_track_of_fewer_entries_is_finished_after_the_steps_of_its_own_flops(write_trial: Any) -> None:
    folder = write_trial()
    text = (folder / "protocol.toml").read_text().replace('budget = "steps"', 'budget = "flops"')
    smaller = text.replace('[tracks.btm]\nrecipe = "btm"\nvocab_size = 0', '[tracks.btm]\nrecipe = "btm"\nvocab_size = 1024')
    (folder / "protocol.toml").write_text(smaller)
    steps = design_of(tomllib.loads(smaller)).wanted_steps("btm", None)
    assert steps > 300
    with pytest.raises(TrialError, match="track btm has no finished run"):
        read_trial(folder)
    for path in folder.glob("runs/btm/*/final.json"):
        set_step(path, steps)
    assert gather(read_trial(folder)).tracks["btm"].seeds_finished == [1, 2, 3]


def set_step(final: Path, step: int) -> None:
    write_json(final, json.loads(final.read_text()) | {"step": step})


def test_a_track_without_a_finished_run_says_what_to_run(write_trial: Any) -> None:
    trial = write_trial({"bpe": {"final_bits_per_byte": [1.5, 1.5]}, "btm": {"final_bits_per_byte": []}}, seeds=2)
    said = r"track btm has no finished run .*`toktrial run .*protocol\.toml` trains what is missing"
    with pytest.raises(TrialError, match=said):
        read_trial(trial)


def test_tracks_without_a_seed_in_common_say_what_to_run(write_trial: Any) -> None:
    trial = write_trial({"bpe": {"final_bits_per_byte": [1.5, 1.5]}, "btm": {"final_bits_per_byte": [1.4, 1.4]}}, seeds=2)
    (trial / "runs/bpe/seed-1/final.json").unlink()
    (trial / "runs/btm/seed-2/final.json").unlink()
    with pytest.raises(TrialError, match="no finished seed in common"):
        read_trial(trial)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("protocol.toml", "seeds = = 3", "is not valid TOML"),
        ("protocol.toml", "seeds = 3", "is not a protocol .*missing required field"),
        ("runs/btm/seed-1/record.json", '{"steps": 3}', "is damaged .*missing required field"),
        ("runs/btm/seed-1/metrics.jsonl", '{"step": 20', "is damaged"),
        ("runs/btm/seed-1/document_nats.npy", "", "is damaged"),
        ("runs/btm/seed-1/document_nats.npy", "\x93NUMPY\x01", "is damaged"),
        ("runs/btm/seed-1/metrics.jsonl", "", "holds no evaluation"),
        ("runs/btm/seed-1/final.json", '{"bits_per_byte": null}', "the training diverged"),
    ],
)
def test_damaged_files_are_named(write_trial: Any, name: str, content: str, message: str) -> None:
    trial = write_trial()
    (trial / name).write_text(content)
    with pytest.raises(TrialError, match=f"{Path(name).name}.*{message}"):
        read_trial(trial)


def test_document_nats_of_another_split_are_refused(write_trial: Any) -> None:
    trial = write_trial()
    np.save(trial / "runs/btm/seed-1/document_nats.npy", np.ones(7))
    with pytest.raises(TrialError, match=r"each of the 120 validation documents, but its shape is \(7,\)"):
        read_trial(trial)


def test_the_outcome_and_its_criterion_come_first_in_the_report(reported_trial: Path) -> None:
    verdict = json.loads((reported_trial / "report/results.json").read_text(encoding="utf-8"))["verdict"]
    assert verdict["outcome"] == "So far, with 2 of 3 seeds: not met, bpe learned faster."
    markdown = (reported_trial / "report/report.md").read_text(encoding="utf-8").split("\n\n")
    question = "Trial demo: which tokenizer made the model learn faster?"
    assert markdown[:3] == [question, f"# {verdict['outcome']}", verdict["criterion"]]
    assert verdict["rule"] in markdown
    page = (reported_trial / "report/index.html").read_text(encoding="utf-8")
    first_on_the_page = re.search(
        r"<main[^>]*>\s*<header>\s*<p.*?>(.*?)</p>\s*<h1>(.*?)</h1>\s*<p class=\"criterion\">(.*?)</p>", page
    )
    assert first_on_the_page is not None
    assert [html.unescape(part) for part in first_on_the_page.groups()] == [question, verdict["outcome"], verdict["criterion"]]


def test_the_outcome_is_the_first_line_at_the_terminal(reported_trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = typed(json.loads((reported_trial / "report/results.json").read_text(encoding="utf-8")))
    print_summary(results, reported_trial / "report")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [results.verdict.outcome, results.verdict.criterion]
    assert any(line.startswith("The same tokenizer (bpe) trained twice differs by") for line in lines)


@pytest.fixture(params=["reported_trial", "whole_trial"])
def written(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What results.json of a trial holds."""
    folder: Path = request.getfixturevalue(request.param)
    loaded: dict[str, Any] = json.loads((folder / "report/results.json").read_text(encoding="utf-8"))
    return loaded


def test_results_json_reads_again_as_it_was_written(written: dict[str, Any]) -> None:
    assert plain(typed(written)) == written
    assert next(iter(written)) == "version" and written["version"] == VERSION


def test_results_json_is_as_its_schema_says(written: dict[str, Any], reported_trial: Path) -> None:
    described = json.loads((reported_trial / "report/results.schema.json").read_text(encoding="utf-8"))
    assert described == schema()
    jsonschema.Draft202012Validator.check_schema(described)
    jsonschema.validate(written, described)
    with pytest.raises(jsonschema.ValidationError, match="'many' is not of type"):
        jsonschema.validate({**written, "comparisons": "many"}, described)


def test_results_without_a_version_are_read_and_later_ones_are_not(written: dict[str, Any]) -> None:
    unversioned = {name: value for name, value in written.items() if name != "version"}
    unversioned["tracks"] = {name: {**track, "vocabulary": {}} for name, track in written["tracks"].items()}
    found = typed(unversioned)
    assert (found.version, found.tracks["bpe"].vocabulary) == (VERSION, None)
    assert found.comparisons == typed(written).comparisons
    with pytest.raises(ValueError, match=f"knows no later one than {VERSION}"):
        typed({**written, "version": VERSION + 1})
    with pytest.raises(ValueError, match="missing required field `verdict`"):
        typed({name: value for name, value in written.items() if name != "verdict"})
