"""How fast are minimal pairs judged, compared with a loop that gives transformers' GPT-2 one sentence at a time?

    python benchmarks/minimal_pairs_speed.py --pairs FOLDER [--corpus FILE] [--peer-pairs 200] [--threads N]

FOLDER holds BLiMP's jsonl files. The model has 3.5 million random weights, which take the same time as trained ones.
Its BPE is trained on the corpus. toktrial judges all pairs, and its time includes what it does before the first forward
pass. The peer judges --peer-pairs of them, spread over all, and starts from ids that are ready. Both use the same
weights in float32. The script compares the pairs per second of each, and says how many of the peer's pairs come out the
same.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from toktrial.commands.export import gpt2_config, gpt2_weights
from toktrial.evaluation.minimal_pairs import Paradigm, outcomes, pair_nats, read_paradigms
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.training.model import GPT
from workload import SMALL_MODEL, SMALL_VOCAB_SIZE, add_corpus_option, texts


def as_transformers(model: GPT) -> GPT2LMHeadModel:
    """Returns a GPT-2 of transformers with the weights of `model`."""
    weights = gpt2_weights(model)
    theirs = GPT2LMHeadModel(GPT2Config(**gpt2_config(model)))
    theirs.load_state_dict(weights | {"lm_head.weight": weights["transformer.wte.weight"]})
    theirs.train(False)
    return theirs


def one_by_one(theirs: GPT2LMHeadModel, sentences: list[list[int]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Returns the nats of each sentence, one forward pass each. Id 0 before it is not scored; its closing id 0 is."""
    nats = []
    with torch.inference_mode():
        for sentence in sentences:
            ids = torch.tensor([[0, *sentence, 0]])
            log_probabilities = theirs(ids[:, :-1]).logits[0].float().log_softmax(dim=1)
            nats.append(-float(log_probabilities.gather(1, ids[0, 1:, None]).double().sum()))
    return np.array(nats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True)
    add_corpus_option(parser)
    parser.add_argument("--peer-pairs", type=int, default=200)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer = BPETokenizer.train(texts(4.0, options.corpus), SMALL_VOCAB_SIZE)
    model = GPT(SMALL_MODEL, SMALL_VOCAB_SIZE, tokenizer.vocab_size)
    model.initialise(1)
    paradigms = read_paradigms(sorted(options.pairs.glob("*.jsonl")))

    started = time.perf_counter()
    good_nats, bad_nats = pair_nats(model, tokenizer, paradigms)
    pairs = len(good_nats)
    ours = pairs / (time.perf_counter() - started)
    print(f"{model.parameter_counts().total / 1e6:.1f} million parameters, {options.threads} threads, {pairs:,} pairs")
    print(f"ours: {ours:.0f} pairs/s, encoding and batching included")

    chosen = np.linspace(0, pairs - 1, min(options.peer_pairs, pairs)).astype(int)
    peer_good, peer_bad, seconds = judged_by_peer(model, tokenizer, paradigms, chosen)
    peer = len(chosen) / seconds
    same = sum(
        a == b for a, b in zip(outcomes(good_nats[chosen], bad_nats[chosen]), outcomes(peer_good, peer_bad), strict=True)
    )
    print(f"transformers, a sentence at a time: {peer:.0f} pairs/s; ours is {ours / peer:.1f} times as fast")
    print(f"{same} of {len(chosen)} pairs come out the same")


def judged_by_peer(
    model: GPT, tokenizer: BPETokenizer, paradigms: list[Paradigm], chosen: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]], float]:
    """Returns the nats of the good and of the bad sentences of the chosen pairs, and the seconds that it took."""
    theirs = as_transformers(model)
    good, bad = (
        [tokenizer.encode(sentence) for sentence in np.array([s for p in paradigms for s in getattr(p, side)])[chosen].tolist()]
        for side in ("good", "bad")
    )
    one_by_one(theirs, good[:5])  # a first call is slower
    started = time.perf_counter()
    good_nats, bad_nats = one_by_one(theirs, good), one_by_one(theirs, bad)
    return good_nats, bad_nats, time.perf_counter() - started


if __name__ == "__main__":
    main()
