"""BTM's third step: merges the best adjacent pair again and again, exactly, in linear time.

reference.py says in a few obvious lines what this computes, merge_engine.py how it is done fast; tests hold them equal.
"""

import functools
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt

from toktrial import artifact, progress
from toktrial.tokenizer.merge_engine import MergeEngine
from toktrial.tokenizer.merge_rules import ANY, FREQUENCY, MergeRule, check_size, joined_entries, may_arise
from toktrial.tokenizer.pairs import PAIR_COLUMNS, IntArray, empty_table, grown
from toktrial.tokenizer.stream import Cells, cell_type, lay_out_documents

BY_FREQUENCY = MergeRule()
CHECKPOINT_SECONDS = 600.0

OnMerge = Callable[[int, int], None]


@dataclass(frozen=True)
class MergeList:
    """The merges alone: what learning them from shards returns."""

    merges: npt.NDArray[np.int64]
    """(n, 4) int64: left id, right id, new id, count when chosen; in the order of choice."""
    passed_over: list[tuple[int, int]]
    """Pairs that were the best one, but whose joined bytes already named an entry."""
    recounts: int = field(compare=False)
    """How often the pairs were counted again under a lower threshold."""


@dataclass(frozen=True)
class LearnedMerges(MergeList):
    """What `learn_merges` returns."""

    ids: Cells
    """The stream that the merges left behind, flat; uint16, or uint32 for a vocabulary beyond that."""
    offsets: npt.NDArray[np.int64]
    """(documents + 1,) int64: where each document begins and ends in `ids`."""
    pruned: npt.NDArray[np.int64] = field(compare=False, default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Ids, ascending, of the entries that were given back; `ids` still holds what is left of them."""


@dataclass(frozen=True)
class MergeState:
    """What a recount leaves behind, and all that it takes to go on."""

    cells: Cells
    """The compacted stream."""
    entries_wanted: int
    """At how many entries learning ends, those that will be given back among them."""
    merges: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), dtype=np.int64))
    """(n, 4) int64: as in LearnedMerges."""
    passed_over: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    """(m, 2) int64: pairs that were passed over."""


class MergeCheckpoint:
    """A file from which learning goes on after an interruption; it belongs to the inputs whose fingerprint it holds.

    It is written, by rename, right after a recount, for which the stream is compacted anyway, and only when learning takes
    longer than `every_seconds`.
    """

    def __init__(self, path: Path, fingerprint: str, every_seconds: float = CHECKPOINT_SECONDS) -> None:
        self._path, self._fingerprint, self._every_seconds = path, fingerprint, every_seconds
        self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the last save, or the beginning, is long enough ago."""
        return time.monotonic() - self._saved_at >= self._every_seconds

    def save(self, state: MergeState) -> None:
        """Replaces the file."""
        with artifact.publish_file(self._path) as partial, partial.open("wb") as file:
            np.savez(file, fingerprint=np.array(self._fingerprint), **vars(state))
        self._saved_at = time.monotonic()

    def load(self) -> MergeState | None:
        """Returns what was saved, or None if nothing was, or for other inputs.

        Prints a line if the file is damaged, or another version of toktrial wrote it.
        """
        if not self._path.is_file():
            return None
        try:
            with np.load(self._path) as file:
                if str(file["fingerprint"]) != self._fingerprint:
                    return None
                saved = {name: file[name] for name in file if name != "fingerprint"}
        except (zipfile.BadZipFile, ValueError, KeyError, EOFError, RuntimeError, OSError) as error:
            what = f"is damaged ({error})"
        else:
            if saved.keys() == {each.name for each in fields(MergeState)}:
                return MergeState(**saved | {"entries_wanted": int(saved["entries_wanted"])})
            what = "was written by another version of toktrial"
        progress.print_line(f"{self._path} {what}: learning the merges from the start")
        return None

    def remove(self) -> None:
        """Removes the file, when all is done."""
        self._path.unlink(missing_ok=True)


def learn_merges(
    documents: Iterable[Sequence[int] | IntArray],
    token_bytes: Sequence[bytes],
    vocab_size: int,
    min_frequency: int = 2,
    on_merge: OnMerge | None = None,
    score: str = FREQUENCY,
    scope: str = ANY,
    max_words: int = 0,
    prune: int = 0,
) -> LearnedMerges:
    """Learns BTM's merges from documents of primitive ids.

    The pair with the highest score is merged, by default the one with the highest count: the number of its adjacent
    positions in the current stream, within documents. Of equals, the one with the smallest left id, then the smallest
    right id, goes first. A pair whose joined bytes already name an entry is passed over. Learning stops at `vocab_size`
    entries, or when no pair with a count of `min_frequency` is left.

    documents: each a list or an integer array of ids below len(token_bytes); token_bytes: bytes of each primitive;
    on_merge: called after each merge with the number of entries and the count of the merged pair; the others: see MergeRule.

    Raises TrialError for an id without an entry, an unknown score or scope, a min_frequency below 1, and a vocab_size below
    the number of primitives.

    >>> learn_merges([[0, 1, 0, 1, 0]], [b"a", b"b"], vocab_size=3).merges.tolist()
    [[0, 1, 2, 2]]
    """
    arrays = [np.asarray(document, dtype=np.int64) for document in documents]
    offsets = np.cumsum([0, *(array.size for array in arrays)])
    ids = np.concatenate([np.zeros(0, dtype=np.int64), *arrays])
    rule = MergeRule(min_frequency, score, scope, max_words, prune)
    return learn_merges_of_stream(ids, offsets, token_bytes, vocab_size, rule, on_merge)


def learn_merges_of_stream(
    ids: IntArray,
    offsets: IntArray,
    token_bytes: Sequence[bytes],
    vocab_size: int,
    rule: MergeRule = BY_FREQUENCY,
    on_merge: OnMerge | None = None,
    prunable: npt.NDArray[np.bool_] | None = None,
    checkpoint: MergeCheckpoint | None = None,
) -> LearnedMerges:
    """The same as `learn_merges`, from flat ids (any integer dtype) and offsets (documents + 1,) into them.

    prunable: (primitives,), which of them may be given back too, by default none; checkpoint: where to go on from if this is
    interrupted and called again. Ids may be memory-mapped: they are read once.
    """
    prune, primitives = rule.prune, len(token_bytes)
    rule = replace(rule, min_frequency=max(rule.min_frequency, prune))
    dtype = cell_type(vocab_size)
    _compile_kernels(ids.dtype, ids.flags.writeable, dtype, rule.score, rule.scope)
    if checkpoint and (saved := checkpoint.load()):
        state = replace(saved, entries_wanted=max(vocab_size, saved.entries_wanted))
    else:
        state = MergeState(lay_out_documents(ids, offsets, primitives, dtype), vocab_size)
    learned = _learn_from(state, token_bytes, rule, on_merge, checkpoint)
    while prune:
        entries = primitives + len(learned.merges)
        pruned = _rarely_used(learned.ids, entries, primitives, prune, prunable)
        wanted = vocab_size + pruned.size  # a merge adds one entry that is used enough at most, so they are never too many
        if entries == wanted or entries < state.entries_wanted:
            return replace(learned, pruned=pruned)
        cells = lay_out_documents(learned.ids, learned.offsets, entries, cell_type(wanted))
        state = MergeState(cells, wanted, learned.merges, _as_rows(learned.passed_over, 2))
        learned = _learn_from(state, token_bytes, rule, on_merge, checkpoint)
    return learned


def _rarely_used(
    ids: IntArray, entries: int, primitives: int, uses: int, prunable: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.int64]:
    """Returns the ids of the merged entries, and of those primitives that are `prunable`, which the stream holds too rarely."""
    is_rare = np.bincount(ids, minlength=entries) < uses
    is_rare[:primitives] &= False if prunable is None else prunable
    return np.flatnonzero(is_rare)


def _as_rows(numbers: Iterable[tuple[int, ...]], columns: int) -> npt.NDArray[np.int64]:
    return np.array(list(numbers), dtype=np.int64).reshape(-1, columns)


def _learn_from(
    state: MergeState,
    token_bytes: Sequence[bytes],
    rule: MergeRule,
    on_merge: OnMerge | None = None,
    checkpoint: MergeCheckpoint | None = None,
) -> LearnedMerges:
    learner = Learner(state, token_bytes, rule)
    engine = MergeEngine(state.cells, learner.entries, state.entries_wanted, len(state.merges), rule)
    learned = learner.learn(engine, on_merge, checkpoint)
    return LearnedMerges(learned.merges, learned.passed_over, learned.recounts, *engine.documents())


class Engine(Interface):
    """What finds and merges the best pair: MergeEngine, or ShardedMergeEngine."""

    recounts: int

    def take_best(self, merges_left: int) -> tuple[int, int, int] | None:
        """Takes the best pair: left id, right id, count. None if no pair of `min_frequency` is left."""

    def merge(self, left: int, right: int, new: int, entry: bytes, count: int) -> None:
        """Replaces the pair taken by the new id everywhere; a pair that is taken and not merged is passed over."""

    @property
    def may_recount(self) -> bool:
        """Whether a recount now changes no merge."""

    def compacted(self) -> Cells:
        """Returns the cells of a checkpoint, which must be recounted then."""

    def recount(self, merges_left: int) -> None:
        """Counts all pairs anew."""


class Learner:
    """The merges made so far, and how an engine makes more."""

    def __init__(self, state: MergeState, token_bytes: Sequence[bytes], rule: MergeRule) -> None:
        check_size(state.entries_wanted, len(token_bytes))
        self._entries_wanted, self._rule = state.entries_wanted, rule
        self._entries = joined_entries(token_bytes, state.merges)
        self._merges = [(left, right, new, count) for left, right, new, count in state.merges.tolist()]
        self._known = set(self._entries)
        self._passed_over = dict.fromkeys((left, right) for left, right in state.passed_over.tolist())  # a set in order

    @property
    def entries(self) -> Sequence[bytes]:
        """The primitives and one entry for each merge so far."""
        return self._entries

    def learn(self, engine: Engine, on_merge: OnMerge | None, checkpoint: MergeCheckpoint | None) -> MergeList:
        """Learns the merges that are left to make."""
        while self._merges_left and (best := engine.take_best(self._merges_left)) is not None:
            left, right, count = best
            joined = self._entries[left] + self._entries[right]
            if not may_arise(joined, self._rule.scope, self._rule.max_words):
                continue
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
                passed_over = _as_rows(self._passed_over, 2)
                checkpoint.save(MergeState(engine.compacted(), self._entries_wanted, self._merges_made, passed_over))
                engine.recount(self._merges_left)
        return MergeList(self._merges_made, list(self._passed_over), engine.recounts)

    @property
    def _merges_left(self) -> int:
        return self._entries_wanted - len(self._entries)

    @property
    def _merges_made(self) -> npt.NDArray[np.int64]:
        return _as_rows(self._merges, 4)


@functools.cache
def _compile_kernels(ids_dtype: Any, writable: bool, cells_dtype: Any, score: str, scope: str) -> None:
    """Merges streams so small that it takes no time, but with every kernel: no later call waits for a compiler.

    The first is counted in a dense table, again and again; the second, of 5,000 entries, in a hash table.
    """
    rule = MergeRule(1, score, scope, refresh_every=2, pairs_kept_per_merge=0.0)
    for entries in (4, 5000):
        ids = np.array([0, 1, 2, 3] * 8 + [0, 1, 0, 2] * 4, dtype=ids_dtype)
        ids.flags.writeable = writable
        cells = lay_out_documents(ids, np.array([0, ids.size]), entries, cells_dtype)
        token_bytes = [token.to_bytes(2, "big") for token in range(entries)]
        _learn_from(MergeState(cells, entries + 8), token_bytes, rule)
    grown(*empty_table(0, PAIR_COLUMNS), 0)
