"""How much training text a trial has, and how many tokens each track makes of it: counted, or estimated from a sample.

The plan asks it. Token files are read where all are finished; else tokenizers are learned from a few megabytes of text.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from toktrial import artifact
from toktrial.corpus.config import HUB_PREFIX
from toktrial.errors import TrialError
from toktrial.protocol import Protocol
from toktrial.tokenizer.config import BPERecipe, FileRecipe, PrimitiveRecipe
from toktrial.trial_folder import TrialFolder

if TYPE_CHECKING:
    from toktrial.corpus.documents import Documents
    from toktrial.tokenizer.base import Tokenizer

UNKNOWN = math.nan  # whatever is computed from it is not known either
SAMPLE_MEGABYTES = 2.0


@dataclass(frozen=True)
class TextPlan:
    """The training text, and how each track cuts it. Everything is UNKNOWN while the corpus is still on the hub."""

    documents: float
    bytes: float
    tokens: dict[str, float]
    """Of one pass over the text, by track, closing ids included."""
    is_estimate: bool


def text_of(trial: TrialFolder) -> TextPlan:
    """Returns what is known of a trial's training text."""
    return _counted_text(trial) or _sampled_text(trial)


def _counted_text(trial: TrialFolder) -> TextPlan | None:
    """Returns what the token files say, where all of them are there."""
    if not all(map(artifact.is_finished, trial.tokens_folders.values())):
        return None
    sizes = {track: artifact.read_manifest(folder)["train"] for track, folder in trial.tokens_folders.items()}
    tokens = {track: size["tokens"] + size["documents"] for track, size in sizes.items()}
    size = sizes[trial.protocol.baseline]
    return TextPlan(size["documents"], size["bytes"], tokens, is_estimate=False)


def _sampled_text(trial: TrialFolder) -> TextPlan:
    """Returns what a sample of the text says. The hub is not sampled, as that would mean the download."""
    trial.check_code()
    protocol, corpus = trial.protocol, trial.protocol.corpus
    if corpus.path.startswith(HUB_PREFIX):
        return TextPlan(UNKNOWN, UNKNOWN, dict.fromkeys(protocol.tracks, UNKNOWN), is_estimate=True)
    from toktrial.corpus.documents import Documents
    from toktrial.corpus.source import read_documents, source_bytes

    sample_megabytes = min(corpus.max_megabytes or SAMPLE_MEGABYTES, SAMPLE_MEGABYTES)
    sample = Documents.of(read_documents(replace(corpus, max_megabytes=sample_megabytes)))
    if not sample.bytes:
        raise TrialError(f"{corpus.path} holds no text: corpus.path must name documents")
    training_share = 1 if corpus.validation_path else 1 - corpus.validation_share
    scale = (source_bytes(corpus) or sample.bytes) * training_share / sample.bytes
    tokens = {track: scale * count for track, count in sampled_tokens(protocol, sample, trial.allow_code).items()}
    return TextPlan(scale * len(sample), scale * sample.bytes, tokens, is_estimate=True)


def sampled_tokens(protocol: Protocol, documents: "Documents", allow_code: bool = False) -> dict[str, int]:
    """Returns how many tokens each track makes of documents, closing ids included, with a tokenizer learned from them alone."""
    from toktrial.tokenizer.bpe import BPETokenizer
    from toktrial.tokenizer.btm import encode_documents
    from toktrial.tokenizer.load import train
    from toktrial.tokenizer.sources import load_file_track

    tracks = protocol.sized_tracks
    full = BPETokenizer.train(documents, max(recipe.vocab_size for recipe in tracks.values()))
    found: dict[str, int] = {}
    for track, recipe in tracks.items():
        tokenizer: Tokenizer
        if isinstance(recipe, BPERecipe):
            tokenizer = full.cut(recipe.vocab_size)
        elif isinstance(recipe, FileRecipe):
            tokenizer = load_file_track(recipe, documents, allow_code)
        elif isinstance(recipe, PrimitiveRecipe):
            tokenizer = train(recipe, documents, primitive=full.cut(recipe.primitive_vocab_size))
        else:
            tokenizer = train(recipe, documents)
        found[track] = encode_documents(tokenizer, documents)[0].size + len(documents)
    return found
