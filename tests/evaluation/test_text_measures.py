"""What is counted in a text: counted by hand, and what must hold for every text."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktrial.evaluation.text_measures import (
    Passage,
    bits_name,
    count_measures,
    count_paired_marks,
    cut,
    summarise,
    words_within,
)

TEXTS = st.text(st.one_of(st.sampled_from("ab .!?\"\u201c\u201d'\n\u2019(-"), st.characters(codec="utf-8")), max_size=60)
PASSAGES = st.builds(Passage, TEXTS, TEXTS, st.booleans())


def test_a_text_counted_by_hand() -> None:
    text = ' the big dog ran. "The big dog ran off," he said! Zog was sad.'
    found = count_measures(Passage("Once", text, ended=True), {"the", "big", "dog", "ran", "off", "he", "said", "was", "sad"})
    assert found == {
        "repetition": (1, 11),  # "the big dog ran"
        "distinct_1": (10, 14),
        "distinct_2": (10, 13),
        "distinct_3": (10, 12),
        "sentence_words": (15, 3),  # "Once" is of the first sentence too
        "known_words": (13, 14),  # but Zog
        "paired_quotation_marks": (2, 2),
    }


def test_words_that_a_cut_may_have_shortened_are_left_out() -> None:
    assert words_within(Passage("Once upon a ti", "me, there was a dr", ended=False)) == ["there", "was", "a"]
    assert words_within(Passage("Once upon a time", " there was a dr", ended=True)) == ["there", "was", "a", "dr"]
    assert words_within(Passage("", "me too, ", ended=False)) == ["me", "too"]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("He ran. She ran! Who? ...", 4),
        ('"Run!" he said. (She did.) Then', 3),
        ("3.14 is a.b", 0),
        ("Wait... what?!", 2),
        ("", 0),
    ],
)
def test_ends_of_sentences(text: str, ends: int) -> None:
    assert count_measures(Passage("", text, ended=True), ())["sentence_words"][1] == ends


PLAYING = "Max broke a cup. Tom and his sister Mia were playing in the garden when"


@pytest.mark.parametrize(
    ("prompt", "text", "ended", "counted"),
    [
        (PLAYING, " it rained. They ran home.", True, (13 + 3, 2)),
        (PLAYING, " it rained. They ran ho", False, (4, 1)),  # the unfinished one makes up for what the prompt took
        (PLAYING + ' it rained."', " They ran home.", True, (3, 1)),
        ("The end\n\nOnce upon a", " time he ran.", True, (3 + 3, 1)),  # a line ends what stood open
        ("Once upon a ti", "me he ran.", True, (4 + 2, 1)),
        ("Once upon a time", "", True, (4, 0)),
    ],
)
def test_words_of_sentences_by_hand(prompt: str, text: str, ended: bool, counted: tuple[int, int]) -> None:
    assert count_measures(Passage(prompt, text, ended), ())["sentence_words"] == counted


@given(st.text("ab '(-", max_size=20), st.text("ab .!?\u2026\"'\n(-", max_size=40))
def test_a_text_that_ended_has_the_words_of_its_sentences_whole(begun: str, text: str) -> None:
    whole = count_measures(Passage("", begun + text, ended=True), ())["sentence_words"]
    for before in ("", "She ran. ", '"She ran!" ', "The title\n"):
        assert count_measures(Passage(before + begun, text, ended=True), ())["sentence_words"] == whole


@pytest.mark.parametrize(
    ("prompt", "text", "ended", "counted"),
    [
        ("", '"Hi," said Tom. "Bye."', True, (4, 4)),
        ("", "\u201cHi,\u201d said Tom.", True, (2, 2)),
        ("", 'said, "Hi. "Bye."', True, (2, 3)),  # the first has no partner
        ("", 'Hi," said Tom.', True, (0, 1)),
        ('He said, "Hi', '," and "Bye."', True, (3, 3)),  # the first closes what the prompt opened
        ("", '"Hi.\nShe ran," he said', True, (0, 2)),  # a paragraph ends a quotation
        ("", 'She ran and said, "I', False, (0, 0)),  # still open where the text was cut
        ("", 'She ran and said, "I', True, (0, 1)),
        ("", '("Hi," he said) \u2014"Bye"', True, (4, 4)),
        ("", "don't", True, (0, 0)),
    ],
)
def test_quotation_marks_with_a_partner(prompt: str, text: str, ended: bool, counted: tuple[int, int]) -> None:
    assert count_paired_marks(Passage(prompt, text, ended)) == counted


@given(PASSAGES, st.sets(st.text(max_size=3)))
def test_a_part_is_never_more_than_its_whole(passage: Passage, known: set[str]) -> None:
    found = count_measures(passage, known)
    sentence_words, ends = found.pop("sentence_words")
    words = found["known_words"][1]
    assert sentence_words >= words >= 0 and ends >= 0
    assert passage.ended or sentence_words == words
    assert all(0 <= part <= whole for part, whole in found.values())
    for n in (1, 2, 3):
        assert found[f"distinct_{n}"][1] == max(0, words - n + 1)


@given(PASSAGES)
def test_the_prompt_is_not_counted(passage: Passage) -> None:
    """A prompt that ends with a paragraph has no part in what follows."""
    alone = Passage("", passage.text, passage.ended)
    assert count_measures(replace(passage, prompt=passage.prompt + "\n"), ("a",)) == count_measures(alone, ("a",))


@given(TEXTS, st.integers(0, 80))
def test_a_cut_is_the_longest_beginning_of_whole_characters(text: str, most_bytes: int) -> None:
    beginning = cut(text, most_bytes)
    assert text.startswith(beginning)
    assert len(beginning.encode()) <= most_bytes
    if beginning != text:
        assert len(text[: len(beginning) + 1].encode()) > most_bytes


def test_a_summary_is_the_ratio_of_sums_of_each_seed() -> None:
    texts = [
        {"seed": 2, "measures": {"known_words": (1, 4)}, "bits": {"bpe": (10.0, 5)}},
        {"seed": 2, "measures": {"known_words": (8, 12)}, "bits": {"bpe": (20.0, 10)}},
        {"seed": 1, "measures": {"known_words": (0, 0)}, "bits": {"bpe": (3.0, 2)}},
        {"seed": 3, "measures": {"known_words": (1, 2)}, "bits": {"bpe": (0.0, 0)}},
    ]
    assert summarise(texts) == {"known_words": [None, 9 / 16, 0.5], bits_name("bpe"): [1.5, 2.0, None]}
