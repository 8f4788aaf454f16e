"""The tokenizers stage: every tokenizer and graph once, under its name, and nothing made again that is done."""

import shutil
from pathlib import Path

import pytest

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.config import BPERecipe, BTMRecipe, FileRecipe, Recipe, primitive_names, tokenizer_names
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokenizer.stage import prepare_tokenizers
from toktrial.tokenizer.tkn import PairGraph

VOCAB_SIZE, PRIMITIVES = 600, 400
TRACKS: dict[str, Recipe] = {"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=PRIMITIVES)}
BASELINE, PRIMITIVE, EXPERIMENTAL = "bpe_baseline_tokenizer", "btm_primitive_tokenizer", "btm_experimental_tokenizer"
FOLDERS = {
    f"tokenizers/{BASELINE}",
    f"tokenizers/{PRIMITIVE}",
    f"tokenizers/{EXPERIMENTAL}",
    f"graphs/{PRIMITIVE}",
}


@pytest.fixture(scope="module")
def documents(storybook: list[str]) -> Documents:
    return Documents.of(storybook[:100])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, documents: Documents) -> Path:
    """A trial folder after the stage; tests that write copy it."""
    trial = tmp_path_factory.mktemp("trial")
    prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", trial)
    return trial


@pytest.fixture
def trial(tmp_path: Path, finished: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "trial"))


def stages_of(trial: Path) -> set[str]:
    """Every folder of the stage, unfinished and left-over ones too."""
    return {path.relative_to(trial).as_posix() for part in ("tokenizers", "graphs") for path in (trial / part).iterdir()}


def times_of(trial: Path) -> dict[str, int]:
    """When each file, and each folder, was last written."""
    return {path.relative_to(trial).as_posix(): path.stat().st_mtime_ns for path in trial.rglob("*")}


def made_again(before: dict[str, int], after: dict[str, int]) -> set[str]:
    """The stages whose files are not the same as before."""
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {"/".join(path.split("/")[:2]) for path in changed if path.count("/") >= 2}


def test_every_stage_has_its_name(finished: Path) -> None:
    assert stages_of(finished) == FOLDERS
    assert (finished / "graphs" / PRIMITIVE / "graph.parquet").is_file()
    for folder in FOLDERS:
        artifact.check_files(finished / folder)


def test_what_is_made_is_what_training_alone_gives(finished: Path, documents: Documents) -> None:
    baseline, primitive, experimental = (
        load_tokenizer(finished / "tokenizers" / name) for name in (BASELINE, PRIMITIVE, EXPERIMENTAL)
    )
    assert baseline.token_bytes == BPETokenizer.train(documents, VOCAB_SIZE).token_bytes
    assert primitive.token_bytes == BPETokenizer.train(documents, PRIMITIVES).token_bytes
    assert isinstance(experimental, BTMTokenizer)
    assert experimental.merges.tolist() == BTMTokenizer.train(documents, VOCAB_SIZE, PRIMITIVES).merges.tolist()
    assert experimental.primitive.token_bytes == primitive.token_bytes


def test_the_manifests_say_what_was_made(finished: Path, documents: Documents) -> None:
    manifest = artifact.read_manifest(finished / "tokenizers" / EXPERIMENTAL)
    assert (manifest["recipe"], manifest["entries"], manifest["requested"]) == ("btm", VOCAB_SIZE, VOCAB_SIZE)
    assert (manifest["primitives"], manifest["merges"]) == (PRIMITIVES, VOCAB_SIZE - PRIMITIVES)
    assert manifest["passed_over"] == 0
    assert artifact.read_manifest(finished / "tokenizers" / PRIMITIVE)["entries"] == PRIMITIVES
    graph = artifact.read_manifest(finished / "graphs" / PRIMITIVE)
    primitive = load_tokenizer(finished / "tokenizers" / PRIMITIVE)
    assert graph["documents"] == len(documents) == 100
    assert graph["tokens"] == sum(len(ids) for ids in primitive.encode_batch(documents))
    assert graph["pairs"] == len(PairGraph.load(finished / "graphs" / PRIMITIVE))
    assert graph["seconds"] > 0


def test_the_graphs_top_edge_is_the_first_merge(finished: Path) -> None:
    graph = PairGraph.load(finished / "graphs" / PRIMITIVE)
    experimental = load_tokenizer(finished / "tokenizers" / EXPERIMENTAL)
    assert isinstance(experimental, BTMTokenizer)
    left, right, new, count = experimental.merges[0].tolist()
    assert graph.edges()[0].tolist() == [left, right, count]
    assert new == PRIMITIVES
    assert graph.count(left, right) == count > 100


def test_a_second_call_does_nothing(trial: Path, documents: Documents) -> None:
    before = times_of(trial)
    first = prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", trial)
    assert times_of(trial) == before
    assert prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", trial) == first
    assert first == {
        "bpe": artifact.read_manifest(trial / "tokenizers" / BASELINE)["fingerprint"],
        "btm": artifact.read_manifest(trial / "tokenizers" / EXPERIMENTAL)["fingerprint"],
    }


@pytest.mark.parametrize("folder", sorted(FOLDERS))
@pytest.mark.parametrize("damage", ["cut manifest", "removed", "emptied", "of another corpus"])
def test_what_is_damaged_or_unfinished_is_made_again(trial: Path, documents: Documents, folder: str, damage: str) -> None:
    manifest = trial / folder / artifact.MANIFEST
    if damage == "cut manifest":
        manifest.write_text(manifest.read_text()[:40])
    elif damage == "of another corpus":
        artifact.write_json(manifest, artifact.read_json(manifest) | {"fingerprint": "0" * 64})
    else:
        shutil.rmtree(trial / folder)
        if damage == "emptied":
            (trial / folder).mkdir()
    left_over = trial / f"{folder.split('/')[0]}/.{folder.split('/')[1]}.99999999.partial"  # a stage that was cut off
    left_over.mkdir()
    (left_over / "half").write_text("half")
    before = times_of(trial)
    fingerprints = prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", trial)
    assert made_again(before, times_of(trial)) == {folder, left_over.relative_to(trial).as_posix()}
    assert stages_of(trial) == FOLDERS
    artifact.check_files(trial / folder)
    assert prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", trial) == fingerprints


def test_a_checkpoint_of_a_finished_tokenizer_is_removed(trial: Path, documents: Documents) -> None:
    """The process may have ended between the two."""
    left_over = trial / "tokenizers" / f".{EXPERIMENTAL}.merges.npz"
    left_over.write_bytes(b"merges")
    prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", trial)
    assert not left_over.exists()


def test_a_file_track_of_a_damaged_manifest_is_made_again(trial: Path, documents: Documents) -> None:
    path = trial / "tokenizers" / BASELINE / "tokenizer.json"
    tracks: dict[str, Recipe] = {"file": FileRecipe(path=str(path))}
    made = prepare_tokenizers(tracks, VOCAB_SIZE, documents, "corpus", trial)
    manifest = trial / "tokenizers" / "file_tokenizer" / artifact.MANIFEST
    manifest.write_text(manifest.read_text()[:40])
    assert prepare_tokenizers(tracks, VOCAB_SIZE, documents, "corpus", trial) == made
    artifact.check_files(manifest.parent)


def test_a_damaged_file_that_is_needed_stops_the_stage(trial: Path, documents: Documents) -> None:
    shutil.rmtree(trial / "tokenizers" / EXPERIMENTAL)
    path = trial / "tokenizers" / PRIMITIVE / "tokenizer.json"
    path.write_text(path.read_text().replace("t", "e", 3))
    with pytest.raises(TrialError, match=r"tokenizer\.json is damaged"):
        prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", trial)


def test_another_corpus_makes_everything_again(trial: Path, documents: Documents) -> None:
    before = times_of(trial)
    old = prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", trial)
    new = prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "another corpus", trial)
    assert made_again(before, times_of(trial)) == FOLDERS
    assert not set(new.values()) & set(old.values())


def test_a_larger_vocabulary_leaves_primitives_and_graph(trial: Path, documents: Documents) -> None:
    before = times_of(trial)
    prepare_tokenizers(TRACKS, VOCAB_SIZE + 50, documents, "corpus", trial)
    assert made_again(before, times_of(trial)) == {f"tokenizers/{BASELINE}", f"tokenizers/{EXPERIMENTAL}"}
    assert load_tokenizer(trial / "tokenizers" / EXPERIMENTAL).vocab_size == VOCAB_SIZE + 50


def test_equal_primitives_are_shared_and_different_ones_are_not(tmp_path: Path, documents: Documents) -> None:
    tracks: dict[str, Recipe] = {
        "a": BTMRecipe(primitive_vocab_size=300),
        "same": BTMRecipe(primitive_vocab_size=300),
        "b": BTMRecipe(primitive_vocab_size=350),
        "frequent": BTMRecipe(primitive_vocab_size=300, min_frequency=1500),
    }
    fingerprints = prepare_tokenizers(tracks, 450, documents, "corpus", tmp_path)
    primitives = {PRIMITIVE, f"{PRIMITIVE}_b", f"{PRIMITIVE}_frequent"}
    experimental = {EXPERIMENTAL, f"{EXPERIMENTAL}_b", f"{EXPERIMENTAL}_frequent"}
    assert stages_of(tmp_path) == {f"graphs/{name}" for name in primitives} | {
        f"tokenizers/{name}" for name in primitives | experimental
    }
    assert fingerprints["a"] == fingerprints["same"]
    assert len(set(fingerprints.values())) == 3
    assert load_tokenizer(tmp_path / "tokenizers" / PRIMITIVE).vocab_size == 300
    assert load_tokenizer(tmp_path / "tokenizers" / f"{PRIMITIVE}_b").vocab_size == 350
    other = load_tokenizer(tmp_path / "tokenizers" / f"{EXPERIMENTAL}_b")
    assert isinstance(other, BTMTokenizer)
    assert other.primitive.vocab_size == 350
    frequent = load_tokenizer(tmp_path / "tokenizers" / f"{PRIMITIVE}_frequent")
    assert frequent.token_bytes == BPETokenizer.train(documents, 300, min_frequency=1500).token_bytes
    assert 257 < frequent.vocab_size < 290  # so it cannot have been cut from a tokenizer that learned rarer pairs


def test_bpe_is_trained_once_and_cut(tmp_path: Path, documents: Documents, capsys: pytest.CaptureFixture[str]) -> None:
    prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", tmp_path)
    begun = [line for line in capsys.readouterr().err.splitlines() if line.endswith("...")]
    assert [line for line in begun if line.startswith("training BPE")] == [f"training BPE of {VOCAB_SIZE} entries ..."]


def test_hfs_trainer_makes_the_same_tokenizers_under_fingerprints_of_their_own(
    tmp_path: Path, documents: Documents, finished: Path
) -> None:
    """Those of the default are what they were before there was a choice."""
    prepare_tokenizers(TRACKS, VOCAB_SIZE, documents, "corpus", tmp_path, bpe_trainer="hf")
    for name in (BASELINE, PRIMITIVE, EXPERIMENTAL):
        ours, by_hf = (artifact.read_manifest(trial / "tokenizers" / name) for trial in (finished, tmp_path))
        assert ours["files"] == by_hf["files"]
        assert ours["fingerprint"] != by_hf["fingerprint"]
    about_baseline = {"corpus": "corpus", "vocab_size": VOCAB_SIZE, "min_frequency": 2}
    fingerprint = artifact.fingerprint("bpe tokenizer", about_baseline)
    assert artifact.is_finished(finished / "tokenizers" / BASELINE, fingerprint)


def test_a_primitive_may_be_as_large_as_the_baseline(tmp_path: Path, documents: Documents) -> None:
    tracks: dict[str, Recipe] = {"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=350)}
    prepare_tokenizers(tracks, 350, documents, "corpus", tmp_path)
    entries = [load_tokenizer(path).token_bytes for path in sorted((tmp_path / "tokenizers").iterdir())]
    assert entries[0] == entries[1] == entries[2]
    assert len(entries[0]) == 350


def test_a_small_corpus_gives_fewer_entries_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = Documents.of(["The dog ran. The dog sat.", "The dog ran."])
    prepare_tokenizers({"bpe": BPERecipe(), "btm": BTMRecipe(300)}, 5000, tiny, "corpus", tmp_path)
    said = capsys.readouterr().err
    for name in (BASELINE, EXPERIMENTAL):
        manifest = artifact.read_manifest(tmp_path / "tokenizers" / name)
        assert 257 < manifest["entries"] < 300 < manifest["requested"] == 5000
        assert f"{name}: {manifest['entries']} entries of the 5,000 asked for" in said


def test_names_of_tokenizers() -> None:
    small, rare = BTMRecipe(primitive_vocab_size=1024), BTMRecipe(min_frequency=3)
    assert tokenizer_names({"x": BPERecipe(), "y": BTMRecipe()}) == {"x": BASELINE, "y": EXPERIMENTAL}
    btm: dict[str, Recipe] = {"a": BTMRecipe(), "b": small, "c": BTMRecipe(), "d": rare}
    assert tokenizer_names(btm | {"e": BPERecipe(), "f": BPERecipe(9)}) == {
        "a": EXPERIMENTAL,
        "b": f"{EXPERIMENTAL}_b",
        "c": EXPERIMENTAL,
        "d": f"{EXPERIMENTAL}_d",
        "e": BASELINE,
        "f": f"{BASELINE}_f",
    }
    assert tokenizer_names({}) == {}


def test_names_of_primitives() -> None:
    small, rare = BTMRecipe(primitive_vocab_size=1024), BTMRecipe(min_frequency=3)
    tracks: dict[str, Recipe] = {"x": BPERecipe(), "a": BTMRecipe(), "b": small, "c": BTMRecipe(), "d": rare, "e": small}
    assert primitive_names(tracks) == {
        "a": PRIMITIVE,
        "b": f"{PRIMITIVE}_b",
        "c": PRIMITIVE,
        "d": f"{PRIMITIVE}_d",
        "e": f"{PRIMITIVE}_b",
    }


def test_recipes_refuse_what_no_tokenizer_can_be() -> None:
    with pytest.raises(TrialError, match="min_frequency must be at least 1, but is 0"):
        BPERecipe(min_frequency=0)
    with pytest.raises(TrialError, match="min_frequency must be at least 1, but is 0"):
        BTMRecipe(min_frequency=0)
    with pytest.raises(TrialError, match=r"primitive_vocab_size must be at least 257 .*but is 256"):
        BTMRecipe(primitive_vocab_size=256)
