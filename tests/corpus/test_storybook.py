"""Tests of the storybook corpus: that it never changes unnoticed, repeats itself little, and keeps its grammar.

The storybook is where the flow starts (corpus -> tokenizer -> tokens -> training -> evaluation -> report).
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import combinations, islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial.corpus.storybook import Storybook, Tale, stories, tale
from toktrial.corpus.storybook_lexicon import (
    DATA_FOLDER,
    Lexicon,
    entries,
    ing_form,
    past_tense,
    plural,
    read_sections,
    with_article,
)
from toktrial.errors import TrialError

PLOTS = read_sections(DATA_FOLDER / "plots.txt")
CHECKED_STORIES = 4000
DIGEST_OF_THE_FIRST_500 = "e0a527279e44d72d198eca1f2f16b287f378956fd64e41c7ad7665e7ccefc0dc"
DIGEST_CODE = """
import hashlib
from itertools import islice
from toktrial.corpus.storybook import stories
print(hashlib.sha256("\\f".join(islice(stories(10_000_000), 500)).encode()).hexdigest())
"""

SENTENCE_END = re.compile(r'(?<=[.!?])"? (?=["A-Z])')
WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
HIS_WORDS = frozenset({"he", "him", "his", "himself"})
HER_WORDS = frozenset({"she", "her", "hers", "herself"})


@pytest.fixture(scope="module")
def tales() -> list[Tale]:
    return [tale(0, index) for index in range(CHECKED_STORIES)]


@pytest.fixture(scope="module")
def paragraphs(tales: list[Tale]) -> list[str]:
    return [paragraph for each in tales for paragraph in each.text.split("\n") if paragraph]


def lines_matching(pattern: str, texts: list[str]) -> list[str]:
    """The surroundings of all matches, so that a failing test shows what to repair."""
    search = re.compile(pattern)
    return [text[max(match.start() - 30, 0) : match.end() + 30] for text in texts for match in search.finditer(text)]


# --- the stream ---------------------------------------------------------------------------------------------------


def test_the_first_stories_have_not_changed() -> None:
    text = "\f".join(islice(stories(10_000_000), 500))
    assert hashlib.sha256(text.encode()).hexdigest() == DIGEST_OF_THE_FIRST_500


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_the_hash_seed_of_the_interpreter_does_not_matter(hash_seed: str) -> None:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", DIGEST_CODE]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == DIGEST_OF_THE_FIRST_500


@settings(max_examples=25, deadline=None)
@given(few=st.integers(0, 30_000), more=st.integers(0, 30_000), seed=st.integers(-(2**70), 2**70))
def test_a_larger_stream_starts_with_the_same_stories(few: int, more: int, seed: int) -> None:
    short, long = list(stories(few, seed)), list(stories(few + more, seed))
    assert long[: len(short)] == short


@settings(max_examples=25, deadline=None)
@given(max_bytes=st.integers(0, 50_000), seed=st.integers(-5, 5))
def test_the_stream_stops_with_the_story_that_reaches_the_size(max_bytes: int, seed: int) -> None:
    sizes = [len(text.encode()) for text in stories(max_bytes, seed)]
    assert sum(sizes) >= max_bytes
    assert sum(sizes[:-1]) < max_bytes or not sizes


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(-(2**70), 2**70), index=st.integers(0, 20))
def test_any_story_can_be_told_on_its_own(seed: int, index: int) -> None:
    assert next(islice(stories(10_000_000, seed), index, None)) == tale(seed, index).text


@pytest.mark.parametrize(("seed", "other"), list(combinations([0, 1, -1, 2**64, 10**30], 2)))
def test_different_seeds_tell_different_stories(seed: int, other: int) -> None:
    assert set(islice(stories(100_000, seed), 50)).isdisjoint(islice(stories(100_000, other), 50))


# --- variety ------------------------------------------------------------------------------------------------------


def test_no_two_stories_are_alike(tales: list[Tale]) -> None:
    assert len({each.text for each in tales}) == CHECKED_STORIES


def test_no_two_stories_share_more_than_half_of_their_sentences(tales: list[Tale]) -> None:
    sentences = [set(SENTENCE_END.split(each.text.replace("\n", " "))) for each in tales[:2000]]
    tellers: dict[str, list[int]] = {}
    for number, of_story in enumerate(sentences):
        for sentence in of_story:
            tellers.setdefault(sentence, []).append(number)
    shared = Counter(pair for numbers in tellers.values() for pair in combinations(numbers, 2))
    assert len(shared) > 1000, "the sentences were not split, for some short ones do recur"
    sizes = list(map(len, sentences))
    alike = [(one, other) for (one, other), count in shared.items() if 2 * count > min(sizes[one], sizes[other])]
    assert alike == []


def test_stories_are_neither_short_nor_long(tales: list[Tale]) -> None:
    sizes = [len(each.text.encode()) for each in tales]
    assert min(sizes) >= 400
    assert max(sizes) <= 2000
    assert 750 <= sum(sizes) / len(sizes) <= 1000


def test_two_megabytes_have_thousands_of_words_and_tens_of_thousands_of_pairs() -> None:
    words: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    for text in stories(2_000_000):
        of_story = text.lower().split()
        words.update(word.strip(".,!?\"'") for word in of_story)
        pairs.update(pairwise(of_story))
    assert len(words) >= 4500
    assert len(pairs) >= 75_000


def test_every_plot_is_told_about_equally_often(tales: list[Tale]) -> None:
    told = Counter(each.plot for each in tales)
    assert set(told) == set(PLOTS)
    assert len(told) >= 12
    assert min(told.values()) > 0.5 * CHECKED_STORIES / len(PLOTS)


def test_there_are_hundreds_of_patterns() -> None:
    pooled = [line.text for lines in read_sections(DATA_FOLDER / "sentences.txt").values() for line in lines]
    plotted = [line.text[2:] for lines in PLOTS.values() for line in lines if line.text.startswith(("= ", "? ", "| "))]
    patterns = {pattern for pattern in pooled + plotted if not pattern.startswith("@")}
    assert len(patterns) >= 300


# --- grammar ------------------------------------------------------------------------------------------------------


def test_no_mark_of_the_pattern_language_is_left_over(tales: list[Tale]) -> None:
    assert lines_matching(r"[{}\[\]|@_/\\=]|\?\?", [each.text for each in tales]) == []


def test_stories_are_plain_ascii_with_single_spaces(tales: list[Tale]) -> None:
    assert all(each.text.isascii() for each in tales)
    assert lines_matching(r"  | \n|\n |\A\s|\s\Z|\n{3}", [each.text for each in tales]) == []


def test_articles_agree_with_the_sound_that_follows(tales: list[Tale]) -> None:
    texts = [each.text for each in tales]
    sounds_like_a_consonant = r"(?:uni|use|usu|one|eu|uku)"
    assert lines_matching(rf"\b[Aa] (?!{sounds_like_a_consonant})[aeiouAEIOU]", texts) == []
    assert lines_matching(r"\b[Aa]n (?!hour|honest|heir)[^aeiouAEIOU]", texts) == []
    assert lines_matching(rf"\b[Aa]n {sounds_like_a_consonant}|\b[Aa] (?:hour|honest|heir)", texts) == []
    assert lines_matching(r"\b[Aa]n? (?:an?|the|his|her|two|some|many)\b", texts) == []


def test_quotation_marks_are_balanced_and_tight(paragraphs: list[str]) -> None:
    assert [paragraph for paragraph in paragraphs if paragraph.count('"') % 2] == []
    for paragraph in paragraphs:
        told, spoken = paragraph.split('"')[::2], paragraph.split('"')[1::2]
        assert all(speech[-1] in ".,!?" for speech in spoken), paragraph
        # Speech that goes on after "said Mom," does so in the middle of its sentence.
        goes_on = [before.endswith(", ") and speech[0].islower() for before, speech in zip(told, spoken, strict=False)]
        assert all(speech[0].isupper() or on for speech, on in zip(spoken, goes_on, strict=True)), paragraph


def test_sentences_start_with_a_capital_and_end_with_a_mark(paragraphs: list[str]) -> None:
    assert [paragraph for paragraph in paragraphs if not re.match(r'"?[A-Z]', paragraph)] == []
    assert [paragraph for paragraph in paragraphs if not re.search(r'[.!?]"?$', paragraph)] == []
    assert lines_matching(r"[.!?] [a-z]", paragraphs) == []
    assert lines_matching(r'[.]" [a-z]', paragraphs) == []


def test_marks_stand_where_they_should(paragraphs: list[str]) -> None:
    assert lines_matching(r' [.,!?;:]|[.,!?]{2}|[.,!?][A-Za-z]|,"? [.!?]|[a-z]"[ A-Za-z]', paragraphs) == []


def test_no_word_is_doubled(tales: list[Tale]) -> None:
    assert lines_matching(r"(?i)\b([a-z]+) \1\b", [each.text for each in tales]) == []


def test_the_pronouns_of_the_hero_agree_all_through_a_story(tales: list[Tale]) -> None:
    """Where everybody is of the hero's gender, no pronoun of the other gender has any business in the text."""
    of_one_gender = [each for each in tales if each.other_pronouns == {each.hero_pronoun}]
    assert {each.hero_pronoun for each in of_one_gender} == {"he", "she"}
    assert len(of_one_gender) > 300
    for each in of_one_gender:
        words = set(WORD.findall(each.text.lower()))
        assert words.isdisjoint(HER_WORDS if each.hero_pronoun == "he" else HIS_WORDS), each.text


def test_the_first_paragraph_introduces_the_hero(tales: list[Tale]) -> None:
    assert [each.text for each in tales if each.hero not in each.text.split("\n")[0]] == []


# --- word forms and the pattern language --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("box", "boxes"),
        ("cherry", "cherries"),
        ("toy", "toys"),
        ("peach", "peaches"),
        ("walrus", "walruses"),
        ("owl", "owls"),
    ],
)
def test_plural(noun: str, expected: str) -> None:
    assert plural(noun) == expected


@pytest.mark.parametrize(
    ("verb", "past", "ing"),
    [
        ("hop", "hopped", "hopping"),
        ("dance", "danced", "dancing"),
        ("hurry", "hurried", "hurrying"),
        ("play", "played", "playing"),
        ("look", "looked", "looking"),
        ("wander", "wandered", "wandering"),
        ("tow", "towed", "towing"),
        ("tiptoe", "tiptoed", "tiptoeing"),
        ("fix", "fixed", "fixing"),
    ],
)
def test_verb_forms(verb: str, past: str, ing: str) -> None:
    assert (past_tense(verb), ing_form(verb)) == (past, ing)


@pytest.mark.parametrize("phrase", ["an apple", "a unicorn", "an hour", "a one-eared cat", "an honest girl"])
def test_articles(phrase: str) -> None:
    assert with_article(phrase.partition(" ")[2]) == phrase


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "has no words"),
        ("a {toy} fell", "inside the braces"),
        ("{toy fell", "in pairs"),
        ("the [red|blue toy", "in pairs"),
        ("red]|[blue", "square brackets"),
        ("red | blue", "square brackets"),
        ("the {toy|ball} fell", "in pairs"),
        ("the [red|[dark|light] blue] toy", "not nested"),
        ("the {} fell", "should be a name"),
        ("{the toy} fell", "should be a name"),
        ("{a a_fine_toy} fell", "is a pool"),
        ("the {nonsense} fell", "no list or table 'nonsense'"),
        ("{walk.s}", "'walk' has no form 's', it has ed, ing"),
        ("{hero.tail}", "'child' has no form 'tail', it has kind, folk"),
    ],
)
def test_a_faulty_pattern_is_refused(bad: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Storybook().pattern(bad)


# --- the data files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["nouns.txt", "verbs.txt"])
def test_no_list_names_a_word_twice(file: str) -> None:
    for name, lines in read_sections(DATA_FOLDER / file).items():
        words = [entry for line in lines for entry in entries(line.text)]
        assert [word for word, count in Counter(words).items() if count > 1] == [], name


def test_no_name_means_two_things() -> None:
    names = Counter(name for path in DATA_FOLDER.glob("*.txt") if path.stem != "plots" for name in read_sections(path))
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) > 150


@pytest.mark.parametrize(
    ("file", "added", "message"),
    [
        ("words.txt", "    in and/or out", "'in and | or out' should give 1 forms and gives 2"),
        ("words.txt", "    in, , out", "should give 1 forms and gives 0"),
        ("words.txt", "    in a caf\u00e9", "beyond ASCII"),
        ("words.txt", "in a box", "at the margin"),
        ("nouns.txt", "    knife/", "should give 2 forms and gives 1"),
        ("verbs.txt", "    run/ran", "should give 3 forms and gives 2"),
        ("tables.txt", "    who was taller", "should give 2 forms and gives 1"),
        ("tables.txt", "weather:\n    weather | sky", "no rows"),
        ("sentences.txt", "    The {nonsense} fell.", "no list or table 'nonsense'"),
        ("sentences.txt", "    {toy fell.", "in pairs"),
        ("sentences.txt", "glad:", "section 'glad' above already"),
        ("plots.txt", "    * The end.", "after = or"),
        ("plots.txt", "    cast: chore", "may open with cast:"),
        ("plots.txt", "\n    | The end.", "after = or"),
        ("plots.txt", "    = @gald", "did you mean 'glad'"),
        ("plots.txt", "    = {chore.nonsense}", "'chore' has no form 'nonsense', it has done"),
        ("plots.txt", "the end:\n    cast: world=nowhere", "no world 'nowhere'"),
        ("plots.txt", "the end:\n    cast: nonsense", "no list or table 'nonsense'"),
        ("plots.txt", "the end:\n    = {chore} and {snack}", "no list or table 'snack'"),
    ],
)
def test_a_malformed_line_is_named_by_file_and_number(file: str, added: str, message: str, tmp_path: Path) -> None:
    folder = shutil.copytree(DATA_FOLDER, tmp_path / "data")
    with (folder / file).open("a", encoding="utf-8") as data:
        data.write(f"{added}\n")
    number = len((folder / file).read_text(encoding="utf-8").splitlines())
    with pytest.raises(TrialError, match=rf"{file}, line {number}: .*{re.escape(message)}"):
        Storybook(folder)


def test_lines_outside_sections_and_empty_sections_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# Colors.\n\n    red, blue\n", encoding="utf-8")
    with pytest.raises(TrialError, match=r"words\.txt, line 3: .*below the name of a section"):
        read_sections(path)
    path.write_text("color:\n\n# None yet.\nsize:\n    big\n", encoding="utf-8")
    with pytest.raises(TrialError, match="section 'color' is empty"):
        read_sections(path)


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes("place:\n    caf\u00e9\n".encode("latin-1"))
    with pytest.raises(TrialError, match=r"words\.txt, line 2: .*beyond ASCII"):
        read_sections(tmp_path / "words.txt")


def test_entries_rows_and_comments_are_read(tmp_path: Path) -> None:
    folder = shutil.copytree(DATA_FOLDER, tmp_path / "data")
    added = {
        "nouns.txt": "# Pets.\npet:\n    cat, gold  fish/gold fish,\n    budgie\n",
        "verbs.txt": "leave:\n    hop off, go/went/going\n",
        "tables.txt": "weather:\n    weather | sky\n\n    rain | gray\n    snow|white\n",
    }
    for file, text in added.items():
        with (folder / file).open("a", encoding="utf-8") as data:
            data.write(text)
    lists = Lexicon(folder).lists
    assert lists["pet"] == {"": ("cat", "gold fish", "budgie"), "s": ("cats", "gold fish", "budgies")}
    assert lists["leave"] == {"": ("hop off", "go"), "ed": ("hopped off", "went"), "ing": ("hopping off", "going")}
    assert lists["weather"] == {"": ("rain", "snow"), "sky": ("gray", "white")}
