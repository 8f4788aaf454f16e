"""How fast does a stream of primitives become the pair graph, compared with a Python Counter of the pairs?

    python benchmarks/graph_speed.py --megabytes 100 [--corpus FILE]

It measures TknMiner -> SyncStream -> PairGraph, in chunks, on one core. The Counter gets the first million ids, and its
time is scaled up to all of them.
"""

import argparse
import itertools
import time
from collections import Counter

import numpy as np

from merge_speed import PRIMITIVES
from toktrial.corpus.documents import Documents
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import encode_documents
from toktrial.tokenizer.tkn import PairGraph, SyncStream, TknMiner
from workload import add_corpus_option, texts

CHUNK_DOCUMENTS = 4096
COUNTER_IDS = 1_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    add_corpus_option(parser)
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
