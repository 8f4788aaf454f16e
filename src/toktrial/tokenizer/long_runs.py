"""Where a very long run of letters or digits may be cut, so that BPE takes it in parts. Called by bpe.py alone.

GPT-2's pre-tokenizer leaves a run of letters whole, however long it is, and BPE on one piece of 50 MB jumps about in more
memory than any cache holds. Two bytes that are adjacent in no entry are never joined: the run may be cut between them, and
the parts' ids are the whole's. Inside a run of ASCII letters, or of digits, the pre-tokenizer takes the parts as it took the
run. Only the run's beginning must not be cut off, because it may belong to a contraction (`'re` of `'really`).
"""

import json
from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

SHORTEST_PART = 1000  # bytes; shorter runs stay whole, and every part but a run's last one is at least this long

_LETTER, _DIGIT = 1, 2
_KINDS = np.zeros(256, dtype=np.uint8)
_KINDS[[byte for byte in range(128) if chr(byte).isalpha()]] = _LETTER
_KINDS[[byte for byte in range(128) if chr(byte).isdigit()]] = _DIGIT


def joinable_bytes(entries: Sequence[bytes]) -> npt.NDArray[np.bool_]:
    """Returns (256, 256) bool: whether two bytes are adjacent, left to right, within some entry.

    >>> joined = joinable_bytes([b"the", b"at"])
    >>> bool(joined[ord("h"), ord("e")]), bool(joined[ord("e"), ord("a")])
    (True, False)
    """
    together = np.frombuffer(b"".join(entries), dtype=np.uint8)
    within = np.ones(max(together.size - 1, 0), dtype=np.bool_)
    ends = np.cumsum([len(entry) for entry in entries])
    within[ends[:-1] - 1] = False
    joined = np.zeros((256, 256), dtype=np.bool_)
    joined[together[:-1][within], together[1:][within]] = True
    return joined


def keeps_parts_of_runs(tokenizer_json: str) -> bool:
    """Whether a tokenizer.json has GPT-2's pre-tokenizer and nothing else, so that its long runs may be cut."""
    content = json.loads(tokenizer_json)
    pre_tokenizer = content["pre_tokenizer"] or {}
    return (
        content.get("normalizer") is None
        and pre_tokenizer.get("type") == "ByteLevel"
        and bool(pre_tokenizer.get("use_regex", True))
        and not pre_tokenizer.get("add_prefix_space")
        and not content["model"].get("ignore_merges")  # which looks a whole piece up before it merges
    )


def cut_long_runs(
    offsets: npt.NDArray[np.int64], data: npt.NDArray[np.uint8], joinable: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Returns the places, in order, where long runs of documents may be cut: bytes of `data`, int64, none at a document's end.

    offsets: (documents + 1,) into data, (bytes,) UTF-8; joinable: see `joinable_bytes`.
    """
    long_documents = np.flatnonzero(np.diff(offsets) > SHORTEST_PART)
    most = int((offsets[long_documents + 1] - offsets[long_documents]).sum()) // SHORTEST_PART
    cuts = np.empty(most, dtype=np.int64)
    return cuts[: _find_cuts(offsets, long_documents, data, joinable, _KINDS, cuts)]


@numba.njit(cache=True, nogil=True)
def _find_cuts(
    offsets: npt.NDArray[np.int64],
    documents: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    joinable: npt.NDArray[np.bool_],
    kinds: npt.NDArray[np.uint8],
    cuts: npt.NDArray[np.int64],
) -> int:
    found = 0
    for document in documents:
        start, end = offsets[document], offsets[document + 1]
        # No long run fits between two places this far apart, and in ordinary text a few bytes show that there is none.
        place = start + SHORTEST_PART
        while place < end:
            kind = kinds[data[place]]
            if kind == 0:
                place += SHORTEST_PART
                continue
            first = place
            while first > start and kinds[data[first - 1]] == kind:
                first -= 1
            last_cut, place = first, first + 1
            while place < end and kinds[data[place]] == kind:
                if place - last_cut >= SHORTEST_PART and not joinable[data[place - 1], data[place]]:
                    cuts[found] = last_cut = place
                    found += 1
                place += 1
            place += SHORTEST_PART
    return found
