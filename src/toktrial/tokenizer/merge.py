"""BTM's third step, the merge engine: merges the best adjacent pair again and again, exactly, in linear time.

reference.py says in a few obvious lines what this computes, merge_engine.py how it is done fast; tests hold them equal.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial.errors import TrialError
from toktrial.tokenizer.merge_checkpoint import MergeCheckpoint, MergeState
from toktrial.tokenizer.merge_engine import MergeEngine, MergeRule, lay_out_documents, wall_of
from toktrial.tokenizer.pair_table import PAIR_COLUMNS, SMALLEST_CAPACITY, empty_table, rehash
from toktrial.tokenizer.scopes import ANY
from toktrial.tokenizer.scores import FREQUENCY, resolve_score
from toktrial.tokenizer.tkn import IntArray

# Pairs that keep positions, for each merge still to be made: enough that the best count rarely falls below the threshold.
PAIRS_KEPT_PER_MERGE = 4
REFRESH_EVERY = 256
NOTHING_MERGED = (np.zeros((0, 4), dtype=np.int64), np.zeros((0, 2), dtype=np.int64))

OnMerge = Callable[[int, int], None]


@dataclass(frozen=True)
class LearnedMerges:
    """What `learn_merges` returns."""

    merges: npt.NDArray[np.int64]
    """(n, 4) int64: left id, right id, new id, count when chosen; in the order of choice."""
    passed_over: list[tuple[int, int]]
    """Pairs that were the best one, but whose joined bytes already named an entry."""
    ids: npt.NDArray[np.uint32]
    """The stream that the merges left behind, flat."""
    offsets: npt.NDArray[np.int64]
    """(documents + 1,) int64: where each document begins and ends in `ids`."""
    recounts: int = field(compare=False, default=0)
    """How often the pairs were counted again under a lower threshold."""


def learn_merges(
    documents: Iterable[Sequence[int] | IntArray],
    token_bytes: Sequence[bytes],
    vocab_size: int,
    min_frequency: int = 2,
    on_merge: OnMerge | None = None,
    score: str = FREQUENCY,
    scope: str = ANY,
) -> LearnedMerges:
    """Learns BTM's merges from documents of primitive ids.

    The pair with the highest score is merged, by default the one with the highest count: the number of its adjacent
    positions in the current stream, within documents. Of equals, the one with the smallest left id, then the smallest
    right id. A pair whose bytes joined already name an entry is passed over. Ends at `vocab_size` entries, or when no
    pair with a count of `min_frequency` is left.

    documents: each a list or an integer array of ids below len(token_bytes); token_bytes: bytes of each primitive;
    on_merge: called after each merge with the number of entries and the count of the merged pair; score, scope: which pair
    is merged next, and where (scores.py, scopes.py).

    Raises TrialError for an id without an entry, an unknown score or scope, and a min_frequency below 1.

    >>> learn_merges([[0, 1, 0, 1, 0]], [b"a", b"b"], vocab_size=3).merges.tolist()
    [[0, 1, 2, 2]]
    """
    arrays = [np.asarray(document, dtype=np.int64) for document in documents]
    offsets = np.zeros(len(arrays) + 1, dtype=np.int64)
    np.cumsum([array.size for array in arrays], out=offsets[1:])
    ids = np.concatenate(arrays) if arrays else np.zeros(0, dtype=np.int64)
    return learn_merges_of_stream(ids, offsets, token_bytes, vocab_size, min_frequency, on_merge, score, scope)


def learn_merges_of_stream(
    ids: IntArray,
    offsets: IntArray,
    token_bytes: Sequence[bytes],
    vocab_size: int,
    min_frequency: int = 2,
    on_merge: OnMerge | None = None,
    score: str = FREQUENCY,
    scope: str = ANY,
    refresh_every: int = REFRESH_EVERY,
    pairs_kept_per_merge: float = PAIRS_KEPT_PER_MERGE,
    checkpoint: MergeCheckpoint | None = None,
) -> LearnedMerges:
    """The same as `learn_merges`, from flat ids (any integer dtype) and offsets (documents + 1,) into them.

    on_merge: called after each merge with the number of entries and the count of the merged pair; refresh_every: merges
    after which all scores but `frequency` are computed anew; pairs_kept_per_merge costs time or memory, but changes no
    merge; checkpoint: where to go on from, should this be interrupted and called again. Ids may be memory-mapped: they are
    read once.
    """
    if min_frequency < 1:
        raise TrialError(f"min_frequency must be at least 1, but is {min_frequency}")
    rule = MergeRule(min_frequency, resolve_score(score), scope, refresh_every, pairs_kept_per_merge)
    vocab_size = max(vocab_size, len(token_bytes))
    _compile_kernels(ids.dtype, ids.flags.writeable, wall_of(vocab_size).dtype, score, scope)
    state = checkpoint.load() if checkpoint else None
    if state is None:
        state = MergeState(lay_out_documents(ids, offsets, len(token_bytes), vocab_size), *NOTHING_MERGED)
    return _Learner(state, token_bytes, vocab_size, rule).learn(on_merge, checkpoint)


class _Learner:
    """The merges made so far, and the engine that makes them."""

    def __init__(self, state: MergeState, token_bytes: Sequence[bytes], vocab_size: int, rule: MergeRule) -> None:
        self._vocab_size = vocab_size
        self._entries = list(token_bytes)
        self._merges = [(left, right, new, count) for left, right, new, count in state.merges.tolist()]
        for left, right, _, _ in self._merges:
            self._entries.append(self._entries[left] + self._entries[right])
        self._known = set(self._entries)
        self._passed_over = dict.fromkeys((left, right) for left, right in state.passed_over.tolist())  # a set in order
        self._engine = MergeEngine(state.cells, self._entries, vocab_size, len(self._merges), rule)

    def learn(self, on_merge: OnMerge | None, checkpoint: MergeCheckpoint | None) -> LearnedMerges:
        engine = self._engine
        while self._merges_left and (best := engine.take_best(self._merges_left)) is not None:
            left, right, count = best
            joined = self._entries[left] + self._entries[right]
            if joined in self._known:
                self._passed_over[left, right] = None
                continue
            new = len(self._entries)
            self._entries.append(joined)
            self._known.add(joined)
            self._merges.append((left, right, new, count))
            engine.merge(left, right, new, joined, count)
            if on_merge:
                on_merge(new + 1, count)
            if checkpoint and checkpoint.is_due and engine.may_recount:
                checkpoint.save(MergeState(engine.compacted(), *self._tables()))
                engine.recount(self._merges_left)
        recounts = engine.recounts
        merges, _ = self._tables()
        return LearnedMerges(merges, list(self._passed_over), *engine.stream(), recounts)

    @property
    def _merges_left(self) -> int:
        return self._vocab_size - len(self._entries)

    def _tables(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        merges = np.array(self._merges, dtype=np.int64).reshape(-1, 4)
        return merges, np.array(list(self._passed_over), dtype=np.int64).reshape(-1, 2)


@functools.cache
def _compile_kernels(ids_dtype: Any, writable: bool, cells_dtype: Any, score: str, scope: str) -> None:
    """Merges streams so small that it takes no time, but every kernel: no later call waits for a compiler.

    The first is counted in a dense table, again and again; the second, of 5,000 entries, in a hash table.
    """
    rule = MergeRule(1, resolve_score(score), scope, refresh_every=2, pairs_kept_per_merge=0.0)
    for entries in (4, 5000):
        ids = np.array([0, 1, 2, 3] * 8 + [0, 1, 0, 2] * 4, dtype=ids_dtype)
        ids.flags.writeable = writable
        vocab_size = entries + 8 if cells_dtype == np.uint16 else np.iinfo(np.uint16).max + 1
        cells = lay_out_documents(ids, np.array([0, ids.size]), entries, vocab_size)
        token_bytes = [token.to_bytes(2, "big") for token in range(entries)]
        _Learner(MergeState(cells, *NOTHING_MERGED), token_bytes, entries + 8, rule).learn(None, None)
    rehash(*empty_table(SMALLEST_CAPACITY, PAIR_COLUMNS), *empty_table(SMALLEST_CAPACITY, PAIR_COLUMNS))
