"""How fast is text encoded, beside HF `tokenizers` and `tiktoken` with the same merges?

    python benchmarks/encode_speed.py --megabytes 20 [--corpus FILE]

All peers get the same documents as a list of str and use all cores. Ours is measured twice: `encode_batch` (list of str in,
list of arrays out, as the peers have it), and from Arrow to flat arrays, which is what a trial does. The best of three runs
of each, all in one process, taking turns.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from merge_speed import texts
from toktrial.corpus.documents import Documents
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.flat import spell

ROUNDS = 3


def hf_without_pre_tokenizer(tokenizer: BTMTokenizer) -> Callable[[list[str]], object]:
    """Returns HF's encode_batch_fast with the same entries and merges as one flat tokenizer, without a pre-tokenizer."""

    from tokenizers import Tokenizer

    content = json.loads(tokenizer.primitive.tokenizer_json)
    spellings = [spell(entry) for entry in tokenizer.token_bytes]
    content["model"]["vocab"] |= {spellings[i]: i for i in range(tokenizer.primitive.vocab_size, tokenizer.vocab_size)}
    content["model"]["merges"] += [[spellings[left], spellings[right]] for left, right in tokenizer.merges[:, :2].tolist()]
    content["pre_tokenizer"]["use_regex"] = False
    flat = Tokenizer.from_str(json.dumps(content))
    flat.encode_special_tokens = True
    return lambda documents: flat.encode_batch_fast(documents, add_special_tokens=False)


def tiktoken_with_the_same_merges(tokenizer: BPETokenizer) -> Callable[[list[str]], object] | None:
    """Returns tiktoken's encode_ordinary_batch over the same entries; None where tiktoken is not installed."""
    try:
        import tiktoken
    except ImportError:
        return None
    ranks = {entry: rank for rank, entry in enumerate(tokenizer.token_bytes[1:])}
    pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
    encoding = tiktoken.Encoding("same", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda documents: encoding.encode_ordinary_batch(documents, num_threads=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--corpus", type=Path)
    given = parser.parse_args()
    documents = list(texts(given.megabytes, given.corpus))
    arrow = pa.array(documents, type=pa.large_string())
    megabytes = sum(len(document.encode()) for document in documents) / 1e6
    spooled = Documents.of(documents)
    bpe = BPETokenizer.train(spooled, 16_384)
    btm = BTMTokenizer.train(spooled, 16_384, primitive=bpe.cut(4096))
    ways: dict[str, Callable[[], object]] = {
        "BTM, Arrow to flat arrays": lambda: btm.encode_arrow(arrow),
        "BTM encode_batch": lambda: btm.encode_batch(documents),
        "BPE, Arrow to flat arrays": lambda: bpe.encode_arrow(arrow),
        "BPE encode_batch": lambda: bpe.encode_batch(documents),
    }
    flat, peer = hf_without_pre_tokenizer(btm), tiktoken_with_the_same_merges(bpe)
    ways["HF flat BTM, encode_batch_fast"] = lambda: flat(documents)
    ways["HF BPE, encode_batch_fast"] = lambda: bpe.hf.encode_batch_fast(documents, add_special_tokens=False)
    if peer is not None:
        ways["tiktoken BPE, encode_ordinary_batch"] = lambda: peer(documents)
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - started)
    for name, seconds in best.items():
        peer_name = "HF flat BTM, encode_batch_fast" if "BTM" in name else "HF BPE, encode_batch_fast"
        print(f"{name:38} {megabytes / seconds:8.1f} MB/s  {best[peer_name] / seconds:6.1f} times {peer_name}")
    text = documents[0][:200]
    btm.encode(text)
    started = time.perf_counter()
    for _ in range(2000):
        btm.encode(text)
    print(f"one text of {len(text)} characters: {(time.perf_counter() - started) / 2000 * 1e6:.0f} microseconds")


if __name__ == "__main__":
    main()
