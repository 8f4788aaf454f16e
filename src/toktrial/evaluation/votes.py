"""What a person is asked about samples, and the file of the answers: TRIAL/ratings.jsonl, one vote a line.

`toktrial rate` asks and appends; the report counts. A vote identifies the two texts that were shown by their hash, so that it
does not count for samples that were made anew since.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
import xxhash

from toktrial.errors import TrialError

VOTES_FILE = "ratings.jsonl"
CRITERIA = ("coherence", "syntax", "creativity")


class Vote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer of one rater: which of two continuations of a prompt is better by one criterion."""

    rater: str
    seed: int
    """Seed of both models."""
    prompt: int
    """The prompt's place among the protocol's prompts, from 0 on."""
    baseline: str
    track: str
    """The track that is compared with the baseline."""
    texts: str
    """`texts_hash` of what was shown."""
    left: str
    """The track whose text stood on the left."""
    criterion: str
    """One of CRITERIA."""
    better: str
    """The track whose text is better; empty where both are equally good."""
    timestamp: float
    """Seconds since the epoch."""

    @property
    def question(self) -> tuple[str, int, int, str, str, str]:
        """What was asked, and of whom: a later vote on the same question replaces an earlier one."""
        return (self.rater, self.seed, self.prompt, self.track, self.texts, self.criterion)


def texts_hash(prompt: str, continuations: Iterable[str]) -> str:
    """Returns 16 hexadecimal digits that identify a prompt and its continuations, the baseline's first."""
    return xxhash.xxh3_64_hexdigest(json.dumps([prompt, *continuations]).encode())


def append_vote(path: Path, vote: Vote) -> None:
    """Adds a vote as one line; when this returns, the line is on the disk and survives a crash.

    A last line without its end was left by a crash. It is removed: nobody was told that it is kept.
    """
    line = json.dumps(msgspec.structs.asdict(vote), ensure_ascii=False).encode() + b"\n"
    with path.open("ab+") as file:
        whole_bytes = path.read_bytes().rfind(b"\n") + 1
        if whole_bytes < file.tell():
            file.truncate(whole_bytes)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_votes(path: Path) -> list[Vote]:
    """Returns the votes that count, the last one on each question; the questions are in the order in which they first occur.

    Returns none without a file. Raises TrialError, naming the line, where a line is not a vote.
    """
    if not path.is_file():
        return []
    whole_lines = path.read_bytes().split(b"\n")[:-1]
    votes = [_from_line(line, path, number) for number, line in enumerate(whole_lines, start=1) if line.strip()]
    return list({vote.question: vote for vote in votes}.values())


def _from_line(line: bytes, path: Path, number: int) -> Vote:
    try:
        vote = msgspec.json.decode(line, type=Vote)
        if vote.criterion not in CRITERIA:
            raise ValueError(f"criterion is {vote.criterion!r}, which is none of {', '.join(CRITERIA)}")
        if vote.better not in ("", vote.baseline, vote.track):
            raise ValueError(f"better is {vote.better!r}, which is neither of the two tracks")
    except (ValueError, RecursionError) as error:  # ValueError also where the line is not JSON or not UTF-8
        raise TrialError(f"{path}, line {number} is not a vote ({error}): mend or remove that line") from None
    return vote
