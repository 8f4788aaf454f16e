"""How fast does a corpus's stream of primitives become the pair graph, beside counting the pairs with Python's Counter?

    python benchmarks/graph_speed.py --megabytes 100

TknMiner -> SyncStream -> PairGraph, in chunks, on one core. Text comes from the built-in storybook, or from --corpus FILE
(documents separated by <|endoftext|> lines, repeated until it is long enough). The Counter gets the first million ids.
"""

import argparse
import itertools
import time
from collections import Counter
from pathlib import Path

import numpy as np

from merge_speed import PRIMITIVES, texts
from toktrial.corpus.documents import Documents
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import encode_documents
from toktrial.tokenizer.tkn import PairGraph, SyncStream, TknMiner

CHUNK_DOCUMENTS = 4096
COUNTER_IDS = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--corpus", type=Path)
    given = parser.parse_args()
    documents = Documents.of(texts(given.megabytes, given.corpus))
    ids, offsets = encode_documents(BPETokenizer.train(documents, PRIMITIVES), documents)
    miner, few = TknMiner(PRIMITIVES), np.array([0, 2])
    SyncStream(PairGraph()).feed(*miner.mine(ids[:2], few))  # compiles
    stream = SyncStream(PairGraph())
    started = time.perf_counter()
    for first in range(0, len(offsets) - 1, CHUNK_DOCUMENTS):
        stream.feed(*miner.mine(ids, offsets[first : first + CHUNK_DOCUMENTS + 1]))
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    Counter(itertools.pairwise(ids[:COUNTER_IDS].tolist()))
    counter_seconds = (time.perf_counter() - started) * ids.size / min(COUNTER_IDS, ids.size)
    print(
        f"{ids.size / 1e6:.2f} M ids, {len(stream.graph):,} pairs: {seconds:.2f} s, {ids.size / seconds / 1e6:.1f} M ids/s; "
        f"{counter_seconds / seconds:.0f} times as fast as a Counter"
    )


if __name__ == "__main__":
    main()
