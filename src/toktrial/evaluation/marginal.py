"""The gap of one cut: how much likelier a text is than the tokenizer's own cut of it, by the same model.

A text can be cut into entries in many ways. Its probability is the sum over all of them, but bits per byte count one: the
tokenizer's own. If two tokenizers leave out different shares, a verdict about them is also a verdict about their cuts (Cao &
Rimell 2021, You should evaluate your language model on marginal likelihood over tokenisations; Chirkova et al. 2023, Should you
marginalize over possible tokenizations?).

The sum of a short text is exact: every cut is scored. For a longer one it is estimated by importance sampling. Some cuts are
scored and added as they are: the tokenizer's own first, then PILOTS. The rest is the mean, over further SAMPLES, of a cut's
probability under the model over that of drawing it. The estimate of the probability is unbiased, so its logarithm is too low on
average: the gap is at least as large as it says.

Cuts are drawn from the lattice of the text (lattice.py). Its weights begin as a bigram count model's of the track's ids, made
flatter. Wherever a scored cut passes, they become the model's own: it has said there how likely every entry is, and that
depends little on how the text before was cut. The pilots teach the lattice, so that the samples fit the model.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial import artifact
from toktrial.evaluation.account import is_made, write_run_account
from toktrial.evaluation.bits_per_byte import DocumentScorer
from toktrial.evaluation.count_models import CountModel
from toktrial.evaluation.healing import EntryTable
from toktrial.evaluation.lattice import Cut, Lattice, StepWeights
from toktrial.evaluation.run_files import MARGINAL_FILE
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import TokenSplit, TokenStore
from toktrial.training.device import resolve_device
from toktrial.training.model import GPT
from toktrial.training.run import Run, load_model

MARGINAL_FORMAT = 1  # raised when the estimate is made in another way
PILOTS = (16, 16)  # cuts that teach the lattice, one round after the other
SAMPLES = 32
MOST_SUMMED = 64  # cuts of a text that are all scored; where there are more, they are sampled
FLATTENED = 0.6  # exponent of the bigram probabilities: a flatter proposal finds cuts that the model likes better
COUNTED_IDS = 1 << 22  # training ids that the bigram model counts
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Marginal:
    """A document's negative log-likelihood, in nats: by the tokenizer's own cut, and over all cuts."""

    own_nats: float
    nats: float
    error: float
    """Standard error of `nats`, of the sampling; 0 where every cut was scored."""
    is_exact: bool


@dataclass
class CutScorer:
    """Scores cuts of one document with a model, and teaches the document's lattice what the model says on the way."""

    model: GPT
    lattice: Lattice
    entry_bytes: npt.NDArray[np.uint32]
    nats: dict[Cut, float] = field(default_factory=dict)
    """Of every cut that was scored."""
    tokens: int = 0
    """That were scored."""
    _taught: set[int] = field(default_factory=set)

    def score(self, cuts: Iterable[Cut]) -> None:
        """Scores the cuts that were not scored before, together."""
        new = [cut for cut in dict.fromkeys(cuts) if cut not in self.nats]
        if not new:
            return
        edges = np.concatenate([np.array(cut) for cut in new])
        offsets = np.cumsum([0, *map(len, new)])
        preceding = np.append(0, edges[:-1])
        preceding[offsets[:-1]] = 0  # every cut begins at the opening edge
        targets = self.lattice.ids[edges]
        length = int(self.lattice.starts[-1])
        split = TokenSplit(targets.astype(np.uint32), offsets.astype(np.uint64), np.full(len(new), length, dtype=np.uint32))
        scorer = DocumentScorer(split, self.entry_bytes, self.model.config.context, self.model.vocab_size)
        nats = np.zeros(len(edges))
        for places, found in scorer.log_probabilities(self.model):
            log_probabilities = found.cpu().numpy()
            nats[places] = -log_probabilities[np.arange(len(places)), targets[places]]
            for edge, row in zip(preceding[places].tolist(), log_probabilities, strict=True):
                if edge not in self._taught:
                    self._taught.add(edge)
                    self.lattice.weigh_after(edge, row[self.lattice.ids[self.lattice.beginning[self.lattice.ends[edge]]]])
        self.nats |= dict(zip(new, np.add.reduceat(nats, offsets[:-1]).tolist(), strict=True))
        self.tokens += len(edges)


def document_marginal(scorer: CutScorer, own: Cut, first_weights: StepWeights, random: np.random.Generator) -> Marginal:
    """Returns a document's likelihood over all cuts: exact where it has at most MOST_SUMMED, else an estimate."""
    lattice = scorer.lattice
    if lattice.count_cuts() <= MOST_SUMMED:
        scorer.score(lattice.all_cuts())
        return Marginal(scorer.nats[own], -_log_sum(scorer.nats.values()), 0.0, is_exact=True)
    lattice.weigh(first_weights)
    scorer.score([own])
    for pilots in PILOTS:
        scorer.score(lattice.draw(pilots, random)[0])
    summed = set(scorer.nats)
    log_summed = _log_sum(scorer.nats.values())
    cuts, log_drawn = lattice.draw(SAMPLES, random)
    scorer.score(cuts)
    nats = np.array([math.inf if cut in summed else scorer.nats[cut] for cut in cuts])
    log_shares = -nats - log_drawn
    log_probability = float(np.logaddexp(log_summed, np.logaddexp.reduce(log_shares) - math.log(SAMPLES)))
    shares = np.exp(log_shares - log_probability)  # the mean is the part of the probability that the samples stand for
    return Marginal(scorer.nats[own], -log_probability, float(shares.std(ddof=1) / math.sqrt(SAMPLES)), is_exact=False)


def measure_marginal(run: Run, tokenizer_folder: Path, documents: int) -> None:
    """Writes a finished run's marginal.json, unless that is done: the marginals of the first validation documents."""
    store = TokenStore.open(run.tokens_folder)

    def account() -> dict[str, Any]:
        started = time.monotonic()
        model = load_model(run, store.entries).to(resolve_device(run.training.device))
        entries = EntryTable(load_tokenizer(tokenizer_folder).token_bytes)
        found, tokens = marginals(model, store, entries, documents)
        return {
            "documents_asked_for": documents,
            "own_nats": [each.own_nats for each in found],
            "nats": [each.nats for each in found],
            "errors": [each.error for each in found],
            "exact": sum(each.is_exact for each in found),
            "tokens": tokens,
            "seconds": time.monotonic() - started,
        }

    write_run_account(run.folder / MARGINAL_FILE, _fingerprint(run, store.manifest["fingerprint"], documents), account)


def is_measured(run: Run, tokens_fingerprint: str, documents: int) -> bool:
    """Whether marginal.json is there for these settings."""
    return is_made(run.folder / MARGINAL_FILE, _fingerprint(run, tokens_fingerprint, documents))


def _fingerprint(run: Run, tokens_fingerprint: str, documents: int) -> str:
    inputs = {"run": run.fingerprint(tokens_fingerprint), "documents": documents, "format": MARGINAL_FORMAT}
    return artifact.fingerprint("marginal", inputs)


def marginals(model: GPT, store: TokenStore, entries: EntryTable, documents: int) -> tuple[list[Marginal], int]:
    """Returns the marginals of the first validation documents, and how many tokens were scored for them.

    Each document has random numbers of its own, so that it has the same marginal among however many.
    """
    counted = store.train.part(0, max(1, store.train.documents_within(COUNTED_IDS)))
    bigram = CountModel.of(counted, store.entries)

    def weights_of(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> Floats:
        return FLATTENED * np.log(bigram.bigram_probabilities(left, right))

    found, tokens = [], 0
    for document in range(min(documents, store.validation.documents)):
        ids = store.validation.document(document).tolist()
        scorer = CutScorer(model, Lattice(entries.spell(ids[:-1]), entries), store.entry_bytes)
        own = scorer.lattice.cut_of(ids)
        found.append(document_marginal(scorer, own, weights_of, np.random.default_rng(document)))
        tokens += scorer.tokens
    return found, tokens


def _log_sum(nats: Iterable[float]) -> float:
    """Returns the logarithm of the sum of the probabilities that these nats stand for."""
    return float(np.logaddexp.reduce(-np.array(list(nats))))
