"""How much faster are prompts continued with a key-value cache than by the same sampling without one?

    python benchmarks/generate_speed.py [--prompts 16] [--new-tokens 200] [--threads N]

The model has 3.5 million random weights, which take the same time as trained ones. Every way continues the same prompts
(the first ids of built-in stories, of many lengths) by the same number of ids, with the same generators, temperature
0.8 and top-k 50. Id 0 does not end a text here, so that all do the same work. Without a cache, every position of the
whole batch is computed again for each new id; the head is applied only to the last positions. The ways take turns and
are measured twice; the better time counts. The script then says whether the ids are equal. Healing happens once per
prompt and is measured separately.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch

from toktrial.corpus.storybook import stories
from toktrial.evaluation.generation import Decoder, begin_continuation, candidates
from toktrial.evaluation.healing import EntryTable
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer
from toktrial.training.model import GPT
from workload import SMALL_MODEL, SMALL_VOCAB_SIZE

ROUNDS = 2
TEMPERATURE, TOP_K = 0.8, 50


class UncachedDecoder:
    """Gives what `Decoder` gives, but computes every position again each time."""

    def __init__(self, model: GPT, texts: Sequence[Sequence[int]]) -> None:
        self._model = model
        self._windows = [list(ids) for ids in texts]

    def next_logits(self) -> torch.Tensor:
        counts = [len(window) for window in self._windows]
        padded = torch.zeros((len(counts), max(counts)), dtype=torch.int64)
        for row, window in enumerate(self._windows):
            padded[row, : len(window)] = torch.tensor(window)
        with torch.inference_mode():
            return self._model.next_logits(padded, counts, self._model.new_cache(len(counts), max(counts)))

    def append(self, ids: Sequence[int]) -> None:
        for row, token in enumerate(ids):
            self._windows[row].append(token)
            if len(self._windows[row]) > SMALL_MODEL.context:
                self._windows[row] = self._windows[row][-SMALL_MODEL.context // 2 :]


def sample(decoder: Decoder | UncachedDecoder, seeds: Sequence[int], new_tokens: int) -> list[list[int]]:
    """Continues every text of a decoder by `new_tokens` ids, each with a generator of its own seed."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    said: list[list[int]] = [[] for _ in seeds]
    for _ in range(new_tokens):
        ids, probabilities = candidates(decoder.next_logits(), TEMPERATURE, TOP_K, 1.0)
        drawn = [int(torch.multinomial(row, 1, generator=g)) for row, g in zip(probabilities, generators, strict=True)]
        tokens = [int(row[place]) for row, place in zip(ids, drawn, strict=True)]
        decoder.append(tokens)
        for text, token in zip(said, tokens, strict=True):
            text.append(token)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--new-tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    documents = list(stories(3_000_000))
    bpe = BPETokenizer.train(documents, SMALL_VOCAB_SIZE)
    model = GPT(SMALL_MODEL, SMALL_VOCAB_SIZE, bpe.vocab_size)
    model.initialise(1)
    seeds = range(given.prompts)
    texts = [[0, *bpe.encode(documents[seed])[: 6 + 2 * seed]] for seed in seeds]

    ways: dict[str, Callable[[], list[list[int]]]] = {
        "cached, in one batch": lambda: sample(Decoder(model, texts), seeds, given.new_tokens),
        "cached, one by one": lambda: [
            sample(Decoder(model, [text]), [seed], given.new_tokens)[0] for seed, text in zip(seeds, texts, strict=True)
        ],
        "without a cache, in one batch": lambda: sample(UncachedDecoder(model, texts), seeds, given.new_tokens),
    }
    sample(Decoder(model, texts), seeds, 3)  # a first call is slower
    best = dict.fromkeys(ways, float("inf"))
    said = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.perf_counter()
            said[name] = way()
            best[name] = min(best[name], time.perf_counter() - started)
    parameters = model.parameter_counts().total
    print(
        f"{parameters:,} parameters (random), {given.prompts} prompts of {min(map(len, texts))} to {max(map(len, texts))} ids"
    )
    tokens, slowest = given.prompts * given.new_tokens, best["without a cache, in one batch"]
    for name, seconds in best.items():
        print(f"{name:30} {seconds:7.2f} s  {tokens / seconds:8.0f} tokens/s  {slowest / seconds:5.1f} times without a cache")
    print("ids are equal" if len({str(ids) for ids in said.values()}) == 1 else "ids DIFFER")

    btm = BTMTokenizer.train(documents, SMALL_VOCAB_SIZE, primitive_vocab_size=1024)
    prompts = [document[: 40 + 5 * place] for place, document in enumerate(documents[: given.prompts])]
    for tokenizer in (bpe, btm):
        entries = EntryTable(tokenizer.token_bytes)
        started = time.perf_counter()
        healed = [begin_continuation(model, tokenizer, entries, prompt, 0, place) for place, prompt in enumerate(prompts)]
        seconds = time.perf_counter() - started
        worst = max(each.healing_cut_share for each in healed)
        print(f"healing with {tokenizer.recipe}: {seconds / len(prompts) * 1e3:.0f} ms a prompt; at most {worst:.1e} cut")


if __name__ == "__main__":
    main()
