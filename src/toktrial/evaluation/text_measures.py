"""What is counted in one text: repeated and distinct n-grams, sentences, words that the corpus knows, quotation marks.

A measure is a pair of counts (part, whole). Its value is part / whole, and over several texts the ratio of their sums. So no
text is too short to count, none counts for more than it holds, and n-grams never span two texts. sample_measures.py chooses
the texts.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toktrial.evaluation.words import WORD, words_of

Counts = tuple[int, int]
REPEATED_WORDS = 4  # n of the n-grams whose repetition is counted
LONGEST_DISTINCT = 3

# A full stop or its like, closing quotation marks and brackets after it, then white space or the end.
_SENTENCE_END = re.compile(r"[.!?\u2026]+[\"'\u2019\u201d)\]]*(?=\s|$)")
_QUOTATION_MARK = re.compile(r"[\"\u201c\u201d\n]")
_OPENS_AFTER = frozenset("([{-\u2013\u2014")  # besides white space and the beginning


@dataclass(frozen=True)
class Passage:
    """A text that is measured, and the prompt before it in its document, which is not."""

    prompt: str
    text: str
    ended: bool
    """Whether the document ends with the text; if not, the text was cut there, perhaps within a word."""


def count_measures(passage: Passage, known: Collection[str]) -> dict[str, Counts]:
    """Returns (part, whole) of every measure of a passage by its name; `known` are words as `words_of` gives them.

    - `repetition`: n-grams of four words that occurred earlier in the text, of all of them.
    - `distinct_1`, `distinct_2`, `distinct_3`: distinct n-grams of words, of all of them (Li et al. 2016, section 5.2: there
      over all texts that a model made, here within one text, which is what repeats itself).
    - `sentence_words`: words, over the ends of sentences, which is their mean length without a bias. A text loses the beginning
      of its first sentence to the prompt. Where the text was cut, the words of its unfinished last sentence make up for that.
      Where it ended, nothing does, so the words of the first sentence that the prompt holds are counted too.
    - `known_words`: words that are known, of all.
    - `paired_quotation_marks`: see `count_paired_marks`.
    """
    words = words_within(passage)
    ends = len(_SENTENCE_END.findall(passage.text))
    repeated = _distinct(words, REPEATED_WORDS)
    return {
        "repetition": (repeated[1] - repeated[0], repeated[1]),
        **{f"distinct_{n}": _distinct(words, n) for n in range(1, LONGEST_DISTINCT + 1)},
        "sentence_words": (len(words) + _words_begun(passage), ends),
        "known_words": (sum(word in known for word in words), len(words)),
        "paired_quotation_marks": count_paired_marks(passage),
    }


def words_within(passage: Passage) -> list[str]:
    """Returns the words that begin and end in the text; a last word that the cut may have shortened is left out.

    >>> words_within(Passage("Once upon a ti", "me, there was a dr", ended=False))
    ['there', 'was', 'a']
    """
    whole = passage.prompt + passage.text
    return [
        word
        for match in WORD.finditer(whole)
        if match.start() >= len(passage.prompt) and (passage.ended or match.end() < len(whole))
        for word in words_of(match.group())
    ]


def count_paired_marks(passage: Passage) -> Counts:
    """Returns how many double quotation marks of the text have a partner, and how many there are.

    An opening mark and the next mark are a pair if that one closes and stands in the same paragraph (line); marks of the prompt
    may be partners too. A straight mark opens at the beginning and after white space, an opening bracket or a dash; elsewhere
    it closes. A mark that is still open where the text was cut is not counted.

    >>> count_paired_marks(Passage("", 'He said, "Hi, "Tom." Then: "Go', ended=False))
    (2, 3)
    """
    whole = passage.prompt + passage.text
    paired: dict[int, bool] = {}
    open_mark: int | None = None
    for match in _QUOTATION_MARK.finditer(whole):
        place = match.start()
        if match.group() == "\n":
            open_mark = None
        elif _opens(whole, place):
            paired[place], open_mark = False, place
        else:
            paired[place] = open_mark is not None
            if open_mark is not None:
                paired[open_mark], open_mark = True, None
    if open_mark is not None and not passage.ended:
        del paired[open_mark]
    counted = [is_paired for place, is_paired in paired.items() if place >= len(passage.prompt)]
    return sum(counted), len(counted)


def cut(text: str, most_bytes: int) -> str:
    """Returns the longest beginning of a text that has at most `most_bytes` UTF-8 bytes and ends with a whole character."""
    return text.encode()[:most_bytes].decode(errors="ignore")


def summarise(texts: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """Returns every measure of the texts of one source (a track, or the real documents) by its name, a value for each seed.

    Bits per byte under a track's model are named by `bits_name`. A value is None where there was nothing to count.
    """
    values: dict[str, list[float | None]] = {}
    for seed in sorted({text["seed"] for text in texts}):
        of_seed = [
            text["measures"] | {bits_name(track): counts for track, counts in text["bits"].items()}
            for text in texts
            if text["seed"] == seed
        ]
        for name in of_seed[0]:
            part, whole = (sum(counts[name][side] for counts in of_seed) for side in (0, 1))
            values.setdefault(name, []).append(part / whole if whole else None)
    return values


def bits_name(track: str) -> str:
    """Returns the name that bits per byte under a track's model have among the measures."""
    return f"bits_per_byte_under_{track}"


def _words_begun(passage: Passage) -> int:
    """Words of the sentence that the prompt leaves open; 0 where an unfinished last sentence makes up for them."""
    if not passage.ended:
        return 0
    open_sentence = _SENTENCE_END.split(passage.prompt)[-1].rpartition("\n")[2]
    return len(words_of(open_sentence))


def _opens(text: str, place: int) -> bool:
    if text[place] != '"':
        return text[place] == "\u201c"
    return place == 0 or text[place - 1].isspace() or text[place - 1] in _OPENS_AFTER


def _distinct(words: Sequence[str], n: int) -> Counts:
    """Returns how many distinct n-grams there are, and how many in all."""
    grams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
    return len(set(grams)), len(grams)
