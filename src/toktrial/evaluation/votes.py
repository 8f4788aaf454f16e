"""What a person is asked about samples, and the file of the answers: TRIAL/ratings.jsonl, one vote a line.

`toktrial rate` asks and appends; the report counts. A vote names the two texts that were shown by their hash, so that votes on
samples that have been made anew since are known to be of other texts.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_type_hints

import xxhash

from toktrial.errors import TrialError

VOTES_FILE = "ratings.jsonl"
CRITERIA = ("coherence", "syntax", "creativity")


@dataclass(frozen=True)
class Vote:
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
    """The track whose text is better; empty: both are equally good."""
    timestamp: float
    """Seconds since the epoch."""

    @property
    def question(self) -> tuple[str, int, int, str, str, str]:
        """What was asked, and of whom: a later vote on the same replaces an earlier one."""
        return (self.rater, self.seed, self.prompt, self.track, self.texts, self.criterion)


def texts_hash(prompt: str, continuations: Iterable[str]) -> str:
    """Returns 16 hexadecimal digits that identify a prompt and its continuations, the baseline's first."""
    return xxhash.xxh3_64_hexdigest(json.dumps([prompt, *continuations]).encode())


def append_vote(path: Path, vote: Vote) -> None:
    """Adds a vote as one line; on return it is on the disk, and survives a crash.

    A last line without its end is what is left of a crash: nobody was told that it is kept, and it is removed.
    """
    line = json.dumps(asdict(vote), ensure_ascii=False).encode() + b"\n"
    with path.open("ab+") as file:
        whole_bytes = _end_of_last_line(path)
        if whole_bytes < file.tell():
            file.truncate(whole_bytes)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def read_votes(path: Path) -> list[Vote]:
    """Returns the votes that count, the last on each question, in the order of the questions' first; none without a file.

    Raises TrialError, naming the line, where one is no vote.
    """
    if not path.is_file():
        return []
    whole_lines = path.read_bytes().split(b"\n")[:-1]
    votes = [_from_line(line, path, number) for number, line in enumerate(whole_lines, start=1) if line.strip()]
    return list({vote.question: vote for vote in votes}.values())


def _end_of_last_line(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1


def _from_line(line: bytes, path: Path, number: int) -> Vote:
    try:
        plain = json.loads(line)
        kinds = get_type_hints(Vote)
        if not isinstance(plain, dict) or set(plain) != set(kinds):
            raise ValueError("other fields than those of a vote")
        if not all(isinstance(plain[name], kind) for name, kind in kinds.items()):
            raise ValueError("a field of another type")
        vote = Vote(**plain)
        if vote.criterion not in CRITERIA or vote.better not in ("", vote.baseline, vote.track):
            raise ValueError("an answer that is none")
    except ValueError as error:  # no JSON and no UTF-8 among them
        raise TrialError(f"{path}, line {number} is no vote ({error}): mend or remove that line") from None
    return vote
