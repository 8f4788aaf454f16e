"""From documents to entries and merges: byte-level BPE, and BTM on top of a small one. The flow's second stage.

The folder can be used without the rest: README.md shows how. The names below are imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toktrial.tokenizer.base import Tokenizer as Tokenizer
    from toktrial.tokenizer.boundless import BoundlessBPETokenizer as BoundlessBPETokenizer
    from toktrial.tokenizer.bpe import BPETokenizer as BPETokenizer
    from toktrial.tokenizer.btm import BTMTokenizer as BTMTokenizer
    from toktrial.tokenizer.btm import SuperBPETokenizer as SuperBPETokenizer
    from toktrial.tokenizer.btm import encode_documents as encode_documents
    from toktrial.tokenizer.file import FileTokenizer as FileTokenizer
    from toktrial.tokenizer.load import load_tokenizer as load_tokenizer
    from toktrial.tokenizer.longest_match import TKNTokenizer as TKNTokenizer
    from toktrial.tokenizer.merge import LearnedMerges as LearnedMerges
    from toktrial.tokenizer.merge import learn_merges as learn_merges
    from toktrial.tokenizer.merge import learn_merges_of_stream as learn_merges_of_stream
    from toktrial.tokenizer.merge_rules import MergeRule as MergeRule
    from toktrial.tokenizer.single_bytes import BytesTokenizer as BytesTokenizer
    from toktrial.tokenizer.tkn import PairGraph as PairGraph
    from toktrial.tokenizer.tkn import SyncStream as SyncStream
    from toktrial.tokenizer.tkn import TknMiner as TknMiner
    from toktrial.tokenizer.unigram import UnigramTokenizer as UnigramTokenizer

_HOME = {
    "BPETokenizer": "bpe",
    "BTMTokenizer": "btm",
    "BoundlessBPETokenizer": "boundless",
    "BytesTokenizer": "single_bytes",
    "FileTokenizer": "file",
    "LearnedMerges": "merge",
    "MergeRule": "merge_rules",
    "PairGraph": "tkn",
    "SuperBPETokenizer": "btm",
    "SyncStream": "tkn",
    "TKNTokenizer": "longest_match",
    "TknMiner": "tkn",
    "Tokenizer": "base",
    "UnigramTokenizer": "unigram",
    "encode_documents": "btm",
    "learn_merges": "merge",
    "learn_merges_of_stream": "merge",
    "load_tokenizer": "load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
