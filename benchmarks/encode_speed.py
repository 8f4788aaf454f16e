"""How fast is text encoded, beside HF `tokenizers` and `tiktoken` with the same merges? How does time grow for extremes?

    python benchmarks/encode_speed.py --megabytes 100 [--corpus FILE] [--extremes]

toktrial encodes all --megabytes, in two ways: `encode_batch` (a list of str in, a list of arrays out, as its peers do
it), and from Arrow to flat arrays, which is what a trial does. The peers are slower, so they encode only the first
--peer-megabytes of the same documents, as a list of str and also on all cores. Each speed is MB/s over the encoder's
own text; for ratios over equal text, give both sizes the same value. All run in one process and take turns, and the
best of three runs of each counts.

--extremes measures something else: one document without a space, one made of newlines, and documents of one character.
Each is measured at its full size and at a quarter of it. An exponent of 1 means linear time.
"""

import argparse
import itertools
import json
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from toktrial.corpus.documents import Documents
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.tokenizer.transformers_files import spell
from workload import add_corpus_option, seconds_of, texts

ROUNDS = 3
Way = Callable[[], object]


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
    """Returns tiktoken's encode_ordinary_batch over the same entries; None if tiktoken is not installed."""
    try:
        import tiktoken
    except ImportError:
        return None
    ranks = {entry: rank for rank, entry in enumerate(tokenizer.token_bytes[1:])}
    pattern = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
    encoding = tiktoken.Encoding("same", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda documents: encoding.encode_ordinary_batch(documents, num_threads=os.cpu_count() or 1)


def utf8_megabytes(documents: Sequence[str]) -> float:
    return sum(len(document.encode()) for document in documents) / 1e6


def compare_with_peers(bpe: BPETokenizer, btm: BTMTokenizer, documents: list[str], peer_megabytes: float) -> None:
    """Prints the speed of every way in MB/s, and as a multiple of HF's speed with the same entries."""
    arrow = pa.array(documents, type=pa.large_string())
    lengths = itertools.accumulate(len(document.encode()) for document in documents)
    sample = documents[: sum(length <= peer_megabytes * 1e6 for length in lengths)]
    megabytes, of_sample = utf8_megabytes(documents), utf8_megabytes(sample)
    flat, tiktoken = hf_without_pre_tokenizer(btm), tiktoken_with_the_same_merges(bpe)
    hf_flat, hf = "HF flat BTM, encode_batch_fast", "HF BPE, encode_batch_fast"
    ways: dict[str, tuple[Way, float, str]] = {
        "BTM, Arrow to flat arrays": (lambda: btm.encode_arrow(arrow), megabytes, hf_flat),
        "BTM encode_batch": (lambda: btm.encode_batch(documents), megabytes, hf_flat),
        "BTM's primitives, Arrow to flat arrays": (lambda: btm.primitive.encode_arrow(arrow), megabytes, hf),
        "BPE, Arrow to flat arrays": (lambda: bpe.encode_arrow(arrow), megabytes, hf),
        "BPE encode_batch": (lambda: bpe.encode_batch(documents), megabytes, hf),
        hf_flat: (lambda: flat(sample), of_sample, hf_flat),
        hf: (lambda: bpe.hf.encode_batch_fast(sample, add_special_tokens=False), of_sample, hf),
    }
    if tiktoken is None:
        print("tiktoken is not installed, so it is not compared: pip install tiktoken")
    else:
        ways["tiktoken BPE, encode_ordinary_batch"] = (lambda: tiktoken(sample), of_sample, hf)
    best = dict.fromkeys(ways, math.inf)
    for _ in range(ROUNDS):
        for name, (way, _, _) in ways.items():
            best[name] = min(best[name], seconds_of(way))
    speed = {name: size / best[name] for name, (_, size, _) in ways.items()}
    print(f"{megabytes:.1f} MB in {len(documents):,} documents; the peers encode the first {of_sample:.1f} MB")
    print(f"entries: BPE {bpe.vocab_size:,}, BTM {btm.vocab_size:,} over {btm.primitive.vocab_size:,} primitives")
    for name, (_, _, peer) in ways.items():
        print(f"{name:40} {speed[name]:8.1f} MB/s  {speed[name] / speed[peer]:6.1f} times {peer}")
    text = documents[0][:200]
    for label, tokenizer in (("BTM", btm), ("BPE", bpe)):
        print(f"{label}, one text of {len(text.encode())} bytes: {microseconds_of_one(tokenizer, text):.0f} microseconds")


def microseconds_of_one(tokenizer: Tokenizer, text: str) -> float:
    tokenizer.encode(text)
    return seconds_of(lambda: [tokenizer.encode(text) for _ in range(2000)]) / 2000 * 1e6


def measure_extremes(tokenizers: dict[str, Tokenizer], documents: list[str]) -> None:
    """Prints seconds at a quarter of the size and at the full size, and the exponent of the growth."""
    letters = "".join(character for document in documents for character in document if character.isalpha())
    kinds: dict[str, tuple[int, Callable[[int], list[str]]]] = {
        "one document of 50 MB without a space": (50_000_000, lambda size: [(letters * (size // len(letters) + 1))[:size]]),
        "one document of a million newlines": (1_000_000, lambda size: ["\n" * size]),
        "one document of ten million newlines": (10_000_000, lambda size: ["\n" * size]),
        "a million documents of one character": (1_000_000, lambda size: (["a", "\n", " ", "z"] * size)[:size]),
    }
    for name, (size, make) in kinds.items():
        quarter, whole = make(size // 4), make(size)
        for label, tokenizer in tokenizers.items():
            growths = {
                "encode_batch": [best_seconds(tokenizer.encode_batch, texts) for texts in (quarter, whole)],
                "Arrow": [best_seconds(tokenizer.encode_arrow, as_arrow(texts)) for texts in (quarter, whole)],
            }
            for way, (one, four) in growths.items():
                growth = math.log(four / one, 4)
                print(f"{name:38} {label:10} {way:12} {one:7.3f} s, four times that: {four:7.3f} s, exponent {growth:.2f}")


def best_seconds(encode: Callable[[Any], object], texts: Sequence[str] | pa.LargeStringArray) -> float:
    return min(seconds_of(lambda: encode(texts)) for _ in range(2))


def as_arrow(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, type=pa.large_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--peer-megabytes", type=float, default=10)
    add_corpus_option(parser)
    parser.add_argument("--extremes", action="store_true")
    given = parser.parse_args()
    documents = list(texts(given.megabytes, given.corpus))
    if given.corpus is not None:
        print(f"{given.corpus.name}: {len(documents):,} documents, {len(set(documents)):,} of them distinct")
    spooled = Documents.of(documents)
    bpe = BPETokenizer.train(spooled, 16_384)
    btm = BTMTokenizer.train(spooled, 16_384, primitive=bpe.cut(4096))
    if given.extremes:
        words = BTMTokenizer.train(spooled, 16_384, primitive=bpe.cut(4096), scope="words")
        measure_extremes({"BPE": bpe, "BTM any": btm, "BTM words": words}, documents)
    else:
        compare_with_peers(bpe, btm, documents, given.peer_megabytes)


if __name__ == "__main__":
    main()
