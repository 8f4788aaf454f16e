"""The recipe `boundlessbpe`: BPE whose merges may join whole words, and whose entries may be deleted (Schmidt et al. 2025).

boundless_learning.py learns it, as a list of events. Encoding repeats them: within each word merges and deletions, in order,
and then, over the words of a document, the merges of whole words. A word that takes part in one was whole when that was
learned, so it does not matter which of the two comes first.
"""

import functools
import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from toktrial.corpus.documents import Documents
from toktrial.errors import TrialError
from toktrial.tokenizer.base import Ids, Offsets, Show, Tokenizer, hidden
from toktrial.tokenizer.boundless_learning import (
    DELETION,
    MERGE,
    SUPERMERGE,
    BoundlessRule,
    Event,
    learn_boundless,
    replay,
    words_of,
)
from toktrial.tokenizer.boundless_words import ID_OF_BYTE
from toktrial.tokenizer.bpe_trainer import FIRST_ENTRIES
from toktrial.tokenizer.encode_kernels import MergeTables, encode_stream, merge_tables
from toktrial.tokenizer.merge_rules import ANY
from toktrial.tokenizer.pairs import Longs
from toktrial.tokenizer.pruning import Cuts, cut_pruned
from toktrial.tokenizer.word_counts import number_words

EVENTS_FILE = "events.parquet"
WORDS_REMEMBERED = 1 << 20


class BoundlessBPETokenizer(Tokenizer):
    """What a list of events leaves: entries of words, and superwords of whole words."""

    recipe = "boundlessbpe"

    def __init__(self, events: Sequence[Event]) -> None:
        """Raises TrialError for events that are not those of one learning."""
        self.events = [Event(*event) for event in events]
        self._merged_entries, kept = _entries_of(self.events)
        self._kept = list(kept)
        super().__init__([self._merged_entries[token] for token in self._kept])
        if len(set(self.token_bytes)) < self.vocab_size:
            raise TrialError("the events do not belong together: they spell an entry twice")

    @classmethod
    def train(
        cls,
        documents: Iterable[str],
        vocab_size: int,
        min_frequency: int = 2,
        tau: float = 0.9,
        show: Show = hidden,
    ) -> Self:
        """Learns `vocab_size` entries, `<|endoftext|>` and the 256 bytes among them, from any iterable of str.

        tau: an entry is deleted when so large a share of its uses goes into one merge; above 1, none is. Stops with fewer
        entries when no pair is left that occurs `min_frequency` times. Raises TrialError for a vocabulary too small to hold
        every byte, ValueError for a lone surrogate.
        """
        if vocab_size < len(FIRST_ENTRIES):
            raise TrialError(
                f"vocab_size must be at least {len(FIRST_ENTRIES)} (every byte, and one more), but is {vocab_size}"
            )
        documents, rule = Documents.of(documents), BoundlessRule(vocab_size, min_frequency, tau)
        with show("reading words", documents.bytes, "B") as shown:
            words = words_of(documents, shown)
        with show("merging letters and words", vocab_size, "entry") as shown:
            return cls(learn_boundless(*words, rule, lambda entries, count: shown.update(entries, f"count {count:,}")))

    def encode_arrow(self, texts: pa.LargeStringArray) -> tuple[Ids, Offsets]:
        words, numbers, offsets = number_words(texts)
        ids_of_joining, tables, cuts = self._superwords
        # All words that join no other have one id at first: there may be more of them than `encode_stream` takes ids.
        apart = cuts.starts.size - 1
        stream = np.array([ids_of_joining.get(word, apart) for word in words], dtype=np.uint32)[numbers]
        encoded, offsets = encode_stream(stream, offsets, tables)
        ids = encoded.astype(np.int64)
        ids[encoded == apart] += numbers[stream == apart]
        cut = [self._cut_word(word) for word in words]
        starts = np.concatenate([cuts.starts, cuts.starts[-1] + np.cumsum([len(tokens) for tokens in cut], dtype=np.int64)])
        parts = np.array([token for tokens in cut for token in tokens], dtype=np.uint32)
        return cut_pruned(ids, offsets, Cuts(np.concatenate([cuts.parts, parts]), starts))

    @functools.cached_property
    def _superwords(self) -> tuple[dict[bytes, int], MergeTables, Cuts]:
        """Ids for `encode_stream` of the words that join others, the merges of these, and what becomes of all that ids name."""
        merges = [event for event in self.events if event.kind == SUPERMERGE]
        superwords = {event.entry for event in merges}
        sides = (self._merged_entries[side] for event in merges for side in event[1:3] if side not in superwords)
        id_of_word = {word: number for number, word in enumerate(dict.fromkeys(sides))}
        number = {event.entry: len(id_of_word) + place for place, event in enumerate(merges)}

        def id_of(token: int) -> int:
            return number[token] if token in number else id_of_word[self._merged_entries[token]]

        rows = [(id_of(event.left), id_of(event.right), number[event.entry], event.occurrences) for event in merges]
        entries = [*id_of_word, *(self._merged_entries[event.entry] for event in merges)]
        cut = [*map(self._cut_word, id_of_word), *([self._id_of[event.entry]] for event in merges)]
        starts = np.cumsum([0, *map(len, cut)])
        cuts = Cuts(np.array([token for tokens in cut for token in tokens], dtype=np.uint32), starts)
        return id_of_word, merge_tables(np.array(rows, dtype=np.int64).reshape(-1, 4), entries, ANY), cuts

    @functools.cached_property
    def _id_of(self) -> dict[int, int]:
        """Each kept entry's id, by its id in the events."""
        return {token: place for place, token in enumerate(self._kept)}

    @functools.cached_property
    def _cut_word(self) -> Any:
        """Returns the ids that a word is cut into, and remembers them."""
        cutter = WordCutter(self.events, self._merged_entries)

        @functools.lru_cache(maxsize=WORDS_REMEMBERED)
        def cut(word: bytes) -> list[int]:
            return [self._id_of[token] for token in cutter.cut(word)]

        return cut

    @property
    def parts(self) -> Longs:
        parts = super().parts
        for event in reversed(self.events):
            if event.kind != DELETION and event.entry in self._id_of:
                sides = [self._id_of.get(side, -1) for side in event[1:3]]
                parts[self._id_of[event.entry]] = sides if min(sides) >= 0 else -1
        return parts

    def manifest(self) -> dict[str, Any]:
        kinds = [event.kind for event in self.events]
        names = {"merges": MERGE, "deletions": DELETION, "supermerges": SUPERMERGE}
        return super().manifest() | {name: kinds.count(kind) for name, kind in names.items()}

    def write_files(self, folder: Path, held_out: Sequence[str] = ()) -> None:
        import pyarrow.parquet as pq

        super().write_files(folder, held_out)
        columns = np.array(self.events, dtype=np.int64).reshape(-1, len(Event._fields)).T
        pq.write_table(pa.table(dict(zip(Event._fields, columns, strict=True))), folder / EVENTS_FILE, compression="zstd")

    @classmethod
    def read_files(cls, folder: Path) -> Self:
        import pyarrow.parquet as pq

        table = pq.read_table(folder / EVENTS_FILE)
        return cls([Event(*row) for row in zip(*(table.column(name).to_pylist() for name in Event._fields), strict=True)])


def _entries_of(events: Sequence[Event]) -> tuple[list[bytes], Iterable[int]]:
    try:
        return replay(events)
    except IndexError:
        raise TrialError("the events do not belong together: one names an entry before there is one") from None


class WordCutter:
    """Repeats the merges and deletions within a word."""

    def __init__(self, events: Sequence[Event], entries: Sequence[bytes]) -> None:
        self._events, self._lengths = events, [len(entry) for entry in entries]
        self._merges: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        self._deleted_at: dict[int, int] = {}
        for rank, event in enumerate(events):
            if event.kind == MERGE:
                self._merges[event.left, event.right].append(rank)
            elif event.kind == DELETION:
                self._deleted_at[event.left] = rank

    def cut(self, word: bytes) -> list[int]:
        """Returns the tokens of a word, in the ids of the events; in n log n.

        The next event is the one of lowest rank that some token or pair still waits for: what an event makes takes part in
        later ones alone.
        """
        size, lengths = len(word), self._lengths
        letters: list[int] = ID_OF_BYTE[list(word)].tolist()
        token = letters.copy()  # that begins at each byte; -1 within one
        born = [-1] * size  # the rank of the event that made it
        first = list(range(size))  # of the token that ends with each byte
        waiting: list[tuple[int, int, int, int]] = []  # rank, byte, token, the token behind it or -1: lowest, then leftmost

        def consider(left: int) -> None:
            right = left + lengths[token[left]] if left >= 0 else size
            if right < size:
                pair = token[left], token[right]
                since = max(born[left], born[right])
                rank = next((rank for rank in self._merges.get(pair, ()) if rank > since), -1)
                if rank >= 0:
                    heapq.heappush(waiting, (rank, left, *pair))

        for place in range(size):
            consider(place)
        while waiting:
            rank, place, left, right = heapq.heappop(waiting)
            if token[place] != left or born[place] >= rank:
                continue  # merged or deleted since
            behind = place + lengths[left]
            before = first[place - 1] if place else -1
            if right < 0:
                token[place:behind] = letters[place:behind]
                born[place:behind] = [rank] * (behind - place)
                first[place:behind] = range(place, behind)
                for changed in (before, *range(place, behind)):
                    consider(changed)
            elif behind < size and token[behind] == right and born[behind] < rank:
                new = self._events[rank].entry
                token[place], token[behind], born[place] = new, -1, rank
                first[behind + lengths[right] - 1] = place
                if new in self._deleted_at:
                    heapq.heappush(waiting, (self._deleted_at[new], place, new, -1))
                consider(before)
                consider(place)
        return [each for each in token if each >= 0]
