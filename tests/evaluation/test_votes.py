"""Votes on disk: none is lost, a later one on the same question counts, and damage is named."""

import json
from pathlib import Path

import pytest
from msgspec.structs import asdict, replace

from toktrial.errors import TrialError
from toktrial.evaluation.votes import VOTES_FILE, Vote, append_vote, read_votes, texts_hash

VOTE = Vote("anna", 1, 3, "bpe", "btm", texts_hash("Once", ("a", "b")), "btm", "syntax", "bpe", 1.76e9)


def test_votes_come_back_and_a_later_one_replaces(tmp_path: Path) -> None:
    path = tmp_path / VOTES_FILE
    assert read_votes(path) == []
    other = replace(VOTE, criterion="creativity", better="")
    changed = replace(VOTE, better="btm", timestamp=1.77e9)
    of_another_rater = replace(VOTE, rater="Zo\u00eb")
    for vote in (VOTE, other, changed, of_another_rater):
        append_vote(path, vote)
    assert read_votes(path) == [changed, other, of_another_rater]
    assert len(path.read_text(encoding="utf-8").splitlines()) == 4, "nothing is overwritten"


def test_what_a_crash_left_of_a_line_is_removed_and_costs_no_vote(tmp_path: Path) -> None:
    path = tmp_path / VOTES_FILE
    append_vote(path, VOTE)
    whole = path.read_bytes()
    for length in range(1, len(whole)):
        path.write_bytes(whole + whole[:length])
        assert read_votes(path) == [VOTE]
        append_vote(path, replace(VOTE, rater="ben"))
        assert [vote.rater for vote in read_votes(path)] == ["anna", "ben"]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"rater": "anna"}',
        "\u00ff",
        json.dumps(asdict(VOTE) | {"rater": 1}),
        json.dumps(asdict(VOTE) | {"better": "gpt"}),
        json.dumps(asdict(VOTE) | {"criterion": "length"}),
        json.dumps(asdict(VOTE) | {"note": "a field that no vote has"}),
    ],
)
def test_a_line_that_is_no_vote_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / VOTES_FILE
    append_vote(path, VOTE)
    with path.open("a", encoding="latin-1") as file:
        file.write(line + "\n")
    with pytest.raises(TrialError, match=r"ratings\.jsonl, line 2 is not a vote"):
        read_votes(path)


def test_the_hash_tells_texts_and_their_order_apart() -> None:
    hashes = {texts_hash(*texts) for texts in [("p", ("a", "b")), ("p", ("b", "a")), ("pa", ("", "b")), ("p", ("ab", ""))]}
    assert len(hashes) == 4
