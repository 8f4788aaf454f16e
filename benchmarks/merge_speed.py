"""How fast are BTM's merges learned, and in how much memory, compared with HF `tokenizers` without a pre-tokenizer?

    python benchmarks/merge_speed.py --megabytes 1 10 100 400 [--corpus FILE]

Every measurement runs in a process of its own, after a small run that compiles or loads everything. Memory is how far
the peak of the process rose above its input. The engine runs twice: on one core and on all of them. HF learns the same
number of entries from the same text, which is the usual way to get tokens across words. It is stopped after
--hf-seconds.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workload import add_corpus_option, texts

PRIMITIVES, ENTRIES = 4096, 16_384
SMALLEST_STREAM = 20_000_000  # ids; in a shorter stream, compiling takes more memory than the engine ever does


def memory_bytes(name: str) -> int:
    """Returns this process's memory: VmRSS is what it holds now, VmHWM its peak so far. 0 except on Linux.

    getrusage will not do: a process inherits its maximum from its parent.
    """
    path = Path("/proc/self/status")
    lines = path.read_text(encoding="ascii").splitlines() if path.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def prepare(folder: Path, megabytes: float, corpus: Path | None) -> None:
    """Writes the primitive ids of the text, which the measured process memory-maps."""
    import numpy as np

    from toktrial.corpus.documents import Documents
    from toktrial.tokenizer.bpe import BPETokenizer
    from toktrial.tokenizer.btm import encode_documents

    documents = Documents.of(texts(megabytes, corpus))
    tokenizer = BPETokenizer.train(documents, PRIMITIVES)
    ids, offsets = encode_documents(tokenizer, documents)
    np.save(folder / "ids.npy", ids)
    np.save(folder / "offsets.npy", offsets)
    (folder / "entries.json").write_text(json.dumps([entry.hex() for entry in tokenizer.token_bytes]))


def learn(folder: Path, cores: int) -> dict[str, Any]:
    """Learns the merges from memory-mapped ids on `cores` cores (if the system lets a process choose)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import numpy as np

    from toktrial.tokenizer.merge import learn_merges_of_stream

    ids = np.load(folder / "ids.npy", mmap_mode="r")
    offsets = np.load(folder / "offsets.npy")
    entries = [bytes.fromhex(entry) for entry in json.loads((folder / "entries.json").read_text())]
    learn_merges_of_stream(np.asarray(ids[:1000]), np.array([0, 1000]), entries, PRIMITIVES + 50)
    int(ids.sum(dtype=np.int64))  # reads the input, so that its pages do not count as the engine's
    before, started, cpu = memory_bytes("VmRSS"), time.perf_counter(), time.process_time()
    learned = learn_merges_of_stream(ids, offsets, entries, ENTRIES)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu,
        "ids": int(ids.size),
        "merges": len(learned.merges),
        "recounts": learned.recounts,
        "peak_bytes": memory_bytes("VmHWM") - before,
    }


def learn_with_hf(megabytes: float, corpus: Path | None) -> dict[str, Any]:
    """Learns the same number of entries with HF `tokenizers` without a pre-tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    documents = list(texts(megabytes, corpus))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=ENTRIES,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    before, started = memory_bytes("VmRSS"), time.perf_counter()
    tokenizer.train_from_iterator(documents, trainer)
    return {
        "seconds": time.perf_counter() - started,
        "peak_bytes": memory_bytes("VmHWM") - before,
        "entries": tokenizer.get_vocab_size(),
    }


def in_own_process(arguments: list[str], seconds: float) -> dict[str, Any] | None:
    """Runs this file with arguments; returns what it printed, or None if it took longer than `seconds` or was killed."""
    try:
        command = [sys.executable, __file__, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode < 0 or not done.stdout:
        return None
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(megabytes: float, corpus: Path | None, hf_seconds: float) -> float:
    """Prints a line for one size; returns the engine's seconds."""
    source = ["--corpus", str(corpus)] if corpus else []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), megabytes, corpus)
        ours, all_cores = (in_own_process(["--learn", folder, "--cores", str(n)], 3600) for n in (1, os.cpu_count() or 1))
    assert ours is not None, "the engine failed or was killed"
    assert all_cores is not None, "the engine failed or was killed"
    memory = f"{ours['peak_bytes'] / ours['ids']:.1f}" if ours["ids"] >= SMALLEST_STREAM else "-"
    print(
        f"{megabytes:6.0f} MB  {ours['ids'] / 1e6:7.2f} M ids  {ours['merges']:6,} merges  {ours['seconds']:7.2f} s  "
        f"{ours['ids'] / ours['seconds'] / 1e6:6.1f} M ids/s  {memory:>5} bytes/id  "
        f"{ours['recounts']} recounts; on {os.cpu_count()} cores {all_cores['seconds']:.2f} s",
        flush=True,
    )
    if hf_seconds:
        theirs = in_own_process(["--hf", str(megabytes), *source], hf_seconds)
        if theirs is None:
            print(f"           HF: stopped after {hf_seconds:.0f} s, or out of memory", flush=True)
        else:
            print(
                f"           HF: {theirs['seconds']:.1f} s, {theirs['peak_bytes'] / 1e9:.2f} GB, "
                f"{theirs['entries']:,} entries: {theirs['seconds'] / ours['seconds']:.0f} times our time",
                flush=True,
            )
    return float(ours["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[1, 10])
    add_corpus_option(parser)
    parser.add_argument("--hf-seconds", type=float, default=600, help="how long HF may take; 0 leaves HF out")
    parser.add_argument("--hf-up-to", type=float, default=400, help="largest size, in MB, at which HF is measured")
    parser.add_argument("--cores", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--learn", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--hf", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.learn or given.hf:
        print(json.dumps(learn(given.learn, given.cores) if given.learn else learn_with_hf(given.hf, given.corpus)))
        return
    seconds = {
        megabytes: measure(megabytes, given.corpus, given.hf_seconds if megabytes <= given.hf_up_to else 0)
        for megabytes in given.megabytes
    }
    if len(seconds) > 1:
        small, large = min(seconds), max(seconds)
        exponent = math.log(seconds[large] / seconds[small]) / math.log(large / small)
        print(f"from {small:.0f} to {large:.0f} MB the time grows as n^{exponent:.2f}")


if __name__ == "__main__":
    main()
