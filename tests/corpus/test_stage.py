"""The corpus stage: a split that is stable and exact, every document once, an honest manifest, nothing half-written."""

import json
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.artifact import check_files, is_finished, read_manifest
from toktrial.corpus.config import CorpusConfig
from toktrial.corpus.documents import BATCH_BYTES
from toktrial.corpus.stage import corpus_fingerprint, document_hash, is_validation, open_documents, prepare_corpus
from toktrial.errors import TrialError

SEPARATOR_LINE = "\n<|endoftext|>\n"
STORIES = [f"Story {i}: the füchslein counted {i * i} stars." for i in range(400)]
SHARE = 0.1


def write_text(path: Path, documents: list[str]) -> Path:
    path.write_text(SEPARATOR_LINE.join(documents), encoding="utf-8", newline="")
    return path


def config_of(path: Path, **settings: Any) -> CorpusConfig:
    return CorpusConfig(path=str(path), **{"validation_share": SHARE} | settings)


def n_utf8_bytes(documents: list[str]) -> int:
    return sum(len(document.encode()) for document in documents)


@pytest.fixture
def stories(tmp_path: Path) -> Path:
    return write_text(tmp_path / "stories.txt", STORIES)


def test_each_document_is_in_its_split_once_and_in_order(tmp_path: Path, stories: Path) -> None:
    prepare_corpus(config_of(stories), tmp_path / "corpus")
    validation = [story for story in STORIES if is_validation(document_hash(story), SHARE)]
    train = [story for story in STORIES if story not in validation]
    assert list(open_documents(tmp_path / "corpus", "train")) == train
    assert list(open_documents(tmp_path / "corpus", "validation")) == sorted(validation, key=document_hash)
    assert len(validation) > 20
    assert validation != sorted(validation, key=document_hash)


def test_the_manifest_counts_what_is_there(tmp_path: Path) -> None:
    stories = write_text(tmp_path / "stories.txt", ["", *STORIES, "", "", "last"])
    manifest = prepare_corpus(config_of(stories), tmp_path / "corpus")
    assert manifest == read_manifest(tmp_path / "corpus")
    for split in ("train", "validation"):
        documents = list(open_documents(tmp_path / "corpus", split))
        assert manifest[split] == {"documents": len(documents), "bytes": n_utf8_bytes(documents)}
    assert manifest["train"]["documents"] + manifest["validation"]["documents"] == len(STORIES) + 1
    assert manifest["empty_documents_dropped"] == 3
    assert manifest["validation_documents_also_in_training"] == 0
    assert manifest["source"] == {
        "path": str(stories),
        "files": [{"name": "stories.txt", "bytes": stories.stat().st_size}],
    }
    assert 0 < manifest["seconds"] < 60
    assert set(manifest["files"]) == {"train.arrow", "validation.arrow"}
    check_files(tmp_path / "corpus")


def test_equal_documents_never_fall_on_both_sides(tmp_path: Path) -> None:
    repeated = write_text(tmp_path / "stories.txt", STORIES + STORIES[::2] + STORIES[::-3])
    manifest = prepare_corpus(config_of(repeated), tmp_path / "corpus")
    train = Counter(open_documents(tmp_path / "corpus", "train"))
    validation = Counter(open_documents(tmp_path / "corpus", "validation"))
    assert not train.keys() & validation.keys()
    assert train + validation == Counter(STORIES + STORIES[::2] + STORIES[::-3])
    assert manifest["validation_documents_also_in_training"] == 0


def test_validation_stays_the_same_when_the_corpus_is_shuffled(tmp_path: Path, stories: Path) -> None:
    prepare_corpus(config_of(stories), tmp_path / "corpus")
    prepare_corpus(config_of(write_text(tmp_path / "turned.txt", STORIES[::-1])), tmp_path / "turned")
    assert list(open_documents(tmp_path / "turned", "validation")) == list(open_documents(tmp_path / "corpus", "validation"))


def test_documents_of_many_batches_are_sorted_too(tmp_path: Path) -> None:
    long_stories = [f"{i} " + "x" * (BATCH_BYTES // 5) for i in range(40)]
    stories = write_text(tmp_path / "stories.txt", long_stories)
    prepare_corpus(config_of(stories, validation_share=0.5), tmp_path / "corpus")
    validation = open_documents(tmp_path / "corpus", "validation")
    assert len(list(validation.batches())) > 1
    expected = [story for story in long_stories if is_validation(document_hash(story), 0.5)]
    assert list(validation) == sorted(expected, key=document_hash)


def test_named_validation_documents_are_all_used_and_overlap_is_counted(tmp_path: Path, stories: Path) -> None:
    extra = ["only in validation", STORIES[3], STORIES[3], "", STORIES[7], "only there too"]
    named = write_text(tmp_path / "valid.txt", extra)
    manifest = prepare_corpus(config_of(stories, validation_path=str(named)), tmp_path / "corpus")
    assert list(open_documents(tmp_path / "corpus", "train")) == STORIES
    validation = list(open_documents(tmp_path / "corpus", "validation"))
    assert validation == sorted([text for text in extra if text], key=document_hash)
    assert manifest["validation_documents_also_in_training"] == 3
    assert manifest["empty_documents_dropped"] == 1
    assert manifest["validation_source"]["files"] == [{"name": "valid.txt", "bytes": named.stat().st_size}]


def test_real_stories_are_all_kept(tmp_path: Path, shared_data: Path) -> None:
    config = CorpusConfig(
        path=str(shared_data / "tinystories" / "train.txt"),
        validation_path=str(shared_data / "tinystories" / "valid.txt"),
    )
    manifest = prepare_corpus(config, tmp_path / "corpus")
    assert manifest["train"] == {"documents": 12_430, "bytes": 10_379_484 - 12_430 * len(SEPARATOR_LINE)}
    assert manifest["validation"]["documents"] == 488
    assert manifest["validation_documents_also_in_training"] == 0


def test_a_folder_of_files_is_in_the_manifest(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    write_text(source / "b.txt", STORIES[:200])
    (source / "deep" / "a.jsonl").write_text("\n".join(json.dumps({"text": story}) for story in STORIES[200:]))
    manifest = prepare_corpus(config_of(source), tmp_path / "corpus")
    assert [file["name"] for file in manifest["source"]["files"]] == ["b.txt", "deep/a.jsonl"]
    assert manifest["train"]["documents"] + manifest["validation"]["documents"] == len(STORIES)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file system that takes any bytes as a name")
def test_a_file_name_that_is_no_utf8_does_not_break_the_manifest(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write_text(source / "m\udce4rchen.txt", STORIES)
    manifest = prepare_corpus(config_of(source), tmp_path / "corpus")
    assert [file["name"] for file in manifest["source"]["files"]] == ["m\\xe4rchen.txt"]


def test_the_storybook_becomes_a_corpus(tmp_path: Path) -> None:
    manifest = prepare_corpus(CorpusConfig(path="storybook", max_megabytes=0.3), tmp_path / "corpus")
    n_bytes = manifest["train"]["bytes"] + manifest["validation"]["bytes"]
    assert n_bytes == pytest.approx(300_000, rel=0.05)
    assert manifest["source"] == {"path": "storybook", "files": []}


# --- done work is not done again ---


def test_a_finished_corpus_is_not_read_again(tmp_path: Path, stories: Path) -> None:
    first = prepare_corpus(config_of(stories), tmp_path / "corpus")
    written = (tmp_path / "corpus" / "train.arrow").stat().st_mtime_ns
    stories.unlink()
    assert prepare_corpus(config_of(stories), tmp_path / "corpus") == first
    assert (tmp_path / "corpus" / "train.arrow").stat().st_mtime_ns == written


def test_other_settings_make_the_corpus_anew(tmp_path: Path, stories: Path) -> None:
    prepare_corpus(config_of(stories), tmp_path / "corpus")
    manifest = prepare_corpus(config_of(stories, validation_share=0.3), tmp_path / "corpus")
    assert manifest["validation"]["documents"] > 0.2 * len(STORIES)
    assert is_finished(tmp_path / "corpus", corpus_fingerprint(config_of(stories, validation_share=0.3)))
    assert not is_finished(tmp_path / "corpus", corpus_fingerprint(config_of(stories)))


@pytest.mark.parametrize("changed", ["stories.txt", "valid.txt"])
def test_a_source_that_changed_since_is_not_passed_over(tmp_path: Path, stories: Path, changed: str) -> None:
    named = write_text(tmp_path / "valid.txt", ["a", "b"])
    config = config_of(stories, validation_path=str(named))
    prepare_corpus(config, tmp_path / "corpus")
    with (tmp_path / changed).open("a") as file:
        file.write("more")
    with pytest.raises(TrialError, match=f"{changed} has changed since the corpus in .* Start a new trial folder"):
        prepare_corpus(config, tmp_path / "corpus")


def test_every_setting_is_in_the_fingerprint(stories: Path) -> None:
    settings: dict[str, Any] = {
        "validation_path": "v.txt",
        "validation_share": 0.2,
        "max_megabytes": 1.0,
        "text_field": "story",
        "split": "lines",
        "separator": "---",
        "hub_config": "c",
        "hub_split": "test",
        "storybook_seed": 1,
    }
    configs = [config_of(stories), *(config_of(stories, **{name: value}) for name, value in settings.items())]
    assert len({corpus_fingerprint(config) for config in configs}) == len(settings) + 1


def test_settings_that_came_later_leave_older_fingerprints_as_they_were() -> None:
    """Else every finished trial would be made anew. These are of the version before `split`."""
    hub, storybook = CorpusConfig(), CorpusConfig(path="storybook", max_megabytes=4.0)
    assert corpus_fingerprint(hub) == "e1aa873a101a4b4782ba77f501adacfeebd028cf57e3f0a0e64ecd14dbf695d9"
    assert corpus_fingerprint(storybook) == "9b723f2bbf3f7fa8e0a45d38c17b63e9e32650281db963d7251e4e9874c70a11"


# --- what is said of a corpus when it is made ---


def said(config: CorpusConfig, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Returns the lines that the making of a corpus printed, but for its progress."""
    capsys.readouterr()
    prepare_corpus(config, folder)
    return [line for line in capsys.readouterr().err.splitlines() if not line.startswith("reading ")]


def test_the_documents_are_counted_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stories = write_text(tmp_path / "stories.txt", ["", *STORIES, STORIES[0]])
    lines = said(config_of(stories), tmp_path / "corpus", capsys)
    n_validation = len(open_documents(tmp_path / "corpus", "validation"))
    assert lines == [
        f"401 documents found: {401 - n_validation} for training, {n_validation} for validation; 1 empty document dropped",
        "1 of 401 documents (0.2%) repeat an earlier one",
    ]
    assert said(config_of(stories, max_megabytes=0.01), tmp_path / "cut", capsys)[0].endswith("ended at corpus.max_megabytes")


def test_files_of_several_kinds_with_the_same_text_are_not_read_silently(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.csv").write_text("text\n" + "\n".join(f'"{story}"' for story in STORIES))
    for name in ("b.jsonl", "c.jsonl"):
        (source / name).write_text("\n".join(json.dumps({"text": story}) for story in STORIES[: ord(name[0])]))
    write_text(source / "d.txt", ["\ufeffOnly here."])
    (source / "notes.md").touch()
    (source / "elsewhere").symlink_to(tmp_path)
    files, mark, count, undivided, repeats = said(config_of(source), tmp_path / "corpus", capsys)
    ignored = "ignored 2 files of other kinds (elsewhere, notes.md)"
    assert files == f"{source}: read 1 CSV file, 2 JSON lines files and 1 text file; {ignored}"
    assert mark == f"{source}: dropped the UTF-8 byte order mark at the start of 1 file"
    assert count.startswith("598 documents found: ")
    assert undivided.startswith(f"{source}: the separator line `<|endoftext|>` never occurs")
    assert repeats.startswith("WARNING: 197 of 598 documents (32.9%) repeat an earlier one. 99 are in files of several kinds (")


def test_many_repeats_are_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repeated = write_text(tmp_path / "stories.txt", STORIES + STORIES[:50])
    assert said(config_of(repeated), tmp_path / "corpus", capsys)[1] == (
        "WARNING: 50 of 450 documents (11.1%) repeat an earlier one: remove the repeats, unless the models are meant to read "
        "them so often"
    )


def test_validation_documents_that_are_training_documents_are_a_warning(
    tmp_path: Path, stories: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(config_of(stories, validation_path=str(stories)), tmp_path / "corpus", capsys)
    assert lines[0] == "800 documents found: 400 for training, 400 for validation"
    assert lines[1].startswith("WARNING: 400 of 400 validation documents are training documents too: ")


@pytest.mark.parametrize(
    ("split", "said_of_it"),
    [("separator", ["the separator line `---` never occurs"]), ("blank-lines", ["there are no blank lines"]), ("lines", [])],
)
def test_a_text_that_nothing_divides_is_named(
    tmp_path: Path, stories: Path, split: Any, said_of_it: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where `max_megabytes` ends the reading with its first document."""
    (tmp_path / "one.txt").write_text("A single text.\n")
    config = CorpusConfig(
        path=str(tmp_path / "one.txt"), validation_path=str(stories), split=split, separator="---", max_megabytes=1e-6
    )
    lines = said(config, tmp_path / "corpus", capsys)
    assert [line.split(": ")[1].split(", so")[0] for line in lines if line.startswith(config.path)] == said_of_it


# --- what cannot become a corpus ---


def failure(config: CorpusConfig, folder: Path) -> str:
    """Returns the message of the TrialError, having checked that nothing was left behind."""
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(TrialError) as raised:
        prepare_corpus(config, folder)
    assert sorted(folder.parent.rglob("*")) == before
    return str(raised.value)


def test_an_empty_source_is_an_error(tmp_path: Path) -> None:
    message = failure(config_of(write_text(tmp_path / "d.txt", [])), tmp_path / "corpus")
    assert f"{tmp_path / 'd.txt'} is empty" in message


def test_a_source_of_empty_documents_is_an_error(tmp_path: Path) -> None:
    message = failure(config_of(write_text(tmp_path / "d.txt", ["", "", "", ""])), tmp_path / "corpus")
    assert f"{tmp_path / 'd.txt'} is empty" in message
    assert "(3 empty documents were dropped)" in message


def test_an_empty_validation_source_is_an_error(tmp_path: Path, stories: Path) -> None:
    named = write_text(tmp_path / "valid.txt", [])
    assert f"{named} is empty" in failure(config_of(stories, validation_path=str(named)), tmp_path / "corpus")


def test_an_empty_training_source_is_an_error(tmp_path: Path, stories: Path) -> None:
    empty = write_text(tmp_path / "empty.txt", [])
    assert f"{empty} is empty" in failure(config_of(empty, validation_path=str(stories)), tmp_path / "corpus")


def test_a_corpus_too_small_to_split_is_an_error(tmp_path: Path) -> None:
    few = [story for story in STORIES if not is_validation(document_hash(story), 0.01)][:5]
    message = failure(config_of(write_text(tmp_path / "d.txt", few), validation_share=0.01), tmp_path / "corpus")
    assert f"none of the 5 documents of {tmp_path / 'd.txt'} fell to validation" in message
    assert "larger --corpus.validation-share" in message
    assert "--corpus.validation-path" in message


def test_one_document_is_an_error_that_says_how_to_divide_it(tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("One.\n\nTwo.\n")
    message = failure(config_of(tmp_path / "d.txt"), tmp_path / "corpus")
    assert f"1 document found in {tmp_path / 'd.txt'}, but training and validation need different ones" in message
    assert "the separator line `<|endoftext|>` never occurs" in message
    for remedy in ("--corpus.separator", "--corpus.split to blank-lines", "or lines"):
        assert remedy in message


def test_equal_documents_are_an_error_that_does_not_send_to_the_share(tmp_path: Path) -> None:
    message = failure(config_of(write_text(tmp_path / "d.txt", STORIES[:1] * 5)), tmp_path / "corpus")
    assert "5 documents found" in message
    assert "all with the same text" in message
    assert "--corpus.validation-path" in message
    assert "share" not in message


def test_a_split_without_training_documents_is_an_error(tmp_path: Path) -> None:
    few = [story for story in STORIES if is_validation(document_hash(story), 0.9)][:5]
    message = failure(config_of(write_text(tmp_path / "d.txt", few), validation_share=0.9), tmp_path / "corpus")
    assert f"none of the 5 documents of {tmp_path / 'd.txt'} fell to training" in message
    assert "smaller --corpus.validation-share" in message


def test_an_error_late_in_the_source_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("\n".join(json.dumps({"text": story}) for story in STORIES) + "\n{")
    assert f"{path}, line {len(STORIES) + 1}" in failure(config_of(path), tmp_path / "corpus")


def test_an_error_leaves_an_earlier_corpus_as_it_was(tmp_path: Path, stories: Path) -> None:
    prepare_corpus(config_of(stories), tmp_path / "corpus")
    failure(config_of(tmp_path / "gone.txt"), tmp_path / "corpus")
    assert is_finished(tmp_path / "corpus", corpus_fingerprint(config_of(stories)))
    check_files(tmp_path / "corpus")


def test_a_disk_that_takes_no_more_is_an_os_error_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit on the size of a file")
    stories = write_text(tmp_path / "stories.txt", ["x" * 1_000 + str(i) for i in range(500)])
    before = sorted(tmp_path.rglob("*"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            prepare_corpus(config_of(stories), tmp_path / "corpus")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(tmp_path.rglob("*")) == before


# --- opening ---


def test_documents_of_no_corpus_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="holds no finished stage"):
        open_documents(tmp_path / "corpus", "train")


def test_a_damaged_or_missing_file_of_a_corpus_is_named(tmp_path: Path, stories: Path) -> None:
    prepare_corpus(config_of(stories), tmp_path / "corpus")
    (tmp_path / "corpus" / "train.arrow").write_bytes(b"ARROW1 but no more than that")
    with pytest.raises(TrialError, match=r"train\.arrow is missing or damaged .* delete"):
        open_documents(tmp_path / "corpus", "train")
    (tmp_path / "corpus" / "validation.arrow").unlink()
    with pytest.raises(TrialError, match=r"validation\.arrow is missing or damaged .* delete"):
        open_documents(tmp_path / "corpus", "validation")


def test_opened_documents_can_be_read_twice(tmp_path: Path, stories: Path) -> None:
    prepare_corpus(config_of(stories), tmp_path / "corpus")
    documents = open_documents(tmp_path / "corpus", "train")
    assert list(documents) == list(documents)
    assert len(documents) > 300


# --- the split by hash ---

SHARES = st.floats(min_value=0, max_value=1, exclude_min=True, exclude_max=True)
HASHES = st.integers(min_value=0, max_value=2**64 - 1)


def xxh3_64_of_1_to_3_bytes(data: bytes) -> int:
    """The published algorithm for such short input, written out: XXH3_len_1to3_64b with seed 0."""
    mask = 2**64 - 1
    combined = data[0] << 16 | data[len(data) // 2] << 24 | data[-1] | len(data) << 8
    # the first eight bytes of XXH3's default secret
    value = combined ^ 0x396CFEB8 ^ 0xBE4BA423
    value = (value ^ value >> 33) * 0xC2B2AE3D27D4EB4F & mask  # XXH64's avalanche, its primes 2 and 3
    value = (value ^ value >> 29) * 0x165667B19E3779F9 & mask
    return value ^ value >> 32


def test_the_empty_document_has_the_hash_of_xxhashs_own_test_vectors() -> None:
    assert document_hash("") == 0x2D06800538D394C2


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3).filter(lambda t: len(t.encode()) <= 3))
def test_short_hashes_follow_the_published_algorithm(text: str) -> None:
    assert document_hash(text) == xxh3_64_of_1_to_3_bytes(text.encode())


def test_hashes_of_longer_documents_stay_what_they_were() -> None:
    """Were they to change, every split would too. They come from another copy: the C code, 0.8.3, that Arrow ships."""
    assert document_hash("One day, a fox met an owl.") == 0x49A4EA4B0DC00673
    assert document_hash("Füchse \U0001f98a\n" * 100) == 0xCB0A0A7335CFBB05


@given(HASHES, SHARES)
def test_the_comparison_is_exact(hash_: int, share: float) -> None:
    assert is_validation(hash_, share) == (Fraction(hash_) < Fraction(share) * 2**64)


@given(HASHES)
def test_a_share_of_everything_or_nothing_is_exact_too(hash_: int) -> None:
    assert is_validation(hash_, 1)
    assert not is_validation(hash_, 0)


@given(SHARES)
def test_the_threshold_itself_is_not_validation(share: float) -> None:
    threshold = Fraction(share) * 2**64
    first_outside = -(-threshold.numerator // threshold.denominator)
    assert not is_validation(first_outside, share)
    assert is_validation(first_outside - 1, share)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_what_was_asked_for(share: float) -> None:
    n_documents = 20_000
    n_validation = sum(is_validation(document_hash(f"document {i}"), share) for i in range(n_documents))
    standard_deviation = (n_documents * share * (1 - share)) ** 0.5
    assert abs(n_validation - n_documents * share) < 4 * standard_deviation


def test_a_larger_share_keeps_the_documents_of_a_smaller_one() -> None:
    hashes = [document_hash(f"document {i}") for i in range(5_000)]
    small = {hash_ for hash_ in hashes if is_validation(hash_, 0.02)}
    large = {hash_ for hash_ in hashes if is_validation(hash_, 0.05)}
    assert small < large


def test_a_lone_surrogate_has_no_hash() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        document_hash("\ud800")
