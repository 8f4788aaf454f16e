"""TknMiner's windows and the recipe `tkn`, slow and obvious: the judge of tkn.py and longest_match.py.

Only tests use it; nothing here is clever.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

Window = tuple[int, ...]


def mine(documents: Iterable[Sequence[int]], max_window: int, bank_size: int) -> list[list[Window]]:
    """Cuts documents into windows as TknMiner does; the bank is a list, the sequence met least recently first.

    >>> mine([[0, 1, 0, 1, 0, 1, 0, 2]], 4, 100)
    [[(0,), (1,), (0, 1), (0, 1, 0), (2,)]]
    """
    bank: list[Window] = []

    def meet(sequence: Window) -> None:
        if len(sequence) <= max_window:
            if sequence in bank:
                bank.remove(sequence)
            bank.append(sequence)
            del bank[:-bank_size]

    all_windows = []
    for document in documents:
        windows: list[Window] = []
        start = 0
        for place in range(1, len(document)):
            longer = tuple(document[start : place + 1])
            if longer in bank:
                meet(longer)
            else:
                windows.append(longer[:-1])
                meet(longer[:-1])
                meet(longer)
                start = place
        if document:
            windows.append(tuple(document[start:]))
        all_windows.append(windows)
    return all_windows


def most_frequent_windows(
    mined: Iterable[Sequence[Window]], token_bytes: Sequence[bytes], vocab_size: int, min_frequency: int
) -> list[Window]:
    """Returns the windows that the recipe `tkn` makes entries of: most often met first, of equals the one met first."""
    counts = Counter(window for windows in mined for window in windows if len(window) > 1)
    entries, chosen = list(token_bytes), list[Window]()
    for window, count in counts.most_common():  # of equals, the first counted
        joined = b"".join([token_bytes[token] for token in window])
        if count >= min_frequency and joined not in entries and len(entries) < vocab_size:
            entries.append(joined)
            chosen.append(window)
    return chosen


def cut_into_longest(document: Sequence[int], sequences: Sequence[Window], first_id: int) -> list[int]:
    """Cuts a document of primitives, from its start on, into the longest of the sequences, whose ids run from `first_id` on.

    >>> cut_into_longest([0, 1, 2, 0, 1, 0], [(0, 1), (0, 1, 0)], 3)
    [3, 2, 4]
    """
    cut: list[int] = []
    position = 0
    while position < len(document):
        fitting = [sequence for sequence in sequences if tuple(document[position : position + len(sequence)]) == sequence]
        longest = max(fitting, key=len, default=(document[position],))
        cut.append(first_id + sequences.index(longest) if fitting else document[position])
        position += len(longest)
    return cut
