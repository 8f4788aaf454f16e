"""Where a track's bits go: to rare or frequent entries, to the beginnings of words or the rest, to rare or common words.

Runs, each with the nats of every validation token, and token files -> evaluation/loss_parts/loss_parts.json -> report.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from toktrial import artifact
from toktrial.evaluation.account import LOSS_PARTS_FILE, write_account
from toktrial.evaluation.run_files import FINAL_FILE, ID_NATS_FILE
from toktrial.evaluation.vocabulary import MARKED_BYTES, count_uses
from toktrial.evaluation.words import MarkedText, TokenEdges, mark_first_documents, token_edges
from toktrial.tokenizer.load import load_tokenizer
from toktrial.tokens.store import END_ID, TokenStore
from toktrial.training.run import Run

LOSS_PARTS_FORMAT = 1  # raised when the file says more, or something else
BAND_EDGES = (10, 100, 1000, 10_000)  # uses in the training text at which a band of entries or words begins
PLACES = ("begins a word", "goes on with a word", "touches several words", "touches no word")
Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


def measure_loss_parts(
    trial_folder: Path,
    runs: Mapping[str, Sequence[Run]],
    tokenizer_folders: Mapping[str, Path],
    tokens_folders: Mapping[str, Path],
) -> None:
    """Writes the account of every track's loss, the mean over its evaluated runs, unless that is done.

    It is not written where a track has no run that kept the nats of its tokens, as those of earlier versions did not.
    """
    kept = {track: [run for run in of_track if (run.folder / ID_NATS_FILE).is_file()] for track, of_track in runs.items()}
    if not all(kept.values()):
        return
    finals = {
        track: {run.seed: artifact.read_json(run.folder / FINAL_FILE)["fingerprint"] for run in of_track}
        for track, of_track in kept.items()
    }

    def account() -> dict[str, Any]:
        stores = {track: TokenStore.open(folder) for track, folder in tokens_folders.items()}
        first = next(iter(stores))
        entries = load_tokenizer(tokenizer_folders[first]).token_bytes
        text = mark_first_documents(stores[first].validation, entries, MARKED_BYTES)
        trained = mark_first_documents(stores[first].train, entries, MARKED_BYTES)
        word_bands = bands_of_bytes(text, Counter(trained.words))
        return {
            "documents": text.documents,
            "bytes": text.bytes,
            "words_counted_in": {"documents": trained.documents, "bytes": trained.bytes},
            "band_edges": BAND_EDGES,
            "tracks": {
                track: {"seeds": [run.seed for run in kept[track]]}
                | parts_of_loss(store, _mean_nats(kept[track]), text, word_bands)
                for track, store in stores.items()
            },
        }

    write_account(trial_folder / LOSS_PARTS_FILE, "loss parts", {"format": LOSS_PARTS_FORMAT, "runs": finals}, account)


def parts_of_loss(store: TokenStore, id_nats: Floats, text: MarkedText, word_bands: Numbers) -> dict[str, Any]:
    """Returns one track's loss on the marked validation text, cut in three ways, each of which adds up to all of it.

    id_nats: (ids,), of the split's tokens. word_bands: `bands_of_bytes`.

    `by_uses`: tokens by the band of their entry's uses in the training text. `by_place`: tokens by what they touch. `by_word`:
    bytes by the band of their word; here the nats of a token are spread evenly over its bytes. In the first two, the last part
    holds the closing ids; in the third, the last two hold the bytes between words and the closing ids.
    """
    edges = token_edges(store.validation, store.entry_bytes, text.documents)
    nats, lengths = id_nats[: len(edges.ids)], edges.ends - edges.starts
    closes = edges.ids == END_ID
    uses = np.digitize(count_uses(store.train, store.entries)[edges.ids], BAND_EDGES)
    places = places_of_tokens(edges, text)
    per_byte = np.repeat(nats / np.maximum(lengths, 1), lengths)

    def parts(of_each: Numbers, n_parts: int, sizes: Numbers, costs: Floats) -> list[dict[str, float]]:
        units, n_bytes = np.bincount(of_each, minlength=n_parts), np.bincount(of_each, sizes, n_parts)
        bits = np.bincount(of_each, costs, n_parts) / math.log(2)
        return [{"tokens": int(units[part]), "bytes": int(n_bytes[part]), "bits": float(bits[part])} for part in range(n_parts)]

    sizes, bands = np.where(closes, 0, lengths), len(BAND_EDGES) + 1
    of_bytes = parts(word_bands, bands + 2, (word_bands <= bands).astype(np.int64), per_byte)
    return {
        "by_uses": parts(np.where(closes, bands, uses), bands + 1, sizes, nats),
        "by_place": parts(np.where(closes, len(PLACES), places), len(PLACES) + 1, sizes, nats),
        "by_word": [{name: part[name] for name in ("bytes", "bits")} for part in of_bytes],
    }


def bands_of_bytes(text: MarkedText, uses: Mapping[str, int]) -> Numbers:
    """Returns the band of every byte of a marked text (bytes with newlines,): that of its word's uses.

    The space before a word belongs to it. All other bytes between words are of one further band, and the newlines that close
    documents of another.
    """
    bands = np.full(len(text.inside) - 1, len(BAND_EDGES) + 1)
    bands[text.closings] = len(BAND_EDGES) + 2
    of_word = np.digitize([uses.get(word, 0) for word in text.words], BAND_EDGES)
    for start, end, band in zip(text.starts - text.after_space, text.ends, of_word, strict=True):
        bands[start:end] = band
    return bands


def places_of_tokens(edges: TokenEdges, text: MarkedText) -> Numbers:
    """Returns what each token touches (tokens,): a place in PLACES. A closing id touches no word."""
    first = np.searchsorted(text.ends, edges.starts, side="right")  # the first word that ends behind the token's beginning
    touched = np.searchsorted(text.starts, edges.ends, side="left") - first
    goes_on = text.inside[edges.starts]
    return np.select([touched <= 0, touched > 1, goes_on], [3, 2, 1], 0)


def _mean_nats(runs: Sequence[Run]) -> Floats:
    mean: Floats = np.mean([np.load(artifact.check_file(run.folder / ID_NATS_FILE)) for run in runs], axis=0, dtype=np.float64)
    return mean
