"""What a rater is shown: pairs of continuations whose models are not named, in an order of the rater's own.

A trial's samples -> questions -> votes. Order and sides are drawn from the hash of the rater's name and the two texts: nobody
chooses them, they differ from rater to rater, and after a reload or a restart they are the same, so that a rater goes on where
they were. rate.py serves it as a page.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

import xxhash

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.evaluation.text_measures import cut
from toktrial.evaluation.votes import CRITERIA, VOTES_FILE, Vote, append_vote, read_votes, texts_hash
from toktrial.trial import Trial

SAMPLES_FILE = "samples.json"  # what the evaluate stage writes into a run
ANSWERS = ("left", "right", "equal")
# What is asked about each criterion, and what it means.
QUESTIONS = {
    "coherence": ("Which text hangs together better?", "It follows from the prompt, and each sentence from those before."),
    "syntax": ("Which text is better formed?", "Its sentences are grammatical, with words, marks and capitals in their place."),
    "creativity": ("Which text is more creative?", "It has an idea of its own, and you would like to know how it goes on."),
}


@dataclass(frozen=True)
class Pair:
    """Two continuations of a prompt by models of one seed, with sides drawn."""

    seed: int
    prompt: int
    prompt_text: str
    track: str
    """The track that is compared with the baseline."""
    texts: str
    """`texts_hash` of the prompt and both texts, the baseline's first."""
    left: str
    right: str
    """The tracks on each side."""
    shown: dict[str, dict[str, Any]]
    """What is shown of each track: `text`, and whether the model `ended` it."""


def blind_pairs(trial: Trial, rater: str) -> list[Pair]:
    """Returns every pair of a track's and the baseline's continuation, over all prompts and seeds, in the rater's order.

    Texts are shown up to the limit of bytes, for how far a model's last entry overshot it would tell its vocabulary. Raises
    TrialError where the protocol has no prompts, or no seed has samples of two tracks yet.
    """
    plan = trial.protocol
    if not plan.evaluation.prompts:
        raise TrialError(
            f"evaluation.prompts is empty in the protocol of {trial.folder}, so its models write nothing to compare: "
            "begin another trial with prompts"
        )
    pairs = [
        _pair(rater, seed, place, plan.baseline, baseline, track, other, plan.evaluation.max_new_bytes)
        for seed in plan.seed_numbers
        for track in list(plan.tracks)[1:]
        for place, (baseline, other) in enumerate(
            zip(_samples(trial, plan.baseline, seed), _samples(trial, track, seed), strict=False)
        )
    ]
    if not pairs:
        raise TrialError(f"{trial.folder} has no samples of two tracks yet: `toktrial evaluate {trial.folder}` makes them")
    return sorted(pairs, key=lambda pair: _draw(rater, "order", pair.texts, pair.track, str(pair.seed)))


class Questionnaire:
    """A rater's questions, numbered from 0 on: each pair by every criterion in turn. Every vote is kept at once."""

    def __init__(self, trial: Trial, rater: str) -> None:
        """Goes on from the votes that the rater has given before. Raises TrialError as `blind_pairs` and `read_votes` do."""
        self.rater, self.pairs = rater, blind_pairs(trial, rater)
        self.path = trial.folder / VOTES_FILE
        self._baseline = trial.protocol.baseline
        self._lock = threading.Lock()
        asked = {self._key(number): number for number in range(len(self))}
        votes = [vote for vote in read_votes(self.path) if vote.question in asked]
        self._answers = {asked[vote.question]: self._side(asked[vote.question], vote.better) for vote in votes}

    def __len__(self) -> int:
        return len(self.pairs) * len(CRITERIA)

    @property
    def votes(self) -> int:
        """How many questions the rater has answered."""
        return len(self._answers)

    def question(self, number: int | None = None) -> dict[str, Any]:
        """Returns a question ready for the page, or by default the first without an answer; names no track.

        Raises IndexError where there is none of that number.
        """
        if number is None:
            number = next((each for each in range(len(self)) if each not in self._answers), len(self))
        state: dict[str, Any] = {"number": number, "votes": self.votes, "total": len(self)}
        if number == len(self):
            return state | {"finished": True}
        pair, criterion = self._asked(number)
        question, meaning = QUESTIONS[criterion]
        return state | {
            "finished": False,
            "pair": number // len(CRITERIA) + 1,
            "pairs": len(self.pairs),
            "criterion": number % len(CRITERIA) + 1,
            "criteria": len(CRITERIA),
            "question": question,
            "meaning": meaning,
            "prompt": pair.prompt_text,
            "left": pair.shown[pair.left],
            "right": pair.shown[pair.right],
            "answer": self._answers.get(number),
        }

    def vote(self, number: int, answer: str) -> None:
        """Keeps an answer (one of ANSWERS): on return it is on the disk. Raises IndexError where there is no such question."""
        pair, criterion = self._asked(number)
        better = {"left": pair.left, "right": pair.right, "equal": ""}[answer]
        with self._lock:
            vote = Vote(
                self.rater,
                pair.seed,
                pair.prompt,
                self._baseline,
                pair.track,
                pair.texts,
                pair.left,
                criterion,
                better,
                time.time(),
            )
            append_vote(self.path, vote)
            self._answers[number] = answer

    def close(self) -> None:
        """Waits for a vote that is being written, and takes no more."""
        self._lock.acquire()

    def _asked(self, number: int) -> tuple[Pair, str]:
        if not 0 <= number < len(self):
            raise IndexError(f"there is no question {number}: they run from 0 to {len(self) - 1}")
        return self.pairs[number // len(CRITERIA)], CRITERIA[number % len(CRITERIA)]

    def _key(self, number: int) -> tuple[str, int, int, str, str, str]:
        pair, criterion = self._asked(number)
        return (self.rater, pair.seed, pair.prompt, pair.track, pair.texts, criterion)

    def _side(self, number: int, better: str) -> str:
        pair, _ = self._asked(number)
        return {pair.left: "left", pair.right: "right"}.get(better, "equal")


def _samples(trial: Trial, track: str, seed: int) -> list[dict[str, Any]]:
    path = trial.run_folder(track, seed) / SAMPLES_FILE
    samples: list[dict[str, Any]] = artifact.read_json(path) if path.is_file() else []
    return samples


def _pair(
    rater: str,
    seed: int,
    place: int,
    baseline: str,
    of_baseline: dict[str, Any],
    track: str,
    of_track: dict[str, Any],
    most_bytes: int,
) -> Pair:
    prompt = of_baseline["prompt"]
    texts = texts_hash(prompt, (of_baseline["continuation"], of_track["continuation"]))
    left, right = (baseline, track) if _draw(rater, "sides", texts, track, str(seed)) % 2 else (track, baseline)
    shown = {baseline: _shown(of_baseline, most_bytes), track: _shown(of_track, most_bytes)}
    return Pair(seed, place, prompt, track, texts, left, right, shown)


def _shown(sample: dict[str, Any], most_bytes: int) -> dict[str, Any]:
    return {"text": cut(sample["continuation"], most_bytes), "ended": sample["ended"]}


def _draw(*parts: str) -> int:
    return xxhash.xxh3_64_intdigest("\0".join(parts).encode())
