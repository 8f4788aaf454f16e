"""How entries were built of others: the tree of merges behind an entry, and the entries that served only as a part of it.

Of BPE and BTM alike: `Tokenizer.parts`. A tokenizer that knows no merges has no trees. Tokenizer -> trees -> vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
TREES_SPANNING_WORDS = 5
LONGEST_TREE_BYTES = 100  # a longer entry's tree is longer than anybody reads
NEARLY_NEVER = 0.01
SHOWN_ON_THE_WAY = 10


@dataclass(frozen=True)
class BuiltVocabulary:
    """Entries, what each was merged of, and how often the training text uses it."""

    token_bytes: Sequence[bytes]
    parts: Counts
    """(entries, 2): the left and right entry of the merge that made each; -1 where there was none."""
    counts: Counts
    """(entries,): uses of its own, not those within larger entries."""

    def uses_with_larger_entries(self) -> Counts:
        """Returns how often each entry is used, itself and within the larger entries that were built of it."""
        uses = self.counts.copy()
        merged = np.flatnonzero(self.parts[:, 0] >= 0)
        lengths = np.array([len(entry) for entry in self.token_bytes])
        for token in merged[np.argsort(-lengths[merged], kind="stable")].tolist():  # a part is shorter than what it is part of
            left, right = self.parts[token].tolist()
            uses[left] += uses[token]
            uses[right] += uses[token]
        return uses

    def tree(self, token: int) -> dict[str, Any]:
        """Returns an entry as a node: id, text, bytes, its own uses (`count`), and `parts`: the nodes it was made of."""
        below, reached = [token], {token}
        while below:
            for part in self.parts[below.pop()].tolist():
                if part >= 0 and part not in reached:
                    reached.add(part)
                    below.append(part)
        nodes: dict[int, dict[str, Any]] = {}
        for each in sorted(reached, key=lambda one: len(self.token_bytes[one])):
            entry = self.token_bytes[each]
            parts = [nodes[part] for part in self.parts[each].tolist() if part >= 0]
            text = entry.decode(errors="backslashreplace")
            nodes[each] = {"id": each, "text": text, "bytes": len(entry), "count": int(self.counts[each]), "parts": parts}
        return nodes[token]


def entries_on_the_way(vocabulary: BuiltVocabulary) -> dict[str, Any] | None:
    """Returns what is known of the learned entries that serve as parts of others but are hardly used; None without any merge.

    Single bytes are not learned. `never_used`: parts of other entries that the training text never uses themselves.
    `nearly_never_used`: those, and the parts whose own uses are less than 1% of all theirs, within larger entries too.
    """
    learned = vocabulary.parts[:, 0] >= 0
    if not learned.any():
        return None
    is_part = np.zeros(len(vocabulary.token_bytes), dtype=np.bool_)
    is_part[vocabulary.parts[learned]] = True
    is_part &= learned
    uses = vocabulary.uses_with_larger_entries()
    never = is_part & (vocabulary.counts == 0)
    nearly = never | (is_part & (vocabulary.counts < NEARLY_NEVER * uses))
    found = np.flatnonzero(nearly)
    shown = found[np.argsort(-uses[found], kind="stable")][:SHOWN_ON_THE_WAY].tolist()
    return {
        "never_used": int(never.sum()),
        "nearly_never_used": len(found),
        "examples": [
            {
                "id": token,
                "text": vocabulary.token_bytes[token].decode(errors="backslashreplace"),
                "count": int(vocabulary.counts[token]),
                "count_within_larger": int(uses[token] - vocabulary.counts[token]),
            }
            for token in shown
        ],
    }


def telling_trees(vocabulary: BuiltVocabulary, words: Counts) -> list[dict[str, Any]]:
    """Returns the trees of the five most used entries that touch two or more words, and of the longest entry.

    words: (entries,) how many words each entry touches. Where none touches two, the six longest, the most used of equals
    first. Only entries that are used, and of at most 100 bytes.
    """
    lengths = np.array([len(entry) for entry in vocabulary.token_bytes])
    shown = (vocabulary.parts[:, 0] >= 0) & (vocabulary.counts > 0) & (lengths <= LONGEST_TREE_BYTES)
    by_length = np.lexsort((-vocabulary.counts, -lengths))
    longest = by_length[shown[by_length]].tolist()
    by_use = np.argsort(-vocabulary.counts, kind="stable")
    spanning = by_use[(shown & (words >= 2))[by_use]].tolist()
    chosen = [*spanning[:TREES_SPANNING_WORDS], *longest[:1]] if spanning else longest[: TREES_SPANNING_WORDS + 1]
    return [vocabulary.tree(token) for token in dict.fromkeys(chosen)]
