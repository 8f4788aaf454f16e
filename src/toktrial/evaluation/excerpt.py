"""The same paragraph of validation text, cut by every track: what the report shows side by side."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toktrial.evaluation.marked_text import first_documents, words_in
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenStore

EXCERPT_BYTES = 600


def excerpt(documents: Iterable[str], max_bytes: int = EXCERPT_BYTES) -> list[str]:
    """Returns the first documents, up to `max_bytes` of UTF-8; the last one ends at white space, else between characters.

    >>> excerpt(["One day.", "Tom had a ball."], 16)
    ['One day.', 'Tom had']
    """
    texts, left = [], max_bytes
    for document in documents:
        encoded = document.encode()
        if len(encoded) <= left:
            texts.append(document)
            left -= len(encoded)
            continue
        beginning = encoded[:left].decode(errors="ignore")
        whole_words = re.match(r".*\S(?=\s)", document[: len(beginning) + 1], re.DOTALL)
        texts.append(whole_words[0] if whole_words else beginning)
        break
    return [text for text in texts if text]


def cuts_of_excerpt(tokenizers: Mapping[str, Tokenizer], documents: Sequence[str]) -> dict[str, Any]:
    """Returns the documents and how every track cuts each of them, encoded as a text of its own, ready for JSON."""
    n_bytes = sum(len(text.encode()) for text in documents)
    tracks = {}
    for track, tokenizer in tokenizers.items():
        cut = [[_token(tokenizer.token_bytes[token]) for token in tokenizer.encode(text)] for text in documents]
        tokens = sum(map(len, cut))
        tracks[track] = {"tokens": tokens, "bytes_per_token": n_bytes / max(1, tokens), "documents": cut}
    return {"bytes": n_bytes, "documents": list(documents), "tracks": tracks}


def first_texts(store: TokenStore, token_bytes: Sequence[bytes], max_bytes: int = EXCERPT_BYTES) -> list[str]:
    """Returns the first validation documents: enough of them for an excerpt."""
    split = store.validation
    some = min(first_documents(split, max_bytes) + 1, split.documents)
    return [
        b"".join([token_bytes[token] for token in np.asarray(split.document(place))[:-1].tolist()]).decode()
        for place in range(some)
    ]


def _token(entry: bytes) -> dict[str, Any]:
    """A token's text, with the bytes of a cut character as escapes, and how many words it touches."""
    return {"text": entry.decode(errors="backslashreplace"), "words": words_in(entry)}
