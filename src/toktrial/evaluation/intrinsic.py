"""What can be measured of a tokenizer without training a model: a 5-gram model of its ids, and in how many ways words are cut.

Token files -> intrinsic measures -> report, which sets them beside the outcome, as it does the floors and the vocabularies.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from toktrial import progress
from toktrial.evaluation.account import INTRINSIC_FILE, write_account
from toktrial.evaluation.ngrams import ORDER, NgramModel
from toktrial.evaluation.vocabulary import MARKED_BYTES
from toktrial.evaluation.words import cuts_per_word, mark_first_documents, number_words, token_edges
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import TokenStore

INTRINSIC_FORMAT = 1  # raised when the file says more, or something else
MOST_IDS = 10_000_000  # of a track that its 5-gram model is counted on: about 1 GB of memory and 10 to 20 seconds


def measure_intrinsics(trial_folder: Path, tokenizer_folders: Mapping[str, Path], tokens_folders: Mapping[str, Path]) -> None:
    """Writes evaluation/intrinsic/intrinsic.json, unless that is done.

    All tracks count the same first training documents: as many as hold at most MOST_IDS ids in every track, or one.
    """
    stores = {track: TokenStore.open(path) for track, path in tokens_folders.items()}
    tokens = {track: store.manifest["fingerprint"] for track, store in stores.items()}

    def account() -> dict[str, Any]:
        documents = max(1, min(store.train.documents_within(MOST_IDS) for store in stores.values()))
        first, of_first = next(iter(stores.items()))
        text = mark_first_documents(of_first.train, load_tokenizer(tokenizer_folders[first]).token_bytes, MARKED_BYTES)
        numbers = number_words(text)
        return {
            "order": ORDER,
            "documents": documents,
            "bytes": int(of_first.train.byte_lengths[:documents].sum(dtype="int64")),
            "marked_text": {"documents": text.documents, "bytes": text.bytes},
            "tracks": {
                track: {
                    "ngram": ngram_measures(store, documents),
                    "cuts_per_word": cuts_per_word(text, token_edges(store.train, store.entry_bytes, text.documents), numbers),
                }
                for track, store in progress.over(stores.items(), "counting runs of tokens", "track")
            },
        }

    write_account(trial_folder / INTRINSIC_FILE, "intrinsic", {"tokens": tokens, "format": INTRINSIC_FORMAT}, account)


def ngram_measures(store: TokenStore, documents: int) -> dict[str, float]:
    """Returns what the n-gram model of the first training documents reaches on all validation documents."""
    nats = NgramModel.of(store.train.part(0, documents), store.entries).document_nats(store.validation).sum()
    n_bytes = store.validation.byte_lengths.sum(dtype="int64")
    return {"bits_per_byte": float(nats / math.log(2) / n_bytes), "loss_per_token": float(nats / len(store.validation.ids))}
