"""What a rater is shown: pairs of continuations whose models are not named, in an order of the rater's own.

A trial's samples -> questions -> votes. Order and sides are drawn from a hash of the rater's name and the two texts: nobody
chooses them, they differ from rater to rater, and they survive a reload or a restart, so that a rater can go on at any time.
commands/rate.py serves the questions as a page.
"""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import xxhash

from toktrial import artifact
from toktrial.errors import TrialError
from toktrial.evaluation.run_files import SAMPLES_FILE
from toktrial.evaluation.text_measures import cut
from toktrial.evaluation.votes import CRITERIA, VOTES_FILE, Vote, append_vote, read_votes, texts_hash
from toktrial.trial_folder import TrialFolder

Answer = Literal["left", "right", "equal"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
# What is asked about each criterion, and what it means.
QUESTIONS = {
    "coherence": ("Which text hangs together better?", "It follows from the prompt, and each sentence from those before."),
    "syntax": ("Which text is better formed?", "Its sentences are grammatical, with words, marks and capitals in their place."),
    "creativity": ("Which text is more creative?", "It has an idea of its own, and you would like to know how it goes on."),
}


@dataclass(frozen=True)
class Pair:
    """Two continuations of a prompt by models of one seed, with their sides drawn."""

    seed: int
    prompt: int
    """The prompt's place among the protocol's prompts, from 0 on."""
    prompt_text: str
    track: str
    """The track that is compared with the baseline."""
    texts: str
    """`texts_hash` of the prompt and both texts, the baseline's first."""
    left: str
    """The track whose text is shown on the left."""
    right: str
    shown: dict[str, dict[str, Any]]
    """What is shown of each track: its `text`, and whether the model `ended` it."""


def blind_pairs(trial: TrialFolder, rater: str) -> list[Pair]:
    """Returns every pair of a track's and the baseline's continuation, over all prompts and seeds, in the rater's order.

    Texts are shown up to the limit of bytes, because how far a model's last entry overshot it would reveal the vocabulary.

    Raises TrialError where the protocol has no prompts, or no seed has samples of two tracks yet.
    """
    plan = trial.protocol
    if not plan.evaluation.prompts:
        raise TrialError(
            f"evaluation.prompts is empty in the protocol of {trial.folder}, so its models write nothing to compare: "
            "begin another trial with prompts"
        )
    pairs = [
        pair for seed in plan.seed_numbers for track in list(plan.tracks)[1:] for pair in _pairs(trial, rater, seed, track)
    ]
    if not pairs:
        raise TrialError(f"{trial.folder} has no samples of two tracks yet: `toktrial evaluate {trial.folder}` makes them")
    return sorted(pairs, key=lambda pair: _draw(rater, "order", pair.texts, pair.track, str(pair.seed)))


def _pairs(trial: TrialFolder, rater: str, seed: int, track: str) -> Iterator[Pair]:
    """Yields what a track's and the baseline's models of one seed wrote, prompt by prompt."""
    tracks, most_bytes = (trial.protocol.baseline, track), trial.protocol.evaluation.max_new_bytes
    paths = [trial.run_folder(each, seed) / SAMPLES_FILE for each in tracks]
    if not all(path.is_file() for path in paths):
        return
    for place, samples in enumerate(zip(*map(artifact.read_json, paths), strict=False)):
        prompt = samples[0]["prompt"]
        texts = texts_hash(prompt, [sample["continuation"] for sample in samples])
        left, right = tracks if _draw(rater, "sides", texts, track, str(seed)) % 2 else tracks[::-1]
        shown = {
            each: {"text": cut(sample["continuation"], most_bytes), "ended": sample["ended"]}
            for each, sample in zip(tracks, samples, strict=True)
        }
        yield Pair(seed, place, prompt, track, texts, left, right, shown)


def _draw(*parts: str) -> int:
    return xxhash.xxh3_64_intdigest("\0".join(parts).encode())


class Questionnaire:
    """A rater's questions, numbered from 0 on: each pair by every criterion in turn. Every vote is kept at once."""

    def __init__(self, trial: TrialFolder, rater: str) -> None:
        """Goes on from the votes that the rater has given before. Raises TrialError as `blind_pairs` and `read_votes` do."""
        self.rater, self.pairs = rater, blind_pairs(trial, rater)
        self.path = trial.folder / VOTES_FILE
        self._baseline = trial.protocol.baseline
        self._lock = threading.Lock()
        given = {vote.question: vote.better for vote in read_votes(self.path)}
        self._answers = {
            number: answer
            for number in range(len(self))
            for answer in ANSWERS
            if given.get((vote := self._vote(number, answer)).question) == vote.better
        }

    def __len__(self) -> int:
        return len(self.pairs) * len(CRITERIA)

    @property
    def votes(self) -> int:
        """How many questions the rater has answered."""
        return len(self._answers)

    def question(self, number: int | None = None) -> dict[str, Any]:
        """Returns a question ready for the page, by default the first without an answer. It names no track.

        Raises TrialError where there is no question of that number.
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

    def vote(self, number: int, answer: Answer) -> None:
        """Keeps an answer: on return it is on the disk. Raises TrialError where there is no question of that number."""
        vote = self._vote(number, answer)
        with self._lock:
            append_vote(self.path, vote)
            self._answers[number] = answer

    def close(self) -> None:
        """Waits for a vote that is being written, and takes no more."""
        self._lock.acquire()

    def _asked(self, number: int) -> tuple[Pair, str]:
        if not 0 <= number < len(self):
            raise TrialError(f"there is no question {number}: they run from 0 to {len(self) - 1}")
        return self.pairs[number // len(CRITERIA)], CRITERIA[number % len(CRITERIA)]

    def _vote(self, number: int, answer: Answer) -> Vote:
        pair, criterion = self._asked(number)
        return Vote(
            rater=self.rater,
            seed=pair.seed,
            prompt=pair.prompt,
            baseline=self._baseline,
            track=pair.track,
            texts=pair.texts,
            left=pair.left,
            criterion=criterion,
            better={"left": pair.left, "right": pair.right, "equal": ""}[answer],
            timestamp=time.time(),
        )
