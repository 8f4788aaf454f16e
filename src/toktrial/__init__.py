"""toktrial: does another tokenizer make a language model learn faster? The public names, imported when first used."""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# Otherwise a .numba_config.yaml in the working folder, which may be somebody else's trial, could name code for numba to load.
for setting in ("NUMBA_CACHE_DIR", "NUMBA_CACHE_LOCATOR_CLASSES"):
    os.environ.setdefault(setting, "")

if TYPE_CHECKING:
    from toktrial.presets import demo, laptop, tinystories
    from toktrial.protocol import Protocol
    from toktrial.tokenizer.bpe import BPETokenizer
    from toktrial.tokenizer.btm import BTMTokenizer
    from toktrial.tokenizer.load import load_tokenizer
    from toktrial.tokenizer.merge import learn_merges
    from toktrial.tokenizer.tkn import PairGraph, SyncStream, TknMiner
    from toktrial.trial import Trial

_HOME = {
    "BPETokenizer": "toktrial.tokenizer.bpe",
    "BTMTokenizer": "toktrial.tokenizer.btm",
    "PairGraph": "toktrial.tokenizer.tkn",
    "Protocol": "toktrial.protocol",
    "SyncStream": "toktrial.tokenizer.tkn",
    "TknMiner": "toktrial.tokenizer.tkn",
    "Trial": "toktrial.trial",
    "demo": "toktrial.presets",
    "laptop": "toktrial.presets",
    "learn_merges": "toktrial.tokenizer.merge",
    "load_tokenizer": "toktrial.tokenizer.load",
    "tinystories": "toktrial.presets",
}

__all__ = [
    "BPETokenizer",
    "BTMTokenizer",
    "PairGraph",
    "Protocol",
    "SyncStream",
    "TknMiner",
    "Trial",
    "demo",
    "laptop",
    "learn_merges",
    "load_tokenizer",
    "tinystories",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'toktrial' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
