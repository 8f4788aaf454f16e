"""A protocol goes to TOML and back unchanged, and says of every field that is wrong which one and why."""

import tomllib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toktrial import protocol
from toktrial.corpus.config import CorpusConfig
from toktrial.errors import TrialError
from toktrial.evaluation.config import EvaluationConfig
from toktrial.presets import PRESETS, demo, laptop, preset, tinystories
from toktrial.protocol import Protocol, differences, from_dict, is_amendable, load, save, to_dict
from toktrial.report.config import VerdictConfig
from toktrial.tokenizer.config import (
    BoundlessBPERecipe,
    BPERecipe,
    BTMRecipe,
    BytesRecipe,
    Recipe,
    SuperBPERecipe,
    TKNRecipe,
    UnigramRecipe,
)
from toktrial.training.config import ModelConfig, TrainingConfig, flops_per_step

# Text that TOML can hold: any but surrogates, line ends and quotes among it.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
names = st.text("abcxyz019-_", min_size=1, max_size=12)
shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
positive = st.integers(1, 10**12)
not_negative = st.floats(0, 1e6)
recipes = st.one_of(
    st.builds(BPERecipe, min_frequency=positive, vocab_size=st.just(0) | st.integers(257, 2**20)),
    st.builds(BytesRecipe),
    st.builds(
        BTMRecipe,
        primitive_vocab_size=st.integers(257, 1000),
        min_frequency=positive,
        score=st.sampled_from(["frequency", "npmi", "my.module:score"]),
        scope=st.sampled_from(["any", "words", "superbpe"]),
        max_words=st.integers(0, 9),
        prune=st.integers(0, 10**6),
        dropout=shares,
        dropout_seed=st.integers(-(2**31), 2**31),
    ),
    st.builds(BoundlessBPERecipe, min_frequency=positive, tau=st.floats(0, 9, exclude_min=True)),
    st.builds(SuperBPERecipe, transition=st.integers(257, 1000), min_frequency=positive, max_words=st.integers(0, 9)),
    st.builds(
        TKNRecipe,
        primitive_vocab_size=st.integers(257, 1000),
        min_frequency=positive,
        max_window=st.integers(2, 99),
        bank_size=positive,
    ),
)
protocols = st.builds(
    Protocol,
    name=names,
    bpe_trainer=st.sampled_from(["fast", "hf"]),
    seeds=st.integers(1, 1000),
    control=st.booleans(),
    vocab_size=st.integers(1000, 2**20),
    corpus=st.builds(
        CorpusConfig,
        path=texts.filter(lambda text: text not in ("", "storybook")),
        validation_path=texts.filter(lambda text: text != "storybook"),
        validation_share=shares,
        max_megabytes=not_negative,
        text_field=texts,
        hub_config=texts,
        hub_split=texts,
        storybook_seed=st.integers(-(2**31), 2**31),
    ),
    tracks=st.dictionaries(names, recipes, min_size=2, max_size=4),
    model=st.builds(
        lambda n_layer, n_head, head_width, half: ModelConfig(n_layer, n_head, n_head * head_width, 2 * half),
        *(st.integers(1, 1000), st.integers(1, 64), st.integers(1, 64), st.integers(1, 2**19)),
    ),
    training=st.builds(
        TrainingConfig,
        batch_size=st.integers(1, 2**20),
        steps=positive,
        epochs=not_negative,
        learning_rate=not_negative,
        schedule=st.sampled_from(["constant", "cosine", "linear"]),
        beta2=st.floats(0, 0.999),
        device=st.sampled_from(["auto", "cpu", "cuda", "mps"]),
        precision=st.sampled_from(["auto", "float32", "bfloat16"]),
    ),
    evaluation=st.builds(
        EvaluationConfig,
        eval_documents=positive,
        prompts=st.lists(texts.filter(bool), max_size=4).map(tuple),
        temperature=not_negative,
        sample_seed=st.integers(-5, 2**31),
    ),
    verdict=st.builds(VerdictConfig, confidence=shares),
)


def changed(path: str, value: Any, plain: dict[str, Any] | None = None) -> dict[str, Any]:
    """The demo's protocol as a dict, with one dotted field set."""
    plain = to_dict(demo()) if plain is None else plain
    *tables, name = path.split(".")
    table = plain
    for part in tables:
        table = table[part]
    table[name] = value
    return plain


# Round trips


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_toml(tmp_path: Path, name: str) -> None:
    written = preset(name)
    save(written, tmp_path / "protocol.toml")
    assert load(tmp_path / "protocol.toml") == written
    assert from_dict(to_dict(written)) == written


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60, deadline=None)
@given(written=protocols)
def test_any_protocol_comes_back_from_toml(tmp_path: Path, written: Protocol) -> None:
    path = tmp_path / "protocol.toml"
    save(written, path)
    read = load(path)
    assert read == written
    assert list(read.tracks) == list(written.tracks), "the first track is the baseline"
    assert differences(read, written) == []


def test_toml_holds_every_field(tmp_path: Path) -> None:
    save(demo(), tmp_path / "protocol.toml")
    plain = tomllib.loads((tmp_path / "protocol.toml").read_text(encoding="utf-8"))
    assert set(plain) == {item.name for item in fields(Protocol)}
    for item in fields(Protocol):
        value = getattr(demo(), item.name)
        if is_dataclass(value):
            assert set(plain[item.name]) == {part.name for part in fields(value)}
    btm = plain["tracks"]["btm"]
    assert set(btm) == {"recipe"} | {item.name for item in fields(BTMRecipe)}
    assert (btm["recipe"], btm["primitive_vocab_size"], btm["min_frequency"]) == ("btm", 512, 2)


def test_what_is_absent_has_its_default() -> None:
    assert from_dict({}) == Protocol()
    read = from_dict({"name": "mine", "training": {"steps": 7}, "tracks": {"a": {"recipe": "bpe"}, "b": {"recipe": "btm"}}})
    expected = replace(Protocol(), name="mine", training=TrainingConfig(steps=7), tracks={"a": BPERecipe(), "b": BTMRecipe()})
    assert read == expected


def test_a_whole_number_may_stand_where_a_fraction_belongs() -> None:
    read = from_dict(changed("training.learning_rate", 1))
    assert read.training.learning_rate == 1.0
    assert isinstance(read.training.learning_rate, float)


def test_baseline_and_seeds() -> None:
    plan = from_dict(changed("tracks", {"z": {"recipe": "btm"}, "a": {"recipe": "bpe"}}, to_dict(tinystories())))
    assert plan.baseline == "z"
    assert list(plan.seed_numbers) == plan.run_seeds("z") == [1, 2, 3]


def test_a_control_gives_the_baseline_as_many_other_seeds() -> None:
    plan = replace(demo(), seeds=2, control=True)
    assert (list(plan.control_seeds), plan.run_seeds("bpe"), plan.run_seeds("btm")) == ([3, 4], [1, 2, 3, 4], [1, 2])


def test_a_protocol_older_than_the_control_has_none() -> None:
    plain = to_dict(demo())
    del plain["control"]
    assert from_dict(plain) == demo()
    assert not from_dict(plain).control_seeds


# What is wrong


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("vocabsize", "vocab_size"),
        ("training.batchsize", "batch_size"),
        ("training.learningrate", "learning_rate"),
        ("model.layers", "n_layer"),
        ("corpus.max_mb", "max_megabytes"),
        ("evaluation.promts", "prompts"),
        ("verdict.confidense", "confidence"),
        ("tracks.btm.primitive_vocabsize", "primitive_vocab_size"),
        ("tracks.bpe.min_frequencies", "min_frequency"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest(path: str, hint: str) -> None:
    with pytest.raises(TrialError) as raised:
        from_dict(changed(path, 1))
    assert f"unknown field {path}: " in str(raised.value)
    assert hint in str(raised.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", 3),
        ("seeds", "3"),
        ("seeds", 3.0),
        ("seeds", True),
        ("vocab_size", 2048.5),
        ("corpus", "stories.txt"),
        ("corpus.path", ["a.txt"]),
        ("corpus.max_megabytes", "4"),
        ("corpus.max_megabytes", True),
        ("model", 3),
        ("model.n_layer", None),
        ("training.steps", 1e3),
        ("training.schedule", "triangle"),
        ("training.schedule", 5),
        ("training.schedule", ["cosine"]),
        ("training.device", "tpu"),
        ("training.precision", "float16"),
        ("evaluation.prompts", "Once upon a time"),
        ("evaluation.prompts", ["Once", 2]),
        ("tracks", "bpe"),
        ("tracks", ["bpe", "btm"]),
        ("tracks.bpe", "bpe"),
        ("tracks.bpe.min_frequency", 2.5),
        ("tracks.btm.primitive_vocab_size", "1024"),
        ("tracks.btm.scope", "word"),
        ("tracks.btm.score", 1),
    ],
)
def test_a_value_of_the_wrong_type_is_named(path: str, value: Any) -> None:
    with pytest.raises(TrialError) as raised:
        from_dict(changed(path, value))
    assert path in str(raised.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("seeds", 0),
        ("vocab_size", 256),
        ("corpus.path", ""),
        ("corpus.validation_share", 0),
        ("corpus.validation_share", 1),
        ("corpus.validation_share", -0.1),
        ("corpus.max_megabytes", -1),
        ("corpus.max_megabytes", 0),  # the demo's storybook has no end
        ("corpus.separator", "  "),
        ("corpus.separator", "two\nlines"),
        ("model.n_layer", 0),
        ("model.n_head", 0),
        ("model.n_head", 3),  # 128 is no multiple
        ("model.width", 0),
        ("model.width", 130),
        ("model.context", 0),
        ("model.context", 127),
        ("training.batch_size", 0),
        ("training.steps", 0),
        ("training.log_every", 0),
        ("training.checkpoint_every", 0),
        ("training.epochs", -0.5),
        ("training.learning_rate", -1e-9),
        ("training.warmup_steps", -1),
        ("training.weight_decay", -0.1),
        ("training.gradient_clip", -1),
        ("training.micro_batch_size", 3),  # does not divide 16
        ("training.micro_batch_size", 32),
        ("training.final_learning_rate_share", -0.1),
        ("training.final_learning_rate_share", 1.1),
        ("training.beta1", -0.1),
        ("training.beta1", 1),  # Adam would divide by zero
        ("training.beta2", -0.1),
        ("training.beta2", 1),
        ("evaluation.eval_documents", 0),
        ("evaluation.max_new_bytes", 0),
        ("evaluation.temperature", -0.1),
        ("evaluation.top_k", -1),
        ("evaluation.prompts", ["Once", ""]),
        ("verdict.confidence", 0),
        ("verdict.confidence", 1),
        ("tracks", {}),
        ("tracks", {"bpe": {"recipe": "bpe"}}),
    ],
)
def test_a_value_out_of_range_is_named(path: str, value: Any) -> None:
    with pytest.raises(TrialError) as raised:
        from_dict(changed(path, value))
    assert path in str(raised.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "path",
    [
        "corpus.validation_share",
        "corpus.max_megabytes",
        "training.epochs",
        "training.learning_rate",
        "training.weight_decay",
        "training.beta1",
        "training.gradient_clip",
        "training.final_learning_rate_share",
        "evaluation.temperature",
        "verdict.confidence",
    ],
)
def test_a_number_that_is_not_finite_is_named(path: str, value: float) -> None:
    with pytest.raises(TrialError) as raised:
        from_dict(changed(path, value))
    assert path in str(raised.value)


@pytest.mark.parametrize("surrogate", ["\ud800", "\udce4", "\udfff"])
@pytest.mark.parametrize("path", ["name", "corpus.path", "corpus.separator", "evaluation.minimal_pairs", "evaluation.prompts"])
def test_text_that_utf_8_cannot_hold_is_named(path: str, surrogate: str) -> None:
    text = f"m{surrogate}rchen"
    with pytest.raises(TrialError, match=f"{path} must be text that UTF-8 can hold") as raised:
        from_dict(changed(path, [text] if path == "evaluation.prompts" else text))
    assert str(raised.value).encode(), "the message itself must be printable"


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (lambda: BPERecipe(min_frequency=0), "min_frequency"),
        (lambda: BTMRecipe(min_frequency=0), "min_frequency"),
        (lambda: BTMRecipe(primitive_vocab_size=256), "primitive_vocab_size"),
        (lambda: BTMRecipe(score="pmy"), "score 'pmy': did you mean 'pmi'"),
    ],
)
def test_a_recipe_out_of_range_is_named(recipe: Callable[[], Any], name: str) -> None:
    with pytest.raises(TrialError, match=name):
        recipe()


def test_more_primitives_than_entries_are_refused() -> None:
    with pytest.raises(TrialError, match=r"tracks\.btm\.primitive_vocab_size is 4096, which is above vocab_size 1024"):
        from_dict(changed("tracks.btm.primitive_vocab_size", 4096))


def test_a_track_may_have_a_vocabulary_of_its_own_size() -> None:
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "small": BPERecipe(vocab_size=300), "bytes": BytesRecipe()}
    plan = replace(demo(), tracks=tracks)
    assert {name: recipe.vocab_size for name, recipe in plan.sized_tracks.items()} == {"bpe": 1024, "small": 300, "bytes": 257}
    assert from_dict(to_dict(plan)) == plan
    larger = BTMRecipe(primitive_vocab_size=2000, vocab_size=3000)
    assert replace(demo(), tracks={"bpe": BPERecipe(), "btm": larger}).sized_tracks["btm"] == larger


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"recipe": "bpe", "vocab_size": 256}, r"tracks\.mine\.vocab_size must be at least 257, but is 256"),
        ({"recipe": "bpe", "vocab_size": -1}, r"tracks\.mine\.vocab_size must be at least 257, but is -1"),
        ({"recipe": "bpe", "vocab_size": 2**21}, r"tracks\.mine\.vocab_size must be at most 1,048,576"),
        ({"recipe": "btm", "vocab_size": 600}, "primitive_vocab_size is 4096, which is above vocab_size 600"),
        ({"recipe": "bytes", "vocab_size": 300}, "the recipe `bytes` has 257 entries, not 300"),
    ],
)
def test_a_size_that_a_track_cannot_have_is_named(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(TrialError, match=said):
        from_dict(changed("tracks", {"bpe": {"recipe": "bpe"}, "mine": fields}))


def test_at_equal_flops_a_track_takes_the_steps_that_cost_what_those_of_the_baseline_do() -> None:
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "bytes": BytesRecipe(), "large": BPERecipe(vocab_size=4096)}
    plan = replace(demo(), tracks=tracks, verdict=VerdictConfig(budget="flops"))
    model, training = plan.shape_of("bpe")
    assert (model, training) == (plan.model, plan.training)
    flops = training.steps * flops_per_step(model, training, 1024)
    for track, size in (("bytes", 257), ("large", 4096)):
        shape, settings = plan.shape_of(track)
        assert (shape, replace(settings, steps=800)) == (model, training)
        cost = flops_per_step(shape, settings, size)
        assert abs(settings.steps * cost - flops) <= cost / 2
    assert plan.shape_of("bytes")[1].steps > 800 > plan.shape_of("large")[1].steps
    assert replace(plan, verdict=VerdictConfig()).shape_of("bytes")[1].steps == 800
    half = replace(plan, training=replace(plan.training, match="bytes")).shape_of("large", token_ratio=2.0)
    assert half[0].context == model.context // 2
    assert abs(half[1].steps * flops_per_step(*half, 4096) - flops) <= flops_per_step(*half, 4096) / 2


def test_equal_flops_and_passes_over_the_text_are_refused_together() -> None:
    with pytest.raises(TrialError, match="both decide how many steps"):
        replace(demo(), verdict=VerdictConfig(budget="flops"), training=replace(demo().training, epochs=1.0))


def test_a_trial_that_has_begun_changes_neither_to_equal_flops_nor_from_there() -> None:
    assert is_amendable("verdict.budget", "steps", "bytes", demo())
    assert not is_amendable("verdict.budget", "steps", "flops", demo())
    assert not is_amendable("verdict.budget", "flops", "bytes", demo())


@pytest.mark.parametrize("name", ["", "a/b", "..", "../../ESCAPED", "a b", "bp\u00e9\n", "C:", "a" * 201])
def test_what_cannot_name_a_folder_names_neither_a_track_nor_a_trial(name: str) -> None:
    with pytest.raises(TrialError, match="a track's name is also a folder's"):
        from_dict(changed("tracks", {name: {"recipe": "bpe"}, "btm": {"recipe": "btm", "primitive_vocab_size": 300}}))
    with pytest.raises(TrialError, match="a trial's name is also a folder's"):
        from_dict(changed("name", name))


def test_tracks_whose_names_differ_by_case_alone_are_refused() -> None:
    with pytest.raises(TrialError, match="the tracks bpe and BPE differ by case alone"):
        from_dict(changed("tracks.BPE", {"recipe": "bpe"}))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("seeds", 10**9, "at most 1,000 (each seed is a training of every track)"),
        ("most_seeds", 10**9, "at most 1,000"),
        ("tuning.seeds", 10**9, "at most 1,000"),
        ("vocab_size", 10**8, "at most 1,048,576 (four times the largest vocabularies in use)"),
        ("vocab_size", 10**23, "at most 1,048,576"),
        ("model.n_layer", 10**6, "at most 1,000"),
        ("training.steps", 10**23, "at most 1,000,000,000,000"),
    ],
)
def test_a_number_beyond_any_use_is_refused_with_its_bound(path: str, value: int, said: str) -> None:
    with pytest.raises(TrialError) as raised:
        from_dict(changed(path, value))
    assert f"{path} must be {said}" in str(raised.value)


ABSURD: tuple[Any, ...] = (
    *(10**23, -(10**23), 10**400, 10**5000, 2**63, -1, 0, 1e300, 5e-324, float("nan"), float("-inf")),
    *("", "x" * 10_000, "\0", "\ud800", "../x", "os:system", ":", b"x", True, None, date(2026, 1, 1)),
    *([], [[]], [10**5000], ["a", 1], {}, {"a": {"b": []}}),
)


def test_whatever_stands_in_a_field_it_is_a_protocol_or_one_line() -> None:
    plain = to_dict(demo())
    plain["tracks"]["file"] = {"recipe": "file", "path": "tokenizer.json"}
    tables = [name for name, value in plain.items() if isinstance(value, dict)]
    inner = [f"{table}.{name}" for table in tables for name in plain[table]]
    recipes = [f"tracks.{track}.{name}" for track, recipe in plain["tracks"].items() for name in recipe]
    refused = 0
    for path in [*plain, *inner, *recipes]:
        for value in ABSURD:
            try:
                from_dict(changed(path, value, deepcopy(plain)))
            except TrialError as error:
                refused += 1
                assert str(error).isprintable(), "one line that every terminal can show"
    assert refused > len(ABSURD) * len(inner) / 2


def test_an_unknown_recipe_is_named_with_the_nearest() -> None:
    with pytest.raises(TrialError, match=r"tracks\.bpe\.recipe is 'btmm': did you mean 'btm'\?"):
        from_dict(changed("tracks.bpe.recipe", "btmm"))
    with pytest.raises(TrialError, match=r"tracks\.bpe\.recipe is 'wordpiece': known are: bpe, btm"):
        from_dict(changed("tracks.bpe.recipe", "wordpiece"))


def test_a_track_without_a_recipe_is_told_what_to_add() -> None:
    plain = to_dict(demo())
    del plain["tracks"]["bpe"]["recipe"]
    with pytest.raises(TrialError, match=r'tracks\.bpe has no recipe: add recipe = "bpe"'):
        from_dict(plain)


def test_an_unknown_preset_is_named_with_the_nearest() -> None:
    with pytest.raises(TrialError, match="no preset 'lpatop': did you mean 'laptop'"):
        preset("lpatop")


# Sweeps


def test_a_list_makes_a_track_of_each_value() -> None:
    swept = {"recipe": "btm", "primitive_vocab_size": [300, 400, 500], "score": "npmi"}
    plan = from_dict(changed("tracks", {"bpe": {"recipe": "bpe"}, "btm": swept, "last": {"recipe": "bytes"}}))
    assert list(plan.tracks) == ["bpe", "btm-300", "btm-400", "btm-500", "last"]
    for size in (300, 400, 500):
        assert plan.tracks[f"btm-{size}"] == BTMRecipe(primitive_vocab_size=size, score="npmi")
    assert from_dict(to_dict(plan)) == plan, "a trial's own protocol holds the tracks, not the lists"


def test_several_lists_make_a_track_of_each_combination() -> None:
    swept = {"recipe": "btm", "primitive_vocab_size": [300, 400], "score": ["pmi", "my.scores:mine"], "scope": "words"}
    plan = from_dict(changed("tracks", {"bpe": {"recipe": ["bpe", "unigram"], "vocab_size": [600, 700]}, "b": swept}))
    assert list(plan.tracks) == [
        "bpe-bpe-600", "bpe-bpe-700", "bpe-unigram-600", "bpe-unigram-700",
        "b-300-pmi", "b-300-my_scores_mine", "b-400-pmi", "b-400-my_scores_mine",
    ]  # fmt: skip
    assert plan.tracks["bpe-unigram-700"] == UnigramRecipe(vocab_size=700)
    assert plan.tracks["b-400-my_scores_mine"] == BTMRecipe(primitive_vocab_size=400, score="my.scores:mine", scope="words")


@pytest.mark.parametrize(
    ("tracks", "said"),
    [
        ({"b": {"recipe": "btm", "primitive_vocab_size": []}}, r"tracks\.b\.primitive_vocab_size is an empty list"),
        ({"b": {"recipe": "btm", "primitive_vocab_size": [300, 300]}}, r"tracks\.b makes a second track b-300"),
        ({"b-300": {"recipe": "bpe"}, "b": {"recipe": "bpe", "vocab_size": [300]}}, r"tracks\.b makes a second track b-300"),
        ({"b": {"recipe": "bpe", "vocab_size": [300, "many"]}}, r"tracks\.b-many\.vocab_size must be a whole number"),
        ({"b": {"recipe": "bpe", "vocab_size": [[300, 400]]}}, r"vocab_size must be a whole number, but is \[300, 400\]"),
        ({"b": {"recipe": "bpe", "vocab_sizes": [300, 400]}}, r"unknown field tracks\.b-300\.vocab_sizes"),
        ({"b": {"recipe": "btm", "score": ["pmi", "pmy"]}}, "there is no score 'pmy'"),
        ({"b": [{"recipe": "bpe"}]}, r"tracks\.b must be a table"),
    ],
)
def test_a_sweep_that_makes_no_tracks_is_named(tracks: dict[str, Any], said: str) -> None:
    with pytest.raises(TrialError, match=said):
        from_dict(changed("tracks", {"bpe": {"recipe": "bpe"}, **tracks}))


# What differs


def test_differences_list_every_field_that_differs() -> None:
    ours = demo()
    theirs = replace(
        ours,
        seeds=5,
        training=replace(ours.training, steps=7, schedule="cosine"),
        evaluation=replace(ours.evaluation, prompts=("Once",)),
        tracks={"bpe": BPERecipe(min_frequency=3), "other": BPERecipe()},
    )
    found = {name: (our, their) for name, our, their in differences(ours, theirs)}
    assert found.pop("evaluation.prompts") == (list(ours.evaluation.prompts), ["Once"])
    assert found == {
        "seeds": (3, 5),
        "training.steps": (ours.training.steps, 7),
        "training.schedule": ("constant", "cosine"),
        "tracks.bpe.min_frequency": (2, 3),
        "tracks.btm.recipe": ("btm", None),
        **{f"tracks.btm.{item.name}": (getattr(ours.tracks["btm"], item.name), None) for item in fields(BTMRecipe)},
        "tracks.other.recipe": (None, "bpe"),
        "tracks.other.vocab_size": (None, 0),
        "tracks.other.min_frequency": (None, 2),
    }
    assert differences(ours, demo()) == []


def test_differences_of_presets_are_those_of_their_toml() -> None:
    names = {name for name, _, _ in differences(laptop(), demo())}
    assert {"name", "vocab_size", "corpus.path", "model.width", "training.steps", "evaluation.eval_documents"} <= names
    assert not {"seeds", "verdict.confidence", "tracks.bpe.recipe", "training.weight_decay"} & names


def test_a_trial_that_has_begun_takes_other_threads() -> None:
    assert is_amendable("training.threads", 0, 1, demo())
    assert not is_amendable("training.batch_size", 16, 8, demo())


# Files


def test_a_trials_protocol_that_was_cut_short_is_no_protocol_with_defaults(tmp_path: Path) -> None:
    path = tmp_path / "protocol.toml"
    save(demo(), path)
    whole = path.read_bytes()
    for end in range(0, whole.rindex(b"[verdict]") + 1, 7):
        path.write_bytes(whole[:end])
        with pytest.raises(TrialError, match=r"protocol\.toml"):
            load(path, of_trial=True)
    path.write_bytes(whole[: whole.index(b"[evaluation]")])
    with pytest.raises(TrialError, match=r"is cut short: it lacks evaluation, verdict\. Restore it"):
        load(path, of_trial=True)
    assert load(path).seeds == demo().seeds, "a protocol that somebody wrote may leave out what it does not change"


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"there is no protocol at .*nowhere\.toml"):
        load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "content",
    [
        b"a = " + b"[" * 9999,
        b"seeds = 1" + b"0" * 5000,
        b"seeds = = 3",
        b"[training\nsteps = 3",
        b"seeds = 1\nseeds = 2",
        b"name = '\xff\xfe'",
    ],
)
def test_a_file_that_is_no_toml_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(TrialError, match=r"mine\.toml is not valid TOML"):
        load(path)


def test_an_error_in_a_file_names_file_and_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[training]\nstep = 3\n", encoding="utf-8")
    with pytest.raises(TrialError, match=r"mine\.toml: unknown field training\.step: did you mean 'steps'"):
        protocol.load(path)
