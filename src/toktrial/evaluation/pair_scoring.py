"""Which sentence of a minimal pair a model finds likelier, and which pairs hold only words that the corpus knows.

A sentence is scored as bits_per_byte.py scores a document: byte for byte as the file has it, after id 0, which is not scored,
and with its closing id 0, which is. So its score is the probability of the whole text, end included, and two tokenizers
answer the same question. The pair goes to the sentence of higher probability; nothing is divided by length (BLiMP's files
call this the simple LM method). Equal probabilities are a tie and count one half.
"""

import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from toktrial import artifact
from toktrial.evaluation.account import is_made, write_account
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.evaluation.minimal_pairs import Paradigm, load_minimal_pairs, minimal_pairs_fingerprint
from toktrial.evaluation.words import known_words, words_of
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import TokenSplit, entry_bytes_of
from toktrial.training.device import resolve_device
from toktrial.training.model import GPT
from toktrial.training.run import Run, load_model

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents

RUN_PAIRS_FILE = "minimal_pairs.json"
KNOWN_PAIRS_FILE = "evaluation/known_pairs/known_pairs.json"


class PairScorer:
    """Scores fixed pairs under one tokenizer; work that does not depend on the model is done once.

    Each distinct sentence is scored once, so that a pair of equal sentences is an exact tie, however it is batched.
    """

    def __init__(self, paradigms: Sequence[Paradigm], tokenizer: Tokenizer, context: int, vocab_size: int) -> None:
        place: dict[str, int] = {}
        self._good, self._bad = (
            np.array([place.setdefault(sentence, len(place)) for paradigm in paradigms for sentence in getattr(paradigm, side)])
            for side in ("good", "bad")
        )
        sentences = TokenSplit.of_texts(list(place), tokenizer)
        self._scorer = DocumentScorer(sentences, entry_bytes_of(tokenizer), context, vocab_size)
        self.pairs = len(self._good)

    def pair_nats(
        self, model: GPT, on_progress: Callable[[float], None] | None = None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Returns the negative log-likelihoods, in nats, of the right and of the wrong sentences: (pairs,) each, in order.

        on_progress: called after each batch with the share that is done.
        """
        nats = self._scorer.score(model, on_progress).document_nats
        return nats[self._good], nats[self._bad]


def outcomes(good_nats: npt.NDArray[np.float64], bad_nats: npt.NDArray[np.float64]) -> str:
    """Returns one letter for each pair: 1 where the right sentence is likelier, 0 where the wrong one is, = for a tie.

    >>> outcomes(np.array([3.0, 5.0, 4.0]), np.array([4.0, 4.0, 4.0]))
    '10='
    """
    return "".join(np.where(good_nats < bad_nats, "1", np.where(good_nats > bad_nats, "0", "=")).tolist())


def score_run(run: Run, tokenizer_folder: Path, trial_folder: Path, on_progress: Callable[[float], None]) -> None:
    """Writes a finished run's minimal_pairs.json, unless that is done: the outcome of every pair, paradigm by paradigm.

    on_progress: called after each batch with the share that is done.
    """
    path = run.folder / RUN_PAIRS_FILE
    pairs_fingerprint = minimal_pairs_fingerprint(trial_folder)
    run_fingerprint = run.fingerprint(artifact.read_manifest(run.tokens_folder)["fingerprint"])
    fingerprint = artifact.fingerprint("minimal pairs of a run", {"run": run_fingerprint, "pairs": pairs_fingerprint})
    if is_made(path, fingerprint):
        return
    paradigms, tokenizer = load_minimal_pairs(trial_folder), load_tokenizer(tokenizer_folder)
    model = load_model(run, tokenizer.vocab_size).to(resolve_device(run.training.device))
    started = time.monotonic()
    scorer = PairScorer(paradigms, tokenizer, run.model.context, run.vocab_size)
    letters = outcomes(*scorer.pair_nats(model, on_progress))
    ends = accumulate(len(paradigm.good) for paradigm in paradigms)
    found = {
        "fingerprint": fingerprint,
        "pairs_fingerprint": pairs_fingerprint,
        "pairs": scorer.pairs,
        "seconds": time.monotonic() - started,
        "outcomes": {of.name: letters[end - len(of.good) : end] for of, end in zip(paradigms, ends, strict=True)},
    }
    artifact.write_json(path, found)


def account_known_pairs(trial_folder: Path, corpus_fingerprint: str, training_documents: "Documents") -> None:
    """Writes evaluation/known_pairs/known_pairs.json, unless that is done: which pairs hold only known words.

    A word is known where it occurs anywhere in the training documents, in whatever case; a pair, where every word of both its
    sentences is known. Each pair has one letter: 1 known, 0 not.
    """
    pairs_fingerprint = minimal_pairs_fingerprint(trial_folder)

    def account() -> dict[str, Any]:
        known = describe_known_pairs(load_minimal_pairs(trial_folder), training_documents)
        return {"pairs_fingerprint": pairs_fingerprint, **known}

    inputs = {"corpus": corpus_fingerprint, "pairs": pairs_fingerprint}
    write_account(trial_folder / KNOWN_PAIRS_FILE, "known pairs", inputs, account)


def describe_known_pairs(paradigms: Sequence[Paradigm], training_documents: "Documents") -> dict[str, Any]:
    """Returns, ready for JSON, how many distinct words the pairs hold and the corpus knows, and which pairs it knows."""
    words = {
        paradigm.name: [{*words_of(good), *words_of(bad)} for good, bad in zip(paradigm.good, paradigm.bad, strict=True)]
        for paradigm in paradigms
    }
    asked = {word for pairs in words.values() for pair in pairs for word in pair}
    known = known_words(training_documents, asked)
    letters = {name: "".join("1" if pair <= known else "0" for pair in pairs) for name, pairs in words.items()}
    return {
        "words": len(asked),
        "known_words": len(known),
        "paradigms": [{"name": each.name, "field": each.field, "known": letters[each.name]} for each in paradigms],
    }
